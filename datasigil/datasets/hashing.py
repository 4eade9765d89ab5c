"""Digests of one open file: in one sequential pass, or of one 16 MiB chunk.

Here: SHA-256 (FIPS 180-4) and BLAKE3 over a descriptor with one reused buffer, which is what keeps Python at 95 % of
what the processor can do (performance.md section 1). Not here: which files (`files`), processes and threads (`workers`,
`chunked`), comparison with a manifest (`files`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Protocol

from datasigil.datasets.entry import ChunkTree, chunk_tree
from datasigil.datasets.limits import CHUNK_BYTES, READ_BUFFER_BYTES
from datasigil.record import dataclass

Tick = Callable[[int], None]
"""Called with the bytes just read; may raise to stop."""


class Hasher(Protocol):
    """The part of hashlib's interface that SHA-256 and BLAKE3 share."""

    def update(self, data: memoryview, /) -> object:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """Return the 32-byte digest."""


def new_hasher(name: str) -> Hasher:
    """Return a fresh hasher for `sha256` or `blake3`."""
    if name == "sha256":
        return sha256()
    from blake3 import blake3  # a compiled module of its own: loaded only where a manifest uses it

    hasher: Hasher = blake3()
    return hasher


def hash_constructor(name: str) -> Callable[[memoryview], Hasher]:
    """Return what makes a hasher that has taken in the bytes given."""
    if name == "sha256":
        return sha256
    from blake3 import blake3

    made: Callable[[memoryview], Hasher] = blake3
    return made


def digest_function(name: str) -> Callable[[memoryview], bytes]:
    """Return the function from a file's bytes to its digest, for files that are in memory."""
    construct = hash_constructor(name)
    return lambda data: construct(data).digest()


if hasattr(os, "preadv"):

    def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset` on and return how many bytes came; the descriptor's position plays no part."""
        return os.preadv(descriptor, [buffer], offset)

else:  # Windows: one descriptor must not be shared by threads, and none is

    def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset` on and return how many bytes came."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def new_buffer() -> memoryview:
    """Return a buffer that stays in the second-level cache; one per thread, used again for every read."""
    return memoryview(bytearray(READ_BUFFER_BYTES))


@dataclass(frozen=True, slots=True)
class FileDigests:
    """What one pass over a file computed; `size` is the number of bytes read."""

    size: int
    digests: dict[str, bytes]
    chunks: ChunkTree | None = None


def stream_digests(
    descriptor: int,
    names: tuple[str, ...],
    buffer: memoryview,
    *,
    limit: int,
    chunked: str = "",
    sink: Callable[[memoryview], None] | None = None,
) -> FileDigests:
    """Read a file from start to end once, computing every digest in `names` and, with `chunked` (a digest's name), its chunk tree.

    At most `limit` + 1 bytes are read, so that a file that grows without end comes to an end here. `sink` is handed
    each piece after it was hashed, and may raise to stop.

    Raises: OSError.
    """
    hasher = PieceHasher(names, chunked)
    while hasher.size <= limit:
        count = read_at(descriptor, buffer[: limit + 1 - hasher.size], hasher.size)
        if not count:
            break
        view = buffer[:count]
        hasher.take(view)
        if sink is not None:
            sink(view)
    return hasher.finish()


class PieceHasher:
    """The digests in `names` of a file, and with `chunked` (a digest's name) its chunk tree, from pieces of any size in order."""

    def __init__(self, names: tuple[str, ...], chunked: str = "") -> None:
        self._names = names
        self._hashers = [new_hasher(name) for name in names]
        self._chunked = chunked
        self._chunk = new_hasher(chunked) if chunked else None
        self._chunks: list[bytes] = []
        self.size = 0

    def take(self, piece: memoryview) -> None:
        """Take in the next bytes."""
        for hasher in self._hashers:
            hasher.update(piece)
        if self._chunk is None:
            self.size += len(piece)
            return
        while piece:
            part = piece[: CHUNK_BYTES - self.size % CHUNK_BYTES]
            self._chunk.update(part)
            self.size += len(part)
            if self.size % CHUNK_BYTES == 0:
                self._chunks.append(self._chunk.digest())
                self._chunk = new_hasher(self._chunked)
            piece = piece[len(part) :]

    def finish(self) -> FileDigests:
        """Return what was computed; `size` says of how many bytes."""
        if self._chunk is not None and self.size % CHUNK_BYTES:
            self._chunks.append(self._chunk.digest())
        digests = {name: hasher.digest() for name, hasher in zip(self._names, self._hashers, strict=True)}
        return FileDigests(self.size, digests, chunk_tree(self.size, self._chunks) if self._chunks else None)


def chunk_digest(descriptor: int, index: int, size: int, name: str, buffer: memoryview, tick: Tick) -> bytes | None:
    """Return the digest of chunk `index` of a file of `size` bytes, or None when the file ends before the chunk does.

    Raises: OSError.
    """
    hasher = new_hasher(name)
    offset = index * CHUNK_BYTES
    end = min(offset + CHUNK_BYTES, size)
    while offset < end:
        count = read_at(descriptor, buffer[: end - offset], offset)
        if not count:
            return None
        hasher.update(buffer[:count])
        offset += count
        tick(count)
    return hasher.digest()


PARALLEL_READS: Final = hasattr(os, "preadv")
"""Whether several threads may read one descriptor at once."""
