"""Columns of a record: reading them, and the errors for one that is missing, taken or of another kind.

Here: what the steps share. Not here: what a step does (`steps`, `changing`).
"""

from __future__ import annotations

import json
from typing import Any

from datasigil.curation.forms import nearest
from datasigil.curation.limits import RECORD_BYTES_MAX
from datasigil.curation.reading import Origin, Record
from datasigil.curation.recipe import Step
from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of one kind; true is not 1."""
    return type(one) is type(other) and bool(one == other)


def value_of(record: Record, column: str, step: Step, origin: Origin) -> Any:
    """Return a column's value.  Raises: DatasigilError COLUMN."""
    if column not in record:
        raise refused(step, f"a record has no column {column[:80]!r}", origin, expected=nearest(column, record), found=", ".join(record))  # fmt: skip
    return record[column]


def text_of(record: Record, column: str, step: Step, origin: Origin) -> str:
    """Return a column's text.  Raises: DatasigilError COLUMN."""
    value = value_of(record, column, step, origin)
    if not isinstance(value, str):
        raise wrong_kind(step, column, value, origin)
    return value


def refuse_taken(record: Record, column: str, step: Step, origin: Origin) -> None:
    """Refuse to write over a column.  Raises: DatasigilError COLUMN."""
    if column in record:
        raise refused(step, f"the column {column[:80]!r} is there already", origin, expected="the name of a new column")


def refuse_grown(characters: int, step: Step, origin: Origin) -> None:
    """Refuse a value that outgrew a record: steps that write more than they take could fill any memory.  Raises: DatasigilError COLUMN."""
    if characters > RECORD_BYTES_MAX:
        raise refused(step, "a value grows beyond a record's bound", origin, expected=f"at most {RECORD_BYTES_MAX} characters", found=str(characters))  # fmt: skip


def wrong_kind(step: Step, column: str, value: Any, origin: Origin) -> DatasigilError:
    """Return the error for a value of another kind than the step works on."""
    wanted = "a number, or decimal text" if {"atLeast", "atMost"} & set(step.parameters) else "text"
    return refused(step, f"the column {column[:80]!r} holds another kind of value", origin, expected=wanted, found=json.dumps(value)[:120])  # fmt: skip


def refused(step: Step, message: str, origin: Origin, *, expected: str = "", found: str = "") -> DatasigilError:
    """Return the error for a record that a step cannot work on."""
    return DatasigilError(
        "COLUMN", message, place=f"{step.place} ({step.op}): {display_path(origin.path)} record {origin.number + 1}", expected=expected, found=found[:200],
        next_action="correct the step, or filter such records out before it",
    )  # fmt: skip
