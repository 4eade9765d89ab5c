"""`datasigil diff OLD NEW`: which files were added, removed and changed between two versions of a dataset.

Here: comparing manifests by path and SHA-256. Not here: making a manifest (`datasigil.datasets`), any check of what a bundle claims.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import DATASET_BUNDLE, is_bundle, parse_bundle, read_file, sidecar_path
from datasigil.canonical import jcs
from datasigil.datasets.building import build_manifest
from datasigil.datasets.entry import SHA256_ONLY, Manifest
from datasigil.datasets.manifest import parse_manifest
from datasigil.datasets.paths import display_path
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import BUNDLE_MAX_BYTES, MANIFEST_MAX_BYTES

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report.terminal import Console

SHOWN_MAX = 1000  # lines for people; --json lists everything


def run(given: Namespace, console: Console) -> int:
    """Compare two manifests; exit code 0 when they list the same bytes under the same names, else 1."""
    old, new = (manifest_of(Path(name), console) for name in (given.old, given.new))
    added, removed, changed = compare(old, new)
    shown = {
        "type": "ManifestDiff", "formatVersion": 1, "old": old.digest, "new": new.digest, "added": added, "removed": removed, "changed": changed,
        "unchanged": new.file_count - len(added) - len(changed),
    }  # fmt: skip
    lines = [
        f"{mark} {display_path(path)}"
        for mark, paths in (("+", added), ("-", removed), ("~", changed))
        for path in paths
    ]
    if len(lines) > SHOWN_MAX:
        lines = [*lines[:SHOWN_MAX], f"… and {len(lines) - SHOWN_MAX} more; --json lists all"]
    lines.append(f"{len(added)} added, {len(removed)} removed, {len(changed)} changed, {shown['unchanged']} unchanged")
    console.result(shown, "\n".join(lines) + "\n")
    return 1 if added or removed or changed else 0


def compare(old: Manifest, new: Manifest) -> tuple[list[str], list[str], list[str]]:
    """Return the paths that were added, removed and changed, each sorted."""
    before, after = ({entry.path: entry.sha256 for entry in one.entries} for one in (old, new))
    changed = [path for path in before.keys() & after.keys() if before[path] != after[path]]
    return sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys()), sorted(changed)


def manifest_of(path: Path, console: Console) -> Manifest:
    """Return the manifest in a file, in or beside a bundle, or that of a folder as it lies there.

    Raises:
        MalformedError: as `parse_manifest`; DatasigilError UNREADABLE or NO_MANIFEST.
    """
    if path.is_dir():
        return _of_folder(path, console)
    try:
        data = read_file(path, MANIFEST_MAX_BYTES)
        if len(data) <= BUNDLE_MAX_BYTES and is_bundle(parse_json(data, max_bytes=BUNDLE_MAX_BYTES)):
            embedded = parse_bundle(data).manifest
            data = jcs(embedded) if embedded is not None else _beside(path)
        elif path != sidecar_path(path) and sidecar_path(path).is_file():
            data = _beside(path)  # a credential as `issue` writes it
        return parse_manifest(data)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            f"it cannot be read: {error.strerror}",
            place=str(path),
            expected="a manifest, a bundle or a folder",
        ) from None
    except MalformedError as error:
        error.place = f"{path}: {error.place}" if error.place else str(path)
        raise


def _beside(path: Path) -> bytes:
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        raise DatasigilError(
            "NO_MANIFEST",
            "there is no manifest in this bundle or beside it",
            place=str(path),
            expected=str(sidecar),
            next_action="name the manifest itself",
        )
    return read_file(sidecar, MANIFEST_MAX_BYTES)


def _of_folder(path: Path, console: Console) -> Manifest:
    if (path / DATASET_BUNDLE).is_file():
        console.detail(f"{path}: hashing the files as they are now, not what its bundle says")
    meter = console.meter("hashing")
    try:
        return build_manifest(path, digests=SHA256_ONLY, progress=meter)
    finally:
        if meter is not None:
            meter.close()
