"""SQL of training jobs and their results.

Lives here: statements; each change of a lease is one statement that names the state it changes, so that it is right without relying on
the one writer. Not here: who may do it (`access`), what a change means (`operations`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, insert, literal, or_, select, update

from service.tables import CREDENTIALS, PUBLISHERS, TRAINING_JOBS, TRAINING_RESULTS

HELD = ("leased", "running")
OPEN = ("queued", *HELD)


@dataclass(frozen=True)
class JobRow:
    """A job as stored; `owner` is the DID of who asked for it."""

    seq: int
    id: str
    owner: str
    worker_did: str
    name: str
    recipe: bytes
    public: bool
    state: str
    attempt: int
    lost: int
    lost_max: int
    worker: str
    lease_until: int
    step: int
    steps: int
    epoch: int
    epochs: int
    loss: str
    eta_seconds: int
    note: str
    created_at: int
    changed_at: int
    ended_at: int | None


@dataclass(frozen=True)
class ResultRow:
    """The accepted result of a job."""

    job_seq: int
    attempt: int
    digest: str
    report: bytes
    receipt: bytes
    card: bytes
    credential_seq: int | None


_JOBS = TRAINING_JOBS.c
_COLUMNS = tuple(PUBLISHERS.c.did if one.name == "owner" else _JOBS[one.name] for one in fields(JobRow))
_RESULT = tuple(TRAINING_RESULTS.c[one.name] for one in fields(ResultRow))


def _rows(*, recipe: bool = True) -> Select[Any]:
    columns = _COLUMNS if recipe else [literal(b"") if one is _JOBS.recipe else one for one in _COLUMNS]
    return select(*columns).join(PUBLISHERS, PUBLISHERS.c.id == _JOBS.publisher_id)


def job_by_id(connection: Connection, identifier: str) -> JobRow | None:
    """The job with this id."""
    row = connection.execute(_rows().where(_JOBS.id == identifier)).one_or_none()
    return None if row is None else JobRow(*row)


def jobs_before(connection: Connection, before: int, count: int, *, did: str = "", every: bool = False) -> list[JobRow]:
    """Jobs below a sequence number, without recipes, newest first: the public ones, those of `did` as owner or worker, or every one."""
    query = _rows(recipe=False).where(_JOBS.seq < before).order_by(_JOBS.seq.desc()).limit(count)
    if not every:
        mine = or_(PUBLISHERS.c.did == did, _JOBS.worker_did == did) if did else _JOBS.public
        query = query.where(mine)
    return [JobRow(*row) for row in connection.execute(query)]


def insert_job(connection: Connection, **values: Any) -> None:
    """Store a new job, queued."""
    connection.execute(insert(TRAINING_JOBS).values(**values))


def waiting_of(connection: Connection, publisher_id: int) -> int:
    """How many of a publisher's jobs have not ended."""
    query = select(func.count()).where(_JOBS.publisher_id == publisher_id, _JOBS.state.in_(OPEN))
    return int(connection.execute(query).scalar_one())


def expire(connection: Connection, *, worker_did: str, worker: str, now: int, silent: bool) -> None:
    """Return lost leases to the queue, or fail jobs that lost too many.

    Lost are leases past their time, where `silent` says that the registry was there to be heard by, and running ones of the worker that
    asks: whoever asks holds nothing. A lease that its worker never got to hear of (`leased`, never a heartbeat) is not counted.
    """
    mine = and_(_JOBS.worker_did == worker_did, _JOBS.worker == worker)
    lost: ColumnElement[bool] = or_(mine, _JOBS.lease_until <= now) if silent else mine
    unheard = and_(mine, _JOBS.state == "leased")
    count = case((unheard, _JOBS.lost), else_=_JOBS.lost + 1)
    over = count >= _JOBS.lost_max
    connection.execute(
        update(TRAINING_JOBS)
        .where(_JOBS.state.in_(HELD), lost)
        .values(
            state=case((over, "failed"), else_="queued"),
            ended_at=case((over, now), else_=None),
            note=case(
                (over, "too many of its workers were not heard of again"), else_="its worker was not heard of again"
            ),
            lost=count,
            changed_at=now,
        )
    )


