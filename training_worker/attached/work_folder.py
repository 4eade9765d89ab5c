"""What an attached worker remembers between two lives: who it is, where its runs lie, and which results are not handed in yet.

Here: one folder for one worker, held by one process. Not here: run folders themselves (`run_folder`) and the registry. Every file is replaced
in one step; a result is in the outbox before anybody is told of it, and leaves it only when the registry has answered.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasigil.bundle import read_file
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import MIB
from training_worker.gate import remove_snapshots
from training_worker.run_folder import PARTIAL_SUFFIX, translated, write_file

ENTRY_MAX_BYTES = 16 * MIB
_IDENTITY = re.compile(r"w-[0-9a-f]{16}\Z", re.ASCII)


class WorkFolder:
    """The memory of one worker; `runs` is where its result folders go."""

    def __init__(self, folder: Path, runs: Path) -> None:
        self.folder, self.runs = folder, runs
        self.outbox, self.evidence = folder / "outbox", folder / "evidence"

    @contextmanager
    def held(self) -> Iterator[str]:
        """Hold the folder and give the worker's identity, which is drawn once and stays.

        Raises:
            DatasigilError: WORKER_RUNS, when another process holds it; UNWRITABLE, DISK_FULL, WORKER_FOLDER.
        """
        for folder in (self.folder, self.outbox, self.evidence, self.runs):
            with translated(folder):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with translated(self.folder / "lock"):
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _lock(handle):
                raise DatasigilError(
                    "WORKER_RUNS",
                    "another process is this worker",
                    place=str(self.folder),
                    next_action="stop it, or give this one a name of its own: --worker NAME",
                )
            yield self._identity()
        finally:
            os.close(handle)

    def _identity(self) -> str:
        path = self.folder / "identity"
        if not path.exists():
            write_file(path, f"w-{secrets.token_hex(8)}".encode("ascii"))
        found = path.read_text("ascii", errors="replace").strip()
        if not _IDENTITY.match(found):
            raise DatasigilError(
                "WORKER_FOLDER",
                "the worker's identity is damaged",
                place=str(path),
                next_action="delete that file: the worker gets a new identity, and its lease of a job runs out by itself",
            )
        return found

    # Runs -----------------------------------------------------------------------------------------------------------

    def result(self, job: str) -> Path:
        """Return where a job's run folder goes."""
        return self.runs / job

    def unfinished(self, job: str) -> Path:
        """Return where a job's checkpoint lies."""
        return self.runs / (job + PARTIAL_SUFFIX)

    def bundle(self, job: str, number: int) -> Path:
        """Return where the evidence of a job's dataset goes that was fetched from the registry."""
        folder = self.evidence / job
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f"{number}.sigil.json"

    def forget(self, job: str) -> None:
        """Remove what is of no use once a job is over or another's: checkpoint, verified copies, fetched evidence."""
        remove_snapshots(self.unfinished(job))
        shutil.rmtree(self.evidence / job, ignore_errors=True)

    def forget_all_but(self, jobs: frozenset[str]) -> None:
        """Remove what crashed or fenced lives of this worker left behind of other jobs than these."""
        for path in [*self.runs.glob(f"job_*{PARTIAL_SUFFIX}"), *self.evidence.glob("job_*")]:
            job = path.name.removesuffix(PARTIAL_SUFFIX)
            if job not in jobs:
                self.forget(job)

    # The outbox -----------------------------------------------------------------------------------------------------

    def put(self, entry: Mapping[str, Any]) -> None:
        """Remember a result until it is handed in.

        Raises:
            DatasigilError: DISK_FULL, UNWRITABLE.
        """
        write_file(self.outbox / f"{entry['job']}.json", json.dumps(entry, sort_keys=True).encode("utf-8"))

    def waiting(self) -> list[dict[str, Any]]:
        """Return the results that are not handed in yet.

        Raises:
            DatasigilError: WORKER_FOLDER, for a damaged one.
        """
        entries = []
        for path in sorted(self.outbox.glob("job_*.json")):
            try:
                entry = parse_json(read_file(path, ENTRY_MAX_BYTES), max_bytes=ENTRY_MAX_BYTES)
            except (OSError, MalformedError) as error:
                raise DatasigilError(
                    "WORKER_FOLDER",
                    "a result that waits to be handed in is damaged",
                    place=str(path),
                    found=str(error)[:200],
                    next_action="move the file away; the run folder of the job is untouched",
                ) from None
            assert isinstance(entry, dict)
            entries.append(entry)
        return entries

    def drop(self, job: str) -> None:
        """Forget a result that was handed in, or that nobody takes any more."""
        (self.outbox / f"{job}.json").unlink(missing_ok=True)


def _lock(handle: int) -> bool:
    """Take the lock for as long as this process lives; False when another has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows only
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


__all__ = ["WorkFolder"]
