"""SQL of credentials: rows, manifests, digests, search terms.

Lives here: statements. Not here: what is derived from a credential (`indexing`) and which requests are allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)

from service.limits import LINEAGE_CREDENTIALS_MAX, LINEAGE_NODES_MAX
from service.prepared import OneOf, Prepared, PreparedInsert
from service.tables import CREDENTIALS, EDGES, KNOWN_DIGESTS, LOG_CHECKPOINTS, MANIFESTS, SEARCH_TERMS


@dataclass(frozen=True)
class CredentialRow:
    """A registered credential without its bytes."""

    seq: int
    id: str
    digest: str
    type: str
    profile: str
    role: str
    issuer: str
    publisher_id: int
    subject_id: str
    name: str
    version: str
    license: str
    valid_from: int
    valid_until: int | None
    issued: str
    manifest_digest: str
    manifest_public: bool
    log_index: int
    registered_at: int
    revoked: bool
    suspended: bool

    @property
    def status(self) -> Literal["active", "suspended", "revoked"]:
        """`revoked`, `suspended` or `active`."""
        return "revoked" if self.revoked else "suspended" if self.suspended else "active"


@dataclass(frozen=True)
class Registered:
    """What decides which evidence belongs to a registered credential."""

    log_index: int
    manifest_public: bool
    related: bool  # whether `lineage_about` or its own references may lead to other credentials
    first_note: bytes | None  # the first checkpoint that covered its log entry, if one is kept


_C = CREDENTIALS.c
ROW = tuple(_C[name] for name in CredentialRow.__dataclass_fields__)


@dataclass(frozen=True)
class NewCredential:
    """What is stored of a credential that is being registered; `seq` and status come with storing."""

    id: str
    digest: str
    document: bytes
    type: str
    profile: str
    role: str
    issuer: str
    publisher_id: int
    subject_id: str
    name: str
    version: str
    license: str
    valid_from: int
    valid_until: int | None
    issued: str
    manifest_digest: str
    manifest_public: bool


@dataclass(frozen=True)
class DigestRow:
    """A digest by which a credential is found; `path` names a file of its manifest."""

    sha256: str
    kind: str
    path: str = ""


@dataclass(frozen=True)
class Derived:
    """By what a credential is found: digests, and words."""

    seq: int
    digests: Sequence[DigestRow]
    terms: Collection[str]


# What every registration and every read asks is built once: building a statement costs as much as running it.
_INSERT = insert(CREDENTIALS).returning(_C.seq)
_INSERT_MANY = PreparedInsert(CREDENTIALS, "document", *CredentialRow.__dataclass_fields__)
_LAST_NUMBER = Prepared(select(func.max(_C.seq)))
_NEXT_NUMBERS = text("SELECT nextval(pg_get_serial_sequence('credential', 'seq')) FROM generate_series(1, :count)")
_TAKEN_NAMES = Prepared(select(_C.id, _C.digest).where(or_(OneOf(_C.id, "names"), OneOf(_C.digest, "names"))))
_INSERT_DIGESTS = PreparedInsert(KNOWN_DIGESTS, "credential_seq", "sha256", "kind", "path")
_INSERT_TERMS = PreparedInsert(SEARCH_TERMS, "credential_seq", "term")
# Spelled out, so that `known_digest_generated` serves: any number of credentials may be about one root, and few say how it was made.
_GENERATED: ColumnElement[str] = literal_column("'generated'", String)
# Spelled out as well: SQLite plans a statement anew at each run whose parameter may decide whether a partial index serves.
_ROOT: ColumnElement[str] = literal_column("'root'", String)
_ROOTS, _MADE = KNOWN_DIGESTS.alias("roots"), KNOWN_DIGESTS.alias("made")
_BY_DIGEST = select(*ROW).where(_C.digest == bindparam("digest"))
_BY_NAME = select(_C.seq).where(or_(_C.id == bindparam("name"), _C.digest == bindparam("name")))
_REGISTERED = Prepared(
    select(
        _C.log_index,
        _C.manifest_public,
        exists(select(EDGES.c.child_seq).where(EDGES.c.child_seq == _C.seq)),
        exists(
            select(_ROOTS.c.sha256).where(
                _ROOTS.c.credential_seq == _C.seq,
                _ROOTS.c.kind == _ROOT,
                exists(
                    select(_MADE.c.credential_seq)
                    .where(_MADE.c.kind == _GENERATED, _MADE.c.sha256 == _ROOTS.c.sha256)
                    .correlate(_ROOTS)
                ),
            )
        ),
        select(LOG_CHECKPOINTS.c.note)
        .where(LOG_CHECKPOINTS.c.size > _C.log_index)
        .order_by(LOG_CHECKPOINTS.c.size)
        .limit(1)
        .correlate(CREDENTIALS)
        .scalar_subquery(),
    ).where(_C.digest == bindparam("digest"))
)
_DOCUMENT = Prepared(
    select(_C.document, _C.digest).where(or_(_C.id == bindparam("name"), _C.digest == bindparam("name")))
)


def insert_credential(connection: Connection, new: NewCredential, *, log_index: int, now: int) -> int:
    """Store a credential; return its sequence number."""
    values = {**vars(new), "log_index": log_index, "registered_at": now, "revoked": False, "suspended": False}
    return int(connection.execute(_INSERT, values).scalar_one())


def reserve_numbers(connection: Connection, count: int) -> list[int]:
    """Sequence numbers for so many credentials that are about to be stored by this, the only writer."""
    if connection.dialect.name == "postgresql":
        drawn = connection.execute(_NEXT_NUMBERS, {"count": count}).scalars()
        return sorted(int(number) for number in drawn)
    last = last_number(connection)
    return list(range(last + 1, last + 1 + count))


def last_number(connection: Connection) -> int:
    """The newest credential's sequence number; 0 before there is one."""
    ((found,),) = _LAST_NUMBER.all(connection)
    return int(found or 0)


