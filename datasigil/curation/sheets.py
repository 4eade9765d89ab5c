"""A sheet with a row for every file of a parent: its columns become columns of every record of that file.

Here: reading csv, tsv and xlsx (through the child that reads documents), and finding a file's row. Not here: describing a dataset from
its sheet (`publisher_cli.sources`), filtering (`steps`). The sheet is a file of the parent, and so signed like the others.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from datasigil.curation.forms import nearest
from datasigil.curation.limits import SHEET_ROWS_MAX
from datasigil.datasets.limits import FIELD_BYTES_MAX
from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError

if TYPE_CHECKING:
    from datasigil.curation.documents import DocumentReader
    from datasigil.curation.reading import Parent

Rows = Mapping[str, dict[str, str]]


def read_sheet(wanted: Mapping[str, Any], parent: Parent, documents: DocumentReader) -> Rows:
    """Return, by the path of a file, the wanted columns of its row.

    Raises:
        DatasigilError: RECORDS, EXTRA_MISSING.
    """
    path = wanted["file"]
    if path not in parent.files:
        raise _bad(path, "the parent has no such sheet", expected=nearest(path, list(parent.files)[:1000]))
    rows = documents.rows(path, parent) if path.lower().endswith(".xlsx") else _text_rows(path, parent)
    if not rows or len(rows) > SHEET_ROWS_MAX:
        raise _bad(path, "it is no sheet", expected=f"a header and 1 to {SHEET_ROWS_MAX} rows", found=f"{len(rows)} rows")  # fmt: skip
    header = [one.strip() for one in rows[0]]
    places = {name: _place(name, header, path) for name in (wanted["key"], *wanted["columns"])}
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(one.strip() for one in row):
            continue
        cells = {name: row[at].strip() if at < len(row) else "" for name, at in places.items()}
        name = cells[wanted["key"]]
        if name in found:
            raise _bad(path, f"two rows are about {display_path(name)[:100]}", expected="a row for every file", found=f"row {number}")  # fmt: skip
        found[name] = {column: cells[column] for column in wanted["columns"]}
    return found


def row_of(path: str, rows: Rows, sheet: str) -> dict[str, str]:
    """Return a file's row, named by its path or, where no two files have one name, by its name.

    Raises:
        DatasigilError: RECORDS.
    """
    row = rows.get(path) or rows.get(path.rpartition("/")[2])
    if row is None:
        raise _bad(sheet, "it has no row for a file that is read", expected=display_path(path), found=f"{len(rows)} other rows")  # fmt: skip
    return row


def _place(name: str, header: Iterable[str], path: str) -> int:
    names = list(header)
    if names.count(name) != 1:
        found = "it stands there twice" if name in names else ", ".join(names)[:200]
        raise _bad(path, f"the column {name[:80]!r} is not in its header once", expected=nearest(name, names), found=found)  # fmt: skip
    return names.index(name)


def _text_rows(path: str, parent: Parent) -> list[list[str]]:
    before = csv.field_size_limit(FIELD_BYTES_MAX)
    try:
        with parent.open(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            return list(csv.reader(text, delimiter="\t" if path.lower().endswith(".tsv") else ",", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(path, "it is no table", expected="UTF-8 CSV (RFC 4180), TSV or XLSX", found=str(error)[:200]) from None  # fmt: skip
    finally:
        csv.field_size_limit(before)


def _bad(path: str, message: str, *, expected: str = "", found: str = "") -> DatasigilError:
    return DatasigilError(
        "RECORDS", f"the sheet cannot be used: {message}", place=display_path(path), expected=expected, found=found,
        next_action="correct read.sheet in the recipe, or read only files that the sheet knows",
    )  # fmt: skip
