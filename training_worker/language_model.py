"""A causal language model: a frozen decoder, in 16 or 32 bits or packed into NF4, with low-rank adapters.

Here: building, its files, loading an adapter back. Not here: the loop (`language_training`), the base model's files (`base_model`). torch is
imported here; nothing imports this module before the gate has passed.
"""

from __future__ import annotations

import json
import warnings
from importlib import util
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datasigil.errors import DatasigilError, MalformedError
from training_worker.base_model import quiet_libraries
from training_worker.classifier import set_determinism, training_device
from training_worker.recipe_sections import Training
from training_worker.run_folder import ADAPTER, ADAPTER_CONFIG
from training_worker.safetensors_header import check_safetensors

quiet_libraries()

DECODER_TARGETS = "all-linear"  # PEFT's word for every linear layer of the blocks, the output layer left out


def build_language_model(root: Path, training: Training) -> Any:
    """Return the base model in a snapshot with fresh adapters; seeds first.

    Raises:
        DatasigilError: LORA_TARGETS, DEVICE, QLORA, BASE_MODEL.
    """
    from peft import LoraConfig, get_peft_model

    set_determinism(training.seed, training.threads)
    base = _base(root, training)
    if training.gradient_checkpointing:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # transformers 5 renames it; the old name works in 4 and 5
            base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    targets = training.lora.targets
    config = LoraConfig(
        r=training.lora.rank,
        lora_alpha=training.lora.alpha,
        lora_dropout=training.lora.dropout,
        target_modules=list(targets) if targets else DECODER_TARGETS,
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        with warnings.catch_warnings():
            # peft asks transformers for attributes by their old names; that is between the two of them.
            warnings.simplefilter("ignore", FutureWarning)
            return get_peft_model(base, config)
    except ValueError as error:
        names = {name.rpartition(".")[2] for name, module in base.named_modules() if isinstance(module, nn.Linear)}
        raise DatasigilError(
            "LORA_TARGETS",
            "the base model has no modules with these names",
            place="training.lora.targets",
            expected="some of " + ", ".join(sorted(names)),
            found=str(error)[:120],
        ) from None


def _base(root: Path, training: Training) -> Any:
    import transformers

    library: Any = transformers.utils.logging
    library.disable_progress_bar()
    device = training_device(training)
    kind = torch.bfloat16 if training.precision == "bfloat16" else torch.float32
    packing: dict[str, Any] = {}
    if training.method == "qlora":
        if util.find_spec("bitsandbytes") is None:
            raise DatasigilError(
                "QLORA",
                "the package that packs weights into NF4 is not installed",
                place="training.method",
                expected="bitsandbytes",
                found="not installed",
                next_action="pip install 'datasigil[qlora]', or set training.method to lora",
            )
        config: Any = transformers.BitsAndBytesConfig
        packing["quantization_config"] = config(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=kind,
        )
    library.set_verbosity_error()
    try:
        load: Any = transformers.AutoModelForCausalLM.from_pretrained
        model, told = load(
            str(root),
            output_loading_info=True,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="sdpa",
            dtype=kind,
            device_map={"": device},
            use_cache=False,
            **packing,
        )
    except ValueError as error:  # of a configuration that transformers knows no decoder for
        raise _no_decoder(str(error)) from None
    # An encoder loads, too, with an output layer of random weights.
    if told["missing_keys"]:
        raise _no_decoder(f"no weights for {', '.join(sorted(map(str, told['missing_keys'])))}")
    return model


def _no_decoder(found: str) -> DatasigilError:
    return DatasigilError(
        "BASE_MODEL",
        "the base model is not a causal language model that this version of transformers knows",
        place="base",
        expected="a decoder with its output layer",
        found=found[:160],
        next_action="name a causal language model in the recipe's base, or change task.type",
    )


def trained_parameters(model: Any) -> dict[str, nn.Parameter]:
    """Return the parameters that training changes, by name, in a fixed order."""
    return {name: value for name, value in sorted(model.named_parameters()) if value.requires_grad}


def parameter_counts(model: Any) -> tuple[int, int]:
    """Return (trainable, total); packed weights count as what they stand for."""
    trained, total = model.get_nb_trainable_parameters()
    return int(trained), int(total)


def load_adapter(model: Any, folder: Path) -> None:
    """Load a run's adapter into a freshly built model; its header is checked before.

    Raises:
        MalformedError: SAFETENSORS for a bad file, WEIGHTS when tensors do not fit the model.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    check_safetensors(folder / ADAPTER)
    state = load_file(str(folder / ADAPTER))
    wanted = {name: tuple(value.shape) for name, value in get_peft_model_state_dict(model).items()}
    if {name: tuple(value.shape) for name, value in state.items()} != wanted:
        raise MalformedError("WEIGHTS", "the tensors do not fit the model the recipe describes", place=ADAPTER)
    set_peft_model_state_dict(model, state)


def adapter_files(model: Any, *, base_name: str) -> dict[str, bytes]:
    """Return the adapter and its configuration as PEFT names them; the same weights give the same bytes."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    state = {
        name: value.detach().cpu().contiguous() for name, value in sorted(get_peft_model_state_dict(model).items())
    }
    config = model.peft_config["default"].to_dict()
    # PEFT would write this machine's path.
    config.update({"base_model_name_or_path": base_name, "inference_mode": True, "task_type": "CAUSAL_LM"})
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    written = (json.dumps(plain, indent=2, sort_keys=True, default=str) + "\n").encode("utf-8")
    return {ADAPTER: save(state, metadata={"format": "pt"}), ADAPTER_CONFIG: written}


__all__ = ["adapter_files", "build_language_model", "load_adapter", "parameter_counts", "trained_parameters"]
