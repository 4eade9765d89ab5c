"""Key rotations of publishers under a did:web: what is admitted to the log, and how bundles show it.

Lives here: checking a signed request, logging it, the frames for `issuerKeys`. Not here: the request's form
(`datasigil.credentials.key_rotation`), SQL (`repository`), HTTP (`key_rotation_endpoints`), and whether a verifier follows a rotation
(`datasigil.verification.key_history`): that begins at the keys that a trust file pins, never here. ADR 0014.

Two things must agree: a key that signs for the change, which may be gone from the document by now or be a recovery key that never stood in it,
and the document that the DID's own address serves, which must list the new key. Whoever holds an old key alone gets nothing into the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from datasigil.canonical import jcs
from datasigil.credentials.key_rotation import (
    REQUEST_TYPE,
    KeyRotation,
    logged_rotation,
    parse_key_rotation,
    require_both_proofs,
)
from datasigil.encoding import Instant, JsonObject, parse_json
from datasigil.errors import DatasigilError
from datasigil.transparency.entry import log_entry
from service.audit_trail.trail import record
from service.batch import Batch
from service.limits import KEY_ROTATIONS_PER_PUBLISHER_MAX
from service.notifications.outbox import ROTATED, tell
from service.problems import Problem
from service.publishers.did_web import DidWebDocuments
from service.publishers.repository import KeyRotationRow, PublisherRow, insert_rotation, publisher_by_did, rotations_of
from service.requests import require_recent


@dataclass(frozen=True)
class RotationOutcome:
    """The log entry of a rotation, and whether this request made it."""

    log_index: int
    changed: bool


def verified_rotation(document: Any, *, now: datetime) -> KeyRotation:
    """Parse a signed request and verify its two proofs, each by the key that the request names.

    Raises:
        DatasigilError: the core's codes; REQUEST_TIME, when it is older than a week or from the future.
    """
    rotation = parse_key_rotation(document)
    at = Instant.from_datetime(now)
    require_recent(rotation.created, at)
    require_both_proofs(rotation, at=at)
    return rotation


def require_listed(rotation: KeyRotation, documents: DidWebDocuments, *, now: datetime) -> None:
    """Return when the document at the DID's own address lists the new key for assertions, under the name that the request gives it.

    Raises:
        Problem: KEY_NOT_LISTED; DID_DOCUMENT, BUSY as `DidWebDocuments.document`.
    """
    document = documents.document(rotation.issuer)
    try:
        listed = document.method_for(rotation.new_id, "assertionMethod", at=Instant.from_datetime(now)).key
    except DatasigilError:
        listed = None
    if listed != rotation.new_key:
        raise Problem(
            "KEY_NOT_LISTED",
            "The DID's own document does not list the new key",
            status=422,
            pointer="/newKey",
            expected=f"the new key under assertionMethod in {documents.address(rotation.issuer)}",
            next_action="upload the did.json that lists it, wait a minute, and send the request again",
        )


def require_publisher(found: PublisherRow | None) -> PublisherRow:
    """The publisher whose key changes, if they may still write here.

    Raises:
        Problem: NOT_FOUND, PUBLISHER_INACTIVE.
    """
    if found is None:
        raise Problem(
            "NOT_FOUND",
            "No publisher with this DID is known here",
            pointer="/issuer",
            next_action="log in with the DID first; nothing of a stranger is fetched or logged",
        )
    if not found.active:
        raise Problem("PUBLISHER_INACTIVE", "This publisher was locked out", next_action="ask the registry's operator")
    return found


@dataclass(frozen=True)
class LogRotation:
    """Log a verified request, once for each pair of keys."""

    rotation: KeyRotation

    def __call__(self, batch: Batch) -> RotationOutcome:
        """Return where the log holds it.

        Raises:
            Problem: NOT_FOUND, PUBLISHER_INACTIVE, KEY_ROTATION_LIMIT.
        """
        wanted = self.rotation
        publisher = require_publisher(publisher_by_did(batch.connection, wanted.issuer))
        known = rotations_of(batch.connection, publisher.id)
        new, old = wanted.new_key.multibase, wanted.authorizing_key.multibase
        for row in known:
            if (row.new_id, row.new_key, row.authorizing_key) == (wanted.new_id, new, old):
                return RotationOutcome(row.log_index, changed=False)
        if len(known) >= KEY_ROTATIONS_PER_PUBLISHER_MAX:
            raise Problem(
                "KEY_ROTATION_LIMIT",
                "This publisher's keys have changed too often",
                expected=f"at most {KEY_ROTATIONS_PER_PUBLISHER_MAX} rotations",
                next_action="keep the key; users pin the next one with `datasigil-verify trust add`",
            )
        index = batch.append(log_entry("key", wanted.digest, wanted.issuer, REQUEST_TYPE, wanted.digest))
        document = jcs(dict(wanted.document))
        row = KeyRotationRow(wanted.digest, publisher.id, wanted.new_id, new, old, document, index, batch.seconds)
        insert_rotation(batch.connection, row)
        record(batch, actor=wanted.issuer, action="key.rotated", target=wanted.new_id)
        told = {
            "digest": wanted.digest,
            "newKey": wanted.new_id,
            "authorizedBy": wanted.authorizing_id,
            "logIndex": index,
        }
        tell(batch, ROTATED, issuer=wanted.issuer, data=told)
        return RotationOutcome(index, changed=True)


def leading_to(rows: Sequence[KeyRotationRow], methods: frozenset[str], below: int, room: int) -> list[KeyRotationRow]:
    """The logged rotations before an entry that lead to its signing keys, directly or over others; the nearest first while there is room.

    What leads nowhere is left out, so that other rotations cannot take the place of these.
    """
    found: list[KeyRotationRow] = []
    waiting = [(row, below) for row in rows if row.new_id in methods]
    while waiting and len(found) < room:
        row, end = waiting.pop(0)
        if row.log_index >= end or row in found:
            continue
        found.append(row)
        waiting += [(earlier, row.log_index) for earlier in rows if earlier.new_key == row.authorizing_key]
    return found


def signing_methods(document: JsonObject) -> frozenset[str]:
    """The verification methods that a secured document's proofs name."""
    proofs = document.get("proof")
    every = proofs if isinstance(proofs, list) else [proofs]
    return frozenset(str(one.get("verificationMethod")) for one in every if isinstance(one, dict))


def frame_of(row: KeyRotationRow, proof: str, current: str | None) -> JsonObject:
    """How a bundle presents a logged rotation."""
    document = parse_json(row.document)
    assert isinstance(document, dict)
    return logged_rotation(document, proof, current)


def rotations_before(
    connection: Connection, issuer: str, document: JsonObject, below: int, room: int
) -> list[KeyRotationRow]:
    """The rotations that a bundle needs of a credential whose log entry is `below`; none for other DIDs than did:web."""
    publisher = publisher_by_did(connection, issuer) if issuer.startswith("did:web:") else None
    if publisher is None:
        return []
    return leading_to(rotations_of(connection, publisher.id), signing_methods(document), below, room)
