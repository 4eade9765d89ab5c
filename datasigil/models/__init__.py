"""Training receipts and model cards: their canonical forms and the checks that bind them to evidence.

Here: `receipt` (what a run consumed and produced), `card` (facts that each cite a source), `readme` (the Hugging Face text
rendered from a card) and `model_folder` (one verdict over a run folder). Not here: training, torch, private keys.
"""

from __future__ import annotations

from datasigil.models.card import ModelCard, card_bytes, check_card, parse_card
from datasigil.models.examples import example_leaf
from datasigil.models.receipt import Receipt, parse_receipt, receipt_bytes

__all__ = [
    "ModelCard",
    "Receipt",
    "card_bytes",
    "check_card",
    "example_leaf",
    "parse_card",
    "parse_receipt",
    "receipt_bytes",
]
