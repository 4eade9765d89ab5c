"""HTTP face of publishers: the registry's description, challenges, tokens.

Lives here: parse, call, answer. Not here: decisions (`presentations`, `operations`, `access`).
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from datasigil.encoding import Instant, b64url_encode
from datasigil.errors import MalformedError
from service import VERSION
from service.access import TOKEN_PREFIX, PrincipalDep, require_session, secret_hash
from service.documentation import READ_PROBLEMS, WRITE_PROBLEMS, body_of, problems
from service.limits import CHALLENGE_BYTES, TOKEN_BYTES
from service.publishers.operations import IssueChallenge, IssueToken, RevokeToken, challenge_refused
from service.publishers.presentations import claimed_login, verify_login
from service.publishers.repository import TokenRow, challenge_waits, tokens_of
from service.publishers.schemas import (
    ChallengeReply,
    ChallengeRequest,
    LogLinks,
    RegistryDescription,
    StatusListLinks,
    TokenList,
    TokenReply,
    TokenRequest,
    TokenSummary,
)
from service.replies import json_reply
from service.requests import read_model
from service.state import State, StateDep
from service.status_lists.signing import list_address

router = APIRouter(tags=["publishers"])

_PRESENTATION = {
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "type": ["VerifiablePresentation"],
    "holder": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    "proof": {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "proofPurpose": "authentication",
        "verificationMethod": "did:key:z6Mk…#z6Mk…",
        "challenge": "…",
        "domain": "https://registry.example",
        "created": "2026-11-24T09:00:00Z",
        "proofValue": "z…",
    },
}


@router.get("/.well-known/datasigil-registry.json", response_model=RegistryDescription, responses=READ_PROBLEMS)
async def describe_registry(state: StateDep) -> Response:
    """The registry's DID, its log and the keys that sign it."""
    description = RegistryDescription(
        did=state.keys.did,
        name=state.settings.name,
        version=VERSION,
        registration=state.settings.registration,
        log=log_links(state),
        hostedIssuer=state.keys.hosted.controller if state.keys.hosted else None,
        noticeKey=state.keys.notices.controller if state.keys.notices else None,
    )
    return json_reply(description, cache="public, max-age=300")


@router.post(
    "/challenges",
    response_model=ChallengeReply,
    responses=WRITE_PROBLEMS,
    openapi_extra=body_of(ChallengeRequest, {}, required=False),
)
async def create_challenge(request: Request, state: StateDep) -> Response:
    """A challenge that a presentation must sign within five minutes, once; VCALM's form: no body, or an empty object."""
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        await read_model(request, ChallengeRequest)
    value = b64url_encode(secrets.token_bytes(CHALLENGE_BYTES))
    expires = await state.sequencer.submit(IssueChallenge(value))
    reply = ChallengeReply(challenge=value, domain=state.settings.public_url, expires=timestamp(expires))
    return json_reply(reply)


@router.post(
    "/tokens",
    status_code=201,
    response_model=TokenReply,
    responses={**WRITE_PROBLEMS, **problems(401, 403, 409)},
    openapi_extra=body_of(
        TokenRequest, {"verifiablePresentation": _PRESENTATION, "name": "laptop", "scopes": ["publish", "status"]}
    ),
)
async def create_token(request: Request, state: StateDep) -> Response:
    """Trade proof of control of a DID for a scoped token that expires; the secret is shown this once."""
    body = await read_model(request, TokenRequest)
    now = state.clock()
    claimed = claimed_login(body.verifiablePresentation)
    waiting = await state.database.point(challenge_waits, secret_hash(claimed.challenge), int(now.timestamp()))
    if claimed.did.startswith("did:web:"):
        _require_resolvable(state, claimed.did)
        if not waiting:
            raise challenge_refused()  # nothing is fetched for somebody who did not ask for a challenge first
    keys = state.did_documents.keys_of(claimed.did)
    login = await anyio.to_thread.run_sync(
        lambda: verify_login(body.verifiablePresentation, domain=state.settings.public_url, now=now, keys=keys)
    )
    token = TOKEN_PREFIX + b64url_encode(secrets.token_bytes(TOKEN_BYTES))
    publisher, row = await state.sequencer.submit(
        IssueToken(
            did=login.did,
            challenge=login.challenge,
            token=token,
            token_id=secrets.token_hex(8),
            name=body.name,
            scopes=tuple(sorted(set(body.scopes))),
            seconds=body.days * 24 * 3600,
            registration=state.settings.registration,
        )
    )
    lists = {
        purpose: list_address(state.settings.public_url, publisher.slug, purpose)
        for purpose in ("revocation", "suspension")
    }
    reply = TokenReply(
        token=token,
        id=row.id,
        did=publisher.did,
        scopes=list(row.scopes),
        expires=timestamp(row.expires_at),
        statusLists=StatusListLinks(**lists),
        statusIssuer=state.keys.did,
        log=log_links(state),
    )
    return json_reply(reply, status=201)


def _require_resolvable(state: State, did: str) -> None:
    try:
        state.did_documents.address(did)
    except MalformedError as error:
        raise error.at("/verifiablePresentation/holder") from None


@router.get(
    "/tokens",
    response_model=TokenList,
    responses={**READ_PROBLEMS, **problems(401)},
    openapi_extra={"security": [{"token": []}]},
)
async def list_tokens(principal: PrincipalDep, state: StateDep) -> Response:
    """The caller's live tokens, without their secrets."""
    rows = await state.database.read(tokens_of, principal.publisher_id, int(state.clock().timestamp()))
    return json_reply(TokenList(items=[_summary(row) for row in rows]))


@router.delete(
    "/tokens/{token_id}",
    status_code=204,
    responses={**problems(401, 403, 404, 429, 503, 507)},
    openapi_extra={"security": [{"token": []}]},
)
async def delete_token(token_id: str, principal: PrincipalDep, state: StateDep) -> Response:
    """Revoke one of the caller's tokens."""
    require_session(principal)
    await state.sequencer.submit(RevokeToken(token_id, principal.publisher_id, principal.did))
    state.tokens.forget(token_id)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def log_links(state: State) -> LogLinks:
    """Where the log is and which keys sign it."""
    return LogLinks(
        origin=state.keys.origin,
        url=state.settings.log_url,
        key=str(state.keys.log_key),
        timeKey=str(state.keys.time_key),
    )


def timestamp(seconds: int) -> str:
    """RFC 3339 of whole seconds since 1970 UTC."""
    return str(Instant.from_datetime(datetime.fromtimestamp(seconds, tz=UTC)))


def _summary(row: TokenRow) -> TokenSummary:
    return TokenSummary(
        id=row.id,
        name=row.name,
        scopes=list(row.scopes),
        created=timestamp(row.created_at),
        expires=timestamp(row.expires_at),
    )
