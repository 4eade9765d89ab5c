# ruff: noqa: N815 - members are named as in the JSON of the API
"""Bodies of the credential endpoints.

Lives here: pydantic models in the JSON spelling of the API. Not here: the credentials themselves, which the core parses.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.requests import StrictModel


class PublishRequest(StrictModel):
    """A signed credential, and the manifest that it claims."""

    credential: dict[str, Any]
    manifest: dict[str, Any] | None = None
    publicManifest: bool = False


class PublishReply(BaseModel):
    """Where a registered credential stands."""

    id: str
    digest: str
    logIndex: int
    bundle: str


class CredentialSummary(BaseModel):
    """What a list says about a credential."""

    id: str
    digest: str
    type: str
    name: str
    version: str
    issuer: str
    role: str
    profile: str
    license: str
    issued: str
    validFrom: str
    validUntil: str | None = None
    registered: str
    logIndex: int
    status: Literal["active", "suspended", "revoked"]
    subject: str


class CredentialPage(BaseModel):
    """A page of credentials, newest first; `next` continues it."""

    items: list[CredentialSummary]
    next: str | None = None


class LookupHit(BaseModel):
    """Why a credential was found under a digest."""

    kind: Literal["credential", "manifest", "root", "file", "weights", "card", "receipt", "generated"]
    path: str | None = None
    credential: CredentialSummary


class LookupReply(BaseModel):
    """Everything known under a digest; `complete` is false when there was more."""

    sha256: str
    items: list[LookupHit]
    complete: bool


class Options(StrictModel):
    """VCALM options; unknown ones are ignored, as suites send their own."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    checks: list[str] | None = None
    returnCredential: bool = False
    returnPresentation: bool = False
    returnProblemDetails: bool = False
    returnResults: bool = False
    challenge: Annotated[str, Field(max_length=1000)] | None = None
    domain: Annotated[str, Field(max_length=1000)] | None = None


class IssueRequest(StrictModel):
    """VCALM POST /credentials/issue."""

    credential: dict[str, Any]
    options: Options | None = None


class IssueReply(BaseModel):
    """The issued credential."""

    verifiableCredential: dict[str, Any]


class VerifyCredentialRequest(StrictModel):
    """VCALM POST /credentials/verify."""

    verifiableCredential: dict[str, Any]
    options: Options | None = None


class VerifyPresentationRequest(StrictModel):
    """VCALM POST /presentations/verify."""

    verifiablePresentation: dict[str, Any]
    options: Options | None = None


Decided = Literal["VALID", "INVALID", "INDETERMINATE"]


class ProblemDetail(BaseModel):
    """A warning in the form of VCALM: it does not make the verification fail."""

    type: str
    title: str
    detail: str


class CredentialResult(BaseModel):
    """VCALM's result of one credential (`verified` to `results`), and beside it this registry's decision under its policy."""

    verified: bool
    credential: dict[str, Any] | None = None
    problemDetails: list[ProblemDetail] | None = None
    results: dict[str, Any] | None = None
    decision: Decided
    headline: str
    policyDigest: str
    asOf: str
    checks: list[dict[str, Any]]
    warnings: list[dict[str, Any]] | None = None


class PresentationResult(BaseModel):
    """VCALM's result of a presentation, and beside it the decision: the worst of those about the credentials inside."""

    verified: bool
    verifiablePresentation: dict[str, Any] | None = None
    problemDetails: list[ProblemDetail] | None = None
    results: dict[str, Any] | None = None
    decision: Decided
    headline: str
    asOf: str
    checks: list[dict[str, Any]]
    warnings: list[dict[str, Any]] | None = None
    credentialResults: list[CredentialResult]
