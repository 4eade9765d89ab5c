"""StatusChangeRequest: the issuer's signed wish to set or clear one status of one credential.

Lives here: the closed table of the request, format version 1. Not here: its proof (`proof`), whether the transition is allowed and
logging it (the registry).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from datasigil.canonical import document_digest
from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.credentials.fields import Field, Opaque, Table
from datasigil.credentials.kinds import DID, HEX_DIGEST, MOMENT, PROSE, URI
from datasigil.credentials.values import Boolean, Const, Enum, Integer, Text, fault
from datasigil.encoding import Instant, JsonValue
from datasigil.record import dataclass

FORMAT_VERSION = 1

REQUEST = Table(
    Field("@context", Const(PROFILE_CONTEXTS, code="CONTEXT"), "exactly these two contexts", required=True),
    Field("type", Const("StatusChangeRequest", code="TYPE"), "always StatusChangeRequest", required=True),
    Field("formatVersion", Integer(FORMAT_VERSION, FORMAT_VERSION), "version of this format", required=True),
    Field("credentialId", URI, "id of the credential", required=True),
    Field("credentialDigest", HEX_DIGEST, "digest of that secured credential", required=True),
    Field("statusPurpose", Enum("revocation", "suspension"), "which status", required=True),
    Field("value", Boolean(), "true sets it; false clears a suspension", required=True),
    Field("reason", PROSE, "why; published", required=True),
    Field("created", MOMENT, "when the request was made", required=True),
    Field(
        "nonce",
        Text(pattern="[A-Za-z0-9_-]{16,128}", max_length=128, expected="16 to 128 base64url characters"),
        "unique per request",
        required=True,
    ),
    Field("issuer", DID, "issuer of the credential, who signs", required=True),
    Field("proof", Opaque(), "one or more Data Integrity proofs"),
    doc="A request by a credential's issuer to change its status.",
)


@dataclass(frozen=True)
class StatusChangeRequest:
    """A parsed request; its proof is *not* checked by parsing."""

    document: Mapping[str, JsonValue]
    credential_id: str
    credential_digest: str
    purpose: str  # "revocation" | "suspension"
    value: bool
    reason: str
    created: Instant
    nonce: str
    issuer: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the JCS form of the signed request, lower-case hexadecimal; log entries name it."""
        return document_digest(self.document)


def new_status_change_request(
    *,
    credential_id: str,
    credential_digest: str,
    purpose: str,
    value: bool,
    reason: str,
    created: datetime,
    nonce: str,
    issuer: str,
) -> dict[str, JsonValue]:
    """Return the unsigned request; sign it with `signing.add_proof`.

    Raises:
        MalformedError: as `parse_status_change_request`.
    """
    document: dict[str, JsonValue] = {
        "@context": list(PROFILE_CONTEXTS),
        "type": "StatusChangeRequest",
        "formatVersion": FORMAT_VERSION,
        "credentialId": credential_id,
        "credentialDigest": credential_digest,
        "statusPurpose": purpose,
        "value": value,
        "reason": reason,
        "created": str(Instant.from_datetime(created)),
        "nonce": nonce,
        "issuer": issuer,
    }
    _check(document)
    return document


def parse_status_change_request(document: JsonValue) -> StatusChangeRequest:
    """Check a parsed request against its closed table and return it.

    Raises:
        MalformedError: TYPE, CONTEXT, SCHEMA, UNKNOWN_PROPERTY, KEYWORD, NULL or NUMBER.

    Not checked: the proof, whether the credential exists, whether the nonce was seen before.
    """
    if not isinstance(document, dict):
        raise fault("SCHEMA", "a status change request must be an object", None, "an object", document)
    _check(document)
    return StatusChangeRequest(
        document,
        document["credentialId"],
        document["credentialDigest"],
        document["statusPurpose"],
        document["value"],
        document["reason"],
        Instant.parse(document["created"]),
        document["nonce"],
        document["issuer"],
    )


def _check(document: dict[str, JsonValue]) -> None:
    REQUEST.check(document, None)
    if document["statusPurpose"] == "revocation" and not document["value"]:
        raise fault("SCHEMA", "a revocation cannot be taken back", (None, "value"), "true", document["value"])
