"""The merged form of a causal language model: its adapter added to the base model's weights, with the chat template it was trained with.

Here: loading base and adapter in 32 bits, adding, writing as transformers reads it, and the comparison on probe texts before and after. Not
here: the other forms, and what becomes of the files (`export`). A base model that was packed into NF4 for training is merged unpacked: adding to
packed weights would round twice. Imports torch.

Written in 16 bits where the recipe says `precision: bfloat16`. The template loses its `{% generation %}` marks, which runtimes do not know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import MalformedError
from training_worker.base_model import CONFIG_MAX_BYTES, TOKENIZER, load_tokenizer
from training_worker.language_model import build_language_model, load_adapter
from training_worker.language_tokens import TEMPLATE_FILE, TOKENIZER_CONFIG, read_chat_form, shown_template
from training_worker.recipe_sections import Training

SHARD_SIZE = "4GB"  # of one weights file
# Largest difference of a next token's probability: the merged weights against base and adapter side by side.
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.05}


def merged_language_model(
    root: Path, folder: Path, training: Training, probes: tuple[str, ...], work: Path
) -> tuple[dict[str, Path], float, float]:
    """Write a run's merged model below `work`; return its files by name, the largest difference on the probes, and what is allowed.

    Raises:
        MalformedError: SAFETENSORS or WEIGHTS, for an adapter that does not fit.
    """
    plain = training.model_copy(update={"method": "lora", "precision": "float32", "gradient_checkpointing": False})
    model = build_language_model(root, plain)
    load_adapter(model, folder)
    tokenizer = load_tokenizer(root)
    rows = [list(tokenizer.encode(text).ids)[: training.max_tokens] for text in probes]
    before = [next_token(model, ids) for ids in rows]
    merged = model.eval().merge_and_unload()
    if training.precision == "bfloat16":
        merged = merged.to(torch.bfloat16)
    after = [next_token(merged, ids) for ids in rows]
    difference = max(float((one - two).abs().max()) for one, two in zip(before, after, strict=True))
    merged.save_pretrained(str(work), safe_serialization=True, max_shard_size=SHARD_SIZE)
    _write_tokenizer(root, work)
    return {path.name: path for path in sorted(work.iterdir())}, difference, TOLERANCE[training.precision]


def next_token(model: Any, ids: list[int]) -> torch.Tensor:
    """Return the probabilities of the token after a text."""
    with torch.inference_mode():
        logits = model.eval()(input_ids=torch.tensor([ids])).logits[0, -1]
    return torch.softmax(logits.float(), dim=-1)


def _write_tokenizer(root: Path, work: Path) -> None:
    """Copy the tokenizer, with the template that the model was trained with in a file of its own.

    Raises:
        MalformedError: the JSON parser's codes.
    """
    (work / TOKENIZER).write_bytes((root / TOKENIZER).read_bytes())
    (work / TEMPLATE_FILE).write_text(shown_template(read_chat_form(root)), encoding="utf-8")
    if (root / TOKENIZER_CONFIG).is_file():
        settings = parse_json((root / TOKENIZER_CONFIG).read_bytes(), max_bytes=CONFIG_MAX_BYTES, profile=GENERIC)
        if not isinstance(settings, dict):
            raise MalformedError("CONFIG", "the tokenizer's configuration is not an object", place=TOKENIZER_CONFIG)
        settings.pop("chat_template", None)
        (work / TOKENIZER_CONFIG).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


__all__ = ["merged_language_model", "next_token"]
