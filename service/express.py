"""The way past the router for the busiest writes and checks.

Lives here: calling an endpoint by its exact path, without FastAPI's matching and its resolving of dependencies, and without the layer that
compresses where the client does not ask for it. Not here: the endpoints, and their routes, which document them and answer the same when nothing
is taken out of the router's hands (a test compares).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from datasigil.errors import DatasigilError
from service.limits import COMPRESS_LEVEL, COMPRESS_MIN_BYTES
from service.problems import is_vcalm, request_id, respond
from service.state import State, state_in

Endpoint = Callable[[Request, State], Awaitable[Response]]


class Express:
    """Endpoints by path, all of them POST; everything else goes on to the app behind."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints
        self._compressed = GZipMiddleware(self._answer, minimum_size=COMPRESS_MIN_BYTES, compresslevel=COMPRESS_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._endpoints:
            await self._app(scope, receive, send)
            return
        scope["datasigil.route"] = scope["path"]
        if any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"]):
            await self._compressed(scope, receive, send)
        else:
            await self._answer(scope, receive, send, compressible=True)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, *, compressible: bool = False) -> None:
        request = Request(scope, receive)
        try:
            response = await self._endpoints[scope["path"]](request, state_in(scope))
        except DatasigilError as error:
            response = respond(error, request_id(request), vcalm=is_vcalm(request))
        # The compressing layer says so of what it leaves alone.
        if compressible and len(response.body) >= COMPRESS_MIN_BYTES:
            response.raw_headers.append((b"vary", b"Accept-Encoding"))
        await response(scope, receive, send)
