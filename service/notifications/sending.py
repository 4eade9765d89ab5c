"""Sending queued messages: one thread of the process that may write.

Lives here: signing, posting, when to try again and when to give up. Not here: which addresses may be reached (`datasigil.fetch`: https to a
public address, checked after resolving and pinned; origins that the operator named) and queueing (`outbox`).
Spec: Standard Webhooks 1.0.0, asymmetric signatures: header `webhook-signature: v1a,BASE64` over `id.timestamp.body` with the Ed25519 key
whose did:key the registry's description names; no secret is shared or stored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from datasigil.encoding import b64_encode
from datasigil.errors import DatasigilError
from datasigil.fetch import Fetcher
from datasigil.signing import LocalSigner
from service.batch import Batch
from service.clock import Clock, seconds_of
from service.database import Database
from service.limits import (
    DELIVERIES_PER_ROUND,
    DELIVERY_ANSWER_MAX_BYTES,
    DELIVERY_RETRY_SECONDS,
    DELIVERY_TICK_SECONDS,
)
from service.notifications.repository import DeliveryRow, due, record, webhook_by_id
from service.sequencer import Sequencer

log = logging.getLogger("service.notifications")


@dataclass(frozen=True)
class RecordAttempt:
    """Store how an attempt ended."""

    row: DeliveryRow
    error: str

    def __call__(self, batch: Batch) -> None:
        """Store it: delivered, to be tried again, or dead after the last attempt."""
        attempts = self.row.attempts + 1
        state = "delivered" if not self.error else "pending" if attempts < len(DELIVERY_RETRY_SECONDS) else "dead"
        wait = DELIVERY_RETRY_SECONDS[min(attempts, len(DELIVERY_RETRY_SECONDS) - 1)]
        record(
            batch.connection,
            self.row.id,
            state=state,
            attempts=attempts,
            next_at=batch.seconds + wait,
            error=self.error[:200],
        )
        if state == "dead":
            log.warning("dead letter", extra={"fields": {"webhook": self.row.webhook_id, "reason": self.error[:40]}})


class Sender:
    """The thread that sends; it rests while this process is not the writer."""

    def __init__(
        self, database: Database, writer: Sequencer, fetcher: Fetcher, signer: LocalSigner | None, clock: Clock
    ) -> None:
        self._database = database
        self._writer = writer
        self._fetcher = fetcher
        self._signer = signer
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        """Start sending, if there is a key to sign with."""
        if self._signer is not None:
            self._thread.start()

    def stop(self) -> None:
        """End after the message that is being sent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def round(self) -> int:
        """Send what is due; return how many messages were tried."""
        rows = self._database.read_now(due, seconds_of(self._clock()), DELIVERIES_PER_ROUND)
        for row in rows:
            if self._stop.is_set():
                break
            self._writer.run(RecordAttempt(row, self._attempt(row)))
        return len(rows)

    def _run(self) -> None:
        while not self._stop.wait(DELIVERY_TICK_SECONDS):
            if not self._writer.health.writing:
                continue
            _quietly(self.round)

    def _attempt(self, row: DeliveryRow) -> str:
        """Post one message; empty when it arrived, else why not, in words that repeat nothing of the answer."""
        hook = self._database.read_now(webhook_by_id, row.webhook_id)
        if hook is None:
            return "the webhook is gone"
        assert self._signer is not None
        stamp = str(seconds_of(self._clock()))
        signed = b".".join((row.message_id.encode(), stamp.encode(), row.body))
        headers = {
            "webhook-id": row.message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1a,{b64_encode(self._signer.sign(signed))}",
        }
        try:
            answer = self._fetcher.post(hook.url, row.body, headers=headers, max_bytes=DELIVERY_ANSWER_MAX_BYTES)
        except DatasigilError as error:
            return error.code
        return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"


def _quietly(call: Callable[[], object]) -> None:
    """A database that is away now will be back; the thread must not die of it."""
    try:
        call()
    except DatasigilError as error:
        log.warning("cannot send", extra={"fields": {"code": error.code}})
