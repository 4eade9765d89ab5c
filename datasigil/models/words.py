"""The words for a card's keys, and the order in which people read them.

Here: `words` and `ordered`. Not here: facts, documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "adapterDigest": "Adapter (SHA-256)",
    "answerAtOrAbove": "Answer at confidence of at least",
    "answeredOnTest": "Share of test rows answered",
    "answers": "Answers",
    "artefactsRoot": "Root over the model's files",
    "baseLicense": "Licence of the base model",
    "baseModel": "Base model",
    "baseTrainingData": "Training data of the base model",
    "baseWeightsDigest": "Base weights (SHA-256)",
    "credentialDigest": "Credential (SHA-256)",
    "credentialId": "Credential",
    "cpuSeconds": "Processor time, seconds",
    "digest": "Tokenised rows (SHA-256)",
    "durationSeconds": "Duration, seconds",
    "droppedTokens": "Tokens dropped by truncation",
    "errorShare": "Share of wrong rows",
    "examplesRoot": "Merkle root over the exact examples",
    "expectedCalibrationError": "Expected calibration error",
    "fileCount": "Files",
    "high": "High (95 %)",
    "kilowattHours": "Energy, kWh",
    "lastChecked": "Last judged again",
    "license": "Licence",
    "licenseTextDigest": "Licence text (SHA-256)",
    "lockfileDigest": "Installed packages (SHA-256 of the list)",
    "macroF1WithoutThem": "Macro-F1 on test rows not in train",
    "low": "Low (95 %)",
    "lora": "Low-rank adapter",
    "manifestDigest": "Manifest (SHA-256)",
    "manifestRoot": "Manifest root",
    "membershipAuc": "Membership inference, AUC (0.5 tells nothing)",
    "membershipRows": "Rows in the membership probe",
    "nearDuplicateSimilarity": "Similarity from which a row is nearly another",
    "memoryBytes": "Memory, bytes",
    "policyDigest": "Trust policy (SHA-256)",
    "recipeDigest": "Recipe (SHA-256)",
    "reachedOnValidation": "Reached on validation",
    "rightOnTest": "Share right of those answered",
    "rechecks": "Times judged again",
    "rowsRead": "Records read",
    "rowsWithoutThem": "Test rows not in train",
    "rowsUsed": "Records used in training",
    "splitDigest": "Tokenised split (SHA-256)",
    "tokenisedDigest": "Tokenised sets (SHA-256)",
    "transformDigest": "Text to tokens (SHA-256 of the transform)",
    "truncatedRows": "Rows cut to the token limit",
    "worker": "datasigil",
}
# Facts that come first in a table, in this order; the others follow by their key.
_FIRST = (
    "name", "version", "task", "labels", "publisher", "issuer", "license", "role", "issued", "baseModel", "baseLicense", "baseTrainingData",
    "microF1", "macroF1", "majorityMicroF1", "majorityMacroF1", "label", "f1", "precision", "recall", "kind", "slice", "target", "from", "said", "held",
    "rows", "errorShare", "low", "high", "answers",
)  # fmt: skip


def words(key: str) -> str:
    """Return the words for a key: those fixed for it, or the key itself taken apart at its capitals."""
    if key in _WORDS:
        return _WORDS[key]
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in key)
    return (spaced[:1].upper() + spaced[1:]).replace(" f1", "-F1")


def ordered(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return members as they are read best; the order of a document's keys says nothing after canonicalisation."""
    return sorted(
        value.items(), key=lambda item: (_FIRST.index(item[0]) if item[0] in _FIRST else len(_FIRST), item[0])
    )


__all__ = ["ordered", "words"]
