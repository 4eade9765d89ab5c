"""Chunk trees over memory maps: the same answers, and whatever happens to a file or a process, never a crash and never a pass."""

import mmap
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from datasigil.datasets import mapped
from datasigil.datasets.files import build_manifest, check_files
from datasigil.datasets.limits import CHUNK_BYTES

SIZE = 5 * CHUNK_BYTES // 2


@pytest.fixture
def large(tmp_path):
    root = tmp_path / "large"
    root.mkdir()
    for name in ("a.bin", "b.bin"):
        (root / name).write_bytes(os.urandom(SIZE // 8) * 8)
    return root


@pytest.fixture
def finished(monkeypatch):
    """How many files were finished over maps."""
    seen = []
    # The test runner may have a thread of its own, which none of these forked processes needs.
    monkeypatch.setattr(mapped, "can_fork", lambda: sys.platform == "linux")
    real = mapped.MappedRun.results

    def recording(self):
        for one in real(self):
            seen.append(one[0])
            yield one

    monkeypatch.setattr(mapped.MappedRun, "results", recording)
    return seen


def codes(finding):
    return {(one.code, one.path) for one in finding.failures}


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_maps_establish_the_same_chunk_trees(large, finished, workers):
    one = build_manifest(large)
    finding = check_files(large, one, workers=workers)
    assert finding.ok
    assert finding.established == {"blake3-chunks": 2}
    assert sorted(finished) == [0, 1]


def test_maps_are_for_the_chunk_trees_of_a_default_check_only(large, finished):
    both, sha = build_manifest(large), build_manifest(large, digests=("sha256",))
    for one, digest in ((both, "all"), (both, "sha256"), (both, "blake3"), (sha, "default")):
        assert check_files(large, one, digest=digest).ok
    assert finished == []


@pytest.mark.parametrize("at", [0, CHUNK_BYTES, SIZE - 1])
def test_one_changed_byte_is_found(large, at):
    one = build_manifest(large)
    with open(large / "b.bin", "r+b") as file:
        file.seek(at)
        before = file.read(1)
        file.seek(at)
        file.write(bytes([before[0] ^ 1]))
    finding = check_files(large, one)
    assert codes(finding) == {("FILE_DIGEST", "b.bin")}
    assert finding.files == 1


def with_map(monkeypatch, action):
    """Do something in the child as soon as it has mapped a chunk."""
    real = mmap.mmap
    parent = os.getpid()

    def mapping(*arguments, **options):
        options["flags"] &= ~getattr(mmap, "MAP_POPULATE", 0)
        found = real(*arguments, **options)
        if os.getpid() != parent:
            action()
        return found

    monkeypatch.setattr(mmap, "mmap", mapping)


def test_a_file_cut_short_under_the_map_is_refused_and_the_caller_lives(large, monkeypatch, finished):
    one = build_manifest(large)
    with_map(monkeypatch, lambda: os.truncate(large / "a.bin", 0))
    finding = check_files(large, one)
    assert ("FILE_DIGEST", "a.bin") in codes(finding)
    assert {path for _, path in codes(finding)} == {"a.bin"}


def test_a_killed_process_leaves_its_files_to_the_ordinary_way(large, monkeypatch, finished):
    one = build_manifest(large)
    with_map(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert check_files(large, one).ok
    assert finished == []


def test_a_file_written_to_under_the_map_is_not_taken_from_it(large, monkeypatch, finished):
    one = build_manifest(large)

    def write():
        with open(large / "a.bin", "r+b") as file:
            file.write(b"x")

    with_map(monkeypatch, write)
    assert ("FILE_DIGEST", "a.bin") in codes(check_files(large, one))
    assert 0 not in finished


def test_a_file_swapped_for_a_link_is_refused(large, tmp_path):
    one = build_manifest(large)
    (large / "a.bin").rename(tmp_path / "outside")
    (large / "a.bin").symlink_to(tmp_path / "outside")
    assert ("SYMLINK", "a.bin") in codes(check_files(large, one))


def test_a_system_that_does_not_map_reads(large, monkeypatch, finished):
    one = build_manifest(large)

    def refuse(*_, **__):
        raise OSError(19, "No such device")

    monkeypatch.setattr(mmap, "mmap", refuse)
    assert check_files(large, one).ok
    assert finished == []


def test_a_process_with_threads_reads(large, monkeypatch, finished):
    one = build_manifest(large)
    monkeypatch.setattr(mapped, "can_fork", lambda: False)
    assert check_files(large, one).ok
    assert finished == []


def test_progress_counts_every_byte_once(large):
    one = build_manifest(large)
    calls = []
    check_files(large, one, progress=lambda *call: calls.append(call[:2]))
    assert calls == sorted(calls)
    assert calls[-1] == (one.byte_size, one.byte_size)


def test_no_process_outlives_a_run_that_is_stopped(large):
    program = """
        import os, sys
        from pathlib import Path
        from datasigil.datasets.files import build_manifest, check_files
        one = build_manifest(Path(sys.argv[1]))
        def stop(*_):
            raise KeyboardInterrupt
        try:
            check_files(Path(sys.argv[1]), one, progress=stop)
        except KeyboardInterrupt:
            pass
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("none left")
    """
    words = [sys.executable, "-c", textwrap.dedent(program), large]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "none left\n"
