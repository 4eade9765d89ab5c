"""`datasigil-verify`: arguments in, one command run, an exit code out.

Here: how its process treats garbage, so that `check` starts and ends fast. Not here: the arguments (`arguments`), the commands,
dispatch (`command_line.programs`).
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from datasigil.command_line.programs import run

if TYPE_CHECKING:
    from collections.abc import Sequence


# Allocations between two searches for cycles: a check makes few cycles and ends soon.
_GC_THRESHOLD = 100_000


def program() -> int:
    """Run `main` as a process of its own: Python searches for garbage rarely, and not once more when the process ends anyway."""
    gc.set_threshold(_GC_THRESHOLD)
    try:
        return main()
    finally:
        gc.freeze()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 VALID or done, 1 INVALID or refused, 2 wrong usage or internal, 3 INDETERMINATE, 130 Ctrl-C."""
    return run("verifier_cli", argv)
