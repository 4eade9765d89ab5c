"""A sheet with one row per file, bound to the files: canonical rows that a credential names by digest, and filters over them.

Here: the rows as signed (JSON Lines, JCS, sorted by path, each with the SHA-256 of its file), reconciling them with the manifest in both
directions, and `datasigil files`. Not here: reading csv and xlsx (`sheet`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha384
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import read_file
from datasigil.canonical import jcs, sha256_hex
from datasigil.datasets.paths import EVIDENCE_FOLDER
from datasigil.datasets.tree import open_tree
from datasigil.datasets.walk import list_tree
from datasigil.encoding import b64_encode, b64url_encode, parse_json
from datasigil.errors import DatasigilError, MalformedError
from publisher_cli.sources import sheet
from publisher_cli.sources.finding import source_error

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from datasigil.datasets.entry import Manifest
    from datasigil.encoding import JsonObject
    from datasigil.report.terminal import Console

SUFFIX = ".files.jsonl"
ROWS_MAX_BYTES = 256 * 1024 * 1024
ROW_MAX_BYTES = 1024 * 1024
_CONDITION = re.compile(r"([^=!<>~]+?)\s*(!=|>=|<=|=|~)\s*(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rows:
    """A sheet's rows by path, and how they fit the files: what it names and is not there, what is there and it does not name."""

    source: str
    columns: tuple[str, ...]
    by_path: dict[str, dict[str, str]]
    dangling: tuple[str, ...]
    unnamed: tuple[str, ...]


def read_rows(path: Path, folder: Path, files: Iterable[str]) -> Rows:
    """Return the rows of a sheet, held against the files of a dataset.

    Raises:
        DatasigilError: SOURCE_FILE, also for a sheet that names no files, or names one twice.
    """
    table = sheet.read_table(path)
    if table is None:
        raise source_error(path, "no column of the sheet names files", expected=", ".join(sheet.FILE_COLUMNS[:4]))
    header, column, rows = table
    known, by_path = set(files), dict[str, dict[str, str]]()
    for number, row in enumerate(rows, 2):
        name = row[column].strip() if len(row) > column else ""
        if not name:
            continue
        if name in by_path:
            raise source_error(
                path,
                f"the sheet names a file twice, again in row {number}",
                expected="one row per file",
                found=name[:120],
            )
        by_path[name] = {
            title: row[at].strip() for at, title in enumerate(header) if title and at != column and len(row) > at and row[at].strip()
        }  # fmt: skip
    own = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    unnamed = sorted(one for one in known - by_path.keys() - {own} if not sheet.is_about(one))
    titles = tuple(title for at, title in enumerate(header) if title and at != column)
    return Rows(path.name, titles, by_path, tuple(sorted(by_path.keys() - known)), tuple(unnamed))


def canonical_rows(rows: Rows, manifest: Manifest) -> bytes:
    """Return the rows of files that are there, one canonical JSON document a line: `{path, sha256, columns}`, sorted by path."""
    digests = {entry.path: entry.sha256 for entry in manifest.entries}
    lines = [
        jcs({"path": path, "sha256": digests[path], "columns": rows.by_path[path]})
        for path in sorted(rows.by_path, key=str.encode)
        if path in digests
    ]
    return b"".join(line + b"\n" for line in lines)


def related_resource(data: bytes) -> JsonObject:
    """Return how a credential names canonical rows: an RFC 6920 name, and the digest that VC 2.0 asks for."""
    name = b64url_encode(bytes.fromhex(sha256_hex(data)))
    return {
        "id": f"ni:///sha-256;{name}",
        "mediaType": "application/jsonlines",
        "digestSRI": f"sha384-{b64_encode(sha384(data).digest())}",
    }


