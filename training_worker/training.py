"""Training a classifier: its batches, loss, class weights, thresholds and validation.

Here: one optimisation run on tokens that the gate let through, and the list of what it consumed. Not here: the loop
(`training_loop`), the gate (`gate`), what is written at the end (`run`). Imported only after the gate has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from datasigil.models.examples import ExampleList
from training_worker.batches import TokenisedSplit, epoch_batches
from training_worker.checkpoint import TrainingState
from training_worker.classifier import EncoderClassifier
from training_worker.decimals import decimal_text
from training_worker.labels import Example, LabelSchema
from training_worker.metrics import Result, Scores, decide, membership, score, tune_thresholds
from training_worker.recipe import Recipe
from training_worker.recipe_sections import Training
from training_worker.splits import text_key
from training_worker.training_loop import Loop

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
    device = next(model.parameters()).device
    scores = np.zeros((len(split.tokens), len(schema.names)), dtype=np.float32)
    rows = sorted(range(len(split.tokens)), key=lambda row: (len(split.tokens[row]), row))
    with torch.inference_mode():
        for start in range(0, len(rows), EVALUATION_ROWS):
            part = rows[start : start + EVALUATION_ROWS]
            ids, mask, _ = tensors_of(split, part, len(schema.names))
            logits = model(ids.to(device), mask.to(device)).double().cpu()
            scores[part] = (torch.sigmoid(logits) if schema.multi else torch.softmax(logits, dim=-1)).float().numpy()
    model.train()
    return scores


def autocast(settings: Training, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which products are taken in the precision that a recipe asks for."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=settings.precision == "bfloat16")


def group_of(example: Example) -> str:
    """Return what is held out together when thresholds are tuned: the document, or the text where no document is named."""
    record = example.record
    return f"{record.dataset} {record.document}" if record.document else text_key(record.text)


class Trainer(Loop):
    """One run of a classifier."""

    def __init__(
        self,
        model: EncoderClassifier,
        recipe: Recipe,
        schema: LabelSchema,
        train: TokenisedSplit,
        validation: TokenisedSplit,
        **how: Any,
    ) -> None:
        self.model, self.schema = model, schema
        self.train_split, self.validation = train, validation
        self.actual = membership([example.labels for example in validation.examples], len(schema.names))
        self.groups = [group_of(example) for example in validation.examples]
        super().__init__(recipe, model.trained(), **how)
        self.loss = self._loss()

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the rows of every step."""
        return epoch_batches(self.train_split, self.settings, epoch, self.recipe.weights)

    def gradients(self, batch: list[int]) -> float:
        """Add the gradients of one batch, of this process's share of it where there are several."""
        rows = self.ranks.share(batch)
        if not rows:
            return 0.0
        ids, mask, targets = (one.to(self.device) for one in tensors_of(self.train_split, rows, len(self.schema.names)))
        with autocast(self.settings, self.device):
            logits = self.model(ids, mask)
        loss = self.loss(logits.float(), targets) * (len(rows) / len(batch))
        value = self.finite(float(loss.detach()))
        loss.backward()  # type: ignore[no-untyped-call]
        return value

    def tokens_in(self, batch: list[int]) -> int:
        """Return the tokens of a batch with its padding."""
        return len(batch) * max(len(self.train_split.tokens[row]) for row in batch)

    def judge(self) -> tuple[float, dict[str, str], str]:
        """Score the validation rows at their own best thresholds."""
        scores = predict(self.model, self.validation, self.schema)
        result = score(decide(scores, self._thresholds(scores), self.schema), self.actual, self.schema)
        value = result.macro_f1 if self.recipe.evaluation.select_by == "macro-f1" else result.micro_f1
        figures = {
            "validationMicroF1": decimal_text(result.micro_f1, 6),
            "validationMacroF1": decimal_text(result.macro_f1, 6),
        }
        return value, figures, f"micro-F1 {result.micro_f1:.3f}, macro-F1 {result.macro_f1:.3f}"

    def run(self, *, resume: bool) -> Trained:
        """Train to the end, or to the user's stop.

        Raises: as `Loop.train`.
        """
        self.model.train()
        stopped = self.train(resume=resume)
        scores = predict(self.model, self.validation, self.schema)
        thresholds = self._thresholds(scores)
        result = score(decide(scores, thresholds, self.schema), self.actual, self.schema)
        self._clock()
        return Trained(self.model, tuple(thresholds), self.state, self.steps, stopped, result)

    def _loss(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        weights = self._class_weights()
        if self.schema.multi:
            positive = torch.full((len(self.schema.names),), self.settings.positive_weight) * weights
            return nn.BCEWithLogitsLoss(pos_weight=positive.to(self.device))
        entropy = nn.CrossEntropyLoss(weight=weights.to(self.device))
        return lambda logits, targets: entropy(logits, targets.argmax(dim=-1))

    def _class_weights(self) -> torch.Tensor:
        """Return one weight per class; balanced: inverse to the training rows, mean 1 before the bound of 10."""
        if self.settings.class_weights == "none":
            return torch.ones(len(self.schema.names))
        counts = np.maximum(
            membership([example.labels for example in self.train_split.examples], len(self.schema.names)).sum(axis=0), 1
        )
        weights = counts.sum() / (len(counts) * counts)
        return torch.tensor(np.minimum(weights, BALANCED_WEIGHT_MAX), dtype=torch.float32)

    def _thresholds(self, scores: Scores) -> list[float]:
        if self.schema.multi and self.recipe.evaluation.thresholds == "tuned":
            return tune_thresholds(scores, self.actual, self.groups, self.schema)
        return [0.5] * len(self.schema.names)


def example_list(
    train: TokenisedSplit, recipe: Recipe, steps: int, credential_digests: list[str], transform: str
) -> ExampleList:
    """Return which record each step consumed: a pure function of recipe and data, so that it can be had without training."""
    files = sorted({(example.record.dataset, example.record.path) for example in train.examples})
    numbers = {file: number for number, file in enumerate(files)}
    listed: list[tuple[tuple[int, int], ...]] = []
    epoch = 0
    while len(listed) < steps:
        for rows in epoch_batches(train, recipe.training, epoch, recipe.weights)[: steps - len(listed)]:
            records = (train.examples[row].record for row in rows)
            listed.append(tuple((numbers[record.dataset, record.path], record.index) for record in records))
        epoch += 1
    return ExampleList(transform, tuple((credential_digests[dataset], path) for dataset, path in files), tuple(listed))


def parameter_counts(model: EncoderClassifier) -> tuple[int, int]:
    """Return (trainable, total) parameter counts."""
    sizes: list[tuple[int, Any]] = [(value.numel(), value.requires_grad) for value in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


__all__ = ["Trained", "Trainer", "example_list", "parameter_counts", "predict"]
