"""The model: a frozen encoder with low-rank adapters, pooled over tokens, under a linear head.

Here: building, saving and loading adapter and head as safetensors. Not here: the loop (`training`), the base model's files
(`base_model`). torch is imported here; nothing imports this module before the gate has passed.

Files: `adapter_model.safetensors` and `adapter_config.json` as PEFT names them, `head.safetensors` with `weight` and `bias`.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datasigil.errors import DatasigilError, MalformedError
from training_worker.base_model import load_encoder, quiet_libraries
from training_worker.recipe_sections import Training
from training_worker.run_folder import ADAPTER, ADAPTER_CONFIG, HEAD
from training_worker.safetensors_header import check_safetensors

quiet_libraries()

ENCODER_TARGETS = ("query", "key", "value", "dense")  # as BERT and its kin name the linear layers of a block


class EncoderClassifier(nn.Module):
    """Logits for every class from token ids and mask; pooling ignores padding."""

    def __init__(self, encoder: Any, classes: int, *, pooling: str, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        width = encoder.config.hidden_size * (2 if pooling == "mean+max" else 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return logits, rows by classes."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        present = mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * present).sum(1) / present.sum(1)
        if self.pooling == "mean+max":
            highest = hidden.masked_fill(present == 0, torch.finfo(hidden.dtype).min).amax(1)
            pooled = torch.cat((pooled, highest), dim=-1)
        logits: torch.Tensor = self.head(self.dropout(pooled))
        return logits

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the parameters that training changes, by name, in a fixed order."""
        return {name: value for name, value in sorted(self.named_parameters()) if value.requires_grad}


def set_determinism(seed: int, threads: int) -> None:
    """Seed every generator and ask for deterministic kernels; call before any weight is initialised."""
    import random

    import numpy as np

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries below may use the global generator
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic with it alone
    # On a card some kernels have no deterministic form: equal bytes are promised on processors alone.
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    # The switch above also fills every fresh tensor, in case somebody reads one before writing it; that took 7 % of a step.
    deterministic: Any = torch.utils.deterministic
    deterministic.fill_uninitialized_memory = False
    torch.set_num_threads(threads)


def training_device(training: Training) -> torch.device:
    """Return the device that a recipe asks for.

    Raises:
        DatasigilError: DEVICE, for a graphics card that is not there.
    """
    if training.device == "cuda" and not torch.cuda.is_available():
        raise DatasigilError(
            "DEVICE",
            "the recipe asks for a graphics card and this machine shows none",
            place="training.device",
            expected="cuda",
            found="no CUDA device",
            next_action="set training.device to cpu, or run where `nvidia-smi` lists a card and torch has CUDA",
        )
    return torch.device(training.device)


def build_classifier(root: Path, training: Training, classes: int) -> EncoderClassifier:
    """Return a fresh classifier on the base model in a snapshot; seeds first, then adapters, then the head.

    Raises:
        DatasigilError: LORA_TARGETS, when the encoder has no such modules.
    """
    from peft import LoraConfig, get_peft_model

    set_determinism(training.seed, training.threads)
    encoder = load_encoder(root, dropout=training.encoder_dropout)
    config = LoraConfig(
        r=training.lora.rank,
        lora_alpha=training.lora.alpha,
        lora_dropout=training.lora.dropout,
        target_modules=list(training.lora.targets or ENCODER_TARGETS),
        bias="none",
    )
    try:
        with warnings.catch_warnings():
            # peft asks transformers for an attribute by its old name; that is between the two of them.
            warnings.simplefilter("ignore", FutureWarning)
            adapted = get_peft_model(encoder, config)
    except ValueError as error:
        names = sorted(
            {name.rpartition(".")[2] for name, module in encoder.named_modules() if isinstance(module, nn.Linear)}
        )
        raise DatasigilError(
            "LORA_TARGETS",
            "the encoder has no modules with these names",
            place="training.lora.targets",
            expected="some of " + ", ".join(names),
            found=str(error)[:120],
        ) from None
    if training.gradient_checkpointing:
        adapted.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model = EncoderClassifier(adapted, classes, pooling=training.pooling, dropout=training.head_dropout)
    return model.to(training_device(training))


def adapter_tensors(model: EncoderClassifier) -> dict[str, torch.Tensor]:
    """Return the adapter's tensors under the names PEFT stores."""
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model.encoder)
    return {name: value.detach().cpu().contiguous() for name, value in sorted(state.items())}


def classifier_files(model: EncoderClassifier, *, base_name: str) -> dict[str, bytes]:
    """Return adapter, its configuration and the head as files; the same weights give the same bytes."""
    from safetensors.torch import save

    head = {
        "bias": model.head.bias.detach().cpu().contiguous(),
        "weight": model.head.weight.detach().cpu().contiguous(),
    }
    return {
        ADAPTER: save(adapter_tensors(model), metadata={"format": "pt"}),
        ADAPTER_CONFIG: _adapter_config(model, base_name),
        HEAD: save(head, metadata={"format": "pt"}),
    }


def _adapter_config(model: EncoderClassifier, base_name: str) -> bytes:
    """Return PEFT's configuration with the base model's public name: PEFT would write this machine's path."""
    config = model.encoder.peft_config["default"].to_dict()
    config.update({"base_model_name_or_path": base_name, "inference_mode": True, "task_type": "FEATURE_EXTRACTION"})
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    return (json.dumps(plain, indent=2, sort_keys=True, default=str) + "\n").encode("utf-8")


def load_trained(model: EncoderClassifier, folder: Path) -> None:
    """Load adapter and head from a run folder into a freshly built classifier; headers are checked before.

    Raises:
        MalformedError: SAFETENSORS for a bad file, WEIGHTS when tensors do not fit the model.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    for name in (ADAPTER, HEAD):
        check_safetensors(folder / name)
    state = load_file(str(folder / ADAPTER))
    expected = {name: tuple(value.shape) for name, value in adapter_tensors(model).items()}
    head = load_file(str(folder / HEAD))
    shapes = {"weight": tuple(model.head.weight.shape), "bias": tuple(model.head.bias.shape)}
    for file, tensors, wanted in ((ADAPTER, state, expected), (HEAD, head, shapes)):
        if {name: tuple(value.shape) for name, value in tensors.items()} != wanted:
            raise MalformedError("WEIGHTS", "the tensors do not fit the model the recipe describes", place=file)
    set_peft_model_state_dict(model.encoder, state)
    with torch.no_grad():
        model.head.weight.copy_(head["weight"])
        model.head.bias.copy_(head["bias"])


__all__ = [
    "EncoderClassifier",
    "adapter_tensors",
    "build_classifier",
    "classifier_files",
    "load_trained",
    "set_determinism",
    "training_device",
]
