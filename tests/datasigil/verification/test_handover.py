"""Which handovers of a registry count, whoever presents them, and what a list by the successor is worth.

Here: the plan over bundles of the simulator, each with one thing wrong. Not here: `export` and `import` (`tests/service/test_handover.py`).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from simulator import Log, signer_of
from succession import Succeeded

from datasigil.bundle import parse_bundle
from datasigil.credentials.handover import logged_handover, parse_handover
from datasigil.errors import MalformedError
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify, verify_bytes

FRESH = timedelta(days=30)


@pytest.fixture
def world():
    return Succeeded()


def codes(report):
    return {check.code for check in report.checks if check.outcome in ("failed", "undetermined")}


def test_a_list_by_the_successor_counts_and_the_continued_log_is_current(world):
    document = world.published()
    world.end()
    report = world.judge(world.late(document))
    assert report.decision == "VALID", codes(report)


def test_a_bit_that_the_successor_set_counts(world):
    document = world.published()
    world.end()
    world.revoke(document)
    report = world.judge(world.late(document))
    assert codes(report) == {"REVOKED"}


def test_without_the_handover_nothing_of_it_counts(world):
    document = world.published()
    world.end()
    bundle = world.late(document)
    report = world.judge(replace(bundle, issuer_keys=bundle.issuer_keys[:-1]))
    assert report.decision == "INVALID"
    assert codes(report) == {"STATUS_ISSUER", "LOG_STALE"}


def test_an_old_trust_file_is_told_what_to_add(world):
    document = world.published()
    world.end()
    report = world.judge(world.late(document), both=False)
    assert (report.decision, codes(report)) == ("INDETERMINATE", {"UNKNOWN_LOG"})
    (check,) = [check for check in report.checks if check.code == "UNKNOWN_LOG"]
    assert str(world.new.key) in check.expected
    assert str(world.new.time_key) in check.expected


STATEMENTS = {
    "signed by the successor itself": lambda world: {"signer": world.successor},
    "signed by a stranger": lambda world: {"signer": signer_of("mallory")},
    "of another tree size": lambda world: {"tree_size": world.log.tree.size + 1},
    "to somebody else": lambda world: {"after": world.side(world.new, "https://new.example", signer_of("x").controller)},
    "of another log": lambda world: {"before": world.side(Log("third.example/log", *[signer_of("t")] * 2), "https://t.example", world.registry.controller)},
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_another_statement_does_not_count(world, name):
    document = world.published()
    world.end(**STATEMENTS[name](world))
    report = world.judge(world.late(document))
    assert report.decision == "INVALID"
    assert "STATUS_ISSUER" in codes(report)


FRAMES = {
    "not in the old log": lambda world: world.frame(
        proof=world.new.proof(world.index, world.new.checkpoint(world.now))
    ),
    "under another entry's proof": lambda world: world.frame(proof=world.log.proof(0, world.last)),
    "of another form": lambda world: world.frame(canary=1),
    "changed after signing": lambda world: world.frame(handover={**world.handover, "reason": "other"}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_handover_that_the_old_log_does_not_show_does_not_count(world, name):
    document = world.published()
    world.end()
    report = world.judge(world.late(document, FRAMES[name]))
    assert report.decision == "INVALID"
    assert codes(report) == {"STATUS_ISSUER", "LOG_STALE"}


CURRENT = {
    "old": lambda world: world.frame(current=world.new.proof(world.index, world.new.checkpoint(world.now - FRESH))),
    "of another entry": lambda world: world.frame(current=world.new.proof(0, world.new.checkpoint(world.now))),
    "of the old log": lambda world: world.frame(current=world.log.proof(world.index, world.last)),
    "missing": lambda world: {k: v for k, v in world.frame().items() if k != "current"},
}


@pytest.mark.parametrize("name", CURRENT)
def test_an_ended_log_needs_a_recent_continuation(world, name):
    document = world.published()
    world.end()
    report = world.judge(world.late(document, CURRENT[name]))
    assert report.decision in ("INDETERMINATE", "INVALID")
    assert codes(report) <= {"LOG_STALE", "INCLUSION", "LOG_ORIGIN"}
    assert codes(report)


@pytest.mark.parametrize(
    ("lists", "code"),
    [
        ({"replay": ("elsewhere.example/log", 99)}, "STATUS_REPLAY"),
        ({"replay": ("registry.example/log", 99)}, "STATUS_REPLAY"),
        ({"replay": None}, "STATUS_ISSUER"),
        ({"replay": ("new.example/log", 1)}, "STATUS_ISSUER"),
        ({"signer": signer_of("mallory")}, "STATUS_ISSUER"),
    ],
)
def test_a_list_by_the_successor_must_replay_what_it_continues(world, lists, code):
    document = world.published()
    world.end()
    report = world.judge(world.late(document, **lists))
    assert code in codes(report)


def compromised(world, index):
    did = world.registry.controller
    return f"""
