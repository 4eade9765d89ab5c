"""A large registry: the wait for searches among many credentials, and what a long log costs to extend, to prove from and to open.

    python benchmarks/registry/large.py [--credentials 100000] [--entries 1000000] [--seconds 3] [--database-url URL] [--folder DIR]

Credentials are issued by the registry's own writer with its hosted key, in whole batches; names, descriptions, licences, ages and facets differ,
what is rare stands among the oldest, and a hundredth is revoked by signed requests. Searches are asked over HTTP by four connections (`--connections`) of another
process. Log entries are appended by the writer in batches of 256, as many as it takes at most; at every power of ten: a batch of 64, by the
clock (which is this disk's fsyncs) and in processor time, proofs, and opening the log as a start does. With `--folder`, what was filled is kept
there, and used again. Prints; decides nothing.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
from sqlalchemy import create_engine, text

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "tests"), str(HERE.parent.parent), str(HERE.parent)]

from machine import describe
from registry_process import PASSPHRASE, RegistryProcess
from servers import Load, Row, Server
from simulator import World

from datasigil.canonical import document_digest
from datasigil.credentials.status_request import new_status_change_request
from datasigil.encoding import parse_json
from datasigil.signing import LocalSigner, add_proof
from datasigil.transparency.entry import log_entry
from service.app import hold_lock, instance_name
from service.batch import Batch
from service.clock import system_clock
from service.credentials.issuing import IssueHosted
from service.database import open_database
from service.high_water import HighWaterFile
from service.offline import offline_writer
from service.registry_keys import RegistryKeys, load_keys
from service.sequencer import Sequencer
from service.settings import Settings
from service.setup import initialise
from service.status_lists.changes import ChangeStatus, verified_request
from service.transparency_log.store import ProofReader
from service.transparency_log.writing import Released

GOAL_MS = 100.0
URL = "http://127.0.0.1:8871"
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
    "q=clause", "q=cla&status=active", "q=lease+court", "q=number77777", "q=nothinghere", "license=CC-BY-4.0", "license=MIT", "license=ODbL-1.0",
    "use=fine-tuning", "use=academic", "regulation=phi:absent", "regulation=phi", "use=fine-tuning&regulation=phi:absent&q=tenant", "format=text",
    "issuedFrom=2025-06-01", "issuedTo=2015-03-01", "issuedTo=2001-01-01", "issuedTo=2015-03-01&license=MIT&q=court", "provenBy=2020-01-01",
    "provenBy=2099-01-01", "publisher=PUBLISHER", "publisher=nobody", "publisher=PUBLISHER&q=number777", "status=revoked", "status=suspended",
    "status=revoked&q=lease", "status=active&issuedTo=2015-03-01&role=publisher", "type=DatasetCredential&role=observer", "type=ModelTrainingCredential",
)  # fmt: skip
"""Every filter: with many hits, with few that are the oldest, with none, and several together."""
LICENCES = ("CC-BY-4.0", "CC-BY-4.0", "CC0-1.0", "Apache-2.0")
FIRST_DAY = date(2015, 1, 1)
DAYS = 4_000
RARE = 40  # how many of the oldest have what nobody else has
REVOKED_EACH = 100
FACETS = {
    "intendedPurpose": ["fine-tuning", "research"],
    "prohibitedPurpose": ["research"],
    "classification": [
        {"regulation": "phi", "evaluated": True, "result": "absent", "tool": "scanner", "date": "2026-01-01"}
    ],
    "modality": ["text"],
}
BATCH = 256


def made_settings(folder: Path, url: str, database_url: str | None) -> Settings:
    """A new registry with a hosted key."""
    (folder / "passphrase").write_text(PASSPHRASE)
    settings = Settings(
        data_dir=folder / "data", public_url=url, passphrase_file=folder / "passphrase", database_url=database_url
    )
    initialise(settings, hosted=True)
    return settings


def kept_settings(folder: Path, database_url: str | None) -> Settings:
    """The registry that `made_settings` made."""
    return Settings(
        data_dir=folder / "data", public_url=URL, passphrase_file=folder / "passphrase", database_url=database_url
    )


def subjects(total: int) -> Iterator[dict[str, object]]:
    """Subjects of datasets, each with words of its own; the older ones claim to be older."""
    world, chosen = World(now=datetime.now(UTC).replace(microsecond=0)), random.Random(5)
    for number in range(total):
        words = " ".join(chosen.choices(WORDS, k=6))
        licence = "MIT" if number < RARE else chosen.choice(LICENCES)
        yield world.subject(
            name=f"{words} number{number}",
            description=f"{words} set {number}",
            issued=str(FIRST_DAY + timedelta(days=DAYS * number // total)),
            license={"expression": licence, "assurance": "declared"},
            **(FACETS if number % 4 == 0 else {}),
            **({"useClass": {"use": "academic", "attribution": True, "shareAlike": False}} if number < RARE else {}),
        )


def fill(settings: Settings, count: int) -> None:
    """Issue credentials, a batch at a time, and revoke some of the older half."""
    hosted = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin).hosted
    assert hosted is not None
    begun = time.perf_counter()
    revoked = 0
    with offline_writer(settings) as writer:
        asked = (
            IssueHosted(
                {"type": ["VerifiableCredential", "DatasetCredential"], "credentialSubject": one},
                hosted,
                settings.log_url,
                None,
            )
            for one in subjects(count)
        )
        issued = 0
        while waiting := [writer.sequencer.enqueue(one) for one in itertools.islice(asked, 8 * BATCH)]:
            signed = [one.result() for one in waiting]
            issued += len(signed)
            if issued <= count // 2:
                changes = [writer.sequencer.enqueue(revocation(one, hosted)) for one in signed[::REVOKED_EACH]]
                revoked += len([one.result() for one in changes])
    spent = time.perf_counter() - begun
    print(
        f"{count} credentials issued and {revoked} revoked in {spent:.0f} s by the writer alone: {count / spent:.0f}/s",
        flush=True,
    )


def revocation(signed: bytes, hosted: LocalSigner) -> ChangeStatus:
    """The issuer's own request, made and checked as over HTTP."""
    credential, now = parse_json(signed), datetime.now(UTC).replace(microsecond=0)
    wanted = new_status_change_request(
        credential_id=credential["id"],
        credential_digest=document_digest(credential),
        purpose="revocation",
        value=True,
        reason="the source withdrew it",
        created=now,
        nonce=uuid4().hex,
        issuer=hosted.controller,
    )
    return ChangeStatus(verified_request(add_proof(wanted, hosted, created=now), now=now))


