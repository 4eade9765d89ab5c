"""Cost, latency and accuracy on UNFAIR-ToS of full fine-tuning, LoRA at several ranks, a frozen encoder, and weights of 8 bits.

Here: the same rows, base model, loop, thresholds and metric for every way, with recipe.yaml's settings but for what the way's name says; a
table in Markdown from what was measured. Training is `run.QUICK`: a quarter of the recipe's steps, the same for every way. Not here: the whole worker's run with receipt and card, and other systems (`run.py`).

Each way's result is kept in OUT and not computed twice; Ctrl-C writes a checkpoint and the same command goes on. Processor seconds are those of
one thread, so that they can be compared on a machine whose cores are shared.

Usage: python benchmarks/unfair_tos/trade_offs.py OUT [LEXGLUE_FOLDER] [--only WAY ...]    (needs scikit-learn, onnx and onnxruntime)
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from run import INTERRUPTED, LABELS, QUICK, SCHEMA, SHARED, case_of, frozen, interval, read, sets_of

from training_worker.gate import passed_gate
from training_worker.metrics import Sets, decide, score
from training_worker.progress import Progress
from training_worker.run import Ready, gate_place, make_ready
from training_worker.stopping import Interrupted, StopRequest

# Settings of recipe.yaml's `training` that a way replaces. Full: a rate for weights that are trained already, fixed before the run.
TRAINED: dict[str, dict[str, Any]] = {
    "LoRA rank 4": {"lora": {"rank": 4, "alpha": 8}},
    "LoRA rank 16": {"lora": {"rank": 16, "alpha": 32}},
    "full fine-tuning": {"learningRate": 0.0001},
}
SERVED = "LoRA rank 16"  # whose merged form is put into ONNX and 8 bits
FROZEN, INT8, LATENCY = "frozen encoder, logistic regression", "8-bit weights (ONNX, dynamic)", "latency"
SINGLE_SENTENCES, BATCH, BATCHES = 200, 32, 8
WARM = 20  # sentences before the clock starts


@dataclass(frozen=True)
class Judged:
    """Test predictions of one way and what they took."""

    predicted: Sets
    cpu_seconds: float
    trained: int
    size: int  # bytes of what is kept beside the base model, or of the whole where nothing of the base model is left
    note: str


def judged(folder: Path, name: str, found: Judged) -> dict[str, Any]:
    """Return a way's row: scores on test with an interval over documents, and cost."""
    rows = read(folder, "test")
    result, (low, high) = score(found.predicted, sets_of(rows), SCHEMA), interval(found.predicted, rows)
    return {
        "way": name, "microF1": result.micro_f1, "macroF1": result.macro_f1, "low": low, "high": high,
        "perClass": {one.name: one.f1 for one in result.classes}, "cpuSeconds": round(found.cpu_seconds),
        "trainedParameters": found.trained, "bytes": found.size, "note": found.note,
    }  # fmt: skip


def trained(folder: Path, out: Path, name: str) -> Judged:
    """Train one way by the worker's own loop, on what its gate let through, and keep its model in `out`."""
    place = out / name.replace(" ", "-")
    place.mkdir(exist_ok=True)
    case = case_of(folder, place, newer=False, threads=1, **QUICK, **TRAINED[name])
    progress = Progress("text")
    request = case.request(progress=progress)
    with (
        StopRequest(progress.say) as stop,
        tempfile.TemporaryDirectory() as work,
        passed_gate(request.recipe, request.folder, request.gate, work=Path(work)) as gate,
    ):
        ready = make_ready(request, gate, gate_place(gate) / "base-model")
        return _trained(ready, request.recipe, place, progress, stop, full=name.startswith("full"))


def _trained(ready: Ready, recipe: Any, place: Path, progress: Progress, stop: StopRequest, *, full: bool) -> Judged:
    import torch
    from safetensors.torch import save

    from training_worker.base_model import load_encoder
    from training_worker.classifier import EncoderClassifier, build_classifier, classifier_files, set_determinism
    from training_worker.training import Trainer, parameter_counts, predict

    schema, splits, settings = ready.prepared.schema, ready.prepared.splits, recipe.training
    if full:
        set_determinism(settings.seed, settings.threads)
        encoder = load_encoder(ready.base_root, dropout=settings.encoder_dropout)
        model = EncoderClassifier(encoder, LABELS, pooling=settings.pooling, dropout=settings.head_dropout)
    else:
        model = build_classifier(ready.base_root, settings, LABELS)
    binding = {"recipe": recipe.digest, "tokens": ready.prepared.tokenised_digest}
    loop = Trainer(
        model, recipe, schema, splits["train"], splits["validation"],
        folder=place, binding=binding, progress=progress, asked_to_stop=stop,
    )  # fmt: skip
    done = loop.run(resume=True)
    scores = predict(model, splits["test"], schema)
    if full:
        size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    else:
        files = classifier_files(model, base_name=ready.base.name)
        size = sum(len(data) for data in files.values())
        model.encoder = model.encoder.merge_and_unload()
    tensors = {key: value.detach().contiguous() for key, value in sorted(model.state_dict().items())}
    (place / "merged.safetensors").write_bytes(save(tensors))
    (place / "thresholds.json").write_text(json.dumps(done.thresholds))
    torch.set_num_threads(1)
    best = done.state.history[done.state.best_epoch - 1]
    note = f"epoch {done.state.best_epoch} of {settings.epochs} kept, validation {100 * float(best['validationMacroF1']):.1f}"
    return Judged(decide(scores, done.thresholds, schema), done.state.cpu_seconds, parameter_counts(model)[0] if full else _adapted(loop), size, note)  # fmt: skip


