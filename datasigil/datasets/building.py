"""Making a manifest from what lies in a folder.

Here: `build_manifest`. A manifest describes one state of a folder, so whatever moves while it is made is an error, never
a manifest. Not here: hashing (`engine`), the manifest's form (`entry`, `manifest_parser`).
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from datasigil.datasets.engine import HashingRun
from datasigil.datasets.entry import BOTH_DIGESTS, Manifest
from datasigil.datasets.finding import FileFailure, Progress, failure
from datasigil.datasets.limits import BRIEF_BYTES_MAX
from datasigil.datasets.manifest_parser import check_choices, check_manifest
from datasigil.datasets.paths import EVIDENCE_FOLDER, check_paths, display_path
from datasigil.datasets.table import EntryTable, PathColumn, select
from datasigil.datasets.tree import Tree, open_tree
from datasigil.datasets.walk import SignatureTable, walk_tree
from datasigil.datasets.workers import cores
from datasigil.errors import DatasigilError


class Memory(Protocol):
    """What earlier runs hashed; the publisher's command line has one. A verifier has none."""

    def load(self, digests: Sequence[str], ignored: Sequence[str]) -> Recollection | None:
        """Return the last run over this folder that was made with the same choices, or None."""

    def store(self, manifest: Manifest, signatures: SignatureTable, started_ns: int) -> None:
        """Remember a run that began at `started_ns`, and enter the manifest's digest and root, which it computes on the way."""

    def is_settled(self, found: SignatureTable, started_ns: int) -> bool:
        """Tell whether all that was seen, folders too, was as it was seen already when the run began at `started_ns`."""


class Recollection(Protocol):
    """One earlier run over the same folder."""

    def unchanged(self, paths: PathColumn, found: SignatureTable) -> Manifest | None:
        """Return the manifest that came of it when nothing at all has changed since, or None."""

    def has_paths(self, paths: PathColumn) -> bool:
        """Tell whether its paths were exactly these."""

    def take_over(self, table: EntryTable, paths: PathColumn, found: SignatureTable) -> Iterable[range]:
        """Copy into `table` what is known of the files that are as they were; yield their indexes, rising, in runs."""


def build_manifest(
    root: Path,
    *,
    digests: Sequence[str] = BOTH_DIGESTS,
    ignored: Sequence[str] = (EVIDENCE_FOLDER,),
    record_count: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    memory: Memory | None = None,
) -> Manifest:
    """Walk `root` and hash every file into a manifest; the folder is listed again at the end and must not have changed.

    `digests` is `("blake3", "sha256")` or `("sha256",)`; `.datasigil/` is always ignored. With `memory`, a file that is as it
    was when it was hashed before is not read again, and a folder in which little was edited, and that a while ago, is not
    listed again either: the manifest describes the moment at which the run began.

    Raises: DatasigilError DATA_FOLDER, EMPTY_DATASET, SYMLINK, SPECIAL_FILE, UNREADABLE, FILE_CHANGED or WORKER_LOST;
    MalformedError PATH, COLLISION, LIMIT or MANIFEST_FORM for names or arguments a manifest cannot hold.
    """
    names = tuple(sorted(set(digests)))
    skipped = tuple(sorted({*ignored, EVIDENCE_FOLDER}))
    check_choices(names, skipped)
    started = time.time_ns()
    before = memory.load(names, skipped) if memory is not None else None
    with open_tree(Path(root)) as tree:
        paths, found = _listed(tree, skipped)
        if before is not None and (same := before.unchanged(paths, found)) is not None:
            return _with_records(same, record_count)
        if before is None or not before.has_paths(paths):
            check_paths(paths, place="")  # now, and not after hours of hashing
        table = EntryTable.blank(paths, found.sizes, blake3="blake3" in names)
        left = _take_over(before, table, paths, found) if before is not None else range(len(paths))
        run = HashingRun(
            tree,
            select(paths, left),
            select(found.sizes, left),
            workers=workers or cores(),
            progress=progress,
            signatures=select(found, left),
        )
        _hash_entries(run, left, table, names)
        # What is a moment's work over files that have kept still since before it began describes that beginning. Else it is looked at again.
        brief = before is not None and sum(select(found.sizes, left)) <= BRIEF_BYTES_MAX
        if not (brief and memory is not None and memory.is_settled(found, started)):
            _refuse_changes(tree, skipped, paths, found)
    manifest = Manifest(table, names, skipped)
    check_manifest(manifest, paths_checked=True)
    if memory is not None:
        memory.store(manifest, found, started)
    return _with_records(manifest, record_count)


