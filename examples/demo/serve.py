"""`make serve`: the registry again, on the data that `make demo` left.

Here: finding that data and running the process in the foreground. Not here: making the data.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import registry
from stage import ROOT

FOLDER = ROOT / ".demo"


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve the demo's registry until Ctrl-C.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="what make demo left (default: .demo)")
    there = registry.remembered(parser.parse_args().folder.resolve())
    if there is None:
        print("Expected the demo's data in .demo, found none. Next: make demo", file=sys.stderr)
        return 2
    if there.answers("/healthz"):
        print(f"Something answers at {there.url} already: the registry is running, or another program took its port.")
        return 2
    print(
        f"Registry: {there.url}  (Ctrl-C stops it; its log: {there.log_file.name} in {there.data.parent})", flush=True
    )
    process = subprocess.Popen(registry.serve_command(there), cwd=ROOT, env=there.environment())
    try:
        return process.wait()
    except KeyboardInterrupt:
        registry.stop(process)
        print("\nStopped. make serve starts it again on the same data.")
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
