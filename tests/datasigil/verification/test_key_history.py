"""Keys reached from a pin: why a rotation does not count is said, and the form of a rotation is closed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from adversarial.group_history import CASES, Rotating
from adversarial.stage import Stage, report_of
from adversarial.tables import run
from simulator import REMOVED, mutate, signer_of

from datasigil.credentials.key_rotation import new_key_rotation, parse_key_rotation
from datasigil.encoding import Instant
from datasigil.errors import MalformedError
from datasigil.trust.policy import parse_policy
from datasigil.verification import key_history, verify_bytes
from datasigil.verification.findings import Situation
from datasigil.verification.key_history import with_rotations

REASONS = {
    "/issuerKeys/1/request/authorizedBy a stranger": "no pin leads to (KEY_HISTORY)",
    "/issuerKeys/1/request/authorizedBy a recovery key that nobody pinned": "no pin leads to (KEY_HISTORY)",
    "/issuerKeys/1/request/proof without the new key's": "(PROOF_MISSING)",
    "/issuerKeys/1/request/proof without the first key's": "(PROOF_MISSING)",
    "/issuerKeys/1/request/reason changed": "(SIGNATURE)",
    "/issuerKeys/1/request/newKey changed": "(SIGNATURE)",
    "/issuerKeys/1/request with an unknown member": "(UNKNOWN_PROPERTY)",
    "/issuerKeys/1 with an unknown member": "(UNKNOWN_PROPERTY)",
    "/issuerKeys/1/request/formatVersion 2": "(SCHEMA)",
    "/issuerKeys/1/proof absent": "(SCHEMA)",
    "/issuerKeys/1/proof of another entry": "(INCLUSION)",
    "/issuerKeys/1/proof of an entry of the kind audit": "(INCLUSION)",
    "/issuerKeys/1 in a log that nobody trusts": "(UNKNOWN_LOG)",
    "/issuerKeys/2 by the second key, which /issuerKeys/1 does not lead to yet": "no pin leads to (KEY_HISTORY)",
    "/issuerKeys/1 by the second key, its own rotation left out": "no pin leads to (KEY_HISTORY)",
    "trust file: pinned key retired before the rotation": "(KEY_WINDOW)",
    "trust file: pinned key compromised from the rotation on": "(KEY_COMPROMISED)",
    "trust file: the new key compromised": "(KEY_COMPROMISED)",
}


@pytest.mark.parametrize("field", REASONS)
def test_a_rotation_that_does_not_count_says_why(field):
    case = next(one for one in CASES if one.field == field)
    report = run(case).report
    found = next(check.found for check in report.checks if check.code == "KEY_HISTORY")
    assert found.endswith(REASONS[field])


def history(one, *rotations):
    policy = parse_policy(one.policy.encode())
    at = Instant.from_datetime(one.world.now)
    situation = Situation(policy, one.world.now, as_of=False, offline=True, state=None, period_at=at)
    return with_rotations(policy.issuer(one.publisher.did), rotations, situation)


def test_every_key_of_a_chain_is_reached_from_its_entry_on():
    one = Rotating(Stage())
    first = one.rotate()
    second = one.rotate(one.third, one.new)
    found = history(one, *(one.evidence(request) for request in (second, first)))
    reached = [(pin.id.rpartition("#")[2], pin.since.index) for pin in found.rule.keys if pin.since is not None]
    assert reached == [("key-2", 0), ("key-3", 1)]
    assert found.refused == ()


def test_reached_keys_are_no_part_of_the_policy_s_digest():
    one = Rotating(Stage())
    found = history(one, one.evidence(one.rotate()))
    assert all("since" not in pin.content() for pin in found.rule.keys)


def test_at_most_32_rotations_are_looked_at():
    one = Rotating(Stage())
    strangers = [one.evidence(one.rotate(by=one.stranger)) for _ in range(40)]
    assert len(history(one, *strangers).refused) == 32


def request(**changes):
    old, new = (signer_of(name).as_method(f"did:web:a.example#{name}") for name in ("old", "new"))
    members = {
        "issuer": "did:web:a.example", "new_id": new.verification_method, "new_key": new.public_key,
        "authorizing_id": old.verification_method, "authorizing_key": old.public_key, "reason": "rotation",
        "created": Stage().now, "nonce": "n" * 16,
    }  # fmt: skip
    return new_key_rotation(**{**members, **changes})


@pytest.mark.parametrize(
    ("pointer", "value", "code"),
    [
        ("/issuer", signer_of("old").controller, "DID"),
        ("/newKey/id", "did:web:b.example#new", "SCHEMA"),
        ("/newKey/id", "did:web:a.example#old", "SCHEMA"),
        ("/newKey/id", "did:web:a.example", "DID"),
        ("/newKey/publicKeyMultibase", "z6Mk", "KEY_TYPE"),
        ("/newKey/publicKeyMultibase", signer_of("old").public_key.multibase, "SCHEMA"),
        ("/authorizedBy/id", "did:web:b.example#old", "SCHEMA"),
        ("/reason", REMOVED, "SCHEMA"),
        ("/nonce", "short", "SCHEMA"),
        ("/created", "soon", "SCHEMA"),
        ("/formatVersion", 2, "SCHEMA"),
        ("/type", "StatusChangeRequest", "TYPE"),
        ("/@context", ["https://www.w3.org/ns/credentials/v2"], "CONTEXT"),
        ("/retires", "key-1", "UNKNOWN_PROPERTY"),
    ],
)
def test_a_rotation_of_another_form_is_refused(pointer, value, code):
    with pytest.raises(MalformedError) as caught:
        parse_key_rotation(mutate(request(), pointer, value))
    assert caught.value.code == code


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_what_is_no_object_is_no_rotation(document):
    with pytest.raises(MalformedError):
        parse_key_rotation(document)


def test_the_frozen_bundle_of_version_1_reads_for_ever(repository):
    folder = repository / "tests/vectors/transparency"
    policy = parse_policy((folder / "rotated-v1.datasigil.toml").read_bytes())
    raw, at = (folder / "rotated-v1.sigil.json").read_bytes(), datetime(2026, 12, 2, 9, 30, tzinfo=UTC)
    report = verify_bytes(raw, policy=policy, at=at, offline=True).report
    assert report.decision == "VALID", report.render()
    assert report.credential.logged_by == "2026-11-02T09:30:00Z"
    later = verify_bytes(raw, policy=policy, at=at, as_of=True, offline=True).report
    assert later.decision == "VALID"


def test_one_history_is_worked_out_once_however_many_lists_ask_for_it(monkeypatch):
    one = Rotating(Stage())
    one.world.registry = one.old  # the did:web signs its own lists
    rotations = [one.evidence(one.rotate(by=one.stranger)) for _ in range(30)]
    bundle = one.issued(one.old)
    given = one.given(replace(bundle, status_lists=bundle.status_lists * 8), *rotations)
    asked = []
    monkeypatch.setattr(key_history, "require_both_proofs", lambda rotation, **_: asked.append(rotation))
    report = report_of(given)
    assert report.decision == "VALID", report.render()
    assert len(asked) == len(rotations)
