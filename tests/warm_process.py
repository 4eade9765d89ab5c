"""Processes of their own that have torch and peft imported before they start: each import costs seconds, a fork of one server milliseconds.

Here: the server (multiprocessing's forkserver, one for each run of pytest), such a process behind `Popen`'s names, and what tests let it do.
Nothing but the imports happens in the server, so a process has its own memory, signals, files and threads, and dies alone.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

IMPORTS = [
    "peft", "safetensors.torch", "transformers.models.bert.modeling_bert", "transformers.models.llama.modeling_llama",
    "training_worker.attached.command", "training_worker.classifier", "training_worker.language_training", "training_worker.run",
]  # fmt: skip
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(IMPORTS)


class WarmProcess:
    """One process; its output goes to the end of a file."""

    def __init__(self, target: Callable[..., int], *arguments: Any, output: Path, environment: Mapping[str, str] | None = None) -> None:  # fmt: skip
        given = dict(os.environ if environment is None else environment)
        self._process = SERVER.Process(target=_begin, args=(given, output, target, *arguments))
        self._process.start()

    def poll(self) -> int | None:
        """The exit code, once it has ended; negative after a signal."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("warm process", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to it."""
        if self.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as nothing can catch."""
        self.send_signal(signal.SIGKILL)


def _begin(environment: dict[str, str], output: Path, target: Callable[..., int], *arguments: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with output.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    sys.exit(target(*arguments))


# What tests let them do -----------------------------------------------------------------------------------------------


def run_recipe(folder: Path, recipe: str, out: str, now: datetime) -> int:
    """Run a recipe offline at a moment, until its end or a signal: 0 or 130."""
    from datasigil.trust.policy import parse_policy
    from training_worker.gate import GateSettings
    from training_worker.progress import Progress
    from training_worker.recipe import parse_recipe
    from training_worker.run import RunRequest, train
    from training_worker.stopping import Interrupted, StopRequest

    raw = (folder / recipe).read_bytes()
    policy = parse_policy((folder / "datasigil.toml").read_bytes(), source="test")
    with StopRequest(print) as stop:
        try:
            train(
                RunRequest(
                    parse_recipe(raw), raw, folder, GateSettings(policy, now, True), folder / out,
                    progress=Progress("quiet"), asked_to_stop=stop, now=lambda: now,
                )
            )  # fmt: skip
        except Interrupted:
            return 130
    return 0


def command(*words: str) -> int:
    """Run one command line of the worker."""
    from training_worker.main import main

    return main(list(words))
