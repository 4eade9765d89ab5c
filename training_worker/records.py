"""Records out of verified bytes: jsonl, csv, Parquet, and pairs of sentence and tag files.

Here: strict parsers from bytes to `Record`, labelled or in turns. Not here: where the bytes come from (`verified_files`), what labels mean
(`labels`), splits. Nothing here opens a file, and nothing skips a line: a record that does not fit stops the run.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from datasigil.datasets.paths import display_path
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import DatasigilError, MalformedError
from training_worker.formats import check_text_format, refuse_code, suffix
from training_worker.limits import CSV_COLUMNS_MAX, RECORD_MAX_BYTES, RECORDS_MAX
from training_worker.parquet_rows import as_jsonl
from training_worker.recipe_sections import Columns, Data
from training_worker.verified_files import VerifiedFiles

PARQUET = ".parquet"
TABLE_SUFFIXES = frozenset({".jsonl", ".csv", PARQUET})
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Record:
    """One text with its tags; `index` counts from 0 within the file, `document` is empty where the data names none.

    `turns` are (role, content) of a record that text is learned from, `text` then all contents, one to a line.
    """

    dataset: int
    path: str
    index: int
    text: str
    tags: tuple[str, ...]
    document: str
    split: str  # train, validation, test, or "" where it is still to be drawn
    turns: tuple[tuple[str, str], ...] = ()


def read_records(files: VerifiedFiles, data: Data, dataset: int) -> list[Record]:
    """Read every record that a recipe names in one dataset.

    Raises:
        DatasigilError: FORMAT, NO_FILE, EMPTY_FILE, LIMIT, SPLIT_OVERLAP, TAG_LINES.
        MalformedError: RECORD or COLUMN, with file and line.
    """
    refuse_code(files.paths)
    records: list[Record] = []
    for path, split in _chosen(files.paths, data):
        records += _read_file(files, data, dataset, path, split)
        if len(records) > RECORDS_MAX:
            raise DatasigilError(
                "LIMIT", "too many records", place=display_path(path), expected=f"at most {RECORDS_MAX}"
            )
    return records


def _chosen(paths: tuple[str, ...], data: Data) -> list[tuple[str, str]]:
    """Return (path, split) of every file the patterns name, in manifest order; a file in two splits is refused."""
    chosen: dict[str, str] = {}
    groups = [(data.files.all, "")] + [(getattr(data.files, name), name) for name in SPLITS]
    for patterns, split in groups:
        for pattern in patterns:
            matches = [path for path in paths if fnmatchcase(path, pattern)]
            if not matches:
                raise DatasigilError(
                    "NO_FILE",
                    "no file of the credentialed dataset fits this pattern",
                    place=pattern,
                    expected="one of " + ", ".join(display_path(path) for path in paths[:8]),
                )
            for path in matches:
                if chosen.setdefault(path, split) != split:
                    raise DatasigilError("SPLIT_OVERLAP", "a file is in two splits", place=display_path(path))
    return [(path, chosen[path]) for path in paths if path in chosen]


def _read_file(files: VerifiedFiles, data: Data, dataset: int, path: str, split: str) -> list[Record]:
    content = _text_content(files.read(path), data.columns, path)
    if data.columns is not None and data.columns.labels is None and suffix(path) in TABLE_SUFFIXES:
        return _read_turns(content, data.columns, dataset, path, split)
    if data.layout == "sentences+tags":
        assert data.tags is not None
        tag_path = f"{data.tags.rstrip('/')}/{path.rpartition('/')[2]}"
        rows = read_sentences(content, files.read(tag_path), path, tag_path)
    elif suffix(path) in {".jsonl", PARQUET}:
        assert data.columns is not None
        rows = read_jsonl(content, data.columns, path)
    elif suffix(path) == ".csv":
        assert data.columns is not None
        rows = read_csv(content, data.columns, path)
    else:
        raise DatasigilError(
            "FORMAT",
            "records are read from jsonl, csv and Parquet",
            place=display_path(path),
            found=suffix(path) or "no suffix",
        )
    records = [Record(dataset, path, index, text, tags, document, split) for index, text, tags, document in rows]
    if not records:
        raise _empty(path)
    return records


def _text_content(content: bytes, columns: Columns | None, path: str) -> bytes:
    """Return a file as the text its reader takes, after its format was sniffed; of Parquet, the recipe's columns as jsonl."""
    if suffix(path) == PARQUET and columns is not None:
        named = (columns.text, columns.labels, columns.prompt, columns.completion, columns.messages, columns.document)
        return as_jsonl(content, list(dict.fromkeys(name for name in named if name)), path)
    check_text_format(path, content)
    return content


