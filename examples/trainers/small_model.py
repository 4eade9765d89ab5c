"""A tokenizer and models of a few layers, made from the texts at hand: nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

CONTEXT = 64


def data_folder() -> Path:
    """Return the folder of the first verified dataset."""
    return Path(os.environ["DATASIGIL_DATA"])


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of every JSON Lines file whose name begins with train."""
    import json

    for path in sorted(folder.rglob("train*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())


def new_tokenizer(texts: Iterable[str]) -> Any:
    """Return a byte-level BPE tokenizer trained on `texts`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<pad>", "<s>", "</s>"],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=CONTEXT, **special)


def new_decoder(tokenizer: Any, seed: int = 0) -> Any:
    """Return a Llama of two layers."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=CONTEXT, pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip


def new_classifier(tokenizer: Any, labels: int, seed: int = 0) -> Any:
    """Return a BERT of two layers with a classification head."""
    from transformers import BertConfig, BertForSequenceClassification, set_seed

    set_seed(seed)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=CONTEXT, pad_token_id=tokenizer.pad_token_id, num_labels=labels,
        )
    )  # fmt: skip


def save(model: Any, tokenizer: Any, folder: str) -> None:
    """Write weights as safetensors, configuration and tokenizer; no pickle."""
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
