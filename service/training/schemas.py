"""Bodies of the training job endpoints.

Lives here: pydantic models in the JSON spelling of the API. Not here: endpoints (`jobs`), the form of a recipe (`recipes`).
Decimals are strings, as everywhere in datasigil: there is no spelling of NaN or infinity.
"""

# ruff: noqa: N815 - members are named as in the JSON of the API
from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from service.limits import JOB_LOST_DEFAULT, JOB_LOST_MAX, JOB_STEPS_MAX
from service.requests import StrictModel

State = Literal["queued", "leased", "running", "finished", "refused", "failed", "cancelled"]
WorkerId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$", description="The worker's own, kept for good")
]
Attempt = Annotated[int, Field(ge=1, le=2**53 - 1, description="The lease's number, from the answer to the claim")]
Decimal = Annotated[str, Field(pattern=r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$")]
Text = Annotated[str, Field(max_length=2_000)]


class JobRequest(StrictModel):
    """A training run: a recipe as data, and who may claim it."""

    recipe: Annotated[
        dict[str, Any], Field(description="A recipe in JSON; form: https://w3id.org/datasigil/schemas/recipe-v1.json")
    ]
    worker: Annotated[str, Field(max_length=512, description="DID whose workers may claim it; empty: the caller's")] = (
        ""
    )
    public: Annotated[bool, Field(description="Whether everybody may see state, progress and result")] = False
    lostLeases: Annotated[
        int, Field(ge=1, le=JOB_LOST_MAX, description="It fails when so many workers were not heard of again")
    ] = JOB_LOST_DEFAULT


class ClaimRequest(StrictModel):
    """A worker that holds no job asks for one."""

    worker: WorkerId


class LeaseRequest(StrictModel):
    """Which lease of a job this is about."""

    worker: WorkerId
    attempt: Attempt


class Progress(StrictModel):
    """How far a run is."""

    step: Annotated[int, Field(ge=0, le=JOB_STEPS_MAX)]
    steps: Annotated[int, Field(ge=1, le=JOB_STEPS_MAX)]
    epoch: Annotated[int, Field(ge=0, le=1_000)]
    epochs: Annotated[int, Field(ge=1, le=1_000)]
    loss: Decimal
    etaSeconds: Annotated[int, Field(ge=0, le=10**9)] | None = None

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.step > self.steps or self.epoch > self.epochs:
            raise ValueError("step and epoch are at most steps and epochs")
        return self


class HeartbeatRequest(LeaseRequest):
    """The holder of a lease is alive."""

    progress: Progress | None = None


class GiveBackRequest(LeaseRequest):
    """The holder of a lease gives the job back to the queue."""

    note: Text = ""


class Failure(StrictModel):
    """An error as `datasigil` words it."""

    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,59}$")]
    message: Text
    place: Text = ""
    expected: Text = ""
    found: Text = ""
    nextAction: Text = ""


class Refusal(StrictModel):
    """A gate's refusal with every report in full, as `datasigil-train train --json` prints it."""

    type: Literal["TrainingRefusal"]
    formatVersion: Literal[1]
    decision: Literal["INVALID", "INDETERMINATE"]
    headline: Annotated[str, Field(min_length=1, max_length=20_000)]
    reports: Annotated[list[dict[str, Any]], Field(max_length=64)]
    error: dict[str, Any] | None = None


class ResultRequest(LeaseRequest):
    """How a job ended: finished with credential, receipt and card; refused with refusal; failed with error."""

    outcome: Literal["finished", "refused", "failed"]
    credential: dict[str, Any] | None = None
    receipt: dict[str, Any] | None = None
    card: dict[str, Any] | None = None
    refusal: Refusal | None = None
    error: Failure | None = None

    @model_validator(mode="after")
    def _members(self) -> Self:
        wanted = {"finished": {"credential", "receipt", "card"}, "refused": {"refusal"}, "failed": {"error"}}[
            self.outcome
        ]
        given = {
            name for name in ("credential", "receipt", "card", "refusal", "error") if getattr(self, name) is not None
        }
        if given != wanted:
            raise ValueError(f"outcome {self.outcome} takes exactly {', '.join(sorted(wanted))}")
        return self


class ResultReply(BaseModel):
    """A result that was accepted; the registered model credential where the job finished."""

    id: str
    state: State
    attempt: int
    credential: str | None = None
    digest: str | None = None
    logIndex: int | None = None
    bundle: str | None = None


class JobSummary(BaseModel):
    """What lists say about a job."""

    id: str
    name: str
    state: State
    public: bool
    owner: str
    worker: str
    attempt: int
    created: str
    changed: str
    page: str
    progress: Progress | None = None
    note: str | None = None


class JobReply(JobSummary):
    """One job; `recipe` only for those whom the job concerns."""

    leaseUntil: str | None = None
    lostLeases: int
    ended: str | None = None
    recipe: dict[str, Any] | None = None
    refusal: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    credential: str | None = None


class JobPage(BaseModel):
    """A page of jobs, newest first; `next` continues it."""

    items: list[JobSummary]
    next: str | None = None


class Lease(BaseModel):
    """A job that now belongs to the worker that asked, for as long as it is heard of."""

    id: str
    attempt: int
    name: str
    owner: str
    recipe: dict[str, Any]
    leaseUntil: str
    heartbeatSeconds: int


class ClaimReply(BaseModel):
    """A job, or when to ask again."""

    job: Lease | None = None
    retryAfterSeconds: int | None = None


class HeartbeatReply(BaseModel):
    """The lease goes on."""

    leaseUntil: str
    heartbeatSeconds: int
