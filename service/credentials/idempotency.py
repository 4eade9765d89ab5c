"""Idempotency-Key: the same key and request get the same credential.

Lives here: the header's check, and remembering keys in the writer's batch. Not here: idempotency by digest (`registration`).
Spec: draft-ietf-httpapi-idempotency-key-header-07; a key is kept 24 hours and belongs to one publisher.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy import delete, insert, select

from service.batch import Batch
from service.limits import IDEMPOTENCY_KEPT_SECONDS, IDEMPOTENCY_KEY_MAX_CHARACTERS
from service.problems import Problem
from service.tables import IDEMPOTENT_REPLIES

_KEY = re.compile(r"[\x21-\x7e]+\Z", re.ASCII)


@dataclass(frozen=True)
class IdempotencyKey:
    """A publisher's key, and what it was first used for, as digests."""

    publisher_id: int
    key_hash: str
    request_hash: str


def idempotency_key(request: Request, publisher_id: int, body: bytes) -> IdempotencyKey | None:
    """The key of a request; None when it has none.

    Raises:
        Problem: BAD_HEADER.
    """
    value = request.headers.get("idempotency-key")
    if value is None:
        return None
    if len(value) > IDEMPOTENCY_KEY_MAX_CHARACTERS or not _KEY.match(value):
        raise Problem(
            "BAD_HEADER",
            "The Idempotency-Key is not usable",
            expected=f"1 to {IDEMPOTENCY_KEY_MAX_CHARACTERS} printable ASCII characters",
        )
    return IdempotencyKey(publisher_id, _digest(value.encode()), _digest(body))


def recall(batch: Batch, key: IdempotencyKey | None) -> str | None:
    """The digest of the credential that this key led to; None when the key is new.

    Raises:
        Problem: IDEMPOTENCY_KEY_REUSED, when it was used for another request.
    """
    if key is None:
        return None
    table = IDEMPOTENT_REPLIES
    batch.connection.execute(delete(table).where(table.c.expires_at <= batch.seconds))
    row = batch.connection.execute(
        select(table.c.request_hash, table.c.body).where(
            table.c.publisher_id == key.publisher_id, table.c.key_hash == key.key_hash
        )
    ).one_or_none()
    if row is None:
        return None
    if row[0] != key.request_hash:
        raise Problem(
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key was used for another request",
            status=422,
            next_action="use a fresh key for a new request",
        )
    return bytes(row[1]).decode()


def remember(batch: Batch, key: IdempotencyKey | None, digest: str) -> None:
    """Remember which credential a key led to."""
    if key is None:
        return
    batch.connection.execute(
        insert(IDEMPOTENT_REPLIES).values(
            publisher_id=key.publisher_id,
            key_hash=key.key_hash,
            request_hash=key.request_hash,
            status=201,
            body=digest.encode(),
            expires_at=batch.seconds + IDEMPOTENCY_KEPT_SECONDS,
        )
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
