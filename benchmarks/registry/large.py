"""A large registry: the wait for searches among many credentials, and what a long log costs to extend, to prove from and to open.

    python benchmarks/registry/large.py [--credentials 100000] [--entries 1000000] [--seconds 3] [--database-url URL]

Credentials are issued by the registry's own writer with its hosted key, in whole batches; names and descriptions differ. Searches are asked over
HTTP by four connections of another process. Log entries are appended by the writer in batches of 256, as many as it takes at most; at every
power of ten: a batch of 64 by the clock, proofs, and opening the log as a start does. Prints; decides nothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "tests"), str(HERE.parent.parent), str(HERE.parent)]

from machine import describe
from registry_process import PASSPHRASE, RegistryProcess
from servers import Load, Row, Server
from simulator import World

from datasigil.transparency.entry import log_entry
from service.batch import Batch
from service.credentials.issuing import IssueHosted
from service.database import open_database
from service.offline import offline_writer
from service.registry_keys import load_keys
from service.sequencer import Sequencer
from service.settings import Settings
from service.setup import initialise
from service.transparency_log.store import ProofReader

GOAL_MS = 100.0
WORDS = [
    "clause",
    "court",
    "lease",
    "loan",
    "patient",
    "trial",
    "claim",
    "audit",
    "notice",
    "waiver",
    "permit",
    "invoice",
    "ledger",
    "tenant",
    "merger",
    "escrow",
]
QUERIES = (
    "q=clause", "q=cla&status=active", "q=lease+court", "q=number77777", "q=nothinghere", "license=CC-BY-4.0", "use=fine-tuning",
    "regulation=phi:absent", "use=fine-tuning&regulation=phi:absent&q=tenant", "issuedTo=2020-01-01", "status=revoked",
    "provenBy=2020-01-01", "format=text", "type=ModelTrainingCredential",
)  # fmt: skip
BATCH = 256


def made_settings(folder: Path, url: str, database_url: str | None) -> Settings:
    """A new registry with a hosted key."""
    (folder / "passphrase").write_text(PASSPHRASE)
    settings = Settings(
        data_dir=folder / "data", public_url=url, passphrase_file=folder / "passphrase", database_url=database_url
    )
    initialise(settings, hosted=True)
    return settings


def subjects() -> Iterator[dict[str, object]]:
    """Subjects of datasets, each with words of its own."""
    world, chosen = World(now=datetime.now(UTC).replace(microsecond=0)), random.Random(5)
    for number in itertools.count():
        words = " ".join(chosen.choices(WORDS, k=6))
        yield world.subject(name=f"{words} number{number}", description=f"{words} set {number}")


def fill(settings: Settings, count: int) -> None:
    """Issue credentials, a batch at a time."""
    hosted = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin).hosted
    assert hosted is not None
    begun = time.perf_counter()
    with offline_writer(settings) as writer:
        asked = (
            IssueHosted(
                {"type": ["VerifiableCredential", "DatasetCredential"], "credentialSubject": one},
                hosted,
                settings.log_url,
                None,
            )
            for one in itertools.islice(subjects(), count)
        )
        while waiting := [writer.sequencer.enqueue(one) for one in itertools.islice(asked, 8 * BATCH)]:
            for one in waiting:
                one.result()
    spent = time.perf_counter() - begun
    print(f"{count} credentials issued in {spent:.0f} s by the writer alone: {count / spent:.0f}/s", flush=True)


def search(settings: Settings, folder: Path, total: int, seconds: float, database_url: str | None) -> None:
    """The wait for every query."""
    port = int(settings.public_url.rpartition(":")[2])
    registry = RegistryProcess(folder / "data", database_url, port=port, prepared=False)
    registry.folder.with_suffix(".passphrase").write_text(PASSPHRASE)
    with registry.start():
        assert registry.process is not None
        load, server = Load(None), Server(port, registry.process.pid)
        for query in QUERIES:
            asked = load.ask(Row(server, "GET", [f"/credentials?{query}"], [], connections=4), seconds)
            print(
                f"search {query} in {total}: {asked['count'] / asked['seconds']:.0f}/s, p50 {asked['p50']:.1f} ms, p99 {asked['p99']:.1f} ms (goal {GOAL_MS:.0f})",
                flush=True,
            )
        load.stop()


def milliseconds(action: Callable[[], object], times: int = 1) -> float:
    """The median duration of an action."""
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent) * 1000


def log(settings: Settings, entries: int) -> None:
    """Appending, proofs and opening, at every power of ten."""
    size = 0
    for aim in [10**power for power in range(3, 10) if 10**power <= entries]:
        with offline_writer(settings) as writer:
            append(writer.sequencer, range(size, aim))
            size = aim
            batch = milliseconds(lambda: append(writer.sequencer, range(64)), 20)
            size += 20 * 64
            database, released, reader = (
                open_database(settings.sqlalchemy_url),
                writer.sequencer.released,
                ProofReader(),
            )
            assert released is not None
            indices = random.Random(aim).sample(range(released.size), 200)
            with database.reading() as connection:
                reader.inclusion(connection, 0, size=released.size, root=released.root)
                begun = time.perf_counter()
                for index in indices:
                    reader.inclusion(connection, index, size=released.size, root=released.root)
                proof = (time.perf_counter() - begun) / len(indices) * 1e6
            database.close()
        opened = milliseconds(lambda: _opened(settings), 3)
        print(
            f"log of {aim}: batch of 64 {batch:.1f} ms, proof {proof:.0f} µs (random entries), keys and log opened in {opened:.0f} ms",
            flush=True,
        )


def _opened(settings: Settings) -> None:
    with offline_writer(settings):
        pass


def append(writer: Sequencer, numbers: range) -> None:
    """Append one entry for each number; as many in one batch as the writer takes requests."""
    for start in range(numbers.start, numbers.stop, BATCH):
        some = range(start, min(start + BATCH, numbers.stop))

        def add(batch: Batch, some: range = some) -> None:
            for number in some:
                batch.append(log_entry("issue", f"{number:064x}", "did:key:z6Mk", "DatasetCredential"))

        writer.run(add)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--credentials", type=int, default=100_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="per query")
    parser.add_argument("--database-url", help="for the credentials; an empty database")
    options = parser.parse_args()
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory() as held:
        if options.credentials:
            folder = Path(held) / "many"
            folder.mkdir()
            settings = made_settings(folder, "http://127.0.0.1:8871", options.database_url)
            fill(settings, options.credentials)
            search(settings, folder, options.credentials, options.seconds, options.database_url)
        if options.entries:
            folder = Path(held) / "long"
            folder.mkdir()
            log(made_settings(folder, "http://127.0.0.1:8872", None), options.entries)
            used = sum(file.stat().st_size for file in (folder / "data").iterdir() if file.is_file())
            print(f"{used / 2**20:.0f} MiB on disk, {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
