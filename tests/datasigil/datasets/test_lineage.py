"""Counts of a derivation must balance, and no dataset may be its own ancestor."""

import copy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasigil.datasets import lineage
from datasigil.datasets.lineage import ancestors, check_balance, find_cycle, parse_lineage
from datasigil.errors import MalformedError, VerificationError

HEX = "ab" * 32


def step(before, removed, added, after):
    return {
        "type": "DataCleaning",
        "rule": "drop duplicates",
        "recordsIn": before,
        "removed": removed,
        "added": added,
        "recordsOut": after,
    }


def parent(used=None):
    value = {"credential": "urn:uuid:1", "credentialDigest": HEX, "root": HEX}
    return value if used is None else value | {"recordsUsed": used}


def subject():
    return {
        "used": [parent(60), parent(40)],
        "generated": {"root": HEX, "digest": HEX, "fileCount": 1, "byteSize": 9, "recordCount": 85},
        "steps": [step(100, 10, 0, 90), step(90, 10, 5, 85)],
        "agent": {"name": "someone"},
    }


def test_balanced_lineage_passes():
    parsed = parse_lineage(subject())
    check_balance(parsed)
    assert [one.records_used for one in parsed.parents] == [60, 40]
    assert parsed.record_count == 85


def test_first_step_is_not_held_against_parents_that_state_no_count():
    value = subject()
    value["used"] = [parent(60), parent()]
    check_balance(parse_lineage(value))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda value: value["steps"][0].update(removed=11), "/steps/0"),
        (lambda value: value["steps"][0].update(added=1), "/steps/0"),
        (lambda value: value["steps"][1].update(recordsIn=91, removed=11), "/steps/1/recordsIn"),
        (lambda value: value["steps"][1].update(recordsOut=84), "/steps/1"),
        (lambda value: value["steps"].pop(), "/generated/recordCount"),
        (lambda value: value["steps"].reverse(), "/steps/1/recordsIn"),
        (lambda value: value["steps"][0].update(recordsIn=5, removed=10, added=95), "/steps/0"),
        (lambda value: value["generated"].update(recordCount=86), "/generated/recordCount"),
        (lambda value: value["used"][0].update(recordsUsed=61), "/used"),
        (lambda value: value["used"].pop(), "/used"),
    ],
)
def test_counts_that_do_not_balance_are_refused(change, place):
    value = subject()
    change(value)
    with pytest.raises(VerificationError) as caught:
        check_balance(parse_lineage(value))
    assert (caught.value.code, caught.value.place) == ("LINEAGE_UNBALANCED", place)
    assert caught.value.expected != caught.value.found


@given(st.sampled_from(["recordsIn", "removed", "added", "recordsOut"]), st.integers(0, 1), st.integers(1, 1000))
def test_any_single_changed_count_is_refused(name, index, change):
    value = subject()
    value["steps"][index][name] += change
    with pytest.raises(VerificationError):
        check_balance(parse_lineage(value))


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("used"),
        lambda value: value.update(used=[]),
        lambda value: value.update(used="x"),
        lambda value: value.update(used=["x"]),
        lambda value: value["used"][0].pop("credential"),
        lambda value: value["used"][0].update(credentialDigest="x"),
        lambda value: value["used"][0].update(recordsUsed=True),
        lambda value: value.pop("steps"),
        lambda value: value.update(steps=[]),
        lambda value: value["steps"][0].pop("type"),
        lambda value: value["steps"][0].update(rule=1),
        lambda value: value["steps"][0].update(removed=-1),
        lambda value: value["steps"][0].update(added="0"),
        lambda value: value.pop("generated"),
        lambda value: value["generated"].update(root="00"),
        lambda value: value["generated"].pop("recordCount"),
    ],
)
def test_malformed_lineage_is_refused(change):
    value = subject()
    change(value)
    with pytest.raises(MalformedError) as caught:
        parse_lineage(value)
    assert caught.value.code in {"LINEAGE_FORM", "DIGEST"}
    assert caught.value.place


def test_too_many_steps_are_refused(monkeypatch):
    monkeypatch.setattr(lineage, "LINEAGE_STEPS_MAX", 1)
    with pytest.raises(MalformedError) as caught:
        parse_lineage(subject())
    assert caught.value.code == "LIMIT"


def test_parsing_leaves_the_subject_alone():
    value = subject()
    before = copy.deepcopy(value)
    parse_lineage(value)
    assert value == before


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({}, ()),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"]}, ()),  # a diamond is no cycle
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, ("a", "b", "c", "a")),
        ({"a": ["x", "b"], "b": ["c"], "c": ["b"]}, ("b", "c", "b")),
    ],
)
def test_cycles_are_found_and_named(graph, found):
    assert find_cycle(graph) == found


@given(st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 12), max_size=4), max_size=12))
def test_cycle_search_agrees_with_repeatedly_removing_leaves(graph):
    graph = {str(node): [str(one) for one in above] for node, above in graph.items()}
    left = dict(graph)
    while True:
        leaves = [node for node, above in left.items() if not any(one in left for one in above)]
        if not leaves:
            break
        for node in leaves:
            del left[node]
    cycle = find_cycle(graph)
    assert bool(cycle) == bool(left)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(two in graph[one] for one, two in pairwise(cycle))


def test_long_chain_is_walked_without_recursion():
    graph = {str(number): [str(number + 1)] for number in range(9999)}
    assert find_cycle(graph) == ()
    assert len(ancestors("0", graph)) == 9999


def test_too_large_a_graph_is_refused():
    with pytest.raises(MalformedError):
        find_cycle({str(number): [] for number in range(10_001)})


def test_ancestors_are_named_nearest_first_and_once():
    assert ancestors("a", {"a": ["b", "c"], "b": ["d"], "c": ["d", "e"]}) == ("b", "c", "d", "e")
    assert ancestors("x", {"a": ["b"]}) == ()


def test_ancestors_of_a_cycle_are_refused():
    with pytest.raises(VerificationError) as caught:
        ancestors("a", {"a": ["b"], "b": ["a"]})
    assert caught.value.code == "LINEAGE_CYCLE"
