"""Bodies of the webhook endpoints.

Lives here: pydantic models. Not here: what a message says (`outbox`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.requests import StrictModel

Event = Literal["credential.registered", "status.changed", "key.rotated"]


class WebhookRequest(StrictModel):
    """Where to tell what; an `issuer` narrows it to credentials of one DID."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    events: Annotated[list[Event], Field(min_length=1, max_length=3)] = Field(default=["status.changed"])
    issuer: Annotated[str, Field(max_length=512)] = ""


class WebhookSummary(BaseModel):
    """A webhook of the caller."""

    id: str
    url: str
    events: list[Event]
    issuer: str
    created: str


class WebhookReply(WebhookSummary):
    """A new webhook, and the did:key whose signature its messages bear."""

    key: str


class WebhookList(BaseModel):
    """The caller's webhooks."""

    items: list[WebhookSummary]


class DeadLetter(BaseModel):
    """A message that was given up after the last attempt."""

    id: int
    message: str
    attempts: int
    error: str
    created: str
    body: str


class DeadLetterList(BaseModel):
    """The newest dead letters of a webhook."""

    items: list[DeadLetter]
