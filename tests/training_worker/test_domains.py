"""A domain's scaffold is recipe, trust file and evaluation, each of which its own parser accepts; the example recipes are accepted and run."""

import importlib.util
import subprocess
import sys

import pytest
import yaml
from trainees import make_case

from datasigil.errors import DatasigilError
from datasigil.trust.policy import parse_policy
from training_worker.domains import DOMAINS
from training_worker.new import domain_folder, new_recipe
from training_worker.recipe import read_recipe

NAMES = sorted(DOMAINS)


@pytest.mark.parametrize("name", NAMES)
def test_a_scaffold_is_recipe_policy_and_evaluation(tmp_path, name):
    case = make_case(tmp_path)
    output = domain_folder(tmp_path / name, name, force=False)
    new_recipe(tmp_path / "data.sigil.json", case.data, output, None, case.settings(), domain=name)
    assert read_recipe(output).data[0].credential == case.document["id"]
    assert DOMAINS[name].encoder in output.read_text()
    assert parse_policy((output.parent / "datasigil.toml").read_bytes(), source="x").requirements.sector == name
    assert (output.parent / "evaluation.md").read_text().count("- [ ]") >= 3
    with pytest.raises(DatasigilError) as caught:
        domain_folder(tmp_path / name, name, force=False)
    assert caught.value.code == "OUT_EXISTS"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_recipe_is_accepted_and_names_a_model_for_real_use(repository, name):
    path = repository / "examples/recipes" / f"{name}.yaml"
    assert read_recipe(path).task.labels
    assert DOMAINS[name].encoder in path.read_text()


@pytest.fixture
def examples(repository, monkeypatch):
    """Return the program of examples/recipes."""
    spec = importlib.util.spec_from_file_location("example_recipes", repository / "examples/recipes/run.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    return module


@pytest.mark.training
@pytest.mark.parametrize("name", NAMES)
def test_an_example_recipe_runs_on_its_data(examples, tmp_path, tiny_base, name):
    case = examples.case_of(name, tmp_path / name)
    recipe = yaml.safe_load(case.recipe_path.read_text())
    recipe["base"] = {"path": str(tiny_base)}
    recipe["training"] |= {"epochs": 1, "batchSize": 64, "maxTokens": 16}
    case.recipe_path.write_text(yaml.safe_dump(recipe))
    receipt = case.train().receipt
    assert receipt["training"]["stopped"] == "completed"
    assert {one["label"] for one in receipt["evaluation"]["test"]["model"]["perClass"]} == {label["name"] for label in recipe["task"]["labels"]}  # fmt: skip


@pytest.mark.long  # with the small encoder, as its reader runs it: minutes
@pytest.mark.training
@pytest.mark.parametrize("name", NAMES)
def test_an_example_recipe_learns_as_it_stands(repository, tmp_path, name):
    run = [sys.executable, "examples/recipes/run.py", name, "--out", str(tmp_path / name)]
    done = subprocess.run(run, cwd=repository, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    card = yaml.safe_load((tmp_path / name / "run" / "README.md").read_text().split("---")[1])
    figures = {one["name"]: one["value"] for result in card["model-index"][0]["results"] for one in result["metrics"]}
    assert max(figures.values()) > 0.8
