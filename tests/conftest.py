"""Fixtures and rules that every test shares.

Here: where the shared vectors lie, and what a missing service means. Not here: the in-memory world (`simulator.py`).
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent

# A shell's background job starts with Ctrl-C ignored, which every program under test would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing here compiles a model; importing bitsandbytes would bring torch's whole compiler into every process (two seconds each).
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")


# Time decides no test: a machine that does other things at once would fail what is right.
settings.register_profile("datasigil", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("datasigil")


def require_all() -> bool:
    """Whether a missing service or vector fails a test instead of skipping it (CI sets this)."""
    return os.environ.get("DATASIGIL_REQUIRE_ALL") == "1"


def absent(what: str) -> None:
    """Skip the running test because `what` is missing, or fail it under DATASIGIL_REQUIRE_ALL=1."""
    if require_all():
        pytest.fail(f"{what} is required here (DATASIGIL_REQUIRE_ALL=1) and missing")
    pytest.skip(f"{what} is missing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first, then those that train: workers that share files out (`--dist loadfile`) end together."""

    def rank(item: pytest.Item) -> int:
        return (
            0
            if item.get_closest_marker("slow") or item.path.parent.name == "durability"
            else 1
            if item.get_closest_marker("training")
            else 2
        )

    first: dict[Path, int] = {}
    for item in items:
        first[item.path] = min(first.get(item.path, 2), rank(item))
    items.sort(key=lambda item: first[item.path])


@pytest.fixture(scope="session")
def thorough() -> bool:
    """Whether this is the run with everything switched on (`.ci/run`), which repeats what `make test` does a few times only."""
    return require_all()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the official vectors and corpora: DATASIGIL_SHARED, by default ../shared beside the checkout."""
    folder = Path(os.environ.get("DATASIGIL_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        absent(f"the shared folder {folder}")
    return folder.resolve()


@pytest.fixture(autouse=True)
def private_homes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test its own configuration, state and cache folders, so that none reads or writes the user's.

    `CI` goes too: it makes the programs ask for a pinned trust file, which only the tests of that rule are about.
    """
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    for name in [name for name in os.environ if name.startswith("DATASIGIL_") and name not in KEPT]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)


# Settings of the test run itself, as opposed to settings of the programs under test.
KEPT = {"DATASIGIL_SHARED", "DATASIGIL_REQUIRE_ALL", "DATASIGIL_TEST_DATABASE_URL", "DATASIGIL_VCALM"}
