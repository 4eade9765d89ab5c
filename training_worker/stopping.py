"""Ctrl-C during training: the first asks for a checkpoint at the next step boundary, the second stops at once.

Here: the signal and the exception that ends a run. Not here: the checkpoint (`training`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it, and the run can go on
    """The run stopped at a step boundary because it was asked to; its checkpoint is written."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(f"stopped after step {step} of {steps}")
        self.step, self.steps = step, steps


class StopRequest:
    """Remembers SIGINT and SIGTERM while its block runs; calling it says whether one came."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._asked = False
        self._old: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Say whether the run was asked to stop."""
        return self._asked

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, lambda _number, _frame: self._ask())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _ask(self) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._say("stopping after this step and writing a checkpoint; once more stops at once")


__all__ = ["Interrupted", "StopRequest"]
