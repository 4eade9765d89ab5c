"""Chunk trees of large files in BLAKE3 over memory maps: a quarter faster than reading, as no byte is copied.

Here: forked processes that map one chunk at a time. A file that is cut short while it is mapped ends the process that looks
at it (SIGBUS), which is why none of this happens in the caller's own process: whatever a lost process, a changed file or an
error leaves undone is handed back, to be read in the ordinary way, which says what is wrong. Not here: that way (`chunked`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final, NoReturn

from datasigil.datasets.chunked import LargeFile, OnBytes
from datasigil.datasets.entry import chunk_count, chunk_tree
from datasigil.datasets.hashing import FileDigests
from datasigil.datasets.limits import CHUNK_BYTES
from datasigil.datasets.table import DIGEST_BYTES
from datasigil.datasets.tree import Tree
from datasigil.datasets.walk import Signature
from datasigil.datasets.workers import can_fork

_FRAME: Final = Struct(f"=II{DIGEST_BYTES}s")  # position of the file, number of the chunk, digest


class MappedRun:
    """One run over large files that want a BLAKE3 chunk tree and nothing else; `left` holds those that it did not finish."""

    def __init__(self, tree: Tree, files: Sequence[LargeFile], workers: int, on_bytes: OnBytes) -> None:
        self._tree = tree
        self._files = files
        self._workers = workers
        self._on_bytes = on_bytes
        self._before: list[Signature | None] = []
        self._children: dict[int, int] = {}  # descriptor to read from -> process
        self.left: list[LargeFile] = list(files)

    def results(self) -> Iterator[tuple[int, FileDigests]]:
        """Yield (index, digests) of files as they are finished; the run ends with the iteration, however it ends."""
        if not can_fork():
            return
        self._before = [self._look(file) for file in self._files]
        tasks = [
            (position, number)
            for position, file in enumerate(self._files)
            if self._is_as_listed(position)
            for number in range(chunk_count(file.size))
        ]
        try:
            for number in range(min(self._workers, len(tasks))):
                self._fork(tasks[number :: self._workers])
            for position, digests in self._collect():
                file = self._files[position]
                if self._look(file) == self._before[position]:
                    self.left.remove(file)
                    yield file.index, FileDigests(file.size, {}, chunk_tree(file.size, digests))
        finally:
            self._end()

    def _look(self, file: LargeFile) -> Signature | None:
        try:
            return Signature.of(self._tree.stat(file.path))
        except OSError:
            return None

    def _is_as_listed(self, position: int) -> bool:
        file, found = self._files[position], self._before[position]
        return found is not None and found.size == file.size and file.signature in (None, found)

    def _fork(self, tasks: Sequence[tuple[int, int]]) -> None:
        receiving, sending = os.pipe()
        try:
            process = os.fork()
        except OSError:
            os.close(receiving)
            os.close(sending)
            return  # what nobody finishes is left
        if process == 0:
            self._work(tasks, sending, receiving)
        os.close(sending)
        self._children[receiving] = process

    def _work(self, tasks: Sequence[tuple[int, int]], sending: int, receiving: int) -> NoReturn:
        """Be the child: map, hash, answer, and leave at the first thing that is not as it should be."""
        try:
            import faulthandler
            import signal

            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and ends this process
            faulthandler.disable()  # an end by SIGBUS is foreseen, and no news for the terminal
            for descriptor in (receiving, *self._children):
                os.close(descriptor)
            self._map(tasks, sending)
        finally:
            os._exit(0)

    def _map(self, tasks: Sequence[tuple[int, int]], sending: int) -> None:
        import mmap

        from blake3 import blake3

        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        tree, opened, descriptor, usable = self._tree.clone(), -1, -1, False
        for position, number in tasks:
            file = self._files[position]
            try:
                if position != opened:
                    if descriptor >= 0:
                        os.close(descriptor)
                    opened, descriptor = position, tree.open(file.path)
                    usable = Signature.of(os.fstat(descriptor)) == self._before[position]
                if not usable:
                    continue
                offset = number * CHUNK_BYTES
                length = min(CHUNK_BYTES, file.size - offset)
                # This process's next chunk of the file: with data on a disk, it comes while this one is hashed.
                os.posix_fadvise(descriptor, offset + self._workers * CHUNK_BYTES, CHUNK_BYTES, os.POSIX_FADV_WILLNEED)
                with mmap.mmap(descriptor, length, flags=flags, prot=mmap.PROT_READ, offset=offset) as mapped:
                    digest = blake3(mapped).digest()
            except (OSError, ValueError):
                usable = False
                continue
            os.write(sending, _FRAME.pack(position, number, digest))  # shorter than PIPE_BUF: whole, or not at all

    def _collect(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield (position, digests of all chunks) of each file once the last of them has come."""
        import select

        poll = select.poll()
        received = dict.fromkeys(self._children, b"")
        for descriptor in received:
            poll.register(descriptor, select.POLLIN)
        found: dict[int, dict[int, bytes]] = {}
        while received:
            for descriptor, _ in poll.poll():
                data = os.read(descriptor, 1 << 16)
                if not data:
                    poll.unregister(descriptor)
                    del received[descriptor]
                    continue
                data = received[descriptor] + data
                whole = len(data) - len(data) % _FRAME.size
                received[descriptor] = data[whole:]
                for position, number, digest in _FRAME.iter_unpack(data[:whole]):
                    chunks = found.setdefault(position, {})
                    chunks[number] = digest
                    yield from self._count(position, number, chunks)

    def _count(self, position: int, number: int, chunks: dict[int, bytes]) -> Iterator[tuple[int, list[bytes]]]:
        file = self._files[position]
        self._on_bytes(min(CHUNK_BYTES, file.size - number * CHUNK_BYTES), file.path)
        if len(chunks) == chunk_count(file.size):
            yield position, [chunks[at] for at in range(len(chunks))]

    def _end(self) -> None:
        """End every child that still runs, and collect them all."""
        import signal

        for descriptor, process in self._children.items():
            os.close(descriptor)
            os.kill(process, signal.SIGKILL)  # ours until waitpid, even when it has ended
            os.waitpid(process, 0)
        self._children.clear()
