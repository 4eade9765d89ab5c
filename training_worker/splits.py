"""Splits without leakage: whole documents, equal texts together, and duplicates across splits found and reported.

Here: the seeded draw, the report of overlap, dropping duplicates from train. Not here: labels' meaning, reading.

The draw is a pure function of seed, sizes and content: it prefers, among a fixed number of seeded shuffles, the one whose
splits are nearest to the asked sizes and to each other in label shares. Nothing about the model influences it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from training_worker.labels import Example
from training_worker.recipe_sections import Splits
from training_worker.records import SPLITS

CANDIDATE_DRAWS = 64
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Rows of a split whose text, up to case and spacing, also occurs in train; `dropped` rows left train for it."""

    validation: int
    test: int
    within_train: int
    dropped: int

    def document(self) -> dict[str, int]:
        """Return the overlap as it stands in receipts."""
        return {
            "validationRowsAlsoInTrain": self.validation,
            "testRowsAlsoInTrain": self.test,
            "repeatedRowsInTrain": self.within_train,
            "rowsDroppedFromTrain": self.dropped,
        }


@dataclass(frozen=True, slots=True)
class Partition:
    """The three splits, and how much of their text they share."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    overlap: Overlap

    def split(self, name: str) -> tuple[Example, ...]:
        """Return a split by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def text_key(text: str) -> str:
    """Return the text as duplicates are compared: case folded, runs of white space as one space."""
    return _SPACE.sub(" ", text).strip().casefold()


def divide(examples: Sequence[Example], splits: Splits, seed: int) -> Partition:
    """Divide examples as the recipe says."""
    if splits.by == "files":
        rows = {name: [example for example in examples if example.record.split == name] for name in SPLITS}
    else:
        rows = _draw(examples, splits, seed)
    train, dropped = rows["train"], 0
    if splits.duplicates == "drop":
        held = {text_key(example.record.text) for name in SPLITS[1:] for example in rows[name]}
        train = [example for example in train if text_key(example.record.text) not in held]
        dropped = len(rows["train"]) - len(train)
    overlap = _overlap(train, rows["validation"], rows["test"], dropped)
    return Partition(tuple(train), tuple(rows["validation"]), tuple(rows["test"]), overlap)


def _overlap(train: Iterable[Example], validation: Iterable[Example], test: Iterable[Example], dropped: int) -> Overlap:
    seen = Counter(text_key(example.record.text) for example in train)
    return Overlap(
        validation=sum(text_key(example.record.text) in seen for example in validation),
        test=sum(text_key(example.record.text) in seen for example in test),
        within_train=sum(seen.values()) - len(seen),
        dropped=dropped,
    )


def _draw(examples: Sequence[Example], splits: Splits, seed: int) -> dict[str, list[Example]]:
    units: dict[str, list[int]] = defaultdict(list)
    for number, example in enumerate(examples):
        record = example.record
        units[f"{record.dataset}\0{record.document}" if splits.by == "document" else text_key(record.text)].append(
            number
        )
    labels = {
        key: Counter(label for number in numbers for label in examples[number].labels) for key, numbers in units.items()
    }
    sizes = {key: len(numbers) for key, numbers in units.items()}
    wanted = {"validation": splits.validation, "test": splits.test}
    draws = (_assign(sizes, wanted, seed, attempt) for attempt in range(CANDIDATE_DRAWS))
    best = min(draws, key=lambda draw: _imbalance(draw, sizes, labels, wanted))
    rows: dict[str, list[Example]] = {name: [] for name in SPLITS}
    assigned = {number: best[key] for key, numbers in units.items() for number in numbers}
    for number, example in enumerate(examples):
        rows[assigned[number]].append(example)
    return rows


def _assign(sizes: Mapping[str, int], wanted: Mapping[str, float], seed: int, attempt: int) -> dict[str, str]:
    """Order units by a seeded hash and fill validation, then test, then train, by rows."""
    head = f"datasigil/split/v1\0{seed}\0{attempt}\0".encode()
    order = sorted(sizes, key=lambda key: sha256(head + key.encode("utf-8")).digest())
    rows = sum(sizes.values())
    room = {name: share * rows for name, share in wanted.items()}
    draw = {}
    for key in order:
        # A unit goes where more than half of it still fits, so that one long document cannot fill a small split twice.
        name = next((split for split, left in room.items() if left >= sizes[key] / 2), "train")
        draw[key] = name
        if name in room:
            room[name] -= sizes[key]
    return draw


def _imbalance(
    draw: Mapping[str, str], sizes: Mapping[str, int], labels: Mapping[str, Counter[int]], wanted: Mapping[str, float]
) -> float:
    """Return how far label shares and sizes of the drawn splits are from the asked shares; 0 is perfect."""
    total: Counter[int] = Counter()
    drawn: dict[str, Counter[int]] = {name: Counter() for name in SPLITS}
    rows: Counter[str] = Counter()
    for key, split in draw.items():
        total.update(labels[key])
        drawn[split].update(labels[key])
        rows[split] += sizes[key]
    cost = 0.0
    for split, share in wanted.items():
        cost += abs(rows[split] / sum(rows.values()) - share)
        cost += sum(abs(drawn[split][label] / count - share) for label, count in total.items()) / max(len(total), 1)
    return cost


__all__ = ["Overlap", "Partition", "divide", "text_key"]
