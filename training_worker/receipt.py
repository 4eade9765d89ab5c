"""Measuring a run into its receipt.

Here: every figure and digest of `receipt.json`, taken from what was really used. Not here: the receipt's form and checks
(`datasigil.models.receipt`), the card (`card`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from datasigil.canonical import sha256_hex
from datasigil.datasets.entry import SHA256_ONLY, ChunkTree, Manifest, ManifestEntry, chunk_tree
from datasigil.encoding import Instant
from datasigil.limits import CHUNK_BYTES, CHUNKED_FILE_MIN_BYTES
from datasigil.models.examples import ExampleList, examples_root
from datasigil.models.receipt import receipt_object
from training_worker.base_model import TOKENIZER, BaseModel
from training_worker.batches import TokenisedSplit
from training_worker.decimals import decimal_text
from training_worker.environment import hardware, installed_packages, software
from training_worker.gate import PassedGate
from training_worker.labels import LabelSchema, label_counts
from training_worker.preparation import Prepared
from training_worker.recipe import Recipe

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What only the finished run knows."""

    id: str
    started: datetime
    finished: datetime
    seconds: float
    cpu_seconds: float
    resumes: int
    steps: int
    steps_planned: int
    epochs: int
    best_epoch: int
    stopped: str
    history: Sequence[Mapping[str, Any]]
    trainable: int
    total: int
    thresholds: Sequence[float]
    validation: JsonObject  # {"model": …, "majority": …}
    test: JsonObject
    failure_modes: JsonObject
    energy: JsonObject
    cost: JsonObject  # predicted, actual


def artefact_manifest(files: Mapping[str, bytes]) -> Manifest:
    """Return the manifest over the files a run produced, SHA-256 only."""
    names = sorted(files, key=lambda name: name.encode("utf-8"))
    entries = tuple(
        ManifestEntry(name, len(files[name]), sha256_hex(files[name]), None, _chunks(files[name])) for name in names
    )
    return Manifest(entries, digests=SHA256_ONLY)


def _chunks(data: bytes) -> ChunkTree | None:
    if len(data) < CHUNKED_FILE_MIN_BYTES:
        return None
    return chunk_tree(
        len(data), [sha256(data[start : start + CHUNK_BYTES]).digest() for start in range(0, len(data), CHUNK_BYTES)]
    )


def build_receipt(
    recipe: Recipe,
    gate: PassedGate,
    base: BaseModel,
    prepared: Prepared,
    examples: ExampleList,
    facts: RunFacts,
    artefacts: Mapping[str, bytes],
) -> JsonObject:
    """Return the receipt of a finished run."""
    document = {
        "run": {
            "id": facts.id,
            "name": recipe.name,
            "started": str(Instant.from_datetime(facts.started)),
            "finished": str(Instant.from_datetime(facts.finished)),
            "durationSeconds": round(facts.seconds),
            "cpuSeconds": round(facts.cpu_seconds),
            "resumes": facts.resumes,
        },
        "energy": facts.energy,
        "cost": facts.cost,
        "recipe": {"digest": recipe.digest, "document": recipe.canonical()},
        "datasets": _datasets(gate, prepared, examples),
        "gate": gate.document(),
        "base": _base(base),
        "software": software(installed_packages()),
        "hardware": hardware(recipe.training.threads, recipe.training.device),
        "data": _data(prepared),
        "training": _training(recipe, examples, facts),
        "artefacts": _artefacts(artefacts),
        "evaluation": {
            "thresholds": [decimal_text(threshold, 6) for threshold in facts.thresholds],
            "validation": facts.validation,
            "test": facts.test,
            "failureModes": facts.failure_modes,
        },
    }
    if recipe.provided is not None:
        document["provided"] = {"by": recipe.provided.by, "facts": dict(recipe.provided.facts)}
    return receipt_object(document)


def _datasets(gate: PassedGate, prepared: Prepared, examples: ExampleList) -> list[JsonObject]:
    used: dict[str, set[tuple[int, int]]] = {}
    for step in examples.steps:
        for file, record in step:
            used.setdefault(examples.files[file][0], set()).add((file, record))
    read = prepared.rows_read
    return [
        {
            "credential": dataset.files.credential_id,
            "credentialDigest": dataset.files.credential_digest,
            "evidence": dataset.evidence_name,
            "evidenceDigest": sha256_hex(dataset.evidence),
            "manifestDigest": dataset.files.manifest.digest,
            "root": dataset.files.manifest.root.hex(),
            "fileCount": dataset.files.manifest.file_count,
            "byteSize": dataset.files.manifest.byte_size,
            "rowsRead": read[number],
            "rowsUsed": len(used.get(dataset.files.credential_digest, ())),
        }
        for number, dataset in enumerate(gate.datasets)
    ]


def _base(base: BaseModel) -> JsonObject:
    return {
        "name": base.name,
        "license": base.license,
        "licenseFile": base.license_file,
        "licenseFileDigest": base.license_file_digest,
        "manifestDigest": base.manifest.digest,
        "root": base.manifest.root.hex(),
        "weightsDigest": base.weights_digest,
        "tokenizerDigest": base.digest_of(TOKENIZER),
        # No credential speaks for the data behind the base model, whatever its README lists.
        "trainingData": "unknown",
    }


def _split(split: TokenisedSplit, schema: LabelSchema) -> JsonObject:
    documents = {(example.record.dataset, example.record.document) for example in split.examples}
    return {
        "rows": len(split.examples),
        "groups": len(documents),
        "tokens": split.token_count,
        "truncatedRows": split.truncated,
        "droppedTokens": split.dropped,
        **({"leftOutRows": split.left_out} if split.masks else {}),
        "digest": split.digest,
        "labels": label_counts(split.examples, schema),
    }


def _data(prepared: Prepared) -> JsonObject:
    splits = {name: _split(split, prepared.schema) for name, split in prepared.splits.items()}
    return {
        "transformDigest": prepared.transform_digest,
        "tokenisedDigest": prepared.tokenised_digest,
        "labels": list(prepared.schema.names),
        "splits": splits,
        "overlap": prepared.overlap.document(),
        "ignoredTags": prepared.ignored_tags,
    }


def _training(recipe: Recipe, examples: ExampleList, facts: RunFacts) -> JsonObject:
    leaves = list(examples.leaves())
    return {
        "seed": recipe.training.seed,
        "steps": facts.steps,
        "stepsPlanned": facts.steps_planned,
        "epochs": facts.epochs,
        "bestEpoch": facts.best_epoch,
        "stopped": facts.stopped,
        "trainableParameters": facts.trainable,
        "totalParameters": facts.total,
        "examples": len(leaves),
        "examplesRoot": examples_root(leaves),
        "history": [dict(entry) for entry in facts.history],
    }


def _artefacts(files: Mapping[str, bytes]) -> JsonObject:
    manifest = artefact_manifest(files)
    listed = [{"path": entry.path, "size": entry.size, "sha256": entry.sha256} for entry in manifest.entries]
    return {"root": manifest.root.hex(), "files": listed}


__all__ = ["RunFacts", "artefact_manifest", "build_receipt"]
