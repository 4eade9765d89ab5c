"""A curation recipe: what is read from which parents, what is done to it, what is written.

Here: strict TOML into frozen values, and the canonical form whose SHA-256 a lineage credential signs as `plan.parametersDigest`. Not
here: running it (`running`). Format: CurationRecipe, formatVersion 1 (docs/curation.md). Where files lie on this machine is no part of the
canonical form; which credential every input came from is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from datasigil.canonical import document_digest
from datasigil.curation import patterns
from datasigil.curation.forms import (
    Form,
    Key,
    any_text,
    boolean,
    count,
    fault,
    fraction,
    list_of,
    map_of,
    nearest,
    one_of,
    read_table,
    scalar,
    text,
)
from datasigil.curation.limits import INPUTS_MAX, RECIPE_BYTES_MAX, SPLITS_MAX, STAND_IN_CHARACTERS_MAX, STEPS_MAX
from datasigil.curation.outputs import check_output
from datasigil.datasets.paths import path_problem
from datasigil.errors import MalformedError

RECIPE_TYPE: Final = "CurationRecipe"
FORMAT_VERSION: Final = 1
EXTRACTION_REPORT: Final = "extraction.json"
FORMATS: Final = ("jsonl", "csv", "tsv", "lines", "documents")
BESIDE_VARIABLES: Final = ("{name}", "{stem}", "{path}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does and with which parameters, as the recipe states them."""

    op: str
    parameters: Mapping[str, Any]
    place: str


@dataclass(frozen=True, slots=True)
class Input:
    """One source of records: its name, where credential and data lie here, what is read, what is done before the merge."""

    name: str
    credential: str
    data: str
    read: Mapping[str, Any]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that passed the closed parser; says nothing about whether its files exist."""

    name: str
    description: str
    seed: int
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    folder: str
    file: str
    split: Mapping[str, Any] | None
    digests: tuple[str, ...]

    def canonical(self, parents: Mapping[str, str]) -> dict[str, Any]:
        """Return the recipe without places, with each input's parent credential digest (by input name) in their stead."""
        return {
            "type": RECIPE_TYPE,
            "formatVersion": FORMAT_VERSION,
            "name": self.name,
            "seed": self.seed,
            "inputs": [
                {"name": one.name, "credentialDigest": parents[one.name], "read": _plain(one.read), "steps": _steps(one.steps)}
                for one in self.inputs
            ],
            "steps": _steps(self.steps),
            "output": {
                "digests": list(self.digests),
                **({"file": self.file} if self.split is None else {"split": _plain(self.split)}),
            },
        }  # fmt: skip

    def digest(self, parents: Mapping[str, str]) -> str:
        """Return the SHA-256 of the canonical form."""
        return document_digest(self.canonical(parents))


def _steps(steps: tuple[Step, ...]) -> list[dict[str, Any]]:
    return [{"op": one.op, **_plain(one.parameters)} for one in steps]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


# Forms --------------------------------------------------------------------------------------------------------------


def _beside(value: Any, place: str) -> str:
    found = text(value, place)
    rest = found
    for variable in BESIDE_VARIABLES:
        rest = rest.replace(variable, "x")
    problem = path_problem(rest)
    if problem or "{" in rest or "}" in rest:
        raise fault(place, f"not a path beside the file: {problem or 'an unknown variable'}", expected=f"a path in the dataset with {', '.join(BESIDE_VARIABLES)}", found=found)  # fmt: skip
    return found


def _place(value: Any, place: str) -> str:
    """Return a path on this machine; nothing is opened."""
    found = text(value, place)
    if "\0" in found or "://" in found:
        raise fault(
            place,
            "not a path on this machine",
            expected="a path; fetch remote data first",
            found=found.replace("\0", "?"),
        )
    return found


def _stand_in(value: Any, place: str) -> str:
    """Return what stands for something redacted; short, so that no text grows beyond measure."""
    found = any_text(value, place)
    if len(found) > STAND_IN_CHARACTERS_MAX:
        raise fault(
            place,
            "what stands for a redaction is too long",
            expected=f"at most {STAND_IN_CHARACTERS_MAX} characters",
            found=len(found),
        )
    return found


