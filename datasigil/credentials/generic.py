"""Credentials and presentations of other profiles: the structural rules that VCALM endpoints hold them to.

Lives here: `check_generic_credential` and `check_generic_presentation` for VC Data Model 2.0 (15 May 2025) and 1.1 (3 March 2022). Not
here: our own closed profile (`types`), proofs (`proof`), and schemas that a credential names. Open world: members that a context
defines are accepted, and what they say is not understood.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from datasigil.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V2, PINNED, context_bytes
from datasigil.credentials.values import Place, fault
from datasigil.encoding import Instant, JsonValue, b64_encode, multibase_decode
from datasigil.errors import MalformedError
from datasigil.record import dataclass

TermCheck = Callable[[Mapping[str, JsonValue]], None]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x20]+\Z", re.ASCII)
_LANGUAGE_KEYS = frozenset({"@value", "@language", "@direction"})
_TYPED_MEMBERS = ("credentialStatus", "credentialSchema", "refreshService", "termsOfUse", "evidence")
_INTEGRITY_CONTEXTS = ("https://w3id.org/security/data-integrity/v1", DATA_INTEGRITY_V2)
_MULTIHASH_SHA256 = b"\x12\x20"
_MULTIHASH_SHA384 = b"\x20\x30"


@dataclass(frozen=True)
class GenericCredential:
    """A credential that has the structure of its data model version; nothing about it is verified."""

    document: Mapping[str, JsonValue]
    version: str  # "1.1" | "2.0"
    id: str | None
    types: tuple[str, ...]
    issuer: str
    valid_from: Instant | None
    valid_until: Instant | None


def check_generic_credential(document: JsonValue, *, check_terms: TermCheck | None = None) -> GenericCredential:
    """Return a credential of VC Data Model 2.0 or 1.1 if it has the required structure and every term is defined.

    Inline contexts are accepted, unknown context URLs are not. Terms are checked in the RDF subprocess unless `check_terms` is given.

    Raises:
        MalformedError: CONTEXT, TYPE, SCHEMA, PERIOD, DIGEST, DATA_LOSS, NULL or LIMIT, with the JSON pointer (VC Data Model 2.0
            section 4, 1.1 section 4).

    Not checked: proofs, status, whether now lies in the period, foreign `credentialSchema`s.
    """
    if not isinstance(document, Mapping):
        raise fault("SCHEMA", "a credential must be an object", None, "an object", document)
    version = _check_contexts(document.get("@context"))
    types = _check_types(document.get("type"), "VerifiableCredential")
    if "id" in document:
        _check_url(document["id"], (None, "id"))
    issuer = _check_issuer(document)
    _check_subjects(document)
    _check_texts(document)
    period = _check_period(document, version)
    _check_typed_members(document)
    if "relatedResource" in document:
        _check_related(document["relatedResource"])
    _run_term_check(document, check_terms)
    return GenericCredential(document, version, document.get("id"), types, issuer, *period)


def check_generic_presentation(document: JsonValue, *, check_terms: TermCheck | None = None) -> tuple[JsonValue, ...]:
    """Return the credentials inside a presentation of VC Data Model 2.0 or 1.1, unchecked; none at all is allowed.

    Raises:
        MalformedError: CONTEXT, TYPE, SCHEMA, DATA_LOSS, NULL or LIMIT (VC Data Model 2.0 section 4.13).
    """
    if not isinstance(document, Mapping):
        raise fault("SCHEMA", "a presentation must be an object", None, "an object", document)
    _check_contexts(document.get("@context"))
    _check_types(document.get("type"), "VerifiablePresentation")
    for name in ("id", "holder"):
        if name in document:
            value = document[name]
            _check_url(value.get("id") if name == "holder" and isinstance(value, Mapping) else value, (None, name))
    credentials = _listed(document.get("verifiableCredential", []))
    for index, credential in enumerate(credentials):
        if not isinstance(credential, Mapping):
            raise fault(
                "SCHEMA",
                "an embedded credential must be an object",
                ((None, "verifiableCredential"), index),
                "an object",
                credential,
            )
    _run_term_check(document, check_terms)
    return tuple(credentials)


def with_integrity_context(document: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a document to whose contexts data-integrity/v2 is added if it is VC 1.1, whose own context does not define the proof."""
    contexts = _listed(document.get("@context"))
    if not contexts or contexts[0] != CREDENTIALS_V1 or any(name in contexts for name in _INTEGRITY_CONTEXTS):
        return dict(document)
    return {**document, "@context": [*contexts, DATA_INTEGRITY_V2]}


