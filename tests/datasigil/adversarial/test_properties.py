"""Properties (R11): a byte that means something else is never VALID, one form per value, and neither time nor taking away helps.

Each runs on a hundred examples or so, and on 10,000 under `make test-long`.
"""

import copy
import json

import pytest
from adversarial.stage import Stage, new_state, report_of
from adversarial.tables import ALL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasigil.canonical import jcs
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify, verify_bytes

LONG = 10_000
# What is signed, or leads to something signed; the rest of a bundle is for people, and decides nothing.
COVERED = ("credential", "manifest", "statusLists")


def examples(count):
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


# A byte ------------------------------------------------------------------------------------------------------------------


class Baseline:
    """One bundle with its trust file, checked as often as wanted."""

    def __init__(self):
        self.stage = Stage()
        self.raw = self.stage.text().encode()
        self.document = json.loads(self.raw)
        self.policy = parse_policy(self.stage.world.policy_toml().encode())

    def decide(self, raw):
        return verify_bytes(raw, policy=self.policy, at=self.stage.now, offline=True).report.decision


@pytest.fixture(scope="module")
def baseline():
    return Baseline()


def meaning(raw):
    """What a strict reader sees, or None for what is no JSON of the profile."""
    try:
        return parse_json(raw, max_bytes=len(raw) + 1)
    except DatasigilError:
        return None


def covered(document):
    """What of a bundle is signed, or leads to something signed."""
    if not isinstance(document, dict):
        return document
    log = document.get("log")
    return [document.get(name) for name in COVERED], log.get("proof") if isinstance(log, dict) else log


def a_byte_that_means_something_else_is_not_valid(baseline, data):
    at = data.draw(st.integers(0, len(baseline.raw) - 1))
    change = data.draw(st.sampled_from(["replace", "insert", "delete"]))
    byte = bytes([data.draw(st.integers(0, 255))]) if change != "delete" else b""
    raw = baseline.raw[:at] + byte + baseline.raw[at + (change != "insert") :]
    found, decision = meaning(raw), baseline.decide(raw)
    if found is None:
        assert decision == "INVALID"
        return
    assert covered(found) == covered(baseline.document) or decision != "VALID"
    if found == baseline.document:
        assert decision == "VALID"


@examples(150)
@given(data=st.data())
def test_a_byte_that_means_something_else_is_never_valid(baseline, data):
    a_byte_that_means_something_else_is_not_valid(baseline, data)


@pytest.mark.long
@pytest.mark.timeout(3600)
@examples(LONG)
@given(data=st.data())
def test_ten_thousand_bytes_that_mean_something_else_are_never_valid(baseline, data):
    a_byte_that_means_something_else_is_not_valid(baseline, data)


