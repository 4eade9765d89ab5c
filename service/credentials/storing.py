"""Storing and logging checked credentials: one, or many of one batch together.

Lives here: the writer's operation, with every refusal that depends on what is registered already; and the way for many, with a statement for
all of them where each alone would take its own. Not here: checks without a database (`registration`), SQL (`repository`).

Only what is plain goes together. What is special in any way, a repetition, an idempotency key, a conflict, a list that is not there, takes
its own turn, where the refusals are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from datasigil.transparency.entry import log_entry
from service.audit_trail.trail import record
from service.batch import Batch
from service.credentials.idempotency import IdempotencyKey, recall, remember
from service.credentials.indexing import known_digests, references, search_terms
from service.credentials.registration import Registration
from service.credentials.repository import (
    CredentialRow,
    Derived,
    DigestRow,
    NewCredential,
    by_digest,
    id_taken,
    insert_credential,
    insert_credentials,
    insert_derived,
    insert_manifest,
    names_taken,
    publish_manifest,
    reserve_numbers,
)
from service.lineage.repository import insert_all_edges, insert_edges
from service.notifications.outbox import REGISTERED, tell
from service.problems import Problem
from service.status_lists.repository import (
    IndexRow,
    ListSize,
    index_taken,
    insert_index,
    insert_indices,
    list_size,
    positions_taken,
)


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
        new = new_row(self.registration)
        seq = insert_credential(batch.connection, new, log_index=index, now=batch.seconds)
        for entry in credential.status:
            insert_index(batch.connection, seq, IndexRow(entry.list_id, entry.index, entry.purpose))
            held = held_list(batch, entry.list_id)
            if held is not None:  # a list made before this entry says nothing about it; verifiers refuse it
                batch.touch(held.id)
        self._store_derived(batch, seq)
        remember(batch, self.idempotency, credential.digest)
        named = {"id": credential.id, "digest": credential.digest, "type": credential.type, "logIndex": index}
        tell(batch, REGISTERED, issuer=credential.issuer, data=named)
        return stored_row(new, seq=seq, log_index=index, now=batch.seconds), True

    @staticmethod
    def together(batch: Batch, operations: Sequence[RegisterCredential]) -> list[tuple[CredentialRow, bool] | None]:
        """Do what many of these do; None for those that have to be done alone."""
        plain = [place for place, one in enumerate(operations) if one.idempotency is None]
        rows = register_together(batch, [operations[place].registration for place in plain])
        done: list[tuple[CredentialRow, bool] | None] = [None] * len(operations)
        for place, row in zip(plain, rows, strict=True):
            done[place] = None if row is None else (row, True)
        return done

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
            held = held_list(batch, entry.list_id)
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


def held_list(batch: Batch, url: str) -> ListSize | None:
    """A list kept here, asked for once in a batch: lists are made, and never go away."""
    found = batch.memory.get(url)
    if found is None:
        found = list_size(batch.connection, url)
        if found is not None:
            batch.memory[url] = found
    assert found is None or isinstance(found, ListSize)
    return found


def stored_row(new: NewCredential, *, seq: int, log_index: int, now: int) -> CredentialRow:
    """The row of a credential that was just registered."""
    values = {name: value for name, value in vars(new).items() if name != "document"}
    return CredentialRow(seq=seq, log_index=log_index, registered_at=now, revoked=False, suspended=False, **values)


def new_row(given: Registration) -> NewCredential:
    """What is stored of a checked credential."""
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


def register_together(batch: Batch, given: Sequence[Registration]) -> list[CredentialRow | None]:
    """Store and log what is plain; the row of each, None for what has to be done alone."""
    plain, named = _plain(batch, given)
    numbers = iter(reserve_numbers(batch.connection, len(plain)))
    rows: list[CredentialRow | None] = [None] * len(given)
    stored = []
    for place in plain:
        credential = given[place].credential
        index = batch.append(log_entry("issue", credential.digest, credential.issuer, credential.type))
        row = stored_row(new_row(given[place]), seq=next(numbers), log_index=index, now=batch.seconds)
        rows[place] = row
        stored.append((given[place], row))
    if stored:
        _store(batch, stored)
        insert_all_edges(batch.connection, [(row.seq, named[row.digest]) for _, row in stored])
    return rows


def _plain(batch: Batch, given: Sequence[Registration]) -> tuple[list[int], dict[str, set[tuple[str, str]]]]:
    """The places of those whose names and indices are free, among what is registered and among each other, and what they refer to."""
    credentials = [one.credential for one in given]
    names = {name for one in credentials for name in (one.id, one.digest)}
    seen: set[object] = set(names_taken(batch.connection, names))
    positions: defaultdict[str, set[int]] = defaultdict(set)
    for one in credentials:
        for entry in one.status:
            positions[entry.list_id].add(entry.index)
    for url, wanted in positions.items():
        seen |= {(url, position) for position in positions_taken(batch.connection, url, wanted)}
    found: list[int] = []
    named: dict[str, set[tuple[str, str]]] = {}
    for place, one in enumerate(credentials):
        own = {one.id, one.digest, *((entry.list_id, entry.index) for entry in one.status)}
        if not (seen.isdisjoint(own) and all(_in_range(batch, entry.list_id, entry.index) for entry in one.status)):
            continue
        with suppress(Problem):  # it names more others than may be stored: its own turn says so
            named[one.digest] = references(one)
            seen |= own
            found.append(place)
    return found, named


def _in_range(batch: Batch, url: str, index: int) -> bool:
    held = held_list(batch, url)
    return index < held.bits if held is not None else not url.startswith(batch.base_url + "/")


def _store(batch: Batch, stored: Sequence[tuple[Registration, CredentialRow]]) -> None:
    connection = batch.connection
    insert_credentials(
        connection,
        [(row, given.document) for given, row in stored],
        [
            Derived(
                row.seq,
                known_digests(given.credential, given.manifest if given.manifest_public else None),
                search_terms(given.credential),
            )
            for given, row in stored
        ],
    )
    entries = [(row.seq, entry) for given, row in stored for entry in given.credential.status]
    insert_indices(connection, [(seq, IndexRow(one.list_id, one.index, one.purpose)) for seq, one in entries])
    for url in {entry.list_id for _, entry in entries}:
        held = held_list(batch, url)
        if held is not None:  # a list made before these entries says nothing about them; verifiers refuse it
            batch.touch(held.id)
    for given, row in stored:
        if given.manifest is not None:
            insert_manifest(connection, given.manifest.digest, given.manifest_body)
        named = {"id": row.id, "digest": row.digest, "type": row.type, "logIndex": row.log_index}
        tell(batch, REGISTERED, issuer=row.issuer, data=named)
