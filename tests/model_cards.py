"""Cards of a finished tiny run with other sectors and other people's words, for tests of documents."""

import json
from pathlib import Path

from datasigil.bundle import parse_bundle
from datasigil.canonical import jcs, sha256_hex
from datasigil.models.card import ModelCard, card_bytes, parse_card
from datasigil.models.laws import facts_of
from training_worker.card import build_card

PEOPLE = {fact.key: f"What was said about {fact.heading.lower()}." for fact in facts_of("")} | {
    "modelLicense": "Apache-2.0"
}


def card_of(folder: Path, *, sector: str = "", people: dict[str, str] | None = None) -> ModelCard:
    """Return the card that the run in `folder` would have had under a policy of `sector`, with what `people` said."""
    receipt = json.loads((folder / "receipt.json").read_bytes())
    if sector:
        receipt["gate"]["sector"] = sector
    credential = parse_bundle((folder / "evidence" / "0.sigil.json").read_bytes()).credential
    statements = [{"by": "Dr. A. Example", "time": "2026-11-02T09:00:00Z", "facts": people}] if people else []
    document = build_card(receipt, sha256_hex(jcs(receipt)), [credential], statements)
    return parse_card(card_bytes(document))
