"""ODRL in a closed world: a prohibition wins, the unknown denies, everything not permitted is denied."""

import pytest

from datasigil.trust.odrl import Circumstances, judge_terms

FACTS = {
    "purpose": frozenset({"ai-training", "commercial"}),
    "spatial": frozenset({"US"}),
    "recipient": frozenset({"did:web:me.example"}),
    "dateTime": frozenset({"2026-11-02T09:30:00Z"}),
}


def rule(action="ai-training", *constraints, **more):
    made = {"action": action, **more}
    if constraints:
        made["constraint"] = [
            {"leftOperand": left, "operator": operator, "rightOperand": right} for left, operator, right in constraints
        ]
    return made


def permits(permission, prohibition=(), action="ai-training", facts=FACTS):
    return judge_terms(
        {"permission": permission, **({"prohibition": prohibition} if prohibition else {})},
        Circumstances(action, facts),
    ).permitted


@pytest.mark.parametrize(
    ("permission", "prohibition", "permitted"),
    [
        ([rule()], [], True),
        ([rule("use")], [], False),
        ([rule("distribute")], [], False),
        ([], [], False),
        ([rule("distribute"), rule()], [], True),
        ([rule()], [rule()], False),
        ([rule()], [rule("use")], False),
        ([rule()], [rule("sell")], True),
        ([rule()], [rule("acme:learn")], False),
        ([rule()], [rule("gen-ai")], True),
        ([rule()], [rule("ai-training", ("spatial", "eq", "DE"))], True),
        ([rule()], [rule("ai-training", ("spatial", "eq", "US"))], False),
        ([rule()], [rule("ai-training", ("acme:mood", "eq", "bad"))], False),
        ([rule("ai-training", ("spatial", "eq", "US"))], [], True),
        ([rule("ai-training", ("spatial", "eq", "DE"))], [], False),
        ([rule("ai-training", ("spatial", "neq", "DE"))], [], True),
        ([rule("ai-training", ("spatial", "isAnyOf", ["DE", "US"]))], [], True),
        ([rule("ai-training", ("spatial", "isAnyOf", "US"))], [], False),
        ([rule("ai-training", ("spatial", "eq", ["US"]))], [], False),
        ([rule("ai-training", ("spatial", "isNoneOf", ["US"]))], [], False),
        ([rule("ai-training", ("spatial", "isPartOf", ["US", "CA"]))], [], True),
        ([rule("ai-training", ("acme:mood", "eq", "good"))], [], False),
        ([rule("ai-training", ("spatial", "eq", "US"), ("acme:mood", "eq", "good"))], [], False),
        ([rule("ai-training", ("spatial", "eq", "US"), ("purpose", "eq", "commercial"))], [], True),
        ([rule("ai-training", ("dateTime", "lt", "2027-01-01"))], [], True),
        ([rule("ai-training", ("dateTime", "lteq", "2026-11-02T09:30:00Z"))], [], True),
        ([rule("ai-training", ("dateTime", "lt", "2026-11-02T09:30:00Z"))], [], False),
        ([rule("ai-training", ("dateTime", "gt", "2026-11-02T09:30:00Z"))], [], False),
        ([rule("ai-training", ("dateTime", "gteq", "2026-11-02T09:30:00Z"))], [], True),
        ([rule("ai-training", ("dateTime", "lt", "soon"))], [], False),
        ([rule("ai-training", ("spatial", "lt", "ZZ"))], [], False),
    ],
)  # fmt: skip
def test_rules_are_judged(permission, prohibition, permitted):
    assert permits(permission, prohibition) is permitted


def test_nothing_known_about_the_use_denies_every_constraint():
    assert not permits([rule("ai-training", ("spatial", "eq", "US"))], facts={})


@pytest.mark.parametrize(
    ("action", "broader"), [("gen-ai", "ai-training"), ("gen-ai", "use"), ("ai-augment", "use"), ("research", "use")]
)
def test_a_prohibition_of_the_broader_action_covers_the_narrower(action, broader):
    assert permits([rule(action)], action=action)
    assert not permits([rule(action)], [rule(broader)], action=action)


@pytest.mark.parametrize("prohibited", ["commercialize", "commercialUse", "CommercialUse"])
def test_a_prohibition_of_commercial_use_holds_unless_the_use_is_known_to_be_none(prohibited):
    private = {**FACTS, "purpose": frozenset({"ai-training", "non-commercial"})}
    assert not permits([rule()], [rule(prohibited)])
    assert not permits([rule()], [rule(prohibited)], facts={})
    assert permits([rule()], [rule(prohibited)], facts=private)


def test_duties_are_reported():
    finding = judge_terms(
        {"permission": [rule(duty=[{"action": "attribute"}])], "obligation": [{"action": "inform"}]},
        Circumstances("ai-training", FACTS),
    )
    assert finding.duties == ("attribute", "inform")


def test_the_reason_names_the_condition_that_did_not_hold():
    finding = judge_terms(
        {"permission": [rule("ai-training", ("spatial", "eq", "DE"))]}, Circumstances("ai-training", FACTS)
    )
    assert "spatial eq DE" in finding.reason
