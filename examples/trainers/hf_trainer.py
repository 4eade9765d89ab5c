"""Classification with transformers' Trainer, unchanged but for one environment variable.

datasigil-verify exec gate.toml -o offered.json --result model -- python hf_trainer.py
"""

from __future__ import annotations

import tempfile

from datasets import Dataset
from small_model import CONTEXT, data_folder, new_classifier, new_tokenizer, rows, save
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

OUTPUT = "model"


def main() -> None:
    """Train for a few steps and write the model."""
    examples = list(rows(data_folder()))
    names = sorted({row["label"] for row in examples})
    texts = [row["text"] for row in examples]
    tokenizer = new_tokenizer(texts)
    encoded = tokenizer(texts, truncation=True, max_length=CONTEXT)
    columns = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
    dataset = Dataset.from_dict({**columns, "labels": [names.index(row["label"]) for row in examples]})
    model = new_classifier(tokenizer, len(names))
    model.config.id2label = dict(enumerate(names))
    with tempfile.TemporaryDirectory() as work:
        settings = TrainingArguments(
            output_dir=work, max_steps=4, per_device_train_batch_size=8, learning_rate=1e-3, seed=7, report_to=[], save_strategy="no",
            logging_steps=1, use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=settings, train_dataset=dataset, data_collator=DataCollatorWithPadding(tokenizer)
        )
        print(f"loss {trainer.train().training_loss:.3f} over {len(texts)} texts, {len(names)} classes")
        save(model, tokenizer, OUTPUT)


if __name__ == "__main__":
    main()
