"""HTTP face of the audit trail, for auditors and operators.

Lives here: parse, call, answer. Not here: the chain (`trail`). Anybody may check a head that they were given against the log, whose `audit`
entries hold nothing but the head's hash; who did what is shown to the roles that audit alone.
"""

# ruff: noqa: N815 - members are named as in the JSON of the API
from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from service.access import PrincipalDep, require_role
from service.audit_trail.repository import anchors, events_after
from service.credentials.endpoints import Limit
from service.documentation import READ_PROBLEMS, problems
from service.limits import PAGE_DEFAULT_ITEMS
from service.publishers.endpoints import timestamp
from service.replies import json_reply
from service.requests import Whole
from service.state import StateDep

router = APIRouter(tags=["audit trail"])

_TOKEN = [{"token": list[str]()}]


class AuditEvent(BaseModel):
    """One event: `hash` is SHA-256 of `datasigil/audit/v1`, NUL and the JCS of the other members, `at` being seconds since 1970."""

    position: int
    at: int
    time: str
    actor: str
    action: str
    target: str
    previous: str
    hash: str


class AuditPage(BaseModel):
    """Events in order; ask for `after` the last position to go on."""

    items: list[AuditEvent]
    complete: bool


class Anchor(BaseModel):
    """The log entry that holds the chain's hash at a position."""

    logIndex: int
    position: int
    hash: str
    time: str


class AnchorList(BaseModel):
    """Every anchor."""

    items: list[Anchor]


@router.get(
    "/audit-trail",
    response_model=AuditPage,
    responses={**READ_PROBLEMS, **problems(400, 401, 403)},
    openapi_extra={"security": _TOKEN},
)
async def read_trail(
    principal: PrincipalDep,
    state: StateDep,
    after: Annotated[Whole, Query(ge=-1, le=2**53 - 1)] = -1,
    limit: Limit = PAGE_DEFAULT_ITEMS,
) -> Response:
    """Who did what to this registry; needs the role auditor or operator."""
    require_role(principal, "auditor", "operator")
    rows = await state.database.read(events_after, after, limit + 1)
    items = [AuditEvent(**vars(row), time=timestamp(row.at)) for row in rows[:limit]]
    return json_reply(AuditPage(items=items, complete=len(rows) <= limit))


@router.get(
    "/audit-trail/anchors",
    response_model=AnchorList,
    responses={**READ_PROBLEMS, **problems(401, 403)},
    openapi_extra={"security": _TOKEN},
)
async def read_anchors(principal: PrincipalDep, state: StateDep) -> Response:
    """Where the chain stands in the transparency log; needs the role auditor or operator."""
    require_role(principal, "auditor", "operator")
    rows = await state.database.read(anchors)
    items = [
        Anchor(logIndex=row.log_index, position=row.position, hash=row.hash, time=timestamp(row.anchored_at))
        for row in rows
    ]
    return json_reply(AnchorList(items=items))
