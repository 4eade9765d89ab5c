"""Tokens and batches: what the model sees, in an order that seed and epoch alone decide.

Here: tokenising with truncation counted, the digest of the tokenised set, and the batch plan of an epoch. Not here:
tensors and the optimiser (`training`).

Rows are shuffled, then sorted by length within buckets of a few batches (little padding), then the batches are shuffled. The
generator is `random.Random` seeded with text: Mersenne Twister with SHA-512 seeding, stable across platforms.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasigil.canonical import document_digest, jcs
from datasigil.errors import DatasigilError
from training_worker.labels import Example
from training_worker.limits import BUCKET_BATCHES, RECORD_MAX_BYTES
from training_worker.recipe_sections import Training

_TOKENISE_ROWS = 1_000  # rows handed to the tokenizer together


@dataclass(frozen=True, slots=True)
class TokenisedSplit:
    """A split as token ids; `truncated` rows lost their end, `dropped` tokens in all, to `maxTokens`."""

    examples: tuple[Example, ...]
    tokens: tuple[tuple[int, ...], ...]
    truncated: int
    dropped: int = 0
    masks: tuple[bytes, ...] = ()  # causal-lm: 1 for every token that is learned
    left_out: int = 0  # causal-lm: rows of which nothing would be learned

    @property
    def token_count(self) -> int:
        """Tokens over all rows, special ones included."""
        return sum(map(len, self.tokens))

    @property
    def digest(self) -> str:
        """SHA-256 over every row's token ids and labels, and mask where there is one, in order."""
        whole = hashlib.sha256(b"datasigil/tokens/v1\0")
        for number, (example, tokens) in enumerate(zip(self.examples, self.tokens, strict=True)):
            learned = [self.masks[number].hex()] if self.masks else []
            whole.update(jcs([list(tokens), list(example.labels), *learned]) + b"\n")
        return whole.hexdigest()


def transform_digest(tokenizer_digest: str, max_tokens: int, labels: Sequence[str]) -> str:
    """Return the digest of everything that turns a record into model input."""
    return document_digest(
        {
            "type": "TextTransform",
            "formatVersion": 1,
            "tokenizerDigest": tokenizer_digest,
            "maxTokens": max_tokens,
            "truncation": "right, special tokens kept",
            "labels": list(labels),
        }
    )


def tokenise(tokenizer: Any, examples: Sequence[Example], max_tokens: int) -> TokenisedSplit:
    """Return a split's tokens, each row cut to `max_tokens` with its first and last special token kept.

    Raises:
        DatasigilError: NO_TOKENS, for a text of which the tokenizer leaves nothing.
    """
    rows: list[tuple[int, ...]] = []
    truncated = dropped = 0
    for start in range(0, len(examples), _TOKENISE_ROWS):
        part = examples[start : start + _TOKENISE_ROWS]
        # A text far longer than any limit is cut first, or one record could cost gigabytes of tokens.
        texts = [example.record.text[:RECORD_MAX_BYTES] for example in part]
        for example, encoding in zip(part, tokenizer.encode_batch(texts), strict=True):
            ids = encoding.ids
            if all(encoding.special_tokens_mask):
                raise DatasigilError(
                    "NO_TOKENS",
                    "the tokenizer leaves nothing of a text",
                    place=f"{example.record.path} record {example.record.index + 1}",
                    found=repr(example.record.text)[:60],
                )
            if len(ids) > max_tokens:
                truncated, dropped = truncated + 1, dropped + len(ids) - max_tokens
                ids = [*ids[: max_tokens - 1], ids[-1]]
            rows.append(tuple(ids))
    return TokenisedSplit(tuple(examples), tuple(rows), truncated, dropped)


def _generator(purpose: str, training: Training, epoch: int) -> random.Random:
    # Repeatable is the point here; nothing secret depends on it.
    return random.Random(f"datasigil/{purpose}/v1 {training.seed} {epoch}")  # noqa: S311 - see above


def weighted_rows(split: TokenisedSplit, weights: Sequence[float], draw: random.Random) -> list[int]:
    """Return every row as often as the weight of its dataset says; the fraction of a weight is drawn."""
    if all(weight == 1 for weight in weights):
        return list(range(len(split.tokens)))
    rows: list[int] = []
    for dataset, weight in enumerate(weights):
        own = [row for row, example in enumerate(split.examples) if example.record.dataset == dataset]
        rows += own * int(weight) + draw.sample(own, round(len(own) * (weight % 1)))
    return sorted(rows)


def epoch_rows(split: TokenisedSplit, training: Training, epoch: int, weights: Sequence[float] = ()) -> list[int]:
    """Return the rows of one epoch in shuffled order: all, or all labelled ones and a fresh draw of the others.

    `weights` are the datasets' in the order of the recipe; none: each row once.
    """
    draw = _generator("epoch", training, epoch)
    rows = weighted_rows(split, weights, draw)
    if training.unlabelled_per_labelled is not None:
        labelled = [row for row in rows if split.examples[row].labels]
        others = [row for row in rows if not split.examples[row].labels]
        wanted = min(len(others), round(len(labelled) * training.unlabelled_per_labelled))
        rows = labelled + draw.sample(others, wanted)
    draw.shuffle(rows)
    return rows


def epoch_batches(
    split: TokenisedSplit, training: Training, epoch: int, weights: Sequence[float] = ()
) -> list[list[int]]:
    """Return the batches of one epoch as row numbers."""
    rows = epoch_rows(split, training, epoch, weights)
    bucket = training.batch_size * BUCKET_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(rows), bucket):
        near = sorted(rows[start : start + bucket], key=lambda row: (len(split.tokens[row]), row))
        batches += [near[at : at + training.batch_size] for at in range(0, len(near), training.batch_size)]
    _generator("batches", training, epoch).shuffle(batches)
    return batches


def steps_per_epoch(split: TokenisedSplit, training: Training, weights: Sequence[float] = ()) -> int:
    """Return the number of optimisation steps of every epoch."""
    return len(epoch_batches(split, training, 0, weights))


__all__ = [
    "TokenisedSplit",
    "epoch_batches",
    "epoch_rows",
    "steps_per_epoch",
    "tokenise",
    "transform_digest",
    "weighted_rows",
]
