"""Decentralized identifiers: did:key, did:web names, and controlled identifier documents.

Lives here: did:key (W3C CCG draft v0.9) expanded without network; the URL of a did:web (CCG draft) computed but never fetched;
DID documents (W3C DID 1.0, Controlled Identifiers 1.0) parsed. Not here: fetching (`fetch`), and whether a DID is trusted
(`trust`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from datasigil.credentials.keys import PublicKey
from datasigil.encoding import Instant, JsonValue, pointer_token
from datasigil.errors import MalformedError, ProofError
from datasigil.record import dataclass

RELATIONSHIPS = ("assertionMethod", "authentication", "keyAgreement", "capabilityInvocation", "capabilityDelegation")
DID_MAX_CHARACTERS = 512
METHODS_MAX = 64

_DID = re.compile(
    r"did:[a-z0-9]{1,32}:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})\Z", re.ASCII
)
_DID_URL = re.compile(
    r"(did:[a-z0-9]{1,32}:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}))#([A-Za-z0-9._~:@!$&'()*+,;=/?%-]+)\Z",
    re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", re.ASCII)
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+\Z", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}\Z", re.ASCII)


@dataclass(frozen=True)
class VerificationMethod:
    """One key of a DID document with its own validity."""

    id: str
    controller: str
    key: PublicKey
    revoked: Instant | None = None
    expires: Instant | None = None


@dataclass(frozen=True)
class DidDocument:
    """The keys of a DID, by verification method id, and what each may be used for."""

    id: str
    methods: Mapping[str, VerificationMethod]
    relationships: Mapping[str, frozenset[str]]

    def method_for(self, verification_method: str, purpose: str, *, at: Instant | None = None) -> VerificationMethod:
        """Return the method if it is listed for `purpose` and, where `at` is given, neither revoked nor expired then.

        Raises:
            ProofError: KEY_UNKNOWN, RELATIONSHIP, CONTROLLER, KEY_REVOKED or KEY_EXPIRED (Controlled Identifiers 1.0
                section 3.3). Whether `at` is evidence (a log time, not `created`) is the caller's to know.
        """
        method = self.methods.get(verification_method)
        if method is None:
            raise ProofError(
                "KEY_UNKNOWN",
                "the DID document does not list this key",
                expected=" or ".join(self.methods) or "a key",
                found=verification_method,
            )
        if verification_method not in self.relationships.get(purpose, frozenset()):
            raise ProofError(
                "RELATIONSHIP", "the key is not listed for this purpose", expected=purpose, found=verification_method
            )
        if method.controller != self.id:
            raise ProofError(
                "CONTROLLER", "the key is controlled by another DID", expected=self.id, found=method.controller
            )
        if at is not None and method.revoked is not None and method.revoked <= at:
            raise ProofError(
                "KEY_REVOKED",
                "the key was revoked",
                expected=f"a key not revoked at {at}",
                found=f"revoked {method.revoked}",
            )
        if at is not None and method.expires is not None and method.expires <= at:
            raise ProofError(
                "KEY_EXPIRED", "the key has expired", expected=f"a key valid at {at}", found=f"expired {method.expires}"
            )
        return method


def check_did(text: JsonValue, *, place: str = "") -> str:
    """Return `text` if it is a DID without path, query and fragment.

    Raises:
        MalformedError: DID (W3C DID 1.0 section 3.1).
    """
    if not isinstance(text, str) or len(text) > DID_MAX_CHARACTERS or not _DID.match(text):
        raise MalformedError("DID", "not a DID", place=place, expected="did:key:… or did:web:…", found=str(text)[:80])
    return text


def split_did_url(text: JsonValue, *, place: str = "") -> tuple[str, str]:
    """Return DID and fragment of a verification method id such as `did:key:z6Mk…#z6Mk…`.

    Raises:
        MalformedError: DID (W3C DID 1.0 section 3.2; paths and queries are refused).
    """
    found = _split(text) if isinstance(text, str) and len(text) <= 2 * DID_MAX_CHARACTERS else None
    if found is None:
        raise MalformedError(
            "DID", "not a verification method id", place=place, expected="a DID with a fragment", found=str(text)[:80]
        )
    return found


@lru_cache(maxsize=1024)
def _split(text: str) -> tuple[str, str] | None:
    match = _DID_URL.match(text)
    return (match[1], match[2]) if match else None


def did_key(key: PublicKey) -> str:
    """Return the did:key of a public key."""
    return f"did:key:{key.multibase}"


def did_key_method(key: PublicKey) -> str:
    """Return the id of the one verification method that a did:key has."""
    return f"did:key:{key.multibase}#{key.multibase}"


@lru_cache(maxsize=1024)
def resolve_did_key(did: str) -> DidDocument:
    """Return the document of a did:key; nothing is fetched, and no key agreement key is derived.

    Raises:
        MalformedError: DID, ENCODING, KEY_TYPE or KEY (did:key v0.9 section 3.1.2).
    """
    check_did(did)
    if not did.startswith("did:key:"):
        raise MalformedError("DID", "not a did:key", expected="did:key:z…", found=did[:40])
    key = PublicKey.from_multibase(did[len("did:key:") :])
    method = did_key_method(key)
    uses = frozenset({method})
    return DidDocument(
        did,
        MappingProxyType({method: VerificationMethod(method, did, key)}),
        MappingProxyType({name: uses for name in RELATIONSHIPS if name != "keyAgreement"}),
    )


def did_key_resolver(verification_method: str, purpose: str) -> PublicKey:
    """A `KeyResolver` for did:key methods alone: it establishes possession of the key, never trust in it.

    Raises:
        ProofError: KEY_UNKNOWN for other methods and for ids that the did:key does not have; RELATIONSHIP.
        MalformedError: as `resolve_did_key`.
    """
    did, _ = split_did_url(verification_method)
    if not did.startswith("did:key:"):
        raise ProofError(
            "KEY_UNKNOWN", "only did:key keys are known here", expected="did:key:…", found=verification_method[:80]
        )
    return resolve_did_key(did).method_for(verification_method, purpose).key


def parse_did_web(did: str, *, allow_loopback: bool = False) -> str:
    """Return the URL at which the document of a did:web lies; nothing is fetched.

    Hosts are lower-case DNS names with at least one dot; IP addresses, user info, encoded path tricks and privileged ports
    but 443 are refused. `allow_loopback` (development only) admits `localhost` with a port, served by http.

    Raises:
        MalformedError: DID (did:web section 3.2). Whether the name resolves to a public address is `fetch`'s to check.
    """
    check_did(did)
    if not did.startswith("did:web:"):
        raise _bad_web(did, "did:web:DOMAIN")
    host, *segments = did[len("did:web:") :].split(":")
    name, separator, port = host.replace("%3a", "%3A").partition("%3A")
    loopback = allow_loopback and name == "localhost"
    labels = name.split(".")
    if not loopback and (
        len(labels) < 2 or labels[-1].isdigit() or not all(map(_LABEL.match, labels)) or len(name) > 253
    ):
        raise _bad_web(did, "a DNS name, not an address")
    if separator and not (_PORT.match(port) and (port == "443" or 1024 <= int(port) <= 65535)):
        raise _bad_web(did, "port 443 or one from 1024 to 65535")
    if any(not _SEGMENT.match(segment) or segment.strip(".") == "" for segment in segments):
        raise _bad_web(did, "path segments of unreserved characters")
    authority = name + (f":{port}" if separator else "")
    path = "/".join(segments) if segments else ".well-known"
    return f"{'http' if loopback else 'https'}://{authority}/{path}/did.json"


def _bad_web(did: str, expected: str) -> MalformedError:
    return MalformedError("DID", "this did:web cannot be resolved safely", expected=expected, found=did[:120])


def parse_did_document(document: JsonValue, *, expect_id: str | None = None) -> DidDocument:
    """Parse a DID document's verification methods and relationships; other members are ignored.

    Methods of types other than Multikey, JsonWebKey and JsonWebKey2020 (and the Ed25519VerificationKey2020 form of Multikey)
    cannot be used and are left out; a broken method of these types is an error.

    Raises:
        MalformedError: DID_DOCUMENT, DID, JWK, KEY_TYPE, KEY, ENCODING or TIMESTAMP (Controlled Identifiers 1.0 section 2).
    """
    if not isinstance(document, dict):
        raise _bad_document("", "an object")
    did = check_did(document.get("id"), place="/id")
    if expect_id is not None and did != expect_id:
        raise MalformedError(
            "DID_DOCUMENT", "the document describes another DID", place="/id", expected=expect_id, found=did
        )
    methods: dict[str, VerificationMethod] = {}
    _add_methods(methods, document.get("verificationMethod", []), did, "/verificationMethod")
    uses: dict[str, frozenset[str]] = {}
    for name in RELATIONSHIPS:
        entries = document.get(name, [])
        if not isinstance(entries, list):
            raise _bad_document(f"/{name}", "an array")
        embedded = [entry for entry in entries if isinstance(entry, dict)]
        _add_methods(methods, embedded, did, f"/{name}")
        ids = [entry.get("id") if isinstance(entry, dict) else entry for entry in entries]
        uses[name] = frozenset(_absolute(did, text, f"/{name}") for text in ids)
    return DidDocument(did, MappingProxyType(methods), MappingProxyType(uses))


def did_document(
    did: str, keys: Mapping[str, PublicKey], *, retired: Mapping[str, tuple[PublicKey, Instant]] | None = None
) -> dict[str, JsonValue]:
    """Return the DID document that publishes `keys` (fragment to key) for assertion and authentication.

    `retired` keys stay listed with the instant of their revocation, so that what they signed before it can still be read.
    """
    methods: list[JsonValue] = [_method_object(did, fragment, key) for fragment, key in keys.items()]
    for fragment, (key, since) in (retired or {}).items():
        methods.append({**_method_object(did, fragment, key), "revoked": str(since)})
    ids: list[JsonValue] = [method["id"] for method in methods]
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": ids,
        "authentication": [f"{did}#{fragment}" for fragment in keys],
    }


def _method_object(did: str, fragment: str, key: PublicKey) -> dict[str, JsonValue]:
    return {"id": f"{did}#{fragment}", "type": "Multikey", "controller": did, "publicKeyMultibase": key.multibase}


def _add_methods(methods: dict[str, VerificationMethod], entries: JsonValue, did: str, place: str) -> None:
    if not isinstance(entries, list) or len(entries) > METHODS_MAX:
        raise _bad_document(place, f"an array of at most {METHODS_MAX} methods")
    for index, entry in enumerate(entries):
        where = f"{place}/{index}"
        if not isinstance(entry, dict):
            raise _bad_document(where, "an object")
        method = _parse_method(entry, did, where)
        if method is None:
            continue
        if method.id in methods:
            raise MalformedError(
                "DID_DOCUMENT", "two verification methods share an id", place=f"{where}/id", found=method.id
            )
        methods[method.id] = method


def _parse_method(entry: Mapping[str, JsonValue], did: str, place: str) -> VerificationMethod | None:
    identifier = _absolute(did, entry.get("id"), f"{place}/id")
    controller = check_did(entry.get("controller"), place=f"{place}/controller")
    kind = entry.get("type")
    if kind in ("Multikey", "Ed25519VerificationKey2020"):
        key = PublicKey.from_multibase(entry.get("publicKeyMultibase", ""), place=f"{place}/publicKeyMultibase")
    elif kind in ("JsonWebKey", "JsonWebKey2020"):
        key = PublicKey.from_jwk(entry.get("publicKeyJwk"), place=f"{place}/publicKeyJwk")
    else:
        return None
    for name in entry:
        if name in ("secretKeyMultibase", "secretKeyJwk", "privateKeyJwk", "privateKeyMultibase"):
            raise MalformedError(
                "DID_DOCUMENT",
                "the document publishes a private key",
                place=f"{place}/{pointer_token(name)}",
                next_action="revoke this key",
            )
    revoked, expires = (
        Instant.parse(entry[name], place=f"{place}/{name}", any_offset=True) if name in entry else None
        for name in ("revoked", "expires")
    )
    return VerificationMethod(identifier, controller, key, revoked, expires)


def _absolute(did: str, text: JsonValue, place: str) -> str:
    # DID documents may write their own methods relative to the DID: "#key-1" (DID 1.0 section 3.2.2).
    full = did + text if isinstance(text, str) and text.startswith("#") else text
    split_did_url(full, place=place)
    return str(full)


def _bad_document(place: str, expected: str) -> MalformedError:
    return MalformedError("DID_DOCUMENT", "the DID document is malformed", place=place, expected=expected)
