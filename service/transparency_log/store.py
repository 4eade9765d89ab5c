"""The tiles of `datasigil.transparency.tiles` in the database, and a tree to read proofs from.

Lives here: the `TileStore` over a connection, and `ProofReader`, which serves proofs for what was released. Not here:
statements (`repository`) and writing (`writing`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from sqlalchemy import Connection

from datasigil.errors import LogError, MalformedError
from datasigil.merkle import HASH_BYTES
from datasigil.transparency.checkpoint import asserted_time, open_checkpoint
from datasigil.transparency.note import VerifierKey
from datasigil.transparency.proofs import LogProof, ProofText
from datasigil.transparency.tiles import Tile, TileTree
from service.limits import CHECKPOINT_CACHE_ENTRIES
from service.transparency_log.repository import read_tile, write_tiles


class SqlTileStore:
    """Tiles in the table `log_tile`, through whatever connection its one user has open."""

    def __init__(self) -> None:
        self.connection: Connection | None = None

    def read_tile(self, tile: Tile) -> bytes:
        """Return the first `tile.width` hashes of a tile.

        Raises:
            LogError: TILE_MISSING.
        """
        data = read_tile(self._open(), tile.level, tile.index) or b""
        if len(data) < tile.width * HASH_BYTES:
            raise LogError("TILE_MISSING", "the log does not have this tile", place=tile.path)
        return data[: tile.width * HASH_BYTES]

    def write_tiles(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Store tiles in the connection's transaction."""
        write_tiles(self._open(), ((tile.level, tile.index, data) for tile, data in tiles))

    def _open(self) -> Connection:
        if self.connection is None:
            raise RuntimeError("the tile store is used outside a transaction")
        return self.connection


class ProofReader:
    """Audit and consistency paths of a released tree; opened again only when the tree has grown."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store = SqlTileStore()
        self._tree: TileTree | None = None
        self._sizes: OrderedDict[tuple[bytes, tuple[VerifierKey, VerifierKey]], int] = OrderedDict()

    def inclusion(
        self, connection: Connection, index: int, *, size: int, root: bytes, within: int | None = None
    ) -> list[bytes]:
        """The audit path of an entry in the tree of `size`, or of `within` entries of it.

        Raises:
            LogError: INCLUSION, TILE_MISSING or TILE_CORRUPT.
        """
        with self._lock:
            return self._at(connection, size, root).inclusion(index, size if within is None else within)

    def consistency(self, connection: Connection, old_size: int, *, size: int, root: bytes) -> list[bytes]:
        """The proof that the tree of `old_size` is a prefix of the tree of `size`.

        Raises:
            LogError: CONSISTENCY, TILE_MISSING or TILE_CORRUPT.
        """
        with self._lock:
            return self._at(connection, size, root).consistency(old_size, size)

    def own_size(self, note: bytes, keys: tuple[VerifierKey, VerifierKey]) -> int | None:
        """The size of the tree in a checkpoint by a log's key and time key, whose signatures are verified once; None if it is not by them."""
        size = self._sizes.get((note, keys))
        if size is None:
            try:
                opened = open_checkpoint(note, keys[0], keys[1:])
                asserted_time(opened, keys[1])
            except (LogError, MalformedError):
                return None
            size = opened.checkpoint.size
            with self._lock:
                self._sizes[note, keys] = size
                if len(self._sizes) > CHECKPOINT_CACHE_ENTRIES:
                    self._sizes.popitem(last=False)
        return size

    def _at(self, connection: Connection, size: int, root: bytes) -> TileTree:
        self._store.connection = connection
        if self._tree is None or self._tree.size != size:
            self._tree = TileTree.open(self._store, size, root)
        return self._tree


def first_proof(
    connection: Connection,
    proofs: ProofReader,
    index: int,
    keys: tuple[VerifierKey, VerifierKey],
    note: bytes | None,
    *,
    size: int,
    root: bytes,
    last: bytes,
) -> str | None:
    """The tlog-proof under `note`, the first checkpoint that covered an entry, by a log's key and time key; None if there is none before `last`."""
    if note is None or note == last:
        return None
    within = proofs.own_size(note, keys)
    if within is None:  # from before the log's keys were changed, or damaged, which fsck names
        return None
    hashes = proofs.inclusion(connection, index, size=size, root=root, within=within)
    return ProofText.of(LogProof(index, tuple(hashes), note))
