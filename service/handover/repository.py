"""SQL of handovers: those that this registry's log holds, of registries before it and of its own end.

Lives here: statements. Not here: signing (`exporting`), moving data (`importing`), proofs (`frames`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from service.tables import HANDOVERS


@dataclass(frozen=True)
class HandoverRow:
    """A handover as stored: the log that ended, its entry, the signed statement, and the checkpoint under which that log ended."""

    origin: str
    position: int
    document: bytes
    note: bytes


def insert_handover(connection: Connection, row: HandoverRow) -> None:
    """Store a handover."""
    connection.execute(insert(HANDOVERS).values(**vars(row)))


def store_note(connection: Connection, origin: str, note: bytes) -> None:
    """Keep the checkpoint under which a log ended, with whatever cosigned it."""
    connection.execute(update(HANDOVERS).where(HANDOVERS.c.origin == origin).values(note=note))


def handovers(connection: Connection) -> list[HandoverRow]:
    """Every handover in the log, the oldest first."""
    columns = HANDOVERS.c
    rows = connection.execute(
        select(columns.origin, columns.position, columns.document, columns.note).order_by(columns.position)
    )
    return [HandoverRow(origin, position, bytes(document), bytes(note)) for origin, position, document, note in rows]


def handover_from(connection: Connection, origin: str) -> HandoverRow | None:
    """The handover that ended a log; None while it goes on, or when it never was here."""
    return next((row for row in handovers(connection) if row.origin == origin), None)
