"""Signing status lists, inside the writer's batch.

Lives here: making a publisher's pair of lists and signing the lists that changed or grew old. Not here: bits
(`changes`), the list's format (`datasigil.credentials.status_list`).
Spec: Bitstring Status List v1.0 (W3C Recommendation, 15 May 2025).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from datasigil.canonical import jcs, sha256_hex
from datasigil.credentials.status_list import new_status_list_credential
from datasigil.signing import add_proof
from service.audit_trail.trail import record
from service.batch import Batch
from service.clock import seconds_of
from service.limits import (
    RESIGN_SECONDS,
    STATUS_LIST_BITS,
    STATUS_LIST_VALID_SECONDS,
    STATUS_LISTS_PER_PURPOSE_MAX,
)
from service.problems import Problem
from service.registry_keys import RegistryKeys
from service.status_lists.repository import insert_list, lists_by_id, lists_of, lists_signed_before, store_signed

PURPOSES = ("revocation", "suspension")
_STALE_PER_BATCH = 32


def list_address(base_url: str, slug: str, purpose: str) -> str:
    """The id, which is the URL, of a publisher's list."""
    return f"{base_url}/status-lists/{slug}/{purpose}"


def create_lists(batch: Batch, *, slug: str, publisher_id: int) -> None:
    """Give a publisher a pair of empty lists, signed when the batch is sealed."""
    for purpose in PURPOSES:
        row = insert_list(
            batch.connection,
            url=list_address(batch.base_url, slug, purpose),
            slug=slug,
            purpose=purpose,
            publisher_id=publisher_id,
            bits=bytes(STATUS_LIST_BITS // 8),
        )
        batch.touch(row)


@dataclass(frozen=True)
class AddList:
    """Give a publisher one more list of a purpose."""

    publisher_id: int
    actor: str
    slug: str
    purpose: str

    def __call__(self, batch: Batch) -> str:
        """Return the new list's address.

        Raises:
            Problem: STATUS_LIST_LIMIT.
        """
        held = lists_of(batch.connection, self.publisher_id, self.purpose)
        if len(held) >= STATUS_LISTS_PER_PURPOSE_MAX:
            raise Problem(
                "STATUS_LIST_LIMIT",
                "This publisher has too many status lists of this purpose",
                expected=f"at most {STATUS_LISTS_PER_PURPOSE_MAX}",
                next_action="ask the registry's operator",
            )
        slug = f"{self.slug}-{len(held) + 1}"
        url = list_address(batch.base_url, slug, self.purpose)
        row = insert_list(
            batch.connection,
            url=url,
            slug=slug,
            purpose=self.purpose,
            publisher_id=self.publisher_id,
            bits=bytes(STATUS_LIST_BITS // 8),
        )
        batch.touch(row)
        record(batch, actor=self.actor, action="status-list.added", target=url)
        return url


def newest_pair(batch: Batch, publisher_id: int, slug: str) -> dict[str, str]:
    """The addresses, by purpose, of the newest pair of lists that a publisher has."""
    number = min(len(lists_of(batch.connection, publisher_id, purpose)) for purpose in PURPOSES)
    suffix = "" if number == 1 else f"-{number}"
    return {purpose: list_address(batch.base_url, f"{slug}{suffix}", purpose) for purpose in PURPOSES}


def add_pair(batch: Batch, publisher_id: int, slug: str, *, actor: str) -> None:
    """Give a publisher one more list of each purpose of which it has as many as it has pairs.

    Raises:
        Problem: STATUS_LIST_LIMIT.
    """
    held = {purpose: len(lists_of(batch.connection, publisher_id, purpose)) for purpose in PURPOSES}
    for purpose, number in held.items():
        if number == min(held.values()):
            AddList(publisher_id, actor, slug, purpose)(batch)


def is_own_list(base_url: str, slug: str, purpose: str, url: str) -> bool:
    """Whether an address is that of a list which the publisher of this slug may have; that it exists is not checked here."""
    own = re.escape(f"{base_url}/status-lists/{slug}")
    return re.fullmatch(rf"{own}(-[1-9][0-9]{{0,2}})?/{re.escape(purpose)}", url, re.ASCII) is not None


def stale_lists(connection: Connection, now: datetime) -> list[int]:
    """Rows of lists that must be signed again although nothing changed, a few at a time."""
    return lists_signed_before(connection, seconds_of(now) - RESIGN_SECONDS, _STALE_PER_BATCH)


def sign_lists(connection: Connection, keys: RegistryKeys, rows: set[int], now: datetime, tree_size: int) -> None:
    """Sign lists as the replay of the log's first `tree_size` entries."""
    if not rows:
        return
    for one in lists_by_id(connection, rows):
        unsigned = new_status_list_credential(
            list_id=one.url,
            issuer=keys.did,
            purpose=one.purpose,
            bits=one.bits,
            valid_from=now,
            valid_until=now + timedelta(seconds=STATUS_LIST_VALID_SECONDS),
            replay=(keys.origin, tree_size),
        )
        document = jcs(add_proof(unsigned, keys.status, created=now))
        store_signed(
            connection,
            one.id,
            document=document,
            digest=sha256_hex(document),
            signed_at=seconds_of(now),
            tree_size=tree_size,
        )
