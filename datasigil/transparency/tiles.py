"""The log's tree as C2SP tiles: appending, roots and proofs in O(log n) for any tree size.

Here: a tree whose right edge lives in memory and whose full tiles lie in a `TileStore`. Every tile read back is hashed and
compared with its parent up to the root that was opened, so that a flipped bit or a lying mirror is found before anything is
proved or signed (Yeti 2022; CVE-2026-56865). Not here: databases and HTTP (the caller's stores), coordinates and
paths (`tile_paths`), checkpoints (`checkpoint`).
Spec: C2SP tlog-tiles as of 5ba5ee8 (2026-07-22), RFC 9162 section 2.1.

A tree is used by one thread at a time. After `prepare`, nothing has changed yet: the writer stores tiles, rows and the signed
checkpoint in one transaction, and calls `commit` when that has succeeded.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from datasigil.errors import LogError
from datasigil.limits import TILE_HEIGHT, TILE_WIDTH
from datasigil.merkle import HASH_BYTES, node_hash
from datasigil.record import dataclass
from datasigil.transparency.checkpoint import EMPTY_ROOT
from datasigil.transparency.tile_paths import ENTRIES_LEVEL, Tile, parse_tile_path, tiles_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EXPANDED_TILES_MAX: Final = 4096
"""Full tiles kept expanded, 16 KiB each, so that proofs over the last million entries hash nothing again."""


class TileStore(Protocol):
    """Where tiles lie: a database table keyed by (level, index), a folder, a log's URL."""

    def read_tile(self, tile: Tile) -> bytes:
        """Return exactly `tile.width` hashes (32 bytes each), the first ones of that tile.

        Raises:
            LogError: TILE_MISSING, when it has fewer.
        """

    def write_tiles(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Store tiles; a wider one replaces a narrower one of the same level and index, all in one transaction."""


class MemoryTileStore:
    """Tiles in a dictionary, for tests and for building static files."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}

    def read_tile(self, tile: Tile) -> bytes:
        """Return the first `tile.width` hashes of the tile."""
        data = self.tiles.get((tile.level, tile.index), b"")
        if len(data) < tile.width * HASH_BYTES:
            raise LogError("TILE_MISSING", "the log does not have this tile", place=tile.path)
        return data[: tile.width * HASH_BYTES]

    def write_tiles(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Store tiles."""
        for tile, data in tiles:
            self.tiles[tile.level, tile.index] = data


@dataclass(frozen=True, slots=True)
class Append:
    """A batch ready to be stored: the tree it leads to, and every tile that is new or wider than before."""

    first_index: int
    size: int
    root: bytes
    tiles: tuple[tuple[Tile, bytes], ...]
    edge: tuple[list[bytes], ...]


class TileTree:
    """An RFC 9162 tree over tiles; `size` and `root` describe what has been committed."""

    def __init__(self, store: TileStore) -> None:
        self.store = store
        self.size = 0
        # _edge[h] holds the nodes of height h inside the rightmost, not yet full tile of level h // 8.
        self._edge: list[list[bytes]] = []
        self._expanded: OrderedDict[tuple[int, int], tuple[bytes, ...]] = OrderedDict()

    @classmethod
    def open(cls, store: TileStore, size: int, root: bytes) -> TileTree:
        """Return the tree of a signed checkpoint, reading only its right edge (at most one tile a level).

        Raises:
            LogError: TILE_MISSING; TILE_CORRUPT, when the tiles do not hash to `root`.
        """
        tree = cls(store)
        level, count = 0, size
        while count:
            width = count % TILE_WIDTH
            data = _read(store, Tile(level, count // TILE_WIDTH, width)) if width else b""
            tree._edge.extend(_rows(data)[:TILE_HEIGHT])
            level, count = level + 1, count // TILE_WIDTH
        tree.size = size
        if tree.root != root:
            raise _corrupt("right edge", f"the root {root.hex()} of the signed checkpoint", tree.root.hex())
        return tree

    @property
    def root(self) -> bytes:
        """The 32-byte root; of the empty tree, SHA-256 of nothing (RFC 9162 section 2.1.1)."""
        return _edge_root(self._edge, self.size)

    def append(self, leaf_hashes: Sequence[bytes]) -> Append:
        """Append leaf hashes, store the tiles and commit: `prepare`, `write_tiles` and `commit` in one."""
        batch = self.prepare(leaf_hashes)
        self.store.write_tiles(batch.tiles)
        self.commit(batch)
        return batch

    def prepare(self, leaf_hashes: Sequence[bytes]) -> Append:
        """Return what appending 32-byte leaf hashes leads to, amortised one hash per leaf; changes nothing yet."""
        edge, size = [row.copy() for row in self._edge], self.size
        full: list[tuple[Tile, bytes]] = []
        for leaf in leaf_hashes:
            if len(leaf) != HASH_BYTES:
                raise LogError(
                    "LEAF_HASH", "a leaf hash has the wrong length", expected="32 bytes", found=f"{len(leaf)} bytes"
                )
            _push(edge, size, leaf, full)
            size += 1
        return Append(
            self.size, size, _edge_root(edge, size), (*full, *_partial_tiles(edge, size, self.size)), tuple(edge)
        )

    def commit(self, batch: Append) -> None:
        """Make a prepared and stored batch the tree's state.

        Raises:
            LogError: TREE_MOVED, when another batch was committed since `prepare`.
        """
        if batch.first_index != self.size:
            raise LogError(
                "TREE_MOVED",
                "the tree grew since this batch was prepared",
                expected=str(batch.first_index),
                found=str(self.size),
            )
        self._edge, self.size = list(batch.edge), batch.size

    def root_at(self, size: int) -> bytes:
        """Return the root of the tree's first `size` leaves.

        Raises:
            LogError: TREE_SIZE, TILE_MISSING or TILE_CORRUPT.
        """
        self._check_size(size)
        return self._range(0, size) if size else EMPTY_ROOT

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash at `index`.

        Raises:
            LogError: INCLUSION, TILE_MISSING or TILE_CORRUPT.
        """
        if not 0 <= index < self.size:
            raise LogError(
                "INCLUSION", "the index lies outside the tree", expected=f"below {self.size}", found=str(index)
            )
        return self._node(0, index)

    def leaves(self, index: int) -> bytes:
        """Return the leaf hashes of the level-0 tile at `index`, one after the other; fewer than 256 at the right edge.

        Raises:
            LogError: INCLUSION, TILE_MISSING or TILE_CORRUPT.
        """
        if not 0 <= index * TILE_WIDTH < self.size:
            raise LogError(
                "INCLUSION", "the tile lies outside the tree", expected=f"{self.size} leaves", found=f"tile {index}"
            )
        if index == self.size // TILE_WIDTH:
            return b"".join(self._edge[0])
        return self._tile_rows(0, index)[0]

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the audit path, leaf to root, of a leaf in the tree's first `size` leaves (RFC 9162 section 2.1.3).

        Raises:
            LogError: INCLUSION, TREE_SIZE, TILE_MISSING or TILE_CORRUPT.
        """
        size = self.size if size is None else size
        self._check_size(size)
        if not 0 <= index < size:
            raise LogError("INCLUSION", "the index lies outside the tree", expected=f"below {size}", found=str(index))
        path: list[bytes] = []
        height, node, last = 0, index, size - 1
        while last:  # from the leaf up: `node` holds it, `last` is the rightmost of its height
            if node & 1:
                path.append(self._node(height, node - 1))
            elif node < last:
                end = (node + 2) << height
                whole = end <= size
                path.append(self._node(height, node + 1) if whole else self._range(end - (1 << height), size))
            height, node, last = height + 1, node >> 1, last >> 1
        return path

    def consistency(self, old_size: int, size: int | None = None) -> list[bytes]:
        """Return the proof that the first `old_size` leaves are a prefix of the first `size` (RFC 9162 section 2.1.4).

        Raises:
            LogError: CONSISTENCY, TREE_SIZE, TILE_MISSING or TILE_CORRUPT.
        """
        size = self.size if size is None else size
        self._check_size(size)
        if not 0 < old_size <= size:
            raise LogError(
                "CONSISTENCY", "the old size lies outside the tree", expected=f"1..{size}", found=str(old_size)
            )
        path: list[bytes] = []
        start, end, whole = 0, size, True
        while end != old_size:
            middle = start + _split(end - start)
            if old_size <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start, whole = middle, False
        if not whole:
            path.append(self._range(start, end))
        return path[::-1]

    def check(self) -> None:
        """Hash every tile again from level 0 to the root; O(n), for `fsck`.

        Raises:
            LogError: TILE_MISSING or TILE_CORRUPT, naming the first tile that is wrong.
        """
        level, count = 0, self.size
        while count:
            for index in range(count // TILE_WIDTH):
                self._load(level, index)
            level, count = level + 1, count // TILE_WIDTH
        TileTree.open(self.store, self.size, self.root)

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise LogError(
                "TREE_SIZE", "the log has not reached this size", expected=f"at most {self.size}", found=str(size)
            )

    def _range(self, start: int, end: int) -> bytes:
        """Return the root over leaves [start, end), where `start` is aligned as RFC 9162 splits are."""
        peaks = []
        while start < end:
            height = (end - start).bit_length() - 1
            peaks.append(self._node(height, start >> height))
            start += 1 << height
        return _fold(peaks)

    def _node(self, height: int, index: int) -> bytes:
        """Return the root of the perfect subtree over leaves [index << height, (index + 1) << height)."""
        level, inside = divmod(height, TILE_HEIGHT)
        bits = TILE_HEIGHT - inside
        tile, position = index >> bits, index & ((1 << bits) - 1)
        if tile == self.size >> ((level + 1) * TILE_HEIGHT):
            return self._edge[height][position]
        row = self._tile_rows(level, tile)[inside]
        return row[position * HASH_BYTES : (position + 1) * HASH_BYTES]

    def _tile_rows(self, level: int, index: int) -> tuple[bytes, ...]:
        rows = self._expanded.get((level, index))
        if rows is not None:
            self._expanded.move_to_end((level, index))
            return rows
        rows = self._load(level, index)
        self._expanded[level, index] = rows
        if len(self._expanded) > EXPANDED_TILES_MAX:
            self._expanded.popitem(last=False)
        return rows

    def _load(self, level: int, index: int) -> tuple[bytes, ...]:
        """Read and expand a full tile, and hold it to its parent's hash."""
        tile = Tile(level, index)
        rows = _rows(_read(self.store, tile))
        expected = self._node((level + 1) * TILE_HEIGHT, index)
        if rows[TILE_HEIGHT] != [expected]:
            raise _corrupt(tile.path, expected.hex(), rows[TILE_HEIGHT][0].hex())
        return tuple(b"".join(row) for row in rows)


def _push(edge: list[list[bytes]], size: int, leaf: bytes, full: list[tuple[Tile, bytes]]) -> None:
    """Add one leaf to the right edge of a tree of `size`, moving tiles that become full to `full`."""
    node, height, index = leaf, 0, size
    while True:
        if height == len(edge):
            edge.extend([] for _ in range(TILE_HEIGHT))
        row = edge[height]
        row.append(node)
        if not index & 1:
            return
        node = node_hash(row[-2], row[-1])
        height, index = height + 1, index >> 1
        if height % TILE_HEIGHT == 0:
            if len(edge[height - TILE_HEIGHT]) < TILE_WIDTH:
                raise AssertionError("a tile is closed before it is full")
            full.append((Tile(height // TILE_HEIGHT - 1, index), b"".join(edge[height - TILE_HEIGHT])))
            for below in range(height - TILE_HEIGHT, height):
                edge[below] = []


def _partial_tiles(edge: Sequence[list[bytes]], size: int, before: int) -> list[tuple[Tile, bytes]]:
    """Return the right edge's tiles that grew since the tree had `before` leaves."""
    tiles, level = [], 0
    while size:
        index, width = divmod(size, TILE_WIDTH)
        if width and size != before:
            tiles.append((Tile(level, index, width), b"".join(edge[level * TILE_HEIGHT])))
        level, size, before = level + 1, size // TILE_WIDTH, before // TILE_WIDTH
    return tiles


def _rows(data: bytes) -> list[list[bytes]]:
    """Return the nodes of heights 0..8 that lie wholly inside a tile."""
    row = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
    rows = [row]
    for _ in range(TILE_HEIGHT):
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row) - 1, 2)]
        rows.append(row)
    return rows


def _edge_root(edge: Sequence[list[bytes]], size: int) -> bytes:
    if not size:
        return EMPTY_ROOT
    return _fold([row[-1] for height, row in reversed(list(enumerate(edge))) if size >> height & 1])


def _fold(peaks: Sequence[bytes]) -> bytes:
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _read(store: TileStore, tile: Tile) -> bytes:
    data = store.read_tile(tile)
    if len(data) != tile.width * HASH_BYTES:
        raise _corrupt(tile.path, f"{tile.width * HASH_BYTES} bytes", f"{len(data)} bytes")
    return data


def _corrupt(place: str, expected: str, found: str) -> LogError:
    return LogError(
        "TILE_CORRUPT",
        "a tile of the log does not hash to what was signed",
        place=place,
        expected=expected,
        found=found,
        next_action="stop signing, run `python -m service fsck`, restore the tile from a mirror",
    )


__all__ = [
    "ENTRIES_LEVEL",
    "Append",
    "MemoryTileStore",
    "Tile",
    "TileStore",
    "TileTree",
    "parse_tile_path",
    "tiles_of",
]
