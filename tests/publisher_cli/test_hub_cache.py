"""The Hub's cache as it lies on disk: observed and checked through its links, and through no others."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from datasigil.datasets.building import build_manifest
from datasigil.gate.snapshot import snapshot_files
from verifier_cli.main import main as verify_main

FILES = {  # those of the fixture `data`
    "LICENSE.txt": "Creative Commons\nAttribution 4.0 International\n",
    "README.md": "---\nlicense: cc-by-4.0\nlanguage:\n- en\npretty_name: Small leases\n---\n# Leases\n\nTwo clauses of leases.\n",
    "train.jsonl": '{"text": "The tenant pays the rent monthly.", "label": "payment"}\n',
    "parts/Zürich – Ω.csv": "text,label\nEither party may end this lease.,termination\n",
}
COMMIT = "2f1c0d9e8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e"
NAME = "example-org/leases"


def write_files(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def lay_out(cache, files, *, commit=COMMIT, name=NAME, ref="main"):
    """Lay files out as huggingface_hub does: blobs, a ref, and a snapshot of links."""
    repository = cache / f"datasets--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    (repository / "blobs").mkdir(parents=True, exist_ok=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / ref).write_text(commit)
    for path, text in files.items():
        data = text.encode()
        etag = hashlib.sha256(data).hexdigest() if len(data) > 60 else hashlib.sha1(data).hexdigest()
        (repository / "blobs" / etag).write_bytes(data)
        place = snapshot / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to("../" * (path.count("/") + 2) + f"blobs/{etag}")
    return snapshot


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def verify(capsys):
    def call(*words):
        capsys.readouterr()
        code = verify_main([str(word) for word in words])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out + captured.err

    return call


@pytest.fixture
def bundle(run, publisher, data, tmp_path):
    """The publisher's own bundle about the plain files, and a trust file that trusts it."""
    run("init", data, "--yes")
    run("issue", data, "-o", "c.json")
    run("publish", "c.json", "-o", "publishers.sigil.json")
    assert verify_main(["trust", "add", "publishers.sigil.json", "--yes"]) == 0
    return Path("publishers.sigil.json")


@pytest.mark.parametrize("reference", [f"hf://{NAME}@{COMMIT}", f"hf://{NAME}", f"hf://datasets/{NAME}@main"])
def test_a_cached_dataset_is_observed_with_source_revision_and_licence(run, publisher, cache, reference):
    lay_out(cache, FILES)
    run("observe", reference)
    subject = json.loads(Path("leases.observation.json").read_text())["credentialSubject"]
    assert subject["role"] == "observer"
    assert subject["observation"]["sourceUrl"] == f"https://huggingface.co/datasets/{NAME}"
    assert subject["observation"]["revision"] == COMMIT
    assert subject["observation"]["licenseText"] == FILES["LICENSE.txt"]
    assert (subject["name"], subject["license"]["expression"]) == ("Small leases", "CC-BY-4.0")
    assert subject["manifest"]["fileCount"] == len(FILES)
    assert {one["assurance"] for one in subject["qualityMeasurement"]} == {"computed"}


def test_links_and_plain_files_have_one_manifest(run, cache, data):
    snapshot = lay_out(cache, FILES)
    plain = run.json("manifest", data)
    linked = run.json("manifest", snapshot)
    assert plain["digest"] == linked["digest"]


def test_the_publishers_bundle_checks_against_the_cache(bundle, cache, verify):
    lay_out(cache, {**FILES, ".datasigil/bundle.sigil.json": bundle.read_text()})
    code, said = verify("check", f"hf://{NAME}@{COMMIT}", "--dev")
    assert code == 0, said
    assert "all 4 files" in said


def test_a_snapshot_is_checked_by_its_path_as_well(bundle, cache, verify):
    snapshot = lay_out(cache, FILES)
    assert verify("check", bundle, "--data", snapshot, "--dev")[0] == 0


