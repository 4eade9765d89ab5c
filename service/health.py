"""Health, readiness, metrics and the OpenAPI document.

Lives here: the endpoints that an operator's machinery asks. Not here: what is measured (`metrics`, `sequencer`).
"""

from __future__ import annotations

import json

import anyio
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from datasigil.errors import DatasigilError
from service import metrics as metrics_module
from service.database import ping
from service.documentation import binary, describe, problems
from service.problems import Problem
from service.replies import json_reply
from service.state import StateDep

router = APIRouter(tags=["operation"])
_READY_SECONDS = 1.8


class Liveness(BaseModel):
    """The process answers."""

    status: str


class Readiness(BaseModel):
    """The registry can read and write."""

    status: str
    logSize: int  # noqa: N815 - JSON spelling


@router.get("/healthz", response_model=Liveness)
async def healthz() -> Response:
    """Whether the process lives; says nothing about its database."""
    return json_reply(Liveness(status="alive"))


@router.get("/readyz", response_model=Readiness, responses=problems(503))
async def readyz(state: StateDep) -> Response:
    """Whether the database answers and the writer may sign."""
    try:
        with anyio.fail_after(_READY_SECONDS):
            await state.database.read(ping)
    except TimeoutError:
        raise Problem("DATABASE_UNAVAILABLE", "The database does not answer in time") from None
    health = state.sequencer.health
    if not health.writing:
        raise health.error or DatasigilError("BUSY", "The writer has not started")
    return json_reply(Readiness(status="ready", logSize=state.released.size))


@router.get("/metrics", responses=binary("Prometheus text format", "text/plain"), response_class=Response)
async def metrics(state: StateDep) -> Response:
    """Prometheus metrics."""
    found, writer = state.metrics, state.sequencer
    found.writing.set(1 if writer.health.writing else 0)
    found.queue.set(writer.waiting)
    found.batches.set(writer.batches)
    found.operations.set(writer.operations)
    if writer.released is not None:
        found.log_size.set(writer.released.size)
        found.checkpoint_time.set(writer.released.cosigned_at)
    return Response(found.text(), media_type=metrics_module.CONTENT_TYPE)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The OpenAPI 3.1 document of this API."""
    return Response(
        json.dumps(describe(request.app)),
        media_type="application/json",
        headers={"Cache-Control": "public, max-age=300"},
    )
