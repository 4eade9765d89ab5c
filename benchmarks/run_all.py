"""Run every benchmark of this folder, one after the other, and print its table.

A benchmark is a program `NAME/run.py`; it prints and exits 0, or 77 where what it measures is not at hand. Not here: the benchmarks.
"""

import subprocess
import sys
from pathlib import Path

NOT_HERE = 77


def main() -> int:
    """Run them all; exit 1 if one failed."""
    failed, absent = [], []
    for program in sorted(Path(__file__).resolve().parent.glob("*/run.py")):
        print(f"── {program.parent.name}", flush=True)
        code = subprocess.run([sys.executable, program], check=False).returncode
        if code:
            (absent if code == NOT_HERE else failed).append(program.parent.name)
    if absent:
        print(f"not measured here: {', '.join(absent)}", file=sys.stderr)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
