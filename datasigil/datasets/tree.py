"""An opened dataset folder, through which nothing outside it can be read.

Here: listing and opening names relative to a folder that is already open, never following a link. Where the platform has
`openat` with `O_NOFOLLOW` (Linux, macOS) a name swapped for a link between listing and opening is refused by the
kernel; elsewhere (Windows) names are looked at before and after opening, and must stay the same file.
Not here: which files a dataset should have (`walk`, `files`), hashing (`hashing`).
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

from datasigil.datasets.finding import FileFailure, failure
from datasigil.datasets.paths import display_path
from datasigil.datasets.seen import LOOKED_AT_ONCE, Seen, look_at
from datasigil.errors import DatasigilError

Kind = Literal["file", "folder", "link", "special", "gone"]
Look = Callable[[Seen], None]
"""Is handed what was seen of files, in the order in which they are listed."""

HAS_OPENAT: Final = (
    os.open in os.supports_dir_fd
    and os.stat in os.supports_dir_fd
    and os.scandir in os.supports_fd
    and hasattr(os, "O_NOFOLLOW")
    and hasattr(os, "O_DIRECTORY")
)
_BASE = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# O_NONBLOCK: a name swapped for a pipe must not stop the run; regular files ignore it.
FILE_FLAGS: Final = _BASE | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
FOLDER_FLAGS: Final = _BASE | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0)
_REPARSE_POINT: Final = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT: links and junctions on Windows


class Names(NamedTuple):
    """What lies in a folder: the names of its files, and of everything else with what it is."""

    files: list[str]
    others: list[tuple[str, Kind]]


class Folder(Protocol):
    """One open folder."""

    def names(self, look: Look | None = None) -> Names:
        """List what lies in the folder; the kind comes from the listing and may be out of date at once.

        With `look`, every file is looked at too; one that cannot be is listed as gone.
        """

    def open(self, name: str) -> int:
        """Open a file for reading and return its descriptor; a link raises OSError ELOOP."""

    def enter(self, name: str) -> Folder:
        """Open a folder in this folder; a link raises OSError ELOOP or ENOTDIR."""

    def stat(self, name: str) -> os.stat_result:
        """Look at a name without following a link."""

    def changed_ns(self) -> int:
        """Return when a name in the folder last came, went or changed, in Unix time; now, where nobody can tell."""

    def close(self) -> None:
        """Let go of the folder."""


class OpenFolder:
    """A folder held by a descriptor: what happens to its name no longer matters."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def names(self, look: Look | None = None) -> Names:
        """List names by their kinds; see `Folder`."""
        with os.scandir(self.descriptor) as found:
            if look is None:
                return _sorted_out(found)
            return _look_at(found, self, look)

    def open(self, name: str) -> int:
        """Open a file; see `Folder`."""
        return os.open(name, FILE_FLAGS, dir_fd=self.descriptor)

    def enter(self, name: str) -> OpenFolder:
        """Open a folder; see `Folder`."""
        return OpenFolder(os.open(name, FOLDER_FLAGS, dir_fd=self.descriptor))

    def stat(self, name: str) -> os.stat_result:
        """Look at a name; see `Folder`."""
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def changed_ns(self) -> int:
        """Return when the folder last changed; see `Folder`."""
        return os.fstat(self.descriptor).st_ctime_ns

    def again(self) -> OpenFolder:
        """Return an independent handle on the same folder."""
        return OpenFolder(os.dup(self.descriptor))

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


