"""Deriving everything again that the registry signed, and comparing.

Lives here: log entries to leaves to tiles to root to checkpoint to high-water mark; credentials to digests to their entries;
status bits replayed from logged requests; signed lists against bits. Not here: repair, which is a restore from a backup or a
mirror. A finding names the row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from datasigil.canonical import document_digest
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.handover import REQUEST_TYPE, parse_handover, require_signed_by
from datasigil.credentials.key_rotation import REQUEST_TYPE as ROTATION_TYPE
from datasigil.credentials.key_rotation import parse_key_rotation, require_both_proofs
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.status_list import parse_status_list
from datasigil.encoding import Instant, parse_json
from datasigil.errors import DatasigilError, LogError
from datasigil.transparency.checkpoint import unverified_checkpoint
from datasigil.transparency.entry import log_entry, parse_entry
from datasigil.transparency.note import parse_note
from datasigil.transparency.tiles import TileTree
from service.audit_trail.repository import anchors
from service.audit_trail.trail import broken_links
from service.clock import system_clock
from service.database import open_database
from service.handover.repository import handovers
from service.high_water import HighWaterFile
from service.publishers.repository import all_rotations
from service.registry_keys import RegistryKeys, load_keys
from service.settings import Settings
from service.tables import (
    AUDIT_EVENTS,
    CREDENTIALS,
    LOG_ENTRIES,
    MANIFESTS,
    STATUS_CHANGES,
    STATUS_INDICES,
    STATUS_LISTS,
)
from service.training.checking import results_checked
from service.transparency_log.repository import StoredState, checkpoints, next_position, read_entries, read_state
from service.transparency_log.store import SqlTileStore
from service.transparency_log.writing import check_entries, open_own

_FINDINGS_MAX = 100


@dataclass
class Findings:
    """What was compared and what differed."""

    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing differed."""
        return not self.errors

    def lines(self) -> list[str]:
        """A report for the operator."""
        counted = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        verdict = "clean" if self.clean else f"{len(self.errors)} differences"
        return [*self.errors[:_FINDINGS_MAX], f"{verdict}: {counted}"]

    def count(self, name: str) -> None:
        """One more thing was compared."""
        self.counts[name] = self.counts.get(name, 0) + 1


def check_everything(settings: Settings) -> Findings:
    """Compare everything; reads only, so the registry may be running.

    Raises:
        DatasigilError: when keys or database cannot be opened.
    """
    keys = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)
    database = open_database(settings.sqlalchemy_url)
    try:
        with database.reading() as connection:
            return check_database(connection, keys, HighWaterFile(settings.high_water_file))
    finally:
        database.close()


def check_database(connection: Connection, keys: RegistryKeys, file: HighWaterFile) -> Findings:
    """Compare everything that one transaction sees."""
    findings = Findings()
    # The mark is read after the snapshot began, so a running writer may be ahead of it but never behind.
    state = read_state(connection)
    if state is None:
        findings.errors.append("log_state: the log was never opened")
        return findings
    _check_log(connection, state, keys, file, findings)
    _check_credentials(connection, findings)
    _check_lists(connection, keys, findings)
    _check_manifests(connection, findings)
    _check_trail(connection, findings)
    _check_jobs(connection, findings)
    _check_handovers(connection, state, findings)
    _check_rotations(connection, findings)
    return findings


def _check_log(
    connection: Connection, state: StoredState, keys: RegistryKeys, file: HighWaterFile, findings: Findings
) -> None:
    store = SqlTileStore()
    store.connection = connection
    try:
        head = open_own(state.checkpoint, keys)
        if (head.origin, head.size, head.root.hex()) != (state.origin, state.size, state.root):
            raise LogError("CHECKPOINT", "the signed checkpoint is of another tree", place="log_state")
        tree = TileTree.open(store, state.size, bytes.fromhex(state.root))
        tree.check()
        if next_position(connection) != state.size:
            raise LogError("LOG_ENTRIES", "the number of entries is not the signed size", place="log_entry")
        check_entries(connection, tree, 0, state.size)
        _check_kept(connection, tree, keys)
        mark = file.read()
        if mark is not None and mark.size <= state.size and tree.root_at(mark.size).hex() != mark.root:
            raise LogError(
                "LOG_ROLLBACK", "the database has another history than what was released", place="high-water"
            )
        if mark is None and state.size:
            raise LogError("HIGH_WATER_MISSING", "the high-water mark is missing", place="high-water")
        if mark is not None and mark.size > state.size and _ahead(connection, mark.size):
            raise LogError("LOG_ROLLBACK", "the database is older than what was released", place="high-water")
    except DatasigilError as error:
        findings.errors.append(f"log: {error} [{error.code}]")
    findings.counts["log entries"] = state.size


