"""The middle of a causal language model's run: train, evaluate beside the base model, and what a program needs to use it.

Here: what differs from a classifier's run. Not here: gate, receipt, card and the one rename (`run`), the loop (`training_loop`). Imports torch.
"""

from __future__ import annotations

from typing import Any

from datasigil.canonical import jcs
from datasigil.models.examples import ExampleList
from training_worker.base_model import TOKENIZER, BaseModel
from training_worker.language_model import adapter_files
from training_worker.language_tokens import read_chat_form
from training_worker.language_training import LanguageTrainer, language_examples, score_language
from training_worker.recipe import Recipe
from training_worker.run import Ready, TaskOutcome
from training_worker.trainers import Built

GENERATOR = "generator.json"


def language_outcome(built: Built, ready: Ready, recipe: Recipe, *, resume: bool) -> TaskOutcome:
    """Train to the end and judge validation and test beside the base model without its adapter.

    Raises: as `Loop.train`.
    """
    loop = built.loop
    assert isinstance(loop, LanguageTrainer)
    trained = loop.run(resume=resume)
    evaluation: dict[str, Any] = {"failureModes": {}}
    table = ""
    for name in ("validation", "test"):
        split = ready.prepared.splits[name]
        ours = score_language(trained.model, split, recipe)
        with trained.model.disable_adapter():
            base = score_language(trained.model, split, recipe)
        evaluation[name] = {
            "rows": len(split.examples),
            "learnedTokens": ours.tokens,
            **ours.document(),
            "baseModel": base.document(),
            "splitDigest": split.digest,
        }
        table = (
            f"{name} ({len(split.examples)} rows, {ours.tokens} learned tokens)\n"
            f"  {'':20}{'loss':>9}{'perplexity':>14}\n"
            f"  {'adapted':20}{ours.loss:9.4f}{ours.perplexity:14.3f}\n"
            f"  {'base model':20}{base.loss:9.4f}{base.perplexity:14.3f}"
        )
    files = {**adapter_files(trained.model, base_name=ready.base.name), GENERATOR: generator_bytes(recipe, ready)}
    return TaskOutcome(trained.state, trained.steps_planned, trained.stopped, (), evaluation, table, files)


def consumed(ready: Ready, recipe: Recipe, steps: int, digests: list[str]) -> ExampleList:
    """Return which record each step consumed."""
    prepared = ready.prepared
    return language_examples(prepared.splits["train"], recipe, steps, digests, prepared.transform_digest)


def generator_bytes(recipe: Recipe, ready: Ready) -> bytes:
    """Return `generator.json`: what a program needs beside the adapter to use the model as it was trained."""
    base: BaseModel = ready.base
    form = read_chat_form(ready.base_root)
    return jcs(
        {
            "type": "TextGenerator",
            "formatVersion": 1,
            "task": recipe.task.type,
            "maxTokens": recipe.training.max_tokens,
            "chatTemplate": form.template,
            "chatTemplateDigest": form.digest,
            "base": {
                "name": base.name,
                "manifestDigest": base.manifest.digest,
                "tokenizer": TOKENIZER,
                "tokenizerDigest": base.digest_of(TOKENIZER),
            },
        }
    )


__all__ = ["GENERATOR", "consumed", "generator_bytes", "language_outcome"]
