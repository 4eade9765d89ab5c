"""What changes training jobs: asked for, claimed, heard of, given back, called off, ended.

Lives here: operations for the writer, and what a refusal of theirs says. Not here: SQL (`repository`), HTTP (`jobs`), the form of recipes
(`recipes`). docs/adr/0090 says why a lease is a number that only grows.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, NoReturn

from service.audit_trail.trail import record
from service.batch import Batch
from service.credentials.idempotency import IdempotencyKey, recall, remember
from service.credentials.registration import Registration
from service.credentials.repository import CredentialRow, by_digest
from service.credentials.storing import RegisterCredential
from service.limits import JOBS_WAITING_PER_PUBLISHER_MAX
from service.problems import Problem
from service.training.repository import (
    OPEN,
    Held,
    JobRow,
    ResultRow,
    call_off,
    end,
    expire,
    extend,
    hand_back,
    insert_job,
    insert_result,
    job_by_id,
    result_of,
    take,
    waiting_of,
)


@dataclass(frozen=True)
class SubmitJob:
    """Queue a job."""

    publisher_id: int
    owner: str
    worker_did: str
    name: str
    recipe: bytes
    public: bool
    lost_max: int
    idempotency: IdempotencyKey | None = None

    def __call__(self, batch: Batch) -> tuple[JobRow, bool]:
        """Return the job, and whether it is new.

        Raises:
            Problem: JOB_LIMIT, IDEMPOTENCY_KEY_REUSED.
        """
        known = recall(batch, self.idempotency)
        if known is not None and (found := job_by_id(batch.connection, known)) is not None:
            return found, False
        if waiting_of(batch.connection, self.publisher_id) >= JOBS_WAITING_PER_PUBLISHER_MAX:
            raise Problem(
                "JOB_LIMIT",
                "Too many of your jobs are waiting",
                expected=f"at most {JOBS_WAITING_PER_PUBLISHER_MAX}",
                next_action="start a worker, or cancel some",
            )
        identifier = f"job_{secrets.token_hex(12)}"
        insert_job(
            batch.connection,
            id=identifier,
            publisher_id=self.publisher_id,
            worker_did=self.worker_did,
            name=self.name,
            recipe=self.recipe,
            public=self.public,
            state="queued",
            attempt=0,
            lost=0,
            lost_max=self.lost_max,
            worker="",
            lease_until=0,
            step=0,
            steps=0,
            epoch=0,
            epochs=0,
            loss="",
            eta_seconds=-1,
            note="",
            created_at=batch.seconds,
            changed_at=batch.seconds,
            ended_at=None,
        )
        remember(batch, self.idempotency, identifier)
        record(batch, actor=self.owner, action="job.submitted", target=identifier)
        return _stored(batch, identifier), True


@dataclass(frozen=True)
class ClaimJob:
    """Lease the next job to a worker, which thereby says that it holds none."""

    worker_did: str
    worker: str
    lease_seconds: int
    serving_since: int

    def __call__(self, batch: Batch) -> JobRow | None:
        """Return the job, if there is one."""
        now = batch.seconds
        # While the registry was away no worker could be heard: nobody is called lost before it has been back for a lease's time.
        silent = now - self.serving_since >= self.lease_seconds
        expire(batch.connection, worker_did=self.worker_did, worker=self.worker, now=now, silent=silent)
        found = take(
            batch.connection,
            worker_did=self.worker_did,
            worker=self.worker,
            now=now,
            until=now + self.lease_seconds,
        )
        return None if found is None else _stored(batch, found)


@dataclass(frozen=True)
class Heartbeat:
    """Let a lease go on."""

    held: Held
    lease_seconds: int
    progress: dict[str, Any]

    def __call__(self, batch: Batch) -> int:
        """Return when the lease ends now.

        Raises:
            Problem: NOT_FOUND, JOB_OVER, LEASE_LOST.
        """
        until = batch.seconds + self.lease_seconds
        if not extend(batch.connection, self.held, until=until, now=batch.seconds, progress=self.progress):
            refuse_holder(batch, self.held)
        return until


@dataclass(frozen=True)
class GiveBack:
    """Return a job to the queue at its holder's wish."""

    held: Held
    note: str

    def __call__(self, batch: Batch) -> JobRow:
        """Return the job.

        Raises:
            Problem: NOT_FOUND, JOB_OVER, LEASE_LOST.
        """
        if not hand_back(batch.connection, self.held, now=batch.seconds, note=self.note):
            refuse_holder(batch, self.held)
        return _stored(batch, self.held.job)


