"""SQL of searching among credentials.

Lives here: what a search asks for, and the statement that finds it. Not here: reading and storing credentials (`repository`), by what words
and facets they are found (`indexing`), pages and cursors (`endpoints`). Decision: docs/adr/0063.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from service.credentials.repository import ROW, CredentialRow
from service.tables import CREDENTIALS, PUBLISHERS, SEARCH_TERMS

_C = CREDENTIALS.c
_OTHER = CREDENTIALS.alias("other")


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
    """Credentials that meet every member of a filter, newest first, older than `before`.

    The numbers are found first, in indices alone: a row lies behind its document. SQLite has no figures about the data to plan by; where
    anything is asked that only `credential_search` holds, it is made to walk that one index, which is good for every mixture of filters.
    """
    sqlite = connection.dialect.name == "sqlite"
    of: _Of = _walked if sqlite and _narrow(wanted, _as_it_is) else _as_it_is
    conditions = [of(_C.seq).in_(numbers.scalar_subquery()) for numbers in _indexed(wanted)] + _narrow(wanted, of)
    if before is not None:
        conditions.append(of(_C.seq) < before)
    found = select(_C.seq).where(*conditions).order_by(_C.seq.desc()).limit(count).scalar_subquery()
    rows = connection.execute(select(*ROW).where(_C.seq.in_(found)).order_by(_C.seq.desc()))
    return [CredentialRow(*row) for row in rows]


_Of = Callable[[ColumnElement[Any]], ColumnElement[Any]]


def _as_it_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column


def _walked(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """`+column`, which SQLite looks up in no index (https://www.sqlite.org/optoverview.html, section 6.3)."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _indexed(wanted: Filter) -> list[Select[tuple[int]]]:
    """The numbers of credentials that meet what has an index of its own."""
    words = SEARCH_TERMS.c
    found = [select(words.credential_seq).where(_begins(term)) for term in wanted.terms]
    found += [select(words.credential_seq).where(words.term == facet) for facet in wanted.facets]
    for name in ("issuer", "license", "subject_id"):
        value = getattr(wanted, name)
        if value:
            found.append(select(_OTHER.c.seq).where(_OTHER.c[name] == value))
    return found


def _narrow(wanted: Filter, of: _Of) -> list[ColumnElement[bool]]:
    """What is decided by the columns of `credential_search`: type, role, status, publisher, ages."""
    found: list[ColumnElement[bool]] = [
        of(_C[name]) == getattr(wanted, name) for name in ("type", "role") if getattr(wanted, name)
    ]
    if wanted.status:
        found.append(_status(wanted.status))
    if wanted.publisher:
        named = or_(PUBLISHERS.c.did == wanted.publisher, PUBLISHERS.c.slug == wanted.publisher)
        found.append(of(_C.publisher_id).in_(select(PUBLISHERS.c.id).where(named).scalar_subquery()))
    if wanted.issued_from:
        found.append(_C.issued >= wanted.issued_from)
    if wanted.issued_to:
        found.append(_C.issued <= wanted.issued_to)
    if wanted.issued_from or wanted.issued_to:
        found.append(_C.issued.not_in(("", "unknown")))  # no claim is not an age
    if wanted.proven_by:
        found.append(_C.registered_at <= wanted.proven_by)
    return found


def _begins(term: str) -> ColumnElement[bool]:
    """Words that start with `term`: a range on the index, in byte order."""
    words = SEARCH_TERMS.c
    return and_(words.term >= term, words.term < term + "\U0010ffff")


def _status(status: str) -> ColumnElement[bool]:
    if status == "revoked":
        return _C.revoked.is_(True)
    if status == "suspended":
        return and_(_C.suspended.is_(True), _C.revoked.is_(False))
    return and_(_C.suspended.is_(False), _C.revoked.is_(False))
