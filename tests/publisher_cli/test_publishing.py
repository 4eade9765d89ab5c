"""`publish` against a registry process: what is registered once, what is written, and what is refused."""

import errno
import json
import os
import threading
import time
from pathlib import Path

import pytest

from datasigil.bundle import parse_bundle
from datasigil.client import RegistryClient
from datasigil.fetch import Fetcher, FetchError


def stored_login():
    (path,) = sorted((Path(os.environ["XDG_CONFIG_HOME"]) / "datasigil/registries").glob("*.json"))
    return path


def change_login(**members):
    path = stored_login()
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def log_size(registry):
    return registry.get("/credentials")["items"][0]["logIndex"] + 1


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_published_credential_is_registered_and_its_bundle_lies_beside_and_in_the_data(run, publisher, issued, data):
    answer = run.json("publish", issued)
    beside, inside = issued.with_name("leases.sigil.json"), data / ".datasigil/bundle.sigil.json"
    assert answer["bundles"] == [str(beside), str(inside)]
    assert answer["checkedAs"] == "VALID"
    bundle = parse_bundle(beside.read_bytes())
    assert bundle.credential == json.loads(issued.read_text())
    assert bundle == parse_bundle(inside.read_bytes())
    assert publisher.get(f"/credentials/{answer['id']}") == bundle.credential


def test_publishing_again_registers_nothing_twice(run, publisher, issued):
    first = run.json("publish", issued)
    size = log_size(publisher)
    again = run.json("publish", issued)
    assert {**again, "bundles": 0} == {**first, "bundles": 0}
    assert log_size(publisher) == size


def test_a_reply_that_was_lost_is_asked_for_again_and_nothing_is_registered_twice(run, publisher, issued, monkeypatch):
    real, lost = Fetcher.post, []

    def lose_the_first_reply(self, url, *arguments, **options):
        answer = real(self, url, *arguments, **options)
        if not lost:
            lost.append(json.loads(answer.body)["logIndex"])
            raise FetchError("FETCH_FAILED", "the server could not be reached", place=url)
        return answer

    monkeypatch.setattr(Fetcher, "post", lose_the_first_reply)
    answer = run("publish", issued, "--json")
    assert "trying again" in answer.err
    assert [answer.json["logIndex"]] == lost
    assert log_size(publisher) == lost[0] + 1


def test_without_a_registry_the_credential_is_unharmed_and_the_error_says_to_run_it_again(run, own_registry, data):
    run("init", data, "--yes")
    run("key", "new", "--name", "me")
    run("login", "--registry", own_registry.url, "--key", "me")
    run("issue", data, "-o", "c.json")
    before = Path("c.json").read_bytes()
    own_registry.kill()
    error = run.refused("publish", "c.json", "--timeout", "0", code="FETCH_FAILED", exit_code=3)
    assert "run the same command again" in error["nextAction"]
    assert Path("c.json").read_bytes() == before
    assert not os.path.exists("leases.sigil.json")


def test_a_registry_killed_in_the_middle_of_publishing_ends_with_everything_registered_once(
    run, own_registry, data, monkeypatch
):
    run("init", data, "--yes")
    run("key", "new", "--name", "me")
    run("login", "--registry", own_registry.url, "--key", "me")
    run("issue", data, "-o", "c.json")
    real, killed = RegistryClient.bundle, []

    def kill_before_the_bundle(self, identifier):
        if not killed:
            killed.append(True)
            own_registry.kill()  # SIGKILL, after the registration was answered
            threading.Thread(target=lambda: (time.sleep(0.5), own_registry.start())).start()
        return real(self, identifier)

    monkeypatch.setattr(RegistryClient, "bundle", kill_before_the_bundle)
    answer = run("publish", "c.json", "--timeout", "60", "--json")
    assert killed
    assert "trying again" in answer.err
    assert answer.json["logIndex"] == 0
    assert log_size(own_registry) == 1
    assert parse_bundle(Path("leases.sigil.json").read_bytes()).log is not None
    own_registry.kill()
    assert "difference" not in own_registry.service("fsck")


