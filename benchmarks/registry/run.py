"""The registry over HTTP beside a Node peer without a database, interleaved, and beside an app that does nothing.

    python benchmarks/registry/run.py [--rounds 5] [--seconds 3] [--documents 256] [--database-url URL]

Servers on one core, load from a second process on another. Ours does everything: token, strict parse, closed schema, status index, signature,
insert, log, covering checkpoint, fsync, and for verify the decision with all its evidence. The peer parses, signs or verifies, and answers.
Credentials that are verified or read are taken in turn from many, which the registry then has in its memory; the rows `new` hold credentials
that it has not been asked about before, each once. A round asks every row once; the table shows medians, by the clock and by
the server's own processor time, which counts on a busy machine. The limits: bare Ed25519 operations on one core, fsyncs of this disk, and
what the same HTTP server does with an empty app. Needs node and npm (exit 77 without); installs the peer's packages into a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "tests"), str(HERE.parent.parent), str(HERE.parent)]

from machine import describe
from registry_process import LivePublisher, RegistryProcess
from servers import CONNECTIONS, Load, Row, Server, start_empty, start_peer, start_registry
from simulator import World, signer_of

from datasigil.signing import add_proof

NOT_HERE = 77
# What ours is measured against: (our row, the peer's row, goal).
GOALS = (
    ("issue", "node issue jcs", 1.5),
    ("issue", "node issue rdfc", 4.0),
    ("verify jcs", "node verify jcs", 1.5),
    ("verify jcs", "node verify rdfc", 3.0),
    ("verify rdfc", "node verify rdfc", 3.0),
    ("verify foreign", "node verify jcs", 1.5),
    ("verify jcs new", "node verify jcs", 1.5),
    ("verify foreign new", "node verify jcs", 1.5),
)
READS_GOAL, P99_ISSUE_GOAL_MS = 8_000, 250.0


def new_world() -> World:
    """A world whose clock is right now."""
    return World(now=datetime.now(UTC).replace(microsecond=0))


def issue_body(world: World) -> str:
    """What a client sends to have a dataset credential issued with the hosted key."""
    wanted = {"type": ["VerifiableCredential", "DatasetCredential"], "credentialSubject": world.subject()}
    return json.dumps({"credential": wanted})


def our_rows(registry: RegistryProcess, ours: Server, token: str, documents: int) -> dict[str, Row]:
    """What is asked of the registry: issue, verify what is registered here (two suites) and what is not, read."""
    publisher = LivePublisher(registry)
    now = datetime.now(UTC).replace(microsecond=0)

    def published(suite: str) -> list[dict[str, Any]]:
        made = []
        for _ in range(documents):
            unsigned = {name: value for name, value in publisher.credential().items() if name != "proof"}
            made.append(publisher.publish(add_proof(unsigned, publisher.signer, created=now, cryptosuite=suite)))
        return made

    jcs, rdfc = published("eddsa-jcs-2022"), published("eddsa-rdfc-2022")
    foreign = [publisher.credential() for _ in range(documents)]

    def verify(given: list[dict[str, Any]]) -> Row:
        return Row(ours, "POST", ["/credentials/verify"], verify_bodies(given))

    return {
        "issue": Row(ours, "POST", ["/credentials/issue"], [issue_body(new_world())], token),
        "verify jcs": verify(jcs),
        "verify rdfc": verify(rdfc),
        "verify foreign": verify(foreign),
        "get": Row(ours, "GET", [f"/credentials/{one['id']}" for one in (*jcs, *rdfc)], []),
    }


def verify_bodies(given: list[dict[str, Any]]) -> list[str]:
    """Requests to verify."""
    return [json.dumps({"verifiableCredential": one, "options": {}}) for one in given]


def new_rows(registry: RegistryProcess, ours: Server, token: str, each: int, rounds: int) -> dict[str, list[Row]]:
    """Rows of credentials that the registry is asked about for the first time, a list for each round: issued here, and by somebody else."""
    import httpx

    publisher = LivePublisher(registry)
    body, headers = issue_body(new_world()), {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=registry.url, timeout=20) as http, ThreadPoolExecutor(CONNECTIONS) as pool:

        def issued(_: int) -> dict[str, Any]:
            answer = http.post("/credentials/issue", content=body, headers=headers)
            assert answer.status_code == 201, answer.text
            return dict(answer.json()["verifiableCredential"])

        own = list(pool.map(issued, range(each * rounds)))
    foreign = [publisher.credential() for _ in range(each * rounds)]

    def split(given: list[dict[str, Any]]) -> list[Row]:
        bodies = verify_bodies(given)
        starts = range(0, each * rounds, each)
        return [Row(ours, "POST", ["/credentials/verify"], bodies[at : at + each], once=True) for at in starts]

    return {"verify jcs new": split(own), "verify foreign new": split(foreign)}


def peer_rows(node: Server, documents: int) -> dict[str, Row]:
    """What is asked of the peer: the same subject signed, and documents verified that it signed itself, whose key its loader knows."""
    import httpx

    world = new_world()
    unsigned = {"credential": world.unsigned(world.subject())}
    rows = {}
    for suite in ("jcs", "rdfc"):
        rows[f"node issue {suite}"] = Row(node, "POST", [f"/issue/{suite}"], [json.dumps(unsigned)])
        made = []
        for number in range(documents):
            one = {"credential": {**unsigned["credential"], "id": f"urn:uuid:00000000-0000-4000-8000-{number:012}"}}
            answer = httpx.post(f"http://127.0.0.1:{node.port}/issue/{suite}", json=one, timeout=20)
            assert answer.status_code == 201, answer.text
            made.append(json.dumps({"verifiableCredential": answer.json()["verifiableCredential"]}))
        rows[f"node verify {suite}"] = Row(node, "POST", [f"/verify/{suite}"], made)
    return rows


def bare(seconds: float) -> dict[str, float]:
    """The physical limits: Ed25519 operations and fsyncs a second."""
    signer = signer_of("publisher")
    signature = signer.sign(bytes(64))
    with tempfile.TemporaryFile() as file:

        def sync() -> None:
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fsync(file.fileno())

        rates = {}
        for name, call in (
            ("issue", lambda: signer.sign(bytes(64))),
            ("verify", lambda: signer.public_key.verify(signature, bytes(64))),
            ("fsync", sync),
        ):
            end, count = time.perf_counter() + seconds, 0
            while time.perf_counter() < end:
                call()
                count += 1
            rates[name] = count / seconds
    return rates


Figures = dict[str, tuple[list[float], list[float]]]


def interleaved(load: Load, rows: Mapping[str, Row | list[Row]], options: argparse.Namespace) -> Figures:
    """Rates of every row, round by round: by the clock, and by the server's processor seconds."""
    figures: Figures = {name: ([], []) for name in rows}
    for number in range(options.rounds + 1):
        for name, row in rows.items():
            if isinstance(row, list):
                found = load.ask(row[number], 60.0)
            else:
                found = load.ask(row, options.seconds if number else 1.0)
            if number:  # the first round warms everybody up
                figures[name][0].append(found["count"] / found["seconds"])
                figures[name][1].append(found["count"] / max(found["cpu"], 0.01))
    return figures


