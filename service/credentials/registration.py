"""Registering a locally signed credential.

Lives here: every check that a credential must pass before it is logged, and the operation that stores it. Not here: trust
(the registry's log says that something was published, not that it is true), SQL (`repository`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datasigil.canonical import jcs
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import KeyResolver, verify_proofs
from datasigil.credentials.types import Credential, parse_credential
from datasigil.datasets.manifest import Manifest, ManifestClaim, parse_manifest, verify_manifest_claim
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.limits import CLOCK_SKEW_SECONDS
from datasigil.transparency.entry import log_entry
from service.access import require_issuer, require_publishable
from service.access_cache import Principal
from service.audit_trail.trail import record
from service.batch import Batch
from service.credentials.idempotency import IdempotencyKey, recall, remember
from service.credentials.indexing import known_digests, references, search_terms
from service.credentials.repository import (
    CredentialRow,
    DigestRow,
    NewCredential,
    by_digest,
    id_taken,
    insert_credential,
    insert_derived,
    insert_manifest,
    publish_manifest,
)
from service.lineage.repository import insert_edges
from service.notifications.outbox import REGISTERED, tell
from service.problems import Problem
from service.status_lists.repository import IndexRow, ListSize, index_taken, insert_index, list_size
from service.status_lists.signing import is_own_list


@dataclass(frozen=True)
class Registration:
    """A credential that passed every check which needs no database."""

    credential: Credential
    document: bytes
    publisher_id: int
    manifest: Manifest | None
    manifest_body: bytes
    manifest_public: bool


@dataclass(frozen=True)
class Context:
    """What the checks need to know of this registry."""

    base_url: str
    origin: str
    did: str
    now: datetime
    keys: KeyResolver = did_key_resolver


def check(document: Any, manifest: Any, *, public: bool, principal: Principal, context: Context) -> Registration:
    """Check a credential and, where uploaded, its manifest; CPU only, no database.

    Raises:
        DatasigilError: the core's codes with pointers below `/credential` or `/manifest`; NOT_YOURS, OTHER_LOG, OTHER_STATUS,
            EXPIRED, MANIFEST_DIGEST, MANIFEST_MISSING.
    """
    credential = _parsed(document)
    require_issuer(principal, credential.issuer)
    require_publishable(principal, credential.type)
    _check_log(credential, context)
    _check_period(credential, context.now)
    _check_status(credential, principal, context)
    try:
        verify_proofs(credential, keys=context.keys, at=Instant.from_datetime(context.now))
    except DatasigilError as error:
        raise error.at("/credential") from None
    claimed, body = _manifest(credential, manifest, public=public)
    return Registration(credential, credential.secured_jcs, principal.publisher_id, claimed, body, public)


@dataclass(frozen=True)
class RegisterCredential:
    """Store a checked credential and log it; idempotent by digest."""

    registration: Registration
    idempotency: IdempotencyKey | None = None

    def __call__(self, batch: Batch) -> tuple[CredentialRow, bool]:
        """Return the row, and whether it is new.

        Raises:
            Problem: ID_TAKEN, STATUS_INDEX_TAKEN or IDEMPOTENCY_KEY_REUSED.
        """
        credential = self.registration.credential
        known = recall(batch, self.idempotency)
        existing = by_digest(batch.connection, known or credential.digest)
        if existing is not None:
            self._add_manifest(batch, existing)
            return existing, False
        self._check_free(batch)
        index = batch.append(log_entry("issue", credential.digest, credential.issuer, credential.type))
        new = _row(self.registration)
        seq = insert_credential(batch.connection, new, log_index=index, now=batch.seconds)
        for entry in credential.status:
            insert_index(batch.connection, seq, IndexRow(entry.list_id, entry.index, entry.purpose))
            held = _list(batch, entry.list_id)
            if held is not None:  # a list made before this entry says nothing about it; verifiers refuse it
                batch.touch(held.id)
        self._store_derived(batch, seq)
        remember(batch, self.idempotency, credential.digest)
        named = {"id": credential.id, "digest": credential.digest, "type": credential.type, "logIndex": index}
        tell(batch, REGISTERED, issuer=credential.issuer, data=named)
        stored = CredentialRow(
            seq=seq,
            log_index=index,
            registered_at=batch.seconds,
            revoked=False,
            suspended=False,
            **_without_document(new),
        )
        return stored, True

    def _add_manifest(self, batch: Batch, existing: CredentialRow) -> None:
        """A publisher may hand in, and make public, the manifest of what they registered before."""
        given = self.registration
        if given.manifest is None or existing.digest != given.credential.digest:
            return
        insert_manifest(batch.connection, given.manifest.digest, given.manifest_body)
        if given.manifest_public and not existing.manifest_public:
            publish_manifest(batch.connection, existing.seq)
            record(batch, actor=existing.issuer, action="manifest.published", target=existing.manifest_digest)
            files = [row for row in known_digests(given.credential, given.manifest) if row.kind == "file"]
            insert_derived(batch.connection, existing.seq, files, ())

    def _check_free(self, batch: Batch) -> None:
        credential = self.registration.credential
        if id_taken(batch.connection, credential.id):
            raise Problem(
                "ID_TAKEN",
                "Another credential with this id is registered",
                pointer="/credential/id",
                next_action="issue again: a credential gets a fresh id",
            )
        for number, entry in enumerate(credential.status):
            place = f"/credential/credentialStatus/{number}"
            if index_taken(batch.connection, entry.list_id, entry.index):
                raise Problem(
                    "STATUS_INDEX_TAKEN",
                    "Another credential holds this index of the status list",
                    pointer=f"{place}/statusListIndex",
                    next_action="issue again: a credential draws a fresh index",
                )
            held = _list(batch, entry.list_id)
            if held is not None and entry.index >= held.bits:
                raise Problem(
                    "STATUS_RANGE",
                    "The index lies outside the status list",
                    status=422,
                    pointer=f"{place}/statusListIndex",
                    expected=f"below {held.bits}",
                )
            if held is None and entry.list_id.startswith(batch.base_url + "/"):
                raise Problem(
                    "OTHER_STATUS",
                    "This registry has no such status list",
                    status=422,
                    pointer=f"{place}/statusListCredential",
                    next_action="log in; the reply names your lists",
                )

    def _store_derived(self, batch: Batch, seq: int) -> None:
        given = self.registration
        public = given.manifest if given.manifest_public else None
        digests: list[DigestRow] = known_digests(given.credential, public)
        insert_derived(batch.connection, seq, digests, search_terms(given.credential))
        insert_edges(batch.connection, seq, references(given.credential))
        if given.manifest is not None:
            insert_manifest(batch.connection, given.manifest.digest, given.manifest_body)


def _list(batch: Batch, url: str) -> ListSize | None:
    """A list kept here, asked for once in a batch: lists are made, and never go away."""
    found = batch.memory.get(url)
    if found is None:
        found = list_size(batch.connection, url)
        if found is not None:
            batch.memory[url] = found
    assert found is None or isinstance(found, ListSize)
    return found


def _without_document(new: NewCredential) -> dict[str, Any]:
    return {name: value for name, value in vars(new).items() if name != "document"}


def _parsed(document: Any) -> Credential:
    try:
        return parse_credential(document)
    except DatasigilError as error:
        raise error.at("/credential") from None


def _check_log(credential: Credential, context: Context) -> None:
    if credential.log_origin != context.origin:
        raise Problem(
            "OTHER_LOG",
            "The credential says that it stands in another log",
            status=422,
            pointer="/credential/transparencyLog/origin",
            expected=context.origin,
            next_action="issue it for this registry, or publish it in the one that it names",
        )


def _check_period(credential: Credential, now: datetime) -> None:
    at = Instant.from_datetime(now)
    if credential.valid_until is not None and credential.valid_until.plus(CLOCK_SKEW_SECONDS) < at:
        raise Problem(
            "EXPIRED",
            "The credential's validity is over",
            status=422,
            pointer="/credential/validUntil",
            expected=f"after {at}",
        )


def _check_status(credential: Credential, principal: Principal, context: Context) -> None:
    """A list below our URL must be the publisher's own and ours to sign; a list elsewhere must be the issuer's own."""
    for number, entry in enumerate(credential.status):
        place = f"/credential/credentialStatus/{number}"
        here = entry.list_id.startswith(context.base_url + "/")
        own = f"{context.base_url}/status-lists/{principal.slug}/{entry.purpose}"
        if here and not is_own_list(context.base_url, principal.slug, entry.purpose, entry.list_id):
            raise Problem(
                "OTHER_STATUS",
                "This status list is not the issuer's list for this purpose",
                status=422,
                pointer=f"{place}/statusListCredential",
                expected=own,
            )
        signer = context.did if here else credential.issuer
        if entry.issuer != signer:
            raise Problem(
                "OTHER_STATUS",
                "The status list is signed by another DID than the entry says",
                status=422,
                pointer=f"{place}/statusIssuer",
                expected=signer,
            )
        if here and entry.size != 1:
            raise Problem(
                "STATUS_SIZE",
                "Lists kept here have one bit an entry",
                status=422,
                pointer=f"{place}/statusSize",
                expected="1, or no statusSize",
            )


def _manifest(credential: Credential, value: Any, *, public: bool) -> tuple[Manifest | None, bytes]:
    if value is None:
        if public:
            raise Problem(
                "MANIFEST_MISSING",
                "There is no manifest to make public",
                status=422,
                pointer="/manifest",
                expected="the manifest whose digest the credential claims",
            )
        return None, b""
    body = jcs(value)
    try:
        claim = ManifestClaim.from_subject(credential.subject)
        if hashlib.sha256(body).hexdigest() != claim.digest:
            raise Problem(
                "MANIFEST_DIGEST",
                "The manifest is not the one that the credential claims",
                status=422,
                expected="the manifest whose digest the credential claims",
            )
        manifest = parse_manifest(body)
        verify_manifest_claim(manifest, claim)
    except DatasigilError as error:
        raise error.at("/manifest") from None
    return manifest, body


def _row(given: Registration) -> NewCredential:
    credential, subject = given.credential, given.credential.subject
    licence = subject.get("license")
    expression = licence.get("expression", "") if isinstance(licence, dict) else licence or ""
    until = credential.valid_until
    return NewCredential(
        id=credential.id,
        digest=credential.digest,
        document=given.document,
        type=credential.type,
        profile=str(subject.get("profile", "")),
        role=str(subject.get("role", "")),
        issuer=credential.issuer,
        publisher_id=given.publisher_id,
        subject_id=str(subject.get("id", "")),
        name=str(subject.get("name", "")),
        version=str(subject.get("version", "")),
        license=str(expression),
        valid_from=credential.valid_from.seconds,
        valid_until=None if until is None else until.seconds,
        issued=str(subject.get("issued", "")),
        manifest_digest=str(subject.get("manifest", {}).get("digest", "")),
        manifest_public=given.manifest_public,
    )