def test_file_names_stay_private_unless_the_publisher_says_otherwise(run, publisher, issued):
    run("publish", issued)
    digest = json.loads(issued.with_name("credential.manifest.json").read_text())["entries"][0]["sha256"]
    name = json.loads(issued.read_text())["id"]
    assert publisher.get(f"/credentials/{name}/bundle").get("manifest") is None
    run("publish", issued, "--public-manifest")
    assert publisher.get(f"/credentials/{name}/bundle")["manifest"]["entries"]
    hits = publisher.get(f"/lookup?sha256={digest}")["items"]
    assert name in [hit["credential"]["id"] for hit in hits]


def test_the_bundle_in_our_hands_holds_the_manifest_although_the_registrys_does_not(run, publisher, issued):
    run("publish", issued)
    bundle = parse_bundle(issued.with_name("leases.sigil.json").read_bytes())
    assert [entry["path"] for entry in bundle.manifest["entries"]] == [
        "LICENSE.txt",
        "README.md",
        "parts/Zürich – Ω.csv",
        "train.jsonl",
    ]


def test_data_that_has_moved_is_named_with_data(run, issued, data, tmp_path):
    moved = data.rename(tmp_path / "elsewhere")
    run("publish", issued, "--data", moved, "-o", tmp_path / "evidence.sigil.json")
    assert (moved / ".datasigil/bundle.sigil.json").read_bytes() == (tmp_path / "evidence.sigil.json").read_bytes()


def test_a_folder_that_is_not_there_is_refused_before_anything_is_registered(run, publisher, issued):
    run.refused("publish", issued, "--data", "nowhere", code="DATA_FOLDER", exit_code=2)
    identity = json.loads(issued.read_text())["id"]
    assert identity not in json.dumps(publisher.get("/credentials?limit=100"))


def test_data_that_cannot_be_written_keeps_the_bundle_beside_the_credential(run, issued, data, monkeypatch):
    from publisher_cli import publishing

    real = publishing.write_bundle

    def refuse_inside(path, *arguments):
        if data in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        real(path, *arguments)

    monkeypatch.setattr(publishing, "write_bundle", refuse_inside)
    answer = run("publish", issued, "--json")
    assert "own copy could not be written" in answer.err
    assert answer.json["bundles"] == [str(issued.with_name("leases.sigil.json"))]


# Refusals -------------------------------------------------------------------------------------------------------------


def test_publishing_without_a_login_says_how_to_log_in(run, issued):
    stored_login().unlink()
    error = run.refused("publish", issued, code="NOT_LOGGED_IN", exit_code=2)
    assert error["nextAction"].startswith("datasigil login")
    assert "--static-base" in error["nextAction"]


def test_an_expired_login_is_named(run, issued):
    change_login(tokenExpires="2026-01-01T00:00:00Z")
    assert run.refused("publish", issued, code="NOT_LOGGED_IN", exit_code=2)["found"] == "2026-01-01T00:00:00Z"


def test_a_revoked_token_says_to_log_in_again(run, issued):
    change_login(token="dsg_" + "A" * 43)
    error = run.refused("publish", issued, code="UNAUTHENTICATED", exit_code=1)
    assert "datasigil login" in error["nextAction"]


def test_a_damaged_login_is_named_by_its_path(run, issued):
    path = stored_login()
    path.write_text('{"type": "RegistryLogin", "type": "RegistryLogin"}')
    error = run.refused("publish", issued, code="LOGIN_FILE", exit_code=2)
    assert error["place"] == str(path)


def test_a_credential_for_another_log_is_not_handed_in(run, publisher, issued):
    log = json.loads(stored_login().read_text())["log"]
    change_login(log={**log, "origin": "elsewhere.example/log"})
    assert run.refused("publish", issued, code="OTHER_LOG", exit_code=2)["expected"] == "elsewhere.example/log"


