"""What a publisher's second run takes over from the first, and what it never does."""

import json
import os
import random
import shutil
import time

import pytest
from blake3 import blake3

from datasigil.datasets import building, entry
from datasigil.datasets.files import build_manifest
from datasigil.datasets.limits import CHUNKED_FILE_MIN_BYTES
from datasigil.datasets.manifest import manifest_bytes, manifest_digest, manifest_root
from datasigil.datasets.records import count_each, record_key
from datasigil.datasets.small import BatchReader
from publisher_cli import hash_cache, remembered
from publisher_cli.hash_cache import HashCache

FILES = {
    "README.md": b"# Clauses\n",
    "empty.txt": b"",
    "data/train.jsonl": b'{"text":"a"}\n{"text":"b"}\n',
    "data/deep/er/labels.csv": b"text,label\na,1\nb,2\n",
    "data-more.bin": bytes(range(256)) * 3000,
}


@pytest.fixture
def dataset(tmp_path):
    """A folder with five files, one of them empty, one larger than a read buffer."""
    for path, data in FILES.items():
        place = tmp_path / "dataset" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return tmp_path / "dataset"


@pytest.fixture
def read(monkeypatch):
    """The paths of small files that were hashed."""
    seen = []
    real = BatchReader.read

    def recording(self, start, stop):
        seen.extend(self._job.paths[start:stop])
        return real(self, start, stop)

    monkeypatch.setattr(BatchReader, "read", recording)
    return seen


@pytest.fixture
def hash_again(dataset, tmp_path, monkeypatch, read):
    """Run over `dataset` with a memory; the files in it count as old, whenever they were written."""
    monkeypatch.setattr(hash_cache, "RACY_NS", -(1 << 62))

    def run(**options):
        read.clear()
        memory = HashCache(tmp_path / "cache", dataset, rehash=options.pop("rehash", False))
        made = build_manifest(dataset, memory=memory, **options)
        fresh = list(read)
        assert manifest_bytes(made) == manifest_bytes(build_manifest(dataset, **options))
        again = build_manifest(dataset, **options)
        assert (made.digest, made.root) == (manifest_digest(again), manifest_root(again))
        return fresh

    return run


def all_files(dataset):
    return sorted(str(path.relative_to(dataset)) for path in dataset.rglob("*") if path.is_file())


def test_an_unchanged_folder_is_not_read_again(dataset, hash_again):
    assert hash_again() == all_files(dataset)
    assert hash_again() == []


def test_rehash_reads_everything(dataset, hash_again):
    hash_again()
    assert hash_again(rehash=True) == all_files(dataset)
    assert hash_again() == []


def edit(dataset):
    (dataset / "README.md").write_text("# Claused\n")


def edit_and_set_the_clock_back(dataset):
    place = dataset / "README.md"
    before = place.stat()
    place.write_text("# Clauseb\n")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.stat().st_size == before.st_size


