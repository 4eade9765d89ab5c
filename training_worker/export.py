"""`datasigil-train export RUN adapter|merged|onnx`: a trained model for programs other than this one, checked before it is kept.

Here: the three forms and the comparison with the model that was trained. Not here: merging a language model (`export_language`), serving, other runtimes. Nothing pickled leaves:
weights are safetensors or ONNX with its tensors inside.

Every export names the run it comes from: `export.json` holds the digests of receipt, card and files. Merged: the low-rank updates are
added to the base weights in 32 bits. ONNX: opset 17, inputs `input_ids` and `attention_mask`, output `probabilities`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.canonical import jcs, sha256_hex
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.models.receipt import Receipt
from datasigil.report.terminal import Console, escape
from training_worker.base_model import CONFIG, TOKENIZER, find_base_model, load_tokenizer, snapshot_base_model
from training_worker.decimals import decimal_text
from training_worker.documents import read_card
from training_worker.finished import read_classifier, read_run
from training_worker.recipe import Recipe, read_recipe
from training_worker.replay import same_recipe
from training_worker.run_folder import ADAPTER, ADAPTER_CONFIG, CLASSIFIER, HEAD, translated, write_file

if TYPE_CHECKING:
    import torch

    from training_worker.classifier import EncoderClassifier

EXPORT = "export.json"
GENERATOR = "generator.json"  # what `language_run` writes in the place of classifier and head
OPSET = 17
TOLERANCE = 1e-4  # largest difference of a probability from the trained model's
PROBES = (
    "The supplier may terminate this agreement at any time without notice.",
    "You agree that any dispute will be settled by binding arbitration.",
    "a",
    "Payment is due within thirty days of the invoice; late payment bears interest. " * 6,
)


def run(given: Namespace, console: Console) -> int:
    """Export a run; exit 0 when the export says what the trained model says."""
    folder = Path(given.run_folder)
    recipe_path = Path(given.recipe) if given.recipe else folder / "recipe.yaml"
    out = Path(given.output) if given.output else folder.with_name(f"{folder.name}-{given.form}")
    written = export(folder, read_recipe(recipe_path), recipe_path, given.form, out)
    console.result(written, f"{given.form} written to {escape(str(out))}; {_agrees(written)}\n")
    return 0


def _agrees(written: Mapping[str, Any]) -> str:
    if written["form"] == "adapter":
        return "the bytes are those of the run"
    return f"probabilities differ from the trained model's by at most {written['largestDifference']}"


def export(folder: Path, recipe: Recipe, recipe_path: Path, form: str, out: Path) -> dict[str, Any]:
    """Write one form of a finished run into `out` and return what `export.json` says.

    Raises:
        ManifestMismatchError: RUN_CHANGED, OTHER_RECIPE, OTHER_BASE, or EXPORT_DIFFERS.
        DatasigilError: OUT_EXISTS, EXTRA_MISSING for a library that is not installed, DISK_FULL, UNWRITABLE.
    """
    if os.path.lexists(out):
        raise DatasigilError("OUT_EXISTS", "the export folder exists already", place=str(out), next_action="choose another -o")  # fmt: skip
    receipt = read_run(folder)
    same_recipe(receipt.document, recipe.digest, recipe_path)
    if form == "onnx" and not (folder / CLASSIFIER).is_file():
        raise DatasigilError(
            "NOT_A_CLASSIFIER", "ONNX is written for classifiers; this run learned text, and each runtime wants a cache of its own form", place=str(folder),
            expected=CLASSIFIER, next_action="export merged, which servers and converters read, or adapter, which servers load on the base model",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="datasigil-export-") as work:
        if form == "adapter":
            names = (ADAPTER, ADAPTER_CONFIG, HEAD, CLASSIFIER, GENERATOR)
            files: Mapping[str, bytes | Path] = {name: folder / name for name in names if (folder / name).is_file()}
            difference = 0.0
        else:
            files, difference = _converted(folder, receipt, recipe, recipe_path.resolve().parent, form, Path(work))
        document = {
            "type": "ModelExport",
            "formatVersion": 1,
            "form": form,
            "receiptDigest": receipt.digest,
            "cardDigest": read_card(folder).digest,
            "largestDifference": decimal_text(difference, 9),
            "files": [_listed(name, content) for name, content in sorted(files.items())],
        }
        _write(out, {**files, EXPORT: jcs(document)})
    return document


def _listed(name: str, content: bytes | Path) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"path": name, "sha256": sha256_hex(content), "size": len(content)}
    with content.open("rb") as file:
        return {"path": name, "sha256": file_digest(file, "sha256").hexdigest(), "size": content.stat().st_size}


def _write(out: Path, files: Mapping[str, bytes | Path]) -> None:
    part = out.with_name(f".{out.name}.partial")
    with translated(out):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            for name, content in files.items():
                if isinstance(content, Path):  # weights of any size are copied without being held
                    shutil.copyfile(content, part / name)
                else:
                    write_file(part / name, content)
            part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _converted(
    folder: Path, receipt: Receipt, recipe: Recipe, recipe_folder: Path, form: str, work: Path
) -> tuple[Mapping[str, bytes | Path], float]:
    """Return the files of a merged or ONNX export, and the largest difference from the trained model on the probes."""
    base = find_base_model(recipe.base, recipe_folder)
    if base.manifest.digest != receipt.document["base"]["manifestDigest"]:
        raise ManifestMismatchError(
            "OTHER_BASE", "the run adapted another base model", expected=receipt.document["base"]["manifestDigest"], found=base.manifest.digest
        )  # fmt: skip
    root = snapshot_base_model(base, work / "base-model")
    files: Mapping[str, bytes | Path]
    if recipe.task.generates:
        from training_worker.export_language import merged_language_model

        (work / "merged").mkdir()
        written, difference, allowed = merged_language_model(root, folder, recipe.training, PROBES, work / "merged")
        files = {**written, GENERATOR: (folder / GENERATOR).read_bytes()}
    else:
        files, difference = _converted_classifier(root, folder, recipe, form)
        allowed = TOLERANCE
    if not difference <= allowed:
        raise ManifestMismatchError(
            "EXPORT_DIFFERS", "the export does not say what the trained model says, so it was not kept", place=form,
            expected=f"probabilities within {allowed}", found=f"a difference of {difference:.6f}", next_action="export another form; please report this",
        )  # fmt: skip
    return files, difference


def _converted_classifier(
    root: Path, folder: Path, recipe: Recipe, form: str
) -> tuple[Mapping[str, bytes | Path], float]:
    from training_worker.classifier import build_classifier, load_trained

    classifier = read_classifier(folder)
    model = build_classifier(root, recipe.training, len(classifier["labels"]))
    load_trained(model, folder)
    model.eval()
    tokenizer = load_tokenizer(root)
    expected = [_probabilities(model, ids, classifier) for ids in _probe_ids(tokenizer, classifier)]
    merged = _merge(model)
    files: dict[str, bytes | Path] = {
        TOKENIZER: (root / TOKENIZER).read_bytes(),
        CONFIG: (root / CONFIG).read_bytes(),
        CLASSIFIER: (folder / CLASSIFIER).read_bytes(),
    }
    if form == "merged":
        files |= _merged_files(merged)
        found = [_probabilities(merged, ids, classifier) for ids in _probe_ids(tokenizer, classifier)]
    else:
        data = to_onnx(merged, multi=classifier["task"] == "multi-label")
        files |= {"model.onnx": data, **_serving(classifier)}
        found = [run_onnx(data, ids) for ids in _probe_ids(tokenizer, classifier)]
    difference = max(
        abs(a - b) for one, two in zip(expected, found, strict=True) for a, b in zip(one, two, strict=True)
    )
    return files, difference


def _probe_ids(tokenizer: Any, classifier: Mapping[str, Any]) -> list[list[int]]:
    limit = int(classifier["maxTokens"])
    found = []
    for text in PROBES:
        ids = list(tokenizer.encode(text).ids)
        found.append(ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]])
    return found


def _probabilities(model: EncoderClassifier, ids: Sequence[int], classifier: Mapping[str, Any]) -> list[float]:
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([list(ids)]), torch.ones((1, len(ids)), dtype=torch.long))
        said = torch.sigmoid(logits) if classifier["task"] == "multi-label" else torch.softmax(logits, dim=-1)
    return [float(value) for value in said[0]]


def _merge(model: EncoderClassifier) -> EncoderClassifier:
    """Return the model with the adapter's update added to the base weights; the adapter is gone from it."""
    model.encoder = model.encoder.merge_and_unload()
    return model


