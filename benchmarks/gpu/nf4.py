"""NF4 linear layers in plain torch operations, for a machine without bitsandbytes.

Here: packing weights into 4 bits, unpacking them in every pass, and the exchange of a model's linear layers. Not here: double
quantisation (scales stay in 32 bits: 0.5625 bytes a weight instead of 0.516), fused kernels, saving. The code book is that of Dettmers
et al. 2023 (arXiv:2305.14314), appendix E; `tests/benchmarks/test_gpu.py` holds it against bitsandbytes.
"""

import torch
from torch import nn

BLOCK = 64  # weights under one scale
CODES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


def pack(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (two codes a byte, one scale per block in 32 bits); the size must be a multiple of the block."""
    blocks = weight.reshape(-1, BLOCK).float()
    scales = blocks.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
    book = torch.tensor(CODES, device=weight.device)
    codes = torch.bucketize(blocks / scales[:, None], (book[1:] + book[:-1]) / 2, out_int32=True).to(torch.uint8)
    codes = codes.reshape(-1, 2)
    return codes[:, 0] << 4 | codes[:, 1], scales


def pairs(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return the two weights that each of the 256 bytes stands for."""
    book = torch.tensor(CODES, device=device, dtype=dtype)
    return torch.stack((book.repeat_interleave(16), book.repeat(16)), dim=1)


def unpack(packed: torch.Tensor, scales: torch.Tensor, table: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return the weights in the table's type."""
    blocks = nn.functional.embedding(packed.int(), table).view(-1, BLOCK)
    return blocks.mul_(scales[:, None]).view(shape)


class _Product(torch.autograd.Function):
    """x W' with W unpacked in the forward and again in the backward pass, never kept."""

    @staticmethod
    def forward(ctx, x, packed, scales, table, shape):
        ctx.save_for_backward(packed, scales, table)
        ctx.shape = shape
        return nn.functional.linear(x, unpack(packed, scales, table, shape))

    @staticmethod
    def backward(ctx, gradient):
        packed, scales, table = ctx.saved_tensors
        return gradient @ unpack(packed, scales, table, ctx.shape), None, None, None, None


class Nf4Linear(nn.Linear):
    """A frozen linear layer without bias whose weight is packed; peft adapts it as it adapts `nn.Linear`."""

    def __init__(self, original: nn.Linear) -> None:
        super().__init__(original.in_features, original.out_features, bias=False, device="meta")
        packed, scales = pack(original.weight.detach())
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.register_buffer("scales", scales, persistent=False)
        self.register_buffer("table", pairs(packed.device, original.weight.dtype), persistent=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - nn.Linear's own name
        """Return the product in the type of the input."""
        x = input.to(self.table.dtype)
        return _Product.apply(x, self.weight, self.scales, self.table, (self.out_features, self.in_features))


def pack_linear_layers(model: nn.Module, names: tuple[str, ...]) -> int:
    """Exchange the linear layers of these names one after another, so that the peak of memory is the unpacked model; return their number."""
    chosen = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if name in names and type(child) is nn.Linear
    ]
    for parent, name, child in chosen:
        setattr(parent, name, Nf4Linear(child))
        child.weight = None
    return len(chosen)
