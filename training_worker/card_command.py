"""`datasigil-train card`: check a run folder's card against its sources, and write its Markdown anew.

Here: the worker's own look, by digests and content, without a trust file. Not here: signatures and status
(`datasigil-verify card`), building a card (`card`).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from datasigil.bundle import read_file
from datasigil.models.card import CARD_MAX_BYTES, parse_card
from datasigil.models.readme import render_readme
from datasigil.report.terminal import Console
from training_worker.finished import check_run
from training_worker.run_folder import write_file

CARD, README = "card.json", "README.md"


def run(given: Namespace, console: Console) -> int:
    """Show every check of the folder; with `--render`, write README.md from card.json first."""
    folder = Path(given.run_folder)
    if given.render:
        # README.md is a function of card.json alone; card.json itself is never rewritten: signatures rest on its digest.
        card = parse_card(read_file(folder / CARD, CARD_MAX_BYTES))
        write_file(folder / README, render_readme(card))
        console.say(f"{folder / README} written from {CARD}")
    finding = check_run(folder)
    console.result(finding.document(), finding.render())
    console.say("signatures and status of the cited credentials: datasigil-verify card, under your trust file")
    return finding.exit_code


__all__ = ["run"]
