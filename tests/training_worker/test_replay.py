"""Replay: everything verified again, trained again, and one of three words; nothing else is ever said."""

import copy
import json
import shutil
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from simulator import World
from trainees import Case, make_case

from datasigil.canonical import jcs
from training_worker import replay
from training_worker.main import main

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_base) -> Case:
    """A run made now, so that the command line, whose time is always now, finds its evidence fresh."""
    now = datetime.now(UTC).replace(microsecond=0)
    case = make_case(tmp_path_factory.mktemp("replay"), base=tiny_base, epochs=1, world=World(now=now))
    case.train()
    return case


@pytest.fixture
def again(trained, tmp_path, monkeypatch) -> Case:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(trained.folder, tmp_path / "copy")
    return Case(tmp_path / "copy", trained.world, trained.document)


def told(case: Case, capsys, *more: str) -> tuple[int, dict]:
    capsys.readouterr()
    code = main(
        ["replay", str(case.folder / "run"), "--recipe", str(case.recipe_path), "--policy", str(case.folder / "datasigil.toml"), "--offline", "--json", *more]
    )  # fmt: skip
    return code, json.loads(capsys.readouterr().out)


def test_the_same_data_recipe_and_versions_are_reproduced(again, capsys):
    code, report = told(again, capsys)
    assert (code, report["verdict"], report["differences"]) == (0, "REPRODUCED", [])
    assert report["macroF1"]["then"] == report["macroF1"]["now"]


def test_a_credential_that_does_not_hold_is_not_trained_on_again(again, capsys):
    bundle = json.loads((again.folder / "data.sigil.json").read_bytes())
    bundle["credential"]["credentialSubject"]["name"] = "forged"
    (again.folder / "data.sigil.json").write_text(json.dumps(bundle))
    code, report = told(again, capsys)
    assert (code, report["type"], report["decision"]) == (1, "TrainingRefusal", "INVALID")


def test_data_that_changed_since_is_not_trained_on_again(again, capsys):
    (again.data / "train.jsonl").write_bytes((again.data / "train.jsonl").read_bytes() + b"\n")
    code, report = told(again, capsys)
    assert (code, report["type"]) == (1, "TrainingRefusal")


@pytest.mark.parametrize("name", ["head.safetensors", "receipt.json", "card.json", "examples.json", "plots/loss.svg"])
def test_a_run_folder_that_was_changed_is_not_compared_with(again, capsys, name):
    path = again.folder / "run" / name
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    code, report = told(again, capsys)
    assert (code, report["code"]) == (1, "RUN_CHANGED")


def test_another_recipe_replays_nothing(again, capsys):
    again.recipe_path.write_text(again.recipe_path.read_text().replace("epochs: 1", "epochs: 2"))
    code, report = told(again, capsys)
    assert (code, report["code"]) == (1, "OTHER_RECIPE")


@pytest.mark.parametrize("tolerance", ["-0.1", "2", "little", "NaN", "Infinity", ""])
def test_a_tolerance_is_a_share(again, capsys, tolerance):
    code, report = told(again, capsys, "--tolerance", tolerance)
    assert (code, report["code"]) == (2, "USAGE")


def receipts(case: Case) -> tuple[dict, dict]:
    first = json.loads((case.folder / "run" / "receipt.json").read_bytes())
    return first, copy.deepcopy(first)


def other_weights(receipt: dict, macro: str) -> dict:
    """Return a receipt of other weights with another score."""
    for one in receipt["artefacts"]["files"]:
        if one["path"] == "adapter_model.safetensors":
            one["sha256"] = "0" * 64
    receipt["evaluation"]["test"]["model"]["macroF1"] = macro
    return receipt


@pytest.mark.parametrize(
    ("macro", "tolerance", "verdict"),
    [("0.510000", "0.02", "WITHIN_TOLERANCE"), ("0.520000", "0.02", "WITHIN_TOLERANCE"), ("0.520001", "0.02", "DIVERGED"), ("0.510000", "0", "DIVERGED")],
)  # fmt: skip
def test_other_weights_are_judged_by_their_score(trained, macro, tolerance, verdict):
    first, second = receipts(trained)
    first["evaluation"]["test"]["model"]["macroF1"] = "0.500000"
    assert replay.compare(first, other_weights(second, macro), Decimal(tolerance)).verdict == verdict


@pytest.mark.parametrize(
    "pointer", [("training", "examplesRoot"), ("data", "tokenisedDigest"), ("base", "manifestDigest")]
)
def test_other_examples_tokens_or_base_diverge_whatever_the_score(trained, pointer):
    first, second = receipts(trained)
    second[pointer[0]][pointer[1]] = "0" * 64
    found = replay.compare(first, second, Decimal(1))
    assert found.verdict == "DIVERGED"
    assert found.differences


def test_another_machine_is_named_and_does_not_decide(trained):
    first, second = receipts(trained)
    second["hardware"]["processor"] = "another"
    second["software"]["packages"]["torch"] = "9.9"
    found = replay.compare(first, second, Decimal(0))
    assert found.verdict == "REPRODUCED"
    assert len(found.differences) == 2


def test_a_forged_score_in_the_receipt_does_not_get_as_far_as_a_replay(again, capsys):
    path = again.folder / "run" / "receipt.json"
    document = json.loads(path.read_bytes())
    document["evaluation"]["test"]["model"]["macroF1"] = "0.999999"
    path.write_bytes(jcs(document))
    code, report = told(again, capsys)
    assert (code, report["code"]) == (1, "RUN_CHANGED")
