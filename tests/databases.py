"""The databases that the registry is tested on: SQLite in a folder, and PostgreSQL.

Here: fixtures that conftest files import, and a throw-away PostgreSQL server that a test may stop and start. Not here: what is stored.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from uuid import uuid4

import psycopg
import pytest

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)]
POSTGRES_URL = os.environ.get("DATASIGIL_TEST_DATABASE_URL")


def postgres_binaries() -> Path:
    """The folder of the newest PostgreSQL server installed here; skips, or fails where everything is required, without one."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries:
        if os.environ.get("DATASIGIL_REQUIRE_ALL") == "1":
            pytest.fail("PostgreSQL is required here (DATASIGIL_REQUIRE_ALL=1) and missing")
        pytest.skip("PostgreSQL is missing")
    return binaries[-1].parent


@pytest.fixture(scope="session")
def postgres_admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server's URL prefix, ending where the database name goes: the given one, or one started here."""
    if POSTGRES_URL:
        yield POSTGRES_URL.rsplit("/", 1)[0] + "/{}"
        return
    with PostgresServer(postgres_binaries()) as server:
        yield server.url


class PostgresServer:
    """A throw-away PostgreSQL server on a Unix socket, run by an unprivileged user where we are root."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="datasigil-pg-"))
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        self.url = f"postgresql+psycopg://postgres@/{{}}?host={self.folder}"

    def __enter__(self) -> Self:
        self.run("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8", "-E", "UTF8")
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c shared_buffers=16MB -c max_connections=60"
        options += " -c fsync=off"  # processes are killed here, machines are not
        self.run("pg_ctl", "-D", "data", "-w", "-o", options, "-l", "log", "start")

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.binaries / program), *arguments],
            check=True,
            cwd=self.folder,
            user=self.user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=60,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )


def create_database(admin: str, template: str = "template1") -> str:
    """A fresh database on a server: empty, or a copy of the database with the name `template`."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(admin.format("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return admin.format(name)


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty database; None stands for SQLite in the data folder."""
    if request.param == "sqlite":
        return None
    return create_database(request.getfixturevalue("postgres_admin"))
