"""Manifest values: one entry per file, the manifest, their canonical bytes and tree leaves.

Here: the shape of manifest v1 and its bytes under RFC 8785 (JCS), written directly because every manifest of 100,000
files passes through here twice; `tests` hold it against the general `canonical.jcs`.
Not here: entries as columns (`table`), reading a manifest (`manifest_parser`), claims about it (`manifest`), the disk
(`files`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from json.encoder import encode_basestring
from struct import Struct
from typing import Any, Final, Protocol

from datasigil.datasets.limits import CHUNK_BYTES
from datasigil.datasets.paths import EVIDENCE_FOLDER
from datasigil.datasets.table import BLOCK, DIGEST_BYTES, ChunkTree, EntryTable, ManifestEntry, entry_text
from datasigil.merkle import leaf_hash, root_of
from datasigil.record import dataclass

__all__ = [
    "BOTH_DIGESTS",
    "CHUNK_LEAF",
    "FILE_LEAF",
    "FORMAT_VERSION",
    "MANIFEST_TYPE",
    "SHA256_ONLY",
    "ChunkTree",
    "Manifest",
    "ManifestEntry",
    "canonical_parts",
    "chunk_count",
    "chunk_leaf",
    "chunk_tree",
    "entry_bytes",
    "entry_leaf",
    "entry_value",
    "frame",
    "leaves",
    "manifest_value",
]

FILE_LEAF: Final = b"datasigil/file/v1\0"
CHUNK_LEAF: Final = b"datasigil/chunk/v1\0"
MANIFEST_TYPE: Final = "DatasetManifest"
FORMAT_VERSION: Final = 1
BOTH_DIGESTS: Final = ("blake3", "sha256")
SHA256_ONLY: Final = ("sha256",)
_CHUNK = Struct(">QI")


@dataclass(frozen=True)
class Manifest:
    """Every file of a dataset version, sorted by path (UTF-8 bytes); values only, already known to be well formed.

    `entries` is an `EntryTable` when it was read or made by this package; a tuple of entries serves as well.
    """

    entries: Sequence[ManifestEntry]
    digests: tuple[str, ...] = BOTH_DIGESTS
    ignored: tuple[str, ...] = (EVIDENCE_FOLDER,)
    chunk_size: int = CHUNK_BYTES
    record_count: int | None = None

    def with_record_count(self, count: int) -> Manifest:
        """Return this manifest with a number of records, which is no part of the tree."""
        counted = Manifest(self.entries, self.digests, self.ignored, self.chunk_size, count)
        if "root" in self.__dict__:
            counted.__dict__["root"] = self.root
        return counted

    def find(self, path: str) -> ManifestEntry | None:
        """Return the entry of a path, or None; entries are sorted, so that twenty are looked at in a million."""
        entries = self.entries
        if isinstance(entries, EntryTable):
            at = bisect_left(entries.paths, path)
        else:
            at = bisect_left(entries, path, key=lambda entry: entry.path)
        return entries[at] if at < len(entries) and entries[at].path == path else None

    @property
    def file_count(self) -> int:
        """Number of files."""
        return len(self.entries)

    @cached_property
    def byte_size(self) -> int:
        """Sum of the sizes of all files, in bytes."""
        entries = self.entries
        return sum(entries.sizes) if isinstance(entries, EntryTable) else sum(entry.size for entry in entries)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the manifest's canonical bytes, lowercase hex."""
        hasher = sha256()
        for part in canonical_parts(self):
            hasher.update(part)
        return hasher.hexdigest()

    @cached_property
    def root(self) -> bytes:
        """RFC 9162 root over the file leaves, 32 bytes."""
        return root_of(leaves(self))


def entry_bytes(entry: ManifestEntry) -> bytes:
    """Return the RFC 8785 bytes of one entry."""
    return _entry_text(entry).encode("utf-8")


def _entry_text(entry: ManifestEntry) -> str:
    return entry_text(*entry)


def entry_value(entry: ManifestEntry) -> dict[str, Any]:
    """Return the entry as a JSON object."""
    value: dict[str, Any] = {"path": entry.path, "size": entry.size, "sha256": entry.sha256}
    if entry.blake3 is not None:
        value["blake3"] = entry.blake3
    if entry.chunks is not None:
        value["chunks"] = {"count": entry.chunks.count, "root": entry.chunks.root}
    return value


