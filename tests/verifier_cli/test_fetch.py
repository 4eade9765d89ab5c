"""`datasigil-verify fetch`: by address, id and digest; nothing is checked, nothing of the user's is lost."""

from __future__ import annotations

import pytest

from datasigil.bundle import bundle_bytes, parse_bundle, sidecar_path
from datasigil.canonical import document_digest, jcs


@pytest.fixture
def registered(online, registry):
    online.bundle.unlink()
    return online.document


def test_a_bundle_is_fetched_by_its_address_and_then_checks_as_valid(online, registry, registered):
    answer = online.run("fetch", f"{registry.url}/credentials/{registered['id']}", "-o", online.bundle)
    assert answer.code == 0
    assert "fetched, not checked" in answer.err
    assert online.check("--data", online.data).code == 0


@pytest.mark.parametrize(
    "shape", ["{url}/credentials/{id}", "{url}/credentials/{id}/bundle", "{url}/datasets/{id}", "{url}/models/{id}"]
)
def test_the_registrys_api_and_pages_name_the_same_thing(online, registry, registered, shape):
    answer = online.run("fetch", shape.format(url=registry.url, id=registered["id"]), "--json")
    assert answer.code == 0
    assert answer.document["id"] == registered["id"]
    assert answer.document["checked"] is False


def test_an_id_or_a_digest_is_asked_of_the_registry_that_is_named(online, registry, registered, monkeypatch):
    for name in (registered["id"], document_digest(registered)):
        assert online.run("fetch", name, "--registry", registry.url).code == 0
    monkeypatch.setenv("DATASIGIL_REGISTRY", registry.url)
    assert online.run("fetch", registered["id"]).code == 0


def test_without_a_registry_an_id_names_nothing(online):
    answer = online.run("fetch", "urn:uuid:x", "--json")
    assert (answer.code, answer.document["code"]) == (2, "USAGE")


def test_the_file_is_named_after_the_dataset(online, registry, registered):
    answer = online.run("fetch", registered["id"], "--registry", registry.url, "--json")
    assert answer.document["paths"] == ["contract-clauses.sigil.json"]
    assert parse_bundle((online.folder / "contract-clauses.sigil.json").read_bytes()).credential == registered


def hit(document, kind="file"):
    return {"kind": kind, "path": None, "credential": {"id": document["id"], "name": "Contract clauses"}}


def test_a_files_digest_finds_its_credential(online, registry, registered):
    registry.lookups["a" * 64] = [hit(registered), hit(registered, "manifest")]
    assert online.run("fetch", "sha256:" + "a" * 64, "--registry", registry.url).code == 0


def test_a_digest_that_nobody_registered_is_not_found(online, registry):
    answer = online.run("fetch", "sha256:" + "b" * 64, "--registry", registry.url, "--json")
    assert (answer.code, answer.document["code"]) == (1, "NOT_FOUND")


def test_a_digest_of_several_credentials_lists_them(online, registry, registered):
    other = registry.world.issue()
    registry.publish(other)
    registry.lookups["c" * 64] = [hit(registered), hit(other)]
    answer = online.run("fetch", "sha256:" + "c" * 64, "--registry", registry.url, "--json")
    assert (answer.code, answer.document["code"]) == (1, "SEVERAL")
    assert registered["id"] in answer.err
    assert other["id"] in answer.err


@pytest.mark.parametrize(
    "what",
    [
        "sha256:",
        "sha256:ABC",
        "sha256:" + "A" * 64,
        "not an id",
        "",
        "ftp://example.org/x",
        "https://",
        "https://u:p@example.org/x",
    ],
)
def test_what_names_nothing_is_wrong_usage(online, registry, what):
    answer = online.run("fetch", what, "--registry", registry.url, "--json")
    assert answer.code == 2, answer
    assert registry.asked == []


def test_a_bundle_on_any_host_is_fetched_with_its_manifest(online, registry, registered):
    bundle = registry.world.bundle(registered)
    registry.pages["/data/clauses.sigil.json"] = bundle_bytes(registry.world.bundle(registered, manifest=False))
    registry.pages["/data/clauses.manifest.json"] = jcs(bundle.manifest)
    assert online.run("fetch", f"{registry.url}/data/clauses.sigil.json", "-o", online.bundle).code == 0
    assert parse_bundle(online.bundle.read_bytes()).manifest == bundle.manifest