def insert_credentials(
    connection: Connection, rows: Sequence[tuple[CredentialRow, bytes]], derived: Sequence[Derived]
) -> None:
    """Store credentials, given with their signed bytes, and by what they are found."""
    _INSERT_MANY.many(connection, [{**vars(row), "document": document} for row, document in rows])
    _insert_derived(connection, derived)


def insert_derived(connection: Connection, seq: int, digests: Sequence[DigestRow], terms: Collection[str]) -> None:
    """Store by what a credential is found."""
    _insert_derived(connection, [Derived(seq, digests, terms)])


def _insert_derived(connection: Connection, derived: Sequence[Derived]) -> None:
    digests = {(one.seq, row.sha256, row.kind): row.path for one in derived for row in reversed(one.digests)}
    names = ("credential_seq", "sha256", "kind", "path")
    _INSERT_DIGESTS.many(connection, [dict(zip(names, (*key, path), strict=True)) for key, path in digests.items()])
    _INSERT_TERMS.many(connection, [{"credential_seq": one.seq, "term": term} for one in derived for term in one.terms])


def insert_manifest(connection: Connection, digest: str, body: bytes) -> None:
    """Store a manifest's bytes unless they are there."""
    if connection.execute(select(MANIFESTS.c.digest).where(MANIFESTS.c.digest == digest)).one_or_none() is None:
        connection.execute(insert(MANIFESTS).values(digest=digest, body=body))


def publish_manifest(connection: Connection, seq: int) -> None:
    """Mark a credential's manifest as public."""
    connection.execute(update(CREDENTIALS).where(_C.seq == seq).values(manifest_public=True))


def public_manifest(connection: Connection, digest: str) -> bytes | None:
    """A manifest that at least one publisher made public."""
    body = connection.execute(
        select(MANIFESTS.c.body)
        .join(CREDENTIALS, and_(_C.manifest_digest == MANIFESTS.c.digest, _C.manifest_public))
        .where(MANIFESTS.c.digest == digest)
        .limit(1)
    ).scalar_one_or_none()
    return None if body is None else bytes(body)


def by_id(connection: Connection, identifier: str) -> CredentialRow | None:
    """The credential with this id, or with this digest."""
    row = connection.execute(select(*ROW).where(_named(identifier))).one_or_none()
    return None if row is None else CredentialRow(*row)


def by_digest(connection: Connection, digest: str) -> CredentialRow | None:
    """The credential with this digest."""
    row = connection.execute(_BY_DIGEST, {"digest": digest}).one_or_none()
    return None if row is None else CredentialRow(*row)


def registered(connection: Connection, digest: str) -> Registered | None:
    """What is registered about the credential with this digest."""
    row = _REGISTERED.one(connection, digest=digest)
    return (
        None
        if row is None
        else Registered(row[0], bool(row[1]), bool(row[2] or row[3]), None if row[4] is None else bytes(row[4]))
    )


