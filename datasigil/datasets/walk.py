"""Listing what lies in a dataset's folder: names and kinds, nothing followed, nothing opened but folders.

Here: `walk_tree`, which goes through a folder in the order of a manifest and holds no more of it than one folder's names,
and `list_tree`, which gathers it all. Not here: which of the files belong to the dataset (`files`), their bytes (`hashing`).
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

from datasigil.datasets.finding import FileFailure, failure
from datasigil.datasets.limits import ENTRIES_MAX, PATH_BYTES_MAX
from datasigil.datasets.seen import NANOSECONDS, Seen
from datasigil.datasets.tree import Names, Tree, opening_failure
from datasigil.errors import DatasigilError
from datasigil.record import dataclass, field


class Signature(NamedTuple):
    """What of a file changes when its bytes do; times of access are not looked at."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Signature:
        """Take the signature out of a stat result."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


class SignatureTable(Seen, Sequence[Signature]):
    """Signatures as columns; `folders_changed` is when the youngest of the folders listed for it last changed, in Unix nanoseconds."""

    __slots__ = ("folders_changed",)

    def __init__(self) -> None:
        super().__init__()
        self.folders_changed = 0

    def add(self, seen: Seen) -> None:
        """Add what was seen of some files."""
        for name in self.COLUMNS:
            getattr(self, name).extend(getattr(seen, name))

    def extend(self, others: SignatureTable, order: Sequence[int]) -> None:
        """Add those of `others` that `order` names."""
        for name in self.COLUMNS:
            column = getattr(others, name)
            if isinstance(order, range):  # all in a row
                getattr(self, name).extend(column[order.start : order.stop])
            else:
                getattr(self, name).extend(map(column.__getitem__, order))

    def changed_before(self, time_ns: int) -> Iterator[bool]:
        """Yield of each file whether its time of change lies before a Unix time in nanoseconds."""
        return map(divmod(time_ns, NANOSECONDS).__gt__, zip(self.changed, self.changed_ns, strict=True))

    def clear(self) -> None:
        """Forget all of them."""
        for name in self.COLUMNS:
            del getattr(self, name)[:]

    def run(self, some: slice) -> SignatureTable:
        """Return a copy of some of them."""
        table = SignatureTable()
        for name in self.COLUMNS:
            setattr(table, name, getattr(self, name)[some])
        return table

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> Signature: ...
    @overload
    def __getitem__(self, index: slice) -> list[Signature]: ...
    def __getitem__(self, index: int | slice) -> Signature | list[Signature]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        return Signature(
            self.sizes[index],
            self.modified[index] * NANOSECONDS + self.modified_ns[index],
            self.changed[index] * NANOSECONDS + self.changed_ns[index],
            self.inodes[index],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SignatureTable) and all(
            getattr(self, name) == getattr(other, name) for name in self.COLUMNS
        )

    __hash__ = None  # type: ignore[assignment]  # it can grow


@dataclass(slots=True)
class Listing:
    """What a walk saw: regular files in the order of a manifest, and what a dataset must not hold."""

    files: list[str] = field(default_factory=list)
    failures: list[FileFailure] = field(default_factory=list)


def list_tree(tree: Tree, ignored: Sequence[str]) -> Listing:
    """List every regular file below the tree's root but what `ignored` names; links and special files are failures.

    An ignored folder is not entered. Empty folders are fine. Names are taken as they are: no path rule is checked.

    Raises: DatasigilError LIMIT when there are more files than a manifest can list.
    """
    listing = Listing()
    for files in walk_tree(tree, ignored, listing.failures):
        listing.files += files
    return listing


def walk_tree(
    tree: Tree, ignored: Sequence[str], failures: list[FileFailure], signatures: SignatureTable | None = None
) -> Iterator[list[str]]:
    """Yield the paths that `list_tree` lists, some at a time, in the order of a manifest; failures go to `failures`.

    With `signatures`, each file is looked at as well, without opening it: they are added before its path is yielded.
    While it runs, `tree` must not be used for anything else.

    Raises: as `list_tree`.
    """
    skipped = frozenset(ignored)
    count = 0
    # What is still to be done, last first: a run of files with their signatures, or a folder to enter.
    pending: list[_Run | str] = [""]
    while pending:
        doing = pending.pop()
        if isinstance(doing, _Run):
            count += len(doing.paths)
            if signatures is not None:
                signatures.extend(doing.signatures, doing.order)
            yield doing.paths
            continue
        prefix = f"{doing}/" if doing else ""
        looked = SignatureTable()
        try:
            folder = tree.folder(doing)
            names = folder.names(None if signatures is None else looked.add)
            if signatures is not None:  # after the listing, so that what went before it was listed shows
                signatures.folders_changed = max(signatures.folders_changed, folder.changed_ns())
        except OSError as error:
            failures.append(opening_failure(tree, doing or ".", error))
            continue
        pending += reversed(list(_in_order(prefix, names, skipped, failures, looked)))
        _check_bounds(count + len(names.files) + len(names.others) + len(failures), prefix)


class _Run(NamedTuple):
    """Files that stand together, and where each one's signature is among those of its folder."""

    paths: list[str]
    signatures: SignatureTable
    order: Sequence[int]


def _in_order(
    prefix: str,
    names: Names,
    skipped: frozenset[str],
    failures: list[FileFailure],
    looked: SignatureTable,
) -> Iterator[_Run | str]:
    """Yield a folder's files in runs, and between them its folders, as the bytes of their paths would stand."""
    in_order = sorted(names.files)
    order: Sequence[int] = ()
    if looked:
        listed = names.files
        order = range(len(listed)) if in_order == listed else sorted(range(len(listed)), key=listed.__getitem__)
    files = [prefix + name for name in in_order]
    if skipped and not skipped.isdisjoint(files):
        order = [at for at, path in zip(order, files, strict=False) if path not in skipped]
        files = [path for path in files if path not in skipped]
    folders = []
    for name, kind in names.others:
        if kind == "folder":
            if f"{prefix}{name}/" not in skipped:
                folders.append(f"{prefix}{name}/")
        else:
            failures.append(_refused(prefix + name, kind))
    start = 0
    for folder in sorted(folders):
        stop = bisect_left(files, folder, start)
        if stop > start:
            yield _Run(files[start:stop], looked, order[start:stop])
        yield folder[:-1]
        start = stop
    if start < len(files):
        yield _Run(files[start:], looked, order[start:])


def _refused(path: str, kind: str) -> FileFailure:
    if kind == "gone":
        return failure("FILE_CHANGED", path, "it was there when the folder was listed and is gone")
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


def _check_bounds(count: int, prefix: str) -> None:
    if count > 2 * ENTRIES_MAX or len(prefix) > 4 * PATH_BYTES_MAX:
        raise DatasigilError(
            "LIMIT",
            "the folder holds more files, or deeper ones, than a manifest can list",
            expected=f"at most {ENTRIES_MAX} files with paths of at most {PATH_BYTES_MAX} bytes",
            next_action="check that you named the dataset's own folder",
        )
