"""`manifest` and `issue`: what is hashed, what is signed, and what an interruption leaves behind."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.datasets.manifest import ManifestClaim, parse_manifest, verify_manifest_claim


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_credential_is_signed_and_claims_the_manifest_beside_it(run, issued):
    document = json.loads(issued.read_text())
    assert verify_proofs(document, keys=did_key_resolver)
    manifest = parse_manifest(issued.with_name("credential.manifest.json").read_bytes())
    verify_manifest_claim(manifest, ManifestClaim.from_subject(document["credentialSubject"]))


def test_every_file_is_listed_with_digests_that_anybody_can_compute(issued, data):
    listed = json.loads(issued.with_name("credential.manifest.json").read_text())["entries"]
    found = {name: hashlib.sha256((data / name).read_bytes()).hexdigest() for name in names_in(data)}
    assert {entry["path"]: entry["sha256"] for entry in listed} == found


def test_the_licence_text_is_named_by_its_digest(issued, data):
    licence = json.loads(issued.read_text())["credentialSubject"]["license"]
    assert licence["textDigest"] == hashlib.sha256((data / "LICENSE.txt").read_bytes()).hexdigest()
    assert licence["assurance"] == "declared"


def test_nothing_is_sent_and_the_data_is_left_as_it_was(run, publisher, data, monkeypatch):
    run("init", data, "--yes")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in data.rglob("*")}
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a socket was opened"))
    run("issue", data, "-o", "c.json")
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in data.rglob("*")} == before


def test_two_credentials_never_share_an_id_or_a_status_index(run, issued, data):
    run("issue", data, "-o", "second.json")
    first, second = (json.loads(path.read_text()) for path in (issued, Path("second.json")))
    assert first["id"] != second["id"]
    assert first["credentialStatus"][0]["statusListIndex"] != second["credentialStatus"][0]["statusListIndex"]


def test_a_credential_can_be_issued_with_an_end(run, issued, data):
    run("issue", data, "-o", "c.json", "--valid-days", "30")
    document = json.loads(Path("c.json").read_text())
    assert document["validUntil"][:10] > document["validFrom"][:10]


def test_sha256_alone_can_be_asked_for(run, issued, data):
    run("issue", data, "-o", "c.json", "--digest", "sha256")
    entries = json.loads(Path("c.manifest.json").read_text())["entries"]
    assert all("blake3" not in entry for entry in entries)


def test_what_is_ignored_is_named_in_the_credential(run, issued, data):
    (data / "scratch").mkdir()
    (data / "scratch/x").write_text("x")
    shown = run.json("issue", data, "-o", "c.json", "--ignore", "scratch/")
    assert shown["manifest"]["ignored"] == [".datasigil/", "scratch/"]
    assert shown["manifest"]["fileCount"] == 4


def test_the_bundle_that_publishing_leaves_in_the_data_is_no_part_of_it(run, published, data):
    assert run.json("issue", data, "-o", "again.json")["manifest"] == published["credentialSubject"]["manifest"]


def test_a_new_version_names_the_one_before_and_counts_what_changed(run, published, data, tmp_path):
    (data / "new.jsonl").write_text("{}\n")
    (data / "train.jsonl").write_text("{}\n")
    (data / "README.md").unlink()
    run("issue", data, "-o", "v2.json", "--predecessor", tmp_path / "leases.sigil.json")
    predecessor = json.loads(Path("v2.json").read_text())["credentialSubject"]["predecessor"]
    assert (predecessor["added"], predecessor["removed"], predecessor["changed"]) == (1, 1, 1)
    assert predecessor["root"] == published["credentialSubject"]["manifest"]["root"]
    run("publish", "v2.json")
    (edge,) = run.json("lineage", "v2.json")["edges"]
    assert (edge["relation"], edge["parent"]) == ("predecessor", predecessor["credentialDigest"])


@pytest.mark.parametrize("name", ["c.txt", "c.manifest.json", "c.sigil.json", "c"])
def test_a_credential_has_a_name_that_its_manifest_fits(run, issued, data, name):
    run.refused("issue", data, "-o", name, code="USAGE", exit_code=2)
    assert not Path(name).exists()


def test_a_credential_is_not_written_into_the_data(run, issued, data):
    run.refused("issue", data, "-o", data / "c.json", code="USAGE", exit_code=2)
    run.refused("issue", data, "-o", data / "parts/deeper/c.json", code="USAGE", exit_code=2)
    run("issue", data, "-o", data / ".datasigil/c.json")


def test_the_registry_that_it_is_for_must_be_known(run, publisher, data):
    run("init", data, "--yes")
    error = run.refused("issue", data, "--registry", "https://other.example", code="NOT_LOGGED_IN", exit_code=2)
    assert "https://other.example" in error["nextAction"]


# Folders that cannot be hashed ----------------------------------------------------------------------------------------


def symlink(data):
    (data / "link").symlink_to(data / "train.jsonl")


def fifo(data):
    os.mkfifo(data / "pipe")


def folded(data):
    (data / "TRAIN.jsonl").write_text("x")


def not_unicode(data):
    (Path(os.fsdecode(os.fsencode(data) + b"/\xff"))).write_text("x")


def decomposed(data):
    (data / "u\u0308.txt").write_text("x")


@pytest.mark.parametrize("spoil", [symlink, fifo, folded, not_unicode, decomposed])
@pytest.mark.parametrize("command", ["manifest", "issue"])
def test_a_folder_that_cannot_be_a_dataset_is_refused_with_the_path(run, publisher, data, tmp_path, spoil, command):
    run("init", data, "--yes")
    spoil(data)
    error = run(command, data, "-o", tmp_path / "out.json", "--json", expect=None)
    assert error.code in (1, 2)
    assert error.json["place"]
    assert error.json["nextAction"]
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("command", ["init", "issue"])
@pytest.mark.parametrize(
    ("place", "says"),
    [("s3://bucket/x", "download"), ("scans.zip", "unpack"), ("nowhere", "holds the files"), ("", "holds the files")],
)
def test_what_is_no_folder_is_refused_with_what_to_do_about_it(run, publisher, tmp_path, command, place, says):
    Path("scans.zip").write_bytes(b"PK")
    error = run.refused(command, place, code="DATA_FOLDER", exit_code=2)
    assert says in error["nextAction"]
    assert error.get("place", "") == place


def test_a_licence_is_declared_and_never_computed(run, publisher, data):
    run("init", data, "--yes")
    description = Path(f"{data}.dataset.toml")
    text = description.read_text()
    description.write_text(text.replace("[license]\n", '[license]\nassurance = "computed"\n'))
    assert description.read_text() != text
    error = run.refused("issue", data, "--description", description, code="DESCRIPTION_FILE", exit_code=2)
    assert "license.assurance" in error["place"]


def test_an_empty_folder_is_no_dataset(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert (
        run("manifest", tmp_path / "empty", "--json", expect=2).json["expected"]
        == "at least one file that is not ignored"
    )


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a\\b", ""])
def test_an_ignored_path_keeps_to_the_rules(run, data, path):
    answer = run("manifest", data, f"--ignore={path}", "--json", expect=None)
    assert answer.code in (1, 2)
    assert answer.json["type"] == "Error"


# Interruptions --------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_no_half_credential(run, issued, data, tmp_path, monkeypatch):
    before = names_in(tmp_path)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("datasigil.transparency.durable.os.fsync", full)
        run.refused("issue", data, "-o", "second.json", code="SYSTEM", exit_code=2)
    assert names_in(tmp_path) == before
    run("issue", data, "-o", "second.json")


def test_a_disk_that_fills_after_the_manifest_keeps_the_old_credential_from_being_published_with_it(
    run, issued, data, monkeypatch
):
    from publisher_cli import issuing

    (data / "train.jsonl").write_text("{}\n")
    before, real, written = issued.read_bytes(), issuing.write_durably, []

    def fill(path, body, **options):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        real(path, body, **options)

    with monkeypatch.context() as patch:
        patch.setattr(issuing, "write_durably", fill)
        run.refused("issue", data, "-o", issued, code="SYSTEM", exit_code=2)
    assert issued.read_bytes() == before
    assert run("publish", issued, "--json", expect=1).json["code"].startswith("MANIFEST")


@pytest.fixture
def slow_data(tmp_path):
    """A dataset that takes seconds to hash: one sparse file."""
    folder = tmp_path / "slow"
    folder.mkdir()
    with (folder / "big.bin").open("wb") as stream:
        stream.truncate(6 * 1024**3)
    return folder


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_hashing_leaves_nothing_that_looks_whole(run, publisher, slow_data, tmp_path, how):
    run("init", slow_data, "--yes")
    before = names_in(tmp_path)
    words = [sys.executable, "-m", "publisher_cli", "issue", str(slow_data), "-o", str(tmp_path / "c.json")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1.2)
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL), out + err
    assert "Traceback" not in err
    assert names_in(tmp_path) == before


def test_ctrl_c_while_signing_leaves_nothing(run, issued, data, tmp_path, monkeypatch):
    before = names_in(tmp_path)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("datasigil.signing.add_proof", interrupt)
    assert "stopped" in run("issue", data, "-o", "second.json", expect=130).err
    assert names_in(tmp_path) == before


# What this machine remembers ------------------------------------------------------------------------------------------


def test_a_damaged_record_of_indexes_is_named(run, issued, data):
    (record,) = (Path(os.environ["XDG_STATE_HOME"]) / "datasigil/indexes").glob("*.bits")
    record.write_bytes(b"short")
    assert run.refused("issue", data, "-o", "second.json", code="STATE_FILE", exit_code=2)["place"] == str(record)


def test_a_lost_record_costs_nothing_but_the_chance_of_a_collision(run, issued, data):
    (record,) = (Path(os.environ["XDG_STATE_HOME"]) / "datasigil/indexes").glob("*.bits")
    record.unlink()
    run("issue", data, "-o", "second.json")


def test_when_every_index_is_used_the_error_says_so(monkeypatch):
    from datasigil.errors import DatasigilError
    from publisher_cli.records import draw_index

    drawn = {draw_index(("a", "b"), 64) for _ in range(64)}
    assert drawn == set(range(64))
    with pytest.raises(DatasigilError, match="every index"):
        draw_index(("a", "b"), 64)


def test_a_state_folder_that_cannot_be_made_is_named(run, issued, data, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    error = run.refused("issue", data, "-o", "second.json", code="FOLDER", exit_code=2)
    assert error["place"].startswith(str(tmp_path / "file"))
