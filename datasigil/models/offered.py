"""Receipts of bytes that were offered to a program, and the record that binds one to the model which the program left.

Here: the closed forms of an OfferReceipt (`datasigil-verify exec` writes it) and of an OfferedModelReceipt (`receipt.json` of a folder with a
model that some trainer made), and what must agree between the two. Not here: running anything (`verifier_cli.executing`), a folder's
checks (`offered_folder`), receipts of the worker's own runs (`receipt`). The claim is fixed: the bytes were verified and offered;
nothing is said of what was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from datasigil.canonical import document_digest, jcs, sha256_hex
from datasigil.encoding import parse_json
from datasigil.errors import MalformedError, VerificationError
from datasigil.models.form import Table, check_form
from datasigil.record import dataclass

if TYPE_CHECKING:
    from datasigil.encoding import JsonObject, JsonValue

OFFER_TYPE: Final = "OfferReceipt"
OFFERED_TYPE: Final = "OfferedModelReceipt"
FORMAT_VERSION: Final = 1
OFFERED_MAX_BYTES: Final = 8 * 1024 * 1024
CLAIM: Final = "These bytes were verified and offered to the program. What it read of them, and what else it read, this receipt does not say."
TRAINER_README: Final = "evidence/trainer-README.md"

_RESULT: Table = (("root", "digest", True), ("digest", "digest", True), ("files", "count", True), ("bytes", "count", True))  # fmt: skip
_OFFERED: Table = (
    ("variable", "text", True),
    ("name", "text", True),
    ("credential", "text", True),
    ("credentialDigest", "digest", True),
    ("issuer", "text", True),
    ("license", "text", True),
    ("manifestDigest", "digest", True),
    ("manifestRoot", "digest", True),
    ("files", "count", True),
    ("bytes", "count", True),
)
_GATE: Table = (
    ("decision", "text", True),
    ("scope", "text", True),
    ("mode", "text", True),
    ("time", "instant", True),
    ("offline", "truth", True),
    ("policyDigest", "digest", True),
    ("statusListDigests", ["digest"], True),
    ("checkpointDigests", ["digest"], True),
)
_OFFER: Table = (
    ("type", "text", True),
    ("formatVersion", "count", True),
    ("claim", "text", True),
    ("state", "text", True),
    ("startedAt", "instant", True),
    ("endedAt", "instant", False),
    ("exitCode", "count", False),
    ("program", "text", True),
    ("argumentsDigest", "digest", True),
    ("gate", _GATE, True),
    ("datasets", [_OFFERED], True),
    ("result", _RESULT, False),
)
_RECEIPT: Table = (
    ("type", "text", True),
    ("formatVersion", "count", True),
    ("claim", "text", True),
    ("name", "text", True),
    ("recordedAt", "instant", True),
    ("offer", _OFFER, True),
    ("offerDigest", "digest", True),
    ("evidence", [(("path", "text", True), ("digest", "digest", True))], True),
    ("files", [(("path", "text", True), ("size", "count", True), ("sha256", "digest", True))], True),
)


@dataclass(frozen=True, slots=True)
class OfferedReceipt:
    """An OfferedModelReceipt that passed the closed parser and whose offer may carry a card; files are *not* compared by that."""

    document: Mapping[str, JsonValue]
    digest: str  # SHA-256 of the canonical bytes, lower-case hexadecimal


def parse_offer(data: bytes) -> JsonObject:
    """Return the offer in the bytes that `exec` wrote, if a card may rest on it.

    Raises:
        MalformedError: the parser's codes, FORM, SCHEMA or VERSION. VerificationError: OFFER, when it does not carry a card.
    """
    document = parse_json(data, max_bytes=OFFERED_MAX_BYTES)
    _check_kind(document, OFFER_TYPE)
    check_form(document, _OFFER, "")
    if jcs(document) + b"\n" != data:
        raise MalformedError("FORM", "the receipt is not as `datasigil-verify exec` writes it", expected="RFC 8785 bytes and a line feed")  # fmt: skip
    require_offer(document)
    return dict(document)


def require_offer(offer: Mapping[str, JsonValue]) -> None:
    """Return when the program ended well on a VALID gate and the receipt names what it left.

    Raises:
        VerificationError: OFFER.
    """
    gate = offer["gate"]
    for held, expected, found in (
        (offer["claim"] == CLAIM, "the claim that `exec` makes", str(offer["claim"])),
        (offer["state"] == "finished", "a program that has ended", str(offer["state"])),
        (offer.get("exitCode") == 0, "a program that ended with 0", str(offer.get("exitCode"))),
        ((gate["decision"], gate["scope"], gate["mode"]) == ("VALID", "all files", "now"), "a VALID gate, now, over all files", f"{gate['decision']}, {gate['mode']}, {gate['scope']}"),
        (bool(offer["datasets"]), "at least one dataset", "none"),
        ("result" in offer, "the program's result, by `exec --result DIR`", "none"),
    ):  # fmt: skip
        if not held:
            raise VerificationError(
                "OFFER", "this receipt carries no card", expected=expected, found=found[:200],
                next_action="run it again: datasigil-verify exec gate.toml -o RECEIPT --result DIR -- CMD…",
            )  # fmt: skip


def parse_offered(data: bytes) -> OfferedReceipt:
    """Parse `receipt.json` of a folder that some trainer filled; does not compare files.

    Raises:
        MalformedError: the parser's codes, FORM, SCHEMA or VERSION. VerificationError: OFFER.
    """
    document = parse_json(data, max_bytes=OFFERED_MAX_BYTES)
    check_offered_form(document)
    if jcs(document) != data:
        raise MalformedError("FORM", "the receipt is not in its canonical form", expected="RFC 8785 bytes")
    return OfferedReceipt(document, sha256_hex(data))


def check_offered_form(document: JsonValue) -> None:
    """Check an OfferedModelReceipt against its closed table, and its offer.

    Raises:
        MalformedError: SCHEMA, VERSION or RECIPE_DIGEST. VerificationError: OFFER.
    """
    _check_kind(document, OFFERED_TYPE)
    check_form(document, _RECEIPT, "")
    offer = document["offer"]
    _check_kind(offer, OFFER_TYPE)
    require_offer(offer)
    if document["claim"] != CLAIM or document_digest(offer) != document["offerDigest"]:
        raise VerificationError("OFFER", "the offer is not the one that the receipt names", place="/offer", expected=str(document["offerDigest"]), found=document_digest(offer))  # fmt: skip
    if len(document["evidence"]) != len(offer["datasets"]):
        raise MalformedError("SCHEMA", "every offered dataset has its evidence", place="/evidence", expected=f"{len(offer['datasets'])} entries", found=str(len(document["evidence"])))  # fmt: skip


def is_offered(data: bytes) -> bool:
    """Return whether bytes claim to be an OfferedModelReceipt; nothing about them is checked."""
    try:
        document = parse_json(data, max_bytes=OFFERED_MAX_BYTES)
    except MalformedError:
        return False
    return isinstance(document, dict) and document.get("type") == OFFERED_TYPE


def _check_kind(document: JsonValue, type_name: str) -> None:
    if not isinstance(document, dict) or document.get("type") != type_name:
        raise MalformedError("SCHEMA", "this is another kind of document", place="/type", expected=type_name)
    if document.get("formatVersion") != FORMAT_VERSION:
        raise MalformedError("VERSION", "a format version this program does not know", place="/formatVersion", expected=str(FORMAT_VERSION))  # fmt: skip
