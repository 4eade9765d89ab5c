"""What an operator runs: migrations up and down, fsck, a restored old database, invitations."""

import shutil
import sqlite3

import pytest

from service.admin import act
from service.fsck import check_everything
from service.migrating import migrate


@pytest.fixture(params=[None], ids=["sqlite"])
def database_url(request):
    """These tamper with the database file itself."""
    return request.param


def tamper(registry, statement):
    with sqlite3.connect(registry.settings.data_dir / "registry.sqlite3") as connection:
        assert connection.execute(statement).rowcount > 0


def test_fsck_is_clean_on_what_was_published_and_revoked(registry, publisher):
    publisher.change(publisher.publish())
    publisher.publish()
    found = check_everything(registry.settings)
    assert found.clean, found.lines()
    assert found.counts["log entries"] == 3
    assert found.counts["credentials"] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credential SET document = replace(document, 'urn:uuid', 'urn:uuie')",
        "UPDATE log_entry SET entry = x'00' WHERE position = 0",
        "DELETE FROM log_entry WHERE position = 1",
        "UPDATE log_tile SET hashes = zeroblob(64)",
        "UPDATE log_state SET size = size - 1",
        "UPDATE log_checkpoint SET size = size + 5 WHERE size = 2",
        "UPDATE log_checkpoint SET note = (SELECT checkpoint FROM log_state) WHERE size = 1",
        "UPDATE log_checkpoint SET note = x'00' WHERE size = 1",
        "UPDATE log_state SET root = 'ff' || substr(root, 3)",
        "UPDATE status_list SET bits = zeroblob(16384) WHERE purpose = 'revocation'",
        "UPDATE status_list SET document = x'7b7d'",
        "UPDATE credential SET revoked = 0",
        "DELETE FROM status_change",
    ],
)
def test_fsck_finds_what_was_altered_behind_the_registry(registry, publisher, statement):
    publisher.change(publisher.publish())
    tamper(registry, statement)
    found = check_everything(registry.settings)
    assert not found.clean, statement


def test_a_restored_old_database_refuses_to_sign(open_registry, tmp_path):
    first = open_registry()
    publisher = first.login()
    publisher.publish()
    first.http.__exit__(None, None, None)
    file = first.settings.data_dir / "registry.sqlite3"
    shutil.copy(file, tmp_path / "backup")
    again = open_registry()
    later = again.login()
    document = later.publish()
    again.http.__exit__(None, None, None)
    for name in file.parent.glob("registry.sqlite3*"):
        name.unlink()
    shutil.copy(tmp_path / "backup", file)
    restored = open_registry()
    answer = restored.http.post("/challenges", json={})
    assert answer.status_code == 503
    assert answer.json()["code"] == "REFUSES_TO_SIGN"
    assert restored.http.get("/readyz").status_code == 503
    assert restored.http.get("/healthz").status_code == 200
    assert restored.http.get(f"/credentials/{document['id']}").status_code == 404


def test_the_tables_go_down_and_up_again(registry):
    assert migrate(registry.settings, "base").endswith("-> empty")
    assert "empty ->" in migrate(registry.settings, "head")


def test_an_invited_publisher_may_log_in_where_others_may_not(open_registry, opened_keys, monkeypatch):
    from datasigil.signing import LocalSigner

    monkeypatch.setattr("service.offline.load_keys", lambda *_arguments, **_options: opened_keys)
    signer = LocalSigner.generate("ed25519")
    first = open_registry(registration="invited")
    first.http.__exit__(None, None, None)
    assert "invited" in act(first.settings, "invite", signer.controller, "Guest")
    again = open_registry(registration="invited")
    assert again.login(signer).did == signer.controller
    stranger = LocalSigner.generate("ed25519")
    body = {"verifiablePresentation": again.presentation(stranger, again.challenge())}
    assert again.http.post("/tokens", json=body).json()["code"] == "REGISTRATION_CLOSED"
