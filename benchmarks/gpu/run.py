"""LoRA and QLoRA training steps of randomly initialised 3B, 7B and 13B Llamas on this card, beside the plan's formulae and published anchors.

Here: the step itself (transformers, peft, sdpa, bf16, checkpointing), its speed and memory, a matrix product as the physical limit, and
how far `training_worker.cost` was off. Not here: data, quality (the weights are random), multi-card runs. Needs torch, transformers and peft,
nothing of datasigil installed and no network. QLoRA uses bitsandbytes where it can be imported, and says so; else `nf4` beside this file.
Past 400 lines, because it is carried to a machine that has nothing of this project.

Usage: python3 benchmarks/gpu/run.py [--seconds 40] [--total 345] [--json FILE] [--sizes 3B,7B,13B] [--methods lora,qlora]
On a machine without a card: --sizes tiny --device cpu proves the program, not the figures.
"""

import argparse
import contextlib
import gc
import importlib.metadata
import importlib.util
import json
import math
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import torch
from nf4 import pack_linear_layers

from training_worker.cost import TARGETS, Card, Load, ModelShape, memory, operations_per_token, tokens_per_second

SHAPES = {
    "tiny": ModelShape("tiny", 512, 128, 2, 4, 2, 256),
    "3B": ModelShape("3B", 128_256, 3_072, 28, 24, 8, 8_192, tied=True),  # Llama 3.2 3B
    "7B": ModelShape("7B", 32_000, 4_096, 32, 32, 32, 11_008),  # Llama 2 7B
    "13B": ModelShape("13B", 32_000, 5_120, 40, 40, 40, 13_824),  # Llama 2 13B
}
# Rows, tokens a row, checkpointing: the anchors' load first, then a full card, then no second forward pass.
LOADS = ((1, 2_048, True), (4, 2_048, True), (1, 2_048, False))
TINY_LOADS = ((1, 64, True), (2, 64, False))
WARM_STEPS, STEPS_MIN, STEPS_MAX = 3, 5, 40
LIMIT_SIZE, LIMIT_SECONDS = 8_192, 2.0
GIB = 2**30
NOT_HERE = 77  # the exit code by which automake's tests say that something is missing
# Dense bf16 operations per second and bytes per second as the vendors' data sheets give them; the reach of a product is measured here.
CARDS = {
    "H200": (989e12, 4.8e12),
    "H100": (989e12, 3.35e12),
    "A100": (312e12, 2.04e12),
    "L4": (121e12, 0.3e12),
    "RTX 4090": (165e12, 1.01e12),
}
UNKNOWN_CARD = (100e12, 1e12)
# Read in public sources on 2026-11-23; none was measured here. Name, method, P in 1e9, card, load, GiB or GB as printed, tokens per second, peak.
ANCHORS = (
    ("Qwen-7B README", "lora", 7.7, "A100-80", "1 x 2048", 23.8, 3_150, 312e12),
    ("Qwen-7B README", "qlora", 7.7, "A100-80", "1 x 2048", 13.9, 2_340, 312e12),
    ("torchtune Llama-3.1-8B", "lora", 8.0, "4090", "2 x 2048, compiled", 16.2, 3_083, 165e12),
    ("torchtune Llama-3.1-8B", "qlora", 8.0, "4090", "2 x 2048, compiled", 7.4, 2_413, 165e12),
)


@dataclass
class Measured:
    """One row of the table; `note` says why figures are missing."""

    size: str
    method: str
    path: str
    load: Load
    note: str = ""
    step_seconds: list[float] = field(default_factory=list)
    built: int = 0  # bytes held before the first step
    forward: int = 0  # the most bytes until the first loss
    allocated: int = 0
    reserved: int = 0
    on_card: int = 0
    losses: tuple[float, float] = (math.nan, math.nan)
    watts: float | None = None

    @property
    def rate(self) -> float:
        """Tokens per second at the median step."""
        return self.load.batch * self.load.tokens / statistics.median(self.step_seconds) if self.step_seconds else 0.0


