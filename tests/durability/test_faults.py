"""What was acknowledged survives a disk that fails, a disk that is full, and a database server that goes away.

Here: real processes under load; faults at write, fsync and rename by a preloaded library (`faulty_disk.c`), PostgreSQL stopped and started.
Not here: kills (`test_kills.py`). After each fault the registry must come back by itself, and at the end all that was acknowledged is there.
"""

import errno
import mmap
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from conftest import absent
from databases import PostgresServer, create_database, postgres_binaries
from registry_load import Acknowledged, Load, check_the_acknowledged, check_the_log, checkpoint_of
from registry_process import LivePublisher, RegistryProcess

pytestmark = pytest.mark.slow

WRITE, SYNC, RENAME = 1, 2, 4
FAULTS = {
    "EIO at write": (errno.EIO, 30, WRITE),
    "EIO at fsync": (errno.EIO, 100, SYNC),
    "EIO at rename": (errno.EIO, 500, RENAME),
    "ENOSPC at write": (errno.ENOSPC, 30, WRITE),
    "ENOSPC at fsync": (errno.ENOSPC, 100, SYNC),
    "disk full": (errno.ENOSPC, 1000, WRITE),
    "dead disk": (errno.EIO, 1000, WRITE | SYNC | RENAME),
}
FAULTS_AT_LEAST = 3  # before the disk heals
FAULT_SECONDS = 5.0  # or so long at most, without any that is met
RESTARTS = 5
AWAY_SECONDS = 0.3
RECOVERY_SECONDS = 60.0
MAY_REFUSE = ("STORAGE_FULL", "DATABASE_UNAVAILABLE", "BUSY", "NOT_THE_WRITER")


class FaultyDisk:
    """The control of the preloaded library."""

    def __init__(self, library: Path, folder: Path, control: Path) -> None:
        control.write_bytes(bytes(20))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 20)
        self.variables = {
            "LD_PRELOAD": str(library),
            "FAULTY_DISK_CONTROL": str(control),
            "FAULTY_DISK_FOLDER": str(folder),
        }

    def fail(self, error: int, permille: int, mask: int, *, spared: int = 0) -> None:
        self._map[16:20] = struct.pack("i", spared)
        self._map[0:12] = struct.pack("iii", error, permille, mask)

    def heal(self) -> None:
        self._map[4:8] = struct.pack("i", 0)

    @property
    def failed(self) -> int:
        return int(struct.unpack("i", self._map[12:16])[0])


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preloaded library, compiled here."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        absent("a C compiler")
    built = tmp_path_factory.mktemp("faults") / "faulty_disk.so"
    source = Path(__file__).with_name("faulty_disk.c")
    subprocess.run([str(compiler), "-shared", "-fPIC", "-O1", "-o", str(built), str(source), "-ldl"], check=True)
    return built


def wait_for(true: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true, or so long."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)


def wait_until_writing(registry: RegistryProcess) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        assert registry.process is not None
        assert registry.process.poll() is None, registry.journal.read_text()[-3000:]
        try:
            if httpx.get(f"{registry.url}/readyz", timeout=3).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"it did not come back: {registry.journal.read_text()[-3000:]}")