_TEXTS = list_of(text, unique=True)
_PREDICATES: Form = {
    "column": Key(text, required=True),
    "equals": Key(scalar),
    "notEquals": Key(scalar),
    "in": Key(list_of(scalar)),
    "notIn": Key(list_of(scalar)),
    "atLeast": Key(scalar),
    "atMost": Key(scalar),
    "minLength": Key(count),
    "maxLength": Key(count),
    "contains": Key(text),
    "notContains": Key(text),
    "matches": Key(patterns.read),
    "notMatches": Key(patterns.read),
    "present": Key(boolean),
}
_REDACTION: Form = {
    "name": Key(text, required=True),
    "pattern": Key(patterns.read, required=True),
    "with": Key(_stand_in),
}
_OPS: Mapping[str, Form] = {
    "filter": _PREDICATES,
    "dedupe": {"columns": Key(_TEXTS), "compare": Key(one_of("exact", "caseAndSpace"))},
    "sample": {"count": Key(count), "share": Key(fraction), "seed": Key(count), "by": Key(text)},
    "redact": {
        "columns": Key(_TEXTS, required=True),
        "patterns": Key(list_of(lambda value, place: read_table(value, _REDACTION, place), maximum=100), required=True),
    },
    "replace": {
        "column": Key(text, required=True),
        "from": Key(text, required=True),
        "to": Key(any_text, required=True),
    },
    "trim": {"columns": Key(_TEXTS, required=True)},
    "select": {"columns": Key(_TEXTS, required=True)},
    "rename": {"from": Key(text, required=True), "to": Key(text, required=True)},
    "set": {"column": Key(text, required=True), "value": Key(scalar, required=True)},
    "flags": {
        "columns": Key(_TEXTS, required=True),
        "equals": Key(scalar, required=True),
        "into": Key(text, required=True),
        "as": Key(one_of("index", "name")),
    },
    "codes": {
        "column": Key(text, required=True),
        "separator": Key(text),
        "map": Key(map_of(scalar), required=True),
        "ignore": Key(_TEXTS),
        "into": Key(text, required=True),
    },
}
_ONE_PREDICATE = frozenset(_PREDICATES) - {"column"}
_SHEET: Form = {
    "file": Key(text, required=True),
    "key": Key(text, required=True),
    "columns": Key(_TEXTS, required=True),
}
_READ: Mapping[str, Form] = {
    "jsonl": {"document": Key(text), "documentAs": Key(one_of("path", "stem"))},
    "csv": {"document": Key(text), "documentAs": Key(one_of("path", "stem"))},
    "tsv": {"document": Key(text), "documentAs": Key(one_of("path", "stem"))},
    "lines": {
        "text": Key(text),
        "document": Key(text),
        "documentAs": Key(one_of("path", "stem")),
        "beside": Key(map_of(_beside, maximum=100)),
    },
    "documents": {
        "text": Key(text),
        "document": Key(text),
        "documentAs": Key(one_of("path", "stem")),
        "per": Key(one_of("document", "page")),
        "onFailure": Key(one_of("record", "stop")),
    },
}
_SPLIT: Form = {
    "column": Key(text, required=True),
    "members": Key(map_of(_TEXTS, maximum=SPLITS_MAX)),
    "shares": Key(map_of(fraction, maximum=SPLITS_MAX)),
    "seed": Key(count),
    "others": Key(text),
}
_OUTPUT: Form = {
    "folder": Key(_place, required=True),
    "file": Key(text),
    "split": Key(lambda value, place: read_table(value, _SPLIT, place)),
    "digests": Key(one_of("blake3+sha256", "sha256")),
}


def _read(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("format"), str):
        raise fault(place, "what is read has a format", expected=f"format = one of {', '.join(FORMATS)}", found=value)
    form = _READ.get(value["format"])
    if form is None:
        raise fault(f"{place}.format", "this format is not known", expected=nearest(value["format"], FORMATS), found=value["format"])  # fmt: skip
    return read_table(
        value, {"format": Key(text), "files": Key(list_of(_glob), required=True), "sheet": Key(_sheet), **form}, place
    )


def _sheet(value: Any, place: str) -> dict[str, Any]:
    return read_table(value, _SHEET, place)


def _glob(value: Any, place: str) -> str:
    found = text(value, place)
    patterns.path_pattern(found, place)
    return found


def _step(value: Any, place: str) -> Step:
    if not isinstance(value, dict) or not isinstance(value.get("op"), str):
        raise fault(place, "a step names what it does", expected=f"op = one of {', '.join(sorted(_OPS))}", found=value)
    form = _OPS.get(value["op"])
    if form is None:
        raise fault(f"{place}.op", "this step is not known", expected=nearest(value["op"], _OPS), found=value["op"])
    parameters = read_table(value, {"op": Key(text), **form}, place)
    op = parameters.pop("op")
    _check_step(op, parameters, place)
    return Step(op, parameters, place)