def build(shape: ModelShape, method: str, device: torch.device, nf4: str) -> tuple[torch.nn.Module, str]:
    """Return a randomly initialised model with adapters and how its base weights are kept."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=4_096,
        attn_implementation="sdpa",
        use_cache=False,
    )
    torch.manual_seed(7)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    found = sum(parameter.numel() for parameter in model.parameters())
    assert found == shape.parameters, f"the formula counts {shape.parameters} weights, the model has {found}"
    path = "bf16"
    if method == "qlora":
        path = pack_base(model, nf4)
    adapters = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=list(TARGETS), task_type="CAUSAL_LM")
    adapted = get_peft_model(model, adapters)
    trained = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
    assert trained == shape.adapter_parameters(16), (
        f"{shape.adapter_parameters(16)} adapter weights expected, {trained} found"
    )
    return adapted, path


def pack_base(model: torch.nn.Module, nf4: str) -> str:
    """Pack the linear layers into NF4 and return by what; `nf4` is auto, bitsandbytes or torch."""
    if nf4 == "torch" or (nf4 == "auto" and importlib.util.find_spec("bitsandbytes") is None):
        pack_linear_layers(model, TARGETS)
        return "NF4, torch operations (not bitsandbytes)"
    import bitsandbytes as bnb

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if name in TARGETS:
                device = child.weight.device
                packed = bnb.nn.Linear4bit(
                    child.in_features,
                    child.out_features,
                    bias=False,
                    compute_dtype=torch.bfloat16,
                    quant_type="nf4",
                    compress_statistics=True,
                    device="meta",
                )
                packed.weight = bnb.nn.Params4bit(
                    child.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True
                )
                setattr(parent, name, packed.to(device))
                child.weight = None
    return f"NF4, bitsandbytes {importlib.metadata.version('bitsandbytes')}"


@contextlib.contextmanager
def power(device: torch.device, found: list[float]) -> Iterator[None]:
    """Collect the card's watts twice a second where nvidia-smi is there."""
    command = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits", "-lms", "500"]
    process = None
    if device.type == "cuda":
        with contextlib.suppress(OSError):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield
    finally:
        if process is not None:
            process.terminate()
            for line in (process.communicate()[0] or "").splitlines():
                with contextlib.suppress(ValueError):
                    found.append(float(line))


def synchronise(device: torch.device) -> None:
    """Wait for the card."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def empty(device: torch.device) -> None:
    """Give back what nothing refers to."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def measure(model: torch.nn.Module, row: Measured, vocabulary: int, device: torch.device, seconds: float) -> None:
    """Run warm-up steps, then steps until the time is up; the same random rows each time, so that the loss must fall."""
    load = row.load
    if load.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    else:
        model.gradient_checkpointing_disable()
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=2e-4, fused=device.type == "cuda")
    row.built = torch.cuda.memory_allocated() if device.type == "cuda" else 0
    ids = torch.randint(0, vocabulary, (load.batch, load.tokens), device=device)
    losses, watts, began = [], [], time.monotonic()
    try:
        with power(device, watts):
            for step in range(WARM_STEPS + STEPS_MAX):
                synchronise(device)
                start = time.monotonic()
                with torch.autocast(device.type, dtype=torch.bfloat16):
                    loss = model(input_ids=ids, labels=ids).loss
                if step == 0 and device.type == "cuda":
                    row.forward = torch.cuda.max_memory_allocated()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trained, 1.0)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                losses.append(float(loss.detach()))  # waits for the card
                synchronise(device)
                if step >= WARM_STEPS:
                    row.step_seconds.append(time.monotonic() - start)
                if time.monotonic() - began > seconds and len(row.step_seconds) >= STEPS_MIN:
                    break
    except torch.cuda.OutOfMemoryError:
        row.note, row.step_seconds = "out of memory", []
    finally:
        if losses:
            row.losses = (losses[0], losses[-1])
        row.watts = statistics.median(watts) if watts else None
        if device.type == "cuda":
            row.allocated, row.reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
            free, total = torch.cuda.mem_get_info()
            row.on_card = total - free
        for parameter in trained:
            parameter.grad = None


def matrix_limit(device: torch.device) -> float:
    """Return the bf16 operations per second of one large matrix product: what this card can do at best."""
    size = LIMIT_SIZE if device.type == "cuda" else 512
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        left @ right
    synchronise(device)
    began, done = time.monotonic(), 0
    while time.monotonic() - began < (LIMIT_SECONDS if device.type == "cuda" else 0.2):
        for _ in range(10):
            left @ right
        synchronise(device)
        done += 10
    return done * 2 * size**3 / (time.monotonic() - began)


