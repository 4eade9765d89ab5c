"""Where an error was made: the check that caught a case, read off tracebacks and not claimed by anyone.

Here: `watched`, which notes the place in `datasigil` from which each finding came. Not here: switching a check off
(`proof_of_bite`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from datasigil.errors import DatasigilError
from datasigil.verification import findings as findings_module

PACKAGE = str(Path(findings_module.__file__).parents[1])
# Functions that only shape an error: the check is whoever called them.
_SHAPING = frozenset({"__init__", "at"})


@dataclass(frozen=True, order=True)
class Site:
    """One place that refuses: module and function, and the line of the refusal."""

    module: str
    function: str
    line: int

    @property
    def check(self) -> str:
        """The check's name, without its line."""
        return f"{self.module}.{self.function}"


def site_of(error: BaseException) -> Site | None:
    """Return the innermost place in datasigil at which an error was raised, or None for one that never was."""
    found, step = None, error.__traceback__
    while step is not None:
        found = _site(step, step.tb_frame) or found
        step = step.tb_next
    return found


def _site(step: TracebackType | None, frame: FrameType) -> Site | None:
    code = frame.f_code
    if not code.co_filename.startswith(PACKAGE) or code.co_name in _SHAPING:
        return None
    module = str(frame.f_globals.get("__name__", ""))
    return Site(module, code.co_qualname, step.tb_lineno if step is not None else frame.f_lineno)


def _caller() -> Site | None:
    """Return who recorded a finding about an error that was never raised."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__") != findings_module.__name__:
            found = _site(None, frame)
            if found is not None:
                return found
        frame = frame.f_back
    return None


@contextmanager
def watched() -> Iterator[list[tuple[str, str, Site | None]]]:
    """Note (outcome, code, site) of every finding that is made inside the block."""
    seen: list[tuple[str, str, Site | None]] = []
    original = findings_module._check

    def noting(step: int, name: str, outcome: str, error: DatasigilError) -> Any:
        seen.append((outcome, error.code, site_of(error) or _caller()))
        return original(step, name, outcome, error)

    findings_module._check = noting
    try:
        yield seen
    finally:
        findings_module._check = original
