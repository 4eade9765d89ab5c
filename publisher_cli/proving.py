"""`datasigil prove`: the proofs that go along with a part of a dataset, so that its receiver needs no whole manifest.

Here: reading what is asked for, and writing the document. Not here: proofs (`datasigil.datasets.parts`), checking them
(`datasigil-verify check --partial --proof`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.canonical import jcs
from datasigil.datasets.entry import ManifestEntry
from datasigil.datasets.limits import CHUNK_BYTES
from datasigil.datasets.partial import chunk_digests
from datasigil.datasets.parts import prove_part
from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError
from datasigil.transparency.durable import write_durably
from publisher_cli.comparing import manifest_of

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report.terminal import Console


def run(given: Namespace, console: Console) -> int:
    """Write the proofs for some files and ranges of a dataset."""
    if not given.file and not given.range:
        raise DatasigilError(
            "USAGE", "nothing was named", expected="--file PATH or --range PATH:FIRST-LAST", next_action="name a file"
        )
    manifest = manifest_of(Path(given.manifest), console)
    ranges: dict[str, list[int]] = {}
    for text in given.range:
        path, first, last = _range(text)
        ranges.setdefault(path, []).extend(range(first // CHUNK_BYTES, last // CHUNK_BYTES + 1))
    twice = sorted(set(given.file) & ranges.keys())
    if twice:
        raise DatasigilError(
            "USAGE", "a file is named whole and in ranges", found=display_path(twice[0]), expected="one of the two"
        )

    def digests(entry: ManifestEntry) -> list[bytes]:
        if entry.chunks is None:
            raise DatasigilError(
                "USAGE", "only files of 32 MiB and more have ranges", place=display_path(entry.path), expected="--file", next_action="name the whole file with --file",
            )  # fmt: skip
        if given.data is None:
            raise DatasigilError(
                "USAGE", "ranges are proven from the file itself", place=display_path(entry.path), expected="--data DIR", next_action="add --data DIR",
            )  # fmt: skip
        return chunk_digests(Path(given.data), entry)

    part = prove_part(manifest, given.file, ranges, digests)
    output = Path(given.output)
    write_durably(output, jcs(part.to_json()))
    chunks = sum(len(one.chunks) for one in part.files)
    size = sum(one.file.entry.size for one in part.files if not one.chunks)
    shown = {
        "type": "PartFigures", "formatVersion": 1, "path": str(output), "files": len(part.files), "chunks": chunks, "ofFiles": manifest.file_count,
        "bytesOfWholeFiles": size, "manifest": manifest.digest,
    }  # fmt: skip
    words = f"proofs for {len(part.files)} of {manifest.file_count} files" + (f", {chunks} chunks" if chunks else "")
    console.result(shown, f"{words}\nwrote: {output}\n")
    return 0


def _range(text: str) -> tuple[str, int, int]:
    """Read `PATH:FIRST-LAST`, both bytes included, as HTTP writes ranges."""
    path, _, span = text.rpartition(":")
    first, dash, last = span.partition("-")
    numbers = [one for one in (first, last) if one.isascii() and one.isdecimal() and len(one) < 17]
    if not path or not dash or len(numbers) != 2 or int(first) > int(last):
        raise DatasigilError(
            "USAGE", "not a range", found=text[:200], expected="PATH:FIRST-LAST, such as scans.bin:0-16777215",
            next_action="write the first and the last byte, both included",
        )  # fmt: skip
    return path, int(first), int(last)