def _read_turns(content: bytes, columns: Columns, dataset: int, path: str, split: str) -> list[Record]:
    """Return the records that text is learned from."""
    records = []
    for index, turns, document in read_turns(content, columns, path):
        text = "\n".join(content for _, content in turns)
        records.append(Record(dataset, path, index, text, (), document, split, turns))
    if not records:
        raise _empty(path)
    return records


def _empty(path: str) -> DatasigilError:
    return DatasigilError("EMPTY_FILE", "the file holds no record", place=display_path(path), expected="at least one")


Row = tuple[int, str, tuple[str, ...], str]
Turns = tuple[tuple[str, str], ...]
ROLES = ("system", "user", "assistant")


def json_objects(content: bytes, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (index, object) of a jsonl file; only the last line may be empty.

    Raises:
        MalformedError: RECORD, LIMIT or the JSON parser's codes, with file and line.
    """
    lines = content.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    for index, line in enumerate(lines):
        place = f"{display_path(path)} line {index + 1}"
        try:
            value = parse_json(line, max_bytes=RECORD_MAX_BYTES, profile=GENERIC)
        except MalformedError as error:
            error.place = f"{place} {error.place}".rstrip()
            raise
        if not isinstance(value, dict):
            raise MalformedError("RECORD", "a line is not a JSON object", place=place, found=type(value).__name__)
        yield index, value


def read_jsonl(content: bytes, columns: Columns, path: str) -> Iterator[Row]:
    """Yield the rows of a jsonl file.

    Raises:
        MalformedError: RECORD or COLUMN, with file and line.
    """
    text_column, labels_column = _named(columns)
    for index, value in json_objects(content, path):
        place = f"{display_path(path)} line {index + 1}"
        document = _member(value, columns.document, place) if columns.document else ""
        if type(document) not in (str, int):
            raise _wrong(place, columns.document or "", "text or a whole number", document)
        text = _text(_member(value, text_column, place), place, text_column)
        yield index, text, _tags(_member(value, labels_column, place), place, labels_column), str(document)


def read_turns(content: bytes, columns: Columns, path: str) -> Iterator[tuple[int, Turns, str]]:
    """Yield (index, turns, document) of a jsonl or csv file that text is learned from.

    Raises:
        MalformedError: RECORD, COLUMN or ENCODING, with file and line.
    """
    lines: Iterator[tuple[int, int, dict[str, Any]]]
    if suffix(path) == ".csv":
        lines = csv_rows(content, path)
    else:
        lines = ((index, index + 1, value) for index, value in json_objects(content, path))
    for index, line, value in lines:
        place = f"{display_path(path)} line {line}"
        document = _member(value, columns.document, place) if columns.document else ""
        if type(document) not in (str, int):
            raise _wrong(place, columns.document or "", "text or a whole number", document)
        yield index, _turns(value, columns, place), str(document)


def _turns(value: dict[str, Any], columns: Columns, place: str) -> Turns:
    if columns.messages is not None:
        return _messages(_member(value, columns.messages, place), place, columns.messages)
    named = (("text", columns.text), ("prompt", columns.prompt), ("completion", columns.completion))
    return tuple((role, _text(_member(value, name, place), place, name)) for role, name in named if name is not None)


def _messages(value: object, place: str, column: str) -> Turns:
    """Return a chat's turns: roles system (first only), user, assistant; at least one assistant message, none empty."""
    if not isinstance(value, list) or not value:
        raise _wrong(place, column, "a list of messages", value)
    turns = []
    for number, message in enumerate(value):
        where = f"{place} message {number + 1}"
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise _wrong(where, column, "an object with role and content alone", message)
        if message["role"] not in ROLES or (message["role"] == "system" and number):
            raise _wrong(where, column, "role user or assistant, system in the first message only", message["role"])
        turns.append((str(message["role"]), _text(message["content"], where, f"{column}.content")))
    if "assistant" not in {role for role, _ in turns}:
        raise _wrong(place, column, "at least one assistant message", value)
    return tuple(turns)


def _member(value: dict[str, Any], name: str, place: str) -> Any:
    if name not in value:
        raise MalformedError(
            "COLUMN",
            f"the column {name!r} is missing",
            place=place,
            expected=name,
            found=", ".join(sorted(value))[:200],
        )
    return value[name]


def _text(value: object, place: str, column: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(place, column, "text that is not blank", value)
    return value


def _named(columns: Columns) -> tuple[str, str]:
    """Return the columns of text and labels, which a recipe for classification has."""
    assert columns.text is not None
    assert columns.labels is not None
    return columns.text, columns.labels


def _tags(value: object, place: str, column: str) -> tuple[str, ...]:
    """Return tags as text; a number is its decimal spelling, a list may be empty, null and floats are refused."""
    values = value if isinstance(value, list) else [value]
    tags = []
    for item in values:
        if type(item) is int or (type(item) is str and item.strip()):
            tags.append(str(item).strip())
        else:
            raise _wrong(place, column, "text, a whole number, or a list of these", item)
    if len(set(tags)) != len(tags):
        raise _wrong(place, column, "each label once", value)
    return tuple(tags)


def _wrong(place: str, column: str, expected: str, value: object) -> MalformedError:
    return MalformedError(
        "RECORD", f"the column {column!r} does not fit", place=place, expected=expected, found=repr(value)[:80]
    )


def csv_rows(content: bytes, path: str) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yield (index, line, row) of a csv file with a header (RFC 4180, UTF-8, comma); every row as wide as the header.

    Raises:
        MalformedError: RECORD or ENCODING, with file and line.
    """
    place = display_path(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedError("ENCODING", "the file is not UTF-8", place=f"{place} byte {error.start}") from None
    # The module's bound on a field is global; it is set before every read so that no other user can raise it.
    csv.field_size_limit(RECORD_MAX_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if not header or len(set(header)) != len(header) or len(header) > CSV_COLUMNS_MAX:
            raise MalformedError("RECORD", "the header does not name each column once", place=f"{place} line 1")
        for index, row in enumerate(reader):
            if len(row) != len(header):
                where = f"{place} line {reader.line_num}"
                raise MalformedError(
                    "RECORD",
                    "a row is not as wide as the header",
                    place=where,
                    expected=str(len(header)),
                    found=str(len(row)),
                )
            yield index, reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise MalformedError("RECORD", f"not csv: {error}", place=f"{place} line {reader.line_num}") from None


def read_csv(content: bytes, columns: Columns, path: str) -> Iterator[Row]:
    """Yield the rows of a csv file; an empty labels field means no label only where `separator` is set.

    Raises:
        MalformedError: RECORD, COLUMN or ENCODING, with file and line.
    """
    text_column, labels_column = _named(columns)
    for index, line, row in csv_rows(content, path):
        place = f"{display_path(path)} line {line}"
        text = _text(_member(row, text_column, place), place, text_column)
        field = _member(row, labels_column, place)
        document = _member(row, columns.document, place) if columns.document else ""
        if columns.separator:
            value: object = [part for part in (part.strip() for part in field.split(columns.separator)) if part]
        else:
            value = field
        yield index, text, _tags(value, place, labels_column), document


def read_sentences(sentences: bytes, tags: bytes, path: str, tag_path: str) -> Iterator[Row]:
    """Yield one row per sentence line with the tags on the same line of the tag file; the document is the file's name.

    Blank sentence lines carry no text and are left out; a blank line with a tag is refused.

    Raises:
        DatasigilError: TAG_LINES, when the files do not have the same number of lines.
        MalformedError: RECORD or ENCODING.
    """
    texts, marks = _lines(sentences, path), _lines(tags, tag_path)
    if len(texts) != len(marks):
        raise DatasigilError(
            "TAG_LINES",
            "sentences and tags do not pair up",
            place=f"{display_path(path)} and {display_path(tag_path)}",
            expected=f"{len(texts)} tag lines",
            found=f"{len(marks)}",
        )
    document = path.rpartition("/")[2].rpartition(".")[0]
    for index, (text, mark) in enumerate(zip(texts, marks, strict=True)):
        found = tuple(mark.split())
        if not text.strip():
            if found:
                raise MalformedError(
                    "RECORD", "a blank sentence has tags", place=f"{display_path(path)} line {index + 1}"
                )
            continue
        yield index, text.strip(), tuple(dict.fromkeys(found)), document


def _lines(content: bytes, path: str) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedError(
            "ENCODING", "the file is not UTF-8", place=f"{display_path(path)} byte {error.start}"
        ) from None
    # Only line feeds end a line: sentences may hold U+2028 and form feeds.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[-1]:
        lines.pop()  # what follows the last line feed is no line; a blank tag line is one
    return lines


__all__ = [
    "SPLITS",
    "Record",
    "csv_rows",
    "json_objects",
    "read_csv",
    "read_jsonl",
    "read_records",
    "read_sentences",
    "read_turns",
]
