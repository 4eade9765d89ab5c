"""A folder against its manifest: what is found, what is refused, what must stay fine."""

import os
import shutil
import socket
import stat
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import blake3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasigil.datasets.entry import Manifest, ManifestEntry
from datasigil.datasets.files import build_manifest, check_files
from datasigil.datasets.limits import CHUNK_BYTES, CHUNKED_FILE_MIN_BYTES
from datasigil.datasets.manifest import manifest_bytes, parse_manifest
from datasigil.errors import DatasigilError, MalformedError

MIB = 1 << 20
CHOICES = ("default", "sha256", "blake3", "all")


def codes(finding):
    return {(one.code, one.path) for one in finding.failures}


def refusal(root, **arguments):
    with pytest.raises(DatasigilError) as caught:
        build_manifest(root, **arguments)
    return caught.value


# A good folder ------------------------------------------------------------------------------------------------------


def test_manifest_states_size_and_digests_of_every_file(dataset, manifest):
    for entry in manifest.entries:
        data = (dataset / entry.path).read_bytes()
        assert entry == ManifestEntry(entry.path, len(data), sha256(data).hexdigest(), blake3.blake3(data).hexdigest())
    assert [entry.path for entry in manifest.entries] == [
        "README.md",
        "data-more.bin",
        "data/deep/er/labels.csv",
        "data/train.jsonl",
        "empty.txt",
    ]
    assert parse_manifest(manifest_bytes(manifest)) == manifest


@pytest.mark.parametrize("choice", CHOICES)
def test_unchanged_folder_matches(dataset, manifest, choice):
    finding = check_files(dataset, manifest, digest=choice)
    assert finding.ok
    assert (finding.scope, finding.files, finding.bytes) == ("all files", 5, manifest.byte_size)
    assert finding.ignored == (".datasigil/",)
    names = {"default": ("blake3",), "all": ("blake3", "sha256")}.get(choice, (choice,))
    assert finding.digests == names
    assert all(finding.establishes(name) for name in names)


def test_sha256_only_manifest_is_checked_with_sha256(dataset):
    one = build_manifest(dataset, digests=("sha256",))
    assert all(entry.blake3 is None for entry in one.entries)
    finding = check_files(dataset, one)
    assert finding.ok
    assert finding.digests == ("sha256",)
    assert not finding.establishes("blake3")
    with pytest.raises(DatasigilError) as caught:
        check_files(dataset, one, digest="blake3")
    assert caught.value.code == "DIGEST_ABSENT"


def test_zero_byte_files_and_unusual_names_are_fine(tmp_path):
    for name in (
        "empty",
        "with space",
        "emoji 👩‍💻",
        "Ünï/çødé",
        "tab\tname",
        "new\nline",
        "\x1b[31m",
        "-rf",
        ".hidden",
    ):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"" if name == "empty" else name.encode())
    one = build_manifest(tmp_path)
    assert parse_manifest(manifest_bytes(one)) == one
    assert check_files(tmp_path, one, digest="all").ok


def test_touched_file_with_other_permissions_is_fine(dataset, manifest):
    os.utime(dataset / "README.md", (1, 1))
    (dataset / "README.md").chmod(0o444)
    (dataset / "data").chmod(0o755)
    assert check_files(dataset, manifest).ok


def test_hard_link_is_an_ordinary_file(dataset):
    os.link(dataset / "README.md", dataset / "again.md")
    assert check_files(dataset, build_manifest(dataset)).ok


def test_sparse_file_is_hashed_like_any_other(tmp_path):
    with open(tmp_path / "sparse.bin", "wb") as file:
        file.truncate(5 * MIB)
    one = build_manifest(tmp_path)
    assert one.entries[0].sha256 == sha256(bytes(5 * MIB)).hexdigest()
    assert check_files(tmp_path, one).ok


def test_folder_named_through_a_link_is_the_users_own_choice(dataset, manifest, tmp_path):
    (tmp_path / "link").symlink_to(dataset)
    assert check_files(tmp_path / "link", manifest).ok


