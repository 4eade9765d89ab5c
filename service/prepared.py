"""Statements of the busiest requests, compiled once and handed to the driver itself.

Lives here: `Prepared`. Not here: the statements (the repositories), connections and what a driver's error means (`database`).

SQLAlchemy takes ten times as long around a point read as SQLite takes for it. A statement is written with SQLAlchemy all the same, for both
databases, and its types turn the driver's values into ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError


@dataclass(frozen=True)
class _Compiled:
    """A statement as one kind of database takes it."""

    sql: str
    names: tuple[str, ...] | None  # of the parameters by place; None where the driver takes them by name
    fixed: dict[str, Any]  # parameters that the statement itself brings
    processors: tuple[tuple[int, Callable[[Any], Any]], ...]


class Prepared:
    """A SELECT of few rows, with named parameters; no `IN` of a list."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def one(self, connection: Connection, **values: Any) -> Sequence[Any] | None:
        """The first row, in the connection's transaction if one has begun, else in one of its own.

        Raises:
            DBAPIError: as the connection's own statements do.
        """
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        given = {**compiled.fixed, **values}
        parameters = given if compiled.names is None else tuple(given[name] for name in compiled.names)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.sql, parameters)
            row: Sequence[Any] | None = cursor.fetchone()
        except connection.dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(
                compiled.sql, None, error, connection.dialect.loaded_dbapi.Error, dialect=connection.dialect
            ) from error
        finally:
            cursor.close()
        if row is None or not compiled.processors:
            return row
        found = list(row)
        for place, turned in compiled.processors:
            found[place] = turned(found[place])
        return found

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect)
        names = tuple(compiled.positiontup) if compiled.positiontup is not None else None
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        columns = enumerate(self._statement.selected_columns)
        turned = ((place, one.type.dialect_impl(dialect).result_processor(dialect, None)) for place, one in columns)
        found = _Compiled(str(compiled), names, fixed, tuple((place, one) for place, one in turned if one is not None))
        self._compiled[dialect.name] = found
        return found
