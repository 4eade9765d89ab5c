"""The log over HTTP: checkpoint, tiles, proofs, upkeep."""

from base64 import b64decode

import pytest
from sqlalchemy import delete

from datasigil.bundle import parse_bundle
from datasigil.canonical import document_digest
from datasigil.encoding import Instant
from datasigil.merkle import inclusion_proof, leaf_hash, root_of, verify_consistency
from datasigil.record import replace
from datasigil.transparency.checkpoint import open_checkpoint
from datasigil.transparency.entry import log_entry
from datasigil.transparency.note import parse_vkey
from datasigil.transparency.proofs import parse_log_proof
from datasigil.trust.policy import IssuerRule, LogRule, add_log, parse_policy
from datasigil.trust.rules import KeyPin
from datasigil.verification import verify
from service.tables import LOG_CHECKPOINTS


def opened(registry, note=None):
    keys = registry.http.get("/.well-known/datasigil-registry.json").json()["log"]
    note = note or registry.http.get("/log/checkpoint").content
    return open_checkpoint(note, parse_vkey(keys["key"]), [parse_vkey(keys["timeKey"])], allow_empty=True)


def fill(registry, count):
    """Append entries through the writer without the cost of registering credentials."""

    def append(batch):
        for _ in range(count):
            batch.append(
                log_entry("issue", f"{batch.session.released.size + len(batch.entries):064x}", "did:key:z", "T")
            )

    registry.state.sequencer.run(append)


def test_an_empty_log_has_a_signed_checkpoint(registry):
    assert opened(registry).checkpoint.size == 0


def test_the_checkpoint_covers_what_was_answered(registry, publisher):
    documents = [publisher.publish() for _ in range(3)]
    head = opened(registry).checkpoint
    leaves = [
        leaf_hash(log_entry("issue", document_digest(one), publisher.did, "DatasetCredential")) for one in documents
    ]
    assert (head.size, head.root) == (3, root_of(leaves))


def test_the_time_key_cosigns_again_after_an_hour(registry, publisher):
    publisher.publish()
    registry.clock.turn(minutes=11)
    registry.settle()  # the audit trail's anchor is in the log; from here on nothing is to be said
    first = opened(registry)
    registry.clock.turn(minutes=59)
    registry.settle()
    assert opened(registry).note == first.note
    registry.clock.turn(minutes=2)
    registry.settle()
    second = opened(registry)
    assert second.checkpoint == first.checkpoint
    assert second.cosignatures[0].time == registry.clock.now


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_tiles_and_entries_rebuild_the_signed_root(registry, size):
    fill(registry, size)
    head = opened(registry).checkpoint
    hashes, entries = b"", []
    for index in range(-(-size // 256)):
        width = min(256, size - 256 * index)
        path = f"{index:03d}" + ("" if width == 256 else f".p/{width}")
        hashes += registry.http.get(f"/log/tile/0/{path}").content
        bundle = registry.http.get(f"/log/tile/entries/{path}").content
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            entries.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
    leaves = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
    assert leaves == [leaf_hash(entry) for entry in entries]
    assert root_of(leaves) == head.root


def test_a_full_tile_is_cached_for_ever_and_its_parent_is_its_root(registry):
    fill(registry, 300)
    answer = registry.http.get("/log/tile/0/000")
    assert "immutable" in answer.headers["cache-control"]
    leaves = [answer.content[at : at + 32] for at in range(0, 8192, 32)]
    assert registry.http.get("/log/tile/1/000.p/1").content == root_of(leaves)


@pytest.mark.parametrize("path", ["0/000.p/4", "0/001", "1/000.p/1", "entries/001", "0/000", "63/000"])
def test_a_tile_that_the_log_has_not_reached_is_not_found(registry, path):
    fill(registry, 3)
    assert registry.http.get(f"/log/tile/{path}").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["0/0", "0/000.p/0", "0/000.p/257", "64/000", "-1/000", "0/x000/000", "entries", "0/000/", "x" * 70, "0/٠٠٠"],
)
def test_a_path_that_names_no_tile_is_refused(registry, path):
    assert registry.http.get(f"/log/tile/{path}").status_code == 400


def test_a_partial_tile_stays_available_in_every_width(registry):
    fill(registry, 5)
    whole = registry.http.get("/log/tile/0/000.p/5").content
    for width in range(1, 5):
        assert registry.http.get(f"/log/tile/0/000.p/{width}").content == whole[: 32 * width]


def test_inclusion_proofs_match_an_independent_tree(registry):
    fill(registry, 300)
    leaves = [leaf_hash(log_entry("issue", f"{number:064x}", "did:key:z", "T")) for number in range(300)]
    for index in (0, 1, 255, 256, 299):
        proof = parse_log_proof(registry.http.get("/log/proof", params={"index": index}).text)
        assert list(proof.hashes) == inclusion_proof(leaves, index)
        assert opened(registry, proof.checkpoint).checkpoint.root == root_of(leaves)


def test_every_earlier_checkpoint_is_consistent_with_the_last(registry):
    heads = []
    for count in (1, 1, 5, 250, 43, 1):
        fill(registry, count)
        heads.append(opened(registry).checkpoint)
    for old in heads:
        answer = registry.http.get("/log/consistency", params={"old": old.size}).json()
        hashes = [b64decode(one) for one in answer["hashes"]]
        verify_consistency(old.size, answer["size"], old.root, heads[-1].root, hashes)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/log/proof?index=3", 404),
        ("/log/proof", 400),
        ("/log/proof?index=-1", 400),
        ("/log/proof?index=x", 400),
        ("/log/proof?index=99999999999999999999", 400),
        ("/log/consistency?old=4", 404),
        ("/log/consistency?old=0", 400),
    ],
)
def test_proofs_of_what_is_not_there_are_refused(registry, path, status):
    fill(registry, 3)
    assert registry.http.get(path).status_code == status


