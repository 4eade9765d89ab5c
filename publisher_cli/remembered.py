"""An earlier run over a folder, as it lies in its file: what of it still holds.

Here: the file's form, and `Remembered`, which compares it with what is there now. Not here: where the file lies, when a file is
too young to be remembered (`hash_cache`).

The file: the columns of `table` and `seen` as they stand in memory, with every file's tree leaf and the roots over blocks of leaves; a
line of JSON with the length and BLAKE3 digest of each column; then that line's own digest and length. What is not as it must be
counts as nothing.
"""

from __future__ import annotations

import json
import os
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from struct import Struct
from typing import Any, Final, NamedTuple

from blake3 import blake3

from datasigil.datasets.entry import LeafPass, Manifest
from datasigil.datasets.seen import Seen
from datasigil.datasets.table import BLOCK, DIGEST_BYTES, ChunkTree, EntryTable, PathColumn
from datasigil.datasets.walk import SignatureTable
from datasigil.record import dataclass

CACHE_BYTES_MAX: Final = 2 * 1024 * 1024 * 1024
"""bytes of one folder's remembered hashes; 5,000,000 files take 900 MB."""
_TYPE: Final = "HashCache"
_VERSION: Final = 2
_SEEN: Final = Seen.COLUMNS
_COLUMNS: Final = ("text", "ends", *_SEEN, "sha256", "blake3", "clean", "leaves", "roots")
_WIDTH: Final = 8  # bytes of a number in a column
_WIDTHS: Final = {name: getattr(Seen(), name).itemsize for name in _SEEN}
_END: Final = Struct("<32sQ")  # BLAKE3 digest of the line of JSON, its length
_COMPARED: Final = 512  # entries that are compared at once, and one by one where one of them differs
# A pipe in place of the file is not waited for; it has no size, and so holds nothing.
_FLAGS: Final = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_BINARY", "O_CLOEXEC", "O_NONBLOCK"))
READ_BYTES: Final = 1 << 20
_Choices = tuple[tuple[str, ...], tuple[str, ...]]  # digests, ignored paths


class _Place(NamedTuple):
    """One column in a file."""

    start: int
    length: int
    digest: str