@dataclass(frozen=True)
class CancelJob:
    """Call a job off; who holds it is told at the next heartbeat."""

    job: str
    actor: str

    def __call__(self, batch: Batch) -> JobRow:
        """Return the job.

        Raises:
            Problem: JOB_OVER.
        """
        if not call_off(batch.connection, self.job, now=batch.seconds):
            raise _over(_stored(batch, self.job))
        record(batch, actor=self.actor, action="job.cancelled", target=self.job)
        return _stored(batch, self.job)


@dataclass(frozen=True)
class Accepted:
    """What `AcceptResult` answers."""

    job: JobRow
    credential: CredentialRow | None
    fresh: bool


@dataclass(frozen=True)
class AcceptResult:
    """End a job by its holder's result, and register its model credential in the same transaction; idempotent by attempt and digest."""

    held: Held
    outcome: str
    digest: str
    note: str
    report: bytes
    receipt: bytes
    card: bytes
    registration: Registration | None

    def __call__(self, batch: Batch) -> Accepted:
        """Return the ended job.

        Raises:
            Problem: NOT_FOUND, JOB_OVER, LEASE_LOST; as `RegisterCredential`, and then the lease goes on.
        """
        if not end(batch.connection, self.held, state=self.outcome, now=batch.seconds, note=self.note):
            return self._again(batch)
        credential = None
        if self.registration is not None:
            credential, _ = RegisterCredential(self.registration)(batch)
        job = _stored(batch, self.held.job)
        row = ResultRow(
            job_seq=job.seq,
            attempt=self.held.attempt,
            digest=self.digest,
            report=self.report,
            receipt=self.receipt,
            card=self.card,
            credential_seq=None if credential is None else credential.seq,
        )
        insert_result(batch.connection, row)
        record(batch, actor=self.held.worker_did, action=f"job.{self.outcome}", target=job.id)
        return Accepted(job, credential, fresh=True)

    def _again(self, batch: Batch) -> Accepted:
        """The same result, sent again because its answer was lost."""
        job = job_by_id(batch.connection, self.held.job)
        stored = None if job is None else result_of(batch.connection, job.seq)
        same = stored is not None and (stored[0].attempt, stored[0].digest) == (self.held.attempt, self.digest)
        if job is None or stored is None or not same or job.worker_did != self.held.worker_did:
            refuse_holder(batch, self.held)
        credential = by_digest(batch.connection, stored[1]) if stored[1] else None
        return Accepted(job, credential, fresh=False)


def refuse_holder(batch: Batch, held: Held) -> NoReturn:
    """Say why a lease does not count.

    Raises:
        Problem: NOT_FOUND, also for a job that is meant for others; JOB_OVER; LEASE_LOST.
    """
    job = job_by_id(batch.connection, held.job)
    if job is None or job.worker_did != held.worker_did:
        raise unknown_job()
    if job.state not in OPEN:
        raise _over(job)
    raise Problem(
        "LEASE_LOST",
        "This lease is not the job's present one: it ran out and another was given, or it was given back",
        pointer="/attempt",
        expected=f"lease {job.attempt}" if job.worker == held.worker else "the lease of the worker that holds the job",
        next_action="stop this run; claim a job again",
    )


def unknown_job() -> Problem:
    """No such job, for all that the caller may know."""
    return Problem("NOT_FOUND", "There is no job with this id that you may see", next_action="GET /training/jobs")


def _over(job: JobRow) -> Problem:
    return Problem(
        "JOB_OVER",
        f"The job is over: it is {job.state}",
        next_action="submit it anew if it should run again",
    )


def _stored(batch: Batch, identifier: str) -> JobRow:
    row = job_by_id(batch.connection, identifier)
    assert row is not None, "it was there in this transaction"
    return row
