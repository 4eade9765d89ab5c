"""What a run says while it runs: one line with step, loss, speed and time left.

Here: drawing on a terminal, plain lines elsewhere, JSON lines on request. Not here: what is measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from datasigil.report.terminal import duration_text, escape

PLAIN_SECONDS = 10.0  # between lines where there is no terminal
DRAW_SECONDS = 0.2


@dataclass
class Progress:
    """Progress of one run on a stream; `mode` is text, json or quiet."""

    mode: str = "text"
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _first: int = 0
    _shown: float = float("-inf")
    _width: int = 0

    def begin(self, step: int) -> None:
        """Start the clock at `step`, which is above 0 after a resume."""
        self._began, self._first, self._shown = self.clock(), step, float("-inf")

    def step(self, step: int, steps: int, epoch: int, epochs: int, loss: float) -> None:
        """Show that `step` of `steps` is done."""
        now = self.clock()
        live = self.mode == "text" and self.stream.isatty()
        if self.mode == "quiet" or (now - self._shown < (DRAW_SECONDS if live else PLAIN_SECONDS) and step != steps):
            return
        self._shown = now
        done = step - self._first
        rate = done / (now - self._began) if now > self._began and done else 0.0
        left = (steps - step) / rate if rate else float("nan")
        if self.mode == "json":
            eta = round(left) if rate else -1
            self._line(
                {
                    "event": "step",
                    "step": step,
                    "steps": steps,
                    "epoch": epoch,
                    "loss": f"{loss:.4f}",
                    "etaSeconds": eta,
                }
            )
            return
        bar = "#" * round(20 * step / steps)
        eta_text = duration_text(left) if rate else "…"
        text = f"epoch {epoch}/{epochs} [{bar:<20}] step {step}/{steps}  loss {loss:.4f}  {rate:.2f} steps/s  ETA {eta_text}"
        if live:
            self.stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
            self.stream.flush()
        else:
            self.say(text)

    def epoch(self, summary: dict[str, Any], text: str) -> None:
        """Show the end of an epoch."""
        if self.mode == "json":
            self._line({"event": "epoch", **summary})
        elif self.mode == "text":
            self.say(text)

    def say(self, text: str) -> None:
        """Write one line of talk."""
        if self.mode != "text":
            return
        if self._width and self.stream.isatty():
            self.stream.write("\r" + " " * self._width + "\r")
            self._width = 0
        self.stream.write("\n".join(map(escape, text.split("\n"))) + "\n")
        self.stream.flush()

    def _line(self, value: dict[str, Any]) -> None:
        self.stream.write(json.dumps(value, separators=(",", ":")) + "\n")
        self.stream.flush()


__all__ = ["Progress"]
