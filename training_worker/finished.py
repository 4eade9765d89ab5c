"""A finished run folder, read back: nothing of it is used before its files agree with its receipt.

Here: the check of the folder by digest and content, for `eval`, `card` and `replay`. Not here: signatures and status of the cited
credentials, which `datasigil-verify card` checks under a trust file.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datasigil.datasets.files import build_manifest
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.limits import MIB
from datasigil.models.model_folder import ModelFinding, check_model
from datasigil.models.offered_folder import check_offered_model, is_offered_folder
from datasigil.models.receipt import Receipt
from training_worker.run_folder import CLASSIFIER

CLASSIFIER_MAX_BYTES = 1 * MIB


def check_run(folder: Path) -> ModelFinding:
    """Return what holds and what does not in a run folder, without a trust file.

    Raises:
        DatasigilError: NO_RUN, when there is no such folder, and the codes of reading one.
    """
    if not folder.is_dir():
        raise DatasigilError(
            "NO_RUN",
            "there is no run folder here",
            place=str(folder),
            expected="the folder that `datasigil-train train -o` wrote",
        )
    manifest = build_manifest(folder)

    def read(name: str) -> bytes:
        return folder.joinpath(*name.split("/")).read_bytes()

    check = check_offered_model if is_offered_folder(manifest, read) else check_model
    return check(manifest, read, at=datetime.now(UTC))


def read_run(folder: Path) -> Receipt:
    """Return the receipt of a run folder whose files, examples, card and Markdown agree with it.

    Raises:
        ManifestMismatchError: RUN_CHANGED, naming the first thing that does not hold.
        DatasigilError: NO_RUN.
    """
    finding = check_run(folder)
    if finding.decision != "VALID" or finding.receipt is None:
        failed = next((one for one in finding.findings if one.outcome == "failed"), None)
        raise ManifestMismatchError(
            "RUN_CHANGED",
            "the run folder is not as its receipt says",
            place=str(folder),
            expected="files, examples and card that agree with receipt.json",
            found=f"{failed.name}: {failed.message}" if failed else finding.headline,
            next_action=f"datasigil-verify card {folder}",
        )
    return finding.receipt


def read_classifier(folder: Path) -> dict[str, Any]:
    """Return `classifier.json` of a run folder that `read_run` accepted."""
    document: dict[str, Any] = parse_json((folder / CLASSIFIER).read_bytes(), max_bytes=CLASSIFIER_MAX_BYTES)
    return document


__all__ = ["check_run", "read_classifier", "read_run"]
