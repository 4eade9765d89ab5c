"""The weights of a base model: one safetensors file, or shards that an index names.

Here: which files they are, the agreement of an index with its shards' headers, and one digest for all of them. Not here: the layout of one
file (`safetensors_header`), loading. Form of the index: `model.safetensors.index.json` with `weight_map` (tensor to file), as transformers and
huggingface_hub write it. A single file goes before an index, as in transformers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from datasigil.canonical import document_digest
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import DatasigilError, MalformedError
from training_worker.limits import SAFETENSORS_HEADER_MAX_BYTES, SHARDS_MAX
from training_worker.safetensors_header import check_safetensors

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def weight_files(folder: Path) -> tuple[str, ...]:
    """Return the names of the files that hold a model's weights, sorted; empty where there are none.

    Does not say that a named shard exists.

    Raises:
        MalformedError: WEIGHTS_INDEX, or the JSON parser's codes.
    """
    if (folder / WEIGHTS).is_file():
        return (WEIGHTS,)
    return tuple(sorted(_tensors_by_file(folder))) if (folder / INDEX).is_file() else ()


def check_weights(folder: Path) -> None:
    """Check every weights file's header, and that an index and its shards name the same tensors in the same places; reads no tensor.

    Raises:
        MalformedError: SAFETENSORS, WEIGHTS_INDEX, or the JSON parser's codes.
    """
    names = weight_files(folder)
    headers = {name: {tensor.name for tensor in check_safetensors(folder / name)} for name in names}
    if names == (WEIGHTS,) or not names:
        return
    for name, listed in _tensors_by_file(folder).items():
        if listed != headers[name]:
            only = min(listed ^ headers[name])
            raise _bad(
                f"the tensors of {name}",
                f"{only!r:.80} {'in the index alone' if only in listed else 'in the shard alone'}",
            )


def weights_digest(names: tuple[str, ...], digest_of: Callable[[str], str]) -> str:
    """Return one SHA-256 for a model's weights: the file's own, or of the RFC 8785 object of the shards' names and digests."""
    if len(names) == 1:
        return digest_of(names[0])
    return document_digest({name: digest_of(name) for name in names})


def _tensors_by_file(folder: Path) -> dict[str, set[str]]:
    with (folder / INDEX).open("rb") as file:
        data = file.read(SAFETENSORS_HEADER_MAX_BYTES + 1)
    document = parse_json(data, max_bytes=SAFETENSORS_HEADER_MAX_BYTES, profile=GENERIC)
    placed = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(placed, dict) or not placed:
        raise _bad("an object with weight_map, tensor name to file name", type(document).__name__)
    found: dict[str, set[str]] = defaultdict(set)
    for tensor, name in placed.items():
        # Only names of files beside the index: no folder, no other format.
        if (
            not isinstance(name, str)
            or "/" in name
            or "\\" in name
            or not name.endswith(".safetensors")
            or len(name) > 200
        ):
            raise _bad("a safetensors file beside the index", repr(name)[:80])
        found[name].add(tensor)
    if len(found) > SHARDS_MAX:
        raise _bad(f"at most {SHARDS_MAX} files", str(len(found)))
    return found


def _bad(expected: str, found: str) -> DatasigilError:
    return MalformedError(
        "WEIGHTS_INDEX", "the index of the weights does not fit them; nothing was loaded", place=INDEX, expected=expected, found=found,
        next_action="fetch the base model again, whole and of one revision",
    )  # fmt: skip


__all__ = ["INDEX", "WEIGHTS", "check_weights", "weight_files", "weights_digest"]
