"""Copying a registry's tables from one database to another, of the same kind or not.

Lives here: rows as they are, PostgreSQL's sequences after them, and the small things that a folder of copies needs. Not here: which tables,
and what a copy means (`backup`, `handover`).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Table, func, insert, select, text
from sqlmodel import SQLModel

from service.limits import BACKUP_ROWS_PER_INSERT
from service.migrating import alembic_config
from service.settings import Settings

DATABASE_FILE = "registry.sqlite3"


def database_file(folder: Path) -> Settings:
    """The database of a folder of copies as settings, whatever the environment says."""
    url = f"sqlite:///{folder / DATABASE_FILE}"
    return Settings.model_construct(data_dir=folder, public_url="http://localhost", database_url=url)


def copy_rows(table: Table, source: Connection, target: Connection) -> int:
    """Copy a table's rows as they are; return how many."""
    count = 0
    rows = source.execute(select(table).order_by(*table.primary_key.columns))
    for part in rows.mappings().partitions(BACKUP_ROWS_PER_INSERT):
        target.execute(insert(table), [dict(row) for row in part])
        count += len(part)
    return count


def set_sequences(connection: Connection) -> None:
    """PostgreSQL's sequences go on after the largest number that was copied."""
    for table in SQLModel.metadata.sorted_tables:
        for column in table.primary_key.columns:
            sequence = (
                connection.execute(
                    text("SELECT pg_get_serial_sequence(:name, :column)"),
                    {"name": f'"{table.name}"', "column": column.name},
                ).scalar_one_or_none()
                if str(column.type) in ("BIGINT", "INTEGER")
                else None
            )
            if sequence is not None:
                largest = connection.execute(select(func.max(column))).scalar_one() or 0
                connection.execute(
                    text("SELECT setval(:sequence, :value, :called)"),
                    {"sequence": sequence, "value": max(largest, 1), "called": largest > 0},
                )


def schema_head() -> str:
    """The revision of this version's tables."""
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


def sync_file(path: Path) -> None:
    """Make a written file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
