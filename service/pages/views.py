"""What the pages show, as values for the templates.

Lives here: choosing and wording. Not here: HTML (`templates/`), SQL (the repositories).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from datasigil.transparency.entry import parse_entry
from service.credentials.repository import CredentialRow, by_id, document_of, versions_of
from service.lineage.repository import children_of, parents_of
from service.status_lists.repository import ChangeRow, changes_of
from service.transparency_log.repository import newest_entries

ENTRIES_SHOWN = 50
CHILDREN_SHOWN = 50
VERSIONS_SHOWN = 50
_FIRST = (
    "name",
    "description",
    "version",
    "publisher",
    "issued",
    "license",
    "manifest",
    "weights",
    "baseModel",
    "evaluation",
)
_WORDS = {
    "active": "Registered. Its issuer has neither revoked nor suspended it.",
    "suspended": "Suspended by its issuer. Do not use it until it is resumed.",
    "revoked": "Revoked by its issuer. Do not use it.",
}
_VERBS = {
    "issue": "registered",
    "revoke": "revoked",
    "suspend": "suspended",
    "resume": "resumed",
    "key": "key event",
    "audit": "audit anchor",
}


@dataclass(frozen=True)
class Fact:
    """One line of the page; `depth` is how far it is indented."""

    name: str
    value: str
    depth: int


@dataclass(frozen=True)
class CredentialView:
    """A credential's page."""

    row: CredentialRow
    path: str
    headline: str
    registered: str
    facts: list[Fact]
    parents: list[tuple[str, str, CredentialRow | None]]
    children: list[tuple[list[str], CredentialRow]]
    changes: list[tuple[str, ChangeRow]]
    is_observer: bool
    versions: list[CredentialRow]  # with this one; newest first

    @property
    def newer(self) -> CredentialRow | None:
        """The newest active version, if it was registered after this one."""
        newest = next((one for one in self.versions if one.status == "active"), None)
        return newest if newest is not None and newest.seq > self.row.seq else None


def credential_view(connection: Connection, identifier: str) -> CredentialView | None:
    """The page of a credential given by id or digest."""
    row = by_id(connection, identifier)
    found = None if row is None else document_of(connection, row.digest)
    if row is None or found is None:
        return None
    subject = json.loads(found[0])["credentialSubject"]
    ordered = {
        name: subject[name]
        for name in (*(one for one in _FIRST if one in subject), *sorted(set(subject) - set(_FIRST)))
    }
    return CredentialView(
        row=row,
        path=page_path(row),
        headline=_WORDS[row.status],
        registered=day(row.registered_at),
        facts=[fact for name, value in ordered.items() if name != "type" for fact in _facts(name, value, 0)],
        parents=parents_of(connection, row.seq),
        children=children_of(connection, row.digest, after=0, count=CHILDREN_SHOWN),
        changes=[(day(one.changed_at), one) for one in changes_of(connection, row.seq)],
        is_observer=row.role == "observer",
        versions=versions_of(connection, row, VERSIONS_SHOWN),
    )


@dataclass(frozen=True)
class EntryView:
    """One line of the log's page."""

    index: int
    verb: str
    digest: str
    identifier: str | None
    name: str


def log_view(connection: Connection, before: int) -> list[EntryView]:
    """The newest entries below an index."""
    rows = newest_entries(connection, before, ENTRIES_SHOWN)
    views = []
    for position, entry, identifier, name in rows:
        parsed = parse_entry(entry)
        views.append(EntryView(position, _VERBS[parsed.kind], parsed.credential_digest, identifier, name or ""))
    return views


def page_path(row: CredentialRow) -> str:
    """Where a credential's page is."""
    return f"/{'models' if row.type == 'ModelTrainingCredential' else 'datasets'}/{row.id}"


def day(seconds: int) -> str:
    """A time for people."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def _facts(name: str, value: Any, depth: int) -> list[Fact]:
    label = _label(name)
    if isinstance(value, Mapping):
        return [Fact(label, "", depth)] + [
            fact for key, item in value.items() for fact in _facts(str(key), item, depth + 1)
        ]
    if isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        nested = [fact for number, item in enumerate(value, 1) for fact in _facts(str(number), item, depth + 1)]
        return [Fact(label, "", depth), *nested]
    text = ", ".join(map(str, value)) if isinstance(value, list) else _plain(value)
    return [Fact(label, text, depth)]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)


def _label(name: str) -> str:
    """`fileCount` as `file count`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
