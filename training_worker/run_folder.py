"""Where a run writes: a working folder beside the result, and one rename when everything is there.

Here: `OUT.partial/` with checkpoints and the files being made, writing without half files, the final rename. Not here: what
the files say. Whoever finds OUT finds a whole run; whatever is in OUT.partial is taken for nothing but a checkpoint.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from datasigil.errors import DatasigilError
from datasigil.transparency.durable import sync_directory, write_durably

# The model's own files; `run` names the others.
ADAPTER = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
HEAD = "head.safetensors"
CLASSIFIER = "classifier.json"

PARTIAL_SUFFIX = ".partial"
_STAGING = "run"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if hasattr(errno, "EDQUOT") else {errno.ENOSPC, errno.EFBIG}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an OSError below into DISK_FULL or UNWRITABLE, naming `path`."""
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        raise DatasigilError(
            "DISK_FULL" if full else "UNWRITABLE",
            "the disk is full; what was there before is untouched" if full else "the file cannot be written",
            place=str(path),
            found=error.strerror or str(error),
            next_action="make room, then run again with --resume" if full else "choose a folder you may write to",
        ) from None


def write_file(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step.

    Raises:
        DatasigilError: DISK_FULL or UNWRITABLE; the old file is then untouched.
    """
    with translated(path):
        write_durably(path, data)


class RunFolder:
    """One result folder and the working folder beside it."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.work = out.with_name(out.name + PARTIAL_SUFFIX)

    def open(self, *, resume: bool) -> None:
        """Make the working folder, or find the one to resume.

        Raises:
            DatasigilError: OUT_EXISTS, PARTIAL_EXISTS, NO_CHECKPOINT, UNWRITABLE, DISK_FULL.
        """
        if os.path.lexists(self.out):
            raise DatasigilError(
                "OUT_EXISTS", "the result folder exists already", place=str(self.out), next_action="choose another -o"
            )
        if resume and not self.work.is_dir():
            raise DatasigilError(
                "NO_CHECKPOINT",
                "there is nothing to resume",
                place=str(self.work),
                next_action="start without --resume",
            )
        if not resume and os.path.lexists(self.work):
            raise DatasigilError(
                "PARTIAL_EXISTS",
                "an unfinished run lies in this place",
                place=str(self.work),
                next_action="add --resume to go on with it, or delete that folder to start over",
            )
        with translated(self.work):
            self.work.mkdir(parents=True, exist_ok=resume, mode=0o700)

    def clear_snapshots(self) -> None:
        """Remove verified copies that a killed run left; they are never used again."""
        from training_worker.gate import remove_snapshots

        for left in self.work.glob("snapshot-*"):
            remove_snapshots(left)

    def discard_if_empty(self) -> None:
        """Remove the working folder of a run that was refused before it wrote anything."""
        if self.work.is_dir() and not any(self.work.iterdir()):
            self.work.rmdir()

    def finish(self, files: Mapping[str, bytes]) -> Path:
        """Write every file of the result and give the folder its name; returns the result folder.

        Raises:
            DatasigilError: DISK_FULL, UNWRITABLE or OUT_EXISTS; the checkpoint then still stands.
        """
        staging = self.work / _STAGING
        with translated(staging):
            shutil.rmtree(staging, ignore_errors=True)
            for name, data in files.items():
                target = staging / name
                target.parent.mkdir(parents=True, exist_ok=True)
                write_durably(target, data)
            staging.chmod(0o755)
            if os.path.lexists(self.out):
                raise DatasigilError("OUT_EXISTS", "the result folder appeared meanwhile", place=str(self.out))
            os.rename(staging, self.out)
            sync_directory(self.out.parent)
        shutil.rmtree(self.work, ignore_errors=True)
        return self.out


__all__ = ["ADAPTER", "ADAPTER_CONFIG", "CLASSIFIER", "HEAD", "RunFolder", "translated", "write_file"]