def test_a_manifest_that_is_not_the_claimed_one_is_left_out(online, registry, registered):
    registry.pages["/clauses.sigil.json"] = bundle_bytes(registry.world.bundle(registered, manifest=False))
    registry.pages["/clauses.manifest.json"] = b'{"type":"DatasetManifest"}'
    answer = online.run("fetch", f"{registry.url}/clauses.sigil.json", "-o", online.bundle)
    assert answer.code == 0
    assert "left out" in answer.err
    assert parse_bundle(online.bundle.read_bytes()).manifest is None
    assert not sidecar_path(online.bundle).exists()


def test_a_public_manifest_of_the_registry_is_fetched_too(online, registry, registered):
    digest = registered["credentialSubject"]["manifest"]["digest"]
    registry.pages[f"/manifests/{digest}"] = jcs(registry.world.bundle(registered).manifest)
    assert online.run("fetch", registered["id"], "--registry", registry.url, "-o", online.bundle).code == 0
    assert parse_bundle(online.bundle.read_bytes()).manifest is not None


def test_a_site_is_asked_for_its_well_known_bundle(online, registry, registered):
    registry.pages["/.well-known/datasigil.json"] = bundle_bytes(registry.world.bundle(registered))
    for url in (registry.url, registry.url + "/"):
        assert online.run("fetch", url, "-o", online.bundle).code == 0


def test_what_is_not_there_is_refused_and_what_is_broken_is_named(online, registry, registered):
    answer = online.run("fetch", f"{registry.url}/credentials/urn:uuid:nope", "--json")
    assert answer.code == 1
    registry.pages["/x.sigil.json"] = b"<html>"
    answer = online.run("fetch", f"{registry.url}/x.sigil.json", "--json")
    assert (answer.code, answer.document["code"]) == (1, "PARSE")
    assert "x.sigil.json" in answer.err
    assert not online.bundle.exists()


def test_a_registry_that_sends_another_credential_is_found_out(online, registry, registered):
    other = registry.world.issue()
    registry.publish(other)
    registry.pages[f"/credentials/{registered['id'].replace(':', '%3A')}/bundle"] = bundle_bytes(
        registry.world.bundle(other)
    )
    answer = online.run("fetch", registered["id"], "--registry", registry.url, "--json")
    assert (answer.code, answer.document["code"]) == (1, "REGISTRY_ANSWER")


def test_a_registry_that_is_away_or_ill_can_be_asked_again(online, registry, registered):
    registry.pages[f"/credentials/{registered['id'].replace(':', '%3A')}/bundle"] = 503
    assert online.run("fetch", registered["id"], "--registry", registry.url).code == 3
    registry.close()
    answer = online.run("fetch", registered["id"], "--registry", registry.url, "--json")
    assert (answer.code, answer.document["code"]) == (3, "FETCH_FAILED")


def test_only_an_earlier_bundle_of_the_same_credential_is_written_over(online, registry, registered):
    address = f"{registry.url}/credentials/{registered['id']}"
    for _ in range(2):
        assert online.run("fetch", address, "-o", online.bundle).code == 0
    online.put(registry.publish(registry.world.issue()))
    before = online.bundle.read_bytes()
    answer = online.run("fetch", address, "-o", online.bundle, "--json")
    assert (answer.code, answer.document["code"]) == (2, "EXISTS")
    notes = online.folder / "notes.txt"
    notes.write_text("mine")
    assert online.run("fetch", address, "-o", notes).code == 2
    assert (online.bundle.read_bytes(), notes.read_text()) == (before, "mine")


def test_an_unwritable_place_is_named(online, registry, registered):
    answer = online.run("fetch", registered["id"], "--registry", registry.url, "-o", "/proc/nowhere/x.sigil.json")
    assert answer.code == 2
    assert "/proc/nowhere" in answer.err


def test_loopback_is_refused_without_dev(online, registry, registered, monkeypatch):
    monkeypatch.delenv("DATASIGIL_DEV")
    answer = online.run("fetch", registered["id"], "--registry", registry.url, "--json")
    assert (answer.code, answer.document["code"]) == (2, "FETCH_BLOCKED")
    assert online.run("fetch", registered["id"], "--registry", registry.url, "--dev").code == 0
