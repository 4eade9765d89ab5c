"""Datasets in a bucket: the same findings as on a disk, whatever the network does, and nothing established that did not come."""

import gzip
import io
import os
import tarfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from simulator import World

from datasigil import remote
from datasigil.api import check_dataset, require_dataset
from datasigil.bundle import bundle_bytes, parse_bundle
from datasigil.datasets.files import build_manifest
from datasigil.datasets.limits import CHUNKED_FILE_MIN_BYTES
from datasigil.datasets.source import build_source_manifest, check_source
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.remote import ATTEMPTS_MAX, open_source
from datasigil.trust.policy import parse_policy

FILES = {
    "README.md": b"# Clauses\n",
    "empty.txt": b"",
    "data/train.jsonl": b'{"text":"a"}\n' * 1000,
    "data/deep/er/labels.csv": b"text,label\na,1\nb,2\n",
    "data/deep/Zürich – Ω.txt": b"accents",
    "data.more/a b+c&d.bin": bytes(range(256)) * 30,
}
OBJECT = r"GET /b\d+/set/"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Try again at once."""
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def local(tmp_path):
    for path, data in FILES.items():
        place = tmp_path / "set" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return tmp_path / "set"


@pytest.fixture
def manifest(local):
    return build_manifest(local)


@pytest.fixture
def stored(bucket):
    for path, data in FILES.items():
        bucket.put(f"set/{path}", data)
    bucket.put("settled/other.txt", b"a neighbour whose name begins alike")
    return bucket


def check(bucket, manifest, **options):
    with open_source(bucket.place) as source:
        return check_source(source, manifest, **options)


def codes(finding):
    return {(one.code, one.path) for one in finding.failures}


@pytest.mark.parametrize("digest", ["default", "sha256", "all"])
def test_a_dataset_in_a_bucket_is_the_dataset(stored, manifest, digest):
    finding = check(stored, manifest, digest=digest)
    assert finding.ok
    assert (finding.files, finding.bytes) == (manifest.file_count, manifest.byte_size)


@pytest.mark.parametrize("digests", [("sha256",), ("blake3", "sha256")])
def test_the_manifest_of_a_bucket_is_that_of_the_folder(stored, local, digests):
    with open_source(stored.place) as source:
        assert build_source_manifest(source, digests=digests) == build_manifest(local, digests=digests)


def test_a_large_object_comes_in_ranges_and_has_its_chunk_tree(stored, local, proxy):
    data = os.urandom(1 << 20) * 33
    stored.put("set/big", data)
    (local / "big").write_bytes(data)
    one = build_manifest(local)
    for digest in ("default", "all"):
        finding = check(stored, one, digest=digest)
        assert finding.ok
    assert next(entry for entry in one.entries if entry.path == "big").size >= CHUNKED_FILE_MIN_BYTES
    assert sum("/set/big" in line for line in proxy.asked) >= 2 * 33 // 4


def test_differences_are_found_and_named(stored, manifest):
    stored.put("set/README.md", b"# Claused\n")
    stored.put("set/data/train.jsonl", b"short")
    stored.put("set/extra", b"x")
    stored.delete("set/empty.txt")
    assert codes(check(stored, manifest)) == {
        ("FILE_DIGEST", "README.md"),
        ("FILE_DIGEST", "data/train.jsonl"),
        ("EXTRA_FILE", "extra"),
        ("FILE_MISSING", "empty.txt"),
    }


def test_a_part_in_a_bucket_is_a_part(stored, manifest):
    stored.delete("set/README.md")
    finding = check(stored, manifest, partial=True)
    assert finding.ok
    assert (finding.scope, finding.missing) == ("part", 1)


@pytest.mark.parametrize("key", ["set/a//b", "set//a", "set/../up", "set/x/./y", "set/a\\b", "set/A/../b"])
def test_keys_that_no_file_system_can_hold_are_refused(stored, manifest, key):
    stored.put(key, b"x")
    finding = check(stored, manifest)
    assert {code for code, _ in codes(finding)} <= {"PATH", "EXTRA_FILE"}
    assert not finding.ok
    with open_source(stored.place) as source, pytest.raises(DatasigilError) as caught:
        build_source_manifest(source)
    assert caught.value.code == "PATH"


@pytest.mark.parametrize("key", ["set/", "set/data/", "set/nothing/"])
def test_marks_of_empty_folders_are_no_files(stored, manifest, key):
    stored.put(key, b"")
    assert check(stored, manifest).ok


def test_an_object_and_a_folder_of_one_name_do_not_pass(stored, manifest):
    stored.put("set/data", b"an object where a folder is")
    assert not check(stored, manifest).ok


# Faults ---------------------------------------------------------------------------------------------------------------


def status(code):
    def fault(handler, answer, data):
        handler.send_response_only(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return fault


def hang_up(handler, answer, data):
    handler.close_connection = True
    handler.connection.close()


def cut(handler, answer, data):
    """Promise all, send half, hang up."""
    handler.answer(answer, data[: len(data) // 2], length=len(data))
    handler.close_connection = True


def shorten(handler, answer, data):
    """Send half, and say that this is all."""
    handler.answer(answer, data[: len(data) // 2])


def flip(handler, answer, data):
    handler.answer(answer, bytes([data[0] ^ 1]) + data[1:] if data else data)


def garbage(handler, answer, data):
    handler.wfile.write(b"\0\1\2 not HTTP\r\n\r\n")
    handler.close_connection = True


def slow(handler, answer, data):
    time.sleep(0.3)
    handler.answer(answer, data)


FAULTS = [status(500), status(503), status(429), hang_up, cut, shorten, garbage]
NAMES = ["500", "503", "429", "hang up", "cut", "shorten", "garbage"]


@pytest.mark.parametrize("fault", [*FAULTS, flip, slow], ids=[*NAMES, "flip", "slow"])
def test_a_fault_that_passes_changes_nothing(stored, manifest, proxy, fault):
    proxy.spoil(OBJECT, fault, times=2)
    finding = check(stored, manifest, digest="all")
    assert finding.ok, finding.failures
    assert finding.files == manifest.file_count


@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
def test_an_object_that_never_comes_is_not_called_wrong(stored, manifest, proxy, fault):
    proxy.spoil(OBJECT + "README.md", fault)
    finding = check(stored, manifest)
    assert codes(finding) == {("SOURCE_UNAVAILABLE", "README.md")}
    assert finding.failures[0].found
    asked = sum("README.md" in line for line in proxy.asked)
    assert ATTEMPTS_MAX <= asked <= 4 * ATTEMPTS_MAX


def test_bytes_that_are_different_each_time_are_not_called_wrong(stored, manifest, proxy):
    count = iter(range(10_000))

    def noise(handler, answer, data):
        handler.answer(answer, bytes([next(count) % 256]) + data[1:])

    proxy.spoil(OBJECT + "README.md", noise)
    found = codes(check(stored, manifest))
    assert found == {("SOURCE_UNAVAILABLE", "README.md")}


@pytest.mark.parametrize("fault", [*FAULTS[:3], hang_up, garbage], ids=["500", "503", "429", "hang up", "garbage"])
def test_a_listing_that_fails_once_is_asked_for_again_and_one_that_always_does_is_an_error(
    stored, manifest, proxy, fault
):
    proxy.spoil(r"GET /b\d+/?\?.*list-type", fault, times=2)
    assert check(stored, manifest).ok
    proxy.spoil(r"GET /b\d+/?\?.*list-type", fault)
    with pytest.raises(DatasigilError) as caught:
        check(stored, manifest)
    assert caught.value.code == "SOURCE_UNAVAILABLE"
    assert caught.value.next_action


@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
def test_no_manifest_is_made_of_what_did_not_come(stored, proxy, fault):
    proxy.spoil(OBJECT + "README.md", fault)
    with open_source(stored.place) as source, pytest.raises(DatasigilError) as caught:
        build_source_manifest(source)
    assert caught.value.code == "SOURCE_UNAVAILABLE"


def test_a_bucket_that_changes_while_it_is_hashed_has_no_manifest(stored, proxy):
    def change(handler, answer, data):
        stored.put("set/README.md", b"# Claused\n")
        handler.answer(answer, data)

    proxy.spoil(OBJECT + "data/train.jsonl", change, times=1)
    with open_source(stored.place) as source, pytest.raises(DatasigilError) as caught:
        build_source_manifest(source)
    assert (caught.value.code, "README.md" in caught.value.place) == ("FILE_CHANGED", True)


def test_a_bucket_that_is_not_there_is_an_error(bucket, manifest):
    with open_source("s3://no-such-bucket-anywhere/set") as source, pytest.raises(DatasigilError) as caught:
        check_source(source, manifest)
    assert caught.value.code == "SOURCE_UNAVAILABLE"


def test_the_work_can_be_stopped(stored, manifest):
    class StopError(Exception):
        pass

    def stop(*_):
        raise StopError

    with pytest.raises(StopError):
        check(stored, manifest, progress=stop)


# Archives in a bucket -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
@pytest.mark.parametrize("fault", [None, cut, status(500)], ids=["no fault", "cut", "500"])
def test_an_archive_in_a_bucket_is_read_there(bucket, local, manifest, proxy, name, fault):
    packed = io.BytesIO()
    if name.endswith("zip"):
        with zipfile.ZipFile(packed, "w") as archive:
            for path in FILES:
                archive.write(local / path, path)
    else:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(local, ".")
    data = packed.getvalue()
    bucket.put(f"packed/{name}", gzip.compress(data) if name.endswith("gz") else data)
    if fault is not None:
        proxy.spoil(rf"GET /b\d+/packed/{name}", fault, times=2)
    with open_source(f"s3://{bucket.name}/packed/{name}") as source:
        assert check_source(source, manifest).ok


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_an_archive_that_stops_coming_is_unavailable_and_not_damaged(bucket, local, manifest, proxy, name):
    test_an_archive_in_a_bucket_is_read_there(bucket, local, manifest, proxy, name, None)
    proxy.spoil(rf"GET /b\d+/packed/{name}", status(500))
    with pytest.raises(DatasigilError) as caught, open_source(f"s3://{bucket.name}/packed/{name}") as source:
        check_source(source, manifest)
    assert caught.value.code == "SOURCE_UNAVAILABLE"


# Places ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    ["file:///etc", "http://127.0.0.1/x", "https://h/x", "ftp://h/x", "memory://x", "zip::s3://b/x", "s3://b::file:///etc",
     "github://o:r@/x", "s3://", "s3:///x", "s3://b/x?versionId=1", "S3X://b/x", "simplecache::s3://b/x", "reference://b"],
)  # fmt: skip
def test_only_the_three_kinds_of_places_are_read(place):
    with pytest.raises(DatasigilError) as caught, open_source(place):
        pass
    assert caught.value.code == "REMOTE_PLACE"
    assert "s3://" in caught.value.expected


def test_a_missing_package_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(DatasigilError) as caught, open_source("gs://bucket/x"):
        pass
    assert caught.value.code == "EXTRA_MISSING"
    assert "gcsfs" in caught.value.message


# The plan -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def world(bucket, tmp_path):
    one = World(now=datetime.now(UTC).replace(microsecond=0))
    document = one.issue()
    folder = one.write_files(tmp_path / "own")
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.put(f"set/{path.relative_to(folder)}", path.read_bytes())
    (tmp_path / "x.sigil.json").write_bytes(bundle_bytes(one.publish(document)))
    return one


def report_of(world, tmp_path, bucket, **options):
    policy = parse_policy(world.policy_toml(**options.pop("trust", {})).encode())
    return check_dataset(tmp_path / "x.sigil.json", policy=policy, data=bucket.place, **options)


def test_data_in_a_bucket_makes_a_report_about_all_files(world, bucket, tmp_path):
    report = report_of(world, tmp_path, bucket)
    assert (report.decision, report.scope) == ("VALID", "all files")


def test_data_that_cannot_be_had_is_indeterminate(world, bucket, tmp_path, proxy):
    proxy.spoil(OBJECT, status(503))
    report = report_of(world, tmp_path, bucket)
    assert (report.decision, report.code) == ("INDETERMINATE", "SOURCE_UNAVAILABLE")
    assert report.exit_code == 3


def test_a_listing_that_cannot_be_had_is_indeterminate(world, bucket, tmp_path, proxy):
    proxy.spoil("GET", status(403))
    report = report_of(world, tmp_path, bucket)
    assert (report.decision, report.code) == ("INDETERMINATE", "SOURCE_UNAVAILABLE")


def test_wrong_bytes_beside_missing_ones_are_invalid(world, bucket, tmp_path, proxy):
    bucket.put("set/one-more", b"x")
    proxy.spoil(OBJECT, status(503))
    report = report_of(world, tmp_path, bucket)
    assert (report.decision, report.code) == ("INVALID", "EXTRA_FILE")


def test_nothing_is_asked_for_a_credential_of_an_issuer_that_is_not_trusted(world, bucket, tmp_path, proxy):
    report = check_dataset(tmp_path / "x.sigil.json", data=bucket.place)
    assert report.decision == "INVALID"
    assert proxy.asked == []


def test_a_dataset_in_a_bucket_can_be_opened_file_by_file(world, bucket, tmp_path, proxy):
    policy = parse_policy(world.policy_toml().encode())
    dataset = require_dataset(tmp_path / "x.sigil.json", policy=policy, data=bucket.place)
    path = dataset.files[0]
    with dataset.open(path) as stream:
        assert stream.read() == (tmp_path / "own" / path).read_bytes()
    proxy.asked.clear()
    for other in dataset.files:
        with dataset.open(other) as stream:
            assert stream.read() == (tmp_path / "own" / other).read_bytes()
    assert not [one for one in proxy.asked if "list-type" in str(one)]  # one listing serves them all
    bucket.put(f"set/{path}", b"swapped")
    with pytest.raises(ManifestMismatchError):
        dataset.open(path)
    proxy.asked.clear()
    with dataset.open(dataset.files[1]) as stream:
        assert stream.read() == (tmp_path / "own" / dataset.files[1]).read_bytes()
    assert [
        one for one in proxy.asked if "list-type" in str(one)
    ]  # after a file that was not as stated, it is listed again


def through_the_gate(world, tmp_path, bucket, snapshots):
    from datasigil.gate import GateDataset, GateFile, run_gate
    from datasigil.verification import verify

    bundle = parse_bundle((tmp_path / "x.sigil.json").read_bytes())
    policy = parse_policy(world.policy_toml().encode())
    gate = GateFile((GateDataset(tmp_path / "x.sigil.json", Path(bucket.place), bucket.place),))
    return run_gate(
        gate,
        verify=lambda _, files: verify(bundle, policy=policy, at=world.now, offline=True, data=files).report,
        snapshots=snapshots,
        sources=open_source,
    )


def test_the_gate_copies_a_bucket_into_a_folder_whatever_the_network_does_meanwhile(world, bucket, tmp_path, proxy):
    proxy.spoil(OBJECT, flip, times=1)
    outcome = through_the_gate(world, tmp_path, bucket, tmp_path / "copies")
    assert outcome.decision == "VALID"
    copy = outcome.results[0].snapshot
    assert copy is not None
    assert {
        str(path.relative_to(copy.root)): path.read_bytes() for path in copy.root.rglob("*") if path.is_file()
    } == world.files
    outcome.remove_snapshots()


def test_the_gate_leaves_no_copy_of_a_bucket_that_cannot_be_had_or_differs(world, bucket, tmp_path, proxy):
    bucket.put("set/more", b"x")
    assert through_the_gate(world, tmp_path, bucket, tmp_path / "copies").decision == "INVALID"
    bucket.delete("set/more")
    proxy.spoil(OBJECT, status(503))
    assert through_the_gate(world, tmp_path, bucket, tmp_path / "copies").decision == "INDETERMINATE"
    assert list((tmp_path / "copies").iterdir()) == []
