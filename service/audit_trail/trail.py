"""The audit trail: what is recorded, how it is chained, when it is anchored in the log.

Lives here: `record`, inside the batch that does what is recorded; the chain's hash; anchoring, by which every head that was anchored can be
proven to third parties by hash alone. Not here: SQL (`repository`), HTTP (`endpoints`). What the log itself holds (issuing, revoking) is not
recorded twice. Events hold ids and DIDs, never secrets, addresses or names.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Connection

from datasigil.canonical import jcs
from datasigil.transparency.entry import log_entry
from service.audit_trail.repository import (
    AnchorRow,
    EventRow,
    events_after,
    first_at,
    insert_anchor,
    insert_event,
    last_anchor,
    last_event,
)
from service.batch import Batch
from service.clock import seconds_of
from service.limits import AUDIT_ANCHOR_SECONDS, AUDIT_EVENTS_PER_READ

FIRST = "0" * 64
ANCHOR_TYPE = "AuditTrail"
OPERATOR = "operator"  # the command line on the registry's own machine
_DOMAIN = b"datasigil/audit/v1\0"


def event_hash(row: EventRow) -> str:
    """SHA-256 over the domain and the JCS of every member but `hash`."""
    members = {name: value for name, value in vars(row).items() if name != "hash"}
    return hashlib.sha256(_DOMAIN + jcs(members)).hexdigest()


def record(batch: Batch, *, actor: str, action: str, target: str) -> None:
    """Add an event to the chain; it stands or falls with the operation that it tells of."""
    last = last_event(batch.connection)
    row = EventRow(
        position=0 if last is None else last.position + 1,
        at=batch.seconds,
        actor=actor,
        action=action,
        target=target,
        previous=FIRST if last is None else last.hash,
        hash="",
    )
    insert_event(batch.connection, EventRow(**{**vars(row), "hash": event_hash(row)}))


def anchor_due(connection: Connection, now: datetime) -> bool:
    """Whether the chain has grown since the last anchor, and that is long enough ago."""
    head, anchored = last_event(connection), last_anchor(connection)
    if head is None or (anchored is not None and anchored.position == head.position):
        return False
    since = first_at(connection) if anchored is None else anchored.anchored_at
    return seconds_of(now) - since >= AUDIT_ANCHOR_SECONDS


def anchor(batch: Batch) -> None:
    """Put the chain's head into the log: an `audit` entry whose digest is the head's hash, by the registry's DID."""
    head = last_event(batch.connection)
    assert head is not None
    index = batch.append(anchor_entry(head.hash, batch.keys.did))
    insert_anchor(batch.connection, AnchorRow(index, head.position, head.hash, batch.seconds))


def anchor_entry(head: str, registry: str) -> bytes:
    """The log entry that anchors a head."""
    return log_entry("audit", head, registry, ANCHOR_TYPE)


def broken_links(connection: Connection) -> list[str]:
    """What is wrong with the stored chain, in words; empty when every hash and every position is right."""
    found: list[str] = []
    position, previous = -1, FIRST
    while rows := events_after(connection, position, AUDIT_EVENTS_PER_READ):
        for row in rows:
            if row.position != position + 1:
                found.append(f"audit_event {position + 1}: it is missing")
            elif row.previous != previous or row.hash != event_hash(row):
                found.append(f"audit_event {row.position}: it was altered")
            position, previous = row.position, row.hash
    return found
