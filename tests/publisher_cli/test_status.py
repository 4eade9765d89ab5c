"""`revoke`, `suspend`, `resume` and `status`: signed wishes, and what the signed lists say."""

import json

import pytest

from datasigil.client import RegistryClient
from datasigil.fetch import Fetcher, FetchError


def test_a_revocation_is_logged_and_shown_by_the_signed_lists(run, published):
    changed = run.json("revoke", published["id"], "--reason", "a contributor withdrew consent")
    assert (changed["status"], changed["changed"]) == ("revoked", True)
    assert changed["logIndex"] > 0
    shown = run.json("status", published["id"], expect=1)
    assert (shown["status"], shown["lists"]["revocation"]["set"], shown["lists"]["suspension"]["set"]) == (
        "revoked",
        True,
        False,
    )


def test_a_fresh_credential_is_active(run, published):
    assert run.json("status", published["id"])["status"] == "active"


def test_a_suspension_is_lifted_again(run, published):
    run("suspend", published["id"], "--reason", "a complaint is looked into")
    assert run.json("status", published["id"], expect=1)["status"] == "suspended"
    run("resume", published["id"], "--reason", "it was unfounded")
    assert run.json("status", published["id"])["status"] == "active"


def test_revoking_twice_changes_nothing_more(run, published):
    run("revoke", published["id"], "--reason", "first")
    again = run.json("revoke", published["id"], "--reason", "second")
    assert (again["status"], again["changed"], "logIndex" in again) == ("revoked", False, False)


def test_resuming_does_not_undo_a_revocation(run, published):
    run("revoke", published["id"], "--reason", "for good")
    assert run.json("resume", published["id"], "--reason", "please")["status"] == "revoked"
    run.json("status", published["id"], expect=1)


@pytest.mark.parametrize("form", ["id", "digest", "sha256", "credential", "bundle"])
def test_a_credential_is_named_by_id_digest_or_file(run, published, tmp_path, form):
    digest = run.json("status", published["id"])["digest"]
    what = {
        "id": published["id"],
        "digest": digest,
        "sha256": f"sha256:{digest}",
        "credential": tmp_path / "credential.json",
        "bundle": tmp_path / "leases.sigil.json",
    }[form]
    assert run.json("suspend", what, "--reason", "x")["id"] == published["id"]
    assert run.json("status", what, expect=1)["id"] == published["id"]


def test_only_the_issuer_changes_a_status(run, published, registry):
    run("key", "new", "--name", "mallory")
    run("login", "--registry", registry.url, "--key", "mallory")
    error = run.refused(
        "revoke", published["id"], "--reason", "mine", "--key", "mallory", code="NOT_YOURS", exit_code=2
    )
    assert error["expected"] == published["issuer"]
    assert run.json("status", published["id"])["status"] == "active"


def test_a_reply_that_was_lost_can_be_asked_for_again(run, published, monkeypatch):
    real = Fetcher.post

    def lose(self, url, *arguments, **options):
        real(self, url, *arguments, **options)
        raise FetchError("FETCH_FAILED", "the server could not be reached", place=url)

    with monkeypatch.context() as patch:
        patch.setattr(Fetcher, "post", lose)
        run.refused("revoke", published["id"], "--reason", "x", code="FETCH_FAILED", exit_code=3)
    assert run.json("revoke", published["id"], "--reason", "x")["changed"] is False


@pytest.mark.parametrize("reason", ["", "two\x1b[2Jlines", "x" * 20_001])
def test_a_reason_that_cannot_be_published_is_refused(run, published, reason):
    error = run("revoke", published["id"], "--reason", reason, "--json", expect=1).json
    assert error["place"] == "/reason"
    assert run.json("status", published["id"])["status"] == "active"


def test_a_credential_that_nobody_registered_is_not_found(run, publisher):
    error = run.refused("status", "urn:uuid:00000000-0000-4000-8000-000000000000", code="NOT_FOUND", exit_code=1)
    assert error["found"] == "HTTP 404"
    run.refused(
        "revoke", "urn:uuid:00000000-0000-4000-8000-000000000000", "--reason", "x", code="NOT_FOUND", exit_code=1
    )


@pytest.mark.parametrize("what", ["", " ", "../tokens", "a?b#c", "ü", "x" * 2100])
def test_what_is_no_identifier_is_refused_without_a_traceback(run, publisher, what):
    answer = run("status", what, "--json", expect=None)
    assert answer.code in (1, 2)
    assert answer.json["type"] == "Error"


def test_a_status_list_by_another_signer_is_not_believed(run, published, monkeypatch):
    from dataclasses import replace
    from datetime import UTC, datetime

    from datasigil.signing import LocalSigner, add_proof

    real, mallory = RegistryClient.bundle, LocalSigner.generate()

    def forged(self, name):
        bundle = real(self, name)
        lists = [{**one, "issuer": mallory.controller} for one in bundle.status_lists]
        signed = [
            add_proof({k: v for k, v in one.items() if k != "proof"}, mallory, created=datetime.now(UTC))
            for one in lists
        ]
        return replace(bundle, status_lists=tuple(signed))

    monkeypatch.setattr(RegistryClient, "bundle", forged)
    run.refused("status", published["id"], code="STATUS_ISSUER", exit_code=1)


def test_a_missing_status_list_is_not_taken_for_active(run, published, monkeypatch):
    from dataclasses import replace

    real = RegistryClient.bundle
    monkeypatch.setattr(RegistryClient, "bundle", lambda self, name: replace(real(self, name), status_lists=()))
    run.refused("status", published["id"], code="STATUS_MISSING", exit_code=1)


def test_revoking_names_the_command_that_shows_whom_it_hits(run, published):
    assert f"datasigil impact {published['id']}" in run("revoke", published["id"], "--reason", "x").err


def test_a_changed_credential_file_is_not_revoked_by_accident(run, published, tmp_path):
    path = tmp_path / "credential.json"
    path.write_text(json.dumps({**published, "validFrom": "2026-01-01T00:00:00Z"}))
    run.refused("revoke", path, "--reason", "x", code="SIGNATURE", exit_code=1)
