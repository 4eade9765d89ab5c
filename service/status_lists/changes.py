"""Changing a status on the issuer's signed request.

Lives here: verification of a StatusChangeRequest and the operation that acts on it. Not here: signing lists (`signing`) and
the request's format (`datasigil.credentials.status_request`).

Revocation is final; suspension can be lifted. Asking for what already holds changes nothing and logs nothing. A request acts
once: sent again, it is answered with what holds now, so that an old suspension cannot be replayed after a resumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from datasigil.canonical import jcs
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import KeyResolver, verify_proofs
from datasigil.credentials.status_request import StatusChangeRequest, parse_status_change_request
from datasigil.encoding import Instant
from datasigil.transparency.entry import log_entry
from service.batch import Batch
from service.credentials.repository import CredentialRow, by_id, set_status
from service.notifications.outbox import CHANGED, tell
from service.problems import Problem
from service.requests import require_recent
from service.status_lists.repository import (
    change_seen,
    indices_of,
    insert_change,
    list_by_url,
    store_bits,
)

Status = Literal["active", "suspended", "revoked"]


@dataclass(frozen=True)
class ChangeOutcome:
    """What holds after a request: the status, and the log entry of this request, if it changed anything."""

    status: Status
    log_index: int | None
    changed: bool


def verified_request(document: Any, *, now: datetime, keys: KeyResolver = did_key_resolver) -> StatusChangeRequest:
    """Parse a signed request and verify its proof; who may ask is checked against the credential by the operation.

    Raises:
        DatasigilError: the core's codes; REQUEST_TIME, when it is older than a week or from the future; ALREADY_REVOKED.
    """
    _check_final(document)
    request = parse_status_change_request(document)
    at = Instant.from_datetime(now)
    require_recent(request.created, at)
    verify_proofs(document, keys=keys, at=at)
    return request


def _check_final(document: Any) -> None:
    """Name what an attempt to take a revocation back meets; the parser calls it malformed."""
    if isinstance(document, dict) and document.get("statusPurpose") == "revocation" and document.get("value") is False:
        raise Problem(
            "ALREADY_REVOKED",
            "A revocation is final",
            pointer="/value",
            expected="true",
            next_action="issue the credential anew",
        )


@dataclass(frozen=True)
class ChangeStatus:
    """Act on a verified request."""

    request: StatusChangeRequest

    def __call__(self, batch: Batch) -> ChangeOutcome:
        """Return what holds afterwards.

        Raises:
            Problem: NOT_FOUND, OTHER_CREDENTIAL or NOT_YOURS.
        """
        wanted = self.request
        row = by_id(batch.connection, wanted.credential_id)
        if row is None or row.id != wanted.credential_id:
            raise Problem("NOT_FOUND", "No credential with this id is registered here", pointer="/credentialId")
        _check_allowed(row, wanted)
        seen = change_seen(batch.connection, wanted.digest)
        if seen is not None:
            return ChangeOutcome(row.status, seen, changed=False)
        holds = row.revoked if wanted.purpose == "revocation" else row.suspended
        if holds == wanted.value:
            return ChangeOutcome(row.status, None, changed=False)
        return self._change(batch, row)

    def _change(self, batch: Batch, row: CredentialRow) -> ChangeOutcome:
        wanted = self.request
        kind = "revoke" if wanted.purpose == "revocation" else "suspend" if wanted.value else "resume"
        index = batch.append(log_entry(kind, row.digest, row.issuer, row.type, wanted.digest))
        _set_bits(batch, row.seq, wanted.purpose, value=wanted.value)
        set_status(batch.connection, row.seq, wanted.purpose, value=wanted.value)
        insert_change(
            batch.connection,
            request_digest=wanted.digest,
            credential_seq=row.seq,
            purpose=wanted.purpose,
            value=wanted.value,
            reason=wanted.reason,
            document=jcs(dict(wanted.document)),
            log_index=index,
            changed_at=batch.seconds,
        )
        after = by_id(batch.connection, row.id)
        assert after is not None
        told = {
            "id": row.id,
            "digest": row.digest,
            "purpose": wanted.purpose,
            "status": after.status,
            "logIndex": index,
        }
        tell(batch, CHANGED, issuer=row.issuer, data=told)
        return ChangeOutcome(after.status, index, changed=True)


def _check_allowed(row: CredentialRow, wanted: StatusChangeRequest) -> None:
    if wanted.credential_digest != row.digest:
        raise Problem(
            "OTHER_CREDENTIAL",
            "The request names another credential under this id",
            status=422,
            pointer="/credentialDigest",
            expected="the digest of the registered credential",
        )
    if wanted.issuer != row.issuer:
        raise Problem(
            "NOT_YOURS",
            "Only the credential's issuer can change its status",
            pointer="/issuer",
            expected="a request signed by the issuer",
        )


def _set_bits(batch: Batch, credential_seq: int, purpose: str, *, value: bool) -> None:
    """Set the bit in the list if it is kept here; an issuer that keeps its own lists signs them itself."""
    for index in indices_of(batch.connection, credential_seq):
        held = list_by_url(batch.connection, index.list_url) if index.purpose == purpose else None
        if held is None:
            continue
        bits = bytearray(held.bits)
        # Bitstring Status List v1.0 section 3.2: index 0 is the left-most bit.
        mask = 0x80 >> (index.position % 8)
        bits[index.position // 8] = bits[index.position // 8] | mask if value else bits[index.position // 8] & ~mask
        store_bits(batch.connection, held.id, bytes(bits))
        batch.touch(held.id)
