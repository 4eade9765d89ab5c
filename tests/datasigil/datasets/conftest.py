"""A small dataset on disk, shared by the tests of walking and hashing."""

from pathlib import Path

import pytest

from datasigil.datasets.entry import Manifest
from datasigil.datasets.files import build_manifest

FILES = {
    "README.md": b"# Clauses\n",
    "empty.txt": b"",
    "data/train.jsonl": b'{"text":"a"}\n{"text":"b"}\n',
    "data/deep/er/labels.csv": b"text,label\na,1\nb,2\n",
    "data-more.bin": bytes(range(256)) * 3000,  # larger than one read buffer
}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A folder with five files, one of them empty, one larger than a read buffer, and an empty folder."""
    root = tmp_path / "dataset"
    for path, data in FILES.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (root / "nothing here").mkdir()
    return root


@pytest.fixture
def manifest(dataset: Path) -> Manifest:
    """The manifest of `dataset`, with both digests."""
    return build_manifest(dataset)
