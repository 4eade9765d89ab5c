"""A private copy of a dataset, verified while it is copied: what was checked is what is read afterwards.

Here: one read of each file, opened without following links, through all its digests into a folder only this user can
enter (0700, files 0400), which takes its name only when everything in it agrees with the manifest. Not here: whether
the manifest is the one that was signed, and what the copy is for.

A copy is never taken up again by a later run, so nothing is flushed to the disk before it gets its name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from datasigil.datasets.checking import compare_file, match_listing
from datasigil.datasets.engine import Meter
from datasigil.datasets.entry import Manifest, ManifestEntry
from datasigil.datasets.finding import FileFailure, FilesFinding, FindingBuilder, Progress
from datasigil.datasets.hashing import FileDigests, new_buffer, stream_digests
from datasigil.datasets.paths import display_path, folder_of
from datasigil.datasets.small import wrong_size
from datasigil.datasets.source import Source, check_source
from datasigil.datasets.tree import Tree, open_tree, opening_failure
from datasigil.datasets.walk import list_tree
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.record import dataclass

_CREATE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A private read-only copy, every byte of which was verified while it was copied; files lie at `root / path`."""

    root: Path
    manifest_digest: str
    files: int
    bytes: int
    finding: FilesFinding

    def remove(self) -> None:
        """Delete the copy."""
        _remove(self.root)


def snapshot_verified(manifest: Manifest, source: Path, dest: Path, *, progress: Progress | None = None) -> Snapshot:
    """Copy the dataset at `source` to the new folder `dest`, recomputing every digest of `manifest` on the way.

    Raises: ManifestMismatchError with the first difference's code (FILE_DIGEST, MANIFEST_EQUIVOCATION, FILE_MISSING, …);
    DatasigilError as `snapshot_files`. In every such case nothing is left at `dest`.
    """
    finding, snapshot = snapshot_files(manifest, source, dest, progress=progress)
    if snapshot is not None:
        return snapshot
    first = finding.failures[0]
    count = sum(finding.failure_counts.values())
    raise ManifestMismatchError(
        first.code,
        first.message + (f" (and {count - 1} more)" if count > 1 else ""),
        place=display_path(first.path),
        expected=first.expected,
        found=first.found,
        next_action="get the dataset from its publisher again, or ask for a credential for these files",
    )


def snapshot_files(
    manifest: Manifest, source: Path, dest: Path, *, progress: Progress | None = None
) -> tuple[FilesFinding, Snapshot | None]:
    """Copy and verify as `snapshot_verified`, but return the finding; the snapshot is None when anything differs.

    Raises: DatasigilError DATA_FOLDER, DISK_FULL, SNAPSHOT_EXISTS, SNAPSHOT_PLACE, SNAPSHOT_FAILED.
    """
    source, dest = Path(source), Path(dest)
    _check_free(dest)
    _check_place(source, dest)
    builder = FindingBuilder()
    with open_tree(source) as tree:
        entries = match_listing(list_tree(tree, manifest.ignored), manifest, builder)
        if builder.failure_counts:  # it will be refused: copying would be in vain
            return builder.finish("all files", manifest.ignored), None

        def copy(part: Path) -> FilesFinding:
            _Copy(tree, part, manifest, builder, Meter(manifest.byte_size, progress)).run(entries)
            return builder.finish("all files", manifest.ignored)

        return _kept_if_whole(manifest, dest, copy)


def snapshot_source(
    manifest: Manifest, source: Source, dest: Path, *, progress: Progress | None = None
) -> tuple[FilesFinding, Snapshot | None]:
    """Copy the members of an archive or a bucket into the new folder `dest`, as `snapshot_files` does the files of a folder.

    Raises: as `snapshot_files` and `check_source`.
    """
    dest = Path(dest)
    _check_free(dest)
    return _kept_if_whole(
        manifest, dest, lambda part: check_source(source, manifest, digest="all", progress=progress, keep=_Target(part).kept)
    )  # fmt: skip


def _kept_if_whole(manifest: Manifest, dest: Path, copy: Callable[[Path], FilesFinding]) -> tuple[FilesFinding, Snapshot | None]:  # fmt: skip
    """Let `copy` fill a new folder, which gets the name `dest` when everything in the manifest is in it, and else goes."""
    _check_room(dest, manifest.byte_size)
    part = _new_folder(dest)
    whole = False
    try:
        finding = copy(part)
        whole = finding.ok and finding.files == manifest.file_count
        if whole:
            _give_name(part, dest)
    finally:
        if not whole or part.exists():
            _remove(part)
    return finding, Snapshot(dest, manifest.digest, finding.files, finding.bytes, finding) if whole else None


