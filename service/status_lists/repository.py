"""SQL of status lists, their indices and the requests that changed them.

Lives here: statements. Not here: what may change (`changes`) and signing (`signing`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select, update

from service.prepared import OneOf, Prepared, PreparedChange, PreparedInsert
from service.tables import STATUS_CHANGES, STATUS_INDICES, STATUS_LISTS


@dataclass(frozen=True)
class ListRow:
    """A status list without its signed document."""

    id: int
    url: str
    purpose: str
    bits: bytes
    publisher_id: int


@dataclass(frozen=True)
class IndexRow:
    """Which index of which list a credential holds for a purpose."""

    list_url: str
    position: int
    purpose: str


_LIST = (
    STATUS_LISTS.c.id,
    STATUS_LISTS.c.url,
    STATUS_LISTS.c.purpose,
    STATUS_LISTS.c.bits,
    STATUS_LISTS.c.publisher_id,
)


def insert_list(connection: Connection, *, url: str, slug: str, purpose: str, publisher_id: int, bits: bytes) -> int:
    """Store a new list that is not yet signed; return its row id."""
    connection.execute(
        insert(STATUS_LISTS).values(
            url=url,
            slug=slug,
            purpose=purpose,
            publisher_id=publisher_id,
            bits=bits,
            document=b"",
            digest="",
            signed_at=0,
            tree_size=0,
        )
    )
    return int(connection.execute(select(STATUS_LISTS.c.id).where(STATUS_LISTS.c.url == url)).scalar_one())


@dataclass(frozen=True)
class ListSize:
    """A status list's row and how many entries it has room for."""

    id: int
    bits: int


# What every registration asks is built once: building a statement costs as much as running it.
_SIZE = Prepared(
    select(STATUS_LISTS.c.id, func.length(STATUS_LISTS.c.bits)).where(STATUS_LISTS.c.url == bindparam("url"))
)
_TAKEN = select(STATUS_INDICES.c.position).where(
    STATUS_INDICES.c.list_url == bindparam("url"), STATUS_INDICES.c.position == bindparam("position")
)
_TAKEN_OF = Prepared(
    select(STATUS_INDICES.c.position).where(
        STATUS_INDICES.c.list_url == bindparam("url"), OneOf(STATUS_INDICES.c.position, "positions")
    )
)
_BY_ID = Prepared(select(*_LIST).where(OneOf(STATUS_LISTS.c.id, "rows")).order_by(STATUS_LISTS.c.id))
_SIGNED = Prepared(
    select(STATUS_LISTS.c.document, STATUS_LISTS.c.digest).where(
        STATUS_LISTS.c.url == bindparam("url"), STATUS_LISTS.c.signed_at > 0
    )
)
_INSERT_INDEX = PreparedInsert(STATUS_INDICES, "credential_seq", *IndexRow.__dataclass_fields__)
_LISTS_OF = Prepared(
    select(STATUS_LISTS.c.url)
    .where(STATUS_LISTS.c.publisher_id == bindparam("publisher_id"), STATUS_LISTS.c.purpose == bindparam("purpose"))
    .order_by(STATUS_LISTS.c.id)
)
_SIGNED_BEFORE = Prepared(
    select(STATUS_LISTS.c.id)
    .where(STATUS_LISTS.c.signed_at < bindparam("seconds"))
    .order_by(STATUS_LISTS.c.signed_at)
    .limit(bindparam("count"))
)
_STORE_SIGNED = PreparedChange(
    update(STATUS_LISTS)
    .where(STATUS_LISTS.c.id == bindparam("row"))
    .values({name: bindparam(name) for name in ("document", "digest", "signed_at", "tree_size")})
)


def list_size(connection: Connection, url: str) -> ListSize | None:
    """The list with this id, without its bits."""
    row = _SIZE.one(connection, url=url)
    return None if row is None else ListSize(int(row[0]), 8 * int(row[1]))


def list_by_url(connection: Connection, url: str) -> ListRow | None:
    """The list with this id."""
    row = connection.execute(select(*_LIST).where(STATUS_LISTS.c.url == url)).one_or_none()
    return None if row is None else ListRow(*row)


