"""HTTP face of key rotations: handing one in, and those of a publisher with their proofs.

Lives here: parse, call, answer. Not here: what is admitted (`key_rotations`).
"""

# ruff: noqa: N815 - members are named as in the JSON of the API
from __future__ import annotations

from typing import Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from service.credentials.bundles import log_evidence
from service.documentation import READ_PROBLEMS, WRITE_PROBLEMS, body_of, problems
from service.problems import Problem
from service.publishers.directory import Named
from service.publishers.key_rotations import (
    LogRotation,
    frame_of,
    require_listed,
    require_publisher,
    verified_rotation,
)
from service.publishers.repository import publisher_by_did, publisher_named, rotations_of
from service.replies import REVALIDATE, json_reply
from service.requests import read_json
from service.state import State, StateDep

router = APIRouter(tags=["publishers"])


class RotationKey(BaseModel):
    """A key of the issuer with its name."""

    id: str
    publicKeyMultibase: str


class SignedKeyRotation(BaseModel):
    """A KeyRotationRequest as the core parses it; here for the OpenAPI document."""

    type: Literal["KeyRotationRequest"]
    formatVersion: Literal[1]
    issuer: str
    newKey: RotationKey
    authorizedBy: RotationKey
    reason: str
    created: str
    nonce: str
    proof: list[dict[str, Any]]


class KeyRotationReply(BaseModel):
    """Where the log holds the rotation; `changed` is false when it held it before."""

    issuer: str
    newKey: str
    changed: bool
    logIndex: int


class KeyRotationList(BaseModel):
    """A publisher's rotations in the order of the log, as bundles present them among `issuerKeys`."""

    items: list[dict[str, Any]]


_EXAMPLE = {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/datasigil/v1"],
    "type": "KeyRotationRequest",
    "formatVersion": 1,
    "issuer": "did:web:publisher.example",
    "newKey": {
        "id": "did:web:publisher.example#z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH",
        "publicKeyMultibase": "z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH",
    },
    "authorizedBy": {
        "id": "did:web:publisher.example#z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        "publicKeyMultibase": "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    },
    "reason": "yearly change",
    "created": "2026-11-24T09:00:00Z",
    "nonce": "q0lmPzv0T2u1vX2yH3kN9A",
    "proof": [{"type": "DataIntegrityProof"}, {"type": "DataIntegrityProof"}],
}


@router.post(
    "/key-rotations",
    response_model=KeyRotationReply,
    openapi_extra=body_of(SignedKeyRotation, _EXAMPLE),
    responses={**WRITE_PROBLEMS, **problems(403, 404, 409)},
)
async def log_key_rotation(request: Request, state: StateDep) -> Response:
    """Log that a publisher under a did:web has a new key; the two signatures and the DID's own document are the authority, a token is not needed."""
    body = await read_json(request)
    now = state.clock()
    rotation = await anyio.to_thread.run_sync(lambda: verified_rotation(body, now=now))
    require_publisher(await state.database.point(publisher_by_did, rotation.issuer))
    await anyio.to_thread.run_sync(lambda: require_listed(rotation, state.did_documents, now=now))
    outcome = await state.sequencer.submit(LogRotation(rotation))
    reply = KeyRotationReply(
        issuer=rotation.issuer, newKey=rotation.new_id, changed=outcome.changed, logIndex=outcome.log_index
    )
    return json_reply(reply)


@router.get(
    "/publishers/{publisher}/key-rotations",
    response_model=KeyRotationList,
    responses={**READ_PROBLEMS, **problems(404)},
)
async def list_key_rotations(publisher: Named, state: StateDep) -> Response:
    """A publisher's logged rotations, signed by their keys and proven by the log, for whoever pinned an earlier key."""
    return json_reply(KeyRotationList(items=await state.database.read(_frames, state, publisher)), cache=REVALIDATE)


def _frames(connection: Connection, state: State, name: str) -> list[dict[str, Any]]:
    row = publisher_named(connection, name)
    if row is None:
        raise Problem("NOT_FOUND", "No publisher of this name is known here", next_action="GET /publishers lists them")
    released = state.released
    frames = []
    for one in rotations_of(connection, row.id):
        if one.log_index < released.size:
            shown = log_evidence(connection, state, one.log_index, released, {})
            frames.append(frame_of(one, shown.proof, shown.current))
    return frames
