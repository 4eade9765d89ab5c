"""A registry's queue of training jobs as functions.

Here: asking for jobs, claiming, keeping and ending them, over the rules of `registry`. Not here: what a job does (the worker), the queue
itself (the registry, docs/adr/0090). Nothing that an answer says is trusted: a recipe that comes from here is judged like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from datasigil.client.registry import ANSWER_MAX_BYTES, RegistryClient, accepted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasigil.encoding import JsonObject
    from datasigil.fetch import Response


class JobClient(RegistryClient):
    """The jobs of one registry, for one token; every function raises as those of `RegistryClient`."""

    def submit(
        self, recipe: JsonObject, *, worker: str = "", public: bool = False, idempotency_key: str = ""
    ) -> JsonObject:
        """Ask for a job; return it. With the same key a repetition asks for no second one."""
        body: JsonObject = {"recipe": recipe, "public": public, **({"worker": worker} if worker else {})}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._object(self._post("/training/jobs", body, headers=headers), ("id", "state"))

    def claim(self, worker: str) -> JsonObject:
        """Take the next job, giving up what this worker held before; return `job`, or `retryAfterSeconds`."""
        return self._object(self._post("/training/claims", {"worker": worker}), ())

    def heartbeat(self, job: str, worker: str, attempt: int, progress: JsonObject | None) -> JsonObject:
        """Keep a lease; return `leaseUntil`, `heartbeatSeconds`."""
        body: JsonObject = {"worker": worker, "attempt": attempt, **({"progress": progress} if progress else {})}
        return self._object(self._post(self._path(job, "heartbeats"), body), ("leaseUntil",))

    def give_back(self, job: str, worker: str, attempt: int, note: str) -> JsonObject:
        """Return a job to the queue; return it."""
        body: JsonObject = {"worker": worker, "attempt": attempt, "note": note[:2_000]}
        return self._object(self._post(self._path(job, "give-backs"), body), ("id", "state"))

    def end(self, job: str, worker: str, attempt: int, outcome: Mapping[str, object]) -> JsonObject:
        """End a job with its result, which is safe to repeat; return `state` and, where it finished, what was registered."""
        body: JsonObject = {"worker": worker, "attempt": attempt, **outcome}
        return self._object(self._post(self._path(job, "results"), body), ("id", "state"))

    def cancel(self, job: str) -> JsonObject:
        """Call a job off; return it."""
        answer = self.fetcher.post(self.url + self._path(job, "cancel"), b"", headers=self.authorization)
        return self._object(accepted(answer), ("id", "state"))

    def job(self, job: str) -> JsonObject:
        """Return one job that the token may see."""
        return self._object(self._read(f"/training/jobs/{quote(job, safe='')}"), ("id", "state"))

    def jobs(self, cursor: str = "") -> JsonObject:
        """Return one page of the jobs that the token may see: `items` and, when there is more, `next`."""
        return self._object(self._read("/training/jobs?" + urlencode({"cursor": cursor} if cursor else {})), ("items",))

    def _read(self, path: str) -> Response:
        return accepted(self.fetcher.get(self.url + path, max_bytes=ANSWER_MAX_BYTES, headers=self.authorization))

    @staticmethod
    def _path(job: str, name: str) -> str:
        return f"/training/jobs/{quote(job, safe='')}/{name}"


__all__ = ["JobClient"]
