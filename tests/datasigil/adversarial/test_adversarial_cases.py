"""Every adversarial case gets its decision and reason code; the cases are counted once per check, place and reason, and they bite."""

import functools
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from adversarial.proof_of_bite import RED, bite
from adversarial.tables import ACCEPTED, ALL, REFUSED, run

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
    counted = {(once(case).site.check, case.field, case.code) for case in REFUSED}
    assert len(counted) >= 400
    assert len({case.field for case in ACCEPTED}) >= 60
    assert Counter((case.group, case.field, case.code) for case in ALL).most_common(1)[0][1] == 1, "a case stands twice"


def test_every_group_of_the_threat_model_is_there():
    assert {case.group for case in ALL} >= set("JMCPKTSLV")


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
