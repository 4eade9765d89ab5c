"""The training receipt: what a run consumed, how it ran, what it produced.

Here: the closed form of `receipt.json` and its canonical bytes. Not here: how the values are measured
(`training_worker/receipt`), the examples of every step (`examples`), cards (`card`), signatures.

Form: I-JSON (RFC 7493) in its RFC 8785 bytes; decimals are strings (DESIGN.md section 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from datasigil.canonical import jcs, sha256_hex
from datasigil.encoding import parse_json
from datasigil.errors import MalformedError
from datasigil.models.form import Table, check_form
from datasigil.record import dataclass

if TYPE_CHECKING:
    from datasigil.encoding import JsonObject, JsonValue

RECEIPT_TYPE = "TrainingReceipt"
RECEIPT_FORMAT_VERSION = 1
RECEIPT_MAX_BYTES = 8 * 1024 * 1024

_FILE = (("path", "text", True), ("size", "count", True), ("sha256", "digest", True))
_DATASET = (
    ("credential", "text", True),
    ("credentialDigest", "digest", True),
    ("evidence", "text", True),
    ("evidenceDigest", "digest", True),
    ("manifestDigest", "digest", True),
    ("root", "digest", True),
    ("fileCount", "count", True),
    ("byteSize", "count", True),
    ("rowsRead", "count", True),
    ("rowsUsed", "count", True),
)
_SPLIT = (
    ("rows", "count", True),
    ("groups", "count", True),
    ("tokens", "count", True),
    ("truncatedRows", "count", True),
    ("droppedTokens", "count", False),
    ("leftOutRows", "count", False),
    ("digest", "digest", True),
    ("labels", "open", True),
)
_TABLE: Table = (
    ("type", "text", True),
    ("formatVersion", "count", True),
    (
        "run",
        (
            ("id", "text", True),
            ("name", "text", True),
            ("started", "instant", True),
            ("finished", "instant", True),
            ("durationSeconds", "count", True),
            ("cpuSeconds", "count", True),
            ("resumes", "count", True),
        ),
        True,
    ),
    ("energy", (("kilowattHours", "decimal", True), ("basis", "text", True), ("method", "text", True)), False),
    ("cost", (("predicted", "open", True), ("actual", "open", True)), False),
    ("recipe", (("digest", "digest", True), ("document", "open", True)), True),
    ("datasets", [_DATASET], True),
    (
        "gate",
        (
            ("decision", "text", True),
            ("time", "instant", True),
            ("lastChecked", "instant", True),
            ("rechecks", "count", True),
            ("scope", "text", True),
            ("policyDigest", "digest", True),
            ("mode", "text", True),
            ("statusListDigests", ["digest"], True),
            ("checkpointDigests", ["digest"], True),
            ("sector", "text", False),
            ("use", "text", False),
            ("duties", ["text"], False),
            ("warnings", ["text"], False),
        ),
        True,
    ),
    (
        "base",
        (
            ("name", "text", True),
            ("license", "text", True),
            ("licenseFile", "text", True),
            ("licenseFileDigest", "digest", True),
            ("manifestDigest", "digest", True),
            ("root", "digest", True),
            ("weightsDigest", "digest", True),
            ("tokenizerDigest", "digest", True),
            ("trainingData", "text", True),
        ),
        True,
    ),
    (
        "software",
        (
            ("python", "text", True),
            ("worker", "text", True),
            ("lockfileDigest", "digest", True),
            ("packages", "open", True),
        ),
        True,
    ),
    (
        "hardware",
        (
            ("device", "text", True),
            ("processor", "text", True),
            ("cores", "count", True),
            ("threads", "count", True),
            ("memoryBytes", "count", True),
            ("system", "text", True),
            ("deterministic", "truth", True),
        ),
        True,
    ),
    (
        "data",
        (
            ("transformDigest", "digest", True),
            ("tokenisedDigest", "digest", True),
            ("labels", ["text"], True),
            ("splits", (("train", _SPLIT, True), ("validation", _SPLIT, True), ("test", _SPLIT, True)), True),
            ("overlap", "open", True),
            ("ignoredTags", "open", True),
        ),
        True,
    ),
    (
        "training",
        (
            ("seed", "count", True),
            ("steps", "count", True),
            ("stepsPlanned", "count", True),
            ("epochs", "count", True),
            ("bestEpoch", "count", True),
            ("stopped", "text", True),
            ("trainableParameters", "count", True),
            ("totalParameters", "count", True),
            ("examples", "count", True),
            ("examplesRoot", "digest", True),
            ("history", ["open"], True),
        ),
        True,
    ),
    ("artefacts", (("root", "digest", True), ("files", [_FILE], True)), True),
    (
        "evaluation",
        (
            ("thresholds", ["decimal"], True),
            ("validation", "open", True),
            ("test", "open", True),
            ("failureModes", "open", False),
        ),
        True,
    ),
    ("provided", (("by", "text", True), ("facts", "open", True)), False),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt that has passed the closed parser; its claims are *not* checked against files by that."""

    document: Mapping[str, JsonValue]
    digest: str  # SHA-256 of the canonical bytes, lower-case hexadecimal

    @property
    def artefacts(self) -> Mapping[str, str]:
        """Path to SHA-256 of every file the run produced and the receipt vouches for."""
        return {entry["path"]: entry["sha256"] for entry in self.document["artefacts"]["files"]}


def parse_receipt(data: bytes) -> Receipt:
    """Parse `receipt.json`; does not check digests against files, nor any signature.

    Raises:
        MalformedError: the parser's codes, FORM for bytes that are not canonical, SCHEMA, or VERSION.
    """
    document = parse_json(data, max_bytes=RECEIPT_MAX_BYTES)
    check_receipt_form(document)
    if jcs(document) != data:
        raise MalformedError("FORM", "the receipt is not in its canonical form", expected="RFC 8785 bytes")
    return Receipt(document, sha256_hex(data))


def receipt_bytes(document: Mapping[str, JsonValue]) -> bytes:
    """Return the canonical bytes of a receipt after checking its form.

    Raises:
        MalformedError: as `parse_receipt`.
    """
    check_receipt_form(document)
    return jcs(dict(document))


def check_receipt_form(document: JsonValue) -> None:
    """Check a receipt against the closed table above.

    Raises:
        MalformedError: SCHEMA or VERSION, with a JSON pointer.
    """
    if not isinstance(document, dict) or document.get("type") != RECEIPT_TYPE:
        raise MalformedError("SCHEMA", "not a training receipt", place="/type", expected=RECEIPT_TYPE)
    if document.get("formatVersion") != RECEIPT_FORMAT_VERSION:
        raise MalformedError(
            "VERSION",
            "the receipt has a format version this program does not know",
            place="/formatVersion",
            expected=str(RECEIPT_FORMAT_VERSION),
            found=repr(document.get("formatVersion"))[:40],
        )
    check_form(document, _TABLE, "")


def receipt_object(document: JsonObject) -> JsonObject:
    """Return a receipt document with the two members that name its form put in front."""
    return {"type": RECEIPT_TYPE, "formatVersion": RECEIPT_FORMAT_VERSION, **document}


__all__ = ["Receipt", "check_receipt_form", "parse_receipt", "receipt_bytes", "receipt_object"]
