"""Strict reading of manifest v1: closed shape, canonical bytes, path rules, bounds (DESIGN.md section 4).

Here: from bytes, or from a JSON value that a bundle carried, to a `Manifest` that is well formed. Not here: whether the
credential's figures agree (`manifest`) and whether the files do (`files`).

A manifest's bytes are its RFC 8785 form and no other, so the common case needs no JSON parser: entries are picked out by
one pattern, written again, and the result must equal the input byte for byte. Whatever fails that goes to the one strict
parser (`encoding.parse_json`), which explains what is wrong; that path never accepts what the first refused.
"""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from datasigil.datasets.canonical_reader import CanonicalReader
from datasigil.datasets.entry import (
    BOTH_DIGESTS,
    FORMAT_VERSION,
    MANIFEST_TYPE,
    SHA256_ONLY,
    ChunkTree,
    Manifest,
    ManifestEntry,
    chunk_count,
)
from datasigil.datasets.limits import (
    CHUNK_BYTES,
    CHUNKED_FILE_MIN_BYTES,
    ENTRIES_MAX,
    FILE_BYTES_MAX,
    IGNORED_MAX,
    MANIFEST_BYTES_MAX,
    MANIFEST_EXPLAINED_BYTES_MAX,
)
from datasigil.datasets.paths import EVIDENCE_FOLDER, check_ignored, check_paths, is_ignored
from datasigil.datasets.table import EntryTable
from datasigil.encoding import JsonValue, hex_digest, parse_json, pointer_token
from datasigil.errors import DatasigilError, MalformedError
from datasigil.record import dataclass

_REMAKE = "make the manifest again with 'datasigil manifest'"
_MEMBERS = {"type", "formatVersion", "digests", "chunkSize", "ignored", "entries"}
_MEMBERS_OPTIONAL = {"recordCount"}
_ENTRY_MEMBERS = {"path", "size", "sha256"}
_ENTRY_OPTIONAL = {"blake3", "chunks"}
_ENTRY_MARK = b'"sha256":"'  # once in every entry, and never inside a path, where '"' is escaped


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A file that holds a manifest, not read yet: what takes 200 MB on the disk need not stand in memory."""

    path: Path


ManifestSource = bytes | ManifestFile
"""A manifest's bytes, or the file that holds them."""


def parse_manifest(data: ManifestSource) -> Manifest:
    """Parse a manifest's bytes, or a file of them: at most 1 GiB, 5,000,000 entries, RFC 8785 form only.

    A file is read in pieces of 1 MiB and never stands in memory whole.

    Raises: MalformedError LIMIT, PATH, DUP_PATH, COLLISION, MANIFEST_FORM, MANIFEST_VERSION, DIGEST, or a code of
    `encoding.parse_json`; DatasigilError UNREADABLE for a file. Does not check any digest against files.
    """
    if isinstance(data, bytes):
        _check_size(len(data))
        _check_entry_count(data.count(_ENTRY_MARK))
        return _parse_stream(BytesIO(data))
    try:
        with open(data.path, "rb", opener=_open_without_waiting) as stream:
            return _parse_stream(stream)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            f"the manifest cannot be read: {error.strerror}",
            place=str(data.path),
            expected="a readable file",
            next_action="check its permissions",
        ) from None


