"""Leases of training jobs: claims that race on both databases, and every order of what may happen, under a clock that is turned."""

import threading
from types import SimpleNamespace

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from sqlalchemy import Connection, Engine, create_engine, insert
from sqlmodel import SQLModel

from service import audit_trail
from service.database import open_database
from service.problems import Problem
from service.publishers.repository import insert_publisher, publisher_by_did
from service.settings import Settings
from service.tables import TRAINING_JOBS
from service.training.operations import AcceptResult, CancelJob, ClaimJob, GiveBack, Heartbeat, SubmitJob
from service.training.repository import Held, job_by_id, result_of, take

assert audit_trail is not None  # its tables are part of the metadata
DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
LEASE = 60
JOBS, WORKERS = 40, 8


def plain_job(number: int, publisher: int, **changes) -> dict:
    values = {
        "id": f"job_{number:024x}", "publisher_id": publisher, "worker_did": DID, "name": "x", "recipe": b"{}", "public": False,
        "state": "queued", "attempt": 0, "lost": 0, "lost_max": 5, "worker": "", "lease_until": 0, "step": 0, "steps": 0,
        "epoch": 0, "epochs": 0, "loss": "", "eta_seconds": -1, "note": "", "created_at": 0, "changed_at": 0,
    }  # fmt: skip
    return {**values, **changes}


@pytest.fixture
def engines(data_dir, database_url):
    """One writing engine for each claimer, as several processes would have."""
    config = Settings(data_dir=data_dir, public_url="http://localhost:8800", database_url=database_url)
    databases = [open_database(config.sqlalchemy_url) for _ in range(WORKERS)]
    yield [one.writer for one in databases]
    for one in databases:
        one.close()


