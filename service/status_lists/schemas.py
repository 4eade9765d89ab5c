# ruff: noqa: N815 - members are named as in the JSON of the API
"""Bodies of the status endpoints.

Lives here: pydantic models. Not here: the signed request's own format, which the core parses.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from service.requests import StrictModel


class SignedStatusRequest(BaseModel):
    """A StatusChangeRequest as the core parses it; here for the OpenAPI document."""

    type: Literal["StatusChangeRequest"]
    formatVersion: Literal[1]
    credentialId: str
    credentialDigest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    statusPurpose: Literal["revocation", "suspension"]
    value: bool
    reason: str
    created: str
    nonce: str
    issuer: str
    proof: dict[str, Any]


class HostedStatus(StrictModel):
    """Which status of a hosted credential to change (VCALM)."""

    type: Literal["BitstringStatusListEntry"]
    statusPurpose: Literal["revocation", "suspension"]
    id: Annotated[str, Field(max_length=2048)] | None = None
    statusListIndex: Annotated[str, Field(pattern="^[0-9]{1,16}$")] | None = None
    statusListCredential: Annotated[str, Field(max_length=2048)] | None = None


class HostedStatusRequest(StrictModel):
    """VCALM's status update, for credentials that this registry issued with its hosted key."""

    credentialId: Annotated[str, Field(max_length=2048)]
    credentialStatus: HostedStatus
    status: bool
    reason: Annotated[str, Field(min_length=1, max_length=1000)] = "changed by the operator"


class StatusListRequest(StrictModel):
    """VCALM POST /status-lists: one more list of a purpose, for a publisher whose lists are nearly full."""

    statusPurpose: Literal["revocation", "suspension"]
    options: dict[str, Any] | None = None


class StatusListReply(BaseModel):
    """A new list, signed: VCALM's members, `id` being the address to name in `statusListCredential`."""

    id: str
    verifiableCredential: dict[str, Any]


class StatusReply(BaseModel):
    """What holds now; `logIndex` is absent when nothing had to change."""

    status: Literal["active", "suspended", "revoked"]
    changed: bool
    logIndex: int | None = None
