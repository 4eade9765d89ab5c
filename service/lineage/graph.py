"""Walking the references between credentials.

Lives here: the lineage graph upwards, bounded in depth and size. Not here: SQL (`repository`) and whether a parent was valid
(`datasigil.verification`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sqlalchemy import Connection

from service.credentials.repository import CredentialRow
from service.limits import LINEAGE_DEPTH_MAX, LINEAGE_NODES_MAX
from service.lineage.repository import parents_of


@dataclass
class Graph:
    """Credentials reached from one, the references between them, and whether everything was reached."""

    nodes: dict[str, CredentialRow]
    edges: list[tuple[str, str, str]] = field(default_factory=list)  # child digest, relation, parent digest
    missing: set[str] = field(default_factory=set)  # digests named but not registered here
    complete: bool = True


def lineage_of(connection: Connection, root: CredentialRow) -> Graph:
    """Everything that a credential descends from, breadth first; a cycle ends where it closes."""
    graph = Graph({root.digest: root})
    pending = deque([(root, 0)])
    while pending:
        row, depth = pending.popleft()
        for relation, digest, parent in parents_of(connection, row.seq):
            graph.edges.append((row.digest, relation, digest))
            if parent is None:
                graph.missing.add(digest)
            elif digest not in graph.nodes:
                if depth + 1 > LINEAGE_DEPTH_MAX or len(graph.nodes) >= LINEAGE_NODES_MAX:
                    graph.complete = False
                    continue
                graph.nodes[digest] = parent
                pending.append((parent, depth + 1))
    return graph
