"""Folders that move while they are read: nothing outside is read, and no mixture of two states passes."""

import os
import shutil
import threading

import pytest

from datasigil.datasets import building, checking, tree, walk
from datasigil.datasets.files import build_manifest, check_files
from datasigil.datasets.limits import CHUNKED_FILE_MIN_BYTES
from datasigil.datasets.small import BatchReader
from datasigil.datasets.tree import OpenFolder, open_tree
from datasigil.errors import DatasigilError

pytestmark = pytest.mark.skipif(not tree.HAS_OPENAT, reason="this platform has no openat")


def codes(finding):
    return {(one.code, one.path) for one in finding.failures}


@pytest.fixture
def opened(monkeypatch):
    """Every path that the tree opened, as the kernel knows it."""
    seen = []
    real = os.open

    def recording(*arguments, **keywords):
        descriptor = real(*arguments, **keywords)
        seen.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        return descriptor

    monkeypatch.setattr(tree.os, "open", recording)
    return seen


def between_listing_and_opening(monkeypatch, module, action):
    def listing_then_action(*arguments):
        found = list(walk.walk_tree(*arguments))
        action()
        return found

    monkeypatch.setattr(module, "walk_tree", listing_then_action)


def swap_for_link(place):
    outside = place.parent.parent / f"outside-{place.name}"
    place.rename(outside)
    place.symlink_to(outside)


@pytest.mark.parametrize("module", [checking, building])
@pytest.mark.parametrize("victim", ["data", "data/deep", "data/deep/er"])
def test_folder_swapped_for_a_link_after_listing_is_refused(dataset, manifest, monkeypatch, opened, module, victim):
    between_listing_and_opening(monkeypatch, module, lambda: swap_for_link(dataset / victim))
    if module is checking:
        finding = check_files(dataset, manifest)
        assert {code for code, _ in codes(finding)} == {"SYMLINK"}
        assert all(path.startswith(f"{victim}/") for _, path in codes(finding))
    else:
        with pytest.raises(DatasigilError) as caught:
            build_manifest(dataset)
        assert caught.value.code == "SYMLINK"
    assert opened
    assert all(path == str(dataset) or path.startswith(f"{dataset}/") for path in opened)


def test_file_swapped_for_a_link_after_listing_is_refused(dataset, manifest, monkeypatch, opened):
    between_listing_and_opening(monkeypatch, checking, lambda: swap_for_link(dataset / "README.md"))
    assert codes(check_files(dataset, manifest)) == {("SYMLINK", "README.md")}
    assert not any("outside" in path for path in opened)


def test_folder_swapped_for_a_link_while_listing_is_not_entered(dataset, manifest, monkeypatch, opened):
    real = OpenFolder.names

    def names_then_swap(self, look=None):
        found = real(self, look)
        if not (dataset / "data").is_symlink():
            swap_for_link(dataset / "data")
        return found

    monkeypatch.setattr(OpenFolder, "names", names_then_swap)
    assert codes(check_files(dataset, manifest)) == {("SYMLINK", "data")}
    assert not any("outside" in path for path in opened)


def test_whole_dataset_swapped_for_a_link_is_read_as_it_was_opened(dataset, manifest, monkeypatch):
    between_listing_and_opening(monkeypatch, checking, lambda: swap_for_link(dataset))
    assert check_files(dataset, manifest).ok  # the folder is held, whatever its name points to


def test_large_file_swapped_for_a_link_is_refused(tmp_path, monkeypatch):
    root = tmp_path / "d"
    root.mkdir()
    with open(root / "big", "wb") as file:
        file.truncate(CHUNKED_FILE_MIN_BYTES)
    one = build_manifest(root)
    between_listing_and_opening(monkeypatch, checking, lambda: swap_for_link(root / "big"))
    assert codes(check_files(root, one)) == {("SYMLINK", "big")}


@pytest.mark.parametrize("path", ["README.md", "empty.txt", "data-more.bin"])
def test_file_swapped_for_a_pipe_is_refused_without_waiting(dataset, manifest, monkeypatch, path):
    def swap():
        (dataset / path).unlink()
        os.mkfifo(dataset / path)

    between_listing_and_opening(monkeypatch, checking, swap)
    assert codes(check_files(dataset, manifest)) == {("SPECIAL_FILE", path)}


def test_file_that_vanishes_after_listing_is_refused_even_in_a_partial_check(dataset, manifest, monkeypatch):
    between_listing_and_opening(monkeypatch, checking, (dataset / "README.md").unlink)
    assert codes(check_files(dataset, manifest, partial=True)) == {("FILE_CHANGED", "README.md")}


