"""Training a causal language model: sequences, the loss of learned tokens, validation by perplexity.

Here: tensors of rows and of packed rows, the mean loss over a step's learned tokens however they are divided into batches and processes, and
the list of what was consumed. Not here: the loop (`training_loop`), which rows form a sequence (`packing`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from datasigil.models.examples import ExampleList
from training_worker.batches import TokenisedSplit
from training_worker.checkpoint import TrainingState
from training_worker.decimals import decimal_text
from training_worker.language_model import trained_parameters
from training_worker.packing import Step, epoch_steps
from training_worker.recipe import Recipe
from training_worker.training import autocast
from training_worker.training_loop import Loop

PERPLEXITY_MAX = 1e12  # what a figure says of a loss above 27


@dataclass(frozen=True, slots=True)
class LanguageTrained:
    """The outcome of a run: the model holds its best weights."""

    model: Any
    state: TrainingState
    steps_planned: int
    stopped: str


@dataclass(frozen=True, slots=True)
class LanguageScore:
    """Mean loss per learned token of a split, in nats."""

    loss: float
    tokens: int

    @property
    def perplexity(self) -> float:
        """The exponential of the loss."""
        return min(math.exp(min(self.loss, 700.0)), PERPLEXITY_MAX)

    def document(self) -> dict[str, str]:
        """Return the figures as they stand in receipts."""
        return {"loss": decimal_text(self.loss, 6), "perplexity": decimal_text(self.perplexity, 4)}


def tensors_of(split: TokenisedSplit, sequences: Step, device: torch.device) -> dict[str, torch.Tensor]:
    """Return ids, attention, positions and labels of some sequences; -100 is not learned (torch's own mark).

    Rows that share a sequence do not attend to each other, and the position of each begins at 0.
    """
    width = max(sum(len(split.tokens[row]) for row in rows) for rows in sequences)
    shape = (len(sequences), width)
    ids, positions, segments = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    labels = torch.full(shape, -100, dtype=torch.long)
    for line, rows in enumerate(sequences):
        at = 0
        for number, row in enumerate(rows):
            tokens = torch.tensor(split.tokens[row], dtype=torch.long)
            here = slice(at, at + len(tokens))
            ids[line, here], segments[line, here] = tokens, number + 1
            positions[line, here] = torch.arange(len(tokens))
            learned = torch.tensor(list(split.masks[row]), dtype=torch.bool)
            labels[line, here] = torch.where(learned, tokens, -100)
            at += len(tokens)
    found = {"input_ids": ids, "position_ids": positions, "labels": labels}
    if all(len(rows) == 1 for rows in sequences):
        found["attention_mask"] = (segments > 0).long()
    else:
        same = segments[:, None, :, None] == segments[:, None, None, :]
        seen = same & torch.ones(width, width, dtype=torch.bool).tril()
        found["attention_mask"] = torch.where(seen, 0.0, torch.finfo(torch.float32).min)
    return {name: value.to(device) for name, value in found.items()}


def loss_sum(model: Any, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the summed loss of the learned tokens."""
    labels = tensors["labels"]
    inputs = {name: value for name, value in tensors.items() if name != "labels"}
    if inputs["attention_mask"].is_floating_point():
        inputs["attention_mask"] = inputs["attention_mask"].to(next(model.parameters()).dtype)
    logits = model(**inputs).logits[:, :-1].float()
    return nn.functional.cross_entropy(
        logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum"
    )


def learned(split: TokenisedSplit, sequences: Step) -> int:
    """Return the learned tokens of some sequences."""
    return sum(sum(split.masks[row]) for rows in sequences for row in rows)


def score_language(model: Any, split: TokenisedSplit, recipe: Recipe) -> LanguageScore:
    """Return the loss of a split; draws nothing from the random generator."""
    model.eval()
    device = next(model.parameters()).device
    order = sorted(range(len(split.tokens)), key=lambda row: (len(split.tokens[row]), row))
    size, total = recipe.training.batch_size, 0.0
    with torch.inference_mode(), autocast(recipe.training, device):
        for start in range(0, len(order), size):
            rows = [[row] for row in order[start : start + size]]
            total += float(loss_sum(model, tensors_of(split, rows, device)).double())
    model.train()
    count = learned(split, [order])
    return LanguageScore(total / count, count)


class LanguageTrainer(Loop):
    """One run of a causal language model."""

    def __init__(
        self, model: Any, recipe: Recipe, train: TokenisedSplit, validation: TokenisedSplit, **how: Any
    ) -> None:
        self.model, self.train_split, self.validation = model, train, validation
        super().__init__(recipe, trained_parameters(model), **how)

    def batches(self, epoch: int) -> Sequence[Step]:
        """Return the sequences of every step."""
        return epoch_steps(self.train_split, self.settings, epoch, self.recipe.weights)

    def tokens_in(self, batch: Step) -> int:
        """Return the tokens of a step with its padding."""
        size = self.settings.batch_size
        lengths = [sum(len(self.train_split.tokens[row]) for row in rows) for rows in batch]
        return sum(len(part) * max(part) for part in (lengths[at : at + size] for at in range(0, len(lengths), size)))

    def gradients(self, batch: Step) -> float:
        """Add the gradients of a step: its batches, of this process, weighed by their learned tokens."""
        sequences, total, value = self.ranks.share(batch), learned(self.train_split, batch), 0.0
        for start in range(0, len(sequences), self.settings.batch_size):
            part = sequences[start : start + self.settings.batch_size]
            with autocast(self.settings, self.device):
                loss = loss_sum(self.model, tensors_of(self.train_split, part, self.device)) / total
            value += self.finite(float(loss.detach()))
            loss.backward()  # type: ignore[no-untyped-call]
        return value

    def judge(self) -> tuple[float, dict[str, str], str]:
        """Score the validation rows; better is a smaller loss."""
        found = score_language(self.model, self.validation, self.recipe)
        figures = {"validationLoss": decimal_text(self.finite(found.loss), 6)}
        return math.exp(-found.loss), figures, f"loss {found.loss:.4f}, perplexity {found.perplexity:.2f}"

    def run(self, *, resume: bool) -> LanguageTrained:
        """Train to the end, or to the user's stop.

        Raises: as `Loop.train`.
        """
        self.model.train()
        stopped = self.train(resume=resume)
        return LanguageTrained(self.model, self.state, self.steps, stopped)


def language_examples(
    train: TokenisedSplit, recipe: Recipe, steps: int, credential_digests: list[str], transform: str
) -> ExampleList:
    """Return which record each step consumed: a pure function of recipe and data."""
    files = sorted({(example.record.dataset, example.record.path) for example in train.examples})
    numbers = {file: number for number, file in enumerate(files)}
    listed: list[tuple[tuple[int, int], ...]] = []
    epoch = 0
    while len(listed) < steps:
        for step in epoch_steps(train, recipe.training, epoch, recipe.weights)[: steps - len(listed)]:
            records = (train.examples[row].record for rows in step for row in rows)
            listed.append(tuple((numbers[record.dataset, record.path], record.index) for record in records))
        epoch += 1
    return ExampleList(transform, tuple((credential_digests[dataset], path) for dataset, path in files), tuple(listed))


__all__ = [
    "LanguageScore",
    "LanguageTrained",
    "LanguageTrainer",
    "language_examples",
    "learned",
    "loss_sum",
    "score_language",
    "tensors_of",
]
