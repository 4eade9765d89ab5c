"""HTTP face of handovers.

Lives here: parse, call, answer. Not here: proofs (`frames`).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from service.documentation import READ_PROBLEMS
from service.replies import REVALIDATE, json_reply
from service.state import State, StateDep

router = APIRouter(prefix="/log", tags=["transparency log"])


class HandoverList(BaseModel):
    """Handovers in the order of the log, as bundles present them among `issuerKeys`."""

    items: list[dict[str, Any]]


@router.get("/handovers", response_model=HandoverList, responses=READ_PROBLEMS)
async def list_handovers(state: StateDep) -> Response:
    """The registries whose logs this one continues, and its own end if it has one: signed by them, proven by both logs."""
    frames = await state.database.read(_frames, state)
    return json_reply(HandoverList(items=[dict(one) for one in frames]), cache=REVALIDATE)


def _frames(connection: Connection, state: State) -> tuple[dict[str, Any], ...]:
    return state.handovers.frames(connection, state.proofs, state.released)