def test_a_taken_status_index_says_to_issue_again(run, published, data, monkeypatch):
    index = int(published["credentialStatus"][0]["statusListIndex"])
    monkeypatch.setattr("publisher_cli.records.draw_index", lambda *_: index)
    run("issue", data, "-o", "second.json")
    error = run.refused("publish", "second.json", code="STATUS_INDEX_TAKEN", exit_code=1)
    assert "datasigil issue" in error["nextAction"]
    monkeypatch.undo()


def test_a_changed_credential_is_refused_by_the_registry_with_the_place(run, issued):
    document = json.loads(issued.read_text())
    document["credentialSubject"]["name"] = "Other leases"
    issued.write_text(json.dumps(document))
    error = run.refused("publish", issued, code="SIGNATURE", exit_code=1)
    assert error["place"].startswith("/credential")


def test_a_manifest_that_is_not_the_claimed_one_is_refused(run, issued):
    sidecar = issued.with_name("credential.manifest.json")
    manifest = json.loads(sidecar.read_text())
    manifest["entries"][0]["size"] += 1
    sidecar.write_text(json.dumps(manifest, separators=(",", ":"), sort_keys=True, ensure_ascii=False))
    answer = run("publish", issued, "--json", expect=1)
    assert answer.json["code"].startswith("MANIFEST")


def test_a_public_manifest_that_is_not_there_is_asked_for(run, issued):
    issued.with_name("credential.manifest.json").unlink()
    run.refused("publish", issued, "--public-manifest", code="MANIFEST_MISSING", exit_code=2)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "PARSE"),
        (b"{", "PARSE"),
        (b"[]", "SCHEMA"),
        (b'"text"', "SCHEMA"),
        (b'{"id": 1, "id": 2}', "DUP_KEY"),
        (b'{"name": "\xff"}', "ENCODING"),
        (b'{"type": ["VerifiableCredential"]}', "NOT_DATASET_PROFILE"),
        (b'{"type": "Manifest", "formatVersion": 1}', "TYPE"),
        (b'{"type": "EvidenceBundle", "formatVersion": 1}', "SCHEMA"),
        (b'{"pad": "' + b"x" * (2 * 1024 * 1024) + b'"}', "LIMIT"),
    ],
)
def test_what_is_no_credential_is_refused_with_its_path(run, publisher, tmp_path, content, code):
    path = tmp_path / "c.json"
    path.write_bytes(content)
    error = run.refused("publish", path, code=code, exit_code=1)
    assert error["place"].startswith(str(path))
    assert error["nextAction"]


@pytest.mark.parametrize("name", ["nowhere.json", "leases"])
def test_what_cannot_be_read_is_wrong_usage(run, publisher, data, name):
    assert run.refused("publish", name, code="UNREADABLE", exit_code=2)["place"] == name


def test_a_bundle_of_another_credential_is_not_written(run, issued, monkeypatch, data, publisher):
    run("issue", data, "-o", "second.json")
    run("publish", "second.json", "-o", "second.sigil.json")
    other = json.loads(Path("second.json").read_text())["id"]
    real = RegistryClient.bundle
    monkeypatch.setattr(RegistryClient, "bundle", lambda self, _: real(self, other))
    run.refused("publish", issued, "-o", "first.sigil.json", code="REGISTRY_ANSWER", exit_code=2)
    assert not os.path.exists("first.sigil.json")


def test_a_bundle_without_its_log_proof_is_not_written(run, issued, monkeypatch):
    from dataclasses import replace

    real = RegistryClient.bundle
    monkeypatch.setattr(RegistryClient, "bundle", lambda self, name: replace(real(self, name), log=None))
    run.refused("publish", issued, code="BUNDLE_REFUSED", exit_code=1)
    assert not issued.with_name("leases.sigil.json").exists()


def test_a_full_disk_leaves_no_half_bundle_and_the_next_try_ends_well(run, publisher, issued, tmp_path, monkeypatch):
    before = names_in(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("datasigil.transparency.durable.os.fsync", full)
        answer = run("publish", issued, "--json", expect=2)
    assert answer.json["code"] == "SYSTEM"
    assert "No space left" in answer.json["message"]
    assert names_in(tmp_path) == before
    assert run.json("publish", issued)["bundles"]
