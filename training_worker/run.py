"""One training run from recipe to run folder, in the order the story is told.

Past 400 lines, because the story of a run is read in one place.

Here: gate, data, base model, training, evaluation, receipt, card, credential, and the one rename at the end. Not here: each
step. Nothing that can compute a gradient is imported before the gate has passed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import sidecar_path
from datasigil.canonical import jcs, sha256_hex
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.models.card import card_bytes, parse_card
from datasigil.models.companions import Shown
from datasigil.models.examples import ExampleList
from datasigil.models.model_folder import rendered
from datasigil.models.receipt import receipt_bytes
from training_worker.base_model import (
    README,
    TOKENIZER,
    BaseModel,
    find_base_model,
    load_tokenizer,
    snapshot_base_model,
)
from training_worker.card import build_card
from training_worker.decimals import decimal_text
from training_worker.energy import EnergyMeter
from training_worker.environment import DECISIVE, installed_packages
from training_worker.estimate import Expected, expected_cost, peak_memory_bytes
from training_worker.evaluation import evaluate, evaluation_document, evaluation_table
from training_worker.failure_modes import Judged, failure_modes
from training_worker.gate import GateSettings, PassedGate, Refused, passed_gate
from training_worker.plots import plots
from training_worker.preparation import Prepared, divide_files, tokenise_all
from training_worker.prices import Prices, read_prices
from training_worker.progress import Progress
from training_worker.receipt import RunFacts, build_receipt
from training_worker.recipe import Recipe
from training_worker.run_folder import CLASSIFIER, RunFolder, write_file
from training_worker.watch import Watch

if TYPE_CHECKING:
    from training_worker.checkpoint import TrainingState
    from training_worker.trainers import Built
    from training_worker.training import Trained

Sign = Callable[[Mapping[str, Any], str, str], Mapping[str, bytes]]
"""Given receipt, receipt digest and card digest, returns further files of the run folder: the signed model credential."""

RECEIPT, CARD, EXAMPLES, RECIPE, BASE_README = (
    "receipt.json",
    "card.json",
    "examples.json",
    "recipe.yaml",
    "evidence/base-README.md",
)
REFUSED = "refused.json"  # in the working folder of a run that a refusal stopped


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for; paths in the recipe are relative to `folder`."""

    recipe: Recipe
    recipe_bytes: bytes
    folder: Path
    gate: GateSettings
    out: Path
    resume: bool = False
    sign: Sign | None = None
    progress: Progress = field(default_factory=Progress)
    asked_to_stop: Callable[[], bool] = lambda: False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    prices: Prices | None = None  # absent: the list that comes with the worker
    fetched: Mapping[str, Path] = field(default_factory=dict)  # a bundle's place in the recipe -> where it lies instead


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run: its folder and its receipt."""

    folder: Path
    receipt: Mapping[str, Any]
    receipt_digest: str
    card_digest: str
    table: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything a model is trained on, established and tokenised; the base model lies in `base_root`."""

    gate: PassedGate
    prepared: Prepared
    base: BaseModel
    base_root: Path


def make_ready(request: RunRequest, gate: PassedGate, work: Path) -> Ready:
    """Read the verified data and the base model.

    Raises:
        DatasigilError: every code of the readers, of the splits and of the base model.
    """
    divided = divide_files(request.recipe, [dataset.files for dataset in gate.datasets])
    base = find_base_model(request.recipe.base, request.folder)
    root = snapshot_base_model(base, work)
    prepared = tokenise_all(request.recipe, divided, load_tokenizer(root), base.digest_of(TOKENIZER), root)
    return Ready(gate, prepared, base, root)


