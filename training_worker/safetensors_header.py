"""A strict reader of safetensors headers, run before any library opens a weights file.

Here: the layout rules of safetensors 0.3 (8-byte little-endian header length, JSON header, contiguous tensor data) checked
without mapping or reading tensor data. Not here: loading tensors, digests. Memory stays below twice the header bound
whatever a file claims.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from datasigil.errors import DatasigilError, MalformedError
from training_worker.limits import (
    SAFETENSORS_DIMENSIONS_MAX,
    SAFETENSORS_FILE_MAX_BYTES,
    SAFETENSORS_HEADER_MAX_BYTES,
    SAFETENSORS_TENSORS_MAX,
)

_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
    "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4,
    "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a header; `begin` and `end` are byte offsets in the data section."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def check_safetensors(path: Path) -> tuple[TensorEntry, ...]:
    """Check a safetensors file's header against its size and return its tensors in data order; reads no tensor.

    Raises:
        MalformedError: SAFETENSORS, with what is wrong.
        DatasigilError: UNREADABLE.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > SAFETENSORS_FILE_MAX_BYTES:
                raise _bad(path, f"at most {SAFETENSORS_FILE_MAX_BYTES} bytes", f"{size} bytes")
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(SAFETENSORS_HEADER_MAX_BYTES, size - 8):
                raise _bad(
                    path, f"a header within the file and {SAFETENSORS_HEADER_MAX_BYTES} bytes", f"{length} bytes"
                )
            header = file.read(length)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE", "the weights cannot be read", place=path.name, found=error.strerror or ""
        ) from None
    return parse_safetensors_header(header, size - 8 - length, path)


def parse_safetensors_header(header: bytes, data_bytes: int, path: Path) -> tuple[TensorEntry, ...]:
    """Check a header's JSON against the number of data bytes that follow it.

    Raises:
        MalformedError: SAFETENSORS.
    """
    document = _header_object(header, path)
    document.pop("__metadata__", None)
    if not document or len(document) > SAFETENSORS_TENSORS_MAX:
        raise _bad(path, f"1 to {SAFETENSORS_TENSORS_MAX} tensors", str(len(document)))
    tensors = sorted(
        (_entry(name, value, path) for name, value in document.items()), key=lambda tensor: (tensor.begin, tensor.end)
    )
    offset = 0
    for tensor in tensors:
        # Gaps could hide a second file inside the first; overlaps could show one tensor's bytes as another's.
        if tensor.begin != offset:
            raise _bad(path, f"tensor {tensor.name!r:.60} to begin at {offset}", f"begins at {tensor.begin}")
        offset = tensor.end
    if offset != data_bytes:
        raise _bad(path, f"tensors that fill {data_bytes} data bytes", f"fill {offset}")
    return tuple(tensors)


def _header_object(header: bytes, path: Path) -> dict[str, Any]:
    if not header.startswith(b"{"):
        raise _bad(path, "a header that begins with {", repr(header[:8]))

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise _bad(path, "each name once", "a duplicate key")
        return result

    try:
        document = json.loads(header.decode("utf-8"), object_pairs_hook=unique)
    except MalformedError:
        raise
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise _bad(path, "a JSON header", type(error).__name__) from None
    if not isinstance(document, dict):
        raise _bad(path, "a JSON object", type(document).__name__)
    metadata = document.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _bad(path, "__metadata__ of text values", "something else")
    return document


def _entry(name: str, value: Any, path: Path) -> TensorEntry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _bad(path, "dtype, shape and data_offsets", f"tensor {name!r:.60}")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if dtype not in _BYTES:
        raise _bad(path, "a known dtype", repr(dtype)[:40])
    if not _whole(shape) or len(shape) > SAFETENSORS_DIMENSIONS_MAX:
        raise _bad(path, "a shape of whole numbers", repr(shape)[:60])
    if not _whole(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _bad(path, "two ordered offsets", repr(offsets)[:60])
    size = _BYTES[dtype]
    for extent in shape:
        size *= extent
        if size > SAFETENSORS_FILE_MAX_BYTES:
            raise _bad(path, "a tensor within the file", repr(shape)[:60])
    if size != offsets[1] - offsets[0]:
        raise _bad(path, f"{size} bytes for tensor {name!r:.60}", f"{offsets[1] - offsets[0]} bytes")
    return TensorEntry(name, dtype, tuple(shape), offsets[0], offsets[1])


def _whole(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _bad(path: Path, expected: str, found: str) -> MalformedError:
    return MalformedError(
        "SAFETENSORS",
        "the weights file is not well-formed; it was not loaded",
        place=path.name,
        expected=expected,
        found=found,
    )


def parameter_count(path: Path) -> int:
    """Return the numbers that all tensors of a file hold together.

    Raises: as `check_safetensors`.
    """
    return sum(prod(tensor.shape) for tensor in check_safetensors(path))


__all__ = ["TensorEntry", "check_safetensors", "parameter_count", "parse_safetensors_header"]
