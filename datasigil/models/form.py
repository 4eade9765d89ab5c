"""Closed tables for the worker's own files: which members an object has and what each of them is.

Here: the kinds of value in receipts and example lists, the check against a table, and JSON pointers into such files. Not here: any
table, and the field tables of credentials (`datasigil.credentials.fields`), which also emit JSON Schemas.

A field is (name, kind, required). Kinds: text, digest, count, instant, decimal, truth, open (any object), or a nested table; a
list of one kind is written [kind].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from datasigil.encoding import Instant, hex_digest, pointer_token
from datasigil.errors import MalformedError

if TYPE_CHECKING:
    from datasigil.encoding import JsonValue

Table = tuple[tuple[str, object, bool], ...]

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z", re.ASCII)


def check_form(value: JsonValue, kind: object, place: str) -> None:
    """Check a value against a kind; `place` is the JSON pointer to it.

    Raises:
        MalformedError: SCHEMA, UNKNOWN_PROPERTY or the codes of digests and timestamps, with a JSON pointer.
    """
    if isinstance(kind, tuple):
        _check_members(value, kind, place)
    elif isinstance(kind, list):
        if not isinstance(value, list):
            raise wrong_form(place, "an array", value)
        for index, item in enumerate(value):
            check_form(item, kind[0], f"{place}/{index}")
    elif kind == "digest":
        hex_digest(value, place=place)
    elif kind == "instant":
        Instant.parse(value, place=place)
    else:
        fits, expected = _PLAIN[str(kind)]
        if not fits(value):
            raise wrong_form(place, expected, value)


_PLAIN: dict[str, tuple[Callable[[JsonValue], bool], str]] = {
    "text": (lambda value: isinstance(value, str) and value != "", "text"),
    "decimal": (lambda value: isinstance(value, str) and bool(_DECIMAL.match(value)), "a decimal in a string"),
    "count": (lambda value: type(value) is int and value >= 0, "a whole number of at least 0"),
    "truth": (lambda value: type(value) is bool, "true or false"),
    "open": (lambda value: isinstance(value, dict), "an object"),
}


def _check_members(value: JsonValue, table: Table, place: str) -> None:
    if not isinstance(value, dict):
        raise wrong_form(place, "an object", value)
    known = {name for name, _, _ in table}
    for name in value:
        if name not in known:
            raise MalformedError("UNKNOWN_PROPERTY", "an undefined member", place=f"{place}/{pointer_token(name)}")
    for name, kind, required in table:
        if name in value:
            check_form(value[name], kind, f"{place}/{name}")
        elif required:
            raise MalformedError("SCHEMA", "a required member is missing", place=f"{place}/{name}")


def wrong_form(place: str, expected: str, value: JsonValue) -> MalformedError:
    """Return the error for a member of the wrong form."""
    return MalformedError(
        "SCHEMA", "a member has the wrong form", place=place, expected=expected, found=repr(value)[:80]
    )


def resolve_pointer(document: JsonValue, pointer: str) -> JsonValue:
    """Return the value a JSON pointer (RFC 6901) names.

    Raises:
        MalformedError: POINTER, when the pointer is not one or names nothing.
    """
    if pointer and not pointer.startswith("/"):
        raise MalformedError("POINTER", "not a JSON pointer", found=pointer[:100], expected="'' or '/…'")
    value = document
    for token in _tokens(pointer):
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", token) and int(token) < len(value):
            value = value[int(token)]
        else:
            raise MalformedError("POINTER", "the pointer names nothing", place=pointer[:200], found=token[:80])
    return value


def _tokens(pointer: str) -> Sequence[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


__all__ = ["Table", "check_form", "resolve_pointer", "wrong_form"]
