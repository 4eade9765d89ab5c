"""Who publishes here: a directory of publishers, their keys as DID documents, and the registry's own.

Lives here: parse, call, answer. Not here: SQL (`repository`), login (`endpoints`). A DID document served here proves nothing alone: a
did:key holds its key itself, and a did:web's document is what its own domain serves.
"""

# ruff: noqa: N815 - members are named as in the JSON of the API
from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from datasigil.canonical import jcs, sha256_hex
from datasigil.credentials.did import did_document, resolve_did_key
from service.credentials.endpoints import Cursor, Limit
from service.documentation import READ_PROBLEMS, problems, signed_document
from service.limits import PAGE_DEFAULT_ITEMS
from service.problems import Problem
from service.publishers.endpoints import timestamp
from service.publishers.repository import (
    KeyRotationRow,
    PublisherRow,
    credentials_by,
    publisher_named,
    publishers_after,
    rotations_of,
)
from service.replies import json_reply, stored_reply
from service.state import State, StateDep

router = APIRouter(tags=["publishers"])

Named = Annotated[str, Path(max_length=512, description="A publisher's slug or DID")]
DID_MEDIA_TYPE = "application/did+json"


class PublisherSummary(BaseModel):
    """A publisher as this registry knows it: nothing but control of the DID was proven."""

    did: str
    slug: str
    name: str
    role: str
    active: bool
    since: str


class PublisherPage(BaseModel):
    """A page of publishers in order of registration; `next` continues it."""

    items: list[PublisherSummary]
    next: str | None = None


class PublisherReply(PublisherSummary):
    """A publisher, and where their lists, keys and credentials are."""

    credentials: int
    didDocument: str
    statusLists: list[str]
    keyRotations: list[KeyRotationSummary]


class KeyRotationSummary(BaseModel):
    """A logged change of a publisher's key; the signed requests with their proofs are at `/publishers/{publisher}/key-rotations`."""

    digest: str
    newKey: str
    newKeyMultibase: str
    authorizedByMultibase: str
    logIndex: int
    logged: str


@router.get("/publishers", response_model=PublisherPage, responses={**READ_PROBLEMS, **problems(400)})
async def list_publishers(state: StateDep, limit: Limit = PAGE_DEFAULT_ITEMS, cursor: Cursor = "") -> Response:
    """Everybody who ever logged in or was invited."""
    after = state.cursors.read("publishers", cursor) if cursor else 0
    rows = await state.database.read(publishers_after, after, limit + 1)
    more = state.cursors.make("publishers", rows[limit - 1].id) if len(rows) > limit else None
    return json_reply(PublisherPage(items=[PublisherSummary(**_summary(row)) for row in rows[:limit]], next=more))


@router.get("/publishers/{publisher}", response_model=PublisherReply, responses={**READ_PROBLEMS, **problems(404)})
async def read_publisher(publisher: Named, state: StateDep) -> Response:
    """One publisher by slug or DID."""
    row = await _existing(state, publisher)
    count, lists = await state.database.read(credentials_by, row.id)
    base = state.settings.public_url
    reply = PublisherReply(
        **_summary(row),
        credentials=count,
        didDocument=f"{base}/publishers/{row.slug}/did.json",
        statusLists=lists,
        keyRotations=[_rotation(one) for one in await state.database.read(rotations_of, row.id)],
    )
    return json_reply(reply)


@router.get(
    "/publishers/{publisher}/did.json",
    response_class=Response,
    responses={**signed_document("The DID document", DID_MEDIA_TYPE), **READ_PROBLEMS, **problems(304, 404)},
)
async def read_did_document(request: Request, publisher: Named, state: StateDep) -> Response:
    """The DID document of a publisher whose DID holds its own key."""
    row = await _existing(state, publisher)
    if not row.did.startswith("did:key:"):
        raise Problem(
            "NOT_FOUND",
            "This DID's document is where its method says, not here",
            next_action="resolve the DID by its method",
        )
    return _did_reply(request, row.did)


@router.get(
    "/.well-known/datasigil-did.json",
    response_class=Response,
    responses={**signed_document("The DID document", DID_MEDIA_TYPE), **READ_PROBLEMS, **problems(304)},
)
async def read_own_did_document(request: Request, state: StateDep) -> Response:
    """The DID document of the registry's status key."""
    return _did_reply(request, state.keys.did)


def _did_reply(request: Request, did: str) -> Response:
    methods = resolve_did_key(did).methods
    keys = {method.id.partition("#")[2]: method.key for method in methods.values()}
    data = jcs(did_document(did, keys))
    assert json.loads(data)["id"] == did
    return stored_reply(request, data, etag=sha256_hex(data), media_type=DID_MEDIA_TYPE)


def _summary(row: PublisherRow) -> dict[str, Any]:
    return {
        "did": row.did,
        "slug": row.slug,
        "name": row.name,
        "role": row.role,
        "active": row.active,
        "since": timestamp(row.created_at),
    }


def _rotation(row: KeyRotationRow) -> KeyRotationSummary:
    return KeyRotationSummary(
        digest=row.request_digest,
        newKey=row.new_id,
        newKeyMultibase=row.new_key,
        authorizedByMultibase=row.authorizing_key,
        logIndex=row.log_index,
        logged=timestamp(row.logged_at),
    )


async def _existing(state: State, name: str) -> PublisherRow:
    row = await state.database.read(publisher_named, name)
    if row is None:
        raise Problem("NOT_FOUND", "No publisher of this name is known here", next_action="GET /publishers lists them")
    return row
