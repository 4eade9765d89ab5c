"""`export`: ending a registry in favour of another one, and writing what that one needs.

Lives here: the handover, signed and put into the log as its last entry, and the archive. Not here: the way in (`importing`). ADR 0065.

The order is what makes it safe: first the end becomes durable, in one transaction with the log entry that says it, then the archive is
written. A registry that has ended signs nothing more, so the archive can be written again, as often as needed, and is always of the same state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from datasigil.canonical import jcs
from datasigil.credentials.handover import (
    REQUEST_TYPE,
    RegistryHandover,
    RegistryName,
    new_handover,
    parse_handover,
    verified_offer,
)
from datasigil.encoding import Instant, parse_json
from datasigil.errors import DatasigilError
from datasigil.signing import add_proof
from datasigil.transparency.entry import log_entry
from service import VERSION
from service.app import cosigner_of, hold_lock, instance_name
from service.audit_trail.trail import OPERATOR, record
from service.batch import Batch
from service.clock import system_clock
from service.copying import DATABASE_FILE, copy_rows, database_file, digest_of, schema_head, sync_file
from service.database import Database, open_database, translated
from service.handover.ending import handed_over, own_name
from service.handover.repository import HandoverRow, handover_from, insert_handover, store_note
from service.high_water import HighWaterFile, sync_folder
from service.migrating import migrate
from service.offline import offline_writer
from service.registry_keys import RegistryKeys, load_keys
from service.sequencer import Sequencer
from service.settings import Settings
from service.tables import core_table
from service.transparency_log.writing import current_release

LIST_FILE, HANDOVER_FILE, CHECKPOINT_FILE = "export.json", "handover.json", "checkpoint"
EXPORT_TYPE, FORMAT_VERSION = "RegistryExport", 1

# What leaves: everything that credentials, their status and the log need. What is a secret between this registry and a client stays.
EXPORTED = (
    "publisher", "credential", "manifest", "known_digest", "search_term", "edge", "status_list", "status_index",
    "status_change", "log_entry", "log_tile", "log_checkpoint", "audit_event", "audit_anchor", "handover",
    "key_rotation",
)  # fmt: skip


@dataclass(frozen=True)
class HandOver:
    """Sign the handover and end the log with it."""

    settings: Settings
    successor: RegistryName
    reason: str
    created: datetime

    def __call__(self, batch: Batch) -> int:
        """Return the log entry's index, the last one of this log."""
        head = batch.session.released
        record(batch, actor=OPERATOR, action="registry.handed-over", target=self.successor.did)
        unsigned = new_handover(
            before=own_name(self.settings.public_url, batch.keys),
            after=self.successor,
            tree_size=head.size,
            root=head.root.hex(),
            reason=self.reason,
            created=self.created,
        )
        signed = parse_handover(add_proof(unsigned, batch.keys.status, created=self.created))
        index = batch.append(log_entry("key", signed.digest, batch.keys.did, REQUEST_TYPE, signed.digest))
        insert_handover(batch.connection, HandoverRow(batch.keys.origin, index, jcs(dict(signed.document)), b""))
        batch.ends = True
        return index


def export_registry(settings: Settings, folder: Path, offer: bytes, reason: str) -> list[str]:
    """End this registry in favour of the one that made the offer, and write the archive; return what the operator should know.

    Run again, it writes the archive again; the handover is made once.

    Raises:
        DatasigilError: EXPORT_EXISTS, HANDED_OVER (to another registry), DATA_DIR_IN_USE; as `verified_offer`.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DatasigilError("EXPORT_EXISTS", "the folder is not empty", place=str(folder), expected="a new folder")
    successor = verified_offer(parse_json(offer), at=Instant.from_datetime(system_clock()))
    database = open_database(settings.sqlalchemy_url)
    try:
        held = database.read_now(handover_from, settings.log_origin)
        if held is None:
            with offline_writer(settings) as writer:
                writer.run(HandOver(settings, successor, reason, writer.released_time))
            held = database.read_now(handover_from, settings.log_origin)
        assert held is not None
        signed = parse_handover(parse_json(held.document))
        if signed.after != successor:
            raise handed_over(held)
        with hold_lock(settings):
            return _write_archive(settings, database, folder, signed)
    finally:
        database.close()


def _write_archive(settings: Settings, database: Database, folder: Path, signed: RegistryHandover) -> list[str]:
    keys = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)
    note, missing = _last_checkpoint(settings, keys, database)
    with translated(), database.writer.begin() as connection:
        store_note(connection, keys.origin, note)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts = _copy_out(database, folder)
    (folder / HANDOVER_FILE).write_bytes(jcs(dict(signed.document)))
    (folder / CHECKPOINT_FILE).write_bytes(note)
    names = (DATABASE_FILE, HANDOVER_FILE, CHECKPOINT_FILE)
    for name in names:
        sync_file(folder / name)
    listed: dict[str, Any] = {
        "type": EXPORT_TYPE,
        "formatVersion": FORMAT_VERSION,
        "issuer": keys.did,
        "version": VERSION,
        "schema": schema_head(),
        "rows": counts,
        "files": {name: digest_of(folder / name) for name in names},
    }
    listed = add_proof(listed, keys.status, created=system_clock().replace(microsecond=0))
    (folder / LIST_FILE).write_text(json.dumps(listed, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    sync_file(folder / LIST_FILE)
    sync_folder(folder)
    return [
        ", ".join(f"{count} {name}" for name, count in counts.items() if count),
        f"handed over to {signed.after.url}: log entry {signed.tree_size}, the last one",
        *(f"witness {name} has not cosigned the last checkpoint: run this again with another --to" for name in missing),
        "If the status key was stolen, users say so in their trust files; what it signed up to this entry stands:",
        _mark(signed),
        "The archive holds manifests that are not public: treat it as you treat a backup.",
        f"next, there: python -m service import --data-dir DIR --from {folder.name}",
        "then serve this registry, which now only answers, for as long as anybody knows its address",
    ]


def _mark(signed: RegistryHandover) -> str:
    """How a trust file says that the old status key is worth nothing after the handover."""
    before = signed.before
    at = f'{{ origin = "{before.origin}", index = {signed.tree_size + 1} }}'
    return f'  did = "{before.did}", keys = [{{ multibase = "{before.did.removeprefix("did:key:")}", compromised = {at} }}]'


def _last_checkpoint(settings: Settings, keys: RegistryKeys, database: Database) -> tuple[bytes, list[str]]:
    """The checkpoint under which the log ended, cosigned by every witness that answers, and who did not."""
    writer = Sequencer(
        database,
        keys,
        HighWaterFile(settings.high_water_file),
        system_clock,
        holder=instance_name(settings),
        base_url=settings.public_url,
    )
    writer.released = database.read_now(current_release)
    assert writer.released is not None
    cosigner = cosigner_of(settings, keys, database, writer)
    cosigner.round()
    return cosigner.attach(writer.released).note, cosigner.missing()


def _copy_out(source: Database, folder: Path) -> dict[str, int]:
    migrate(database_file(folder))
    held = open_database(database_file(folder).sqlalchemy_url)
    try:
        with source.reading() as connection, translated(), held.writer.begin() as to:
            return {name: _copied(name, connection, to) for name in EXPORTED}
    finally:
        held.close()  # the last connection to close folds the write-ahead log into the file


def _copied(name: str, source: Connection, target: Connection) -> int:
    return copy_rows(core_table(name), source, target)
