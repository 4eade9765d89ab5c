"""`datasigil-train review`: an expert signs a run's card off, or rejects it, with a key of their own.

Here: the command. Not here: the credential (`sign_model`), what a review is worth to somebody else (their trust file decides).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from datasigil.bundle import SUFFIX
from datasigil.errors import DatasigilError
from datasigil.models.reviews import REVIEWS
from datasigil.report.terminal import Console, escape
from training_worker import places
from training_worker.documents import next_review, read_card, write_documents
from training_worker.finished import read_run
from training_worker.online import Publishing
from training_worker.run_folder import write_file
from training_worker.sign_model import SignOff


def run(given: Namespace, console: Console) -> int:
    """Sign a review of the card as it is now, register it, and write the documents anew."""
    folder = Path(given.run_folder)
    sign_off = _sign_off(given)
    read_run(folder)  # nobody signs off what does not hold together
    card = read_card(folder)
    url = places.named_registry(given.registry)
    if not url:
        raise DatasigilError(
            "USAGE", "a review is signed for a registry, which keeps its status", expected="--registry URL, or DATASIGIL_REGISTRY", next_action="add --registry URL",
        )  # fmt: skip
    publishing = Publishing.open(url, given.key, None, dev=places.is_dev(given.dev))
    (folder / REVIEWS).mkdir(exist_ok=True)
    number = next_review(folder)
    bare, bundle = (folder / REVIEWS / f"{number}{suffix}" for suffix in (".credential.json", SUFFIX))
    write_file(bare, publishing.review(sign_off, card.digest))
    shown = {"type": "CardReview", "formatVersion": 1, "cardDigest": card.digest, "verdict": sign_off.verdict, "path": str(bare)}  # fmt: skip
    write_documents(folder)
    if not given.no_publish:
        told = publishing.register(bare, bundle, lambda _old: publishing.review(sign_off, card.digest))
        bare.unlink()  # the bundle holds it
        shown |= {"path": str(bundle), "published": told}
    write_documents(folder)
    console.result(shown, f"{sign_off.verdict}: card {card.digest}\nreview written to {escape(str(shown['path']))}\n")
    if card.document["status"] == "draft":
        console.say("the card is a draft: facts that people must state are missing, so it cannot be released yet")
    console.say("any change of the card voids this review")
    return 0


def _sign_off(given: Namespace) -> SignOff:
    """Return what the reviewer said on the command line.

    Raises:
        DatasigilError: USAGE.
    """
    for option, text in (("--name", given.name), ("--qualification", given.qualification)):
        if not text.strip() or not text.isprintable():
            raise DatasigilError("USAGE", f"{option} is not one line of text", expected="text", found=repr(text)[:60])
    if (given.verdict == "accepted-with-conditions") != bool(given.conditions):
        raise DatasigilError(
            "USAGE", "--conditions and the verdict do not go together", expected="--conditions exactly with --verdict accepted-with-conditions",
            found=f"--verdict {given.verdict}" + (" with conditions" if given.conditions else " without conditions"),
        )  # fmt: skip
    return SignOff(given.name.strip(), given.qualification.strip(), given.verdict, given.conditions or "", given.level)


__all__ = ["run"]
