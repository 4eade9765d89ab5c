"""Hashing for the publisher: `datasigil manifest`, and the folder of every command that signs a manifest.

Here: the manifest of a folder as it lies there, or of an archive or a bucket. Not here: what is signed about it (`issuing`, `observing`);
nothing of that is imported, since an unchanged folder is looked at in less time than it takes to load.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.datasets.building import build_manifest
from datasigil.datasets.entry import BOTH_DIGESTS, SHA256_ONLY, Manifest, canonical_parts
from datasigil.datasets.manifest import ManifestClaim
from datasigil.datasets.paths import EVIDENCE_FOLDER
from datasigil.datasets.records import count_each, record_key
from datasigil.errors import DatasigilError
from datasigil.transparency.durable import write_durably
from publisher_cli.hash_cache import HashCache
from publisher_cli.places import hash_cache_folder

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report.terminal import Console


def manifest(given: Namespace, console: Console) -> int:
    """Hash a folder and write its manifest, or its figures when no file was named."""
    built = _hash_source(given, console) if _is_source(given.folder) else None
    built = built or hash_folder(dataset_folder(given.folder), given, console)
    if given.output:
        write_durably(Path(given.output), canonical_parts(built))
        console.say(f"wrote {given.output}")
    figures = {
        "type": "ManifestFigures",
        "formatVersion": 1,
        **ManifestClaim.of(built).to_subject(),
        "digests": list(built.digests),
    }
    text = (
        f"digest: {built.digest}\nroot:   {built.root.hex()}\nfiles:  {built.file_count}\nbytes:  {built.byte_size}\n"
    )
    console.result(figures, text)
    return 0


def _is_source(place: str) -> bool:
    if os.path.isdir(place) and "://" not in place:
        return False  # what reads sources is not loaded for a folder
    from datasigil.remote import is_source

    return is_source(place)


def _hash_source(given: Namespace, console: Console) -> Manifest:
    """Return the manifest of an archive or a bucket; records are not counted there."""
    from datasigil.datasets.source import build_source_manifest
    from datasigil.remote import open_source

    meter = console.meter("hashing")
    digests = SHA256_ONLY if given.digest == "sha256" else BOTH_DIGESTS
    try:
        with open_source(given.folder) as source:
            return build_source_manifest(
                source, digests=digests, ignored=(*given.ignore, EVIDENCE_FOLDER), progress=meter
            )
    finally:
        if meter is not None:
            meter.close()


def dataset_folder(name: str) -> Path:
    """Return the folder of a dataset.

    Raises:
        DatasigilError: DATA_FOLDER.
    """
    folder = Path(name)
    if name and folder.is_dir():  # the empty text, as from an unset variable, would be the current folder
        return folder
    if "://" in name:
        found, action = (
            "an address",
            "download it with its own tool, and name the folder; `datasigil-verify check --data` reads it where it lies",
        )
    elif name and folder.exists():
        found, action = "a file", "unpack an archive, or name the folder that the file lies in"
    else:
        found, action = "nothing", "name the folder that holds the files"
    raise DatasigilError(
        "DATA_FOLDER", "a dataset is described and signed as a folder", place=name, expected="a folder", found=found, next_action=action
    )  # fmt: skip


def hash_folder(folder: Path, given: Namespace, console: Console, *, ignored: tuple[str, ...] = ()) -> Manifest:
    """Return the manifest of a folder as it lies there, with progress, records counted where every file is a table.

    Raises:
        DatasigilError: as `build_manifest`.
    """
    meter = console.meter("hashing")
    digests = SHA256_ONLY if given.digest == "sha256" else BOTH_DIGESTS
    skipped = (*given.ignore, *ignored, EVIDENCE_FOLDER)
    memory = HashCache(hash_cache_folder(), folder, rehash=given.rehash)
    gc.disable()  # a walk makes millions of tuples and no cycle; looking for cycles among them takes a tenth of its time
    try:
        built = build_manifest(folder, digests=digests, ignored=skipped, progress=meter, memory=memory)
        counts = count_each(folder, built.entries, known=memory.record_counts())
        memory.remember_records({record_key(one): count for one, count in counts})
    finally:
        gc.enable()
        if meter is not None:
            meter.close()
    if memory.note:
        console.say(memory.note)
    if not counts:
        return built
    return built.with_record_count(sum(count for _, count in counts))


__all__ = ["dataset_folder", "hash_folder", "manifest"]
