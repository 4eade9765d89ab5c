"""`datasigil-train`: arguments in, one command run, an exit code out.

Here: how a refusal of the gate ends a command. Not here: the arguments (`arguments`), the commands, dispatch
(`command_line.programs`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from datasigil.command_line.programs import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datasigil.report.terminal import Console


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused as INVALID, 2 wrong usage or a fault, 3 refused as INDETERMINATE, 130 Ctrl-C."""
    return run("training_worker", argv, _gated)


def _gated(call: Callable[[], int], console: Console) -> int:
    from training_worker.gate import Refused
    from training_worker.gate_settings import show_refusal

    try:
        return call()
    except Refused as refusal:
        return show_refusal(refusal, console)


if __name__ == "__main__":
    sys.exit(main())
