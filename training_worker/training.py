"""The training loop, read from top to bottom: batches, loss, step, validation, best weights, checkpoint.

Here: one optimisation run on tokens that the gate let through. Not here: the gate (`gate`), what is written at the end
(`run`). Imported only after the gate has passed.

Determinism: seeds are set before adapters are made (`classifier`), the order of rows depends on seed and epoch alone, and a
checkpoint holds the generator's state, so that a resumed run ends in the same bytes on the same machine and versions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from datasigil.errors import DatasigilError
from datasigil.models.examples import ExampleList
from training_worker.batches import TokenisedSplit, epoch_batches, steps_per_epoch
from training_worker.checkpoint import TrainingState, has_checkpoint, load_checkpoint, save_checkpoint
from training_worker.classifier import EncoderClassifier
from training_worker.decimals import decimal_text
from training_worker.labels import Example, LabelSchema
from training_worker.metrics import Result, Scores, decide, membership, score, tune_thresholds
from training_worker.progress import Progress
from training_worker.recipe import Recipe
from training_worker.splits import text_key
from training_worker.stopping import Interrupted

EVALUATION_ROWS = 64  # rows scored together
BALANCED_WEIGHT_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome of a run: the model holds its best weights."""

    model: EncoderClassifier
    thresholds: tuple[float, ...]
    state: TrainingState
    steps_planned: int
    stopped: str  # completed, early
    validation: Result


