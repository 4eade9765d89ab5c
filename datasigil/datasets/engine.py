"""One run of the hashing engine over listed files: small ones over processes, then large ones over threads.

Here: who hashes what, in which order, and what a progress callback hears. Not here: the loops themselves (`small`,
`workers`, `chunked`), where the list comes from and what digests are compared with (`files`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from datasigil.datasets.chunked import LargeFile, LargeFilesRun, passes
from datasigil.datasets.finding import FileFailure, Progress
from datasigil.datasets.hashing import FileDigests
from datasigil.datasets.limits import CHUNKED_FILE_MIN_BYTES
from datasigil.datasets.mapped import MappedRun
from datasigil.datasets.small import Batch, Job
from datasigil.datasets.table import select
from datasigil.datasets.tree import Tree
from datasigil.datasets.walk import Signature
from datasigil.datasets.workers import hash_batches


class Meter:
    """Adds up bytes and calls the progress callback with figures in bytes of data, however often each byte is read."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._rest = 0
        self.passes = 1

    def add(self, count: int, path: str) -> None:
        """Count bytes read of `path`; never reports more than the total, as files may grow while they are read."""
        done, self._rest = divmod(count + self._rest, self.passes)
        self._done = min(self._done + done, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total, path)


class HashingRun:
    """Hashes the files at `paths`, which should have `sizes` bytes; with `signatures`, one that changed is a failure."""

    def __init__(
        self,
        tree: Tree,
        paths: Sequence[str],
        sizes: Sequence[int],
        *,
        workers: int,
        progress: Progress | None,
        signatures: Sequence[Signature] | None = None,
    ) -> None:
        self._tree = tree
        self._paths = paths
        self._sizes = sizes
        self._workers = workers
        self._signatures = signatures
        self._meter = Meter(sum(sizes), progress)
        self._large = [index for index, size in enumerate(sizes) if size >= CHUNKED_FILE_MIN_BYTES]
        self.small: Sequence[int] = range(len(sizes))
        if self._large:
            self.small = array("L", (index for index, size in enumerate(sizes) if size < CHUNKED_FILE_MIN_BYTES))

    def batches(self, names: tuple[str, ...]) -> Iterator[Batch]:
        """Hash the small files; the positions in a batch count in `self.small`, which holds indexes into `paths`."""
        job = Job(
            select(self._paths, self.small),
            select(self._sizes, self.small),
            names,
            select(self._signatures, self.small) if self._signatures is not None else None,
        )
        for batch in hash_batches(self._tree, job, self._workers):
            yield batch
            self._meter.add(sum(job.sizes[batch.start : batch.stop]), job.paths[batch.stop - 1])

    def large(self, names: tuple[str, ...], chunked: str) -> Iterator[tuple[int, FileDigests | FileFailure]]:
        """Hash the large files; yield each one's index and its digests or failure, as they are finished."""
        files = [
            LargeFile(index, self._paths[index], self._sizes[index], names, chunked, self._signature(index))
            for index in self._large
        ]
        if files:
            self._meter.passes = passes(files[0])
            if not names and chunked == "blake3":
                mapped = MappedRun(self._tree, files, self._workers, self._meter.add)
                yield from mapped.results()
                files = mapped.left
        if files:
            yield from LargeFilesRun(self._tree, files, self._workers, self._meter.add).results()

    def _signature(self, index: int) -> Signature | None:
        return None if self._signatures is None else self._signatures[index]