def test_evidence_folder_is_ignored_and_may_hold_anything(dataset, manifest):
    evidence = dataset / ".datasigil"
    evidence.mkdir()
    (evidence / "bundle.sigil.json").write_text("{}")
    (evidence / "link").symlink_to("/etc/passwd")
    assert check_files(dataset, manifest).ok
    assert build_manifest(dataset) == manifest


def test_ignored_paths_are_signed_skipped_and_shown(dataset):
    (dataset / ".git").mkdir()
    (dataset / ".git/config").write_text("x")
    (dataset / "notes.txt").write_text("y")
    one = build_manifest(dataset, ignored=(".git/", "notes.txt"))
    assert one.ignored == (".datasigil/", ".git/", "notes.txt")
    assert all(not entry.path.startswith((".git", "notes")) for entry in one.entries)
    (dataset / ".git/more").write_text("z")
    finding = check_files(dataset, one)
    assert finding.ok
    assert finding.ignored == one.ignored


# Differences ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("path", ["README.md", "data-more.bin", "data/train.jsonl"])
def test_one_changed_byte_is_found(dataset, manifest, path, choice):
    data = bytearray((dataset / path).read_bytes())
    data[-1] ^= 1
    (dataset / path).write_bytes(data)
    finding = check_files(dataset, manifest, digest=choice)
    assert not finding.ok
    assert codes(finding) == {("FILE_DIGEST", path)}
    assert finding.files == 4
    assert finding.failures[0].expected != finding.failures[0].found


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_change_anywhere_is_found(tmp_path, data):
    content = data.draw(st.binary(min_size=1, max_size=300))
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(1, 255))
    (tmp_path / "f").write_bytes(content)
    one = build_manifest(tmp_path)
    (tmp_path / "f").write_bytes(content[:at] + bytes([content[at] ^ byte]) + content[at + 1 :])
    for choice in CHOICES:
        assert codes(check_files(tmp_path, one, digest=choice)) == {("FILE_DIGEST", "f")}


@pytest.mark.parametrize("change", [-1, 1, 70_000])
@pytest.mark.parametrize("path", ["README.md", "data-more.bin"])
def test_shorter_or_longer_file_is_found(dataset, manifest, path, change):
    data = (dataset / path).read_bytes()
    (dataset / path).write_bytes(data[:change] if change < 0 else data + bytes(change))
    finding = check_files(dataset, manifest)
    assert codes(finding) == {("FILE_DIGEST", path)}
    assert finding.failures[0].found == f"{len(data) + change} bytes"


def test_file_where_nothing_should_be_is_found(dataset, manifest):
    (dataset / "empty.txt").write_text("x")
    assert codes(check_files(dataset, manifest)) == {("FILE_DIGEST", "empty.txt")}


def test_missing_file_is_found(dataset, manifest):
    (dataset / "README.md").unlink()
    finding = check_files(dataset, manifest)
    assert codes(finding) == {("FILE_MISSING", "README.md")}


def test_extra_file_is_found_at_any_depth(dataset, manifest):
    (dataset / "data/deep/extra.txt").write_text("")
    (dataset / "new").mkdir()
    (dataset / "new/one").write_text("x")
    assert codes(check_files(dataset, manifest)) == {("EXTRA_FILE", "data/deep/extra.txt"), ("EXTRA_FILE", "new/one")}


def test_evidence_folder_is_ignored_at_the_top_only(dataset, manifest):
    (dataset / "data/.datasigil").mkdir()
    (dataset / "data/.datasigil/x").write_text("x")
    assert codes(check_files(dataset, manifest)) == {("EXTRA_FILE", "data/.datasigil/x")}


def test_file_or_link_named_like_the_evidence_folder_is_not_ignored(dataset, manifest, tmp_path):
    (dataset / ".datasigil").write_text("x")
    assert codes(check_files(dataset, manifest)) == {("EXTRA_FILE", ".datasigil")}
    (dataset / ".datasigil").unlink()
    (dataset / ".datasigil").symlink_to(tmp_path)
    assert codes(check_files(dataset, manifest)) == {("SYMLINK", ".datasigil")}