def _check_kept(connection: Connection, tree: TileTree, keys: RegistryKeys) -> None:
    """Hold the checkpoints that show by when entries were in the log against the tree; older keys' signatures cannot be checked here.

    Raises:
        LogError: CHECKPOINT.
    """
    for size, note in checkpoints(connection):
        head = unverified_checkpoint(note)
        by = {line.key_id for line in parse_note(note).signatures}
        if any(key.key_id in by for key, _ in keys.log_keys):
            head = open_own(note, keys)
        if head.size != size or size > tree.size or tree.root_at(size) != head.root:
            raise LogError("CHECKPOINT", "a kept checkpoint is of another tree", place=f"log_checkpoint {size}")


def _ahead(connection: Connection, size: int) -> bool:
    """Whether the database still has not reached `size` when asked again, outside the snapshot that may be old."""
    with connection.engine.connect() as fresh:
        now = read_state(fresh)
        return now is None or now.size < size


def _check_credentials(connection: Connection, findings: Findings) -> None:
    columns = CREDENTIALS.c
    rows = connection.execute(
        select(
            columns.seq, columns.id, columns.digest, columns.document, columns.issuer, columns.type, LOG_ENTRIES.c.entry
        )
        .outerjoin(LOG_ENTRIES, LOG_ENTRIES.c.position == columns.log_index)
        .order_by(columns.seq)
    )
    for seq, identifier, digest, document, issuer, kind, entry in rows:
        place = f"credential {seq}"
        findings.count("credentials")
        try:
            parsed = parse_json(_stored(document))
            found = parsed.get("issuer")
            named = found.get("id") if isinstance(found, dict) else found
            if document_digest(parsed) != digest or parsed.get("id") != identifier or named != issuer:
                findings.errors.append(f"{place}: the stored document is not the one that was registered")
            elif entry is None or bytes(entry) != log_entry("issue", digest, issuer, kind):
                findings.errors.append(f"{place}: its log entry is missing or of another credential")
        except DatasigilError as error:
            findings.errors.append(f"{place}: {error} [{error.code}]")


