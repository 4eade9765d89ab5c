"""HTTP for the core: the one module that opens sockets (`remote`, for fsspec sources, is the other and needs this one's rules).

Here: which addresses may be asked for what, connecting to the address that was checked, redirects, bounds on bytes and time.
Not here: what is asked for and what the answer means (`client`); nothing in an answer is believed for having been fetched.

Two kinds of URL. Origins that the user named (`--registry`, the trust file) may be anything the user can reach; plain http and
loopback only in development. Any other URL, such as one from a credential, is https to a public address. Environment proxies and
`.netrc` are ignored. Numeric spellings of addresses (2130706433, 0x7f.1) are judged by what they resolve to.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from datasigil.errors import DatasigilError
from datasigil.limits import FETCH_MAX_BYTES, FETCH_MAX_REDIRECTS, FETCH_TIMEOUT_SECONDS
from datasigil.record import dataclass, field

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    import httpx

    Resolver = Callable[[str, int], list[str]]
    """Returns the addresses of (host, port) as text; the default asks the operating system."""

USER_AGENT: Final = "datasigil/0.1"
URL_MAX_CHARACTERS: Final = 2048
ADDRESSES_TRIED_MAX: Final = 3
READ_BYTES: Final = 65_536
_PORTS: Final = {"http": 80, "https": 443}
# IPv6 ranges that carry an IPv4 address in them or are no public unicast: RFC 4291, 6052, 3056, 4380, 3849, 9637.
_WRAPPING: Final = ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/23", "2001:db8::/32", "3fff::/20")
_UNICAST: Final = "2000::/3"
# RFC 6890 and RFC 7526: `is_global` of Python before 3.11.10 and 3.12.4 takes most of the first for public.
_RESERVED: Final = ("192.0.0.0/24", "192.88.99.0/24")


class FetchError(DatasigilError):
    """Something that could not be fetched; whether that matters is for the caller to say."""


class BlockedError(FetchError):
    """A URL that is not fetched on principle; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: where it came from after redirects, its status, lower-case headers, and at most the bytes asked for."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches under one set of rules; `named` holds the origins that the user named, `https://host[:port]` each."""

    named: frozenset[str] = frozenset()
    dev: bool = False
    timeout_seconds: float = FETCH_TIMEOUT_SECONDS
    resolve: Resolver | None = field(default=None, repr=False)

    @classmethod
    def naming(
        cls, urls: Iterable[str], *, dev: bool = False, timeout_seconds: float = FETCH_TIMEOUT_SECONDS
    ) -> Fetcher:
        """Return a fetcher for which the origins of `urls` are the user's own choice.

        Raises:
            BlockedError: FETCH_URL, for what is not an http(s) URL.
        """
        return cls(frozenset(origin_of(url) for url in urls), dev, timeout_seconds)

    def get(
        self, url: str, *, max_bytes: int = FETCH_MAX_BYTES, accept: str = "application/json", headers: Mapping[str, str] | None = None,
    ) -> Response:  # fmt: skip
        """Return the answer to GET, following at most three redirects, each checked like the first URL.

        With `headers`, which may hold a secret, no redirect is followed: it is the answer.

        Raises:
            BlockedError: FETCH_URL or FETCH_BLOCKED, before anything is sent.
            FetchError: FETCH_FAILED, FETCH_TIMEOUT, FETCH_TLS, FETCH_REDIRECT or FETCH_SIZE.
        """
        if headers:
            return self._send("GET", url, None, {"Accept": accept, **headers}, max_bytes)
        for _ in range(FETCH_MAX_REDIRECTS + 1):
            answer = self._send("GET", url, None, {"Accept": accept}, max_bytes)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            url = _redirected(url, answer.headers.get("location", ""))
        raise FetchError(
            "FETCH_REDIRECT", "the server redirects too often", place=url, expected=f"at most {FETCH_MAX_REDIRECTS}"
        )

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, max_bytes: int = FETCH_MAX_BYTES
    ) -> Response:
        """Return the answer to POST of JSON; a redirect is not followed, because the body may hold a secret.

        Raises:
            BlockedError, FetchError: as `get`.
        """
        sent = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
        return self._send("POST", url, body, sent, max_bytes)

    def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], max_bytes: int) -> Response:
        import httpx

        parts = checked_url(url)
        address = self._address(parts, url)
        with _Deadline(self.timeout_seconds) as deadline:
            try:
                with httpx.Client(
                    verify=_trusted_roots(), trust_env=False, timeout=self.timeout_seconds, follow_redirects=False
                ) as client:
                    request = _pinned_request(client, method, parts, address, body, headers, deadline)
                    answer = client.send(request, stream=True)
                    try:
                        found = _read(url, answer, max_bytes)
                    finally:
                        answer.close()
            except httpx.HTTPError as error:
                raise _failed(url, error, late=deadline.passed) from None
            if deadline.passed:
                # An answer without a length ends where the connection does, and it was we who ended it.
                raise _late(url)
            return found

    def _address(self, parts: SplitResult, url: str) -> str:
        """Return the one address to connect to: the check and the connection cannot see different answers of the DNS."""
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        own = origin_of(url) in self.named
        addresses = (self.resolve or system_addresses)(host, port)
        allowed = [one for one in addresses[:ADDRESSES_TRIED_MAX] if self._may(one, parts.scheme, own=own)]
        if not allowed:
            raise BlockedError(
                "FETCH_BLOCKED", "this address is not fetched", place=url[:200], expected=self._expected(own=own),
                found=", ".join(addresses[:ADDRESSES_TRIED_MAX]) or "no address",
                next_action="name the origin with --registry or in the trust file; a loopback address also needs --dev" if not own else
                "pass --dev if this is a registry on your own machine",
            )  # fmt: skip
        return allowed[0]

    def _may(self, address: str, scheme: str, *, own: bool) -> bool:
        if not own:
            return scheme == "https" and is_public(address)
        if is_loopback(address):
            return self.dev
        return scheme == "https" and not _is_link_local(address)

    def _expected(self, *, own: bool) -> str:
        if own:
            return "https; plain http for a loopback address with --dev"
        return "https to a public address, or an origin that you named"


