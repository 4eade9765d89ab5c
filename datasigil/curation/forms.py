"""Closed tables of a recipe: which keys there are, of which kind, and which near miss was probably meant.

Here: reading plain TOML values against a form. Not here: which forms a recipe has (`recipe`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from datasigil.curation.limits import LIST_MAX
from datasigil.errors import MalformedError

CODE: Final = "CURATION_RECIPE"
Reader = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table: how its value is read, and whether it must be there."""

    read: Reader
    required: bool = False


Form = Mapping[str, Key]


def fault(place: str, message: str, *, expected: str = "", found: object = None) -> MalformedError:
    """Return the error for a recipe, naming where and what was expected."""
    shown = "" if found is None else _shown(found)
    return MalformedError(
        CODE, message, place=place, expected=expected, found=shown, next_action="correct the recipe; docs/curation.md lists its keys"
    )  # fmt: skip


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text[:120]


def read_table(value: Any, form: Form, place: str) -> dict[str, Any]:
    """Return the table's values as their keys read them.

    Raises:
        MalformedError: CURATION_RECIPE, for a key that is unknown (naming the nearest) or missing, or a value of another kind.
    """
    if not isinstance(value, dict):
        raise fault(place, "this is not a table", expected="a table", found=value)
    for name in value:
        if name not in form:
            raise fault(f"{place}.{name}".lstrip("."), f"unknown key {name[:80]!r}", expected=nearest(name, form))
    for name, key in form.items():
        if key.required and name not in value:
            raise fault(place or "recipe", f"the key {name!r} is missing", expected=f"{name} = …")
    return {name: form[name].read(one, f"{place}.{name}".lstrip(".")) for name, one in value.items()}


def nearest(name: str, known: Any) -> str:
    """Return the known name that was probably meant, or all of them."""
    from difflib import get_close_matches

    folded = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold().replace("_", "").replace("-", ""), folded, 1, 0.5)
    return f"{folded[near[0]]!r}?" if near else f"one of {', '.join(sorted(known))}"


def text(value: Any, place: str) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise fault(place, "this is not a text", expected='text, such as "train"', found=value)
    return value


def any_text(value: Any, place: str) -> str:
    """Return a text, which may be empty."""
    if not isinstance(value, str):
        raise fault(place, "this is not a text", expected="text", found=value)
    return value


def count(value: Any, place: str) -> int:
    """Return an integer from 0 to 2^53-1."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise fault(place, "this is not a count", expected="an integer from 0 on", found=value)
    return value


def boolean(value: Any, place: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise fault(place, "this is neither true nor false", expected="true or false", found=value)
    return value


def scalar(value: Any, place: str) -> str | int | bool:
    """Return a text, an integer or a truth value; fractions are texts."""
    if isinstance(value, bool | str) or (type(value) is int and -(2**53) < value < 2**53):
        return value
    raise fault(place, "a value is text, an integer, true or false", expected='text, such as "0.5" for a fraction', found=value)  # fmt: skip


def one_of(*choices: str) -> Reader:
    """Return the reader of one of some words."""

    def read(value: Any, place: str) -> str:
        if not isinstance(value, str) or value not in choices:
            near = nearest(value, choices) if isinstance(value, str) else f"one of {', '.join(choices)}"
            raise fault(place, "this word is not known here", expected=near, found=value)
        return value

    return read


def list_of(read: Reader, *, maximum: int = LIST_MAX, unique: bool = False) -> Reader:
    """Return the reader of a list that is not empty."""

    def read_list(value: Any, place: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise fault(place, "this is not a list", expected="a list with at least one value", found=value)
        if len(value) > maximum:
            raise fault(place, "the list is too long", expected=f"at most {maximum} values", found=len(value))
        items = tuple(read(one, f"{place}[{number}]") for number, one in enumerate(value))
        if unique and len(set(items)) != len(items):
            twice = next(one for number, one in enumerate(items) if one in items[:number])
            raise fault(place, "a value stands there twice", expected="each value once", found=twice)
        return items

    return read_list


def map_of(read: Reader, *, maximum: int = LIST_MAX) -> Reader:
    """Return the reader of a table whose keys are the user's own."""

    def read_map(value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            raise fault(place, "this is not a table", expected="a table with at least one key", found=value)
        if len(value) > maximum:
            raise fault(place, "the table is too long", expected=f"at most {maximum} keys", found=len(value))
        return {text(name, place): read(one, f"{place}.{name}") for name, one in value.items()}

    return read_map


def fraction(value: Any, place: str) -> str:
    """Return a share as decimal text above 0 and at most 1, as it was written."""
    import re

    if not isinstance(value, str) or not re.fullmatch(r"0\.[0-9]{1,12}|1(?:\.0{1,12})?", value) or float(value) == 0:
        raise fault(place, "this is not a share", expected='decimal text above 0 and at most 1, such as "0.8"', found=value)  # fmt: skip
    return value
