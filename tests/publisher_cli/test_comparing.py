"""`diff`: added, removed and changed files between manifests, bundles, credentials and folders."""

import json

import pytest


@pytest.fixture
def old(run, data, tmp_path):
    path = tmp_path / "old.manifest.json"
    run("manifest", data, "-o", path)
    return path


def change(data):
    (data / "train.jsonl").write_text("{}\n")
    (data / "README.md").unlink()
    (data / "parts/neu – ÿ.csv").write_text("a\n")


def test_the_same_folder_does_not_differ(run, data, old):
    shown = run.json("diff", old, data)
    assert (shown["added"], shown["removed"], shown["changed"], shown["unchanged"]) == ([], [], [], 4)


def test_what_was_added_removed_and_changed_is_named(run, data, old):
    change(data)
    shown = run.json("diff", old, data, expect=1)
    assert (shown["added"], shown["removed"], shown["changed"]) == (
        ["parts/neu – ÿ.csv"],
        ["README.md"],
        ["train.jsonl"],
    )
    text = run("diff", old, data, expect=1).out
    assert text.splitlines() == [
        "+ parts/neu – ÿ.csv",
        "- README.md",
        "~ train.jsonl",
        "1 added, 1 removed, 1 changed, 2 unchanged",
    ]


def test_a_renamed_file_is_one_removed_and_one_added(run, data, old):
    (data / "train.jsonl").rename(data / "training.jsonl")
    shown = run.json("diff", old, data, expect=1)
    assert (shown["added"], shown["removed"]) == (["training.jsonl"], ["train.jsonl"])


def test_bundles_and_credentials_with_their_manifest_can_be_compared(run, published, data, tmp_path):
    bundle, credential = tmp_path / "leases.sigil.json", tmp_path / "credential.json"
    run("diff", bundle, credential)
    run("diff", bundle, data)
    change(data)
    run("diff", credential, data, expect=1)


def test_a_bundle_without_a_manifest_says_what_to_name(run, published, tmp_path):
    path = tmp_path / "poor.sigil.json"
    document = json.loads((tmp_path / "leases.sigil.json").read_text())
    del document["manifest"]
    path.write_text(json.dumps(document))
    assert run.refused("diff", path, path, code="NO_MANIFEST", exit_code=2)["expected"] == str(
        tmp_path / "poor.manifest.json"
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "PARSE"),
        (b"[]", None),
        (b"\xff", "ENCODING"),
        (b'{"a": 1, "a": 1}', "DUP_KEY"),
        (b'{"type": "Manifest"}', None),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_path(run, data, tmp_path, content, code):
    path = tmp_path / "m.json"
    path.write_bytes(content)
    error = run("diff", path, data, "--json", expect=1).json
    assert error["code"] == code or code is None
    assert error["place"].startswith(str(path))


def test_what_is_not_there_is_wrong_usage(run, data):
    assert run.refused("diff", "nowhere", data, code="UNREADABLE", exit_code=2)["place"] == "nowhere"