@functools.cache
def _trusted_roots() -> ssl.SSLContext:
    """Return the TLS context of every request: reading the roots takes longer than many an answer, so it is done once."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


def origin_of(url: str) -> str:
    """Return `scheme://host[:port]` of a URL, default ports left out.

    Raises:
        BlockedError: FETCH_URL.
    """
    parts = checked_url(url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = parts.port
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def checked_url(url: str) -> SplitResult:
    """Return the parts of an http(s) URL without user, fragment, white space or control characters.

    Raises:
        BlockedError: FETCH_URL.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if (
        not usable
        or len(url) > URL_MAX_CHARACTERS
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or "\\" in url
    ):
        raise _bad_url(url)
    if parts.scheme not in _PORTS or parts.username is not None or parts.password is not None or parts.fragment:
        raise _bad_url(url)
    return parts


def is_public(address: str) -> bool:
    """Tell whether an IP address in text is public unicast, also after unwrapping IPv4 that is hidden in IPv6."""
    ip = _parsed(address)
    if ip is None:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        # `is_global` alone says yes to NAT64 and 6to4 forms of 127.0.0.1.
        inside = any(ip in ipaddress.IPv6Network(one) for one in _WRAPPING)
        return ip in ipaddress.IPv6Network(_UNICAST) and ip.is_global and not inside
    inside = any(ip in ipaddress.IPv4Network(one) for one in _RESERVED)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not inside


