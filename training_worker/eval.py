"""`datasigil-train eval`: a finished run judged on the test split of a recipe, through the gate.

Here: the order of the steps. Not here: the metrics (`metrics`), the table (`evaluation`). The data may be another than the run was
trained on; the labels may not.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.report.terminal import Console
from training_worker.base_model import TOKENIZER, find_base_model, load_tokenizer, snapshot_base_model
from training_worker.evaluation import evaluate, evaluation_document, evaluation_table
from training_worker.finished import read_classifier, read_run
from training_worker.gate import GateSettings, passed_gate
from training_worker.gate_settings import gate_settings
from training_worker.preparation import divide_files, tokenise_all
from training_worker.recipe import Recipe, read_recipe


def run(given: Namespace, console: Console) -> int:
    """Evaluate a run folder and show the figures beside the majority baseline."""
    path = Path(given.recipe)
    document, table = evaluate_run(
        Path(given.run_folder), read_recipe(path), path.resolve().parent, gate_settings(given)
    )
    console.result(document, table + "\n")
    return 0


def evaluate_run(run_folder: Path, recipe: Recipe, folder: Path, settings: GateSettings) -> tuple[dict[str, Any], str]:
    """Return one split's evaluation as JSON and as a table; `folder` is what the recipe's paths are relative to.

    Raises:
        Refused: by the gate.
        ManifestMismatchError: RUN_CHANGED, OTHER_BASE.
        DatasigilError: OTHER_LABELS, and the codes of reading the data.
    """
    receipt = read_run(run_folder)
    classifier = read_classifier(run_folder)
    if [label.name for label in recipe.task.labels] != classifier["labels"]:
        raise DatasigilError(
            "OTHER_LABELS",
            "the recipe has other labels than the run",
            place="task.labels",
            expected=", ".join(classifier["labels"])[:300],
            found=", ".join(label.name for label in recipe.task.labels)[:300],
        )
    with tempfile.TemporaryDirectory(prefix="datasigil-eval-") as work, passed_gate(recipe, folder, settings) as gate:
        divided = divide_files(recipe, [dataset.files for dataset in gate.datasets])
        base = find_base_model(recipe.base, folder)
        if base.manifest.digest != classifier["base"]["manifestDigest"]:
            raise ManifestMismatchError(
                "OTHER_BASE",
                "the run adapted another base model",
                expected=classifier["base"]["manifestDigest"],
                found=base.manifest.digest,
            )
        root = snapshot_base_model(base, Path(work) / "base-model")
        prepared = tokenise_all(recipe, divided, load_tokenizer(root), base.digest_of(TOKENIZER))
        # The first import of torch: the gate has passed.
        from training_worker.classifier import build_classifier, load_trained
        from training_worker.training import predict

        model = build_classifier(root, recipe.training, len(prepared.schema.names))
        load_trained(model, run_folder)
        split = prepared.splits["test"]
        scores = predict(model, split, prepared.schema)
    thresholds = [float(threshold) for threshold in classifier["thresholds"]]
    train_labels = [example.labels for example in prepared.splits["train"].examples]
    result, majority = evaluate(scores, split, train_labels, thresholds, prepared.schema)
    document = {
        "type": "EvaluationResult",
        "formatVersion": 1,
        "receiptDigest": receipt.digest,
        "gate": gate.document(),
        "splitDigest": split.digest,
        **evaluation_document(result, majority, train_labels, prepared.schema, len(split.examples)),
    }
    return document, evaluation_table(result, majority, f"test ({len(split.examples)} rows)")


__all__ = ["evaluate_run", "run"]
