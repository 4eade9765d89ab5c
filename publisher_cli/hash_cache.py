"""What a publisher's earlier run hashed, so that a folder that did not change is looked at and not read again.

Here: `HashCache`, one file per dataset folder in the user's own cache, never in the dataset. A digest counts again only for
the same path with the same inode, size, time of modification and time of change (ctime, which no program can set). A file
that had changed less than `RACY_NS` before it was looked at is never remembered, since a later change could leave the same
time. Not here: any check. Whoever verifies reads every byte: import contracts keep this module out of everything but the
publisher's command line. Whoever can write to the user's cache can change what the user signs, as with the user's keys.

The file: a line of JSON, then the columns of `table` and `walk` as they stand in memory, closed by nothing: the line holds
the length of each and the BLAKE3 digest of them all. A file that is not as it must be counts as no file.
"""

from __future__ import annotations

import json
import os
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from datasigil.datasets.entry import Manifest
from datasigil.datasets.table import DIGEST_BYTES, ChunkTree, EntryTable, PathColumn
from datasigil.datasets.walk import SignatureTable
from datasigil.record import dataclass
from datasigil.transparency.durable import write_durably

CACHE_BYTES_MAX: Final = 2 * 1024 * 1024 * 1024
"""bytes of one folder's remembered hashes; 5,000,000 files take 900 MB."""
RECORDS_BYTES_MAX: Final = 256 * 1024 * 1024
"""bytes of one folder's remembered numbers of records."""
CACHES_KEPT: Final = 64
"""folders whose hashes are remembered; those written longest ago go first."""
RACY_NS: Final = 2_000_000_000
"""nanoseconds; the coarsest clock of a file system in use, that of FAT."""
_TYPE: Final = "HashCache"
_VERSION: Final = 1
_SIGNATURES: Final = ("modified", "changed", "inodes")


@dataclass(frozen=True, slots=True)
class Remembered:
    """An earlier run: its manifest, and by which signatures its files may be recognised; `clean` holds 1 for each that may."""

    manifest: Manifest
    table: EntryTable
    signatures: SignatureTable
    clean: bytearray

    def is_unchanged(self, paths: PathColumn, found: SignatureTable) -> bool:
        """Tell whether the folder holds exactly the files of the earlier run, unchanged."""
        return paths.text == self.table.paths.text and found == self.signatures and all(self.clean)

    def unchanged(self, paths: PathColumn, found: SignatureTable) -> Iterator[tuple[int, int]]:
        """Yield (index now, index then) of every file that may be taken over; both lists of paths are sorted."""
        old = self.table.paths
        columns = [
            (getattr(found, name), getattr(self.signatures, name))
            for name in ("changed", "inodes", "sizes", "modified")
        ]
        then, last = 0, len(old)
        names = iter(old)
        name = next(names, "")
        for now, path in enumerate(paths):
            while then < last and name < path:
                then += 1
                name = next(names, "")
            if then == last:
                return
            if name == path and self.clean[then] and all(new[now] == one[then] for new, one in columns):
                yield now, then


