"""StatusChangeRequest: the issuer's signed wish to set or clear one status of one credential.

Lives here: the closed table of the request, format version 1. Not here: its proof (`proof`), whether the transition is allowed and
logging it (the registry).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from datasigil.credentials.fields import Field, Opaque
from datasigil.credentials.kinds import DID, HEX_DIGEST, MOMENT, PROSE, URI
from datasigil.credentials.statement import NONCE, Form, Statement
from datasigil.credentials.values import Boolean, Enum, fault
from datasigil.encoding import Instant, JsonValue
from datasigil.record import dataclass

_FORM = Form(
    "StatusChangeRequest",
    Field("credentialId", URI, "id of the credential", required=True),
    Field("credentialDigest", HEX_DIGEST, "digest of that secured credential", required=True),
    Field("statusPurpose", Enum("revocation", "suspension"), "which status", required=True),
    Field("value", Boolean(), "true sets it; false clears a suspension", required=True),
    Field("reason", PROSE, "why; published", required=True),
    Field("created", MOMENT, "when the request was made", required=True),
    Field("nonce", NONCE, "unique per request", required=True),
    Field("issuer", DID, "issuer of the credential, who signs", required=True),
    Field("proof", Opaque(), "one or more Data Integrity proofs"),
    doc="A request by a credential's issuer to change its status.",
)
REQUEST = _FORM.table


@dataclass(frozen=True)
class StatusChangeRequest(Statement):
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
    members: dict[str, JsonValue] = {
        "credentialId": credential_id,
        "credentialDigest": credential_digest,
        "statusPurpose": purpose,
        "value": value,
        "reason": reason,
        "nonce": nonce,
        "issuer": issuer,
    }
    document = _FORM.unsigned(created=created, members=members)
    parse_status_change_request(document)
    return document


def parse_status_change_request(document: JsonValue) -> StatusChangeRequest:
    """Check a parsed request against its closed table and return it.

    Raises:
        MalformedError: TYPE, CONTEXT, SCHEMA, UNKNOWN_PROPERTY, KEYWORD, NULL or NUMBER.

    Not checked: the proof, whether the credential exists, whether the nonce was seen before.
    """
    document = _FORM.checked(document)
    if document["statusPurpose"] == "revocation" and not document["value"]:
        raise fault("SCHEMA", "a revocation cannot be taken back", (None, "value"), "true", document["value"])
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
