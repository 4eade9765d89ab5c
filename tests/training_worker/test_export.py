"""Exports say what the trained model says, name the run they come from, and are not kept when they do not."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from trainees import Case, make_case, make_chat_case, write_tiny_llama

from datasigil.canonical import sha256_hex
from datasigil.errors import DatasigilError
from training_worker import export as exporting
from training_worker.main import main
from training_worker.plots import plots
from training_worker.recipe import read_recipe

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_base) -> Case:
    case = make_case(tmp_path_factory.mktemp("trained"), base=tiny_base, epochs=1)
    case.train()
    return case


def export(case: Case, form: str, out: Path) -> dict:
    return exporting.export(case.folder / "run", read_recipe(case.recipe_path), case.recipe_path, form, out)


@pytest.mark.parametrize("form", ["adapter", "merged", "onnx"])
def test_an_export_names_its_run_and_every_file(trained, tmp_path, form):
    written = export(trained, form, tmp_path / "out")
    listed = {one["path"]: one["sha256"] for one in written["files"]}
    found = {path.name: sha256_hex(path.read_bytes()) for path in (tmp_path / "out").iterdir()}
    found.pop("export.json")
    assert found == listed
    assert written["receiptDigest"] == sha256_hex((trained.folder / "run" / "receipt.json").read_bytes())
    assert float(written["largestDifference"]) < 1e-5
    assert not [name for name in found if name.endswith((".bin", ".pt", ".pkl"))]


def test_an_adapter_is_exported_as_it_was_trained(trained, tmp_path):
    export(trained, "adapter", tmp_path / "out")
    for name in ("adapter_model.safetensors", "head.safetensors", "classifier.json"):
        assert (tmp_path / "out" / name).read_bytes() == (trained.folder / "run" / name).read_bytes()


def forget_peft(monkeypatch):
    """Make every import of peft from here on fail, as where it is not installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "peft"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "peft", None)


def test_a_merged_export_loads_without_peft_and_with_safetensors_alone(trained, tmp_path, monkeypatch):
    export(trained, "merged", tmp_path / "out")
    forget_peft(monkeypatch)
    from transformers import AutoModel

    model = AutoModel.from_pretrained(tmp_path / "out", use_safetensors=True, local_files_only=True)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1000