def manifest_value(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as a JSON object, such as a bundle embeds."""
    value: dict[str, Any] = {
        "type": MANIFEST_TYPE,
        "formatVersion": FORMAT_VERSION,
        "digests": list(manifest.digests),
        "chunkSize": manifest.chunk_size,
        "ignored": list(manifest.ignored),
        "entries": [entry_value(entry) for entry in manifest.entries],
    }
    if manifest.record_count is not None:
        value["recordCount"] = manifest.record_count
    return value


def entry_leaf(entry: ManifestEntry) -> bytes:
    """Return the tree leaf of one file: RFC 9162 leaf hash of `datasigil/file/v1` NUL and the entry's JCS bytes."""
    return leaf_hash(FILE_LEAF + entry_bytes(entry))


def leaves(manifest: Manifest) -> Iterator[bytes]:
    """Yield the tree leaf of every file, in order; see `entry_leaf`."""
    for texts in _text_blocks(manifest.entries):
        yield from _leaves_of(texts)


def _leaves_of(texts: Iterable[str]) -> list[bytes]:
    lead = b"\0" + FILE_LEAF  # RFC 9162 section 2.1.1: a leaf's hash begins with a zero byte
    return [sha256(lead + text.encode("utf-8")).digest() for text in texts]


class KnownLeaves(Protocol):
    """Tree leaves that need not be computed."""

    def leaves(self, start: int, stop: int) -> Iterable[tuple[int, bytes]]:
        """Yield runs of known leaves of the entries from `start` to `stop`, each with the index of its first."""

    def root(self, block: int) -> bytes | None:
        """Return the root over a block of `BLOCK` entries (the last may be shorter) all of whose leaves are known, or None."""


class LeafPass:
    """One pass over a manifest's entries that yields their tree leaves, 32 bytes each, in pieces.

    Once all were taken, `digest` and `root` are those of the manifest: the text of every entry, on which all three rest, is
    made once. What `known` knows is taken as it is; `roots` are those over each block.
    """

    def __init__(self, manifest: Manifest, known: KnownLeaves | None) -> None:
        self._manifest = manifest
        self._known = known
        self.digest = ""
        self.roots: list[bytes] = []

    @property
    def root(self) -> bytes:
        """The manifest's root: a block is a whole subtree, since its length is a power of two."""
        return root_of(self.roots)

    def __iter__(self) -> Iterator[bytes]:
        head, tail = frame(self._manifest)
        hasher, lead = sha256(head), ""
        for texts in _text_blocks(self._manifest.entries):
            hasher.update((lead + ",".join(texts)).encode("utf-8"))
            yield self._block(texts)
            lead = ","
        hasher.update(tail)
        self.digest = hasher.hexdigest()

    def _block(self, texts: list[str]) -> bytes:
        """Return the leaves of the next block, and enter its root."""
        start = len(self.roots) * BLOCK
        runs = list(self._known.leaves(start, start + len(texts))) if self._known is not None else []
        root = self._known.root(len(self.roots)) if self._known is not None else None
        if root is not None:
            self.roots.append(root)
            return b"".join(run for _, run in runs)
        found = [b""] * len(texts)
        for first, run in runs:
            some = [run[at : at + DIGEST_BYTES] for at in range(0, len(run), DIGEST_BYTES)]
            found[first - start : first - start + len(some)] = some
        missing = [at for at, leaf in enumerate(found) if not leaf]
        for at, leaf in zip(missing, _leaves_of([texts[at] for at in missing]), strict=True):
            found[at] = leaf
        self.roots.append(root_of(found))
        return b"".join(found)


def _text_blocks(entries: Sequence[ManifestEntry]) -> Iterator[list[str]]:
    for start in range(0, len(entries), BLOCK):
        if isinstance(entries, EntryTable):
            yield entries.texts(start, start + BLOCK)
        else:
            yield [_entry_text(entry) for entry in entries[start : start + BLOCK]]


def chunk_leaf(index: int, length: int, digest: bytes) -> bytes:
    """Return the tree leaf of one chunk: index (u64), length (u32), both big endian, and the chunk's digest."""
    return leaf_hash(CHUNK_LEAF + _CHUNK.pack(index, length) + digest)


def chunk_tree(size: int, digests: Iterable[bytes]) -> ChunkTree:
    """Build the chunk tree of a file of `size` bytes from the digests of its chunks, in order."""
    leaves = [
        chunk_leaf(index, min(CHUNK_BYTES, size - index * CHUNK_BYTES), digest) for index, digest in enumerate(digests)
    ]
    return ChunkTree(len(leaves), root_of(leaves).hex())


def chunk_count(size: int) -> int:
    """Return how many chunks a file of `size` bytes has."""
    return -(-size // CHUNK_BYTES)


def canonical_parts(manifest: Manifest) -> Iterator[bytes]:
    """Yield the RFC 8785 bytes of `manifest` in pieces, so that a large one need not stand in memory twice."""
    head, tail = frame(manifest)
    yield head
    lead = ""
    for texts in _text_blocks(manifest.entries):
        yield (lead + ",".join(texts)).encode("utf-8")
        lead = ","
    yield tail


def frame(manifest: Manifest) -> tuple[bytes, bytes]:
    """Return what stands before the first entry and after the last one in the RFC 8785 bytes of `manifest`."""
    names = ",".join(f'"{name}"' for name in manifest.digests)
    head = f'{{"chunkSize":{manifest.chunk_size},"digests":[{names}],"entries":['
    ignored = ",".join(encode_basestring(path) for path in manifest.ignored)
    count = "" if manifest.record_count is None else f'"recordCount":{manifest.record_count},'
    tail = f'],"formatVersion":{FORMAT_VERSION},"ignored":[{ignored}],{count}"type":"{MANIFEST_TYPE}"}}'
    return head.encode(), tail.encode("utf-8")
