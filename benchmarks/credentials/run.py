"""Sign and verify one dataset credential: ours, @digitalbazaar/vc on Node.js, and the bare Ed25519 operation, interleaved.

    python benchmarks/credentials/run.py [--rounds 7] [--seconds 0.4]

Needs node and npm; installs the peer's packages into a temporary folder. Everybody runs on one core. Ours starts from bytes and runs every check that
needs no file: strict parse, closed schema, contexts, issuer binding, proof. Node's figure includes its own checks and safe
mode. Each round times every row once, in turn; the table shows medians of CPU time, so a drifting machine hits all alike.

`plain` is what `pip install datasigil` gives: the standard library's JSON and OpenSSL's Ed25519. The other rows are `datasigil[fast]` (part of
`[service]`), whose two libraries a process imports at the hundredth use. No two credentials of a row are the same: each has its own id, dates,
digests and counts.
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
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY), str(HERE.parent)]

from machine import describe, one_core
from simulator import World, signer_of

from datasigil import canonical, encoding
from datasigil.canonical import jcs
from datasigil.credentials import keys, rdf_worker
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.types import parse_credential
from datasigil.encoding import Instant, parse_json
from datasigil.signing import Signer, add_proof

T = TypeVar("T")
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
WARMING = 120  # calls before anything counts: as Node's JIT, our tables and libraries settle with use
BATCH = 10  # calls between two looks at the clock
DOCUMENTS = 16  # credentials of one row, all different
PLAIN = ", plain"  # ends the name of a row that is measured without the optional libraries
CHECKED = ", with schema"  # ends the name of a row that holds the document to its closed schema first, as `issue` does
LIBRARIES = (canonical._ORJSON, encoding._ORJSON, keys._SODIUM)  # noqa: SLF001 - both installs are measured in one run
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
    """Our operations by row name, and the first of the unsigned documents."""
    world = World(now=NOW)
    signer = signer_of("publisher")
    unsigned = [different(world.unsigned(full_subject(world)), number) for number in range(DOCUMENTS)]
    rows: dict[str, Callable[[], object]] = {}
    for short, suite in SUITES.items():
        signed = [jcs(add_proof(one, signer, cryptosuite=suite, created=NOW)) for one in unsigned]
        rows[f"sign {short}"] = over(unsigned, partial(add_proof, signer=signer, cryptosuite=suite, created=NOW))
        rows[f"sign {short}{CHECKED}"] = over(unsigned, partial(checked_and_signed, signer=signer, suite=suite))
        rows[f"verify {short}"] = over(signed, verified)
    message = bytes(64)
    signature = signer.sign(message)
    rows["limit sign"] = lambda: signer.sign(message)
    rows["limit verify"] = lambda: signer.public_key.verify(signature, message)
    rows |= {
        f"{name}{PLAIN}": rows[name]
        for name in ("sign jcs", f"sign jcs{CHECKED}", "verify jcs", "limit sign", "limit verify")
    }
    return rows, unsigned[0]


def over(documents: Sequence[T], operation: Callable[[T], object]) -> Callable[[], object]:
    """The operation on one document after the other, round and round."""
    turn = cycle(documents)
    return lambda: operation(next(turn))


def different(document: dict[str, object], number: int) -> dict[str, object]:
    """A copy of `document` with the members that differ between any two credentials."""
    copy = json.loads(json.dumps(document))
    subject, day = copy["credentialSubject"], f"2026-10-{1 + number % 28:02}"
    copy["id"], subject["id"] = (f"urn:uuid:{number:08x}-0000-4000-8000-00000000000{one}" for one in (1, 2))
    copy["validFrom"] = f"{day}T09:30:{number % 60:02}Z"
    for entry in copy["credentialStatus"]:
        entry["statusListIndex"] = str(1000 + number)
    subject["issued"], subject["version"], subject["name"] = day, f"1.{number}.0", f"{subject['name']}, part {number}"
    subject["manifest"] |= {name: sha256(f"{name}{number}".encode()).hexdigest() for name in ("digest", "root")}
    subject["manifest"] |= {"byteSize": 302 + number, "fileCount": 3 + number}
    return copy


def checked_and_signed(document: dict[str, object], *, signer: Signer, suite: str) -> None:
    """What `issue` does with a document that it has put together: the closed schema, then the proof."""
    add_proof(parse_credential(document), signer, cryptosuite=suite, created=NOW)


def verified(data: bytes) -> None:
    """Everything that a check decides from the credential's bytes alone."""
    verify_proofs(parse_credential(parse_json(data)), keys=did_key_resolver, at=AT)


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
    for _ in range(WARMING):
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
        peers: dict[str, list[float]] = {f"{op} {suite}": [] for op in ("sign", "verify") for suite in SUITES}
        for _ in range(options.rounds):
            for name, operation in rows.items():
                for library in LIBRARIES:
                    library.forget() if name.endswith(PLAIN) else library.load()
                figures[name].append(cpu_us(operation, options.seconds))
                if name in peers:
                    op, suite = name.split()
                    peers[name].append(peer.cpu_us(op, suite, 200))
        peer.stop()
    print(f"{describe()}; {pinned}; credential of {len(jcs(unsigned))} bytes; medians of {options.rounds} rounds")
    report(figures, peers)


def report(figures: dict[str, list[float]], peers: dict[str, list[float]]) -> None:
    """Print the table; both installs are compared with the same figures of Node."""
    print(f"{'operation':<30}{'ours us':>10}{'Node us':>10}{'limit us':>10}{'Node/ours':>11}{'ours/limit':>12}")
    for name in (name for name in figures if not name.startswith("limit")):
        install = PLAIN if name.endswith(PLAIN) else ""
        mine, peer = statistics.median(figures[name]), statistics.median(peers[name.split(",")[0]])
        limit = statistics.median(figures[f"limit {name.split()[0]}{install}"])
        print(f"{name:<30}{mine:>10.0f}{peer:>10.0f}{limit:>10.0f}{peer / mine:>10.2f}x{mine / limit:>11.1f}x")


if __name__ == "__main__":
    main()