def document(row: Measured, card: Card) -> dict:
    """Return a row as JSON, with what the plan says and by how much it is off."""
    shape, load = SHAPES[row.size], row.load
    predicted, expected = memory(shape, load), tokens_per_second(shape, load, card)
    operations = operations_per_token(shape, load)
    result = {
        "size": row.size,
        "method": row.method,
        "path": row.path,
        "parameters": shape.parameters,
        "trainable": shape.adapter_parameters(load.rank),
        "batch": load.batch,
        "tokens": load.tokens,
        "checkpointing": load.checkpointing,
        "note": row.note,
        "predicted": {
            "tokensPerSecond": round(expected, 1),
            "memory": predicted.total,
            "base": predicted.base,
            "trained": predicted.trained,
            "activations": predicted.activations,
            "loss": predicted.loss,
        },
    }
    if row.step_seconds:
        result["measured"] = {
            "steps": len(row.step_seconds),
            "stepSeconds": round(statistics.median(row.step_seconds), 4),
            "stepSecondsAll": [round(value, 4) for value in row.step_seconds],
            "tokensPerSecond": round(row.rate, 1),
            "utilisation": round(row.rate * operations / card.peak, 4),
            "shareOfMatrixLimit": round(row.rate * operations / (card.reach * card.peak), 4),
            "built": row.built,
            "forward": row.forward,
            "allocated": row.allocated,
            "reserved": row.reserved,
            "onCard": row.on_card,
            "watts": row.watts,
            "lossFirst": round(row.losses[0], 4),
            "lossLast": round(row.losses[1], 4),
        }
        result["rateError"] = round(expected / row.rate - 1, 3)
        result["memoryError"] = round(predicted.total / row.allocated - 1, 3) if row.allocated else None
    return result


