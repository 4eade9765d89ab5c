"""The documents beside a model card, each from the card's leaves alone.

Model card for people, Annex IV skeleton, AB 2013 page, privacy card, and in finance a model-risk memo.

Here: which facts stand under which point, and the documents as values. Not here: the points and their sources (`laws`), how documents
are written (`document`), the Hub's README (`readme`), the bill of materials (`mlbom`).

No document says that a law is met. Where a fact is absent the document says who asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasigil.models.card import NOT_PROVIDED, ModelCard
from datasigil.models.document import (
    Block,
    Document,
    Fact,
    Facts,
    Grid,
    Picture,
    Section,
    Signature,
    Text,
    short_source,
    to_html,
    to_markdown,
)
from datasigil.models.laws import (
    AB_2013,
    ANNEX_IV,
    HUMAN_FACTS,
    INSTRUMENTS,
    MRM_MEMO,
    PRIVACY,
    READ,
    Instrument,
    Point,
)
from datasigil.models.reviews import Review, state_of
from datasigil.models.words import ordered, words
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
        return str(_value(self.sections, "gate", "sector"))

    @property
    def name(self) -> str:
        """The model's name and version."""
        return f"{_value(self.sections, 'details', 'name')} {_value(self.sections, 'details', 'version')}".strip()


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


# Facts by path -----------------------------------------------------------------------------------------------------


def facts_at(sections: Mapping[str, Any], path: str) -> list[Fact]:
    """Return the facts at a path below `sections`; `*` stands for every member of a list, a group stands for all its leaves."""
    return list(_follow(sections, path.split("/"), "", path.rpartition("/")[2]))


def _follow(value: Any, steps: Sequence[str], label: str, key: str) -> list[Fact]:
    if _is_leaf(value):
        return [_fact(value, f"{words(key)}{label}")] if not steps else []
    if not steps:
        members = value.items() if isinstance(value, dict) else ()
        return [_fact(leaf, f"{words(name)}{label}") for name, leaf in members if _is_leaf(leaf)]
    if steps[0] == "*":
        if not isinstance(value, list):
            return []
        marks = [f" ({_label(item, number)})" if len(value) > 1 else "" for number, item in enumerate(value)]
        return [fact for item, mark in zip(value, marks, strict=True) for fact in _follow(item, steps[1:], mark, key)]
    return _follow(value.get(steps[0]), steps[1:], label, key) if isinstance(value, dict) else []


def _label(item: Any, number: int) -> str:
    for key in ("name", "slice", "label", "target"):
        if isinstance(item, dict) and _is_leaf(item.get(key)):
            return f"{item[key]['value']}"
    return str(number + 1)


def _is_leaf(value: Any) -> bool:
    return isinstance(value, dict) and "source" in value and "assurance" in value


def _fact(leaf: Mapping[str, Any], name: str) -> Fact:
    source = "" if leaf["assurance"] == "not-provided" else str(leaf["source"])
    return Fact(name, leaf["value"], source, "" if leaf["assurance"] == "not-provided" else str(leaf["assurance"]))


def _value(sections: Mapping[str, Any], *path: str) -> Any:
    value: Any = sections
    for step in path:
        value = value.get(step, {}) if isinstance(value, dict) else {}
    return value.get("value", "") if isinstance(value, dict) else ""


def _point(sections: Mapping[str, Any], point: Point, instrument: Instrument) -> list[Block]:
    """Return the facts under a point, those of one list (slices, audits) together in one table."""
    facts: list[Fact] = []
    tables: dict[str, list[str]] = {}
    for path in point.facts:
        above, star, member = path.rpartition("/*/")
        if star and not path.startswith("trainingData/*/" + member) and "/" not in member:
            tables.setdefault(above, []).append(member)
            continue
        found = facts_at(sections, path)
        if path.startswith("people/") and found:
            heading = next(fact.heading for fact in HUMAN_FACTS if fact.key == path.partition("/")[2])
            found = [Fact(heading, one.value, one.source, one.assurance) for one in found]
        facts += found
    grids = [grid for above, keys in tables.items() for grid in _tables_at(sections, above, keys)]
    if not facts and not grids:
        facts = [Fact("Not recorded", point.missing or NOT_PROVIDED.format(f"{instrument.short} {point.place}"))]
    heading = f"{point.place}  {point.asks}" if point.place[0].isdigit() or point.place[0] == "(" else point.asks
    if not facts:
        first, *rest = grids
        return [Grid(first.header, first.rows, heading, first.note), *rest]
    return [Facts(facts, heading), *grids]