[[issuers]]
did = "{did}"
name = "registry"
types = ["DatasetCredential"]
roles = ["publisher"]
keys = [{{ multibase = "{world.registry.public_key.multibase}", compromised = {{ origin = "{world.log.origin}", index = {index} }} }}]
"""


def test_a_status_key_that_was_compromised_before_hands_nothing_over(world):
    document = world.published()
    world.end()
    report = world.judge(world.late(document), extra=compromised(world, world.index))
    assert "STATUS_ISSUER" in codes(report)


def test_a_status_key_that_was_compromised_after_has_handed_over(world):
    document = world.published()
    world.end()
    report = world.judge(world.late(document), extra=compromised(world, world.index + 1))
    assert report.decision == "VALID", codes(report)


def test_a_second_handover_by_the_same_registry_counts_for_nothing(world):
    document = world.published()
    world.end()
    thief = signer_of("thief")
    genuine, index, last = world.handover, world.index, world.last
    world.handover = world.statement(after=world.side(world.new, "https://thief.example", thief.controller))
    world.index = world.log.append(world.entry(world.handover))
    world.last = world.log.checkpoint(world.now)
    second = logged_handover(world.handover, world.log.proof(world.index, world.last))
    world.handover, world.index, world.last = genuine, index, last
    bundle = world.late(document, signer=thief)
    report = world.judge(replace(bundle, issuer_keys=(*bundle.issuer_keys, second)))
    assert "STATUS_ISSUER" in codes(report)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Other"},
        {"formatVersion": 2},
        {"treeSize": -1},
        {"root": "abc"},
        {"issuer": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"},
        {"to": {}},
        {"canary": True},
        {"created": "soon"},
        {"reason": ""},
        {"@context": []},
    ],
)
def test_a_handover_of_another_form_is_malformed(world, change):
    world.published()
    with pytest.raises(MalformedError):
        parse_handover({**world.statement(), **change})


def test_a_registry_cannot_follow_itself_nor_have_a_name_that_is_no_key(world):
    world.published()
    own = world.side(world.log, world.url, world.registry.controller)
    with pytest.raises(MalformedError):
        world.statement(after=own)
    with pytest.raises(MalformedError):
        world.statement(after=world.side(world.new, "https://new.example", "did:web:new.example"))


def test_a_client_that_saw_the_successor_s_list_asks_for_the_handover(world, tmp_path):
    from datasigil.transparency.client_state import ClientState, RememberedStatusList

    document = world.published()
    world.end()
    late = world.late(document)
    state = ClientState(tmp_path)
    for one in late.status_lists:
        from datasigil.credentials.status_list import parse_status_list
        from datasigil.verification.status import _remember

        state.observe_status_list(_remember(parse_status_list(one)))
    assert isinstance(state.newest_status_list(late.status_lists[0]["id"]), RememberedStatusList)
    policy = parse_policy(world.policy_toml().encode())
    old = replace(
        late,
        issuer_keys=late.issuer_keys[:-1],
        status_lists=tuple(world.status_list(e) for e in document["credentialStatus"]),
    )
    report = verify(old, policy=policy, at=world.now, offline=True, state=state).report
    assert "STATUS_HANDOVER" in codes(report)
    assert report.decision == "INDETERMINATE"


def test_the_frozen_bundle_of_version_1_reads_for_ever(repository):
    folder = repository / "tests/vectors/transparency"
    policy = parse_policy((folder / "handed-over-v1.datasigil.toml").read_bytes())
    raw, at = (folder / "handed-over-v1.sigil.json").read_bytes(), datetime(2026, 12, 2, 9, 30, tzinfo=UTC)
    report = verify_bytes(raw, policy=policy, at=at, offline=True).report
    assert report.decision == "VALID", report.render()
    assert any("its handover to https://new.example" in check.message for check in report.checks)
    shorter = parse_bundle(raw)
    without = replace(shorter, issuer_keys=tuple(one for one in shorter.issuer_keys if "handover" not in one))
    assert verify(without, policy=policy, at=at, offline=True).report.decision == "INVALID"
