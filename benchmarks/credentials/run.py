"""Sign and verify one dataset credential: ours, @digitalbazaar/vc on Node.js, and the bare Ed25519 operation, interleaved.

    python benchmarks/credentials/run.py [--rounds 7] [--seconds 0.4]

Needs node and npm; installs the peer's packages into a temporary folder. Everybody runs on one core. Ours starts from bytes and runs every check that
needs no file: strict parse, closed schema, contexts, issuer binding, proof. Node's figure includes its own checks and safe
mode. Each round times every row once, in turn; the table shows medians of CPU time, so a drifting machine hits all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY), str(HERE.parent)]

from machine import describe, one_core
from simulator import World, signer_of

from datasigil.canonical import jcs
from datasigil.credentials import rdf_worker
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.types import parse_credential
from datasigil.encoding import Instant, parse_json
from datasigil.signing import add_proof

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
BATCH = 10  # calls between two looks at the clock
AT = Instant.from_datetime(NOW)
SUITES = {"jcs": "eddsa-jcs-2022", "rdfc": "eddsa-rdfc-2022"}


class Peer:
    """The Node.js process that signs and verifies the same document."""

    def __init__(self, folder: Path, document: dict[str, object]) -> None:
        for name in ("package.json", "peer.mjs"):
            shutil.copy(HERE / name, folder)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
        (folder / "document.json").write_text(json.dumps(document))
        self._process = subprocess.Popen(
            ["node", "peer.mjs", "document.json", str(REPOSITORY / "schemas" / "contexts")],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def cpu_us(self, op: str, suite: str, count: int) -> float:
        """CPU microseconds for one operation, averaged over `count`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"op": op, "suite": suite, "count": count}) + "\n")
        stdin.flush()
        return float(json.loads(stdout.readline())["cpu_us"]) / count

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def ours() -> tuple[dict[str, Callable[[], object]], dict[str, object]]:
    """Our operations by row name, and the unsigned document."""
    world = World(now=NOW)
    signer = signer_of("publisher")
    unsigned = world.unsigned(full_subject(world))
    rows: dict[str, Callable[[], object]] = {}
    for short, suite in SUITES.items():
        data = jcs(add_proof(unsigned, signer, cryptosuite=suite, created=NOW))
        rows[f"sign {short}"] = lambda suite=suite: add_proof(unsigned, signer, cryptosuite=suite, created=NOW)
        rows[f"verify {short}"] = lambda data=data: verified(data)
    message = bytes(64)
    signature = signer.sign(message)
    rows["limit sign"] = lambda: signer.sign(message)
    rows["limit verify"] = lambda: signer.public_key.verify(signature, message)
    return rows, unsigned


def verified(data: bytes) -> None:
    """Everything that a check decides from the credential's bytes alone."""
    document = parse_json(data)
    parse_credential(document)
    verify_proofs(document, keys=did_key_resolver, at=AT)


# Left out of the full example to stay within the 3 to 4 KB that the comparison is stated for.
LEFT_OUT = (
    "manifest",
    "derivedFrom",
    "hasPolicy",
    "distribution",
    "predecessor",
    "deidentification",
    "useClass",
    "annotationProtocol",
    "annotatorDemographics",
    "annotationPlatform",
    "annotationAgreement",
    "processingGeography",
    "storageGeography",
    "assumptions",
    "gaps",
)


def full_subject(world: World) -> dict[str, object]:
    """A subject of the full profile whose credential has 3 to 4 KB."""
    example = json.loads((REPOSITORY / "schemas/examples/dataset-full.json").read_text())
    given = example["credentialSubject"].items()
    return world.subject(**{name: value for name, value in given if name not in LEFT_OUT})


def cpu_us(operation: Callable[[], object], seconds: float) -> float:
    """CPU microseconds of one call, averaged over about `seconds`."""
    operation()
    children = os.times()
    start, calls = time.process_time(), 0
    while time.process_time() - start < seconds and os.times().elapsed - children.elapsed < 5 * seconds:
        for _ in range(BATCH):
            operation()
        calls += BATCH
    spent = time.process_time() - start
    rdf_worker.stop()  # a child's time is counted when it has ended
    after = os.times()
    spent += (after.children_user + after.children_system) - (children.children_user + children.children_system)
    return spent * 1e6 / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="per row and round")
    options = parser.parse_args()
    pinned = one_core()
    rows, unsigned = ours()
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(Path(folder), unsigned)
        for op in ("sign", "verify"):
            for suite in SUITES:
                peer.cpu_us(op, suite, 200)  # let the JIT settle before anything counts
        figures: dict[str, list[float]] = {name: [] for name in rows}
        peers: dict[str, list[float]] = {name: [] for name in rows if not name.startswith("limit")}
        for _ in range(options.rounds):
            for name, operation in rows.items():
                figures[name].append(cpu_us(operation, options.seconds))
                if name in peers:
                    op, suite = name.split()
                    peers[name].append(peer.cpu_us(op, suite, 200))
        peer.stop()
    print(f"{describe()}; {pinned}; credential of {len(jcs(unsigned))} bytes; medians of {options.rounds} rounds")
    report(figures, peers)


def report(figures: dict[str, list[float]], peers: dict[str, list[float]]) -> None:
    """Print the table."""
    print(f"{'operation':<14}{'ours us':>10}{'Node us':>10}{'limit us':>10}{'Node/ours':>11}{'ours/limit':>12}")
    for name, theirs in peers.items():
        mine, peer = statistics.median(figures[name]), statistics.median(theirs)
        limit = statistics.median(figures[f"limit {name.split()[0]}"])
        print(f"{name:<14}{mine:>10.0f}{peer:>10.0f}{limit:>10.0f}{peer / mine:>10.2f}x{mine / limit:>11.1f}x")


if __name__ == "__main__":
    main()
