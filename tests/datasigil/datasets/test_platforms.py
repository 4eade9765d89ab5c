"""Platforms that lack something: no `openat`, no positioned reads, file systems that cannot tell what is in memory."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datasigil.datasets import checking, small, tree, walk
from datasigil.datasets.files import build_manifest, check_files

REPOSITORY = Path(__file__).resolve().parents[3]


def codes(finding):
    return {(one.code, one.path) for one in finding.failures}


# Without openat (Windows) ---------------------------------------------------------------------------------------------


@pytest.fixture
def no_openat(monkeypatch):
    monkeypatch.setattr(tree, "HAS_OPENAT", False)
    monkeypatch.setattr(tree, "FILE_FLAGS", os.O_RDONLY)
    monkeypatch.setattr(tree, "FOLDER_FLAGS", os.O_RDONLY)


def test_same_findings_without_openat(dataset, manifest, no_openat):
    assert build_manifest(dataset) == manifest
    assert check_files(dataset, manifest, digest="all").ok
    (dataset / "README.md").write_text("x")
    (dataset / "extra").write_text("x")
    (dataset / "link").symlink_to("README.md")
    (dataset / "empty.txt").unlink()
    os.mkfifo(dataset / "empty.txt")
    assert codes(check_files(dataset, manifest)) == {
        ("FILE_DIGEST", "README.md"),
        ("EXTRA_FILE", "extra"),
        ("SYMLINK", "link"),
        ("SPECIAL_FILE", "empty.txt"),
    }


@pytest.mark.parametrize("victim", ["README.md", "data", "data/deep"])
def test_swap_for_a_link_is_refused_without_openat(dataset, manifest, monkeypatch, no_openat, victim):
    def list_then_swap(*arguments):
        found = list(walk.walk_tree(*arguments))
        (dataset / victim).rename(dataset.parent / "outside")
        (dataset / victim).symlink_to(dataset.parent / "outside")
        return found

    monkeypatch.setattr(checking, "walk_tree", list_then_swap)
    assert {code for code, _ in codes(check_files(dataset, manifest))} == {"SYMLINK"}


def test_file_swapped_between_the_look_and_the_opening_is_refused(dataset, manifest, monkeypatch, no_openat):
    real = tree.NamedFolder.stat

    def look_then_swap(self, name):
        found = real(self, name)
        if name == "README.md" and not (dataset.parent / "outside").exists():
            (dataset / "README.md").rename(dataset.parent / "outside")
            shutil.copy(dataset.parent / "outside", dataset / "README.md")
        return found

    monkeypatch.setattr(tree.NamedFolder, "stat", look_then_swap)
    assert codes(check_files(dataset, manifest)) == {("SYMLINK", "README.md")}


def test_works_where_the_operating_system_offers_no_more_than_python_promises(dataset, manifest):
    code = """
import json, os, sys
for name in ("preadv", "posix_fadvise", "fork", "sched_getaffinity", "RWF_NOWAIT", "O_NOFOLLOW", "O_DIRECTORY",
             "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "fchmod"):
    if hasattr(os, name):
        delattr(os, name)
os.supports_dir_fd = os.supports_fd = frozenset()
sys.platform = "win32x"
from pathlib import Path
from datasigil.datasets.files import build_manifest, check_files
from datasigil.datasets.manifest import manifest_digest
from datasigil.gate import snapshot_verified
root = Path(sys.argv[1])
with open(root / "big", "wb") as file:
    file.truncate(40 << 20)
one = build_manifest(root)
found = check_files(root, one, digest="all")
copy = snapshot_verified(one, root, root.parent / "copy")
(root / "big").unlink()
print(json.dumps([found.established, copy.files, manifest_digest(build_manifest(root))]))
"""
    result = subprocess.run(
        [sys.executable, "-c", code, str(dataset)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert result.returncode == 0, result.stderr
    established, copied, digest = json.loads(result.stdout)
    assert established == {"blake3": 6, "blake3-chunks": 1, "sha256": 6}
    assert copied == 6
    assert digest == manifest.digest


# Reading ahead --------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """The descriptors for which the disk was asked to read ahead."""
    seen = []
    monkeypatch.setattr(small.os, "posix_fadvise", lambda *arguments: seen.append(arguments))
    return seen


@pytest.fixture
def many(tmp_path):
    for number in range(600):
        (tmp_path / f"f{number:03}").write_text(str(number))
    return tmp_path


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this platform cannot ask what is in memory")
@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL])
def test_cold_files_are_asked_for_ahead_and_read_alike(many, monkeypatch, asked, number):
    warm = build_manifest(many)
    assert not asked
    real = os.preadv

    def cold(descriptor, buffers, offset, flags=0):
        if flags:
            raise OSError(number, os.strerror(number))
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(small.os, "preadv", cold)
    assert build_manifest(many, workers=1) == warm
    assert len(asked) == 599  # each but the first, once
    assert check_files(many, warm).ok


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this platform cannot ask what is in memory")
def test_file_of_which_only_a_part_is_in_memory_is_read_whole(many, monkeypatch):
    warm = build_manifest(many)
    real = os.preadv

    def half(descriptor, buffers, offset, flags=0):
        if flags:
            return real(descriptor, [buffers[0][:1]], offset)
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(small.os, "preadv", half)
    assert check_files(many, warm, digest="all").ok


def test_reading_ahead_ignores_files_that_cannot_be_opened(many, monkeypatch, asked):
    warm = build_manifest(many)
    monkeypatch.setattr(small, "_NOWAIT", getattr(os, "RWF_NOWAIT", 1))
    real = os.preadv

    def cold(descriptor, buffers, offset, flags=0):
        if flags:
            raise BlockingIOError(errno.EAGAIN, "cold")
        return real(descriptor, buffers, offset)

    def list_then_swap(*arguments):
        found = list(walk.walk_tree(*arguments))
        (many / "f300").unlink()
        (many / "f300").symlink_to("f301")
        return found

    monkeypatch.setattr(small.os, "preadv", cold)
    monkeypatch.setattr(checking, "walk_tree", list_then_swap)
    assert codes(check_files(many, warm)) == {("SYMLINK", "f300")}


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_error_of_the_disk_is_named_and_never_a_match(many, monkeypatch, number):
    warm = build_manifest(many)

    def broken(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(small.os, "preadv", broken)
    finding = check_files(many, warm)
    assert finding.files == 0
    assert finding.failure_counts == {"UNREADABLE": 600}
    assert os.strerror(number) in finding.failures[0].message
