"""The signed impact report: everything registered here that rests on a credential, directly or through derived datasets.

Lives here: the walk downwards, bounded, and the report's form. Not here: SQL (`repository`), the walk upwards (`graph`), and what a reader
should do about it. The registry signs that this is what it knew at a tree size; it does not say that nothing else exists.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.encoding import Instant
from service.credentials.repository import CredentialRow, card_digest, derived_datasets
from service.limits import IMPACT_NODES_MAX
from service.lineage.repository import children_of
from service.transparency_log.writing import Released

KINDS = {
    "DatasetCredential": "dataset",
    "DatasetLineageCredential": "lineage",
    "DatasetAuditCredential": "audit",
    "DatasetLicenseGrantCredential": "grant",
    "ModelTrainingCredential": "model",
}


@dataclass(frozen=True)
class Hit:
    """A credential that rests on the one asked about: how far away, named by which credential's digest, in which members."""

    row: CredentialRow
    depth: int
    through: str
    relations: tuple[str, ...]


@dataclass
class Impact:
    """What was found, and whether that is all that is registered here."""

    hits: list[Hit] = field(default_factory=list)
    complete: bool = True


def impact_of(connection: Connection, root: CredentialRow) -> Impact:
    """Walk breadth first from a credential to what names it, and from lineage to the dataset that it says was made."""
    found = Impact()
    seen = {root.digest}
    pending = deque([(root, 0)])
    while pending:
        row, depth = pending.popleft()
        for relations, child in _next(connection, row):
            if child.digest in seen:
                continue
            if len(found.hits) >= IMPACT_NODES_MAX:
                found.complete = False
                return found
            seen.add(child.digest)
            found.hits.append(Hit(child, depth + 1, row.digest, tuple(relations)))
            pending.append((child, depth + 1))
    return found


def impact_document(
    connection: Connection, root: CredentialRow, released: Released, *, registry: str, now: datetime
) -> dict[str, Any]:
    """The unsigned ImpactReport, format version 1."""
    found = impact_of(connection, root)
    return {
        "@context": list(PROFILE_CONTEXTS),
        "type": "ImpactReport",
        "formatVersion": 1,
        "issuer": registry,
        "asOf": str(Instant.from_datetime(now.replace(microsecond=0))),
        "log": {"origin": released.origin, "treeSize": released.size, "root": released.root.hex()},
        "credential": {"id": root.id, "digest": root.digest, "status": root.status},
        "affected": [_affected(connection, hit) for hit in found.hits],
        "complete": found.complete,
    }


def _next(connection: Connection, row: CredentialRow) -> list[tuple[list[str], CredentialRow]]:
    children = children_of(connection, row.digest, after=0, count=IMPACT_NODES_MAX + 1)
    if row.type == "DatasetLineageCredential":
        children += [(["generated"], dataset) for dataset in derived_datasets(connection, row)]
    return children


def _affected(connection: Connection, hit: Hit) -> dict[str, Any]:
    row = hit.row
    found = {
        "id": row.id,
        "digest": row.digest,
        "kind": KINDS.get(row.type, "other"),
        "name": row.name,
        "version": row.version,
        "issuer": row.issuer,
        "status": row.status,
        "depth": hit.depth,
        "through": hit.through,
        "relations": sorted(hit.relations),
    }
    card = card_digest(connection, row.seq) if row.type == "ModelTrainingCredential" else None
    if card is not None:
        found["cardDigest"] = card
    return {name: value for name, value in found.items() if value != ""}