def test_claims_that_race_without_the_one_writer_never_meet(engines: list[Engine]) -> None:
    with engines[0].begin() as connection:
        publisher = insert_publisher(connection, did=DID, slug="s", name="", role="publisher", now=0)
        connection.execute(insert(TRAINING_JOBS), [plain_job(number, publisher.id) for number in range(JOBS)])
    taken: list[list[str]] = [[] for _ in range(WORKERS)]
    start = threading.Barrier(WORKERS)

    def claim(number: int) -> None:
        start.wait()
        while True:
            with engines[number].begin() as connection:
                found = take(connection, worker_did=DID, worker=f"worker-{number}", now=1, until=61)
            if found is None:
                return
            taken[number].append(found)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(WORKERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    everything = [job for jobs in taken for job in jobs]
    assert len(everything) == len(set(everything)), "a job was leased twice"
    with engines[0].begin() as connection:
        left = take(connection, worker_did=DID, worker="worker-last", now=1, until=61)
        while left is not None:  # a claimer that met only locked rows went home; what it left is still there
            everything.append(left)
            left = take(connection, worker_did=DID, worker="worker-last", now=1, until=61)
        assert len(everything) == len(set(everything)) == JOBS
        rows = [job_by_id(connection, job) for job in everything]
    assert all(row is not None and (row.state, row.attempt) == ("leased", 1) for row in rows)


class Leases(RuleBasedStateMachine):
    """Any order of claims, heartbeats, results, cancellations and time; a model beside it says what must be true."""

    leases: Bundle = Bundle("leases")
    jobs: Bundle = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://")
        SQLModel.metadata.create_all(self.engine)
        self.connection: Connection = self.engine.connect()
        publisher = insert_publisher(self.connection, did=DID, slug="s", name="", role="publisher", now=0)
        self.publisher = publisher.id
        assert publisher_by_did(self.connection, DID) is not None
        self.now = 1_000
        self.since = 0
        self.accepted: dict[str, tuple[int, str]] = {}
        self.cancelled: set[str] = set()
        self.newest: dict[str, int] = {}
        self.returned: set[tuple[str, int]] = set()

    def teardown(self) -> None:
        self.connection.close()
        self.engine.dispose()

    def perform(self, operation):
        """Run an operation as the writer would: in a savepoint of its own."""
        batch = SimpleNamespace(connection=self.connection, seconds=self.now, now=None, memory={})
        savepoint = self.connection.begin_nested()
        try:
            value = operation(batch)
        except Problem as problem:
            savepoint.rollback()
            return problem
        savepoint.commit()
        return value

    def is_over(self, job: str) -> bool:
        row = job_by_id(self.connection, job)
        return row is not None and row.state not in ("queued", "leased", "running")

    @rule(target=jobs)
    def submit(self):
        made = self.perform(SubmitJob(self.publisher, DID, DID, "x", b"{}", public=False, lost_max=3))
        return made[0].id

    @rule(target=leases, worker=st.sampled_from(["worker-a", "worker-b"]))
    def claim(self, worker: str):
        row = self.perform(ClaimJob(DID, worker, LEASE, self.since))
        if row is None:
            return ("", worker, 0)
        assert row.attempt > self.newest.get(row.id, 0), "a lease's number was given before"
        self.newest[row.id] = row.attempt
        return (row.id, worker, row.attempt)

    def counts(self, lease) -> bool:
        job, _, attempt = lease
        return attempt == self.newest.get(job) and (job, attempt) not in self.returned and not self.is_over(job)

    @rule(lease=leases, step=st.integers(0, 9))
    def beat(self, lease, step: int) -> None:
        if not lease[0]:
            return
        held, counts = Held(lease[0], DID, lease[1], lease[2]), self.counts(lease)
        progress = {"step": step, "steps": 9, "epoch": 1, "epochs": 1, "loss": "0.5", "eta_seconds": 1}
        answer = self.perform(Heartbeat(held, LEASE, progress))
        assert (answer == self.now + LEASE) if counts else answer.code in ("LEASE_LOST", "JOB_OVER")

    @rule(lease=leases)
    def give_back(self, lease) -> None:
        if not lease[0]:
            return
        counts = self.counts(lease)
        answer = self.perform(GiveBack(Held(lease[0], DID, lease[1], lease[2]), ""))
        if counts:
            assert answer.state == "queued"
            self.returned.add((lease[0], lease[2]))
            self.newest[lease[0]] = answer.attempt
        else:
            assert answer.code in ("LEASE_LOST", "JOB_OVER")

    @rule(lease=leases, outcome=st.sampled_from(["refused", "failed"]), content=st.sampled_from(["a", "b"]))
    def end(self, lease, outcome: str, content: str) -> None:
        if not lease[0]:
            return
        job, worker, attempt = lease
        counts, before = self.counts(lease), self.accepted.get(job)
        held = Held(job, DID, worker, attempt)
        answer = self.perform(AcceptResult(held, outcome, outcome + content, "", b"{}", b"", b"", None))
        if counts:
            assert answer.fresh
            self.accepted[job] = (attempt, outcome + content)
        elif before == (attempt, outcome + content):
            assert not answer.fresh
        else:
            assert answer.code in ("LEASE_LOST", "JOB_OVER")

    @rule(job=consumes(jobs))
    def cancel(self, job: str) -> None:
        over = self.is_over(job)
        answer = self.perform(CancelJob(job, DID))
        if over:
            assert answer.code == "JOB_OVER"
        else:
            assert answer.state == "cancelled"
            self.cancelled.add(job)

    @rule(seconds=st.sampled_from([1, 30, 61, 600]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        self.since = self.now

    @invariant()
    def one_result_and_nothing_lost(self) -> None:
        for job in self.newest:
            row = job_by_id(self.connection, job)
            assert row is not None
            stored = result_of(self.connection, row.seq)
            if job in self.accepted:
                assert stored is not None
                assert (stored[0].attempt, stored[0].digest) == self.accepted[job]
                assert job not in self.cancelled
            else:
                assert stored is None
                assert row.state in ("queued", "leased", "running", "cancelled") or (row.state, row.lost) == (
                    "failed",
                    3,
                )


TestLeases = Leases.TestCase
TestLeases.settings = hypothesis_settings(max_examples=20, stateful_step_count=25, deadline=None)


@pytest.mark.long
def test_no_order_of_events_loses_a_job_or_takes_two_results() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Leases, settings=hypothesis_settings(max_examples=3_000, stateful_step_count=60, deadline=None)
    )