def environment(device: torch.device) -> dict:
    """Return what the figures depend on."""
    found = {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda}
    for name in ("transformers", "peft", "bitsandbytes", "triton"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {"card": properties.name, "cardBytes": properties.total_memory}
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            query = ["nvidia-smi", "--query-gpu=driver_version,power.limit", "--format=csv,noheader"]
            found["driver"] = subprocess.run(
                query, capture_output=True, text=True, timeout=10, check=False
            ).stdout.strip()
    return found


def line(result: dict) -> str:
    """Return a row of the table."""
    load = f"{result['batch']} x {result['tokens']}{'' if result['checkpointing'] else ', no ckpt'}"
    start = f"{result['size']:5}{result['method']:6} {load:18}"
    predicted = result["predicted"]
    if "measured" not in result:
        return f"{start} {result['note']} (plan: {predicted['memory'] / GIB:.1f} GiB)"
    found = result["measured"]
    error = "" if result["memoryError"] is None else f"{result['memoryError']:+8.0%}"
    watts = "" if found["watts"] is None else f"{found['watts']:.0f}"
    return (
        f"{start}{found['stepSeconds']:9.3f}{found['tokensPerSecond']:10.0f}{predicted['tokensPerSecond']:10.0f}{result['rateError']:+8.0%}"
        f"{found['allocated'] / GIB:9.1f}{predicted['memory'] / GIB:9.1f}{error:>8}{found['onCard'] / GIB:9.1f}"
        f"{found['utilisation']:7.0%}{found['shareOfMatrixLimit']:8.0%}{watts:>7}  {found['lossFirst']:.2f}>{found['lossLast']:.2f}  {result['path']}"
    )


HEADINGS = (
    f"{'size':5}{'how':6} {'rows x tokens':18}{'s/step':>9}{'tok/s':>10}{'plan':>10}{'off':>8}"
    f"{'GiB':>9}{'plan':>9}{'off':>8}{'on card':>9}{'of peak':>7}{'of mm':>8}{'watts':>7}  loss  base weights"
)


def anchors() -> None:
    """Print the published figures; utilisation as the plan counts it."""
    print(
        "\npublished, not measured here (GB as printed; utilisation of the data sheet's peak at 6 operations per weight and token)"
    )
    for name, method, billions, card, load, size, rate, peak in ANCHORS:
        print(
            f"{name:24}{method:6} {card:8} {load:20}{rate:8,} tok/s{size:7.1f} GB{rate * 6 * billions * 1e9 / peak:7.0%}"
        )


def main() -> int:
    """Measure, print and write JSON after every row, so that a run that is cut off keeps what it has."""
    parser = argparse.ArgumentParser(description="Measure LoRA and QLoRA steps on this card, beside the plan.")
    parser.add_argument("--seconds", type=float, default=40, help="time for each size and method, building included")
    parser.add_argument("--total", type=float, default=345, help="time after which no further configuration begins")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--sizes", default="3B,7B,13B", help="of tiny, 3B, 7B, 13B")
    parser.add_argument("--methods", default="lora,qlora")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument(
        "--nf4", default="auto", choices=["auto", "bitsandbytes", "torch"], help="what packs the weights"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="JSON", help="measure nothing: figures of another run beside the plan of today"
    )
    given = parser.parse_args()
    if given.compare:
        return compare(json.loads(given.compare.read_text("utf-8")))
    if given.device == "cuda" and not torch.cuda.is_available():
        print(
            "not measured: no CUDA card is at hand (--device cpu --sizes tiny proves the program only)", file=sys.stderr
        )
        return NOT_HERE
    if unknown := set(given.sizes.split(",")) - set(SHAPES):
        parser.error(f"unknown sizes {sorted(unknown)}; known are {', '.join(SHAPES)}")
    # transformers 5 renames checkpointing; the old names work in every version that this runs on.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    began, device = time.monotonic(), torch.device(given.device)
    where = environment(device)
    peak, bandwidth = next((value for name, value in CARDS.items() if name in where.get("card", "")), UNKNOWN_CARD)
    limit = matrix_limit(device)
    card = Card(peak, limit / peak, bandwidth)
    print(" ".join(f"{name}={value}" for name, value in where.items()))
    print(
        f"data sheet {peak / 1e12:.0f} TFLOPS dense bf16; one matrix product reaches {limit / 1e12:.0f} TFLOPS\n{HEADINGS}",
        flush=True,
    )
    rows: list[dict] = []
    for size in given.sizes.split(","):
        for method in given.methods.split(","):
            rows += configuration((size, method, given.nf4), device, given.seconds, began + given.total, card)
            whole = {
                "type": "GpuBenchmark",
                "formatVersion": 1,
                "environment": where,
                "peakOperationsPerSecond": peak,
                "matrixLimit": limit,
                "bandwidth": bandwidth,
                "rows": rows,
                "seconds": round(time.monotonic() - began, 1),
            }
            if given.json:
                given.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    anchors()
    print(f"\nwhole run {time.monotonic() - began:.0f} s")
    failed = [
        row for row in rows if "measured" in row and not row["measured"]["lossLast"] < row["measured"]["lossFirst"]
    ]
    if failed:
        print(f"{len(failed)} rows did not lower their loss: their figures are not those of training", file=sys.stderr)
    return 1 if failed else 0


def compare(found: dict) -> int:
    """Print the figures of an earlier run beside today's formulae; 1 if memory is off by a fifth or a rate by half anywhere."""
    peak = found["peakOperationsPerSecond"]
    bandwidth = next(value[1] for name, value in CARDS.items() if name in found["environment"]["card"])
    card = Card(peak, found["matrixLimit"] / peak, bandwidth)
    print(" ".join(f"{name}={value}" for name, value in found["environment"].items()) + f"\n{HEADINGS}")
    worst_memory = worst_rate = 0.0
    for one in found["rows"]:
        load = Load(one["method"], one["batch"], one["tokens"], one["checkpointing"])
        row, figures = Measured(one["size"], one["method"], one["path"], load, one["note"]), one.get("measured", {})
        row.step_seconds, row.allocated, row.on_card = (
            figures.get("stepSecondsAll", []),
            figures.get("allocated", 0),
            figures.get("onCard", 0),
        )
        row.watts, row.losses = (
            figures.get("watts"),
            (figures.get("lossFirst", math.nan), figures.get("lossLast", math.nan)),
        )
        now = document(row, card)
        print(line(now))
        if row.step_seconds:
            worst_memory, worst_rate = (
                max(worst_memory, abs(now["memoryError"])),
                max(worst_rate, abs(now["rateError"])),
            )
    anchors()
    print(f"\nthe plan is off by at most {worst_memory:.0%} in memory and {worst_rate:.0%} in tokens per second")
    return 1 if worst_memory > 0.2 or worst_rate > 0.5 else 0


def configuration(
    what: tuple[str, str, str], device: torch.device, seconds: float, deadline: float, card: Card
) -> list[dict]:
    """Build one model and measure it under each load within its share of the time."""
    (size, method, nf4), began, rows = what, time.monotonic(), []
    loads = TINY_LOADS if size == "tiny" else LOADS
    if began > deadline:
        print(f"{size:5}{method:6} skipped: the time of --total is used up", flush=True)
        return []
    empty(device)
    model, path = build(SHAPES[size], method, device, nf4)
    synchronise(device)
    print(f"{size:5}{method:6} built in {time.monotonic() - began:.1f} s", flush=True)
    for number, (batch, tokens, checkpointing) in enumerate(loads):
        row = Measured(size, method, path, Load(method, batch, tokens, checkpointing))
        left = seconds - (time.monotonic() - began)
        empty(device)
        if left <= 0 and number:  # the first load is measured however long building took
            row.note = "skipped: the time of --seconds is used up"
        else:
            measure(model, row, SHAPES[size].vocabulary, device, left / (len(loads) - number))
        rows.append(document(row, card))
        print(line(rows[-1]), flush=True)
    del model
    empty(device)
    return rows


if __name__ == "__main__":
    sys.exit(main())