class _Target:
    """The folder that a copy grows in; used by several threads at once where a network is read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = {""}

    @contextmanager
    def kept(self, entry: ManifestEntry) -> Iterator[Callable[[memoryview], None]]:
        """Open the place of one file for writing; what an earlier attempt left there goes."""
        with suppress(FileNotFoundError):
            os.unlink(self.place(entry.path))
        writing = self.create(entry.path)
        try:
            yield lambda view: _write(writing, view, entry.path)
            _make_read_only(writing, self.place(entry.path))
        finally:
            os.close(writing)

    def create(self, path: str) -> int:
        """Create a file, and the folders above it."""
        try:
            self._make_folder(folder_of(path))
            return os.open(self.place(path), _CREATE, 0o600)
        except OSError as error:
            raise _copy_error(error, path) from None

    def _make_folder(self, folder: str) -> None:
        if folder in self._folders:
            return
        self._make_folder(folder_of(folder))
        with suppress(FileExistsError):  # another thread was first
            os.mkdir(self.place(folder), 0o700)
        self._folders.add(folder)

    def place(self, path: str) -> str:
        """Return where a path of the manifest lies in the copy."""
        return os.path.join(self._root, *path.split("/"))


class _Copy:
    """One pass over a dataset's files, from an open tree into a folder that nobody else can enter."""

    def __init__(self, tree: Tree, target: Path, manifest: Manifest, builder: FindingBuilder, meter: Meter) -> None:
        self._tree = tree
        self._target = _Target(target)
        self._names = manifest.digests
        self._builder = builder
        self._meter = meter
        self._buffer = new_buffer()

    def run(self, entries: list[ManifestEntry]) -> None:
        """Copy every entry; stop at the first that differs, since the copy is lost with it."""
        for entry in entries:
            chunked = self._names[0] if entry.chunks else ""
            labels = (*self._names, f"{chunked}-chunks") if chunked else self._names
            compare_file(entry, self._copy(entry, chunked), labels, self._builder)
            if self._builder.failure_counts:
                return

    def _copy(self, entry: ManifestEntry, chunked: str) -> FileDigests | FileFailure:
        try:
            reading = self._tree.open(entry.path)
        except OSError as error:
            return opening_failure(self._tree, entry.path, error)
        try:
            writing = self._target.create(entry.path)
            try:
                return self._transfer(entry, chunked, reading, writing)
            finally:
                os.close(writing)
        finally:
            os.close(reading)

    def _transfer(self, entry: ManifestEntry, chunked: str, reading: int, writing: int) -> FileDigests | FileFailure:
        def sink(view: memoryview) -> None:
            _write(writing, view, entry.path)
            self._meter.add(len(view), entry.path)

        try:
            result = stream_digests(reading, self._names, self._buffer, chunked=chunked, limit=entry.size, sink=sink)
        except OSError as error:
            return opening_failure(self._tree, entry.path, error)
        if result.size != entry.size:
            return wrong_size(entry.path, entry.size, os.fstat(reading).st_size)
        _make_read_only(writing, self._target.place(entry.path))
        return result


def _write(descriptor: int, view: memoryview, path: str) -> None:
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise _copy_error(error, path) from None


def _make_read_only(descriptor: int, place: str) -> None:
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o400)
    else:
        os.chmod(place, 0o400)


def _copy_error(error: OSError, path: str) -> DatasigilError:
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return _disk_full(f"the disk is full: {reason}", display_path(path))
    return DatasigilError(
        "SNAPSHOT_FAILED",
        f"the verified copy cannot be written: {reason}",
        place=display_path(path),
        expected="a folder to write to",
        found=reason,
        next_action="choose another place for the copy",
    )


def _disk_full(
    message: str, place: str, expected: str = "room for the verified copy", found: str = ""
) -> DatasigilError:
    return DatasigilError(
        "DISK_FULL",
        message,
        place=place,
        expected=expected,
        found=found,
        next_action="free some space, or choose another place for the copy; nothing was left behind",
    )


def _check_free(dest: Path) -> None:
    if os.path.lexists(dest):
        raise DatasigilError(
            "SNAPSHOT_EXISTS",
            "something lies where the verified copy should go",
            place=display_path(str(dest)),
            expected="a path that does not exist yet",
            next_action="remove it, or choose another place",
        )


def _check_place(source: Path, dest: Path) -> None:
    real, inside = os.path.realpath(source), os.path.realpath(dest.parent)
    if inside == real or inside.startswith(real.rstrip(os.sep) + os.sep):
        raise DatasigilError(
            "SNAPSHOT_PLACE",
            "the verified copy would lie inside the dataset itself",
            place=display_path(str(dest)),
            expected="a place outside the dataset's folder",
            next_action="choose another place for the copy",
        )


def _check_room(dest: Path, needed: int) -> None:
    """Say before copying what would fail after hours; a disk that fills up meanwhile is caught all the same."""
    import shutil

    try:
        dest.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(dest.parent).free
    except OSError as error:
        raise _copy_error(error, str(dest.parent)) from None
    if free < needed:
        raise _disk_full(
            "there is not enough room for the verified copy",
            display_path(str(dest.parent)),
            f"{needed} bytes",
            f"{free} bytes free",
        )


def _new_folder(dest: Path) -> Path:
    part = dest.parent / f".{dest.name}.{os.urandom(6).hex()}.partial"
    try:
        os.mkdir(part, 0o700)
    except OSError as error:
        raise _copy_error(error, str(part)) from None
    return part


def _give_name(part: Path, dest: Path) -> None:
    try:
        os.rename(part, dest)
    except OSError as error:
        raise _copy_error(error, str(dest)) from None


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, onerror=_make_writable_and_retry)


def _make_writable_and_retry(function: Callable[[str], object], path: str, _: object) -> None:
    # Windows keeps read-only files from being removed; elsewhere only a vanished name comes here.
    try:
        os.chmod(path, 0o700)
        function(path)
    except FileNotFoundError:
        return
