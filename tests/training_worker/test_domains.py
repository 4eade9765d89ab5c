"""A domain's scaffold is recipe, trust file and evaluation, each of which its own parser accepts; the example recipes are accepted too."""

import pytest
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