def _merged_files(model: EncoderClassifier) -> dict[str, bytes]:
    from safetensors.torch import save

    def tensors(module: Any) -> dict[str, torch.Tensor]:
        return {name: value.detach().cpu().contiguous() for name, value in sorted(module.state_dict().items())}

    return {
        "model.safetensors": save(tensors(model.encoder), metadata={"format": "pt"}),
        HEAD: save(tensors(model.head), metadata={"format": "pt"}),
    }


def to_onnx(model: EncoderClassifier, *, multi: bool) -> bytes:
    """Return a classifier as one ONNX file; rows and tokens may be any number.

    Raises:
        DatasigilError: EXTRA_MISSING.
    """
    import io
    import warnings

    import torch

    _need("onnx")

    class Probabilities(torch.nn.Module):
        """Token ids and mask in, one probability per class out."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            """Return probabilities, rows by classes."""
            logits = self.model(input_ids, attention_mask)
            return torch.sigmoid(logits) if multi else torch.softmax(logits, dim=-1)

    # Plain attention: the exporter's own kernels for sdpa depend on the number of tokens in the example.
    model.encoder.set_attn_implementation("eager")
    ids = torch.ones((2, 7), dtype=torch.long)
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer warns about every shape it sees; the comparison afterwards decides
        torch.onnx.export(
            Probabilities().eval(), (ids, torch.ones_like(ids)), buffer, input_names=["input_ids", "attention_mask"], output_names=["probabilities"],
            dynamic_axes={"input_ids": {0: "rows", 1: "tokens"}, "attention_mask": {0: "rows", 1: "tokens"}, "probabilities": {0: "rows"}},
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    data: bytes = buffer.getvalue()
    return data


def run_onnx(data: bytes, ids: Sequence[int]) -> list[float]:
    """Return what an ONNX classifier says about one row of token ids, run by onnxruntime on the CPU.

    Raises:
        DatasigilError: EXTRA_MISSING.
    """
    _need("onnxruntime")
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    row = np.array([list(ids)], dtype=np.int64)
    said = session.run(["probabilities"], {"input_ids": row, "attention_mask": np.ones_like(row)})[0]
    return [float(value) for value in said[0]]


def _need(module: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise DatasigilError(
            "EXTRA_MISSING", f"this export needs {module}, which is not installed", place=module, next_action="pip install 'datasigil[onnx]'"
        )  # fmt: skip


def _serving(classifier: Mapping[str, Any]) -> dict[str, bytes]:
    """Return what an MLServer (KServe v2, Open Inference Protocol) needs beside model.onnx."""
    settings = {
        "name": "classifier",
        "implementation": "serve_onnx.Classifier",
        "parameters": {"uri": "./model.onnx", "version": "1", "extra": {"labels": classifier["labels"]}},
    }
    source = Path(__file__).with_name("serve_onnx.py").read_bytes()
    return {"model-settings.json": jcs(settings), "serve_onnx.py": source}


__all__ = ["EXPORT", "export", "run", "run_onnx", "to_onnx"]
