"""Checkpoints: everything a run needs to go on as if it had never stopped, bound to what it was trained on.

Here: writing and reading `checkpoint.json` and `checkpoint-STEP.safetensors` (weights, best weights, optimiser moments,
generator state). Not here: when to write (`training`). No pickle: torch's own optimiser format is one.

A checkpoint names the digests of recipe, datasets, base model, tokens and libraries; resuming with any other is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from datasigil.canonical import sha256_hex
from datasigil.encoding import GENERIC, hex_digest, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import MIB
from training_worker.run_folder import write_file
from training_worker.safetensors_header import check_safetensors

CHECKPOINT = "checkpoint.json"
CHECKPOINT_TYPE = "TrainingCheckpoint"
CHECKPOINT_MAX_BYTES = 16 * MIB


@dataclass
class TrainingState:
    """Where a run stands between two steps."""

    epoch: int = 0  # the epoch being trained, from 0
    step_in_epoch: int = 0  # steps of it that are done
    step: int = 0  # steps of the run that are done
    epoch_loss: float = 0.0  # sum over the steps of this epoch
    best_score: float = -1.0
    best_epoch: int = 0
    waited: int = 0  # epochs since the best
    started: str = ""  # when the run first began, an instant; a resume keeps it
    resumes: int = 0
    seconds: float = 0.0  # spent before this process
    cpu_seconds: float = 0.0
    peak_bytes: int = 0  # the most memory that a process of the run has held
    history: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the state as JSON; Python writes floats so that they read back equal."""
        return dict(self.__dict__)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> TrainingState:
        """Return the state in a checkpoint.

        Raises:
            MalformedError: CHECKPOINT.
        """
        fresh = cls()
        if set(value) != set(fresh.__dict__):
            raise MalformedError("CHECKPOINT", "the checkpoint has other members", place="/state")
        for name, default in fresh.__dict__.items():
            wanted = (int, float) if isinstance(default, float) else type(default)
            if isinstance(value[name], bool) or not isinstance(value[name], wanted):
                raise MalformedError("CHECKPOINT", "a member has the wrong form", place=f"/state/{name}")
        return cls(**value)


def save_checkpoint(
    folder: Path, state: TrainingState, binding: Mapping[str, str], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Write a checkpoint; until the last rename the previous one stays whole.

    Raises:
        DatasigilError: DISK_FULL or UNWRITABLE.
    """
    from safetensors.torch import save

    name = f"checkpoint-{state.step}.safetensors"
    data = save({key: value.contiguous() for key, value in sorted(tensors.items())})
    write_file(folder / name, data)
    document = {
        "type": CHECKPOINT_TYPE,
        "formatVersion": 1,
        "binding": dict(binding),
        "state": state.document(),
        "tensors": name,
        "tensorsDigest": sha256_hex(data),
    }
    write_file(folder / CHECKPOINT, json.dumps(document, indent=1, sort_keys=True).encode("utf-8"))
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink()


def has_checkpoint(folder: Path) -> bool:
    """Say whether a run left a checkpoint in `folder`."""
    return (folder / CHECKPOINT).is_file()


def load_checkpoint(folder: Path, binding: Mapping[str, str]) -> tuple[TrainingState, dict[str, torch.Tensor]]:
    """Read a checkpoint that was written under the same binding.

    Raises:
        DatasigilError: CHECKPOINT_MISMATCH, naming what changed, NO_CHECKPOINT, UNREADABLE.
        MalformedError: CHECKPOINT or SAFETENSORS, for a damaged one.
    """
    from safetensors.torch import load

    document = _read_document(folder)
    _check_binding(document["binding"], binding)
    file = folder / document["tensors"]
    if os.sep in document["tensors"] or not file.is_file():
        raise MalformedError("CHECKPOINT", "the checkpoint's tensors are missing", place=document["tensors"])
    check_safetensors(file)
    data = file.read_bytes()
    if sha256_hex(data) != document["tensorsDigest"]:
        raise MalformedError(
            "CHECKPOINT", "the checkpoint's tensors changed", place=file.name, expected=document["tensorsDigest"]
        )
    return TrainingState.of(document["state"]), load(data)


def _read_document(folder: Path) -> dict[str, Any]:
    try:
        data = (folder / CHECKPOINT).read_bytes()
    except FileNotFoundError:
        raise DatasigilError(
            "NO_CHECKPOINT", "there is nothing to resume", place=str(folder), next_action="start without --resume"
        ) from None
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE", "the checkpoint cannot be read", place=str(folder), found=str(error)
        ) from None
    document = parse_json(data, max_bytes=CHECKPOINT_MAX_BYTES, profile=GENERIC)
    members = {"type", "formatVersion", "binding", "state", "tensors", "tensorsDigest"}
    if not isinstance(document, dict) or set(document) != members or document["type"] != CHECKPOINT_TYPE:
        raise MalformedError("CHECKPOINT", "not a checkpoint of the worker", place=str(folder / CHECKPOINT))
    if (
        document["formatVersion"] != 1
        or not isinstance(document["state"], dict)
        or not isinstance(document["tensors"], str)
    ):
        raise MalformedError("CHECKPOINT", "an unknown form of checkpoint", place=str(folder / CHECKPOINT))
    hex_digest(document["tensorsDigest"], place="/tensorsDigest")
    return document


def _check_binding(found: object, expected: Mapping[str, str]) -> None:
    if not isinstance(found, dict):
        raise MalformedError("CHECKPOINT", "the checkpoint is bound to nothing", place="/binding")
    changed = [key for key in sorted({*found, *expected}) if found.get(key) != expected.get(key)]
    if changed:
        raise DatasigilError(
            "CHECKPOINT_MISMATCH",
            f"the checkpoint belongs to another run: {', '.join(changed)} changed",
            place=f"/binding/{changed[0]}",
            expected=str(found.get(changed[0]))[:120],
            found=str(expected.get(changed[0]))[:120],
            next_action="restore what changed, or start a new run in another folder",
        )


__all__ = ["TrainingState", "has_checkpoint", "load_checkpoint", "save_checkpoint"]
