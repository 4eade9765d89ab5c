"""The documents beside a model card, each from the card's leaves alone.

Model card for people, Annex IV skeleton, AB 2013 page, privacy card, and in finance a model-risk memo.

Here: the documents as values. Not here: the points and their sources (`laws`), facts as tables (`blocks`), how documents are written
(`document`), the Hub's README (`readme`), the bill of materials (`mlbom`).

No document says that a law is met. Where a fact is absent the document says who asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasigil.models.blocks import facts_at, point_blocks, section_blocks, value_at
from datasigil.models.card import ModelCard
from datasigil.models.document import (
    Block,
    Document,
    Fact,
    Facts,
    Picture,
    Section,
    Signature,
    Text,
    to_html,
    to_markdown,
)
from datasigil.models.laws import (
    AB_2013,
    ANNEX_IV,
    INSTRUMENTS,
    MRM_MEMO,
    PRIVACY,
    READ,
)
from datasigil.models.reviews import Review, state_of
from datasigil.record import dataclass

FOLDER = "documents/"
PLOTS = (
    ("plots/loss.svg", "Training loss and validation score by epoch"),
    ("plots/per-class-f1.svg", "F1 of every class on the test split"),
    ("plots/calibration.svg", "What the model said against what held, on the test split"),
)
NO_CLAIM = (
    "This document describes. It does not state that any law, standard or contract is met, and it does not say that the "
    "publishers' statements are true: it says who stated them and that the bytes are the ones they signed."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What every document is made from: the card, the reviews beside it, when it was released, and which pictures lie in the folder."""

    card: ModelCard
    reviews: Sequence[Review] = ()
    released: str = ""
    pictures: frozenset[str] = frozenset()

    @property
    def sections(self) -> Mapping[str, Any]:
        """The card's sections."""
        sections: Mapping[str, Any] = self.card.document["sections"]
        return sections

    @property
    def state(self) -> str:
        """The state on the face of every document."""
        return state_of(self.card, self.reviews, released=self.released)

    @property
    def sector(self) -> str:
        """The sector that the trust file names, or empty."""
        return str(value_at(self.sections, "gate", "sector"))

    @property
    def name(self) -> str:
        """The model's name and version."""
        return f"{value_at(self.sections, 'details', 'name')} {value_at(self.sections, 'details', 'version')}".strip()


def documents(shown: Shown) -> dict[str, bytes]:
    """Return every document of a card, by path in the run folder; each as Markdown and as HTML."""
    made: dict[str, Document] = {
        "model-card": model_card(shown),
        "annex-iv": annex_iv(shown),
        "ab-2013": ab_2013(shown),
        "privacy-card": privacy_card(shown),
    }
    if shown.sector == "finance":
        made["mrm-memo"] = mrm_memo(shown)
    files: dict[str, bytes] = {}
    for name, document in made.items():
        if name != "model-card":  # its Markdown is README.md
            files[f"{FOLDER}{name}.md"] = to_markdown(document)
        files[f"{FOLDER}{name}.html"] = to_html(document)
    return files


# Documents ---------------------------------------------------------------------------------------------------------


def _document(shown: Shown, title: str, subtitle: str, sections: Sequence[Section], *laws: str) -> Document:
    sources = [
        Text(f"{INSTRUMENTS[law].title}. {INSTRUMENTS[law].source}. Version of {INSTRUMENTS[law].date}; layout read {READ} from {_READ[INSTRUMENTS[law].read]}.")
        for law in laws
    ]  # fmt: skip
    identity = [
        ("Model", shown.name),
        ("Card, SHA-256", shown.card.digest),
        ("Receipt, SHA-256", str(shown.card.document["receiptDigest"])),
        ("Reviews", "; ".join(f"{one.verdict} by {one.assessor}, {one.date[:10]}" for one in shown.reviews) or "none"),
    ]
    last = [Section("Sign-off", _sign_off(shown))]
    if sources:
        last.append(Section("Sources of this layout", sources))
    footer = (
        f"{NO_CLAIM} Rendered from card.json; `datasigil-verify card` follows every source and compares this file byte "
        f"for byte."
    )
    return Document(title, subtitle, shown.state, identity, [*sections, *last], footer)


_READ = {
    "text": "the instrument itself",
    "secondary": "pages about it: check against the instrument before relying on it",
}


def _sign_off(shown: Shown) -> list[Block]:
    current = [review for review in shown.reviews if review.card_digest == shown.card.digest]
    if not current:
        blank = [("Name", ""), ("Qualification", ""), ("Verdict", ""), ("Place and date", ""), ("Signature", "")]
        return [
            Text("No review of this card is on record. A review is a signed credential over the card's digest; any change of the card voids it."),
            Signature(blank),
        ]  # fmt: skip
    return [
        Signature(
            [
                ("Reviewed by", review.assessor),
                ("Qualification", review.qualification),
                ("Verdict", review.verdict),
                *([("Conditions", review.conditions)] if review.conditions else []),
                ("Date", review.date),
                ("Over card, SHA-256", review.card_digest),
                ("Signed by", review.issuer),
                ("Credential, SHA-256", review.digest),
            ]
        )
        for review in current
    ]


