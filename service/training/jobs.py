"""HTTP face of training jobs: ask, claim, heartbeat, give back, cancel, result; and reading.

Lives here: parse, call, answer. Not here: leases (`operations`), who may do what (`access`), pages for people (`pages.jobs`), and training
itself, which a worker does under its own trust file. Spec: docs/adr/0090.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from datasigil.canonical import jcs
from datasigil.credentials.did import check_did
from datasigil.encoding import GENERIC
from datasigil.errors import DatasigilError
from service.access import PrincipalDep, may_cancel_job, may_see_job, principal_of, require_scope
from service.access_cache import Principal
from service.credentials.endpoints import Cursor, Limit
from service.credentials.idempotency import idempotency_key
from service.documentation import READ_PROBLEMS, WRITE_PROBLEMS, body_of, problems, signed_document
from service.limits import (
    JOB_POLL_SECONDS,
    JOB_RESULT_MAX_BYTES,
    PAGE_DEFAULT_ITEMS,
)
from service.problems import Problem
from service.publishers.endpoints import timestamp
from service.replies import json_reply, stored_reply
from service.requests import parse_body, read_body, read_json, to_model
from service.state import State, StateDep
from service.training.answering import (
    accepted_reply,
    heartbeat_seconds,
    job_reply,
    job_summary,
    lease_of,
    progress_columns,
)
from service.training.operations import (
    CancelJob,
    ClaimJob,
    GiveBack,
    Heartbeat,
    SubmitJob,
    unknown_job,
)
from service.training.recipes import check_recipe
from service.training.repository import Held, JobRow, job_by_id, jobs_before, result_of
from service.training.results import result_operation
from service.training.schemas import (
    ClaimReply,
    ClaimRequest,
    GiveBackRequest,
    HeartbeatReply,
    HeartbeatRequest,
    JobPage,
    JobReply,
    JobRequest,
    ResultReply,
    ResultRequest,
)

router = APIRouter(tags=["training"])

JobId = Annotated[str, Path(pattern="^job_[0-9a-f]{24}$")]
NEWEST = 2**62
_TOKEN: dict[str, Any] = {"security": [{"token": []}]}
_EITHER: dict[str, Any] = {"security": [{}, {"token": []}]}
_WORKER = "w-5f2c9a1e7b3d"
_EXAMPLE_RECIPE = {
    "type": "TrainingRecipe",
    "formatVersion": 1,
    "name": "Contract clauses",
    "data": [
        {
            "credential": "urn:uuid:5b0b0d62-5b1c-4a57-9f2e-0a3f0a6b7c11",
            "bundle": "clauses.sigil.json",
            "path": "clauses",
            "files": {"train": ["train.jsonl"], "validation": ["validation.jsonl"], "test": ["test.jsonl"]},
            "columns": {"text": "text", "labels": "label", "document": "document"},
        }
    ],
    "splits": {"by": "files"},
    "task": {
        "type": "single-label",
        "labels": [{"name": "payment", "tags": ["payment"]}, {"name": "termination", "tags": ["termination"]}],
    },
    "training": {"epochs": 3, "learningRate": 0.0007},
}
_HELD_PROBLEMS = problems(401, 403, 404, 409)


@router.post(
    "/training/jobs",
    status_code=201,
    response_model=JobReply,
    responses={
        200: {"model": JobReply, "description": "It was asked for before with this Idempotency-Key"},
        **WRITE_PROBLEMS,
        **problems(401, 403, 409),
    },
    openapi_extra={**body_of(JobRequest, {"recipe": _EXAMPLE_RECIPE, "public": True}), **_TOKEN},
)
async def submit_job(request: Request, principal: PrincipalDep, state: StateDep) -> Response:
    """Ask for a training run; a worker decides under its own trust file whether it trains. Scope `train`."""
    require_scope(principal, "train")
    raw = await read_body(request)
    asked = to_model(parse_body(raw, profile=GENERIC), JobRequest)
    check_recipe(asked.recipe)
    worker = asked.worker or principal.did
    try:
        check_did(worker)
    except DatasigilError as error:
        raise error.at("/worker") from None
    row, fresh = await state.sequencer.submit(
        SubmitJob(
            publisher_id=principal.publisher_id,
            owner=principal.did,
            worker_did=worker,
            name=str(asked.recipe["name"]),
            recipe=jcs(asked.recipe),
            public=asked.public,
            lost_max=asked.lostLeases,
            idempotency=idempotency_key(request, principal.publisher_id, raw),
        )
    )
    return json_reply(job_reply(state, row, principal), status=201 if fresh else 200)


@router.post(
    "/training/claims",
    response_model=ClaimReply,
    responses={**WRITE_PROBLEMS, **problems(401, 403)},
    openapi_extra={**body_of(ClaimRequest, {"worker": _WORKER}), **_TOKEN},
)
async def claim_job(request: Request, principal: PrincipalDep, state: StateDep) -> Response:
    """Take the next job that is meant for the caller's DID; what this worker held before is given up. Scope `work`."""
    require_scope(principal, "work")
    asked = to_model(await read_json(request), ClaimRequest)
    seconds = state.settings.job_lease_seconds
    row = await state.sequencer.submit(ClaimJob(principal.did, asked.worker, seconds, state.serving_since))
    if row is None:
        return json_reply(ClaimReply(retryAfterSeconds=min(JOB_POLL_SECONDS, seconds)))
    return json_reply(ClaimReply(job=lease_of(state, row)))


