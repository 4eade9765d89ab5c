# ruff: noqa: N815 - members are named as in the JSON of the API
"""Bodies of the lineage endpoints.

Lives here: pydantic models. Not here: walking (`graph`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from service.credentials.schemas import CredentialSummary


class Reference(BaseModel):
    """`child` names `parent` (both by digest) in the member `relation` of its subject."""

    child: str
    relation: str
    parent: str


class LineageReply(BaseModel):
    """What a credential descends from."""

    credential: str
    nodes: list[CredentialSummary]
    edges: list[Reference]
    missing: list[str]
    complete: bool


class Affected(BaseModel):
    """A credential that names this one directly."""

    relations: list[str]
    kind: Literal["dataset", "lineage", "audit", "grant", "model", "other"]
    credential: CredentialSummary


class ImpactReply(BaseModel):
    """Who is hit when this credential is revoked: the direct references, in order of registration."""

    credential: str
    status: Literal["active", "suspended", "revoked"]
    depth: Literal[1]
    items: list[Affected]
    next: str | None = None


class VersionsReply(BaseModel):
    """What one issuer has registered about one dataset or model, newest first; `newest` is the first that is active, by its id."""

    credential: str
    subject: str
    newest: str | None = None
    items: list[CredentialSummary]
    complete: bool


class Attestation(BaseModel):
    """What a third party says about a credential."""

    attestationType: str
    verdict: str | None = None
    credential: CredentialSummary


class AttestationsReply(BaseModel):
    """Everything of that kind that is registered here."""

    credential: str
    items: list[Attestation]
