"""What was acknowledged survives `kill -9` at any moment (R1 of the reliability targets).

Here: a served registry under load of two issuers and one revoker, killed at random points, restarted, and derived again by `fsck`.
Not here: power cuts (a killed process leaves the page cache behind).
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_load import Acknowledged, Load, check_the_acknowledged, check_the_log, checkpoint_of
from registry_process import LivePublisher, RegistryProcess

from datasigil.transparency.checkpoint import Checkpoint

KILLS_AT_HAND = 6
KILLS_IN_CI = 20
KILLS_AT_LENGTH = int(os.environ.get("DATASIGIL_TEST_KILLS", "1000"))
LOAD_SECONDS = (0.0, 0.4)
ACKNOWLEDGED_SECONDS = 60
ROUNDS_BETWEEN_CHECKS = 50
SEED = int(os.environ.get("DATASIGIL_TEST_SEED", "20261125"))


def survive(registry: RegistryProcess, kills: int) -> Acknowledged:
    """Load, kill, restart, as often as asked; every restart starts with the log consistent with what was seen.

    Every so many kills what came since is checked and a line says so: a run that is cut short has shown what its last line says.
    At the end all of it is checked again.
    """
    chance = random.Random(SEED)
    told, seen = Acknowledged(), []

    def check(done: int, first: int, seen: list[Checkpoint]) -> int:
        check_the_log(registry, seen, keys)
        check_the_acknowledged(registry, publishers, told, first)
        assert (found := registry.run("fsck")).returncode == 0, found.stdout + found.stderr
        backend = "SQLite" if registry.database_url is None else "PostgreSQL"
        counts = f"{len(told.credentials)} credentials and {len(told.revoked)} revocations acknowledged, 0 lost"
        print(f"{backend}: {done} kills: {counts}; log of {seen[-1].size}, fsck clean", flush=True)
        return len(told.credentials)

    with registry.start():
        publishers = [LivePublisher(registry), LivePublisher(registry)]
        keys, checked = publishers[0].reply["log"], 0
        for round_ in range(kills):
            with Load(publishers, told) as load:
                load.wait(ACKNOWLEDGED_SECONDS)  # so that the kill falls into writing
                time.sleep(chance.uniform(*LOAD_SECONDS))
                seen.append(checkpoint_of(registry, keys))
                registry.kill()
            registry.start()
            check_the_log(registry, seen[-3:], keys)
            if round_ % ROUNDS_BETWEEN_CHECKS == ROUNDS_BETWEEN_CHECKS - 1:
                checked = check(round_ + 1, checked, seen[-ROUNDS_BETWEEN_CHECKS:])
        check(kills, 0, seen)
    return told


@pytest.fixture
def killable(tmp_path: Path, database_url: str | None) -> Iterator[RegistryProcess]:
    """An initialised registry that is not running yet."""
    registry = RegistryProcess(tmp_path / "data", database_url).initialise()
    yield registry
    registry.__exit__()


@pytest.mark.timeout(600)  # a minute on two free cores
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(killable: RegistryProcess, thorough: bool) -> None:
    told = survive(killable, KILLS_IN_CI if thorough else KILLS_AT_HAND)
    assert told.credentials
    assert told.revoked
    assert told.refused == []


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_nothing_acknowledged_is_lost_in_as_many_kills_as_asked_for(killable: RegistryProcess) -> None:
    assert survive(killable, KILLS_AT_LENGTH).revoked
