"""What a publisher's earlier run hashed, so that a folder that did not change is looked at and not read again.

Here: `HashCache`, one file per dataset folder in the user's own cache, never in the dataset. A digest counts again only for
the same path with the same inode, size, time of modification and time of change (ctime, which no program can set). A file
that had changed less than `RACY_NS` before it was looked at is never remembered, since a later change could leave the same
time. Not here: any check. Whoever verifies reads every byte: import contracts keep this module out of everything but the
publisher's command line. Whoever can write to the user's cache can change what the user signs, as with the user's keys.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from datasigil.datasets.entry import Manifest
from datasigil.datasets.walk import SignatureTable
from datasigil.transparency.durable import write_durably
from publisher_cli.remembered import CacheFile, Remembered, encode, opened

RECORDS_BYTES_MAX: Final = 256 * 1024 * 1024
"""bytes of one folder's remembered numbers of records."""
CACHES_KEPT: Final = 64
"""folders whose hashes are remembered; those written longest ago go first."""
RACY_NS: Final = 2_000_000_000
"""nanoseconds; the coarsest clock of a file system in use, that of FAT."""


class HashCache:
    """The remembered hashes of one folder, in a file below `folder`; `rehash` forgets what was remembered.

    `note` says in words why nothing was remembered or read, when something stood in the way.
    """

    def __init__(self, folder: Path, dataset: Path, *, rehash: bool = False) -> None:
        real = os.path.realpath(dataset)
        self.note = ""
        self._path = Path(folder) / f"{sha256(os.fsencode(real)).hexdigest()}.hashes"
        self._records = self._path.with_suffix(".records")
        self._rehash = rehash
        inside = os.path.realpath(folder)
        self._before: Remembered | None = None
        self._usable = not (inside == real or inside.startswith(real.rstrip(os.sep) + os.sep))
        if not self._usable:
            self.note = f"nothing is remembered: the cache {folder} lies inside the dataset"

    def load(self, digests: Sequence[str], ignored: Sequence[str]) -> Remembered | None:
        """Return the earlier run over this folder with the same digests and ignored paths, or None."""
        if self._rehash or not self._usable:
            return None
        try:
            self._before = opened(CacheFile(self._path), (tuple(digests), tuple(ignored)))
            return self._before
        except FileNotFoundError:
            return None
        except OSError as error:
            self.note = f"the cache {self._path} cannot be read: {error.strerror}"
            return None

    def store(self, manifest: Manifest, signatures: SignatureTable, started_ns: int) -> None:
        """Remember a run that began at `started_ns` (Unix time); when that fails, `note` says why.

        The manifest's digest and root, which need the text of every entry, come out of the same pass.
        """
        if not self._usable:
            return
        clean = bytearray(signatures.changed_before(started_ns - RACY_NS))
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(self._path, encode(manifest, signatures, clean, self._before), mode=0o600)
            self._let_go()
        except OSError as error:
            self.note = f"nothing was remembered: {self._path}: {error.strerror}"

    def is_settled(self, found: SignatureTable, started_ns: int) -> bool:
        """Tell whether every file and folder that was seen had last changed well before the run began at `started_ns`."""
        settled = started_ns - RACY_NS
        return found.folders_changed < settled and all(found.changed_before(settled))

    def record_counts(self) -> dict[str, int]:
        """Return the numbers of records that an earlier run counted, by `records.record_key`."""
        if self._rehash or not self._usable:
            return {}
        try:
            found = json.loads(CacheFile(self._records).read(0, RECORDS_BYTES_MAX))
        except (OSError, ValueError):
            return {}  # nothing counted yet, or a damaged file: the tables are counted again
        is_whole = isinstance(found, dict) and all(type(count) is int and count >= 0 for count in found.values())
        return found if is_whole else {}

    def remember_records(self, counts: Mapping[str, int]) -> None:
        """Remember numbers of records, by `records.record_key`; when that fails, `note` says why."""
        if not self._usable or not counts:
            return
        text = json.dumps(dict(counts), separators=(",", ":")).encode()
        try:
            if len(text) <= RECORDS_BYTES_MAX:
                write_durably(self._records, text, mode=0o600)
        except OSError as error:
            self.note = f"nothing was remembered: {self._records}: {error.strerror}"

    def _let_go(self) -> None:
        """Remove the caches that were written longest ago, so that they never fill a disk."""
        caches = sorted(self._path.parent.glob("*.hashes"), key=lambda one: one.stat().st_mtime_ns)
        for path in caches[:-CACHES_KEPT]:
            path.unlink(missing_ok=True)
            path.with_suffix(".records").unlink(missing_ok=True)


__all__ = ["RACY_NS", "HashCache"]
