"""What happens to every request before and after its endpoint.

Lives here: request ids, rates, security headers, the generic answer to a fault, metrics, one structured log line. Not here:
authentication (`access`) and body limits (`requests`). Plain ASGI: it never reads or buffers a body.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import cast
from urllib.parse import unquote_plus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = cast("State | None", getattr(scope["app"].state, "registry", None))
        assert state is not None, "requests are served inside the lifespan"
        started = time.perf_counter()
        request_id = scope["datasigil.request_id"] = secrets.token_hex(8)
        status = 0

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _secure(MutableHeaders(scope=message), request_id, https=state.settings.public_url.startswith("https"))
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
        token = bearer_token(Headers(scope=scope).get("authorization"))
        principal = state.tokens.get(secret_hash(token), now) if token else None
        client = scope.get("client")
        peer = f"address {client[0]}" if client else "address unknown"
        return state.limiter.take(f"token {principal.token_id}" if principal else peer, now)


def _fault_of_url(scope: Scope) -> str:
    """What makes a URL unusable whatever its endpoint; every parameter of ours is given once."""
    if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
        return "The URL holds NUL"
    names = [unquote_plus(pair.partition("=")[0]) for pair in scope["query_string"].decode("latin-1").split("&")]
    return "A query parameter is given twice" if len(set(names)) < len(names) else ""


def _secure(headers: MutableHeaders, request_id: str, *, https: bool) -> None:
    headers["X-Request-Id"] = request_id
    if "content-encoding" in headers and headers.get("etag", "W/").startswith('"'):
        headers["ETag"] = f"W/{headers['etag']}"  # other bytes than those that the strong tag names (RFC 9110, 8.8.3.3)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers.setdefault("Content-Security-Policy", API_POLICY)
    headers.setdefault("Cache-Control", "no-store")
    if https:
        headers["Strict-Transport-Security"] = "max-age=31536000"


def _account(scope: Scope, state: State, status: int, seconds: float, request_id: str) -> None:
    template = getattr(scope.get("route"), "path", None) or "unmatched"
    method = (
        scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH") else "other"
    )
    state.metrics.requests.labels(method, template, str(status)).inc()
    state.metrics.seconds.labels(template).observe(seconds)
    if log.isEnabledFor(logging.INFO):
        log.info(
            "request",
            extra={
                "fields": {
                    "requestId": request_id,
                    "method": method,
                    "route": template,
                    "status": status,
                    "milliseconds": round(seconds * 1000, 2),
                }
            },
        )
