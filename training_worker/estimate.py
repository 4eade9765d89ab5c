"""What a run would take, from its data and the shape of its base model, before a weight is loaded.

Here: the work of a run in tokens, its time and memory on this processor and on graphics cards, dollars, and the budget. Not here: the
formulae of cards (`cost`), prices (`prices`), the measured probe (`plan`). torch is not imported.

Every figure carries its band: half either way until a probe has measured steps of the very run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import DatasigilError
from training_worker.base_model import CONFIG, CONFIG_MAX_BYTES
from training_worker.batches import TokenisedSplit, epoch_batches
from training_worker.cost import CONTEXT_BYTES, Load, ModelShape, memory, tokens_per_second
from training_worker.decimals import decimal_text
from training_worker.packing import epoch_steps
from training_worker.preparation import Prepared
from training_worker.prices import PricedCard, Prices
from training_worker.recipe import Recipe
from training_worker.recipe_sections import Budget
from training_worker.safetensors_header import parameter_count
from training_worker.weights import weight_files

ESTIMATE_BAND, PROBE_BAND = 0.5, 0.2
FORWARD_SHARE = 0.4  # of a training step's time, for a row that is only scored
# A processor core's rate in small float32 products: 1,032 processor seconds of the UNFAIR-ToS run (MiniLM, batches of 16), 2026-11-26.
CORE_OPERATIONS_PER_SECOND = 8.6e10
# Resident memory of a run on a processor: interpreter, torch, transformers and data, then what a step leaves in the allocator. A step's part
# grows slower than its tokens, because freed blocks are used again. Fitted on 2026-11-26 to MiniLM at 8 x 32 to 64 x 128 tokens and to
# the UNFAIR-ToS run (1.75 GB expected, 2.00 GB measured).
LIBRARY_BYTES = 480_000_000
ENCODER_STEP_BYTES, STEP_POWER = 1_150, 0.8  # per layer and unit of width; tokens are taken to the power
FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run would take: seconds and bytes, with the share by which they may be off."""

    seconds: float
    memory_bytes: int
    band: float
    basis: str


@dataclass(frozen=True, slots=True)
class Work:
    """A run in tokens, padding included: what it trains on, what it only scores, and its largest batch."""

    steps: int
    trained: int
    scored: int
    rows: int  # of the largest batch
    width: int  # tokens in each of them

    @property
    def weighted(self) -> float:
        """Tokens, those that are only scored by their share of a step."""
        return self.trained + FORWARD_SHARE * self.scored


@dataclass(frozen=True, slots=True)
class OnCard:
    """A run on one card: whether it fits, hours and dollars."""

    name: str
    fits: bool
    memory_bytes: int
    hours: float
    usd: float
    price: PricedCard

    def document(self) -> dict[str, Any]:
        """Return the row as JSON."""
        return {
            "name": self.name,
            "fits": self.fits,
            "memoryBytes": self.memory_bytes,
            "hours": decimal_text(self.hours, 4),
            "usd": decimal_text(self.usd, 4),
            "usdPerHour": decimal_text(self.price.usd_per_hour),
            "seller": self.price.seller,
            "source": self.price.source,
            "read": self.price.read,
        }


