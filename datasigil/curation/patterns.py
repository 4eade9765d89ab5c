"""Patterns that a stranger may have written: regular expressions that cannot run away, and patterns for paths.

Here: the refusal of constructs that make a backtracking engine exponential (a repetition without a small bound around anything that can
itself match in several ways; backreferences; look-around), and a CPU budget for what is merely slow. Not here: what is done with a match.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import warnings
from collections.abc import Iterator
from functools import lru_cache
from re import _constants as _c  # type: ignore[attr-defined]  # the parser's names; private, stable since 3.11
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final

from datasigil.curation.forms import fault, text
from datasigil.curation.limits import GLOB_STARS_MAX, PATTERN_CHARACTERS_MAX, PATTERN_CPU_SECONDS
from datasigil.datasets.paths import path_problem
from datasigil.errors import DatasigilError

_TIMES_MAX: Final = (
    8  # how often something that can match in several ways may be repeated, all enclosing counts multiplied
)
_SINGLE: Final = frozenset({_c.LITERAL, _c.NOT_LITERAL, _c.IN, _c.ANY, _c.CATEGORY})
_REPEATS: Final = frozenset({_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT})
_REFUSED: Final = {
    _c.GROUPREF: "a backreference",
    _c.GROUPREF_EXISTS: "a conditional group",
    _c.ASSERT: "look-ahead or look-behind",
    _c.ASSERT_NOT: "look-ahead or look-behind",
}


def read(value: Any, place: str) -> str:
    """Return a regular expression that is safe to run, as it was written.

    Raises:
        MalformedError: CURATION_RECIPE.
    """
    pattern = text(value, place)
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise fault(place, "the pattern is too long", expected=f"at most {PATTERN_CHARACTERS_MAX} characters", found=len(pattern))  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python will read in another way one day is refused today
            tree = _parser.parse(pattern)
            compiled(pattern)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise fault(place, f"the pattern is no regular expression: {error}", expected="Python's syntax", found=pattern) from None  # fmt: skip
    problem = _problem(tree, 1)
    if problem:
        raise fault(place, f"the pattern could run for ever: {problem}", expected="repetition of single characters or of bounded parts", found=pattern)  # fmt: skip
    if compiled(pattern).search("") is not None:
        raise fault(place, "the pattern matches the empty text, and so everywhere", expected="a pattern that needs at least one character", found=pattern)  # fmt: skip
    return pattern


def _problem(tree: Any, times: int) -> str:
    """Return what is dangerous in a parsed pattern; `times` is how often it may be repeated, all enclosing counts multiplied."""
    for operator, argument in tree:
        if operator in _REFUSED:
            return _REFUSED[operator]
        if operator in _REPEATS:
            found = _repeat_problem(argument, times)
        elif operator is _c.SUBPATTERN:
            found = _problem(argument[3], times)
        elif operator is _c.ATOMIC_GROUP:
            found = _problem(argument, times)
        elif operator is _c.BRANCH:
            found = "a choice inside a repetition" if times > _TIMES_MAX else _first(argument[1], times)
        else:
            found = ""
        if found:
            return found
    return ""


def _first(branches: Any, times: int) -> str:
    return next((found for one in branches if (found := _problem(one, times))), "")


def _repeat_problem(argument: Any, times: int) -> str:
    low, high, body = argument
    if times > _TIMES_MAX and low != high:
        return "a repetition inside a repetition"
    if len(body) == 1 and body[0][0] in _SINGLE:
        return ""
    most = _TIMES_MAX + 1 if high is _c.MAXREPEAT else min(int(high), _TIMES_MAX + 1)
    return _problem(body, times * max(1, most))


@lru_cache(maxsize=1000)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the compiled form of a pattern that `read` accepted."""
    return re.compile(pattern)


class _OutOfTimeError(Exception):
    """The CPU budget of one search is spent."""


@contextlib.contextmanager
def bounded(place: str) -> Iterator[None]:
    """Stop what runs inside after its CPU budget, where the system can (POSIX, main thread); refused shapes never come here.

    Raises:
        DatasigilError: LIMIT.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise _OutOfTimeError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATTERN_CPU_SECONDS)
    try:
        yield
    except _OutOfTimeError:
        raise DatasigilError(
            "LIMIT", "a pattern takes too long on one value", place=place, expected=f"at most {PATTERN_CPU_SECONDS:g} CPU seconds for a record",
            next_action="write the pattern so that it starts with a literal, or shorten the texts before this step",
        ) from None  # fmt: skip
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def path_pattern(pattern: str, place: str = "") -> re.Pattern[str]:
    """Return a pattern for paths: `*` and `?` within a folder's name, `**` across folders; everything else is itself.

    Raises:
        MalformedError: CURATION_RECIPE.
    """
    problem = path_problem(pattern.replace("*", "x").replace("?", "x"))
    if problem:
        raise fault(place, f"not a path inside the dataset: {problem}", expected="a relative path, with * for any name", found=pattern)  # fmt: skip
    if pattern.count("*") > GLOB_STARS_MAX:
        raise fault(place, "too many stars", expected=f"at most {GLOB_STARS_MAX}", found=pattern)
    parts = re.split(r"(\*\*/?|\*|\?)", pattern)
    meaning = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(one, re.escape(one)) for one in parts), re.DOTALL)
