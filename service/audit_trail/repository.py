"""SQL of the audit trail and its anchors.

Lives here: statements. Not here: hashing and what is recorded (`trail`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from service.prepared import Prepared
from service.tables import AUDIT_ANCHORS, AUDIT_EVENTS


@dataclass(frozen=True)
class EventRow:
    """One event; `hash` covers all of it and, through `previous`, everything before."""

    position: int
    at: int
    actor: str
    action: str
    target: str
    previous: str
    hash: str


@dataclass(frozen=True)
class AnchorRow:
    """A log entry that holds the chain's hash at a position."""

    log_index: int
    position: int
    hash: str
    anchored_at: int


_EVENT = tuple(AUDIT_EVENTS.c[name] for name in EventRow.__dataclass_fields__)
_ANCHOR = tuple(AUDIT_ANCHORS.c[name] for name in AnchorRow.__dataclass_fields__)
# Every batch asks whether an anchor is due.
_LAST = Prepared(select(*_EVENT).order_by(AUDIT_EVENTS.c.position.desc()).limit(1))
_FIRST_AT = Prepared(select(AUDIT_EVENTS.c.at).where(AUDIT_EVENTS.c.position == 0))
_LAST_ANCHOR = Prepared(select(*_ANCHOR).order_by(AUDIT_ANCHORS.c.log_index.desc()).limit(1))


def last_event(connection: Connection) -> EventRow | None:
    """The newest event."""
    row = _LAST.one(connection)
    return None if row is None else EventRow(*row)


def first_at(connection: Connection) -> int:
    """When the trail began, in seconds since 1970; 0 when there is none."""
    found = _FIRST_AT.one(connection)
    return 0 if found is None else int(found[0])


def events_after(connection: Connection, position: int, count: int) -> list[EventRow]:
    """Events after a position, the oldest first."""
    rows = connection.execute(
        select(*_EVENT).where(AUDIT_EVENTS.c.position > position).order_by(AUDIT_EVENTS.c.position).limit(count)
    )
    return [EventRow(*row) for row in rows]


def insert_event(connection: Connection, row: EventRow) -> None:
    """Store an event."""
    connection.execute(insert(AUDIT_EVENTS).values(**vars(row)))


def last_anchor(connection: Connection) -> AnchorRow | None:
    """The newest anchor."""
    row = _LAST_ANCHOR.one(connection)
    return None if row is None else AnchorRow(*row)


def anchors(connection: Connection) -> list[AnchorRow]:
    """Every anchor, the oldest first."""
    rows = connection.execute(select(*_ANCHOR).order_by(AUDIT_ANCHORS.c.log_index))
    return [AnchorRow(*row) for row in rows]


def insert_anchor(connection: Connection, row: AnchorRow) -> None:
    """Store an anchor."""
    connection.execute(insert(AUDIT_ANCHORS).values(**vars(row)))
