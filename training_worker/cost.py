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
# Fitted to eighteen runs on one H100 80 GB on 2026-11-26 (benchmarks/gpu/h100-2026-11-26.json: torch 2.11, transformers 5.17, peft 0.21,
# bitsandbytes 0.50): memory within 2 %, tokens per second within 20 % of each of them.
# Saved for the backward pass of one layer, bytes per token: norms, inputs of every adapted linear layer, attention, the gated product.
LAYER_BYTES_PER_WIDTH = 25
LAYER_BYTES_PER_KEY_VALUE = 4
LAYER_BYTES_PER_INNER = 8
LOGIT_BYTES = 12  # of one logit at the loss: in 16 bits, in 32 bits, their log-softmax, its gradient
PRODUCT_SHARE = 0.69  # of the card's own best matrix product that a model's products reach
PASSES_OVER_SAVED = 6.7  # what elementwise kernels read and write in a pass, in units of the bytes above
NF4_PASSES = 2.0  # unpacking reads and writes so many times what it must
LAUNCH_SECONDS = (
    0.0037  # per layer and pass, whatever its size: starting kernels from Python, of each of seven adapted layers
)
NF4_LAUNCH = 1.2  # times as long, to start the kernels that unpack
# What the driver, kernels and libraries hold on a card beside tensors; 1.6 GB measured.
CONTEXT_BYTES = 1_800_000_000
# Operations per parameter and token: forward 2, backward through frozen weights 2, forward again when checkpointing 2; full adds 2.
FORWARD, BACKWARD, AGAIN, WEIGHT_GRADIENT = 2, 2, 2, 2

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
class Card:
    """A graphics card: dense bf16 operations per second by its data sheet, the share of them one large matrix product reaches, bytes per second of its memory."""

    peak: float
    reach: float
    bandwidth: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on the card at the peak of a step, by what holds them; `total` leaves out what driver and libraries hold."""

    base: int
    trained: int
    activations: int
    loss: int  # logits at the loss, or the layer that is computed again, whichever is more

    @property
    def total(self) -> int:
        """Bytes of all tensors."""
        return self.base + self.trained + self.activations + self.loss

    @property
    def on_card(self) -> int:
        """Bytes of all tensors, and of driver, kernels and libraries."""
        return self.total + CONTEXT_BYTES


def _saved_bytes(shape: ModelShape) -> int:
    return (
        LAYER_BYTES_PER_WIDTH * shape.width
        + LAYER_BYTES_PER_KEY_VALUE * shape.key_value_width
        + LAYER_BYTES_PER_INNER * shape.inner
    )


def memory(shape: ModelShape, load: Load) -> Memory:
    """Return the bytes of a step: 16-bit weights and activations, 32-bit adapters and their optimiser."""
    rest = shape.parameters - shape.linear_parameters
    packed = load.method == "qlora"
    base = round(shape.linear_parameters * (NF4_BYTES if packed else 2)) + 2 * rest
    trained = shape.parameters if load.method == "full" else shape.adapter_parameters(load.rank, load.targets)
    tokens = load.batch * load.tokens
    layer = _saved_bytes(shape)
    kept = 2 * shape.width * shape.layers if load.checkpointing else layer * shape.layers
    unpacked = 2 * max(inputs * outputs for inputs, outputs in shape.linear_sizes().values()) if packed else 0
    # No gradient of an adapter is there yet when the logits are; the logits are gone when a layer is computed again.
    logits = tokens * shape.vocabulary * LOGIT_BYTES
    again = 4 * trained + unpacked + (tokens * layer if load.checkpointing else 0)
    return Memory(
        base=0 if load.method == "full" else base,
        trained=(TRAINED_BYTES - 4) * trained,
        activations=tokens * kept,
        loss=max(logits, again),
    )


def passes(load: Load) -> int:
    """Return how often a step goes through the layers: forward, backward, and forward again when checkpointing."""
    return 3 if load.checkpointing else 2


def operations_per_token(shape: ModelShape, load: Load) -> float:
    """Return the operations that a token of a step costs, those of attention over the whole row (causal: half) included."""
    each = FORWARD + BACKWARD + (AGAIN if load.checkpointing else 0)
    each += WEIGHT_GRADIENT if load.method == "full" else 0
    weights = shape.linear_parameters + shape.vocabulary * shape.width
    attention = shape.layers * load.tokens * shape.width  # two products over half the row on average, a pass of 2
    # Attention has no frozen side: its backward is two passes.
    return each * (weights + attention) + BACKWARD * attention


def step_seconds(shape: ModelShape, load: Load, card: Card) -> float:
    """Return the time of a step: products, elementwise kernels and unpacking on the card, or starting them if that takes longer."""
    tokens = load.batch * load.tokens
    products = tokens * operations_per_token(shape, load) / (PRODUCT_SHARE * card.reach * card.peak)
    saved = tokens * (_saved_bytes(shape) * shape.layers + LOGIT_BYTES * shape.vocabulary)
    moved = PASSES_OVER_SAVED * saved
    if load.method == "qlora":
        moved += NF4_PASSES * shape.linear_parameters * (NF4_BYTES + 2)
    busy = products + passes(load) * moved / card.bandwidth
    launch = LAUNCH_SECONDS * (NF4_LAUNCH if load.method == "qlora" else 1)
    return max(busy, launch * shape.layers * passes(load))


def tokens_per_second(shape: ModelShape, load: Load, card: Card) -> float:
    """Return the tokens a card trains on in a second."""
    return load.batch * load.tokens / step_seconds(shape, load, card)


__all__ = [
    "CONTEXT_BYTES",
    "TARGETS",
    "Card",
    "Load",
    "Memory",
    "Method",
    "ModelShape",
    "memory",
    "operations_per_token",
    "passes",
    "step_seconds",
    "tokens_per_second",
]