def shape_of(config: Mapping[str, Any], *, generates: bool) -> ModelShape:
    """Return the sizes in a base model's config.json; an encoder has no logits and no gate.

    Raises:
        DatasigilError: BASE_MODEL, for a configuration without these sizes.
    """
    try:
        heads = int(config["num_attention_heads"])
        return ModelShape(
            name=str(config.get("model_type", "")),
            vocabulary=int(config["vocab_size"]) if generates else 0,
            width=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            key_value_heads=int(config.get("num_key_value_heads") or heads),
            inner=int(config["intermediate_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DatasigilError(
            "BASE_MODEL",
            "the base model's configuration does not say its sizes",
            place="config.json",
            expected="hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, vocab_size",
            found=str(error)[:80],
        ) from None


def work_of(recipe: Recipe, prepared: Prepared) -> Work:
    """Return the work of a run; an early stop would make it less."""
    train, training = prepared.splits["train"], recipe.training
    if recipe.task.generates:
        sequences = [
            [sum(len(train.tokens[row]) for row in rows) for rows in step]
            for step in epoch_steps(train, training, 0, recipe.weights)
        ]
        sizes = [
            (len(part), max(part))
            for step in sequences
            for part in (step[at : at + training.batch_size] for at in range(0, len(step), training.batch_size))
        ]
        steps = len(sequences)
    else:
        batches = epoch_batches(train, training, 0, recipe.weights)
        sizes, steps = [(len(rows), _widest(train, rows)) for rows in batches], len(batches)
    largest = max(sizes, key=lambda size: size[0] * size[1])
    scored = prepared.splits["validation"].token_count * (training.epochs + 2) + prepared.splits["test"].token_count
    trained = sum(rows * width for rows, width in sizes) * training.epochs
    return Work(steps * training.epochs, trained, scored, *largest)


def _widest(split: TokenisedSplit, rows: Sequence[int]) -> int:
    return max(len(split.tokens[row]) for row in rows)


def load_of(recipe: Recipe, work: Work) -> Load:
    """Return the largest batch as the formulae of cards take it."""
    training = recipe.training
    return Load(training.method, work.rows, work.width, training.gradient_checkpointing, training.lora.rank)


def estimated_here(recipe: Recipe, work: Work, shape: ModelShape, parameters: int) -> Cost:
    """Return time and resident memory on this machine's processor, unmeasured; `parameters` are the base model's."""
    rate = CORE_OPERATIONS_PER_SECOND * recipe.training.threads
    passes = 6 if recipe.training.gradient_checkpointing else 4
    seconds = work.weighted * passes * max(shape.linear_parameters, parameters // 2) / rate
    if recipe.task.generates:
        used = memory(shape, load_of(recipe, work))
        # 32-bit base weights, and the formulae's 16-bit activations twice as wide.
        size = FLOAT32 * parameters + used.trained + 2 * used.activations + used.loss
    else:
        step = ENCODER_STEP_BYTES * shape.layers * shape.width * (work.rows * work.width) ** STEP_POWER
        size = FLOAT32 * parameters + round(step)
    return Cost(seconds, LIBRARY_BYTES + size, ESTIMATE_BAND, "estimated")


def on_cards(recipe: Recipe, work: Work, shape: ModelShape, parameters: int, prices: Prices) -> list[OnCard]:
    """Return the run on every card of a list, 16-bit weights as on cards."""
    load = load_of(recipe, work)
    used = memory(shape, load).total
    if not recipe.task.generates:
        used += 2 * parameters  # the embeddings, which the shape of an encoder leaves out
    rows = []
    for price in prices.cards:
        hours = work.weighted / tokens_per_second(shape, load, price.card) / 3600
        fits = used + CONTEXT_BYTES <= price.memory_bytes
        rows.append(OnCard(price.name, fits, used + CONTEXT_BYTES, hours, hours * price.usd_per_hour, price))
    return rows


@dataclass(frozen=True, slots=True)
class Spending:
    """Hours and dollars of a run and of a month, beside what the budget allows."""

    hours: float
    usd: float
    usd_per_month: float
    runs_per_month: float
    serving_hours: float
    gpu: str
    exceeded: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "gpu": self.gpu,
            "hours": decimal_text(self.hours, 4),
            "usd": decimal_text(self.usd, 4),
            "usdPerMonth": decimal_text(self.usd_per_month, 2),
            "runsPerMonth": decimal_text(self.runs_per_month),
            "servingHours": decimal_text(self.serving_hours),
            "exceeded": list(self.exceeded),
        }

    def refuse(self) -> None:
        """Raise for a budget that is passed.

        Raises:
            DatasigilError: BUDGET.
        """
        if self.exceeded:
            raise DatasigilError(
                "BUDGET",
                "the run is expected to pass its budget; nothing was trained",
                place="budget",
                expected="; ".join(self.exceeded),
                found=f"{self.hours:.2f} h, {self.usd:.2f} USD, {self.usd_per_month:.2f} USD a month on {self.gpu}",
                next_action="fewer epochs or rows, a smaller base model, another card, or a larger budget",
            )


def spending(
    budget: Budget, here: Cost, cards: Sequence[OnCard], *, runs: float | None = None, serving: float | None = None
) -> Spending:
    """Return what a run and a month would take under a budget's card; `runs` and `serving` go before the budget's own.

    Raises:
        DatasigilError: GPU, for a card that the list does not have or that is too small.
    """
    hours, usd, price, name = here.seconds / 3600, 0.0, 0.0, "this machine"
    if budget.gpu is not None:
        chosen = next((one for one in cards if one.name == budget.gpu), None)
        if chosen is None or not chosen.fits:
            raise DatasigilError(
                "GPU",
                "the list of prices does not have this card" if chosen is None else "the run does not fit this card",
                place="budget.gpu",
                expected="one of " + (", ".join(one.name for one in cards if one.fits) or "no card of the list"),
                found=budget.gpu,
                next_action="lower training.batchSize or training.maxTokens, or choose another card",
            )
        hours, usd, price, name = chosen.hours, chosen.usd, chosen.price.usd_per_hour, chosen.name
    runs = budget.runs_per_month if runs is None else runs
    serving = budget.serving_hours if serving is None else serving
    month = runs * usd + serving * price
    limits = (
        ("maxHours", budget.max_hours, hours),
        ("maxUsd", budget.max_usd, usd),
        ("maxUsdPerMonth", budget.max_usd_per_month, month),
    )
    exceeded = tuple(f"{key} {limit:g}" for key, limit, value in limits if limit is not None and value > limit)
    return Spending(hours, usd, month, runs, serving, name, exceeded)


@dataclass(frozen=True, slots=True)
class Expected:
    """Everything that is expected of a run; `spending` is absent where the recipe has no budget."""

    work: Work
    here: Cost
    cards: tuple[OnCard, ...]
    spending: Spending | None

    def document(self) -> dict[str, Any]:
        """Return the receipt's prediction."""
        chosen = next((one for one in self.cards if self.spending and one.name == self.spending.gpu), None)
        return {
            "seconds": round(chosen.hours * 3600 if chosen else self.here.seconds),
            "memoryBytes": chosen.memory_bytes if chosen else self.here.memory_bytes,
            "band": decimal_text(ESTIMATE_BAND),
            "basis": f"{chosen.name}, estimated" if chosen else "this machine, estimated",
            **({"usd": decimal_text(self.spending.usd, 4)} if self.spending else {}),
        }

    def actual(self, seconds: float, peak: int) -> dict[str, Any]:
        """Return the receipt's counterpart of the prediction; dollars are the time at the price of the budget's card."""
        chosen = next((one for one in self.cards if self.spending and one.name == self.spending.gpu), None)
        usd = {"usd": decimal_text(seconds / 3600 * chosen.price.usd_per_hour, 4)} if chosen else {}
        return {"seconds": round(seconds), "memoryBytes": peak, **usd}


def expected_cost(base_root: Path, recipe: Recipe, prepared: Prepared, prices: Prices) -> Expected:
    """Return what a run would take, from its data and its base model's configuration; loads no weight.

    Raises:
        DatasigilError: BASE_MODEL, GPU.
    """
    config = parse_json((base_root / CONFIG).read_bytes(), max_bytes=CONFIG_MAX_BYTES, profile=GENERIC)
    shape = shape_of(config if isinstance(config, dict) else {}, generates=recipe.task.generates)
    parameters = sum(parameter_count(base_root / name) for name in weight_files(base_root))
    work = work_of(recipe, prepared)
    here = estimated_here(recipe, work, shape, parameters)
    cards = tuple(on_cards(recipe, work, shape, parameters, prices))
    told = spending(recipe.budget, here, cards) if recipe.budget else None
    return Expected(work, here, cards, told)


def peak_memory_bytes() -> int:
    """Return the most memory this process has held, in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


__all__ = [
    "Cost",
    "Expected",
    "OnCard",
    "Spending",
    "Work",
    "estimated_here",
    "expected_cost",
    "load_of",
    "on_cards",
    "peak_memory_bytes",
    "shape_of",
    "spending",
    "work_of",
]