class NamedFolder:
    """A folder known by its path, for platforms without `openat`; each opening is checked against a look before it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def names(self, look: Look | None = None) -> Names:
        """List names by their kinds; see `Folder`."""
        with os.scandir(self.path) as found:
            if look is None:
                return _sorted_out(found)
            return _look_at(found, self, look)

    def open(self, name: str) -> int:
        """Open a file; see `Folder`."""
        before = self.stat(name)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        descriptor = os.open(os.path.join(self.path, name), FILE_FLAGS)
        after = os.fstat(descriptor)
        if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino):
            os.close(descriptor)
            raise OSError(errno.ELOOP, "another file took its place", name)
        return descriptor

    def enter(self, name: str) -> NamedFolder:
        """Open a folder; see `Folder`."""
        if not stat.S_ISDIR(self.stat(name).st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
        return NamedFolder(os.path.join(self.path, name))

    def stat(self, name: str) -> os.stat_result:
        """Look at a name; a reparse point counts as a link. See `Folder`."""
        found = os.lstat(os.path.join(self.path, name))
        if getattr(found, "st_file_attributes", 0) & _REPARSE_POINT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        return found

    def changed_ns(self) -> int:
        """Return the time of now: Windows keeps no time of change. See `Folder`."""
        return time.time_ns()

    def close(self) -> None:
        """Nothing is held."""


_IS_WINDOWS: Final = os.name == "nt"


def _kind(entry: os.DirEntry[str]) -> Kind:
    if _IS_WINDOWS and getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0) & _REPARSE_POINT:
        return "link"
    if entry.is_file(follow_symlinks=False):
        return "file"
    if entry.is_symlink():
        return "link"
    return "folder" if entry.is_dir(follow_symlinks=False) else "special"


def _sorted_out(found: Iterator[os.DirEntry[str]]) -> Names:
    entries = list(found)
    if _IS_WINDOWS:
        files = [entry.name for entry in entries if _kind(entry) == "file"]
    else:
        files = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    if len(files) == len(entries):
        return Names(files, [])
    return Names(files, [(entry.name, kind) for entry in entries if (kind := _kind(entry)) != "file"])


def _look_at(found: Iterator[os.DirEntry[str]], folder: OpenFolder | NamedFolder, look: Look) -> Names:
    """List names by their kinds, and hand over what is seen of the files, some thousand at a time."""
    names: list[str] = []
    listed: list[tuple[str, Kind]] = []
    while some := list(islice(found, LOOKED_AT_ONCE)):
        # A folder that fits comes out in order, which spares its columns a sorting; a larger one is put in order later.
        files = sorted([entry.name for entry in some if entry.is_file(follow_symlinks=False)])
        if _IS_WINDOWS:
            files = sorted([entry.name for entry in some if _kind(entry) == "file"])
        if len(files) < len(some):
            listed += [(entry.name, kind) for entry in some if (kind := _kind(entry)) != "file"]
        seen = look_at(folder.descriptor, files) if isinstance(folder, OpenFolder) else None
        if seen is None:
            files, seen = _look_one_by_one(files, folder, listed)
        look(seen)
        names += files
    return Names(names, listed)


def _look_one_by_one(files: list[str], folder: Folder, listed: list[tuple[str, Kind]]) -> tuple[list[str], Seen]:
    """Return the files that are still there, and what is seen of them; the others are listed as gone."""
    here, seen = [], []
    for name in files:
        try:
            seen.append(folder.stat(name))
            here.append(name)
        except OSError:
            listed.append((name, "gone"))
    return here, Seen.of(seen)


class Tree:
    """A dataset's root folder, and the chain of open folders down to the one last used.

    Not for use by two threads at once: each reader `clone`s it.
    """

    def __init__(self, root: Folder, path: Path) -> None:
        self.path = path
        self._chain: list[tuple[str, Folder]] = [("", root)]
        self._current = ""
        self._folder = root

    def open(self, path: str) -> int:
        """Open the file at `path` (relative, '/') and return its descriptor. Raises: OSError; a link is ELOOP or ENOTDIR."""
        folder, _, name = path.rpartition("/")
        if folder != self._current:
            self.folder(folder)
        return self._folder.open(name)

    def stat(self, path: str) -> os.stat_result:
        """Look at `path` without following a link in any of its segments. Raises: OSError."""
        folder, _, name = path.rpartition("/")
        if folder != self._current:
            self.folder(folder)
        return self._folder.stat(name)

    def folder(self, path: str) -> Folder:
        """Return the open folder at `path`, walking down from the nearest one that is open already. Raises: OSError."""
        segments = path.split("/") if path else []
        keep = 0
        while keep < len(segments) and keep + 1 < len(self._chain) and self._chain[keep + 1][0] == segments[keep]:
            keep += 1
        self._leave(keep + 1)
        for segment in segments[keep:]:
            self._chain.append((segment, self._chain[-1][1].enter(segment)))
        self._current, self._folder = path, self._chain[-1][1]
        return self._folder

    def clone(self) -> Tree:
        """Return an independent handle on the same root folder."""
        root = self._chain[0][1]
        if isinstance(root, OpenFolder):
            return Tree(root.again(), self.path)
        return Tree(root, self.path)

    def close(self) -> None:
        """Close every folder this handle holds."""
        self._leave(0)

    def _leave(self, keep: int) -> None:
        while len(self._chain) > keep:
            self._chain.pop()[1].close()
        # A walk that fails half-way must not leave a name pointing to a closed folder.
        if self._chain:
            self._current = "/".join(name for name, _ in self._chain[1:])
            self._folder = self._chain[-1][1]


@contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """Open the dataset folder at `path`; a link at the very top is followed, since the user named it.

    Raises: DatasigilError DATA_FOLDER when it is no folder or cannot be opened.
    """
    try:
        if HAS_OPENAT:
            root: Folder = _opened(path)
        else:
            os.scandir(path).close()
            root = NamedFolder(os.path.realpath(path))
    except OSError as error:
        raise DatasigilError(
            "DATA_FOLDER",
            f"the dataset's folder {display_path(str(path))} cannot be opened: {error.strerror}",
            place=display_path(str(path)),
            expected="a folder that you may list",
            found=error.strerror or type(error).__name__,
            next_action="name the folder that holds the dataset's files",
        ) from None
    tree = Tree(root, path)
    try:
        yield tree
    finally:
        tree.close()


def _opened(path: Path) -> OpenFolder:
    """Open a folder; a snapshot in the Hub's cache comes with its repository's own blob store, into which its links lead."""
    descriptor = os.open(path, _BASE | os.O_DIRECTORY)
    if "snapshots" not in os.path.realpath(path):
        return OpenFolder(descriptor)
    from datasigil.datasets.hub_cache import SnapshotFolder, blob_store_of

    blobs = blob_store_of(path, descriptor)
    return OpenFolder(descriptor) if blobs is None else SnapshotFolder(descriptor, blobs)


def opening_failure(tree: Tree, path: str, error: OSError) -> FileFailure:
    """Turn the error of opening or reading `path` into the failure a report shows."""
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return _swapped(tree, path)
    if isinstance(error, FileNotFoundError):
        return failure("FILE_CHANGED", path, "it was there when the folder was listed and is gone")
    if error.errno in {errno.ENXIO, errno.ENODEV, errno.ESPIPE}:
        return failure("SPECIAL_FILE", path, "it is no regular file", expected="a regular file")
    reason = error.strerror or type(error).__name__
    return failure("UNREADABLE", path, f"it cannot be read: {reason}", expected="a readable file", found=reason)


def _swapped(tree: Tree, path: str) -> FileFailure:
    """Say which segment of `path` is no longer what the listing showed; a link unless proven otherwise."""
    segments = path.split("/")
    for depth in range(1, len(segments) + 1):
        part = "/".join(segments[:depth])
        try:
            found = tree.stat(part).st_mode
        except OSError:
            break
        if stat.S_ISLNK(found):
            why = f"{display_path(part)} is a link, and links are never followed"
            return failure("SYMLINK", path, why, expected="a regular file below real folders", found="a link")
        if depth < len(segments) and not stat.S_ISDIR(found):
            return failure("FILE_CHANGED", path, f"{display_path(part)} was a folder when listed and is none now")
    why = "a link took the place of what was listed, and links are never followed"
    return failure("SYMLINK", path, why, expected="a regular file below real folders", found="a link")
