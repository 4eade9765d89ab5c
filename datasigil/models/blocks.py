"""A card's leaves as blocks of a document: by section, by path, and under a point of a law.

Here: following paths through a card's sections, facts in tables, lists as grids with their sources. Not here: which document shows what
(`companions`), how blocks are written (`document`), the points (`laws`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasigil.models.card import NOT_PROVIDED
from datasigil.models.document import Block, Fact, Facts, Grid, short_source
from datasigil.models.laws import HUMAN_FACTS, INSTRUMENTS, Instrument, Point
from datasigil.models.words import ordered, words


def facts_at(sections: Mapping[str, Any], path: str) -> list[Fact]:
    """Return the facts at a path below `sections`; `*` stands for every member of a list, a group stands for all its leaves."""
    return list(_follow(sections, path.split("/"), "", path.rpartition("/")[2]))


def _follow(value: Any, steps: Sequence[str], label: str, key: str) -> list[Fact]:
    if _is_leaf(value):
        return [_fact(value, f"{words(key)}{label}")] if not steps else []
    if not steps:
        members = value.items() if isinstance(value, dict) else ()
        return [_fact(leaf, f"{words(name)}{label}") for name, leaf in members if _is_leaf(leaf)]
    if steps[0] == "*":
        if not isinstance(value, list):
            return []
        marks = [f" ({_label(item, number)})" if len(value) > 1 else "" for number, item in enumerate(value)]
        return [fact for item, mark in zip(value, marks, strict=True) for fact in _follow(item, steps[1:], mark, key)]
    return _follow(value.get(steps[0]), steps[1:], label, key) if isinstance(value, dict) else []


def _label(item: Any, number: int) -> str:
    for key in ("name", "slice", "label", "target"):
        if isinstance(item, dict) and _is_leaf(item.get(key)):
            return f"{item[key]['value']}"
    return str(number + 1)


def _is_leaf(value: Any) -> bool:
    return isinstance(value, dict) and "source" in value and "assurance" in value


def _fact(leaf: Mapping[str, Any], name: str) -> Fact:
    source = "" if leaf["assurance"] == "not-provided" else str(leaf["source"])
    return Fact(name, leaf["value"], source, "" if leaf["assurance"] == "not-provided" else str(leaf["assurance"]))


def value_at(sections: Mapping[str, Any], *path: str) -> Any:
    """Return the value of the leaf at a path of groups, or empty text."""
    value: Any = sections
    for step in path:
        value = value.get(step, {}) if isinstance(value, dict) else {}
    return value.get("value", "") if isinstance(value, dict) else ""


def group_at(sections: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the group at a path of groups; empty where there is none, or something else."""
    value: Any = sections
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) and "source" not in value else {}


def groups_at(sections: Mapping[str, Any], *path: str) -> list[Mapping[str, Any]]:
    """Return the groups of the list at a path; empty where there is none, or something else."""
    found = group_at(sections, *path[:-1]).get(path[-1])
    return [one for one in found if isinstance(one, dict) and "source" not in one] if isinstance(found, list) else []


def point_blocks(sections: Mapping[str, Any], point: Point, instrument: Instrument) -> list[Block]:
    """Return the facts under a point, those of one list (slices, audits) together in one table."""
    facts: list[Fact] = []
    tables: dict[str, list[str]] = {}
    for path in point.facts:
        above, star, member = path.rpartition("/*/")
        if star and not path.startswith("trainingData/*/" + member) and "/" not in member:
            tables.setdefault(above, []).append(member)
            continue
        found = facts_at(sections, path)
        if path.startswith("people/") and found:
            heading = next(fact.heading for fact in HUMAN_FACTS if fact.key == path.partition("/")[2])
            found = [Fact(heading, one.value, one.source, one.assurance) for one in found]
        facts += found
    grids = [grid for above, keys in tables.items() for grid in _tables_at(sections, above, keys)]
    if not facts and not grids:
        facts = [Fact("Not recorded", point.missing or NOT_PROVIDED.format(_asked_by(instrument, point)))]
    heading = f"{point.place}  {point.asks}" if point.place[0].isdigit() or point.place[0] == "(" else point.asks
    if not facts:
        first, *rest = grids
        return [Grid(first.header, first.rows, heading, first.note), *rest]
    return [Facts(facts, heading), *grids]


def _asked_by(instrument: Instrument, point: Point) -> str:
    """Return who asks for a point: its place in the layout's instrument, or in the other one that it names."""
    named = any(point.place.startswith(one.short) for one in INSTRUMENTS.values())
    return point.place if named else f"{instrument.short} {point.place}"


def _tables_at(sections: Mapping[str, Any], path: str, keys: Sequence[str]) -> list[Grid]:
    """Return one table for each list at a path, with those of `keys` that its members have."""
    found: list[Any] = [sections]
    for step in path.split("/"):
        found = [inner for one in found for inner in _inside(one, step)]
    grids = []
    for items in found:
        rows = [{key: one[key] for key in keys if key in one} for one in items] if isinstance(items, list) else []
        if any(rows):
            grids.append(grid_of(rows, words(path.rpartition("/")[2])))
    return grids


def _inside(value: Any, step: str) -> list[Any]:
    if step == "*":
        return list(value) if isinstance(value, list) else []
    return [value[step]] if isinstance(value, dict) and step in value else []


def section_blocks(key: str, value: Any) -> list[Block]:
    """Return a section of the card as blocks: its own facts, then each group below."""
    if key == "people":
        ask = {fact.key: fact.heading for fact in HUMAN_FACTS}
        return [Facts([_fact(value[fact], ask[fact]) for fact in ask if fact in value])]
    if isinstance(value, list):
        return [block for number, item in enumerate(value) for block in _group(item, _label(item, number))]
    return _group(value, "")


def _group(value: Mapping[str, Any], heading: str) -> list[Block]:
    own = [_fact(leaf, words(key)) for key, leaf in ordered(value) if _is_leaf(leaf)]
    blocks: list[Block] = [Facts(own, heading)] if own else []
    for key, inner in ordered(value):
        title = f"{heading}: {words(key)}" if heading else words(key)
        if isinstance(inner, list) and inner:
            blocks.append(grid_of(inner, title))
        elif isinstance(inner, dict) and not _is_leaf(inner):
            blocks += _group(inner, title)
    return blocks


def grid_of(items: Sequence[Mapping[str, Any]], heading: str) -> Grid:
    """Return a list of like groups as one table, with where its cells come from below it."""
    keys = list(dict.fromkeys(key for item in items for key, leaf in ordered(item) if _is_leaf(leaf)))
    rows = [[item[key]["value"] if _is_leaf(item.get(key)) else "" for key in keys] for item in items]
    cells = [item[key] for item in items for key in keys if _is_leaf(item.get(key))]
    return Grid([words(key) for key in keys], rows, heading, _note(cells) if cells else "")


def _note(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return the first and last source of cells from one document, or the documents where there are several."""
    assurance = ", ".join(dict.fromkeys(str(one["assurance"]) for one in cells))
    documents_ = dict.fromkeys(str(one["source"]).partition("#")[0] for one in cells)
    if len(documents_) == 1:
        return f"Source: {short_source(cells[0]['source'])} to {short_source(cells[-1]['source'])}, {assurance}."
    return f"Sources: {', '.join(short_source(f'{one}#').removesuffix('#') for one in documents_)}, {assurance}."


__all__ = ["facts_at", "grid_of", "group_at", "groups_at", "point_blocks", "section_blocks", "value_at"]
