"""docs/formats.md tells the truth: its table of codes is the code's, and every key of the files it describes is there."""

import importlib.util
import re
from pathlib import Path

import pytest

from datasigil.report import EXIT_CODES
from datasigil.report.codes import all_reasons, next_action, reason

HERE = Path(__file__).resolve().parent
PAGE = (HERE.parents[2] / "docs" / "formats.md").read_text("utf-8")
CODE = re.compile(r'(?:Error|Warn|fault|_bad_\w+|warn)\(\s*"([A-Z][A-Z0-9_]{2,})"')
PLAN = ("verification", "trust", "credentials", "transparency/checkpoint.py", "transparency/note.py", "transparency/proofs.py", "transparency/client_state.py", "merkle.py", "encoding.py", "bundle.py", "api.py", "gate", "datasets/finding.py", "datasets/manifest_parser.py", "datasets/checking.py")  # fmt: skip
# Codes of requests to witnesses, which are no report's.
NOT_OF_REPORTS = {"ADD_CHECKPOINT"}


def generator():
    spec = importlib.util.spec_from_file_location("codes_table", HERE / "codes_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_codes_is_the_one_in_the_code():
    assert generator().document() == PAGE, "run: python tests/datasigil/report/codes_table.py"


def test_every_code_that_the_plan_raises_is_in_the_table():
    root = HERE.parents[2] / "datasigil"
    files = [
        path for name in PLAN for path in ((root / name).rglob("*.py") if (root / name).is_dir() else [root / name])
    ]
    raised = {code for path in files for code in CODE.findall(path.read_text("utf-8"))}
    assert len(raised) > 100
    assert raised - NOT_OF_REPORTS - set(all_reasons()) == set()


@pytest.mark.parametrize("code", all_reasons())
def test_every_code_says_what_it_means_and_what_helps(code):
    one = reason(code)
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", code)
    assert one.decision in ("INVALID", "INDETERMINATE", "warning", "exit 2")
    assert one.meaning
    assert "|" not in one.meaning + one.command
    assert one.actor in ("you", "publisher", "registry")
    action = next_action(code)
    assert (action.command, action.actor, action.retry) == (one.command, one.actor, one.retry)
    assert action.command


def test_an_unknown_code_still_says_where_to_look():
    assert next_action("NEVER_HEARD_OF").command
    assert reason("NEVER_HEARD_OF") is None


def test_exit_codes_are_described():
    for decision, code in EXIT_CODES.items():
        assert f"| {code} | `{decision}` |" in PAGE


def test_every_key_of_trust_file_gate_file_and_bundle_is_described():
    from datasigil.bundle import _FIELDS
    from datasigil.gate import gate_file
    from datasigil.trust import policy_parser

    for module in (policy_parser, gate_file):
        source = Path(module.__file__).read_text("utf-8")
        keys = set(re.findall(r'\.(?:take|need|table|tables)\(\s*"(\w+)"', source)) | {"bundle", "data", "roots"}
        assert [key for key in sorted(keys) if key not in PAGE] == []
    assert [name for name in sorted(_FIELDS) if f"`{name}`" not in PAGE] == []


def test_every_member_of_the_report_is_described():
    from adversarial.stage import Stage, report_of

    members = report_of(Stage().given()).to_json()
    assert [name for name in members if f"`{name}`" not in PAGE] == []
    assert [name for name in ("revokedSince", "lacks", "parents") if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("name", ["sigil.json", "datasigil.toml", "gate.toml", "manifest.json"])
def test_every_file_is_named(name):
    assert name in PAGE