def _run_term_check(document: Mapping[str, JsonValue], check_terms: TermCheck | None) -> None:
    unsecured = with_integrity_context({name: value for name, value in document.items() if name != "proof"})
    if check_terms is not None:
        check_terms(unsecured)
        return
    from datasigil.credentials.rdf_direct import knows_all_terms

    if knows_all_terms(unsecured):
        return
    from datasigil.credentials.rdf_worker import check_terms_isolated

    check_terms_isolated(unsecured)


def _check_contexts(contexts: JsonValue) -> str:
    if not isinstance(contexts, list) or not contexts:
        raise fault(
            "CONTEXT",
            "@context must be an array",
            (None, "@context"),
            f"an array that starts with {CREDENTIALS_V2}",
            contexts,
        )
    if contexts[0] not in (CREDENTIALS_V2, CREDENTIALS_V1):
        raise fault(
            "CONTEXT",
            "the first context must be that of the data model",
            ((None, "@context"), 0),
            CREDENTIALS_V2,
            contexts[0],
        )
    for index, item in enumerate(contexts):
        place: Place = ((None, "@context"), index)
        if isinstance(item, str):
            _check_url(item, place, code="CONTEXT")
            if item not in PINNED:
                raise fault("CONTEXT", "an unknown context", place, "a context that is shipped and pinned", item)
        elif not isinstance(item, Mapping):
            raise fault("CONTEXT", "a context must be a URL or an object", place, "a URL or an object", item)
    return "2.0" if contexts[0] == CREDENTIALS_V2 else "1.1"


def _check_types(types: JsonValue, required: str) -> tuple[str, ...]:
    listed = _listed(types)
    if not listed or not all(isinstance(name, str) and name for name in listed) or required not in listed:
        raise fault("TYPE", f"not a {required}", (None, "type"), required, str(types)[:80])
    return tuple(listed)


def _check_url(value: JsonValue, place: Place, code: str = "SCHEMA") -> str:
    if not isinstance(value, str) or not _URL.match(value):
        raise fault(code, "not a URL", place, "an absolute URL", value if value is not None else "null")
    return value


def _check_issuer(document: Mapping[str, JsonValue]) -> str:
    issuer = document.get("issuer")
    if isinstance(issuer, Mapping):
        _check_texts(issuer, (None, "issuer"))
        return _check_url(issuer.get("id"), ((None, "issuer"), "id"))
    return _check_url(issuer, (None, "issuer"))


def _check_subjects(document: Mapping[str, JsonValue]) -> None:
    raw = document.get("credentialSubject")
    place: Place = (None, "credentialSubject")
    subjects = _listed(raw)
    if raw is None or not subjects:
        raise fault("SCHEMA", "a credential needs a subject", place, "an object or a non-empty array of objects", raw)
    for index, subject in enumerate(subjects):
        where: Place = (place, index) if isinstance(raw, list) else place
        if not isinstance(subject, Mapping) or not subject:
            raise fault("SCHEMA", "a subject must be an object that is not empty", where, "an object", subject)
        if "id" in subject:
            _check_url(subject["id"], (where, "id"))


def _check_texts(holder: Mapping[str, JsonValue], place: Place = None) -> None:
    """`name` and `description` are text, a language object, or an array of them (section 4.3.1)."""
    for name in ("name", "description"):
        if name not in holder:
            continue
        values = _listed(holder[name])
        if not values:
            raise fault("SCHEMA", "an empty array holds no text", (place, name), "text or a language object")
        for value in values:
            if isinstance(value, str):
                continue
            if not isinstance(value, Mapping) or not _is_language_object(value):
                raise fault(
                    "SCHEMA",
                    "not text or a language object",
                    (place, name),
                    "text, or @value with @language and @direction only",
                    value,
                )


