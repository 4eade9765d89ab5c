"""`datasigil-verify refresh`: evidence of now in place of the old, the credential untouched, and nothing asked for strangers."""

from __future__ import annotations

import pytest
from simulator import mutate, with_credential

from datasigil.bundle import parse_bundle, sidecar_path
from datasigil.canonical import jcs


@pytest.fixture
def old(online, registry):
    """A desk whose evidence is thirty days old, while the registry goes on signing."""
    world = registry.world
    world.tick(days=-30)
    online.document = world.issue(validFrom="2020-01-01T00:00:00Z")
    bundle = registry.publish(online.document)
    registry.documents = {online.document["id"]: online.document}
    online.put(bundle)
    world.tick(days=30)
    return online


def refresh(desk, *words):
    return desk.run("refresh", desk.bundle, "--policy", desk.policy, *words)


def test_stale_evidence_is_renewed_and_checks_as_valid_offline(old):
    assert old.check().code == 3
    answer = refresh(old, "--json")
    assert answer.code == 0, answer.err
    assert (answer.document["changed"], answer.document["decision"]) == (True, "VALID")
    assert parse_bundle(old.bundle.read_bytes()).credential == old.document
    assert old.check().code == 0


def test_the_old_bundle_stays_when_another_name_is_given(old):
    before = old.bundle.read_bytes()
    answer = refresh(old, "-o", old.folder / "new.sigil.json")
    assert answer.code == 0
    assert old.bundle.read_bytes() == before
    assert old.run("check", old.folder / "new.sigil.json", "--policy", old.policy, "--offline").code == 0


def test_a_manifest_beside_the_bundle_goes_along(old, registry):
    bundle = parse_bundle(old.bundle.read_bytes())
    sidecar_path(old.bundle).write_bytes(jcs(bundle.manifest))
    old.put(registry.world.bundle(old.document, manifest=False))
    assert refresh(old, "-o", old.folder / "new.sigil.json").code == 0
    assert parse_bundle((old.folder / "new.sigil.json").read_bytes()).manifest == bundle.manifest


def test_a_revocation_since_is_told(old):
    old.world.revoke(old.document)
    answer = refresh(old)
    assert answer.code == 0
    assert "REVOKED" in answer.out
    assert old.check().code == 1


def test_the_derived_tree_is_followed_as_the_log_grows(old, registry):
    assert refresh(old).code == 0
    for _ in range(5):
        registry.world.publish(registry.world.issue())
    answer = refresh(old, "--json")
    assert (answer.code, answer.document["changed"]) == (0, True)


def test_a_registry_that_is_away_leaves_the_bundle_as_it_was(old, registry):
    before = old.bundle.read_bytes()
    registry.close()
    answer = refresh(old, "--json")
    assert (answer.code, answer.document["changed"], answer.document["decision"]) == (3, False, "INDETERMINATE")
    assert old.bundle.read_bytes() == before


def test_what_can_be_had_is_renewed_when_something_cannot(old, registry):
    registry.pages["/status-lists/publisher/suspension"] = 503
    answer = refresh(old, "--json")
    assert (answer.code, answer.document["changed"]) == (3, True)
    assert [error["code"] for error in answer.document["errors"]] == ["STATUS_RETRIEVAL"]


@pytest.mark.parametrize("page", [b"", b"<html>", b"[]", b'{"id":"urn:other"}', b"\xff", b'{"id":1,"id":2}'])
def test_a_status_list_that_is_none_is_not_taken(old, registry, page):
    registry.pages["/status-lists/publisher/revocation"] = page
    answer = refresh(old, "--json")
    assert answer.code == 3
    assert answer.document["errors"][0]["code"] == "STATUS_RETRIEVAL"


@pytest.mark.parametrize("page", [b"", b"x", b"\xff", b"registry.example/log\n1\nAAAA\n\n"])
def test_a_checkpoint_that_is_none_is_not_taken(old, registry, page):
    before = parse_bundle(old.bundle.read_bytes())
    registry.pages["/log/checkpoint"] = page
    assert refresh(old).code == 3
    assert before.log is not None
    assert parse_bundle(old.bundle.read_bytes()).log == before.log


def test_a_log_that_shows_two_trees_of_one_size_is_refused_and_both_notes_are_kept(old, registry):
    assert refresh(old).code == 0
    before = old.bundle.read_bytes()
    world = registry.world
    size = world.log.tree.size
    world.log.__post_init__()  # another tree, by the same keys
    world.log.store.tiles.clear()
    world.log.entries.clear()
    while world.log.tree.size < size:
        world.publish(world.issue())
    answer = refresh(old, "--json")
    assert answer.code == 1
    assert answer.document["errors"][0]["code"] == "SPLIT_VIEW"
    assert old.bundle.read_bytes() == before
    assert old.check().code == 1


def test_nothing_is_asked_for_an_issuer_that_is_not_trusted(old, registry):
    registry.asked.clear()
    old.trust(publishers=())
    answer = refresh(old, "--json")
    assert (answer.code, answer.document["code"]) == (1, "UNTRUSTED_ISSUER")
    assert registry.asked == []


def test_nothing_is_asked_for_a_credential_that_was_altered(old, registry):
    registry.asked.clear()
    bundle = parse_bundle(old.bundle.read_bytes())
    old.put(with_credential(bundle, mutate(old.document, "/credentialSubject/name", "x")))
    assert refresh(old).code == 1
    assert registry.asked == []


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{}", b'{"a":1,"a":1}'])
def test_what_is_no_bundle_is_refused_and_left_alone(online, registry, data):
    online.put(data)
    assert refresh(online).code == 1
    assert online.bundle.read_bytes() == data
    assert registry.asked == []


def test_a_bundle_that_is_not_there_is_wrong_usage(online):
    online.bundle.unlink()
    assert refresh(online).code == 2
