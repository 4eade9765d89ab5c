"""Scores: micro, macro and per-class F1, the LexGLUE metric, the majority baseline, thresholds tuned on validation.

Here: pure functions on label sets and score arrays. Not here: running a model (`evaluation`), which split is which.

F1 = 2TP / (2TP + FP + FN), 0 where a class is neither present nor predicted (scikit-learn's `zero_division=0`). With a
`none_label`, "no label" is one more class: LexGLUE's metric for UNFAIR-ToS (Chalkidis et al. 2022, ACL 2022.acl-long.297);
the figures over the real labels alone are reported beside it and never mixed with it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training_worker.decimals import decimal_text
from training_worker.labels import LabelSchema

Scores = NDArray[np.float32]  # probabilities, rows by classes
Sets = NDArray[np.bool_]  # membership, rows by classes

PLACES = 6  # decimal places of a reported figure
THRESHOLD_CANDIDATES = 400  # highest cut points per class that tuning looks at
SHRINKAGES = (0.0, 0.25, 0.5, 0.75, 1.0)  # shares of a tuned cut's logit: 0 keeps 0.5, 1 believes the tuning
FOLDS = 5


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: F1, precision, recall, and how many rows have it."""

    name: str
    f1: float
    precision: float
    recall: float
    rows: int

    def document(self) -> dict[str, Any]:
        """Return the score as it stands in receipts."""
        return {
            "label": self.name,
            "f1": decimal_text(self.f1, PLACES),
            "precision": decimal_text(self.precision, PLACES),
            "recall": decimal_text(self.recall, PLACES),
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """One evaluation; `labels_*` leave the `none_label` out and equal the others where there is none."""

    micro_f1: float
    macro_f1: float
    labels_micro_f1: float
    labels_macro_f1: float
    classes: tuple[ClassScore, ...]

    def document(self) -> dict[str, Any]:
        """Return the result as it stands in receipts."""
        return {
            "microF1": decimal_text(self.micro_f1, PLACES),
            "macroF1": decimal_text(self.macro_f1, PLACES),
            "labelsOnlyMicroF1": decimal_text(self.labels_micro_f1, PLACES),
            "labelsOnlyMacroF1": decimal_text(self.labels_macro_f1, PLACES),
            "perClass": [score.document() for score in self.classes],
        }


def membership(labels: Sequence[tuple[int, ...]], classes: int) -> Sets:
    """Return label sets as a boolean table."""
    table = np.zeros((len(labels), classes), dtype=np.bool_)
    for row, numbers in enumerate(labels):
        table[row, list(numbers)] = True
    return table


def score(predicted: Sets, actual: Sets, schema: LabelSchema) -> Result:
    """Return all figures for one split; both tables are rows by the schema's classes, at least one row."""
    names = list(schema.names)
    labels = _counts(predicted, actual)
    if schema.none_label:
        names.append(schema.none_label)
        predicted = np.hstack([predicted, ~predicted.any(axis=1, keepdims=True)])
        actual = np.hstack([actual, ~actual.any(axis=1, keepdims=True)])
    every = _counts(predicted, actual)
    classes = tuple(
        ClassScore(name, *_figures(*counts), int(rows))
        for name, counts, rows in zip(names, zip(*every, strict=True), actual.sum(axis=0), strict=True)
    )
    return Result(*_micro_macro(every), *_micro_macro(labels), classes)


def _counts(predicted: Sets, actual: Sets) -> tuple[list[int], list[int], list[int]]:
    hits = (predicted & actual).sum(axis=0)
    false = (predicted & ~actual).sum(axis=0)
    missed = (~predicted & actual).sum(axis=0)
    return hits.tolist(), false.tolist(), missed.tolist()


def _figures(hits: int, false: int, missed: int) -> tuple[float, float, float]:
    """Return (F1, precision, recall)."""
    return (
        2 * hits / (2 * hits + false + missed) if hits else 0.0,
        hits / (hits + false) if hits else 0.0,
        hits / (hits + missed) if hits else 0.0,
    )


def _micro_macro(counts: tuple[list[int], list[int], list[int]]) -> tuple[float, float]:
    micro = _figures(*(sum(column) for column in counts))[0]
    each = [_figures(*column)[0] for column in zip(*counts, strict=True)]
    return micro, sum(each) / len(each)


def decide(scores: Scores, thresholds: Sequence[float], schema: LabelSchema) -> Sets:
    """Turn probabilities into label sets: at or above the threshold, or the largest in a single-label task."""
    if schema.multi:
        return np.asarray(scores >= np.asarray(thresholds, dtype=np.float32), dtype=np.bool_)
    chosen = np.zeros(scores.shape, dtype=np.bool_)
    chosen[np.arange(len(scores)), scores.argmax(axis=1)] = True
    return chosen


def tune_thresholds(scores: Scores, actual: Sets, groups: Sequence[str], schema: LabelSchema) -> list[float]:
    """Return one threshold per class, tuned on these scores: pass validation scores only.

    Each class's best cut is drawn back towards 0.5 by the share that did best on groups (documents) held out of the tuning: a
    few positive rows say little about where a cut belongs, and cross-validation shows how little.
    """
    folds = _folds(groups)
    best = max(SHRINKAGES, key=lambda share: (_held_out(scores, actual, folds, share, schema), -share))
    return [_drawn_back(cut, best) for cut in best_cuts(scores, actual)]


def _folds(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return the fold of every row: whole groups by a hash of their name, or single rows where there are few groups."""
    names = sorted(set(groups), key=lambda name: sha256(name.encode("utf-8")).digest())
    if len(names) < FOLDS:
        return np.arange(len(groups)) % FOLDS
    place = {name: number % FOLDS for number, name in enumerate(names)}
    return np.array([place[name] for name in groups])


def _held_out(scores: Scores, actual: Sets, folds: NDArray[np.int64], share: float, schema: LabelSchema) -> float:
    predicted = np.zeros_like(actual)
    for fold in range(FOLDS):
        held = folds == fold
        cuts = [_drawn_back(cut, share) for cut in best_cuts(scores[~held], actual[~held])]
        predicted[held] = decide(scores[held], cuts, schema)
    return score(predicted, actual, schema).macro_f1


def _drawn_back(cut: float, share: float) -> float:
    """Return the probability whose logit is `share` times that of `cut`."""
    odds = math.pow(cut / (1 - cut), share)
    return round(odds / (1 + odds), PLACES)


def best_cuts(scores: Scores, actual: Sets) -> list[float]:
    """Return for each class the cut with the best F1 on these scores; 0.5 where the class has no row here.

    A cut lies in the middle between two neighbouring scores, at least 1e-6 from 0 and 1; of equal ones the nearest to 0.5 is
    taken.
    """
    return [_best_cut(scores[:, number], actual[:, number]) for number in range(scores.shape[1])]


def _best_cut(scores: NDArray[np.float32], actual: NDArray[np.bool_]) -> float:
    if not actual.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    hits = np.cumsum(actual[order])
    taken = np.arange(1, len(ranked) + 1)
    f1 = 2 * hits / (taken + actual.sum())
    # Only places where the score really falls are cuts.
    edges = np.flatnonzero(ranked[:-1] - ranked[1:] > 2 * 10.0**-PLACES)[:THRESHOLD_CANDIDATES]
    if not len(edges):
        return 0.5
    best = f1[edges].max()
    cuts = (ranked[edges] + ranked[edges + 1]) / 2
    equal = cuts[f1[edges] >= best - 1e-12]
    lowest = 10.0**-PLACES
    return min(max(float(equal[np.argmin(np.abs(equal - 0.5))]), lowest), 1 - lowest)


def majority_labels(train: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the most frequent label set of the training rows; of equally frequent ones the smallest."""
    counts = Counter(train)
    return min(counts, key=lambda labels: (-counts[labels], labels))


def majority_result(train: Sequence[tuple[int, ...]], actual: Sets, schema: LabelSchema) -> Result:
    """Return the score of always answering with the training rows' most frequent label set."""
    answer = majority_labels(train)
    return score(membership([answer] * len(actual), len(schema.names)), actual, schema)


__all__ = [
    "ClassScore",
    "Result",
    "Scores",
    "Sets",
    "best_cuts",
    "decide",
    "majority_labels",
    "majority_result",
    "membership",
    "score",
    "tune_thresholds",
]
