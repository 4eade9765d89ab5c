"""Data Integrity proofs: single proofs, proof sets and `previousProof` chains.

Lives here: which proofs a document must carry and whether each of them verifies (W3C Verifiable Credential Data Integrity 1.0,
15 May 2025, sections 4.4 and 4.5). Not here: the bytes that are signed (`cryptosuites`), whose key it is (the resolver that the
caller hands in: `trust` for the profile, `did.did_key_resolver` for possession alone), and making proofs (`signing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from datasigil.credentials.cryptosuites import (
    ED25519_SIGNATURE_2020,
    RdfCanonicalizer,
    hash_data,
    isolated,
    suite_for_key,
)
from datasigil.credentials.did import split_did_url
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.types import Credential
from datasigil.encoding import Instant, JsonValue, multibase_decode, pointer_token
from datasigil.errors import DatasigilError, MalformedError, ProofError
from datasigil.limits import PROOFS_MAX
from datasigil.record import dataclass

# (verification method id, proof purpose) -> key; raises ProofError or UntrustedError when there is none
KeyResolver = Callable[[str, str], PublicKey]

PROFILE = "profile"
GENERIC = "generic"

_MEMBERS = frozenset(
    {
        "@context", "challenge", "created", "cryptosuite", "domain", "expires", "id", "nonce", "previousProof", "proofPurpose",
        "proofValue", "type", "verificationMethod",
    }
)  # fmt: skip
_PURPOSES = ("assertionMethod", "authentication", "capabilityInvocation", "capabilityDelegation")


@dataclass(frozen=True)
class VerifiedProof:
    """One proof whose signature verified under the key that the resolver returned."""

    verification_method: str
    controller: str  # DID part of the verification method
    cryptosuite: str
    purpose: str
    created: Instant | None  # claimed by the signer, never evidence
    expires: Instant | None
    id: str | None
    challenge: str | None
    domain: tuple[str, ...]
    key: PublicKey
    by_issuer: bool  # the controller is the document's issuer (a presentation's holder)


@dataclass(frozen=True)
class _Proof:
    """A proof object whose members have been checked one by one."""

    place: str
    members: Mapping[str, JsonValue]
    method: str
    controller: str
    value: bytes
    created: Instant | None
    expires: Instant | None
    domain: tuple[str, ...]
    previous: tuple[str, ...]


def verify_proofs(
    document: JsonValue | Credential,
    *,
    keys: KeyResolver,
    purpose: str = "assertionMethod",
    challenge: str | None = None,
    domain: str | None = None,
    mode: str = PROFILE,
    at: Instant | None = None,
    canonicalize: RdfCanonicalizer = isolated,
) -> tuple[VerifiedProof, ...]:
    """Return every proof of `document`, at most 8, all of them verified; one that fails fails the document.

    A `Credential` is its document, whose canonical form is at hand; of any other value it is made.

    In `profile` mode proof members are a closed set, `created` is required, each proof is by the document's issuer (a
    presentation's holder), a proof context equals the document's, and an unexpected challenge or domain is refused. In
    `generic` mode (VCALM) proofs by others verify and are reported with `by_issuer` false. `at` is the instant at which a
    proof's own `expires` is judged. RDF suites run in a killable subprocess unless `canonicalize` is given.

    Raises:
        ProofError: PROOF_MISSING, UNSUPPORTED, PURPOSE, SIGNATURE, ISSUER_MISMATCH, DOMAIN, CHALLENGE, KEY_TYPE, PREVIOUS_PROOF,
            PROOF_EXPIRED, CONTEXT, LIMIT, and what the resolver raises.
        MalformedError: PROOF, ENCODING, DID, TIMESTAMP, UNKNOWN_PROPERTY and the codes of `rdf`.

    Not checked: the document's own schema, validity period, status and the trust in the keys.
    """
    parsed = document if isinstance(document, Credential) else None
    if parsed is not None:
        document = parsed.document
    if not isinstance(document, Mapping):
        raise MalformedError("PROOF", "only an object can carry a proof", expected="a JSON object")
    strict = mode != GENERIC
    proofs = [_parse_proof(item, place, strict=strict) for item, place in _proof_items(document)]
    by_id = _index(proofs)
    signer = _signer_of(document)
    expected = _Expected(purpose, challenge, domain, at, signer, strict)
    for proof in proofs:
        _check_options(proof, expected)
    unsecured = {key: value for key, value in document.items() if key != "proof"}
    covered = _Covered(unsecured, parsed, strict)
    return tuple(_verify_one(proof, by_id, covered, signer, keys, canonicalize) for proof in proofs)


@dataclass(frozen=True)
class _Covered:
    """What proofs are over: the document without them, and the parsed credential that it is, if it is one."""

    unsecured: Mapping[str, JsonValue]
    parsed: Credential | None
    strict: bool


@dataclass(frozen=True)
class _Expected:
    purpose: str
    challenge: str | None
    domain: str | None
    at: Instant | None
    signer: str | None
    strict: bool


def _proof_items(document: Mapping[str, JsonValue]) -> list[tuple[JsonValue, str]]:
    raw = document.get("proof")
    items = raw if isinstance(raw, list) else [raw] if raw is not None else []
    if not items:
        raise ProofError(
            "PROOF_MISSING", "the document carries no proof", place="/proof", expected="a DataIntegrityProof"
        )
    if len(items) > PROOFS_MAX:
        raise ProofError(
            "LIMIT",
            "the document carries too many proofs",
            place="/proof",
            expected=f"at most {PROOFS_MAX}",
            found=str(len(items)),
        )
    return [(item, f"/proof/{index}" if isinstance(raw, list) else "/proof") for index, item in enumerate(items)]


def _parse_proof(item: JsonValue, place: str, *, strict: bool) -> _Proof:
    if not isinstance(item, Mapping):
        raise MalformedError("PROOF", "a proof must be an object", place=place)
    if "jwt" in item or "jws" in item:
        raise ProofError("UNSUPPORTED", "JOSE proofs are not supported", place=place, expected="a Data Integrity proof")
    legacy = not strict and item.get("type") == ED25519_SIGNATURE_2020
    if item.get("type") != "DataIntegrityProof" and not legacy:
        raise ProofError(
            "UNSUPPORTED",
            "unknown proof type",
            place=f"{place}/type",
            expected="DataIntegrityProof",
            found=str(item.get("type"))[:60],
        )
    if strict:
        for name in () if item.keys() <= _MEMBERS else sorted(map(str, item.keys() - _MEMBERS)):
            raise MalformedError(
                "UNKNOWN_PROPERTY", "a proof holds an unknown member", place=f"{place}/{pointer_token(name)}"
            )
        if "created" not in item:
            raise MalformedError(
                "PROOF", "a proof lacks its creation time", place=f"{place}/created", expected="an RFC 3339 time"
            )
    for name in ("proofPurpose", "verificationMethod", "proofValue", *(() if legacy else ("cryptosuite",))):
        if not isinstance(item.get(name), str):
            raise MalformedError("PROOF", f"a proof lacks {name}", place=f"{place}/{name}", expected="text")
    for name in ("id", "challenge", "nonce"):
        if name in item and not isinstance(item[name], str):
            raise MalformedError("PROOF", f"a proof's {name} must be text", place=f"{place}/{name}")
    controller, _ = split_did_url(item["verificationMethod"], place=f"{place}/verificationMethod")
    return _Proof(
        place,
        item,
        item["verificationMethod"],
        controller,
        multibase_decode(item["proofValue"], prefix="z", place=f"{place}/proofValue"),
        _instant(item, "created", place, strict=strict),
        _instant(item, "expires", place, strict=strict),
        _texts(item, "domain", place),
        _texts(item, "previousProof", place),
    )


def _instant(item: Mapping[str, JsonValue], name: str, place: str, *, strict: bool) -> Instant | None:
    if name not in item:
        return None
    return Instant.parse(item[name], place=f"{place}/{name}", any_offset=not strict)


def _texts(item: Mapping[str, JsonValue], name: str, place: str) -> tuple[str, ...]:
    if name not in item:
        return ()
    raw = item[name]
    values = tuple(raw) if isinstance(raw, (list, tuple)) else (raw,)
    if not values or not all(isinstance(value, str) for value in values):
        raise MalformedError("PROOF", f"a proof's {name} must be text or an array of texts", place=f"{place}/{name}")
    return values


def _index(proofs: Sequence[_Proof]) -> dict[str, _Proof]:
    by_id: dict[str, _Proof] = {}
    for proof in proofs:
        identifier = proof.members.get("id")
        if identifier is None:
            continue
        if identifier in by_id:
            raise MalformedError("PROOF", "two proofs share an id", place=f"{proof.place}/id", found=identifier[:120])
        by_id[identifier] = proof
    return by_id


def _signer_of(document: Mapping[str, JsonValue]) -> str | None:
    """The DID that must have signed: a credential's issuer, a presentation's holder."""
    raw = document.get("issuer", document.get("holder"))
    signer = raw.get("id") if isinstance(raw, Mapping) else raw
    return signer if isinstance(signer, str) else None


def _check_options(proof: _Proof, expected: _Expected) -> None:
    """Compare what the signer declared with what the verifier asked for (VC Data Integrity section 4.4, steps 3 to 8)."""
    found = proof.members["proofPurpose"]
    if found not in _PURPOSES or found != expected.purpose:
        raise ProofError(
            "PURPOSE",
            "the proof was made for another purpose",
            place=f"{proof.place}/proofPurpose",
            expected=expected.purpose,
            found=found[:60],
        )
    if expected.strict and proof.controller != expected.signer:
        raise ProofError(
            "ISSUER_MISMATCH",
            "a proof is not by the document's issuer",
            place=f"{proof.place}/verificationMethod",
            expected=expected.signer or "an issuer",
            found=proof.controller,
        )
    challenge = proof.members.get("challenge")
    if expected.domain is not None and expected.domain not in proof.domain:
        raise ProofError(
            "DOMAIN",
            "the proof was made for another domain",
            place=f"{proof.place}/domain",
            expected=expected.domain,
            found=", ".join(proof.domain)[:120],
        )
    if expected.challenge is not None and challenge != expected.challenge:
        raise ProofError(
            "CHALLENGE",
            "the proof does not answer this challenge",
            place=f"{proof.place}/challenge",
            expected="the challenge that was issued",
        )
    unexpected = (expected.domain is None and proof.domain) or (expected.challenge is None and challenge is not None)
    if expected.strict and unexpected:
        raise ProofError(
            "DOMAIN",
            "the proof was made for one verifier or occasion, and not for this",
            place=proof.place,
            expected="no challenge and no domain",
        )
    if expected.at is not None and proof.expires is not None and proof.expires <= expected.at:
        raise ProofError(
            "PROOF_EXPIRED",
            "the proof has expired",
            place=f"{proof.place}/expires",
            expected=f"after {expected.at}",
            found=str(proof.expires),
        )


def _verify_one(
    proof: _Proof,
    by_id: Mapping[str, _Proof],
    covered: _Covered,
    signer: str | None,
    keys: KeyResolver,
    canonicalize: RdfCanonicalizer,
) -> VerifiedProof:
    members = proof.members
    key = keys(proof.method, members["proofPurpose"])
    legacy = members["type"] == ED25519_SIGNATURE_2020
    suite = suite_for_key(ED25519_SIGNATURE_2020 if legacy else members["cryptosuite"], key.kind, legacy=legacy)
    signed = _with_previous(proof, by_id, _under_proof_context(proof, covered.unsecured, strict=covered.strict))
    # The canonical form that the parser's result keeps is of the document as it stands, not under another context or with other proofs.
    as_parsed = covered.parsed if signed is covered.unsecured and not suite.rdf else None
    canonical = as_parsed.unsecured_jcs if as_parsed is not None else None
    try:
        key.verify(proof.value, hash_data(suite, signed, members, key.kind, canonicalize, canonical=canonical))
    except DatasigilError as error:
        error.place = error.place or proof.place
        raise
    return VerifiedProof(
        proof.method,
        proof.controller,
        suite.name,
        members["proofPurpose"],
        proof.created,
        proof.expires,
        members.get("id"),
        members.get("challenge"),
        proof.domain,
        key,
        proof.controller == signer,
    )


def _under_proof_context(proof: _Proof, unsecured: Mapping[str, JsonValue], *, strict: bool) -> Mapping[str, JsonValue]:
    """The document under the context that the proof was made for (eddsa section 3.3.2 step 4, ecdsa section 3.3.2)."""
    if "@context" not in proof.members or proof.members["@context"] == unsecured.get("@context"):
        return unsecured
    wanted, given = (_listed(value) for value in (proof.members["@context"], unsecured.get("@context")))
    if given[: len(wanted)] != wanted or (strict and len(given) != len(wanted)):
        raise ProofError(
            "CONTEXT",
            "the proof was made under another @context",
            place=f"{proof.place}/@context",
            expected="the document's @context",
        )
    return {**unsecured, "@context": proof.members["@context"]}


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _with_previous(
    proof: _Proof, by_id: Mapping[str, _Proof], unsecured: Mapping[str, JsonValue]
) -> Mapping[str, JsonValue]:
    """The document with the proofs that this one builds on (VC Data Integrity section 4.5, steps 4 and 5)."""
    if not proof.previous:
        return unsecured
    others = {identifier: other.members for identifier, other in by_id.items() if other is not proof}
    return {**unsecured, "proof": matching_proofs(proof.previous, others, place=f"{proof.place}/previousProof")}


def matching_proofs(
    previous: Sequence[str], by_id: Mapping[str, Mapping[str, JsonValue]], *, place: str = "/proof"
) -> list[Mapping[str, JsonValue]]:
    """Return the proofs named in `previousProof`, in that order.

    Raises:
        ProofError: PREVIOUS_PROOF for one that is not in `by_id`.
    """
    for identifier in previous:
        if identifier not in by_id:
            raise ProofError(
                "PREVIOUS_PROOF", "a proof builds on one that is not here", place=place, found=identifier[:120]
            )
    return [by_id[identifier] for identifier in previous]
