"""`datasigil-train`: arguments in, one command run, an exit code out.

Here: dispatch, and what every command's gate is made of. Not here: the arguments (`arguments`), the commands, exit codes
(`report.terminal`).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from datasigil.report.terminal import INTERRUPTED, Console, perform

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused as INVALID, 2 wrong usage or a fault, 3 refused as INDETERMINATE, 130 Ctrl-C."""
    try:
        from training_worker.arguments import parse

        given = parse(sys.argv[1:] if argv is None else argv)
        console = _console(given)
        return perform(lambda: _run(given.run, given, console), console)
    except KeyboardInterrupt:  # while starting
        return INTERRUPTED


def _run(name: str, given: Namespace, console: Console) -> int:
    from importlib import import_module

    from training_worker.gate import Refused
    from training_worker.gate_settings import show_refusal

    module, _, function = name.partition(":")
    try:
        return int(getattr(import_module(f"training_worker.{module}"), function)(given, console))
    except Refused as refusal:
        return show_refusal(refusal, console)


def _console(given: Namespace) -> Console:
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return Console(sys.stdout, sys.stderr, json=given.json, quiet=given.quiet, verbose=given.verbose, color=color)


if __name__ == "__main__":
    sys.exit(main())
