"""An S3 server (moto, as a process) behind a proxy that injects faults.

Here: fixtures. The proxy forwards each request unless a fault is set for its path, and counts what it was asked.
"""

import http.client
import importlib.util
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from conftest import absent

START_SECONDS = 60.0
BUCKET = "data"
Fault = Callable[["Handler", http.client.HTTPResponse, bytes], None]


@dataclass
class Proxy:
    """What the proxy was told to spoil, and what it was asked for."""

    backend: int
    port: int = 0
    faults: list[tuple[re.Pattern[str], Fault, int]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spoil(self, pattern: str, fault: Fault, times: int = 1_000_000) -> None:
        """Spoil answers to `METHOD /path?query` that match, so many times."""
        self.faults.append((re.compile(pattern), fault, times))

    def fault_for(self, line: str) -> Fault | None:
        with self.lock:
            self.asked.append(line)
            for at, (pattern, fault, times) in enumerate(self.faults):
                if times and pattern.search(line):
                    self.faults[at] = (pattern, fault, times - 1)
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """Forwards to the S3 server."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _forward(self) -> None:
        line = f"{self.command} {self.path}"
        fault = self.proxy.fault_for(line)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        backend = http.client.HTTPConnection("127.0.0.1", self.proxy.backend, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "expect")}
        backend.request(self.command, self.path, body, headers)
        answer = backend.getresponse()
        data = answer.read()
        backend.close()
        if fault is None:
            self.answer(answer, data)
        else:
            fault(self, answer, data)

    def do_GET(self) -> None:
        self._forward()

    def do_HEAD(self) -> None:
        self._forward()

    def do_PUT(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def do_DELETE(self) -> None:
        self._forward()

    def answer(self, answer: http.client.HTTPResponse, data: bytes, *, length: int | None = None) -> None:
        """Send an answer with this body; `length` is what it claims."""
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if self.command == "HEAD":
            self.send_header("Content-Length", answer.getheader("Content-Length") or "0")
        else:
            self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """The port of an S3 server in a process of its own."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("s3fs") is None:
        absent("moto and s3fs (pip install -e .[dev])")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port), "-H", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    try:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def proxy(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy, to which this process's S3 client is pointed."""
    one = Proxy(s3_port)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"proxy": one}))
    server.daemon_threads = True
    one.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": one.url,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    yield one
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Bucket:
    """A fresh bucket, written to past the proxy."""

    name: str
    port: int

    @property
    def place(self) -> str:
        return f"s3://{self.name}/set"

    def put(self, key: str, data: bytes) -> None:
        self._ask("PUT", f"/{self.name}/{key}", data)

    def delete(self, key: str) -> None:
        self._ask("DELETE", f"/{self.name}/{key}")

    def make(self) -> None:
        self._ask("PUT", f"/{self.name}")

    def _ask(self, method: str, path: str, data: bytes = b"") -> None:
        from urllib.parse import quote

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(
            method,
            quote(path),
            data,
            {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"},
        )
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status < 300, (method, path, answer.status)


@pytest.fixture
def bucket(proxy: Proxy, request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket."""
    one = Bucket(f"b{abs(hash(request.node.nodeid)) % 10**12}", proxy.backend)
    one.make()
    return one