def _tables_at(sections: Mapping[str, Any], path: str, keys: Sequence[str]) -> list[Grid]:
    """Return one table for each list at a path, with those of `keys` that its members have."""
    found: list[Any] = [sections]
    for step in path.split("/"):
        found = [inner for one in found for inner in _inside(one, step)]
    grids = []
    for items in found:
        rows = [{key: one[key] for key in keys if key in one} for one in items] if isinstance(items, list) else []
        if any(rows):
            grids.append(grid_of(rows, words(path.rpartition("/")[2])))
    return grids


def _inside(value: Any, step: str) -> list[Any]:
    if step == "*":
        return list(value) if isinstance(value, list) else []
    return [value[step]] if isinstance(value, dict) and step in value else []


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


def section_blocks(key: str, value: Any) -> list[Block]:
    """Return a section of the card as blocks: its own facts, then each group below."""
    if key == "people":
        ask = {fact.key: fact.heading for fact in HUMAN_FACTS}
        return [Facts([_fact(value[fact], ask[fact]) for fact in ask if fact in value])]
    if isinstance(value, list):
        return [block for number, item in enumerate(value) for block in _group(item, _label(item, number))]
    return _group(value, "")


def _group(value: Mapping[str, Any], heading: str) -> list[Block]:
    own = [_fact(leaf, words(key)) for key, leaf in ordered(value) if _is_leaf(leaf)]
    blocks: list[Block] = [Facts(own, heading)] if own else []
    for key, inner in ordered(value):
        title = f"{heading}: {words(key)}" if heading else words(key)
        if isinstance(inner, list) and inner:
            blocks.append(grid_of(inner, title))
        elif isinstance(inner, dict) and not _is_leaf(inner):
            blocks += _group(inner, title)
    return blocks


def grid_of(items: Sequence[Mapping[str, Any]], heading: str) -> Grid:
    """Return a list of like groups as one table, with where its cells come from below it."""
    keys = list(dict.fromkeys(key for item in items for key, leaf in ordered(item) if _is_leaf(leaf)))
    rows = [[item[key]["value"] if key in item else "" for key in keys] for item in items]
    cells = [item[key] for item in items for key in keys if key in item]
    return Grid([words(key) for key in keys], rows, heading, _note(cells) if cells else "")


def _note(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return the first and last source of cells from one document, or the documents where there are several."""
    assurance = ", ".join(dict.fromkeys(str(one["assurance"]) for one in cells))
    documents_ = dict.fromkeys(str(one["source"]).partition("#")[0] for one in cells)
    if len(documents_) == 1:
        return f"Source: {short_source(cells[0]['source'])} to {short_source(cells[-1]['source'])}, {assurance}."
    return f"Sources: {', '.join(short_source(f'{one}#').removesuffix('#') for one in documents_)}, {assurance}."


def annex_iv(shown: Shown) -> Document:
    """Return the skeleton of the EU AI Act's technical documentation."""
    law = INSTRUMENTS["eu-ai-act"]
    parts = [
        Section(heading, [one for point in points for one in _point(shown.sections, point, law)])
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
    blocks += [one for point in AB_2013 for one in _point(shown.sections, point, law)]
    return _document(
        shown, f"Training data documentation: {shown.name}", law.title, [Section("Datasets", blocks)], "ab-2013"
    )


def mrm_memo(shown: Shown) -> Document:
    """Return the memo for a bank's model-risk function."""
    law = INSTRUMENTS["mrm"]
    parts = [
        Section(heading, [one for point in points for one in _point(shown.sections, point, law)])
        for heading, points in MRM_MEMO
    ]
    return _document(shown, f"Model risk memo: {shown.name}", law.title, parts, "mrm")


def privacy_card(shown: Shown) -> Document:
    """Return what is known about personal data behind the model."""
    law = INSTRUMENTS["gdpr"]
    parts = [
        Section(heading, [one for point in points for one in _point(shown.sections, point, law)])
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


__all__ = ["FOLDER", "PLOTS", "SECTIONS", "Shown", "documents", "facts_at", "grid_of", "model_card", "section_blocks"]
