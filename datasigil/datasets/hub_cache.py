"""The Hugging Face Hub's cache as it lies on disk: snapshots whose files are links into the repository's own blob store.

Here: finding a snapshot for `hf://ORG/NAME@REV`, and a folder that follows such links and no others. Not here: downloading, environment
variables (the command lines name the cache). Layout: huggingface_hub, "Understand caching" (as of version 2.4):
`datasets--ORG--NAME/{blobs/ETAG, refs/REV, snapshots/COMMIT/FILE -> ../../blobs/ETAG}`.

A link is followed only if it reads exactly `../../blobs/ETAG`, with one `../` more for each folder below the snapshot, and ETAG is a
digest: it is then opened in the blob store itself, where nothing is followed. Every other link stays a link, which a dataset must not hold.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from datasigil.datasets.seen import Seen
from datasigil.datasets.tree import FILE_FLAGS, FOLDER_FLAGS, Names, OpenFolder
from datasigil.errors import DatasigilError

if TYPE_CHECKING:
    from datasigil.datasets.tree import Kind, Look

SCHEME: Final = "hf://"
REF_MAX_BYTES: Final = 200
NOTES: Final = ".cache/huggingface/"
"""Where `hf download --local-dir` keeps its own notes about what it downloaded, beside the files."""

_ETAG: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)
_REPOSITORY: Final = re.compile(r"(?:datasets|models|spaces)--.+", re.ASCII | re.DOTALL)
_REFERENCE: Final = re.compile(
    r"hf://(?:datasets/)?(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95})(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]{0,199}))?\Z",
    re.ASCII,
)
_NOTE: Final = re.compile(
    r"\.cache/huggingface/(?:\.gitignore|CACHEDIR\.TAG|(?:download|upload)/.+\.(?:metadata|lock|incomplete))\Z",
    re.DOTALL,
)


class HubSnapshot:
    """A snapshot in a cache: its folder, the repository's name, and the commit that it is of."""

    __slots__ = ("commit", "folder", "name")

    def __init__(self, folder: Path, name: str, commit: str) -> None:
        self.folder, self.name, self.commit = folder, name, commit

    @property
    def url(self) -> str:
        """The address of the dataset at the Hub."""
        return f"https://huggingface.co/datasets/{self.name}"


def find_snapshot(cache: Path, reference: str) -> HubSnapshot:
    """Return the snapshot that `hf://ORG/NAME@REV` names; without a revision, the one that the cache calls `main`.

    Raises:
        DatasigilError: USAGE, for a malformed reference; NOT_CACHED, with the command that downloads it. No socket is opened.
    """
    match = _REFERENCE.match(reference)
    revision = (match["revision"] if match is not None else "") or "main"
    if match is None or ".." in revision:
        raise DatasigilError(
            "USAGE", "this names no dataset of the Hub", place=reference[:200], expected="hf://ORG/NAME or hf://ORG/NAME@REVISION",
            next_action="the dataset's page shows its name; a commit is the best revision",
        )  # fmt: skip
    name = match["name"]
    repository = cache / f"datasets--{name.replace('/', '--')}"
    commit = revision if _COMMIT.fullmatch(revision) else _read_ref(repository / "refs" / revision)
    folder = repository / "snapshots" / commit
    if not commit or not folder.is_dir():
        raise DatasigilError(
            "NOT_CACHED", "this dataset is not in the Hub's cache on this machine", place=str(folder if commit else repository), expected="a downloaded snapshot",
            next_action=f"hf download --repo-type dataset {name}" + (f" --revision {revision}" if match["revision"] else ""),
        )  # fmt: skip
    return HubSnapshot(folder, name, commit)


