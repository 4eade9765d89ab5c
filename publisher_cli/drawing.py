"""A lineage graph as SVG 1.1: what was made on the left, what it was made from to the right of it.

Here: layers by the longest way from the start, boxes, curves, escaping. Not here: where the graph comes from (`asking`). The picture is a
function of the graph, holds no script and no reference to anything outside, and reads without colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape as escape_xml

from datasigil.report.terminal import escape

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 250, 66, 110, 22, 16
LINE_CHARACTERS_MAX = 34
Edge = Mapping[str, Any]


def svg(start: str, nodes: Mapping[str, Mapping[str, Any]], edges: Sequence[Edge]) -> str:
    """Return the picture of a graph: `nodes` by digest, `edges` with `child`, `parent` and `relation`."""
    places = _places(start, nodes, edges)
    width = MARGIN * 2 + max(x for x, _ in places.values()) + BOX_WIDTH
    height = MARGIN * 2 + max(y for _, y in places.values()) + BOX_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{_text(f'lineage of {_name(nodes.get(start))}')}</title>",
        ("<style>rect{fill:#fff;stroke:#333}.off{stroke-dasharray:5 3}.none{stroke-dasharray:1 3}path{fill:none;stroke:#666}"
        "text{font:12px sans-serif;fill:#111}.small{font-size:11px;fill:#444}</style>"),
    ]  # fmt: skip
    lines += [_edge(edge, places) for edge in edges]
    lines += [_box(digest, nodes.get(digest), place) for digest, place in places.items()]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _places(start: str, nodes: Mapping[str, Any], edges: Sequence[Edge]) -> dict[str, tuple[int, int]]:
    """Return where every box stands; a graph with a cycle is drawn as far as each box's first place allows."""
    depth = _depths(start, nodes, edges)
    column: dict[int, int] = {}
    places = {}
    for digest, layer in sorted(depth.items(), key=lambda item: (item[1], item[0] != start)):
        row = column.get(layer, 0)
        column[layer] = row + 1
        places[digest] = (MARGIN + layer * (BOX_WIDTH + GAP_X), MARGIN + row * (BOX_HEIGHT + GAP_Y))
    return places


def _depths(start: str, nodes: Mapping[str, Any], edges: Sequence[Edge]) -> dict[str, int]:
    named = {str(edge.get(end)) for edge in edges for end in ("child", "parent")}
    depth = dict.fromkeys([start, *nodes, *sorted(named)], 0)
    for _ in range(len(depth)):  # the longest way has fewer edges than there are boxes
        moved = False
        for edge in edges:
            child, parent = str(edge.get("child")), str(edge.get("parent"))
            if depth[parent] < depth[child] + 1 <= len(depth):
                depth[parent], moved = depth[child] + 1, True
        if not moved:
            break
    return depth


def _edge(edge: Edge, places: Mapping[str, tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = places[str(edge.get("child"))], places[str(edge.get("parent"))]
    x1, y1, y2 = x1 + BOX_WIDTH, y1 + BOX_HEIGHT // 2, y2 + BOX_HEIGHT // 2
    bend = GAP_X // 2
    label = _text(str(edge.get("relation")))
    return (
        f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'
        f'<text class="small" x="{x2 - 6}" y="{y2 - 4}" text-anchor="end">{label}</text>'
    )


def _box(digest: str, node: Mapping[str, Any] | None, place: tuple[int, int]) -> str:
    x, y = place
    if node is None:
        kind, words = "none", ["not registered here", digest[:16] + "…"]
    else:
        kind = "" if node.get("status") == "active" else "off"
        words = [_name(node), str(node.get("license") or node.get("type") or "-"), str(node.get("status"))]
    rows = "".join(
        f'<text class="{"small" if number else "name"}" x="{x + 10}" y="{y + 20 + 18 * number}">{_text(_short(word))}</text>'
        for number, word in enumerate(words)
    )
    title = _text(" ".join([*words, str(node.get("id")) if node else digest]))
    return f'<g><title>{title}</title><rect class="{kind}" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4"/>{rows}</g>'


def _name(node: Mapping[str, Any] | None) -> str:
    if node is None:
        return "an unknown credential"
    return f"{node.get('name') or node.get('type')} {node.get('version') or ''}".strip()


def _short(word: str) -> str:
    return word if len(word) <= LINE_CHARACTERS_MAX else word[: LINE_CHARACTERS_MAX - 1] + "…"


def _text(words: str) -> str:
    return escape_xml(escape(words), {'"': "&quot;"})
