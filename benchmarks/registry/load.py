"""The load: many connections that ask one thing without pause, or at a given rate, from a process of its own.

Reads lines `{port, method, path, body, token, connections, seconds, rate}` and answers each with `{count, seconds, p50, p99, errors}`, times in
milliseconds. Not here: what is asked and what the figures mean (`run.py`). HTTP/1.1 over plain sockets, so that this side costs little.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


class Asking:
    """One round of load."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self._wanted = wanted
        body = wanted["body"].encode()
        lines = [
            f"{wanted['method']} {wanted['path']} HTTP/1.1",
            f"Host: 127.0.0.1:{wanted['port']}",
            "Accept: application/json",
        ]
        if wanted["token"]:
            lines.append(f"Authorization: Bearer {wanted['token']}")
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
        self._times: list[float] = []
        self._errors = 0
        self._end = 0.0
        self._begun = 0.0
        self._taken = 0

    async def run(self) -> dict[str, float]:
        """Ask; return the figures."""
        self._begun = time.perf_counter()
        self._end = self._begun + self._wanted["seconds"]
        await asyncio.gather(*(self._connection() for _ in range(self._wanted["connections"])))
        spent = time.perf_counter() - self._begun
        times = sorted(self._times) or [0.0]

        def at(share: float) -> float:
            return times[min(len(times) - 1, int(share * len(times)))] * 1000

        return {"count": len(self._times), "seconds": spent, "p50": at(0.5), "p99": at(0.99), "errors": self._errors}

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._wanted["port"], limit=2**20)
        try:
            while (due := await self._turn()) < self._end:
                writer.write(self._request)
                status = await self._answer(reader)
                self._times.append(time.perf_counter() - due)
                self._errors += status >= 300
        finally:
            writer.close()

    async def _turn(self) -> float:
        """When the next request is due: now, or at its place in the rate, so that a slow answer does not hide the wait behind it."""
        if not self._wanted["rate"]:
            return time.perf_counter()
        due = self._begun + self._taken / self._wanted["rate"]
        self._taken += 1
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        return due

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        await reader.readexactly(length)
        return int(head[9:12])


def main() -> None:
    """Answer one line after the other."""
    for line in sys.stdin:
        print(json.dumps(asyncio.run(Asking(json.loads(line)).run())), flush=True)


if __name__ == "__main__":
    main()