def tensors_of(split: TokenisedSplit, rows: list[int], classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, mask and label sets of some rows, padded to the longest of them with id 0."""
    width = max(len(split.tokens[row]) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    targets = torch.zeros((len(rows), classes))
    for line, row in enumerate(rows):
        tokens = split.tokens[row]
        ids[line, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        mask[line, : len(tokens)] = 1
        targets[line, list(split.examples[row].labels)] = 1.0
    return ids, mask, targets


def predict(model: EncoderClassifier, split: TokenisedSplit, schema: LabelSchema) -> Scores:
    """Return probabilities for every row; draws nothing from the random generator."""
    model.eval()
    scores = np.zeros((len(split.tokens), len(schema.names)), dtype=np.float32)
    rows = sorted(range(len(split.tokens)), key=lambda row: (len(split.tokens[row]), row))
    with torch.inference_mode():
        for start in range(0, len(rows), EVALUATION_ROWS):
            part = rows[start : start + EVALUATION_ROWS]
            ids, mask, _ = tensors_of(split, part, len(schema.names))
            logits = model(ids, mask).double()
            scores[part] = (torch.sigmoid(logits) if schema.multi else torch.softmax(logits, dim=-1)).float().numpy()
    model.train()
    return scores


def group_of(example: Example) -> str:
    """Return what is held out together when thresholds are tuned: the document, or the text where no document is named."""
    record = example.record
    return f"{record.dataset} {record.document}" if record.document else text_key(record.text)


class Trainer:
    """One run: built once, `run` once."""

    def __init__(
        self,
        model: EncoderClassifier,
        recipe: Recipe,
        schema: LabelSchema,
        train: TokenisedSplit,
        validation: TokenisedSplit,
        *,
        folder: Path,
        binding: Mapping[str, str],
        progress: Progress,
        asked_to_stop: Callable[[], bool] = lambda: False,
        recheck: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.recipe, self.schema = model, recipe, schema
        self.train, self.validation = train, validation
        self.folder, self.binding, self.progress = folder, binding, progress
        self.asked_to_stop, self.recheck = asked_to_stop, recheck
        self.settings = recipe.training
        self.per_epoch = steps_per_epoch(train, self.settings)
        self.steps = self.per_epoch * self.settings.epochs
        self.parameters = model.trained()
        self.optimiser = self._optimiser()
        self.state = TrainingState()
        self.best: dict[str, torch.Tensor] = {}
        self.actual = membership([example.labels for example in validation.examples], len(schema.names))
        self.groups = [group_of(example) for example in validation.examples]
        self.loss = self._loss()
        self._began, self._cpu = time.monotonic(), time.process_time()

    def _optimiser(self) -> torch.optim.AdamW:
        head = [value for name, value in self.parameters.items() if name.startswith("head.")]
        adapters = [value for name, value in self.parameters.items() if not name.startswith("head.")]
        groups = [
            {"params": adapters, "lr": self.settings.learning_rate},
            {"params": head, "lr": self.settings.head_learning_rate},
        ]
        return torch.optim.AdamW(groups, weight_decay=self.settings.weight_decay, foreach=False)

    def _rate(self, step: int) -> float:
        """Return the share of the learning rate at a step: linear warm-up, then linear to zero."""
        warm = int(self.steps * self.settings.warmup)
        return (step + 1) / (warm + 1) if step < warm else (self.steps - step) / max(1, self.steps - warm)

    def _loss(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        weights = self._class_weights()
        if self.schema.multi:
            positive = torch.full((len(self.schema.names),), self.settings.positive_weight) * weights
            return nn.BCEWithLogitsLoss(pos_weight=positive)
        entropy = nn.CrossEntropyLoss(weight=weights)
        return lambda logits, targets: entropy(logits, targets.argmax(dim=-1))

    def _class_weights(self) -> torch.Tensor:
        """Return one weight per class; balanced: inverse to the training rows, mean 1 before the bound of 10."""
        if self.settings.class_weights == "none":
            return torch.ones(len(self.schema.names))
        counts = np.maximum(
            membership([example.labels for example in self.train.examples], len(self.schema.names)).sum(axis=0), 1
        )
        weights = counts.sum() / (len(counts) * counts)
        return torch.tensor(np.minimum(weights, BALANCED_WEIGHT_MAX), dtype=torch.float32)

    # The run ----------------------------------------------------------------------------------------------------

    def run(self, *, resume: bool) -> Trained:
        """Train to the end, or to the user's stop.

        Raises:
            Interrupted: with a checkpoint written.
            DatasigilError: NOT_FINITE, OUT_OF_MEMORY, DISK_FULL, CHECKPOINT_MISMATCH.
        """
        if resume and has_checkpoint(self.folder):
            self._restore()
        self.model.train()
        self.progress.begin(self.state.step)
        stopped = "completed"
        while self.state.epoch < self.settings.epochs:
            self._epoch()
            patience = self.settings.early_stopping
            if patience is not None and self.state.waited >= patience:
                stopped = "early"
                break
        self._use_best()
        scores = predict(self.model, self.validation, self.schema)
        thresholds = self._thresholds(scores)
        result = score(decide(scores, thresholds, self.schema), self.actual, self.schema)
        self._clock()
        return Trained(self.model, tuple(thresholds), self.state, self.steps, stopped, result)

    def _epoch(self) -> None:
        batches = epoch_batches(self.train, self.settings, self.state.epoch)
        for rows in batches[self.state.step_in_epoch :]:
            if self.asked_to_stop():
                self._save()
                raise Interrupted(self.state.step, self.steps)
            loss = self._step(rows)
            self.state.step += 1
            self.state.step_in_epoch += 1
            self.state.epoch_loss += loss
            self.progress.step(self.state.step, self.steps, self.state.epoch + 1, self.settings.epochs, loss)
        self._judge(len(batches))
        self.recheck()
        self._save()

    def probe(self, rows: list[int]) -> None:
        """Take one step that counts for nothing, to measure it; the weights are not those of a run afterwards."""
        self._step(rows)

    def _step(self, rows: list[int]) -> float:
        ids, mask, targets = tensors_of(self.train, rows, len(self.schema.names))
        share = self._rate(self.state.step)
        for group, rate in zip(
            self.optimiser.param_groups, (self.settings.learning_rate, self.settings.head_learning_rate), strict=True
        ):
            group["lr"] = rate * share
        try:
            loss = self.loss(self.model(ids, mask), targets)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise self._not_finite("loss", value)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self.settings.gradient_clip))
            if not math.isfinite(norm):
                raise self._not_finite("gradient", norm)
            self.optimiser.step()
        except (MemoryError, RuntimeError) as error:
            raise _out_of_memory(error, self.settings.batch_size) from None
        self.optimiser.zero_grad(set_to_none=True)
        return value

    def _not_finite(self, what: str, value: float) -> DatasigilError:
        return DatasigilError(
            "NOT_FINITE",
            f"the {what} is not a finite number; the run stopped and no result was written",
            place=f"step {self.state.step + 1}, epoch {self.state.epoch + 1}",
            found=repr(value),
            next_action="lower training.learningRate, or look for broken records",
        )

    def _judge(self, steps: int) -> None:
        """Score validation, keep the weights if they are the best so far, and write the epoch into the history."""
        scores = predict(self.model, self.validation, self.schema)
        result = score(decide(scores, self._thresholds(scores), self.schema), self.actual, self.schema)
        value = result.macro_f1 if self.recipe.evaluation.select_by == "macro-f1" else result.micro_f1
        state = self.state
        # On a tie the later epoch wins: its learning rate was lower.
        if value >= state.best_score:
            state.best_score, state.best_epoch, state.waited = value, state.epoch + 1, 0
            self.best = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        else:
            state.waited += 1
        summary: dict[str, Any] = {
            "epoch": state.epoch + 1,
            "loss": decimal_text(state.epoch_loss / steps, 6),
            "validationMicroF1": decimal_text(result.micro_f1, 6),
            "validationMacroF1": decimal_text(result.macro_f1, 6),
        }
        state.history.append(summary)
        best = "  (best)" if state.best_epoch == state.epoch + 1 else ""
        self.progress.epoch(
            summary,
            f"epoch {state.epoch + 1}/{self.settings.epochs} done: loss {summary['loss'][:6]}, "
            f"validation micro-F1 {result.micro_f1:.3f}, macro-F1 {result.macro_f1:.3f}{best}",
        )
        state.epoch, state.step_in_epoch, state.epoch_loss = state.epoch + 1, 0, 0.0

    def _thresholds(self, scores: Scores) -> list[float]:
        if self.schema.multi and self.recipe.evaluation.thresholds == "tuned":
            return tune_thresholds(scores, self.actual, self.groups, self.schema)
        return [0.5] * len(self.schema.names)

    def _use_best(self) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.best[name])

    # Checkpoints --------------------------------------------------------------------------------------------------

    def _clock(self) -> None:
        now, cpu = time.monotonic(), time.process_time()
        self.state.seconds += now - self._began
        self.state.cpu_seconds += cpu - self._cpu
        self._began, self._cpu = now, cpu

    def _save(self) -> None:
        self._clock()
        tensors = {f"weights.{name}": value.detach() for name, value in self.parameters.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        tensors["generator"] = torch.get_rng_state()
        for name, parameter in self.parameters.items():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{key}.{name}"] = value
        save_checkpoint(self.folder, self.state, self.binding, tensors)

    def _restore(self) -> None:
        self.state, tensors = load_checkpoint(self.folder, self.binding)
        self.state.resumes += 1
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(tensors[f"weights.{name}"])
                if f"best.{name}" in tensors:
                    self.best[name] = tensors[f"best.{name}"]
                moments = {
                    key: tensors[f"optimiser.{key}.{name}"]
                    for key in ("step", "exp_avg", "exp_avg_sq")
                    if f"optimiser.{key}.{name}" in tensors
                }
                if moments:
                    self.optimiser.state[parameter] = moments
        torch.set_rng_state(tensors["generator"])


def _out_of_memory(error: BaseException, batch_size: int) -> BaseException:
    text = str(error).lower()
    if (
        isinstance(error, MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
        or "not enough memory" in text
    ):
        return DatasigilError(
            "OUT_OF_MEMORY",
            "there is not enough memory for a step; the last checkpoint stands",
            expected="a smaller step",
            found=f"batchSize {batch_size}",
            next_action="lower training.batchSize or training.maxTokens in a new run",
        )
    return error


def example_list(
    train: TokenisedSplit, recipe: Recipe, steps: int, credential_digests: list[str], transform: str
) -> ExampleList:
    """Return which record each step consumed: a pure function of recipe and data, so that it can be had without training."""
    files = sorted({(example.record.dataset, example.record.path) for example in train.examples})
    numbers = {file: number for number, file in enumerate(files)}
    listed: list[tuple[tuple[int, int], ...]] = []
    epoch = 0
    while len(listed) < steps:
        for rows in epoch_batches(train, recipe.training, epoch)[: steps - len(listed)]:
            records = (train.examples[row].record for row in rows)
            listed.append(tuple((numbers[record.dataset, record.path], record.index) for record in records))
        epoch += 1
    return ExampleList(transform, tuple((credential_digests[dataset], path) for dataset, path in files), tuple(listed))


def parameter_counts(model: EncoderClassifier) -> tuple[int, int]:
    """Return (trainable, total) parameter counts."""
    sizes: list[tuple[int, Any]] = [(value.numel(), value.requires_grad) for value in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


__all__ = ["Trained", "Trainer", "example_list", "parameter_counts", "predict"]
