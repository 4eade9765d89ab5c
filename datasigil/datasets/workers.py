"""Batches of small files over forked processes, one per core, where the platform and the process allow it.

Here: dividing batches, collecting results over pipes, and ending the children in every case, Ctrl-C included. Threads
are no substitute: with small files they fight for the interpreter's lock and cost eight times as much (performance.md
section 1). Not here: the hashing itself (`small`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final, NoReturn

from datasigil.datasets.finding import FileFailure
from datasigil.datasets.hashing import new_buffer
from datasigil.datasets.limits import FORK_BYTES_MIN, FORK_FILES_MIN, WORKERS_MAX
from datasigil.datasets.small import DIGEST_BYTES, Batch, BatchReader, Job, plan_batches
from datasigil.datasets.tree import Tree
from datasigil.errors import DatasigilError

_FRAME: Final = Struct("=III")  # start, stop, bytes of failure text
_FIELDS: Final = 6
_SHARE: Final = Struct("=II")  # first range, range after the last
SHARES_MAX: Final = 512
"""shares that ranges are divided into: together one page, which any pipe has room for."""


def cores() -> int:
    """Return how many processors this process may use, at most `WORKERS_MAX`."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(len(os.sched_getaffinity(0)), WORKERS_MAX))
    return max(1, min(os.cpu_count() or 1, WORKERS_MAX))


def can_fork() -> bool:
    """Tell whether forking is safe: on Linux, and while this process runs one thread only."""
    if sys.platform != "linux":
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def hash_batches(tree: Tree, job: Job, workers: int) -> Iterator[Batch]:
    """Hash every file of `job`, in forked processes when that pays; batches come in the order they are finished.

    Raises: DatasigilError WORKER_LOST when a process was killed from outside.
    """
    ranges = plan_batches(job.sizes)
    pays = len(job.sizes) >= FORK_FILES_MIN or sum(job.sizes) >= FORK_BYTES_MIN
    workers = min(workers, len(ranges))
    if workers > 1 and pays and can_fork():
        yield from _Pool(tree, job, ranges, workers)
        return
    reader = BatchReader(tree, job, new_buffer())
    for start, stop in ranges:
        yield reader.read(start, stop)


class _Pool:
    """Forked children that take one range after the other from a shared list, each with a pipe on which it answers."""

    def __init__(self, tree: Tree, job: Job, ranges: Sequence[tuple[int, int]], workers: int) -> None:
        self._tree = tree
        self._job = job
        self._ranges = ranges
        self._workers = workers
        self._children: dict[int, int] = {}  # descriptor to read from -> process

    def __iter__(self) -> Iterator[Batch]:
        remaining = {start for start, _ in self._ranges}
        shared = _shared_list(len(self._ranges))
        try:
            for _ in range(self._workers):
                self._fork(shared)
            for batch in self._collect():
                if batch.start not in remaining:
                    raise self._lost("one share finished twice")
                remaining.remove(batch.start)
                yield batch
            if remaining:
                raise self._lost(self._how_they_ended())
        finally:
            os.close(shared)
            self._end()

    def _fork(self, shared: int) -> None:
        receiving, sending = os.pipe()
        try:
            process = os.fork()
        except OSError as error:
            os.close(receiving)
            os.close(sending)
            raise self._lost(error.strerror or "") from None
        if process == 0:
            self._work(shared, sending, receiving)
        os.close(sending)
        self._children[receiving] = process

    def _work(self, shared: int, sending: int, receiving: int) -> NoReturn:
        """Be the child: hash, answer, and leave without running anything of the parent's."""
        status = 1
        try:
            import gc
            import signal

            gc.disable()  # a collection would write to, and so copy, every page that this process shares with its parent
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and ends this process
            # With every reading end closed, a child whose parent died stops at its next answer.
            for descriptor in (receiving, *self._children):
                os.close(descriptor)
            reader = BatchReader(self._tree.clone(), self._job, new_buffer())
            while taken := os.read(shared, _SHARE.size):
                for start, stop in self._ranges[slice(*_SHARE.unpack(taken))]:
                    _send(sending, encode_batch(reader.read(start, stop)))
            status = 0
        finally:
            os._exit(status)

    def _collect(self) -> Iterator[Batch]:
        import select

        poll = select.poll()
        received = {descriptor: bytearray() for descriptor in self._children}
        for descriptor in received:
            poll.register(descriptor, select.POLLIN)
        width = len(self._job.names) * DIGEST_BYTES
        while received:
            for descriptor, _ in poll.poll():
                data = os.read(descriptor, 1 << 20)
                if not data:
                    poll.unregister(descriptor)
                    del received[descriptor]
                    continue
                buffer = received[descriptor]
                buffer += data
                while (batch := decode_batch(buffer, self._job.names, width)) is not None:
                    yield batch

    def _lost(self, reason: str = "") -> DatasigilError:
        return DatasigilError(
            "WORKER_LOST",
            "a process that was hashing files came to an unexpected end",
            expected="every process to finish its share",
            found=reason or "a process killed from outside",
            next_action="see whether memory ran out, then run the command again",
        )

    def _how_they_ended(self) -> str:
        """Collect the children, all of which have closed their pipes, and say how the first that failed came to its end."""
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in self._children.values()]
        for descriptor in self._children:
            os.close(descriptor)
        self._children.clear()
        failed = next((code for code in codes if code), 0)
        return f"a process ended by signal {-failed}" if failed < 0 else f"a process that ended with status {failed}"

    def _end(self) -> None:
        """End every child that still runs, and collect them all."""
        import signal

        for descriptor, process in self._children.items():
            os.close(descriptor)
            os.kill(process, signal.SIGKILL)  # ours until waitpid, even when it has ended
            os.waitpid(process, 0)
        self._children.clear()