def coverage(rows: Rows) -> list[dict[str, str]]:
    """Return the two measurements that say how sheet and files fit."""
    from publisher_cli.profiling.profile import TOOL, share

    named = len(rows.by_path) - len(rows.dangling)
    method = f"{TOOL}: rows of {rows.source} against the manifest"
    values = {"sheet-coverage": share(named, named + len(rows.unnamed)), "sheet-dangling": str(len(rows.dangling))}
    return [
        {"metric": metric, "value": value, "method": method, "assurance": "computed"}
        for metric, value in values.items()
    ]


# `datasigil files` ----------------------------------------------------------------------------------------------------


def run(given: Namespace, console: Console) -> int:
    """List the files whose rows meet every condition; exit code 1 when there are none."""
    rows = _rows_of(Path(given.data), given.sheet)
    conditions = [_condition(one, rows.columns) for one in given.where]
    found = [
        path
        for path, row in sorted(rows.by_path.items())
        if path not in rows.dangling and all(one.holds(row) for one in conditions)
    ]
    shown = {
        "type": "FileList", "formatVersion": 1, "sheet": rows.source, "columns": list(rows.columns), "files": found,
        "namedAndMissing": list(rows.dangling), "presentAndUnnamed": list(rows.unnamed),
    }  # fmt: skip
    for paths, words in (
        (rows.dangling, "names files that are not there"),
        (rows.unnamed, "does not name these files"),
    ):
        if paths:
            console.say(f"{rows.source} {words}: {', '.join(paths[: sheet.SHOWN_MAX])}")
    from datasigil.datasets.paths import display_path

    console.result(shown, "".join(f"{display_path(one)}\n" for one in found))
    return 0 if found else 1


@dataclass(frozen=True, slots=True)
class _Condition:
    column: str
    operator: str
    value: str

    def holds(self, row: dict[str, str]) -> bool:
        """A file without a value for the column meets no condition, not even `!=`: nobody said."""
        found = row.get(self.column, "")
        if not found:
            return False
        tests = {
            "=": found == self.value, "!=": found != self.value, ">=": found >= self.value, "<=": found <= self.value,
            "~": self.value.casefold() in found.casefold(),
        }  # fmt: skip
        return tests[self.operator]


def _condition(text: str, columns: tuple[str, ...]) -> _Condition:
    match = _CONDITION.match(text)
    column = match[1].strip().casefold() if match is not None else ""
    if match is None or column not in columns:
        raise DatasigilError(
            "USAGE", "this is no condition on a column of the sheet", expected=f"COLUMN=VALUE with = != >= <= ~, columns {', '.join(columns)}",
            found=text[:120], next_action="quote it: --where 'jurisdiction=England and Wales'",
        )  # fmt: skip
    return _Condition(column, match[2], match[3].strip())


def _rows_of(data: Path, named: str | None) -> Rows:
    if data.is_file():
        return _signed_rows(data)
    with open_tree(data) as tree:
        files = list_tree(tree, (EVIDENCE_FOLDER,)).files
    path = Path(named) if named else sheet.sheet_beside(data)
    if path is None:
        raise DatasigilError(
            "NO_SHEET", "there is no sheet with a row per file", place=str(data), expected=f"{', '.join(sheet.NAMES)} as csv, tsv or xlsx",
            next_action="name it with --sheet",
        )  # fmt: skip
    return read_rows(path, data, files)


def _signed_rows(path: Path) -> Rows:
    """Return the rows that `issue` wrote."""
    by_path: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    try:
        for line in read_file(path, ROWS_MAX_BYTES).splitlines():
            row = parse_json(line, max_bytes=ROW_MAX_BYTES)
            by_path[str(row["path"])] = {str(name): str(value) for name, value in row["columns"].items()}
            columns |= dict.fromkeys(by_path[str(row["path"])])
    except (MalformedError, KeyError, TypeError, AttributeError):
        raise source_error(
            path, "these are not the rows that `issue` writes", expected=f"NAME{SUFFIX}, or the dataset's folder"
        ) from None
    return Rows(path.name, tuple(columns), by_path, (), ())
