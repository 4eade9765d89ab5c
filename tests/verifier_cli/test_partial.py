"""`check --partial --proof`: a part with its proofs in place of the manifest, through both command lines."""

import json
import shutil

import pytest
from simulator import without

from publisher_cli.main import main as publisher


@pytest.fixture
def part(desk):
    """A folder with the licence alone, its proof, and a bundle that holds no manifest."""
    place = desk.folder / "part"
    place.mkdir()
    shutil.copy(desk.data / "LICENSE", place)
    prove(desk, "--file", "LICENSE")
    bundle = desk.world.bundle(desk.document)
    desk.put(without(bundle, "manifest"))
    return place


def prove(desk, *words):
    desk.capsys.readouterr()
    code = publisher(["prove", str(desk.bundle), "-o", str(desk.folder / "part.json"), *words])
    return code, *desk.capsys.readouterr()


def check(desk, place, *words):
    return desk.check("--data", place, "--partial", "--proof", desk.folder / "part.json", *words)


def test_a_part_is_established_without_the_manifest(desk, part, no_sockets):
    assert desk.check("--data", part, "--partial").code == 1  # there is no manifest
    answer = check(desk, part)
    assert answer.code == 0, answer.out
    files, size = len(desk.world.files), sum(map(len, desk.world.files.values()))
    assert f"of {files} files, 1 are the signed ones; {files - 1} were not looked at" in answer.out
    assert f"{len(desk.world.files['LICENSE'])} of {size} bytes" in answer.out
    assert check(desk, part, "--json").document["scope"] == "part"


def test_the_words_of_a_full_check_are_never_said_of_a_part(desk):
    whole = desk.check("--data", desk.data)
    assert whole.code == 0
    assert "all files" in whole.out
    everything = [word for path in desk.world.files for word in ("--file", path)]
    assert prove(desk, *everything)[0] == 0
    for answer in (check(desk, desk.data), desk.check("--data", desk.data, "--partial")):
        assert answer.code == 0
        assert "all files" not in answer.out
        assert "all 3 files" not in answer.out
        assert "a part of its files was looked at" in answer.out


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda part: (part / "LICENSE").write_text("x"), "FILE_DIGEST"),
        (lambda part: (part / "extra").write_text("x"), "EXTRA_FILE"),
        (lambda part: (part / "LICENSE").unlink(), "FILE_MISSING"),
    ],
)
def test_a_part_that_differs_is_invalid(desk, part, spoil, code):
    spoil(part)
    answer = check(desk, part, "--json")
    assert (answer.document["decision"], answer.document["codes"], answer.code) == ("INVALID", [code], 1)


def test_a_proof_of_another_dataset_is_invalid(desk, part):
    document = json.loads((desk.folder / "part.json").read_text())
    document["files"][0]["entry"]["sha256"] = "0" * 64
    (desk.folder / "part.json").write_text(json.dumps(document))
    answer = check(desk, part, "--json")
    assert (answer.document["decision"], answer.document["codes"]) == ("INVALID", ["INCLUSION"])


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "\0", '{"type":"DatasetPart","formatVersion":1,"files":[]}', "[" * 99999]
)
def test_a_file_that_is_no_proof_is_named(desk, part, text):
    (desk.folder / "part.json").write_text(text)
    answer = check(desk, part)
    assert answer.code in (1, 2)
    assert "part.json" in answer.out + answer.err
    assert "VALID" not in answer.out.replace("INVALID", "")


def test_proof_without_partial_or_data_is_wrong_usage(desk, part):
    proof = desk.folder / "part.json"
    assert desk.check("--data", part, "--proof", proof).code == 2
    assert desk.check("--partial", "--proof", proof).code == 2


@pytest.mark.parametrize(
    "words",
    [(), ("--file", "none"), ("--range", "LICENSE:0-1"), ("--range", "LICENSE"), ("--range", "LICENSE:5-1"), ("--range", ":0-1"),
     ("--range", "LICENSE:0-9999999999999999999"), ("--range", "none:0-1")],
)  # fmt: skip
def test_what_cannot_be_proven_is_said(desk, words):
    code, out, err = prove(desk, *words)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert not (desk.folder / "part.json").exists()
