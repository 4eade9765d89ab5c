"""A desk at which tests type commands: a world of now, its bundle, data and trust file on disk, and a registry on loopback.

Here: `desk` (commands in this process), `typed` (a process of its own), `registry` (an HTTP server over the simulator's world). Not here:
the world itself (`simulator.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from simulator import World, issuer_of

from datasigil.bundle import Bundle, bundle_bytes
from datasigil.canonical import document_digest, jcs
from datasigil.merkle import HASH_BYTES
from datasigil.transparency.entry import entry_bundle
from datasigil.transparency.tile_paths import ENTRIES_LEVEL, parse_tile_path
from verifier_cli.main import main


def now() -> datetime:
    """The real time in whole seconds: command lines read the real clock."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert isinstance(found["type"], str)
        assert isinstance(found["formatVersion"], int)
        return found


@dataclass
class Desk:
    """Somebody's folder with evidence, data and a trust file, and the commands they type."""

    folder: Path
    world: World
    capsys: pytest.CaptureFixture[str]
    document: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.document = self.document or self.world.issue()
        self.data = self.world.write_files(self.folder / "data")
        self.bundle = self.folder / "clauses.sigil.json"
        self.policy = self.folder / "datasigil.toml"
        self.put(self.world.publish(self.document))
        self.trust()

    def put(self, bundle: Bundle | bytes) -> Path:
        """Write the bundle, or other bytes in its place."""
        self.bundle.write_bytes(bundle if isinstance(bundle, bytes) else bundle_bytes(bundle))
        return self.bundle

    def trust(self, **options: Any) -> Path:
        """Write the trust file."""
        self.policy.write_text(self.world.policy_toml(**options), "utf-8")
        return self.policy

    def renew(self) -> None:
        """Put the bundle as it would be fetched now."""
        self.put(self.world.bundle(self.document))

    def gate(self, *, roots: str = "data", bundle: str = "clauses.sigil.json", data: str = "data") -> Path:
        """Write a gate file over the data."""
        path = self.folder / "gate.toml"
        lines = ['type = "GateFile"', "formatVersion = 1", f'roots = ["{roots}"]' if roots else "", "[[datasets]]"]
        path.write_text("\n".join([*lines, f'bundle = "{bundle}"', f'data = "{data}"']) + "\n", "utf-8")
        return path

    def run(self, *words: object) -> Answer:
        """Type a command in this process."""
        self.capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # argparse
            code = int(stop.code or 0)
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return Answer(code, out, err)

    def check(self, *words: object) -> Answer:
        """Type `check` on the bundle with the trust file, offline."""
        return self.run("check", self.bundle, "--policy", self.policy, "--offline", *words)

    def decision(self, *words: object) -> tuple[str, list[str], int]:
        """Type `check --json` offline; return decision, reason codes and exit code."""
        answer = self.check("--json", *words)
        return answer.document["decision"], answer.document["codes"], answer.code


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk in a world of now; no command there has a network."""
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, World(now=now()), capsys)


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every attempt to open a socket or to resolve a name fail the test."""
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


class Registry:
    """An HTTP server on loopback that answers from a simulator's world; `pages` overrides any path."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | int | Callable[[], bytes]] = {}
        self.asked: list[str] = []
        self.documents: dict[str, dict[str, Any]] = {}
        self.lookups: dict[str, list[dict[str, Any]]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                found = outer.answer(self.path)
                status, body = (found, b"{}") if isinstance(found, int) else (200, found)
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", outer.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.location = ""
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.world = World(now=now(), host=f"127.0.0.1:{self.port}")
        self.world.url = self.url
        self.world.publisher.status_url = f"{self.url}/status-lists/publisher"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()

    def publish(self, document: dict[str, Any]) -> Bundle:
        """Register a credential, so that it is found by id and digest."""
        for name in (document["id"], document_digest(document)):
            self.documents[name] = document
        return self.world.publish(document)

    def answer(self, path: str) -> bytes | int:
        """What the registry says to a GET: bytes, or a status."""
        if path in self.pages:
            page = self.pages[path]
            return page() if callable(page) else page
        if path == "/log/checkpoint":
            return self.world.log.checkpoint(now())
        if path.startswith("/log/tile/"):
            return self.tile(path.removeprefix("/log/"))
        if path.startswith("/lookup?sha256="):
            items = self.lookups.get(path.partition("=")[2], [])
            return jcs({"sha256": path.partition("=")[2], "items": items, "complete": True})
        if path.startswith("/status-lists/publisher/"):
            return self.status_list(path.rpartition("/")[2])
        if path.startswith("/credentials/"):
            name, _, rest = path.removeprefix("/credentials/").replace("%3A", ":").partition("/")
            if name in self.documents:
                self.world.now = now()
                document = self.documents[name]
                return bundle_bytes(self.world.bundle(document, manifest=False)) if rest == "bundle" else jcs(document)
        return 404

    def tile(self, path: str) -> bytes:
        tile = parse_tile_path(path)
        start = tile.index * 256
        if tile.level == ENTRIES_LEVEL:
            return entry_bundle(self.world.log.entries[start : start + tile.width])
        return self.world.log.store.tiles[tile.level, tile.index][: tile.width * HASH_BYTES]

    def status_list(self, purpose: str) -> bytes:
        publisher = self.world.publishers[issuer_of(next(iter(self.documents.values())))]
        self.world.now = now()
        return jcs(
            self.world.status_list({"statusListCredential": publisher.list_id(purpose), "statusPurpose": purpose})
        )


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry on loopback."""
    one = Registry()
    yield one
    one.close()


@pytest.fixture
def online(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    """A desk whose evidence is of the registry on loopback, with DATASIGIL_DEV=1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATASIGIL_DEV", "1")
    document = registry.world.issue()
    registry.documents[document["id"]] = registry.documents[document_digest(document)] = document
    return Desk(tmp_path, registry.world, capsys, document)


def typed(*words: object, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Type a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "verifier_cli", *map(str, words)],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
        timeout=60,
    )
