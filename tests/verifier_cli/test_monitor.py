"""`datasigil-verify log monitor`: the tree derived from entries, held against what the log signed, now and before."""

from __future__ import annotations

import pytest

from datasigil.transparency.checkpoint import Checkpoint, sign_checkpoint
from datasigil.transparency.entry import entry_bundle


@pytest.fixture
def log(online, registry):
    for _ in range(3):
        registry.publish(registry.world.issue())
    return online


def monitor(desk, registry, *words):
    return desk.run("log", "monitor", f"{registry.url}/log", "--policy", desk.policy, *words)


def notes(desk, kind, monkeypatch=None):
    import os
    from pathlib import Path

    return list((Path(os.environ["XDG_STATE_HOME"]) / "datasigil" / kind).rglob("*.note"))


def test_a_log_that_keeps_its_word_is_consistent(log, registry):
    answer = monitor(log, registry, "--json")
    assert answer.code == 0, answer.err
    assert (answer.document["size"], answer.document["newEntries"]) == (registry.world.log.tree.size, {"issue": 4})


def test_the_next_round_derives_only_what_is_new(log, registry):
    assert monitor(log, registry).code == 0
    registry.publish(registry.world.issue())
    registry.world.revoke(log.document)
    answer = monitor(log, registry, "--json")
    assert answer.document["derivedBefore"] == 4
    assert answer.document["newEntries"] == {"issue": 1, "revoke": 1}
    assert monitor(log, registry, "--json").document["newEntries"] == {}


def test_more_than_one_tile_of_entries_is_derived(log, registry):
    world = registry.world
    assert monitor(log, registry).code == 0
    for number in range(300):
        world.log.append(world.log.entries[number % 4])
    assert monitor(log, registry, "--json").document["size"] == 304
    for number in range(300):
        world.log.append(world.log.entries[number % 4])
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["derivedBefore"], answer.document["size"]) == (0, 304, 604)


def test_new_entries_in_ones_own_name_are_listed(log, registry):
    answer = monitor(log, registry, "--issuer", registry.world.publisher.did, "--json")
    assert [one["index"] for one in answer.document["byIssuer"]] == [0, 1, 2, 3]
    other = registry.world.new_publisher("other")
    registry.world.publish(registry.world.issue(publisher=other))
    assert [one["kind"] for one in monitor(log, registry, "--issuer", other.did, "--json").document["byIssuer"]] == [
        "issue"
    ]


def test_an_entry_that_is_not_in_the_signed_tree_is_found(log, registry):
    world = registry.world
    entries = [*world.log.entries[:3], world.log.entries[0]]
    registry.pages["/log/tile/entries/000.p/4"] = entry_bundle(entries)
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["code"]) == (1, "ENTRIES")
    assert len(notes(log, "inconsistent")) == 1


@pytest.mark.parametrize("page", [b"", b"\x00\x05hello", b"\xff" * 100])
def test_entries_that_are_none_are_refused(log, registry, page):
    registry.pages["/log/tile/entries/000.p/4"] = page
    assert monitor(log, registry).code == 1


def test_a_tile_that_does_not_hash_to_the_root_is_found(log, registry):
    registry.pages["/log/tile/0/000.p/4"] = bytes(128)
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["code"]) == (1, "TILE_CORRUPT")


def test_a_shorter_log_than_before_is_a_rollback_with_both_notes_kept(log, registry):
    assert monitor(log, registry).code == 0
    world = registry.world
    registry.pages["/log/checkpoint"] = world.log.checkpoint(world.now, size=2)
    registry.pages["/log/tile/0/000.p/2"] = world.log.store.tiles[0, 0][:64]
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["code"]) == (1, "LOG_ROLLBACK")
    assert len(notes(log, "rollbacks")) == 2


def rewritten(world, size):
    """Let the log have another history of this size, under the same keys."""
    world.log.__post_init__()
    world.log.store.tiles.clear()
    world.log.entries.clear()
    while world.log.tree.size < size:
        world.publish(world.issue())


def test_two_trees_of_one_size_are_a_split_view_with_both_notes_kept(log, registry):
    assert monitor(log, registry).code == 0
    rewritten(registry.world, 4)
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["code"]) == (1, "SPLIT_VIEW")
    assert len(notes(log, "split-views")) == 2
    assert monitor(log, registry).code == 1  # and it stays so


def test_a_longer_log_with_another_past_is_inconsistent(log, registry):
    assert monitor(log, registry).code == 0
    rewritten(registry.world, 9)
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["code"]) == (1, "CONSISTENCY")
    assert len(notes(log, "inconsistent")) == 2


def test_a_checkpoint_by_another_key_is_refused(log, registry):
    world = registry.world
    head = Checkpoint(world.log.origin, 4, world.log.tree.root_at(4))
    from simulator import signer_of, vkey_of

    signer = signer_of("mallory")
    registry.pages["/log/checkpoint"] = sign_checkpoint(head, vkey_of(world.log.origin, signer), signer.sign)
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["code"]) == (1, "CHECKPOINT")


def test_a_log_that_stopped_signing_is_stale(log, registry):
    world = registry.world
    world.tick(days=-3)
    registry.pages["/log/checkpoint"] = world.log.checkpoint(world.now)
    answer = monitor(log, registry)
    assert answer.code == 3
    assert "LOG_STALE" in answer.err
    assert "CONSISTENT" in answer.out


def test_a_log_that_is_away_or_serves_nothing_cannot_be_judged(log, registry):
    registry.pages["/log/checkpoint"] = 404
    assert monitor(log, registry).code == 3
    registry.close()
    assert monitor(log, registry).code == 3


def test_a_log_that_nobody_named_is_wrong_usage(log, registry):
    log.trust(log=False)
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["code"]) == (2, "UNKNOWN_LOG")
    assert registry.asked == []
    assert monitor(log, registry, "--key", registry.world.log.key).code == 0


@pytest.mark.parametrize("words", [("http://",), ("file:///etc/passwd",), ("x y",), ("",)])
def test_an_address_that_is_none_is_wrong_usage(log, words):
    assert log.run("log", "monitor", *words, "--policy", log.policy).code == 2


def test_a_key_that_is_none_is_wrong_usage(log, registry):
    answer = monitor(log, registry, "--key", "junk", "--json")
    assert (answer.code, answer.document["code"]) == (2, "USAGE")


def test_a_damaged_memory_is_named_and_not_taken_for_nothing(log, registry):
    assert monitor(log, registry).code == 0
    import os
    from pathlib import Path

    for path in (Path(os.environ["XDG_STATE_HOME"]) / "datasigil" / "monitor").iterdir():
        path.write_bytes(b"{")
    answer = monitor(log, registry, "--json")
    assert (answer.code, answer.document["code"]) == (2, "CLIENT_STATE")


def test_an_empty_log_is_consistent(online, registry):
    world = registry.world
    rewritten(world, 0)
    registry.pages["/log/checkpoint"] = sign_checkpoint(
        Checkpoint(world.log.origin, 0, world.log.tree.root_at(0)), world.log.key, world.log.signer.sign
    )
    assert monitor(online, registry).code == 0
