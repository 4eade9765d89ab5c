"""A card by a stranger: whatever is taken out of it or put into it, a check answers with findings, never with a traceback."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from trainees import Case

from datasigil.canonical import jcs
from datasigil.datasets.files import build_manifest
from datasigil.errors import DatasigilError
from datasigil.models.card import card_leaves
from datasigil.models.model_folder import check_model
from training_worker.documents import write_documents

pytestmark = pytest.mark.training

LEAF = {"value": "x", "source": "run#/run/name", "assurance": "computed"}
VALUES = (1, True, [], {}, "", "x" * 5000, [{"a": [1]}], {"value": 1}, "\u0000\u202e</script>")


def pointers(sections, place=()):
    """Yield the place of every group, list and leaf below `sections`."""
    yield place
    members = sections.items() if isinstance(sections, dict) and "source" not in sections else enumerate(sections) if isinstance(sections, list) else ()  # fmt: skip
    for key, value in members:
        yield from pointers(value, (*place, key))


def at(document, place):
    for step in place:
        document = document[step]
    return document


@pytest.fixture(scope="module")
def hostile(finished: Case, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "run"
    shutil.copytree(finished.folder / "run", folder)
    return folder


@pytest.fixture(scope="module")
def places(hostile) -> list[tuple]:
    return [place for place in pointers(json.loads((hostile / "card.json").read_bytes())["sections"]) if place]


def answered(hostile: Path, document: dict) -> str:
    """Put a card in place, let its documents follow where they can, and return the decision."""
    card = hostile / "card.json"
    before = card.read_bytes()
    try:
        card.write_bytes(jcs(document))
        with contextlib.suppress(DatasigilError):
            write_documents(hostile)
        finding = check_model(build_manifest(hostile), lambda name: (hostile / name).read_bytes(), at=AT)
        assert finding.render()
        json.dumps(finding.document(), allow_nan=False)
        return finding.decision
    finally:
        card.write_bytes(before)


@pytest.fixture(autouse=True)
def at_the_worlds_time(finished):
    global AT
    AT = finished.world.now


def test_nothing_that_is_taken_out_is_a_traceback(hostile, places):
    good = (hostile / "card.json").read_bytes()
    for place in places[::6]:
        document = json.loads(good)
        parent = at(document["sections"], place[:-1])
        del parent[place[-1]]
        assert answered(hostile, document) == "INVALID", place


def test_a_leaf_in_the_place_of_anything_is_no_traceback(hostile, places):
    good = (hostile / "card.json").read_bytes()
    for place in places[1::9]:
        document = json.loads(good)
        at(document["sections"], place[:-1])[place[-1]] = LEAF
        assert answered(hostile, document) == "INVALID" or at(json.loads(good)["sections"], place) == LEAF, place


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_another_kind_of_value_is_no_traceback(hostile, places, value):
    good = (hostile / "card.json").read_bytes()
    leaves = [leaf.pointer for leaf in card_leaves(json.loads(good)["sections"], "")]
    for pointer in leaves[:: max(1, len(leaves) // 6)]:
        document = json.loads(good)
        steps = [int(step) if step.isdigit() else step for step in pointer.split("/")[1:]]
        at(document["sections"], steps)["value"] = value
        assert answered(hostile, document) == "INVALID", pointer


def test_groups_lists_and_leaves_that_nobody_expects_are_no_traceback(hostile):
    good = (hostile / "card.json").read_bytes()
    for odd in ({"deep": {"deeper": [LEAF, {"x": LEAF}]}}, [LEAF], [[{"x": LEAF}]], [{"x": LEAF}, {"y": LEAF}], {"<b>": LEAF}):  # fmt: skip
        for section in ("details", "trainingData", "evaluation", "failureModes", "gate", "unheard-of"):
            document = json.loads(good)
            document["sections"][section] = odd
            assert answered(hostile, document) == "INVALID"
