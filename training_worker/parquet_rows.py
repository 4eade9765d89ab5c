"""Rows out of a Parquet file that lies verified in memory, in bounded memory whatever the file claims.

Here: format check, the bounds, and rows as plain values. Not here: where the bytes come from (`verified_files`), what columns mean
(`records`). Nothing is mapped, cached or written; pyarrow is imported only when such a file is read (`pip install 'datasigil[parquet]'`).
Format: Apache Parquet 2.11. Dictionary columns stay dictionaries until a few rows are taken out of them: a small file can claim one long
text a million times over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError, MalformedError
from training_worker.limits import CSV_COLUMNS_MAX, PARQUET_TEXT_MAX_BYTES, RECORD_MAX_BYTES, RECORDS_MAX

MAGIC = b"PAR1"
BATCH_ROWS = 32
_FOOTER_STRING_MAX_BYTES = 16 * 1024 * 1024
_FOOTER_ITEMS_MAX = 1_000_000


def parquet_rows(content: bytes, columns: Sequence[str], path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (index, row) with the named columns alone, in file order.

    Raises:
        DatasigilError: FORMAT, EXTRA_MISSING.
        MalformedError: COLUMN, LIMIT or RECORD, with file and row.
    """
    place = display_path(path)
    if content[:4] != MAGIC or content[-4:] != MAGIC or len(content) < 12:
        raise DatasigilError(
            "FORMAT", "the content is not what the file's name says", place=place, expected="Parquet, PAR1 at both ends",
            found=repr(content[:4]) + " … " + repr(content[-4:]),
        )  # fmt: skip
    pa = _pyarrow(place)
    try:
        yield from _rows(content, columns, place)
    except (pa.ArrowException, OSError) as error:
        raise MalformedError(
            "RECORD", f"not a Parquet file that can be read: {str(error)[:160]}", place=place
        ) from None


def as_jsonl(content: bytes, columns: Sequence[str], path: str) -> bytes:
    """Return the named columns of a Parquet file as jsonl, one line per row, so that one strict reader serves both formats.

    Raises:
        DatasigilError: as `parquet_rows`.
        MalformedError: as `parquet_rows`, and RECORD for a value that JSON does not have, such as a date.
    """
    lines = []
    for index, row in parquet_rows(content, columns, path):
        try:
            lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8"))
        except (TypeError, ValueError) as error:
            raise MalformedError(
                "RECORD", "a value is none of text, whole number, list or group of these", place=f"{display_path(path)} row {index + 1}", found=str(error)[:120]
            ) from None  # fmt: skip
    return b"".join(line + b"\n" for line in lines)


def _pyarrow(place: str) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise DatasigilError(
            "EXTRA_MISSING", "reading Parquet needs pyarrow, which is not installed", place=place, next_action="pip install 'datasigil[parquet]'"
        ) from None  # fmt: skip
    return pa


def _rows(content: bytes, columns: Sequence[str], place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    bounds: dict[str, Any] = {"thrift_string_size_limit": _FOOTER_STRING_MAX_BYTES, "thrift_container_size_limit": _FOOTER_ITEMS_MAX}  # fmt: skip
    source = pa.BufferReader(content)
    footer = pq.ParquetFile(source, **bounds)
    _check_shape(footer, columns, place)
    texts = [name for name in columns if footer.schema_arrow.field(name).type in (pa.string(), pa.large_string())]
    file = pq.ParquetFile(source, metadata=footer.metadata, read_dictionary=texts, memory_map=False, pre_buffer=False, **bounds)  # fmt: skip
    index = total = 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns), use_threads=False):
        table = {name: _plain(batch.column(name), name, f"{place} row {index + 1}") for name in columns}
        for number in range(batch.num_rows):
            row = {name: values[number] for name, values in table.items()}
            total += sum(_size(value) for value in row.values())
            if total > PARQUET_TEXT_MAX_BYTES:
                raise _too_much(place, f"at most {PARQUET_TEXT_MAX_BYTES} bytes of text", "more, unpacked")
            yield index, row
            index += 1


def _check_shape(file: Any, columns: Sequence[str], place: str) -> None:
    names = file.schema_arrow.names
    if file.metadata.num_rows > RECORDS_MAX:
        raise _too_much(place, f"at most {RECORDS_MAX} rows", f"{file.metadata.num_rows} rows")
    if len(names) > CSV_COLUMNS_MAX or len(set(names)) != len(names):
        raise MalformedError("RECORD", "the columns are too many, or one is named twice", place=place, found=f"{len(names)} columns")  # fmt: skip
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    unpacked = sum(one.total_uncompressed_size for one in chunks if one.path_in_schema.partition(".")[0] in columns)
    if unpacked > PARQUET_TEXT_MAX_BYTES:
        raise _too_much(
            place, f"at most {PARQUET_TEXT_MAX_BYTES} bytes in the columns that are read", f"{unpacked} bytes"
        )
    for name in columns:
        if name not in names:
            raise MalformedError(
                "COLUMN", f"the column {name!r} is missing", place=place, expected=name, found=", ".join(sorted(names))[:200]
            )  # fmt: skip


def _plain(column: Any, name: str, place: str) -> list[Any]:
    """Return the values of a few rows; the longest text is measured before any is taken out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.dictionary if isinstance(column, pa.DictionaryArray) else column
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        longest = pc.max(pc.binary_length(values)).as_py() or 0
        if longest > RECORD_MAX_BYTES:
            raise _too_much(f"{place} column {name!r}", f"at most {RECORD_MAX_BYTES} bytes in a field", f"{longest} bytes")  # fmt: skip
    elif values.nbytes > RECORD_MAX_BYTES * BATCH_ROWS:
        raise _too_much(f"{place} column {name!r}", f"at most {RECORD_MAX_BYTES} bytes in a field", f"{values.nbytes} bytes in {len(values)} rows")  # fmt: skip
    plain: list[Any] = column.to_pylist()
    return plain


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 8


def _too_much(place: str, expected: str, found: str) -> MalformedError:
    return MalformedError(
        "LIMIT", "the Parquet file unpacks to more than the bound", place=place, expected=expected, found=found,
        next_action="split the dataset into smaller files and issue a new credential",
    )  # fmt: skip


__all__ = ["BATCH_ROWS", "as_jsonl", "parquet_rows"]