def _is_language_object(value: Mapping[str, JsonValue]) -> bool:
    return (
        "@value" in value
        and value.keys() <= _LANGUAGE_KEYS
        and all(isinstance(item, str) for item in value.values())
        and value.get("@direction", "ltr") in ("ltr", "rtl")
    )


def _check_period(document: Mapping[str, JsonValue], version: str) -> tuple[Instant | None, Instant | None]:
    names = ("validFrom", "validUntil") if version == "2.0" else ("issuanceDate", "expirationDate")
    if version == "1.1" and "issuanceDate" not in document:
        raise fault("SCHEMA", "a 1.1 credential needs its issuance date", (None, "issuanceDate"), "an RFC 3339 time")
    start, end = (_moment(document[name], (None, name)) if name in document else None for name in names)
    if start is not None and end is not None and end < start:
        raise fault("PERIOD", "the validity period ends before it starts", (None, names[1]), f"after {start}", str(end))
    return start, end


def _moment(value: JsonValue, place: Place) -> Instant:
    try:
        return Instant.parse(value, any_offset=True)
    except MalformedError:
        raise fault("SCHEMA", "not a dateTimeStamp", place, "an RFC 3339 time with offset", value) from None


def _check_typed_members(document: Mapping[str, JsonValue]) -> None:
    for name in _TYPED_MEMBERS:
        if name not in document:
            continue
        for item in _listed(document[name]):
            place: Place = (None, name)
            if not isinstance(item, Mapping):
                raise fault("SCHEMA", f"{name} must be an object", place, "an object", item)
            types = _listed(item.get("type"))
            if not types or not all(isinstance(text, str) and text for text in types):
                raise fault("SCHEMA", f"{name} needs a type", (place, "type"), "a type", item.get("type"))
            if "id" in item or name == "credentialSchema":
                _check_url(item.get("id"), (place, "id"))


def _check_related(resources: JsonValue) -> None:
    """Resources are named once each, with a digest, which is compared where the resource is known here (section 5.3)."""
    seen = set()
    for index, item in enumerate(_listed(resources)):
        place: Place = ((None, "relatedResource"), index)
        if not isinstance(item, Mapping):
            raise fault("SCHEMA", "a related resource must be an object", place, "an object with id and digest", item)
        identifier = _check_url(item.get("id"), (place, "id"))
        if identifier in seen:
            raise fault(
                "SCHEMA", "a related resource is named twice", (place, "id"), "one entry for each resource", identifier
            )
        seen.add(identifier)
        if "digestSRI" not in item and "digestMultibase" not in item:
            raise fault("SCHEMA", "a related resource needs a digest", place, "digestSRI or digestMultibase")
        _check_resource_digest(identifier, item, place)


def _check_resource_digest(identifier: str, item: Mapping[str, JsonValue], place: Place) -> None:
    for name in ("digestSRI", "digestMultibase"):
        if name in item and not (isinstance(item[name], str) and item[name]):
            raise fault("SCHEMA", "a digest must be text", (place, name), "text", item[name])
    if identifier not in PINNED:
        return
    data = context_bytes(identifier)
    if "digestSRI" in item and item["digestSRI"] not in _sri_digests(data):
        raise fault(
            "DIGEST",
            "the digest is not that of the resource",
            (place, "digestSRI"),
            "the digest of the published file",
            item["digestSRI"],
        )
    if "digestMultibase" in item and not _is_multibase_digest(item["digestMultibase"], data):
        raise fault(
            "DIGEST",
            "the digest is not that of the resource",
            (place, "digestMultibase"),
            "the digest of the published file",
            item["digestMultibase"],
        )


def _sri_digests(data: bytes) -> set[str]:
    return {f"{name}-{b64_encode(hashlib.new(name, data).digest())}" for name in ("sha256", "sha384", "sha512")}


def _is_multibase_digest(text: str, data: bytes) -> bool:
    try:
        digest = multibase_decode(text, prefix="z" if text.startswith("z") else "u")
    except MalformedError:
        return False
    # The W3C suite writes the bare SHA-256; the specification's multihash header is accepted as well (vc-data-model #1570).
    sha256, sha384 = hashlib.sha256(data).digest(), hashlib.sha384(data).digest()
    return digest in (sha256, _MULTIHASH_SHA256 + sha256, _MULTIHASH_SHA384 + sha384)


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]
