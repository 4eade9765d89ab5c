"""A static site's log: C2SP tlog-tiles as files below `log/`, extended and signed on the publisher's machine.

Here: tiles and entry bundles as files, appending, signing a checkpoint, and refusing to sign what contradicts an earlier signature.
Not here: tree hashing (`datasigil.transparency.tiles`), what is logged (`folder`). Spec: C2SP tlog-tiles as of 5ba5ee8 (2026-07-22).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from datasigil.bundle import read_file
from datasigil.canonical import jcs
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, LogError, MalformedError
from datasigil.limits import CHECKPOINT_MAX_BYTES, TILE_WIDTH
from datasigil.merkle import leaf_hash
from datasigil.transparency.checkpoint import (
    EMPTY_ROOT,
    Checkpoint,
    add_signatures,
    cosign_checkpoint,
    open_checkpoint,
    sign_checkpoint,
)
from datasigil.transparency.durable import write_durably
from datasigil.transparency.entry import ENTRY_MAX_BYTES, entry_bundle, parse_entry_bundle
from datasigil.transparency.proofs import LogProof
from datasigil.transparency.tiles import ENTRIES_LEVEL, Tile, TileTree
from publisher_cli import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from datasigil.signing import LocalSigner
    from datasigil.transparency.note import VerifierKey

CHECKPOINT = "checkpoint"
TILE_MAX_BYTES = TILE_WIDTH * (ENTRY_MAX_BYTES + 2)
MARK_MAX_BYTES = 4096


class FolderTiles:
    """A `TileStore` of files; partial tiles of earlier sizes stay, so that a reader of a cached checkpoint still finds its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_tile(self, tile: Tile) -> bytes:
        """Return a tile's bytes.

        Raises:
            LogError: TILE_MISSING.
        """
        try:
            return read_file(self.folder / tile.path, TILE_MAX_BYTES)
        except OSError as error:
            raise LogError(
                "TILE_MISSING", f"a tile of the site's log cannot be read: {error.strerror}", place=str(self.folder / tile.path),
                next_action="restore the site's folder from its repository or backup",
            ) from None  # fmt: skip

    def write_tiles(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Write tiles, each in one durable step."""
        for tile, data in tiles:
            path = self.folder / tile.path
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, data)


class SiteLog:
    """The log in a site's folder; opening it holds every stored entry against the tree that was signed."""

    def __init__(self, folder: Path, keys: tuple[VerifierKey, VerifierKey]) -> None:
        self.folder, self.keys = folder, keys
        self.store = FolderTiles(folder)
        self.tree = TileTree(self.store)
        self.entries: list[bytes] = []
        self.note = b""

    @classmethod
    def open(cls, folder: Path, keys: tuple[VerifierKey, VerifierKey]) -> SiteLog:
        """Return the log as it was last signed, empty when there is none yet.

        Raises:
            LogError: ROLLBACK, TILE_MISSING, TILE_CORRUPT, ENTRY_CORRUPT, CHECKPOINT; MalformedError: CHECKPOINT, ENTRY_BUNDLE.
        """
        log = cls(folder, keys)
        path = folder / CHECKPOINT
        if path.is_file():
            log.note = read_file(path, CHECKPOINT_MAX_BYTES)
            head = open_checkpoint(log.note, keys[0], [keys[1]], allow_empty=True).checkpoint
            log.tree = TileTree.open(log.store, head.size, head.root)
            log.entries = log._read_entries(head.size)
        log._hold_against_mark()
        return log

    def append(self, entries: Sequence[bytes]) -> int:
        """Store more entries and return the index of the first; nothing is signed yet."""
        if not entries:
            return self.tree.size
        batch = self.tree.prepare([leaf_hash(one) for one in entries])
        every = [*self.entries, *entries]
        bundles = []
        for start in range(batch.first_index - batch.first_index % TILE_WIDTH, batch.size, TILE_WIDTH):
            width = min(TILE_WIDTH, batch.size - start)
            tile = Tile(ENTRIES_LEVEL, start // TILE_WIDTH, width)
            bundles.append((tile, entry_bundle(every[start : start + width])))
        self.store.write_tiles([*bundles, *batch.tiles])
        self.tree.commit(batch)
        self.entries = every
        return batch.first_index

    def sign(self, signer: LocalSigner, now: datetime) -> bytes:
        """Sign the tree as it is, with the time, and return the note; from here on no smaller or other tree is signed here."""
        head = Checkpoint(self.keys[0].name, self.tree.size, self.tree.root)
        note = sign_checkpoint(head, self.keys[0], signer.sign)
        note = add_signatures(note, [cosign_checkpoint(note, self.keys[1], signer.sign, now)])
        self.folder.mkdir(parents=True, exist_ok=True)
        write_durably(self.folder / CHECKPOINT, note)
        self._mark(
            head
        )  # after the checkpoint: a crash in between leaves a mark that is older, which contradicts nothing
        self.note = note
        return note

    def proof(self, index: int) -> str:
        """Return the tlog-proof of an entry under the newest signed checkpoint."""
        return LogProof(index, tuple(self.tree.inclusion(index)), self.note).text()

    def _read_entries(self, size: int) -> list[bytes]:
        entries: list[bytes] = []
        for start in range(0, size, TILE_WIDTH):
            width = min(TILE_WIDTH, size - start)
            entries += parse_entry_bundle(self.store.read_tile(Tile(ENTRIES_LEVEL, start // TILE_WIDTH, width)), width)
        for index, entry in enumerate(entries):
            if leaf_hash(entry) != self.tree.leaf(index):
                raise LogError(
                    "ENTRY_CORRUPT", "a stored entry is not the one that was signed", place=f"entry {index} of {self.keys[0].name}",
                    next_action="restore the site's folder from its repository or backup",
                )  # fmt: skip
        return entries

    # What this machine signed last, outside the site's folder: an old copy of the folder must not be signed anew. ----------

    def _mark_path(self) -> Path:
        return places.state_folder() / "sites" / f"{sha256(str(self.keys[0]).encode()).hexdigest()}.json"

    def _mark(self, head: Checkpoint) -> None:
        path = self._mark_path()
        places.make_folder(path.parent)
        mark = {
            "type": "SiteMark",
            "formatVersion": 1,
            "origin": head.origin,
            "size": head.size,
            "root": head.root.hex(),
        }
        write_durably(path, jcs(mark), mode=0o600)

    def _hold_against_mark(self) -> None:
        path = self._mark_path()
        try:
            mark = parse_json(read_file(path, MARK_MAX_BYTES))
            size, root = int(mark["size"]), str(mark["root"])
        except FileNotFoundError:
            return
        except (OSError, MalformedError, KeyError, TypeError, ValueError):
            raise DatasigilError(
                "STATE_FILE", "the record of what was signed for this site is damaged", place=str(path),
                next_action="compare the site's log with what is online; if they agree, remove this file",
            ) from None  # fmt: skip
        found = self.tree.root_at(size).hex() if 0 < size <= self.tree.size else EMPTY_ROOT.hex()
        if size > self.tree.size or (size and found != root):
            raise LogError(
                "LOG_ROLLBACK", "the site's folder is older than, or another than, what this machine has signed", place=str(self.folder),
                expected=f"at least {size} entries with the root {root[:16]}…", found=f"{self.tree.size} entries",
                next_action="bring the folder up to date (git pull) before you publish; signing it would show two histories",
            )  # fmt: skip
