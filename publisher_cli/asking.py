"""`datasigil search`, `lineage` and `impact`: what a registry knows, shown; nothing here is verified.

Here: questions, walking from answer to answer, tables and graphs. Not here: HTTP (`datasigil.client`).
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.errors import MalformedError
from datasigil.report.terminal import escape
from publisher_cli.drawing import svg
from publisher_cli.logins import registry_client, registry_url
from publisher_cli.status import identifier_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator

    from datasigil.client import RegistryClient
    from datasigil.report.terminal import Console

PAGES_MAX = 100
FOLLOWED_MAX = 200  # credentials whose own dependents are asked for
# What else may rest on these: a model, an audit or a grant is where the walk ends.
FOLLOWED = frozenset({"dataset", "lineage"})
COLUMNS = ("name", "version", "license", "status", "id")
CELL_MAX_CHARACTERS = 60


def search(given: Namespace, console: Console) -> int:
    """List registered credentials, newest first."""
    client = registry_client(registry_url(given.registry), dev=given.dev)
    asked = {
        "q": " ".join(given.words),
        "type": given.type or "",
        "issuer": given.issuer or "",
        "license": given.license or "",
        "status": given.status or "",
    }
    page = client.search({**asked, "limit": str(given.limit)})
    items = _items(page)
    text = _table(items) if items else "nothing was found\n"
    console.result({"type": "SearchResult", "formatVersion": 1, "items": items, "more": bool(page.get("next"))}, text)
    if page.get("next"):
        console.say(f"there is more: narrow the search, or ask for more than --limit {given.limit}")
    return 0


def lineage(given: Namespace, console: Console) -> int:
    """Show what a credential descends from, as a tree, as Graphviz text, as SVG or as JSON."""
    if given.offline:
        from publisher_cli.bundled import graph_of

        found = graph_of(Path(given.what))
    else:
        url = registry_url(given.registry, without="`datasigil lineage BUNDLE --offline`")
        client = registry_client(url, dev=given.dev)
        found = client.lineage(identifier_of(given.what))
    nodes = {str(one.get("digest")): one for one in _items(found, "nodes")}
    edges = _items(found, "edges")
    missing = [str(digest) for digest in found.get("missing") or ()]
    shown = {
        "type": "Lineage", "formatVersion": 1, "credential": found.get("credential"), "nodes": list(nodes.values()), "edges": edges,
        "missing": missing, "complete": found.get("complete") is not False,
    }  # fmt: skip
    start = _start(str(found.get("credential")), nodes)
    text = _dot(nodes, edges) if given.dot else svg(start, nodes, edges) if given.svg else _tree(start, nodes, edges)
    console.result(shown, text)
    if missing:
        where = "in the bundle" if given.offline else "registered here"
        console.say(f"{len(missing)} of them are not {where}; their own sources are unknown")
    if not shown["complete"]:
        console.say("the graph is larger than what the registry shows at once")
    return 0


def impact(given: Namespace, console: Console) -> int:
    """List the datasets, models, audits and grants that rest on a credential, through derived datasets as well."""
    client = registry_client(registry_url(given.registry), dev=given.dev)
    first, items, complete = _dependents(client, identifier_of(given.what))
    shown = {
        "type": "Impact",
        "formatVersion": 1,
        "credential": first.get("credential"),
        "status": first.get("status"),
        "items": items,
        "complete": complete,
    }
    lines = [f"{escape(str(first.get('credential')))} is {escape(str(first.get('status')))}"]
    lines += [_affected(one) for one in items] or ["  nothing registered here names it"]
    console.result(shown, "\n".join(lines) + "\n")
    if not complete:
        console.say("there is more than what is shown here")
    return 0


# Impact --------------------------------------------------------------------------------------------------------------


def _dependents(client: RegistryClient, identifier: str) -> tuple[dict[str, Any], list[dict[str, Any]], bool]:
    """Walk breadth first from a credential to what names it; return the first answer, the items, and whether these are all."""
    pending, seen = deque([(identifier, 1)]), {identifier}
    first: dict[str, Any] = {}
    items: list[dict[str, Any]] = []
    asked, complete = 0, True
    while pending and asked < FOLLOWED_MAX:
        current, depth = pending.popleft()
        asked += 1
        for page in _pages(client, current):
            first = first or page
            seen.add(str(first.get("credential")))
            complete = complete and not (page.get("next") and page.get("last"))
            for one in _items(page):
                summary = _summary(one)
                name = str(summary.get("id"))
                if name in seen:
                    continue
                seen.add(name)
                items.append({**one, "depth": depth, "through": page.get("credential")})
                if one.get("kind") in FOLLOWED:
                    pending.append((name, depth + 1))
    return first, items, complete and not pending


def _pages(client: RegistryClient, identifier: str) -> Iterator[dict[str, Any]]:
    """Yield the pages of one question; the last of too many is marked `last` although it names a next one."""
    cursor = ""
    for number in range(PAGES_MAX):
        page = client.impact(identifier, cursor=cursor)
        yield {**page, "last": number == PAGES_MAX - 1}
        cursor = str(page.get("next") or "")
        if not cursor:
            return


def _affected(one: dict[str, Any]) -> str:
    summary = _summary(one)
    relations = one.get("relations")
    by = ", ".join(map(str, relations)) if isinstance(relations, list) else "?"
    words = (
        one.get("kind"),
        f"{summary.get('name') or '(no name)'} {summary.get('version') or ''}".strip(),
        f"by {by}",
        summary.get("status"),
        summary.get("id"),
    )
    return "  " * int(one["depth"]) + "  ".join(escape(str(word)) for word in words)


def _summary(one: dict[str, Any]) -> dict[str, Any]:
    named = one.get("credential")
    return named if isinstance(named, dict) else {}


# Lineage -------------------------------------------------------------------------------------------------------------


def _start(credential: str, nodes: dict[str, dict[str, Any]]) -> str:
    return next((digest for digest, node in nodes.items() if node.get("id") == credential), credential)


def _tree(start: str, nodes: dict[str, dict[str, Any]], edges: list[dict[str, Any]]) -> str:
    """Return the ancestors indented below what was made of them; one that stands there already is not unfolded again."""
    below: dict[str, list[tuple[str, str]]] = {}
    for edge in edges:
        below.setdefault(str(edge.get("child")), []).append((str(edge.get("relation")), str(edge.get("parent"))))
    lines, unfolded = [_label(nodes, start)], {start}
    pending = [(relation, parent, 1) for relation, parent in reversed(below.get(start, []))]
    while pending:
        relation, digest, depth = pending.pop()
        again = digest in unfolded and bool(below.get(digest))
        lines.append(f"{'  ' * depth}{escape(relation)}: {_label(nodes, digest)}{' (see above)' if again else ''}")
        if digest not in unfolded:
            unfolded.add(digest)
            pending += [(further, parent, depth + 1) for further, parent in reversed(below.get(digest, []))]
    if len(lines) == 1:
        lines.append("  it names nothing that it was made from")
    return "\n".join(lines) + "\n"


def _label(nodes: dict[str, dict[str, Any]], digest: str) -> str:
    node = nodes.get(digest)
    if node is None:
        return f"not registered here ({escape(digest)})"
    name = f"{node.get('name') or node.get('type')} {node.get('version') or ''}".strip()
    return "  ".join(
        escape(str(word)) for word in (name, node.get("license") or "-", node.get("status"), node.get("id"))
    )


def _dot(nodes: dict[str, dict[str, Any]], edges: list[dict[str, Any]]) -> str:
    """Return the graph in Graphviz's language, arrows from what was made to what it was made from."""
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    for digest, node in nodes.items():
        parts = (
            f"{node.get('name') or node.get('type')} {node.get('version') or ''}".strip(),
            node.get("license"),
            node.get("status"),
        )
        words = "\n".join(str(one) for one in parts if one)
        dashed = "" if node.get("status") == "active" else ", style=dashed"
        lines.append(f"  {_quoted(digest)} [label={_quoted(words)}{dashed}];")
    named = {str(edge.get(end)) for edge in edges for end in ("child", "parent")}
    lines += [
        f"  {_quoted(one)} [label={_quoted('not registered here')}, style=dotted];"
        for one in sorted(named - nodes.keys())
    ]
    lines += [
        f"  {_quoted(str(edge.get('child')))} -> {_quoted(str(edge.get('parent')))} [label={_quoted(str(edge.get('relation')))}];"
        for edge in edges
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    r"""Return a Graphviz string; \n stays a line break, every other control character is escaped for people."""
    lines = [escape(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n")]
    return '"' + "\\n".join(lines) + '"'


# Answers -------------------------------------------------------------------------------------------------------------


def _items(page: dict[str, Any], name: str = "items") -> list[dict[str, Any]]:
    items = page.get(name)
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise MalformedError(
            "REGISTRY_ANSWER",
            "the registry's answer is not what its API promises",
            place=f"/{name}",
            expected="an array of objects",
            found=json.dumps(items)[:60],
        )
    return items


def _table(items: Iterable[dict[str, Any]]) -> str:
    rows = [[escape(str(one.get(name, "")))[:CELL_MAX_CHARACTERS] for name in COLUMNS] for one in items]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )
