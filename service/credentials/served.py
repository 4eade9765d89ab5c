"""Signed bytes of credentials that were asked for lately, ready to be sent.

Lives here: the memory of answers to `GET /credentials/{id}`. Not here: which request gets which form (`lane`), finding a credential
that is not in memory (`repository`).

A registered credential's bytes never change and are never removed, so an answer in memory is right in every process for as long as it
stays there; a name that was not found is never remembered. Spec: RFC 9110 sections 8.8.3, 12.5.1, 12.5.3 and 13.1.2.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict

from service.limits import COMPRESS_LEVEL, COMPRESS_MIN_BYTES, SERVED_MAX_BYTES
from service.replies import REVALIDATE

_OVERHEAD_BYTES = 1_024  # what an entry takes besides its bytes

RawHeaders = list[tuple[bytes, bytes]]


class Served:
    """One credential: its bytes, and the headers of every form in which it is sent."""

    __slots__ = ("_headers", "_squeezed", "body", "etag")

    def __init__(self, body: bytes, etag: str) -> None:
        self.body = body
        self.etag = etag
        self._squeezed: bytes | None = None
        self._headers: dict[tuple[bool, bool, bool], RawHeaders] = {}

    def answer(self, *, plain: bool, squeezed: bool, known: bool) -> tuple[int, RawHeaders, bytes]:
        """Status, headers and body: as `application/json` if `plain`, compressed if `squeezed`, 304 if the client has it."""
        squeezed = squeezed and not known and len(self.body) >= COMPRESS_MIN_BYTES
        body = b"" if known else self._compressed() if squeezed else self.body
        form = (plain, squeezed, known)
        if form not in self._headers:
            self._headers[form] = self._written(len(body), *form)
        return 304 if known else 200, [*self._headers[form]], body

    def _compressed(self) -> bytes:
        if self._squeezed is None:
            compressor = zlib.compressobj(COMPRESS_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
            self._squeezed = compressor.compress(self.body) + compressor.flush()
        return self._squeezed

    def _written(self, length: int, plain: bool, squeezed: bool, known: bool) -> RawHeaders:
        varies = b"Accept, Accept-Encoding" if not known and len(self.body) >= COMPRESS_MIN_BYTES else b"Accept"
        found = [
            (b"cache-control", REVALIDATE.encode()),
            (b"etag", f'"{self.etag}"'.encode()),
            (b"vary", varies),
        ]
        if not known:
            found.append((b"content-type", b"application/json" if plain else b"application/vc"))
            found.append((b"content-length", str(length).encode()))
        if squeezed:
            found.append((b"content-encoding", b"gzip"))
        return found


class ServedCredentials:
    """Answers by the name under which they were asked for, the least recently used forgotten first; for the event loop alone."""

    def __init__(self, max_bytes: int = SERVED_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, Served] = OrderedDict()

    def get(self, name: str) -> Served | None:
        """The answer for an id or digest, if it is in memory."""
        found = self._entries.get(name)
        if found is not None:
            self._entries.move_to_end(name)
        return found

    def put(self, name: str, body: bytes, etag: str) -> None:
        """Remember what was found under a name."""
        size = _size(body)
        if name in self._entries or size > self._max_bytes:
            return
        self._entries[name] = Served(body, etag)
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size(oldest.body)

    def forget(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0


def _size(body: bytes) -> int:
    return 2 * len(body) + _OVERHEAD_BYTES  # a compressed copy is no larger than the bytes
