"""Counting records in a dataset's tables: what `recordCount` in a credential means.

Here: one record is one non-blank line of a JSON Lines file, or one row of a CSV or TSV file (RFC 4180) after its header
row; quoted fields may hold line breaks. Files of other kinds count for nothing. Memory does not grow with the files.
Not here: whether a line is valid JSON, or a row has as many fields as the header.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from datasigil.datasets.entry import ManifestEntry
from datasigil.datasets.limits import FIELD_BYTES_MAX
from datasigil.datasets.paths import display_path
from datasigil.datasets.table import EntryTable
from datasigil.datasets.tree import Tree, open_tree
from datasigil.errors import DatasigilError

_LINES = (".jsonl", ".ndjson")
_TABLES = (".csv", ".tsv")
_READ_BYTES = 1 << 20


def is_table(path: str) -> bool:
    """Tell whether the records of the file `path` are counted, by its extension."""
    return path.lower().endswith(_LINES + _TABLES)


def count_records(root: Path, paths: Sequence[str]) -> int | None:
    """Return how many records the files at `paths` below `root` hold together, or None when none of them is a table.

    Raises: DatasigilError DATA_FOLDER or UNREADABLE. A link is unreadable.
    """
    tables = [path for path in paths if is_table(path)]
    if not tables:
        return None
    with open_tree(root) as tree:
        return sum(_count_file(tree, path) for path in tables)


def count_each(
    root: Path, entries: Sequence[ManifestEntry], *, known: Mapping[str, int]
) -> list[tuple[ManifestEntry, int]]:
    """Return every table among `entries` with its number of records.

    `known` holds counts of an earlier run by `record_key`; these tables are not read again.

    Raises: as `count_records`.
    """
    if isinstance(entries, EntryTable):
        tables = [entries[index] for index in entries.paths.ending_in(_LINES + _TABLES)]
    else:
        tables = [entry for entry in entries if is_table(entry.path)]
    if not tables:
        return []
    counts = []
    with open_tree(root) as tree:
        for entry in tables:
            earlier = known.get(record_key(entry))
            counts.append((entry, _count_file(tree, entry.path) if earlier is None else earlier))
    return counts


def record_key(entry: ManifestEntry) -> str:
    """Return what a table's count depends on: its bytes, and the way in which its extension has them read."""
    return f"{entry.sha256}.{entry.path.lower().rpartition('.')[2]}"


def _count_file(tree: Tree, path: str) -> int:
    try:
        descriptor = tree.open(path)
        with os.fdopen(descriptor, "rb") as file:
            return _count_lines(file) if path.lower().endswith(_LINES) else _count_rows(file, path)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            f"records cannot be counted: {error.strerror}",
            place=display_path(path),
            expected="a readable regular file",
            next_action="make the file readable, then run the command again",
        ) from None


def _count_lines(file: BinaryIO) -> int:
    counter = LineCounter()
    while data := file.read(_READ_BYTES):
        counter.feed(data)
    return counter.finish()


def _count_rows(file: BinaryIO, path: str) -> int:
    """Count a table's rows as Python's csv module reads them; Latin-1 keeps every byte, whatever the encoding is."""
    import csv
    from io import TextIOWrapper

    delimiter = "\t" if path.lower().endswith(".tsv") else ","
    before = csv.field_size_limit(FIELD_BYTES_MAX)
    try:
        with TextIOWrapper(file, encoding="latin-1", newline="") as text:
            rows = sum(1 for row in csv.reader(text, delimiter=delimiter) if row)
    except csv.Error as error:
        raise DatasigilError(
            "RECORDS",
            f"records cannot be counted: {error}",
            place=display_path(path),
            expected=f"a table whose fields hold at most {FIELD_BYTES_MAX} bytes",
            next_action="look for a quote that is never closed",
        ) from None
    finally:
        csv.field_size_limit(before)
    return max(0, rows - 1)


class LineCounter:
    """Counts lines that hold more than white space, from pieces of any size."""

    def __init__(self) -> None:
        self._count = 0
        self._filled = False

    def feed(self, data: bytes) -> None:
        """Take in the next piece of the file."""
        first, *rest = data.split(b"\n")
        self._filled = self._filled or bool(first.strip())
        for line in rest:
            self._count += self._filled
            self._filled = bool(line.strip())

    def finish(self) -> int:
        """Return the number of lines, a last one without line break included."""
        return self._count + self._filled