def train(request: RunRequest) -> Finished:
    """Run a recipe to the end.

    Raises:
        Refused: by the gate, before the run (nothing is left) or during it (the checkpoint is, with the reason).
        Interrupted: at the user's wish, with a checkpoint.
        DatasigilError: for everything else that stops a run.
    """
    place = RunFolder(request.out)
    place.open(resume=request.resume)
    try:
        place.clear_snapshots()
        with passed_gate(
            request.recipe, request.folder, request.gate, work=place.work, fetched=request.fetched
        ) as gate:
            request.progress.say(_passed(gate))
            ready = make_ready(request, gate, gate_place(gate) / "base-model")
            request.progress.say(_shape(ready.prepared))
            return _train(request, ready, place)
    except Refused as refusal:
        if refusal.during_run:  # whoever finds the checkpoint finds the reason beside it
            write_file(place.work / REFUSED, jcs(refusal.document()))
        raise
    finally:
        place.discard_if_empty()


def gate_place(gate: PassedGate) -> Path:
    """Return the private folder that holds this gate's verified copies, and is removed with them."""
    return gate.datasets[0].files.root.parent


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What a task's training left behind: state, figures, and the files of the model itself."""

    state: TrainingState
    steps_planned: int
    stopped: str
    thresholds: tuple[float, ...]
    evaluation: dict[str, Any]  # validation, test, failureModes
    table: str
    files: dict[str, bytes]


def _train(request: RunRequest, ready: Ready, place: RunFolder) -> Finished:
    recipe, progress = request.recipe, request.progress
    predicted = expected_cost(ready.base_root, recipe, ready.prepared, request.prices or read_prices())
    _within_budget(predicted)
    # The first import of torch: the gate has passed.
    from training_worker.ranks import joined_ranks
    from training_worker.trainers import build_trainer

    meter = EnergyMeter.start()
    watch = Watch(ready.gate, request.gate, request.now, progress.say)
    binding = binding_of(recipe, ready)
    ranks = joined_ranks(recipe.training.device)
    ranks.agree(binding)
    asked = partial(_asked_between_steps, request, watch)
    how: dict[str, Any] = {"asked_to_stop": asked, "recheck": watch, "ranks": ranks}
    built = build_trainer(recipe, ready, folder=place.work, binding=binding, progress=progress, **how)
    built.loop.state.started = str(Instant.from_datetime(request.now().replace(microsecond=0)))
    trainable, total = built.parameters
    progress.say(
        f"{trainable:,} of {total:,} parameters are trained ({ready.base.name}, rank {recipe.training.lora.rank})"
    )
    digests = [dataset.files.credential_digest for dataset in ready.gate.datasets]
    if recipe.task.generates:
        from training_worker.language_run import consumed, language_outcome

        outcome = language_outcome(built, ready, recipe, resume=request.resume)
        examples = consumed(ready, recipe, outcome.state.step, digests)
    else:
        outcome = _classifier_outcome(built, ready, recipe, resume=request.resume)
        examples = _consumed(ready, recipe, outcome.state.step, digests)
    ranks.close()
    energy = meter.stop(outcome.state.cpu_seconds, whole_run=not outcome.state.resumes)
    peak = max(outcome.state.peak_bytes, peak_memory_bytes())
    cost = {"predicted": predicted.document(), "actual": predicted.actual(outcome.state.seconds, peak)}
    facts = _facts(request, outcome, (trainable, total), energy, cost)
    artefacts = {
        **outcome.files,
        EXAMPLES: examples.to_bytes(),
        **plots(outcome.state.history, outcome.evaluation["test"], outcome.evaluation["failureModes"]),
    }
    watch.judge(final=True)
    files, receipt = assemble(request, ready, examples, facts, artefacts, watch)
    place.finish(files)
    return Finished(place.out, receipt, sha256_hex(files[RECEIPT]), sha256_hex(files[CARD]), outcome.table)


def _within_budget(predicted: Expected) -> None:
    """Refuse a run that is expected to pass its budget."""
    if predicted.spending is None:
        return
    try:
        predicted.spending.refuse()
    except DatasigilError as error:
        raise Refused("the run is expected to pass its budget", 1, (), error) from None