def test_folder_swapped_for_a_file_after_listing_is_refused(dataset, manifest, monkeypatch):
    def swap():
        shutil.rmtree(dataset / "data")
        (dataset / "data").write_text("x")

    between_listing_and_opening(monkeypatch, checking, swap)
    assert {code for code, _ in codes(check_files(dataset, manifest))} == {"FILE_CHANGED"}


def test_file_that_never_stops_growing_comes_to_an_end(dataset, manifest):
    stop = threading.Event()

    def grow():
        with open(dataset / "data-more.bin", "ab") as file:
            while not stop.is_set():
                file.write(bytes(1 << 16))
                file.flush()
                if file.tell() > 200 << 20:
                    file.truncate(1 << 20)

    writer = threading.Thread(target=grow)
    size = (dataset / "data-more.bin").stat().st_size
    writer.start()
    try:
        while (dataset / "data-more.bin").stat().st_size == size:
            pass
        finding = check_files(dataset, manifest)
    finally:
        stop.set()
        writer.join()
    assert {path for _, path in codes(finding)} == {"data-more.bin"}


def test_file_that_reads_differently_twice_is_named_as_changing(dataset, manifest, monkeypatch):
    good = (dataset / "README.md").read_bytes()
    (dataset / "README.md").write_bytes(good[:-1] + b"?")
    real = BatchReader.read

    def repaired_before_the_second_look(self, start, stop):
        (dataset / "README.md").write_bytes(good)
        return real(self, start, stop)

    class SecondLook(BatchReader):
        read = repaired_before_the_second_look

    monkeypatch.setattr(checking, "BatchReader", SecondLook)
    assert codes(check_files(dataset, manifest)) == {("FILE_CHANGED", "README.md")}


def test_large_file_written_to_while_it_is_hashed_is_refused(tmp_path):
    with open(tmp_path / "big", "wb") as file:
        file.truncate(4 * CHUNKED_FILE_MIN_BYTES)
    one = build_manifest(tmp_path)

    def touch(*_):
        with open(tmp_path / "big", "r+b") as file:
            file.write(b"\0")  # the same byte: the digests may agree, the file did not stay still

    finding = check_files(tmp_path, one, workers=1, progress=touch)
    assert codes(finding) == {("FILE_CHANGED", "big")}


# Making a manifest: one state or none ---------------------------------------------------------------------------------


def append(place):
    with open(place, "ab") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (lambda root: append(root / "README.md"), "FILE_CHANGED"),
        (lambda root: (root / "new.txt").write_text("x"), "FILE_CHANGED"),
        (lambda root: (root / "README.md").unlink(), "FILE_CHANGED"),
        (lambda root: (root / "README.md").rename(root / "README.txt"), "FILE_CHANGED"),
        (lambda root: os.utime(root / "data/train.jsonl", ns=(1, 1)), "FILE_CHANGED"),
        (
            lambda root: shutil.copy(root / "README.md", root / "tmp") and (root / "tmp").replace(root / "README.md"),
            "FILE_CHANGED",
        ),
        (lambda root: swap_for_link(root / "data"), "SYMLINK"),
    ],
)
def test_folder_that_changes_after_it_was_hashed_has_no_manifest(dataset, action, code):
    done = []

    def once(*_):
        if not done:
            done.append(action(dataset))

    with pytest.raises(DatasigilError) as caught:
        build_manifest(dataset, progress=once)
    assert caught.value.code == code
    assert caught.value.next_action


@pytest.mark.parametrize("path", ["README.md", "data-more.bin", "empty.txt"])
def test_file_that_changes_between_listing_and_hashing_has_no_manifest(dataset, monkeypatch, path):
    between_listing_and_opening(monkeypatch, building, lambda: append(dataset / path))
    with pytest.raises(DatasigilError) as caught:
        build_manifest(dataset)
    assert (caught.value.code, caught.value.place) == ("FILE_CHANGED", path)


def test_reader_recovers_after_a_folder_that_could_not_be_entered(dataset):
    (dataset / "data/other").mkdir()
    (dataset / "data/other/x").write_text("x")
    with open_tree(dataset) as handle:
        os.close(handle.open("data/deep/er/labels.csv"))
        os.close(handle.open("data/other/x"))
        swap_for_link(dataset / "data/deep")
        with pytest.raises(NotADirectoryError):
            handle.open("data/deep/er/labels.csv")
        os.close(handle.open("data/train.jsonl"))
        os.close(handle.open("README.md"))
