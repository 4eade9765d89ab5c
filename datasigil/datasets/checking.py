"""Checking a folder against a manifest.

Here: `check_files`: which files are there, which are not, and whether their bytes are the stated ones. Not here: the
manifest's form and the claim about it (`manifest`), hashing (`engine`), the verdict (`verification`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, cast

from datasigil.datasets.engine import HashingRun
from datasigil.datasets.entry import Manifest, ManifestEntry
from datasigil.datasets.finding import FileFailure, FilesFinding, FindingBuilder, Progress, failure
from datasigil.datasets.hashing import FileDigests, new_buffer
from datasigil.datasets.hub_cache import is_note
from datasigil.datasets.limits import FAILURES_KEPT
from datasigil.datasets.paths import display_path, fold, folder_of, not_nfc, path_problem
from datasigil.datasets.small import Batch, BatchReader, Job, file_changed
from datasigil.datasets.table import EntryTable, PathColumn, Selection, select
from datasigil.datasets.tree import Tree, open_tree
from datasigil.datasets.walk import Listing, walk_tree
from datasigil.datasets.workers import cores
from datasigil.errors import DatasigilError
from datasigil.record import dataclass

DigestChoice = Literal["default", "sha256", "blake3", "all"]
"""Which digests a check computes: the cheapest that establishes the bytes, a named one of whole files, or all there are."""


def check_files(
    root: Path,
    manifest: Manifest,
    *,
    partial: bool = False,
    digest: DigestChoice = "default",
    progress: Progress | None = None,
    workers: int | None = None,
) -> FilesFinding:
    """Compare the folder `root` with `manifest` and say what was established; the manifest itself is taken as good.

    `partial` permits missing files, never others. `digest` says what is computed: `default` takes BLAKE3 where the
    manifest has it and the chunk tree of large files; `sha256` and `blake3` that digest of every whole file; `all`
    everything the manifest states, where agreement of some and not all is MANIFEST_EQUIVOCATION.

    Raises: DatasigilError DATA_FOLDER, DIGEST_ABSENT (the manifest lacks the digest asked for), LIMIT or WORKER_LOST.
    Every difference is a failure in the finding, never an exception.
    """
    plan = DigestPlan.of(manifest, digest)
    builder = FindingBuilder()
    table = EntryTable.of(manifest.entries, manifest.digests)
    with open_tree(Path(root)) as tree:
        here = match_tree(tree, manifest, builder, partial=partial)
        run = HashingRun(
            tree, select(table.paths, here), select(table.sizes, here), workers=workers or cores(), progress=progress
        )
        small = select(here, run.small)
        for batch in run.batches(plan.small):
            _compare_batch(batch, Selection(table, small[batch.start : batch.stop]), builder, tree)
        for index, result in run.large(plan.large, plan.chunked):
            compare_file(table[here[index]], result, plan.large_labels, builder)
    if partial and not builder.files and not builder.failure_counts:
        builder.failed(failure("FILE_MISSING", ".", "none of the manifest's files is in this folder"))
    return builder.finish("part" if partial else "all files", manifest.ignored)


@dataclass(frozen=True, slots=True)
class DigestPlan:
    """Which digests a check computes for small files and for large ones; `chunked` is the chunk tree's digest or empty."""

    small: tuple[str, ...]
    large: tuple[str, ...]
    chunked: str

    @classmethod
    def of(cls, manifest: Manifest, choice: DigestChoice) -> DigestPlan:
        """Return the plan for one manifest and choice. Raises: DatasigilError DIGEST_ABSENT."""
        best = manifest.digests[0]  # sorted: BLAKE3 where the manifest has it
        if choice == "default":
            return cls((best,), (), best)
        if choice == "all":
            return cls(manifest.digests, manifest.digests, best)
        if choice not in manifest.digests:
            raise DatasigilError(
                "DIGEST_ABSENT",
                f"the manifest states no {choice} digests",
                expected=f"one of {', '.join(manifest.digests)}",
                found=choice,
                next_action="ask for a digest that the manifest has",
            )
        return cls((choice,), (choice,), "")

    def of_entry(self, entry: ManifestEntry) -> tuple[tuple[str, ...], str]:
        """Return the digests of the whole file, and that of its chunk tree or the empty string."""
        return (self.large, self.chunked) if entry.chunks is not None else (self.small, "")

    def labels(self, entry: ManifestEntry) -> tuple[str, ...]:
        """Return what a match of this file establishes."""
        return self.large_labels if entry.chunks is not None else self.small

    def agrees(self, entry: ManifestEntry, result: FileDigests) -> bool:
        """Tell whether all that was computed is what the entry says."""
        return _agreeing(entry, result) == len(self.labels(entry))

    @property
    def large_labels(self) -> tuple[str, ...]:
        """Return what a match of a large file establishes."""
        return (*self.large, f"{self.chunked}-chunks") if self.chunked else self.large


