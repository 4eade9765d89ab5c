"""Datasets in tar and zip files: read as they lie, refused when a member could be read in two ways or grow without measure."""

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from hashlib import sha256

import pytest

from datasigil.datasets.archives import open_archive
from datasigil.datasets.entry import Manifest, ManifestEntry
from datasigil.datasets.files import build_manifest
from datasigil.datasets.limits import ARCHIVE_FREE_BYTES, CHUNKED_FILE_MIN_BYTES
from datasigil.datasets.source import build_source_manifest, check_source
from datasigil.errors import DatasigilError

PACKINGS = ("tar", "tar.gz", "tar.bz2", "tar.xz", "zip", "stored.zip")
MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def pack(folder, place, packing):
    """Pack a folder the way its own tools do: tar with the leading './', zip without."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if packing.endswith("zip"):
        how = zipfile.ZIP_STORED if packing.startswith("stored") else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(place, "w", how) as archive:
            for path in files:
                archive.write(path, str(path.relative_to(folder)))
    else:
        with tarfile.open(place, MODES[packing]) as archive:
            archive.add(folder, ".")
    return place


@pytest.fixture(params=PACKINGS)
def packed(request, dataset, tmp_path):
    return pack(dataset, tmp_path / f"data.{request.param}", request.param)


def check(place, manifest, **options):
    with open_archive(place) as source:
        return check_source(source, manifest, **options)


def codes(finding):
    return {(one.code, one.path) for one in finding.failures}


def outcome(place, manifest):
    """Return the finding, or the code of the refusal."""
    try:
        return check(place, manifest)
    except DatasigilError as error:
        return error.code


def refusal(place, manifest):
    with pytest.raises(DatasigilError) as caught:
        check(place, manifest)
    assert caught.value.next_action
    assert caught.value.expected
    return caught.value.code


@pytest.mark.parametrize("digest", ["default", "sha256", "blake3", "all"])
def test_a_packed_dataset_is_the_dataset(packed, dataset, manifest, digest):
    finding = check(packed, manifest, digest=digest)
    assert finding.ok
    assert (finding.files, finding.bytes, finding.scope) == (manifest.file_count, manifest.byte_size, "all files")
    assert set(finding.established.values()) == {manifest.file_count}


@pytest.mark.parametrize("digests", [("sha256",), ("blake3", "sha256")])
def test_the_manifest_of_an_archive_is_that_of_the_folder(packed, dataset, digests):
    with open_archive(packed) as source:
        assert build_source_manifest(source, digests=digests) == build_manifest(dataset, digests=digests)


@pytest.mark.parametrize("packing", ["tar", "tar.gz", "zip"])
def test_large_members_have_the_chunk_trees_of_large_files(dataset, tmp_path, packing):
    with open(dataset / "big", "wb") as file:
        file.write(os.urandom(1 << 20) * 32 + b"x")
    assert (dataset / "big").stat().st_size > CHUNKED_FILE_MIN_BYTES
    one = build_manifest(dataset)
    place = pack(dataset, tmp_path / f"data.{packing}", packing)
    for digest in ("default", "all"):
        assert check(place, one, digest=digest).ok
    with open_archive(place) as source:
        assert build_source_manifest(source) == one


def test_nothing_is_written_to_the_disk(packed, manifest, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert check(packed, manifest).ok
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("packing", PACKINGS)
def test_one_changed_byte_a_missing_and_an_extra_member_are_found(dataset, manifest, tmp_path, packing):
    (dataset / "README.md").write_bytes(b"# Claused\n")
    (dataset / "empty.txt").unlink()
    (dataset / "extra").write_text("x")
    (dataset / "data/train.jsonl").write_text("another size")
    finding = check(pack(dataset, tmp_path / f"x.{packing}", packing), manifest)
    assert codes(finding) == {
        ("FILE_DIGEST", "README.md"),
        ("FILE_DIGEST", "data/train.jsonl"),
        ("FILE_MISSING", "empty.txt"),
        ("EXTRA_FILE", "extra"),
    }


def test_a_part_in_an_archive_is_a_part(dataset, manifest, tmp_path):
    (dataset / "README.md").unlink()
    place = pack(dataset, tmp_path / "part.zip", "zip")
    finding = check(place, manifest, partial=True)
    assert finding.ok
    assert (finding.scope, finding.files, finding.missing) == ("part", 4, 1)
    assert not check(place, manifest).ok


def test_progress_and_its_end(packed, manifest):
    calls = []
    check(packed, manifest, progress=lambda *call: calls.append(call[:2]))
    assert calls[-1] == (manifest.byte_size, manifest.byte_size)
    assert calls == sorted(calls)


# Members that no dataset may hold -------------------------------------------------------------------------------------


def one_file(path="a", data=b"x", **options):
    return Manifest((ManifestEntry(path, len(data), sha256(data).hexdigest()),), ("sha256",), **options)


def tar_of(place, *members, mode="w", **options):
    with tarfile.open(place, mode, **options) as archive:
        for name, data, changes in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return place


def zip_of(place, *members):
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, changes in members:
            info = zipfile.ZipInfo(name)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.writestr(info, data)
    return place


GOOD = ("a", b"x", {})


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (tarfile.SYMTYPE, "SYMLINK"),
        (tarfile.LNKTYPE, "SYMLINK"),
        (tarfile.CHRTYPE, "SPECIAL_FILE"),
        (tarfile.BLKTYPE, "SPECIAL_FILE"),
        (tarfile.FIFOTYPE, "SPECIAL_FILE"),
    ],
)
@pytest.mark.parametrize("name", ["b", "a"])
def test_links_and_special_members_of_a_tar_are_refused(tmp_path, kind, code, name):
    place = tar_of(tmp_path / "x.tar", GOOD, (name, b"", {"type": kind, "linkname": "a"}))
    assert codes(check(place, one_file())) == {(code, name)}


@pytest.mark.parametrize(
    ("mode", "code"), [(stat.S_IFLNK, "SYMLINK"), (stat.S_IFIFO, "SPECIAL_FILE"), (stat.S_IFSOCK, "SPECIAL_FILE")]
)
def test_links_and_special_members_of_a_zip_are_refused(tmp_path, mode, code):
    change = {"external_attr": (mode | 0o777) << 16, "create_system": 3}
    place = zip_of(tmp_path / "x.zip", GOOD, ("b", b"a", change))
    assert codes(check(place, one_file())) == {(code, "b")}


NAMES = ["../a", "/a", "x/../a", "C:\\a", "a\\b", "./../a", "x//a", "x/./a", "..", "a\u0301"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("packing", ["tar", "zip"])
def test_names_that_leave_the_folder_are_refused_and_nothing_is_read(tmp_path, name, packing):
    make = tar_of if packing == "tar" else zip_of
    place = make(tmp_path / f"x.{packing}", GOOD, (name, b"evil", {}))
    found = codes(check(place, one_file()))
    assert {code for code, _ in found} == {"PATH"}
    with open_archive(place) as source, pytest.raises(DatasigilError) as caught:
        build_source_manifest(source)
    assert caught.value.code == "PATH"


@pytest.mark.parametrize("packing", ["tar", "tar.gz", "zip"])
@pytest.mark.parametrize("names", [("a", "a"), ("b", "a", "b")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_given_twice_is_refused_whichever_is_right(tmp_path, packing, names):
    members = [(name, b"x" if at == 0 else b"y", {}) for at, name in enumerate(names)]
    place = tmp_path / f"x.{packing}"
    if packing == "zip":
        zip_of(place, *members)
    else:
        tar_of(place, *members, mode=MODES[packing])
    one = one_file(names[0])
    assert ("DUP_PATH", names[0]) in codes(check(place, one)) | codes(check(place, one_file("b")))
    assert not check(place, one).ok
    with open_archive(place) as source, pytest.raises(DatasigilError) as caught:
        build_source_manifest(source)
    assert caught.value.code == "DUP_PATH"


def test_a_name_with_and_without_the_leading_dot_is_one_name(tmp_path):
    place = tar_of(tmp_path / "x.tar", GOOD, ("./a", b"y", {}))
    assert codes(check(place, one_file())) == {("DUP_PATH", "a")}


def test_names_that_collide_on_some_file_systems_are_refused(tmp_path):
    place = zip_of(tmp_path / "x.zip", GOOD, ("A", b"x", {}))
    assert codes(check(place, one_file())) == {("COLLISION", "A")}
    with open_archive(place) as source, pytest.raises(DatasigilError) as caught:
        build_source_manifest(source)
    assert caught.value.code == "COLLISION"


def test_a_name_whose_encoding_is_not_stated_is_refused(tmp_path):
    place = zip_of(tmp_path / "x.zip", GOOD, ("\u00e9", b"x", {}))
    data = place.read_bytes()
    # Take the UTF-8 mark off both headers of the second member.
    for mark in (b"PK\3\4", b"PK\1\2"):
        at = data.rfind(mark)
        offset = at + (6 if mark == b"PK\3\4" else 8)
        data = data[:offset] + b"\0\0" + data[offset + 2 :]
    place.write_bytes(data)
    assert {code for code, _ in codes(check(place, one_file()))} == {"PATH"}


def test_a_nul_in_a_name_does_not_cut_it_short(tmp_path):
    place = zip_of(tmp_path / "x.zip", ("a!b", b"x", {}))
    place.write_bytes(place.read_bytes().replace(b"a!b", b"a\0b"))
    assert {code for code, _ in codes(check(place, one_file()))} == {"PATH", "FILE_MISSING"}


def test_an_encrypted_member_is_refused(tmp_path):
    place = zip_of(tmp_path / "x.zip", GOOD)
    data = bytearray(place.read_bytes())
    data[6] |= 1
    data[data.rfind(b"PK\1\2") + 8] |= 1
    place.write_bytes(data)
    assert {code for code, _ in codes(check(place, one_file()))} == {"UNREADABLE"}


def test_ignored_members_are_left_out(tmp_path):
    place = zip_of(tmp_path / "x.zip", GOOD, (".datasigil/bundle.sigil.json", b"{}", {}), ("notes/x", b"", {}))
    assert check(place, one_file(ignored=(".datasigil/", "notes/"))).ok


# Damage and bombs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PACKINGS)
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_an_archive_cut_short_is_never_the_dataset(dataset, manifest, tmp_path, kind, keep):
    (dataset / "noise").write_bytes(os.urandom(100_000))
    one = build_manifest(dataset)
    place = pack(dataset, tmp_path / f"x.{kind}", kind)
    data = place.read_bytes()
    place.write_bytes(data[: int(len(data) * keep)])
    found = outcome(place, one)
    assert found == "ARCHIVE" or not found.ok


@pytest.mark.parametrize("kind", PACKINGS)
def test_any_flipped_bit_is_found_or_changes_nothing_that_is_read(dataset, tmp_path, kind):
    one = build_manifest(dataset)
    place = pack(dataset, tmp_path / f"x.{kind}", kind)
    data = place.read_bytes()
    for at in range(0, len(data), max(1, len(data) // 60)):
        place.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        found = outcome(place, one)
        if found != "ARCHIVE" and found.ok:  # a time or permission, which no manifest speaks of
            assert (found.files, found.bytes) == (one.file_count, one.byte_size)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"PK\3\4", b"PK\5\6" + bytes(18), b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0", bytes(10_240), os.urandom(2000)]
)  # fmt: skip
def test_what_is_no_archive_is_refused(tmp_path, data):
    place = tmp_path / "x"
    place.write_bytes(data)
    found = outcome(place, one_file())
    assert found == "ARCHIVE" or codes(found) == {("FILE_MISSING", "a")}


def test_bytes_after_the_end_of_a_tar_are_refused(tmp_path):
    place = tar_of(tmp_path / "x.tar", GOOD)
    other = tar_of(tmp_path / "y.tar", ("b", b"evil", {}))
    place.write_bytes(place.read_bytes() + other.read_bytes())
    assert refusal(place, one_file()) == "ARCHIVE"


def test_a_damaged_header_does_not_end_a_tar_quietly(tmp_path):
    place = tar_of(tmp_path / "x.tar", GOOD, ("b", b"evil", {}))
    data = bytearray(place.read_bytes())
    data[1024 + 148] ^= 0xFF  # the second header's checksum
    place.write_bytes(data)
    assert refusal(place, one_file()) == "ARCHIVE"


def test_members_that_share_their_bytes_are_refused(tmp_path):
    place = zip_of(tmp_path / "x.zip", GOOD, ("b", b"x", {}))
    data = bytearray(place.read_bytes())
    second = data.rfind(b"PK\1\2")
    data[second + 42 : second + 46] = struct.pack("<L", 0)  # both headers point to the first member
    place.write_bytes(data)
    assert refusal(place, one_file()) == "ARCHIVE"


@pytest.mark.parametrize("packing", ["tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_an_archive_that_expands_without_measure_is_refused_before_it_does(tmp_path, packing):
    size = ARCHIVE_FREE_BYTES * 4
    data = bytes(1 << 20)
    one = Manifest((ManifestEntry("a", size, "0" * 64, None),), ("sha256",))
    place = tmp_path / f"x.{packing}"
    if packing == "zip":
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a", "w") as member:
            for _ in range(size >> 20):
                member.write(data)
    else:
        info = tarfile.TarInfo("a")
        info.size = size
        opened = {"tar.gz": gzip.open, "tar.bz2": bz2.open, "tar.xz": lzma.open}[packing](place, "wb")
        with opened as stream:
            stream.write(info.tobuf())
            for _ in range(size >> 20):
                stream.write(data)
    assert place.stat().st_size < 1 << 20
    assert refusal(place, one) == "ARCHIVE"


def test_a_header_of_a_gigabyte_is_refused_before_it_is_read(tmp_path):
    info = tarfile.TarInfo("a")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    place = tmp_path / "x.tar.gz"
    with gzip.open(place, "wb") as stream:
        stream.write(info.tobuf())
        stream.writelines([bytes(1 << 20)] * 64)
    assert refusal(place, one_file()) == "ARCHIVE"


def test_a_directory_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path):
    place = zip_of(tmp_path / "x.zip", GOOD)
    data = bytearray(place.read_bytes())
    at = data.rfind(b"PK\5\6")
    data[at + 12 : at + 16] = struct.pack("<L", 1 << 31)
    place.write_bytes(data)
    assert refusal(place, one_file()) == "ARCHIVE"


def test_a_sparse_member_of_terabytes_costs_nothing(tmp_path):
    place = tmp_path / "x.tar"
    subprocess.run(["truncate", "-s", "2T", tmp_path / "a"], check=True)
    subprocess.run(["tar", "--sparse", "-C", tmp_path, "-cf", place, "a"], check=True)
    assert place.stat().st_size < 1 << 20
    assert refusal(place, one_file()) == "ARCHIVE"


def test_memory_does_not_grow_with_a_member(tmp_path):
    program = """
        import resource, sys
        from pathlib import Path
        from datasigil.datasets.archives import open_archive
        from datasigil.datasets.source import build_source_manifest
        import zipfile, tarfile, blake3, lzma, zlib
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with open_archive(Path(sys.argv[1])) as source:
            build_source_manifest(source)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024
    """
    with open(tmp_path / "big", "wb") as file:
        file.writelines([os.urandom(1 << 20)] * 200)
    for packing in ("tar", "zip"):
        place = tmp_path / f"x.{packing}"
        if packing == "tar":
            with tarfile.open(place, "w") as archive:
                archive.add(tmp_path / "big", "big")
        else:
            with zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as archive:
                archive.write(tmp_path / "big", "big")
        subprocess.run([sys.executable, "-c", textwrap.dedent(program), place], check=True)


def test_an_archive_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasigilError) as caught, open_archive(tmp_path / "none.zip"):
        pass
    assert caught.value.code == "UNREADABLE"
