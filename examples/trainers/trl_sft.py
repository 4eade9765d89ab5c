"""Supervised fine-tuning with TRL, unchanged but for one environment variable.

datasigil-verify exec gate.toml -o offered.json --result model -- python trl_sft.py
"""

from __future__ import annotations

import tempfile

from datasets import Dataset
from small_model import CONTEXT, data_folder, new_decoder, new_tokenizer, rows, save
from trl import SFTConfig, SFTTrainer

OUTPUT = "model"


def main() -> None:
    """Train for a few steps and write the model."""
    texts = [row["text"] for row in rows(data_folder())]
    tokenizer = new_tokenizer(texts)
    with tempfile.TemporaryDirectory() as work:
        settings = SFTConfig(
            output_dir=work, max_steps=4, per_device_train_batch_size=4, max_length=CONTEXT, learning_rate=1e-3, seed=7,
            report_to=[], save_strategy="no", logging_steps=1, use_cpu=True, disable_tqdm=True, bf16=False, gradient_checkpointing=False,
        )  # fmt: skip
        trainer = SFTTrainer(
            model=new_decoder(tokenizer), args=settings, train_dataset=Dataset.from_dict({"text": texts}), processing_class=tokenizer
        )  # fmt: skip
        print(f"loss {trainer.train().training_loss:.3f} over {len(texts)} texts")
        save(trainer.model, tokenizer, OUTPUT)


if __name__ == "__main__":
    main()
