"""The load: many connections that ask one thing after the other without pause, or at a given rate, from a process of its own.

Reads lines `{port, method, paths, bodies, token, connections, seconds, rate, once}` and answers each with `{count, seconds, p50, p99, errors}`,
times in milliseconds. Paths and bodies are taken in turn, so that a server is not asked for one and the same all the time. Not here: what
is asked and what the figures mean (`run.py`). With `once` each is sent once, and the round ends with the last of them. HTTP/1.1 without pipelining over bare protocols, so that this side costs little.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import Any, cast


class Connection(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, asks again."""

    def __init__(self, round_: Asking) -> None:
        self._round = round_
        self._received = b""
        self._missing = -1  # bytes of the answer that are still to come; -1: its head is not complete
        self._status = 0
        self._due = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it
        self._next()

    def data_received(self, data: bytes) -> None:
        """Read on; ask again after a whole answer."""
        if self._missing < 0:
            self._received += data
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self._received[:end].lower(), self._received[end + 4 :]
            self._received = b""
            self._status = int(head[9:12])
            start = head.find(b"content-length:")
            self._missing = 0 if start < 0 else int(head[start + 15 : head.find(b"\r\n", start) % (end + 1)])
        self._missing -= len(data)
        if self._missing <= 0:
            self._missing = -1
            self._round.answered(self._due, self._status)
            self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        """Count an answer that never came."""
        if not self.done.done():
            self._round.answered(self._due, 599)
            self.done.set_result(None)

    def _next(self) -> None:
        self._due = self._round.turn()
        wait = self._due - time.perf_counter() if self._round.paced else 0.0
        if self._due >= self._round.end:
            self.done.set_result(None)
            self._transport.close()
        elif wait > 0:
            asyncio.get_running_loop().call_later(wait, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        request = next(self._round.requests, None)
        if request is not None:
            self._transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()


class Asking:
    """One round of load."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self._wanted = wanted
        bodies, paths = wanted["bodies"] or [""], wanted["paths"]
        number = max(len(bodies), len(paths))
        written = [self._written(paths[n % len(paths)], bodies[n % len(bodies)].encode()) for n in range(number)]
        self.requests = iter(written) if wanted["once"] else itertools.cycle(written)
        self.paced = bool(wanted["rate"])
        self.end = self._begun = 0.0
        self._times: list[float] = []
        self._errors = 0
        self._taken = 0

    def _written(self, path: str, body: bytes) -> bytes:
        wanted = self._wanted
        lines = [f"{wanted['method']} {path} HTTP/1.1", f"Host: 127.0.0.1:{wanted['port']}", "Accept: application/json"]
        if wanted["token"]:
            lines.append(f"Authorization: Bearer {wanted['token']}")
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    async def run(self) -> dict[str, float]:
        """Ask; return the figures."""
        loop = asyncio.get_running_loop()
        self._begun = time.perf_counter()
        self.end = self._begun + self._wanted["seconds"]
        made = [
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._wanted["port"])
            for _ in range(self._wanted["connections"])
        ]
        await asyncio.gather(*(connection.done for _, connection in made))
        spent = time.perf_counter() - self._begun
        times = sorted(self._times) or [0.0]

        def at(share: float) -> float:
            return times[min(len(times) - 1, int(share * len(times)))] * 1000

        return {"count": len(self._times), "seconds": spent, "p50": at(0.5), "p99": at(0.99), "errors": self._errors}

    def turn(self) -> float:
        """When the next request is due: now, or at its place in the rate, so that a slow answer does not hide the wait behind it."""
        if not self.paced:
            return time.perf_counter()
        self._taken += 1
        return self._begun + (self._taken - 1) / self._wanted["rate"]

    def answered(self, due: float, status: int) -> None:
        """Note an answer."""
        self._times.append(time.perf_counter() - due)
        self._errors += not 200 <= status < 300


def main() -> None:
    """Answer one line after the other."""
    import uvloop

    for line in sys.stdin:
        print(json.dumps(uvloop.run(Asking(json.loads(line)).run())), flush=True)


if __name__ == "__main__":
    main()
