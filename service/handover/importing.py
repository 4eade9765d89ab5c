"""`import`: taking another registry's place.

Lives here: the offer, by which the other one knows whom it hands over to, and putting its archive into this empty registry. Not here: the
way out (`exporting`). ADR 0065.

This registry's log begins with every entry of the old one, so that what was proven there is proven here, and goes on from there under this
registry's own origin and keys. Everything is written in one transaction, and only if all of it, derived again, is what the old registry signed.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, delete, func, select, update

from datasigil.credentials.handover import (
    REQUEST_TYPE,
    RegistryHandover,
    new_offer,
    parse_handover,
    require_signed_by,
)
from datasigil.encoding import Instant, parse_json
from datasigil.errors import DatasigilError
from datasigil.signing import add_proof
from datasigil.transparency.checkpoint import EMPTY_ROOT, Checkpoint, open_checkpoint
from datasigil.transparency.entry import log_entry
from datasigil.transparency.note import parse_vkey
from service.app import hold_lock
from service.clock import seconds_of, system_clock
from service.copying import DATABASE_FILE, copy_rows, database_file, digest_of, schema_head, set_sequences
from service.database import Database, open_database, translated
from service.fsck import check_database
from service.handover.ending import own_name
from service.handover.exporting import CHECKPOINT_FILE, EXPORT_TYPE, EXPORTED, FORMAT_VERSION, HANDOVER_FILE, LIST_FILE
from service.handover.repository import handover_from, handovers, store_note
from service.high_water import HighWaterFile, Mark
from service.limits import EXPORT_LIST_MAX_BYTES, STATUS_LIST_BITS
from service.migrating import migrate
from service.publishers.operations import slug_of
from service.registry_keys import RegistryKeys, load_keys
from service.settings import Settings
from service.status_lists.repository import insert_list
from service.status_lists.signing import PURPOSES, list_address, sign_lists
from service.tables import CHALLENGES, LOG_STATE, PUBLISHERS, STATUS_LISTS, core_table
from service.transparency_log.repository import StoredState, create_state, read_entries, read_state
from service.transparency_log.writing import sign_head


def write_offer(settings: Settings, place: Path) -> str:
    """Write this registry's signed word that it is ready to take another one's place; return its DID.

    Raises:
        DatasigilError: as `load_keys`; OSError, when the file is there already or cannot be written.
    """
    keys = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)
    now = system_clock().replace(microsecond=0)
    offer = new_offer(own_name(settings.public_url, keys), created=now, nonce=secrets.token_hex(16))
    signed = add_proof(offer, keys.status, created=now)
    with place.open("x", encoding="utf-8") as file:
        file.write(json.dumps(signed, indent=2, sort_keys=True) + "\n")
    return keys.did


def import_registry(settings: Settings, folder: Path) -> list[str]:
    """Put an archive into this empty registry; return what `fsck` says about the result.

    Raises:
        DatasigilError: EXPORT_DAMAGED, EXPORT_VERSION, OTHER_SUCCESSOR, IMPORT_NOT_EMPTY, IMPORT_DIFFERS, DATA_DIR_IN_USE; nothing is
            stored then.
    """
    now = system_clock().replace(microsecond=0)
    handover = _checked_archive(folder, Instant.from_datetime(now))
    with hold_lock(settings):
        keys = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)
        own = own_name(settings.public_url, keys)
        if handover.after != own:
            raise DatasigilError(
                "OTHER_SUCCESSOR",
                "the archive was handed over to another registry, or to other keys of this one",
                expected=f"{own.did} at {own.url}",
                found=f"{handover.after.did} at {handover.after.url}",
            )
        note = (folder / CHECKPOINT_FILE).read_bytes()
        _require_last(note, handover)
        migrate(settings)
        target = open_database(settings.sqlalchemy_url)
        source = open_database(database_file(folder).sqlalchemy_url)
        try:
            # A mark before the first row: whatever is interrupted later, the registry starts from what its database says.
            file = HighWaterFile(settings.high_water_file)
            if file.read() is None:
                file.write(Mark(keys.origin, 0, EMPTY_ROOT.hex()))
            lines = _take_over(source, target, settings, keys, handover, note, now)
            state = target.read_now(read_state)
            assert state is not None
            file.write(Mark(state.origin, state.size, state.root))
        finally:
            source.close()
            target.close()
    return lines


def _take_over(
    source: Database,
    target: Database,
    settings: Settings,
    keys: RegistryKeys,
    handover: RegistryHandover,
    note: bytes,
    now: datetime,
) -> list[str]:
    with source.reading() as connection, translated(), target.writer.begin() as to:
        _require_empty(to, keys)
        for name in EXPORTED:
            copy_rows(core_table(name), connection, to)
        if not target.is_sqlite:
            set_sequences(to)
        store_note(to, handover.before.origin, note)
        _require_entry(to, handover)
        head = _require_last(note, handover)
        create_state(to, _state(keys, head, now))
        _own_lists(to, settings.public_url)
        every = set(to.execute(select(STATUS_LISTS.c.id)).scalars())
        sign_lists(to, keys, every, now, head.size)
        findings = check_database(to, keys, HighWaterFile(settings.high_water_file))
        if not findings.clean:
            raise DatasigilError(
                "IMPORT_DIFFERS",
                "the archive does not derive from its own log; nothing was stored",
                place=findings.errors[0][:300],
                expected="what the old registry's fsck calls clean",
                next_action="ask the old registry's operator to run fsck and export again",
            )
    return findings.lines()


def _require_empty(connection: Connection, keys: RegistryKeys) -> None:
    """Nothing was issued here yet; a registry that was started once has an empty log, whose row goes."""
    state = read_state(connection)
    held = [
        name for name in EXPORTED if connection.execute(select(func.count()).select_from(core_table(name))).scalar_one()
    ]
    if held or (state is not None and state.size):
        done = [row.origin for row in handovers(connection)]
        raise DatasigilError(
            "IMPORT_NOT_EMPTY",
            "this registry holds something already",
            place=", ".join(held) or "log_state",
            expected="a registry that has issued nothing",
            found=f"already continues {', '.join(done)}" if done else "",
            next_action="nothing, if that is the import that you meant: it is complete"
            if done
            else "python -m service init with another --data-dir",
        )
    connection.execute(delete(CHALLENGES))
    connection.execute(delete(LOG_STATE))
    assert handover_from(connection, keys.origin) is None


def _require_entry(connection: Connection, handover: RegistryHandover) -> None:
    wanted = log_entry("key", handover.digest, handover.before.did, REQUEST_TYPE, handover.digest)
    if read_entries(connection, handover.tree_size, handover.tree_size + 1) != [wanted]:
        raise _damaged("the log of the archive does not end with this handover", f"entry {handover.tree_size}")


def _state(keys: RegistryKeys, head: Checkpoint, now: datetime) -> StoredState:
    return StoredState(
        origin=keys.origin,
        size=head.size,
        root=head.root.hex(),
        checkpoint=sign_head(keys, head.size, head.root, now),
        cosigned_at=seconds_of(now),
        fencing=0,
        holder="",
        lease_until=0,
    )


def _own_lists(connection: Connection, base_url: str) -> None:
    """Give each publisher lists of this registry for what comes; nobody's role but a publisher's comes along.

    The old lists keep their ids and are served under their old paths, so new ones stand under another slug.
    """
    number = len(handovers(connection))
    for row, did in connection.execute(select(PUBLISHERS.c.id, PUBLISHERS.c.did)).all():
        slug = f"{slug_of(did)}-r{number}"
        connection.execute(update(PUBLISHERS).where(PUBLISHERS.c.id == row).values(slug=slug, role="publisher"))
        for purpose in PURPOSES:
            insert_list(
                connection,
                url=list_address(base_url, slug, purpose),
                slug=slug,
                purpose=purpose,
                publisher_id=row,
                bits=bytes(STATUS_LIST_BITS // 8),
            )


def _require_last(note: bytes, handover: RegistryHandover) -> Checkpoint:
    """The checkpoint under which the old log ended, by the keys that the handover names."""
    before = handover.before
    try:
        head = open_checkpoint(note, parse_vkey(before.log_key), [parse_vkey(before.time_key)]).checkpoint
    except DatasigilError as error:
        raise _damaged(f"the last checkpoint is not the old log's: {error.message}", CHECKPOINT_FILE) from None
    if (head.origin, head.size) != (before.origin, handover.tree_size + 1):
        raise _damaged("the last checkpoint is not the one right after the handover", CHECKPOINT_FILE)
    return head


def _checked_archive(folder: Path, at: Instant) -> RegistryHandover:
    """The handover of an archive whose every file is the one that the old registry listed and signed."""
    try:
        with (folder / LIST_FILE).open("rb") as stream:
            listed = parse_json(stream.read(EXPORT_LIST_MAX_BYTES + 1), max_bytes=EXPORT_LIST_MAX_BYTES)
        handover = parse_handover(parse_json((folder / HANDOVER_FILE).read_bytes()))
        assert isinstance(listed, dict)
        files, kind = dict(listed["files"]), (listed["type"], listed["formatVersion"])
        require_signed_by(handover.document, handover.before.did, at=at)
        require_signed_by(listed, handover.before.did, at=at)
    except (OSError, KeyError, TypeError, ValueError, AssertionError) as error:
        raise _damaged(f"the folder holds no complete export ({type(error).__name__})", str(folder)) from None
    except DatasigilError as error:
        raise _damaged(f"the archive is not as the old registry signed it: {error.message}", str(folder)) from None
    if kind != (EXPORT_TYPE, FORMAT_VERSION) or listed.get("schema") != schema_head():
        raise DatasigilError(
            "EXPORT_VERSION",
            "the archive is of another version",
            expected=f"schema {schema_head()}",
            found=str(listed.get("schema"))[:40],
            next_action=f"import with version {str(listed.get('version'))[:20]}, then upgrade",
        )
    for name in (DATABASE_FILE, HANDOVER_FILE, CHECKPOINT_FILE):
        file = folder / name
        if not file.is_file() or digest_of(file) != files.get(name):
            raise _damaged("a file of the archive is missing or altered", str(file))
    return handover


def _damaged(message: str, place: str) -> DatasigilError:
    return DatasigilError(
        "EXPORT_DAMAGED",
        message,
        place=place,
        expected="the folder that `export` wrote",
        next_action="copy it again, or have it exported again",
    )