def search(
    settings: Settings, folder: Path, total: int, seconds: float, connections: int, database_url: str | None
) -> None:
    """The wait for every query and the processor time that it takes, and the worst of all."""
    port = int(settings.public_url.rpartition(":")[2])
    registry = RegistryProcess(folder / "data", database_url, port=port, prepared=False)
    registry.folder.with_suffix(".passphrase").write_text(PASSPHRASE)
    worst, dearest = ("", 0.0), ("", 0.0)
    postgres = database_server(database_url)
    with registry.start():
        assert registry.process is not None
        load, server = Load(None), Server(port, registry.process.pid)
        publisher = httpx.get(f"{registry.url}/publishers?limit=1", timeout=20).json()["items"][0]["slug"]
        for query in QUERIES:
            path = f"/credentials?{query}".replace("PUBLISHER", publisher)
            found = len(httpx.get(f"{registry.url}{path}", timeout=20).json()["items"])
            before = spent_by(postgres)
            asked = load.ask(Row(server, "GET", [path], [], connections=connections), seconds)
            own = asked["cpu"] / asked["count"] * 1000
            database = (spent_by(postgres) - before) / asked["count"] * 1000
            worst = max(worst, (query, asked["p99"]), key=lambda one: one[1])
            dearest = max(dearest, (query, own + database), key=lambda one: one[1])
            print(
                f"search {query} ({found} on the page): {asked['count'] / asked['seconds']:.0f}/s, p50 {asked['p50']:.1f} ms, p99 {asked['p99']:.1f} ms; {own:.1f} ms of processor time each"
                + (f" and {database:.1f} ms of PostgreSQL's" if postgres else ""),
                flush=True,
            )
        load.stop()
    print(
        f"{len(QUERIES)} searches in {total} credentials: worst p99 {worst[1]:.1f} ms, {worst[0]} (goal {GOAL_MS:.0f}); most processor time "
        f"{dearest[1]:.1f} ms, {dearest[0]}"
    )


