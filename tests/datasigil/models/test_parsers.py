"""Receipts, example lists and cards: closed forms, canonical bytes, and the tree over examples."""

import json

import pytest

from datasigil.canonical import jcs
from datasigil.errors import MalformedError, ManifestMismatchError
from datasigil.models.card import card_bytes, front_matter_value, parse_card
from datasigil.models.examples import ExampleList, check_examples, example_leaf, examples_root, parse_example_list
from datasigil.models.form import resolve_pointer
from datasigil.models.receipt import parse_receipt

D = "ab" * 32


def refused(parse, data: bytes) -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        parse(data)
    return caught.value


@pytest.mark.training
@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda one: one.pop("gate"), "/gate"),
        (lambda one: one["run"].pop("id"), "/run/id"),
        (lambda one: one["run"].update(started="yesterday"), "/run/started"),
        (lambda one: one["run"].update(durationSeconds=-1), "/run/durationSeconds"),
        (lambda one: one["run"].update(durationSeconds=True), "/run/durationSeconds"),
        (lambda one: one["recipe"].update(digest="XY"), "/recipe/digest"),
        (lambda one: one["hardware"].update(deterministic="yes"), "/hardware/deterministic"),
        (lambda one: one["evaluation"]["thresholds"].append("1e3"), "/evaluation/thresholds/3"),
        (lambda one: one.update(datasets={}), "/datasets"),
        (lambda one: one["data"]["splits"]["test"].update(labels=[]), "/data/splits/test/labels"),
        (lambda one: one["base"].update(name=""), "/base/name"),
        (lambda one: one["base"].update(extra=1), "/base/extra"),
        (lambda one: one.update(formatVersion=2), "/formatVersion"),
        (lambda one: one.update(type="Receipt"), "/type"),
    ],
)
def test_a_receipt_of_another_form_is_refused_at_its_place(finished, change, place):
    document = json.loads((finished.folder / "run" / "receipt.json").read_bytes())
    change(document)
    assert refused(parse_receipt, jcs(document)).place == place


@pytest.mark.training
@pytest.mark.parametrize(("name", "parse"), [("receipt.json", parse_receipt), ("card.json", parse_card)])
def test_bytes_that_are_not_canonical_are_refused(finished, name, parse):
    data = (finished.folder / "run" / name).read_bytes()
    parse(data)
    assert refused(parse, json.dumps(json.loads(data)).encode()).code == "FORM"


@pytest.mark.training
@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.update(status="complete"),
        lambda card: card.update(extra=1),
        lambda card: card.update(formatVersion=2),
        lambda card: card["sections"].update(bare="a fact"),
        lambda card: card["sections"].update(half={"value": "x", "source": "run#"}),
        lambda card: card["sections"].update(odd={"value": "x", "source": "run#", "assurance": "certain"}),
        lambda card: card.update(sections={}),
    ],
)
def test_a_card_of_another_form_is_refused(finished, change):
    document = json.loads((finished.folder / "run" / "card.json").read_bytes())
    change(document)
    with pytest.raises(MalformedError):
        card_bytes(document)


EXAMPLES = ExampleList(D, ((D, "a.jsonl"), (D, "b.jsonl")), (((0, 0), (1, 4)), ((0, 2),)))


def test_an_example_list_reads_back_as_it_was_written():
    assert parse_example_list(EXAMPLES.to_bytes()) == EXAMPLES


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"steps":[[0,0,1,4],[0,2]]', b'"steps":[[0,0,1],[0,2]]'),
        (b'"steps":[[0,0,1,4],[0,2]]', b'"steps":[[]]'),
        (b'"steps":[[0,0,1,4],[0,2]]', b'"steps":[[2,0]]'),
        (b'"steps":[[0,0,1,4],[0,2]]', b'"steps":[[0,-1]]'),
        (b'"steps":[[0,0,1,4],[0,2]]', b'"steps":{}'),
        (b'"formatVersion":1', b'"formatVersion":2'),
        (b'"TrainingExamples"', b'"Examples"'),
        (b'"path":"a.jsonl"', b'"path":""'),
        (b'"files"', b'"filez"'),
    ],
)
def test_an_example_list_of_another_form_is_refused(old, new):
    assert old in EXAMPLES.to_bytes()
    refused(parse_example_list, EXAMPLES.to_bytes().replace(old, new))


@pytest.mark.parametrize(
    "other",
    [
        ExampleList(D, EXAMPLES.files, EXAMPLES.steps[::-1]),
        ExampleList("cd" * 32, EXAMPLES.files, EXAMPLES.steps),
        ExampleList(D, EXAMPLES.files[::-1], EXAMPLES.steps),
        ExampleList(D, EXAMPLES.files, (((1, 4), (0, 0)), ((0, 2),))),
    ],
)
def test_the_root_depends_on_order_files_and_transform(other):
    assert examples_root(other.leaves()) != examples_root(EXAMPLES.leaves())


def test_an_example_list_is_held_against_the_receipt():
    from types import SimpleNamespace

    root = examples_root(EXAMPLES.leaves())
    receipt = SimpleNamespace(document={"training": {"steps": 2, "examples": 3, "examplesRoot": root}})
    check_examples(receipt, EXAMPLES)
    receipt.document["training"]["examples"] = 4
    with pytest.raises(ManifestMismatchError):
        check_examples(receipt, EXAMPLES)


def test_a_run_without_examples_has_no_root():
    with pytest.raises(MalformedError) as caught:
        examples_root([])
    assert caught.value.code == "EMPTY"


def test_a_leaf_is_domain_separated_and_binds_each_of_its_parts():
    base = (D, D, 0, D, 0)
    leaves = {example_leaf(*base)}
    for index, other in enumerate(("cd" * 32, "cd" * 32, 1, "cd" * 32, 1)):
        leaves.add(example_leaf(*(other if at == index else value for at, value in enumerate(base))))
    assert len(leaves) == 6


@pytest.mark.parametrize(("pointer", "value"), [("", {"a": [1, {"b/c": 2}]}), ("/a/0", 1), ("/a/1/b~1c", 2)])
def test_a_pointer_names_its_value(pointer, value):
    assert resolve_pointer({"a": [1, {"b/c": 2}]}, pointer) == value


@pytest.mark.parametrize("pointer", ["a", "/b", "/a/2", "/a/01", "/a/-1", "/a/0/x"])
def test_a_pointer_to_nothing_is_refused(pointer):
    with pytest.raises(MalformedError) as caught:
        resolve_pointer({"a": [1, 2]}, pointer)
    assert caught.value.code == "POINTER"


@pytest.mark.parametrize(
    "text",
    [b"", b"license: mit\n", b"---\nname: x\n---\n", b"---\nlicense: a\nlicense: b\n---\n", b"---\nlicense:\n---\n"],
)
def test_front_matter_that_does_not_say_it_once_is_refused(text):
    with pytest.raises(MalformedError) as caught:
        front_matter_value(text, "license")
    assert caught.value.code == "FRONT_MATTER"
