"""A manifest's entries as columns: what a million files cost in memory is their paths and their digests, and little else.

Here: `PathColumn` and `EntryTable`, sequences that make a `str` or a `ManifestEntry` when asked for one, and the RFC 8785
text of many entries at once. As objects, a million entries take 600 MB; as columns, 120 MB. Not here: what an entry
means (`entry`), whether its values are allowed (`manifest_parser`, `paths`).
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from json.encoder import encode_basestring
from operator import add
from typing import Final, NamedTuple, TypeVar, overload

from datasigil.record import dataclass

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

DIGEST_BYTES: Final = 32
BLOCK: Final = 4096
"""entries that are made at once when all of them are gone through."""


@dataclass(frozen=True, slots=True)
class ChunkTree:
    """The Merkle root over a file's 16 MiB chunks; `root` is lowercase hex."""

    count: int
    root: str


class ManifestEntry(NamedTuple):
    """One file: relative path, size in bytes, lowercase hex digests of the whole file, chunk tree from 32 MiB on."""

    path: str
    size: int
    sha256: str
    blake3: str | None = None
    chunks: ChunkTree | None = None


class PathColumn(Sequence[str]):
    """Paths as one run of UTF-8 bytes, each ended by NUL, which no path holds, and the places where they end."""

    __slots__ = ("ends", "text")

    def __init__(self) -> None:
        self.text = bytearray()
        self.ends = array("Q", [0])

    def extend(self, paths: Sequence[str]) -> None:
        """Add paths. Raises: UnicodeEncodeError for one that is not UTF-8; nothing is added then."""
        if not paths:
            return
        together = "\0".join(paths)
        encoded = together.encode("utf-8")
        lengths = map(len, paths if together.isascii() else [path.encode("utf-8") for path in paths])
        before = accumulate(lengths, initial=self.ends.pop())
        self.ends += array("Q", list(map(add, before, range(len(paths) + 1))))  # a byte more for each NUL
        self.text += encoded
        self.text += b"\0"

    def __len__(self) -> int:
        return len(self.ends) - 1

    def ending_in(self, extensions: Sequence[str]) -> list[int]:
        """Return the indexes of the paths that end in one of `extensions`, which are ASCII, in whatever case of letters."""
        alternatives = "|".join(map(re.escape, extensions))
        found = re.finditer(rf"(?:{alternatives})\0".encode(), self.text, re.IGNORECASE)
        return [bisect_left(self.ends, match.end()) - 1 for match in found]

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return [self[number] for number in range(start, stop, step)]
            if stop <= start:
                return []
            return self.text[self.ends[start] : self.ends[stop] - 1].decode("utf-8").split("\0")
        at = range(len(self))[index]
        return self.text[self.ends[at] : self.ends[at + 1] - 1].decode("utf-8")

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self[start : start + BLOCK]


