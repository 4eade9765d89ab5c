"""HTTP face of workload identities: which OIDC subject acts for the publisher who asks.

Lives here: parse, call, answer, and the operations. Not here: verification of their tokens (`workload`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from service.access import PrincipalDep, require_session
from service.audit_trail.trail import record
from service.batch import Batch
from service.documentation import READ_PROBLEMS, WRITE_PROBLEMS, body_of, problems
from service.limits import IDENTITIES_PER_PUBLISHER_MAX
from service.problems import Problem
from service.publishers.endpoints import timestamp
from service.publishers.repository import (
    IdentityRow,
    delete_identity,
    identities_of,
    identity_by_subject,
    insert_identity,
)
from service.replies import json_reply
from service.requests import StrictModel, read_model
from service.state import StateDep

router = APIRouter(tags=["publishers"])

_TOKEN = {"security": [{"token": list[str]()}]}


class IdentityRequest(StrictModel):
    """A subject, exactly as its issuer writes it, and what it may do here."""

    issuer: Annotated[str, Field(min_length=1, max_length=512)]
    subject: Annotated[str, Field(min_length=1, max_length=512)]
    scopes: Annotated[list[Literal["publish", "status"]], Field(min_length=1, max_length=2)] = Field(
        default=["publish"]
    )


class IdentitySummary(BaseModel):
    """A workload identity of the caller."""

    id: str
    issuer: str
    subject: str
    scopes: list[str]
    created: str


class IdentityList(BaseModel):
    """The caller's workload identities."""

    items: list[IdentitySummary]


@dataclass(frozen=True)
class AddIdentity:
    """Let a subject act for a publisher."""

    publisher_id: int
    actor: str
    asked: IdentityRequest

    def __call__(self, batch: Batch) -> IdentityRow:
        """Store it.

        Raises:
            Problem: IDENTITY_TAKEN, IDENTITY_LIMIT.
        """
        if identity_by_subject(batch.connection, self.asked.issuer, self.asked.subject) is not None:
            raise Problem("IDENTITY_TAKEN", "This subject acts for a publisher already", pointer="/subject")
        if len(identities_of(batch.connection, self.publisher_id)) >= IDENTITIES_PER_PUBLISHER_MAX:
            raise Problem(
                "IDENTITY_LIMIT",
                "This publisher has too many workload identities",
                expected=f"at most {IDENTITIES_PER_PUBLISHER_MAX}",
                next_action="remove one: DELETE /workload-identities/ID",
            )
        row = IdentityRow(
            f"wi_{secrets.token_hex(8)}",
            self.publisher_id,
            self.asked.issuer,
            self.asked.subject,
            tuple(sorted(set(self.asked.scopes))),
            batch.seconds,
        )
        insert_identity(batch.connection, row)
        record(batch, actor=self.actor, action="identity.added", target=row.id)
        return row


@dataclass(frozen=True)
class RemoveIdentity:
    """Let a subject no longer act for a publisher."""

    publisher_id: int
    actor: str
    identity: str

    def __call__(self, batch: Batch) -> None:
        """Forget it.

        Raises:
            Problem: NOT_FOUND, also for somebody else's.
        """
        if not delete_identity(batch.connection, self.identity, self.publisher_id):
            raise Problem("NOT_FOUND", "You have no workload identity with this id")
        record(batch, actor=self.actor, action="identity.removed", target=self.identity)


@router.post(
    "/workload-identities",
    status_code=201,
    response_model=IdentitySummary,
    responses={**WRITE_PROBLEMS, **problems(401, 403, 409)},
    openapi_extra={
        **body_of(
            IdentityRequest,
            {
                "issuer": "https://token.actions.example",
                "subject": "repo:example/clauses:ref:refs/heads/main",
                "scopes": ["publish"],
            },
        ),
        **_TOKEN,
    },
)
async def add_identity(request: Request, principal: PrincipalDep, state: StateDep) -> Response:
    """Let an OIDC subject, such as a CI job, act for the caller, of an issuer that the operator trusts; not by a workload itself."""
    require_session(principal)
    asked = await read_model(request, IdentityRequest)
    if asked.issuer not in state.settings.oidc_issuers:
        raise Problem(
            "OIDC_ISSUER",
            "This registry does not take tokens of this issuer",
            status=422,
            pointer="/issuer",
            expected="an issuer that the operator named",
            next_action="ask the operator to add it to DATASIGIL_OIDC_ISSUERS",
        )
    return json_reply(
        _summary(await state.sequencer.submit(AddIdentity(principal.publisher_id, principal.did, asked))), status=201
    )


@router.get(
    "/workload-identities",
    response_model=IdentityList,
    responses={**READ_PROBLEMS, **problems(401)},
    openapi_extra=_TOKEN,
)
async def list_identities(principal: PrincipalDep, state: StateDep) -> Response:
    """The caller's workload identities."""
    rows = await state.database.read(identities_of, principal.publisher_id)
    return json_reply(IdentityList(items=[_summary(row) for row in rows]))


@router.delete(
    "/workload-identities/{identity}",
    status_code=204,
    responses=problems(401, 403, 404, 429, 503, 507),
    openapi_extra=_TOKEN,
)
async def remove_identity(
    identity: Annotated[str, Path(max_length=64)], principal: PrincipalDep, state: StateDep
) -> Response:
    """Remove one of the caller's workload identities; its tokens stop working at once."""
    require_session(principal)
    await state.sequencer.submit(RemoveIdentity(principal.publisher_id, principal.did, identity))
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def _summary(row: IdentityRow) -> IdentitySummary:
    return IdentitySummary(
        id=row.id, issuer=row.issuer, subject=row.subject, scopes=list(row.scopes), created=timestamp(row.created_at)
    )
