"""SQL of searching among credentials.

Lives here: what a search asks for, and the statements that find it, newest first. Not here: reading and storing credentials (`repository`), by
what words and facets they are found (`indexing`), pages and cursors (`endpoints`). Decision: docs/adr/0063.

What is asked for is of two kinds. Words, facets, licence, issuer, subject, type and publisher have an index each, and name a set of credentials'
numbers. Ages, status and role, and a type or publisher of many, are columns of `credential_search`, which is walked. A set of few numbers is the beginning of a search: whatever else is asked is looked up for
each. Where every set has many, a search goes through the numbers in windows, from the newest, and takes of each set what lies in the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, func, literal, select
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from service.credentials.repository import ROW, CredentialRow, last_number
from service.limits import SEARCH_FEW, SEARCH_WINDOW_FIRST, SEARCH_WINDOW_GROWTH, SEARCH_WORDS_MAX
from service.prepared import Prepared
from service.publishers.repository import publisher_named
from service.tables import CREDENTIALS, SEARCH_TERMS

_C = CREDENTIALS.c
_OTHER = CREDENTIALS.alias("other")
_WORDS = SEARCH_TERMS.c


@dataclass(frozen=True)
class Filter:
    """What a search asks for; empty members ask for nothing."""

    terms: tuple[str, ...] = ()
    type: str = ""
    issuer: str = ""
    license: str = ""
    role: str = ""
    status: str = ""
    subject_id: str = ""
    facets: tuple[str, ...] = ()
    publisher: str = ""  # DID or slug
    issued_from: str = ""  # RFC 3339 dates: what the publisher claims
    issued_to: str = ""
    proven_by: int = 0  # seconds since 1970: registered by then, which the log proves


def search(connection: Connection, wanted: Filter, *, before: int | None, count: int) -> list[CredentialRow]:
    """Credentials that meet every member of a filter, newest first, older than `before`."""
    if connection.dialect.name == "postgresql":
        _PLANNING.one(connection)
    of = _walked if connection.dialect.name == "sqlite" else _as_it_is
    publisher = publisher_named(connection, wanted.publisher) if wanted.publisher else None
    if wanted.publisher and publisher is None:
        return []
    sized = [(one.size(connection), one) for one in _sets(wanted, publisher.id if publisher else None)]
    if any(size == 0 for size, _ in sized):
        return []
    narrow = _narrow(wanted, of)
    narrow += [of(_C[one.column]) == one.value for size, one in sized if size == SEARCH_FEW and one.column]
    sized = [(size, one) for size, one in sized if size < SEARCH_FEW or not one.column]
    older = [] if before is None else [_C.seq < before]
    if not sized:
        return _rows(connection, older + narrow, count)
    sized.sort(key=lambda pair: pair[0])
    sets = [_spelled(connection, one) if size == SEARCH_FEW else one for size, one in sized]
    if sized[0][0] == SEARCH_FEW:
        high = last_number(connection) + 1 if before is None else before
        return _in_windows(connection, sets, narrow, of, high, count)
    few, *others = sets
    begun = _C.seq.in_(few.numbers())
    return _rows(connection, [begun, *(one.holds(few) for one in others), *older, *narrow], count)


def _for_this_transaction(settings: Mapping[str, str]) -> Prepared:
    return Prepared(select(*(func.set_config(name, value, True) for name, value in settings.items())))


# What PostgreSQL plans by. A word of few credentials and one of many want different plans; sets are taken in the order in which they are written,
# since looking for a better one takes longer for eight words than finding them; a set of many is not made distinct before it is looked up in; and
# what takes milliseconds starts neither a compiler nor other processes.
_PLANNING = _for_this_transaction(
    {
        "plan_cache_mode": "force_custom_plan",
        "join_collapse_limit": "1",
        "enable_hashagg": "off",
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
    }
)

_Of = Callable[[ColumnElement[Any]], ColumnElement[Any]]


def _as_it_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column


def _walked(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """`+column`, which SQLite looks up in no index (https://www.sqlite.org/optoverview.html, section 6.3)."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _begin(term: Any, end: Any) -> ColumnElement[bool]:
    """Words that start with `term`: a range on the index, in byte order."""
    return and_(_WORDS.term >= term, _WORDS.term < end)


def _end(term: str) -> str:
    return term + "\U0010ffff"


def _counting(condition: ColumnElement[bool]) -> Prepared:
    some = select(literal(1)).where(condition).limit(bindparam("few")).subquery()
    return Prepared(select(func.count()).select_from(some))


_COUNT_BEGINNING = _counting(_begin(bindparam("value"), bindparam("end")))
_COUNT_FACET = _counting(_WORDS.term == bindparam("value"))
_COUNT_OTHERS = {
    name: _counting(_OTHER.c[name] == bindparam("value"))
    for name in ("issuer", "license", "subject_id", "type", "publisher_id")
}


@dataclass(frozen=True)
class _Set:
    """The numbers of the credentials that have something, found in an index of its own."""

    number: ColumnElement[int]
    condition: ColumnElement[bool]
    counting: Prepared
    value: str | int
    column: str = ""  # of `credential_search`, which says the same: better where there are many
    beginning: bool = False  # all words that start with the value, a range of the index: in no order of numbers

    def size(self, connection: Connection) -> int:
        """How many there are, counted up to `SEARCH_FEW`."""
        end = {"end": _end(str(self.value))} if self.beginning else {}
        (found,) = self.counting.all(connection, value=self.value, few=SEARCH_FEW, **end)
        return int(found[0])

    def numbers(self, *others: ColumnElement[bool]) -> Select[int]:
        return select(self.number).where(self.condition, *others)

    def holds(self, few: _Set) -> ColumnElement[bool]:
        """Whether this set holds a credential, which is one of a few."""
        if self.beginning:  # the whole range is read, once
            return _C.seq.in_(self.numbers(self.number.in_(few.numbers())))
        return exists(self.numbers(self.number == _C.seq))


def _sets(wanted: Filter, publisher: int | None) -> list[_Set]:
    """What is asked for that has an index of its own."""
    number = _WORDS.credential_seq
    found = [_Set(number, _begin(term, _end(term)), _COUNT_BEGINNING, term, beginning=True) for term in wanted.terms]
    found += [_Set(number, _WORDS.term == facet, _COUNT_FACET, facet) for facet in wanted.facets]
    for name, counting in _COUNT_OTHERS.items():
        value = publisher if name == "publisher_id" else getattr(wanted, name)
        if value:
            column = name if name in ("type", "publisher_id") else ""
            found.append(_Set(_OTHER.c.seq, _OTHER.c[name] == value, counting, value, column))
    return found


def _first_word(after: ColumnElement[bool]) -> Select[str]:
    return select(func.min(_WORDS.term).label("term")).where(after, _WORDS.term < bindparam("end"))


def _distinct_words() -> Prepared:
    """The different words of a range, one look into the index for each."""
    word = _first_word(_WORDS.term >= bindparam("value")).cte("word", recursive=True)
    following = _first_word(_WORDS.term > word.c.term).scalar_subquery()
    word = word.union_all(select(following).where(word.c.term.is_not(None)))
    return Prepared(select(word.c.term).where(word.c.term.is_not(None)).limit(bindparam("most")))


_DISTINCT_WORDS = _distinct_words()


def _spelled(connection: Connection, one: _Set) -> _Set:
    """Words that start alike as the words themselves, each of which has its numbers in order; a range still if there are too many."""
    if not one.beginning:
        return one
    found = _DISTINCT_WORDS.all(connection, value=one.value, end=_end(str(one.value)), most=SEARCH_WORDS_MAX + 1)
    if len(found) > SEARCH_WORDS_MAX:
        return one
    return replace(one, condition=_WORDS.term.in_([word for (word,) in found]), beginning=False)


def _in_windows(
    connection: Connection, sets: list[_Set], narrow: list[ColumnElement[bool]], of: _Of, high: int, count: int
) -> list[CredentialRow]:
    """A page of what all of the sets hold, each of which has many numbers, below `high`."""
    rows: list[CredentialRow] = []
    size = SEARCH_WINDOW_FIRST
    while high > 0 and len(rows) < count:
        low = max(0, high - size)
        inside = [of(_C.seq).in_(one.numbers(one.number >= low, one.number < high)) for one in sets]
        rows += _rows(connection, [_C.seq >= low, _C.seq < high, *narrow, *inside], count - len(rows))
        # A range of words is read whole for each window: for the second time, that is for all that is left.
        high, size = low, low if any(one.beginning for one in sets) else size * SEARCH_WINDOW_GROWTH
    return rows


def _rows(connection: Connection, conditions: Iterable[ColumnElement[bool]], count: int) -> list[CredentialRow]:
    """The newest that meet conditions. The numbers are found first, in indices alone: a row lies behind its document."""
    found = select(_C.seq).where(*conditions).order_by(_C.seq.desc()).limit(count).scalar_subquery()
    rows = connection.execute(select(*ROW).where(_C.seq.in_(found)).order_by(_C.seq.desc()))
    return [CredentialRow(*row) for row in rows]


def _narrow(wanted: Filter, of: _Of) -> list[ColumnElement[bool]]:
    """What only the columns of `credential_search` decide: ages, status, role; first what most credentials fail."""
    found: list[ColumnElement[bool]] = []
    if wanted.issued_from:
        found.append(_C.issued >= wanted.issued_from)
    if wanted.issued_to:
        found.append(_C.issued <= wanted.issued_to)
    if wanted.issued_from or wanted.issued_to:
        found.append(_C.issued.not_in(("", "unknown")))  # no claim is not an age
    if wanted.proven_by:
        found.append(_C.registered_at <= wanted.proven_by)
    if wanted.status:
        found.append(_status(wanted.status))
    if wanted.role:
        found.append(of(_C.role) == wanted.role)
    return found


def _status(status: str) -> ColumnElement[bool]:
    if status == "revoked":
        return _C.revoked.is_(True)
    if status == "suspended":
        return and_(_C.suspended.is_(True), _C.revoked.is_(False))
    return and_(_C.suspended.is_(False), _C.revoked.is_(False))
