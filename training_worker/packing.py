"""Sequences and steps of a causal language model: rows one by one, or several packed into one sequence.

Here: which rows form which sequence and which sequences form a step, by seed and epoch alone. Not here: tensors and attention
(`language_training`).

A packed sequence is at most `maxTokens` long; rows in it do not see each other, and their positions begin at 0 again. Packing is first fit by
falling length within windows of rows, so that the order stays shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence

from training_worker.batches import TokenisedSplit, epoch_batches
from training_worker.recipe_sections import Training

WINDOW_ROWS = 1_024
Step = list[list[int]]  # sequences of row numbers


def epoch_steps(split: TokenisedSplit, training: Training, epoch: int, weights: Sequence[float] = ()) -> list[Step]:
    """Return the steps of one epoch; packed, their number may differ a little between epochs."""
    batches = epoch_batches(split, training, epoch, weights)
    size = training.batch_size * training.accumulation
    if not training.packing:
        sequences = [[row] for rows in batches for row in rows]
        return [sequences[at : at + size] for at in range(0, len(sequences), size)]
    rows = [row for batch in batches for row in batch]
    packed: Step = []
    for start in range(0, len(rows), WINDOW_ROWS):
        packed += _packed(split, rows[start : start + WINDOW_ROWS], training.max_tokens)
    return [packed[at : at + size] for at in range(0, len(packed), size)]


def _packed(split: TokenisedSplit, rows: Sequence[int], most: int) -> Step:
    """Return sequences of rows, each at most `most` tokens long."""
    sequences: Step = []
    room: list[int] = []
    for row in sorted(rows, key=lambda row: -len(split.tokens[row])):
        size = len(split.tokens[row])
        place = next((number for number, left in enumerate(room) if left >= size), None)
        if place is None:
            sequences.append([row])
            room.append(most - size)
        else:
            sequences[place].append(row)
            room[place] -= size
    # Packed from longest to shortest, shown in the order in which their first rows were drawn.
    order = {row: number for number, row in reversed(list(enumerate(rows)))}
    return sorted(sequences, key=lambda sequence: min(order[row] for row in sequence))


__all__ = ["Step", "epoch_steps"]
