"""From verified files to tokenised splits: everything between the gate and the model.

Here: the order of the steps, and what they found. Not here: each step (`records`, `labels`, `splits`, `batches`). Needs the
tokenizer, not torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasigil.canonical import document_digest
from training_worker.batches import TokenisedSplit, tokenise, transform_digest
from training_worker.labels import LabelSchema, check_splits
from training_worker.language_tokens import language_digest, read_chat_form, tokenise_language
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


def tokenise_all(
    recipe: Recipe, divided: Divided, tokenizer: Any, tokenizer_digest: str, root: Path | None = None
) -> Prepared:
    """Tokenise the three splits; `root` is the verified base model, whose chat form a causal language model needs.

    Raises:
        DatasigilError: NO_TOKENS.
        MalformedError: CHAT_TEMPLATE.
    """
    length = recipe.training.max_tokens
    if recipe.task.generates:
        assert root is not None
        form, only = read_chat_form(root), recipe.task.assistant_only_loss is not False
        splits = {
            name: tokenise_language(tokenizer, form, divided.partition.split(name), length, assistant_only=only)
            for name in SPLITS
        }
        digest = language_digest(tokenizer_digest, form, length, assistant_only=only)
    else:
        splits = {name: tokenise(tokenizer, divided.partition.split(name), length) for name in SPLITS}
        digest = transform_digest(tokenizer_digest, length, divided.schema.names)
    return Prepared(
        schema=divided.schema,
        splits=splits,
        overlap=divided.partition.overlap,
        rows_read=divided.rows_read,
        ignored_tags=divided.ignored_tags,
        transform_digest=digest,
        warnings=(*divided.warnings, *_left_out(splits)),
    )


def _left_out(splits: dict[str, TokenisedSplit]) -> list[str]:
    return [
        f"{split.left_out} rows of {name} have nothing to learn within maxTokens and are left out"
        for name, split in splits.items()
        if split.left_out
    ]


__all__ = ["Divided", "Prepared", "divide_files", "tokenise_all"]
