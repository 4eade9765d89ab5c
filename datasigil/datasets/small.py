"""Digests of many small files, batch by batch, in one process.

Here: the loop that opens, reads and hashes a file in a few microseconds, and asks the disk for files ahead once it finds
that they are not in memory. Not here: several processes (`workers`), files of 32 MiB and more (`chunked`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from typing import Final

from datasigil.datasets.finding import FileFailure, failure
from datasigil.datasets.hashing import Hasher, hash_constructor, read_at, stream_digests
from datasigil.datasets.limits import BATCH_BYTES, BATCH_FILES, READ_AHEAD_FILES
from datasigil.datasets.tree import Tree, opening_failure
from datasigil.datasets.walk import Signature
from datasigil.record import dataclass, field

DIGEST_BYTES: Final = 32
_NO_DIGEST: Final = bytes(DIGEST_BYTES)
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)


@dataclass(frozen=True, slots=True)
class Job:
    """Files to hash: paths, the sizes they must have, which digests; with `signatures`, a file that changed is a failure."""

    paths: Sequence[str]
    sizes: Sequence[int]
    names: tuple[str, ...]
    signatures: Sequence[Signature] | None = None


@dataclass(slots=True)
class Batch:
    """Digests of the job's files from `start` to `stop`, 32 bytes each, by digest name; a failed file has zeros."""

    start: int
    stop: int
    digests: dict[str, bytes]
    failures: dict[int, FileFailure] = field(default_factory=dict)

    def digest(self, name: str, position: int) -> bytes:
        """Return one digest of the file at `position` of the job."""
        at = (position - self.start) * DIGEST_BYTES
        return self.digests[name][at : at + DIGEST_BYTES]