def _shared_list(ranges: int) -> int:
    """Return the end of a pipe from which processes that share it take one share of some ranges at each read.

    A pipe is locked while one process reads, and every read takes a whole share: none is taken twice, none is left over. (A file
    without a name will not do: Linux locks the position of files that have been opened by a path only.)
    """
    each = -(-ranges // SHARES_MAX)
    receiving, sending = os.pipe()
    shares = [_SHARE.pack(first, min(first + each, ranges)) for first in range(0, ranges, each)]
    _send(sending, b"".join(shares))
    os.close(sending)  # before any child is made: an empty pipe is the end of the list
    return receiving


def _send(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def encode_batch(batch: Batch) -> bytes:
    """Pack a batch for a pipe: header, digests by name in the job's order, failures as text divided by NUL."""
    fields = [
        text
        for index, found in batch.failures.items()
        for text in (str(index), found.code, found.path, found.message, found.expected, found.found)
    ]
    text = "\0".join(fields).encode("utf-8")
    return b"".join([_FRAME.pack(batch.start, batch.stop, len(text)), *batch.digests.values(), text])


def decode_batch(buffer: bytearray, names: Sequence[str], width: int) -> Batch | None:
    """Take one whole batch off the front of `buffer`, or return None while it is incomplete."""
    if len(buffer) < _FRAME.size:
        return None
    start, stop, text_bytes = _FRAME.unpack_from(buffer)
    digests_end = _FRAME.size + (stop - start) * width
    if len(buffer) < digests_end + text_bytes:
        return None
    each = (stop - start) * DIGEST_BYTES
    offsets = [_FRAME.size + number * each for number in range(len(names))]
    digests = {name: bytes(buffer[offset : offset + each]) for name, offset in zip(names, offsets, strict=True)}
    text = buffer[digests_end : digests_end + text_bytes].decode("utf-8")
    del buffer[: digests_end + text_bytes]
    return Batch(start, stop, digests, _decode_failures(text))


def _decode_failures(text: str) -> dict[int, FileFailure]:
    fields = text.split("\0") if text else []
    groups = [fields[at : at + _FIELDS] for at in range(0, len(fields), _FIELDS)]
    return {int(index): FileFailure(*rest) for index, *rest in groups}
