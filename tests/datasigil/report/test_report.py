"""Reports: the decision follows from the checks, the JSON is versioned and whole, people can read it, nobody can inject into it."""

import itertools
import json
from dataclasses import replace

import pytest
from adversarial.stage import Stage, report_of
from adversarial.tables import ALL

from datasigil.report import (
    EXIT_CODES,
    FAILED,
    INDETERMINATE,
    INVALID,
    NOT_REQUIRED,
    PASSED,
    UNDETERMINED,
    VALID,
    Check,
    NextAction,
    PolicySummary,
    Report,
    Warn,
    decide,
)
from datasigil.report.model import STEPS

REQUIRED = (1, 2, 3, 4, 5, 6, 7, 8, 11)
EVIL = 'x\x1b[2J\u202e"><script>alert(1)</script>\n| & \x00'


def every(outcome=PASSED, **others):
    """A check for each step; `s5="failed"` makes one of them another."""
    return [Check(step, name, others.get(f"s{step}", outcome)) for step, name in STEPS.items()]


def report_with(*checks, decision=INVALID, **more):
    return Report(
        decision, "credential", f"{decision}: words", "2026-11-02T09:30:00Z", checks, PolicySummary("ab" * 32), **more
    )


def test_all_passed_is_valid():
    assert decide(every()) == VALID


@pytest.mark.parametrize("step", STEPS)
def test_one_failure_anywhere_is_invalid_and_one_open_check_is_indeterminate(step):
    assert decide(every(**{f"s{step}": FAILED})) == INVALID
    assert decide(every(**{f"s{step}": UNDETERMINED})) == INDETERMINATE


def test_a_failure_outweighs_what_is_open():
    for failed, other in itertools.permutations(STEPS, 2):
        assert decide(every(**{f"s{failed}": FAILED, f"s{other}": UNDETERMINED})) == INVALID


@pytest.mark.parametrize("step", STEPS)
def test_a_required_step_that_is_absent_or_not_required_is_never_valid(step):
    wanted = INDETERMINATE if step in REQUIRED else VALID
    assert decide([check for check in every() if check.step != step]) == wanted
    assert decide(every(**{f"s{step}": NOT_REQUIRED})) == wanted


def test_nothing_at_all_is_not_valid():
    assert decide([]) == INDETERMINATE


def test_exit_codes_are_those_of_the_design():
    assert EXIT_CODES == {VALID: 0, INVALID: 1, INDETERMINATE: 3}


def test_codes_name_failures_first_and_each_once():
    report = report_with(
        Check(7, "log", UNDETERMINED, "LOG_STALE"),
        Check(8, "status", FAILED, "REVOKED"),
        Check(8, "x", FAILED, "REVOKED"),
    )
    assert (report.code, report.codes, report.exit_code) == ("REVOKED", ("REVOKED", "LOG_STALE"), 1)


def test_json_is_versioned_stable_and_survives_a_round_trip():
    report = report_of(Stage().given())
    document = report.to_json()
    assert (document["type"], document["formatVersion"]) == ("VerificationReport", 1)
    assert json.loads(json.dumps(document)) == document
    assert list(document)[:7] == ["type", "formatVersion", "decision", "scope", "headline", "mode", "asOf"]
    assert document["credential"]["timeBasis"] == "registry-asserted"
    assert [check["step"] for check in document["checks"]] == sorted(check["step"] for check in document["checks"])
    assert document["evidence"]
    assert all(len(one["sha256"]) == 64 for one in document["evidence"])


@pytest.mark.parametrize("case", ALL[::40], ids=str)
def test_the_same_input_gives_the_same_report(case):
    if case.decision != "exit 2":
        given = case.build(Stage())
        if given.fetch is None and given.state is None:
            assert report_of(given).to_json() == report_of(given).to_json()


def test_text_says_what_was_established_as_of_when_and_on_whose_word():
    text = report_of(Stage().given()).render(width=300)
    for words in ("VALID: Contract clauses 1.0.0, signed by publisher", "As of 2026-11-02T09:30:00Z, offline", "no witness had to cosign", "What was established",
                  "What was not asked for", "signer's word", "CC-BY-4.0 (declared; no text, the signer's word alone)", "claimed 2026-11-02; proven to exist by 2026-11-02", "registry-asserted"):  # fmt: skip
        assert words in text, words
    assert text.endswith("\n")