def test_a_changed_blob_is_noticed(bundle, cache, verify):
    snapshot = lay_out(cache, FILES)
    Path(os.path.realpath(snapshot / "train.jsonl")).write_text('{"text": "Other.", "label": "x"}\n')
    code, said = verify("check", bundle, "--data", snapshot, "--dev")
    assert (code, "FILE_DIGEST" in said) == (1, True)


def test_a_gate_copies_out_of_the_cache(bundle, cache, tmp_path):
    snapshot = lay_out(cache, FILES)
    finding, copy = snapshot_files(build_manifest(snapshot), snapshot, tmp_path / "copy")
    assert finding.ok
    assert (copy.root / "train.jsonl").read_text() == FILES["train.jsonl"]
    assert not (copy.root / "train.jsonl").is_symlink()


def _other_blob(snapshot):
    """A link into the blob store of another repository."""
    other = lay_out(snapshot.parents[2], FILES, name="other-org/leases")
    etag = os.readlink(other / "train.jsonl").rpartition("/")[2]
    return f"../../../datasets--other-org--leases/blobs/{etag}"


@pytest.mark.parametrize(
    "target",
    [
        lambda s: os.readlink(s / "train.jsonl").replace("../../", "../../../datasets--example-org--leases/"),
        lambda s: str(Path(os.path.realpath(s / "train.jsonl"))),
        _other_blob,
        lambda s: os.readlink(s / "train.jsonl").replace("../../blobs/", "../../blobs/../blobs/"),
        lambda s: os.readlink(s / "train.jsonl").replace("../../blobs/", "../../blobs//"),
        lambda s: "../../refs/main",
        lambda s: "../../blobs/not-a-digest",
        lambda s: "../../blobs/" + "0" * 64,
        lambda s: "/etc/passwd",
        lambda s: "LICENSE.txt",
        lambda s: "../../blobs",
        lambda s: "train.jsonl",
    ],
)
def test_any_other_link_stays_refused(bundle, cache, verify, run, target):
    snapshot = lay_out(cache, FILES)
    link = target(snapshot)
    (snapshot / "train.jsonl").unlink()
    (snapshot / "train.jsonl").symlink_to(link)
    code, said = verify("check", bundle, "--data", snapshot, "--dev")
    assert (code, "SYMLINK" in said) == (1, True), said
    run.refused("observe", f"hf://{NAME}@{COMMIT}", code="SYMLINK", exit_code=2)


def test_a_blob_that_is_a_link_itself_is_refused(bundle, cache, verify, tmp_path):
    snapshot = lay_out(cache, FILES)
    blob = snapshot.parents[1] / "blobs" / os.readlink(snapshot / "train.jsonl").rpartition("/")[2]
    (tmp_path / "outside").write_bytes(blob.read_bytes())
    blob.unlink()
    blob.symlink_to(tmp_path / "outside")
    code, said = verify("check", bundle, "--data", snapshot, "--dev")
    assert (code, "SYMLINK" in said) == (1, True)


def test_a_folder_that_only_looks_like_a_snapshot_follows_nothing(bundle, tmp_path, verify, data):
    fake = tmp_path / "snapshots" / COMMIT
    write_files(fake, FILES)
    (tmp_path / "blobs").mkdir(exist_ok=True)
    etag = "0" * 64
    (fake / "train.jsonl").rename(tmp_path / "blobs" / etag)
    (fake / "train.jsonl").symlink_to(f"../../blobs/{etag}")
    code, said = verify("check", bundle, "--data", fake, "--dev")
    assert (code, "SYMLINK" in said) == (1, True)


def test_the_clients_notes_beside_downloaded_files_do_not_matter(bundle, data, verify):
    """`hf download --local-dir` leaves metadata files; the publisher's manifest knows nothing of them."""
    notes = data / ".cache/huggingface"
    write_files(
        notes, {".gitignore": "*", "download/train.jsonl.metadata": f"{COMMIT}\netag\n1\n", "download/parts/x.lock": ""}
    )
    assert verify("check", bundle, "--data", data, "--dev")[0] == 0


