"""What comes again and again: an unchanged folder, a small edit of it, cold data, and the memory of a million files.

    python benchmarks/hashing/again.py [--files 100000] [--million] [--only-million] [--rounds 3] [--dir DIR]

The runs of `datasigil manifest` are whole commands, start included, with their memory in a cache of their own. CPU is that of the
whole process tree. Cold data is warm data whose pages were given back (`posix_fadvise` DONTNEED); the peer reads the same files one
after the other without asking ahead. `--million` makes a million files (4 GB on most disks) and prints peaks of memory.
"""

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from run import REPOSITORY, make_small, measured

WAIT_SECONDS = 2.5  # a file that was written a moment ago is never remembered
LOOK = """
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
static void look(int at) {
    DIR *folder = fdopendir(at);
    struct dirent *entry;
    struct statx seen;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.') continue;
        if (entry->d_type == DT_DIR) look(openat(at, entry->d_name, O_RDONLY | O_DIRECTORY));
        else statx(at, entry->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &seen);
    }
    closedir(folder);
}
int main(int count, char **words) { look(open(words[1], O_RDONLY | O_DIRECTORY)); return 0; }
"""
READ = """
import hashlib, os, sys, time
start = time.perf_counter()
for place, _, names in os.walk(sys.argv[1]):
    for name in sorted(names):
        with open(os.path.join(place, name), "rb") as file:
            hashlib.sha256(file.read()).digest()
print(time.perf_counter() - start)
"""
CHECK = """
import sys, time
from pathlib import Path
from datasigil.datasets.files import check_files
from datasigil.datasets.manifest import ManifestFile, parse_manifest
one = parse_manifest(ManifestFile(Path(sys.argv[2])))
start = time.perf_counter()
assert check_files(Path(sys.argv[1]), one).ok
print(time.perf_counter() - start)
"""


def command(home: Path, *words: object) -> tuple[float, float, float]:
    """Run `datasigil …`; return CPU seconds, wall seconds and peak memory in MiB, of the whole process tree."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment |= {"PYTHONPYCACHEPREFIX": str(home / "bytecode")}  # as installed: a wheel's modules are compiled
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "publisher_cli", *map(str, words)], stdout=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("datasigil failed")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024


def look_in_c(base: Path) -> Path:
    """Compile what lists and looks at every file in C, and nothing else: the limit of a run over what is unchanged."""
    (base / "look.c").write_text(LOOK)
    subprocess.run(["cc", "-O2", "-o", base / "look", base / "look.c"], check=True)
    return base / "look"


def forget_pages(folder: Path) -> None:
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def again(base: Path, files: int, rounds: int) -> None:
    folder = base / "small"
    make_small(folder, files)
    time.sleep(WAIT_SECONDS)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    command(base, "manifest", "--help")  # compiles what has no bytecode yet
    look = look_in_c(base)
    for number in range(rounds):
        rows.setdefault("first run (--rehash)", []).append(command(base, "manifest", folder, "--rehash"))
        rows.setdefault("unchanged", []).append(command(base, "manifest", folder))
        for path in sorted((folder / "part-050").iterdir())[:10]:
            path.write_bytes(random.Random(number).randbytes(5000))
        time.sleep(WAIT_SECONDS)
        rows.setdefault("ten files edited", []).append(command(base, "manifest", folder))
        rows.setdefault("nothing to do (--help)", []).append(command(base, "manifest", "--help"))
        rows.setdefault("LIMIT C list and look", []).append((*measured([str(look), str(folder)]), 0.0))
    first = statistics.median(cpu for cpu, _, _ in rows["first run (--rehash)"])
    print(
        f"\ndatasigil manifest over {files} files of 1-10 KB ({rounds} rounds, median; load {os.getloadavg()[0]:.1f})"
    )
    print(f"{'':28}{'cpu s':>8}{'wall s':>8}{'of first':>10}{'MiB':>7}")
    for name, runs in rows.items():
        cpu, wall, peak = (statistics.median(one[at] for one in runs) for at in range(3))
        print(f"{name:28}{cpu:>8.2f}{wall:>8.2f}{cpu / first:>10.3f}{peak:>7.0f}")


def cold(base: Path, rounds: int) -> None:
    folder, manifest = base / "small", base / "cold.manifest.json"
    command(base, "manifest", folder, "-o", manifest)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    walls: dict[str, list[float]] = {"check, asking ahead": [], "one file after the other": []}
    for _ in range(rounds):
        for name, code in (("check, asking ahead", CHECK), ("one file after the other", READ)):
            forget_pages(folder)
            words = [sys.executable, "-c", code, str(folder), str(manifest)]
            walls[name].append(float(subprocess.run(words, check=True, capture_output=True, env=environment).stdout))
    print(f"\nthe same files, cold ({rounds} rounds, median)")
    for name, found in walls.items():
        print(f"{name:28}{statistics.median(found):>8.2f} s wall")


def million(base: Path) -> None:
    folder = base / "million"
    for number in range(1000):
        place = folder / f"part-{number:04}"
        place.mkdir(parents=True)
        for file in range(1000):
            (place / f"record-{number * 1000 + file:07}.txt").write_bytes(b"%d" % file)
    manifest = base / "million.manifest.json"
    cpu, wall, peak = command(base, "manifest", folder, "-o", manifest)
    print(f"\na million files: manifest made in {wall:.0f} s, {cpu:.0f} s cpu, peak {peak:.0f} MiB")
    cpu, wall, peak = command(base, "manifest", folder)
    print(f"a million files: made again, unchanged, in {wall:.0f} s, {cpu:.0f} s cpu, peak {peak:.0f} MiB")
    code = CHECK + "import resource\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    answer = subprocess.run(
        [sys.executable, "-c", code, folder, manifest], check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}
    )  # fmt: skip
    print(f"a million files: checked in {float(answer.stdout):.0f} s, peak {int(answer.stderr) / 1024:.0f} MiB")
    shutil.rmtree(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--only-million", action="store_true", help="nothing but the million files")
    parser.add_argument("--dir", type=Path, default=None)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datasigil-again-", dir=chosen.dir) as name:
        base = Path(name)
        if not chosen.only_million:
            again(base, chosen.files, chosen.rounds)
            cold(base, chosen.rounds)
        if chosen.million or chosen.only_million:
            million(base)
    print(f"\npeak of this program's children: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