def _classifier_outcome(built: Built, ready: Ready, recipe: Recipe, *, resume: bool) -> TaskOutcome:
    from training_worker.classifier import classifier_files
    from training_worker.training import Trainer, predict

    assert isinstance(built.loop, Trainer)
    trained = built.loop.run(resume=resume)
    evaluation, table = _evaluate(trained, ready.prepared, predict)
    files = {
        **classifier_files(built.model, base_name=ready.base.name),
        CLASSIFIER: classifier_bytes(recipe, ready.base, ready.prepared, trained.thresholds),
    }
    return TaskOutcome(
        trained.state, trained.steps_planned, trained.stopped, trained.thresholds, evaluation, table, files
    )


def _consumed(ready: Ready, recipe: Recipe, steps: int, digests: list[str]) -> ExampleList:
    from training_worker.training import example_list

    return example_list(ready.prepared.splits["train"], recipe, steps, digests, ready.prepared.transform_digest)


def _asked_between_steps(request: RunRequest, watch: Watch) -> bool:
    """Judge the evidence again when the interval is over, however long an epoch takes, and say whether the user wants to stop."""
    watch()
    return request.asked_to_stop()


def binding_of(recipe: Recipe, ready: Ready) -> dict[str, str]:
    """Return what a checkpoint is bound to; a difference in any of it refuses to resume."""
    packages = installed_packages()
    bound = {
        "recipe": recipe.digest,
        "credentials": ",".join(dataset.files.credential_digest for dataset in ready.gate.datasets),
        "manifests": ",".join(dataset.files.manifest.digest for dataset in ready.gate.datasets),
        "base": ready.base.manifest.digest,
        "tokens": ready.prepared.tokenised_digest,
    }
    return bound | {name: packages.get(name, "absent") for name in DECISIVE}


def _evaluate(trained: Trained, prepared: Prepared, predict: Callable[..., Any]) -> tuple[dict[str, Any], str]:
    labels = [example.labels for example in prepared.splits["train"].examples]
    schema, thresholds = prepared.schema, trained.thresholds
    documents, judged, table = {}, {}, ""
    for name in ("validation", "test"):
        split = prepared.splits[name]
        scores = predict(trained.model, split, schema)
        model, majority = evaluate(scores, split, labels, thresholds, schema)
        documents[name] = {
            **evaluation_document(model, majority, labels, schema, len(split.examples)),
            "splitDigest": split.digest,
        }
        judged[name] = Judged.of(split, scores, thresholds, schema)
        table = evaluation_table(model, majority, f"{name} ({len(split.examples)} rows)")
    documents["failureModes"] = failure_modes(
        judged["test"], judged["validation"], thresholds, schema, prepared.splits["train"],
        lambda rows: predict(trained.model, rows, schema),
    )  # fmt: skip
    return documents, table


def _facts(
    request: RunRequest,
    outcome: TaskOutcome,
    parameters: tuple[int, int],
    energy: dict[str, str],
    cost: dict[str, Any],
) -> RunFacts:
    state, evaluation = outcome.state, outcome.evaluation
    return RunFacts(
        id=f"urn:uuid:{uuid.uuid4()}",
        started=Instant.parse(state.started).datetime(),
        finished=request.now().replace(microsecond=0),
        seconds=state.seconds,
        cpu_seconds=state.cpu_seconds,
        resumes=state.resumes,
        steps=state.step,
        steps_planned=outcome.steps_planned,
        epochs=state.epoch,
        best_epoch=state.best_epoch,
        stopped=outcome.stopped,
        history=state.history,
        trainable=parameters[0],
        total=parameters[1],
        thresholds=outcome.thresholds,
        validation=evaluation["validation"],
        test=evaluation["test"],
        failure_modes=evaluation["failureModes"],
        energy=energy,
        cost=cost,
    )


def classifier_bytes(recipe: Recipe, base: BaseModel, prepared: Prepared, thresholds: tuple[float, ...]) -> bytes:
    """Return `classifier.json`: what a program needs beside the tensors to use the model."""
    document: dict[str, Any] = {
        "type": "TextClassifier",
        "formatVersion": 1,
        "task": recipe.task.type,
        "labels": list(prepared.schema.names),
        "thresholds": [decimal_text(threshold, 6) for threshold in thresholds],
        "pooling": recipe.training.pooling,
        "maxTokens": recipe.training.max_tokens,
        "base": {
            "name": base.name,
            "manifestDigest": base.manifest.digest,
            "weightsDigest": base.weights_digest,
            "tokenizer": TOKENIZER,
            "tokenizerDigest": base.digest_of(TOKENIZER),
        },
    }
    if prepared.schema.none_label:
        document["noneLabel"] = prepared.schema.none_label
    return jcs(document)


