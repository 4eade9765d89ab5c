"""Workers and a registry as processes, killed in the middle: no job runs to two results, and none is lost, on both databases."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from attached_site import Site
from databases import database_url, postgres_admin
from registry_process import RegistryProcess

from service.database import open_database
from service.settings import Settings
from service.training.repository import job_by_id, result_of

__all__ = ["database_url", "postgres_admin"]
pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]
LEASE_SECONDS = 8  # a loaded machine: a worker that gets no processor for so long does lose its job
LEASE = {"DATASIGIL_JOB_LEASE_SECONDS": str(LEASE_SECONDS)}


def site_in(tmp_path, database: str | None) -> Iterator[Site]:
    with RegistryProcess(tmp_path / "registry", database, environment=LEASE).initialise() as registry:
        site = Site(tmp_path, registry)
        try:
            yield site.build()
        finally:
            site.stop()


@pytest.fixture
def live(tmp_path, monkeypatch) -> Iterator[Site]:
    """A site on SQLite."""
    for site in site_in(tmp_path, None):
        for name, value in site.variables().items():
            monkeypatch.setenv(name, value)
        yield site


@pytest.fixture
def site(tmp_path, monkeypatch, database_url) -> Iterator[Site]:
    """A site on each database."""
    for made in site_in(tmp_path, database_url):
        for name, value in made.variables().items():
            monkeypatch.setenv(name, value)
        yield made


def check_everything(site: Site, jobs: list[str]) -> None:
    """Every job has one accepted result, whose credential is in the log, and there is no other model credential."""
    config = Settings(
        data_dir=site.registry.folder, public_url=site.registry.url, database_url=site.registry.database_url
    )
    database = open_database(config.sqlalchemy_url)
    digests = []
    try:
        for job in jobs:
            row = database.read_now(job_by_id, job)
            assert row is not None, f"{job} was acknowledged and is gone"
            assert row.state == "finished", f"{job} is {row.state}: {row.note}\n{site.journal()}"
            stored = database.read_now(result_of, row.seq)
            assert stored is not None
            digests.append(stored[1])
    finally:
        database.close()
    assert len(set(digests)) == len(jobs)
    page = httpx.get(f"{site.registry.url}/models", params={"limit": 100}, timeout=20).json()
    assert sorted(item["digest"] for item in page["items"]) == sorted(digests), (
        "a run that was not accepted is in the log"
    )
    assert (found := site.registry.run("fsck")).returncode == 0, found.stdout + found.stderr


@pytest.mark.long
def test_a_worker_that_is_killed_goes_on_from_its_checkpoint_when_it_is_started_again(live):
    job = live.submit(live.recipe(epochs=60))
    first = live.start("one")
    live.until(job, "running", step=30)
    first.kill()
    first.wait(30)
    assert live.start("one", "--until-empty").wait(240) == 0
    shown = live.state(job)
    assert (shown["state"], shown["attempt"], shown["lostLeases"]) == ("finished", 2, 1)
    receipt = json.loads((live.runs / "one" / job / "receipt.json").read_bytes())
    assert receipt["run"]["resumes"] == 1
    check_everything(live, [job])


@pytest.mark.long
def test_the_job_of_a_worker_that_never_comes_back_is_done_by_another(site):
    job = site.submit(site.recipe(epochs=60))
    first = site.start("one")
    site.until(job, "running", step=30)
    first.kill()
    first.wait(30)
    assert site.start("two").poll() is None
    site.until(job, "finished")
    assert site.state(job)["lostLeases"] == 1
    check_everything(site, [job])


@pytest.mark.long
def test_a_registry_that_is_killed_in_the_middle_of_runs_loses_none(site):
    jobs = [site.submit(site.recipe(epochs=40, seed=seed)) for seed in range(4)]
    workers = [site.start(name, "--until-empty") for name in ("one", "two")]
    for away in (1.5, 1.5, LEASE_SECONDS + 2):  # the last time for longer than a lease
        time.sleep(3)
        site.registry.kill()
        time.sleep(away)
        site.registry.start()
    for job in jobs:
        site.until(job, "finished")
    assert [worker.wait(120) for worker in workers] == [0, 0]
    check_everything(site, jobs)
    assert all(site.state(job)["lostLeases"] == 0 for job in jobs), (
        "a run was given to another while the registry was away"
    )


@pytest.mark.long
def test_two_workers_empty_one_queue_of_ten(site):
    jobs = [site.submit(site.recipe(seed=seed)) for seed in range(10)]
    workers = [site.start(name, "--until-empty") for name in ("one", "two")]
    assert [worker.wait(600) for worker in workers] == [0, 0]
    check_everything(site, jobs)
    assert all(site.state(job)["attempt"] == 1 for job in jobs)
    done = {name: len(list((site.runs / name).glob("job_*"))) for name in ("one", "two")}
    assert sum(done.values()) == 10
    assert min(done.values()) >= 1
    print(f"ten jobs: {done}")


@pytest.mark.long
def test_workers_and_registry_killed_at_random_finish_every_job_once(site):
    import random

    chance = random.Random(20261126)
    jobs = [site.submit(site.recipe(epochs=20, seed=seed), public=True) for seed in range(6)]
    running = {name: site.start(name) for name in ("one", "two")}
    for _ in range(8):
        time.sleep(chance.uniform(1, 5))
        name = chance.choice(["one", "two", "registry"])
        if name == "registry":
            site.registry.kill()
            site.registry.start()
            continue
        running[name].kill()
        running[name].wait(30)
        running[name] = site.start(name)
    for job in jobs:
        site.until(job, "finished")
    check_everything(site, jobs)
