"""The release of a model: `release.json`, written once a complete card was reviewed and everything behind it was VALID.

Here: the file's closed form and its check against card, receipt and reviews. Not here: deciding (`training_worker.release`), signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasigil.canonical import jcs
from datasigil.encoding import parse_json
from datasigil.errors import MalformedError
from datasigil.models.form import Table, check_form
from datasigil.record import dataclass

if TYPE_CHECKING:
    from datasigil.encoding import JsonValue
    from datasigil.models.card import ModelCard
    from datasigil.models.receipt import Receipt
    from datasigil.models.reviews import Review

RELEASE = "release.json"
RELEASE_TYPE = "ModelRelease"
RELEASE_FORMAT_VERSION = 1

_TABLE: Table = (
    ("type", "text", True),
    ("formatVersion", "count", True),
    ("time", "instant", True),
    ("cardDigest", "digest", True),
    ("receiptDigest", "digest", True),
    ("policyDigest", "digest", True),
    ("reviews", [(("credentialDigest", "digest", True), ("verdict", "text", True))], True),
)


@dataclass(frozen=True, slots=True)
class Release:
    """A release that has passed the closed parser."""

    document: Mapping[str, Any]

    @property
    def time(self) -> str:
        """When it was released, RFC 3339."""
        return str(self.document["time"])


def release_bytes(*, time: str, card: ModelCard, receipt: Receipt, policy_digest: str, reviews: Sequence[Review]) -> bytes:  # fmt: skip
    """Return the canonical bytes of `release.json`."""
    document = {
        "type": RELEASE_TYPE,
        "formatVersion": RELEASE_FORMAT_VERSION,
        "time": time,
        "cardDigest": card.digest,
        "receiptDigest": receipt.digest,
        "policyDigest": policy_digest,
        "reviews": [{"credentialDigest": one.digest, "verdict": one.verdict} for one in reviews],
    }
    _check(document)
    return jcs(document)


def parse_release(data: bytes) -> Release:
    """Parse `release.json`; does not compare it with anything.

    Raises:
        MalformedError: the parser's codes, FORM, SCHEMA or VERSION.
    """
    document = parse_json(data)
    _check(document)
    if jcs(document) != data:
        raise MalformedError("FORM", "the release is not in its canonical form", expected="RFC 8785 bytes")
    return Release(document)


def _check(document: JsonValue) -> None:
    if not isinstance(document, dict) or document.get("type") != RELEASE_TYPE:
        raise MalformedError("SCHEMA", "not a release of a model", place="/type", expected=RELEASE_TYPE)
    if document.get("formatVersion") != RELEASE_FORMAT_VERSION:
        raise MalformedError("VERSION", "an unknown version of a release", place="/formatVersion", expected="1")
    check_form(document, _TABLE, "")


def check_release(release: Release, receipt: Receipt, card: ModelCard, reviews: Sequence[Review]) -> None:
    """Check that a release is of this very card and rests on reviews that are here and accept it.

    Raises:
        MalformedError: RELEASE_VOID.
    """
    held = {one.digest: one for one in reviews}
    named = [one["credentialDigest"] for one in release.document["reviews"]]
    accepted = bool(named) and all(digest in held and held[digest].accepts for digest in named)
    expected = (card.digest, receipt.digest)
    found = (release.document["cardDigest"], release.document["receiptDigest"])
    if found != expected or not accepted or card.document["status"] != "complete":
        raise MalformedError(
            "RELEASE_VOID",
            "the release is not of this card with accepting reviews of it",
            place=RELEASE,
            expected=f"card {expected[0]}, complete, with accepting reviews in the folder",
            found=f"card {found[0]}, {len(named)} reviews named",
            next_action="review the card as it is now, then datasigil-train release",
        )


__all__ = ["RELEASE", "Release", "check_release", "parse_release", "release_bytes"]