def replace_by_another_file(dataset):
    place = dataset / "README.md"
    before = place.stat()
    (dataset / "new").write_text("# Clausec\n")
    os.utime(dataset / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (dataset / "new").rename(place)


def touch(dataset):
    os.utime(dataset / "README.md", ns=(1, 1))


def change_permissions(dataset):
    os.chmod(dataset / "README.md", 0o600)


@pytest.mark.parametrize(
    "change", [edit, edit_and_set_the_clock_back, replace_by_another_file, touch, change_permissions]
)
def test_only_the_file_that_may_have_changed_is_read_again(dataset, hash_again, change):
    hash_again()
    change(dataset)
    assert hash_again() == ["README.md"]
    assert hash_again() == []


def add(dataset):
    (dataset / "data/added.txt").write_text("more")
    return ["data/added.txt"]


def remove(dataset):
    (dataset / "data/train.jsonl").unlink()
    return []


def rename(dataset):
    (dataset / "README.md").rename(dataset / "ZZ.md")
    return ["ZZ.md"]


def rename_folder(dataset):
    (dataset / "data").rename(dataset / "other")
    return ["other/deep/er/labels.csv", "other/train.jsonl"]


def remove_first_and_last(dataset):
    (dataset / "README.md").unlink()
    (dataset / "empty.txt").unlink()
    return []


def replace_all(dataset):
    for path in all_files(dataset):
        (dataset / path).unlink()
    (dataset / "zz").write_text("z")
    return ["zz"]


@pytest.mark.parametrize("change", [add, remove, rename, rename_folder, remove_first_and_last, replace_all])
def test_a_small_edit_costs_the_small_edit(dataset, hash_again, change):
    hash_again()
    expected = change(dataset)
    assert hash_again() == expected
    assert hash_again() == []


def test_any_row_of_edits_ends_in_the_manifest_of_a_first_run(dataset, hash_again, monkeypatch):
    for module in (entry, remembered):
        monkeypatch.setattr(module, "BLOCK", 4)  # so that thirty files are blocks enough
    monkeypatch.setattr(remembered, "_COMPARED", 2)
    source = random.Random(11)
    names = [f"f{number:02}" for number in range(40)]
    for name in names[::2]:
        (dataset / name).write_text(name)
    hash_again()
    for number in range(60):
        touched = source.sample(names, source.choice((1, 1, 1, 2, 9)))
        for name in touched:
            place = dataset / name
            if place.exists() and source.random() < 0.5:
                place.unlink()
            else:
                place.write_text(f"{name} {number}")
        assert hash_again() == [name for name in sorted(touched) if (dataset / name).exists()]


def test_files_that_swap_names_are_read_again(dataset, hash_again):
    hash_again()
    (dataset / "README.md").rename(dataset / "x")
    (dataset / "empty.txt").rename(dataset / "README.md")
    (dataset / "x").rename(dataset / "empty.txt")
    assert hash_again() == ["README.md", "empty.txt"]


@pytest.mark.parametrize("options", [{"digests": ("sha256",)}, {"ignored": ("README.md",)}])
def test_another_choice_of_digests_or_paths_takes_nothing_over(dataset, hash_again, options):
    hash_again()
    assert hash_again(**options)
    assert hash_again(**options) == []


def test_a_file_written_a_moment_ago_is_never_remembered(dataset, tmp_path, read):
    def run():
        read.clear()
        build_manifest(dataset, memory=HashCache(tmp_path / "cache", dataset))
        return list(read)

    assert run() == run() == all_files(dataset)


def test_a_time_of_change_in_the_future_is_never_trusted(dataset, tmp_path, read, monkeypatch):
    monkeypatch.setattr(building.time, "time_ns", lambda: 1)
    memory = HashCache(tmp_path / "cache", dataset)
    build_manifest(dataset, memory=memory)
    read.clear()
    build_manifest(dataset, memory=memory)
    assert read == all_files(dataset)


def test_chunk_trees_are_remembered(dataset, hash_again):
    with open(dataset / "big", "wb") as file:
        file.truncate(CHUNKED_FILE_MIN_BYTES + 1)
    hash_again()
    hash_again()
    edit(dataset)
    assert hash_again() == ["README.md"]


def truncated(data):
    return data[:-1]


def flipped(at):
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def with_line(change):
    """A file whose last line was changed, and signed off as it is now."""

    def changed(data):
        start = data.rindex(b'{"type":"HashCache"')
        line = change(data[start : -remembered._END.size])
        return data[:start] + line + remembered._END.pack(blake3(line).digest(), len(line))

    return changed


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        *map(flipped, (0, 3, -1, -9, -50)),
        with_line(lambda line: line.replace(b'"formatVersion":2', b'"formatVersion":1')),
        with_line(lambda line: line.replace(b'"little"', b'"big"')),
        with_line(lambda line: b"[]\n"),
        with_line(lambda line: b"{}\n"),
        with_line(lambda line: line.replace(b'"columns":[[', b'"columns":[[1')),
        lambda data: data[:100],
        lambda data: data + data,
        lambda data: b"",
        lambda data: b"{}\n",
        lambda data: os.urandom(200),
        lambda data: os.urandom(32) + b"\xff" * 8,
    ],
)
def test_a_damaged_cache_counts_as_none(dataset, tmp_path, hash_again, damage):
    hash_again()
    place = next((tmp_path / "cache").glob("*.hashes"))
    data = place.read_bytes()
    place.write_bytes(damage(data))
    edit(dataset)
    assert hash_again() == all_files(dataset)
    assert hash_again() == []


def test_a_flipped_byte_anywhere_in_a_cache_never_changes_a_manifest(dataset, tmp_path, hash_again):
    hash_again()
    place = next((tmp_path / "cache").glob("*.hashes"))
    data = place.read_bytes()
    reread = 0
    for at in range(0, len(data), 41):
        place.write_bytes(flipped(at)(data))
        reread += bool(hash_again())  # which compares what it makes with a manifest made afresh
        place.write_bytes(data)
    assert reread > len(data) // 82


def test_a_pipe_in_place_of_a_cache_is_not_waited_for(dataset, tmp_path):
    memory = HashCache(tmp_path / "cache", dataset)
    memory.remember_records({"a": 1})
    memory.store(build_manifest(dataset), building.SignatureTable(), 0)
    for place in list((tmp_path / "cache").iterdir()):
        place.unlink()
        os.mkfifo(place)
    again = HashCache(tmp_path / "cache", dataset)
    assert again.load(("blake3", "sha256"), (".datasigil/",)) is None
    assert again.record_counts() == {}


def test_a_cache_inside_the_dataset_is_not_used(dataset):
    memory = HashCache(dataset / ".datasigil/cache", dataset)
    build_manifest(dataset, memory=memory)
    assert "inside the dataset" in memory.note
    assert not (dataset / ".datasigil").exists()


