"""The way past the router for the busiest writes and checks.

Lives here: calling an endpoint by its exact path, without FastAPI's matching and its resolving of dependencies. Not here: the endpoints, and
their routes, which document them and answer the same when nothing is taken out of the router's hands (a test compares).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from datasigil.errors import DatasigilError
from service.problems import is_vcalm, request_id, respond
from service.state import State, state_in

Endpoint = Callable[[Request, State], Awaitable[Response]]


class Express:
    """Endpoints by path, all of them POST; everything else goes on to the app behind."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        scope["datasigil.route"] = scope["path"]
        request = Request(scope, receive)
        try:
            response = await endpoint(request, state_in(scope))
        except DatasigilError as error:
            response = respond(error, request_id(request), vcalm=is_vcalm(request))
        await response(scope, receive, send)
