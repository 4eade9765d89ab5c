"""The verified copy: what was checked is what is read, and half a copy is never taken for a whole one."""

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from datasigil.datasets.files import build_manifest, check_files
from datasigil.datasets.limits import CHUNKED_FILE_MIN_BYTES
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.gate import snapshot as snapshot_module
from datasigil.gate import snapshot_files, snapshot_verified

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    for path, data in {"a.txt": b"alpha", "b/c.bin": os.urandom(300_000), "b/d/empty": b"", ".hid": b"x"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


@pytest.fixture
def manifest(source):
    return build_manifest(source)


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "snapshots" / "one"


def left_over(dest):
    return os.listdir(dest.parent) if dest.parent.exists() else []


def refused(manifest, source, dest):
    with pytest.raises(DatasigilError) as caught:
        snapshot_verified(manifest, source, dest)
    assert not dest.exists()
    assert left_over(dest) == []
    return caught.value


def test_snapshot_is_a_private_read_only_copy_of_exactly_the_manifest(source, manifest, dest):
    (source / ".datasigil").mkdir()
    (source / ".datasigil/bundle.sigil.json").write_text("{}")
    snapshot = snapshot_verified(manifest, source, dest)
    assert snapshot.root == dest
    assert snapshot.manifest_digest == manifest.digest
    assert (snapshot.files, snapshot.bytes) == (4, manifest.byte_size)
    assert snapshot.finding.scope == "all files"
    assert snapshot.finding.establishes("sha256")
    assert snapshot.finding.establishes("blake3")
    for entry in manifest.entries:
        place = dest / entry.path
        assert place.read_bytes() == (source / entry.path).read_bytes()
        assert stat.S_IMODE(place.stat().st_mode) == 0o400
        assert place.stat().st_nlink == 1
    for folder in (dest, dest / "b", dest / "b/d"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (dest / ".datasigil").exists()
    assert left_over(dest) == ["one"]
    assert check_files(dest, manifest).ok
    snapshot.remove()
    assert left_over(dest) == []


def test_snapshot_does_not_depend_on_the_umask(source, manifest, dest):
    before = os.umask(0)
    try:
        snapshot_verified(manifest, source, dest)
    finally:
        os.umask(before)
    assert stat.S_IMODE(dest.stat().st_mode) == 0o700
    assert stat.S_IMODE((dest / "a.txt").stat().st_mode) == 0o400


def test_bytes_swapped_after_the_copy_change_nothing_in_it(source, manifest, dest):
    snapshot_verified(manifest, source, dest)
    (source / "a.txt").write_bytes(b"omega")
    assert (dest / "a.txt").read_bytes() == b"alpha"
    assert check_files(dest, manifest, digest="all").ok


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda root: (root / "a.txt").write_bytes(b"alphb"), "FILE_DIGEST"),
        (lambda root: (root / "a.txt").write_bytes(b"alph"), "FILE_DIGEST"),
        (lambda root: (root / "b/c.bin").write_bytes(bytes(300_001)), "FILE_DIGEST"),
        (lambda root: (root / "a.txt").unlink(), "FILE_MISSING"),
        (lambda root: (root / "new").write_bytes(b""), "EXTRA_FILE"),
        (lambda root: (root / "A.TXT").write_bytes(b""), "COLLISION"),
        (lambda root: (root / "link").symlink_to("a.txt"), "SYMLINK"),
        (lambda root: os.mkfifo(root / "pipe"), "SPECIAL_FILE"),
        (
            lambda root: (root / "b").rename(root.parent / "out") and (root / "b").symlink_to(root.parent / "out"),
            "SYMLINK",
        ),
    ],
)
def test_folder_that_differs_leaves_no_copy(source, manifest, dest, change, code):
    change(source)
    error = refused(manifest, source, dest)
    assert isinstance(error, ManifestMismatchError)
    assert error.code == code
    assert error.next_action


def test_manifest_that_contradicts_itself_leaves_no_copy(source, manifest, dest):
    for field in ("sha256", "blake3"):
        first = manifest.entries[0]._replace(**{field: "0" * 64})
        assert (
            refused(replace(manifest, entries=(first, *manifest.entries[1:])), source, dest).code
            == "MANIFEST_EQUIVOCATION"
        )


def test_large_file_is_verified_by_every_digest_and_its_chunk_tree(tmp_path, dest):
    source = tmp_path / "large"
    source.mkdir()
    with open(source / "big", "wb") as file:
        file.truncate(CHUNKED_FILE_MIN_BYTES + 1)
    for digests in (("sha256",), ("blake3", "sha256")):
        one = build_manifest(source, digests=digests)
        snapshot = snapshot_verified(one, source, dest)
        assert snapshot.finding.established == dict.fromkeys((*digests, f"{digests[0]}-chunks"), 1)
        snapshot.remove()
        (entry,) = one.entries
        forged = replace(one, entries=(entry._replace(chunks=replace(entry.chunks, root="0" * 64)),))
        assert refused(forged, source, dest).code == "MANIFEST_EQUIVOCATION"


