"""Several processes that train one model: `accelerate launch -m training_worker train RECIPE`.

Here: which process this is, the exchange of gradients, and the check that all of them verified the very same things. Not here: starting
processes (accelerate or torchrun do), the gate, which every process passes for itself. One process needs none of it, and torch's
distributed package is then not touched.

Each process reads the data through its own gate; before the first step they compare their bindings (recipe, credentials, manifests, base
model, tokens, versions), and a difference stops them all. The first process alone writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed, nn

from datasigil.errors import DatasigilError, ManifestMismatchError

WAIT = timedelta(minutes=30)  # for a process that verifies a large dataset
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among `size`; the first is 0."""

    rank: int = 0
    size: int = 1

    def share(self, items: Sequence[Item]) -> list[Item]:
        """Return this process's part of a step."""
        return list(items[self.rank :: self.size])

    def agree(self, binding: Mapping[str, str]) -> None:
        """Compare what every process is bound to.

        Raises:
            ManifestMismatchError: RANKS_DIFFER, naming what differs; in every process.
        """
        if self.size == 1:
            return
        found: list[dict[str, str] | None] = [None] * self.size
        distributed.all_gather_object(found, dict(binding))
        for rank, other in enumerate(found):
            for name, value in (other or {}).items():
                first = (found[0] or {}).get(name)
                if value != first:
                    raise ManifestMismatchError(
                        "RANKS_DIFFER",
                        "the processes of this run did not verify the same thing, so none of them trains",
                        place=f"process {rank}: {name}",
                        expected=f"{first} as in process 0",
                        found=value,
                        next_action="give every machine the same recipe, data, base model and versions",
                    )

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add the gradients of all processes, in each of them."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)

    def sum(self, value: float) -> float:
        """Return the sum of a figure over all processes."""
        if self.size == 1:
            return value
        total = torch.tensor([value], dtype=torch.float64)
        if distributed.get_backend() == "nccl":
            total = total.cuda()
        distributed.all_reduce(total)
        return float(total)

    def any(self, *, asked: bool) -> bool:
        """Return whether any process was asked: they stop at the same step or not at all."""
        return self.sum(float(asked)) > 0

    def close(self) -> None:
        """Leave the group."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


def joined_ranks(device: str) -> Ranks:
    """Return this process's place, joining the group that a launcher's environment names (RANK, WORLD_SIZE).

    Raises:
        DatasigilError: RANKS, for an environment that makes no sense.
    """
    try:
        rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError:
        rank, size = -1, 0
    if not 0 <= rank < size:
        raise DatasigilError(
            "RANKS",
            "RANK and WORLD_SIZE do not fit each other",
            expected="what `accelerate launch` or torchrun sets",
            found=f"RANK={os.environ.get('RANK')}, WORLD_SIZE={os.environ.get('WORLD_SIZE')}"[:80],
        )
    if size > 1:
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=WAIT)
    return Ranks(rank, size)


__all__ = ["Ranks", "joined_ranks"]
