"""Which changes between two OpenAPI documents break a client that was written for the older one.

Lives here: the comparison, one sentence for each break. Not here: the documents (`documentation`). What counts: an operation, a parameter
or a success answer that went away; a parameter or member of a request that became required or narrower; a member of an answer that went away or
may now be absent; another type. What does not: anything that was added and is optional, texts, examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datasigil.errors import DatasigilError

_METHODS = ("get", "put", "post", "delete", "patch", "head")
_DEPTH_MAX = 12
Document = Mapping[str, Any]


def load_document(path: Path) -> dict[str, Any]:
    """An OpenAPI document from a file.

    Raises:
        DatasigilError: OPENAPI, when it cannot be read or is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasigilError(
            "OPENAPI", "the document cannot be read", place=str(path), expected="JSON", found=type(error).__name__
        ) from None
    if not isinstance(found, dict) or "paths" not in found:
        raise DatasigilError("OPENAPI", "the file is no OpenAPI document", place=str(path), expected="a member paths")
    return found


def breaking_changes(old: Document, new: Document) -> list[str]:
    """One sentence for each change that breaks a client of `old`, sorted."""
    return sorted(set(_Comparison(old, new).everything()))


class _Comparison:
    """Two documents, whose `$ref`s are looked up in their own components."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new

    def everything(self) -> Iterator[str]:
        for path, operations in self._old["paths"].items():
            for method in _METHODS:
                if method not in operations:
                    continue
                name = f"{method.upper()} {path}"
                other = self._new["paths"].get(path, {}).get(method)
                if other is None:
                    yield f"{name}: the operation went away"
                else:
                    yield from self._operation(name, operations[method], other)

    def _operation(self, name: str, old: Document, new: Document) -> Iterator[str]:
        yield from self._parameters(name, old, new)
        yield from self._body(name, old, new)
        if not old.get("security") and new.get("security"):
            yield f"{name}: needs a token now"
        for status, answer in old.get("responses", {}).items():
            if not status.startswith("2"):
                continue
            if status not in new.get("responses", {}):
                yield f"{name}: no longer answers {status}"
                continue
            for media_type, content in answer.get("content", {}).items():
                other = new["responses"][status].get("content", {}).get(media_type)
                if other is None:
                    yield f"{name}: {status} is no longer {media_type}"
                else:
                    yield from self._answer(f"{name}: {status}", content.get("schema", {}), other.get("schema", {}), 0)

    def _parameters(self, name: str, old: Document, new: Document) -> Iterator[str]:
        before = {(one["in"], one["name"]): one for one in old.get("parameters", ())}
        after = {(one["in"], one["name"]): one for one in new.get("parameters", ())}
        for key, one in before.items():
            if key not in after:
                yield f"{name}: the {key[0]} parameter {key[1]} went away"
            else:
                place = f"{name}: the {key[0]} parameter {key[1]}"
                yield from self._narrower(place, one.get("schema", {}), after[key].get("schema", {}), 0)
        for key, one in after.items():
            if one.get("required") and not before.get(key, {}).get("required"):
                yield f"{name}: the {key[0]} parameter {key[1]} is required now"

    def _body(self, name: str, old: Document, new: Document) -> Iterator[str]:
        before, after = old.get("requestBody"), new.get("requestBody")
        if after is None:
            return
        if after.get("required") and not (before or {}).get("required"):
            yield f"{name}: the body is required now"
        for media_type, content in (before or {}).get("content", {}).items():
            other = after["content"].get(media_type)
            if other is None:
                yield f"{name}: no longer takes {media_type}"
            else:
                yield from self._narrower(f"{name}: the body", content.get("schema", {}), other.get("schema", {}), 0)

    def _narrower(self, place: str, old: Document, new: Document, depth: int) -> Iterator[str]:
        """What clients sent before and is no longer taken."""
        old, new = self._resolved(self._old, old), self._resolved(self._new, new)
        if depth > _DEPTH_MAX:
            return
        yield from _retyped(place, old, new)
        for bound, tighter in (
            ("maxLength", min),
            ("maximum", min),
            ("maxItems", min),
            ("minLength", max),
            ("minimum", max),
        ):
            if (
                bound in new
                and new[bound] != old.get(bound)
                and (bound not in old or tighter(old[bound], new[bound]) == new[bound])
            ):
                yield f"{place} has a tighter {bound}"
        if "enum" in new and not set(map(str, old.get("enum", ["anything"]))) <= set(map(str, new["enum"])):
            yield f"{place} takes fewer values"
        if new.get("pattern", old.get("pattern")) != old.get("pattern"):
            yield f"{place} has another pattern"
        for member in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{place} needs the member {member} now"
        for member, schema in old.get("properties", {}).items():
            if member not in new.get("properties", {}):
                if new.get("additionalProperties") is False:
                    yield f"{place} no longer takes the member {member}"
            else:
                yield from self._narrower(f"{place}/{member}", schema, new["properties"][member], depth + 1)

    def _answer(self, place: str, old: Document, new: Document, depth: int) -> Iterator[str]:
        """What clients found before and may no longer find."""
        old, new = self._resolved(self._old, old), self._resolved(self._new, new)
        if depth > _DEPTH_MAX:
            return
        yield from _retyped(place, old, new)
        for member, schema in old.get("properties", {}).items():
            if member not in new.get("properties", {}):
                yield f"{place}/{member} went away"
                continue
            if member in old.get("required", ()) and member not in new.get("required", ()):
                yield f"{place}/{member} may be absent now"
            yield from self._answer(f"{place}/{member}", schema, new["properties"][member], depth + 1)
        if "items" in old and "items" in new:
            yield from self._answer(f"{place}[]", old["items"], new["items"], depth + 1)

    @staticmethod
    def _resolved(document: Document, schema: Document) -> Document:
        for _ in range(_DEPTH_MAX):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            schema = document["components"]["schemas"].get(reference.rsplit("/", 1)[1], {})
        return schema


def _retyped(place: str, old: Document, new: Document) -> Iterator[str]:
    if "type" in old and "type" in new and old["type"] != new["type"]:
        yield f"{place} is {new['type']}, not {old['type']}"
