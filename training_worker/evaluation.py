"""Evaluating a classifier on a split, beside the majority baseline.

Here: figures for receipts and the table people read. Not here: the metrics (`metrics`), tuning (`training`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training_worker.batches import TokenisedSplit
from training_worker.labels import LabelSchema
from training_worker.metrics import Result, Scores, decide, majority_labels, majority_result, membership, score


def evaluate(
    scores: Scores,
    split: TokenisedSplit,
    train_labels: Sequence[tuple[int, ...]],
    thresholds: Sequence[float],
    schema: LabelSchema,
) -> tuple[Result, Result]:
    """Return (model, majority baseline) on one split."""
    actual = membership([example.labels for example in split.examples], len(schema.names))
    return score(decide(scores, thresholds, schema), actual, schema), majority_result(train_labels, actual, schema)


def evaluation_document(
    model: Result, majority: Result, train_labels: Sequence[tuple[int, ...]], schema: LabelSchema, rows: int
) -> dict[str, Any]:
    """Return one split's evaluation as it stands in receipts."""
    answer = [schema.names[number] for number in majority_labels(train_labels)]
    return {
        "rows": rows,
        "model": model.document(),
        "majority": {**majority.document(), "answer": answer or [schema.none_label or "no label"]},
    }


def evaluation_table(model: Result, majority: Result, heading: str) -> str:
    """Return the figures as text: model beside majority baseline, then every class."""
    rows = [
        heading,
        f"  {'':34}{'model':>9}{'majority':>10}",
        f"  {'micro-F1':34}{model.micro_f1:9.3f}{majority.micro_f1:10.3f}",
        f"  {'macro-F1':34}{model.macro_f1:9.3f}{majority.macro_f1:10.3f}",
    ]
    if (model.labels_macro_f1, model.labels_micro_f1) != (model.macro_f1, model.micro_f1):
        rows.append(f"  {'micro-F1, labels only':34}{model.labels_micro_f1:9.3f}{majority.labels_micro_f1:10.3f}")
        rows.append(f"  {'macro-F1, labels only':34}{model.labels_macro_f1:9.3f}{majority.labels_macro_f1:10.3f}")
    rows.append(f"  {'class':34}{'F1':>9}{'precision':>10}{'recall':>8}{'rows':>7}")
    rows += [
        f"  {_short(one.name):34}{one.f1:9.3f}{one.precision:10.3f}{one.recall:8.3f}{one.rows:7d}"
        for one in model.classes
    ]
    return "\n".join(rows)


def _short(name: str) -> str:
    text = "".join(character if character.isprintable() else "?" for character in name)
    return text if len(text) <= 33 else text[:32] + "…"


__all__ = ["evaluate", "evaluation_document", "evaluation_table"]
