"""The documents of a run folder, written anew from its card, its reviews and its release.

Here: reading those out of a folder and writing README.md, `documents/` and the bill of materials. Not here: what they say
(`datasigil.models`), changing a card (`card_command`). The documents are a function of those files alone, so that writing them twice
changes nothing.
"""

from __future__ import annotations

from pathlib import Path

from datasigil.bundle import SUFFIX, read_file
from datasigil.errors import DatasigilError
from datasigil.limits import BUNDLE_MAX_BYTES, MIB
from datasigil.models.card import CARD_MAX_BYTES, ModelCard, parse_card
from datasigil.models.companions import FOLDER, Shown
from datasigil.models.model_folder import CARD, rendered
from datasigil.models.release import RELEASE, parse_release
from datasigil.models.reviews import REVIEWS, Review, parse_review
from training_worker.plots import FOLDER as PLOTS
from training_worker.run_folder import write_file

RELEASE_MAX_BYTES = 1 * MIB
REVIEWS_MAX = 1_000


def read_card(folder: Path) -> ModelCard:
    """Return the card of a run folder; checks its form alone.

    Raises:
        DatasigilError: NO_RUN, where there is none, and the card parser's codes.
    """
    if not (folder / CARD).is_file():
        raise DatasigilError(
            "NO_RUN", "there is no model card here", place=str(folder / CARD), expected="the folder that `datasigil-train train -o` wrote",
            next_action="name a finished run's folder",
        )  # fmt: skip
    return parse_card(read_file(folder / CARD, CARD_MAX_BYTES))


def read_reviews(folder: Path) -> tuple[Review, ...]:
    """Return the reviews in a run folder, whatever card they are about, in the order of their names.

    Raises:
        MalformedError: for a file that is no review.
    """
    place = folder / REVIEWS
    names = sorted(path.name for path in place.iterdir() if path.is_file()) if place.is_dir() else []
    return tuple(
        parse_review(read_file(place / name, BUNDLE_MAX_BYTES), f"{REVIEWS}{name}") for name in names[:REVIEWS_MAX]
    )


def next_review(folder: Path) -> int:
    """Return the number of the next review in a folder, so that none is overwritten."""
    place = folder / REVIEWS
    taken = [path.name.partition(".")[0] for path in place.rglob("*.json")] if place.is_dir() else []
    return max((int(name) for name in taken if name.isdecimal()), default=-1) + 1


def write_documents(folder: Path) -> list[str]:
    """Write every document of a run folder anew and remove those that no longer belong; returns their paths.

    Raises:
        DatasigilError: NO_RUN, DISK_FULL, UNWRITABLE, and the parsers' codes for what lies in the folder.
    """
    card = read_card(folder)
    reviews = tuple(one for one in read_reviews(folder) if one.card_digest == card.digest)
    released = (
        parse_release(read_file(folder / RELEASE, RELEASE_MAX_BYTES)).time if (folder / RELEASE).is_file() else ""
    )
    pictures = frozenset(f"{PLOTS}{path.name}" for path in (folder / PLOTS).glob("*"))
    files = rendered(Shown(card, reviews, released, pictures))
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_file(folder / path, data)
    for old in (folder / FOLDER).glob("*"):
        if f"{FOLDER}{old.name}" not in files:
            old.unlink()
    return sorted(files)


__all__ = ["SUFFIX", "next_review", "read_card", "read_reviews", "write_documents"]