def database_server(url: str | None) -> int | None:
    """The process of the PostgreSQL server on this machine whose backends answer at `url`; None where there is none."""
    if url is None:
        return None
    engine = create_engine(url)
    with engine.connect() as connection:
        backend = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        status = Path(f"/proc/{backend}/stat")
        local = status.exists() and "(postgres)" in status.read_text()
        server = int(_fields(status)[1]) if local else None
    engine.dispose()
    return server


def spent_by(server: int | None) -> float:
    """Processor seconds of a process, of its children, and of those that have ended."""
    if server is None:
        return 0.0
    ticks = sum(int(one) for one in _fields(Path(f"/proc/{server}/stat"))[11:15])
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            fields = _fields(status)
            ticks += int(fields[11]) + int(fields[12]) if int(fields[1]) == server else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _fields(status: Path) -> list[str]:
    """What /proc/PID/stat says after the command's name: state, parent, and so on."""
    return status.read_text().rpartition(")")[2].split()


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
            begun = time.perf_counter()
            append(writer.sequencer, range(size, aim))
            filled = (aim - size) / (time.perf_counter() - begun)
            before = time.process_time()
            batch = milliseconds(lambda: append(writer.sequencer, range(64)), 20)
            own = (time.process_time() - before) / 20 * 1000
            size = aim + 20 * 64
            assert writer.sequencer.released is not None
            cold, warm = proofs(settings, writer.sequencer.released, aim)
        _keys(settings)
        begun, before = time.perf_counter(), time.process_time()
        with opened_log(settings):
            opened, opening = (time.perf_counter() - begun) * 1000, (time.process_time() - before) * 1000
        print(
            f"log of {aim}: appended {filled:.0f}/s; batch of 64 {batch:.1f} ms ({own:.1f} ms of processor time); proof of a random entry "
            f"{cold:.0f} µs after opening, {warm:.0f} µs warm; log opened in {opened:.0f} ms ({opening:.0f} ms of processor time)",
            flush=True,
        )


def proofs(settings: Settings, released: Released, seed: int) -> tuple[float, float]:
    """Processor microseconds for an inclusion proof: the first 200 of a reader that has read no tile yet, and the same again."""
    database, reader = open_database(settings.sqlalchemy_url), ProofReader()
    indices = random.Random(seed).sample(range(released.size), 200)
    spent = []
    with database.reading() as connection:
        for _ in range(2):
            begun = time.process_time()
            for index in indices:
                reader.inclusion(connection, index, size=released.size, root=released.root)
            spent.append((time.process_time() - begun) / len(indices) * 1e6)
    database.close()
    return spent[0], spent[1]


@contextmanager
def opened_log(settings: Settings) -> Iterator[None]:
    """The writer with keys that are open already: decrypting them takes its time whatever the log's size is."""
    database = open_database(settings.sqlalchemy_url)
    keys = _keys(settings)
    with hold_lock(settings):
        writer = Sequencer(
            database, keys, HighWaterFile(settings.high_water_file), system_clock, holder=instance_name(settings),
            base_url=settings.public_url,
        )  # fmt: skip
        writer.start()
        assert writer.health.writing, writer.health.error
        yield
        writer.stop()
        database.close()


@functools.cache
def _keys(settings: Settings) -> RegistryKeys:
    return load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)


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
    parser.add_argument("--connections", type=int, default=4, help="that search at the same time")
    parser.add_argument("--database-url", help="for the credentials; an empty database")
    parser.add_argument("--folder", type=Path, help="where the filled registry is kept, to be searched again")
    options = parser.parse_args()
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory() as held:
        if options.credentials:
            folder = (options.folder or Path(held)) / "many"
            if not folder.exists():
                folder.mkdir(parents=True)
                fill(made_settings(folder, URL, options.database_url), options.credentials)
            settings = kept_settings(folder, options.database_url)
            search(settings, folder, options.credentials, options.seconds, options.connections, options.database_url)
        if options.entries:
            folder = Path(held) / "long"
            folder.mkdir()
            log(made_settings(folder, "http://127.0.0.1:8872", None), options.entries)
            used = sum(file.stat().st_size for file in (folder / "data").iterdir() if file.is_file())
            print(f"{used / 2**20:.0f} MiB on disk, {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