def check_refusals(told: Acknowledged) -> None:
    """Every refusal was an honest one: nothing was acknowledged, the client was told to come back, no fault of ours."""
    for text in told.refused:
        assert any(f'"code": "{code}"' in text for code in MAY_REFUSE), text


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_when_the_disk_fails(
    tmp_path: Path, database_url: str | None, library: Path
) -> None:
    registry = RegistryProcess(tmp_path / "data", database_url).initialise()
    disk = FaultyDisk(library, registry.folder, tmp_path / "control")
    registry.environment.update(disk.variables)
    told, seen = Acknowledged(), []
    with registry.start():
        publishers = [LivePublisher(registry), LivePublisher(registry)]
        keys = publishers[0].reply["log"]
        for name, fault in FAULTS.items():
            with Load(publishers, told) as load:
                load.wait(RECOVERY_SECONDS)
                before = disk.failed
                disk.fail(*fault)
                wait_for(lambda: disk.failed >= before + FAULTS_AT_LEAST, FAULT_SECONDS)  # noqa: B023 - called at once
                assert disk.failed > before or fault[-1] == RENAME, name  # serving renames nothing (`high_water`)
                disk.heal()
                wait_until_writing(registry)
                load.wait(RECOVERY_SECONDS)
            seen.append(checkpoint_of(registry, keys))
            check_the_log(registry, seen, keys)
            assert httpx.get(f"{registry.url}/healthz", timeout=20).status_code == 200, name
        assert disk.failed >= len(FAULTS)
        registry.kill()
        registry.environment.clear()
        registry.start()
        check_the_log(registry, seen, keys)
        check_the_acknowledged(registry, publishers, told)
        assert (found := registry.run("fsck")).returncode == 0, found.stdout + found.stderr
    check_refusals(told)
    assert told.credentials
    assert told.revoked


@pytest.mark.parametrize(("action", "name"), [("rotate", "checkpoint"), ("compromised", "time"), ("rotate", "hosted")])
def test_a_change_of_keys_that_a_failing_rename_stops_leaves_a_registry_that_starts(
    tmp_path: Path, library: Path, action: str, name: str
) -> None:
    registry = RegistryProcess(tmp_path / "data").initialise("--hosted-key")
    disk = FaultyDisk(library, registry.folder, tmp_path / "control")
    registry.environment.update(disk.variables)
    key, kept = (registry.folder / "keys" / f"{one}.pem" for one in (name, f"{name}-previous"))
    done, refused = False, []
    for spared in range(8):
        before, failed = key.read_bytes(), disk.failed
        disk.fail(errno.EIO, 1000, RENAME, spared=spared)
        changed = registry.run("keys", action, name)
        disk.heal()
        assert "Traceback" not in changed.stderr
        assert (changed.returncode == 0) == (disk.failed == failed)
        done = changed.returncode == 0
        logged = "is in the log" in changed.stderr
        assert (key.read_bytes() != before) == (done or logged)
        if not done:
            refused.append(changed.stderr)
            assert changed.stderr.startswith("error: ")
        if logged:  # what the error says is to be done
            for move in changed.stderr.split("next: ")[1].split(", before")[0].split(" && "):
                _, file, place = move.split()
                Path(file).rename(place)
        if done or logged:  # a key that was stolen, or that nobody pins, signs nothing any more
            assert kept.exists() == (action == "rotate" and name == "checkpoint")
        with registry.start():  # opens what is stored with the keys that are there
            LivePublisher(registry).publish()
        if kept.exists():
            assert registry.run("keys", "retire", name).returncode == 0
        if done:
            break
    assert done
    assert len(refused) > 1
    assert any("is in the log" in one for one in refused)
    assert (found := registry.run("fsck")).returncode == 0, found.stdout + found.stderr


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server that only this test uses."""
    with PostgresServer(postgres_binaries()) as started:
        yield started


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_when_the_database_server_crashes(tmp_path: Path, server: PostgresServer) -> None:
    registry = RegistryProcess(tmp_path / "data", create_database(server.url)).initialise()
    told, seen = Acknowledged(), []
    with registry.start():
        publishers = [LivePublisher(registry), LivePublisher(registry)]
        keys = publishers[0].reply["log"]
        for number in range(RESTARTS):
            with Load(publishers, told) as load:
                load.wait(RECOVERY_SECONDS)
                server.stop("immediate" if number % 2 else "fast")
                time.sleep(AWAY_SECONDS)
                server.start()
                wait_until_writing(registry)
                load.wait(RECOVERY_SECONDS)
            seen.append(checkpoint_of(registry, keys))
            check_the_log(registry, seen, keys)
        check_the_acknowledged(registry, publishers, told)
        assert (found := registry.run("fsck")).returncode == 0, found.stdout + found.stderr
    check_refusals(told)
    assert told.credentials
    assert told.revoked
