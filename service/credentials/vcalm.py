"""VCALM's issue and verify endpoints.

Lives here: `/credentials/issue` with the hosted key, `/credentials/verify`, `/presentations/verify`. Not here: the dataset
profile's verdicts (`decision`), what is answered (`answering`), development issuers (`dev_issuers`), status updates (`status_lists.endpoints`).
Spec: W3C VCALM 1.0 (working draft), with the replies that the public suites expect: 201 for issued, 200 or 400 for verified.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Depends, Request, Response

from datasigil.encoding import GENERIC
from service.access import PrincipalDep, principal_of, require_scope
from service.credentials.answering import answer_credential, answer_presentation
from service.credentials.idempotency import idempotency_key
from service.credentials.issuing import IssueHosted
from service.credentials.schemas import (
    CredentialResult,
    IssueReply,
    IssueRequest,
    PresentationResult,
    VerifyCredentialRequest,
    VerifyPresentationRequest,
)
from service.documentation import body_of, problems, refused
from service.express import Endpoint
from service.problems import Problem
from service.replies import bytes_reply
from service.requests import parse_body, read_body, read_model, to_model, vcalm_path
from service.state import State, StateDep

router = APIRouter(tags=["VCALM"], dependencies=[Depends(vcalm_path)])

REPLIES = problems(400, 413, 415, 429, 503, 507)
VERIFY_REPLIES = {**problems(413, 415, 429, 503, 507), **refused()}
_CREDENTIAL = {
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "type": ["VerifiableCredential"],
    "issuer": "did:key:z6Mk…",
    "credentialSubject": {"id": "urn:uuid:7c0f0c26-8b0e-4c8e-9bd5-5fb4ed1e6d77"},
}


@router.post(
    "/credentials/issue",
    status_code=201,
    response_model=IssueReply,
    responses={**REPLIES, **problems(401, 403, 404, 409)},
    openapi_extra={**body_of(IssueRequest, {"credential": _CREDENTIAL, "options": {}}), "security": [{"token": []}]},
)
async def issue(request: Request, principal: PrincipalDep, state: StateDep) -> Response:
    """Complete, sign and register a dataset-profile credential with the registry's hosted key; needs the scope `issue`."""
    require_scope(principal, "issue")
    raw = await read_body(request)
    body = to_model(parse_body(raw), IssueRequest, vcalm=True)
    if state.keys.hosted is None:
        raise Problem("NOT_FOUND", "This registry has no hosted key; sign locally and POST /credentials")
    key = idempotency_key(request, principal.publisher_id, raw)
    issued = await state.sequencer.submit(IssueHosted(body.credential, state.keys.hosted, state.settings.log_url, key))
    return bytes_reply(
        b'{"verifiableCredential":' + issued + b"}", status=201
    )  # an `IssueReply` around the signed bytes


@router.post(
    "/credentials/verify",
    response_model=CredentialResult,
    responses=VERIFY_REPLIES,
    openapi_extra=body_of(VerifyCredentialRequest, {"verifiableCredential": {**_CREDENTIAL, "proof": {}}}),
)
async def verify_credential(request: Request, state: StateDep) -> Response:
    """Verify proofs and the data model of any VC; for the dataset profile, decide under this registry's policy."""
    raw, now = await read_body(request), state.clock()
    answer = state.evidence.answer(state, raw, now)
    if answer is None:
        body = state.evidence.request(raw) or to_model(
            parse_body(raw, profile=GENERIC), VerifyCredentialRequest, vcalm=True
        )
        again = state.evidence.asked_before(raw)
        answer = await answer_credential(state, body, now, size=len(raw), lasting=again)
        if again:
            state.evidence.keep(raw, body)
        state.evidence.keep_answer(state, raw, now, answer)
    return bytes_reply(answer)


async def _issue(request: Request, state: State) -> Response:
    await vcalm_path(request)
    return await issue(request, await principal_of(request, state), state)


async def _verify(request: Request, state: State) -> Response:
    await vcalm_path(request)
    return await verify_credential(request, state)


EXPRESS: Mapping[str, Endpoint] = {"/credentials/issue": _issue, "/credentials/verify": _verify}


@router.post(
    "/presentations/verify",
    response_model=PresentationResult,
    responses=VERIFY_REPLIES,
    openapi_extra=body_of(
        VerifyPresentationRequest,
        {
            "verifiablePresentation": {
                "@context": ["https://www.w3.org/ns/credentials/v2"],
                "type": ["VerifiablePresentation"],
                "proof": {},
            },
            "options": {"challenge": "…", "domain": "https://registry.example"},
        },
    ),
)
async def verify_presentation(request: Request, state: StateDep) -> Response:
    """Verify a presentation's proof for a challenge and domain, and every credential inside."""
    body = await read_model(request, VerifyPresentationRequest, profile=GENERIC)
    return await answer_presentation(state, body)
