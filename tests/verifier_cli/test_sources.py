"""`check --data` with an archive, and with places that are not on this machine."""

import zipfile

import pytest


@pytest.fixture
def packed(desk):
    place = desk.folder / "data.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for path in sorted(desk.data.rglob("*")):
            if path.is_file():
                archive.write(path, str(path.relative_to(desk.data)))
    return place


def test_an_archive_is_checked_without_unpacking_it(desk, packed, no_sockets):
    before = sorted(desk.folder.rglob("*"))
    answer = desk.check("--data", packed, "--json")
    assert (answer.document["decision"], answer.document["scope"], answer.code) == ("VALID", "all files", 0)
    assert sorted(desk.folder.rglob("*")) == before


def test_a_part_in_an_archive_is_never_called_the_whole(desk, packed):
    part = desk.folder / "part.zip"
    with zipfile.ZipFile(packed) as archive, zipfile.ZipFile(part, "w") as other:
        name = archive.namelist()[0]
        other.writestr(name, archive.read(name))
    assert desk.decision("--data", part) == ("INVALID", ["FILE_MISSING"], 1)
    answer = desk.check("--data", part, "--partial")
    assert answer.code == 0
    assert "all files" not in answer.out


def test_a_changed_archive_is_invalid(desk, packed):
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("more.txt", "x")
    assert desk.decision("--data", packed) == ("INVALID", ["EXTRA_FILE"], 1)


def test_a_file_that_is_no_archive_is_invalid_with_what_to_do(desk):
    place = desk.folder / "note.txt"
    place.write_text("not an archive")
    answer = desk.check("--data", place, "--json")
    assert (answer.document["decision"], answer.document["codes"], answer.code) == ("INVALID", ["ARCHIVE"], 1)


@pytest.mark.parametrize("place", ["s3://bucket/x", "hf://org/name", "gs://b/x"])
def test_offline_and_a_bucket_exclude_each_other(desk, no_sockets, place):
    answer = desk.check("--data", place)
    assert answer.code == 2
    assert "--offline" in answer.err
    assert answer.out == ""


def test_an_empty_place_is_never_the_current_folder(desk, monkeypatch):
    monkeypatch.chdir(desk.data)
    for words in ((desk.bundle, "--data", ""), ("",)):
        answer = desk.run("check", *words, "--policy", desk.policy, "--offline")
        assert (answer.code, answer.out) == (2, "")
        assert "`.` is the current folder" in answer.err


@pytest.mark.parametrize("place", ["https://example.com/x", "file:///etc", "zip::s3://b/x", "s3:///", "s3://"])
def test_other_places_are_wrong_usage(desk, no_sockets, place):
    answer = desk.run("check", desk.bundle, "--policy", desk.policy, "--data", place)
    assert answer.code == 2
    assert "s3://BUCKET" in answer.err + answer.out or "--offline" in answer.err
