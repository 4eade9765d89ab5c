"""SQL of publishers, challenges and tokens.

Lives here: statements, those of key rotations included. Not here: who may do what (`access`), and what proves control of a DID (`presentations`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from service.prepared import Prepared
from service.tables import CHALLENGES, CREDENTIALS, KEY_ROTATIONS, PUBLISHERS, STATUS_LISTS, TOKENS, WORKLOAD_IDENTITIES


@dataclass(frozen=True)
class PublisherRow:
    """A publisher as stored."""

    id: int
    did: str
    slug: str
    name: str
    role: str
    active: bool
    created_at: int


@dataclass(frozen=True)
class TokenRow:
    """A token as stored, without its secret."""

    id: str
    publisher_id: int
    name: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int
    revoked_at: int | None


_PUBLISHER = (
    PUBLISHERS.c.id,
    PUBLISHERS.c.did,
    PUBLISHERS.c.slug,
    PUBLISHERS.c.name,
    PUBLISHERS.c.role,
    PUBLISHERS.c.active,
    PUBLISHERS.c.created_at,
)
_TOKEN = (
    TOKENS.c.id,
    TOKENS.c.publisher_id,
    TOKENS.c.name,
    TOKENS.c.scopes,
    TOKENS.c.created_at,
    TOKENS.c.expires_at,
    TOKENS.c.revoked_at,
)


# What most reads and every registration ask is built once: building a statement costs as much as running it.
_BY_DID = Prepared(select(*_PUBLISHER).where(PUBLISHERS.c.did == bindparam("did")))


def publisher_by_did(connection: Connection, did: str) -> PublisherRow | None:
    """The publisher with this DID."""
    row = _BY_DID.one(connection, did=did)
    return None if row is None else PublisherRow(*row)


def publisher_named(connection: Connection, name: str) -> PublisherRow | None:
    """The publisher with this slug or DID."""
    named = or_(PUBLISHERS.c.slug == name, PUBLISHERS.c.did == name)
    row = connection.execute(select(*_PUBLISHER).where(named)).one_or_none()
    return None if row is None else PublisherRow(*row)


def publishers_after(connection: Connection, after: int, count: int) -> list[PublisherRow]:
    """Publishers in order of registration."""
    rows = connection.execute(select(*_PUBLISHER).where(PUBLISHERS.c.id > after).order_by(PUBLISHERS.c.id).limit(count))
    return [PublisherRow(*row) for row in rows]


def credentials_by(connection: Connection, publisher_id: int) -> tuple[int, list[str]]:
    """How many credentials a publisher registered, and the addresses of their status lists."""
    count = connection.execute(
        select(func.count()).select_from(CREDENTIALS).where(CREDENTIALS.c.publisher_id == publisher_id)
    ).scalar_one()
    lists = connection.execute(
        select(STATUS_LISTS.c.url).where(STATUS_LISTS.c.publisher_id == publisher_id).order_by(STATUS_LISTS.c.id)
    ).scalars()
    return int(count), list(lists)


def insert_publisher(connection: Connection, *, did: str, slug: str, name: str, role: str, now: int) -> PublisherRow:
    """Store a new publisher."""
    connection.execute(insert(PUBLISHERS).values(did=did, slug=slug, name=name, role=role, active=True, created_at=now))
    found = publisher_by_did(connection, did)
    assert found is not None
    return found


def set_publisher_active(connection: Connection, did: str, *, active: bool) -> bool:
    """Let a publisher in or lock them out; False when there is none with this DID."""
    result = connection.execute(update(PUBLISHERS).where(PUBLISHERS.c.did == did).values(active=active))
    return result.rowcount == 1


def insert_challenge(connection: Connection, *, value_hash: str, expires_at: int) -> None:
    """Store a challenge."""
    connection.execute(insert(CHALLENGES).values(value_hash=value_hash, expires_at=expires_at))


def live_challenges(connection: Connection, now: int) -> int:
    """Forget expired challenges and count the others."""
    connection.execute(delete(CHALLENGES).where(CHALLENGES.c.expires_at <= now))
    return int(connection.execute(select(func.count()).select_from(CHALLENGES)).scalar_one())


def challenge_waits(connection: Connection, value_hash: str, now: int) -> bool:
    """Whether a challenge is known, unused and not expired."""
    found = select(CHALLENGES.c.value_hash).where(CHALLENGES.c.value_hash == value_hash, CHALLENGES.c.expires_at > now)
    return connection.execute(found).one_or_none() is not None


def use_challenge(connection: Connection, value_hash: str, now: int) -> bool:
    """Use a challenge up; False when it is unknown, expired or was used before."""
    result = connection.execute(
        delete(CHALLENGES).where(CHALLENGES.c.value_hash == value_hash, CHALLENGES.c.expires_at > now)
    )
    return result.rowcount == 1


def insert_token(connection: Connection, token: TokenRow, secret_hash: str) -> None:
    """Store a token by the hash of its secret."""
    connection.execute(
        insert(TOKENS).values(
            id=token.id,
            secret_hash=secret_hash,
            publisher_id=token.publisher_id,
            name=token.name,
            scopes=" ".join(token.scopes),
            created_at=token.created_at,
            expires_at=token.expires_at,
        )
    )


def tokens_of(connection: Connection, publisher_id: int, now: int) -> list[TokenRow]:
    """A publisher's tokens that neither expired nor were revoked, newest first."""
    rows = connection.execute(
        select(*_TOKEN)
        .where(TOKENS.c.publisher_id == publisher_id, TOKENS.c.expires_at > now, TOKENS.c.revoked_at.is_(None))
        .order_by(TOKENS.c.created_at.desc(), TOKENS.c.id)
    )
    return [_token(row) for row in rows]


