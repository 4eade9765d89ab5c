"""Contexts and schemas that credentials of this version name, byte for byte as shipped.

Lives here: two read-only collections, found by file name or by digest. Not here: which contexts are pinned (`datasigil.credentials.contexts`)
and how schemas are made (`datasigil.credentials.emit_schemas`).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from datasigil.credentials.contexts import SCHEMAS_FOLDER, context_bytes, context_digests
from service.documentation import READ_PROBLEMS, problems, signed_document
from service.problems import Problem
from service.replies import json_reply, stored_reply

router = APIRouter(tags=["vocabulary"])

CACHED_AN_HOUR = "public, max-age=3600"
FileName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$")]


class Published(BaseModel):
    """One file: the id by which credentials name it, where it is served here, and its SHA-256."""

    id: str
    path: str
    sha256: str


class PublishedList(BaseModel):
    """All files of a kind."""

    items: list[Published]


@router.get("/contexts", response_model=PublishedList, responses=READ_PROBLEMS)
async def list_contexts() -> Response:
    """The JSON-LD contexts that this version ships and pins."""
    items = [
        Published(id=url, path=f"/contexts/{digest}", sha256=digest)
        for url, digest in sorted(context_digests().items())
    ]
    return json_reply(PublishedList(items=items), cache=CACHED_AN_HOUR)


@router.get(
    "/contexts/{digest}",
    response_class=Response,
    responses={**signed_document("The context", "application/ld+json"), **READ_PROBLEMS, **problems(304, 400, 404)},
)
async def read_context(request: Request, digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
    """A context by its SHA-256."""
    for url, known in context_digests().items():
        if known == digest:
            return stored_reply(
                request, context_bytes(url), etag=digest, media_type="application/ld+json", cache=CACHED_AN_HOUR
            )
    raise Problem("NOT_FOUND", "No context with this digest is shipped", next_action="GET /contexts lists them")


@router.get("/schemas", response_model=PublishedList, responses=READ_PROBLEMS)
async def list_schemas() -> Response:
    """The JSON schemas of this version's credential types."""
    items = [
        Published(id=name, path=f"/schemas/{name}", sha256=hashlib.sha256(data).hexdigest())
        for name, data in sorted(_schemas().items())
    ]
    return json_reply(PublishedList(items=items), cache=CACHED_AN_HOUR)


@router.get(
    "/schemas/{name}",
    response_class=Response,
    responses={**signed_document("The schema", "application/schema+json"), **READ_PROBLEMS, **problems(304, 400, 404)},
)
async def read_schema(request: Request, name: FileName) -> Response:
    """A JSON schema by its file name."""
    data = _schemas().get(name)
    if data is None:
        raise Problem("NOT_FOUND", "No schema of this name is shipped", next_action="GET /schemas lists them")
    digest = hashlib.sha256(data).hexdigest()
    return stored_reply(request, data, etag=digest, media_type="application/schema+json", cache=CACHED_AN_HOUR)


@lru_cache(maxsize=1)
def _schemas() -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in SCHEMAS_FOLDER.iterdir() if one.name.endswith(".json")}
