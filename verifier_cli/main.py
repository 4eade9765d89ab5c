"""`datasigil-verify`: arguments in, one command run, an exit code out.

Here: dispatch. Not here: the arguments (`arguments`), the commands, exit codes (`report.terminal`). Commands are imported when they
are run, so that `check` starts fast.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, TextIO

from datasigil.report.terminal import INTERRUPTED, Console, perform

if TYPE_CHECKING:
    from argparse import Namespace
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
    try:
        from verifier_cli.arguments import parse

        given = parse(sys.argv[1:] if argv is None else argv)
        console = _console(given)
        return perform(lambda: _run(given.run, given, console), console)
    except KeyboardInterrupt:  # while starting
        return INTERRUPTED


def _run(name: str, given: Namespace, console: Console) -> int:
    from importlib import import_module

    module, _, function = name.partition(":")
    return int(getattr(import_module(f"verifier_cli.{module}"), function)(given, console))


def _open(stream: TextIO | None) -> TextIO:
    """Return a stream, or one that goes nowhere for a descriptor that was closed before we were started."""
    return stream if stream is not None else open(os.devnull, "w", encoding="utf-8")


def _console(given: Namespace) -> Console:
    out, err = _open(sys.stdout), _open(sys.stderr)
    color = out.isatty() and not os.environ.get("NO_COLOR")
    return Console(out, err, json=given.json, quiet=given.quiet, verbose=given.verbose, color=color)
