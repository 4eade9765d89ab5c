"""Checking the part of a dataset that somebody has, with the proofs that came along and without its manifest.

Here: `check_part` and the digests of a large file's chunks. A range of a file lies in a file of its name, at its own place: what a
download of ranges leaves. Not here: whether the proofs lead to the signed root (`parts.verify_part`), the verdict
(`verification`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from datasigil.datasets.checking import DigestChoice, check_files
from datasigil.datasets.entry import Manifest, ManifestEntry, chunk_count, chunk_tree
from datasigil.datasets.finding import FileFailure, FilesFinding, Progress, failure
from datasigil.datasets.hashing import chunk_digest, new_buffer
from datasigil.datasets.limits import FAILURES_KEPT
from datasigil.datasets.parts import PartProof, ProvenFile, chunk_length, verify_chunk_digest
from datasigil.datasets.paths import display_path
from datasigil.datasets.tree import Tree, open_tree, opening_failure
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.record import dataclass, replace


@dataclass(frozen=True, slots=True)
class PartCheck:
    """Step 9 for a part, handed to the plan, which calls it once the proofs lead to the signed root."""

    folder: Path
    part: PartProof
    digest: DigestChoice = "default"
    progress: Progress | None = None

    def __call__(self, manifest: Manifest) -> FilesFinding:
        """Compare the folder with the part's files; `manifest` lists them.

        Raises: DatasigilError DATA_FOLDER, DIGEST_ABSENT or WORKER_LOST.
        """
        return check_part(self.folder, manifest, self.part, digest=self.digest, progress=self.progress)


def check_part(
    root: Path,
    manifest: Manifest,
    part: PartProof,
    *,
    digest: DigestChoice = "default",
    progress: Progress | None = None,
) -> FilesFinding:
    """Compare the folder `root` with the proven part; `manifest` is `part.manifest(claim)` for the signed claim.

    Files that are proven and not there are counted, not refused; what is there and not proven is EXTRA_FILE. Ranges are
    counted apart from whole files: `ranged_files` of them, with `ranged_bytes`.

    Raises: as `files.check_files`.
    """
    ranged = {one.file.entry.path: one for one in part.files if one.chunks}
    if not ranged:
        return check_files(root, manifest, partial=True, digest=digest, progress=progress)
    whole = [entry for entry in manifest.entries if entry.path not in ranged]
    ignored = tuple(sorted({*manifest.ignored, *ranged}))
    finding = _nothing(manifest)
    if whole:
        listed = replace(manifest, entries=tuple(whole), ignored=ignored)
        finding = check_files(root, listed, partial=True, digest=digest, progress=progress)
    else:
        finding = _unproven(root, ignored, finding)
    return _with_ranges(root, list(ranged.values()), finding, manifest)


def _nothing(manifest: Manifest) -> FilesFinding:
    return FilesFinding("part", 0, 0, {}, ignored=manifest.ignored)


def _unproven(root: Path, ignored: Sequence[str], finding: FilesFinding) -> FilesFinding:
    """Refuse whatever lies in a folder that should hold ranged files alone."""
    from datasigil.datasets.walk import list_tree

    with open_tree(root) as tree:
        listing = list_tree(tree, ignored)
    extra = [failure("EXTRA_FILE", path, "no proof lists it", expected="only proven files") for path in listing.files]
    return _with_failures(finding, [*listing.failures, *extra])


def _with_ranges(root: Path, ranged: list[ProvenFile], finding: FilesFinding, manifest: Manifest) -> FilesFinding:
    failures: list[FileFailure] = []
    files = size = missing = 0
    buffer = new_buffer()
    with open_tree(root) as tree:
        for one in ranged:
            found = _check_ranges(tree, one, buffer)
            if isinstance(found, FileFailure):
                failures.append(found)
            elif found:
                files, size = files + 1, size + found
            else:
                missing += 1
    nothing = [one for one in finding.failures if one.code == "FILE_MISSING"]
    if nothing and (files or failures):  # "none of the files is there" is no longer true
        finding = replace(finding, failures=(), failure_counts={})
    if not files and not failures and not finding.files and not finding.failure_counts:
        failures.append(failure("FILE_MISSING", ".", "none of the proven files is in this folder"))
    counted = replace(
        finding, missing=finding.missing + missing, ranged_files=files, ranged_bytes=size, ignored=manifest.ignored
    )
    return _with_failures(counted, failures)


def _with_failures(finding: FilesFinding, more: Sequence[FileFailure]) -> FilesFinding:
    counts = dict(finding.failure_counts)
    for one in more:
        counts[one.code] = counts.get(one.code, 0) + 1
    kept = sorted([*finding.failures, *more], key=lambda one: (one.path, one.code))[:FAILURES_KEPT]
    return replace(finding, failures=tuple(kept), failure_counts=dict(sorted(counts.items())))


def _check_ranges(tree: Tree, one: ProvenFile, buffer: memoryview) -> int | FileFailure:
    """Return how many bytes of one file were established; 0 when it is not there."""
    entry = one.file.entry
    try:
        tree.stat(entry.path)
    except FileNotFoundError:
        return 0
    except OSError as error:
        return opening_failure(tree, entry.path, error)
    try:
        descriptor = tree.open(entry.path)
    except OSError as error:
        return opening_failure(tree, entry.path, error)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return failure("SPECIAL_FILE", entry.path, "it is no regular file", expected="a regular file")
        return _read_ranges(descriptor, one, buffer)
    except OSError as error:
        return opening_failure(tree, entry.path, error)
    finally:
        os.close(descriptor)


def _read_ranges(descriptor: int, one: ProvenFile, buffer: memoryview) -> int | FileFailure:
    entry, size = one.file.entry, 0
    name = "blake3" if entry.blake3 else "sha256"
    for proof in one.chunks:
        digest = chunk_digest(descriptor, proof.index, entry.size, name, buffer, lambda _: None)
        length = chunk_length(entry, proof.index)
        if digest is None:
            why = f"it ends before chunk {proof.index} does, which the proof says is here"
            return failure("CHUNK", entry.path, why, expected=f"{length} bytes from its place on")
        try:
            verify_chunk_digest(digest, length, proof, entry)
        except ManifestMismatchError as error:
            return failure("CHUNK", entry.path, error.message, expected=error.expected, found=error.found)
        size += length
    return size


def chunk_digests(root: Path, entry: ManifestEntry) -> list[bytes]:
    """Return the digests of all chunks of a large file below `root`, for whoever proves some of them to others.

    Raises: DatasigilError FILE_DIGEST when they are not those of the manifest, or the code of why they cannot be read.
    """
    name = "blake3" if entry.blake3 else "sha256"
    buffer, digests = new_buffer(), list[bytes | None]()
    with open_tree(root) as tree:
        try:
            descriptor = tree.open(entry.path)
            try:
                for index in range(chunk_count(entry.size)):
                    digests.append(chunk_digest(descriptor, index, entry.size, name, buffer, lambda _: None))
            finally:
                os.close(descriptor)
        except OSError as error:
            found = opening_failure(tree, entry.path, error)
            raise DatasigilError(
                found.code, found.message, place=display_path(entry.path), expected=found.expected
            ) from None
    whole = [one for one in digests if one is not None]
    if len(whole) != len(digests) or entry.chunks != chunk_tree(entry.size, whole):
        raise DatasigilError(
            "FILE_DIGEST",
            "the file is not the one that the manifest lists",
            place=display_path(entry.path),
            expected=f"chunk root {entry.chunks.root if entry.chunks else 'none'}",
            next_action="name the folder with the dataset's own files, with --data",
        )
    return whole
