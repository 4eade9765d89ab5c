"""The training loop, read from top to bottom: step, epoch, validation, best weights, checkpoint.

Here: what every kind of task shares. Not here: batches, loss and scores of a task (`training`, `language_training`), the gate (`gate`), what
is written at the end (`run`). Imported only after the gate has passed.

Determinism: seeds are set before adapters are made (`classifier`), the order of rows depends on seed and epoch alone, and a
checkpoint holds the generator's state, so that a resumed run ends in the same bytes on the same machine and versions.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datasigil.errors import DatasigilError
from training_worker.checkpoint import TrainingState, has_checkpoint, load_checkpoint, save_checkpoint
from training_worker.decimals import decimal_text
from training_worker.estimate import peak_memory_bytes
from training_worker.progress import Progress
from training_worker.ranks import Ranks
from training_worker.recipe import Recipe
from training_worker.stopping import Interrupted
from training_worker.trackers import Trackers


class Loop(ABC):
    """One run of one task: built once, run once; subclasses say what a batch, its loss and a good model are."""

    def __init__(
        self,
        recipe: Recipe,
        parameters: Mapping[str, nn.Parameter],
        *,
        folder: Path,
        binding: Mapping[str, str],
        progress: Progress,
        asked_to_stop: Callable[[], bool] = lambda: False,
        recheck: Callable[[], None] = lambda: None,
        ranks: Ranks | None = None,
    ) -> None:
        self.recipe, self.settings = recipe, recipe.training
        self.folder, self.binding, self.progress = folder, binding, progress
        self.asked_to_stop, self.recheck = asked_to_stop, recheck
        self.ranks = ranks or Ranks()
        self.parameters = dict(parameters)
        self.device = next(iter(self.parameters.values())).device
        self.trackers = Trackers(recipe, folder)
        self.optimiser = self._optimiser()
        self.state = TrainingState()
        self.best: dict[str, torch.Tensor] = {}
        self.steps = self.settings.epochs * len(self.batches(0))
        self._began, self._cpu = time.monotonic(), time.process_time()

    # What a task says ---------------------------------------------------------------------------------------------

    @abstractmethod
    def batches(self, epoch: int) -> Sequence[Any]:
        """Return the steps of an epoch: what each of them consumes; their number may differ a little between epochs."""

    @abstractmethod
    def gradients(self, batch: Any) -> float:
        """Add the gradients of a step's mean loss to the parameters and return that loss.

        Raises:
            DatasigilError: NOT_FINITE.
        """

    @abstractmethod
    def tokens_in(self, batch: Any) -> int:
        """Return the tokens of a step, padding included."""

    @abstractmethod
    def judge(self) -> tuple[float, dict[str, str], str]:
        """Return (score, of which more is better and none is below 0; figures for the history; the same in words)."""

    # The run ------------------------------------------------------------------------------------------------------

    def train(self, *, resume: bool) -> str:
        """Train to the end, leave the best weights in the model, and return `completed` or `early`.

        Raises:
            Interrupted: at the user's wish, with a checkpoint written.
            DatasigilError: NOT_FINITE, OUT_OF_MEMORY, DISK_FULL, CHECKPOINT_MISMATCH.
        """
        if resume and has_checkpoint(self.folder):
            self._restore()
        self.progress.begin(self.state.step)
        stopped = "completed"
        while self.state.epoch < self.settings.epochs:
            self._epoch()
            patience = self.settings.early_stopping
            if patience is not None and self.state.waited >= patience:
                stopped = "early"
                break
        self._use_best()
        self._clock()
        self.trackers.close()
        return stopped

    def _optimiser(self) -> torch.optim.AdamW:
        head = [value for name, value in self.parameters.items() if name.startswith("head.")]
        adapters = [value for name, value in self.parameters.items() if not name.startswith("head.")]
        rates = ((adapters, self.settings.learning_rate), (head, self.settings.head_learning_rate))
        groups = [{"params": values, "lr": rate, "peak": rate} for values, rate in rates if values]
        return torch.optim.AdamW(groups, weight_decay=self.settings.weight_decay, foreach=False)

    def _rate(self, step: int) -> float:
        """Return the share of the learning rate at a step: linear warm-up, then linear to zero."""
        warm = int(self.steps * self.settings.warmup)
        return (step + 1) / (warm + 1) if step < warm else max(0, self.steps - step) / max(1, self.steps - warm)

    def _epoch(self) -> None:
        batches = self.batches(self.state.epoch)
        for batch in batches[self.state.step_in_epoch :]:
            if self.ranks.any(asked=self.asked_to_stop()):
                self._save()
                raise Interrupted(self.state.step, self.steps)
            loss = self._step(batch)
            self.state.step += 1
            self.state.step_in_epoch += 1
            self.state.epoch_loss += loss
            self.progress.step(self.state.step, self.steps, self.state.epoch + 1, self.settings.epochs, loss)
            self.trackers.log({"train/loss": loss}, self.state.step)
        self._judge(len(batches))
        self.recheck()
        self._save()

    def probe(self, batch: Any) -> None:
        """Take one step that counts for nothing, to measure it; the weights are not those of a run afterwards."""
        self._step(batch)

    def _step(self, batch: Any) -> float:
        share = self._rate(self.state.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * share
        try:
            value = self.gradients(batch)
            self.ranks.sum_gradients(self.parameters.values())
            norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self.settings.gradient_clip))
            if not math.isfinite(norm):
                raise self._not_finite("gradient", norm)
            self.optimiser.step()
        except (MemoryError, RuntimeError) as error:
            raise _out_of_memory(error, self.settings.batch_size) from None
        self.optimiser.zero_grad(set_to_none=True)
        return self.ranks.sum(value)

    def finite(self, value: float) -> float:
        """Return a loss that is a number.

        Raises:
            DatasigilError: NOT_FINITE.
        """
        if not math.isfinite(value):
            raise self._not_finite("loss", value)
        return value

    def _not_finite(self, what: str, value: float) -> DatasigilError:
        return DatasigilError(
            "NOT_FINITE",
            f"the {what} is not a finite number; the run stopped and no result was written",
            place=f"step {self.state.step + 1}, epoch {self.state.epoch + 1}",
            found=repr(value),
            next_action="lower training.learningRate, or look for broken records",
        )

    def _judge(self, steps: int) -> None:
        """Score validation, keep the weights if they are the best so far, and write the epoch into the history."""
        value, figures, words = self.judge()
        state = self.state
        # On a tie the later epoch wins: its learning rate was lower.
        if value >= state.best_score:
            state.best_score, state.best_epoch, state.waited = value, state.epoch + 1, 0
            self.best = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        else:
            state.waited += 1
        summary: dict[str, Any] = {
            "epoch": state.epoch + 1,
            "loss": decimal_text(state.epoch_loss / steps, 6),
            **figures,
        }
        state.history.append(summary)
        self.trackers.log({f"validation/{name}": float(figure) for name, figure in figures.items()}, state.step)
        best = "  (best)" if state.best_epoch == state.epoch + 1 else ""
        self.progress.epoch(
            summary,
            f"epoch {state.epoch + 1}/{self.settings.epochs} done: loss {summary['loss'][:6]}, validation {words}{best}",
        )
        state.epoch, state.step_in_epoch, state.epoch_loss = state.epoch + 1, 0, 0.0

    def _use_best(self) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.best[name])

    # Checkpoints --------------------------------------------------------------------------------------------------

    def _clock(self) -> None:
        now, cpu = time.monotonic(), time.process_time()
        self.state.seconds += now - self._began
        self.state.cpu_seconds += cpu - self._cpu
        self.state.peak_bytes = max(self.state.peak_bytes, peak_memory_bytes())
        self._began, self._cpu = now, cpu

    def _save(self) -> None:
        self._clock()
        tensors = {f"weights.{name}": value.detach() for name, value in self.parameters.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        tensors["generator"] = torch.get_rng_state()
        for name, parameter in self.parameters.items():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{key}.{name}"] = value
        save_checkpoint(self.folder, self.state, self.binding, {name: value.cpu() for name, value in tensors.items()})

    def _restore(self) -> None:
        self.state, tensors = load_checkpoint(self.folder, self.binding)
        self.state.resumes += 1
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(tensors[f"weights.{name}"])
                if f"best.{name}" in tensors:
                    self.best[name] = tensors[f"best.{name}"].to(self.device)
                moments = {
                    key: tensors[f"optimiser.{key}.{name}"].to(self.device if key != "step" else "cpu")
                    for key in ("step", "exp_avg", "exp_avg_sq")
                    if f"optimiser.{key}.{name}" in tensors
                }
                if moments:
                    self.optimiser.state[parameter] = moments
        torch.set_rng_state(tensors["generator"])


def _out_of_memory(error: BaseException, batch_size: int) -> BaseException:
    text = str(error).lower()
    if (
        isinstance(error, MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
        or "not enough memory" in text
    ):
        return DatasigilError(
            "OUT_OF_MEMORY",
            "there is not enough memory for a step; the last checkpoint stands",
            expected="a smaller step",
            found=f"batchSize {batch_size}",
            next_action="lower training.batchSize or training.maxTokens in a new run",
        )
    return error


__all__ = ["Loop"]
