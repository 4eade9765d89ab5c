"""Statements of the busiest requests, compiled once and handed to the driver itself.

Lives here: `Prepared`, `PreparedChange`, `PreparedInsert`, `OneOf`. Not here: the statements (the repositories), connections and what a driver's error
means (`database`).

SQLAlchemy takes ten times as long around a point read as SQLite takes for it. A statement is written with SQLAlchemy all the same, for both
databases, and its types turn the driver's values into ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    any_,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import NullType


@dataclass(frozen=True)
class _Compiled:
    """A statement as one kind of database takes it."""

    sql: str
    given: Callable[[Mapping[str, Any]], Any]  # parameters as the driver takes them
    arrays: bool  # whether it takes lists
    fixed: dict[str, Any]  # parameters that the statement itself brings
    processors: tuple[tuple[int, Callable[[Any], Any]], ...]


class OneOf(ColumnElement[Any]):
    """Whether a column's value is in the list that a parameter holds: one statement, however long the list is."""

    inherit_cache = False  # compiled by `Prepared` only, once
    type = NullType()  # a truth already: of a Boolean, SQLite would be asked whether it is 1, and look at every row

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.listed = bindparam(name, type_=NullType())


@compiles(OneOf, "sqlite")
def _one_of_json(element: OneOf, compiler: SQLCompiler, **options: Any) -> str:
    """SQLite has no arrays: the list travels as JSON."""
    values = func.json_each(element.listed).table_valued("value")
    return compiler.process(element.column.in_(select(values.c.value)), **options)


@compiles(OneOf, "postgresql")
def _one_of_array(element: OneOf, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.column == any_(element.listed), **options)


class Prepared:
    """A SELECT with named parameters; of lists by `OneOf`."""

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
        if not compiled.arrays:
            values = {name: json.dumps(one) if isinstance(one, list) else one for name, one in values.items()}
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


class PreparedChange:
    """An UPDATE or INSERT with named parameters, done for many rows; values go to the driver as they are."""

    def __init__(self, statement: Insert | Update) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Do it for each row of parameters in the connection's transaction, which must have begun.

        Raises:
            DBAPIError: as the connection's own statements do, IntegrityError among them.
        """
        if not rows:
            return
        compiled = self._within(connection)
        with _cursor(connection, compiled.sql) as cursor:
            cursor.executemany(compiled.sql, list(map(compiled.given, rows)))

    def one(self, connection: Connection, **values: Any) -> int:
        """Do it once; how many rows of the database it made or changed.  Raises: as `many`."""
        compiled = self._within(connection)
        with _cursor(connection, compiled.sql) as cursor:
            cursor.execute(compiled.sql, compiled.given(values))
            return int(cursor.rowcount)

    def _within(self, connection: Connection) -> _Compiled:
        if not connection.in_transaction():
            raise RuntimeError("rows are changed outside a transaction")
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = self._compiled[connection.dialect.name] = _compiled(self._statement, connection.dialect, ())
        return compiled


class PreparedInsert(PreparedChange):
    """An INSERT of many rows into one table, all of the columns named."""

    def __init__(self, table: Table, *columns: str) -> None:
        super().__init__(insert(table).values({name: bindparam(name) for name in columns}))


def begin(connection: Connection) -> None:
    """Begin a transaction of the driver's, which SQLAlchemy need not know of.

    Raises:
        DBAPIError: as the connection's own statements do.
    """
    with _cursor(connection, "BEGIN") as cursor:
        cursor.execute("BEGIN")


def _compiled(
    statement: Select[Any] | Insert | Update,
    dialect: Dialect,
    processors: tuple[tuple[int, Callable[[Any], Any]], ...],
) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    names = compiled.positiontup
    given: Callable[[Mapping[str, Any]], Any] = dict
    if names is not None:
        picked = itemgetter(*names) if names else lambda _: ()
        given = picked if len(names) != 1 else lambda values: (picked(values),)
    return _Compiled(str(compiled), given, names is None, fixed, processors)


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
