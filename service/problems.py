"""Problem details: the only module that knows HTTP status codes of failures.

Lives here: `Problem`, which error of the core or the registry becomes which status, and the exception handlers. Not here:
the checks that fail. Spec: RFC 9457 (July 2023); pointers are RFC 6901.

A problem names the place and what was expected. It never repeats what the client sent: input may hold secrets.
"""

# ruff: noqa: N815 - members are named as in RFC 9457 and the JSON of the API
from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from datasigil.encoding import pointer_token
from datasigil.errors import DatasigilError, LogError, MalformedError, VerificationError

PROBLEM_TYPE = "application/problem+json"
PROBLEM_BASE = "https://w3id.org/datasigil/problems#"

BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, CONFLICT = 400, 401, 403, 404, 409
METHOD_NOT_ALLOWED = 405
TOO_LARGE, UNSUPPORTED_MEDIA, UNPROCESSABLE, TOO_MANY = 413, 415, 422, 429
INTERNAL, UNAVAILABLE, STORAGE = 500, 503, 507

_TITLES = {
    400: "The request is malformed",
    401: "A valid token is required",
    403: "The token does not allow this",
    404: "There is no such thing here",
    405: "This method is not offered here",
    406: "No such representation",
    409: "The request conflicts with what is registered",
    413: "The request body is too large",
    415: "The request body has an unsupported type",
    422: "The content was understood and refused",
    429: "Too many requests",
    500: "The registry failed",
    503: "The registry cannot do this now",
    507: "The registry cannot store this now",
}

# Reason codes of the core and the registry whose status does not follow from their class.
_STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "SCOPE_MISSING": 403,
    "REGISTRATION_CLOSED": 403,
    "NOT_YOURS": 403,
    "PUBLISHER_INACTIVE": 403,
    "NOT_FOUND": 404,
    "ID_TAKEN": 409,
    "STATUS_INDEX_TAKEN": 409,
    "ALREADY_REVOKED": 409,
    "TOKEN_LIMIT": 409,
    "STATUS_LIST_LIMIT": 409,
    "WEBHOOK_LIMIT": 409,
    "IDENTITY_LIMIT": 409,
    "IDENTITY_TAKEN": 409,
    "KEY_ROTATION_LIMIT": 409,
    "JOB_LIMIT": 409,
    "JOB_OVER": 409,
    "LEASE_LOST": 409,
    "BODY_TOO_LARGE": 413,
    "CONTENT_TYPE": 415,
    "CONTENT_ENCODING": 415,
    "RATE_LIMITED": 429,
    "DATABASE_UNAVAILABLE": 503,
    "BUSY": 503,
    "NOT_THE_WRITER": 503,
    "REFUSES_TO_SIGN": 503,
    "HANDED_OVER": 503,
    "STORAGE_FULL": 507,
    "BAD_CURSOR": 400,
    "BAD_LIMIT": 400,
    "BAD_PARAMETER": 400,
    "BAD_HEADER": 400,
}
_RETRY_AFTER = {"DATABASE_UNAVAILABLE": 1, "BUSY": 1, "NOT_THE_WRITER": 5, "STORAGE_FULL": 30, "REFUSES_TO_SIGN": 300}

# A position in a body that could not be read as JSON, for which there is no pointer yet.
_POSITION = re.compile(r"line \d+ column \d+|(?:byte|character) \d+|member .{1,200}", re.DOTALL)

log = logging.getLogger("service.problems")


class Problem(DatasigilError):  # noqa: N818 - the name of RFC 9457
    """A refusal of the registry; `status` is given only where the code alone does not decide it."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        pointer: str = "",
        expected: str = "",
        next_action: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, message, place=pointer, expected=expected, next_action=next_action)
        self.status = status
        self.retry_after = retry_after
        self.extra = dict(extra or {})


class ProblemBody(BaseModel):
    """RFC 9457 problem details as this registry writes them."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    requestId: str
    pointer: str | None = None
    expected: str | None = None
    nextAction: str | None = None


class RefusedBody(ProblemBody):
    """The problem that VCALM's verify endpoints answer with: beside it, what was decided and which check failed."""

    verified: bool | None = None
    decision: str | None = None
    asOf: str | None = None
    checks: list[dict[str, Any]] | None = None


def status_of(error: DatasigilError, *, vcalm: bool) -> int:
    """The HTTP status of an error; VCALM paths answer 400 where registry paths answer 422."""
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    if error.code in _STATUS:
        return _STATUS[error.code]
    if isinstance(error, (MalformedError, VerificationError)) and not isinstance(error, LogError):
        return BAD_REQUEST if vcalm else UNPROCESSABLE
    return INTERNAL


