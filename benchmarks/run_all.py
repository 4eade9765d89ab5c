"""Run every benchmark of this folder, one after the other, and print its table.

A benchmark is a program `NAME/run.py`; it prints and exits 0. Not here: the benchmarks.
"""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run them all; exit 1 if one failed."""
    failed = []
    for program in sorted(Path(__file__).resolve().parent.glob("*/run.py")):
        print(f"── {program.parent.name}", flush=True)
        if subprocess.run([sys.executable, program], check=False).returncode != 0:
            failed.append(program.parent.name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
