"""HTTP face of status: lists for everybody, changes for issuers.

Lives here: parse, call, answer. Not here: what may change (`changes`).
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import KeyResolver
from datasigil.credentials.status_request import (
    StatusChangeRequest,
    new_status_change_request,
    parse_status_change_request,
)
from datasigil.signing import add_proof
from service.access import PrincipalDep, principal_of, require_scope
from service.credentials.repository import by_id
from service.documentation import READ_PROBLEMS, WRITE_PROBLEMS, body_of, problems, signed_document
from service.problems import Problem
from service.publishers.repository import publisher_by_did
from service.replies import credential_reply, json_reply
from service.requests import read_json, to_model, vcalm_path
from service.state import State, StateDep
from service.status_lists.changes import ChangeStatus, verified_request
from service.status_lists.repository import signed_list
from service.status_lists.schemas import (
    HostedStatusRequest,
    SignedStatusRequest,
    StatusListReply,
    StatusListRequest,
    StatusReply,
)
from service.status_lists.signing import AddList, list_address

router = APIRouter(tags=["status"])

_EXAMPLE = {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/datasigil/v1"],
    "type": "StatusChangeRequest",
    "formatVersion": 1,
    "credentialId": "urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51",
    "credentialDigest": "0" * 64,
    "statusPurpose": "revocation",
    "value": True,
    "reason": "the source withdrew its consent",
    "created": "2026-11-24T09:00:00Z",
    "nonce": "5f2b",
    "issuer": "did:key:z6Mk…",
    "proof": {"type": "DataIntegrityProof"},
}


@router.get(
    "/status-lists/{slug}/{purpose}",
    response_class=Response,
    responses={
        **signed_document("The signed status list credential", "application/vc", "application/json"),
        **READ_PROBLEMS,
        **problems(304, 404),
        308: {"description": "The registry that keeps this list now has it"},
    },
)
async def read_list(
    request: Request,
    slug: Annotated[str, Path(max_length=64)],
    purpose: Annotated[str, Path(max_length=32)],
    state: StateDep,
) -> Response:
    """A publisher's status list, signed by the registry's status key; also one that this registry took over, under its old path."""
    found = await state.database.point(_list_or_keeper, state, slug, purpose)
    if found is None:
        raise Problem("NOT_FOUND", "There is no such status list here")
    if isinstance(found, str):
        return RedirectResponse(found, status_code=308)
    return credential_reply(request, found[0], etag=found[1])


def _list_or_keeper(connection: Connection, state: State, slug: str, purpose: str) -> tuple[bytes, str] | str | None:
    """The list with its digest or, after a handover, its address at the registry that keeps it now."""
    own = state.handovers.own(connection)
    if own is not None:
        return list_address(own.handover.after.url, slug, purpose)
    bases = [one.handover.before.url for one in state.handovers.before(connection)]
    addresses = (list_address(base, slug, purpose) for base in (state.settings.public_url, *bases))
    return next((found for one in addresses if (found := signed_list(connection, one)) is not None), None)


@router.post(
    "/status-lists",
    status_code=201,
    response_model=StatusListReply,
    openapi_extra={**body_of(StatusListRequest, {"statusPurpose": "revocation"}), "security": [{"token": []}]},
    responses={**problems(400, 401, 403, 409, 413, 415, 429, 503, 507)},
    dependencies=[Depends(vcalm_path)],
)
async def create_list(request: Request, principal: PrincipalDep, state: StateDep) -> Response:
    """One more status list for the caller, beside the pair made at registration; needs the scope `publish`."""
    require_scope(principal, "publish")
    asked = to_model(await read_json(request), StatusListRequest, vcalm=True)
    url = await state.sequencer.submit(
        AddList(principal.publisher_id, principal.did, principal.slug, asked.statusPurpose)
    )
    found = await state.database.point(signed_list, url)
    assert found is not None
    reply = json_reply(StatusListReply(id=url, verifiableCredential=json.loads(found[0])), status=201)
    reply.headers["Location"] = url
    return reply


@router.post(
    "/credentials/status",
    response_model=StatusReply,
    openapi_extra=body_of(SignedStatusRequest, _EXAMPLE),
    responses={**WRITE_PROBLEMS, **problems(401, 403, 404, 409)},
)
async def change_status(request: Request, state: StateDep) -> Response:
    """Change a status on a request signed by the credential's issuer; that signature is the authority, a token is not needed.

    For credentials issued with the registry's hosted key, VCALM's own form is accepted with a token of scope `issue`.
    """
    body = await read_json(request)
    now = state.clock()
    if isinstance(body, dict) and "credentialStatus" in body:
        wanted = await _hosted(request, state, body, now)
    else:
        keys = await _keys(state, body)
        wanted = await anyio.to_thread.run_sync(lambda: verified_request(body, now=now, keys=keys))
    outcome = await state.sequencer.submit(ChangeStatus(wanted))
    return json_reply(StatusReply(status=outcome.status, changed=outcome.changed, logIndex=outcome.log_index))


async def _keys(state: State, body: Any) -> KeyResolver:
    """Keys of did:web are fetched for those who have proven control of it here before, and for nobody else."""
    issuer = body.get("issuer") if isinstance(body, dict) else None
    if not isinstance(issuer, str) or not issuer.startswith("did:web:"):
        return did_key_resolver
    known = await state.database.point(publisher_by_did, issuer)
    return did_key_resolver if known is None else state.did_documents.keys_of(issuer)


async def _hosted(request: Request, state: State, body: Any, now: datetime) -> StatusChangeRequest:
    """Sign the request in the name of the hosted key, which issued the credential."""
    principal = await principal_of(request, state)
    require_scope(principal, "issue")
    asked = to_model(body, HostedStatusRequest)
    row = await state.database.point(by_id, asked.credentialId)
    signer = state.keys.hosted
    if row is None or signer is None or row.issuer != signer.controller or row.id != asked.credentialId:
        raise Problem("NOT_FOUND", "This registry issued no such credential", pointer="/credentialId")
    unsigned = new_status_change_request(
        credential_id=row.id,
        credential_digest=row.digest,
        purpose=asked.credentialStatus.statusPurpose,
        value=asked.status,
        reason=asked.reason,
        created=now,
        nonce=secrets.token_hex(16),
        issuer=row.issuer,
    )
    return parse_status_change_request(add_proof(unsigned, signer, created=now))