def problem_response(
    request_id: str,
    *,
    status: int,
    code: str,
    detail: str,
    pointer: str = "",
    expected: str = "",
    next_action: str = "",
    retry_after: int | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """The response that carries one problem."""
    body: dict[str, Any] = {
        "type": PROBLEM_BASE + code,
        "title": _TITLES.get(status, "The request was refused"),
        "status": status,
        "code": code,
        "detail": detail,
        "requestId": request_id,
    }
    optional = {"pointer": pointer, "expected": expected, "nextAction": next_action}
    body.update({key: value for key, value in optional.items() if value})
    body.update(extra or {})
    headers = {"Cache-Control": "no-store"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="datasigil"'
    if status == TOO_LARGE:
        headers["Connection"] = "close"  # the rest of the body is not read
    return Response(json.dumps(body).encode(), status_code=status, headers=headers, media_type=PROBLEM_TYPE)


def respond(error: DatasigilError, request_id: str, *, vcalm: bool) -> Response:
    """The response to a known error; its `found` is left out because it may repeat the input."""
    status = status_of(error, vcalm=vcalm)
    if status == INTERNAL:
        return internal(request_id, error)
    detail = error.message if isinstance(error, Problem) or error.code in _STATUS else plain_message(error)
    next_action = error.next_action
    if isinstance(error, MalformedError):
        next_action = next_action or "correct the document and send it again; nothing was stored"
        if _POSITION.fullmatch(error.place):
            detail = f"{detail}, at {error.place}"
    return problem_response(
        request_id,
        status=status,
        code=error.code,
        detail=detail,
        pointer=_pointer(error.place),
        expected=error.expected,
        next_action=next_action,
        retry_after=getattr(error, "retry_after", None) or _RETRY_AFTER.get(error.code),
        extra=getattr(error, "extra", None),
    )


def internal(request_id: str, error: BaseException) -> Response:
    """The generic answer to a fault of ours: an id only; where it happened goes to the log, values do not."""
    frames = [
        f"{frame.filename}:{frame.lineno}:{frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
    log.error(
        "internal error",
        extra={
            "fields": {
                "requestId": request_id,
                "error": type(error).__name__,
                "code": getattr(error, "code", ""),
                "frames": frames,
            }
        },
    )
    return problem_response(
        request_id,
        status=INTERNAL,
        code="INTERNAL",
        detail="The registry failed; nothing was acknowledged. Its operator finds the cause under this request id.",
    )


def from_validation(error: ValidationError | RequestValidationError, *, prefix: str = "") -> Problem:
    """The first complaint of a pydantic model, as pointer and expectation, without the input."""
    first: Mapping[str, Any] = error.errors()[0]
    location: Sequence[object] = first["loc"]
    pointer = prefix + "".join("/" + pointer_token(str(step)) for step in location)
    code = "UNKNOWN_PROPERTY" if first["type"] == "extra_forbidden" else "SCHEMA"
    return Problem(
        code,
        "A member of the request is missing, unknown or of the wrong type",
        pointer=pointer,
        expected=str(first["msg"])[:200],
    )


def install(app: FastAPI) -> None:
    """Register the handlers that turn errors into problems."""
    app.add_exception_handler(DatasigilError, _on_known)
    app.add_exception_handler(RequestValidationError, _on_parameters)
    app.add_exception_handler(HTTPException, _on_routing)


async def _on_known(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatasigilError)
    return respond(error, request_id(request), vcalm=is_vcalm(request))


async def _on_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = from_validation(error)
    problem.status, problem.code = BAD_REQUEST, "BAD_PARAMETER"
    return respond(problem, request_id(request), vcalm=False)


async def _on_routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "REFUSED")
    response = problem_response(
        request_id(request),
        status=error.status_code,
        code=code,
        detail=_TITLES.get(error.status_code, "The request was refused"),
    )
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    if error.status_code == METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_methods_offered(request))
    return response


def _methods_offered(request: Request) -> list[str]:
    """Every method of the resource; the router knows only those of the first endpoint with this path.

    A path that is spelled out hides a template that fits too: `/credentials/issue` is not the credential named `issue`.
    """
    fitting = [route for route in request.app.state.endpoints if route.matches(request.scope)[0] is not Match.NONE]
    matching = [route for route in fitting if getattr(route, "path", "") == request.url.path] or fitting
    return sorted({method for route in matching for method in getattr(route, "methods", None) or ()})


def request_id(request: Request) -> str:
    """The id that the middleware gave this request."""
    return str(request.scope.get("datasigil.request_id", ""))


def is_vcalm(request: Request) -> bool:
    """Whether the matched endpoint follows VCALM, whose suites expect 400 for every refused body."""
    return bool(request.scope.get("datasigil.vcalm", False))


def plain_message(error: DatasigilError) -> str:
    """An error's message without what it may quote from the input."""
    # Messages of the core are fixed sentences, but a few quote a short token; those sit behind a colon.
    return error.message.split(":", 1)[0]


def _pointer(place: str) -> str:
    return place if place.startswith("/") else ""
