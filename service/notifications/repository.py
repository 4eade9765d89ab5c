"""SQL of webhooks and deliveries, and of the changes that the feed shows.

Lives here: statements. Not here: what a message says (`outbox`) and sending (`sending`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from service.prepared import Prepared
from service.tables import CREDENTIALS, DELIVERIES, PUBLISHERS, STATUS_CHANGES, WEBHOOKS


@dataclass(frozen=True)
class WebhookRow:
    """A webhook as stored; an empty `issuer` stands for every issuer."""

    id: str
    publisher_id: int
    url: str
    events: tuple[str, ...]
    issuer: str
    created_at: int


@dataclass(frozen=True)
class DeliveryRow:
    """A message on its way, or dead."""

    id: int
    webhook_id: str
    message_id: str
    body: bytes
    attempts: int
    next_at: int
    error: str
    created_at: int


@dataclass(frozen=True)
class ChangeEntry:
    """A change of status, with the credential that it changed."""

    log_index: int
    changed_at: int
    purpose: str
    value: bool
    reason: str
    credential_id: str
    digest: str
    name: str
    issuer: str


_HOOK = tuple(WEBHOOKS.c[name] for name in ("id", "publisher_id", "url", "events", "issuer", "created_at"))
_HOOKS_OF_ALL = Prepared(
    select(*_HOOK).join(PUBLISHERS, PUBLISHERS.c.id == WEBHOOKS.c.publisher_id).where(PUBLISHERS.c.active)
)
_DELIVERY = tuple(DELIVERIES.c[name] for name in DeliveryRow.__dataclass_fields__)


def all_webhooks(connection: Connection) -> list[WebhookRow]:
    """Every webhook of publishers who are not locked out."""
    return [_hook(tuple(row)) for row in _HOOKS_OF_ALL.all(connection)]


def webhooks_of(connection: Connection, publisher_id: int) -> list[WebhookRow]:
    """A publisher's webhooks, the oldest first."""
    rows = connection.execute(
        select(*_HOOK).where(WEBHOOKS.c.publisher_id == publisher_id).order_by(WEBHOOKS.c.created_at, WEBHOOKS.c.id)
    )
    return [_hook(tuple(row)) for row in rows]


def webhook_of(connection: Connection, webhook_id: str, publisher_id: int) -> WebhookRow | None:
    """A publisher's webhook."""
    found = [one for one in webhooks_of(connection, publisher_id) if one.id == webhook_id]
    return found[0] if found else None


def webhook_by_id(connection: Connection, webhook_id: str) -> WebhookRow | None:
    """The webhook with this id."""
    row = connection.execute(select(*_HOOK).where(WEBHOOKS.c.id == webhook_id)).one_or_none()
    return None if row is None else _hook(tuple(row))


def insert_webhook(connection: Connection, row: WebhookRow) -> None:
    """Store a webhook."""
    connection.execute(insert(WEBHOOKS).values(**{**vars(row), "events": " ".join(row.events)}))


def delete_webhook(connection: Connection, webhook_id: str) -> None:
    """Forget a webhook and everything that was on its way to it."""
    connection.execute(delete(DELIVERIES).where(DELIVERIES.c.webhook_id == webhook_id))
    connection.execute(delete(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id))


def insert_deliveries(connection: Connection, hooks: list[str], message_id: str, body: bytes, now: int) -> None:
    """Queue a message for every webhook named."""
    rows = [
        {
            "webhook_id": one,
            "message_id": message_id,
            "body": body,
            "state": "pending",
            "attempts": 0,
            "next_at": now,
            "error": "",
            "created_at": now,
        }
        for one in hooks
    ]
    connection.execute(insert(DELIVERIES), rows)


def due(connection: Connection, now: int, count: int) -> list[DeliveryRow]:
    """Messages whose time has come, the oldest first."""
    rows = connection.execute(
        select(*_DELIVERY)
        .where(DELIVERIES.c.state == "pending", DELIVERIES.c.next_at <= now)
        .order_by(DELIVERIES.c.next_at, DELIVERIES.c.id)
        .limit(count)
    )
    return [DeliveryRow(*row) for row in rows]


def dead(connection: Connection, webhook_id: str, count: int) -> list[DeliveryRow]:
    """Messages that were given up, the newest first."""
    rows = connection.execute(
        select(*_DELIVERY)
        .where(DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.state == "dead")
        .order_by(DELIVERIES.c.id.desc())
        .limit(count)
    )
    return [DeliveryRow(*row) for row in rows]


def record(connection: Connection, delivery: int, *, state: str, attempts: int, next_at: int, error: str) -> None:
    """Store how an attempt ended; a message that arrived is forgotten, unless its webhook went away meanwhile."""
    mine = DELIVERIES.c.id == delivery
    if state == "delivered":
        connection.execute(delete(DELIVERIES).where(mine))
        return
    values = {"state": state, "attempts": attempts, "next_at": next_at, "error": error}
    connection.execute(update(DELIVERIES).where(mine).values(**values))


def revive(connection: Connection, delivery: int, webhook_id: str, now: int) -> bool:
    """Send a dead message again; False when the webhook has no such one."""
    result = connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.id == delivery, DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.state == "dead")
        .values(state="pending", attempts=0, next_at=now, error="")
    )
    return result.rowcount == 1


def newest_changes(connection: Connection, publisher: str, count: int) -> list[ChangeEntry]:
    """The newest changes of status, of all publishers or of the one with this slug."""
    changes, credentials = STATUS_CHANGES.c, CREDENTIALS.c
    wanted = (
        select(
            changes.log_index,
            changes.changed_at,
            changes.purpose,
            changes.value,
            changes.reason,
            credentials.id,
            credentials.digest,
            credentials.name,
            credentials.issuer,
        )
        .join(CREDENTIALS, credentials.seq == changes.credential_seq)
        .order_by(changes.log_index.desc())
        .limit(count)
    )
    if publisher:
        named = select(PUBLISHERS.c.id).where(PUBLISHERS.c.slug == publisher).scalar_subquery()
        wanted = wanted.where(credentials.publisher_id == named)
    return [ChangeEntry(*row) for row in connection.execute(wanted)]


def _hook(row: tuple[object, ...]) -> WebhookRow:
    identifier, publisher_id, url, events, issuer, created = row
    assert isinstance(publisher_id, int)
    assert isinstance(created, int)
    return WebhookRow(str(identifier), publisher_id, str(url), tuple(str(events).split()), str(issuer), created)
