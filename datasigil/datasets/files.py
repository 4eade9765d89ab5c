"""Folders against manifests, the public face: make a manifest from a disk (`building`), check a disk (`checking`).

Here: names only. The walk (`walk`, `tree`) and the hashing engine (`engine`, `small`, `workers`, `chunked`, `hashing`)
touch the disk; what a failure means for the verdict is decided in `verification`; copying is done in `gate`.
"""

from datasigil.datasets.building import build_manifest
from datasigil.datasets.checking import DigestChoice, check_files
from datasigil.datasets.finding import FileFailure, FilesFinding, Progress

__all__ = ["DigestChoice", "FileFailure", "FilesFinding", "Progress", "build_manifest", "check_files"]
