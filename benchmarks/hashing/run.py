"""Hashing speed: ours, peers and the measured limit, in interleaved rounds; figures are ratios of CPU time.

Contenders take turns within each round, so that a busy machine slows all of them alike; the median over rounds counts.
The limit is `limit.c`: walk, open, read, SHA-256, close. Everything is warm (in the page cache). Our figures are taken
inside the process around the call, children included; a peer's are those of its whole process tree.

    python benchmarks/hashing/run.py [--size-mb 1500] [--files 100000] [--rounds 5] [--dir DIR]

Not measured here: cold disks, start-up (see `credentials`).
"""

import argparse
import importlib.util
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
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

Measure = Callable[[], tuple[float, float]]


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command and return (CPU seconds of its whole process tree, wall seconds)."""
    import time

    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def peer(*command: object) -> Measure:
    return lambda: measured([str(word) for word in command])


def ours(what: str, root: Path, manifest: Path, **arguments: object) -> Measure:
    def run() -> tuple[float, float]:
        command = [sys.executable, "-c", OURS, what, str(root), str(manifest), json.dumps(arguments)]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        cpu, wall = json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
        return cpu, wall

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


def contenders(root: Path, manifests: dict[str, Path], limit: Path) -> dict[str, Measure]:
    """Name everything that is measured on one folder; the first row is the limit."""
    sha, both = manifests["sha256"], manifests["both"]
    find = f"find {root} -type f -print0 | xargs -0"
    rows: dict[str, Measure] = {
        "LIMIT C walk+open+read+sha256": peer(limit, root),
        "C walk+open+read, no hash": peer(limit, root, "read"),
        "ours check sha256, 1 worker": ours("check", root, sha, digest="sha256", workers=1),
        "ours check sha256, all cores": ours("check", root, sha, digest="sha256"),
        "ours check default of a SHA-256 manifest": ours("check", root, sha),
        "ours check default (BLAKE3), 1 worker": ours("check", root, both, workers=1),
        "ours check default (BLAKE3), all cores": ours("check", root, both),
        "ours check all digests": ours("check", root, both, digest="all"),
        "ours create sha256": ours("create", root, sha, digests=["sha256"]),
        "ours create sha256 + blake3": ours("create", root, both),
        "sha256sum (xargs)": peer("sh", "-c", f"{find} sha256sum"),
        "sha256sum (xargs -P2)": peer("sh", "-c", f"{find} -P2 -n 500 sha256sum"),
        "openssl dgst -sha256 (xargs)": peer("sh", "-c", f"{find} openssl dgst -sha256"),
    }
    if shutil.which("b3sum"):
        rows["b3sum (xargs)"] = peer("sh", "-c", f"{find} b3sum")
    if importlib.util.find_spec("model_signing"):
        code = "import sys, model_signing.hashing as h; h.Config().hash(sys.argv[1])"
        rows["model-signing"] = peer(sys.executable, "-c", code, root)
    else:
        print("model-signing is not installed here: no row for it (pip install model-signing)")
    return rows


def compare(title: str, rows: dict[str, Measure], rounds: int, amount: float, unit: str) -> None:
    """Run every contender once per round, taking turns, and print medians against the first row."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, run in rows.items():
            results[name].append(run())
    print(f"\n{title} ({rounds} interleaved rounds, median; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
    print(f"{'':44}{unit + '/cpu':>16}{'cpu s':>9}{'wall s':>9}{'speed / limit':>15}")
    base = statistics.median(cpu for cpu, _ in results[next(iter(rows))])
    for name, pairs in results.items():
        cpu = statistics.median(pair[0] for pair in pairs)
        wall = statistics.median(pair[1] for pair in pairs)
        print(f"{name:44}{amount / cpu:>16.2f}{cpu:>9.3f}{wall:>9.3f}{base / cpu:>15.2f}")


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
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datasigil-bench-", dir=chosen.dir) as name:
        base = Path(name)
        limit = compiled_limit(base)
        make_big(base / "big", chosen.size_mb)
        rows = contenders(base / "big", write_manifests(base / "big", base), limit)
        compare(f"one file of {chosen.size_mb} MB", rows, chosen.rounds, chosen.size_mb * 1.048576e-3, "GB/s")
        shutil.rmtree(base / "big")
        make_small(base / "small", chosen.files)
        rows = contenders(base / "small", write_manifests(base / "small", base), limit)
        compare(f"{chosen.files} files of 1-10 KB", rows, chosen.rounds, chosen.files / 1000, "k files/s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
