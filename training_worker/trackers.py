"""Experiment trackers that a recipe names in `reportTo`: they are told figures and nothing else.

Here: opening accelerate's trackers, by their names there. Not here: the receipt, which no tracker can change; what a tracker does with its
figures. No text, no path and no record ever reaches one. A tracker whose package is missing stops the run before its first step.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import util
from pathlib import Path
from typing import Any

from datasigil.errors import DatasigilError
from training_worker.recipe import Recipe

# Any one of a tracker's packages serves; tensorboardX writes the same files and is small.
PACKAGES = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "trackio": ("trackio",),
}


class Trackers:
    """The trackers of one run; none costs nothing."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        """Open them.

        Raises:
            DatasigilError: TRACKER, for one whose package is not installed.
        """
        self.open = [_opened(name, recipe, folder) for name in recipe.training.report_to]

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Tell every tracker the figures of a step."""
        for tracker in self.open:
            tracker.log(dict(figures), step=step)

    def close(self) -> None:
        """Let every tracker finish."""
        for tracker in self.open:
            tracker.finish()


def _opened(name: str, recipe: Recipe, folder: Path) -> Any:
    if all(util.find_spec(package) is None for package in PACKAGES[name]):
        raise DatasigilError(
            "TRACKER",
            "the package of a tracker is not installed",
            place="training.reportTo",
            expected=" or ".join(PACKAGES[name]),
            found="not installed",
            next_action=f"pip install {PACKAGES[name][-1]}, or take {name} out of reportTo",
        )
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    kind = LOGGER_TYPE_TO_CLASS[name]
    where = {"logging_dir": str(folder.parent / "trackers")} if kind.requires_logging_directory else {}
    tracker = kind(run_name=recipe.name, **where)
    if hasattr(tracker, "start"):
        tracker.start()
    tracker.store_init_configuration({"seed": recipe.training.seed, "recipe": recipe.digest})
    return tracker


__all__ = ["Trackers"]
