"""The Atom feed of status changes.

Lives here: RFC 4287 (December 2005) from rows; text is escaped by the XML writer. Not here: which rows (`repository`).
"""

from __future__ import annotations

import re
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from service.notifications.repository import ChangeEntry
from service.publishers.endpoints import timestamp

MEDIA_TYPE = "application/atom+xml"
_ATOM = "http://www.w3.org/2005/Atom"
# What XML 1.0 cannot hold, however it is escaped.
_FORBIDDEN = re.compile("[^\\t\\n\\r -\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def atom(base: str, registry: str, publisher: str, rows: list[ChangeEntry]) -> bytes:
    """The feed; an entry's id is its place in the log, so that it never changes."""
    address = f"{base}/feed.atom" + (f"?publisher={quote(publisher, safe='')}" if publisher else "")
    feed = Element("feed", xmlns=_ATOM)
    _text(feed, "id", address)
    _text(feed, "title", f"{registry}: status changes")
    _text(feed, "updated", timestamp(rows[0].changed_at if rows else 0))
    SubElement(feed, "link", rel="self", href=address)
    SubElement(SubElement(feed, "author"), "name").text = _clean(registry)
    for row in rows:
        entry = SubElement(feed, "entry")
        _text(entry, "id", f"{base}/log/proof?index={row.log_index}")
        _text(entry, "title", f"{_verb(row)}: {row.name or row.credential_id}")
        _text(entry, "updated", timestamp(row.changed_at))
        SubElement(entry, "link", rel="alternate", href=f"{base}/credentials/{quote(row.credential_id, safe=':')}")
        SubElement(entry, "category", term=_verb(row))
        _text(entry, "summary", f"{row.credential_id} (SHA-256 {row.digest}) by {row.issuer}: {row.reason}")
    body: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return body


def _verb(row: ChangeEntry) -> str:
    return "revoked" if row.purpose == "revocation" else "suspended" if row.value else "resumed"


def _text(parent: Element, name: str, value: str) -> None:
    SubElement(parent, name).text = _clean(value)


def _clean(value: str) -> str:
    return _FORBIDDEN.sub("\ufffd", value)