def _with_records(manifest: Manifest, count: int | None) -> Manifest:
    if count is None:
        return manifest
    counted = manifest.with_record_count(count)
    check_manifest(counted, paths_checked=True)
    return counted


def _listed(tree: Tree, ignored: Sequence[str]) -> tuple[PathColumn, SignatureTable]:
    paths, found = PathColumn(), SignatureTable()
    failures: list[FileFailure] = []
    for run in walk_tree(tree, ignored, failures, found):
        try:
            paths.extend(run)
        except UnicodeEncodeError:
            check_paths(run, place="")  # names the one that is not UTF-8
            raise
    _raise_first(failures)
    if not paths:
        raise DatasigilError(
            "EMPTY_DATASET",
            "the folder holds no file",
            place=display_path(str(tree.path)),
            expected="at least one file that is not ignored",
            next_action="name the folder that holds the dataset's files",
        )
    return paths, found


def _take_over(before: Recollection, table: EntryTable, paths: PathColumn, found: SignatureTable) -> Sequence[int]:
    """Copy the digests of files that are as they were; return the indexes of the others."""
    left, next_one = array("L"), 0
    for some in before.take_over(table, paths, found):
        left.extend(range(next_one, some.start))
        next_one = some.stop
    left.extend(range(next_one, len(paths)))
    return left


def _raise_first(failures: Sequence[FileFailure]) -> None:
    if not failures:
        return
    first = min(failures, key=lambda one: one.path)
    others = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    raise DatasigilError(
        first.code,
        first.message + others,
        place=display_path(first.path),
        expected=first.expected,
        found=first.found,
        next_action=_ADVICE[first.code],
    )


_ADVICE = {
    "SYMLINK": "replace the link by the file it points to, or ignore it",
    "SPECIAL_FILE": "remove it from the folder, or ignore it",
    "UNREADABLE": "make the file readable for you, or ignore it",
    "FILE_CHANGED": "stop whatever writes to the folder, then run the command again",
}


def _hash_entries(run: HashingRun, left: Sequence[int], table: EntryTable, names: tuple[str, ...]) -> None:
    """Hash what `run` holds and enter the digests; `left` says which entry each of its files is."""
    small = select(left, run.small)
    failures: list[FileFailure] = []
    for batch in run.batches(names):
        failures += batch.failures.values()
        for name in names:
            table.place_digests(name, small[batch.start : batch.stop], batch.digests[name])
    for number, result in run.large(names, names[0]):  # sorted: BLAKE3 chunks where the manifest has BLAKE3
        if isinstance(result, FileFailure):
            failures.append(result)
            continue
        for name in names:
            table.place_digests(name, left[number : number + 1], result.digests[name])
        if result.chunks is not None:
            table.chunks[left[number]] = result.chunks
    _raise_first(failures)


def _refuse_changes(tree: Tree, ignored: Sequence[str], paths: PathColumn, before: SignatureTable) -> None:
    """List the folder once more: a manifest describes one state, not a mixture of two."""
    failures: list[FileFailure] = []
    at, differing, changed = 0, set[str](), list[str]()
    after = SignatureTable()
    for run in walk_tree(tree, ignored, failures, after):
        some = slice(at, at + len(run))
        if paths[some] != run:
            differing.symmetric_difference_update(paths[some])
            differing.symmetric_difference_update(run)
        elif after != (expected := before.run(some)):
            changed += [path for path, one, two in zip(run, expected, after, strict=True) if one != two]
        at += len(run)
        after.clear()
    differing.symmetric_difference_update(paths[at:])
    _raise_first(failures)
    _raise_first([failure("FILE_CHANGED", path, "it came or went while the folder was hashed") for path in differing])
    _raise_first([failure("FILE_CHANGED", path, "it changed while the folder was hashed") for path in changed])