def is_loopback(address: str) -> bool:
    """Tell whether an IP address in text is the machine itself, in any spelling."""
    ip = _parsed(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip is not None and ip.is_loopback


def _is_link_local(address: str) -> bool:
    ip = _parsed(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    # 169.254.169.254 answers with the machine's own credentials in many clouds: nobody's registry lies there.
    return ip is None or ip.is_link_local or ip.is_unspecified or ip.is_multicast


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def system_addresses(host: str, port: int) -> list[str]:
    """Return what the operating system resolves a host to, IPv4 first, without repetition.

    Raises:
        FetchError: FETCH_FAILED.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise FetchError(
            "FETCH_FAILED",
            "the host name does not resolve",
            place=host[:200],
            next_action="check the name and your connection",
        ) from None
    ordered = sorted(found, key=lambda one: one[0] != socket.AF_INET)
    return list(dict.fromkeys(str(one[4][0]) for one in ordered))


def _pinned_request(
    client: httpx.Client,
    method: str,
    parts: SplitResult,
    address: str,
    body: bytes | None,
    headers: Mapping[str, str],
    deadline: _Deadline,
) -> httpx.Request:
    host = parts.hostname or ""
    place = f"[{address}]" if ":" in address else address
    port = parts.port or _PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Host": parts.netloc, "User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
    # The URL holds the checked address; TLS still asks for, and checks, the host's name.
    extensions = {"sni_hostname": host, "trace": deadline.watch}
    return client.build_request(
        method, f"{parts.scheme}://{place}:{port}{path}", content=body, headers=sent, extensions=extensions
    )


def _read(url: str, answer: httpx.Response, max_bytes: int) -> Response:
    declared = answer.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > max_bytes:
        raise _too_large(url, max_bytes)
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(
            "FETCH_FAILED",
            "the answer is compressed although nobody asked",
            place=url[:200],
            expected="no Content-Encoding",
        )
    body = bytearray()
    for chunk in answer.iter_raw(READ_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(url, max_bytes)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(url, answer.status_code, headers, bytes(body))


class _Deadline:
    """Ends a connection when the time is over, however slowly and steadily the other side talks."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._socket: socket.socket | None = None
        self.passed = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn of the connection's socket, also when TLS replaces it (httpx's `trace` extension)."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.passed:
                self._end()

    def _end(self) -> None:
        self.passed = True
        if self._socket is not None:
            # It may have ended by itself. The base class: `SSLSocket.shutdown` would change state that another thread reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _redirected(url: str, location: str) -> str:
    if not location:
        raise FetchError(
            "FETCH_REDIRECT", "the server redirects to nowhere", place=url[:200], expected="a Location header"
        )
    try:
        target = urljoin(url, location)
    except ValueError:
        raise _bad_url(location) from None
    if urlsplit(url).scheme == "https" and not target.lower().startswith("https:"):
        raise BlockedError(
            "FETCH_BLOCKED", "the server redirects from https to something else", place=url[:200], found=target[:200]
        )
    return target.partition("#")[0]


def _failed(url: str, error: httpx.HTTPError, *, late: bool) -> FetchError:
    import httpx

    if late or isinstance(error, httpx.TimeoutException):
        return _late(url)
    reason = str(error)[:200] or type(error).__name__
    code = "FETCH_TLS" if "CERTIFICATE" in reason.upper() or "SSL" in reason.upper() else "FETCH_FAILED"
    words = "the server's certificate was refused" if code == "FETCH_TLS" else "the server could not be reached"
    return FetchError(
        code, words, place=url[:200], found=reason, next_action="check the address and that the server runs"
    )


def _late(url: str) -> FetchError:
    return FetchError(
        "FETCH_TIMEOUT",
        "the server did not answer in time",
        place=url[:200],
        next_action="try again later, or ask whoever runs it",
    )


def _too_large(url: str, max_bytes: int) -> FetchError:
    return FetchError("FETCH_SIZE", "the answer is too large", place=url[:200], expected=f"at most {max_bytes} bytes")


def _bad_url(url: str) -> BlockedError:
    shown = url[:200].encode("unicode_escape").decode("ascii")
    return BlockedError(
        "FETCH_URL",
        "this is not a URL that can be fetched",
        place=shown,
        expected="https://host/path without user or fragment",
    )


__all__ = [
    "BlockedError", "FetchError", "Fetcher", "Response", "checked_url", "is_loopback", "is_public", "origin_of", "system_addresses",
]  # fmt: skip
