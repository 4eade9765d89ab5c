"""Every adversarial case gets its decision and reason code; the cases are counted once per check, place and reason, and they bite."""

import ast
import functools
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from adversarial.proof_of_bite import RED, bite, distinct
from adversarial.samples import ELSEWHERE, SAMPLES
from adversarial.tables import ALL, REFUSED, run
from jsonschema import Draft202012Validator
from referencing import Registry

from datasigil.report.codes import reason

SCRIPT = Path(__file__).resolve().parents[2] / "adversarial" / "proof_of_bite.py"


once = functools.cache(run)


@pytest.mark.parametrize("group", sorted({case.group for case in ALL}))
def test_every_case_of_a_group_is_decided_as_its_table_says(group):
    wrong = []
    for case in (one for one in ALL if one.group == group):
        found = once(case)
        if not found.fits(case):
            wrong.append(f"{case}: {found.decision}:{found.code} instead of {case.decision}:{case.code}")
        elif case.decision != "VALID" and found.site is None:
            wrong.append(f"{case}: no place in the code says that it refused")
    assert wrong == []


def test_at_least_four_hundred_cases_count_and_sixty_stay_valid():
    refused, accepted = distinct(once)
    assert refused >= 400
    assert accepted >= 60


def test_no_case_stands_twice():
    assert Counter((case.group, case.field, case.code) for case in ALL).most_common(1)[0][1] == 1, "a case stands twice"


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_sample_of_the_threat_model_has_its_cases_with_its_verdict(sample):
    verdict, least = SAMPLES[sample]
    word, _, code = verdict.partition(":")
    decision = {"INDET": "INDETERMINATE"}.get(word, word)
    cases = [case for case in ALL if (case.id, case.decision, case.code) == (sample, decision, code)]
    assert len(cases) >= least


def test_the_samples_are_those_of_the_threat_model(shared):
    page = (shared / "threats.md").read_text("utf-8")
    _, _, listed = page.partition("## Sample cases")
    bullets = [line for line in listed.splitlines() if line.startswith("- ")]
    named = {name for line in bullets for name in re.findall(r"\b([JMCPKTSLXV]\d\d)\b", line.partition("→")[0])}
    named |= {name for line in bullets for name in re.findall(r"; ([JMCPKTSLXV]\d\d)\b", line)}
    spanned = {name for line in bullets for name in re.findall(r"^- ([JMCPKTSLXV]\d\d)\b", line)}
    assert spanned <= {*SAMPLES, *ELSEWHERE}
    assert {*SAMPLES, *ELSEWHERE} == named


@pytest.mark.parametrize("sample", ELSEWHERE)
def test_samples_that_are_played_elsewhere_are_tests_that_exist(sample):
    path, _, name = ELSEWHERE[sample].partition("::")
    tree = ast.parse((Path(__file__).resolve().parents[3] / path).read_text("utf-8"))
    assert name in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


def test_every_reason_of_the_cases_is_documented_for_its_decision():
    for case in REFUSED:
        known = reason(case.code)
        assert known is not None, case.code
        assert known.decision == case.decision, case.code


def test_every_refusal_says_what_to_do():
    for case in REFUSED:
        report = once(case).report
        for check in () if report is None else report.checks:
            assert check.outcome in ("passed", "not_required") or check.next_action, (case, check)


def test_no_refusal_speaks_of_valid_or_verified():
    for case in REFUSED:
        report = once(case).report
        if report is not None:
            assert not re.search(r"\b(valid|verified)\b", report.render(), re.IGNORECASE), case


@pytest.mark.parametrize("case", REFUSED[::13], ids=str)
def test_a_case_turns_red_when_its_check_is_switched_off(case):
    outcome, sites = bite(case)
    assert outcome in RED
    assert sites


@pytest.mark.long
def test_every_case_turns_red_when_its_check_is_switched_off():
    ran = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stdout
    assert "does not bite" not in ran.stdout


def test_every_report_follows_its_published_schema(repository):
    schema = json.loads((repository / "schemas/verification-report-v1.json").read_text("utf-8"))
    validator = Draft202012Validator(schema, registry=Registry())
    Draft202012Validator.check_schema(schema)
    for case in ALL:
        report = once(case).report
        if report is not None:
            wrong = [f"{one.json_path}: {one.message[:200]}" for one in validator.iter_errors(report.to_json())]
            assert wrong == [], case
