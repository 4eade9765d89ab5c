"""Making a manifest from what lies in a folder.

Here: `build_manifest`. A manifest describes one state of a folder, so whatever moves while it is made is an error, never
a manifest. Not here: hashing (`engine`), the manifest's form (`entry`, `manifest_parser`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasigil.datasets.engine import HashingRun
from datasigil.datasets.entry import BOTH_DIGESTS, Manifest
from datasigil.datasets.finding import FileFailure, Progress, failure
from datasigil.datasets.manifest_parser import check_choices, check_manifest
from datasigil.datasets.paths import EVIDENCE_FOLDER, check_paths, display_path
from datasigil.datasets.table import DIGEST_BYTES, EntryTable, PathColumn
from datasigil.datasets.tree import Tree, open_tree
from datasigil.datasets.walk import SignatureTable, signatures, walk_tree
from datasigil.datasets.workers import cores
from datasigil.errors import DatasigilError


def build_manifest(
    root: Path,
    *,
    digests: Sequence[str] = BOTH_DIGESTS,
    ignored: Sequence[str] = (EVIDENCE_FOLDER,),
    record_count: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Manifest:
    """Walk `root` and hash every file into a manifest; the folder is listed again at the end and must not have changed.

    `digests` is `("blake3", "sha256")` or `("sha256",)`; `.datasigil/` is always ignored.

    Raises: DatasigilError DATA_FOLDER, EMPTY_DATASET, SYMLINK, SPECIAL_FILE, UNREADABLE, FILE_CHANGED or WORKER_LOST;
    MalformedError PATH, COLLISION, LIMIT or MANIFEST_FORM for names or arguments a manifest cannot hold.
    """
    names = tuple(sorted(set(digests)))
    skipped = tuple(sorted({*ignored, EVIDENCE_FOLDER}))
    check_choices(names, skipped)
    with open_tree(Path(root)) as tree:
        paths = _listed(tree, skipped)
        found = _signatures(tree, paths)
        run = HashingRun(tree, paths, found.sizes, workers=workers or cores(), progress=progress, signatures=found)
        table = _hash_entries(run, paths, found, names)
        _refuse_changes(tree, skipped, paths, found)
    manifest = Manifest(table, names, skipped, record_count=record_count)
    check_manifest(manifest)
    return manifest


def _listed(tree: Tree, ignored: Sequence[str]) -> PathColumn:
    paths = PathColumn()
    failures: list[FileFailure] = []
    for run in walk_tree(tree, ignored, failures):
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
    check_paths(paths, place="")  # now, and not after hours of hashing
    return paths


def _signatures(tree: Tree, paths: Sequence[str]) -> SignatureTable:
    failures: list[FileFailure] = []
    found = signatures(tree, paths, failures)
    _raise_first(failures)
    return found


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


def _hash_entries(run: HashingRun, paths: PathColumn, found: SignatureTable, names: tuple[str, ...]) -> EntryTable:
    table = EntryTable(blake3="blake3" in names)
    table.paths, table.sizes = paths, found.sizes
    columns = {name: bytearray(len(paths) * DIGEST_BYTES) for name in names}
    table.sha256, table.blake3 = columns["sha256"], columns.get("blake3")
    failures: list[FileFailure] = []
    for batch in run.batches(names):
        failures += batch.failures.values()
        for name in names:
            _place(columns[name], run.small[batch.start : batch.stop], batch.digests[name])
    for index, result in run.large(names, names[0]):  # sorted: BLAKE3 chunks where the manifest has BLAKE3
        if isinstance(result, FileFailure):
            failures.append(result)
            continue
        for name in names:
            _place(columns[name], (index,), result.digests[name])
        if result.chunks is not None:
            table.chunks[index] = result.chunks
    _raise_first(failures)
    return table


def _place(column: bytearray, indexes: Sequence[int], digests: bytes) -> None:
    """Put digests, 32 bytes each, where the files at `indexes`, which rise, have theirs."""
    if indexes[-1] - indexes[0] == len(indexes) - 1:
        column[indexes[0] * DIGEST_BYTES : (indexes[-1] + 1) * DIGEST_BYTES] = digests
        return
    for at, index in enumerate(indexes):
        column[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES] = digests[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES]


def _refuse_changes(tree: Tree, ignored: Sequence[str], paths: PathColumn, before: SignatureTable) -> None:
    """List the folder once more: a manifest describes one state, not a mixture of two."""
    again = PathColumn()
    failures: list[FileFailure] = []
    strange: list[str] = []
    for run in walk_tree(tree, ignored, failures):
        try:
            again.extend(run)
        except UnicodeEncodeError:
            strange += run
    _raise_first(failures)
    if strange or again.text != paths.text:
        differing = (set(again) | set(strange)) ^ set(paths)
        _raise_first(
            [failure("FILE_CHANGED", path, "it came or went while the folder was hashed") for path in differing]
        )
    after = _signatures(tree, paths)
    if after != before:
        _raise_first(
            [
                failure("FILE_CHANGED", path, "it changed while the folder was hashed")
                for path, one, two in zip(paths, before, after, strict=True)
                if one != two
            ]
        )