def test_files_swapped_for_one_another_are_found(dataset, manifest):
    one, two = dataset / "README.md", dataset / "data/train.jsonl"
    one.rename(dataset / "tmp")
    two.rename(one)
    (dataset / "tmp").rename(two)
    assert codes(check_files(dataset, manifest)) == {("FILE_DIGEST", "README.md"), ("FILE_DIGEST", "data/train.jsonl")}


def test_file_in_place_of_a_folder_is_found(dataset, manifest):
    shutil.rmtree(dataset / "data")
    (dataset / "data").write_text("x")
    found = {code for code, _ in codes(check_files(dataset, manifest))}
    assert found == {"EXTRA_FILE", "FILE_MISSING"}


def test_folder_in_place_of_a_file_is_found(dataset, manifest):
    (dataset / "README.md").unlink()
    (dataset / "README.md").mkdir()
    assert codes(check_files(dataset, manifest)) == {("FILE_MISSING", "README.md")}


def test_file_that_differs_only_in_case_from_a_listed_one_is_a_collision(dataset, manifest):
    (dataset / "readme.md").write_text("x")
    finding = check_files(dataset, manifest)
    assert codes(finding) == {("COLLISION", "readme.md")}
    assert finding.failures[0].expected == "README.md"


def test_name_that_no_manifest_can_list_is_a_path_failure(dataset, manifest):
    (dataset / "back\\slash").write_text("x")
    (dataset / "e\u0301").write_text("x")
    (Path(os.fsdecode(os.fsencode(dataset) + b"/caf\xe9"))).write_text("x")
    assert codes(check_files(dataset, manifest)) == {
        ("PATH", "back\\slash"),
        ("PATH", "e\u0301"),
        ("PATH", "caf\\xe9"),
    }


def test_messages_cannot_move_the_cursor(dataset, manifest):
    (dataset / "evil\x1b[2J\nname").write_text("x")
    (failure,) = check_files(dataset, manifest).failures
    assert failure.path == "evil\x1b[2J\nname"
    assert failure.message.isprintable()
    (dataset / "evil\x1b[2J\nname").unlink()
    (dataset / "evil\x1b[2J\nlink").symlink_to("x")
    assert str(refusal(dataset)).isprintable()


def test_manifest_whose_digests_contradict_each_other_is_equivocation(dataset, manifest):
    # Somebody signs one manifest under which BLAKE3 checkers and SHA-256 checkers accept different bytes.
    first = manifest.entries[0]
    forged = replace(manifest, entries=(first._replace(sha256="0" * 64), *manifest.entries[1:]))
    assert check_files(dataset, forged).ok
    assert codes(check_files(dataset, forged, digest="sha256")) == {("FILE_DIGEST", first.path)}
    assert codes(check_files(dataset, forged, digest="all")) == {("MANIFEST_EQUIVOCATION", first.path)}


def test_many_failures_are_counted_and_the_first_thousand_kept(tmp_path):
    (tmp_path / "listed").write_text("x")
    one = build_manifest(tmp_path)
    for number in range(1100):
        (tmp_path / f"extra-{number}").touch()
    finding = check_files(tmp_path, one)
    assert finding.failure_counts == {"EXTRA_FILE": 1100}
    assert len(finding.failures) == 1000
    assert not finding.ok


# Links and special files ----------------------------------------------------------------------------------------------


def test_link_to_a_file_with_the_right_bytes_is_refused(dataset, manifest):
    (dataset / "README.md").rename(dataset.parent / "outside.md")
    (dataset / "README.md").symlink_to(dataset.parent / "outside.md")
    assert codes(check_files(dataset, manifest)) == {("SYMLINK", "README.md")}
    assert refusal(dataset).code == "SYMLINK"


def test_linked_folder_is_refused_and_not_entered(dataset, manifest):
    (dataset / "data").rename(dataset.parent / "outside")
    (dataset / "data").symlink_to(dataset.parent / "outside")
    assert codes(check_files(dataset, manifest)) == {("SYMLINK", "data")}
    assert refusal(dataset).code == "SYMLINK"


@pytest.mark.parametrize("target", [".", "..", "loop", "/nonexistent", "/dev/zero", "README.md"])
def test_loops_and_dangling_links_are_refused(dataset, manifest, target):
    (dataset / "loop").symlink_to(target)
    assert codes(check_files(dataset, manifest)) == {("SYMLINK", "loop")}
    assert refusal(dataset).place == "loop"


