"""Reading request bodies and parameters: bytes in, checked models out.

Lives here: caps, media types, the strict parser, pydantic models, cursors, and how old a signed request may be. Not here: what else the values mean.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request

from datasigil.encoding import GENERIC, I_JSON, Instant, JsonProfile, b64url_decode, b64url_encode, parse_json
from datasigil.errors import MalformedError
from service.limits import (
    CURSOR_MAX_CHARACTERS,
    REQUEST_MAX_BYTES,
    SIGNED_REQUEST_AHEAD_SECONDS,
    SIGNED_REQUEST_KEPT_SECONDS,
)
from service.problems import Problem, from_validation

M = TypeVar("M", bound=BaseModel)


def _spelled_as_integer(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.removeprefix("-").isdecimal()):
        raise ValueError("expected a whole number in decimal digits")
    return value


Whole = Annotated[int, BeforeValidator(_spelled_as_integer)]
"""An integer of a URL: pydantic alone takes `5.0`, ` 5` and `1_000`, too."""


class StrictModel(BaseModel):
    """A request model: no coercion, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


async def vcalm_path(request: Request) -> None:
    """Mark a request as VCALM's, so that every refused body is answered with 400."""
    request.scope["datasigil.vcalm"] = True


async def read_body(request: Request, *, max_bytes: int = REQUEST_MAX_BYTES) -> bytes:
    """The body of a JSON request, never more than `max_bytes` of it.

    Raises:
        Problem: CONTENT_TYPE, CONTENT_ENCODING (415), BODY_TOO_LARGE (413).
    """
    _check_media_type(request)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > max_bytes:
                raise _too_large(max_bytes)
            parts.append(part)
    except ClientDisconnect:
        raise Problem("BODY_INCOMPLETE", "The connection ended before the body did", status=400) from None
    return b"".join(parts)


async def read_json(request: Request, *, max_bytes: int = REQUEST_MAX_BYTES, profile: JsonProfile = I_JSON) -> Any:
    """The body as a strictly parsed JSON value.

    Raises:
        Problem: as `read_body` and `parse_body`.
    """
    return parse_body(await read_body(request, max_bytes=max_bytes), profile=profile)


def parse_body(body: bytes, *, profile: JsonProfile = I_JSON) -> Any:
    """A body as a strictly parsed JSON value.

    Raises:
        Problem: the code of `encoding.parse_json`, 400: what is not JSON of the profile cannot be understood at all.
    """
    try:
        value = _parsed(body, profile)
        if b"\\u0000" in body:
            _refuse_nul(value)
        return value
    except MalformedError as error:
        pointer = error.place if error.place.startswith("/") else ""
        where = f" at {error.place}" if error.place and not pointer else ""  # a line, a byte, a member's name
        raise Problem(
            error.code,
            f"The body is not strict JSON ({error.code}){where}",
            status=400,
            pointer=pointer,
            expected=error.expected,
            next_action=error.next_action or "send one JSON document in UTF-8, with each member named once",
        ) from None


def _parsed(body: bytes, profile: JsonProfile) -> Any:
    limit = max(len(body), 1)
    if (
        profile is not I_JSON
    ):  # most documents are of our own profile all the same, which is read in less time and to the same value
        with suppress(MalformedError):
            return parse_json(body, max_bytes=limit)
    return parse_json(body, max_bytes=limit, profile=profile)


async def read_model(request: Request, model: type[M], *, profile: JsonProfile = I_JSON) -> M:
    """The body as `model`.

    Raises:
        Problem: SCHEMA or UNKNOWN_PROPERTY, with the pointer; as `read_json` otherwise.
    """
    return to_model(await read_json(request, profile=profile), model, vcalm=profile is GENERIC)


def to_model(value: Any, model: type[M], *, vcalm: bool = False) -> M:
    """`value` as `model`.

    Raises:
        Problem: SCHEMA or UNKNOWN_PROPERTY, with the pointer; 400 on VCALM paths, else 422.
    """
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        problem = from_validation(error)
        problem.status = 400 if vcalm else 422
        raise problem from None


def require_recent(created: Instant, at: Instant) -> None:
    """Return if a signed request was made at most a week before `at`, and not after it but for a clock's error.

    Raises:
        Problem: REQUEST_TIME.
    """
    if created > at.plus(SIGNED_REQUEST_AHEAD_SECONDS) or created.plus(SIGNED_REQUEST_KEPT_SECONDS) < at:
        raise Problem(
            "REQUEST_TIME",
            "The request was not made recently",
            status=422,
            pointer="/created",
            expected="within the last 7 days",
            next_action="sign a new request",
        )


def _refuse_nul(value: Any) -> None:
    """No text of ours holds NUL, and PostgreSQL cannot store it."""
    if isinstance(value, str) and "\x00" in value:
        raise MalformedError("ENCODING", "a string holds NUL", expected="text without NUL")
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _refuse_nul(part)


def _check_media_type(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Problem("CONTENT_ENCODING", "Compressed request bodies are not accepted", expected="no Content-Encoding")
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    plain = kind.strip().lower()
    if plain not in ("application/json", "application/ld+json"):
        raise Problem("CONTENT_TYPE", "Only JSON bodies are accepted", expected="Content-Type: application/json")
    charset = parameters.strip().lower()
    if charset.startswith("charset=") and charset.removeprefix("charset=").strip('"') != "utf-8":
        raise Problem("CONTENT_TYPE", "Only UTF-8 bodies are accepted", expected="Content-Type: application/json")


def _too_large(limit: int) -> Problem:
    return Problem("BODY_TOO_LARGE", "The request body is too large", expected=f"at most {limit} bytes")


class Cursors:
    """Opaque page positions, bound to the query that they continue so that they cannot be altered or mixed."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, query: str, position: int) -> str:
        """The cursor that continues `query` after `position`."""
        return b64url_encode(self._mac(query, position) + position.to_bytes(8, "big"))

    def read(self, query: str, cursor: str) -> int:
        """The position of a cursor made for `query`.

        Raises:
            Problem: BAD_CURSOR, for a cursor of another query or an altered one.
        """
        bad = Problem(
            "BAD_CURSOR",
            "This cursor does not continue this query",
            pointer="/cursor",
            next_action="start again without a cursor",
        )
        if len(cursor) > CURSOR_MAX_CHARACTERS:
            raise bad
        try:
            raw = b64url_decode(cursor)
        except MalformedError:
            raise bad from None
        position = int.from_bytes(raw[16:24], "big")
        if len(raw) != 24 or not hmac.compare_digest(raw[:16], self._mac(query, position)):
            raise bad
        return position

    def _mac(self, query: str, position: int) -> bytes:
        message = hashlib.sha256(query.encode()).digest() + position.to_bytes(8, "big")
        return hmac.new(self._key, message, hashlib.sha256).digest()[:16]
