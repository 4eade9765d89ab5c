"""`datasigil-train plan`: the gate's answer, the data, and what a run would take here and on rented cards, before it is run.

Here: counts, a probe of a few real steps that are thrown away, and the plan as text and JSON. Not here: the estimate without a probe
(`estimate`), training (`training_loop`), prices (`prices`).
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.errors import DatasigilError
from datasigil.report.terminal import OK, REFUSED, Console, duration_text, error_text, escape, size_text
from training_worker.estimate import (
    PROBE_BAND,
    Cost,
    OnCard,
    Spending,
    Work,
    expected_cost,
    peak_memory_bytes,
    spending,
)
from training_worker.gate import passed_gate
from training_worker.gate_settings import gate_settings
from training_worker.prices import Prices, read_prices
from training_worker.recipe import read_recipe
from training_worker.recipe_sections import Budget
from training_worker.run import Ready, RunRequest, make_ready

if TYPE_CHECKING:
    from training_worker.training_loop import Loop

PROBE_STEPS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before a run."""

    datasets: tuple[str, ...]
    gate: dict[str, Any]
    splits: dict[str, tuple[int, int, int]]  # rows, tokens, truncated rows
    warnings: tuple[str, ...]
    base: str
    trainable: int
    total: int
    steps: int
    epochs: int
    cost: Cost
    cards: tuple[OnCard, ...] = ()
    spending: Spending | None = None

    def document(self) -> dict[str, Any]:
        """Return the plan as versioned JSON."""
        names = ("rows", "tokens", "truncatedRows")
        return {
            "type": "TrainingPlan",
            "formatVersion": 1,
            "datasets": list(self.datasets),
            "gate": self.gate,
            "splits": {name: dict(zip(names, counts, strict=True)) for name, counts in self.splits.items()},
            "warnings": list(self.warnings),
            "baseModel": self.base,
            "trainableParameters": self.trainable,
            "totalParameters": self.total,
            "steps": self.steps,
            "epochs": self.epochs,
            "seconds": round(self.cost.seconds),
            "memoryBytes": self.cost.memory_bytes,
            "band": f"{self.cost.band:.2f}",
            "basis": self.cost.basis,
            "cards": [card.document() for card in self.cards],
            **({"budget": self.spending.document()} if self.spending else {}),
        }

    def text(self) -> str:
        """Return the plan for people."""
        band = f"±{self.cost.band:.0%}, {self.cost.basis}"
        lines = [
            f"gate       VALID, all files, {self.gate['mode']}, as of {self.gate['time']}",
            *(f"dataset    {escape(name)}" for name in self.datasets),
            *(
                f"{name:10} {rows} rows, {tokens} tokens, {cut} rows cut to the limit"
                for name, (rows, tokens, cut) in self.splits.items()
            ),
            *(f"warning    {escape(warning)}" for warning in self.warnings),
            f"model      {escape(self.base)}: {self.trainable:,} of {self.total:,} parameters are trained",
            f"steps      {self.steps} in {self.epochs} epochs",
            f"time       {duration_text(self.cost.seconds)} on this machine ({band})",
            f"memory     {size_text(self.cost.memory_bytes)} ({band})",
            *self._cards_text(),
        ]
        return "\n".join(lines) + "\n"

    def _cards_text(self) -> list[str]:
        """Return the table of cards and the month's total."""
        lines = [
            f"rented     {'card':10} {'memory':>9} {'hours':>9} {'USD':>8} {'USD/h':>6}   ±50%, estimated; prices as read on the day"
        ]
        lines += [
            f"           {card.name:10} {size_text(card.memory_bytes):>9} {card.hours:9.3f} {card.usd:8.2f} {card.price.usd_per_hour:6.2f}   "
            + (f"{card.price.seller}, {card.price.read}" if card.fits else "does not fit")
            for card in self.cards
        ]
        if self.spending is not None:
            told = self.spending
            lines.append(
                f"budget     {told.gpu}: {told.hours:.2f} h and {told.usd:.2f} USD a run; {told.usd_per_month:.2f} USD a month for "
                f"{told.runs_per_month:g} runs and {told.serving_hours:g} hours of serving"
            )
            lines += [f"exceeded   {escape(limit)}" for limit in told.exceeded]
        return lines


