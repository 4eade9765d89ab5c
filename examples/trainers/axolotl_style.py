"""A small trainer that reads a configuration as Axolotl does: it stands in for `axolotl train` where that is not installed.

Every key that it does not know is an error: nothing is passed over in silence.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset
from small_model import new_decoder, new_tokenizer, save
from trl import SFTConfig, SFTTrainer

KEYS = {"base_model", "datasets", "sequence_len", "micro_batch_size", "gradient_accumulation_steps", "max_steps", "learning_rate", "optimizer", "seed", "output_dir"}  # fmt: skip
DATASET_KEYS = {"path", "ds_type", "type", "field"}


def read(path: str) -> dict[str, Any]:
    """Return the configuration, refusing what this stand-in does not do."""
    config = yaml.safe_load(Path(path).read_text("utf-8"))
    unknown = (set(config) - KEYS) | {key for one in config["datasets"] for key in set(one) - DATASET_KEYS}
    if unknown or any((one["ds_type"], one["type"]) != ("json", "completion") for one in config["datasets"]):
        sys.exit(f"this stand-in does not do: {', '.join(sorted(unknown)) or 'another type of dataset'}")
    return dict(config)


def main() -> None:
    """Train as the configuration says."""
    config = read(sys.argv[1])
    texts = [
        json.loads(line)[one["field"]]
        for one in config["datasets"]
        for line in Path(one["path"]).read_text("utf-8").splitlines()
    ]
    tokenizer = new_tokenizer(texts)
    with tempfile.TemporaryDirectory() as work:
        settings = SFTConfig(
            output_dir=work, max_steps=config["max_steps"], per_device_train_batch_size=config["micro_batch_size"], seed=config["seed"],
            gradient_accumulation_steps=config["gradient_accumulation_steps"], max_length=config["sequence_len"], optim=config["optimizer"],
            learning_rate=config["learning_rate"], report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True, bf16=False, gradient_checkpointing=False,
        )  # fmt: skip
        trainer = SFTTrainer(
            model=new_decoder(tokenizer), args=settings, train_dataset=Dataset.from_dict({"text": texts}), processing_class=tokenizer
        )  # fmt: skip
        print(f"loss {trainer.train().training_loss:.3f} over {len(texts)} texts")
        save(trainer.model, tokenizer, config["output_dir"])


if __name__ == "__main__":
    main()
