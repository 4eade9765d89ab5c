"""`datasigil-train replay`: verify everything again, train again, and say whether the same came out.

Here: the comparison and its three words. Not here: training (`run`), reading the folder (`finished`).

REPRODUCED: adapter, head and thresholds have the same bytes, from the same examples. WITHIN_TOLERANCE: the same examples in the
same order, and test macro-F1 differs by no more than the tolerance. DIVERGED: anything else. Equal bytes are promised only on a
deterministic CPU with the same versions; the answer names what differs between the two machines.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.models.form import resolve_pointer
from datasigil.report.terminal import OK, REFUSED, Console, escape
from training_worker.finished import read_run
from training_worker.gate_settings import gate_settings
from training_worker.progress import Progress
from training_worker.recipe import parse_recipe, read_recipe_bytes
from training_worker.run import RunRequest, train
from training_worker.run_folder import ADAPTER, CLASSIFIER, HEAD

REPRODUCED, WITHIN_TOLERANCE, DIVERGED = "REPRODUCED", "WITHIN_TOLERANCE", "DIVERGED"
_MUST_AGREE = (
    ("examples", "/training/examplesRoot"),
    ("tokenised sets", "/data/tokenisedDigest"),
    ("base model", "/base/manifestDigest"),
)
_MAY_DIFFER = (
    ("packages", ("software", "packages")),
    ("python", ("software", "python")),
    ("processor", ("hardware", "processor")),
    ("threads", ("hardware", "threads")),
)


@dataclass(frozen=True, slots=True)
class Replay:
    """How a second run compares with the first."""

    verdict: str
    macro_f1: tuple[str, str]  # then, now
    same_files: tuple[str, ...]
    other_files: tuple[str, ...]
    differences: tuple[str, ...]  # of content that must agree, then of the machines

    def document(self) -> dict[str, Any]:
        """Return the result as versioned JSON."""
        return {
            "type": "ReplayReport",
            "formatVersion": 1,
            "verdict": self.verdict,
            "macroF1": {"then": self.macro_f1[0], "now": self.macro_f1[1]},
            "sameFiles": list(self.same_files),
            "otherFiles": list(self.other_files),
            "differences": list(self.differences),
        }

    def text(self) -> str:
        """Return the result for people."""
        lines = [
            self.verdict,
            f"  test macro-F1 then {self.macro_f1[0]}, now {self.macro_f1[1]}",
            *(f"  same bytes:   {name}" for name in self.same_files),
            *(f"  other bytes:  {name}" for name in self.other_files),
            *(f"  differs:      {escape(one)}" for one in self.differences),
        ]
        return "\n".join(lines) + "\n"


def run(given: Namespace, console: Console) -> int:
    """Replay a run; exit 0 unless it diverged, which is 1."""
    path, folder = Path(given.recipe), Path(given.run_folder)
    raw = read_recipe_bytes(path)
    recipe = parse_recipe(raw, place=str(path))
    first = read_run(folder).document
    same_recipe(first, recipe.digest, path)
    progress = Progress("quiet" if console.quiet or console.json else "text", console.err)
    with tempfile.TemporaryDirectory(prefix="datasigil-replay-") as work:
        request = RunRequest(
            recipe, raw, path.resolve().parent, gate_settings(given), Path(work) / "again", progress=progress
        )
        second = train(request).receipt
    result = compare(first, second, tolerance_of(given.tolerance))
    console.result(result.document(), result.text())
    return REFUSED if result.verdict == DIVERGED else OK


def same_recipe(receipt: Mapping[str, Any], digest: str, path: Path) -> None:
    """Refuse a recipe that is not the one of the run.

    Raises:
        ManifestMismatchError: OTHER_RECIPE.
    """
    if receipt["recipe"]["digest"] != digest:
        raise ManifestMismatchError(
            "OTHER_RECIPE",
            "this is not the recipe of that run",
            place=str(path),
            expected=f"recipe digest {receipt['recipe']['digest']}",
            found=f"recipe digest {digest}",
            next_action="take the run folder's recipe.yaml and put it where its relative paths hold",
        )


def compare(first: Mapping[str, Any], second: Mapping[str, Any], tolerance: Decimal) -> Replay:
    """Compare two receipts of one recipe; `tolerance` is the largest difference of test macro-F1 that still counts."""
    differences = [
        f"{name}: {resolve_pointer(dict(first), pointer)} then, {resolve_pointer(dict(second), pointer)} now"
        for name, pointer in _MUST_AGREE
        if resolve_pointer(dict(first), pointer) != resolve_pointer(dict(second), pointer)
    ]
    same_content = not differences
    files = [{one["path"]: one["sha256"] for one in receipt["artefacts"]["files"]} for receipt in (first, second)]
    made = (ADAPTER, HEAD, CLASSIFIER)
    same = tuple(name for name in made if files[0].get(name) == files[1].get(name))
    scores = tuple(_score(receipt["evaluation"]["test"]) for receipt in (first, second))
    near = abs(Decimal(scores[0]) - Decimal(scores[1])) <= tolerance
    verdict = REPRODUCED if same == made else WITHIN_TOLERANCE if near else DIVERGED
    machines = [
        f"{name}: {first[section][key]} then, {second[section][key]} now"
        for name, (section, key) in _MAY_DIFFER
        if first[section][key] != second[section][key]
    ]
    return Replay(
        verdict if same_content else DIVERGED,
        (scores[0], scores[1]),
        same,
        tuple(name for name in made if name not in same),
        (*differences, *machines),
    )


def _score(test: Mapping[str, Any]) -> str:
    """Return the figure that two runs are compared by: macro-F1, or the loss of a language model."""
    return str(test["model"]["macroF1"] if "model" in test else test["loss"])


def tolerance_of(text: str) -> Decimal:
    """Return the tolerance that the command line was given.

    Raises:
        DatasigilError: USAGE.
    """
    try:
        value = Decimal(text)
    except ArithmeticError:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value <= 1:
        raise DatasigilError("USAGE", "the tolerance is not a share", expected="a number from 0 to 1", found=text[:40])
    return value


__all__ = ["Replay", "compare", "run", "same_recipe"]
