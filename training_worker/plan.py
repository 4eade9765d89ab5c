"""`datasigil-train plan`: the gate's answer, the data, and what a run would take on this machine, before it is run.

Here: counts, and a probe of a few real steps that are thrown away, or an estimate without one. Not here: training (`training`),
prices of other people's machines.
"""

from __future__ import annotations

import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.errors import DatasigilError
from datasigil.report.terminal import Console, duration_text, escape, size_text
from training_worker.batches import TokenisedSplit, epoch_batches
from training_worker.gate import passed_gate
from training_worker.gate_settings import gate_settings
from training_worker.preparation import Prepared
from training_worker.recipe import Recipe, read_recipe
from training_worker.run import Ready, RunRequest, make_ready

if TYPE_CHECKING:
    from training_worker.training import Trainer

PROBE_STEPS_MAX = 1_000
# Without a probe: operations per parameter and token of a step with frozen weights, and a processor core's guess of a rate.
OPERATIONS_PER_TOKEN = 4
CORE_OPERATIONS_PER_SECOND = 4e10
ESTIMATE_BAND = 0.5  # an estimate may be off by half
PROBE_BAND = 0.2
FORWARD_SHARE = 0.4  # of a training step's time, for a row that is only scored
LIBRARY_BYTES = 700_000_000  # torch and transformers, loaded
ACTIVATION_BYTES_PER_WIDTH = 34  # per row, token, layer and unit of width (Korthikanti et al. 2022, arXiv:2205.05198)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run would take: seconds and bytes, with the share by which they may be off."""

    seconds: float
    memory_bytes: int
    band: float
    basis: str


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
        ]
        return "\n".join(lines) + "\n"


def run(given: Namespace, console: Console) -> int:
    """Show what `train` would do; nothing is kept."""
    if not 0 <= given.probe <= PROBE_STEPS_MAX:
        raise DatasigilError("USAGE", "--probe is out of bounds", expected=f"0 to {PROBE_STEPS_MAX}")
    path = Path(given.recipe)
    recipe = read_recipe(path)
    with tempfile.TemporaryDirectory(prefix="datasigil-plan-") as work:
        request = RunRequest(recipe, b"", path.resolve().parent, gate_settings(given), Path(work) / "plan")
        planned = plan(request, Path(work), probe_steps=given.probe)
    console.result(planned.document(), planned.text())
    return 0


def plan(request: RunRequest, work: Path, *, probe_steps: int) -> Plan:
    """Pass the gate, read and tokenise, build the model, and measure `probe_steps` steps of it.

    Raises:
        Refused: by the gate.
        DatasigilError: every code that `train` could end with before its first step.
    """
    with passed_gate(request.recipe, request.folder, request.gate, work=work) as gate:
        ready = make_ready(request, gate, work / "base-model")
        # The first import of torch: the gate has passed.
        from training_worker.classifier import build_classifier
        from training_worker.progress import Progress
        from training_worker.training import Trainer, parameter_counts

        prepared = ready.prepared
        model = build_classifier(ready.base_root, request.recipe.training, len(prepared.schema.names))
        trainer = Trainer(
            model,
            request.recipe,
            prepared.schema,
            prepared.splits["train"],
            prepared.splits["validation"],
            folder=work,
            binding={},
            progress=Progress("quiet"),
        )
        if probe_steps:
            cost = _probed(trainer, request.recipe, prepared, probe_steps)
        else:
            config = model.encoder.config
            cost = _estimated(
                request.recipe, prepared, parameter_counts(model)[1], config.hidden_size, config.num_hidden_layers
            )
        return _plan(ready, trainer, parameter_counts(model), cost)


def _plan(ready: Ready, trainer: Trainer, parameters: tuple[int, int], cost: Cost) -> Plan:
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
        steps=trainer.steps,
        epochs=trainer.settings.epochs,
        cost=cost,
    )


def padded_tokens(split: TokenisedSplit, rows: Sequence[int]) -> int:
    """Return the tokens of a batch with its padding."""
    return len(rows) * max(len(split.tokens[row]) for row in rows)


def _probed(trainer: Trainer, recipe: Recipe, prepared: Prepared, steps: int) -> Cost:
    """Time some batches, the largest of the first epoch among them, and carry their rate over to the whole run."""
    train = prepared.splits["train"]
    batches = epoch_batches(train, recipe.training, 0)
    largest = max(batches, key=lambda rows: padded_tokens(train, rows))
    trainer.model.train()
    trainer.probe(largest)  # warms caches and reaches the peak of memory
    chosen = [batches[number * len(batches) // steps] for number in range(min(steps, len(batches)))]
    began = time.monotonic()
    for rows in chosen:
        trainer.probe(rows)
    rate = (time.monotonic() - began) / sum(padded_tokens(train, rows) for rows in chosen)
    return Cost(_tokens(recipe, prepared) * rate, peak_memory_bytes(), PROBE_BAND, f"measured in {len(chosen)} steps")


def _tokens(recipe: Recipe, prepared: Prepared) -> float:
    """Return the padded tokens of a run, those that are only scored counted by their share of a step."""
    train = prepared.splits["train"]
    trained = sum(padded_tokens(train, rows) for rows in epoch_batches(train, recipe.training, 0))
    epochs = recipe.training.epochs
    scored = prepared.splits["validation"].token_count * (epochs + 2) + prepared.splits["test"].token_count
    return trained * epochs + FORWARD_SHARE * scored


def _estimated(recipe: Recipe, prepared: Prepared, parameters: int, width: int, layers: int) -> Cost:
    rate = CORE_OPERATIONS_PER_SECOND * recipe.training.threads
    seconds = _tokens(recipe, prepared) * OPERATIONS_PER_TOKEN * parameters / rate
    train = prepared.splits["train"]
    largest = max(padded_tokens(train, rows) for rows in epoch_batches(train, recipe.training, 0))
    activations = largest * layers * width * ACTIVATION_BYTES_PER_WIDTH
    return Cost(seconds, LIBRARY_BYTES + 4 * parameters + activations, ESTIMATE_BAND, "estimated")


def peak_memory_bytes() -> int:
    """Return the most memory this process has held, in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


__all__ = ["Cost", "Plan", "peak_memory_bytes", "plan", "run"]
