"""Records from the files of a parent: JSON Lines, CSV, TSV, lines with others beside them, documents.

Here: one pass over one input's files, in the recipe's order, each handed out by an opener that gives verified bytes only. Not here:
extraction itself (`documents`), what is done with the records (`steps`). A record is a JSON object; its canonical form is RFC 8785.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from datasigil.canonical import jcs
from datasigil.curation.documents import DocumentPool, Extraction
from datasigil.curation.limits import RECORD_BYTES_MAX
from datasigil.curation.patterns import path_pattern
from datasigil.curation.recipe import Input
from datasigil.curation.sheets import read_sheet, row_of
from datasigil.datasets.finding import Progress
from datasigil.datasets.limits import FIELD_BYTES_MAX
from datasigil.datasets.opening import verified_opener
from datasigil.datasets.paths import display_path, path_problem
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import DatasigilError, MalformedError

if TYPE_CHECKING:
    from pathlib import Path

    from datasigil.credentials.types import Credential
    from datasigil.datasets.entry import Manifest

Record = dict[str, Any]


class Origin(NamedTuple):
    """Where a record was read: the input's name, the file, and which record of it, from 0."""

    input: str
    path: str
    number: int


class Item(NamedTuple):
    """A record on its way, and where it came from."""

    record: Record
    origin: Origin


@dataclass(frozen=True, slots=True)
class Parent:
    """One dataset that goes in: how lineage names it, its files, and an opener of verified bytes."""

    credential: str
    credential_digest: str
    root: str
    files: Mapping[str, int]  # path to size, in the order of the manifest
    open: Callable[[str], BinaryIO]

    @classmethod
    def of(cls, credential: Credential, manifest: Manifest, data: Path) -> Parent:
        """Return a credential's dataset as a parent whose files are opened only as its manifest states them."""
        entries = {entry.path: entry for entry in manifest.entries}
        opened = verified_opener(data)
        return cls(
            credential.id,
            credential.digest,
            manifest.root.hex(),
            {name: one.size for name, one in entries.items()},
            lambda name: opened(entries[name]),
        )

    def reference(self) -> dict[str, str]:
        """Return how a lineage subject names it."""
        return {"credential": self.credential, "credentialDigest": self.credential_digest, "root": self.root}


@dataclass(slots=True)
class Reading:
    """What one input gave: how many records went in, and what became of each document."""

    source: Input
    parent: Parent
    files: int = 0
    records: int = 0
    given: int = 0
    without: int = 0
    extractions: list[dict[str, Any]] = field(default_factory=list)

    def items(self, documents: DocumentPool, progress: Progress | None = None) -> Iterator[Item]:
        """Yield the records of the input's files; `progress` is told the bytes of this input's files that are done.

        Raises:
            MalformedError: CURATION_RECIPE, for a pattern that no file has. DatasigilError: RECORDS, FORMAT, LIMIT, EXTRA_MISSING.
        """
        wanted = self.source.read.get("sheet")
        sheet = None if wanted is None else read_sheet(wanted, self.parent, documents)
        paths = matching_files(self.source, self.parent)
        done, total = 0, sum(self.parent.files[path] for path in paths)
        for path, items in self._by_file(paths, documents):
            self.files += 1
            row = {} if sheet is None else row_of(path, sheet, self.source.read["sheet"]["file"])
            for item in items:
                if taken := row.keys() & item.record.keys():
                    raise _bad(path, f"the column {min(taken)!r} of the sheet is there already", expected="other columns in read.sheet")  # fmt: skip
                yield Item({**item.record, **row}, item.origin) if row else item
            done += self.parent.files[path]
            if progress is not None:
                progress(done, total, path)

    def _by_file(self, paths: tuple[str, ...], documents: DocumentPool) -> Iterator[tuple[str, Iterator[Item]]]:
        """Yield every file with its records, in order."""
        if self.source.read["format"] == "documents":
            for found in documents.read_all(paths, self.parent, self.source.name):
                yield found.path, self._document(found)
        else:
            for path in paths:
                yield path, self._file(path)

    def _file(self, path: str) -> Iterator[Item]:
        for number, record in enumerate(self._rows(path, self.source.read["format"])):
            self.records += 1
            yield Item(self._named(record, path), Origin(self.source.name, path, number))

    def _rows(self, path: str, form: str) -> Iterator[Record]:
        read = {"jsonl": _json_lines, "csv": _table, "tsv": _table, "lines": self._lines}[form]
        return read(path, self.parent)

    def _named(self, record: Record, path: str) -> Record:
        column = self.source.read.get("document")
        if column is None:
            return record
        if column in record:
            raise _bad(
                path, f"the column {column!r} is there already", expected="another name for document in the recipe"
            )
        return {**record, column: self._document_name(path)}

    def _document_name(self, path: str) -> str:
        if self.source.read.get("documentAs", "path") == "path":
            return path
        return _stem(path)

    def _lines(self, path: str, parent: Parent) -> Iterator[Record]:
        """Yield a record for every line that is not blank; files beside it must have as many lines."""
        lines = _text_lines(path, parent)
        beside: dict[str, list[str]] = {}
        for column, pattern in self.source.read.get("beside", {}).items():
            other = _beside(pattern, path, parent)
            beside[column] = _text_lines(other, parent)
            if len(beside[column]) != len(lines):
                raise _bad(other, "it has another number of lines than the file that it stands beside", expected=f"{len(lines)} lines, as {display_path(path)}", found=f"{len(beside[column])} lines")  # fmt: skip
        name = self.source.read.get("text", "text")
        for number, line in enumerate(lines):
            if line.strip():
                yield {name: line, **{column: values[number].strip() for column, values in beside.items()}}

    def _document(self, found: Extraction) -> Iterator[Item]:
        self.records += 1
        path = found.path
        self.extractions.append(found.report())  # never the texts: there may be gigabytes of them
        if found.code and self.source.read.get("onFailure", "record") == "stop":
            raise _bad(path, f"its text cannot be extracted: {found.message}", expected='a readable document, or onFailure = "record"', found=found.code)  # fmt: skip
        texts = list(found.texts(self.source.read.get("per", "document")))
        self.given += len(texts)
        self.without += not texts
        name, column = self.source.read.get("text", "text"), self.source.read.get("document", "document")
        for number, (page, text) in enumerate(texts):
            record: Record = {name: text, column: self._document_name(path)}
            yield Item(record if page is None else {**record, "page": page}, Origin(self.source.name, path, number))


