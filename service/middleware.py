"""What happens to every request before and after its endpoint.

Lives here: request ids, rates, security headers, the generic answer to a fault, metrics, one structured log line. Not here:
authentication (`access`) and body limits (`requests`). Plain ASGI: it never reads or buffers a body.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from typing import cast
from urllib.parse import unquote_plus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import journal
from service.access import bearer_token, secret_hash
from service.problems import internal, problem_response
from service.state import State

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_UNLIMITED = ("/healthz", "/readyz", "/metrics")

log = logging.getLogger("service.access")


class Frame:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Request ids: a random number for this process, and a count; asking the system for each takes longer than all else here.
        self._process = secrets.token_hex(4)
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = cast("State | None", getattr(scope["app"].state, "registry", None))
        assert state is not None, "requests are served inside the lifespan"
        started = time.perf_counter()
        request_id = scope["datasigil.request_id"] = f"{self._process}{next(self._numbers):08x}"
        status = 0

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _secure(message, request_id, https=state.settings.public_url.startswith("https"))
            await send(message)

        wait = self._wait(scope, state)
        try:
            if fault := _fault_of_url(scope):
                response = problem_response(request_id, status=400, code="BAD_PARAMETER", detail=fault)
                await response(scope, receive, finish)
            elif wait:
                response = problem_response(
                    request_id,
                    status=429,
                    code="RATE_LIMITED",
                    retry_after=wait,
                    detail="Too many requests from here",
                    next_action=f"wait {wait} s",
                )
                await response(scope, receive, finish)
            else:
                await self._app(scope, receive, finish)
        except Exception as error:  # the last line of defence: whatever it was, the client learns an id and no more
            if status:
                raise
            await internal(request_id, error)(scope, receive, finish)
        finally:
            _account(scope, state, status, time.perf_counter() - started, request_id)

    @staticmethod
    def _wait(scope: Scope, state: State) -> int:
        """Seconds that this peer has to wait; a token counts on its own once it was found valid."""
        if scope["path"] in _UNLIMITED:
            return 0
        now = time.monotonic()
        given = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        token = None if given is None else bearer_token(given.decode("latin-1"))
        principal = state.tokens.get(secret_hash(token), now) if token else None
        client = scope.get("client")
        peer = f"address {client[0]}" if client else "address unknown"
        return state.limiter.take(f"token {principal.token_id}" if principal else peer, now)


def _fault_of_url(scope: Scope) -> str:
    """What makes a URL unusable whatever its endpoint; every parameter of ours is given once."""
    query = scope["query_string"]
    if "\x00" in scope["path"] or b"%00" in query:
        return "The URL holds NUL"
    if b"&" not in query:
        return ""
    names = [unquote_plus(pair.partition("=")[0]) for pair in query.decode("latin-1").split("&")]
    return "A query parameter is given twice" if len(set(names)) < len(names) else ""


_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_UNLESS_GIVEN = ((b"content-security-policy", API_POLICY.encode()), (b"cache-control", b"no-store"))
_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


def _secure(message: Message, request_id: str, *, https: bool) -> None:
    """Complete the headers of an answer; names are in lower case, as ASGI has them."""
    headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
    given = {name for name, _ in headers}
    if b"content-encoding" in given:
        headers = [_weakened(header) for header in headers]
    headers.append((b"x-request-id", request_id.encode()))
    headers += _ALWAYS
    headers += [header for header in _UNLESS_GIVEN if header[0] not in given]
    if https:
        headers.append(_TRANSPORT)
    message["headers"] = headers


def _weakened(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A strong tag made weak: compressed, these are other bytes than those that it names (RFC 9110, 8.8.3.3)."""
    name, value = header
    return (name, b"W/" + value) if name == b"etag" and value.startswith(b'"') else header


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


def _account(scope: Scope, state: State, status: int, seconds: float, request_id: str) -> None:
    template = scope.get("datasigil.route") or getattr(scope.get("route"), "path", None) or "unmatched"
    method = scope["method"] if scope["method"] in _METHODS else "other"
    state.metrics.answered(method, template, status, seconds)
    if log.isEnabledFor(logging.INFO):
        fields = {
            "requestId": request_id,
            "method": method,
            "route": template,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
        }
        journal.tell(log, "request", fields)
