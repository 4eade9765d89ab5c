"""Bodies of the publisher endpoints.

Lives here: pydantic models in the JSON spelling of the API. Not here: endpoints.
"""

# ruff: noqa: N815 - members are named as in the JSON of the API
from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from service.requests import StrictModel

Scope = Literal["publish", "status", "issue", "train", "work"]


class ChallengeRequest(StrictModel):
    """POST /challenges takes an empty object."""


class ChallengeReply(BaseModel):
    """A challenge to sign, and the domain to sign it for."""

    challenge: str
    domain: str
    expires: str


class TokenRequest(StrictModel):
    """A presentation that answers a challenge, and what the token is for."""

    verifiablePresentation: dict[str, Any]
    name: Annotated[str, Field(max_length=200)] = ""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)] = Field(default=["publish", "status"])
    days: Annotated[int, Field(ge=1, le=365)] = 90


class StatusListLinks(BaseModel):
    """Where a publisher's lists are."""

    revocation: str
    suspension: str


class LogLinks(BaseModel):
    """The log of this registry."""

    origin: str
    url: str
    key: str
    timeKey: str


class TokenReply(BaseModel):
    """A new token; its secret is shown this once."""

    token: str
    id: str
    did: str
    scopes: list[str]
    expires: str
    statusLists: StatusListLinks
    statusIssuer: str
    log: LogLinks


class TokenSummary(BaseModel):
    """A token without its secret."""

    id: str
    name: str
    scopes: list[str]
    created: str
    expires: str


class TokenList(BaseModel):
    """The live tokens of the publisher who asks."""

    items: list[TokenSummary]


class RegistryDescription(BaseModel):
    """What a client needs to know of this registry before it trusts it."""

    did: str
    name: str
    version: str
    registration: Literal["open", "invited", "closed"]
    log: LogLinks
    hostedIssuer: str | None = None
    noticeKey: str | None = None
