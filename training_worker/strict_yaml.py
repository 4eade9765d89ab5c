"""YAML for recipes, read strictly.

Here: YAML as PyYAML's safe loader reads it, with the numbers and truth values of YAML 1.2, less what makes recipes surprising: duplicate keys, anchors
and aliases, merge keys, tags, dates turned into objects, several documents, keys that are not text. Not here: what the values
mean (`recipe`). Recipes, price lists and answers are files of the user's own, so their faults are wrong usage: plain DatasigilErrors.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from datasigil.errors import DatasigilError
from training_worker.limits import RECIPE_MAX_BYTES, RECIPE_MAX_DEPTH


class _StrictLoader(yaml.SafeLoader):
    """The safe loader without timestamps, merge keys, anchors and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node; an anchor or alias is refused here, before a "billion laughs" can be built."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            where = f"line {event.start_mark.line + 1}"
            raise DatasigilError("YAML_FEATURE", "anchors and aliases are not allowed in a recipe", place=where)
        return super().compose_node(parent, index)


_KEPT = ("null",)  # of YAML 1.1's own rules for plain words; dates and `<<` stay the text that was written
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in _KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# As in YAML 1.2's core schema (2021, section 10.3.2), of numbers their decimal forms: 1.1 reads yes as true, 1:30 as 90, 010 as 8, and 7e-4 as text.
for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


def parse_yaml(data: bytes, *, place: str = "") -> dict[str, Any]:
    """Parse one YAML document that is a mapping.

    Raises:
        DatasigilError: LIMIT, ENCODING, PARSE, DUP_KEY or YAML_FEATURE, with line and column.
    """
    if len(data) > RECIPE_MAX_BYTES:
        raise DatasigilError(
            "LIMIT", "the recipe is too large", place=place, expected=f"at most {RECIPE_MAX_BYTES} bytes"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DatasigilError("ENCODING", "the recipe is not UTF-8", place=f"{place} byte {error.start}") from None
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise DatasigilError("PARSE", "the recipe is empty", place=place, expected="a mapping")
        _check_node(node, place, 1)
        value = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{place} line {mark.line + 1} column {mark.column + 1}" if mark else place
        raise DatasigilError("PARSE", f"not YAML: {error.problem or error.context}", place=where.strip()) from None
    except ValueError:
        raise DatasigilError("PARSE", "a number is too long", place=place, expected="at most 4,300 digits") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DatasigilError("PARSE", f"not YAML: {type(error).__name__}", place=place) from None
    finally:
        loader.dispose()
    if not isinstance(value, dict):
        raise DatasigilError("PARSE", "the recipe is not a mapping", place=place, found=type(value).__name__)
    return value


def _check_node(node: yaml.Node, place: str, depth: int) -> None:
    where = f"{place} line {node.start_mark.line + 1}".strip()
    if depth > RECIPE_MAX_DEPTH:
        raise DatasigilError(
            "DEPTH", "the recipe is nested too deeply", place=where, expected=f"{RECIPE_MAX_DEPTH} levels"
        )
    if not node.tag.startswith("tag:yaml.org,2002:"):
        raise DatasigilError("YAML_FEATURE", "tags are not allowed in a recipe", place=where, found=node.tag[:60])
    if isinstance(node, yaml.MappingNode):
        _check_mapping(node, place, depth)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_node(item, place, depth + 1)


def _check_mapping(node: yaml.MappingNode, place: str, depth: int) -> None:
    seen: set[str] = set()
    for key, value in node.value:
        where = f"{place} line {key.start_mark.line + 1}".strip()
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            raise DatasigilError("YAML_FEATURE", "a key is not text", place=where, expected="a plain name")
        if key.value in seen:
            raise DatasigilError("DUP_KEY", f"the key {key.value!r} occurs twice", place=where)
        seen.add(key.value)
        _check_node(value, place, depth + 1)


__all__ = ["parse_yaml"]
