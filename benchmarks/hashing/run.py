"""Hashing speed: ours, peers and the measured limit, in interleaved rounds; figures are ratios of CPU time.

Contenders take turns within each round, so that a busy machine slows all of them alike; the median over rounds counts.
Everything is warm (in the page cache). Our figures are taken inside the process around the call, children included; a
peer's are those of its whole process tree.
The limit is `limit.c`: walk, open, read, SHA-256, close. Rows that make a manifest stand against the sum of the limits
of the digests they compute, a chunk tree included; BLAKE3's limit is its own library over a buffer, plus the reading.

    python benchmarks/hashing/run.py [--size-mb 1500] [--files 100000] [--rounds 5] [--dir DIR] [--peers PYTHON] [--only big|small] [--rows TEXT]

`--rows` keeps the limits and the rows whose names hold a text, and may be repeated. `--peers` names the interpreter of an environment with `model-signing` and `dvc`; a peer that is absent is named, and
has no row. Not measured here: cold data, runs that come again, memory (`again.py`), start-up (`credentials`).
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
OURS = """
import json, os, sys, time
from pathlib import Path
from datasigil.datasets.files import build_manifest, check_files
from datasigil.datasets.manifest import parse_manifest
what, root, manifest, arguments = sys.argv[1], Path(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
one = parse_manifest(Path(manifest).read_bytes()) if what == "check" else None
import blake3, threading, select, signal
def cpu():
    return sum(os.times()[:4])
before, start = cpu(), time.perf_counter()
if what == "check":
    found = check_files(root, one, **arguments)
    assert found.ok, found.failures[:3]
else:
    build_manifest(root, **arguments)
print(json.dumps([cpu() - before, time.perf_counter() - start]))
"""
# The limit of BLAKE3: its own library over one warm buffer of the size that files are read in.
BLAKE3 = """
import json, os, sys, time
from blake3 import blake3
total, size = int(sys.argv[1]), int(sys.argv[2])
data = memoryview(os.urandom(max(size, 1)))
def cpu():
    return sum(os.times()[:4])
before, start = cpu(), time.perf_counter()
for _ in range(total // size):
    blake3(data).digest()
print(json.dumps([cpu() - before, time.perf_counter() - start]))
"""
MODEL_SIGNING = "import sys, model_signing.hashing as h; h.Config().hash(sys.argv[1])"
BUFFER_BYTES = 256 * 1024

Pair = tuple[float, float]
Measure = Callable[[], Pair]


@dataclass(frozen=True)
class Row:
    """One contender: how it is run, and the names of the rows whose sum is its limit."""

    run: Measure
    limit: tuple[str, ...] = ()


def measured(command: list[str], folder: Path | None = None) -> Pair:
    """Run a command and return (CPU seconds of its whole process tree, wall seconds)."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def peer(*command: object) -> Measure:
    return lambda: measured([str(word) for word in command])


def timed_inside(code: str, *arguments: object) -> Measure:
    def run() -> Pair:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        cpu, wall = json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
        return cpu, wall

    return run


def ours(what: str, root: Path, manifest: Path, **arguments: object) -> Measure:
    return timed_inside(OURS, what, root, manifest, json.dumps(arguments))


def dvc_add(python: str, root: Path) -> Measure:
    """Return what runs `dvc add` on a hard-linked copy in a fresh repository, so that nothing is remembered."""

    def run() -> Pair:
        with tempfile.TemporaryDirectory(prefix="dvc-", dir=root.parent) as name:
            place = Path(name)
            shutil.copytree(root, place / "data", copy_function=os.link)
            quiet = {"cwd": place, "capture_output": True}
            subprocess.run([python, "-m", "dvc", "init", "--no-scm", "-q"], check=True, **quiet)
            subprocess.run([python, "-m", "dvc", "config", "cache.type", "hardlink"], check=True, **quiet)
            subprocess.run([python, "-m", "dvc", "config", "core.analytics", "false"], check=True, **quiet)
            return measured([python, "-m", "dvc", "add", "-q", "data"], place)

    return run


def make_big(folder: Path, megabytes: int) -> None:
    folder.mkdir()
    source = random.Random(1)
    block = source.randbytes(1 << 20)
    with open(folder / "big.bin", "wb") as file:
        file.writelines(block[number % 1000 :] + block[: number % 1000] for number in range(megabytes))


def make_small(folder: Path, files: int) -> None:
    source = random.Random(2)
    for number in range(files):
        place = folder / f"part-{number * 100 // files:03}"
        if number * 100 // files != (number - 1) * 100 // files:
            place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}.txt").write_bytes(source.randbytes(source.randint(1000, 10_000)))


def write_manifests(root: Path, beside: Path) -> dict[str, Path]:
    sys.path.insert(0, str(REPOSITORY))
    from datasigil.datasets.files import build_manifest
    from datasigil.datasets.manifest import manifest_bytes

    places = {}
    for name, digests in (("sha256", ("sha256",)), ("both", ("blake3", "sha256"))):
        places[name] = beside / f"{root.name}-{name}.json"
        places[name].write_bytes(manifest_bytes(build_manifest(root, digests=digests)))
    return places


SHA, READ, B3 = "LIMIT C walk+open+read+sha256", "C walk+open+read, no hash", "LIMIT blake3 over a buffer"


def contenders(
    root: Path, manifests: dict[str, Path], limit: Path, python: str, size: tuple[int, int]
) -> dict[str, Row]:
    """Name everything that is measured on one folder; `size` is its bytes and those of a typical read."""
    sha, both = manifests["sha256"], manifests["both"]
    find = f"find {root} -type f -print0 | xargs -0"
    # A file of 32 MiB and more has a chunk tree: SHA-256 over it is a second SHA-256; BLAKE3's rides along, hashed twice.
    large = size[1] == BUFFER_BYTES
    twice = (SHA, SHA) if large else (SHA,)
    three = (SHA, READ, B3, B3) if large else (SHA, B3)
    rows = {
        SHA: Row(peer(limit, root)),
        READ: Row(peer(limit, root, "read")),
        B3: Row(timed_inside(BLAKE3, *size)),
        "ours check sha256, 1 worker": Row(ours("check", root, sha, digest="sha256", workers=1), (SHA,)),
        "ours check sha256, all cores": Row(ours("check", root, sha, digest="sha256"), (SHA,)),
        "ours check of a SHA-256 manifest, 1 worker": Row(ours("check", root, sha, workers=1), (SHA,)),
        "ours check of a SHA-256 manifest, all cores": Row(ours("check", root, sha), (SHA,)),
        "ours check BLAKE3, 1 worker": Row(ours("check", root, both, workers=1), (READ, B3)),
        "ours check BLAKE3, all cores": Row(ours("check", root, both), (READ, B3)),
        "ours check all digests": Row(ours("check", root, both, digest="all"), three),
        "ours create sha256, 1 worker": Row(ours("create", root, sha, digests=["sha256"], workers=1), twice),
        "ours create sha256, all cores": Row(ours("create", root, sha, digests=["sha256"]), twice),
        "ours create sha256 + blake3, 1 worker": Row(ours("create", root, both, workers=1), three),
        "ours create sha256 + blake3, all cores": Row(ours("create", root, both), three),
        "sha256sum (find | xargs)": Row(peer("sh", "-c", f"{find} sha256sum")),
        "sha256sum (find | xargs -P2)": Row(peer("sh", "-c", f"{find} -P2 -n 500 sha256sum")),
        "openssl dgst -sha256 (find | xargs)": Row(peer("sh", "-c", f"{find} openssl dgst -sha256")),
        "openssl dgst -sha256 (find | xargs -P2)": Row(peer("sh", "-c", f"{find} -P2 -n 500 openssl dgst -sha256")),
    }
    if shutil.which("b3sum"):
        rows["b3sum (find | xargs)"] = Row(peer("sh", "-c", f"{find} b3sum"))
    else:
        print("b3sum is not installed here: no row for it (apt install b3sum)")
    for module, run in (
        ("model_signing", peer(python, "-c", MODEL_SIGNING, root)),
        ("dvc", dvc_add(python, root)),
    ):
        if subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode:
            print(f"{module} is not installed in {python}: no row for it")
        else:
            rows[f"{module} (process)"] = Row(run)
    return rows


def chosen_rows(rows: dict[str, Row], texts: list[str]) -> dict[str, Row]:
    """Keep the limits, and the rows whose names hold one of the texts; all of them when there is none."""
    kept = {name: row for name, row in rows.items() if name in (SHA, READ, B3) or any(text in name for text in texts)}
    return kept if texts else rows


def compare(title: str, rows: dict[str, Row], rounds: int, amount: float, unit: str) -> dict[str, Pair]:
    """Run every contender once per round, taking turns, and print medians; return them."""
    results: dict[str, list[Pair]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, row in rows.items():
            results[name].append(row.run())
    middle = {
        name: (statistics.median(cpu for cpu, _ in pairs), statistics.median(wall for _, wall in pairs))
        for name, pairs in results.items()
    }
    print(f"\n{title} ({rounds} interleaved rounds, median; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
    print(f"{'':44}{unit + '/cpu':>16}{'cpu s':>9}{'wall s':>9}{'limit / cpu':>13}")
    for name, row in rows.items():
        cpu, wall = middle[name]
        own = sum(middle[one][0] for one in row.limit or (SHA,))
        print(f"{name:44}{amount / cpu:>16.2f}{cpu:>9.3f}{wall:>9.3f}{own / cpu:>13.2f}")
    return middle


def ratios(middle: dict[str, Pair], wanted: list[tuple[str, str, str, int, float]]) -> None:
    """Print each target: what it says, slower / faster by CPU (0) or wall (1), and whether it was met."""
    print(f"{'target':64}{'measured':>10}")
    for words, slow, fast, which, target in wanted:
        if slow in middle and fast in middle:
            found = middle[slow][which] / middle[fast][which]
            print(f"{words:64}{found:>10.2f}  {'met' if found >= target else f'{found / target:.2f} of target'}")


BIG_TARGETS = [
    ("check of SHA-256, one core, speed / limit >= 0.93", SHA, "ours check of a SHA-256 manifest, 1 worker", 0, 0.93),
    ("chunked check, two cores / one >= 1.8 (wall)", "ours check of a SHA-256 manifest, 1 worker",
     "ours check of a SHA-256 manifest, all cores", 1, 1.8),
    ("BLAKE3 check / SHA-256 check >= 3", "ours check of a SHA-256 manifest, 1 worker", "ours check BLAKE3, 1 worker", 0, 3),
    ("sha256sum / ours >= 3.5", "sha256sum (find | xargs)", "ours check of a SHA-256 manifest, 1 worker", 0, 3.5),
]  # fmt: skip
SMALL_TARGETS = [
    ("check of SHA-256, one core, limit / ours >= 1/1.3 = 0.77", SHA, "ours check of a SHA-256 manifest, 1 worker", 0, 1 / 1.3),
    ("model-signing / ours >= 10 (cpu)", "model_signing (process)", "ours check of a SHA-256 manifest, all cores", 0, 10),
    ("model-signing / ours >= 10 (wall)", "model_signing (process)", "ours check of a SHA-256 manifest, all cores", 1, 10),
    ("model-signing / ours create >= 10 (wall)", "model_signing (process)", "ours create sha256, all cores", 1, 10),
    ("dvc add / ours >= 12 (cpu)", "dvc (process)", "ours check of a SHA-256 manifest, all cores", 0, 12),
    ("dvc add / ours >= 12 (wall)", "dvc (process)", "ours check of a SHA-256 manifest, all cores", 1, 12),
    ("dvc add / ours create >= 12 (wall)", "dvc (process)", "ours create sha256, all cores", 1, 12),
    ("xargs -P2 sha256sum / ours >= 2 (cpu)", "sha256sum (find | xargs -P2)", "ours check of a SHA-256 manifest, all cores", 0, 2),
    ("xargs -P2 sha256sum / ours >= 2 (wall)", "sha256sum (find | xargs -P2)", "ours check of a SHA-256 manifest, all cores", 1, 2),
]  # fmt: skip


def compiled_limit(folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("a C compiler and OpenSSL's headers are needed for the limit (apt install gcc libssl-dev)")
    subprocess.run([compiler, "-O2", "-o", folder / "limit", HERE / "limit.c", "-lcrypto"], check=True)
    return folder / "limit"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size-mb", type=int, default=1500, help="size of the one big file")
    parser.add_argument("--files", type=int, default=100_000, help="number of small files of 1-10 KB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=None, help="where to put the data (removed afterwards)")
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has model-signing and dvc")
    parser.add_argument("--rows", action="append", default=[], help="only rows whose names hold this; may be repeated")
    parser.add_argument("--only", choices=("big", "small"), default="", help="one of the two tables")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datasigil-bench-", dir=chosen.dir) as name:
        base = Path(name)
        limit = compiled_limit(base)
        if chosen.only != "small":
            one_big_file(base, limit, chosen)
        if chosen.only != "big":
            many_small_files(base, limit, chosen)
    return 0


def one_big_file(base: Path, limit: Path, chosen: argparse.Namespace) -> None:
    make_big(base / "big", chosen.size_mb)
    amount = chosen.size_mb << 20
    rows = contenders(base / "big", write_manifests(base / "big", base), limit, chosen.peers, (amount, BUFFER_BYTES))
    rows = chosen_rows(rows, chosen.rows)
    ratios(compare(f"one file of {chosen.size_mb} MB", rows, chosen.rounds, amount / 1e9, "GB/s"), BIG_TARGETS)
    shutil.rmtree(base / "big")


def many_small_files(base: Path, limit: Path, chosen: argparse.Namespace) -> None:
    make_small(base / "small", chosen.files)
    amount = sum(one.stat().st_size for one in (base / "small").rglob("*.txt"))
    manifests = write_manifests(base / "small", base)
    rows = contenders(base / "small", manifests, limit, chosen.peers, (amount, amount // chosen.files))
    rows = chosen_rows(rows, chosen.rows)
    middle = compare(f"{chosen.files} files of 1-10 KB", rows, chosen.rounds, chosen.files / 1000, "k files/s")
    ratios(middle, SMALL_TARGETS)


if __name__ == "__main__":
    raise SystemExit(main())
