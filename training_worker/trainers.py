"""One trainer for a recipe, whatever its task.

Here: which model and which loop a task has. Not here: either of them. Imports torch, so it is imported after the gate has passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training_worker.recipe import Recipe
from training_worker.training_loop import Loop

if TYPE_CHECKING:
    from training_worker.run import Ready


@dataclass(frozen=True, slots=True)
class Built:
    """A loop, its model, and (trainable, total) parameters."""

    loop: Loop
    model: Any
    parameters: tuple[int, int]


def build_trainer(recipe: Recipe, ready: Ready, **how: Any) -> Built:
    """Return the trainer of a recipe; `how` is what `Loop` takes by name.

    Raises:
        DatasigilError: the codes of building models and opening trackers.
    """
    splits = ready.prepared.splits
    if recipe.task.generates:
        from training_worker import language_model
        from training_worker.language_training import LanguageTrainer

        model = language_model.build_language_model(ready.base_root, recipe.training)
        loop = LanguageTrainer(model, recipe, splits["train"], splits["validation"], **how)
        return Built(loop, model, language_model.parameter_counts(model))
    from training_worker.classifier import build_classifier
    from training_worker.training import Trainer, parameter_counts

    schema = ready.prepared.schema
    classifier = build_classifier(ready.base_root, recipe.training, len(schema.names))
    trainer = Trainer(classifier, recipe, schema, splits["train"], splits["validation"], **how)
    return Built(trainer, classifier, parameter_counts(classifier))


__all__ = ["Built", "build_trainer"]
