"""Checking a folder against a manifest.

Here: `check_files`: which files are there, which are not, and whether their bytes are the stated ones. Not here: the
manifest's form and the claim about it (`manifest`), hashing (`engine`), the verdict (`verification`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from datasigil.datasets.engine import HashingRun
from datasigil.datasets.entry import Manifest, ManifestEntry
from datasigil.datasets.finding import FileFailure, FilesFinding, FindingBuilder, Progress, failure
from datasigil.datasets.hashing import FileDigests, new_buffer
from datasigil.datasets.limits import FAILURES_KEPT
from datasigil.datasets.paths import display_path, fold, folder_of, not_nfc, path_problem
from datasigil.datasets.small import Batch, BatchReader, Job, file_changed
from datasigil.datasets.tree import Tree, open_tree
from datasigil.datasets.walk import Listing, list_tree
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
    plan = _Plan.of(manifest, digest)
    builder = FindingBuilder()
    with open_tree(Path(root)) as tree:
        entries = match_listing(list_tree(tree, manifest.ignored), manifest, builder, partial=partial)
        run = HashingRun(
            tree,
            [entry.path for entry in entries],
            [entry.size for entry in entries],
            workers=workers or cores(),
            progress=progress,
        )
        for batch in run.batches(plan.small):
            _compare_batch(batch, [entries[run.small[at]] for at in range(batch.start, batch.stop)], builder, tree)
        for index, result in run.large(plan.large, plan.chunked):
            compare_file(entries[index], result, plan.large_labels, builder)
    if partial and not builder.files and not builder.failure_counts:
        builder.failed(failure("FILE_MISSING", ".", "none of the manifest's files is in this folder"))
    return builder.finish("part" if partial else "all files", manifest.ignored)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which digests are computed for small files and for large ones; `chunked` is the chunk tree's digest or empty."""

    small: tuple[str, ...]
    large: tuple[str, ...]
    chunked: str

    @classmethod
    def of(cls, manifest: Manifest, choice: DigestChoice) -> _Plan:
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

    @property
    def large_labels(self) -> tuple[str, ...]:
        return (*self.large, f"{self.chunked}-chunks") if self.chunked else self.large


def match_listing(
    listing: Listing, manifest: Manifest, builder: FindingBuilder, *, partial: bool = False
) -> list[ManifestEntry]:
    """Sort what was listed into entries to hash and failures; return the former in the manifest's order."""
    by_path = {entry.path: index for index, entry in enumerate(manifest.entries)}
    present = bytearray(len(manifest.entries))
    unlisted: list[str] = []
    for path in listing.files:
        index = by_path.get(path)
        if index is None:
            unlisted.append(path)
        else:
            present[index] = 1
    for found in (*listing.failures, *_unlisted(unlisted, manifest)):
        builder.failed(found)
    explained = {one.path for one in listing.failures}
    for index, entry in enumerate(manifest.entries):
        if present[index]:
            continue
        if partial:
            builder.missing += 1
        elif not _is_below(entry.path, explained):
            expected = f"{entry.size} bytes"
            builder.failed(failure("FILE_MISSING", entry.path, "it is not there", expected=expected, found="no file"))
    return [entry for entry, here in zip(manifest.entries, present, strict=True) if here]


def _is_below(path: str, explained: set[str]) -> bool:
    """Tell whether a failure of `path` or of a folder above it says already why the file is not there."""
    while explained and path:
        if path in explained:
            return True
        path = folder_of(path)
    return "." in explained


def _unlisted(paths: Sequence[str], manifest: Manifest) -> Iterator[FileFailure]:
    spellings = {fold(entry.path): entry.path for entry in manifest.entries} if paths else {}
    for path in paths:
        problem = path_problem(path) or ("it is not in Unicode form NFC" if not_nfc(path) else "")
        twin = "" if problem else spellings.get(fold(path), "")
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


def _compare_batch(batch: Batch, entries: Sequence[ManifestEntry], builder: FindingBuilder, tree: Tree) -> None:
    names = tuple(batch.digests)
    if not batch.failures and all(batch.digests[name] == _stated(entries, name) for name in names):
        builder.matched(sum(entry.size for entry in entries), names, files=len(entries))
        return
    for position, entry in enumerate(entries, batch.start):
        digests = {name: batch.digest(name, position) for name in names}
        result = batch.failures.get(position) or FileDigests(entry.size, digests)
        if _agreeing(entry, result) != len(names) and len(builder.failures) < FAILURES_KEPT:
            result = _look_again(tree, entry, result, names)
        compare_file(entry, result, names, builder)


def _stated(entries: Sequence[ManifestEntry], name: str) -> bytes:
    if name == "sha256":
        return bytes.fromhex("".join([entry.sha256 for entry in entries]))
    return bytes.fromhex("".join([entry.blake3 or "" for entry in entries]))


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