def take(connection: Connection, *, worker_did: str, worker: str, now: int, until: int) -> str | None:
    """Lease the next queued job to a worker by one statement; its id, or None. A worker's own unfinished job comes first."""
    active = select(PUBLISHERS.c.id).where(PUBLISHERS.c.active)
    inner = TRAINING_JOBS.alias("next_job")
    wanted = (
        select(inner.c.seq)
        .where(inner.c.worker_did == worker_did, inner.c.state == "queued", inner.c.publisher_id.in_(active))
        .order_by(case((inner.c.worker == worker, 0), else_=1), inner.c.seq)
        .limit(1)
        .with_for_update(skip_locked=True)  # PostgreSQL: two claims never meet; SQLite has one writer and ignores it
        .scalar_subquery()
    )
    taken = (
        update(TRAINING_JOBS)
        .where(_JOBS.seq == wanted, _JOBS.state == "queued")
        .values(state="leased", attempt=_JOBS.attempt + 1, worker=worker, lease_until=until, changed_at=now, note="")
        .returning(_JOBS.id)
    )
    found = connection.execute(taken).scalar_one_or_none()
    return None if found is None else str(found)


@dataclass(frozen=True)
class Held:
    """A lease as its holder names it."""

    job: str
    worker_did: str
    worker: str
    attempt: int


def _holds(held: Held) -> ColumnElement[bool]:
    """The job, while nobody else has claimed it: a lease that ran out unnoticed, or whose job waits, is still the last holder's."""
    return and_(
        _JOBS.id == held.job,
        _JOBS.worker_did == held.worker_did,
        _JOBS.worker == held.worker,
        _JOBS.attempt == held.attempt,
        _JOBS.state.in_(OPEN),
    )


def extend(connection: Connection, held: Held, *, until: int, now: int, progress: dict[str, Any]) -> bool:
    """Let a lease go on, with progress where there is any; False when it is another's by now."""
    values = {"state": "running", "lease_until": until, "changed_at": now, "note": "", **progress}
    return connection.execute(update(TRAINING_JOBS).where(_holds(held)).values(**values)).rowcount == 1


def hand_back(connection: Connection, held: Held, *, now: int, note: str) -> bool:
    """Return a job to the queue at its holder's wish; the number grows, so that nothing late of this lease counts."""
    values: dict[str, Any] = {
        "state": "queued",
        "attempt": _JOBS.attempt + 1,
        "lease_until": 0,
        "changed_at": now,
        "note": note,
    }
    return connection.execute(update(TRAINING_JOBS).where(_holds(held)).values(**values)).rowcount == 1


def end(connection: Connection, held: Held, *, state: str, now: int, note: str) -> bool:
    """End a job by its holder's result; False when it is another's by now, or over."""
    values = {"state": state, "ended_at": now, "changed_at": now, "note": note}
    return connection.execute(update(TRAINING_JOBS).where(_holds(held)).values(**values)).rowcount == 1


def call_off(connection: Connection, identifier: str, *, now: int) -> bool:
    """Cancel a job that has not ended; False when it has."""
    values = {"state": "cancelled", "ended_at": now, "changed_at": now}
    changed = connection.execute(
        update(TRAINING_JOBS).where(_JOBS.id == identifier, _JOBS.state.in_(OPEN)).values(**values)
    )
    return changed.rowcount == 1


def insert_result(connection: Connection, row: ResultRow) -> None:
    """Store the result of a job; its key refuses a second."""
    connection.execute(insert(TRAINING_RESULTS).values(**vars(row)))


def result_of(connection: Connection, seq: int) -> tuple[ResultRow, str | None] | None:
    """The accepted result of a job, and the digest of its model credential."""
    row = connection.execute(
        select(*_RESULT, CREDENTIALS.c.digest)
        .join(CREDENTIALS, CREDENTIALS.c.seq == TRAINING_RESULTS.c.credential_seq, isouter=True)
        .where(TRAINING_RESULTS.c.job_seq == seq)
    ).one_or_none()
    return None if row is None else (ResultRow(*row[:-1]), row[-1])
