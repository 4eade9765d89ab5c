"""Verified files as Hugging Face datasets; the package `datasets` is imported only here, and is not a dependency.

Lives here: `to_datasets`. Not here: hashing and opening (`VerifiedDataset.open`). Nothing is executed: loading scripts and pickles are not formats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from datasigil.errors import DatasigilError

if TYPE_CHECKING:
    from datasigil.verification.verified import VerifiedDataset

_FORMATS: Final = {".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}


def to_datasets(dataset: VerifiedDataset, *, files: tuple[str, ...] | None = None) -> Any:
    """Return a `datasets.DatasetDict` with one split per csv, jsonl or parquet file (or per file of `files`), read from verified bytes.

    Nothing goes through the package's cache: tables are made in memory from what was just hashed.

    Raises:
        DatasigilError: EXTRA_MISSING, FORMAT.
        ManifestMismatchError: when a file's bytes are no longer the verified ones.
    """
    try:
        from datasets import Dataset, DatasetDict  # type: ignore[import-not-found,unused-ignore]  # optional
    except ImportError:
        raise DatasigilError(
            "EXTRA_MISSING", "the package `datasets` is not installed", next_action="pip install datasets"
        ) from None
    wanted = [path for path in files or dataset.files if path[path.rfind(".") :] in _FORMATS]
    if not wanted:
        raise DatasigilError(
            "FORMAT",
            "no file of this dataset is csv, jsonl or parquet",
            expected=", ".join(_FORMATS),
            found=", ".join(dataset.files[:5]),
        )
    splits: dict[str, str] = {}
    for path in wanted:
        other = splits.setdefault(_split(path), path)
        if other != path:
            raise DatasigilError(
                "FORMAT", "two files would become one split", place=f"{other}, {path}", expected="split names that differ",
                found=_split(path), next_action="load them one by one: to_datasets(files=(PATH,))",
            )  # fmt: skip
    return DatasetDict(
        {
            name: Dataset(_table(dataset, path))
            if path.endswith(".parquet")
            else Dataset.from_list(list(_rows(dataset, path)))
            for name, path in splits.items()
        }
    )


def _split(path: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in path.rpartition(".")[0])


def _table(dataset: VerifiedDataset, path: str) -> Any:
    """Return a Parquet file's table, parsed from the verified bytes in memory."""
    import pyarrow as pa
    from pyarrow import parquet

    with dataset.open(path) as stream:
        data = stream.read()
    try:
        return parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DatasigilError(
            "FORMAT", "a verified file is not what its name says", place=path, expected="Parquet", found=str(error)[:200],
            next_action="tell its publisher, or leave it out: to_datasets(files=(PATH, …))",
        ) from None  # fmt: skip


def _rows(dataset: VerifiedDataset, path: str) -> Any:
    import csv
    import io
    import json

    with dataset.open(path) as stream, io.TextIOWrapper(stream, encoding="utf-8", newline="") as text:
        try:
            if path.endswith(".csv"):
                yield from csv.DictReader(text)
            else:
                yield from (json.loads(line) for line in text if line.strip())
        except (ValueError, RecursionError, csv.Error) as error:
            raise DatasigilError(
                "FORMAT",
                "a verified file is not what its name says",
                place=path,
                expected="UTF-8 csv" if path.endswith(".csv") else "one UTF-8 JSON document a line",
                found=str(error)[:200],
                next_action="tell its publisher, or leave it out: to_datasets(files=(PATH, …))",
            ) from None
