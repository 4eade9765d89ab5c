"""Coverage: every file below some folders belongs to a dataset that was verified.

Here: listing and comparing names (DESIGN.md section 4, "Gate file"). Not here: the bytes of the files, which the
datasets' own checks establish.

Only two kinds of file are let through beside data: what the gate file itself names (evidence, archives), and JSON files
lying directly in a covered dataset's `.datasigil/`. Paths that a manifest ignores are *not* covered: nobody vouches for them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from datasigil.datasets.entry import Manifest
from datasigil.datasets.finding import FileFailure, failure
from datasigil.datasets.hub_cache import is_note
from datasigil.datasets.limits import FAILURES_KEPT
from datasigil.datasets.paths import EVIDENCE_FOLDER, folder_of
from datasigil.datasets.tree import open_tree
from datasigil.datasets.walk import list_tree

_Covers = dict[str, Collection[str]]


def find_uncovered(
    roots: Sequence[Path], datasets: Sequence[tuple[Path, Manifest]], *, evidence: Sequence[Path] = ()
) -> tuple[FileFailure, ...]:
    """List what lies below `roots` and belongs to none of `datasets` (pairs of folder and manifest), at most 1,000.

    Codes: UNCOVERED, SYMLINK, SPECIAL_FILE, UNREADABLE. `evidence` names files that are no data, such as bundles, and archives whose
    members were verified. Which datasets are VALID is the caller's business.

    Raises: DatasigilError DATA_FOLDER when a root is no readable folder.
    """
    covers: _Covers = {
        os.path.realpath(folder): frozenset(entry.path for entry in manifest.entries) for folder, manifest in datasets
    }
    known = {os.path.join(os.path.realpath(path.parent), path.name) for path in evidence}
    found: list[FileFailure] = []
    for root in dict.fromkeys(os.path.realpath(root) for root in roots):
        for one in _below(root, covers, known):
            if len(found) == FAILURES_KEPT:
                return tuple(found)
            found.append(one)
    return tuple(found)


def _below(root: str, covers: _Covers, known: Collection[str]) -> Iterator[FileFailure]:
    with open_tree(Path(root)) as tree:
        listing = list_tree(tree, ())
    for one in sorted(listing.failures, key=lambda one: one.path):
        yield FileFailure(one.code, os.path.join(root, one.path), one.message, one.expected, one.found)
    for path in sorted(listing.files):
        place = os.path.join(root, *path.split("/"))
        if place not in known and not _is_covered(place, covers):
            yield failure(
                "UNCOVERED",
                place,
                "no dataset of the gate file that passed lists it",
                expected="every file below the roots to belong to a dataset that passed",
            )


def _is_covered(place: str, covers: _Covers) -> bool:
    folder = os.path.dirname(place)
    while True:
        paths = covers.get(folder)
        if paths is not None:
            inner = os.path.relpath(place, folder).replace(os.sep, "/")
            if (
                inner in paths
                or is_note(inner)
                or (folder_of(inner) + "/" == EVIDENCE_FOLDER and inner.endswith(".json"))
            ):
                return True
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above
