"""What a run would take is told before it is run, beside dated prices, and a budget that would be passed refuses."""

import json
from decimal import Decimal

import pytest
from trainees import make_case, make_chat_case, write_tiny_llama

from datasigil.errors import DatasigilError
from training_worker.estimate import Cost, on_cards, shape_of, spending
from training_worker.gate import Refused
from training_worker.prices import read_prices
from training_worker.recipe_sections import Budget

pytestmark = pytest.mark.training

HERE = Cost(7_200, 10**9, 0.5, "estimated")


def budget(**members) -> Budget:
    return Budget.model_validate(members)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return write_tiny_llama(tmp_path_factory.mktemp("llama") / "base")


def test_every_price_has_a_source_and_a_day():
    cards = read_prices().cards
    assert len(cards) >= 5
    assert all(card.source.startswith("https://") and card.read > "2026" and card.usd_per_hour > 0 for card in cards)


@pytest.mark.parametrize(
    ("old", "new"),
    [("read: ", "red: "), ("usdPerHour: 1", "usdPerHour: -1"), ("https://", "ftp://"), ("formatVersion: 1", "formatVersion: 2"), ("cards:", "cards: []\nothers:")],
)  # fmt: skip
def test_a_list_of_prices_is_closed(tmp_path, old, new):
    text = (
        "type: GpuPrices\nformatVersion: 1\ncards:\n  - {name: a, memoryGiB: 24, peakTflops: 100, bandwidthGBs: 900, reach: 0.7, "
        'usdPerHour: 1, seller: me, source: "https://x.example", read: "2026-11-26"}\n'
    )
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    assert read_prices(path).named("a").usd_per_hour == 1
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DatasigilError) as caught:
        read_prices(path)
    assert caught.value.code == "PRICES"


def test_an_unknown_card_names_those_that_are_known():
    with pytest.raises(DatasigilError, match="h100-sxm"):
        read_prices().named("voodoo")
    with pytest.raises(DatasigilError) as caught:
        spending(budget(gpu="voodoo"), HERE, ())
    assert caught.value.code == "GPU"


@pytest.mark.parametrize(
    ("limits", "exceeded"),
    [({}, ()), ({"maxHours": 2.5}, ()), ({"maxHours": 1.5}, ("maxHours 1.5",)), ({"maxUsd": 0.01}, ())],
)
def test_this_machine_costs_hours_and_no_money(limits, exceeded):
    assert spending(budget(**limits), HERE, ()).exceeded == exceeded


def test_a_month_is_runs_and_serving_at_the_cards_price(llama):
    from training_worker.estimate import Work
    from training_worker.recipe import parse_recipe

    config = json.loads((llama / "config.json").read_text())
    recipe = parse_recipe(RECIPE)
    cards = on_cards(recipe, Work(100, 10_000_000, 0, 4, 512), shape_of(config, generates=True), 100_000, read_prices())
    told = spending(budget(gpu="l4", maxUsdPerMonth=500.0), HERE, cards, runs=4, serving=730)
    assert told.usd_per_month == pytest.approx(4 * told.usd + 730 * 0.78)
    assert told.exceeded == ("maxUsdPerMonth 500",)
    with pytest.raises(DatasigilError, match="pass its budget"):
        told.refuse()


RECIPE = b"""type: TrainingRecipe
formatVersion: 1
name: x
base: {path: base}
data:
  - {credential: "urn:uuid:00000000-0000-4000-8000-000000000001", bundle: b, path: d, files: {train: [a], validation: [b], test: [c]}, columns: {text: text}}
splits: {by: files}
task: {type: causal-lm}
"""


def test_a_7b_model_fits_where_it_was_measured_to_fit():
    from training_worker.estimate import Work
    from training_worker.recipe import parse_recipe

    config = {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "intermediate_size": 11008,
        "vocab_size": 32000,
    }
    shape, work = shape_of(config, generates=True), Work(100, 10_000_000, 0, 1, 2048)
    fits = {}
    for method in ("lora", "qlora"):
        training = f"training: {{method: {method}, gradientCheckpointing: true}}\n".encode()
        rows = on_cards(parse_recipe(RECIPE + training), work, shape, shape.parameters, read_prices())
        fits[method] = {row.name: row.fits for row in rows}
        assert all(0.01 < row.hours < 20 for row in rows)
    assert fits["lora"]["h100-sxm"]
    assert fits["qlora"]["l4"]
    big = Work(100, 10_000_000, 0, 64, 2048)
    assert not any(row.fits for row in on_cards(parse_recipe(RECIPE), big, shape, shape.parameters, read_prices()))


def test_a_configuration_without_sizes_is_refused():
    with pytest.raises(DatasigilError) as caught:
        shape_of({"hidden_size": 4}, generates=True)
    assert caught.value.code == "BASE_MODEL"


def test_a_run_over_budget_is_refused_before_torch_sees_it(tmp_path, tiny_base):
    case = make_case(tmp_path, base=tiny_base)
    case.recipe_path.write_text(case.recipe_path.read_text() + "budget: {maxHours: 0.000000000001}\n")
    with pytest.raises(Refused) as caught:
        case.train()
    assert caught.value.error.code == "BUDGET"
    assert not (tmp_path / "run").exists()


def test_the_receipt_holds_what_was_predicted_and_what_happened(tmp_path, tiny_base):
    case = make_case(tmp_path, base=tiny_base, epochs=1)
    case.recipe_path.write_text(case.recipe_path.read_text() + "budget: {gpu: l4, maxUsd: 5.0}\n")
    cost = case.train().receipt["cost"]
    assert set(cost["predicted"]) == {"seconds", "memoryBytes", "band", "basis", "usd"}
    assert Decimal(cost["actual"]["usd"]) >= 0
    assert cost["actual"]["memoryBytes"] > 10**8


def test_a_chat_is_planned_as_it_is_run(tmp_path, llama):
    from training_worker.plan import plan

    case = make_chat_case(tmp_path, llama, training="  packing: true\n")
    work = tmp_path / "work"
    work.mkdir()
    planned = plan(case.request(), work, probe_steps=2)
    receipt = case.train().receipt
    assert planned.trainable == receipt["training"]["trainableParameters"]
    assert planned.steps == receipt["training"]["stepsPlanned"]
    assert "h100-sxm" in planned.text()