# One form per value --------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=6) | st.sampled_from(["0", "1", "true", "é", "e\u0301", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def equal(one, other):
    """Whether two JSON values are one: true is not 1, and 1 is not "1"."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def neighbours(value):
    """Values one step away."""
    if isinstance(value, bool):
        return st.sampled_from([not value, int(value), str(value).lower()])
    if isinstance(value, int):
        return st.sampled_from([value + 1 if value < 2**53 - 1 else value - 1, str(value), bool(value), -value])
    if isinstance(value, str):
        return st.sampled_from([value + " ", value + "\u200b", value[:-1], [value], value.upper()])
    if isinstance(value, list):
        return st.sampled_from([[*value, []], value[::-1], value[1:], {"": value}])
    return st.sampled_from([{**value, "\u0000": ""}, [value], dict(list(value.items())[1:])])


def two_values_have_two_forms(data):
    one = data.draw(VALUES)
    other = data.draw(st.one_of(VALUES, neighbours(one)))
    try:
        forms = jcs(one), jcs(other)
    except DatasigilError:
        return  # outside the profile there is no form
    assert (forms[0] == forms[1]) == equal(one, other)
    assert equal(parse_json(forms[0], max_bytes=len(forms[0]) + 1), one)


@examples(400)
@given(data=st.data())
def test_two_values_have_one_canonical_form_exactly_if_they_are_one(data):
    two_values_have_two_forms(data)


@pytest.mark.long
@pytest.mark.timeout(3600)
@examples(LONG)
@given(data=st.data())
def test_ten_thousand_pairs_have_one_canonical_form_exactly_if_they_are_one(data):
    two_values_have_two_forms(data)


# Time ----------------------------------------------------------------------------------------------------------------------

EVENTS = st.lists(
    st.sampled_from(["hour", "day", "publish", "revoke another", "suspend", "resume", "renew", "older evidence"]),
    min_size=1,
    max_size=8,
)


def a_revocation_is_never_taken_back(events):
    stage, state = Stage(), new_state()
    world, document = stage.world, stage.document
    policy = parse_policy(world.policy_toml().encode())
    shown = [world.bundle(document)]
    world.revoke(document)
    shown.append(world.bundle(document))
    for entry in document["credentialStatus"]:
        _remember(state, world.status_list(entry))
    for event in events:
        {
            "hour": lambda: world.tick(hours=1),
            "day": lambda: world.tick(days=1),
            "publish": lambda: world.publish(world.issue()),
            "revoke another": lambda: _revoke_another(world),
            "suspend": lambda: world.suspend(document),
            "resume": lambda: world.resume(document),
            "renew": lambda: shown.append(world.bundle(document)),
            "older evidence": lambda: None,
        }[event]()
        for bundle in shown:
            report = verify(bundle, policy=policy, at=world.now, state=state, offline=True).report
            assert report.decision == "INVALID", (event, report.headline)
            assert "REVOKED" in report.codes


def _revoke_another(world):
    other = world.issue()
    world.publish(other)
    world.revoke(other)


def _remember(state, document):
    from datasigil.canonical import sha256_hex
    from datasigil.credentials.status_list import parse_status_list
    from datasigil.transparency.client_state import RememberedStatusList

    one = parse_status_list(document)
    state.observe_status_list(
        RememberedStatusList(one.id, one.valid_from, sha256_hex(one.bits), one.replay, dict(document))
    )


@examples(25)
@given(events=EVENTS)
def test_whatever_happens_afterwards_a_revocation_that_was_seen_stays(events):
    a_revocation_is_never_taken_back(events)


@pytest.mark.long
@pytest.mark.timeout(3600)
@examples(LONG)
@given(events=EVENTS)
def test_ten_thousand_histories_keep_a_revocation(events):
    a_revocation_is_never_taken_back(events)


# Taking away ---------------------------------------------------------------------------------------------------------------

PLAYED = [case for case in ALL if case.decision != "exit 2"]


def taking_away_never_makes_valid(data):
    case = data.draw(st.sampled_from(PLAYED))
    asked = case.build(Stage())
    if asked.fetch is not None or asked.presented is not None:
        return
    document = meaning(asked.raw)  # writing down anew what is no JSON of the profile would repair it
    if not isinstance(document, dict) or document.get("type") != "EvidenceBundle":
        return
    before = report_of(asked)
    poorer = copy.deepcopy(document)
    piece = _take(poorer, data)
    # Two of the user's own issuers contradict each other: who presents only one of them is not found out.
    contradicted = before.codes[:1] == ("LINEAGE_CYCLE",)
    if piece and before.decision != "VALID" and not contradicted and not _may_be_left_out(piece, poorer):
        assert report_of(replaced(asked, poorer)).decision != "VALID", (str(case), piece, before.codes)


def _may_be_left_out(piece, poorer):
    """Whether whoever presents a bundle need not have put a piece there: nothing signed asks for it, and it can only speak against them.

    Keys beside the pinned ones, a log proof beside the first, a manifest that is compared with no files, a status list beside the one that
    an entry names.
    """
    if piece[0] in ("issuerKeys", "manifest") or piece == ("log", "current"):
        return True
    if piece[0] != "statusLists" or len(piece) != 2:
        return False
    entries = poorer["credential"].get("credentialStatus")
    wanted = {one.get("statusListCredential") for one in entries or () if isinstance(one, dict)}
    return wanted <= {one.get("id") for one in poorer["statusLists"] if isinstance(one, dict)}


def _take(document, data):
    """Take one piece of evidence away: a member of the bundle, an item of one of its lists, or a member of the log evidence."""
    pieces = [(name,) for name in ("log", "statusLists", "issuerKeys", "parents", "manifest") if name in document]
    for name in ("statusLists", "issuerKeys", "parents"):
        items = document.get(name)
        pieces += [(name, number) for number in range(len(items))] if isinstance(items, list) else []
    log = document.get("log")
    pieces += [("log", name) for name in log] if isinstance(log, dict) else []
    if not pieces:
        return ()
    piece = data.draw(st.sampled_from(pieces))
    del (document if len(piece) == 1 else document[piece[0]])[piece[-1]]
    return piece


def replaced(asked, document):
    from dataclasses import replace

    return replace(asked, raw=json.dumps(document).encode())


@examples(150)
@given(data=st.data())
def test_taking_any_piece_of_evidence_away_never_makes_a_refusal_valid(data):
    taking_away_never_makes_valid(data)


@pytest.mark.long
@pytest.mark.timeout(3600)
@examples(LONG)
@given(data=st.data())
def test_ten_thousand_times_taking_evidence_away_never_makes_a_refusal_valid(data):
    taking_away_never_makes_valid(data)