def _open_without_waiting(path: str, flags: int) -> int:
    """Open for reading; a named pipe, whoever put it there, is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))


def _parse_stream(stream: BinaryIO) -> Manifest:
    manifest = CanonicalReader(stream, _from_members, _check_size, _check_entry_count).read()
    if manifest is None:
        raise _explain(stream)
    check_manifest(manifest)
    return manifest


def _check_size(count: int) -> None:
    if count > MANIFEST_BYTES_MAX:
        raise MalformedError(
            "LIMIT",
            "the manifest is too large",
            expected=f"at most {MANIFEST_BYTES_MAX} bytes",
            found=f"{count} bytes",
            next_action="split the dataset",
        )


def read_manifest(value: JsonValue) -> Manifest:
    """Read a manifest from a JSON value that `encoding.parse_json` produced, such as the one inside a bundle.

    Raises: MalformedError as `parse_manifest`; the spelling of the JSON text is not checked, its canonical form counts.
    """
    manifest = _from_value(value)
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Manifest, *, paths_checked: bool = False) -> None:
    """Refuse a manifest whose values break a rule of the format: bounds, chunk trees, order, paths, ignored paths.

    `paths_checked` says that a sorted walk has been through `check_paths` already.

    Raises: MalformedError LIMIT, PATH, DUP_PATH, COLLISION or MANIFEST_FORM.
    """
    _check_entry_count(len(manifest.entries))
    if not manifest.entries:
        raise _form("it lists no file", "/entries", "at least one entry")
    if manifest.chunk_size != CHUNK_BYTES:
        raise _form("unknown chunk size", "/chunkSize", str(CHUNK_BYTES), str(manifest.chunk_size))
    check_choices(manifest.digests, manifest.ignored)
    _check_entries(manifest)
    if paths_checked:
        return
    entries = manifest.entries
    paths = entries.paths if isinstance(entries, EntryTable) else [entry.path for entry in entries]
    check_paths(paths)
    ignored = manifest.ignored
    before = ""
    # Python compares strings by code point, which is the order of their UTF-8 bytes.
    for index, path in enumerate(paths):
        if before > path:
            raise _form("entries are not sorted", f"/entries/{index}/path", "entries sorted by UTF-8 bytes of the path")
        if is_ignored(path, ignored):
            raise _form("an entry is also ignored", f"/entries/{index}/path", "each path listed or ignored, not both")
        before = path


def _check_entry_count(count: int) -> None:
    if count > ENTRIES_MAX:
        raise MalformedError(
            "LIMIT",
            "the manifest lists too many files",
            place="/entries",
            expected=f"at most {ENTRIES_MAX}",
            found=str(count),
            next_action="pack small files together, or split the dataset",
        )


def check_choices(digests: tuple[str, ...], ignored: Sequence[str]) -> None:
    """Refuse what the maker of a manifest chooses, if the format does not have it: digests and ignored paths.

    Raises: MalformedError MANIFEST_FORM, LIMIT or PATH.
    """
    if digests not in (BOTH_DIGESTS, SHA256_ONLY):
        raise _form("unknown digests", "/digests", '["blake3","sha256"] or ["sha256"]', str(list(digests)))
    if EVIDENCE_FOLDER not in ignored:
        raise _form("the evidence folder is not ignored", "/ignored", f"a list with {EVIDENCE_FOLDER!r}")
    if len(ignored) > IGNORED_MAX:
        raise MalformedError("LIMIT", "too many ignored paths", place="/ignored", expected=f"at most {IGNORED_MAX}")
    if list(ignored) != sorted(set(ignored)):
        raise _form("ignored paths are not sorted and unique", "/ignored", "a sorted list without repetition")
    check_ignored(ignored)


def _check_entries(manifest: Manifest) -> None:
    both = manifest.digests == BOTH_DIGESTS
    table = manifest.entries if isinstance(manifest.entries, EntryTable) else None
    if table is not None and (table.blake3 is not None) is both and not table.chunks:
        large = [index for index, size in enumerate(table.sizes) if size >= CHUNKED_FILE_MIN_BYTES][:1]
    else:
        large = range(len(manifest.entries))  # type: ignore[assignment]  # indexes either way
    for index in large:
        entry = manifest.entries[index]
        if (entry.blake3 is not None) is not both:
            raise _form("the digests differ from those announced", f"/entries/{index}", ", ".join(manifest.digests))
        if entry.size >= CHUNKED_FILE_MIN_BYTES or entry.chunks is not None:
            check_chunk_tree(entry, f"/entries/{index}")
    if manifest.byte_size > FILE_BYTES_MAX:
        raise MalformedError(
            "LIMIT", "the files are too large together", place="/entries", found=f"{manifest.byte_size} bytes"
        )
    if manifest.record_count is not None and not 0 <= manifest.record_count <= FILE_BYTES_MAX:
        raise _form("the record count is out of range", "/recordCount", "an integer within 2^53-1")


def check_chunk_tree(entry: ManifestEntry, place: str) -> None:
    """Refuse an entry whose chunk tree does not fit its size.

    Raises: MalformedError MANIFEST_FORM.
    """
    expected = chunk_count(entry.size) if entry.size >= CHUNKED_FILE_MIN_BYTES else 0
    found = entry.chunks.count if entry.chunks else 0
    if expected != found:
        raise _form("the chunk tree does not fit the size", f"{place}/chunks", f"{expected} chunks", f"{found} chunks")


def _explain(stream: BinaryIO) -> MalformedError:
    """Return (or raise) the reason why bytes that are not canonical are refused."""
    expected = "the RFC 8785 bytes that 'datasigil manifest' writes"
    stream.seek(0)
    data = stream.read(MANIFEST_EXPLAINED_BYTES_MAX + 1)
    if len(data) <= MANIFEST_EXPLAINED_BYTES_MAX:
        check_manifest(_from_value(parse_json(data, max_bytes=MANIFEST_BYTES_MAX)))
    return _form("the text is not in canonical form", "", expected)


# Any JSON value, member by member ------------------------------------------------------------------------------------


def _from_value(value: JsonValue) -> Manifest:
    members = _object(value, "")
    entries = _list(members.get("entries"), "/entries")
    _check_entry_count(len(entries))
    return _from_members(members, tuple(read_entry(entry, f"/entries/{index}") for index, entry in enumerate(entries)))


def _from_members(members: dict[str, Any], entries: Sequence[ManifestEntry]) -> Manifest:
    if members.get("type") != MANIFEST_TYPE:
        raise _form("not a dataset manifest", "/type", MANIFEST_TYPE, str(members.get("type"))[:60])
    if type(members.get("formatVersion")) is not int or members["formatVersion"] != FORMAT_VERSION:
        raise MalformedError(
            "MANIFEST_VERSION",
            "unknown version of the manifest format",
            place="/formatVersion",
            expected=str(FORMAT_VERSION),
            found=str(members.get("formatVersion"))[:60],
            next_action="upgrade datasigil, or ask the publisher for a manifest of this version",
        )
    _closed(members, _MEMBERS, _MEMBERS_OPTIONAL, "")
    return Manifest(
        entries,
        tuple(_text(name, f"/digests/{index}") for index, name in enumerate(_list(members["digests"], "/digests"))),
        tuple(_text(path, f"/ignored/{index}") for index, path in enumerate(_list(members["ignored"], "/ignored"))),
        _count(members["chunkSize"], "/chunkSize"),
        _count(members["recordCount"], "/recordCount") if "recordCount" in members else None,
    )


def read_entry(value: JsonValue, place: str) -> ManifestEntry:
    """Read one entry from a parsed JSON value; its place among others and its path's spelling are not checked.

    Raises: MalformedError MANIFEST_FORM, UNKNOWN_PROPERTY or DIGEST.
    """
    members = _object(value, place)
    _closed(members, _ENTRY_MEMBERS, _ENTRY_OPTIONAL, place)
    return ManifestEntry(
        _text(members["path"], f"{place}/path"),
        _count(members["size"], f"{place}/size"),
        _digest(members["sha256"], f"{place}/sha256"),
        _digest(members["blake3"], f"{place}/blake3") if "blake3" in members else None,
        _chunks(members["chunks"], f"{place}/chunks") if "chunks" in members else None,
    )


def _chunks(value: JsonValue, place: str) -> ChunkTree:
    members = _object(value, place)
    _closed(members, {"count", "root"}, set(), place)
    return ChunkTree(_count(members["count"], f"{place}/count"), _digest(members["root"], f"{place}/root"))


def _closed(members: dict[str, Any], required: set[str], optional: set[str], place: str) -> None:
    unknown = sorted(members.keys() - required - optional)
    if unknown:
        raise MalformedError(
            "UNKNOWN_PROPERTY",
            "the manifest holds a member the format does not know",
            place=f"{place}/{pointer_token(unknown[0])}",
            expected=", ".join(sorted(required | optional)),
            next_action=_REMAKE,
        )
    missing = sorted(required - members.keys())
    if missing:
        raise _form("a member is missing", f"{place}/{missing[0]}", "it to be present")


def _object(value: JsonValue, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _form("wrong type", place, "an object", type(value).__name__)
    return value


def _list(value: JsonValue, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise _form("wrong type", place, "an array", type(value).__name__)
    return value


def _text(value: JsonValue, place: str) -> str:
    if not isinstance(value, str):
        raise _form("wrong type", place, "a string", type(value).__name__)
    return value


def _count(value: JsonValue, place: str) -> int:
    if type(value) is not int or not 0 <= value <= FILE_BYTES_MAX:
        raise _form("wrong type", place, "an integer from 0 to 2^53-1", str(value)[:40])
    return value


def _digest(value: JsonValue, place: str) -> str:
    return hex_digest(value, place=place).hex()


def _form(message: str, place: str, expected: str, found: str = "") -> MalformedError:
    return MalformedError(
        "MANIFEST_FORM",
        f"the manifest is refused: {message}",
        place=place,
        expected=expected,
        found=found,
        next_action=_REMAKE,
    )
