"""Listing what lies in a dataset's folder: names and kinds, nothing followed, nothing opened but folders.

Here: `list_tree`. Not here: which of the files belong to the dataset (`files`), their bytes (`hashing`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from datasigil.datasets.finding import FileFailure, failure
from datasigil.datasets.limits import ENTRIES_MAX, PATH_BYTES_MAX
from datasigil.datasets.tree import Tree, opening_failure
from datasigil.errors import DatasigilError
from datasigil.record import dataclass, field


class Signature(NamedTuple):
    """What of a file changes when its bytes do; permissions and times of access are not looked at."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Signature:
        """Take the signature out of a stat result."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


@dataclass(slots=True)
class Listing:
    """What a walk saw: regular files in no particular order, and what a dataset must not hold."""

    files: list[str] = field(default_factory=list)
    failures: list[FileFailure] = field(default_factory=list)


def list_tree(tree: Tree, ignored: Sequence[str]) -> Listing:
    """List every regular file below the tree's root but what `ignored` names; links and special files are failures.

    An ignored folder is not entered. Empty folders are fine. Names are taken as they are: no path rule is checked.

    Raises: DatasigilError LIMIT when there are more files than a manifest can list.
    """
    listing = Listing()
    skipped = frozenset(ignored)
    pending = [""]
    while pending:
        folder = pending.pop()
        prefix = f"{folder}/" if folder else ""
        try:
            names = tree.folder(folder).names()
        except OSError as error:
            listing.failures.append(opening_failure(tree, folder or ".", error))
            continue
        for name, kind in names:
            path = prefix + name
            if kind == "file":
                if path not in skipped:
                    listing.files.append(path)
            elif kind == "folder":
                if f"{path}/" not in skipped:
                    pending.append(path)
            else:
                listing.failures.append(_refused(path, kind))
        _check_bounds(listing, prefix)
    return listing


def _refused(path: str, kind: str) -> FileFailure:
    if kind == "link":
        return failure(
            "SYMLINK", path, "it is a link, which a dataset must not hold", expected="a regular file", found="a link"
        )
    return failure(
        "SPECIAL_FILE",
        path,
        "it is a device, pipe or socket, which a dataset must not hold",
        expected="a regular file",
        found="a special file",
    )


def _check_bounds(listing: Listing, prefix: str) -> None:
    if len(listing.files) + len(listing.failures) > 2 * ENTRIES_MAX or len(prefix) > 4 * PATH_BYTES_MAX:
        raise DatasigilError(
            "LIMIT",
            "the folder holds more files, or deeper ones, than a manifest can list",
            expected=f"at most {ENTRIES_MAX} files with paths of at most {PATH_BYTES_MAX} bytes",
            next_action="check that you named the dataset's own folder",
        )


def signatures(tree: Tree, paths: Sequence[str]) -> list[Signature | FileFailure]:
    """Look at each file once, without opening it, and return its signature or why there is none."""
    found: list[Signature | FileFailure] = []
    for path in paths:
        try:
            found.append(Signature.of(tree.stat(path)))
        except OSError as error:
            found.append(opening_failure(tree, path, error))
    return found
