"""Where a classifier fails: worst slices, confusion, calibration, when to abstain, and what it gives away about its training rows.

Here: pure functions from scores to the receipt's `evaluation.failureModes`. Not here: running the model (`training`), headline scores
(`metrics`), what harm a failure does in the world: only people can say that, and the card asks them.

Calibration error: expected calibration error over ten bins of equal width (Guo et al. 2017, arXiv:1706.04599). Abstention: selective
classification (Geifman and El-Yaniv 2017, arXiv:1705.08500), the threshold chosen on validation, its effect shown on test. Membership:
the loss threshold of Yeom et al. 2018 (arXiv:1709.01604) as an area under the ROC curve; 0.5 tells an attacker nothing. Intervals are
Wilson's at 95 %.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training_worker.batches import TokenisedSplit
from training_worker.decimals import decimal_text
from training_worker.labels import LabelSchema
from training_worker.metrics import PLACES, Scores, Sets, decide, membership, score
from training_worker.splits import text_key

SLICE_MIN_ROWS = 5  # a slice of fewer rows says nothing
SLICES_SHOWN = 8
CALIBRATION_BINS = 10
ABSTENTION_TARGETS = (0.95, 0.99)  # shares of the rows that are answered which shall be right
PROBE_ROWS_MAX = 1_000  # training rows that are scored for the membership probe
SHINGLE_WORDS = 5
NEAR_DUPLICATE = 0.8  # Jaccard similarity of word shingles
WILSON_Z = 1.959963984540054

Figures = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """One split with what the model said about it; tables are rows by classes."""

    split: TokenisedSplit
    scores: Scores
    predicted: Sets
    actual: Sets

    @classmethod
    def of(cls, split: TokenisedSplit, scores: Scores, thresholds: Sequence[float], schema: LabelSchema) -> Judged:
        """Return a split with its decisions."""
        actual = membership([example.labels for example in split.examples], len(schema.names))
        return cls(split, scores, decide(scores, thresholds, schema), actual)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which rows have exactly the label set that was predicted."""
        return np.asarray((self.predicted == self.actual).all(axis=1), dtype=np.bool_)


def failure_modes(
    test: Judged,
    validation: Judged,
    thresholds: Sequence[float],
    schema: LabelSchema,
    train: TokenisedSplit,
    train_scores: Callable[[TokenisedSplit], Scores],
) -> dict[str, Any]:
    """Return the receipt's `failureModes`; `train_scores` runs the model on a sample of the training rows."""
    return {
        "worstSlices": worst_slices(test, schema),
        "confusion": confusion(test, schema),
        "calibration": calibration(test, schema),
        "abstention": abstention(validation, test, thresholds, schema),
        "leakage": leakage(test, train, schema, train_scores),
    }


# Slices -----------------------------------------------------------------------------------------------------------


def worst_slices(judged: Judged, schema: LabelSchema) -> list[dict[str, Any]]:
    """Return the slices with the largest share of wrong rows: by label, length, cut text, dataset and document."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    lengths = [len(tokens) for tokens in judged.split.tokens]
    edges = np.quantile(lengths, (0.25, 0.5, 0.75))
    datasets = {example.record.dataset for example in judged.split.examples}
    for row, example in enumerate(judged.split.examples):
        names = [schema.names[number] for number in example.labels] or [schema.none_label or "no label"]
        for name in names:
            groups["label", name].append(row)
        quarter = int(np.searchsorted(edges, lengths[row], side="left"))
        groups["length", f"quarter {quarter + 1} of 4 by tokens"].append(row)
        if example.record.document:
            groups["document", example.record.document].append(row)
        if len(datasets) > 1:
            groups["dataset", f"dataset {example.record.dataset + 1}"].append(row)
    right = judged.right
    found = [_slice(kind, name, right[rows]) for (kind, name), rows in groups.items() if len(rows) >= SLICE_MIN_ROWS]
    found.sort(key=lambda one: (-float(one["errorShare"]), -one["rows"], one["kind"], one["slice"]))
    return found[:SLICES_SHOWN]


def _slice(kind: str, name: str, right: NDArray[np.bool_]) -> dict[str, Any]:
    wrong = int((~right).sum())
    low, high = wilson(wrong, len(right))
    return {
        "kind": kind,
        "slice": name,
        "rows": len(right),
        "errorShare": decimal_text(wrong / len(right), PLACES),
        "low": decimal_text(low, PLACES),
        "high": decimal_text(high, PLACES),
    }


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); `rows` is at least 1."""
    share, square = hits / rows, WILSON_Z**2
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = WILSON_Z / (1 + square / rows) * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    return max(0.0, middle - half), min(1.0, middle + half)