def model_card(shown: Shown) -> Document:
    """Return the whole card as one document, in Mitchell's order."""
    sections = shown.sections
    parts: list[Section] = [_summary(shown)]
    for key, heading in SECTIONS:
        if key in sections:
            blocks = section_blocks(key, sections[key])
            pictures = [Picture(f"../{path}", text) for path, text in PLOTS if path in shown.pictures]
            parts.append(Section(heading, [*blocks, *(pictures if key == "evaluation" else [])]))
    return _document(
        shown,
        f"Model card: {shown.name}",
        "Every fact names where it comes from: run and eval point into the signed run's receipt, credential into the evidence "
        "beside it, human is a named person.",
        parts,
    )


SECTIONS: tuple[tuple[str, str], ...] = (
    ("details", "Model"),
    ("people", "What only people can say"),
    ("trainingData", "Training data"),
    ("licences", "Licences and duties"),
    ("filtering", "Splits, filtering and overlap"),
    ("procedure", "Training procedure"),
    ("compute", "Compute and software"),
    ("gate", "Decision of the gate"),
    ("evaluation", "Evaluation"),
    ("failureModes", "Failure modes"),
)


def _summary(shown: Shown) -> Section:
    sections = shown.sections
    missing = sum(leaf.assurance == "not-provided" for leaf in shown.card.leaves())
    glance = (
        ("Trained on", "trainingData/*/name"),
        ("Its licence", "trainingData/*/license"),
        ("Macro-F1 on the test split", "evaluation/test/macroF1"),
        ("The same, always answering the most frequent class", "evaluation/test/majorityMacroF1"),
        ("Weakest slice of the test split", "failureModes/worstSlices/*/slice"),
        ("Decision of the gate", "gate/decision"),
        ("Intended purpose", "people/intendedPurpose"),
    )
    rows = []
    for name, path in glance:
        found = facts_at(sections, path)
        rows += [
            Fact(name, one.value, one.source, one.assurance) for one in (found[:1] if "Weakest" in name else found)
        ]
    words_ = (
        f"{missing} facts that only people can state are missing."
        if missing
        else "Every fact that people were asked for is stated."
    )
    return Section("At a glance", [Text(words_, strong=bool(missing)), Facts(rows)])


def annex_iv(shown: Shown) -> Document:
    """Return the skeleton of the EU AI Act's technical documentation."""
    law = INSTRUMENTS["eu-ai-act"]
    parts = [
        Section(heading, [one for point in points for one in point_blocks(shown.sections, point, law)])
        for heading, points in ANNEX_IV
    ]
    note = Section(
        "How to use this skeleton",
        [Text("It is laid out by Annex IV for providers who need that documentation; whether you do is for you and your counsel. "
              "The documentation is kept for ten years (Article 18).")],
    )  # fmt: skip
    return _document(
        shown, f"Technical documentation, Annex IV skeleton: {shown.name}", law.title, [note, *parts], "eu-ai-act"
    )


def ab_2013(shown: Shown) -> Document:
    """Return the page that California's AB 2013 describes."""
    law = INSTRUMENTS["ab-2013"]
    blocks: list[Block] = [
        Text("High-level summary of the datasets, laid out by subdivision (a). The statute addresses developers of generative systems made available to "
             "Californians; whether it reaches this model is for you and your counsel.")
    ]  # fmt: skip
    blocks += [one for point in AB_2013 for one in point_blocks(shown.sections, point, law)]
    return _document(
        shown, f"Training data documentation: {shown.name}", law.title, [Section("Datasets", blocks)], "ab-2013"
    )


def mrm_memo(shown: Shown) -> Document:
    """Return the memo for a bank's model-risk function."""
    law = INSTRUMENTS["mrm"]
    parts = [
        Section(heading, [one for point in points for one in point_blocks(shown.sections, point, law)])
        for heading, points in MRM_MEMO
    ]
    return _document(shown, f"Model risk memo: {shown.name}", law.title, parts, "mrm")


def privacy_card(shown: Shown) -> Document:
    """Return what is known about personal data behind the model."""
    law = INSTRUMENTS["gdpr"]
    parts = [
        Section(heading, [one for point in points for one in point_blocks(shown.sections, point, law)])
        for heading, points in PRIVACY
    ]
    note = Section(
        "How to read this card",
        [Text("De-identification and classification are told as the dataset's credential asserts them, with method and auditor where there is one. "
              "A model trained on such data is not thereby within or outside any rule.")],
    )  # fmt: skip
    return _document(
        shown, f"Privacy card: {shown.name}", "What the training data is said to hold, and what the model may give away.", [note, *parts], "hipaa", "gdpr"
    )  # fmt: skip


__all__ = ["FOLDER", "PLOTS", "SECTIONS", "Shown", "documents", "model_card"]
