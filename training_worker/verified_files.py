"""The only door between files and the trainer: whole files read from the gate's snapshot and hashed as they are read.

Here: `VerifiedFiles`, made from a snapshot of the gate and the manifest that the credential signs. Not here: the gate
(`gate`), parsing (`records`).

The snapshot is private and read-only; each file is nevertheless hashed again over exactly the bytes handed on, so that a
change after the check (by the same user, who may change modes back) makes the run refuse instead of training on it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from datasigil.datasets.entry import Manifest, ManifestEntry
from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError, ManifestMismatchError
from training_worker.limits import RECORD_FILE_MAX_BYTES

_O_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class VerifiedFiles:
    """One dataset as the trainer sees it: names from the signed manifest, bytes that match it."""

    credential_id: str
    credential_digest: str
    manifest: Manifest
    root: Path

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path in the manifest, in its order."""
        return tuple(entry.path for entry in self.manifest.entries)

    def entry(self, path: str) -> ManifestEntry:
        """Return the manifest entry of `path`.

        Raises:
            DatasigilError: NO_FILE.
        """
        for entry in self.manifest.entries:
            if entry.path == path:
                return entry
        raise DatasigilError("NO_FILE", "the manifest names no such file", place=display_path(path))

    def read(self, path: str) -> bytes:
        """Return the bytes of a file whose SHA-256 and size are those in the manifest.

        Raises:
            ManifestMismatchError: FILE_DIGEST, when the snapshot changed after the gate.
            DatasigilError: LIMIT for a file that is too large to parse in memory, UNREADABLE, NO_FILE.
        """
        entry = self.entry(path)
        if entry.size > RECORD_FILE_MAX_BYTES:
            raise DatasigilError(
                "LIMIT",
                "the file is too large for this reader",
                place=display_path(path),
                expected=f"at most {RECORD_FILE_MAX_BYTES} bytes",
                found=f"{entry.size} bytes",
                next_action="split it into smaller files and issue a new credential",
            )
        data = _read_exactly(self.root.joinpath(*path.split("/")), entry.size, path)
        digest = sha256(data).hexdigest()
        if digest != entry.sha256:
            raise ManifestMismatchError(
                "FILE_DIGEST",
                "the verified copy changed after the gate",
                place=display_path(path),
                expected=f"sha256 {entry.sha256}",
                found=f"sha256 {digest}, {len(data)} bytes",
                next_action="start again; find out who writes into the snapshot",
            )
        return data


def _read_exactly(file: Path, size: int, path: str) -> bytes:
    """Read at most one byte more than `size`, so that a file that grew is noticed and not followed."""
    try:
        descriptor = os.open(file, _O_FLAGS)
        with os.fdopen(descriptor, "rb") as handle:
            return handle.read(size + 1)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            "the verified copy cannot be read",
            place=display_path(path),
            found=error.strerror or str(error),
        ) from None


__all__ = ["VerifiedFiles"]
