"""HTTP face of notifications: webhooks, their dead letters, and the Atom feed of status changes.

Lives here: parse, call, answer. Not here: queueing (`outbox`), sending (`sending`), the feed's form (`feed`).
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from datasigil.errors import DatasigilError
from datasigil.fetch import checked_url, origin_of
from service.access import PrincipalDep, require_scope
from service.documentation import READ_PROBLEMS, WRITE_PROBLEMS, binary, body_of, problems
from service.limits import DEAD_LETTERS_SHOWN, FEED_ENTRIES
from service.notifications.feed import MEDIA_TYPE, atom
from service.notifications.outbox import AddWebhook, RemoveWebhook, ReviveDelivery, existing
from service.notifications.repository import WebhookRow, dead, newest_changes, webhook_of, webhooks_of
from service.notifications.schemas import (
    DeadLetter,
    DeadLetterList,
    WebhookList,
    WebhookReply,
    WebhookRequest,
    WebhookSummary,
)
from service.problems import Problem
from service.publishers.endpoints import timestamp
from service.replies import json_reply, stored_reply
from service.requests import read_model
from service.state import State, StateDep

router = APIRouter(tags=["notifications"])

_TOKEN: dict[str, Any] = {"security": [{"token": []}]}
WebhookId = Annotated[str, Path(max_length=64)]


@router.post(
    "/webhooks",
    status_code=201,
    response_model=WebhookReply,
    responses={**WRITE_PROBLEMS, **problems(401, 403, 404, 409)},
    openapi_extra={
        **body_of(WebhookRequest, {"url": "https://ci.example/datasigil", "events": ["status.changed"]}),
        **_TOKEN,
    },
)
async def add_webhook(request: Request, principal: PrincipalDep, state: StateDep) -> Response:
    """Be told of registrations or status changes by a signed POST; retried for a day, then kept as a dead letter."""
    require_scope(principal, "publish")
    asked = await read_model(request, WebhookRequest)
    _check_address(state, asked.url)
    if state.keys.notices is None:
        raise Problem(
            "NOT_FOUND",
            "This registry has no key for notices, so it sends none",
            next_action="its operator runs `python -m service keys new notices`",
        )
    row = await state.sequencer.submit(
        AddWebhook(principal.publisher_id, principal.did, asked.url, tuple(sorted(set(asked.events))), asked.issuer)
    )
    reply = WebhookReply(**_summary(row).model_dump(), key=state.keys.notices.controller)
    return json_reply(reply, status=201)


@router.get("/webhooks", response_model=WebhookList, responses={**READ_PROBLEMS, **problems(401)}, openapi_extra=_TOKEN)
async def list_webhooks(principal: PrincipalDep, state: StateDep) -> Response:
    """The caller's webhooks."""
    rows = await state.database.read(webhooks_of, principal.publisher_id)
    return json_reply(WebhookList(items=[_summary(row) for row in rows]))


@router.delete(
    "/webhooks/{webhook_id}", status_code=204, responses=problems(401, 404, 429, 503, 507), openapi_extra=_TOKEN
)
async def remove_webhook(webhook_id: WebhookId, principal: PrincipalDep, state: StateDep) -> Response:
    """Remove one of the caller's webhooks, with what was on its way to it."""
    await state.sequencer.submit(RemoveWebhook(principal.publisher_id, principal.did, webhook_id))
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


@router.get(
    "/webhooks/{webhook_id}/dead-letters",
    response_model=DeadLetterList,
    responses={**READ_PROBLEMS, **problems(401, 404)},
    openapi_extra=_TOKEN,
)
async def list_dead_letters(webhook_id: WebhookId, principal: PrincipalDep, state: StateDep) -> Response:
    """What could not be delivered, newest first."""
    existing(await state.database.read(webhook_of, webhook_id, principal.publisher_id))
    rows = await state.database.read(dead, webhook_id, DEAD_LETTERS_SHOWN)
    items = [
        DeadLetter(
            id=row.id,
            message=row.message_id,
            attempts=row.attempts,
            error=row.error,
            created=timestamp(row.created_at),
            body=row.body.decode(),
        )
        for row in rows
    ]
    return json_reply(DeadLetterList(items=items))


@router.post(
    "/webhooks/{webhook_id}/dead-letters/{letter}",
    status_code=202,
    responses=problems(400, 401, 404, 429, 503, 507),
    openapi_extra=_TOKEN,
)
async def send_again(
    webhook_id: WebhookId,
    letter: Annotated[int, Path(ge=1, le=2**53 - 1)],
    principal: PrincipalDep,
    state: StateDep,
) -> Response:
    """Send a dead letter again; takes no body."""
    await state.sequencer.submit(ReviveDelivery(principal.publisher_id, webhook_id, letter))
    return Response(status_code=202, headers={"Cache-Control": "no-store"})


@router.get(
    "/feed.atom",
    response_class=Response,
    responses={**READ_PROBLEMS, **binary("An Atom feed", MEDIA_TYPE), **problems(304)},
)
async def feed(
    request: Request, state: StateDep, publisher: Annotated[str, Query(max_length=64, description="A slug")] = ""
) -> Response:
    """The newest status changes, of everybody or of one publisher, as Atom (RFC 4287)."""
    rows = await state.database.read(newest_changes, publisher, FEED_ENTRIES)
    data = atom(state.settings.public_url, state.settings.name, publisher, rows)
    return stored_reply(request, data, etag=hashlib.sha256(data).hexdigest(), media_type=MEDIA_TYPE)


def _check_address(state: State, url: str) -> None:
    """Refuse what could never be sent to; what the name resolves to is checked at every sending."""
    try:
        parts = checked_url(url)
        named = origin_of(url) in {origin_of(one) for one in state.settings.webhook_origins}
    except DatasigilError as error:
        raise Problem("WEBHOOK_URL", error.message, status=422, pointer="/url", expected=error.expected) from None
    if parts.scheme != "https" and not named:
        raise Problem(
            "WEBHOOK_URL", "A webhook is reached over https", status=422, pointer="/url", expected="an https URL"
        )


def _summary(row: WebhookRow) -> WebhookSummary:
    return WebhookSummary.model_validate(
        {
            "id": row.id,
            "url": row.url,
            "events": list(row.events),
            "issuer": row.issuer,
            "created": timestamp(row.created_at),
        }
    )
