"""Responses: JSON of models, stored bytes untouched, conditional requests.

Lives here: how an answer is written. Not here: failures (`problems`) and headers that every answer has (`middleware`).
Spec: RFC 9110 sections 8.8.3 and 13.1.2 (ETag, If-None-Match), RFC 9111.
"""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import BaseModel

from service.limits import ETAGS_MAX

PRIVATE = "no-store"
REVALIDATE = "public, no-cache"
FOREVER = "public, max-age=31536000, immutable"


def json_reply(body: BaseModel, *, status: int = 200, cache: str = PRIVATE) -> Response:
    """A model as JSON, members that are None left out."""
    return bytes_reply(json_bytes(body), status=status, cache=cache)


def json_bytes(body: BaseModel) -> bytes:
    """What `json_reply` sends."""
    return body.model_dump_json(exclude_none=True).encode()


def bytes_reply(data: bytes, *, status: int = 200, cache: str = PRIVATE) -> Response:
    """A JSON document as JSON."""
    return Response(data, status_code=status, media_type="application/json", headers={"Cache-Control": cache})


def stored_reply(
    request: Request, data: bytes, *, etag: str, media_type: str = "application/json", cache: str = REVALIDATE
) -> Response:
    """Stored bytes as they are, or 304 when the client has them."""
    headers = {"Cache-Control": cache, "ETag": f'"{etag}"'}
    if tag_matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def credential_reply(request: Request, data: bytes, *, etag: str, cache: str = REVALIDATE) -> Response:
    """Stored bytes of a credential as `application/vc` (VCDM 2.0 section 6.2); as JSON for clients that ask for that only."""
    media_type = "application/json" if prefers_json(request.headers.get("accept", "")) else "application/vc"
    reply = stored_reply(request, data, etag=etag, media_type=media_type, cache=cache)
    reply.headers["Vary"] = "Accept"
    return reply


def prefers_json(accept: str) -> bool:
    """Whether an Accept header asks for JSON and not for `application/vc` (VCDM 2.0 section 6.2)."""
    accept = accept.lower()
    return "json" in accept and "application/vc" not in accept


def tag_matches(header: str, etag: str) -> bool:
    """Whether an If-None-Match header holds a tag, compared weakly."""
    if not header:
        return False
    if header.strip() == "*":
        return True
    candidates = header.split(",", ETAGS_MAX)[:ETAGS_MAX]
    return any(one.strip().removeprefix("W/") == f'"{etag}"' for one in candidates)
