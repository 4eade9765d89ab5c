"""The gate on data that is no folder: archives are unpacked into the verified copy, and only there; buckets are read after step 5."""

import json
import sys
import tarfile
import zipfile

import pytest

READ = "import os; open('seen', 'w').write(open(os.environ['DATASIGIL_DATA'] + '/LICENSE').read())"


def files_of(desk):
    return [path for path in sorted(desk.data.rglob("*")) if path.is_file()]


def packed(desk, name="scans.zip"):
    place = desk.folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(place, "w") as archive:
            for path in files_of(desk):
                archive.write(path, str(path.relative_to(desk.data)))
    else:
        with tarfile.open(place, "w:gz") as archive:
            for path in files_of(desk):
                archive.add(path, str(path.relative_to(desk.data)))
    return place


def gate(desk, *words):
    return desk.run("gate", "gate.toml", "--policy", desk.policy, "--offline", *words)


def run(desk, *program):
    return desk.run("exec", "gate.toml", "--policy", desk.policy, "--offline", "-o", "receipt.json", "--work", desk.folder / "work", "--", *program)  # fmt: skip


@pytest.mark.parametrize("name", ["scans.zip", "scans.tar.gz"])
def test_an_archive_passes_the_gate_and_is_offered_as_a_read_only_folder(desk, no_sockets, name):
    packed(desk, name)
    desk.gate(data=name, roots="")
    (desk.folder / "work").mkdir()
    answer = gate(desk, "--json")
    assert (answer.document["decision"], answer.code) == ("VALID", 0)
    assert answer.document["datasets"][0]["data"].endswith(name)
    code = READ + "; p = os.environ['DATASIGIL_DATA']; print(oct(os.stat(p).st_mode), oct(os.stat(p + '/LICENSE').st_mode), file=open('modes', 'w'))"  # fmt: skip
    assert run(desk, sys.executable, "-c", code).code == 0
    assert (desk.folder / "seen").read_text() == desk.world.files["LICENSE"].decode()
    assert (desk.folder / "modes").read_text().split() == ["0o40500", "0o100400"]
    assert list((desk.folder / "work").iterdir()) == []
    said = json.loads((desk.folder / "receipt.json").read_bytes())
    assert said["datasets"][0]["files"] == len(desk.world.files)


@pytest.mark.parametrize("spoil", ["changed", "extra", "missing", "no archive", "gone"])
def test_an_archive_that_is_not_the_signed_dataset_runs_nothing_and_leaves_nothing(desk, spoil):
    place = packed(desk)
    desk.gate(data="scans.zip", roots="")
    (desk.folder / "work").mkdir()
    if spoil in {"no archive", "gone"}:
        place.write_bytes(b"no archive at all") if spoil == "no archive" else place.unlink()
    else:
        with zipfile.ZipFile(place, "w") as archive:
            for path in files_of(desk)[1 if spoil == "missing" else 0 :]:
                archive.writestr(
                    str(path.relative_to(desk.data)), path.read_bytes() + (b"!" if spoil == "changed" else b"")
                )
            if spoil == "extra":
                archive.writestr("zz.txt", b"x")
    answer = run(desk, sys.executable, "-c", READ)
    assert answer.code == (2 if spoil == "gone" else 1)
    assert "VALID" not in answer.out.replace("INVALID", "")
    assert not (desk.folder / "seen").exists()
    assert not (desk.folder / "receipt.json").exists()
    assert list((desk.folder / "work").iterdir()) == []


def test_below_a_root_an_archive_of_the_gate_is_covered_and_another_is_not(desk):
    lake = desk.folder / "lake"
    lake.mkdir()
    packed(desk).rename(lake / "scans.zip")
    desk.gate(data="lake/scans.zip", roots="lake")
    assert gate(desk).code == 0
    (lake / "other.zip").write_bytes(b"PK")
    answer = gate(desk, "--json")
    assert answer.code == 1
    assert [one["code"] for one in answer.document["uncovered"]] == ["UNCOVERED"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("s3://bucket/x", "--offline and data in a bucket"),
        ("https://example.com/x", "s3://BUCKET/FOLDER"),
        ("zip::s3://b/x", "s3://BUCKET/FOLDER"),
        ("file:///etc", "s3://BUCKET/FOLDER"),
    ],
)
def test_places_that_cannot_be_read_are_wrong_usage_before_anything_is_opened(desk, no_sockets, data, said):
    desk.gate(data=data, roots="")
    answer = gate(desk)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_a_bucket_needs_its_bundle_named(desk):
    desk.gate(data="s3://bucket/x", roots="")
    text = (desk.folder / "gate.toml").read_text()
    (desk.folder / "gate.toml").write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith("bundle"))
    )
    answer = gate(desk, "--json")
    assert (answer.code, answer.document["code"]) == (2, "GATE_FILE")
    assert "bundle" in answer.document["place"]
