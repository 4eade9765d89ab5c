"""`key new`, `key show`, and how other commands find the key that they sign with."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from datasigil.credentials.did import parse_did_document
from datasigil.signing import LocalSigner


@pytest.fixture
def keys() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "datasigil/keys"


def test_a_new_key_is_encrypted_and_only_its_owner_reads_it(run, keys):
    shown = run.json("key", "new", "--name", "me")
    path = keys / "me.pem"
    assert shown["path"] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert LocalSigner.load(path, b"correct horse battery staple").controller == shown["did"]


def test_the_public_half_lies_beside_and_is_a_did_document(run, keys):
    shown = run.json("key", "new", "--name", "me")
    assert parse_did_document(json.loads((keys / "me.did.json").read_text())).id == shown["did"]


@pytest.mark.parametrize("kind", ["ed25519", "p256", "p384"])
def test_every_kind_of_key_is_made(run, kind):
    assert run.json("key", "new", "--name", kind, "--kind", kind)["kind"] == kind


def test_a_key_is_never_overwritten(run, keys):
    run("key", "new", "--name", "me")
    before = (keys / "me.pem").read_bytes()
    error = run.refused("key", "new", "--name", "me", code="KEY_FILE", exit_code=2)
    assert "another --name" in error["nextAction"]
    assert (keys / "me.pem").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../me", "a/b", "-x y", "ключ", ".hidden", "x" * 65, "new\nline"])
def test_a_name_that_is_no_short_word_is_refused(run, name):
    run.refused("key", "new", f"--name={name}", code="USAGE", exit_code=2)


def test_keys_are_listed_without_a_passphrase(run, monkeypatch):
    made = [run.json("key", "new", "--name", name)["did"] for name in ("first", "second")]
    monkeypatch.delenv("DATASIGIL_PASSPHRASE_FILE")
    assert [one["did"] for one in run.json("key", "show")["keys"]] == made
    assert run.json("key", "show", "second")["did"] == made[1]


def test_without_keys_the_list_says_how_to_make_one(run):
    assert "datasigil key new" in run("key", "show").out


def test_a_key_that_is_not_there_is_named(run):
    assert run.refused("key", "show", "nobody", code="KEY_FILE", exit_code=2)["found"] == "nobody"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"id": "did:key:z"}', b"x" * 70_000])
def test_a_damaged_public_half_is_named(run, keys, content):
    run("key", "new", "--name", "me")
    (keys / "me.did.json").write_bytes(content)
    assert run.refused("key", "show", "me", code="KEY_FILE", exit_code=2)["place"] == str(keys / "me.did.json")


def test_the_fingerprint_is_the_digest_of_the_multibase_text(run):
    from hashlib import sha256

    shown = run.json("key", "new", "--name", "me")
    assert shown["fingerprint"].replace(" ", "") == sha256(shown["publicKeyMultibase"].encode()).hexdigest()


# Passphrases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "word"), [(b"", "empty"), (b"\n", "empty"), (b"x" * 5000, "too large")])
def test_a_passphrase_file_that_holds_none_is_refused(run, settings, content, word):
    settings.write_bytes(content)
    error = run.refused("key", "new", "--name", "me", code="PASSPHRASE", exit_code=2)
    assert word in error["message"]
    assert error["place"] == str(settings)


def test_a_passphrase_file_that_is_not_there_is_named(run, settings):
    settings.unlink()
    assert run.refused("key", "new", "--name", "me", code="PASSPHRASE", exit_code=2)["place"] == str(settings)


def test_without_a_terminal_there_is_nobody_to_ask(run, monkeypatch):
    monkeypatch.delenv("DATASIGIL_PASSPHRASE_FILE")
    error = run.refused("key", "new", "--name", "me", code="PASSPHRASE", exit_code=2)
    assert "DATASIGIL_PASSPHRASE_FILE" in error["nextAction"]


def typed(monkeypatch, *answers):
    given = iter(answers)
    monkeypatch.delenv("DATASIGIL_PASSPHRASE_FILE")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _: next(given))


def test_a_typed_passphrase_is_asked_for_twice(run, monkeypatch, keys):
    typed(monkeypatch, "secret words", "secret words")
    run("key", "new", "--name", "me")
    LocalSigner.load(keys / "me.pem", b"secret words")


@pytest.mark.parametrize("answers", [("one", "two"), ("", "")])
def test_a_mistyped_passphrase_makes_no_key(run, monkeypatch, keys, answers):
    typed(monkeypatch, *answers)
    run.refused("key", "new", "--name", "me", code="PASSPHRASE", exit_code=2)
    assert not (keys / "me.pem").exists()


def test_a_wrong_passphrase_does_not_open_the_key(run, publisher, settings, data):
    run("init", data, "--yes")
    settings.write_text("another\n")
    run.refused("issue", data, code="PASSPHRASE", exit_code=2)


# Finding the key ------------------------------------------------------------------------------------------------------


def test_a_key_file_that_others_can_read_is_refused(run, publisher, data, keys):
    run("init", data, "--yes")
    (keys / "me.pem").chmod(0o644)
    error = run.refused("issue", data, code="KEY_FILE_MODE", exit_code=2)
    assert error["nextAction"] == f"chmod 600 {keys / 'me.pem'}"


def test_a_key_can_be_named_by_its_file(run, publisher, data, keys):
    run("init", data, "--yes")
    assert run.json("issue", data, "--key", keys / "me.pem")["issuer"] == run.json("key", "show", "me")["did"]


def test_with_several_keys_the_command_asks_which(run, publisher, data):
    run("init", data, "--yes")
    run("key", "new", "--name", "other")
    assert run.refused("issue", data, code="KEY_FILE", exit_code=2)["found"] == "me, other"


@pytest.mark.parametrize(
    "content",
    [b"", b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", b"\xff\xfe", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n!!\n-----END ENCRYPTED PRIVATE KEY-----\n"],
)  # fmt: skip
def test_a_file_that_is_no_key_is_refused(run, publisher, data, tmp_path, content):
    run("init", data, "--yes")
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(content)
    answer = run("issue", data, "--key", path, "--json", expect=None)
    assert answer.code in (1, 2)
    assert answer.json["type"] == "Error"
    assert not (tmp_path / "leases.credential.json").exists()


def test_a_link_is_no_key_file(run, publisher, data, tmp_path, keys):
    run("init", data, "--yes")
    (tmp_path / "link.pem").symlink_to(keys / "me.pem")
    run.refused("issue", data, "--key", tmp_path / "link.pem", code="KEY_FILE", exit_code=2)


def test_a_full_disk_leaves_neither_half_of_a_key(run, keys, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("publisher_cli.keys.write_durably", full)
        run.refused("key", "new", "--name", "me", code="SYSTEM", exit_code=2)
    assert sorted(keys.iterdir()) == []
    run("key", "new", "--name", "me")