def test_a_cache_that_cannot_be_written_is_said_and_costs_nothing(dataset, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    memory = HashCache(tmp_path / "cache", dataset)
    made = build_manifest(dataset, memory=memory)
    assert made.file_count == 5
    assert "nothing was remembered" in memory.note


def test_the_cache_is_for_its_owner_only_and_bounded(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(hash_cache, "CACHES_KEPT", 2)
    for number in range(4):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(dataset, copy)
        build_manifest(copy, memory=HashCache(tmp_path / "cache", copy))
        time.sleep(0.01)
    kept = list((tmp_path / "cache").glob("*.hashes"))
    assert len(kept) == 2
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_change_between_listing_and_end_is_still_an_error(dataset, hash_again, tmp_path, monkeypatch):
    hash_again()
    monkeypatch.undo()
    edit(dataset)

    def write(*_):
        (dataset / "data/train.jsonl").write_text("{}")

    with pytest.raises(building.DatasigilError) as caught:
        build_manifest(dataset, memory=HashCache(tmp_path / "cache", dataset), progress=write)
    assert caught.value.code == "FILE_CHANGED"


@pytest.fixture
def listings(monkeypatch):
    """How often a folder was listed for a manifest."""
    seen = []
    real = building.walk_tree

    def counting(tree, *rest):
        seen.append(tree)
        return real(tree, *rest)

    monkeypatch.setattr(building, "walk_tree", counting)
    return seen


def settle(monkeypatch):
    """Let all that was written count as written long ago."""
    real = time.time_ns
    monkeypatch.setattr(building.time, "time_ns", lambda: real() + 3600 * 10**9)


def test_a_small_edit_of_what_has_kept_still_needs_one_look(dataset, tmp_path, listings, monkeypatch):
    settle(monkeypatch)
    build_manifest(dataset, memory=HashCache(tmp_path / "cache", dataset))
    assert len(listings) == 2  # a first run is always looked at again
    edit(dataset)
    (dataset / "data/added.txt").write_text("more")
    listings.clear()
    made = build_manifest(dataset, memory=HashCache(tmp_path / "cache", dataset))
    assert len(listings) == 1
    assert manifest_bytes(made) == manifest_bytes(build_manifest(dataset))
    assert (made.digest, made.root) == (
        manifest_digest(build_manifest(dataset)),
        manifest_root(build_manifest(dataset)),
    )


def file_of_a_moment_ago(dataset):
    (dataset / "data/added.txt").write_text("more")


def folder_of_a_moment_ago(dataset):
    (dataset / "empty.txt").unlink()


@pytest.mark.parametrize("change", [file_of_a_moment_ago, folder_of_a_moment_ago, edit])
def test_what_moved_a_moment_ago_is_looked_at_again(dataset, tmp_path, listings, change):
    build_manifest(dataset, memory=HashCache(tmp_path / "cache", dataset))
    change(dataset)
    listings.clear()
    build_manifest(dataset, memory=HashCache(tmp_path / "cache", dataset))
    assert len(listings) == 2


def test_a_large_edit_is_looked_at_again(dataset, tmp_path, listings, monkeypatch):
    settle(monkeypatch)
    monkeypatch.setattr(building, "BRIEF_BYTES_MAX", 10)
    build_manifest(dataset, memory=HashCache(tmp_path / "cache", dataset))
    (dataset / "README.md").write_text("eleven byte")
    listings.clear()
    build_manifest(dataset, memory=HashCache(tmp_path / "cache", dataset))
    assert len(listings) == 2


def test_counted_tables_are_not_read_again(dataset, tmp_path):
    memory = HashCache(tmp_path / "cache", dataset)
    made = build_manifest(dataset, memory=memory)
    counts = count_each(dataset, made.entries, known=memory.record_counts())
    assert {one.path: count for one, count in counts} == {"data/train.jsonl": 2, "data/deep/er/labels.csv": 2}
    memory.remember_records({record_key(one): count for one, count in counts})
    shutil.rmtree(dataset / "data")  # who reads would fail
    assert count_each(dataset, made.entries, known=memory.record_counts()) == counts
    assert HashCache(tmp_path / "cache", dataset, rehash=True).record_counts() == {}


@pytest.mark.parametrize("text", ["", "[]", '{"a": -1}', '{"a": true}', '{"a": "1"}', "{"])
def test_damaged_counts_count_as_none(dataset, tmp_path, text):
    memory = HashCache(tmp_path / "cache", dataset)
    memory.store(build_manifest(dataset), building.SignatureTable(), 0)
    memory.remember_records({"a": 1})
    place = next((tmp_path / "cache").glob("*.records"))
    assert json.loads(place.read_text()) == {"a": 1}
    place.write_text(text)
    assert memory.record_counts() == {}