def matching_files(source: Input, parent: Parent) -> tuple[str, ...]:
    """Return the parent's files in the order of the input's patterns, each once; a pattern's own files in path order.

    Raises:
        MalformedError: CURATION_RECIPE.
    """
    found: dict[str, None] = {}
    for number, pattern in enumerate(source.read["files"]):
        if pattern in parent.files:
            found.setdefault(pattern)
            continue
        matched = [path for path in parent.files if path_pattern(pattern).fullmatch(path)]
        if not matched:
            from datasigil.curation.forms import fault

            near = _nearest_file(pattern, tuple(parent.files))
            raise fault(f"inputs {source.name}: read.files[{number}]", "no file of the parent has this name", expected=near, found=pattern)  # fmt: skip
        found.update(dict.fromkeys(matched))
    return tuple(found)


def _nearest_file(pattern: str, files: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(pattern, files[:10_000], 1)
    return f"{display_path(near[0])}?" if near else f"one of {len(files)} files, such as {display_path(files[0])}"


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0] or path.rpartition("/")[2]


def _beside(pattern: str, path: str, parent: Parent) -> str:
    other = pattern.replace("{name}", path.rpartition("/")[2]).replace("{stem}", _stem(path)).replace("{path}", path)
    if path_problem(other) or other not in parent.files:
        raise _bad(path, "the file beside it is not in the parent", expected=display_path(other), found="none")
    return other


def _text_lines(path: str, parent: Parent) -> list[str]:
    with parent.open(path) as file:
        data = file.read()
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise _bad(path, "it is not UTF-8", expected="UTF-8", found=f"byte {error.start}") from None
    if lines and not lines[-1]:
        lines.pop()  # what follows the last line break
    return [line.removesuffix("\r") for line in lines]


def _json_lines(path: str, parent: Parent) -> Iterator[Record]:
    with parent.open(path) as file:
        number = 0
        while line := file.readline(RECORD_BYTES_MAX + 1):
            number += 1
            if not line.strip():
                continue
            try:
                record = parse_json(line.rstrip(b"\r\n"), max_bytes=RECORD_BYTES_MAX, profile=GENERIC)
            except MalformedError as error:
                raise _bad(path, error.message, line=number, expected=error.expected or "one JSON object a line", found=error.found or error.place) from None  # fmt: skip
            if not isinstance(record, dict):
                raise _bad(path, "a record is no object", line=number, expected="one JSON object a line", found=type(record).__name__)  # fmt: skip
            yield record


def _table(path: str, parent: Parent) -> Iterator[Record]:
    before = csv.field_size_limit(FIELD_BYTES_MAX)
    try:
        with parent.open(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, delimiter="\t" if path.lower().endswith(".tsv") else ",", strict=True)
            yield from _named_rows(rows, path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(path, "it is no table", expected="UTF-8 CSV (RFC 4180)", found=str(error)[:200]) from None
    finally:
        csv.field_size_limit(before)


def _named_rows(rows: Any, path: str) -> Iterator[Record]:
    header = next(rows, None)
    if not header or not all(header) or len(set(header)) != len(header):
        raise _bad(path, "its header is not one", line=1, expected="names that differ, none of them empty", found=",".join(header or []))  # fmt: skip
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise _bad(path, "a row has another number of fields than the header", line=rows.line_num, expected=f"{len(header)} fields", found=f"{len(row)} fields")  # fmt: skip
        yield dict(zip(header, row, strict=True))


def record_line(record: Mapping[str, Any], origin: Origin) -> bytes:
    """Return a record's canonical bytes and a line break.

    Raises:
        DatasigilError: RECORDS.
    """
    try:
        return jcs(dict(record)) + b"\n"
    except MalformedError as error:
        raise _bad(origin.path, f"a record has no canonical form: {error.message}", line=origin.number + 1, expected=error.expected) from None  # fmt: skip


def _bad(path: str, message: str, *, line: int = 0, expected: str = "", found: str = "") -> DatasigilError:
    place = display_path(path) + (f": line {line}" if line else "")
    return DatasigilError(
        "RECORDS", message, place=place, expected=expected, found=found[:200],
        next_action="the files are the signed ones: ask their publisher, or leave the file out of the recipe",
    )  # fmt: skip