def plan_batches(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Cut a job into ranges of at most `BATCH_FILES` files and about `BATCH_BYTES` bytes."""
    ranges: list[tuple[int, int]] = []
    start = held = 0
    for index, size in enumerate(sizes):
        if index > start and (held + size > BATCH_BYTES or index - start >= BATCH_FILES):
            ranges.append((start, index))
            start, held = index, 0
        held += size
    if start < len(sizes):
        ranges.append((start, len(sizes)))
    return ranges


Pairs = list[tuple[Callable[[memoryview], Hasher], bytearray]]
"""For each digest, what makes its hasher and where the digests go."""


class BatchReader:
    """Hashes batches of one job through one tree handle and one buffer."""

    def __init__(self, tree: Tree, job: Job, buffer: memoryview) -> None:
        self._tree = tree
        self._job = job
        self._buffer = buffer
        self._constructors = [hash_constructor(name) for name in job.names]
        self._probe = _NOWAIT
        self._ahead = 0
        self._refused: OSError | None = None  # why the next file could not be opened
        self._start = 0
        self._paths: list[str] = []
        self._sizes: list[int] = []

    def read(self, start: int, stop: int) -> Batch:
        """Hash the files from `start` to `stop`. Never raises for a file that cannot be read: that is a failure."""
        job = self._job
        # The batch's own lists: an item of a column costs more than one of a list.
        self._start, self._paths, self._sizes = start, list(job.paths[start:stop]), list(job.sizes[start:stop])
        outputs = [bytearray() for _ in job.names]
        batch = Batch(start, stop, {})
        pairs: Pairs = list(zip(self._constructors, outputs, strict=True))
        self._ahead = 0
        index = start
        while (index := self._hash_easy(index, pairs)) < stop:
            error, self._refused = self._refused, None
            if error is not None:
                found: FileFailure | None = opening_failure(self._tree, self._paths[index - start], error)
            else:
                found = self._hash(index, stop, pairs)
            if found is not None:
                batch.failures[index] = found
                for output in outputs:  # cut off what a failure half-way may have left
                    output[(index - start) * DIGEST_BYTES :] = _NO_DIGEST
            index += 1
        batch.digests = {name: bytes(output) for name, output in zip(job.names, outputs, strict=True)}
        return batch

    def _hash_easy(self, index: int, pairs: Pairs) -> int:
        """Hash files from `index` on while each is in memory, as long as stated and unchanged; return the first that is not.

        Nine files in ten come by here alone: what is called for each of them is what the kernel and the digest need, in
        one function. A file that is not easy is left to `_hash`, which finds out why.
        """
        if self._ahead or not self._probe:
            return index
        tree, probe, signatures = self._tree, self._probe, self._job.signatures
        buffer, limit = self._buffer, len(self._buffer)
        read, close, into = os.preadv, os.close, [self._buffer]
        (first, digests), *others = pairs
        at = index - self._start
        current: str | None = None
        for path, size in zip(self._paths[at:], self._sizes[at:], strict=True):
            folder, _, name = path.rpartition("/")
            try:
                if folder != current:
                    open_file, current = tree.folder(folder).open, folder
                descriptor = open_file(name)
            except OSError as error:
                self._refused = error  # a name is opened once: what was swapped is not tried again
                return index
            try:
                if not 0 < read(descriptor, into, 0, probe) == size < limit:
                    return index
                if signatures is not None and Signature.of(os.fstat(descriptor)) != signatures[index]:
                    return index
            except OSError:
                return index
            finally:
                close(descriptor)
            data = buffer[:size]
            digests += first(data).digest()
            for construct, output in others:
                output.extend(construct(data).digest())
            index += 1
        return index

    def _hash(self, index: int, stop: int, pairs: Pairs) -> FileFailure | None:
        path, size = self._paths[index - self._start], self._sizes[index - self._start]
        try:
            descriptor = self._tree.open(path)
        except OSError as error:
            return opening_failure(self._tree, path, error)
        try:
            count = self._read(descriptor, index, stop) if size < len(self._buffer) else -1
            if count != size or not size:
                return self._hash_slowly(descriptor, index, pairs)
            data = self._buffer[:count]
            for construct, output in pairs:
                output.extend(construct(data).digest())
            return self._changed(descriptor, index) if self._job.signatures is not None else None
        except OSError as error:
            return opening_failure(self._tree, path, error)
        finally:
            os.close(descriptor)

    def _hash_slowly(self, descriptor: int, index: int, pairs: Pairs) -> FileFailure | None:
        """Hash a file that is empty, larger than the buffer, or not of the size it should have."""
        job = self._job
        path, size = self._paths[index - self._start], self._sizes[index - self._start]
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return failure("SPECIAL_FILE", path, "it is no regular file", expected="a regular file")
        result = stream_digests(descriptor, job.names, self._buffer, limit=size)
        if result.size != size:
            return wrong_size(path, size, found.st_size, changed=job.signatures is not None)
        for name, (_, output) in zip(job.names, pairs, strict=True):
            output.extend(result.digests[name])
        return self._changed(descriptor, index) if job.signatures is not None else None

    def _changed(self, descriptor: int, index: int) -> FileFailure | None:
        signatures = self._job.signatures
        if signatures is None or Signature.of(os.fstat(descriptor)) == signatures[index]:
            return None
        return file_changed(self._job.paths[index])

    def _read(self, descriptor: int, index: int, stop: int) -> int:
        """Read a whole small file; ask for the files ahead as soon as one proves not to be in memory."""
        if self._ahead:
            self._ask_ahead(index, stop)
        elif self._probe:
            try:
                return os.preadv(descriptor, [self._buffer], 0, self._probe)
            except BlockingIOError:
                self._ask_ahead(index, stop)
            except OSError as error:
                if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                    raise
                self._probe = 0  # this file system cannot tell; reading ahead costs less than waiting
                self._ask_ahead(index, stop)
        elif _NOWAIT:
            self._ask_ahead(index, stop)
        return read_at(descriptor, self._buffer, 0)

    def _ask_ahead(self, index: int, stop: int) -> None:
        until = min(index + READ_AHEAD_FILES, stop)
        for coming in range(max(self._ahead, index + 1), until):
            # The reader opens the same path next, from this one's folder: a chain of open folders serves both.
            try:
                descriptor = self._tree.open(self._paths[coming - self._start])
            except OSError:
                continue  # met again, and reported, when its turn comes
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            except OSError:
                pass  # advice only
            finally:
                os.close(descriptor)
        self._ahead = until


def wrong_size(path: str, size: int, found: int, *, changed: bool = False) -> FileFailure:
    """Make the failure of a file whose size is not the one it should have."""
    if changed or found == size:
        return file_changed(path)
    return failure(
        "FILE_DIGEST",
        path,
        f"its size is {found} bytes, not {size}",
        expected=f"{size} bytes",
        found=f"{found} bytes",
    )


def file_changed(path: str) -> FileFailure:
    """Make the failure of a file that something wrote to while it was read."""
    return failure("FILE_CHANGED", path, "it changed while it was read", expected="files that stay still")
