"""SQL of references between credentials.

Lives here: statements. Not here: walking (`graph`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, insert, select

from service.credentials.repository import ROW, CredentialRow
from service.tables import CREDENTIALS, EDGES


def insert_edges(connection: Connection, child_seq: int, references: Collection[tuple[str, str]]) -> None:
    """Store the references of a credential, given as (relation, digest)."""
    insert_all_edges(connection, [(child_seq, references)])


def insert_all_edges(connection: Connection, named: Sequence[tuple[int, Collection[tuple[str, str]]]]) -> None:
    """Store the references of many credentials, each given with its sequence number."""
    rows = [
        {"child_seq": child_seq, "relation": relation, "parent_digest": digest}
        for child_seq, references in named
        for relation, digest in sorted(references)
    ]
    if rows:
        connection.execute(insert(EDGES), rows)


def parents_of(connection: Connection, child_seq: int) -> list[tuple[str, str, CredentialRow | None]]:
    """What a credential names: (relation, digest, the credential if it is registered here)."""
    rows = connection.execute(
        select(EDGES.c.relation, EDGES.c.parent_digest, *ROW)
        .outerjoin(CREDENTIALS, CREDENTIALS.c.digest == EDGES.c.parent_digest)
        .where(EDGES.c.child_seq == child_seq)
        .order_by(EDGES.c.relation, EDGES.c.parent_digest)
    )
    return [(row[0], row[1], None if row[2] is None else CredentialRow(*row[2:])) for row in rows]


def children_of(
    connection: Connection, parent_digest: str, *, after: int, count: int
) -> list[tuple[list[str], CredentialRow]]:
    """The registered credentials that name a credential, in order of registration, each with its relations."""
    children = (
        select(EDGES.c.child_seq)
        .distinct()
        .where(EDGES.c.parent_digest == parent_digest, EDGES.c.child_seq > after)
        .order_by(EDGES.c.child_seq)
        .limit(count)
        .subquery()
    )
    rows = connection.execute(
        select(EDGES.c.relation, *ROW)
        .join(children, children.c.child_seq == EDGES.c.child_seq)
        .join(CREDENTIALS, CREDENTIALS.c.seq == EDGES.c.child_seq)
        .where(EDGES.c.parent_digest == parent_digest)
        .order_by(EDGES.c.child_seq, EDGES.c.relation)
    )
    found: dict[int, tuple[list[str], CredentialRow]] = {}
    for row in rows:
        found.setdefault(row[1], ([], CredentialRow(*row[1:])))[0].append(row[0])
    return list(found.values())
