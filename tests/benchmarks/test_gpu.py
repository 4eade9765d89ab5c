"""The card benchmark measures what it says: packed layers compute the product they stand for, and the formulae count real models."""

import importlib.util
import sys
from importlib.util import find_spec
from types import ModuleType

import pytest
from conftest import absent

from training_worker.cost import TARGETS, Card, Load, memory, operations_per_token, tokens_per_second

# transformers renames checkpointing; the benchmark runs on several of its versions.
pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore::FutureWarning")]


@pytest.fixture
def benchmark(repository, monkeypatch) -> ModuleType:
    folder = repository / "benchmarks/gpu"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("gpu_benchmark", folder / "run.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_benchmark", module)
    before = list(sys.path)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "path", before)
    return module


@pytest.mark.parametrize("size", ["tiny", "3B", "7B", "13B"])
def test_the_formula_counts_the_weights_of_a_real_llama(benchmark, size):
    import torch

    model, _ = benchmark.build(benchmark.SHAPES[size], "lora", torch.device("meta"), "torch")  # asserts both counts
    assert type(model).__name__ == "PeftModelForCausalLM"


def test_a_packed_layer_is_near_its_original_and_passes_gradients_on(benchmark):
    import torch
    from nf4 import BLOCK, Nf4Linear, pack, pairs, unpack

    torch.manual_seed(1)
    original = torch.nn.Linear(128, 96, bias=False)
    packed = Nf4Linear(original)
    weights = unpack(*pack(original.weight.detach()), pairs(torch.device("cpu"), torch.float32), (96, 128))
    error = (weights - original.weight).norm() / original.weight.norm()
    assert 0 < error < 0.12
    assert packed.weight.numel() + 4 * packed.scales.numel() == 128 * 96 // 2 + 4 * 128 * 96 // BLOCK
    left, right = (torch.randn(5, 128, requires_grad=True) for _ in range(1)), torch.randn(5, 96)
    x = next(iter(left))
    (packed(x) * right).sum().backward()
    assert torch.allclose(x.grad, right @ weights, atol=1e-5)
    assert torch.equal(unpack(*pack(weights), pairs(torch.device("cpu"), torch.float32), (96, 128)), weights)


def test_the_code_book_is_bitsandbytes_own(benchmark):
    if find_spec("bitsandbytes") is None:
        absent("bitsandbytes (pip install -e .[dev])")
    import bitsandbytes as bnb
    import torch
    from nf4 import pack, pairs, unpack

    torch.manual_seed(2)
    weight = torch.randn(64, 128)
    packed, state = bnb.functional.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    ours = unpack(*pack(weight), pairs(torch.device("cpu"), torch.float32), (64, 128))
    assert torch.allclose(bnb.functional.dequantize_4bit(packed, state), ours, atol=1e-6)


def test_the_program_runs_and_lowers_its_loss_without_a_card(benchmark, monkeypatch, tmp_path, capsys):
    import json

    out = tmp_path / "gpu.json"
    arguments = [
        "run.py",
        "--sizes",
        "tiny",
        "--device",
        "cpu",
        "--seconds",
        "0.5",
        "--nf4",
        "torch",
        "--json",
        str(out),
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    assert benchmark.main() == 0
    rows = json.loads(out.read_text("utf-8"))["rows"]
    assert [(row["method"], row["batch"]) for row in rows] == [("lora", 1), ("lora", 2), ("qlora", 1), ("qlora", 2)]
    assert all(
        "measured" in row for row in rows if row["batch"] == 1
    )  # the first load of a method, however short the time
    assert "published" in capsys.readouterr().out


def test_packing_checkpointing_and_rank_cost_what_they_should(benchmark):
    shape = benchmark.SHAPES["7B"]
    lora, packed = (memory(shape, Load(method, 1, 2_048)) for method in ("lora", "qlora"))
    assert lora.base == 2 * shape.parameters
    assert packed.base < 0.3 * lora.base
    assert memory(shape, Load("lora", 1, 2_048, checkpointing=False)).activations > 3 * lora.activations
    assert shape.adapter_parameters(32) == 2 * shape.adapter_parameters(16)
    assert shape.adapter_parameters(16, ("q_proj", "v_proj")) < shape.adapter_parameters(16, TARGETS)
    slow = operations_per_token(shape, Load("lora", 1, 2_048)) / operations_per_token(
        shape, Load("lora", 1, 2_048, False)
    )
    assert 1.3 < slow < 1.5
    rate = tokens_per_second(shape, Load("lora", 1, 2_048), Card(312e12, 0.8, 2.04e12))
    assert 0.7 < rate / 3_150 < 1.3  # Qwen-7B on an A100, published: 3,150


def test_the_formulae_agree_with_what_was_measured_on_a_card(benchmark, repository, monkeypatch, capsys):
    found = repository / "benchmarks/gpu/h100-2026-11-26.json"
    monkeypatch.setattr(sys, "argv", ["run.py", "--compare", str(found)])
    assert benchmark.main() == 0
    assert "13B  qlora" in capsys.readouterr().out