def trusting(registry, publisher, **window):
    """A trust file that pins the publisher's key for a time."""
    keys = registry.state.keys
    policy = parse_policy(add_log("", LogRule(keys.origin, keys.log_key, keys.time_key)).encode())
    pin = KeyPin(publisher.signer.public_key, **window)
    return replace(
        policy, issuers=(IssuerRule(publisher.did, "publisher", ("DatasetCredential",), ("publisher",), (pin,)),)
    )


def test_a_bundle_fetched_years_later_shows_by_when_the_log_held_the_credential(registry, publisher):
    document = publisher.publish()
    logged = registry.clock.now
    url = f"/credentials/{document['id']}/bundle"
    assert "current" not in registry.http.get(url).json()["log"]
    retired = registry.clock.turn(days=30)
    registry.clock.turn(days=700)
    fill(registry, 300)
    raw = registry.http.get(url).content
    bundle = parse_bundle(raw)
    assert opened(registry, parse_log_proof(bundle.log.proof).checkpoint).cosignatures[0].time == logged
    assert opened(registry, parse_log_proof(bundle.log.current).checkpoint).note == opened(registry).note

    def judged(bundle, **window):
        policy = trusting(registry, publisher, **window)
        return verify(bundle, policy=policy, at=registry.clock.now, offline=True).report

    # The key was retired long ago: what the log held before stands, and only the first proof shows that.
    until = Instant.from_datetime(retired)
    assert judged(bundle, valid_until=until).decision == "VALID"
    assert judged(bundle, valid_until=Instant.from_datetime(logged)).codes == ("KEY_WINDOW",)
    assert judged(bundle, valid_from=until).codes == ("KEY_WINDOW",)
    late = replace(bundle, log=replace(bundle.log, proof=bundle.log.current, current=None))
    assert judged(late, valid_until=until).codes == ("KEY_WINDOW",)
    early = replace(bundle, log=replace(bundle.log, current=None))
    assert judged(early, valid_until=until).codes == ("LOG_STALE",)
    registry.state.sequencer.run(lambda batch: batch.connection.execute(delete(LOG_CHECKPOINTS)))
    registry.clock.turn(hours=2)
    registry.settle()
    assert "current" not in registry.http.get(url).json()["log"]
