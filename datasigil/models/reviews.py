"""Reviews of a model card: an expert's sign-off as a credential over the card's digest, void as soon as one byte of the card changes.

Here: reading a review out of a run folder, what it says, and whether it is about this card. Not here: its signature, status and whether
your trust file knows the reviewer (`datasigil.verification`), signing one (`training_worker.sign_model`).

A review is a DatasetAuditCredential with `attestationType` `review` and `target.cardDigest` (DESIGN.md section 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasigil.bundle import SUFFIX, parse_bundle
from datasigil.canonical import document_digest
from datasigil.credentials.types import parse_credential
from datasigil.encoding import parse_json
from datasigil.errors import MalformedError
from datasigil.record import dataclass

if TYPE_CHECKING:
    from datasigil.models.card import ModelCard

REVIEWS = "reviews/"
VOID = "reviews/void/"
ACCEPTED = ("accepted", "accepted-with-conditions")


@dataclass(frozen=True, slots=True)
class Review:
    """What one reviewer signed; nothing here says that the signature was verified."""

    file: str
    issuer: str
    assessor: str
    level: str
    qualification: str
    verdict: str
    conditions: str
    date: str  # RFC 3339, start of the credential's validity
    card_digest: str
    digest: str  # of the secured credential

    @property
    def accepts(self) -> bool:
        """Whether the verdict lets the card out, with or without conditions."""
        return self.verdict in ACCEPTED


def parse_review(data: bytes, file: str) -> Review:
    """Return the review in a bundle (`*.sigil.json`) or in a bare credential.

    Raises:
        MalformedError: the parsers' codes, or NOT_A_REVIEW for a credential that is no review of a model card.
    """
    document = parse_bundle(data).credential if file.endswith(SUFFIX) else parse_json(data)
    credential = parse_credential(document)
    subject: Mapping[str, Any] = credential.subject
    target = subject.get("target", {})
    if subject.get("attestationType") != "review" or "cardDigest" not in target:
        raise MalformedError(
            "NOT_A_REVIEW",
            "the credential is no review of a model card",
            place=file,
            expected="attestationType review with target.cardDigest",
            found=str(subject.get("attestationType", credential.type)),
        )
    assessor = subject["assessor"]
    return Review(
        file=file,
        issuer=credential.issuer,
        assessor=str(assessor.get("name", credential.issuer)),
        level=str(subject["assessorLevel"]),
        qualification=str(subject["qualification"]),
        verdict=str(subject["verdict"]),
        conditions=str(subject.get("conditions", "")),
        date=str(document["validFrom"]),
        card_digest=str(target["cardDigest"]),
        digest=document_digest(document),
    )


def check_review(review: Review, card: ModelCard) -> None:
    """Refuse a review that is about another card than this one.

    Raises:
        MalformedError: REVIEW_VOID.
    """
    if review.card_digest != card.digest:
        raise MalformedError(
            "REVIEW_VOID",
            "the card changed after this review, which is void",
            place=review.file,
            expected=card.digest,
            found=review.card_digest,
            next_action="have the card as it is now reviewed: datasigil-train review",
        )


def state_of(card: ModelCard, reviews: Sequence[Review], *, released: str = "") -> str:
    """Return the state a document shows on its face: draft, not reviewed, reviewed, rejected, or released."""
    if card.document["status"] == "draft":
        return "draft"
    current = [review for review in reviews if review.card_digest == card.digest]
    if not current:
        return "complete, not reviewed"
    if any(review.verdict == "rejected" for review in current):
        return "rejected by a reviewer"
    return f"released {released[:10]}" if released else "reviewed, not released"


__all__ = ["ACCEPTED", "REVIEWS", "VOID", "Review", "check_review", "parse_review", "state_of"]