def test_an_onnx_export_takes_any_number_of_rows_and_tokens(trained, tmp_path):
    import onnxruntime

    export(trained, "onnx", tmp_path / "out")
    session = onnxruntime.InferenceSession((tmp_path / "out" / "model.onnx").read_bytes())
    for rows, tokens in ((1, 3), (5, 12)):
        ids = np.ones((rows, tokens), dtype=np.int64)
        (said,) = session.run(None, {"input_ids": ids, "attention_mask": ids})
        assert said.shape == (rows, 3)
        assert said.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_an_export_that_says_something_else_is_not_kept(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "run_onnx", lambda data, ids: [0.9, 0.05, 0.05])
    with pytest.raises(DatasigilError) as caught:
        export(trained, "onnx", tmp_path / "out")
    assert caught.value.code == "EXPORT_DIFFERS"
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_never_written_over_something(trained, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(DatasigilError) as caught:
        export(trained, "adapter", tmp_path / "out")
    assert caught.value.code == "OUT_EXISTS"


def test_a_changed_run_is_not_exported(trained, tmp_path):
    shutil.copytree(trained.folder / "run", tmp_path / "run")
    (tmp_path / "run" / "head.safetensors").write_bytes(b"x")
    recipe = str(trained.recipe_path)
    assert main(["export", str(tmp_path / "run"), "onnx", "--recipe", recipe, "-o", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def test_another_recipe_exports_nothing(trained, tmp_path, capsys):
    other = tmp_path / "other.yaml"
    other.write_text(trained.recipe_path.read_text().replace("epochs: 1", "epochs: 2"))
    run = str(trained.folder / "run")
    assert main(["export", run, "merged", "--recipe", str(other), "-o", str(tmp_path / "out")]) == 1
    assert "OTHER_RECIPE" in capsys.readouterr().err


@pytest.fixture(scope="module")
def chatty(tmp_path_factory) -> Case:
    folder = tmp_path_factory.mktemp("chatty")
    (folder / "case").mkdir()
    case = make_chat_case(folder / "case", write_tiny_llama(folder / "base"))
    case.recipe_path.write_text(case.recipe_path.read_text().replace("epochs: 3", "epochs: 1"))
    case.train()
    return case


def test_a_run_that_learned_text_is_exported_as_adapter_and_not_as_onnx(chatty, tmp_path):
    written = export(chatty, "adapter", tmp_path / "out")
    assert {one["path"] for one in written["files"]} == {"adapter_model.safetensors", "adapter_config.json", "generator.json"}  # fmt: skip
    with pytest.raises(DatasigilError) as caught:
        export(chatty, "onnx", tmp_path / "onnx")
    assert caught.value.code == "NOT_A_CLASSIFIER"
    assert "merged" in caught.value.next_action


def test_a_merged_language_model_answers_without_peft_and_with_the_template_it_was_trained_with(
    chatty, tmp_path, monkeypatch
):
    written = export(chatty, "merged", tmp_path / "out")
    assert 0 <= float(written["largestDifference"]) < 1e-4
    assert {one["path"]: one["sha256"] for one in written["files"]} == {
        path.name: sha256_hex(path.read_bytes()) for path in (tmp_path / "out").iterdir() if path.name != "export.json"
    }
    template = (tmp_path / "out" / "chat_template.jinja").read_text()
    assert "generation %}" not in template
    assert "<{{ message.role }}>" in template
    assert "chat_template" not in json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    for path in (tmp_path / "out").glob("*.json"):
        assert str(tmp_path) not in path.read_text()
    expected = likeliest(chatty, "any invoice?")
    forget_peft(monkeypatch)
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", use_safetensors=True, local_files_only=True, dtype="float32").eval()  # fmt: skip
    ids = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")).encode("any invoice?").ids
    with torch.inference_mode():
        said = torch.softmax(model(torch.tensor([ids])).logits[0, -1], -1).max().item()
    assert said == pytest.approx(expected, abs=1e-4)


def likeliest(case: Case, text: str) -> float:
    """Return the probability of the likeliest next token by base and adapter side by side."""
    from training_worker.base_model import load_tokenizer
    from training_worker.export_language import next_token
    from training_worker.language_model import build_language_model, load_adapter

    recipe = read_recipe(case.recipe_path)
    base = (case.folder / recipe.base.path).resolve()
    model = build_language_model(base, recipe.training)
    load_adapter(model, case.folder / "run")
    return float(next_token(model, load_tokenizer(base).encode(text).ids).max())


def test_a_merge_that_rounds_too_much_is_not_kept(chatty, tmp_path, monkeypatch):
    from training_worker import export_language

    monkeypatch.setattr(export_language, "TOLERANCE", {"float32": -1.0})
    with pytest.raises(DatasigilError) as caught:
        export(chatty, "merged", tmp_path / "out")
    assert caught.value.code == "EXPORT_DIFFERS"
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_missing_is_named(trained, tmp_path, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "onnx" else real(name, *rest))
    with pytest.raises(DatasigilError) as caught:
        export(trained, "onnx", tmp_path / "out")
    assert caught.value.code == "EXTRA_MISSING"
    assert "datasigil[onnx]" in caught.value.next_action


def test_an_onnx_export_is_served_and_answers_as_the_model_does(trained, tmp_path):
    """A served smoke test: a process of its own opens the export alone and answers over HTTP in the Open Inference Protocol."""
    export(trained, "onnx", tmp_path / "out")
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "serve_export.py"), str(tmp_path / "out")], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        body = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["the secret", "pay the fee"]}]}
        request = urllib.request.Request(f"{address}/v2/models/classifier/infer", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            outputs = {one["name"]: one for one in json.loads(answer.read())["outputs"]}
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert outputs["labels"]["data"] == ["payment", "termination", "secrecy"]
    assert outputs["probabilities"]["shape"] == [2, 3]
    assert outputs["probabilities"]["data"] == pytest.approx(reference(trained, ["the secret", "pay the fee"]), abs=1e-4)  # fmt: skip


def reference(case: Case, texts: list[str]) -> list[float]:
    """Return what the trained model itself says, through the worker's own loading."""
    from training_worker.base_model import load_tokenizer
    from training_worker.classifier import build_classifier, load_trained
    from training_worker.finished import read_classifier

    recipe = read_recipe(case.recipe_path)
    base = (case.folder / recipe.base.path).resolve()
    model = build_classifier(base, recipe.training, 3)
    load_trained(model, case.folder / "run")
    model.eval()
    tokenizer, classifier = load_tokenizer(base), read_classifier(case.folder / "run")
    return [value for text in texts for value in exporting._probabilities(model, tokenizer.encode(text).ids, classifier)]  # fmt: skip


# Plots -------------------------------------------------------------------------------------------------------------


HISTORY = [{"epoch": number, "loss": "0.5", "validationMacroF1": "0.7"} for number in (1, 2)]
TEST = {"model": {"perClass": [{"label": "$\\frac{a}{b}$ <b> \u202e", "f1": "0.5", "rows": 3}, {"label": "x" * 200, "f1": "1.0", "rows": 1}]}}  # fmt: skip
MODES = {"calibration": {"bins": [{"from": "0.9", "said": "0.95", "held": "0.5", "answers": 10}]}}


def test_plots_are_pictures_and_the_same_bytes_twice():
    first = plots(HISTORY, TEST, MODES)
    assert sorted(first) == [f"plots/{name}.{kind}" for name in ("calibration", "loss", "per-class-f1") for kind in ("png", "svg")]  # fmt: skip
    assert first == plots(HISTORY, TEST, MODES)
    for name, data in first.items():
        assert data.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
        assert b"<script" not in data


def test_what_was_not_recorded_is_not_drawn():
    assert plots((), {}, {}) == {}
    assert sorted(plots(HISTORY, {}, {})) == ["plots/loss.png", "plots/loss.svg"]