def run(given: Namespace, console: Console) -> int:
    """Show what `train` would do; nothing is kept. Exit 1 for a run that would pass its budget."""
    if not 0 <= given.probe <= PROBE_STEPS_MAX:
        raise DatasigilError("USAGE", "--probe is out of bounds", expected=f"0 to {PROBE_STEPS_MAX}")
    path = Path(given.recipe)
    recipe = read_recipe(path)
    prices = read_prices(Path(given.prices) if given.prices else None)
    with tempfile.TemporaryDirectory(prefix="datasigil-plan-") as work:
        request = RunRequest(recipe, b"", path.resolve().parent, gate_settings(given), Path(work) / "plan")
        planned = plan(request, Path(work), probe_steps=given.probe, prices=prices)
    budget = recipe.budget or Budget()
    budget = budget.model_copy(update={"gpu": given.gpu}) if given.gpu else budget
    told = spending(budget, planned.cost, planned.cards, runs=given.runs_per_month, serving=given.serving_hours)
    planned = replace(planned, spending=told)
    console.result(planned.document(), planned.text())
    try:
        told.refuse()
    except DatasigilError as error:
        console.err.write(error_text(error))
        return REFUSED
    return OK


def plan(request: RunRequest, work: Path, *, probe_steps: int, prices: Prices | None = None) -> Plan:
    """Pass the gate, read and tokenise, build the model, and measure `probe_steps` steps of it.

    Raises:
        Refused: by the gate.
        DatasigilError: every code that `train` could end with before its first step.
    """
    recipe = request.recipe
    with passed_gate(recipe, request.folder, request.gate, work=work) as gate:
        ready = make_ready(request, gate, work / "base-model")
        told = expected_cost(ready.base_root, recipe, ready.prepared, prices or read_prices())
        cost = told.here
        # The first import of torch: the gate has passed.
        from training_worker.progress import Progress
        from training_worker.trainers import build_trainer

        built = build_trainer(recipe, ready, folder=work, binding={}, progress=Progress("quiet"))
        if probe_steps:
            cost = _probed(built.loop, told.work, probe_steps)
        return _plan(ready, built.loop, built.parameters, cost, told.cards)


def _plan(ready: Ready, loop: Loop, parameters: tuple[int, int], cost: Cost, cards: tuple[OnCard, ...]) -> Plan:
    prepared = ready.prepared
    return Plan(
        datasets=tuple(str(dataset.credential["credentialSubject"]["name"]) for dataset in ready.gate.datasets),
        gate=ready.gate.document(),
        splits={
            name: (len(split.examples), split.token_count, split.truncated) for name, split in prepared.splits.items()
        },
        warnings=prepared.warnings,
        base=ready.base.name,
        trainable=parameters[0],
        total=parameters[1],
        steps=loop.steps,
        epochs=loop.settings.epochs,
        cost=cost,
        cards=cards,
    )


def _probed(loop: Loop, work: Work, steps: int) -> Cost:
    """Time some steps, the largest of the first epoch among them, and carry their rate over to the whole run."""
    batches = list(loop.batches(0))
    loop.probe(max(batches, key=loop.tokens_in))  # warms caches and reaches the peak of memory
    chosen = [batches[number * len(batches) // steps] for number in range(min(steps, len(batches)))]
    began = time.monotonic()
    for batch in chosen:
        loop.probe(batch)
    rate = (time.monotonic() - began) / sum(map(loop.tokens_in, chosen))
    return Cost(work.weighted * rate, peak_memory_bytes(), PROBE_BAND, f"measured in {len(chosen)} steps")


__all__ = ["Plan", "plan", "run"]
