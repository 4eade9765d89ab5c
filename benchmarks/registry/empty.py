"""The limit of this kind of server: an app that answers every request with the same few bytes, behind the registry's own HTTP server.

    python benchmarks/registry/empty.py [BYTES]

Lives here: nothing but that. It reads no header, keeps no log and looks at no request. Prints its port, then serves until it is ended.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import uvicorn

BODY = b" " * int(sys.argv[1] if len(sys.argv) > 1 else 2_048)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer."""
    if scope["type"] == "http":
        while scope["method"] == "POST" and (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    """Serve."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    options: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "lifespan": "off"}
    uvicorn.Server(uvicorn.Config(app, **options)).run(sockets=[listening])


if __name__ == "__main__":
    main()
