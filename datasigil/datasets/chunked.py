"""Digests of large files over threads: whole files in one pass each, chunk trees chunk by chunk.

Here: files of 32 MiB and more, whose hashing runs outside the interpreter's lock and so keeps every core busy. Each
thread reads at positions through one descriptor per file and reuses one buffer, so memory does not grow with files.
Not here: small files (`small`, `workers`), comparison with a manifest (`files`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence

from datasigil.datasets.entry import ChunkTree, chunk_count, chunk_tree
from datasigil.datasets.finding import FileFailure, failure
from datasigil.datasets.hashing import PARALLEL_READS, FileDigests, chunk_digest, new_buffer, stream_digests
from datasigil.datasets.limits import PROGRESS_BYTES
from datasigil.datasets.small import file_changed, wrong_size
from datasigil.datasets.tree import Tree, opening_failure
from datasigil.datasets.walk import Signature
from datasigil.record import dataclass, field

OnBytes = Callable[[int, str], None]
"""Called in the caller's thread with the bytes read since the last call, and the path being read."""


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A large file to hash: `names` are whole-file digests, `chunked` the digest of its chunk tree or empty."""

    index: int
    path: str
    size: int
    names: tuple[str, ...]
    chunked: str = ""
    signature: Signature | None = None


@dataclass(slots=True)
class _State:
    """What is known of one file while its tasks run; guarded by the run's lock."""

    file: LargeFile
    remaining: int
    descriptor: int = -1
    before: Signature | None = None
    digests: dict[str, bytes] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    chunks: ChunkTree | None = None
    failure: FileFailure | None = None


class _StoppedError(Exception):
    """Raised inside a thread when the run is called off."""


_Task = tuple[_State, str, int]  # (file, whole-file digest or "", chunk number)


class LargeFilesRun:
    """One run over some large files with a given number of threads."""

    def __init__(self, tree: Tree, files: Sequence[LargeFile], workers: int, on_bytes: OnBytes) -> None:
        import threading

        self._tree = tree
        self._on_bytes = on_bytes
        tasks = [task for file in files for task in _tasks(file)]
        self._tasks = iter(tasks)
        self._states = {id(state): state for state, _, _ in tasks}
        self._workers = workers if PARALLEL_READS else 1
        self._changed = threading.Condition()
        self._read_bytes = 0
        self._reading = ""
        self._stopped = False
        self._error: BaseException | None = None
        self._running = 0
        self._results: list[tuple[int, FileDigests | FileFailure]] = []

    def results(self) -> Iterator[tuple[int, FileDigests | FileFailure]]:
        """Yield (index, digests or failure) as files are finished; the run ends with the iteration, however it ends."""
        import threading

        threads = [threading.Thread(target=self._work, name=f"hashing-{number}") for number in range(self._workers)]
        self._running = len(threads)
        try:
            for thread in threads:
                thread.start()
            while True:
                finished, running = self._wait()
                yield from finished
                if not running:
                    break
            if self._error is not None:
                raise self._error
        finally:
            self._stopped = True
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            for state in self._states.values():
                if state.descriptor >= 0:  # only after a run that was called off
                    os.close(state.descriptor)

    def _wait(self) -> tuple[list[tuple[int, FileDigests | FileFailure]], int]:
        """Wait for something to report, report the bytes, and return what was finished."""
        with self._changed:
            while not (self._results or not self._running or self._read_bytes >= PROGRESS_BYTES):
                self._changed.wait(0.5)  # a timeout, so that Ctrl-C is noticed on every platform
            finished, self._results = self._results, []
            count, self._read_bytes = self._read_bytes, 0
            running = self._running
        if count:
            self._on_bytes(count, self._reading)
        return finished, running

    def _work(self) -> None:
        buffer = new_buffer()
        try:
            while True:
                with self._changed:
                    task = next(self._tasks, None)
                    if task is None or self._stopped:
                        return
                    self._open(task[0])
                self._run(task, buffer)
        except _StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
            self._stopped = True
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def _open(self, state: _State) -> None:
        """Open a file at its first task (under the lock, as the tree handle is shared)."""
        file = state.file
        if state.descriptor >= 0 or state.failure is not None:
            return
        try:
            state.descriptor = self._tree.open(file.path)
            found = os.fstat(state.descriptor)
        except OSError as error:
            state.failure = opening_failure(self._tree, file.path, error)
            return
        state.before = Signature.of(found)
        if not stat.S_ISREG(found.st_mode):
            state.failure = failure("SPECIAL_FILE", file.path, "it is no regular file", expected="a regular file")
        elif file.signature is not None and file.signature != state.before:
            state.failure = file_changed(file.path)
        elif found.st_size != file.size:
            state.failure = wrong_size(file.path, file.size, found.st_size)

    def _run(self, task: _Task, buffer: memoryview) -> None:
        state, name, number = task
        file = state.file

        def tick(count: int) -> None:
            if self._stopped:
                raise _StoppedError
            with self._changed:
                self._read_bytes += count
                self._reading = file.path
                if self._read_bytes >= PROGRESS_BYTES:
                    self._changed.notify()

        try:
            if state.failure is None:
                if name:
                    self._stream(state, name, buffer, tick)
                else:
                    digest = chunk_digest(state.descriptor, number, file.size, file.chunked, buffer, tick)
                    if digest is None:
                        state.failure = file_changed(file.path)
                    else:
                        state.pieces[number] = digest
        except OSError as error:
            state.failure = opening_failure(self._tree, file.path, error)
        finally:
            with self._changed:
                state.remaining -= 1
                if not state.remaining:
                    self._finish(state)

    def _stream(self, state: _State, name: str, buffer: memoryview, tick: Callable[[int], None]) -> None:
        file = state.file
        chunked = name if name == file.chunked and not state.pieces else ""
        result = stream_digests(
            state.descriptor, (name,), buffer, chunked=chunked, limit=file.size, sink=lambda view: tick(len(view))
        )
        if result.size != file.size:
            state.failure = file_changed(file.path)
        state.digests.update(result.digests)
        if chunked:
            state.chunks = result.chunks

    def _finish(self, state: _State) -> None:
        """Close a file after its last task and file its result (under the lock)."""
        file = state.file
        if state.descriptor >= 0:
            if state.failure is None and Signature.of(os.fstat(state.descriptor)) != state.before:
                state.failure = file_changed(file.path)
            os.close(state.descriptor)
            state.descriptor = -1
        if state.failure is None and state.pieces:
            state.chunks = chunk_tree(file.size, state.pieces)
        result = state.failure or FileDigests(file.size, state.digests, state.chunks)
        self._results.append((file.index, result))
        self._changed.notify()


def _tasks(file: LargeFile) -> Iterator[_Task]:
    """Divide a file: one task per whole digest; the chunk tree rides along with BLAKE3, or is a task per chunk.

    BLAKE3 is so cheap that its second use costs less than reading twice; SHA-256 chunks are spread over the cores
    while one core computes the digest of the whole.
    """
    pieces = chunk_count(file.size) if file.chunked and not _rides(file) else 0
    state = _State(file, len(file.names) + pieces, pieces=[b""] * pieces)
    for name in file.names:
        yield state, name, -1
    for number in range(pieces):
        yield state, "", number


def _rides(file: LargeFile) -> bool:
    return file.chunked == "blake3" and "blake3" in file.names


def passes(file: LargeFile) -> int:
    """Return how often each byte of `file` is read."""
    return len(file.names) + (1 if file.chunked and not _rides(file) else 0)