# Confusion --------------------------------------------------------------------------------------------------------


def confusion(judged: Judged, schema: LabelSchema) -> list[dict[str, Any]]:
    """Return per class what was hit, missed and falsely said, and the class its rows were most often taken for."""
    names = list(schema.names)
    predicted, actual = judged.predicted, judged.actual
    if schema.none_label:
        names.append(schema.none_label)
        predicted = np.hstack([predicted, ~predicted.any(axis=1, keepdims=True)])
        actual = np.hstack([actual, ~actual.any(axis=1, keepdims=True)])
    rows = []
    for number, name in enumerate(names):
        missed = actual[:, number] & ~predicted[:, number]
        said = (predicted[missed] & ~actual[missed]).sum(axis=0) if missed.any() else np.zeros(len(names))
        mistaken = int(said.argmax()) if said.any() else -1
        rows.append(
            {
                "label": name,
                "hits": int((predicted[:, number] & actual[:, number]).sum()),
                "missed": int(missed.sum()),
                "falselySaid": int((predicted[:, number] & ~actual[:, number]).sum()),
                "mostlyTakenFor": names[mistaken] if mistaken >= 0 else "none other",
            }
        )
    return rows


# Calibration ------------------------------------------------------------------------------------------------------


def calibration(judged: Judged, schema: LabelSchema) -> dict[str, Any]:
    """Return the expected calibration error and its bins; empty bins are left out.

    Single-label: the largest probability against whether that class is right. Multi-label: every class's probability against whether
    the row has it.
    """
    if schema.multi:
        said, held = judged.scores.astype(np.float64).ravel(), judged.actual.ravel()
    else:
        said, held = judged.scores.max(axis=1).astype(np.float64), judged.right
    place = np.minimum((said * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins, error = [], 0.0
    for number in range(CALIBRATION_BINS):
        inside = place == number
        if not inside.any():
            continue
        mean, share = float(said[inside].mean()), float(held[inside].mean())
        error += abs(mean - share) * float(inside.mean())
        bins.append(
            {
                "from": decimal_text(number / CALIBRATION_BINS, 1),
                "said": decimal_text(mean, PLACES),
                "held": decimal_text(share, PLACES),
                "answers": int(inside.sum()),
            }
        )
    return {"expectedCalibrationError": decimal_text(error, PLACES), "bins": bins}


# Abstention -------------------------------------------------------------------------------------------------------


def confidence(scores: Scores, thresholds: Sequence[float], schema: LabelSchema) -> Figures:
    """Return how sure each row's answer is, 0 to 1: the largest probability, or the smallest distance from a threshold.

    A distance is a share of the way from the threshold to 0 or to 1, so that classes with different thresholds compare.
    """
    table = scores.astype(np.float64)
    if not schema.multi:
        return np.asarray(table.max(axis=1), dtype=np.float64)
    cuts = np.clip(np.asarray(thresholds, dtype=np.float64), 1e-6, 1 - 1e-6)
    distance = np.where(table >= cuts, (table - cuts) / (1 - cuts), (cuts - table) / cuts)
    return np.asarray(distance.min(axis=1), dtype=np.float64)


def abstention(
    validation: Judged, test: Judged, thresholds: Sequence[float], schema: LabelSchema
) -> list[dict[str, Any]]:
    """Return, for each target share of right answers, the lowest confidence that reached it on validation, and what it does on test."""
    sure = confidence(validation.scores, thresholds, schema)
    sure_test = confidence(test.scores, thresholds, schema)
    return [_abstain(target, sure, validation.right, sure_test, test.right) for target in ABSTENTION_TARGETS]


def _abstain(
    target: float, sure: Figures, right: NDArray[np.bool_], sure_test: Figures, right_test: NDArray[np.bool_]
) -> dict[str, Any]:
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Rows of equal confidence are answered together or not at all.
    last = np.append(sure[order][:-1] > sure[order][1:], [True])
    reached = np.flatnonzero((share >= target) & last)
    found: dict[str, Any] = {"target": decimal_text(target, 2), "reachedOnValidation": bool(len(reached))}
    if not len(reached):
        return found
    cut = math.floor(float(sure[order][reached[-1]]) * 10**PLACES) / 10**PLACES
    kept = sure_test >= cut
    found |= {
        "answerAtOrAbove": decimal_text(cut, PLACES),
        "answeredOnTest": decimal_text(float(kept.mean()), PLACES),
    }
    if kept.any():
        low, high = wilson(int(right_test[kept].sum()), int(kept.sum()))
        found |= {
            "rightOnTest": decimal_text(float(right_test[kept].mean()), PLACES),
            "low": decimal_text(low, PLACES),
            "high": decimal_text(high, PLACES),
        }
    return found


# Leakage ----------------------------------------------------------------------------------------------------------


def leakage(
    test: Judged, train: TokenisedSplit, schema: LabelSchema, train_scores: Callable[[TokenisedSplit], Scores]
) -> dict[str, Any]:
    """Return what test shares with train, the score without it, and how far the model's loss tells training rows from others."""
    known = {text_key(example.record.text) for example in train.examples}
    near = near_duplicates(
        [example.record.text for example in train.examples], [example.record.text for example in test.split.examples]
    )
    same = np.array([text_key(example.record.text) in known for example in test.split.examples], dtype=np.bool_)
    fresh = ~(same | near)
    found: dict[str, Any] = {
        "testRowsAlsoInTrain": int(same.sum()),
        "testRowsNearlyInTrain": int((near & ~same).sum()),
        "nearDuplicateSimilarity": decimal_text(NEAR_DUPLICATE, 2),
    }
    if fresh.any():
        result = score(test.predicted[fresh], test.actual[fresh], schema)
        found |= {"macroF1WithoutThem": decimal_text(result.macro_f1, PLACES), "rowsWithoutThem": int(fresh.sum())}
    sample = _sample(train)
    inside = losses(train_scores(sample), [example.labels for example in sample.examples], schema)
    outside = losses(test.scores, [example.labels for example in test.split.examples], schema)
    found |= {
        "membershipAuc": decimal_text(auc(-inside, -outside), PLACES),
        "membershipRows": len(sample.examples) + len(test.split.examples),
        "meanLossTrain": decimal_text(float(inside.mean()), PLACES),
        "meanLossTest": decimal_text(float(outside.mean()), PLACES),
    }
    return found


def _sample(train: TokenisedSplit) -> TokenisedSplit:
    """Return at most PROBE_ROWS_MAX training rows, drawn by a fixed seed."""
    if len(train.examples) <= PROBE_ROWS_MAX:
        return train
    rows = sorted(
        random.Random("datasigil/probe/v1").sample(range(len(train.examples)), PROBE_ROWS_MAX)  # noqa: S311 - a sample, no secret
    )
    return TokenisedSplit(tuple(train.examples[row] for row in rows), tuple(train.tokens[row] for row in rows), 0)


def losses(scores: Scores, labels: Sequence[tuple[int, ...]], schema: LabelSchema) -> Figures:
    """Return each row's cross entropy, summed over classes in a multi-label task."""
    actual = membership(labels, len(schema.names))
    said = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    if schema.multi:
        return np.asarray(-(np.where(actual, np.log(said), np.log1p(-said))).sum(axis=1))
    return np.asarray(-(np.where(actual, np.log(said), 0.0)).sum(axis=1))


def auc(members: Figures, others: Figures) -> float:
    """Return the chance that a member's figure is above another row's, ties half; both hold at least one row."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, side="left")
    upto = np.searchsorted(ordered, members, side="right")
    return float((below + (upto - below) / 2).mean() / len(others))


def near_duplicates(known: Sequence[str], asked: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of `asked` share at least NEAR_DUPLICATE of their word shingles with one text of `known`."""
    index: dict[int, list[int]] = defaultdict(list)
    sizes = []
    for number, text in enumerate(known):
        pieces = _shingles(text)
        sizes.append(len(pieces))
        for piece in pieces:
            index[piece].append(number)
    return np.array([_is_near(_shingles(text), index, sizes) for text in asked], dtype=np.bool_)


def _is_near(pieces: frozenset[int], index: dict[int, list[int]], sizes: Sequence[int]) -> bool:
    shared = Counter(number for piece in pieces for number in index.get(piece, ()))
    return any(count / (len(pieces) + sizes[number] - count) >= NEAR_DUPLICATE for number, count in shared.items())


def _shingles(text: str) -> frozenset[int]:
    words = text_key(text).split(" ")
    width = min(SHINGLE_WORDS, len(words))
    return frozenset(hash(tuple(words[start : start + width])) for start in range(len(words) - width + 1))


__all__ = [
    "Judged",
    "abstention",
    "auc",
    "calibration",
    "confidence",
    "confusion",
    "failure_modes",
    "leakage",
    "losses",
    "near_duplicates",
    "wilson",
    "worst_slices",
]
