"""The values a credential may hold: text, times, numbers, choices, each with its strict check and its JSON Schema.

Lives here: places and faults, what every kind of value can do, and the kinds without parts. Not here: arrays, alternatives and
objects (`fields`). JSON Schema: draft 2020-12; what it cannot say (calendar dates) the check does in addition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from datasigil.encoding import Instant, JsonValue, parse_date, pointer_token
from datasigil.errors import MalformedError
from datasigil.limits import INTEGER_MAX

if TYPE_CHECKING:
    from datasigil.credentials.fields import Table

# A JSON pointer under construction, from the leaf up: nothing is rendered unless there is something to say.
Place: TypeAlias = "tuple[Any, str | int] | None"
Schema: TypeAlias = "dict[str, Any]"
Test: TypeAlias = "Callable[[JsonValue], bool]"
Raw: TypeAlias = "Callable[[JsonValue], object]"


def pointer(place: Place) -> str:
    """Return the JSON pointer (RFC 6901) of a place."""
    steps = []
    while place is not None:
        place, step = place
        steps.append(pointer_token(str(step)))
    return "".join(f"/{step}" for step in reversed(steps))


def fault(code: str, message: str, place: Place, expected: str = "", found: object = None) -> MalformedError:
    """Return the error for a value, shortened so that a hostile document cannot flood a report."""
    if found is None:
        shown = ""
    elif isinstance(found, str):
        shown = repr(found[:80])
    else:
        shown = {dict: "an object", list: "an array", bool: str(found).lower()}.get(type(found), str(found)[:80])
    return MalformedError(code, message, place=pointer(place) or "/", expected=expected, found=shown)


def safe(test: Raw) -> Test:
    """Return a test that says false where `test` raises because a value is of a JSON type, or lacks a member, that it was not made for."""

    def fits(value: JsonValue) -> bool:
        try:
            return bool(test(value))
        except (TypeError, KeyError):
            return False

    return fits


class Kind:
    """What one value may be: `check` raises MalformedError, `schema` says the same as JSON Schema."""

    coercion: str = ""  # JSON-LD @type, where the term needs one
    container: str = ""  # JSON-LD @container

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise MalformedError unless `value` is of this kind."""
        raise NotImplementedError

    @cached_property
    def fits(self) -> Test:
        """Whether `check` would pass, said without building places or errors: the path that every good document takes."""
        return safe(self.test)

    @cached_property
    def test(self) -> Raw:
        """`fits` for the inside of a table: true or false for values of the right JSON type, and for others false or TypeError."""
        return self.make_test(lambda kind: kind.test)

    def make_test(self, _of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`, given where those of its parts come from: a function of C, or a closure, since attributes of `self` cost half of it."""
        check = self.check

        def fits(value: JsonValue) -> bool:
            try:
                check(value, None)
            except MalformedError:
                return False
            return True

        return fits

    def make_quick_test(self, of: Callable[[Kind], Raw]) -> Raw:
        """Return `test` for a process that parses many documents: it may cost more to make."""
        return self.make_test(of)

    def schema(self) -> Schema:
        """Return the JSON Schema of this kind."""
        raise NotImplementedError

    def tables(self) -> Iterator[Table]:
        """Yield the tables nested in this kind."""
        return iter(())


class Text(Kind):
    """Text of bounded length (in characters) that matches a pattern as a whole."""

    def __init__(
        self,
        *,
        pattern: str = "",
        max_length: int = 1000,
        expected: str = "text",
        code: str = "SCHEMA",
        coercion: str = "",
        quick: str = "",
        whole: str = "",
    ) -> None:
        self.pattern = pattern
        self.max_length = max_length
        self.expected = expected
        self.code = code
        self.coercion = coercion
        self.quick = quick  # matches, at less cost, some of what `pattern` and the bounds of length let through, and nothing else
        self.whole = whole  # matches exactly what they let through

    @cached_property
    def _match(self) -> Callable[[str], object]:
        # Compiled when a value is first seen: most kinds of text are in no one document.
        return re.compile(self.pattern, re.ASCII).fullmatch

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise `code` unless `value` is text of this form."""
        if type(value) is not str:
            raise wrong_type(value, place, self.expected, self.code)
        if len(value) > self.max_length:
            raise fault(
                self.code,
                "text is too long",
                place,
                f"at most {self.max_length} characters",
                f"{len(value)} characters",
            )
        if not value or not self._match(value):
            raise fault(self.code, "text is not of the required form", place, self.expected, value)

    def make_test(self, _of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`, by the published pattern: a process that parses one document would spend more on compiling the shorter ones."""
        longest, match = self.max_length, self._match
        return lambda value: 0 < len(value) <= longest and match(value)

    def make_quick_test(self, of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`, at the least cost for each value."""
        if self.whole:
            return re.compile(self.whole, re.ASCII).fullmatch
        longest = self.max_length
        if not self.quick:
            return self.make_test(of)
        passes = re.compile(self.quick, re.ASCII).fullmatch
        return lambda value: passes(value) or (0 < len(value) <= longest and self._match(value))

    def schema(self) -> Schema:
        """Return a `string` schema; the pattern is anchored, because JSON Schema patterns are searched for."""
        return {"type": "string", "minLength": 1, "maxLength": self.max_length, "pattern": f"^(?:{self.pattern})$"}


# Days and times that exist whatever the month and year; the others are looked up in the calendar.
_CERTAIN_DAY = "[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_CERTAIN_TIME = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,24})?Z"


class Moment(Kind):
    """An RFC 3339 timestamp in UTC, with `Z` and up to 24 fraction digits."""

    coercion = "xsd:dateTime"

    def make_test(self, of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        certain = re.compile(_CERTAIN_DAY + _CERTAIN_TIME, re.ASCII).fullmatch
        exists = super().make_test(of)
        return lambda value: certain(value) or exists(value)

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise SCHEMA unless `value` is a real instant."""
        try:
            Instant.parse(value)
        except MalformedError:
            raise fault(
                "SCHEMA", "not a timestamp", place, "an RFC 3339 time in UTC such as 2026-11-02T09:30:00Z", value
            ) from None

    def schema(self) -> Schema:
        """Return the pattern: that the day exists, only the parser checks."""
        return {
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,24})?Z$",
            "format": "date-time",
        }


class Day(Kind):
    """A calendar date."""

    def __init__(self, coercion: str = "xsd:date") -> None:
        self.coercion = coercion

    def make_test(self, of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        certain = re.compile(_CERTAIN_DAY, re.ASCII).fullmatch
        exists = super().make_test(of)
        return lambda value: certain(value) or exists(value)

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise SCHEMA unless `value` is a real day."""
        try:
            parse_date(value)
        except MalformedError:
            raise fault("SCHEMA", "not a calendar date", place, "YYYY-MM-DD", value) from None

    def schema(self) -> Schema:
        """Return the pattern: that the day exists, only the parser checks."""
        return {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "format": "date"}


class Integer(Kind):
    """An integer within bounds; true and 1.0 are not integers here."""

    def __init__(self, minimum: int = 0, maximum: int = INTEGER_MAX) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise SCHEMA, or NUMBER for a float."""
        if type(value) is not int:
            raise wrong_type(value, place, "an integer", "SCHEMA")
        if not self.minimum <= value <= self.maximum:
            raise fault("SCHEMA", "an integer is out of range", place, f"{self.minimum} to {self.maximum}", value)

    def make_test(self, _of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        minimum, maximum = self.minimum, self.maximum
        return lambda value: type(value) is int and minimum <= value <= maximum

    def schema(self) -> Schema:
        """Return an `integer` schema (which by draft 2020-12 also admits 1.0; the strict JSON parser does not)."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class Boolean(Kind):
    """true or false."""

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise SCHEMA unless `value` is a boolean."""
        if type(value) is not bool:
            raise wrong_type(value, place, "true or false", "SCHEMA")

    def schema(self) -> Schema:
        """Return a `boolean` schema."""
        return {"type": "boolean"}


class Enum(Kind):
    """One of a fixed set of texts."""

    def __init__(self, *values: str, code: str = "SCHEMA") -> None:
        self.values = values
        self.code = code
        self.allowed = frozenset(values)

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise `code` unless `value` is one of the set."""
        if type(value) is not str or value not in self.allowed:
            raise fault(
                self.code,
                "not one of the allowed values",
                place,
                " | ".join(self.values),
                value if value is not None else "null",
            )

    def make_test(self, _of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        return self.allowed.__contains__

    def schema(self) -> Schema:
        """Return an `enum`, or `const` for a single value."""
        return {"const": self.values[0]} if len(self.values) == 1 else {"enum": list(self.values)}


class Const(Kind):
    """One fixed JSON value, such as the type array."""

    def __init__(self, value: JsonValue, code: str = "SCHEMA") -> None:
        self.value = value
        self.code = code

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise `code` unless `value` is that value."""
        if type(value) is not type(self.value) or value != self.value:
            raise fault(
                self.code, "not the required value", place, str(self.value), value if value is not None else "null"
            )

    def make_test(self, _of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        wanted, kind = self.value, type(self.value)
        return lambda value: type(value) is kind and bool(value == wanted)

    def schema(self) -> Schema:
        """Return a `const` schema."""
        return {"const": self.value}


def wrong_type(value: JsonValue, place: Place, expected: str, code: str) -> MalformedError:
    """Return the error for a value of the wrong JSON type; null and floats, which no kind allows, say so."""
    if value is None:
        return fault("NULL", "null is not allowed", place, "leave the member out", "null")
    if type(value) is float:
        return fault("NUMBER", "numbers with a fraction are not allowed", place, expected, value)
    return fault(code, "a value has the wrong type", place, expected, value)
