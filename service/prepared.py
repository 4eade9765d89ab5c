"""Statements of the busiest requests, compiled once and handed to the driver itself.

Lives here: `Prepared`, `PreparedInsert`. Not here: the statements (the repositories), connections and what a driver's error means (`database`).

SQLAlchemy takes ten times as long around a point read as SQLite takes for it. A statement is written with SQLAlchemy all the same, for both
databases, and its types turn the driver's values into ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Select, Table, bindparam, insert
from sqlalchemy.exc import DBAPIError


@dataclass(frozen=True)
class _Compiled:
    """A statement as one kind of database takes it."""

    sql: str
    names: tuple[str, ...] | None  # of the parameters by place; None where the driver takes them by name
    fixed: dict[str, Any]  # parameters that the statement itself brings
    processors: tuple[tuple[int, Callable[[Any], Any]], ...]

    def given(self, values: Mapping[str, Any]) -> Any:
        """Parameters as the driver takes them."""
        return dict(values) if self.names is None else tuple(values[name] for name in self.names)


class Prepared:
    """A SELECT with named parameters; no `IN` of a list."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def one(self, connection: Connection, **values: Any) -> Sequence[Any] | None:
        """The first row, in the connection's transaction if one has begun, else in one of its own.

        Raises:
            DBAPIError: as the connection's own statements do.
        """
        rows = self.all(connection, **values)
        return rows[0] if rows else None

    def all(self, connection: Connection, **values: Any) -> Sequence[Sequence[Any]]:
        """Every row.  Raises: as `one`."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        cursor = connection.connection.cursor()
        try:  # as `_cursor` does, and on the busiest way without its price
            cursor.execute(compiled.sql, compiled.given({**compiled.fixed, **values}))
            rows = cursor.fetchall()
        except dialect.loaded_dbapi.Error as error:
            raise _meaning(connection, compiled.sql, error, cursor) from error
        finally:
            cursor.close()
        for place, turned in compiled.processors:
            rows = [[*row[:place], turned(row[place]), *row[place + 1 :]] for row in rows]
        return rows

    def _compile(self, dialect: Dialect) -> _Compiled:
        columns = enumerate(self._statement.selected_columns)
        turned = ((place, one.type.dialect_impl(dialect).result_processor(dialect, None)) for place, one in columns)
        found = _compiled(self._statement, dialect, tuple((place, one) for place, one in turned if one is not None))
        self._compiled[dialect.name] = found
        return found


class PreparedInsert:
    """An INSERT of many rows into one table, all of the columns named; values go to the driver as they are."""

    def __init__(self, table: Table, *columns: str) -> None:
        self._statement = insert(table).values({name: bindparam(name) for name in columns})
        self._compiled: dict[str, _Compiled] = {}

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows in the connection's transaction, which must have begun.

        Raises:
            DBAPIError: as the connection's own statements do, IntegrityError among them.
        """
        if not rows:
            return
        if not connection.in_transaction():
            raise RuntimeError("rows are inserted outside a transaction")
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = _compiled(self._statement, connection.dialect, ())
            self._compiled[connection.dialect.name] = compiled
        with _cursor(connection, compiled.sql) as cursor:
            cursor.executemany(compiled.sql, [compiled.given(row) for row in rows])


def begin(connection: Connection) -> None:
    """Begin a transaction of the driver's, which SQLAlchemy need not know of.

    Raises:
        DBAPIError: as the connection's own statements do.
    """
    with _cursor(connection, "BEGIN") as cursor:
        cursor.execute("BEGIN")


def _compiled(
    statement: Select[Any] | Insert, dialect: Dialect, processors: tuple[tuple[int, Callable[[Any], Any]], ...]
) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    names = tuple(compiled.positiontup) if compiled.positiontup is not None else None
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    return _Compiled(str(compiled), names, fixed, processors)


@contextmanager
def _cursor(connection: Connection, sql: str) -> Iterator[Any]:
    """A cursor of the driver, whose errors are those of SQLAlchemy."""
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except connection.dialect.loaded_dbapi.Error as error:
        raise _meaning(connection, sql, error, cursor) from error
    finally:
        cursor.close()


def _meaning(connection: Connection, sql: str, error: Any, cursor: Any) -> Exception:
    """What SQLAlchemy makes of a driver's error."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
    found: Exception = DBAPIError.instance(
        sql, None, error, dialect.loaded_dbapi.Error, connection_invalidated=lost, dialect=dialect
    )
    return found
