"""How a program of the command line is declared, how its help looks, how it starts and ends.

Here: parsers, the options that mean the same everywhere, dispatch. Not here: any command's own options (`arguments` of each program),
what a command does, exit codes (`terminal`). `run` of a command is named as `module:function`, so that nothing of it is imported
before it is wanted.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

from datasigil import __version__
from datasigil.report.terminal import INTERRUPTED, Console, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written; the width measured here, because argparse imports three compressors for it (`shutil`)."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    try:
        return int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):  # no terminal, closed, or replaced by an object without a descriptor
        return 80


def program(name: str, description: str, *examples: str) -> tuple[argparse.ArgumentParser, Any]:
    """Return a program's parser, and the place to which `command` and `command_group` add."""
    top = argparse.ArgumentParser(
        prog=name,
        description=description,
        epilog=_examples(*examples),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"{name} {__version__}")
    return top, top.add_subparsers(required=True, metavar=None, dest="command")


def command_group(commands: Any, name: str, text: str, *examples: str) -> Any:
    """Add a command that has commands of its own; return the place to which these are added."""
    one = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=_examples(*examples),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    return one.add_subparsers(required=True, dest="subcommand")


def command(commands: Any, name: str, run: str, text: str, *examples: str, notes: str = "") -> argparse.ArgumentParser:
    """Add a command that `run` (`module:function`) carries out, with the options that every command has."""
    one: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"{notes}\n\n{_examples(*examples)}" if notes else _examples(*examples),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    one.set_defaults(run=run)
    one.add_argument("--json", action="store_true", help="write the result as versioned JSON to standard output")
    one.add_argument("-q", "--quiet", action="store_true", help="no talk and no progress")
    one.add_argument("-v", "--verbose", action="store_true", help="more talk")
    return one


def policy_option(one: argparse.ArgumentParser, text: str = "your trust file (or DATASIGIL_POLICY)") -> None:
    """Add `--policy`."""
    one.add_argument("--policy", metavar="FILE", help=text)


def pinned_policy_options(one: argparse.ArgumentParser) -> None:
    """Add `--policy` and the digest that a pipeline pins it with."""
    policy_option(one)
    one.add_argument(
        "--policy-digest",
        metavar="HEX",
        help="refuse any other trust file, for pipelines (or DATASIGIL_POLICY_DIGEST)",
    )


def judging_options(one: argparse.ArgumentParser) -> None:
    """Add what every command has that decides on evidence: whom to trust, and whether to ask the network."""
    pinned_policy_options(one)
    offline_option(one)
    dev_option(one)


def offline_option(one: argparse.ArgumentParser) -> None:
    """Add `--offline`."""
    one.add_argument("--offline", action="store_true", help="open no socket; decide on what is here")


def dev_option(one: argparse.ArgumentParser, what: str = "a registry") -> None:
    """Add `--dev`, which admits `what` without TLS on loopback."""
    one.add_argument(
        "--dev", action="store_true", help=f"admit {what} on this machine without TLS (or DATASIGIL_DEV=1)"
    )


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return what reads an argument that is a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, found {text[:40]!r}")
        return int(text)

    return read


def _examples(*lines: str) -> str:
    word = "example:" if len(lines) == 1 else "examples:"
    return "\n".join([word, *(f"  {line}" for line in lines)])


def run(
    package: str,
    argv: Sequence[str] | None,
    around: Callable[[Callable[[], int], Console], int] = lambda call, _: call(),
) -> int:
    """Parse with `PACKAGE.arguments`, carry out the command that it names and return the exit code; `argv` is the process's by default.

    `around` is handed each command as a call, for a program whose commands end in ways of their own.
    """
    try:
        given = import_module(f"{package}.arguments").parse(sys.argv[1:] if argv is None else argv)
        console = _console(given)
        return perform(lambda: around(lambda: _carry_out(package, given, console), console), console)
    except KeyboardInterrupt:  # while starting
        return INTERRUPTED


def _carry_out(package: str, given: argparse.Namespace, console: Console) -> int:
    module, _, function = given.run.partition(":")
    return int(getattr(import_module(f"{package}.{module}"), function)(given, console))


def _console(given: argparse.Namespace) -> Console:
    out, err = _usable(sys.stdout), _usable(sys.stderr)
    color = out.isatty() and not os.environ.get("NO_COLOR")
    return Console(out, err, json=given.json, quiet=given.quiet, verbose=given.verbose, color=color)


def _usable(stream: TextIO | None) -> TextIO:
    """Return a stream that takes any text, or one that goes nowhere for a descriptor that was closed before we were started."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, TextIOWrapper):  # a name that this terminal cannot show is no reason to end with a traceback
        stream.reconfigure(errors="backslashreplace")
    return stream


__all__ = [
    "HelpFormatter",
    "command",
    "command_group",
    "dev_option",
    "judging_options",
    "offline_option",
    "pinned_policy_options",
    "policy_option",
    "program",
    "run",
    "whole_number",
]
