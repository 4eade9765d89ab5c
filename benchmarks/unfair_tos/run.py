"""UNFAIR-ToS in LexGLUE form: majority, TF-IDF + linear SVM, and a finished run of the worker, by the same metric on the same rows.

Here: the baselines computed from the three files, bootstrap intervals over documents for them alone, and the figures that a run's receipt
holds. Not here: training (`datasigil-train`), other people's systems, whose figures are quoted with their source.

Metric: F1 over eight labels and the implicit class "none" (Chalkidis et al. 2022, ACL 2022.acl-long.297). The SVM's parameter is
chosen on the validation rows; the test rows are looked at once.

Usage: python benchmarks/unfair_tos/run.py LEXGLUE_FOLDER [--run RUN_FOLDER]      (needs scikit-learn)
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training_worker.finished import read_run
from training_worker.labels import LabelSchema
from training_worker.metrics import Result, Sets, majority_labels, membership, score

LABELS = 8
SCHEMA = LabelSchema(tuple(map(str, range(LABELS))), "none", multi=True, classes={}, ignored=frozenset())
PENALTIES = (0.1, 0.3, 1.0, 3.0)
DRAWS = 1_000
# Test micro and macro F1, percent, as read in public sources on 2026-11-23; none of them was measured here.
PUBLISHED = (
    ("TF-IDF + SVM", 94.7, 75.0),
    ("DistilBERT", 97.1, 79.4),
    ("BERT", 95.6, 81.3),
    ("Legal-BERT", 96.0, 83.0),
    ("RoBERTa-large", 95.8, 81.6),
)

Rows = list[dict]


def read(folder: Path, split: str) -> Rows:
    """Return the rows of one split."""
    with (folder / f"{split}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def sets_of(rows: Rows) -> Sets:
    """Return the label sets of rows."""
    return membership([tuple(sorted(row["labels"])) for row in rows], LABELS)


def tfidf_svm(train: Rows, validation: Rows, test: Rows) -> tuple[Sets, float]:
    """Return the test predictions of TF-IDF (1 to 3 words) and one linear SVM per label, and its penalty."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    matrices = [words.fit_transform([row["text"] for row in train])]
    matrices += [words.transform([row["text"] for row in rows]) for rows in (validation, test)]
    best: tuple[float, float, Sets] | None = None
    for penalty in PENALTIES:
        model = OneVsRestClassifier(LinearSVC(C=penalty, class_weight="balanced", random_state=7, max_iter=10_000))
        model.fit(matrices[0], sets_of(train).astype(int))
        found = score(model.predict(matrices[1]).astype(bool), sets_of(validation), SCHEMA).macro_f1
        if best is None or found > best[0]:
            best = (found, penalty, model.predict(matrices[2]).astype(bool))
    assert best is not None
    return best[2], best[1]


def interval(predicted: Sets, rows: Rows) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of macro-F1, documents drawn with replacement."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        groups[str(row["document"])].append(number)
    documents, actual, draw = list(groups.values()), sets_of(rows), np.random.default_rng(7)
    found = []
    for _ in range(DRAWS):
        chosen = np.concatenate([documents[one] for one in draw.integers(0, len(documents), len(documents))])
        found.append(score(predicted[chosen], actual[chosen], SCHEMA).macro_f1)
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def line(name: str, micro: float, macro: float, note: str) -> None:
    """Print one row."""
    print(f"{name:58}{100 * micro:7.1f}{100 * macro:7.1f}   {note}")


def measured(name: str, predicted: Sets, rows: Rows, note: str) -> Result:
    """Print one system that was computed here."""
    result = score(predicted, sets_of(rows), SCHEMA)
    low, high = interval(predicted, rows)
    line(name, result.micro_f1, result.macro_f1, f"macro 95 % interval {100 * low:.1f} to {100 * high:.1f}; {note}")
    return result


def per_class(columns: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Print F1 by class."""
    print(f"\n{'F1 by class':58}" + "".join(f"{name:>9}" for name, _ in columns))
    for number, label in enumerate([*SCHEMA.names, "none"]):
        print(f"{label:58}" + "".join(f"{100 * figures[number]:9.1f}" for _, figures in columns))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="UNFAIR-ToS: baselines and a finished run.")
    parser.add_argument("folder", type=Path, help="folder with train.jsonl, validation.jsonl and test.jsonl")
    parser.add_argument("--run", type=Path, help="run folder that `datasigil-train train` wrote on these files")
    given = parser.parse_args()
    train, validation, test = (read(given.folder, split) for split in ("train", "validation", "test"))
    print(f"{'test, percent':58}{'micro':>7}{'macro':>7}")
    answer = majority_labels([tuple(sorted(row["labels"])) for row in train])
    majority = measured("majority", membership([answer] * len(test), LABELS), test, "always the same answer")
    began = time.monotonic()
    predicted, penalty = tfidf_svm(train, validation, test)
    svm = measured(
        "TF-IDF + linear SVM, this script", predicted, test, f"C={penalty}, {time.monotonic() - began:.0f} s"
    )
    columns = [(name, [one.f1 for one in result.classes]) for name, result in (("majority", majority), ("SVM", svm))]
    if given.run:
        receipt = read_run(given.run).document
        ours, took = receipt["evaluation"]["test"]["model"], receipt["run"]
        note = f"{took['durationSeconds']} s, {took['cpuSeconds']} processor s, seed {receipt['training']['seed']}"
        line("datasigil-train, MiniLM + LoRA", float(ours["microF1"]), float(ours["macroF1"]), note)
        columns.append(("LoRA", [float(one["f1"]) for one in ours["perClass"]]))
    for name, micro, macro in PUBLISHED:
        line(f"published: {name}", micro / 100, macro / 100, "")
    per_class(columns)


if __name__ == "__main__":
    main()
