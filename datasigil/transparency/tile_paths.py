"""Coordinates of tiles and their paths below a log's URL.

Here: which tiles a tree has, and the one spelling of each path. Not here: what a tile holds (`tiles`, `entry.entry_bundle`).
Spec: C2SP tlog-tiles as of 5ba5ee8 (2026-07-22).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from datasigil.errors import MalformedError
from datasigil.limits import TILE_WIDTH
from datasigil.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVEL_MAX: Final = 63
ENTRIES_LEVEL: Final = -1
"""The "level" of entry bundles, `tile/entries/N`."""

_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z", re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Coordinates of a tile: level (0 holds leaves, -1 entry bundles), index within the level, width 1..256 in hashes."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The path below the log's URL; `parse_tile_path(t.path) == t` (tlog-tiles, "Merkle Tree")."""
        level = "entries" if self.level == ENTRIES_LEVEL else str(self.level)
        groups, rest = [f"{self.index % 1000:03d}"], self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03d}")
            rest //= 1000
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def parse_tile_path(path: str) -> Tile:
    """Return the tile that a path below the log's URL names, in its one spelling.

    Raises:
        MalformedError: TILE_PATH (tlog-tiles, "Merkle Tree", "Partial Tiles", "Log entries").
    """
    match = _PATH.match(path) if len(path) <= 64 else None
    if match is None:
        raise _bad_path(path)
    level = ENTRIES_LEVEL if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", "") + match[3])
    tile = Tile(level, index, int(match[4]) if match[4] else TILE_WIDTH)
    if level > LEVEL_MAX or tile.width > TILE_WIDTH or tile.path != path:
        raise _bad_path(path)
    return tile


def tiles_of(size: int, start: int = 0) -> Iterator[Tile]:
    """Yield the hash tiles of a tree of `size` entries that a tree of `start` entries did not have in this width."""
    level, count, before = 0, size, start
    while count:
        for index in range(before // TILE_WIDTH, -(-count // TILE_WIDTH)):
            width = min(TILE_WIDTH, count - index * TILE_WIDTH)
            if index * TILE_WIDTH + width > before:
                yield Tile(level, index, width)
        level, count, before = level + 1, count // TILE_WIDTH, before // TILE_WIDTH


def _bad_path(path: str) -> MalformedError:
    return MalformedError(
        "TILE_PATH", "not a tile path", expected="tile/LEVEL/x001/234 with an optional .p/WIDTH", found=path[:80]
    )


__all__ = ["ENTRIES_LEVEL", "Tile", "parse_tile_path", "tiles_of"]