class EntryTable(Sequence[ManifestEntry]):
    """Entries in the order in which they were added; with `blake3`, every one of them has that digest too."""

    __slots__ = ("blake3", "chunks", "paths", "sha256", "sizes")

    def __init__(self, *, blake3: bool) -> None:
        self.paths = PathColumn()
        self.sizes = array("Q")
        self.sha256 = bytearray()
        self.blake3: bytearray | None = bytearray() if blake3 else None
        self.chunks: dict[int, ChunkTree] = {}

    @classmethod
    def of(cls, entries: Iterable[ManifestEntry], digests: Sequence[str]) -> EntryTable:
        """Return `entries` as columns; a table is returned as it is. `digests` says whether they have BLAKE3 digests."""
        if isinstance(entries, EntryTable):
            return entries
        listed = list(entries)
        table = cls(blake3="blake3" in digests)
        table.paths.extend([entry.path for entry in listed])
        table.sizes.extend(entry.size for entry in listed)
        table.sha256 += bytes.fromhex("".join(entry.sha256 for entry in listed))
        if table.blake3 is not None:
            table.blake3 += bytes.fromhex("".join(entry.blake3 or "" for entry in listed))
        table.chunks = {index: entry.chunks for index, entry in enumerate(listed) if entry.chunks is not None}
        return table

    @classmethod
    def blank(cls, paths: PathColumn, sizes: array[int], *, blake3: bool) -> EntryTable:
        """Return a table of files whose digests come later; until then they are zeros."""
        table = cls(blake3=blake3)
        table.paths, table.sizes = paths, sizes
        table.sha256 = bytearray(len(paths) * DIGEST_BYTES)
        table.blake3 = bytearray(len(paths) * DIGEST_BYTES) if blake3 else None
        return table

    def place_digests(self, name: str, indexes: Sequence[int], digests: bytes) -> None:
        """Enter digests, 32 bytes each, for the files at `indexes`, which rise."""
        column = self.sha256 if name == "sha256" else self.blake3
        assert column is not None
        if indexes[-1] - indexes[0] == len(indexes) - 1:
            column[indexes[0] * DIGEST_BYTES : (indexes[-1] + 1) * DIGEST_BYTES] = digests
            return
        for at, index in enumerate(indexes):
            column[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES] = digests[
                at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES
            ]

    def add_hex(
        self, paths: list[str], sizes: list[int], sha256: str, blake3: str, chunks: Iterable[tuple[int, ChunkTree]]
    ) -> None:
        """Add entries whose digests come as one run of hex; `chunks` counts from the first of them."""
        base = len(self)
        self.paths.extend(paths)
        self.sizes.extend(sizes)
        self.sha256 += bytes.fromhex(sha256)
        if self.blake3 is not None:
            self.blake3 += bytes.fromhex(blake3)
        self.chunks.update((base + at, tree) for at, tree in chunks)

    def digest_run(self, name: str, start: int, stop: int) -> bytes:
        """Return the digests `name` of the entries from `start` to `stop`, 32 bytes each."""
        column = self.sha256 if name == "sha256" else self.blake3
        return bytes(column[start * DIGEST_BYTES : stop * DIGEST_BYTES]) if column is not None else b""

    def texts(self, start: int, stop: int) -> list[str]:
        """Return the RFC 8785 text of the entries from `start` to `stop`."""
        stop = min(stop, len(self))
        paths, sizes = self.paths[start:stop], self.sizes[start:stop]
        sha = self.digest_run("sha256", start, stop).hex()
        other = self.digest_run("blake3", start, stop).hex()
        trees = self.chunks
        # encode_basestring escapes exactly what RFC 8785 section 3.2.2.2 escapes and leaves the rest as UTF-8.
        if not trees and other:
            return [
                f'{{"blake3":"{other[at : at + 64]}","path":{encode_basestring(path)},"sha256":"{sha[at : at + 64]}","size":{size}}}'
                for at, path, size in zip(range(0, len(sha), 64), paths, sizes, strict=True)
            ]
        return [
            entry_text(path, size, sha[at : at + 64], other[at : at + 64], trees.get(start + at // 64))
            for at, path, size in zip(range(0, len(sha), 64), paths, sizes, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> ManifestEntry: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ManifestEntry, ...]: ...
    def __getitem__(self, index: int | slice) -> ManifestEntry | tuple[ManifestEntry, ...]:
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return tuple(self._entry(number, self.paths[number]) for number in numbers)
        return self._entry(numbers, self.paths[numbers])

    def __iter__(self) -> Iterator[ManifestEntry]:
        for index, path in enumerate(self.paths):
            yield self._entry(index, path)

    def _entry(self, index: int, path: str) -> ManifestEntry:
        at = slice(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)
        blake3 = self.blake3[at].hex() if self.blake3 is not None else None
        return ManifestEntry(path, self.sizes[index], self.sha256[at].hex(), blake3, self.chunks.get(index))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, EntryTable):
            return all(
                getattr(self, name) == getattr(other, name) for name in ("sizes", "sha256", "blake3", "chunks")
            ) and (self.paths.text == other.paths.text)
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # a sequence that can grow


def entry_text(path: str, size: int, sha256: str, blake3: str | None, chunks: ChunkTree | None) -> str:
    """Return the RFC 8785 text of one entry."""
    tree = f'"chunks":{{"count":{chunks.count},"root":"{chunks.root}"}},' if chunks else ""
    second = f'"blake3":"{blake3}",' if blake3 else ""
    return f'{{{second}{tree}"path":{encode_basestring(path)},"sha256":"{sha256}","size":{size}}}'


class Selection(Sequence[T_co]):
    """Some of a sequence's items, by their indexes; nothing is copied."""

    __slots__ = ("indexes", "items")

    def __init__(self, items: Sequence[T_co], indexes: Sequence[int]) -> None:
        self.items = items
        self.indexes = indexes

    def __len__(self) -> int:
        return len(self.indexes)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | Sequence[T_co]:
        if isinstance(index, slice):
            chosen = self.indexes[index]
            if chosen and chosen[-1] - chosen[0] == len(chosen) - 1:  # rising, so that these are all in between
                return self.items[chosen[0] : chosen[-1] + 1]
            return [self.items[one] for one in chosen]
        return self.items[self.indexes[index]]


def select(items: Sequence[T], indexes: Sequence[int]) -> Sequence[T]:
    """Return the items at `indexes`, which rise; `items` itself when these are all of them."""
    return items if len(indexes) == len(items) else Selection(items, indexes)