def word_of(report, step, name=""):
    return next(check.word for check in report.checks if check.step == step and (not name or check.name == name))


def test_every_established_fact_says_on_whose_word_it_rests():
    for case in ALL[::7]:
        if case.decision != "exit 2":
            given = case.build(Stage())
            for check in report_of(given).checks:
                assert bool(check.word) == (check.outcome == "passed"), (str(case), check)
                assert ("onTheWordOf" in check.to_json()) == bool(check.word)


def test_the_signer_s_claims_are_told_from_what_was_computed_and_from_what_the_log_says():
    report = report_of(next(case for case in ALL if case.field == "two of two witnesses").build(Stage()))
    assert word_of(report, 5) == "nobody: computed here"
    assert word_of(report, 4) == word_of(report, 7, "signing key") == "your own trust file"
    assert word_of(report, 7, "log entry") == "the log registry.example/log"
    assert word_of(report, 7, "log time") == "the witnesses of your trust file"
    assert word_of(report, 8).startswith("the status signer did:key:")
    assert word_of(report, 11) == "the signer, publisher"
    text = report.render(width=300)
    assert text.index("on the word of nobody: computed here") < text.index("on the word of the signer, publisher")


@pytest.mark.parametrize(
    ("field", "name", "word"),
    [
        ("licence that forbids commercial use, and a grant to you", "licence", "whoever granted the licence to you"),
        ("approved by an auditor", "approvals", "those who approved it"),
        ("derived, and how is asked for", "derivation", "whoever signed the lineage credential"),
        ("age proven in the second", "age", "the log registry.example/log"),
        ("observer's credential", "licence", "the observer, publisher"),
    ],
)
def test_what_others_say_is_put_down_to_them(field, name, word):
    report = report_of(next(case for case in ALL if case.field == field).build(Stage()))
    assert word_of(report, 11, name) == word


def test_refusals_say_what_is_wrong_expected_found_and_next():
    text = report_of(next(case for case in ALL if case.id == "S01").build(Stage())).render(width=300)
    for words in (
        "INVALID: its issuer has revoked it (REVOKED)",
        "What is wrong",
        "expected  a clear status bit",
        "found     bit 4711 set",
        "next      publisher: stop using it",
    ):
        assert words in text, words


def test_an_untrusted_signer_reads_intact_and_not_trusted():
    stage = Stage()
    report = report_of(stage.given(policy=stage.world.policy_toml(publishers=())))
    assert report.headline == "INVALID: intact; signer not trusted by you"
    changed = report_of(
        stage.given(stage.tampered("/credentialSubject/name", "x"), policy=stage.world.policy_toml(publishers=()))
    )
    assert "intact" not in changed.headline


def test_nothing_from_outside_reaches_a_terminal_or_a_page_as_it_is():
    check = Check(9, EVIL, FAILED, "FILE_DIGEST", EVIL, EVIL, EVIL, EVIL, NextAction(EVIL, "you"))
    report = replace(
        report_with(check, warnings=(Warn("X", EVIL),)), headline=EVIL, policy=PolicySummary("ab" * 32, EVIL)
    )
    text, page = report.render(color=False), report._repr_html_()
    for found in (text.replace("\n", ""), page):
        assert all(character.isprintable() for character in found)
        assert "\x1b" not in found
        assert "\u202e" not in found
    assert "<script" not in page
    assert "onload" not in page
    assert "&lt;script&gt;" in page


def test_colour_is_only_there_when_asked_for():
    report = report_of(Stage().given())
    assert "\x1b[" not in report.render()
    assert report.render(color=True).startswith("\x1b[1;32m")


@pytest.mark.parametrize("width", [1, 40, 72, 200])
def test_every_width_is_rendered(width):
    report = report_of(Stage().given())
    for line in report.render(width=width).splitlines():
        assert len(line) <= max(width, 40) + 100 or " " not in line.strip()


def test_html_is_a_table_without_script_style_or_links():
    page = report_of(Stage().given())._repr_html_()
    assert page.startswith("<div>")
    assert page.count("<tr>") == len(report_of(Stage().given()).checks) + 1
    assert not any(word in page for word in ("<script", "<style", "<link", "<img", "http-equiv", "javascript:"))
