"""`datasigil`: arguments in, one command run, an exit code out.

Here: the program's name for its parts. Not here: the arguments (`arguments`), the commands, dispatch (`command_line.programs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datasigil.command_line.programs import run

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused, 2 wrong usage or internal, 3 the registry cannot be had now, 130 Ctrl-C."""
    return run("publisher_cli", argv)
