"""`datasigil.client.evidence`: whose URLs are used, what a refresh brings, and what it may never bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from simulator import Publisher, World, mutate, signer_of, with_credential, with_proof_text

from datasigil.canonical import document_digest, jcs
from datasigil.client import HttpTiles, check_online, is_proven, proven_credentials, refresh_evidence
from datasigil.errors import LogError
from datasigil.fetch import FetchError, Response
from datasigil.merkle import HASH_BYTES
from datasigil.transparency.client_state import ClientState
from datasigil.transparency.tile_paths import Tile, parse_tile_path
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify


@dataclass
class Host:
    """Stands in for a Fetcher: answers from a world, or as `pages` say."""

    world: World
    pages: dict[str, int | bytes | Callable[[], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self, url: str, **_: Any) -> Response:
        self.asked.append(url)
        for name, page in self.pages.items():
            if url.endswith(name):
                if isinstance(page, int):
                    return Response(url, page, {}, b"")
                return Response(url, 200, {}, page() if callable(page) else page)
        path = url.removeprefix(self.world.url)
        if path == "/log/checkpoint":
            return Response(url, 200, {}, self.world.log.checkpoint(self.world.now))
        if path.startswith("/log/"):
            tile = parse_tile_path(path.removeprefix("/log/"))
            return Response(url, 200, {}, self.world.log.store.tiles[tile.level, tile.index][: tile.width * HASH_BYTES])
        purpose = path.rpartition("/")[2]
        entry = {"statusListCredential": url, "statusPurpose": purpose}
        return Response(url, 200, {}, jcs(self.world.status_list(entry)))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def host(world):
    return Host(world)


def policy(world):
    return parse_policy(world.policy_toml().encode())


def refresh(world, host, bundle, **options):
    proven = proven_credentials(verify(bundle, policy=policy(world), at=world.now).report)
    return refresh_evidence(bundle, policy=policy(world), fetcher=host, at=world.now, proven=proven, **options)


def test_only_what_passed_steps_one_to_five_is_proven(world):
    document = world.issue()
    bundle = world.publish(document)
    good = verify(bundle, policy=policy(world), at=world.now).report
    assert is_proven(good)
    assert proven_credentials(good) == {document_digest(document)}
    for bad in (with_credential(bundle, mutate(document, "/credentialSubject/name", "x")), with_credential(bundle, {})):
        assert proven_credentials(verify(bad, policy=policy(world), at=world.now).report) == frozenset()
    stranger = parse_policy(b"formatVersion = 1\n")
    assert proven_credentials(verify(bundle, policy=stranger, at=world.now).report) == frozenset()


def test_a_status_that_says_revoked_does_not_keep_from_asking_again(world):
    document = world.issue()
    world.publish(document)
    world.revoke(document)
    assert proven_credentials(verify(world.bundle(document), policy=policy(world), at=world.now).report)


def test_ancestors_are_renewed_and_each_page_is_asked_for_once(world, host):
    parents = [world.issue(), world.issue()]
    for parent in parents:
        world.publish(parent)
    bundle, _ = world.derive(parents)
    world.tick(days=30)
    renewed = refresh(world, host, bundle)
    assert renewed.errors == ()
    assert verify(renewed.bundle, policy=policy(world), at=world.now).report.decision == "VALID"
    assert len(host.asked) == len(set(host.asked))


def test_nothing_is_asked_for_what_is_not_proven(world, host):
    bundle = world.publish(world.issue())
    renewed = refresh_evidence(bundle, policy=policy(world), fetcher=host, at=world.now, proven=frozenset())
    assert (renewed.bundle, host.asked) == (bundle, [])


def test_an_online_check_of_a_stranger_opens_nothing(world, host):
    bundle = world.publish(world.issue(publisher=world.new_publisher("mallory")))
    outcome = check_online(bundle, policy=policy(world), at=world.now, fetcher=host)
    assert (outcome.report.decision, host.asked) == ("INVALID", [])


@pytest.mark.parametrize("page", [404, 500, b"", b"<html>", b"{}", b"null", b"\xff", b'{"id":1,"id":1}'])
def test_a_list_that_cannot_be_had_leaves_the_old_one_and_an_error(world, host, page):
    bundle = world.publish(world.issue())
    host.pages["/revocation"] = page
    renewed = refresh(world, host, bundle)
    assert [error.code for error in renewed.errors] == ["STATUS_RETRIEVAL"]
    assert renewed.bundle.status_lists == bundle.status_lists
    outcome = check_online(bundle, policy=policy(world), at=world.now, fetcher=host)
    assert outcome.report.decision == "INDETERMINATE"


def test_a_mirror_in_the_trust_file_serves_a_list_by_its_id(world, host):
    bundle = world.publish(world.issue())
    host.pages[f"{world.url}/status-lists/publisher/revocation"] = 503
    world_policy = parse_policy((f'mirrors = ["{world.url}/mirror"]\n' + world.policy_toml()).encode())
    entry = {"statusListCredential": world.publisher.list_id("revocation"), "statusPurpose": "revocation"}
    host.pages = {"/mirror/status-lists/publisher/revocation": jcs(world.status_list(entry)), **host.pages}
    outcome = check_online(bundle, policy=world_policy, at=world.now, fetcher=host)
    assert outcome.report.decision == "VALID"


def test_a_list_signed_by_somebody_else_is_never_remembered(world, host, tmp_path):
    bundle = world.publish(world.issue())
    entry = {"statusListCredential": world.publisher.list_id("revocation"), "statusPurpose": "revocation"}
    host.pages["/revocation"] = jcs(world.status_list(entry, signer=world.new_publisher("mallory").signer))
    state = ClientState(tmp_path)
    refresh(world, host, bundle, state=state)
    assert state.newest_status_list(world.publisher.list_id("revocation")) is None
    assert state.newest_status_list(world.publisher.list_id("suspension")) is not None
    outcome = check_online(bundle, policy=policy(world), at=world.now, fetcher=host, state=state)
    assert outcome.report.decision == "INVALID"


def test_an_older_list_than_was_seen_is_a_rollback(world, host, tmp_path):
    document = world.issue()
    bundle = world.publish(document)
    entry = {"statusListCredential": world.publisher.list_id("revocation"), "statusPurpose": "revocation"}
    old = jcs(world.status_list(entry))
    state = ClientState(tmp_path)
    world.tick(hours=1)
    world.publish(world.issue())
    assert refresh(world, host, bundle, state=state).errors == ()
    host.pages["/revocation"] = old
    assert [error.code for error in refresh(world, host, bundle, state=state).errors] == ["STATUS_ROLLBACK"]


def test_a_checkpoint_of_a_shorter_log_is_a_rollback(world, host, tmp_path):
    document = world.issue()
    bundle = world.publish(document)
    short = world.log.checkpoint(world.now)
    world.publish(world.issue())
    state = ClientState(tmp_path)
    assert refresh(world, host, bundle, state=state).errors == ()
    host.pages["/log/checkpoint"] = short
    host.pages["/tile/0/000.p/1"] = world.log.store.tiles[0, 0][:HASH_BYTES]
    assert [error.code for error in refresh(world, host, bundle, state=state).errors] == ["LOG_ROLLBACK"]


def test_tiles_are_read_and_never_written(world, host):
    tiles: Any = HttpTiles(f"{world.url}/log/", host)
    world.publish(world.issue())
    assert len(tiles.read_tile(Tile(0, 0, 1))) == HASH_BYTES
    host.pages["/tile/0/000.p/1"] = 404
    with pytest.raises(LogError) as caught:
        tiles.read_tile(Tile(0, 0, 1))
    assert caught.value.code == "TILE_MISSING"
    with pytest.raises(NotImplementedError):
        tiles.write_tiles([])


def test_a_log_that_cannot_be_reached_leaves_the_old_proof(world, host):
    bundle = world.publish(world.issue())

    def away() -> bytes:
        raise FetchError("FETCH_FAILED", "the server could not be reached")

    host.pages["/log/checkpoint"] = away
    renewed = refresh(world, host, bundle)
    assert [error.code for error in renewed.errors] == ["FETCH_FAILED"]
    assert renewed.bundle.log == bundle.log


def test_a_refresh_keeps_the_first_proof_and_puts_a_current_one_beside_it(world, host):
    bundle = world.publish(world.issue())
    world.tick(days=30)
    world.publish(world.issue())
    proven = frozenset({document_digest(bundle.credential)})
    renewed = refresh_evidence(bundle, policy=policy(world), fetcher=host, at=world.now, proven=proven)
    assert renewed.errors == ()
    assert renewed.bundle.log.proof == bundle.log.proof
    assert "\n2\n" in renewed.bundle.log.current
    report = verify(renewed.bundle, policy=policy(world), at=world.now).report
    assert report.decision == "VALID"
    assert report.credential.logged_by == "2026-11-02T09:30:00Z"
    again = refresh_evidence(renewed.bundle, policy=policy(world), fetcher=host, at=world.now, proven=proven)
    assert again.bundle.log == renewed.bundle.log


@pytest.mark.parametrize(("old", "new"), [("index 0", "index 1"), ("log/time", "log/mine")])
def test_a_refresh_replaces_a_first_proof_that_shows_nothing(world, host, old, new):
    bundle = world.publish(world.issue())
    world.publish(world.issue())
    damaged = with_proof_text(world.bundle(bundle.credential), old, new)
    world.tick(days=1)
    proven = frozenset({document_digest(bundle.credential)})
    renewed = refresh_evidence(damaged, policy=policy(world), fetcher=host, at=world.now, proven=proven)
    assert renewed.bundle.log.current is None
    assert renewed.bundle.log.proof != damaged.log.proof


def test_a_list_signed_with_a_rotated_key_is_remembered(tmp_path):
    world, state = World(), ClientState(tmp_path)
    signer = world.registry
    old, new = (signer_of(name).as_method(f"did:web:registry.example#{name}") for name in ("one", "two"))
    world.registry = old
    owner = Publisher("registry", old, f"{world.url}/own")
    world.publishers[owner.did] = owner
    text = world.policy_toml() + (
        f'\n[[issuers]]\ndid = "{owner.did}"\nname = "registry"\ntypes = []\n'
        f'[[issuers.keys]]\nmultibase = "{old.public_key.multibase}"\n'
    )
    trusted = parse_policy(text.encode())
    document = world.issue()
    rotation = world.rotate(owner, new)
    world.registry = new
    method = {
        "id": new.verification_method,
        "type": "Multikey",
        "controller": owner.did,
        "publicKeyMultibase": new.public_key.multibase,
    }
    bundle = world.publish(document)
    bundle = replace(bundle, issuer_keys=(*bundle.issuer_keys, method, world.rotation_evidence(rotation)))
    report = check_online(bundle, policy=trusted, at=world.now, fetcher=Host(world), state=state).report
    assert report.decision == "VALID", report.render()
    assert state.newest_status_list(document["credentialStatus"][0]["statusListCredential"]) is not None
    assert signer.controller != owner.did
