"""The form of a recipe, held against the schema that this version publishes.

Lives here: the part of JSON Schema 2020-12 that `schemas/recipe-v1.json` uses, with the nearest known key for a typing error. Not here: what
a recipe means, conditions between its members, and any path in it: the worker that claims the job decides those by its own parser, under
its own trust file, and refuses the job with the reason. The registry opens nothing that a recipe names.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from datasigil.credentials.contexts import SCHEMAS_FOLDER
from datasigil.encoding import pointer_token
from service.problems import Problem

FILE = "recipe-v1.json"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def check_recipe(recipe: Mapping[str, Any]) -> None:
    """Return if a recipe has the form that editors are told of.

    Raises:
        Problem: RECIPE_KEY, naming the nearest known key, or RECIPE, both with the pointer; nothing of the recipe is repeated but keys.
    """
    _check(recipe, _schema(), "/recipe")


def credentials_of(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the dataset credentials that a checked recipe names, sorted, each once."""
    return tuple(sorted({str(data["credential"]) for data in recipe["data"]}))


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS_FOLDER / FILE).read_bytes())
    return schema


def _check(value: Any, schema: Mapping[str, Any], place: str) -> None:
    if "$ref" in schema:
        _check(value, _schema()["$defs"][schema["$ref"].rpartition("/")[2]], place)
        return
    if "anyOf" in schema:  # in a recipe always: a form, or null for a member that is left out
        if value is not None:
            _check(value, next(one for one in schema["anyOf"] if one.get("type") != "null"), place)
        return
    kind = schema.get("type")
    if kind is not None and not _is(value, kind):
        raise _refused(place, f"{_article(kind)} {kind}")
    if "const" in schema and value != schema["const"]:
        raise _refused(place, json.dumps(schema["const"]))
    if "enum" in schema and value not in schema["enum"]:
        raise _refused(place, "one of " + ", ".join(map(str, schema["enum"])))
    if isinstance(value, str):
        _check_text(value, schema, place)
    elif isinstance(value, list):
        _check_list(value, schema, place)
    elif isinstance(value, dict):
        _check_members(value, schema, place)
    elif isinstance(value, (int, float)):
        _check_number(value, schema, place)


def _check_text(value: str, schema: Mapping[str, Any], place: str) -> None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        raise _refused(place, f"{schema.get('minLength', 0)} to {schema.get('maxLength', 'any')} characters")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        raise _refused(place, f"text of the form {schema['pattern']}")


def _check_list(value: list[Any], schema: Mapping[str, Any], place: str) -> None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        raise _refused(place, f"{schema.get('minItems', 0)} to {schema.get('maxItems', 'any')} items")
    for index, item in enumerate(value):
        _check(item, schema.get("items", {}), f"{place}/{index}")


def _check_number(value: float, schema: Mapping[str, Any], place: str) -> None:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    fits = (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    if not fits:
        words = [
            f"{word} {bound}"
            for word, bound in (("at least", low), ("at most", high), ("above", above), ("below", below))
            if bound is not None
        ]
        raise _refused(place, ", ".join(words))


def _check_members(value: dict[str, Any], schema: Mapping[str, Any], place: str) -> None:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    forms = schema.get("patternProperties", {})
    for key in value:
        if others is False and key not in known and not any(re.search(form, key) for form in forms):
            raise _unknown(key, sorted(known), place)
    for key in schema.get("required", ()):
        if key not in value:
            raise _refused(f"{place}/{key}", "a value: this member is required")
    for key, item in value.items():
        if "propertyNames" in schema:
            _check(key, schema["propertyNames"], place)
        named = [known[key]] if key in known else [inner for form, inner in forms.items() if re.search(form, key)]
        for inner in named or [others]:
            _check(item, inner if isinstance(inner, dict) else {}, f"{place}/{pointer_token(key)}")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeiou" else "a"


def _unknown(key: str, known: list[str], place: str) -> Problem:
    close = difflib.get_close_matches(key, known, 1, 0.4)
    return Problem(
        "RECIPE_KEY",
        f"The recipe has a key that is not known here; did you mean {close[0]}?"
        if close
        else "The recipe has a key that is not known here",
        status=422,
        pointer=f"{place}/{pointer_token(key[:100])}",
        expected="one of " + ", ".join(known),
        next_action="correct the recipe; `datasigil-train submit` checks it before it is sent",
    )


def _refused(place: str, expected: str) -> Problem:
    return Problem(
        "RECIPE",
        "A value of the recipe does not fit",
        status=422,
        pointer=place,
        expected=expected[:500],
        next_action="correct the recipe; `datasigil-train submit` checks it before it is sent",
    )
