"""Fuzz every target, one process each, and print a table.

    python tests/fuzz/all.py [--seconds 10] [--jobs 2] [--artifacts fuzz-findings] [--only TARGET …]      (CI: 10 s each)
    python tests/fuzz/all.py --seconds 900                                                             (once for a release)

Exit status 1 when a target found something, 77 where atheris is not installed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

from run import UNSUPPORTED  # noqa: E402 - the path above makes it importable
from targets import TARGETS  # noqa: E402


def run(name: str, options: argparse.Namespace) -> tuple[str, int, str]:
    """Fuzz one target; its name, exit status and what it printed."""
    command = [
        sys.executable,
        HERE / "run.py",
        name,
        "--seconds",
        str(options.seconds),
        "--artifacts",
        options.artifacts,
    ]
    if options.corpus:
        command += ["--corpus", options.corpus / name]
    ran = subprocess.run(command, capture_output=True, check=False)
    return name, ran.returncode, (ran.stdout + ran.stderr).decode("utf-8", "replace")


def main() -> int:
    """Fuzz all, print how far each came."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--artifacts", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--corpus", type=Path, help="keep each target's corpus below this folder and go on from it")
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), default=sorted(TARGETS))
    options = parser.parse_args()
    if find_spec("atheris") is None:
        print("atheris is not installed (it has wheels for Linux on x86-64 alone): nothing was fuzzed", file=sys.stderr)
        return UNSUPPORTED
    began, failed = time.monotonic(), []
    print(f"{'target':<16}{'inputs':>10}{'edges':>8}  outcome", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, status, output in pool.map(lambda one: run(one, options), options.only):
            units = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
            edges = re.findall(r"cov: (\d+)", output)
            print(
                f"{name:<16}{units[1] if units else '?':>10}{edges[-1] if edges else '?':>8}  {'FOUND SOMETHING' if status else 'nothing found'}",
                flush=True,
            )
            if status:
                failed.append(name)
                print(output[-4000:], file=sys.stderr)
    print(
        f"{len(options.only)} targets, {options.seconds} s each, {time.monotonic() - began:.0f} s in all; {len(failed)} found something"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