@pytest.mark.parametrize(
    "name",
    [
        ".cache/huggingface/download/evil.py",
        ".cache/other/x.metadata",
        ".cache/huggingface/evil.metadata",
        "x.metadata",
    ],
)
def test_nothing_else_hides_among_the_notes(bundle, data, verify, name):
    write_files(data, {name: "x"})
    code, said = verify("check", bundle, "--data", data, "--dev")
    assert (code, "EXTRA_FILE" in said) == (1, True)


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("hf://leases", "USAGE"), ("hf://a/b/c", "USAGE"), ("hf://../x/y", "USAGE"), (f"hf://{NAME}@../../x", "USAGE"), ("hf://", "USAGE"),
        (f"hf://{NAME}@v 2", "USAGE"), (f"hf://{NAME}@", "USAGE"), (f"hf://{NAME}@v9", "NOT_CACHED"), ("hf://nobody/nothing", "NOT_CACHED"),
        (f"hf://{NAME}@{'0' * 40}", "NOT_CACHED"), ("hf://example-org/leases\x1b[2J", "USAGE"),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_says_what_to_do(run, publisher, cache, verify, reference, code):
    lay_out(cache, FILES)
    error = run.refused("observe", reference, code=code, exit_code=2)
    assert error["nextAction"]
    assert ("hf download" in error["nextAction"]) == (code == "NOT_CACHED")
    answer, said = verify("check", reference)
    assert (answer, f"[{code}]" in said, "\x1b" in said) == (2, True, False)


def test_a_ref_file_with_rubbish_is_no_commit(run, publisher, cache):
    snapshot = lay_out(cache, FILES)
    (snapshot.parents[1] / "refs/main").write_text("../../../etc")
    run.refused("observe", f"hf://{NAME}", code="NOT_CACHED", exit_code=2)


def test_a_cached_dataset_without_a_credential_is_invalid_and_says_observe(cache, verify):
    lay_out(cache, FILES)
    code, said = verify("check", f"hf://{NAME}")
    assert (code, "NO_CREDENTIAL" in said, f"datasigil observe hf://{NAME}" in said) == (1, True, True)


def test_a_bundle_link_that_leads_outside_is_not_read(bundle, cache, verify, tmp_path):
    snapshot = lay_out(cache, FILES)
    (snapshot / ".datasigil").mkdir()
    (snapshot / ".datasigil/bundle.sigil.json").symlink_to(bundle.absolute())
    code, said = verify("check", f"hf://{NAME}", "--dev")
    assert (code, "[UNREADABLE]" in said) == (2, True)


# Discovery by the dataset card ----------------------------------------------------------------------------------------


def _with_card(data, line):
    card = (data / "README.md").read_text().replace("license: cc-by-4.0\n", f"license: cc-by-4.0\n{line}\n")
    (data / "README.md").write_text(card)


def test_the_dataset_card_names_the_bundle(run, publisher, data, verify):
    _with_card(data, "datasigil: evidence/leases.sigil.json")
    run("init", data, "--yes")
    run("issue", data, "-o", "c.json", "--ignore", "evidence/")
    (data / "evidence").mkdir()
    run("publish", "c.json", "-o", data / "evidence/leases.sigil.json")
    (data / ".datasigil/bundle.sigil.json").unlink()
    assert verify("trust", "add", data / "evidence/leases.sigil.json", "--yes")[0] == 0
    code, said = verify("check", data, "--dev")
    assert code == 0, said


def test_an_address_in_the_card_is_shown_and_not_fetched(data, verify):
    _with_card(data, 'datasigil: "https://example.github.io/leases/leases.sigil.json"')
    code, said = verify("check", data, "--json")
    assert (code, "datasigil-verify fetch https://example.github.io/leases/leases.sigil.json" in said) == (1, True)


@pytest.mark.parametrize(
    "line",
    [
        "datasigil: ../outside.sigil.json",
        "datasigil: /etc/passwd",
        "datasigil: http://plain.example/x",
        "datasigil:",
        "datasigil: file:///etc/passwd",
        "datasigil: a\\b",
    ],
)
def test_a_card_key_that_leads_outside_is_passed_over(data, verify, line):
    _with_card(data, line)
    code, said = verify("check", data)
    assert (code, "NO_CREDENTIAL" in said) == (1, True), said