def test_pipe_is_refused_without_waiting_for_a_writer(dataset, manifest):
    os.mkfifo(dataset / "pipe")
    (dataset / "README.md").unlink()
    os.mkfifo(dataset / "README.md")
    assert codes(check_files(dataset, manifest)) == {("SPECIAL_FILE", "README.md"), ("SPECIAL_FILE", "pipe")}
    assert refusal(dataset).code == "SPECIAL_FILE"


def test_socket_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("x")
    one = build_manifest(tmp_path)
    monkeypatch.chdir(tmp_path)  # socket paths are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert codes(check_files(tmp_path, one)) == {("SPECIAL_FILE", "s")}


@pytest.mark.skipif(os.geteuid() != 0, reason="making a device file takes root")
def test_device_is_refused(dataset, manifest):
    try:
        os.mknod(dataset / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this root may not make device files")
    assert codes(check_files(dataset, manifest)) == {("SPECIAL_FILE", "zero")}


# Partial checks -------------------------------------------------------------------------------------------------------


def test_partial_check_permits_missing_files_and_says_so(dataset, manifest):
    (dataset / "README.md").unlink()
    shutil.rmtree(dataset / "data")
    finding = check_files(dataset, manifest, partial=True)
    assert finding.ok
    assert (finding.scope, finding.files, finding.missing) == ("part", 2, 3)


def test_partial_check_of_everything_still_calls_itself_a_part(dataset, manifest):
    assert check_files(dataset, manifest, partial=True).scope == "part"


def test_partial_check_never_permits_unlisted_or_changed_files(dataset, manifest):
    (dataset / "README.md").unlink()
    (dataset / "extra").write_text("x")
    (dataset / "data/train.jsonl").write_text("x")
    finding = check_files(dataset, manifest, partial=True)
    assert codes(finding) == {("EXTRA_FILE", "extra"), ("FILE_DIGEST", "data/train.jsonl")}


def test_partial_check_of_nothing_establishes_nothing(tmp_path, manifest):
    (tmp_path / "none").mkdir()
    finding = check_files(tmp_path / "none", manifest, partial=True)
    assert not finding.ok
    assert {one.code for one in finding.failures} == {"FILE_MISSING"}


# Folders that cannot be used ------------------------------------------------------------------------------------------


def test_folder_that_is_missing_or_a_file_is_an_error_that_names_it(tmp_path, manifest):
    (tmp_path / "file").write_text("x")
    for name in ("absent", "file"):
        with pytest.raises(DatasigilError) as caught:
            check_files(tmp_path / name, manifest)
        assert caught.value.code == "DATA_FOLDER"
        assert name in caught.value.place
        assert refusal(tmp_path / name).code == "DATA_FOLDER"


def test_folder_without_files_has_no_manifest(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / ".datasigil").mkdir()
    (tmp_path / ".datasigil/x").write_text("x")
    assert refusal(tmp_path).code == "EMPTY_DATASET"


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["back\\slash"], "PATH"),
        (["e\u0301"], "PATH"),
        (["A.txt", "a.txt"], "COLLISION"),
        (["straße", "STRASSE"], "COLLISION"),
        (["Data/x", "data/y"], "COLLISION"),
        (["\u00e9", "e\u0301"], "COLLISION"),
    ],
)
def test_names_that_a_manifest_cannot_hold_are_refused_when_it_is_made(tmp_path, names, code):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    error = refusal(tmp_path)
    assert error.code == code
    assert error.next_action


def test_unknown_digest_or_bad_ignored_path_is_refused(dataset):
    for arguments in ({"digests": ("md5", "sha256")}, {"digests": ("blake3",)}, {"ignored": ("../x/",)}):
        with pytest.raises(MalformedError):
            build_manifest(dataset, **arguments)


