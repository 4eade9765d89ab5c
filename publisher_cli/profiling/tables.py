"""Records of csv, tsv and jsonl files, read one after the other: their cells, and those that are not what the format demands.

Here: reading, with bounds on a line and a field. Not here: what is measured (`profile`). Spec: RFC 4180, JSON Lines.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from datasigil.datasets.limits import FIELD_BYTES_MAX
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import MalformedError

if TYPE_CHECKING:
    from datasigil.datasets.tree import Tree

LINE_MAX_BYTES = 16 * 1024 * 1024
Cells = dict[str, str]


def is_table(path: str) -> bool:
    """Tell whether the records of a file are looked at, by its extension."""
    return path.lower().endswith((".csv", ".tsv", ".jsonl", ".ndjson"))


def records(tree: Tree, path: str) -> Iterator[Cells | None]:
    """Yield every record of a file as its cells in text form, and None for one that is malformed; an empty cell is the empty string."""
    with os.fdopen(tree.open(path), "rb") as file:
        yield from (_rows(file, path) if path.lower().endswith((".csv", ".tsv")) else _lines(file))


def _lines(file: BinaryIO) -> Iterator[Cells | None]:
    while line := file.readline(LINE_MAX_BYTES + 1):
        if len(line) > LINE_MAX_BYTES:
            yield None
            while line and not line.endswith(b"\n"):
                line = file.readline(LINE_MAX_BYTES)
            continue
        if not line.strip():
            continue
        try:
            value = parse_json(line, max_bytes=LINE_MAX_BYTES, profile=GENERIC)
        except MalformedError:
            yield None
            continue
        yield {name: _text(one) for name, one in value.items()} if isinstance(value, dict) else None


def _text(value: object) -> str:
    if value is None or value in ("", [], {}):
        return ""
    return value if isinstance(value, str) else repr(value)


def _rows(file: BinaryIO, path: str) -> Iterator[Cells | None]:
    """Yield a table's rows; a row with another number of fields than the header is malformed, and so is what follows an open quote."""
    before = csv.field_size_limit(FIELD_BYTES_MAX)
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            reader = csv.reader(text, delimiter="\t" if path.lower().endswith(".tsv") else ",", strict=True)
            header = next((row for row in reader if row), None)
            for row in reader if header is not None else ():
                if not row:
                    continue
                good = header is not None and len(row) == len(header) and all(map(_is_text, row))
                yield (
                    dict(zip(header, (one.strip() for one in row), strict=True))
                    if good and header is not None
                    else None
                )
    except csv.Error:
        yield None
    finally:
        csv.field_size_limit(before)


def _is_text(cell: str) -> bool:
    return cell.isascii() or not any("\ud800" <= one <= "\udfff" for one in cell)
