"""What a training step of a Llama-shaped model costs: bytes, operations and tokens per second, by arithmetic alone.

Here: the formulae of `plan` for causal language models, and their constants with the runs they were fitted to. Not here: prices
(`prices`), and the measured probe of `plan`. Imports nothing but the standard library, so that `benchmarks/gpu/run.py` compares the very
same formulae with a graphics card from a bare checkout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["lora", "qlora", "full"]

# NF4 (Dettmers et al. 2023, arXiv:2305.14314): 4 bits a weight, one 8-bit scale per block of 64, one 32-bit scale per 256 of these.
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
TRAINED_BYTES = 16  # a trained weight in 32 bits, its gradient, and Adam's two moments
# Saved for the backward pass of one layer, bytes per token: norms in 32 bits, inputs of every adapted linear layer in 16 bits.
LAYER_BYTES_PER_WIDTH = 38
LAYER_BYTES_PER_KEY_VALUE = 4
LAYER_BYTES_PER_INNER = 8
# Logits in 16 bits, in 32 bits, their log-softmax and two gradients.
LOGIT_BYTES = 14
# What the driver, kernels and libraries hold on a card beside tensors.
CONTEXT_BYTES = 1_500_000_000
# Operations per parameter and token: forward 2, backward through frozen weights 2, forward again when checkpointing 2; full adds 2.
FORWARD, BACKWARD, AGAIN, WEIGHT_GRADIENT = 2, 2, 2, 2
QLORA_RATE = 0.65  # of LoRA's tokens per second: weights are unpacked in every pass

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a Llama-shaped decoder; `width` is hidden_size, `inner` intermediate_size."""

    name: str
    vocabulary: int
    width: int
    layers: int
    heads: int
    key_value_heads: int
    inner: int
    tied: bool = False

    @property
    def key_value_width(self) -> int:
        """Width of keys and of values together over their heads."""
        return self.width // self.heads * self.key_value_heads

    def linear_sizes(self) -> dict[str, tuple[int, int]]:
        """Return (inputs, outputs) of the linear layers of one decoder layer by their names."""
        width, narrow, inner = self.width, self.key_value_width, self.inner
        return {
            "q_proj": (width, width),
            "k_proj": (width, narrow),
            "v_proj": (width, narrow),
            "o_proj": (width, width),
            "gate_proj": (width, inner),
            "up_proj": (width, inner),
            "down_proj": (inner, width),
        }

    @property
    def linear_parameters(self) -> int:
        """Weights of the decoder layers' linear layers: what NF4 packs."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linear_sizes().values())

    @property
    def embedding_parameters(self) -> int:
        """Weights of the input embedding, and of the output layer unless it is the same."""
        return self.vocabulary * self.width * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.linear_parameters + self.embedding_parameters + (2 * self.layers + 1) * self.width

    def adapter_parameters(self, rank: int, targets: tuple[str, ...] = TARGETS) -> int:
        """Return the weights of low-rank adapters on the named layers: rank times (inputs + outputs) for each."""
        sizes = self.linear_sizes()
        return self.layers * rank * sum(sum(sizes[target]) for target in targets)


@dataclass(frozen=True, slots=True)
class Load:
    """One step: `batch` rows of `tokens` tokens each."""

    method: Method
    batch: int
    tokens: int
    checkpointing: bool = True
    rank: int = 16
    targets: tuple[str, ...] = TARGETS


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on the card at the peak of a step, by what holds them; `total` leaves out what driver and libraries hold."""

    base: int
    trained: int
    activations: int
    logits: int
    workspace: int

    @property
    def total(self) -> int:
        """Bytes of all tensors."""
        return self.base + self.trained + self.activations + self.logits + self.workspace

    @property
    def on_card(self) -> int:
        """Bytes of all tensors, and of driver, kernels and libraries."""
        return self.total + CONTEXT_BYTES


def memory(shape: ModelShape, load: Load) -> Memory:
    """Return the bytes of a step: 16-bit weights and activations, 32-bit adapters and their optimiser."""
    rest = shape.parameters - shape.linear_parameters
    packed = load.method == "qlora"
    base = round(shape.linear_parameters * (NF4_BYTES if packed else 2)) + 2 * rest
    trained = shape.parameters if load.method == "full" else shape.adapter_parameters(load.rank, load.targets)
    tokens = load.batch * load.tokens
    layer = (
        LAYER_BYTES_PER_WIDTH * shape.width
        + LAYER_BYTES_PER_KEY_VALUE * shape.key_value_width
        + LAYER_BYTES_PER_INNER * shape.inner
    )
    kept = 2 * shape.width * shape.layers + layer if load.checkpointing else layer * shape.layers
    return Memory(
        base=0 if load.method == "full" else base,
        trained=TRAINED_BYTES * trained,
        activations=tokens * kept,
        logits=tokens * shape.vocabulary * LOGIT_BYTES,
        workspace=2 * max(inputs * outputs for inputs, outputs in shape.linear_sizes().values()) if packed else 0,
    )


def operations_per_token(shape: ModelShape, load: Load) -> float:
    """Return the operations that a token of a step costs, those of attention over the whole row (causal: half) included."""
    passes = FORWARD + BACKWARD + (AGAIN if load.checkpointing else 0)
    passes += WEIGHT_GRADIENT if load.method == "full" else 0
    weights = shape.linear_parameters + shape.vocabulary * shape.width
    attention = shape.layers * load.tokens * shape.width  # two products over half the row on average, a pass of 2
    # Attention has no frozen side: its backward is two passes.
    extra = BACKWARD * attention
    return passes * (weights + attention) + extra


def tokens_per_second(shape: ModelShape, load: Load, *, peak: float, utilisation: float) -> float:
    """Return the tokens a card trains on in a second; `peak` is its dense bf16 rate in operations per second."""
    rate = utilisation * peak / operations_per_token(shape, load)
    return rate * (QLORA_RATE if load.method == "qlora" else 1.0)


__all__ = [
    "CONTEXT_BYTES",
    "TARGETS",
    "Load",
    "Memory",
    "Method",
    "ModelShape",
    "memory",
    "operations_per_token",
    "tokens_per_second",
]
