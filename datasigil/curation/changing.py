"""The steps that change records and remove none.

Here: what redact, replace, trim, select, rename, set, flags and codes do to one record. Not here: the steps that remove, counting
(`steps`). Each returns how many changes it made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from datasigil.curation import patterns
from datasigil.curation.columns import refuse_grown, refuse_taken, refused, same, text_of, value_of
from datasigil.curation.reading import Origin, Record
from datasigil.curation.recipe import Step
from datasigil.datasets.paths import display_path

Change = Callable[[Record, Origin], int]


def _redact(step: Step) -> Change:
    rules = [
        (patterns.compiled(one["pattern"]), one.get("with", f"[{one['name']}]")) for one in step.parameters["patterns"]
    ]

    def change(record: Record, origin: Origin) -> int:
        total = 0
        with patterns.bounded(f"{step.place}: {display_path(origin.path)} record {origin.number + 1}"):
            for column in step.parameters["columns"]:
                value = text_of(record, column, step, origin)
                for pattern, stand_in in rules:
                    value, count = pattern.subn(_literally(stand_in), value)
                    total += count
                    refuse_grown(len(value), step, origin)
                record[column] = value
        return total

    return change


def _literally(text: str) -> Callable[[re.Match[str]], str]:
    """Return a substitution that is the text itself: no group references in it."""
    return lambda _match: text


def _replace(step: Step) -> Change:
    column, old, new = step.parameters["column"], step.parameters["from"], step.parameters["to"]

    def change(record: Record, origin: Origin) -> int:
        value = text_of(record, column, step, origin)
        count = value.count(old)
        refuse_grown(len(value) + count * (len(new) - len(old)), step, origin)
        record[column] = value.replace(old, new)
        return count

    return change


def _trim(step: Step) -> Change:
    def change(record: Record, origin: Origin) -> int:
        changes = 0
        for column in step.parameters["columns"]:
            value = text_of(record, column, step, origin)
            record[column] = value.strip()
            changes += record[column] != value
        return changes

    return change


def _select(step: Step) -> Change:
    columns = step.parameters["columns"]

    def change(record: Record, origin: Origin) -> int:
        kept = {column: value_of(record, column, step, origin) for column in columns}
        dropped = len(record) - len(kept)
        record.clear()
        record.update(kept)
        return dropped

    return change


def _rename(step: Step) -> Change:
    old, new = step.parameters["from"], step.parameters["to"]

    def change(record: Record, origin: Origin) -> int:
        value = value_of(record, old, step, origin)
        refuse_taken(record, new, step, origin)
        del record[old]
        record[new] = value
        return 1

    return change


def _set(step: Step) -> Change:
    column, value = step.parameters["column"], step.parameters["value"]

    def change(record: Record, origin: Origin) -> int:
        refuse_taken(record, column, step, origin)
        record[column] = value
        return 1

    return change


def _flags(step: Step) -> Change:
    """Gather which of several columns hold a value, as their positions or names, in the order of the recipe."""
    columns, wanted, into = step.parameters["columns"], step.parameters["equals"], step.parameters["into"]
    named = step.parameters.get("as") == "name"

    def change(record: Record, origin: Origin) -> int:
        values = [value_of(record, column, step, origin) for column in columns]
        for column in columns:
            del record[column]
        refuse_taken(record, into, step, origin)
        record[into] = [
            column if named else place
            for place, (column, value) in enumerate(zip(columns, values, strict=True))
            if same(value, wanted)
        ]
        return len(record[into])

    return change


def _codes(step: Step) -> Change:
    """Turn a text of codes into a sorted list of what they mean; a code that the recipe does not name is an error."""
    column, into, table = step.parameters["column"], step.parameters["into"], step.parameters["map"]
    ignored, separator = frozenset(step.parameters.get("ignore", ())), step.parameters.get("separator")

    def change(record: Record, origin: Origin) -> int:
        words = [one.strip() for one in text_of(record, column, step, origin).split(separator) if one.strip()]
        for word in words:
            if word not in table and word not in ignored:
                raise refused(step, f"the code {word[:80]!r} is named neither by map nor by ignore", origin, expected=f"one of {', '.join(table)}"[:300], found=word)  # fmt: skip
        meanings = {json.dumps(table[word]): table[word] for word in words if word in table}
        del record[column]
        refuse_taken(record, into, step, origin)
        record[into] = sorted(meanings.values(), key=lambda one: (type(one).__name__, one))
        return len(record[into])

    return change


CHANGES: Final[Mapping[str, Callable[[Step], Change]]] = {
    "redact": _redact, "replace": _replace, "trim": _trim, "select": _select, "rename": _rename, "set": _set, "flags": _flags, "codes": _codes,
}  # fmt: skip
