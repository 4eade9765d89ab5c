"""A small trainer that reads a configuration as LLaMA-Factory does: it stands in for `llamafactory-cli train`.

The dataset names are looked up in dataset_info.json beside this program: verified data is read-only and holds no such file. With the real
one, point `dataset_dir` at a folder with that file and absolute paths in it. Every key that it does not know is an error.
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
from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

KEYS = {"model_name_or_path", "stage", "do_train", "finetuning_type", "dataset", "dataset_dir", "cutoff_len", "per_device_train_batch_size", "max_steps", "learning_rate", "seed", "output_dir"}  # fmt: skip
INFO = Path(__file__).with_name("dataset_info.json")


def read(path: str) -> dict[str, Any]:
    """Return the configuration, refusing what this stand-in does not do."""
    config = yaml.safe_load(Path(path).read_text("utf-8"))
    unknown = set(config) - KEYS
    if unknown or (config["stage"], config["finetuning_type"], config["do_train"]) != ("pt", "full", True):
        sys.exit(f"this stand-in does not do: {', '.join(sorted(unknown)) or 'another stage'}")
    return dict(config)


def texts_of(config: dict[str, Any]) -> list[str]:
    """Return the texts of the named datasets."""
    info = json.loads(INFO.read_text("utf-8"))
    found = []
    for name in config["dataset"].split(","):
        lines = Path(config["dataset_dir"], info[name]["file_name"]).read_text("utf-8").splitlines()
        found += [json.loads(line)[info[name]["columns"]["prompt"]] for line in lines]
    return found


def main() -> None:
    """Train as the configuration says."""
    config = read(sys.argv[1])
    texts = texts_of(config)
    tokenizer = new_tokenizer(texts)
    encoded = tokenizer(texts, truncation=True, max_length=config["cutoff_len"])
    model = new_decoder(tokenizer)
    with tempfile.TemporaryDirectory() as work:
        settings = TrainingArguments(
            output_dir=work, max_steps=config["max_steps"], per_device_train_batch_size=config["per_device_train_batch_size"], seed=config["seed"],
            learning_rate=config["learning_rate"], report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=settings, train_dataset=Dataset.from_dict({"input_ids": encoded["input_ids"]}),
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        )  # fmt: skip
        print(f"loss {trainer.train().training_loss:.3f} over {len(texts)} texts")
        save(model, tokenizer, config["output_dir"])


if __name__ == "__main__":
    main()
