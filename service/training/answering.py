"""What the API answers about jobs: rows to bodies.

Lives here: the JSON form of jobs, leases and accepted results. Not here: who may see what (`access`), HTTP (`jobs`), pages (`pages.jobs`).
"""

from __future__ import annotations

from typing import Any

from datasigil.encoding import GENERIC, parse_json
from service.access import may_see_job
from service.access_cache import Principal
from service.limits import JOB_HEARTBEATS_PER_LEASE, REQUEST_MAX_BYTES
from service.publishers.endpoints import timestamp
from service.state import State
from service.training.operations import Accepted
from service.training.repository import HELD, JobRow
from service.training.schemas import JobReply, JobSummary, Lease, Progress, ResultReply


def accepted_reply(state: State, accepted: Accepted) -> ResultReply:
    """A result that was accepted, now or before."""
    credential = accepted.credential
    return ResultReply.model_validate(
        {
            "id": accepted.job.id,
            "state": accepted.job.state,
            "attempt": accepted.job.attempt,
            "credential": credential.id if credential else None,
            "digest": credential.digest if credential else None,
            "logIndex": credential.log_index if credential else None,
            "bundle": f"{state.settings.public_url}/credentials/{credential.id}/bundle" if credential else None,
        }
    )


def heartbeat_seconds(state: State) -> int:
    """How often a worker should be heard of."""
    return max(1, state.settings.job_lease_seconds // JOB_HEARTBEATS_PER_LEASE)


def progress_columns(progress: Progress | None) -> dict[str, Any]:
    """Progress as columns; nothing where none was told."""
    if progress is None:
        return {}
    eta = -1 if progress.etaSeconds is None else progress.etaSeconds
    columns = progress.model_dump(exclude={"etaSeconds"})
    return {**columns, "eta_seconds": eta}


def recipe_of(row: JobRow) -> dict[str, Any]:
    """The recipe as it was handed in."""
    recipe: dict[str, Any] = parse_json(bytes(row.recipe), max_bytes=REQUEST_MAX_BYTES, profile=GENERIC)
    return recipe


def progress_of(row: JobRow) -> Progress | None:
    """What its worker last said; None before the first step."""
    if not row.steps:
        return None
    eta = None if row.eta_seconds < 0 else row.eta_seconds
    return Progress(step=row.step, steps=row.steps, epoch=row.epoch, epochs=row.epochs, loss=row.loss, etaSeconds=eta)


def job_summary(state: State, row: JobRow) -> JobSummary:
    """A job as lists show it."""
    return JobSummary.model_validate(_summarised(state, row))


def _summarised(state: State, row: JobRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "public": row.public,
        "owner": row.owner,
        "worker": row.worker_did,
        "attempt": row.attempt,
        "created": timestamp(row.created_at),
        "changed": timestamp(row.changed_at),
        "page": f"{state.settings.public_url}/jobs/{row.id}",
        "progress": progress_of(row),
        "note": row.note or None,
    }


def job_reply(state: State, row: JobRow, principal: Principal | None) -> JobReply:
    """One job; the recipe only for those whom it concerns."""
    concerned = may_see_job(principal, owner=row.owner, worker=row.worker_did, public=False)
    return JobReply.model_validate(
        {
            **_summarised(state, row),
            "leaseUntil": timestamp(row.lease_until) if row.state in HELD else None,
            "lostLeases": row.lost,
            "ended": timestamp(row.ended_at) if row.ended_at is not None else None,
            "recipe": recipe_of(row) if concerned else None,
        }
    )


def lease_of(state: State, row: JobRow) -> Lease:
    """A job as the worker that claimed it learns of it."""
    return Lease(
        id=row.id,
        attempt=row.attempt,
        name=row.name,
        owner=row.owner,
        recipe=recipe_of(row),
        leaseUntil=timestamp(row.lease_until),
        heartbeatSeconds=heartbeat_seconds(state),
    )
