"""Bringing a database's tables to this version, up or down, with Alembic.

Lives here: running migrations and refusing to serve an older or newer schema. Not here: the migrations (`migrations/versions`).
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from datasigil.errors import DatasigilError
from service.database import DatabaseUnavailableError, open_database, translated
from service.settings import Settings


def migrate(settings: Settings, revision: str = "head") -> str:
    """Go to a revision (`head`, `base`, an id); say where the database was and is.

    Raises:
        DatasigilError: UNKNOWN_REVISION; DATABASE_UNAVAILABLE.
    """
    database = open_database(settings.sqlalchemy_url)
    config = alembic_config()
    try:
        with translated(), database.writer.begin() as connection:
            before = MigrationContext.configure(connection).get_current_revision()
            config.attributes["connection"] = connection
            _run(config, before, revision)
            after = MigrationContext.configure(connection).get_current_revision()
    finally:
        database.close()
    return f"database schema: {before or 'empty'} -> {after or 'empty'}"


def require_current(settings: Settings) -> None:
    """Return if the database has this version's tables, or cannot be asked now.

    Raises:
        DatasigilError: SCHEMA_VERSION, when it has other tables.
    """
    database = open_database(settings.sqlalchemy_url)
    expected = ScriptDirectory.from_config(alembic_config()).get_current_head()
    try:
        with translated(), database.writer.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except DatabaseUnavailableError:
        return  # the registry starts, answers 503 and recovers when the database does
    finally:
        database.close()
    if found != expected:
        raise DatasigilError(
            "SCHEMA_VERSION",
            "the database's tables are of another version",
            expected=str(expected),
            found=str(found),
            next_action="python -m service migrate --data-dir DIR",
        )


def _run(config: Config, before: str | None, revision: str) -> None:
    script = ScriptDirectory.from_config(config)
    try:
        target = script.as_revision_number(revision)
        known = [one.revision for one in script.walk_revisions()]
        upwards = target is not None and (before is None or known.index(str(target)) <= known.index(before))
        if upwards:
            command.upgrade(config, revision)
        else:
            command.downgrade(config, revision)
    except (CommandError, ValueError) as error:
        raise DatasigilError(
            "UNKNOWN_REVISION",
            "this version knows no such revision",
            expected="head, base or an id",
            next_action="python -m service migrate --to head",
        ) from error


def alembic_config() -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