def token_by_secret(connection: Connection, secret_hash: str) -> tuple[TokenRow, PublisherRow] | None:
    """The token with this hash, and whose it is, whatever its state."""
    row = connection.execute(
        select(*_TOKEN, *_PUBLISHER)
        .join(PUBLISHERS, PUBLISHERS.c.id == TOKENS.c.publisher_id)
        .where(TOKENS.c.secret_hash == secret_hash)
    ).one_or_none()
    return None if row is None else (_token(row[: len(_TOKEN)]), PublisherRow(*row[len(_TOKEN) :]))


def revoke_token(connection: Connection, *, token_id: str, publisher_id: int, now: int) -> bool:
    """Revoke a publisher's token; revoking twice changes nothing. False when the publisher has no such token."""
    mine = (TOKENS.c.id == token_id, TOKENS.c.publisher_id == publisher_id)
    if connection.execute(select(TOKENS.c.id).where(*mine)).one_or_none() is None:
        return False
    connection.execute(update(TOKENS).where(*mine, TOKENS.c.revoked_at.is_(None)).values(revoked_at=now))
    return True


@dataclass(frozen=True)
class IdentityRow:
    """A subject of an OIDC issuer that acts for a publisher."""

    id: str
    publisher_id: int
    issuer: str
    subject: str
    scopes: tuple[str, ...]
    created_at: int


_IDENTITY = tuple(WORKLOAD_IDENTITIES.c[name] for name in IdentityRow.__dataclass_fields__)


def identity_by_subject(connection: Connection, issuer: str, subject: str) -> tuple[IdentityRow, PublisherRow] | None:
    """The identity of a subject, and for whom it acts."""
    columns = WORKLOAD_IDENTITIES.c
    row = connection.execute(
        select(*_IDENTITY, *_PUBLISHER)
        .join(PUBLISHERS, PUBLISHERS.c.id == columns.publisher_id)
        .where(columns.issuer == issuer, columns.subject == subject)
    ).one_or_none()
    return None if row is None else (_identity(row[: len(_IDENTITY)]), PublisherRow(*row[len(_IDENTITY) :]))


def identities_of(connection: Connection, publisher_id: int) -> list[IdentityRow]:
    """A publisher's workload identities, the oldest first."""
    columns = WORKLOAD_IDENTITIES.c
    rows = connection.execute(
        select(*_IDENTITY).where(columns.publisher_id == publisher_id).order_by(columns.created_at, columns.id)
    )
    return [_identity(row) for row in rows]


def insert_identity(connection: Connection, row: IdentityRow) -> None:
    """Store a workload identity."""
    connection.execute(insert(WORKLOAD_IDENTITIES).values(**{**vars(row), "scopes": " ".join(row.scopes)}))


def delete_identity(connection: Connection, identity: str, publisher_id: int) -> bool:
    """Forget a publisher's workload identity; False when there is none."""
    columns = WORKLOAD_IDENTITIES.c
    result = connection.execute(
        delete(WORKLOAD_IDENTITIES).where(columns.id == identity, columns.publisher_id == publisher_id)
    )
    return result.rowcount == 1


@dataclass(frozen=True)
class KeyRotationRow:
    """A logged key rotation as stored; `document` is the signed request."""

    request_digest: str
    publisher_id: int
    new_id: str
    new_key: str
    authorizing_key: str
    document: bytes
    log_index: int
    logged_at: int


_ROTATION = tuple(KEY_ROTATIONS.c[name] for name in KeyRotationRow.__dataclass_fields__)
_ROTATIONS_OF = (
    select(*_ROTATION).where(KEY_ROTATIONS.c.publisher_id == bindparam("publisher")).order_by(KEY_ROTATIONS.c.log_index)
)


def insert_rotation(connection: Connection, row: KeyRotationRow) -> None:
    """Store a logged key rotation."""
    connection.execute(insert(KEY_ROTATIONS).values(**vars(row)))


def rotations_of(connection: Connection, publisher_id: int) -> list[KeyRotationRow]:
    """A publisher's key rotations in the order of the log."""
    return [_rotation(row) for row in connection.execute(_ROTATIONS_OF, {"publisher": publisher_id})]


def all_rotations(connection: Connection) -> list[tuple[KeyRotationRow, str]]:
    """Every key rotation in the order of the log, with its publisher's DID."""
    rows = connection.execute(
        select(*_ROTATION, PUBLISHERS.c.did)
        .join(PUBLISHERS, PUBLISHERS.c.id == KEY_ROTATIONS.c.publisher_id)
        .order_by(KEY_ROTATIONS.c.log_index)
    )
    return [(_rotation(row[:-1]), row[-1]) for row in rows]


def _rotation(row: Sequence[Any]) -> KeyRotationRow:
    digest, publisher, new_id, new_key, authorizing, document, index, at = row
    # SQLite hands out text if text was put there by hand, which `fsck` is to name.
    held = document.encode() if isinstance(document, str) else bytes(document)
    return KeyRotationRow(digest, publisher, new_id, new_key, authorizing, held, index, at)


def _identity(row: Sequence[Any]) -> IdentityRow:
    identifier, publisher_id, issuer, subject, scopes, created = row
    return IdentityRow(identifier, publisher_id, issuer, subject, tuple(scopes.split()), created)


def _token(row: Sequence[Any]) -> TokenRow:
    identifier, publisher_id, name, scopes, created, expires, revoked = row
    return TokenRow(identifier, publisher_id, name, tuple(scopes.split()), created, expires, revoked)
