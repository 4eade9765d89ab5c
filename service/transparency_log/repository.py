"""SQL of the log: its state row, entries and tiles.

Lives here: statements. Not here: hashing (`datasigil.transparency.tiles`), signing (`writing`), HTTP (`endpoints`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from service.prepared import Prepared, PreparedChange, PreparedInsert
from service.tables import CREDENTIALS, LOG_CHECKPOINTS, LOG_ENTRIES, LOG_STATE, LOG_TILES

STATE_ROW = 1


@dataclass(frozen=True)
class StoredState:
    """The state row."""

    origin: str
    size: int
    root: str
    checkpoint: bytes
    cosigned_at: int
    fencing: int
    holder: str
    lease_until: int


# What every batch and every proof asks is built once: building a statement costs as much as running it.
_STATE = select(
    LOG_STATE.c.origin,
    LOG_STATE.c.size,
    LOG_STATE.c.root,
    LOG_STATE.c.checkpoint,
    LOG_STATE.c.cosigned_at,
    LOG_STATE.c.fencing,
    LOG_STATE.c.holder,
    LOG_STATE.c.lease_until,
).where(LOG_STATE.c.id == STATE_ROW)
_SWAP = PreparedChange(
    update(LOG_STATE)
    .where(
        LOG_STATE.c.id == bindparam("of_row"),
        LOG_STATE.c.size == bindparam("old_size"),
        LOG_STATE.c.root == bindparam("old_root"),
        LOG_STATE.c.fencing == bindparam("old_fencing"),
    )
    .values({name: bindparam(name) for name in ("size", "root", "checkpoint", "cosigned_at", "lease_until")})
)
_INSERT_CHECKPOINT = PreparedInsert(LOG_CHECKPOINTS, "size", "note")
_FIRST_CHECKPOINT = Prepared(
    select(LOG_CHECKPOINTS.c.note)
    .where(LOG_CHECKPOINTS.c.size > bindparam("index"))
    .order_by(LOG_CHECKPOINTS.c.size)
    .limit(1)
)
_INSERT_ENTRY = PreparedInsert(LOG_ENTRIES, "position", "entry")
_ENTRIES = (
    select(LOG_ENTRIES.c.position, LOG_ENTRIES.c.entry)
    .where(LOG_ENTRIES.c.position >= bindparam("start"), LOG_ENTRIES.c.position < bindparam("stop"))
    .order_by(LOG_ENTRIES.c.position)
)
_LAST_POSITION = select(func.max(LOG_ENTRIES.c.position))
_TILE = Prepared(
    select(LOG_TILES.c.hashes).where(
        LOG_TILES.c.level == bindparam("level"), LOG_TILES.c.position == bindparam("position")
    )
)
_WIDEN = PreparedChange(
    update(LOG_TILES)
    .where(LOG_TILES.c.level == bindparam("of_level"), LOG_TILES.c.position == bindparam("at"))
    .values(hashes=bindparam("hashes"))
)
_INSERT_TILE = PreparedInsert(LOG_TILES, "level", "position", "hashes")


def read_state(connection: Connection) -> StoredState | None:
    """The state row; None before the first writer has opened the log."""
    row = connection.execute(_STATE).one_or_none()
    return None if row is None else StoredState(*row)


def create_state(connection: Connection, state: StoredState) -> None:
    """Insert the first state row."""
    connection.execute(insert(LOG_STATE).values(id=STATE_ROW, **vars(state)))


def take_lease(connection: Connection, *, seen: StoredState, holder: str, until: int) -> bool:
    """Become the writer with the next fencing token, if nobody else did since `seen` was read."""
    result = connection.execute(
        update(LOG_STATE)
        .where(and_(LOG_STATE.c.id == STATE_ROW, LOG_STATE.c.fencing == seen.fencing))
        .values(holder=holder, fencing=seen.fencing + 1, lease_until=until)
    )
    return result.rowcount == 1


def swap_state(connection: Connection, *, old: StoredState, new: StoredState) -> bool:
    """Compare-and-swap on (size, root, fencing token)."""
    given = {
        "of_row": STATE_ROW, "old_size": old.size, "old_root": old.root, "old_fencing": old.fencing, "size": new.size,
        "root": new.root, "checkpoint": new.checkpoint, "cosigned_at": new.cosigned_at, "lease_until": new.lease_until,
    }  # fmt: skip
    return _SWAP.one(connection, **given) == 1


def keep_checkpoint(connection: Connection, size: int, note: bytes) -> None:
    """Keep the checkpoint that is signed when the log reaches a size."""
    _INSERT_CHECKPOINT.one(connection, size=size, note=note)


def first_checkpoint(connection: Connection, index: int) -> bytes | None:
    """The first checkpoint that covered an entry; None for entries from before checkpoints were kept."""
    row = _FIRST_CHECKPOINT.one(connection, index=index)
    return None if row is None else bytes(row[0])


def checkpoints(connection: Connection) -> Iterator[tuple[int, bytes]]:
    """Size and note of every checkpoint kept."""
    rows = connection.execute(select(LOG_CHECKPOINTS.c.size, LOG_CHECKPOINTS.c.note).order_by(LOG_CHECKPOINTS.c.size))
    return ((size, bytes(note)) for size, note in rows)


def insert_entries(connection: Connection, first: int, entries: Sequence[bytes]) -> None:
    """Store entries from position `first` on."""
    rows = [{"position": first + number, "entry": entry} for number, entry in enumerate(entries)]
    _INSERT_ENTRY.many(connection, rows)


def read_entries(connection: Connection, start: int, stop: int) -> list[bytes]:
    """The entries of positions start..stop-1, in order; shorter when some are missing."""
    rows = connection.execute(_ENTRIES, {"start": start, "stop": stop}).all()
    found = [bytes(entry) for position, entry in rows]
    contiguous = [position for position, _ in rows] == list(range(start, start + len(rows)))
    return found if contiguous else []


def next_position(connection: Connection) -> int:
    """The position after the last stored entry; counting would read them all."""
    last = connection.execute(_LAST_POSITION).scalar_one_or_none()
    return 0 if last is None else int(last) + 1


def read_tile(connection: Connection, level: int, position: int) -> bytes | None:
    """The hashes of one tile, full or partial."""
    found = _TILE.one(connection, level=level, position=position)
    return None if found is None else bytes(found[0])


def write_tiles(connection: Connection, tiles: Iterable[tuple[int, int, bytes]]) -> None:
    """Insert or replace tiles given as (level, position, hashes)."""
    for level, position, hashes in tiles:
        if not _WIDEN.one(connection, of_level=level, at=position, hashes=hashes):
            _INSERT_TILE.one(connection, level=level, position=position, hashes=hashes)


def newest_entries(connection: Connection, before: int, count: int) -> list[tuple[int, bytes, str | None, str | None]]:
    """The `count` entries below `before`, newest first, each with the id and name of the credential it issued."""
    rows = connection.execute(
        select(LOG_ENTRIES.c.position, LOG_ENTRIES.c.entry, CREDENTIALS.c.id, CREDENTIALS.c.name)
        .outerjoin(CREDENTIALS, CREDENTIALS.c.log_index == LOG_ENTRIES.c.position)
        .where(LOG_ENTRIES.c.position < before)
        .order_by(LOG_ENTRIES.c.position.desc())
        .limit(count)
    )
    return [(int(position), bytes(entry), identifier, name) for position, entry, identifier, name in rows]
