"""A recipe that came with a job: parsed as any other, and kept within what this worker's owner opened.

Here: the recipe's bytes, its paths, and the evidence that the registry holds for its datasets. Not here: the verdict on the data (`gate`). A
registry, and whoever may ask it for jobs, is not trusted: a job names data and says how to learn from it, and that is all it can do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from datasigil.bundle import write_bundle
from datasigil.client import JobClient, RegistryError
from datasigil.errors import DatasigilError
from training_worker.attached.work_folder import WorkFolder
from training_worker.base_model import PACKAGES
from training_worker.recipe import Recipe, parse_recipe


def recipe_bytes(value: Mapping[str, Any]) -> bytes:
    """Return a job's recipe as the file that its run folder keeps; JSON is YAML."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def read_job_recipe(value: Mapping[str, Any], root: Path) -> tuple[Recipe, bytes]:
    """Return a job's recipe and its bytes, if it asks for nothing outside `root`.

    Raises:
        MalformedError: as `parse_recipe`.
        DatasigilError: RECIPE_PATH, BASE_MODEL, RECIPE_TRACKER.
    """
    data = recipe_bytes(value)
    recipe = parse_recipe(data, place="the job's recipe")
    named = [
        (f"data.{number}.{what}", getattr(one, what))
        for number, one in enumerate(recipe.data)
        for what in ("bundle", "path")
    ]
    if recipe.base.path is not None:
        named.append(("base.path", recipe.base.path))
    for place, path in named:
        _within(path, root, place)
    if recipe.base.package is not None and recipe.base.package not in PACKAGES:
        raise DatasigilError(  # looking a package up may run code of it
            "BASE_MODEL",
            "a job may name only base models that this program knows, or a folder",
            place="base.package",
            expected=", ".join(PACKAGES),
            found=recipe.base.package,
            next_action="put the model's folder below the worker's --data and name it with base.path",
        )
    if recipe.training.report_to:
        raise DatasigilError(
            "RECIPE_TRACKER",
            "a job may not send figures from this machine elsewhere",
            place="training.reportTo",
            expected="no tracker; the job's page shows step and loss",
            found=", ".join(recipe.training.report_to),
        )
    return recipe, data


def _within(path: str, root: Path, place: str) -> None:
    plain = PurePosixPath(path)
    outside = plain.is_absolute() or ".." in plain.parts or "\\" in path or "\x00" in path or ":" in path
    top = root.resolve()
    if outside or not (top / path).resolve().is_relative_to(top):
        raise DatasigilError(
            "RECIPE_PATH",
            "the recipe names a place outside the folder that this worker trains from",
            place=place,
            expected="a path below the worker's --data, without .. and without links that lead out",
            found=path[:200],
        )


def fetch_evidence(recipe: Recipe, root: Path, client: JobClient, folder: WorkFolder, job: str) -> dict[str, Path]:
    """Return the bundles that do not lie beside the data, as the registry gives them out now, by their names in the recipe.

    One that the registry does not hold either is left to the gate, which refuses. The gate judges every bundle, wherever it came from.

    Raises:
        DatasigilError: when the registry cannot be reached.
    """
    fetched: dict[str, Path] = {}
    for number, data in enumerate(recipe.data):
        if (root / data.bundle).exists():
            continue
        try:
            bundle = client.bundle(data.credential_digest or data.credential)
        except RegistryError as error:
            if error.status != 404:
                raise
            continue
        target = folder.bundle(job, number)
        write_bundle(target, bundle)
        fetched[data.bundle] = target
    return fetched


__all__ = ["fetch_evidence", "read_job_recipe", "recipe_bytes"]
