"""Backing a registry up while it runs, and restoring it.

Lives here: one consistent copy of every table, with keys, settings and the high-water mark, into a folder whose every file is listed by digest;
and the way back, into SQLite or PostgreSQL alike. Not here: deriving everything again (`fsck`), which a restore ends with.

A restored state may be older than what the registry last let out, and signing from it would fork the log. So the mark is never lowered:
one that is there stays, and where there is none the operator must show the newest checkpoint that anybody has (a witness's, a client's, a
mirror's), or say that nothing newer was released. A state below its mark refuses to sign.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import SQLModel

from datasigil.errors import DatasigilError, LogError
from service import VERSION, tables
from service.copying import copy_rows, database_file, schema_head, set_sequences, sync_file
from service.database import Database, open_database, translated
from service.fsck import check_everything
from service.high_water import HighWaterFile, Mark, sync_folder
from service.migrating import migrate
from service.registry_keys import load_keys
from service.settings import Settings
from service.transparency_log.repository import read_state
from service.transparency_log.writing import open_own

LIST_FILE = "backup.json"
FORMAT_VERSION = 1
_COPIED = ("registry.json", "high-water", "cursor-key")


def back_up(settings: Settings, folder: Path) -> str:
    """Copy a registry, running or stopped, into a new folder; return what was copied.

    Raises:
        DatasigilError: BACKUP_EXISTS; whatever keeps database or keys from being read. OSError, when the disk refuses.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DatasigilError("BACKUP_EXISTS", "the folder is not empty", place=str(folder), expected="a new folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    load_keys(
        settings.keys_dir, settings.passphrase, origin=settings.log_origin
    )  # a backup of keys nobody can open is none
    target = database_file(folder)
    migrate(target)
    source = open_database(settings.sqlalchemy_url)
    try:
        counts, state = _copy_out(source, target)
    finally:
        source.close()
    # The mark is read after the snapshot, so it is never behind it.
    for name in _COPIED:
        if (settings.data_dir / name).is_file():
            shutil.copyfile(settings.data_dir / name, folder / name)
    shutil.copytree(settings.keys_dir, folder / "keys")
    _write_list(folder, counts, state)
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def restore(settings: Settings, folder: Path, *, newest: bytes | None, nothing_newer: bool) -> list[str]:
    """Fill an empty registry from a backup; return what `fsck` says afterwards.

    Raises:
        DatasigilError: BACKUP_DAMAGED, BACKUP_VERSION, RESTORE_NOT_EMPTY, RESTORE_MARK; LogError for a checkpoint of another log.
    """
    listed = _checked_list(folder)
    _put_keys(settings, folder)
    migrate(settings)
    mark = _mark(settings, folder, newest, nothing_newer=nothing_newer)
    source, target = open_database(database_file(folder).sqlalchemy_url), open_database(settings.sqlalchemy_url)
    try:
        _copy_in(source, target)
    finally:
        source.close()
        target.close()
    if mark is not None:
        HighWaterFile(settings.high_water_file).write(mark)
    findings = check_everything(settings)
    size = listed["log"]["size"]
    lines = [*findings.lines(), f"log: {size} entries, mark at {mark.size if mark else 0}"]
    if mark is not None and mark.size > size:
        lines.append("This state is older than what was released: the registry serves it and refuses to sign.")
    return lines


def _copy_out(source: Database, target: Settings) -> tuple[dict[str, int], dict[str, Any]]:
    held = open_database(target.sqlalchemy_url)
    try:
        with source.reading() as connection, translated(), held.writer.begin() as to:
            state = read_state(connection)
            counts = {table.name: copy_rows(table, connection, to) for table in SQLModel.metadata.sorted_tables}
            counted = {"size": 0, "root": ""} if state is None else {"size": state.size, "root": state.root}
    finally:
        held.close()  # the last connection to close folds the write-ahead log into the file
    return counts, counted


