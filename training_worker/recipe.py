"""The training recipe: a closed YAML form and its digest.

Here: the whole recipe, what its sections demand of each other, the nearest known key for a typing error, and the canonical form whose digest goes
into the receipt. Not here: the sections (`recipe_sections`), YAML itself (`strict_yaml`), the schema for editors (`recipe_schema`), opening what
the recipe names, and any check of data. Data is named by credential id and evidence bundle, never by a bare path.

A recipe is a file of the user's own: what is wrong with it is wrong usage (exit code 2), not evidence that is refused, so it is a plain
DatasigilError. Form: `type: TrainingRecipe`, `formatVersion: 1`.
"""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, model_validator

from datasigil.bundle import open_without_waiting
from datasigil.canonical import document_digest
from datasigil.errors import DatasigilError
from training_worker.decimals import decimal_text
from training_worker.limits import DATASETS_MAX, RECIPE_MAX_BYTES
from training_worker.recipe_sections import (
    DEFAULT_BASE,
    Base,
    Budget,
    Data,
    Evaluation,
    Name,
    Provided,
    Splits,
    Strict,
    Task,
    Training,
    nearest,
)
from training_worker.strict_yaml import parse_yaml


class Recipe(Strict):
    """A training run, completely described."""

    type: Literal["TrainingRecipe"]
    format_version: Literal[1]
    name: Name
    version: Name = "1.0.0"
    base: Base = Base(package=DEFAULT_BASE)
    data: Annotated[tuple[Data, ...], Field(min_length=1, max_length=DATASETS_MAX)]
    splits: Splits
    task: Task
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    budget: Budget | None = None
    provided: Provided | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        for index, data in enumerate(self.data):
            whole = bool(data.files.all)
            if whole == (self.splits.by == "files"):
                expected = "train, validation and test" if self.splits.by == "files" else "all"
                raise ValueError(f"data.{index}.files must use {expected} when splits.by is {self.splits.by}")
            if (
                self.splits.by == "document"
                and data.layout == "records"
                and not (data.columns and data.columns.document)
            ):
                raise ValueError(f"data.{index}.columns.document is needed to split by document")
            self._columns_fit(index, data)
        if self.task.type != "multi-label" and self.training.unlabelled_per_labelled is not None:
            raise ValueError("training.unlabelledPerLabelled is for multi-label tasks")
        self._training_fits()
        return self

    def _columns_fit(self, index: int, data: Data) -> None:
        """Refuse columns that the task cannot use, naming those it needs."""
        place, columns = f"data.{index}.columns", data.columns
        if columns is None:
            if self.task.generates:
                raise ValueError(f"data.{index}.layout must be records for causal-lm")
            return
        pair = (columns.prompt is None, columns.completion is None)
        if not self.task.generates:
            if columns.text is None or columns.labels is None:
                raise ValueError(f"{place} needs text and labels for {self.task.type}")
            if columns.messages or pair != (True, True):
                raise ValueError(f"{place}: prompt, completion and messages are for causal-lm")
            return
        if columns.labels is not None or columns.separator is not None:
            raise ValueError(f"{place}: labels and separator are for classification")
        given = [columns.text is not None, pair == (False, False), columns.messages is not None]
        if sum(given) != 1 or pair[0] != pair[1]:
            raise ValueError(f"{place} needs exactly one of text, prompt with completion, and messages")

    def _training_fits(self) -> None:
        """Refuse settings that this task would ignore."""
        training = self.training
        if self.task.generates:
            if self.base.package == DEFAULT_BASE:
                raise ValueError("base must name a causal language model, by path")
            if training.class_weights != "none" or training.positive_weight != 1.0:
                raise ValueError("training.classWeights and training.positiveWeight are for classification")
        elif training.method != "lora" or training.packing or training.accumulation != 1:
            raise ValueError("training.method qlora, packing and accumulation are for causal-lm")

    @property
    def weights(self) -> tuple[float, ...]:
        """How often each dataset's rows are seen in an epoch, in the order of `data`."""
        return tuple(data.weight for data in self.data)

    def canonical(self) -> dict[str, Any]:
        """Return the recipe as I-JSON, every default written out and every float as a decimal string."""
        document: dict[str, Any] = _plain(self.model_dump(by_alias=True, exclude_none=True))
        return document

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical form's RFC 8785 bytes, 64 hexadecimal digits."""
        return document_digest(self.canonical())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return decimal_text(value) if isinstance(value, float) else value


def parse_recipe(data: bytes, *, place: str = "recipe") -> Recipe:
    """Parse and check a recipe; opens nothing that it names.

    Raises:
        DatasigilError: the YAML reader's codes, RECIPE_KEY with the nearest known key, or RECIPE with place and expectation.
    """
    value = parse_yaml(data, place=place)
    try:
        return Recipe.model_validate(_tuples(value))
    except ValidationError as error:
        raise _first_problem(error, place) from None


def read_recipe_bytes(path: Path) -> bytes:
    """Return the bytes of a recipe file, at most one more than the limit.

    Raises:
        DatasigilError: UNREADABLE.
    """
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            return file.read(RECIPE_MAX_BYTES + 1)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            "the recipe cannot be read",
            place=str(path),
            found=error.strerror or "",
            expected="a YAML file",
        ) from None


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    Raises:
        DatasigilError: UNREADABLE, and as `parse_recipe`.
    """
    return parse_recipe(read_recipe_bytes(path), place=str(path))


def _tuples(value: Any) -> Any:
    """Turn lists into tuples: strict pydantic takes no list for a tuple, and tuples cannot change after the check."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _first_problem(error: ValidationError, place: str) -> DatasigilError:
    # A key that is not known explains the missing one beside it, so it is told first.
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    steps = [str(step) for step in problem["loc"]]
    where = f"{place}: {'.'.join(steps)}" if steps else place
    if problem["type"] == "extra_forbidden":
        known = _known_keys(problem["loc"][:-1])
        hint = nearest(steps[-1], known)
        return DatasigilError(
            "RECIPE_KEY", f"unknown key {steps[-1]!r}{hint}", place=where, expected="one of " + ", ".join(known)
        )
    if problem["type"] == "missing":
        return DatasigilError("RECIPE", f"the key {steps[-1]!r} is missing", place=where)
    found = _found(problem.get("input"))
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    # `tags: [1]` is a number: whoever writes a label's tag so means the text.
    action = "write it in quotes" if problem["type"] == "string_type" and found else ""
    return DatasigilError(
        "RECIPE", "a value does not fit", place=where, expected=message, found=found, next_action=action
    )


def _found(value: Any) -> str:
    return "" if isinstance(value, (dict, tuple, list)) else repr(value)[:80]


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the model at a place in the recipe."""
    model: Any = Recipe
    for step in location:
        if isinstance(step, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if step in fields:
            model = _model_in(fields[step].annotation)
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _model_in(annotation: Any) -> Any:
    """Return the pydantic model inside an annotation such as `tuple[Label, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (typing.Union, types.UnionType, tuple, Annotated):
        for part in get_args(annotation):
            if (found := _model_in(part)) is not None:
                return found
    return None


__all__ = [
    "Recipe",
    "parse_recipe",
    "read_recipe",
    "read_recipe_bytes",
]