def match_tree(tree: Tree, manifest: Manifest, builder: FindingBuilder, *, partial: bool = False) -> Sequence[int]:
    """Walk a folder beside its manifest; return the indexes of the entries that are there, and enter the failures.

    Both stand in one order, so that neither is held in memory a second time.
    """
    failures: list[FileFailure] = []
    return match_runs(walk_tree(tree, manifest.ignored, failures), failures, manifest, builder, partial=partial)


def match_runs(
    runs: Iterable[list[str]],
    failures: list[FileFailure],
    manifest: Manifest,
    builder: FindingBuilder,
    *,
    partial: bool = False,
) -> Sequence[int]:
    """Match runs of paths, all of them in order, as `match_tree`; `failures` are those of whoever lists the runs."""
    table = EntryTable.of(manifest.entries, manifest.digests)
    found = _Merge(table.paths)
    for run in runs:
        found.take(run)
    enter_differences(found.present, found.unlisted, failures, manifest, builder, partial=partial)
    return found.here()


def enter_differences(
    present: bytearray,
    unlisted: Sequence[str],
    failures: Sequence[FileFailure],
    manifest: Manifest,
    builder: FindingBuilder,
    *,
    partial: bool,
) -> None:
    """Enter what is there and should not be, and what is not there and should: `present` holds 1 for each entry that is."""
    table = EntryTable.of(manifest.entries, manifest.digests)
    for one in (*failures, *_unlisted(unlisted, table.paths)):
        builder.failed(one)
    explained = {one.path for one in failures}
    for index, here in enumerate(present):
        if here:
            continue
        if partial:
            builder.missing += 1
        elif not _is_below(table.paths[index], explained):
            expected = f"{table.sizes[index]} bytes"
            why = failure("FILE_MISSING", table.paths[index], "it is not there", expected=expected, found="no file")
            builder.failed(why)


class _Merge:
    """Two sorted lists of paths side by side: the manifest's, and what is listed run by run."""

    def __init__(self, paths: PathColumn) -> None:
        self._paths = paths
        self._at = 0
        self.present = bytearray(len(paths))
        self.unlisted: list[str] = []

    def take(self, run: list[str]) -> None:
        at, stop = self._at, self._at + len(run)
        if self._paths[at:stop] == run:
            self.present[at:stop] = b"\1" * len(run)
            self._at = stop
            return
        for path in run:
            self._one(path)

    def _one(self, path: str) -> None:
        if self._at < len(self._paths) and self._paths[self._at] < path:
            self._at = bisect_left(self._paths, path, self._at)
        if self._at < len(self._paths) and self._paths[self._at] == path:
            self.present[self._at] = 1
            self._at += 1
        else:
            self.unlisted.append(path)

    def here(self) -> Sequence[int]:
        if all(self.present):
            return range(len(self.present))
        return array("L", (index for index, here in enumerate(self.present) if here))


def match_listing(
    listing: Listing, manifest: Manifest, builder: FindingBuilder, *, partial: bool = False
) -> list[ManifestEntry]:
    """Sort what was listed into entries to hash and failures; return the former in the manifest's order."""
    here = match_runs([sorted(listing.files)], listing.failures, manifest, builder, partial=partial)
    return [manifest.entries[index] for index in here]


def _is_below(path: str, explained: set[str]) -> bool:
    """Tell whether a failure of `path` or of a folder above it says already why the file is not there."""
    while explained and path:
        if path in explained:
            return True
        path = folder_of(path)
    return "." in explained


