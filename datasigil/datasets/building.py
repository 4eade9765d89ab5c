"""Making a manifest from what lies in a folder.

Here: `build_manifest`. A manifest describes one state of a folder, so whatever moves while it is made is an error, never
a manifest. Not here: hashing (`engine`), the manifest's form (`entry`, `manifest_parser`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from datasigil.datasets.engine import HashingRun
from datasigil.datasets.entry import BOTH_DIGESTS, Manifest, ManifestEntry
from datasigil.datasets.finding import FileFailure, Progress, failure
from datasigil.datasets.hashing import FileDigests
from datasigil.datasets.manifest_parser import check_choices, check_manifest
from datasigil.datasets.paths import EVIDENCE_FOLDER, check_paths, display_path
from datasigil.datasets.tree import Tree, open_tree
from datasigil.datasets.walk import Signature, list_tree, signatures
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
        run = HashingRun(
            tree, paths, [one.size for one in found], workers=workers or cores(), progress=progress, signatures=found
        )
        entries = _hash_entries(run, paths, found, names)
        _refuse_changes(tree, skipped, paths, found)
    manifest = Manifest(entries, names, skipped, record_count=record_count)
    check_manifest(manifest)
    return manifest


def _listed(tree: Tree, ignored: Sequence[str]) -> list[str]:
    listing = list_tree(tree, ignored)
    _raise_first(listing.failures)
    if not listing.files:
        raise DatasigilError(
            "EMPTY_DATASET",
            "the folder holds no file",
            place=display_path(str(tree.path)),
            expected="at least one file that is not ignored",
            next_action="name the folder that holds the dataset's files",
        )
    paths = sorted(listing.files)
    check_paths(paths, place="")  # now, and not after hours of hashing
    return paths


def _signatures(tree: Tree, paths: Sequence[str]) -> list[Signature]:
    found = signatures(tree, paths)
    _raise_first([one for one in found if isinstance(one, FileFailure)])
    return [one for one in found if isinstance(one, Signature)]


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


def _hash_entries(
    run: HashingRun, paths: Sequence[str], found: Sequence[Signature], names: tuple[str, ...]
) -> tuple[ManifestEntry, ...]:
    entries: dict[int, ManifestEntry] = {}
    failures: list[FileFailure] = []
    chunked = names[0]  # sorted: BLAKE3 where the manifest has it
    for index, result in chain(_small_results(run, found, names), run.large(names, chunked)):
        if isinstance(result, FileFailure):
            failures.append(result)
            continue
        blake3 = result.digests.get("blake3")
        entries[index] = ManifestEntry(
            paths[index],
            found[index].size,
            result.digests["sha256"].hex(),
            blake3.hex() if blake3 else None,
            result.chunks,
        )
    _raise_first(failures)
    return tuple(entries[index] for index in range(len(paths)))


def _small_results(
    run: HashingRun, found: Sequence[Signature], names: tuple[str, ...]
) -> Iterator[tuple[int, FileDigests | FileFailure]]:
    for batch in run.batches(names):
        for position in range(batch.start, batch.stop):
            index = run.small[position]
            digests = {name: batch.digest(name, position) for name in names}
            yield index, batch.failures.get(position) or FileDigests(found[index].size, digests)


def _refuse_changes(tree: Tree, ignored: Sequence[str], paths: Sequence[str], before: Sequence[Signature]) -> None:
    """List the folder once more: a manifest describes one state, not a mixture of two."""
    listing = list_tree(tree, ignored)
    _raise_first(listing.failures)
    differing = set(listing.files) ^ set(paths)
    changed = [failure("FILE_CHANGED", path, "it came or went while the folder was hashed") for path in differing]
    if not changed:
        after = _signatures(tree, paths)
        changed = [
            failure("FILE_CHANGED", path, "it changed while the folder was hashed")
            for path, one, two in zip(paths, before, after, strict=True)
            if one != two
        ]
    _raise_first(changed)