def _check_lists(connection: Connection, keys: RegistryKeys, findings: Findings) -> None:
    expected = _replayed(connection, findings)
    _check_flags(connection, findings)
    lists = STATUS_LISTS.c
    for row, url, purpose, bits, document in connection.execute(
        select(lists.id, lists.url, lists.purpose, lists.bits, lists.document).order_by(lists.id)
    ):
        place = f"status_list {row}"
        findings.count("status lists")
        wanted = bytearray(len(bits))
        for position in expected.get(url, ()):
            wanted[position // 8] |= 0x80 >> (position % 8)
        if bytes(wanted) != bytes(bits):
            findings.errors.append(f"{place}: its bits are not a replay of the logged requests")
        try:
            parsed = parse_json(_stored(document))
            signed = parse_status_list(parsed)
            verify_proofs(parsed, keys=did_key_resolver, at=Instant.from_datetime(system_clock()))
            if (signed.id, signed.issuer, signed.purpose, signed.bits) != (url, keys.did, purpose, bytes(bits)):
                findings.errors.append(f"{place}: the signed list does not say what is stored")
        except DatasigilError as error:
            findings.errors.append(f"{place}: {error} [{error.code}]")


def _replayed(connection: Connection, findings: Findings) -> dict[str, set[int]]:
    """The indices that must be set in each list after every logged request, in log order."""
    changes, indices, credentials = STATUS_CHANGES.c, STATUS_INDICES.c, CREDENTIALS.c
    rows = connection.execute(
        select(
            changes.request_digest,
            changes.document,
            changes.value,
            changes.purpose,
            indices.list_url,
            indices.position,
            LOG_ENTRIES.c.entry,
            credentials.digest,
            credentials.issuer,
            credentials.type,
        )
        .join(CREDENTIALS, credentials.seq == changes.credential_seq)
        .join(STATUS_INDICES, (indices.credential_seq == changes.credential_seq) & (indices.purpose == changes.purpose))
        .outerjoin(LOG_ENTRIES, LOG_ENTRIES.c.position == changes.log_index)
        .order_by(changes.log_index)
    )
    found: dict[str, set[int]] = {}
    for digest, document, value, purpose, url, position, entry, credential, issuer, kind in rows:
        findings.count("status changes")
        verb = "revoke" if purpose == "revocation" else "suspend" if value else "resume"
        genuine = hashlib.sha256(bytes(document)).hexdigest() == digest
        if not genuine or entry is None or bytes(entry) != log_entry(verb, credential, issuer, kind, digest):
            findings.errors.append(f"status_change {digest}: the request or its log entry is missing or altered")
        (found.setdefault(url, set()).add if value else found.setdefault(url, set()).discard)(position)
    return found


def _stored(value: bytes | str) -> bytes:
    """Bytes of a column of bytes; SQLite hands out text if text was put there by hand."""
    return value.encode() if isinstance(value, str) else bytes(value)


def _check_flags(connection: Connection, findings: Findings) -> None:
    """What search and pages call revoked or suspended must be what the last logged request of each purpose says."""
    changes, credentials = STATUS_CHANGES.c, CREDENTIALS.c
    last = {
        (seq, purpose): bool(value)
        for seq, purpose, value in connection.execute(
            select(changes.credential_seq, changes.purpose, changes.value).order_by(changes.log_index)
        )
    }
    rows = connection.execute(select(credentials.seq, credentials.revoked, credentials.suspended))
    for seq, revoked, suspended in rows:
        wanted = (last.get((seq, "revocation"), False), last.get((seq, "suspension"), False))
        if (bool(revoked), bool(suspended)) != wanted:
            findings.errors.append(f"credential {seq}: its status is not a replay of the logged requests")


def _check_manifests(connection: Connection, findings: Findings) -> None:
    for digest, body in _manifests(connection):
        findings.count("manifests")
        if hashlib.sha256(body).hexdigest() != digest:
            findings.errors.append(f"manifest {digest}: its bytes have another digest")


def _check_handovers(connection: Connection, state: StoredState, findings: Findings) -> None:
    """Each handover is the entry that it says, and a log that was handed over has none after it."""
    for row in handovers(connection):
        findings.count("handovers")
        place = f"handover {row.position}"
        try:
            handover = parse_handover(parse_json(row.document))
            require_signed_by(handover.document, handover.before.did, at=Instant.from_datetime(system_clock()))
            wanted = log_entry("key", handover.digest, handover.before.did, REQUEST_TYPE, handover.digest)
            held = read_entries(connection, row.position, row.position + 1)
            if held != [wanted] or (row.origin, row.position) != (handover.before.origin, handover.tree_size):
                findings.errors.append(f"{place}: its log entry is missing or of another handover")
            if row.origin == state.origin and state.size != row.position + 1:
                findings.errors.append(f"{place}: the log goes on after it was handed over")
        except DatasigilError as error:
            findings.errors.append(f"{place}: {error} [{error.code}]")


def _check_rotations(connection: Connection, findings: Findings) -> None:
    """Each key rotation is signed by both its keys, about the publisher it stands with, and is the entry that it says."""
    at = Instant.from_datetime(system_clock())
    for row, did in all_rotations(connection):
        findings.count("key rotations")
        place = f"key_rotation {row.request_digest}"
        try:
            rotation = parse_key_rotation(parse_json(row.document))
            require_both_proofs(rotation, at=at)
            wanted = log_entry("key", rotation.digest, rotation.issuer, ROTATION_TYPE, rotation.digest)
            said = (rotation.digest, rotation.issuer, rotation.new_id)
            keys = (rotation.new_key.multibase, rotation.authorizing_key.multibase)
            held = read_entries(connection, row.log_index, row.log_index + 1)
            if held != [wanted] or (*said, *keys) != (
                row.request_digest,
                did,
                row.new_id,
                row.new_key,
                row.authorizing_key,
            ):
                findings.errors.append(f"{place}: the request or its log entry is missing or altered")
        except DatasigilError as error:
            findings.errors.append(f"{place}: {error} [{error.code}]")


def _check_trail(connection: Connection, findings: Findings) -> None:
    """The audit trail's chain, and every anchor against the chain and the log."""
    findings.errors += broken_links(connection)
    entries = AUDIT_EVENTS.c
    for row in anchors(connection):
        findings.count("anchors")
        held = connection.execute(select(entries.hash).where(entries.position == row.position)).scalar_one_or_none()
        entry = connection.execute(
            select(LOG_ENTRIES.c.entry).where(LOG_ENTRIES.c.position == row.log_index)
        ).scalar_one_or_none()
        if held != row.hash:
            findings.errors.append(
                f"audit_anchor {row.log_index}: the trail's event {row.position} is not the anchored one"
            )
        logged = None if entry is None else parse_entry(bytes(entry))
        if logged is None or (logged.kind, logged.credential_digest) != ("audit", row.hash):
            findings.errors.append(f"audit_anchor {row.log_index}: its log entry is missing or holds another hash")


def _manifests(connection: Connection) -> Iterator[tuple[str, bytes]]:
    for digest in connection.execute(select(MANIFESTS.c.digest)).scalars().all():
        body = connection.execute(select(MANIFESTS.c.body).where(MANIFESTS.c.digest == digest)).scalar_one()
        yield digest, bytes(body)


def _check_jobs(connection: Connection, findings: Findings) -> None:
    for fault in results_checked(connection):
        findings.count("training jobs")
        findings.errors += [fault] if fault else []
