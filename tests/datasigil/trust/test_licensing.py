"""Licences: AND needs every part, OR takes the best, unknown blocks, and a deny wins over everything."""

import itertools

import pytest

from datasigil.trust.license_table import LICENSES, NO, UNCLEAR, YES
from datasigil.trust.licensing import UNKNOWN, is_listed, judge_license, leaves
from datasigil.trust.rules import LicenseRules

DIGEST = "a" * 64


def judge(expression, *, allow=(), deny=(), use="", commercial=False, text=None):
    finding = judge_license(
        expression, text_digest=text, rules=LicenseRules(tuple(allow), tuple(deny)), use=use, commercial=commercial
    )
    return finding.outcome, finding.code


@pytest.mark.parametrize(
    ("expression", "options", "outcome"),
    [
        ("MIT", {}, ("allowed", "")),
        ("MIT", {"allow": ["MIT"]}, ("allowed", "")),
        ("MIT", {"allow": ["CC-BY-4.0"]}, ("denied", "LICENSE_NOT_ALLOWED")),
        ("MIT", {"deny": ["MIT"]}, ("denied", "LICENSE_DENIED")),
        ("MIT OR GPL-3.0-only", {"deny": ["GPL-3.0-only"]}, ("allowed", "")),
        ("MIT AND GPL-3.0-only", {"deny": ["GPL-3.0-only"]}, ("denied", "LICENSE_DENIED")),
        ("MIT AND (CC0-1.0 OR CC-BY-4.0)", {"allow": ["MIT", "CC-BY-4.0"]}, ("allowed", "")),
        ("MIT AND (CC0-1.0 OR CC-BY-4.0)", {"allow": ["MIT"]}, ("denied", "LICENSE_NOT_ALLOWED")),
        ("unknown", {}, ("unknown", "LICENSE_UNKNOWN")),
        ("unknown", {"allow": ["MIT"]}, ("unknown", "LICENSE_UNKNOWN")),
        ("GPL-3.0-only WITH Classpath-exception-2.0", {"allow": ["GPL-3.0-only"]}, ("allowed", "")),
        ("GPL-3.0-only WITH Classpath-exception-2.0", {"allow": ["GPL-3.0-only WITH Classpath-exception-2.0"]}, ("allowed", "")),
        ("GPL-3.0-only", {"allow": ["GPL-3.0-only WITH Classpath-exception-2.0"]}, ("denied", "LICENSE_NOT_ALLOWED")),
        ("GPL-3.0-only WITH Classpath-exception-2.0", {"deny": ["GPL-3.0-only"]}, ("denied", "LICENSE_DENIED")),
        ("LicenseRef-x", {}, ("unknown", "LICENSE_TEXT")),
        ("LicenseRef-x", {"text": DIGEST}, ("unknown", "LICENSE_TEXT")),
        ("LicenseRef-x", {"text": DIGEST, "allow": [f"LicenseRef-x@sha256:{DIGEST}"]}, ("allowed", "")),
        ("LicenseRef-x", {"text": "b" * 64, "allow": [f"LicenseRef-x@sha256:{DIGEST}"]}, ("denied", "LICENSE_TEXT")),
        ("LicenseRef-y", {"text": DIGEST, "allow": [f"LicenseRef-x@sha256:{DIGEST}"]}, ("denied", "LICENSE_TEXT")),
        ("LicenseRef-x", {"text": DIGEST, "deny": [f"LicenseRef-x@sha256:{DIGEST}"]}, ("denied", "LICENSE_DENIED")),
        ("Nonsense-1.0", {}, ("denied", "LICENSE_EXPRESSION")),
        ("MIT AND", {}, ("denied", "LICENSE_EXPRESSION")),
        ("(MIT", {}, ("denied", "LICENSE_EXPRESSION")),
        ("mit", {}, ("denied", "LICENSE_EXPRESSION")),
        ("MIT/Apache-2.0", {}, ("denied", "LICENSE_EXPRESSION")),
        ("CC-BY-NC-4.0", {"use": "ai-training"}, ("allowed", "")),
        ("CC-BY-NC-4.0", {"use": "ai-training", "commercial": True}, ("denied", "LICENSE_USE")),
        ("CC-BY-NC-4.0", {"use": "ai-training", "commercial": True, "allow": ["CC-BY-NC-4.0"]}, ("denied", "LICENSE_USE")),
        ("CC-BY-NC-4.0 OR MIT", {"use": "ai-training", "commercial": True}, ("allowed", "")),
        ("CC-BY-ND-4.0", {"use": "ai-training"}, ("unknown", "LICENSE_USE_UNKNOWN")),
        ("CC-BY-ND-4.0", {"use": "ai-training", "allow": ["CC-BY-ND-4.0"]}, ("allowed", "")),
        ("CC-BY-ND-4.0 AND MIT", {"use": "ai-training"}, ("unknown", "LICENSE_USE_UNKNOWN")),
        ("Sleepycat", {}, ("allowed", "")),
        ("Sleepycat", {"use": "ai-training"}, ("unknown", "LICENSE_USE_UNKNOWN")),
        ("Sleepycat", {"use": "ai-training", "allow": ["Sleepycat"]}, ("allowed", "")),
    ],
)  # fmt: skip
def test_expressions_are_judged(expression, options, outcome):
    assert judge(expression, **options) == outcome


def test_and_is_the_worst_and_or_the_best_of_its_parts():
    parts = {"MIT": 0, "CC-BY-ND-4.0": 1, "CC-BY-NC-4.0": 2}
    rank = {"allowed": 0, "unknown": 1, "denied": 2}
    for left, right in itertools.product(parts, repeat=2):
        for word, choose in (("AND", max), ("OR", min)):
            outcome, _ = judge(f"{left} {word} {right}", use="ai-training", commercial=True)
            assert rank[outcome] == choose(parts[left], parts[right]), (left, word, right)


def test_duties_of_every_part_are_named():
    finding = judge_license("CC-BY-4.0 AND CC-BY-SA-4.0", text_digest=None, rules=LicenseRules(), use="ai-training")
    assert finding.duties == ("attribution (CC-BY-4.0)", "attribution (CC-BY-SA-4.0)", "share-alike (CC-BY-SA-4.0)")


@pytest.mark.parametrize("count", [60, 3000])
def test_deep_expressions_end(count):
    assert judge("(" * count + "MIT" + ")" * count)[0] in ("allowed", "denied")
    assert judge("MIT AND " + "(MIT OR " * count + "Nonsense-1.0" + ")" * count) == ("denied", "LICENSE_EXPRESSION")


def test_every_licence_of_the_table_is_on_the_spdx_list_and_has_a_known_answer():
    from license_expression import get_spdx_licensing

    known = get_spdx_licensing().known_symbols
    assert set(LICENSES) <= set(known)
    assert {terms.training for terms in LICENSES.values()} <= {YES, NO, UNCLEAR}
    assert all(not terms.commercial for name, terms in LICENSES.items() if "-NC" in name)
    assert all(terms.training == UNCLEAR for name, terms in LICENSES.items() if "-ND" in name)


def test_leaves_and_lists():
    assert leaves("MIT AND (Apache-2.0 OR MIT)") == ("MIT", "Apache-2.0")
    assert leaves("GPL-3.0-only WITH Classpath-exception-2.0") == ("GPL-3.0-only",)
    assert leaves(UNKNOWN) == leaves("nothing AND") == ()
    assert is_listed("MIT")
    assert not is_listed("mit")
