"""Labels: from the tags in the data to the classes of the task, and nothing guessed between them.

Here: `LabelSchema` and the label vectors. Not here: reading tags (`records`), thresholds and metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError, MalformedError
from training_worker.recipe_sections import Task
from training_worker.records import Record


@dataclass(frozen=True, slots=True)
class Example:
    """A record whose tags have become classes; `labels` holds sorted class numbers."""

    record: Record
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabelSchema:
    """The classes of a task in order, and which tags mean them."""

    names: tuple[str, ...]
    none_label: str | None
    multi: bool
    classes: dict[str, int]
    ignored: frozenset[str]

    @classmethod
    def of(cls, task: Task) -> LabelSchema:
        """Return the schema a recipe's task section describes."""
        return cls(
            names=tuple(label.name for label in task.labels),
            none_label=task.none_label,
            multi=task.type != "single-label",  # a task without classes has none, for every record
            classes={tag: number for number, label in enumerate(task.labels) for tag in label.tags},
            ignored=frozenset(task.ignored_tags),
        )

    def labels_of(self, record: Record) -> tuple[int, ...]:
        """Return the classes of one record.

        Raises:
            MalformedError: LABEL, for a tag outside the schema, or not exactly one class in a single-label task.
        """
        found: set[int] = set()
        for tag in record.tags:
            if tag in self.classes:
                found.add(self.classes[tag])
            elif tag not in self.ignored:
                raise MalformedError(
                    "LABEL",
                    "a label in the data is not in the recipe",
                    place=f"{display_path(record.path)} record {record.index + 1}",
                    expected="one of " + ", ".join(sorted(self.classes))[:300],
                    found=repr(tag)[:80],
                    next_action="add it to task.labels, or to task.ignoredTags if it means no label",
                )
        if not self.multi and len(found) != 1:
            raise MalformedError(
                "LABEL",
                "a single-label record does not have exactly one label",
                place=f"{display_path(record.path)} record {record.index + 1}",
                expected="one label",
                found=", ".join(record.tags)[:80] or "none",
            )
        return tuple(sorted(found))

    def examples(self, records: Sequence[Record]) -> list[Example]:
        """Return every record with its classes.

        Raises:
            MalformedError: LABEL.
        """
        return [Example(record, self.labels_of(record)) for record in records]


def label_counts(examples: Sequence[Example], schema: LabelSchema) -> dict[str, int]:
    """Return rows per class, in schema order, the rows without any class under `none_label` where it is named."""
    counts = dict.fromkeys(schema.names, 0)
    for example in examples:
        for number in example.labels:
            counts[schema.names[number]] += 1
    if schema.none_label:
        counts[schema.none_label] = sum(not example.labels for example in examples)
    return counts


def check_splits(
    train: Sequence[Example], validation: Sequence[Example], test: Sequence[Example], schema: LabelSchema
) -> list[str]:
    """Refuse splits that cannot train or judge, and return warnings about classes that a split lacks.

    Raises:
        DatasigilError: EMPTY_SPLIT, or UNSEEN_LABEL for a class without any training row.
    """
    warnings = []
    for name, examples in (("train", train), ("validation", validation), ("test", test)):
        if not examples:
            raise DatasigilError(
                "EMPTY_SPLIT", f"the {name} split is empty", place=f"splits.{name}", expected="at least one record"
            )
        for label, count in label_counts(examples, schema).items():
            if count:
                continue
            if name == "train" and label != schema.none_label:
                raise DatasigilError(
                    "UNSEEN_LABEL",
                    "a label has no training record",
                    place="task.labels",
                    found=label,
                    next_action="remove it from the recipe, or choose splits that give it records",
                )
            warnings.append(f"label {label!r} has no record in {name}")
    return warnings


__all__ = ["Example", "LabelSchema", "check_splits", "label_counts"]
