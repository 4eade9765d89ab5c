"""Metadata sheets: csv, tsv or xlsx with one row per file.

Here: reading the sheet, reconciling it with the files in both directions, and what its columns say of licence, dates and language.
Not here: data tables (a sheet is recognised by a column that names files which are there).
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from datasigil.datasets.hub_cache import is_plain_file
from datasigil.encoding import parse_date
from datasigil.errors import DatasigilError, MalformedError
from publisher_cli.sources.finding import SOURCE_MAX_BYTES, Findings, one_line, read_text, source_error
from publisher_cli.sources.license_text import NAMES as LICENSE_NAMES
from publisher_cli.sources.license_text import from_label

NAMES = ("metadata", "manifest", "files", "index", "datasheet")
SUFFIXES = (".csv", ".tsv", ".xlsx")
ROWS_MAX = 200_000
COLUMNS_MAX = 1000
UNPACKED_MAX_BYTES = 256 * 1024 * 1024
FILE_COLUMNS = ("file", "filename", "file_name", "path", "file name")
SHOWN_MAX = 5


def sheet_beside(folder: Path) -> Path | None:
    """Return the metadata sheet at the top of a folder, or None."""
    for name in NAMES:
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            if is_plain_file(path):
                return path
    return None


def read_sheet(path: Path, folder: Path, files: Iterable[str], findings: Findings) -> None:
    """Note what a sheet says, and which files it does not know or knows and are not there.

    Raises:
        DatasigilError: SOURCE_FILE.
    """
    table = read_table(path)
    if table is None:
        findings.note(f"{path.name} has no column that names files ({', '.join(FILE_COLUMNS[:4])}); it was not read")
        return
    header, column, rows = table
    findings.read.append(path.name)
    _reconcile(path, {row[column].strip() for row in rows if len(row) > column}, set(files), folder, findings)
    _columns(path, header, rows, findings)


def read_table(path: Path) -> tuple[list[str], int, list[list[str]]] | None:
    """Return a sheet's header in lower case, which of its columns names files, and its rows; None when no column does.

    Raises:
        DatasigilError: SOURCE_FILE.
    """
    rows = _excel_rows(path) if path.suffix.lower() == ".xlsx" else _text_rows(path)
    if not rows:
        raise source_error(path, "the sheet is empty", expected="a header row and one row per file")
    header = [one.strip().casefold() for one in rows[0]]
    doubled = next((name for name in header if name and header.count(name) > 1), None)
    if doubled is not None:
        raise source_error(
            path, f"the column {doubled[:60]!r} stands twice in the header", expected="every column once"
        )
    column = next((header.index(name) for name in FILE_COLUMNS if name in header), None)
    return None if column is None else (header, column, rows[1:])


def _reconcile(path: Path, named: set[str], files: set[str], folder: Path, findings: Findings) -> None:
    named.discard("")
    own = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    missing = sorted(named - files)
    unnamed = sorted(one for one in files - named - {own} if not is_about(one))
    for paths, words in ((missing, "names files that are not there"), (unnamed, "does not name these files")):
        if paths:
            more = f" and {len(paths) - SHOWN_MAX} more" if len(paths) > SHOWN_MAX else ""
            findings.note(f"{path.name} {words}: {', '.join(one_line(one, 80) for one in paths[:SHOWN_MAX])}{more}")


def is_about(path: str) -> bool:
    """Whether a file is about the dataset and no part of what a sheet lists: a card, a licence text, something hidden."""
    name = path.rpartition("/")[2]
    return (
        path.startswith(".")
        or "/." in path
        or (path == name and (name == "README.md" or bool(LICENSE_NAMES.match(name))))
    )


def _columns(path: Path, header: list[str], rows: list[list[str]], findings: Findings) -> None:
    def values(name: str) -> list[str]:
        if name not in header:
            return []
        at = header.index(name)
        return [row[at].strip() for row in rows if len(row) > at and row[at].strip()]

    licences = sorted({from_label(one) or one for one in (*values("license"), *values("licence"))})
    if len(licences) == 1:
        findings.licensed(licences[0], f"every row of {path.name}")
    elif licences:
        joined = " AND ".join(f"({one})" if " " in one else one for one in licences)
        findings.licensed(joined, f"the rows of {path.name}, which differ")
    days = sorted(filter(None, (_day(one) for one in values("date"))))
    if days:
        findings.found("temporal", {"start": days[0], "end": days[-1]}, f"the dates in {path.name}")
    languages = sorted(
        {one.lower() for one in (*values("language"), *values("lang")) if one.isascii() and 2 <= len(one) <= 3}
    )
    findings.found("inLanguage", languages, path.name)
    made = {one.casefold() for one in values("generation")}
    if made == {"synthetic"} and len(values("generation")) == len(rows):
        findings.found("synthetic", {"share": "1"}, f"every row of {path.name}")


def _day(text: str) -> str:
    try:
        return parse_date(text[:10])
    except MalformedError:
        return ""


def _text_rows(path: Path) -> list[list[str]]:
    text = read_text(path)
    dialect: Any = csv.excel_tab if path.suffix.lower() == ".tsv" else csv.excel
    if "\0" in text:
        raise source_error(path, "the sheet holds NUL characters", expected="text")
    try:
        rows = []
        for row in csv.reader(io.StringIO(text, newline=""), dialect, strict=True):
            rows.append(row)
            if len(rows) > ROWS_MAX:
                raise source_error(path, "the sheet has too many rows", expected=f"at most {ROWS_MAX}")
    except csv.Error as error:
        raise source_error(path, f"the sheet is not {path.suffix[1:]}: {error}") from None
    return [row for row in rows if any(cell.strip() for cell in row)]


def _excel_rows(path: Path) -> list[list[str]]:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise source_error(
            path,
            "reading xlsx needs the extra [documents]",
            expected="pip install 'datasigil[documents]', or a csv file",
        ) from None
    if path.stat().st_size > SOURCE_MAX_BYTES:
        raise source_error(path, "it is too large", expected=f"at most {SOURCE_MAX_BYTES} bytes")
    _refuse_bomb(path)
    try:
        # Formulas are read as such, never their cached results: what a cell shows was computed by whoever saved the file.
        book = load_workbook(path, read_only=True, data_only=False)
        rows = []
        for number, row in enumerate(book.worksheets[0].iter_rows(), 1):
            rows.append([_cell(path, number, one) for one in row[:COLUMNS_MAX]])
            if len(rows) > ROWS_MAX:
                break
        book.close()
    except DatasigilError:
        raise
    except Exception as error:  # noqa: BLE001 - openpyxl lets whatever its XML and zip readers raise through
        raise source_error(path, f"the sheet is not xlsx: {type(error).__name__}") from None
    if len(rows) > ROWS_MAX:
        raise source_error(path, "the sheet has too many rows", expected=f"at most {ROWS_MAX}")
    return [row for row in rows if any(row)]


def _refuse_bomb(path: Path) -> None:
    """Refuse a workbook whose parts are larger than a sheet with a row per file can be; a part never yields more than it declares."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(one.file_size for one in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise source_error(path, f"the sheet is not xlsx: {type(error).__name__}") from None
    if size > UNPACKED_MAX_BYTES:
        raise source_error(
            path,
            "the workbook is too large unpacked",
            expected=f"at most {UNPACKED_MAX_BYTES} bytes",
            found=f"{size} bytes",
        )


def _cell(path: Path, number: int, cell: Any) -> str:
    value = cell.value
    if getattr(cell, "data_type", "") == "f":
        raise source_error(
            path, f"row {number} holds a formula", expected="plain values: what a formula shows depends on who opens it", found=one_line(value, 60)
        )  # fmt: skip
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    return str(value)
