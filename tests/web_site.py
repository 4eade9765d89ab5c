"""A web site on loopback that serves a DID document, for registries in development.

Here: the site, as a fixture. Not here: registries (`service/conftest.py`).
"""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SERVER_POLL_SECONDS = 0.01


@dataclass
class Site:
    """A web site with a DID document, and how often it was asked."""

    port: int
    document: Any = None
    asked: list[str] = field(default_factory=list)
    status: int = 200
    location: str = ""  # where it sends those who ask for its document

    @property
    def did(self):
        return f"did:web:localhost%3A{self.port}:maker"

    def publish(self, *signers, names=("key-1", "key-2", "key-3"), **changes):
        """List the keys of these signers under these names."""
        methods = [
            {
                "id": f"{self.did}#{name}",
                "type": "Multikey",
                "controller": self.did,
                "publicKeyMultibase": signer.public_key.multibase,
            }
            for name, signer in zip(names, signers, strict=False)
        ]
        uses = {name: [method["id"] for method in methods] for name in ("authentication", "assertionMethod")}
        self.document = {"id": self.did, "verificationMethod": methods, **uses, **changes}


@contextmanager
def serving():
    """A site for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            held.asked.append(self.path)
            data = json.dumps(held.document).encode()
            moved = held.location and self.path == "/maker/did.json"
            self.send_response(held.status if moved or not held.location else 200)
            if moved:
                self.send_header("Location", held.location)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held = Site(server.server_port)
    threading.Thread(target=server.serve_forever, args=(SERVER_POLL_SECONDS,), daemon=True).start()
    yield held
    server.shutdown()
    server.server_close()


@pytest.fixture
def site():
    """A site of a publisher."""
    with serving() as held:
        yield held