def _copy_in(source: Database, target: Database) -> None:
    with source.reading() as connection, translated(), target.writer.begin() as to:
        for table in SQLModel.metadata.sorted_tables:
            if to.execute(select(func.count()).select_from(table)).scalar_one():
                raise DatasigilError(
                    "RESTORE_NOT_EMPTY",
                    "the database holds a registry already",
                    place=table.name,
                    expected="an empty database",
                    next_action="name another with --database-url, or move the old one away",
                )
        for table in SQLModel.metadata.sorted_tables:
            copy_rows(table, connection, to)
        to.execute(update(tables.LOG_STATE).values(lease_until=0))  # whoever wrote then does not write here
        if not target.is_sqlite:
            set_sequences(to)


def _write_list(folder: Path, counts: dict[str, int], state: dict[str, Any]) -> None:
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LIST_FILE
    }
    for name in files:
        sync_file(folder / name)
    listed = {
        "type": "RegistryBackup",
        "formatVersion": FORMAT_VERSION,
        "version": VERSION,
        "schema": schema_head(),
        "log": state,
        "rows": counts,
        "files": files,
    }
    (folder / LIST_FILE).write_text(json.dumps(listed, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    sync_file(folder / LIST_FILE)
    sync_folder(folder)


def _checked_list(folder: Path) -> dict[str, Any]:
    place = folder / LIST_FILE
    try:
        listed = json.loads(place.read_text(encoding="utf-8"))
        wanted = dict(listed["files"])
        known = (listed["type"], listed["formatVersion"]) == ("RegistryBackup", FORMAT_VERSION)
    except (OSError, ValueError, KeyError, TypeError):
        raise DatasigilError("BACKUP_DAMAGED", "the folder holds no complete backup", place=str(place)) from None
    if not known or listed.get("schema") != schema_head():
        raise DatasigilError(
            "BACKUP_VERSION",
            "the backup is of another version",
            expected=f"schema {schema_head()}",
            found=str(listed.get("schema"))[:40],
            next_action=f"restore with version {str(listed.get('version'))[:20]}, then upgrade",
        )
    for name, digest in wanted.items():
        file = folder / name
        inside = file.resolve().is_relative_to(folder.resolve())
        if not inside or not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise DatasigilError("BACKUP_DAMAGED", "a file of the backup is missing or altered", place=str(file))
    assert isinstance(listed, dict)
    return listed


def _put_keys(settings: Settings, folder: Path) -> None:
    """Keys and settings, where there are none; those that are there must be the same registry's."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.keys_dir.exists():
        shutil.copytree(folder / "keys", settings.keys_dir)
        settings.keys_dir.chmod(0o700)
    for name in ("registry.json", "cursor-key"):
        if (folder / name).is_file() and not (settings.data_dir / name).exists():
            shutil.copyfile(folder / name, settings.data_dir / name)


def _mark(settings: Settings, folder: Path, newest: bytes | None, *, nothing_newer: bool) -> Mark | None:
    """The mark of the restored registry: the largest of what is here, what was saved, and what the operator shows."""
    keys = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)
    here = HighWaterFile(settings.high_water_file).read()
    saved = HighWaterFile(folder / "high-water").read()
    if here is None and newest is None and not nothing_newer:
        raise DatasigilError(
            "RESTORE_MARK",
            "nothing here says how far the log had come, and signing from an old state would fork it",
            expected="--newest-checkpoint FILE with the newest one that anybody has, such as a witness or a client",
            next_action="add --nothing-newer if you are certain that nothing was released after the backup",
        )
    marks = [one for one in (here, saved) if one is not None]
    if newest is not None:
        head = open_own(newest, keys)
        marks.append(Mark(head.origin, head.size, head.root.hex()))
    if any(one.origin != keys.origin for one in marks):
        raise LogError("UNKNOWN_LOG", "the mark is of another log", expected=keys.origin)
    return max(marks, key=lambda one: one.size, default=None)