def test_finding_is_returned_where_it_is_asked_for(source, manifest, dest):
    (source / "a.txt").write_bytes(b"omega")
    finding, snapshot = snapshot_files(manifest, source, dest)
    assert snapshot is None
    assert finding.failure_counts == {"FILE_DIGEST": 1}


# Races ----------------------------------------------------------------------------------------------------------------


def test_file_swapped_for_a_link_after_listing_leaves_no_copy(source, manifest, dest, monkeypatch):
    real = snapshot_module.list_tree

    def list_then_swap(*arguments):
        found = real(*arguments)
        (source / "a.txt").rename(source.parent / "outside")
        (source / "a.txt").symlink_to(source.parent / "outside")
        return found

    monkeypatch.setattr(snapshot_module, "list_tree", list_then_swap)
    assert refused(manifest, source, dest).code == "SYMLINK"


def test_copy_holds_the_bytes_that_were_hashed_whatever_a_writer_does_meanwhile(tmp_path, dest):
    source = tmp_path / "busy"
    source.mkdir()
    good = os.urandom(4 << 20)
    (source / "f").write_bytes(good)
    one = build_manifest(source)
    stop = threading.Event()

    def flip():
        with open(source / "f", "r+b") as file:
            while not stop.is_set():
                for byte in (good[:1], bytes([good[0] ^ 1])):
                    file.seek(0)
                    file.write(byte)
                    file.flush()

    writer = threading.Thread(target=flip)
    writer.start()
    passed = 0
    try:
        for number in range(20):
            place = dest.with_name(f"copy-{number}")
            finding, snapshot = snapshot_files(one, source, place)
            if snapshot is None:
                assert not finding.ok
                assert not place.exists()
            else:
                passed += 1
                assert (place / "f").read_bytes() == good
    finally:
        stop.set()
        writer.join()
    assert passed < 20


# Disk full, places, interruptions ---------------------------------------------------------------------------------------


def test_disk_without_room_is_told_before_anything_is_copied(source, manifest, dest, monkeypatch):
    usage = shutil.disk_usage(source)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    error = refused(manifest, source, dest)
    assert error.code == "DISK_FULL"
    assert error.found == "100 bytes free"


def test_write_that_fails_half_way_leaves_nothing(source, manifest, dest):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        error = refused(manifest, source, dest)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert error.code == "DISK_FULL"
    assert error.place == "b/c.bin"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_full_file_system_leaves_nothing(source, manifest, tmp_path, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this root may not mount")
    try:
        assert refused(manifest, source, small / "one").code == "DISK_FULL"  # seen beforehand
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        assert refused(manifest, source, small / "one").code == "DISK_FULL"  # met while writing
    finally:
        subprocess.run(["umount", small], check=True)


def test_place_that_is_taken_is_left_alone(source, manifest, dest, tmp_path):
    dest.mkdir(parents=True)
    (dest / "mine").write_text("x")
    for place in (dest, tmp_path / "dangling"):
        if place != dest:
            place.symlink_to("nowhere")
        with pytest.raises(DatasigilError) as caught:
            snapshot_verified(manifest, source, place)
        assert caught.value.code == "SNAPSHOT_EXISTS"
    assert os.listdir(dest) == ["mine"]


def test_copy_inside_the_dataset_is_refused(source, manifest, tmp_path):
    (tmp_path / "alias").symlink_to(source)
    for place in (source / "copy", source / "b/copy", tmp_path / "alias" / "copy"):
        with pytest.raises(DatasigilError) as caught:
            snapshot_verified(manifest, source, place)
        assert caught.value.code == "SNAPSHOT_PLACE"
    assert check_files(source, manifest).ok


def test_place_that_cannot_be_written_is_an_error(source, manifest, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasigilError) as caught:
        snapshot_verified(manifest, source, tmp_path / "file" / "one")
    assert caught.value.code == "SNAPSHOT_FAILED"


def test_source_that_is_no_folder_is_an_error(manifest, tmp_path, dest):
    assert refused(manifest, tmp_path / "absent", dest).code == "DATA_FOLDER"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_copy_never_has_the_name_of_a_whole_one(source, manifest, dest, how):
    code = """
import sys, time
from pathlib import Path
from datasigil.datasets.files import build_manifest
from datasigil.gate import snapshot_verified
one = build_manifest(Path(sys.argv[1]))
def slow(*_):
    print("copying", flush=True)
    time.sleep(60)
snapshot_verified(one, Path(sys.argv[1]), Path(sys.argv[2]), progress=slow)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(source), str(dest)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout.readline() == "copying\n"
    time.sleep(0.1)
    process.send_signal(how)
    process.communicate(timeout=20)
    assert process.returncode == -how
    assert not dest.exists()
    if how == signal.SIGINT:
        assert left_over(dest) == []
    else:
        assert all(name.endswith(".partial") for name in left_over(dest))
    assert snapshot_verified(manifest, source, dest).files == 4  # what was left is in nobody's way


def test_progress_reports_bytes_of_the_dataset(source, manifest, dest):
    seen = []
    snapshot_verified(manifest, source, dest, progress=lambda *call: seen.append(call))
    assert seen[-1][:2] == (manifest.byte_size, manifest.byte_size)