def id_taken(connection: Connection, identifier: str) -> bool:
    """Whether a credential with this id, or this digest, is registered."""
    return connection.execute(_BY_NAME, {"name": identifier}).first() is not None


def names_taken(connection: Connection, names: Collection[str]) -> set[str]:
    """Those of these ids and digests that a registered credential bears, as either."""
    return {name for row in _TAKEN_NAMES.all(connection, names=sorted(names)) for name in row}


def document_of(connection: Connection, identifier: str) -> tuple[bytes, str] | None:
    """The signed bytes of a credential given by id or digest, and its digest."""
    row = _DOCUMENT.one(connection, name=identifier)
    return None if row is None else (bytes(row[0]), row[1])


def set_status(connection: Connection, seq: int, purpose: str, *, value: bool) -> None:
    """Set what search and pages say about a credential's status."""
    column = "revoked" if purpose == "revocation" else "suspended"
    connection.execute(update(CREDENTIALS).where(_C.seq == seq).values({column: value}))


def lookup(connection: Connection, sha256: str, count: int) -> list[tuple[DigestRow, CredentialRow]]:
    """What is known under a digest, newest first."""
    digest = KNOWN_DIGESTS.c
    rows = connection.execute(
        select(digest.sha256, digest.kind, digest.path, *ROW)
        .join(CREDENTIALS, _C.seq == digest.credential_seq)
        .where(digest.sha256 == sha256)
        .order_by(_C.seq.desc(), digest.kind)
        .limit(count)
    )
    return [(DigestRow(*row[:3]), CredentialRow(*row[3:])) for row in rows]


def lineage_about(connection: Connection, row: CredentialRow) -> list[CredentialRow]:
    """The issuer's own lineage credentials that say how this dataset, named by its manifest root, was made."""
    digest = KNOWN_DIGESTS.c
    roots = select(digest.sha256).where(digest.credential_seq == row.seq, digest.kind == "root")
    rows = connection.execute(
        select(*ROW)
        .join(KNOWN_DIGESTS, digest.credential_seq == _C.seq)
        .where(
            digest.sha256.in_(roots),
            digest.kind == _GENERATED,
            _C.type == "DatasetLineageCredential",
            _C.issuer == row.issuer,
            _C.seq != row.seq,
        )
        .order_by(_C.seq.desc())
        .limit(LINEAGE_CREDENTIALS_MAX)
    )
    return [CredentialRow(*one) for one in rows]


def derived_datasets(connection: Connection, lineage: CredentialRow) -> list[CredentialRow]:
    """The issuer's datasets whose manifest root a lineage credential says was made: `lineage_about` the other way round."""
    digest = KNOWN_DIGESTS.c
    made = select(digest.sha256).where(digest.credential_seq == lineage.seq, digest.kind == "generated")
    rows = connection.execute(
        select(*ROW)
        .join(KNOWN_DIGESTS, digest.credential_seq == _C.seq)
        .where(
            digest.sha256.in_(made.scalar_subquery()),
            digest.kind == "root",
            _C.type == "DatasetCredential",
            _C.issuer == lineage.issuer,
        )
        .order_by(_C.seq)
        .limit(LINEAGE_NODES_MAX)
    )
    return [CredentialRow(*one) for one in rows]


def versions_of(connection: Connection, row: CredentialRow, count: int) -> list[CredentialRow]:
    """What the same issuer has registered about the same dataset or model, newest first; what others say about it is not among them.

    Found by the subject's index: `|| ''` keeps the other conditions from being looked up, where an issuer may have any number.
    """
    rows = connection.execute(
        select(*ROW)
        .where(
            _C.subject_id == row.subject_id,
            _C.issuer.concat("") == row.issuer,
            _C.type.concat("") == row.type,
        )
        .order_by(_C.seq.desc())
        .limit(count)
    )
    return [CredentialRow(*one) for one in rows]


def card_digest(connection: Connection, seq: int) -> str | None:
    """The SHA-256 of the model card that a model credential names."""
    digest = KNOWN_DIGESTS.c
    found = connection.execute(
        select(digest.sha256).where(digest.credential_seq == seq, digest.kind == "card").limit(1)
    ).scalar_one_or_none()
    return None if found is None else str(found)


def _named(identifier: str) -> ColumnElement[bool]:
    return or_(_C.id == identifier, _C.digest == identifier)
