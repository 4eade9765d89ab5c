"""HTTP face of lineage: what a credential descends from, whom its revocation hits, and what versions there are.

Lives here: parse, call, answer. Not here: walking (`graph`), SQL (`repository`).
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal, cast

import anyio.to_thread
from fastapi import APIRouter, Response
from sqlalchemy import Connection

from datasigil.canonical import jcs
from datasigil.signing import add_proof
from service.credentials.endpoints import Cursor, Identifier, Limit, summary
from service.credentials.repository import CredentialRow, by_id, document_of, versions_of
from service.documentation import READ_PROBLEMS, problems, signed_document
from service.limits import ATTESTATIONS_MAX, PAGE_DEFAULT_ITEMS, VERSIONS_MAX
from service.lineage.graph import lineage_of
from service.lineage.impact import KINDS, impact_document
from service.lineage.repository import children_of
from service.lineage.schemas import (
    Affected,
    Attestation,
    AttestationsReply,
    ImpactReply,
    LineageReply,
    Reference,
    VersionsReply,
)
from service.problems import Problem
from service.replies import json_reply
from service.state import StateDep
from service.transparency_log.writing import Released

router = APIRouter(tags=["lineage"])

Kind = Literal["dataset", "lineage", "audit", "grant", "model", "other"]


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


@router.get(
    "/credentials/{credential_id}/impact/report",
    response_class=Response,
    responses={**signed_document("The signed ImpactReport"), **READ_PROBLEMS, **problems(404)},
)
async def read_impact_report(credential_id: Identifier, state: StateDep) -> Response:
    """Everything registered here that rests on a credential, through derived datasets as well, signed by the registry's notice key."""
    signer = state.keys.notices
    if signer is None:
        raise Problem(
            "NOT_FOUND",
            "This registry has no key for notices",
            next_action="its operator runs `python -m service keys new notices`",
        )
    now = state.clock().replace(microsecond=0)
    unsigned = await state.database.read(_report, credential_id, state.released, signer.controller, now)
    data = jcs(await anyio.to_thread.run_sync(lambda: add_proof(unsigned, signer, created=now)))
    return Response(data, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get(
    "/credentials/{credential_id}/versions", response_model=VersionsReply, responses={**READ_PROBLEMS, **problems(404)}
)
async def read_versions(credential_id: Identifier, state: StateDep) -> Response:
    """The versions of a dataset or model, which keeps its identity over them; by the same issuer alone."""
    return json_reply(await state.database.read(_versions, credential_id))


@router.get(
    "/credentials/{credential_id}/attestations",
    response_model=AttestationsReply,
    responses={**READ_PROBLEMS, **problems(404)},
)
async def read_attestations(credential_id: Identifier, state: StateDep) -> Response:
    """The audits, approvals, reviews and grants about a credential, newest first; whether they count is for the reader's policy to say."""
    return json_reply(await state.database.read(_attestations, credential_id))


def kind_of(row: CredentialRow) -> Kind:
    """What kind of thing a credential is about."""
    return cast("Kind", KINDS.get(row.type, "other"))


def _report(
    connection: Connection, identifier: str, released: Released, registry: str, now: datetime
) -> dict[str, Any]:
    return impact_document(connection, _existing(connection, identifier), released, registry=registry, now=now)


def _attestations(connection: Connection, identifier: str) -> AttestationsReply:
    row = _existing(connection, identifier)
    items = []
    for _, child in reversed(children_of(connection, row.digest, after=0, count=ATTESTATIONS_MAX)):
        found = document_of(connection, child.digest)
        if child.type not in ("DatasetAuditCredential", "DatasetLicenseGrantCredential") or found is None:
            continue
        subject = json.loads(found[0])["credentialSubject"]
        kind = subject.get("attestationType", "grant")
        items.append(Attestation(attestationType=kind, verdict=subject.get("verdict"), credential=summary(child)))
    return AttestationsReply(credential=row.id, items=items)


def _versions(connection: Connection, identifier: str) -> VersionsReply:
    row = _existing(connection, identifier)
    found = versions_of(connection, row, VERSIONS_MAX + 1)
    return VersionsReply(
        credential=row.id,
        subject=row.subject_id,
        newest=next((one.id for one in found if one.status == "active"), None),
        items=[summary(one) for one in found[:VERSIONS_MAX]],
        complete=len(found) <= VERSIONS_MAX,
    )


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
