"""`datasigil.fetch`: which addresses may be asked, that the checked address is the one connected to, and bounds on bytes and time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from datasigil.fetch import (
    BlockedError,
    Fetcher,
    FetchError,
    checked_url,
    is_loopback,
    is_public,
    origin_of,
    system_addresses,
)

PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"]
NOT_PUBLIC = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "192.0.0.8", "192.0.2.1", "192.168.1.1",
    "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::", "2001:0:7f00:1::", "2001:db8::1", "3fff::1", "4000::1",
    "localhost", "", "not an address",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_everything_else_is_not_however_it_is_wrapped(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC[:-3])
def test_a_host_that_resolves_there_is_never_connected_to(address, no_connection):
    fetcher = Fetcher(resolve=lambda _host, _port: [address])
    with pytest.raises(BlockedError) as caught:
        fetcher.get("https://innocent.example/x")
    assert caught.value.code == "FETCH_BLOCKED"
    assert caught.value.next_action


@pytest.fixture
def no_connection(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.8.8.8"])
def test_loopback_is_recognised_in_every_spelling(address):
    assert is_loopback(address)
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost")


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
def test_numeric_spellings_are_judged_by_what_they_resolve_to(host, no_connection):
    with pytest.raises(FetchError):
        Fetcher().get(f"https://{host}/x")


def test_plain_http_to_a_public_host_is_refused(no_connection):
    with pytest.raises(BlockedError):
        Fetcher(resolve=lambda _host, _port: ["93.184.215.14"]).get("http://innocent.example/x")


def test_link_local_is_refused_even_when_it_was_named(no_connection):
    for address in ("169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:169.254.169.254"):
        one = Fetcher(
            frozenset({"https://meta.example"}), dev=True, resolve=lambda _host, _port, found=address: [found]
        )
        with pytest.raises(BlockedError):
            one.get("https://meta.example/latest")


def test_a_private_host_that_was_named_needs_https_and_loopback_needs_dev(no_connection):
    named = frozenset({"http://intra.example", "https://own.example"})
    with pytest.raises(BlockedError):
        Fetcher(named, resolve=lambda _host, _port: ["10.0.0.5"]).get("http://intra.example/")
    with pytest.raises(BlockedError):
        Fetcher(named, resolve=lambda _host, _port: ["127.0.0.1"]).get("https://own.example/")


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://a.example/", "file:///etc/passwd", "https://", "https:///x", "https://u@a.example/", "https://u:p@a.example/", "https://a.example/#f",
        "https://a.example/ x", "https://a.example/\n", "https://a.example\\@b.example/", "https://ä.example/", "https://a.example:0/", "https://a.example:99999/",
        "https://a.example:x/", "https://[::1/", "gopher://a.example/", "https://a.example/" + "x" * 3000, "//a.example/x", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_plain_url_is_refused_before_anything_is_sent(url, no_connection):
    with pytest.raises(BlockedError) as caught:
        checked_url(url)
    assert caught.value.code == "FETCH_URL"
    with pytest.raises(BlockedError):
        Fetcher().get(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example/x?y", "https://a.example"),
        ("https://A.example:443/", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://127.0.0.1:8800/log", "http://127.0.0.1:8800"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url, origin):
    assert origin_of(url) == origin


def test_another_port_or_scheme_is_another_origin(no_connection):
    one = Fetcher.naming(["https://own.example"])
    for url in ("https://own.example:8443/", "http://own.example/", "https://sub.own.example/"):
        with pytest.raises(BlockedError):
            Fetcher(one.named, resolve=lambda _host, _port: ["10.0.0.5"]).get(url)


def test_a_name_that_does_not_resolve_is_named():
    with pytest.raises(FetchError) as caught:
        system_addresses("no-such-host.invalid", 443)
    assert caught.value.code == "FETCH_FAILED"


# A server of our own ---------------------------------------------------------------------------------------------------


class Host:
    """A server on loopback whose answers a test writes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: plain(handler, b"{}")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                outer.answer(self)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def plain(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {
        "Content-Length": str(len(body)),
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def host() -> Iterator[Host]:
    one = Host()
    yield one
    one.close()


@pytest.fixture
def fetcher(host: Host) -> Fetcher:
    return Fetcher.naming([host.url], dev=True, timeout_seconds=5)


def test_an_answer_comes_with_status_headers_and_body(host, fetcher):
    host.answer = lambda handler: plain(handler, b"hello", 404, X_Made="yes")
    answer = fetcher.get(f"{host.url}/a?b=c")
    assert (answer.status, answer.body, answer.headers["x-made"]) == (404, b"hello", "yes")
    assert host.asked[0][0] == "/a?b=c"


def test_the_host_header_names_the_host_and_nothing_of_the_environment_is_sent(host, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    named = f"http://registry.test:{host.port}"
    one = Fetcher(frozenset({named}), dev=True, resolve=lambda _host, _port: ["127.0.0.1"])
    assert one.get(f"{named}/x").status == 200
    headers = host.asked[0][1]
    assert headers["Host"] == f"registry.test:{host.port}"
    assert "Authorization" not in headers
    assert "Cookie" not in headers


def test_the_address_that_was_checked_is_the_one_that_is_asked(host):
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    named = f"http://rebinding.test:{host.port}"
    one = Fetcher(frozenset({named}), dev=True, resolve=lambda _host, _port: next(answers))
    assert one.get(f"{named}/x").status == 200  # a second resolution would have gone elsewhere
    with pytest.raises(BlockedError):
        one.get(f"{named}/x")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest",
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "https://10.0.0.1/",
        "file:///etc/passwd",
        "//169.254.169.254/",
        "gopher://x/",
    ],
)
def test_a_redirect_is_checked_like_the_first_url(host, fetcher, status, target):
    host.answer = lambda handler: plain(handler, b"", status, Location=target)
    with pytest.raises(BlockedError):
        fetcher.get(f"{host.url}/x")
    assert len(host.asked) == 1


def test_a_redirect_within_the_named_origin_is_followed_three_times_at_most(host, fetcher):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        number = int(handler.path[1:])
        plain(handler, b"done") if number == 3 else plain(handler, b"", 302, Location=f"/{number + 1}")

    host.answer = answer
    found = fetcher.get(f"{host.url}/0")
    assert (found.body, found.url) == (b"done", f"{host.url}/3")
    host.answer = lambda handler: plain(handler, b"", 302, Location="/again")
    with pytest.raises(FetchError) as caught:
        fetcher.get(f"{host.url}/again")
    assert caught.value.code == "FETCH_REDIRECT"


def test_a_redirect_to_nowhere_is_named(host, fetcher):
    host.answer = lambda handler: plain(handler, b"", 302)
    with pytest.raises(FetchError) as caught:
        fetcher.get(f"{host.url}/x")
    assert caught.value.code == "FETCH_REDIRECT"


def test_a_post_is_never_redirected(host, fetcher):
    host.answer = lambda handler: plain(handler, b"", 307, Location="/elsewhere")
    assert fetcher.post(f"{host.url}/x", b"secret").status == 307
    assert len(host.asked) == 1


@pytest.mark.parametrize("declared", [True, False])
def test_an_answer_that_is_too_large_is_cut_off(host, fetcher, declared):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if declared:
            handler.send_header("Content-Length", "2000000000")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(65536))
        except OSError:
            return

    host.answer = answer
    with pytest.raises(FetchError) as caught:
        fetcher.get(f"{host.url}/x", max_bytes=100_000)
    assert caught.value.code == "FETCH_SIZE"


