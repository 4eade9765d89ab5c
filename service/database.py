"""Connections to SQLite or PostgreSQL through one code path.

Lives here: engines (one that only reads, one for the writer thread), pragmas and time limits, transactions, and what a
driver's error means. Not here: statements (the repositories), tables (`tables`), and the order of writes (`sequencer`).

SQLite: WAL, `synchronous=FULL` (https://www.sqlite.org/pragma.html); sqlite3's own transaction control is switched off so
that savepoints work and a writer takes its lock at BEGIN.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from datasigil.errors import DatasigilError
from service.limits import (
    CONNECT_SECONDS,
    POOL_WAIT_SECONDS,
    READ_THREADS,
    SQLITE_BUSY_MILLISECONDS,
    SQLITE_CACHE_KIB,
    SQLITE_WAL_PAGES,
)
from service.prepared import begin

P = ParamSpec("P")
T = TypeVar("T")

_BEGUN = {"begun_by_hand": True}  # an execution option of ours: `on_begin` has nothing to do
_DISK_FULL = ("disk is full", "disk full", "No space left", "could not extend file", "disk I/O error")


class DatabaseUnavailableError(DatasigilError):
    """The database cannot be reached, or did not answer in time; nothing was acknowledged."""


class StorageFullError(DatasigilError):
    """The database could not store what it was given; nothing was acknowledged."""


@dataclass(frozen=True)
class Database:
    """The two engines of one registry process."""

    reader: Engine
    writer: Engine
    limiter: anyio.CapacityLimiter

    @functools.cached_property
    def _inline(self) -> Connection:
        return self.reader.connect().execution_options(**_BEGUN)

    @contextmanager
    def reading_inline(self) -> Iterator[Connection]:
        """A read-only transaction on the event loop's own connection, for a few point reads; SQLite and that one thread only, and nothing is awaited inside.

        Raises:
            DatabaseUnavailableError: when the database does not answer.
        """
        with translated():
            connection = self._inline
            begin(connection)
            try:
                yield connection
            finally:
                connection.rollback()
                connection.connection.rollback()  # of SQLAlchemy nothing may have begun

    @contextmanager
    def asking_inline(self) -> Iterator[Connection]:
        """As `reading_inline`, but each statement sees the newest state for itself: for facts that need not be of one moment.

        Raises:
            DatabaseUnavailableError: when the database does not answer.
        """
        connection = self._inline
        try:
            yield connection
        except SQLAlchemyError as error:
            raise meaning(error) from error
        finally:
            if connection.in_transaction():  # SQLAlchemy's own statements begin one
                connection.rollback()

    @property
    def is_sqlite(self) -> bool:
        """Whether point reads are cheap enough to run on the event loop."""
        return self.reader.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection inside one read-only transaction, so that several statements see one state.

        Raises:
            DatabaseUnavailableError: when the database cannot be reached or does not answer.
        """
        with translated(), self.reader.connect() as connection:
            connection.begin()  # a `Prepared` statement begins nothing by itself
            yield connection

    def read_now(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in this thread."""
        with self.reading() as connection:
            return query(connection, *args, **kwargs)

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in the thread pool."""
        call = functools.partial(self.read_now, query, *args, **kwargs)
        return await anyio.to_thread.run_sync(call, limiter=self.limiter)

    async def point(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a point read: inline on SQLite, where a thread would cost more than the read, else in the pool."""
        if not self.is_sqlite:
            return await self.read(query, *args, **kwargs)
        with self.reading_inline() as connection:
            return query(connection, *args, **kwargs)

    def close(self) -> None:
        """Close every connection."""
        if "_inline" in self.__dict__:
            self._inline.close()
        self.reader.dispose()
        self.writer.dispose()


def open_database(url: str) -> Database:
    """Engines for a SQLAlchemy URL; connects to nothing yet."""
    if make_url(url).get_backend_name() == "sqlite":
        reader, writer = _sqlite(url, read_only=True), _sqlite(url, read_only=False)
    else:
        reader, writer = _postgresql(url, read_only=True), _postgresql(url, read_only=False)
    return Database(reader, writer, anyio.CapacityLimiter(READ_THREADS))


def _sqlite(url: str, *, read_only: bool) -> Engine:
    engine = create_engine(
        url,
        pool_size=READ_THREADS + 1 if read_only else 1,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        connect_args={"check_same_thread": False, "timeout": SQLITE_BUSY_MILLISECONDS / 1000},
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        if not read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute(f"PRAGMA cache_size=-{SQLITE_CACHE_KIB}")
            cursor.execute(f"PRAGMA wal_autocheckpoint={SQLITE_WAL_PAGES}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MILLISECONDS}")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("begun_by_hand"):
            connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: str, *, read_only: bool) -> Engine:
    options = "-c statement_timeout=10000 -c lock_timeout=1500 -c idle_in_transaction_session_timeout=15000"
    if read_only:
        options += " -c default_transaction_read_only=on -c statement_timeout=1800"
    return create_engine(
        url,
        pool_size=READ_THREADS if read_only else 1,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        pool_use_lifo=True,
        isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
        connect_args={"connect_timeout": CONNECT_SECONDS, "options": options, "tcp_user_timeout": 3000},
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turn a driver's error into `DatabaseUnavailableError` or `StorageFullError`; others pass."""
    try:
        yield
    except SQLAlchemyError as error:
        raise meaning(error) from error


def meaning(error: SQLAlchemyError) -> Exception:
    """What a database error means to a client: unavailable, full, or (unchanged) a fault of ours."""
    if isinstance(error, DBAPIError) and any(sign in str(error.orig) for sign in _DISK_FULL):
        return StorageFullError(
            "STORAGE_FULL", "the registry cannot store anything now; nothing was changed", next_action="retry later"
        )
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if lost or isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError)):
        return DatabaseUnavailableError(
            "DATABASE_UNAVAILABLE", "the registry's database does not answer", next_action="retry later"
        )
    return error


def ping(connection: Connection) -> None:
    """Ask the database for nothing."""
    connection.execute(text("SELECT 1"))
