"""Issuers for conformance suites: one path per cryptosuite, no authentication, development mode only.

Lives here: the endpoints below `/issuers`, their keys (made at start, in memory) and their status lists. Not here: the data
model (`data_model`), verification (`vcalm`). `python -m service serve --dev` refuses any address but loopback; nothing issued
here is logged or stored. Contract: what the public suites of W3C and W3C CCG send and expect.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Path, Request, Response

from datasigil.canonical import jcs, sha256_hex
from datasigil.credentials.contexts import CREDENTIALS_V1
from datasigil.credentials.generic import check_generic_credential, with_integrity_context
from datasigil.credentials.status_list import new_status_list_credential
from datasigil.encoding import GENERIC
from datasigil.errors import DatasigilError
from datasigil.signing import LocalSigner, add_proof
from service.credentials.answering import answer_credential, answer_presentation
from service.credentials.schemas import IssueReply, IssueRequest, VerifyCredentialRequest, VerifyPresentationRequest
from service.credentials.vcalm import REPLIES
from service.documentation import problems
from service.limits import STATUS_LIST_BITS, STATUS_LIST_VALID_SECONDS
from service.problems import BAD_REQUEST, Problem
from service.replies import PRIVATE, bytes_reply, credential_reply, json_reply
from service.requests import read_model, vcalm_path
from service.state import State, StateDep

router = APIRouter(prefix="/issuers", tags=["development"], dependencies=[Depends(vcalm_path)], include_in_schema=False)

_STATUS_ISSUER = "bitstring-status-list"
# Issuer name -> (cryptosuite, kind of key).
_ISSUERS = {
    "eddsa-jcs-2022": ("eddsa-jcs-2022", "ed25519"),
    "eddsa-rdfc-2022": ("eddsa-rdfc-2022", "ed25519"),
    "ecdsa-jcs-2019-p256": ("ecdsa-jcs-2019", "p256"),
    "ecdsa-jcs-2019-p384": ("ecdsa-jcs-2019", "p384"),
    "ecdsa-rdfc-2019-p256": ("ecdsa-rdfc-2019", "p256"),
    "ecdsa-rdfc-2019-p384": ("ecdsa-rdfc-2019", "p384"),
    _STATUS_ISSUER: ("eddsa-rdfc-2022", "ed25519"),
}
IssuerName = Annotated[str, Path(max_length=64)]


@dataclass
class DevIssuers:
    """The keys of one development run."""

    signers: dict[str, LocalSigner] = field(
        default_factory=lambda: {name: LocalSigner.generate(kind) for name, (_, kind) in _ISSUERS.items()}
    )


async def dev_issuers(request: Request) -> DevIssuers:
    """The issuers of this app, made on first use."""
    found = getattr(request.app.state, "dev_issuers", None)
    if found is None:
        found = request.app.state.dev_issuers = DevIssuers()
    assert isinstance(found, DevIssuers)
    return found


IssuersDep = Annotated[DevIssuers, Depends(dev_issuers)]


@router.get("")
async def list_issuers(issuers: IssuersDep, state: StateDep) -> dict[str, Any]:
    """What a suite's configuration needs: each issuer's DID, suite and endpoints."""
    base = f"{state.settings.public_url}/issuers"
    return {
        name: {
            "id": signer.controller,
            "cryptosuite": _ISSUERS[name][0],
            "issue": f"{base}/{name}/credentials/issue",
            "verify": f"{base}/{name}/credentials/verify",
            "verifyPresentation": f"{base}/{name}/presentations/verify",
        }
        for name, signer in issuers.signers.items()
    }


@router.post(
    "/{name}/credentials/issue", status_code=201, response_model=IssueReply, responses={**REPLIES, **problems(404)}
)
async def issue(request: Request, name: IssuerName, state: StateDep, issuers: IssuersDep) -> Response:
    """Sign any conforming credential with this issuer's key."""
    signer = _signer(issuers, name)
    body = await read_model(request, IssueRequest, profile=GENERIC)
    now = state.clock()
    base = state.settings.public_url if name == _STATUS_ISSUER else None
    signed = await anyio.to_thread.run_sync(lambda: _issue(body.credential, signer, _ISSUERS[name][0], now, base))
    return json_reply(IssueReply(verifiableCredential=signed), status=201)


@router.post("/{name}/credentials/verify", responses=REPLIES)
async def verify_credential(request: Request, name: IssuerName, state: StateDep, issuers: IssuersDep) -> Response:
    """The same verification as `/credentials/verify`."""
    _signer(issuers, name)
    body = await read_model(request, VerifyCredentialRequest, profile=GENERIC)
    return bytes_reply(await answer_credential(state, body, state.clock()))


@router.post("/{name}/presentations/verify", responses=REPLIES)
async def verify_presentation(request: Request, name: IssuerName, state: StateDep, issuers: IssuersDep) -> Response:
    """The same verification as `/presentations/verify`."""
    _signer(issuers, name)
    return await answer_presentation(state, await read_model(request, VerifyPresentationRequest, profile=GENERIC))


@router.get("/status/{purpose}")
async def status_list(
    request: Request,
    purpose: Annotated[str, Path(pattern="^(revocation|suspension)$")],
    state: StateDep,
    issuers: IssuersDep,
) -> Response:
    """The list that credentials of the status issuer name; nothing in it is ever set."""
    signer = issuers.signers[_STATUS_ISSUER]
    data = jcs(await anyio.to_thread.run_sync(lambda: _list(state, signer, purpose)))
    return credential_reply(request, data, etag=sha256_hex(data), cache=PRIVATE)


def _issue(
    credential: dict[str, Any], signer: LocalSigner, suite: str, now: datetime, status_base: str | None
) -> dict[str, Any]:
    try:
        if "proof" in credential:
            raise Problem(
                "SCHEMA",
                "The credential to issue is signed already",
                status=BAD_REQUEST,
                pointer="/proof",
                expected="a credential without proof",
            )
        check_generic_credential(credential)
        document = with_integrity_context(credential)
        if status_base is not None and document["@context"][0] != CREDENTIALS_V1:
            document["credentialStatus"] = _entry(status_base)
        return add_proof(document, signer, created=now.replace(microsecond=0), cryptosuite=suite)
    except DatasigilError as error:
        raise error.at("/credential") from None


def _entry(base: str) -> dict[str, Any]:
    url = f"{base}/issuers/status/revocation"
    index = str(secrets.randbelow(STATUS_LIST_BITS))
    return {
        "id": f"{url}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": index,
        "statusListCredential": url,
        "statusMessage": [{"status": "0x0", "message": "valid"}, {"status": "0x1", "message": "revoked"}],
        "statusReference": f"{base}/issuers",
    }


def _list(state: State, signer: LocalSigner, purpose: str) -> dict[str, Any]:
    now = state.clock().replace(microsecond=0)
    unsigned = new_status_list_credential(
        list_id=f"{state.settings.public_url}/issuers/status/{purpose}",
        issuer=signer.controller,
        purpose=purpose,
        bits=bytes(STATUS_LIST_BITS // 8),
        valid_from=now,
        valid_until=now + timedelta(seconds=STATUS_LIST_VALID_SECONDS),
    )
    return add_proof(unsigned, signer, created=now, cryptosuite="eddsa-rdfc-2022")


def _signer(issuers: DevIssuers, name: str) -> LocalSigner:
    signer = issuers.signers.get(name)
    if signer is None:
        raise Problem("NOT_FOUND", "There is no development issuer of this name", next_action="GET /issuers lists them")
    return signer
