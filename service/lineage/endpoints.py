"""HTTP face of lineage: what a credential descends from, and whom its revocation hits.

Lives here: parse, call, answer. Not here: walking (`graph`), SQL (`repository`).
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from service.credentials.endpoints import Cursor, Identifier, Limit, summary
from service.credentials.repository import CredentialRow, by_id
from service.documentation import READ_PROBLEMS, problems
from service.limits import PAGE_DEFAULT_ITEMS
from service.lineage.graph import lineage_of
from service.lineage.repository import children_of
from service.lineage.schemas import Affected, ImpactReply, LineageReply, Reference
from service.problems import Problem
from service.replies import json_reply
from service.state import StateDep

router = APIRouter(tags=["lineage"])

Kind = Literal["dataset", "lineage", "audit", "grant", "model", "other"]
_KINDS: dict[str, Kind] = {
    "DatasetCredential": "dataset",
    "DatasetLineageCredential": "lineage",
    "DatasetAuditCredential": "audit",
    "DatasetLicenseGrantCredential": "grant",
    "ModelTrainingCredential": "model",
}


@router.get(
    "/credentials/{credential_id}/lineage", response_model=LineageReply, responses={**READ_PROBLEMS, **problems(404)}
)
async def read_lineage(credential_id: Identifier, state: StateDep) -> Response:
    """The graph of what a credential descends from, as far as it is registered here."""
    return json_reply(await state.database.read(_lineage, credential_id))


@router.get(
    "/credentials/{credential_id}/impact", response_model=ImpactReply, responses={**READ_PROBLEMS, **problems(400, 404)}
)
async def read_impact(
    credential_id: Identifier, state: StateDep, limit: Limit = PAGE_DEFAULT_ITEMS, cursor: Cursor = ""
) -> Response:
    """The datasets, models, audits and grants that name a credential directly."""
    query = f"impact {credential_id}"
    after = state.cursors.read(query, cursor) if cursor else 0
    row, children = await state.database.read(_impact, credential_id, after, limit + 1)
    items = [
        Affected(relations=names, kind=kind_of(child), credential=summary(child)) for names, child in children[:limit]
    ]
    more = state.cursors.make(query, children[limit - 1][1].seq) if len(children) > limit else None
    return json_reply(ImpactReply(credential=row.id, status=row.status, depth=1, items=items, next=more))


def kind_of(row: CredentialRow) -> Kind:
    """What kind of thing a credential is about."""
    return _KINDS.get(row.type, "other")


def _lineage(connection: Connection, identifier: str) -> LineageReply:
    row = _existing(connection, identifier)
    graph = lineage_of(connection, row)
    return LineageReply(
        credential=row.id,
        nodes=[summary(node) for node in graph.nodes.values()],
        edges=[Reference(child=child, relation=relation, parent=parent) for child, relation, parent in graph.edges],
        missing=sorted(graph.missing),
        complete=graph.complete,
    )


def _impact(
    connection: Connection, identifier: str, after: int, count: int
) -> tuple[CredentialRow, list[tuple[list[str], CredentialRow]]]:
    row = _existing(connection, identifier)
    return row, children_of(connection, row.digest, after=after, count=count)


def _existing(connection: Connection, identifier: str) -> CredentialRow:
    row = by_id(connection, identifier)
    if row is None:
        raise Problem("NOT_FOUND", "No credential with this id is registered here")
    return row
