"""The JSON Schema of recipes, for editors: `python -m training_worker.recipe_schema > schemas/recipe-v1.json`.

Here: the schema that the models of `recipe` emit (draft 2020-12). Not here: what decides whether a recipe is accepted (`recipe`),
which is stricter: conditions between members are checked there alone.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from training_worker.recipe import Recipe

SCHEMA_ID = "https://w3id.org/datasigil/schemas/recipe-v1.json"


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe, for editors."""
    schema = Recipe.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def schema_bytes() -> bytes:
    """Return the bytes of `schemas/recipe-v1.json`."""
    return (json.dumps(recipe_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


__all__ = ["recipe_schema", "schema_bytes"]

if __name__ == "__main__":
    sys.stdout.buffer.write(schema_bytes())