def assemble(
    request: RunRequest, ready: Ready, examples: ExampleList, facts: RunFacts, artefacts: dict[str, bytes], watch: Watch
) -> tuple[dict[str, bytes], Mapping[str, Any]]:
    """Return every file of the run folder, and the receipt: artefacts, receipt over them, card over it, credential over both."""
    receipt = build_receipt(request.recipe, ready.gate, ready.base, ready.prepared, examples, facts, artefacts)
    receipt["gate"] |= {"lastChecked": str(Instant.from_datetime(watch.last)), "rechecks": watch.rechecks}
    files = {**artefacts, RECEIPT: receipt_bytes(receipt), RECIPE: request.recipe_bytes}
    digest = sha256_hex(files[RECEIPT])
    datasets = ready.gate.datasets
    card = build_card(receipt, digest, [one.credential for one in datasets], related=[one.related for one in datasets])
    files[CARD] = card_bytes(card)
    pictures = frozenset(path for path in artefacts if path.startswith("plots/"))
    files |= rendered(Shown(parse_card(files[CARD]), pictures=pictures))
    for dataset in ready.gate.datasets:
        files[dataset.evidence_name] = dataset.evidence
        if dataset.sidecar is not None:
            files[sidecar_path(Path(dataset.evidence_name)).as_posix()] = dataset.sidecar
    if (ready.base_root / README).is_file():
        files[BASE_README] = (ready.base_root / README).read_bytes()
    if request.sign is not None:
        files.update(request.sign(receipt, digest, sha256_hex(files[CARD])))
    return files, receipt


def _passed(gate: PassedGate) -> str:
    names = [str(dataset.credential["credentialSubject"]["name"]) for dataset in gate.datasets]
    return f"gate: VALID, all files of {len(names)} dataset{'s' if len(names) > 1 else ''} verified while copied ({', '.join(names)})"


def _shape(prepared: Prepared) -> str:
    rows = ", ".join(f"{len(split.examples)} {name}" for name, split in prepared.splits.items())
    cut = sum(split.truncated for split in prepared.splits.values())
    lines = [f"data: {rows}; {cut} rows cut to the token limit"]
    overlap = prepared.overlap
    if overlap.test or overlap.validation or overlap.dropped:
        lines.append(
            f"overlap: {overlap.test} test and {overlap.validation} validation rows also occur in train; {overlap.dropped} dropped from train"
        )
    lines += [f"warning: {warning}" for warning in prepared.warnings]
    return "\n".join(lines)


def summary(finished: Finished) -> dict[str, Any]:
    """Return what `train --json` prints."""
    receipt = finished.receipt
    test = receipt["evaluation"]["test"]
    return {
        "type": "TrainingResult",
        "formatVersion": 1,
        "folder": str(finished.folder),
        "receiptDigest": finished.receipt_digest,
        "cardDigest": finished.card_digest,
        "artefactsRoot": receipt["artefacts"]["root"],
        "steps": receipt["training"]["steps"],
        "durationSeconds": receipt["run"]["durationSeconds"],
        **_headline_figures(test),
    }


def _headline_figures(test: Mapping[str, Any]) -> dict[str, Any]:
    if "model" not in test:
        return {"loss": test["loss"], "perplexity": test["perplexity"], "baseModelLoss": test["baseModel"]["loss"]}
    return {
        "microF1": test["model"]["microF1"],
        "macroF1": test["model"]["macroF1"],
        "majorityMicroF1": test["majority"]["microF1"],
        "majorityMacroF1": test["majority"]["macroF1"],
    }


__all__ = [
    "Finished",
    "Ready",
    "RunRequest",
    "TaskOutcome",
    "assemble",
    "make_ready",
    "summary",
    "train",
]
