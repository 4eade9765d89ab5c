"""The Data Integrity cryptosuites: which bytes a proof signs.

Lives here: eddsa-jcs-2022 and eddsa-rdfc-2022 (W3C Data Integrity EdDSA Cryptosuites 1.0, 15 May 2025), ecdsa-jcs-2019 and
ecdsa-rdfc-2019 (W3C Data Integrity ECDSA Cryptosuites 1.0, 15 May 2025): transformation, proof configuration and hashing.
Not here: which proofs must be there (`proof`), signing (`signing`), RDF itself (`rdf`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from datasigil.canonical import jcs
from datasigil.credentials.keys import ED25519, P256, P384
from datasigil.encoding import JsonValue
from datasigil.errors import ProofError
from datasigil.record import dataclass

# (document, hash name "sha256" | "sha384") -> canonical N-Quads
RdfCanonicalizer = Callable[[Mapping[str, JsonValue], str], bytes]

_HASH_OF_KIND = {ED25519: "sha256", P256: "sha256", P384: "sha384"}


@dataclass(frozen=True)
class Cryptosuite:
    """One cryptosuite: its canonicalisation and the kinds of key it admits."""

    name: str
    rdf: bool
    kinds: tuple[str, ...]


SUITES: Mapping[str, Cryptosuite] = {
    suite.name: suite
    for suite in (
        Cryptosuite("eddsa-jcs-2022", rdf=False, kinds=(ED25519,)),
        Cryptosuite("eddsa-rdfc-2022", rdf=True, kinds=(ED25519,)),
        Cryptosuite("ecdsa-jcs-2019", rdf=False, kinds=(P256, P384)),
        Cryptosuite("ecdsa-rdfc-2019", rdf=True, kinds=(P256, P384)),
    )
}

# Ed25519Signature2020 (W3C CCG, superseded): the same bytes as eddsa-rdfc-2022, named by proof type. Verified in generic mode, never made.
ED25519_SIGNATURE_2020 = "Ed25519Signature2020"
_LEGACY = {ED25519_SIGNATURE_2020: Cryptosuite(ED25519_SIGNATURE_2020, rdf=True, kinds=(ED25519,))}


def isolated(document: Mapping[str, JsonValue], hash_name: str) -> bytes:
    """Canonicalise a document that others wrote: directly if its terms are all in our tables, else in the killable subprocess."""
    from datasigil.credentials.rdf_direct import canonicalize_directly

    found = canonicalize_directly(document, hash_name)
    if found is not None:
        return found
    from datasigil.credentials.rdf_worker import canonicalize_isolated

    return canonicalize_isolated(document, hash_name)


def suites_for(kind: str) -> tuple[str, ...]:
    """Return the names of the suites that a kind of key can be used with, the default first."""
    return tuple(name for name, suite in SUITES.items() if kind in suite.kinds)


def suite_for_key(name: str, kind: str, *, legacy: bool = False) -> Cryptosuite:
    """Return the suite called `name` if a key of `kind` may be used with it; `legacy` admits superseded proof types.

    Raises:
        ProofError: UNSUPPORTED for an unknown suite, KEY_TYPE for a key of another kind.
    """
    suite = SUITES.get(name) or (_LEGACY.get(name) if legacy else None)
    if suite is None:
        raise ProofError(
            "UNSUPPORTED",
            "unknown cryptosuite",
            place="/proof/cryptosuite",
            expected=", ".join(SUITES),
            found=name[:60],
        )
    if kind not in suite.kinds:
        raise ProofError(
            "KEY_TYPE", f"{name} cannot be used with this key", expected=" or ".join(suite.kinds), found=kind
        )
    return suite


def proof_configuration(
    suite: Cryptosuite,
    unsecured: Mapping[str, JsonValue],
    options: Mapping[str, JsonValue],
    kind: str,
    canonicalize: RdfCanonicalizer,
) -> bytes:
    """Return the canonical proof configuration: the proof without its value, under the document's context (section 3.3.5)."""
    configuration = {key: value for key, value in options.items() if key != "proofValue"}
    if not suite.rdf:
        return jcs(configuration)
    if "@context" in unsecured:
        configuration["@context"] = unsecured["@context"]
    return canonicalize(configuration, _HASH_OF_KIND[kind])


def transform(
    suite: Cryptosuite, unsecured: Mapping[str, JsonValue], kind: str, canonicalize: RdfCanonicalizer
) -> bytes:
    """Return the canonical form of the unsecured document (section 3.3.3)."""
    return canonicalize(unsecured, _HASH_OF_KIND[kind]) if suite.rdf else jcs(unsecured)


def hash_data(
    suite: Cryptosuite,
    unsecured: Mapping[str, JsonValue],
    options: Mapping[str, JsonValue],
    kind: str,
    canonicalize: RdfCanonicalizer,
    *,
    canonical: bytes | None = None,
) -> bytes:
    """Return the bytes that are signed: hash of the proof configuration, then hash of the document (section 3.3.4).

    `canonical` is the JCS form of `unsecured`, where the caller has it already; the rdfc suites have no use for it.

    Raises:
        MalformedError: CONTEXT, DATA_LOSS, LIMIT and the other codes of `rdf` for the rdfc suites.
    """
    digest = hashlib.sha384 if _HASH_OF_KIND[kind] == "sha384" else hashlib.sha256
    configuration = proof_configuration(suite, unsecured, options, kind, canonicalize)
    if canonical is None or suite.rdf:
        canonical = transform(suite, unsecured, kind, canonicalize)
    return digest(configuration).digest() + digest(canonical).digest()