def _read_ref(path: Path) -> str:
    """Return the commit that a ref file names, or the empty string."""
    try:
        with path.open("rb") as file:
            text = file.read(REF_MAX_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return text if _COMMIT.fullmatch(text) else ""


def is_note(path: str) -> bool:
    """Tell whether a file is one of the Hub client's own notes beside downloaded files, and no part of a dataset."""
    return path.startswith(NOTES) and _NOTE.match(path) is not None


def is_plain_file(path: Path) -> bool:
    """Tell whether a path is a regular file, or a link of a Hub snapshot into its own blob store."""
    if not path.is_symlink():
        return path.is_file()
    target = re.fullmatch(r"((?:\.\./)+)blobs/([0-9a-f]+)", os.readlink(path))
    if target is None or not _ETAG.fullmatch(target[2]):
        return False
    depth = target[1].count("../")
    snapshot = path.absolute().parents[depth - 2] if depth >= 2 else None
    return snapshot is not None and _is_snapshot(snapshot) and (snapshot.parent.parent / "blobs" / target[2]).is_file()


def _is_snapshot(folder: Path) -> bool:
    parts = Path(os.path.realpath(folder)).parts
    return (
        len(parts) >= 4 and parts[-2] == "snapshots" and _COMMIT.fullmatch(parts[-1]) is not None
        and _REPOSITORY.fullmatch(parts[-3]) is not None
    )  # fmt: skip


def blob_store_of(path: Path, folder: int) -> int | None:
    """Return a descriptor of the blob store that belongs to a snapshot, which the caller closes; None for any other folder.

    `folder` is the descriptor of the folder opened at `path`.
    """
    if not _is_snapshot(path):
        return None
    real, held = os.stat(os.path.realpath(path)), os.fstat(folder)
    if (real.st_dev, real.st_ino) != (held.st_dev, held.st_ino):
        return None
    try:
        return os.open("../../blobs", FOLDER_FLAGS, dir_fd=folder)
    except OSError:
        return None  # a snapshot of copies, without a store


class SnapshotFolder(OpenFolder):
    """A folder of a snapshot, `depth` folders below its root; links into the blob store read as the files that they stand for."""

    def __init__(self, descriptor: int, blobs: int, depth: int = 0) -> None:
        super().__init__(descriptor)
        self.blobs, self.depth = blobs, depth

    def names(self, look: Look | None = None) -> Names:
        """List names by their kinds; see `Folder`."""
        files, listed = super().names()
        looked = [self.stat(name) for name in files] if look is not None else []
        others: list[tuple[str, Kind]] = []
        for name, kind in listed:
            found = self._blob_stat(name) if kind == "link" else None
            if found is None:
                others.append((name, kind))
                continue
            files.append(name)
            if look is not None:
                looked.append(found)
        if look is not None:
            look(Seen.of(looked))
        return Names(files, others)

    def open(self, name: str) -> int:
        """Open a file; see `Folder`."""
        try:
            return super().open(name)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return os.open(self._etag(name), FILE_FLAGS, dir_fd=self.blobs)

    def enter(self, name: str) -> SnapshotFolder:
        """Open a folder; see `Folder`."""
        return SnapshotFolder(super().enter(name).descriptor, os.dup(self.blobs), self.depth + 1)

    def stat(self, name: str) -> os.stat_result:
        """Look at a name; see `Folder`."""
        found = super().stat(name)
        return (self._blob_stat(name) or found) if stat.S_ISLNK(found.st_mode) else found

    def again(self) -> SnapshotFolder:
        """Return an independent handle on the same folder."""
        return SnapshotFolder(os.dup(self.descriptor), os.dup(self.blobs), self.depth)

    def close(self) -> None:
        """Close both descriptors."""
        super().close()
        os.close(self.blobs)

    def _blob_stat(self, name: str) -> os.stat_result | None:
        try:
            found = os.stat(self._etag(name), dir_fd=self.blobs, follow_symlinks=False)
        except OSError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def _etag(self, name: str) -> str:
        """Return the name in the blob store that a link stands for; any other link raises OSError ELOOP."""
        prefix = "../" * (self.depth + 2) + "blobs/"
        target = os.readlink(name, dir_fd=self.descriptor)
        if not target.startswith(prefix) or not _ETAG.fullmatch(target[len(prefix) :]):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        return target[len(prefix) :]