@router.post(
    "/training/jobs/{job_id}/heartbeats",
    response_model=HeartbeatReply,
    responses={**WRITE_PROBLEMS, **_HELD_PROBLEMS},
    openapi_extra={
        **body_of(
            HeartbeatRequest,
            {
                "worker": _WORKER,
                "attempt": 1,
                "progress": {"step": 12, "steps": 60, "epoch": 1, "epochs": 3, "loss": "0.6931", "etaSeconds": 48},
            },
        ),
        **_TOKEN,
    },
)
async def heartbeat(request: Request, job_id: JobId, principal: PrincipalDep, state: StateDep) -> Response:
    """Say that the holder of a lease is alive, and how far it is; 409 once the lease is another's or the job is over."""
    require_scope(principal, "work")
    asked = to_model(await read_json(request), HeartbeatRequest)
    held = Held(job_id, principal.did, asked.worker, asked.attempt)
    until = await state.sequencer.submit(
        Heartbeat(held, state.settings.job_lease_seconds, progress_columns(asked.progress))
    )
    return json_reply(HeartbeatReply(leaseUntil=timestamp(until), heartbeatSeconds=heartbeat_seconds(state)))


@router.post(
    "/training/jobs/{job_id}/give-backs",
    response_model=JobReply,
    responses={**WRITE_PROBLEMS, **_HELD_PROBLEMS},
    openapi_extra={
        **body_of(GiveBackRequest, {"worker": _WORKER, "attempt": 1, "note": "stopped after step 12 of 60"}),
        **_TOKEN,
    },
)
async def give_back(request: Request, job_id: JobId, principal: PrincipalDep, state: StateDep) -> Response:
    """Return a job to the queue, with its checkpoint kept by the worker."""
    require_scope(principal, "work")
    asked = to_model(await read_json(request), GiveBackRequest)
    held = Held(job_id, principal.did, asked.worker, asked.attempt)
    row = await state.sequencer.submit(GiveBack(held, asked.note))
    return json_reply(job_reply(state, row, principal))


@router.post(
    "/training/jobs/{job_id}/results",
    status_code=201,
    response_model=ResultReply,
    responses={
        200: {"model": ResultReply, "description": "The same result was accepted before"},
        **WRITE_PROBLEMS,
        **_HELD_PROBLEMS,
    },
    openapi_extra={
        **body_of(
            ResultRequest,
            {
                "worker": _WORKER,
                "attempt": 1,
                "outcome": "failed",
                "error": {"code": "DISK_FULL", "message": "the disk is full", "nextAction": "make room"},
            },
        ),
        **_TOKEN,
    },
)
async def accept_result(request: Request, job_id: JobId, principal: PrincipalDep, state: StateDep) -> Response:
    """End a job, once: with its model credential, which is registered in the same transaction, receipt and card; or with the refusal or error."""
    require_scope(principal, "work")
    raw = await read_body(request, max_bytes=JOB_RESULT_MAX_BYTES)
    given = to_model(parse_body(raw), ResultRequest)
    row = await state.database.read(job_by_id, job_id)
    if row is None or row.worker_did != principal.did:
        raise unknown_job()
    operation = await anyio.to_thread.run_sync(result_operation, given, row, principal, state)
    accepted = await state.sequencer.submit(operation)
    return json_reply(accepted_reply(state, accepted), status=201 if accepted.fresh else 200)


