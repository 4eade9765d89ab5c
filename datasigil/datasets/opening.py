"""Handing out a file's bytes only as the manifest states them.

Here: one file copied while every digest of its entry is recomputed, then given out from the copy. Not here: which manifest is the signed
one (`verification`), copies of whole datasets (`gate`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, cast

from datasigil.datasets.entry import ManifestEntry
from datasigil.datasets.finding import FileFailure
from datasigil.datasets.finding import failure as file_failure
from datasigil.datasets.hashing import FileDigests, PieceHasher, new_buffer, stream_digests
from datasigil.datasets.paths import display_path
from datasigil.datasets.source import Member, MemberError, Source
from datasigil.datasets.tree import open_tree, opening_failure
from datasigil.errors import ManifestMismatchError
from datasigil.limits import MIB

# A file up to this size is kept in memory while it is handed out, a larger one in an unnamed temporary file.
OPEN_IN_MEMORY_MAX_BYTES = 32 * MIB


def verified_opener(folder: Path) -> Callable[[ManifestEntry], BinaryIO]:
    """Return a function that opens one file of a manifest below `folder` and gives its bytes only if they are the stated ones.

    The function raises ManifestMismatchError FILE_DIGEST, or the code of why the file cannot be opened.
    """

    def open_verified(entry: ManifestEntry) -> BinaryIO:
        copy = tempfile.SpooledTemporaryFile(max_size=OPEN_IN_MEMORY_MAX_BYTES)  # noqa: SIM115 - the caller closes it
        try:
            _copy_verified(folder, entry, cast("BinaryIO", copy))
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return cast("BinaryIO", copy)

    return open_verified


def source_opener(open_source: Callable[[], AbstractContextManager[Source]]) -> Callable[[ManifestEntry], BinaryIO]:
    """Return a function like that of `verified_opener` for an archive or a bucket.

    A bucket is listed once in each process, and again after a file of it could not be had as stated. An archive is one stream
    and is opened anew for each file.
    """
    listing = _Listing()

    def open_verified(entry: ManifestEntry) -> BinaryIO:
        copy = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=OPEN_IN_MEMORY_MAX_BYTES))  # noqa: SIM115 - the caller closes it
        try:
            if (member := listing.find(entry.path)) is not None:
                _copy_member(member, entry, copy)
            else:
                with open_source() as source:
                    _copy_member(listing.take(source, entry.path), entry, copy)
        except BaseException:
            listing.forget()
            copy.close()
            raise
        copy.seek(0)
        return copy

    return open_verified


class _Listing:
    """The members of a source that can be read apart from one another; those of one process are none of another's."""

    def __init__(self) -> None:
        self._process = 0
        self._members: dict[str, Member] = {}

    def find(self, path: str) -> Member | None:
        """Return a member that was listed by this process, or None."""
        return self._members.get(path) if self._process == os.getpid() else None

    def take(self, source: Source, path: str) -> Member:
        """Return a member of an open source, and keep the whole listing where its members can be read later."""
        failures: list[FileFailure] = []
        listed = source.members(failures)
        if source.readers > 1:
            self._members = {one.path: one for one in listed}
            self._process = os.getpid()
            found = self._members.get(path)
        else:
            found = next((one for one in listed if one.path == path), None)
        if found is None:
            raise _refused(file_failure("FILE_MISSING", path, "the manifest lists it, and it is not there"))
        return found

    def forget(self) -> None:
        """Forget what was listed."""
        self._members = {}


def _copy_member(member: Member, entry: ManifestEntry, copy: BinaryIO) -> None:
    names = ("sha256",) if entry.blake3 is None else ("sha256", "blake3")
    hasher, buffer = PieceHasher(names), new_buffer()
    try:
        read = member.open()
        while hasher.size <= entry.size and (count := read(buffer)):
            hasher.take(buffer[:count])
            copy.write(buffer[:count])
    except MemberError as error:
        raise _refused(error.failure) from None
    _require(entry, hasher.finish(), names)


def _copy_verified(folder: Path, entry: ManifestEntry, copy: BinaryIO) -> None:
    """Copy one file while hashing it.  Raises: ManifestMismatchError unless every digest of the entry is that of the copy."""
    names = ("sha256",) if entry.blake3 is None else ("sha256", "blake3")

    def keep(piece: memoryview) -> None:
        copy.write(piece)

    with open_tree(folder) as tree:
        try:
            descriptor = tree.open(entry.path)
            try:
                found = stream_digests(descriptor, names, new_buffer(), limit=entry.size, sink=keep)
            finally:
                os.close(descriptor)
        except OSError as error:
            failure = (
                file_failure("FILE_MISSING", entry.path, "the manifest lists it, and it is not there")
                if isinstance(error, FileNotFoundError)
                else opening_failure(tree, entry.path, error)
            )
            raise _refused(failure) from None
    _require(entry, found, names)


def _refused(failure: FileFailure) -> ManifestMismatchError:
    return ManifestMismatchError(
        failure.code,
        failure.message,
        place=display_path(failure.path),
        expected=failure.expected,
        found=failure.found,
    )


def _require(entry: ManifestEntry, found: FileDigests, names: tuple[str, ...]) -> None:
    """Return when the digests are the entry's.  Raises: ManifestMismatchError FILE_DIGEST."""
    if found.size != entry.size or any(found.digests[name].hex() != getattr(entry, name) for name in names):
        raise ManifestMismatchError(
            "FILE_DIGEST", "the file has changed since it was checked", place=display_path(entry.path), expected=f"sha256 {entry.sha256}",
            found=f"sha256 {found.digests['sha256'].hex()}", next_action="stop whatever writes to it, and check again",
        )  # fmt: skip