def _check_step(op: str, parameters: Mapping[str, Any], place: str) -> None:
    if op == "filter" and len(parameters) != 2:
        raise fault(place, "a filter asks one question", expected=f"column and one of {', '.join(sorted(_ONE_PREDICATE))}", found=", ".join(parameters))  # fmt: skip
    if op == "sample" and ("count" in parameters) == ("share" in parameters):
        raise fault(place, "a sample has a size", expected="either count or share", found=", ".join(parameters))
    if op == "sample" and "by" in parameters and "count" in parameters:
        raise fault(
            f"{place}.by", "whole groups are sampled by share", expected="share instead of count", found="count"
        )
    for name in ("atLeast", "atMost"):
        if isinstance(parameters.get(name), bool):
            raise fault(f"{place}.{name}", "a bound is a number or decimal text", found=parameters[name])
        if isinstance(parameters.get(name), str) and _decimal(parameters[name]) is None:
            raise fault(f"{place}.{name}", "a bound is a number or decimal text", expected='such as 3 or "0.5"', found=parameters[name])  # fmt: skip


def _decimal(value: str) -> Fraction | None:
    import re

    return Fraction(value) if re.fullmatch(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", value) else None


def _input(value: Any, place: str) -> Input:
    form = {
        "name": Key(text, required=True),
        "credential": Key(_place, required=True),
        "data": Key(_place, required=True),
        "read": Key(_read, required=True),
        "steps": Key(list_of(_step, maximum=STEPS_MAX)),
    }
    found = read_table(value, form, place)
    return Input(found["name"], found["credential"], found["data"], found["read"], found.get("steps", ()))


def _constant(expected: str | int) -> Any:
    def read(value: Any, place: str) -> Any:
        if value != expected or type(value) is not type(expected):
            raise fault(place, "this is another kind of file or version", expected=f"{place} = {expected!r}", found=value)  # fmt: skip
        return value

    return read


_RECIPE: Form = {
    "type": Key(_constant(RECIPE_TYPE), required=True),
    "formatVersion": Key(_constant(FORMAT_VERSION), required=True),
    "name": Key(text, required=True),
    "description": Key(text),
    "seed": Key(count),
    "inputs": Key(list_of(_input, maximum=INPUTS_MAX), required=True),
    "steps": Key(list_of(_step, maximum=STEPS_MAX)),
    "output": Key(lambda value, place: read_table(value, _OUTPUT, place), required=True),
}


def parse_recipe(data: bytes, *, source: str = "") -> Recipe:
    """Parse a recipe; opens nothing. `source` is what errors call the file.

    Raises:
        MalformedError: CURATION_RECIPE, with the key that is wrong and the one that was probably meant.
    """
    try:
        found = check_table(_toml(data))
    except MalformedError as error:
        error.place = ": ".join(one for one in (source, error.place) if one)
        raise
    output = found["output"]
    return Recipe(
        found["name"], found.get("description", ""), found.get("seed", 0), found["inputs"], found.get("steps", ()), output["folder"],
        output.get("file", "data.jsonl"), output.get("split"), tuple(output.get("digests", "blake3+sha256").split("+")),
    )  # fmt: skip


def check_table(table: Any) -> dict[str, Any]:
    """Return the values of a recipe's table, read and held against each other.

    Raises:
        MalformedError: CURATION_RECIPE.
    """
    found = read_table(table, _RECIPE, "")
    _check_whole(found)
    return found


def _toml(data: bytes) -> dict[str, Any]:
    import tomllib

    if len(data) > RECIPE_BYTES_MAX:
        raise fault("", "the recipe is too large", expected=f"at most {RECIPE_BYTES_MAX} bytes", found=len(data))
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise fault(f"byte {error.start}", "the recipe is not UTF-8", expected="UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise fault("", f"the recipe is not TOML: {error}"[:300], expected="TOML 1.0") from None


def _check_whole(found: Mapping[str, Any]) -> None:
    names = [one.name for one in found["inputs"]]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise fault(f"inputs[{number}].name", "two inputs have one name", expected="names that differ", found=name)
    check_output(found["output"])