def _adapted(loop: Any) -> int:
    return sum(value.numel() for value in loop.parameters.values())


def untrained(folder: Path) -> Judged:
    """Return the frozen encoder under logistic regression."""
    began = time.process_time()
    predicted, _ = frozen(*(read(folder, split) for split in ("train", "validation", "test")))
    return Judged(predicted, time.process_time() - began, (384 + 1) * LABELS, (384 + 1) * LABELS * 8, "1,000 iterations at most")  # fmt: skip


class Served:
    """The rank-16 model merged, as torch, as ONNX and as ONNX with 8-bit weights, on one thread."""

    def __init__(self, out: Path) -> None:
        import torch
        import yaml
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from safetensors.torch import load_file

        from training_worker.base_model import find_base_model, load_encoder, load_tokenizer
        from training_worker.classifier import EncoderClassifier
        from training_worker.export import to_onnx
        from training_worker.recipe_sections import DEFAULT_BASE, Base

        place = out / SERVED.replace(" ", "-")
        settings = yaml.safe_load((place / "recipe.yaml").read_text("utf-8"))["training"]
        root = find_base_model(Base.model_validate({"package": DEFAULT_BASE}), Path()).folder
        self.tokenizer, self.limit = load_tokenizer(root), settings["maxTokens"]
        self.thresholds = json.loads((place / "thresholds.json").read_text())
        pooling = settings.get("pooling", "mean+max")
        model = EncoderClassifier(load_encoder(root, dropout=0.0), LABELS, pooling=pooling, dropout=0.0)
        model.load_state_dict(load_file(str(place / "merged.safetensors")))
        torch.set_num_threads(1)
        self.model = model.eval()
        whole, small = place / "model.onnx", place / "model-int8.onnx"
        if not small.is_file():
            whole.write_bytes(to_onnx(model, multi=True))
            quantize_dynamic(whole, small, weight_type=QuantType.QInt8)
            model.encoder.set_attn_implementation("sdpa")
        self.sizes = {"torch": whole.stat().st_size, "onnx": whole.stat().st_size, "int8": small.stat().st_size}
        self.sessions = {"onnx": _session(whole), "int8": _session(small)}

    def say(self, kind: str, texts: Sequence[str]) -> np.ndarray:
        """Return probabilities for texts, tokenizer included."""
        import torch

        rows = [self._cut(one.ids) for one in self.tokenizer.encode_batch(list(texts))]
        width = max(map(len, rows))
        ids = np.array([row + [0] * (width - len(row)) for row in rows], dtype=np.int64)
        mask = (np.arange(width)[None] < np.array([[len(row)] for row in rows])).astype(np.int64)
        if kind == "torch":
            with torch.inference_mode():
                return np.asarray(torch.sigmoid(self.model(torch.from_numpy(ids), torch.from_numpy(mask))).numpy())
        said = self.sessions[kind].run(["probabilities"], {"input_ids": ids, "attention_mask": mask})[0]
        return np.asarray(said)

    def _cut(self, ids: list[int]) -> list[int]:
        return list(ids) if len(ids) <= self.limit else [*ids[: self.limit - 1], ids[-1]]

    def all(self, kind: str, texts: Sequence[str]) -> np.ndarray:
        """Return probabilities for many texts, short ones together."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        found = np.zeros((len(texts), LABELS), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            found[part] = self.say(kind, [texts[row] for row in part])
        return found


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def small(folder: Path, out: Path) -> Judged:
    """Return the served model with 8-bit weights, at the thresholds that validation gave the model of 32 bits."""
    served = Served(out)
    scores = served.all("int8", [row["text"] for row in read(folder, "test")])
    return Judged(decide(scores, served.thresholds, SCHEMA), 0, 0, served.sizes["int8"], f"from {SERVED}, its thresholds")  # fmt: skip


def timed(served: Served, kind: str, texts: Sequence[str]) -> tuple[float, float]:
    """Return (seconds by the clock, processor seconds) of one answer."""
    began, cpu = time.perf_counter(), time.process_time()
    served.say(kind, texts)
    return time.perf_counter() - began, time.process_time() - cpu


def latency(folder: Path, out: Path) -> list[dict[str, Any]]:
    """Return milliseconds of single sentences and of batches, by clock and by processor, the three forms in turn for each."""
    served, texts = Served(out), [row["text"] for row in read(folder, "test")]
    kinds = ("torch", "onnx", "int8")
    single: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    batch: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for number, text in enumerate(texts[: WARM + SINGLE_SENTENCES]):
        for kind in kinds:
            found = timed(served, kind, [text])
            if number >= WARM:
                single[kind].append(found)
    for start in range(0, BATCH * BATCHES, BATCH):
        for kind in kinds:
            batch[kind].append(timed(served, kind, texts[start : start + BATCH]))
    return [{"form": kind, "bytes": served.sizes[kind], **percentiles(single[kind], batch[kind])} for kind in kinds]


def percentiles(single: list[tuple[float, float]], batch: list[tuple[float, float]]) -> dict[str, float]:
    """Return p50 and p99 in milliseconds."""
    one, many = 1e3 * np.array(single), 1e3 * np.array(batch)
    names = ("Clock", "Processor")
    found = {f"{point}{name}": float(np.percentile(one[:, side], int(point[1:]))) for side, name in enumerate(names) for point in ("p50", "p99")}  # fmt: skip
    return found | {f"batch{name}": float(np.percentile(many[:, side], 50)) for side, name in enumerate(names)}


def kept(out: Path, name: str, compute: Callable[[], Any]) -> Any:
    """Return a result, computed unless `out` has it."""
    file = out / f"{name.replace(' ', '-').replace(',', '').replace('(', '').replace(')', '')}.json"
    if not file.is_file():
        file.write_text(json.dumps(compute(), indent=1))
    return json.loads(file.read_text())


def show(rows: Sequence[dict[str, Any]], forms: Sequence[dict[str, Any]]) -> None:
    """Print the tables of docs/reference-pipeline.md."""
    print("| way | micro-F1 | macro-F1 | macro, 95 % interval | trained weights | files kept | processor time | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        weights = f"{row['trainedParameters']:,}" if row["trainedParameters"] else ""
        seconds = f"{row['cpuSeconds']:,} s" if row["cpuSeconds"] else ""
        cells = [
            row["way"], f"{100 * row['microF1']:.1f}", f"{100 * row['macroF1']:.1f}",
            f"{100 * row['low']:.1f} to {100 * row['high']:.1f}", weights, f"{row['bytes'] / 1e6:.1f} MB", seconds, row["note"],
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |")
    print(
        "\n| served as, one thread | one sentence, processor ms, p50 | p99 | clock ms, p50 | p99 | 32 sentences, processor ms | file |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    names = {"torch": "torch, 32 bits", "onnx": "ONNX, 32 bits", "int8": "ONNX, 8-bit weights"}
    for form in forms:
        print(
            f"| {names[form['form']]} | {form['p50Processor']:.1f} | {form['p99Processor']:.1f} | {form['p50Clock']:.1f} | {form['p99Clock']:.1f} "
            f"| {form['batchProcessor']:.0f} | {form['bytes'] / 1e6:.1f} MB |"
        )


def main() -> None:
    """Compute what is missing and print the tables."""
    parser = argparse.ArgumentParser(description="UNFAIR-ToS: cost, latency and accuracy of several ways.")
    parser.add_argument("out", type=Path, help="folder for results; what it holds is not computed again")
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED / "data/unfair_tos_claudette50/lexglue")
    parser.add_argument("--only", nargs="+", choices=[*TRAINED, FROZEN, INT8, LATENCY], help="compute these alone")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    ways: dict[str, Callable[[], Judged]] = {FROZEN: lambda: untrained(given.folder)}
    ways |= {name: lambda name=name: trained(given.folder, given.out, name) for name in TRAINED}  # type: ignore[misc]
    ways[INT8] = lambda: small(given.folder, given.out)
    wanted = given.only or [*ways, LATENCY]
    try:
        rows = [
            kept(given.out, name, lambda name=name: judged(given.folder, name, ways[name]()))
            for name in ways
            if name in wanted
        ]  # type: ignore[misc]
    except Interrupted as stopped:
        print(f"{stopped}; the same command goes on", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    forms = kept(given.out, LATENCY, lambda: latency(given.folder, given.out)) if LATENCY in wanted else []
    show(rows, forms)


if __name__ == "__main__":
    main()
