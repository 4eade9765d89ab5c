"""From verified files to tokenised splits: everything between the gate and the model.

Here: the order of the steps, and what they found. Not here: each step (`records`, `labels`, `splits`, `batches`). Needs the
tokenizer, not torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasigil.canonical import document_digest
from training_worker.batches import TokenisedSplit, tokenise, transform_digest
from training_worker.labels import LabelSchema, check_splits
from training_worker.recipe import Recipe
from training_worker.records import SPLITS, Record, read_records
from training_worker.splits import Overlap, Partition, divide
from training_worker.verified_files import VerifiedFiles


@dataclass(frozen=True, slots=True)
class Divided:
    """Labelled examples in their splits, before any tokenizer."""

    schema: LabelSchema
    partition: Partition
    rows_read: tuple[int, ...]  # per dataset
    ignored_tags: dict[str, int]  # tag that means no label -> records that have it
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Tokenised splits and what was lost on the way."""

    schema: LabelSchema
    splits: dict[str, TokenisedSplit]
    overlap: Overlap
    rows_read: tuple[int, ...]
    ignored_tags: dict[str, int]
    transform_digest: str
    warnings: tuple[str, ...]

    @property
    def tokenised_digest(self) -> str:
        """SHA-256 over the digests of the three splits."""
        return document_digest({name: split.digest for name, split in self.splits.items()})


def divide_files(recipe: Recipe, datasets: Sequence[VerifiedFiles]) -> Divided:
    """Read, label and divide everything a recipe names.

    Raises:
        DatasigilError: the readers' codes, EMPTY_SPLIT, UNSEEN_LABEL, LABEL.
    """
    read = [
        read_records(files, data, number)
        for number, (files, data) in enumerate(zip(datasets, recipe.data, strict=True))
    ]
    schema = LabelSchema.of(recipe.task)
    records = [record for part in read for record in part]
    partition = divide(schema.examples(records), recipe.splits, recipe.training.seed)
    warnings = check_splits(partition.train, partition.validation, partition.test, schema)
    return Divided(schema, partition, tuple(map(len, read)), _ignored(records, schema), tuple(warnings))


def _ignored(records: Sequence[Record], schema: LabelSchema) -> dict[str, int]:
    return dict(sorted(Counter(tag for record in records for tag in record.tags if tag in schema.ignored).items()))


def tokenise_all(recipe: Recipe, divided: Divided, tokenizer: Any, tokenizer_digest: str) -> Prepared:
    """Tokenise the three splits.

    Raises:
        DatasigilError: NO_TOKENS.
    """
    length = recipe.training.max_tokens
    return Prepared(
        schema=divided.schema,
        splits={name: tokenise(tokenizer, divided.partition.split(name), length) for name in SPLITS},
        overlap=divided.partition.overlap,
        rows_read=divided.rows_read,
        ignored_tags=divided.ignored_tags,
        transform_digest=transform_digest(tokenizer_digest, length, divided.schema.names),
        warnings=divided.warnings,
    )


__all__ = ["Divided", "Prepared", "divide_files", "tokenise_all"]
