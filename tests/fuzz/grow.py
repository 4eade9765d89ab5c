"""Inputs grown from seeds: bytes as they come, or a JSON seed with members edited, so that a fuzzer reaches past the parser's first line.

Here: `grown`, which reads its decisions from the fuzzer's bytes and so repeats itself. Not here: what is done with an input.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

# Values that parsers have stumbled over (shared threats: numbers, encodings, shapes, keywords).
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**53, 1.5, "", " ", "x" * 300, "é", "\u0000", "\u202e", "\ud800", "unknown", "did:key:z6Mk", "https://x.example/", "../../etc",
    "z" + "1" * 50, "0" * 64, "2026-02-30T00:00:00Z", [], {}, [[]], [None], {"@id": "urn:x"}, {"@context": None}, {"@value": "x"}, "@type", "a" * 5000,
)  # fmt: skip
EDITS_MAX = 6


class _Choices:
    """Small numbers read from the fuzzer's bytes, zero when they run out."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def below(self, limit: int) -> int:
        if limit < 2:
            return 0
        value = int.from_bytes(self.data[self.at : self.at + 2].ljust(2, b"\0"), "big")
        self.at += 2
        return value % limit


def grown(data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Return `data` itself when its first byte is even, else a JSON seed with a few members edited as the other bytes say."""
    if not data or data[0] % 2 == 0:
        return data[1:]
    choices = _Choices(data[1:])
    try:
        document = copy.deepcopy(json.loads(seeds[choices.below(len(seeds))]))
    except ValueError:  # a seed that is no JSON
        return data[1:]
    for _ in range(1 + choices.below(EDITS_MAX)):
        _edit(document, choices)
    return json.dumps(document).encode()


def _edit(document: Any, choices: _Choices) -> None:
    """Replace, remove, add or move one member somewhere in a document."""
    holder = document
    while True:
        names = (
            sorted(holder) if isinstance(holder, dict) else list(range(len(holder))) if isinstance(holder, list) else []
        )
        if not names:
            return
        name = names[choices.below(len(names))]
        if isinstance(holder[name], (dict, list)) and holder[name] and choices.below(4):
            holder = holder[name]
            continue
        break
    value = copy.deepcopy(ODD[choices.below(len(ODD))])
    action = choices.below(5)
    if action == 0 and isinstance(holder, (dict, list)):
        del holder[name]
    elif action == 1 and isinstance(holder, dict):
        holder[str(value)[:40]] = holder[name]
    elif action == 2:
        holder[name] = [holder[name], value]
    elif action == 3 and isinstance(holder[name], str):
        text = holder[name]
        at = choices.below(len(text) + 1)
        holder[name] = text[:at] + chr(choices.below(0x300)) + text[at + choices.below(2) :]
    else:
        holder[name] = value