class CacheFile:
    """A cache file, held open: what was verified is what is read, whoever replaces the file meanwhile."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, _FLAGS)

    def blocks(self, start: int, length: int) -> Iterator[bytes]:
        """Yield the bytes from `start` on; fewer than `length` of them when the file ends before."""
        while length > 0:
            os.lseek(self.descriptor, start, os.SEEK_SET)
            block = os.read(self.descriptor, min(length, READ_BYTES))
            if not block:
                return
            yield block
            start, length = start + len(block), length - len(block)

    def read(self, start: int, length: int) -> bytes:
        """Return some bytes."""
        return b"".join(self.blocks(start, length))

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class _Block:
    """Some entries of an earlier run, in order; `clean` holds 1 for each that may be recognised by its signature."""

    start: int
    paths: list[str]
    signatures: SignatureTable
    digests: Mapping[str, bytes]
    clean: bytes

    def is_run_of(self, paths: PathColumn, found: SignatureTable, now: int) -> bool:
        """Tell whether the files from `now` on are these, all of them clean and unchanged."""
        some = slice(now, now + len(self.paths))
        return all(self.clean) and paths[some] == self.paths and found.run(some) == self.signatures


class Remembered:
    """An earlier run, as it lies in its file; of its columns only what is compared at the moment is in memory."""

    def __init__(self, file: CacheFile, head: Mapping[str, Any], choices: _Choices) -> None:
        self._file = file
        self._head = head
        self._places = _places(head)
        self._choices = choices
        self._count = self._places["clean"].length
        self._chunks = {int(index): ChunkTree(tree[0], tree[1]) for index, tree in head["chunks"].items()}
        self._length = 0  # of the new run
        self._runs: list[tuple[range, int]] = []  # entries of the new run, and where they stood in this one

    def has_paths(self, paths: PathColumn) -> bool:
        """Tell whether the paths of the earlier run were these."""
        return self._is_column("text", paths.text)

    def unchanged(self, paths: PathColumn, found: SignatureTable) -> Manifest | None:
        """Return the manifest of the earlier run when the folder holds exactly its files, all of them clean and unchanged."""
        same = (
            self._head["clean"]
            and self.has_paths(paths)
            and all(self._is_column(name, getattr(found, name)) for name in _SEEN)
        )
        return self._manifest(paths, found) if same else None

    def _is_column(self, name: str, column: bytearray | array[int]) -> bool:
        place = self._places[name]
        with memoryview(column) as whole, whole.cast("B") as view:
            return len(view) == place.length and _digest([view]) == place.digest

    def _manifest(self, paths: PathColumn, found: SignatureTable) -> Manifest | None:
        digests, ignored = self._choices
        table = EntryTable(blake3="blake3" in digests)
        table.paths, table.sizes, table.chunks = paths, found.sizes, self._chunks
        for name in digests:
            column = table.sha256 if name == "sha256" else table.blake3
            assert column is not None
            for block in self._column(name):
                column += block
            if not self._is_column(name, column):
                return None
        manifest = Manifest(table, digests, ignored)
        # What is computed from the columns at need was computed when they were stored.
        manifest.__dict__.update(digest=self._head["manifestDigest"], root=bytes.fromhex(self._head["root"]))
        return manifest

    def take_over(self, table: EntryTable, paths: PathColumn, found: SignatureTable) -> Iterator[range]:
        """Copy into `table` what is known of files that are as they were; yield their indexes, rising, in runs."""
        self._runs.clear()
        if any(_digest(self._column(name)) != self._places[name].digest for name in _COLUMNS):
            return
        now, count = 0, len(paths)
        self._length = count
        for block in self._blocks():
            if block.is_run_of(paths, found, now):
                yield self._copied(table, block, 0, range(now, now + len(block.paths)))
                now += len(block.paths)
                continue
            for at, path in enumerate(block.paths):
                while now < count and paths[now] < path:
                    now += 1
                if now < count and paths[now] == path:
                    if block.clean[at] and block.signatures[at] == found[now]:
                        yield self._copied(table, block, at, range(now, now + 1))
                    now += 1

    def _copied(self, table: EntryTable, block: _Block, at: int, indexes: range) -> range:
        some = slice(at * DIGEST_BYTES, (at + len(indexes)) * DIGEST_BYTES)
        for name, column in block.digests.items():
            table.place_digests(name, indexes, column[some])
        if self._chunks:
            for offset, index in enumerate(indexes, block.start + at):
                if offset in self._chunks:
                    table.chunks[index] = self._chunks[offset]
        if (
            self._runs
            and (last := self._runs[-1])[0].stop == indexes.start
            and last[1] + len(last[0]) == block.start + at
        ):
            self._runs[-1] = (range(last[0].start, indexes.stop), last[1])
        else:
            self._runs.append((indexes, block.start + at))
        return indexes

    def leaves(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Yield runs of the tree leaves of entries that were taken over, each with the index that its first one has now."""
        for indexes, earlier in self._runs[self._first_run(start) :]:
            first, last = max(start, indexes.start), min(stop, indexes.stop)
            if first >= last:
                return
            yield first, self._some("leaves", earlier + first - indexes.start, last - first, DIGEST_BYTES)

    def root(self, block: int) -> bytes | None:
        """Return the root over a block of entries that are those of the same block then, or None."""
        start, stop = block * BLOCK, min(block * BLOCK + BLOCK, self._count)
        at = self._first_run(start)
        if at == len(self._runs):
            return None
        indexes, earlier = self._runs[at]
        whole = stop % BLOCK == 0 or self._length == self._count  # the last block of both runs, if it is shorter
        same = earlier == indexes.start <= start and stop <= indexes.stop and whole
        return self._some("roots", block, 1, DIGEST_BYTES) if same else None

    def _first_run(self, start: int) -> int:
        """Return which of the runs is the first that reaches `start` or beyond."""
        return bisect_right(self._runs, start, key=lambda run: run[0].stop - 1)

    def _blocks(self) -> Iterator[_Block]:
        for start in range(0, self._count, _COMPARED):
            some = min(_COMPARED, self._count - start)
            ends = self._some("ends", start, some + 1, _WIDTH)
            first, last = (int.from_bytes(one, sys.byteorder) for one in (ends[:_WIDTH], ends[-_WIDTH:]))
            text = self._file.read(self._places["text"].start + first, last - first - 1)
            signatures = SignatureTable()
            for name in _SEEN:
                getattr(signatures, name).frombytes(self._some(name, start, some, _WIDTHS[name]))
            digests = {name: self._some(name, start, some, DIGEST_BYTES) for name in self._choices[0]}
            yield _Block(
                start, text.decode("utf-8").split("\0"), signatures, digests, self._some("clean", start, some, 1)
            )

    def _some(self, name: str, start: int, count: int, width: int) -> bytes:
        return self._file.read(self._places[name].start + start * width, count * width)

    def _column(self, name: str) -> Iterator[bytes]:
        return self._file.blocks(self._places[name].start, self._places[name].length)