# Large files ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A folder with one file just below, one at and one above the size from which chunk trees are kept."""
    root = tmp_path_factory.mktemp("large")
    for name, size in (("below", -1), ("at", 0), ("above", CHUNK_BYTES + 5)):
        with open(root / name, "wb") as file:
            file.truncate(CHUNKED_FILE_MIN_BYTES + size)
            file.seek(CHUNK_BYTES - 3)
            file.write(b"across two chunks")
    return root


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("digests", [("sha256",), ("blake3", "sha256")])
def test_large_files_carry_chunk_trees_and_are_checked_by_each_digest(large, digests, workers):
    one = build_manifest(large, digests=digests, workers=workers)
    counts = {entry.path: entry.chunks.count if entry.chunks else 0 for entry in one.entries}
    assert counts == {"below": 0, "at": 2, "above": 4}
    for entry in one.entries:
        data = (large / entry.path).read_bytes()
        assert entry.sha256 == sha256(data).hexdigest()
        assert entry.blake3 is None or entry.blake3 == blake3.blake3(data).hexdigest()
    chunk_name = f"{digests[0]}-chunks"
    for choice, expected in (
        ("default", {digests[0]: 1, chunk_name: 2}),
        ("sha256", {"sha256": 3}),
        ("all", dict.fromkeys(digests, 3) | {chunk_name: 2}),
    ):
        finding = check_files(large, one, digest=choice, workers=workers)
        assert finding.ok
        assert finding.established == expected
        assert finding.establishes("sha256") == (choice != "default")


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("at", [0, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 4])
def test_one_changed_byte_in_a_large_file_is_found(large, tmp_path, choice, at):
    one = build_manifest(large)
    shutil.copytree(large, tmp_path / "copy")
    with open(tmp_path / "copy/above", "r+b") as file:
        file.seek(at)
        file.write(b"\xa5")
    finding = check_files(tmp_path / "copy", one, digest=choice)
    assert codes(finding) == {("FILE_DIGEST", "above")}
    assert finding.files == 2


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("change", [-1, 1])
def test_large_file_of_another_size_is_found_without_reading_it(large, tmp_path, choice, change):
    one = build_manifest(large)
    shutil.copytree(large, tmp_path / "copy")
    os.truncate(tmp_path / "copy/above", (tmp_path / "copy/above").stat().st_size + change)
    assert codes(check_files(tmp_path / "copy", one, digest=choice)) == {("FILE_DIGEST", "above")}


def test_forged_chunk_root_is_found_by_a_check_of_all_digests(large):
    one = build_manifest(large)
    entries = tuple(
        entry._replace(chunks=replace(entry.chunks, root="0" * 64)) if entry.chunks else entry for entry in one.entries
    )
    forged = Manifest(entries)
    assert {code for code, _ in codes(check_files(large, forged, digest="all"))} == {"MANIFEST_EQUIVOCATION"}
    assert {code for code, _ in codes(check_files(large, forged))} == {"FILE_DIGEST"}


@pytest.mark.long
def test_file_of_four_gibibytes_and_one_byte_is_fine(tmp_path):
    with open(tmp_path / "huge.bin", "wb") as file:
        file.truncate((4 << 30) + 1)
    one = build_manifest(tmp_path)
    assert one.entries[0].size == (4 << 30) + 1
    assert one.entries[0].chunks.count == 257
    assert check_files(tmp_path, one).ok
    with open(tmp_path / "huge.bin", "r+b") as file:
        file.seek(4 << 30)
        file.write(b"\1")
    assert codes(check_files(tmp_path, one)) == {("FILE_DIGEST", "huge.bin")}


# Progress -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digests", [("sha256",), ("blake3", "sha256")])
def test_progress_rises_to_the_number_of_bytes(large, digests):
    seen = []
    one = build_manifest(large, digests=digests, progress=lambda *call: seen.append(call))
    for calls in (seen, []):
        if not calls:
            check_files(large, one, progress=lambda *call, calls=calls: calls.append(call))
        done = [call[0] for call in calls]
        assert done == sorted(done)
        assert done[-1] == one.byte_size
        assert {call[1] for call in calls} == {one.byte_size}
        assert {call[2] for call in calls} <= {entry.path for entry in one.entries}


def test_progress_callback_can_stop_the_work(large):
    class StopError(Exception):
        pass

    def stop(*_):
        raise StopError

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StopError):
        build_manifest(large, progress=stop)
    assert len(os.listdir("/proc/self/fd")) == before