@router.post(
    "/training/jobs/{job_id}/cancel",
    response_model=JobReply,
    responses={**problems(400, 401, 403, 404, 409, 429, 503, 507)},
    openapi_extra=_TOKEN,
)
async def cancel_job(job_id: JobId, principal: PrincipalDep, state: StateDep) -> Response:
    """Call a job off; takes no body. Its worker stops at the next heartbeat. Scope `train`."""
    require_scope(principal, "train")
    row = await _visible(state, job_id, principal)
    if not may_cancel_job(principal, owner=row.owner):
        raise Problem("FORBIDDEN", "Only who asked for a job, or an operator, cancels it")
    cancelled = await state.sequencer.submit(CancelJob(row.id, principal.did))
    return json_reply(job_reply(state, cancelled, principal))


@router.get(
    "/training/jobs",
    response_model=JobPage,
    responses={**READ_PROBLEMS, **problems(400, 401)},
    openapi_extra=_EITHER,
)
async def list_jobs(
    request: Request, state: StateDep, limit: Limit = PAGE_DEFAULT_ITEMS, cursor: Cursor = ""
) -> Response:
    """Public jobs; with a token the caller's own and those meant for its workers; for operators every job. Newest first."""
    principal = await _caller(request, state)
    every = principal is not None and principal.role == "operator"
    did = principal.did if principal is not None else ""
    query = f"jobs {did if not every else '*'}"
    before = state.cursors.read(query, cursor) if cursor else NEWEST
    rows = await state.database.read(jobs_before, before, limit + 1, did=did, every=every)
    following = state.cursors.make(query, rows[limit - 1].seq) if len(rows) > limit else None
    return json_reply(JobPage(items=[job_summary(state, row) for row in rows[:limit]], next=following))


@router.get(
    "/training/jobs/{job_id}",
    response_model=JobReply,
    responses={**READ_PROBLEMS, **problems(400, 401, 404)},
    openapi_extra=_EITHER,
)
async def read_job(request: Request, job_id: JobId, state: StateDep) -> Response:
    """One job: state, progress, and how it ended."""
    principal = await _caller(request, state)
    row = await _visible(state, job_id, principal)
    reply = job_reply(state, row, principal)
    stored = await state.database.read(result_of, row.seq)
    if stored is not None:
        result, digest = stored
        if result.report:
            setattr(reply, "refusal" if row.state == "refused" else "error", json.loads(result.report))
        reply.credential = digest
    return json_reply(reply)


@router.get(
    "/training/jobs/{job_id}/receipt",
    response_class=Response,
    responses={**signed_document("The training receipt"), **READ_PROBLEMS, **problems(304, 400, 401, 404)},
    openapi_extra=_EITHER,
)
async def read_receipt(request: Request, job_id: JobId, state: StateDep) -> Response:
    """The receipt of a finished job, whose digest its model credential signs."""
    return await _document(request, job_id, state, "receipt")


@router.get(
    "/training/jobs/{job_id}/card",
    response_class=Response,
    responses={**signed_document("The model card"), **READ_PROBLEMS, **problems(304, 400, 401, 404)},
    openapi_extra=_EITHER,
)
async def read_card(request: Request, job_id: JobId, state: StateDep) -> Response:
    """The model card of a finished job, whose digest its model credential signs."""
    return await _document(request, job_id, state, "card")


async def _document(request: Request, job_id: str, state: State, name: str) -> Response:
    row = await _visible(state, job_id, await _caller(request, state))
    stored = await state.database.read(result_of, row.seq)
    data: bytes = b"" if stored is None else bytes(getattr(stored[0], name))
    if not data:
        raise Problem("NOT_FOUND", f"This job has no {name}: it is {row.state}")
    cache = "public, no-cache" if row.public else "private, no-cache"
    return stored_reply(request, data, etag=hashlib.sha256(data).hexdigest(), cache=cache)


async def _caller(request: Request, state: State) -> Principal | None:
    """Who asks, where they say so; a token that does not work is refused, never taken for none."""
    return await principal_of(request, state) if "authorization" in request.headers else None


async def _visible(state: State, job_id: str, principal: Principal | None) -> JobRow:
    row = await state.database.read(job_by_id, job_id)
    if row is None or not may_see_job(principal, owner=row.owner, worker=row.worker_did, public=row.public):
        raise unknown_job()
    return row
