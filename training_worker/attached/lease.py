"""Keeping a lease while the trainer is busy: a thread that tells the registry how far the run is, and learns whether it still counts.

Here: heartbeats, and the progress they carry. Not here: what follows when a lease is lost (`worker`). A registry that does not answer stops
nothing: the run goes on, and whether the lease still counts is decided when the registry is back.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from datasigil.client import JobClient, RegistryError
from datasigil.errors import DatasigilError
from datasigil.fetch import BlockedError, FetchError
from training_worker.decimals import decimal_text
from training_worker.progress import Progress

LOST_STATUSES = (401, 403, 404, 409)
LOSS_MAX = 1e11


@dataclass(frozen=True, slots=True)
class Job:
    """One leased job."""

    id: str
    attempt: int
    name: str
    recipe: dict[str, Any]
    heartbeat_seconds: float


@dataclass
class TellingProgress(Progress):
    """Progress that remembers what it last showed, for the next heartbeat."""

    last: dict[str, Any] | None = field(default=None)

    def step(self, step: int, steps: int, epoch: int, epochs: int, loss: float) -> None:
        """Remember the step and show it."""
        done, passed = step - self._first, self.clock() - self._began
        if math.isfinite(loss) and abs(loss) < LOSS_MAX:  # the loop stops the run for what is not finite
            told: dict[str, Any] = {"step": step, "steps": max(step, steps), "epoch": epoch, "epochs": epochs}
            told["loss"] = decimal_text(loss, 6)
            if done > 0 and passed > 0:
                told["etaSeconds"] = max(0, min(10**9, round((steps - step) * passed / done)))
            self.last = told
        super().step(step, steps, epoch, epochs, loss)


def may_pass(error: DatasigilError) -> bool:
    """Whether the registry may answer the same request later: it was away, or busy."""
    if isinstance(error, RegistryError):
        return error.may_pass
    return isinstance(error, FetchError) and not isinstance(error, BlockedError)


class LeaseKeeper:
    """Keeps one lease while its block runs; `lost` says why it counts no more."""

    def __init__(
        self, client: JobClient, worker: str, job: Job, progress: TellingProgress, say: Callable[[str], None]
    ) -> None:
        self._client, self._worker, self._job, self._progress, self._say = client, worker, job, progress, say
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._away = False
        self.lost: RegistryError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _keep(self) -> None:
        while self.lost is None:
            self._beat()
            if self._done.wait(self._job.heartbeat_seconds):
                return

    def _beat(self) -> None:
        try:
            self._client.heartbeat(self._job.id, self._worker, self._job.attempt, self._progress.last)
        except RegistryError as error:
            if error.status in LOST_STATUSES:
                self.lost = error
            else:
                self._note_absence(error)
        except DatasigilError as error:
            self._note_absence(error)
        else:
            if self._away:
                self._say("the registry answers again")
            self._away = False

    def _note_absence(self, error: DatasigilError) -> None:
        if not self._away:
            self._say(f"the registry does not answer ({error.code}); the run goes on")
        self._away = True


__all__ = ["Job", "LeaseKeeper", "TellingProgress", "may_pass"]
