"""`datasigil`: arguments in, one command run, an exit code out.

Here: dispatch. Not here: the arguments (`arguments`), the commands, exit codes (`report.terminal`). Commands are imported when they
are run.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from datasigil.report.terminal import INTERRUPTED, Console, perform

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused, 2 wrong usage or internal, 3 the registry cannot be had now, 130 Ctrl-C."""
    try:
        from publisher_cli.arguments import parse

        given = parse(sys.argv[1:] if argv is None else argv)
        console = _console(given)
        return perform(lambda: _run(given.run, given, console), console)
    except KeyboardInterrupt:  # while starting
        return INTERRUPTED


def _run(name: str, given: Namespace, console: Console) -> int:
    from importlib import import_module

    module, _, function = name.partition(":")
    return int(getattr(import_module(f"publisher_cli.{module}"), function)(given, console))


def _console(given: Namespace) -> Console:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, TextIOWrapper
        ):  # a name that this terminal cannot show is no reason to end with a traceback
            stream.reconfigure(errors="backslashreplace")
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return Console(sys.stdout, sys.stderr, json=given.json, quiet=given.quiet, verbose=given.verbose, color=color)
