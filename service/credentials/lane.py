"""The way of `GET /credentials/{id}` past the router, for credentials that are in memory.

Lives here: which form of the answer a request gets. Not here: the answers (`served`), and the endpoint that fills the memory and is the
resource's documentation (`endpoints`). Whatever is not an exact hit goes on to the router.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from service.replies import prefers_json, tag_matches
from service.state import state_in

ROUTE = "/credentials/{credential_id}"
_PREFIX = "/credentials/"


class CredentialLane:
    """`GET /credentials/{id}` from memory; everything else goes on to the app behind."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "GET" or not path.startswith(_PREFIX):
            await self._app(scope, receive, send)
            return
        found = state_in(scope).served.get(path[len(_PREFIX) :])
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["datasigil.route"] = ROUTE
        accept, encoding, tags = _preferences(scope["headers"])
        status, headers, body = found.answer(
            plain=prefers_json(accept), squeezed="gzip" in encoding, known=tag_matches(tags, found.etag)
        )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _preferences(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str, str]:
    """Accept, Accept-Encoding and If-None-Match; the first of each, as the router's own requests have it."""
    accept = encoding = tags = None
    for name, value in headers:
        if name == b"accept":
            accept = accept or value
        elif name == b"accept-encoding":
            encoding = encoding or value
        elif name == b"if-none-match":
            tags = tags or value
    return tuple((value or b"").decode("latin-1") for value in (accept, encoding, tags))  # type: ignore[return-value]
