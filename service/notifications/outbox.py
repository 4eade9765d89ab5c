"""Queueing messages in the batch that changes what they tell of: what commits is told, what rolls back is not.

Lives here: a message's form, and the operations that add, remove and revive. Not here: sending (`sending`), SQL (`repository`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from datasigil.canonical import jcs
from datasigil.encoding import Instant
from service.audit_trail.trail import record
from service.batch import Batch
from service.limits import WEBHOOKS_PER_PUBLISHER_MAX
from service.notifications.repository import (
    WebhookRow,
    all_webhooks,
    delete_webhook,
    insert_deliveries,
    insert_webhook,
    revive,
    webhook_of,
    webhooks_of,
)
from service.problems import Problem

REGISTERED, CHANGED, ROTATED = "credential.registered", "status.changed", "key.rotated"
_HOOKS = "webhooks"


def tell(batch: Batch, event: str, *, issuer: str, data: dict[str, Any]) -> None:
    """Queue a message to everybody who asked for it; ids, digests and statuses only."""
    hooks = [
        hook.id
        for hook in batch.remembered(_HOOKS, lambda: all_webhooks(batch.connection))
        if event in hook.events and hook.issuer in ("", issuer)
    ]
    if not hooks:
        return
    message_id = f"msg_{secrets.token_hex(12)}"
    timestamp = str(Instant.from_datetime(datetime.fromtimestamp(batch.seconds, tz=UTC)))
    body = {"type": event, "formatVersion": 1, "timestamp": timestamp, "issuer": issuer, "data": data}
    insert_deliveries(batch.connection, hooks, message_id, jcs(body), batch.seconds)


@dataclass(frozen=True)
class AddWebhook:
    """Store a webhook of a publisher."""

    publisher_id: int
    actor: str
    url: str
    events: tuple[str, ...]
    issuer: str

    def __call__(self, batch: Batch) -> WebhookRow:
        """Return it.

        Raises:
            Problem: WEBHOOK_LIMIT.
        """
        if len(webhooks_of(batch.connection, self.publisher_id)) >= WEBHOOKS_PER_PUBLISHER_MAX:
            raise Problem(
                "WEBHOOK_LIMIT",
                "This publisher has too many webhooks",
                expected=f"at most {WEBHOOKS_PER_PUBLISHER_MAX}",
                next_action="remove one: DELETE /webhooks/ID",
            )
        row = WebhookRow(
            f"wh_{secrets.token_hex(8)}", self.publisher_id, self.url, self.events, self.issuer, batch.seconds
        )
        insert_webhook(batch.connection, row)
        record(batch, actor=self.actor, action="webhook.added", target=row.id)
        batch.memory.pop(_HOOKS, None)
        return row


@dataclass(frozen=True)
class RemoveWebhook:
    """Forget a publisher's webhook and what was on its way to it."""

    publisher_id: int
    actor: str
    webhook_id: str

    def __call__(self, batch: Batch) -> None:
        """Remove it.

        Raises:
            Problem: NOT_FOUND, also for somebody else's.
        """
        existing(webhook_of(batch.connection, self.webhook_id, self.publisher_id))
        delete_webhook(batch.connection, self.webhook_id)
        record(batch, actor=self.actor, action="webhook.removed", target=self.webhook_id)
        batch.memory.pop(_HOOKS, None)


@dataclass(frozen=True)
class ReviveDelivery:
    """Send a dead message again."""

    publisher_id: int
    webhook_id: str
    delivery: int

    def __call__(self, batch: Batch) -> None:
        """Queue it.

        Raises:
            Problem: NOT_FOUND.
        """
        existing(webhook_of(batch.connection, self.webhook_id, self.publisher_id))
        if not revive(batch.connection, self.delivery, self.webhook_id, batch.seconds):
            raise Problem("NOT_FOUND", "This webhook has no dead letter with this id")


def existing(row: WebhookRow | None) -> WebhookRow:
    """The webhook, if there is one.

    Raises:
        Problem: NOT_FOUND.
    """
    if row is None:
        raise Problem("NOT_FOUND", "You have no webhook with this id", next_action="GET /webhooks lists yours")
    return row
