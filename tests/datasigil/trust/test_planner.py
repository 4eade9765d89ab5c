"""The licence planner: exact minimal conflicting sets, ways out that work, and unknown blocks."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasigil.trust.license_table import DATA, LICENSES
from datasigil.trust.licensing import ALTERNATIVES_MAX, alternatives, judge_license
from datasigil.trust.planner import CONFLICTS_MAX, SHARES, Candidate, IntendedUse, Obstacle, Part, Way, plan_licenses
from datasigil.trust.rules import LicenseRules

RANK = {"allowed": 0, "unknown": 1, "denied": 2}
UNKNOWN = Obstacle("LICENSE_UNKNOWN", "nobody has stated the licence", unknown=True)


def part(name, expression, *, use="ai-training", commercial=False):
    found = alternatives(expression, text_digest=None, rules=LicenseRules(), use=use, commercial=commercial)
    ways = tuple(Way(one.ids, one.duties) for one in found if one.outcome == "allowed")
    obstacles = () if ways else (Obstacle(found[0].code, found[0].message, unknown=found[0].outcome == "unknown"),)
    return Part(name, expression, ways, obstacles)


def mix(*expressions, commercial=False):
    """Datasets a, b, c and so on; a tuple is one with what it was made from."""
    return [
        Candidate(
            chr(97 + number),
            tuple(part(f"{chr(97 + number)}{level}", one, commercial=commercial) for level, one in enumerate(each if isinstance(each, tuple) else (each,))),
        )
        for number, each in enumerate(expressions)
    ]  # fmt: skip


def plan(*expressions, commercial=False, share="nothing", result=""):
    return plan_licenses(
        mix(*expressions, commercial=commercial), IntendedUse("ai-training", commercial, share, result)
    )


def conflicts(found):
    return {"".join(one.datasets) for one in found.conflicts}


@pytest.mark.parametrize(
    ("expressions", "options", "expected"),
    [
        (("MIT", "CC-BY-4.0"), {}, set()),
        (("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"), {}, set()),
        (("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"), {"share": "model"}, {"ab"}),
        (("CC-BY-SA-4.0", "CC-BY-NC-4.0"), {"share": "model"}, {"ab"}),
        (("CC-BY-4.0", "CC-BY-NC-4.0"), {"share": "model"}, set()),
        (("CC-BY-4.0", "CC-BY-NC-4.0"), {"share": "model", "result": "MIT"}, {"b"}),
        (("CC-BY-4.0", "CC-BY-NC-4.0"), {"share": "model", "result": "CC-BY-NC-4.0"}, set()),
        (("CC-BY-NC-4.0", "MIT"), {"commercial": True}, {"a"}),
        (("CC-BY-NC-4.0 OR MIT", "MIT"), {"commercial": True}, set()),
        (("CC-BY-SA-4.0", "GPL-3.0-only"), {"share": "model"}, set()),
        (("CC-BY-SA-4.0", "GPL-2.0-only"), {"share": "model"}, {"ab"}),
        (("GPL-2.0-only", "GPL-3.0-only"), {"share": "model"}, {"ab"}),
        (("GPL-2.0-or-later", "GPL-3.0-only", "AGPL-3.0-only"), {"share": "model"}, set()),
        (("GPL-2.0-only", "MPL-2.0", "GPL-3.0-only"), {"share": "model"}, {"ac"}),
        (("ODbL-1.0", "CC-BY-SA-4.0"), {"share": "model"}, set()),
        (("ODbL-1.0", "CC-BY-SA-4.0"), {"share": "data"}, {"ab"}),
        (("ODbL-1.0", "CC-BY-SA-4.0", "CC0-1.0"), {"share": "data"}, {"ab"}),
        (("ODbL-1.0", "CDLA-Sharing-1.0", "GPL-3.0-only"), {"share": "data"}, {"ab", "ac", "bc"}),
        (("ODbL-1.0 OR CC-BY-SA-4.0", "CC-BY-SA-4.0"), {"share": "data"}, set()),
        # Three that go together in pairs and not at once.
        (("CC-BY-SA-4.0 OR ODbL-1.0", "CC-BY-SA-4.0 OR CDLA-Sharing-1.0", "ODbL-1.0 OR CDLA-Sharing-1.0"), {"share": "data"}, {"abc"}),
        (("CC-BY-SA-4.0 AND ODbL-1.0",), {"share": "data"}, {"a"}),
        (("CC-BY-SA-4.0",), {"share": "model", "result": "Apache-2.0"}, {"a"}),
        (("CC-BY-ND-4.0",), {}, {"a"}),
        (("unknown", "MIT"), {}, {"a"}),
        (("unknown", "CC-BY-ND-4.0", "MIT"), {}, {"a", "b"}),
        ((("MIT", "CC-BY-NC-4.0"), "MIT"), {"commercial": True}, {"a"}),
        ((("CC-BY-4.0", "CC-BY-SA-4.0"), "GPL-2.0-only"), {"share": "model"}, {"ab"}),
        ((("CC-BY-SA-4.0", "ODbL-1.0"),), {"share": "data"}, {"a"}),
        (("C-UDA-1.0",), {"share": "model", "result": "Apache-2.0"}, set()),
        (("C-UDA-1.0",), {"share": "data", "result": "Apache-2.0"}, {"a"}),
    ],
)  # fmt: skip
def test_minimal_conflicting_sets_are_named(expressions, options, expected):
    found = plan(*expressions, **options)
    assert conflicts(found) == expected
    assert found.allowed == (not expected)


def test_unknown_blocks_and_is_called_unknown():
    found = plan("unknown", "CC-BY-NC-4.0", commercial=True)
    assert {one.datasets: one.unknown for one in found.conflicts} == {("a",): True, ("b",): False}
    assert any(
        "ask its rightsholder to say it (LICENSE_UNKNOWN)" in one for way in found.ways_out for one in way.obtain
    )


def test_what_to_drop_and_what_to_obtain_are_named_smallest_first():
    found = plan("ODbL-1.0", "CC-BY-SA-4.0", "CC-BY-SA-3.0", share="data")
    assert [(way.datasets, way.result) for way in found.ways_out] == [
        (("a",), "CC-BY-SA-4.0"),
        (("b", "c"), "ODbL-1.0"),
    ]
    assert found.ways_out[0].obtain == (
        "a: a grant to you from its rightsholder for ai-training, passing the data on under CC-BY-SA-4.0",
    )
    assert "under ODbL-1.0" in found.conflicts[0].reasons[0]


def test_an_allowed_plan_names_duties_and_the_licences_of_the_result():
    found = plan("CC-BY-SA-4.0", "CC-BY-4.0", share="model")
    assert found.results == ("CC-BY-SA-4.0", "GPL-3.0-only")
    assert found.duties == (
        "a: attribution (CC-BY-SA-4.0)",
        "a: share-alike (CC-BY-SA-4.0)",
        "b: attribution (CC-BY-4.0)",
    )
    assert "not legal advice" in found.to_json()["notice"]


def test_a_grant_is_a_way_that_reaches_no_further_than_it_says():
    granted = Candidate("a", (Part("a", "CC-BY-NC-4.0", (Way((), (), ("nothing", "model")),)),))
    for share, allowed in (("nothing", True), ("model", True), ("data", False)):
        found = plan_licenses([granted], IntendedUse("ai-training", True, share))
        assert found.allowed == allowed
    assert "nothing granted lets the data be passed on" in found.conflicts[0].reasons[0]


EXPRESSIONS = st.sampled_from(
    ["MIT", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "CC-BY-SA-3.0", "CC-BY-NC-SA-4.0", "GPL-2.0-only", "GPL-3.0-only", "MPL-2.0", "EUPL-1.2", "ODbL-1.0",
     "CDLA-Sharing-1.0", "C-UDA-1.0", "CC-BY-ND-4.0", "unknown", "CC-BY-SA-4.0 OR ODbL-1.0", "GPL-2.0-only OR CDLA-Sharing-1.0", "ODbL-1.0 AND CC-BY-4.0"]
)  # fmt: skip
MIXES = st.lists(EXPRESSIONS | st.tuples(EXPRESSIONS, EXPRESSIONS), min_size=1, max_size=6)
INTENDED = st.builds(
    IntendedUse,
    st.just("ai-training"),
    st.booleans(),
    st.sampled_from(SHARES),
    st.sampled_from(["", "MIT", "CC-BY-SA-4.0", "GPL-3.0-only", "CC-BY-NC-SA-4.0"]),
)


def by_every_subset(candidates, intended):
    """The minimal conflicting sets by trying every subset."""
    found = []
    for size in range(1, len(candidates) + 1):
        for chosen in combinations(candidates, size):
            labels = frozenset(one.label for one in chosen)
            if not any(other <= labels for other in found) and not plan_licenses(chosen, intended).allowed:
                found.append(labels)
    return set(found)


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(expressions=MIXES, intended=INTENDED)
def test_conflicts_are_exactly_the_minimal_ones_and_every_way_out_works(expressions, intended):
    candidates = mix(*expressions, commercial=intended.commercial)
    found = plan_licenses(candidates, intended)
    expected = by_every_subset(candidates, intended)
    assert {frozenset(one.datasets) for one in found.conflicts} == expected
    assert found.allowed == (not expected)
    for way in found.ways_out:
        left = [one for one in candidates if one.label not in way.datasets]
        if way.datasets:
            assert plan_licenses(left, intended).allowed
            for label in way.datasets:  # nothing is dropped in vain
                kept = [one for one in candidates if one.label == label or one.label not in way.datasets]
                stated = IntendedUse(
                    intended.use, intended.commercial, intended.share, way.result or intended.result_license
                )
                assert not plan_licenses(kept, stated).allowed or not way.result
    for one in found.conflicts:
        assert one.reasons
        assert one.codes


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(expressions=MIXES, intended=INTENDED, more=EXPRESSIONS)
def test_one_more_dataset_never_makes_a_refused_mix_allowed(expressions, intended, more):
    candidates = mix(*expressions, more, commercial=intended.commercial)
    if not plan_licenses(candidates[:-1], intended).allowed:
        assert not plan_licenses(candidates, intended).allowed


def test_many_datasets_are_planned_quickly_and_the_list_is_bounded():
    pairs = [f"CC-BY-SA-4.0 OR {name}" for name in ("ODbL-1.0", "CDLA-Sharing-1.0", "C-UDA-1.0")]
    found = plan_licenses(
        mix(*[*pairs, "ODbL-1.0", "CDLA-Sharing-1.0", "C-UDA-1.0", "GPL-2.0-only"] * 3),
        IntendedUse("ai-training", share="data"),
    )
    assert 0 < len(found.conflicts) <= CONFLICTS_MAX
    for one in found.conflicts:
        assert len(set(one.datasets)) == len(one.datasets)


@pytest.mark.parametrize("candidates", [[], mix("MIT") * 2, [Candidate(str(n), ()) for n in range(257)]])
def test_nothing_twins_and_too_many_are_refused(candidates):
    with pytest.raises(ValueError, match="1 to 256 candidates"):
        plan_licenses(candidates, IntendedUse("ai-training"))


@pytest.mark.parametrize("expression", ["MIT", "MIT OR CC-BY-NC-4.0", "(MIT OR CC-BY-ND-4.0) AND (CC-BY-4.0 OR CC-BY-NC-4.0)", "unknown", "MIT AND", "Sleepycat AND MIT"])  # fmt: skip
def test_the_best_alternative_is_what_the_expression_is_judged_as(expression):
    options = {"text_digest": None, "rules": LicenseRules(), "use": "ai-training", "commercial": True}
    found = alternatives(expression, **options)
    assert min(RANK[one.outcome] for one in found) == RANK[judge_license(expression, **options).outcome]


def test_too_many_alternatives_stay_unknown():
    expression = " AND ".join(["(MIT OR Apache-2.0 OR ISC)"] * 5)
    assert ALTERNATIVES_MAX < 3**5
    assert [one.outcome for one in alternatives(expression, text_digest=None, rules=LicenseRules())] == ["unknown"]


def test_every_share_alike_licence_names_results_that_the_table_knows_and_accepts_itself():
    for name, terms in LICENSES.items():
        assert bool(terms.results) == terms.share_alike, name
        assert set(terms.results) <= set(LICENSES), name
        if terms.share_alike:
            assert name in terms.results, name
            assert terms.commercial or all(not LICENSES[one].commercial for one in terms.results), name
        assert terms.binds == "work" or (terms.binds == DATA and terms.share_alike), name
