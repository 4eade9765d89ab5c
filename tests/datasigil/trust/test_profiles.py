"""Sector profiles: each rule has a source and a date, is met by what it asks for, and by nothing unknown."""

import re
from pathlib import Path

import pytest
from adversarial.stage import FULL
from simulator import World

from datasigil.trust.policy import parse_policy
from datasigil.trust.profiles import PROFILES, lacking, policy_template

DESCRIBED = {**World().subject(), **FULL}
CLASSIFIED = [
    {"regulation": name, "evaluated": True, "result": "absent", "tool": "scan", "date": "2026-10-30"}
    for name in ("pci", "pfi", "phi", "pi", "spi")
]
MEASURED = [
    {"metric": name, "value": "0.9", "method": "m", "assurance": "computed"} for name in ("completeness", "validity")
]
COMPLETE = {**DESCRIBED, "classification": CLASSIFIED, "qualityMeasurement": MEASURED}

# Rule -> the subject member whose absence breaks it.
BREAKS = {
    "rights-basis": "rightsBasis", "personal-data": "personalData", "limitations": "limitations", "biases": "dataBiases", "ip-content": "ipContent",
    "confidential": "classification", "language": "inLanguage", "pfi": "classification", "pci": "classification", "quality": "qualityMeasurement",
    "representative": "representativeness", "frozen": "isLiveDataset", "phi": "classification", "origin": "originGeography",
}  # fmt: skip


def names(sector, subject, *, audited=False, today="2026-11-02"):
    return [rule.id for rule in lacking(sector, subject, audited=audited, today=today)]


@pytest.mark.parametrize("sector", PROFILES)
def test_a_complete_description_lacks_nothing_and_a_minimal_one_much(sector):
    assert names(sector, COMPLETE) == []
    assert len(names(sector, World().subject())) >= 6


@pytest.mark.parametrize(
    ("sector", "rule"),
    [(sector, rule) for sector, rules in PROFILES.items() for rule in rules],
    ids=lambda one: getattr(one, "id", one),
)
def test_every_rule_names_source_date_and_place(sector, rule):
    assert rule.source
    assert re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", rule.date)
    assert rule.place.startswith("/credentialSubject/")
    assert rule.asks == rule.asks.strip().rstrip(".")


@pytest.mark.parametrize(
    ("sector", "rule"),
    [(sector, rule.id) for sector, rules in PROFILES.items() for rule in rules if rule.id in BREAKS],
)
def test_taking_away_what_a_rule_asks_for_breaks_that_rule(sector, rule):
    subject = {name: value for name, value in COMPLETE.items() if name != BREAKS[rule]}
    assert rule in names(sector, subject)


@pytest.mark.parametrize(
    ("sector", "member", "value", "rule"),
    [
        ("law", "license", {"expression": "unknown", "assurance": "declared"}, "license"),
        ("law", "rightsBasis", "unknown", "rights-basis"),
        ("law", "personalData", {"status": "unknown"}, "personal-data"),
        ("law", "limitations", "unknown", "limitations"),
        ("law", "ipContent", {"copyright": "unknown", "patent": "absent", "trademark": "absent"}, "ip-content"),
        ("law", "inLanguage", ["unknown"], "language"),
        ("law", "sourceCategory", ["2.3"], "tdm"),
        ("finance", "isLiveDataset", True, "frozen"),
        ("finance", "qualityMeasurement", [{**MEASURED[0], "value": "unknown"}, MEASURED[1]], "quality"),
        ("finance", "classification", [{**one, "evaluated": False} for one in CLASSIFIED], "pfi"),
        ("finance", "classification", [{**one, "result": "unknown"} for one in CLASSIFIED], "pci"),
        ("health", "classification", [{**one, "result": "present"} for one in CLASSIFIED], "phi"),
        ("health", "originGeography", ["unknown"], "origin"),
    ],
)
def test_unknown_meets_no_rule(sector, member, value, rule):
    assert rule in names(sector, {**COMPLETE, member: value})


def test_health_data_that_is_present_needs_deidentification_an_audit_and_a_review_ahead():
    present = [{**one, "result": "present"} if one["regulation"] == "phi" else one for one in CLASSIFIED]
    subject = {
        **COMPLETE,
        "classification": present,
        "deidentification": {"method": "expert-determination", "reviewBy": "2027-01-01"},
    }
    assert "phi" in names("health", subject)
    assert "phi" not in names("health", subject, audited=True)
    assert "phi" in names("health", subject, audited=True, today="2027-01-02")


@pytest.mark.parametrize("sector", PROFILES)
def test_the_template_is_a_trust_file_that_asks_for_the_sector(sector):
    text = policy_template(sector, self_did="did:web:me.example")
    policy = parse_policy(text.encode())
    assert (policy.requirements.sector, policy.self_did) == (sector, "did:web:me.example")
    assert policy.requirements.use == "ai-training"
    for rule in PROFILES[sector]:
        assert rule.source in text
        assert rule.date in text
    assert policy.requirements.licenses.evidence == {"law": "warn", "finance": "warn", "health": "text"}[sector]
    assert "not legal advice" in text
    assert "complian" not in text.lower()
    assert parse_policy(policy_template(sector).encode()).self_did == ""


def test_no_rule_claims_compliance():
    source = Path(PROFILES["law"][0].met.__code__.co_filename).read_text("utf-8")
    assert "makes nothing compliant" in source.replace("\n", " ").replace("\nmakes", " makes")