def _unlisted(paths: Sequence[str], listed: Iterable[str]) -> Iterator[FileFailure]:
    if not paths:
        return
    spellings = dict.fromkeys(map(fold, paths), "")
    for path in listed:
        key = fold(path)
        if key in spellings:
            spellings[key] = path
    for path in paths:
        if is_note(path):  # of the Hub's client, beside the files that it downloaded; nothing of the dataset
            continue
        problem = path_problem(path) or ("it is not in Unicode form NFC" if not_nfc(path) else "")
        twin = "" if problem else spellings[fold(path)]
        if problem:
            yield failure("PATH", path, f"no manifest can list this name: {problem}", found=display_path(path))
        elif twin:
            why = f"it is one name with the listed {display_path(twin)} on some file systems"
            yield failure("COLLISION", path, why, expected=display_path(twin), found=display_path(path))
        else:
            yield failure(
                "EXTRA_FILE",
                path,
                "the manifest does not list it",
                expected="only listed files",
                found="an unlisted file",
            )


def _compare_batch(batch: Batch, entries: Selection[ManifestEntry], builder: FindingBuilder, tree: Tree) -> None:
    names = tuple(batch.digests)
    if not batch.failures and all(batch.digests[name] == _stated(entries, name) for name in names):
        table, indexes = cast("EntryTable", entries.items), entries.indexes
        builder.matched(sum(Selection(table.sizes, indexes)[:]), names, files=len(indexes))
        return
    for position, entry in enumerate(entries, batch.start):
        digests = {name: batch.digest(name, position) for name in names}
        result = batch.failures.get(position) or FileDigests(entry.size, digests)
        if _agreeing(entry, result) != len(names) and len(builder.failures) < FAILURES_KEPT:
            result = _look_again(tree, entry, result, names)
        compare_file(entry, result, names, builder)


def _stated(entries: Selection[ManifestEntry], name: str) -> bytes:
    table, indexes = cast("EntryTable", entries.items), entries.indexes
    if indexes[-1] - indexes[0] == len(indexes) - 1:
        return table.digest_run(name, indexes[0], indexes[-1] + 1)
    return b"".join([table.digest_run(name, index, index + 1) for index in indexes])


def _agreeing(entry: ManifestEntry, result: FileDigests | FileFailure) -> int:
    """Count the digests that agree with the entry; a failure counts as none."""
    if isinstance(result, FileFailure):
        return 0
    agree = sum(1 for name, found in result.digests.items() if getattr(entry, name) == found.hex())
    return agree + int(result.chunks is not None and result.chunks == entry.chunks)


def _look_again(
    tree: Tree, entry: ManifestEntry, result: FileDigests | FileFailure, names: tuple[str, ...]
) -> FileDigests | FileFailure:
    """Read a file that differs once more: two reads that disagree mean that somebody is writing to it."""
    if isinstance(result, FileFailure):
        return result
    again = BatchReader(tree, Job([entry.path], [entry.size], names), new_buffer()).read(0, 1)
    same = not again.failures and all(again.digest(name, 0) == found for name, found in result.digests.items())
    return result if same else file_changed(entry.path)


def compare_file(
    entry: ManifestEntry, result: FileDigests | FileFailure, labels: tuple[str, ...], builder: FindingBuilder
) -> None:
    """Enter one file into the books: a match under `labels` (one per digest and chunk tree computed), or a failure."""
    if isinstance(result, FileFailure):
        builder.failed(result)
        return
    agreeing = _agreeing(entry, result)
    if agreeing == len(labels):
        builder.matched(entry.size, labels)
        return
    stated, found = _difference(entry, result)
    if agreeing:
        why = "some of its digests agree with the manifest and others do not: the manifest contradicts itself"
        builder.failed(failure("MANIFEST_EQUIVOCATION", entry.path, why, expected=stated, found=found))
    else:
        builder.failed(
            failure("FILE_DIGEST", entry.path, "its bytes differ from the manifest's", expected=stated, found=found)
        )


def _difference(entry: ManifestEntry, result: FileDigests) -> tuple[str, str]:
    """Return the first stated value that differs, and what was computed in its place."""
    for name, found in result.digests.items():
        if getattr(entry, name) != found.hex():
            return f"{name} {getattr(entry, name)}", f"{name} {found.hex()}"
    return (
        f"chunk root {entry.chunks.root if entry.chunks else 'none'}",
        f"chunk root {result.chunks.root if result.chunks else 'none'}",
    )
