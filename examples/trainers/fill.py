"""Write a trainer's configuration with the paths of this run, then start the trainer on it.

python fill.py axolotl.yaml -- axolotl train {config}

Only ${DATASIGIL_...} is replaced, by the variables that `datasigil-verify exec` sets; one that is not set is an error. `{config}` on the
command line becomes the path of what was written. The trainer's exit code is passed on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def filled(text: str) -> str:
    """Return the configuration with ${DATASIGIL_...} replaced."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            sys.exit(f"fill.py: {name} is not set; start this with datasigil-verify exec")
        return os.environ[name]

    return re.sub(r"\$\{(DATASIGIL_[A-Z0-9_]+)\}", value, text)


def main() -> int:
    """Fill the configuration, run the command."""
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    source, command = Path(sys.argv[1]), sys.argv[3:]
    with tempfile.TemporaryDirectory() as work:
        config = Path(work) / source.name
        config.write_text(filled(source.read_text("utf-8")), "utf-8")
        words = [word.replace("{config}", str(config)) for word in command]
        return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