def encode(
    manifest: Manifest, signatures: SignatureTable, clean: bytearray, before: Remembered | None
) -> Iterator[bytes | memoryview]:
    """Yield a file piece by piece, and enter the manifest's digest and root, which come out of it, into `manifest`."""
    table = EntryTable.of(manifest.entries, manifest.digests)
    stored = (table.paths.text, table.paths.ends, *(getattr(signatures, name) for name in _SEEN),
              table.sha256, table.blake3 if table.blake3 is not None else bytearray(), clean)  # fmt: skip
    columns = []
    for column in stored:
        view = memoryview(column).cast("B") if len(column) else memoryview(b"")  # no copies
        columns.append([len(view), _digest([view])])
        yield view
    leaves = LeafPass(manifest, before)
    hasher = blake3()
    for piece in leaves:
        hasher.update(piece)
        yield piece
    columns.append([len(table) * DIGEST_BYTES, hasher.hexdigest()])
    yield (roots := b"".join(leaves.roots))
    columns.append([len(roots), _digest([roots])])
    manifest.__dict__.update(digest=leaves.digest, root=leaves.root)
    head = {
        "type": _TYPE,
        "formatVersion": _VERSION,
        "byteOrder": sys.byteorder,
        "digests": list(manifest.digests),
        "ignored": list(manifest.ignored),
        "manifestDigest": manifest.digest,
        "root": manifest.root.hex(),
        "chunks": {str(index): [tree.count, tree.root] for index, tree in table.chunks.items()},
        "clean": all(clean),
        "columns": columns,
    }
    line = json.dumps(head, separators=(",", ":")).encode() + b"\n"
    yield line
    yield _END.pack(blake3(line).digest(), len(line))


def opened(file: CacheFile, choices: _Choices) -> Remembered | None:
    """Return the run in a file that is whole and was made with the same choices, else None: the folder is hashed anew."""
    size = os.fstat(file.descriptor).st_size
    if not _END.size < size <= CACHE_BYTES_MAX:
        return None
    digest, length = _END.unpack(file.read(size - _END.size, _END.size))
    at = size - _END.size - length
    if at < 0 or blake3(line := file.read(at, length)).digest() != digest:
        return None
    try:
        head = json.loads(line)
        whole = (
            (head["type"], head["formatVersion"], head["byteOrder"]) == (_TYPE, _VERSION, sys.byteorder)
            and (tuple(head["digests"]), tuple(head["ignored"])) == choices
            and _are_columns(_places(head), at, choices[0])
        )
        return Remembered(file, head, choices) if whole else None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None  # a file of another version


def _places(head: Mapping[str, Any]) -> dict[str, _Place]:
    """Return where each column starts in the file, how many bytes it has, and their digest."""
    places, at = {}, 0
    for name, (length, digest) in zip(_COLUMNS, head["columns"], strict=True):
        if type(length) is not int or length < 0:
            raise ValueError("no length")
        places[name] = _Place(at, length, digest)
        at += length
    return places


def _are_columns(places: Mapping[str, _Place], end: int, digests: Sequence[str]) -> bool:
    """Tell whether the columns are those of one number of files, and fill the file up to `end`."""
    count = places["clean"].length
    widths = {"ends": (count + 1) * _WIDTH, "sha256": count * DIGEST_BYTES, "leaves": count * DIGEST_BYTES}
    widths |= {name: count * width for name, width in _WIDTHS.items()}
    widths["blake3"] = count * DIGEST_BYTES if "blake3" in digests else 0
    widths["roots"] = -(-count // BLOCK) * DIGEST_BYTES
    last = places["roots"]
    return last.start + last.length == end and all(places[name].length == width for name, width in widths.items())


def _digest(pieces: Iterable[bytes | memoryview]) -> str:
    hasher = blake3()
    for piece in pieces:
        hasher.update(piece)
    found: str = hasher.hexdigest()
    return found


__all__ = ["CacheFile", "Remembered", "encode", "opened"]
