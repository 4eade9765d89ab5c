"""An MLServer runtime for an ONNX export: text in, one probability per class out, over KServe v2 (Open Inference Protocol).

Here: a module that `datasigil-train export RUN onnx` copies beside the model it exports; it imports nothing of datasigil. Not here:
training, the worker: nothing of it imports this module. Written for MLServer 1.7. Start it with `mlserver start .` in the export's
folder, and post a BYTES input named `text` to /v2/models/classifier/infer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from mlserver import MLModel, types  # in the server's own environment
from mlserver.codecs import NumpyCodec, StringCodec
from tokenizers import Tokenizer


class Classifier(MLModel):  # type: ignore[misc]
    """The exported classifier behind MLServer."""

    async def load(self) -> bool:
        """Open model, tokenizer and class names from the folder of the settings file."""
        folder = Path(str(self.settings.parameters.uri)).parent
        self.facts: dict[str, Any] = json.loads((folder / "classifier.json").read_text("utf-8"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        """Return a row of probabilities per text, and the class names beside them."""
        texts = StringCodec.decode_input(payload.inputs[0])
        scores = np.concatenate([self._scores(text) for text in texts])
        outputs = [
            NumpyCodec.encode_output("probabilities", scores),
            StringCodec.encode_output("labels", list(self.facts["labels"])),
        ]
        return types.InferenceResponse(model_name=self.name, outputs=outputs)

    def _scores(self, text: str) -> Any:
        limit = int(self.facts["maxTokens"])
        ids = list(self.tokenizer.encode(text).ids)
        if len(ids) > limit:  # as in training: the end is cut, the last special token stays
            ids = [*ids[: limit - 1], ids[-1]]
        row = np.array([ids], dtype=np.int64)
        return self.session.run(["probabilities"], {"input_ids": row, "attention_mask": np.ones_like(row)})[0]


__all__ = ["Classifier"]