def report(figures: Figures, limits: dict[str, float]) -> None:
    """The tables: every row, then what is compared with what."""
    clock, own = ({name: statistics.median(one[kind]) for name, one in figures.items()} for kind in (0, 1))
    print(f"{'row':<20}{'/s':>9}{'/cpu-s':>9}")
    for name, rate in clock.items():
        print(f"{name:<20}{rate:>9.0f}{own[name]:>9.0f}")
    print(f"\n{'ours':<20}{'beside':<18}{'goal':>6}{'by clock':>10}{'by cpu':>9}{'of bare Ed25519':>17}")
    for mine, theirs, goal in GOALS:
        share = clock[mine] / limits[mine.split()[0]]
        print(
            f"{mine:<20}{theirs:<18}{goal:>5.1f}x{clock[mine] / clock[theirs]:>9.2f}x{own[mine] / own[theirs]:>8.2f}x{share:>16.1%}"
        )
    print(
        f"\nGET /credentials/ID: {clock['get']:.0f}/s a core, {own['get']:.0f}/cpu-s (goal {READS_GOAL}); empty app {clock['empty app']:.0f}/s,"
        f" {own['empty app']:.0f}/cpu-s: {own['get'] / own['empty app']:.2f} of that limit"
    )
    print(f"fsyncs of this disk: {limits['fsync']:.0f}/s")


def half_load(load: Load, row: Row, figures: Figures, options: argparse.Namespace) -> None:
    """The wait for an issue at half of the rate just measured."""
    half = statistics.median(figures["issue"][0]) / 2
    held = load.ask(row, options.seconds * 2, rate=half)
    print(
        f"issue at half load ({half:.0f}/s): p50 {held['p50']:.1f} ms, p99 {held['p99']:.1f} ms (goal {P99_ISSUE_GOAL_MS:.0f} ms)"
    )


def main() -> int:
    """Measure and print; 77 without Node."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="per row and round")
    parser.add_argument(
        "--documents", type=int, default=256, help="how many different credentials are verified and read"
    )
    parser.add_argument(
        "--new",
        type=int,
        default=1_000,
        help="how many are verified in a round that the registry was never asked about",
    )
    parser.add_argument("--database-url")
    options = parser.parse_args()
    if not (shutil.which("node") and shutil.which("npm")):
        return NOT_HERE
    cores = sorted(os.sched_getaffinity(0))
    server, client = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        (folder / "peer").mkdir()
        registry = RegistryProcess(folder / "data", options.database_url, prepared=False)
        ours, token = start_registry(registry, server)
        node = start_peer(folder / "peer", server)
        rows = our_rows(registry, ours, token, options.documents)
        empty = start_empty(folder, server, len(rows["verify jcs"].bodies[0]))
        fresh = new_rows(registry, ours, token, options.new, options.rounds + 1)
        asked = {**rows, **fresh, "empty app": Row(empty, "GET", ["/"], []), **peer_rows(node, options.documents)}
        load = Load(client)
        try:
            print(
                f"{describe()}; servers on core {server}, load on core {client}; {CONNECTIONS} connections; medians of {options.rounds}"
            )
            figures = interleaved(load, asked, options)
            report(figures, bare(1.0))
            half_load(load, rows["issue"], figures, options)
        finally:
            load.stop()
            node.stop()
            empty.stop()
            registry.__exit__()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