def test_a_compressed_answer_is_refused_unread(host, fetcher):
    host.answer = lambda handler: plain(handler, b"\x1f\x8b" + bytes(100), Content_Encoding="gzip")
    with pytest.raises(FetchError):
        fetcher.get(f"{host.url}/x")
    assert host.asked[0][1]["Accept-Encoding"] == "identity"


def test_an_answer_that_drips_for_ever_ends_at_the_deadline(host):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            return

    host.answer = answer
    one = Fetcher.naming([host.url], dev=True, timeout_seconds=0.5)
    began = time.monotonic()
    with pytest.raises(FetchError) as caught:
        one.get(f"{host.url}/x")
    assert caught.value.code == "FETCH_TIMEOUT"
    assert time.monotonic() - began < 5


def test_a_server_that_hangs_up_or_is_away_is_a_failure_that_names_the_url(host, fetcher):
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    host.answer = hang_up
    with pytest.raises(FetchError) as caught:
        fetcher.get(f"{host.url}/x")
    assert caught.value.code == "FETCH_FAILED"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(FetchError) as caught:
        Fetcher.naming([f"http://127.0.0.1:{port}"], dev=True).get(f"http://127.0.0.1:{port}/x")
    assert caught.value.code == "FETCH_FAILED"
    assert str(port) in caught.value.place


def test_a_server_that_is_no_web_server_is_a_failure(monkeypatch):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def speak() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"SSH-2.0-OpenSSH\r\n")
        connection.close()

    thread = threading.Thread(target=speak)
    thread.start()
    with pytest.raises(FetchError):
        Fetcher.naming([f"http://127.0.0.1:{port}"], dev=True, timeout_seconds=5).get(f"http://127.0.0.1:{port}/")
    thread.join()
    listener.close()


def test_tls_to_a_plain_server_is_told_as_such(host):
    named = f"https://127.0.0.1:{host.port}"
    with pytest.raises(FetchError) as caught:
        Fetcher.naming([named], dev=True, timeout_seconds=5).get(f"{named}/x")
    assert caught.value.code == "FETCH_TLS"