class HashCache:
    """The remembered hashes of one folder, in a file below `folder`; `rehash` forgets what was remembered.

    `note` says in words why nothing was remembered or read, when something stood in the way.
    """

    def __init__(self, folder: Path, dataset: Path, *, rehash: bool = False) -> None:
        real = os.path.realpath(dataset)
        self.note = ""
        self._path = Path(folder) / f"{sha256(os.fsencode(real)).hexdigest()}.hashes"
        self._records = self._path.with_suffix(".records")
        self._rehash = rehash
        inside = os.path.realpath(folder)
        self._usable = not (inside == real or inside.startswith(real.rstrip(os.sep) + os.sep))
        if not self._usable:
            self.note = f"nothing is remembered: the cache {folder} lies inside the dataset"

    def load(self, digests: Sequence[str], ignored: Sequence[str]) -> Remembered | None:
        """Return the earlier run over this folder with the same digests and ignored paths, or None."""
        if self._rehash or not self._usable:
            return None
        try:
            with open(self._path, "rb") as stream:
                if os.fstat(stream.fileno()).st_size > CACHE_BYTES_MAX:
                    return None
                data = stream.read(CACHE_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.note = f"the cache {self._path} cannot be read: {error.strerror}"
            return None
        return _decode(data, tuple(digests), tuple(ignored))

    def store(self, manifest: Manifest, signatures: SignatureTable, started_ns: int) -> None:
        """Remember a run that began at `started_ns` (Unix time); when that fails, `note` says why."""
        if not self._usable:
            return
        table = EntryTable.of(manifest.entries, manifest.digests)
        clean = bytearray(one < started_ns - RACY_NS for one in signatures.changed)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(self._path, _encode(manifest, table, signatures, clean), mode=0o600)
            self._let_go()
        except OSError as error:
            self.note = f"nothing was remembered: {self._path}: {error.strerror}"

    def record_counts(self) -> dict[str, int]:
        """Return the numbers of records that an earlier run counted, by `records.record_key`."""
        if self._rehash or not self._usable:
            return {}
        try:
            with open(self._records, "rb") as stream:
                found = json.loads(stream.read(RECORDS_BYTES_MAX))
        except (OSError, ValueError):
            return {}  # nothing counted yet, or a damaged file: the tables are counted again
        is_whole = isinstance(found, dict) and all(type(count) is int and count >= 0 for count in found.values())
        return found if is_whole else {}

    def remember_records(self, counts: Mapping[str, int]) -> None:
        """Remember numbers of records, by `records.record_key`; when that fails, `note` says why."""
        if not self._usable or not counts:
            return
        text = json.dumps(dict(counts), separators=(",", ":")).encode()
        try:
            if len(text) <= RECORDS_BYTES_MAX:
                write_durably(self._records, text, mode=0o600)
        except OSError as error:
            self.note = f"nothing was remembered: {self._records}: {error.strerror}"

    def _let_go(self) -> None:
        """Remove the caches that were written longest ago, so that they never fill a disk."""
        caches = sorted(self._path.parent.glob("*.hashes"), key=lambda one: one.stat().st_mtime_ns)
        for path in caches[:-CACHES_KEPT]:
            path.unlink(missing_ok=True)
            path.with_suffix(".records").unlink(missing_ok=True)


def _encode(manifest: Manifest, table: EntryTable, signatures: SignatureTable, clean: bytearray) -> Iterator[bytes]:
    from blake3 import blake3

    columns: list[bytes | bytearray] = [table.paths.text, table.paths.ends.tobytes(), table.sizes.tobytes()]
    columns += [getattr(signatures, name).tobytes() for name in _SIGNATURES]
    columns += [table.sha256, table.blake3 or b"", clean]
    hasher = blake3()
    for column in columns:
        hasher.update(column)
    head = {
        "type": _TYPE,
        "formatVersion": _VERSION,
        "byteOrder": sys.byteorder,
        "digests": list(manifest.digests),
        "ignored": list(manifest.ignored),
        "manifestDigest": manifest.digest,
        "root": manifest.root.hex(),
        "chunks": {str(index): [tree.count, tree.root] for index, tree in table.chunks.items()},
        "lengths": [len(column) for column in columns],
        "blake3": hasher.hexdigest(),
    }
    yield json.dumps(head, separators=(",", ":")).encode() + b"\n"
    for column in columns:
        yield bytes(column)


def _decode(data: bytes, digests: tuple[str, ...], ignored: tuple[str, ...]) -> Remembered | None:
    line, _, body = memoryview(data).tobytes().partition(b"\n") if len(data) < 1 << 16 else _split(data)
    try:
        head = json.loads(line)
        if not _fits(head, digests, ignored, body):
            return None
        return _remembered(head, body, digests, ignored)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None  # a file of another version, or a damaged one: the folder is hashed anew


def _split(data: bytes) -> tuple[bytes, bytes, memoryview]:
    at = data.index(b"\n")
    return data[:at], b"\n", memoryview(data)[at + 1 :]


def _fits(head: Any, digests: tuple[str, ...], ignored: tuple[str, ...], body: bytes | memoryview) -> bool:
    from blake3 import blake3

    return (
        (head["type"], head["formatVersion"], head["byteOrder"]) == (_TYPE, _VERSION, sys.byteorder)
        and (tuple(head["digests"]), tuple(head["ignored"])) == (digests, ignored)
        and sum(head["lengths"]) == len(body)
        and blake3(body).hexdigest() == head["blake3"]
    )


def _remembered(
    head: Any, body: bytes | memoryview, digests: tuple[str, ...], ignored: tuple[str, ...]
) -> Remembered | None:
    columns: list[bytes | memoryview] = []
    at = 0
    for length in head["lengths"]:
        columns.append(body[at : at + length])
        at += length
    text, ends, sizes, *rest = columns
    table, signatures = EntryTable(blake3="blake3" in digests), SignatureTable()
    table.paths.text += text
    table.paths.ends = _array("Q", ends)
    table.sizes = signatures.sizes = _array("Q", sizes)
    signatures.modified, signatures.changed = _array("q", rest[0]), _array("q", rest[1])
    signatures.inodes = _array("Q", rest[2])
    table.sha256 += rest[3]
    if table.blake3 is not None:
        table.blake3 += rest[4]
    clean = bytearray(rest[5])
    count = len(table)
    columns_fit = all(len(getattr(signatures, name)) == count for name in _SIGNATURES) and len(clean) == count
    if not columns_fit or len(table.paths) != count or len(table.sha256) != count * DIGEST_BYTES:
        return None
    table.chunks = {int(index): ChunkTree(tree[0], tree[1]) for index, tree in head["chunks"].items()}
    manifest = Manifest(table, digests, ignored)
    # What is computed from the columns at need was computed when they were stored.
    manifest.__dict__.update(digest=head["manifestDigest"], root=bytes.fromhex(head["root"]))
    return Remembered(manifest, table, signatures, clean)


def _array(kind: str, data: bytes | memoryview) -> array[int]:
    column: array[int] = array(kind)
    column.frombytes(data)
    return column


__all__ = ["RACY_NS", "HashCache", "Remembered"]