def lists_by_id(connection: Connection, rows: set[int]) -> list[ListRow]:
    """The lists with these row ids."""
    return [ListRow(*row) for row in _BY_ID.all(connection, rows=sorted(rows))]


def lists_signed_before(connection: Connection, seconds: int, count: int) -> list[int]:
    """Row ids of lists whose signature is older than this, the oldest first."""
    return [int(row[0]) for row in _SIGNED_BEFORE.all(connection, seconds=seconds, count=count)]


def store_signed(
    connection: Connection, row: int, *, document: bytes, digest: str, signed_at: int, tree_size: int
) -> None:
    """Replace a list's signed document."""
    _STORE_SIGNED.one(connection, row=row, document=document, digest=digest, signed_at=signed_at, tree_size=tree_size)


def store_bits(connection: Connection, row: int, bits: bytes) -> None:
    """Replace a list's bits."""
    connection.execute(update(STATUS_LISTS).where(STATUS_LISTS.c.id == row).values(bits=bits))


def signed_list(connection: Connection, url: str) -> tuple[bytes, str] | None:
    """The signed bytes of a list, and their digest."""
    row = _SIGNED.one(connection, url=url)
    return None if row is None else (bytes(row[0]), row[1])


def lists_of(connection: Connection, publisher_id: int, purpose: str) -> list[str]:
    """The ids of a publisher's lists of one purpose, the first one first."""
    return [str(row[0]) for row in _LISTS_OF.all(connection, publisher_id=publisher_id, purpose=purpose)]


def index_taken(connection: Connection, url: str, position: int) -> bool:
    """Whether a registered credential holds this index."""
    return connection.execute(_TAKEN, {"url": url, "position": position}).one_or_none() is not None


def insert_index(connection: Connection, credential_seq: int, row: IndexRow) -> None:
    """Give an index to a credential."""
    insert_indices(connection, [(credential_seq, row)])


def insert_indices(connection: Connection, rows: Sequence[tuple[int, IndexRow]]) -> None:
    """Give indices to credentials, given by their sequence numbers."""
    _INSERT_INDEX.many(connection, [{"credential_seq": seq, **vars(row)} for seq, row in rows])


def positions_taken(connection: Connection, url: str, positions: Collection[int]) -> set[int]:
    """Those of these indices of a list that registered credentials hold."""
    return {row[0] for row in _TAKEN_OF.all(connection, url=url, positions=sorted(positions))}


def indices_of(connection: Connection, credential_seq: int) -> list[IndexRow]:
    """The indices that a credential holds."""
    rows = connection.execute(
        select(STATUS_INDICES.c.list_url, STATUS_INDICES.c.position, STATUS_INDICES.c.purpose)
        .where(STATUS_INDICES.c.credential_seq == credential_seq)
        .order_by(STATUS_INDICES.c.purpose)
    )
    return [IndexRow(*row) for row in rows]


def change_seen(connection: Connection, request_digest: str) -> int | None:
    """The log index that a request led to; None when it was never seen."""
    return connection.execute(
        select(STATUS_CHANGES.c.log_index).where(STATUS_CHANGES.c.request_digest == request_digest)
    ).scalar_one_or_none()


def insert_change(
    connection: Connection,
    *,
    request_digest: str,
    credential_seq: int,
    purpose: str,
    value: bool,
    reason: str,
    document: bytes,
    log_index: int,
    changed_at: int,
) -> None:
    """Store a request that changed a status."""
    connection.execute(
        insert(STATUS_CHANGES).values(
            request_digest=request_digest,
            credential_seq=credential_seq,
            purpose=purpose,
            value=value,
            reason=reason,
            document=document,
            log_index=log_index,
            changed_at=changed_at,
        )
    )


@dataclass(frozen=True)
class ChangeRow:
    """A change of status as stored."""

    purpose: str
    value: bool
    reason: str
    log_index: int
    changed_at: int


def changes_of(connection: Connection, credential_seq: int) -> list[ChangeRow]:
    """What happened to a credential's status, the oldest first."""
    columns = STATUS_CHANGES.c
    rows = connection.execute(
        select(columns.purpose, columns.value, columns.reason, columns.log_index, columns.changed_at)
        .where(columns.credential_seq == credential_seq)
        .order_by(columns.log_index)
    )
    return [ChangeRow(*row) for row in rows]
