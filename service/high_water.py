"""The high-water mark: the largest tree ever released, remembered outside the database.

Lives here: a small file of two checksummed slots, written in turn and synced, so that a crash while writing leaves the
other slot. A database restored from an old backup is smaller than the mark, and the registry then refuses to sign. Not
here: the comparison with the tree (`sequencer`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from datasigil.errors import DatasigilError

_SLOT_BYTES = 1024
_SLOTS = 2


@dataclass(frozen=True)
class Mark:
    """Size and root (hex) of a released tree."""

    origin: str
    size: int
    root: str


class HighWaterFile:
    """The file behind one registry's mark; used by the writer thread only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = 0

    def read(self) -> Mark | None:
        """The largest readable mark; None when the file was never written.

        Raises:
            DatasigilError: HIGH_WATER_UNREADABLE, when the file exists and no slot is intact.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        slots = [_parse(data[start : start + _SLOT_BYTES]) for start in range(0, _SLOTS * _SLOT_BYTES, _SLOT_BYTES)]
        found = [(turn, mark) for slot in slots if slot is not None for turn, mark in [slot]]
        if not found:
            raise DatasigilError(
                "HIGH_WATER_UNREADABLE",
                "the high-water mark is damaged",
                place=str(self._path),
                next_action="restore it from the backup of the data folder, or compare with a witness before removing it",
            )
        self._turn, newest = max(found, key=lambda one: one[0])
        return newest

    def write(self, mark: Mark) -> None:
        """Store `mark` durably; returns after the disk has it.

        Raises:
            OSError: when the disk refuses; nothing may be released then.
        """
        self._turn += 1
        slot = _format(self._turn, mark)
        fresh = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if fresh:
                os.pwrite(descriptor, b"\n" * (_SLOTS * _SLOT_BYTES), 0)
            os.pwrite(descriptor, slot, (self._turn % _SLOTS) * _SLOT_BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            sync_folder(self._path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new directory entry durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _format(turn: int, mark: Mark) -> bytes:
    body = json.dumps({"turn": turn, "origin": mark.origin, "size": mark.size, "root": mark.root}, sort_keys=True)
    line = f"{sha256(body.encode()).hexdigest()} {body}".encode()
    if len(line) > _SLOT_BYTES:
        raise DatasigilError("ORIGIN_TOO_LONG", "the log's origin is too long to be remembered", expected="700 bytes")
    return line.ljust(_SLOT_BYTES, b"\n")


def _parse(slot: bytes) -> tuple[int, Mark] | None:
    digest, _, body = slot.rstrip(b"\n").partition(b" ")
    if not body or sha256(body).hexdigest().encode() != digest:
        return None
    values = json.loads(body)
    return int(values["turn"]), Mark(str(values["origin"]), int(values["size"]), str(values["root"]))
