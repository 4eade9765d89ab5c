"""What `/credentials/verify` and `/presentations/verify` answer.

Lives here: VCALM's members (`verified`, `problemDetails`, `results`, what it asks to be returned) beside this registry's decision
with checks, reason codes, next actions and time. Not here: verification (`verifying`), deciding (`decision`), endpoints (`vcalm`).
Spec: W3C VCALM 1.0 (working draft of August 2026), OpenAPI components VerifyCredentialResult and VerifyPresentationResult; a credential
that fails is answered with 400, as the public suites want it, whose problem says the same in the same members.
"""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

import anyio.to_thread
from fastapi import Response

from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.faster import Faster
from service.credentials.decision import Decision, decide, decide_now
from service.credentials.evidence import NotBriefError
from service.credentials.registration import signed_in_jcs
from service.credentials.schemas import (
    CredentialResult,
    Decided,
    Options,
    PresentationResult,
    ProblemDetail,
    VerifyCredentialRequest,
    VerifyPresentationRequest,
)
from service.credentials.verifying import Verified, verified_credential, verified_presentation
from service.limits import INLINE_MAX_BYTES, REQUEST_MAX_BYTES
from service.problems import BAD_REQUEST, PROBLEM_BASE, Problem, plain_message, status_of
from service.replies import json_bytes, json_reply
from service.state import State

_WORST_FIRST: tuple[Decided, ...] = ("INVALID", "INDETERMINATE", "VALID")
# VCALM calls a revoked credential verified; whoever reads `verified` alone must at least find the warning.
_STATUS_CODES = frozenset({"REVOKED", "SUSPENDED"})
_NO_OPTIONS = Options()
_ASKED_FOR = ("credential", "problemDetails", "results")  # members that only a client who asks gets


async def answer_credential(
    state: State,
    body: VerifyCredentialRequest,
    now: datetime,
    *,
    size: int = REQUEST_MAX_BYTES,
    lasting: bool = False,
) -> bytes:
    """The answer, as of `now`, to a verification that did not fail; `size` is the request's, in bytes.

    Of a `lasting` document, which is the same object when it is asked about again, it is remembered what was established.

    Raises:
        Problem: why it did, with `verified`, `decision`, `asOf` and `checks` in the problem.
    """
    document, options = body.verifiableCredential, body.options or _NO_OPTIONS
    check = functools.partial(_checked, state, document, now, place="/verifiableCredential", lasting=lasting)
    try:
        if not (state.database.is_sqlite and size <= INLINE_MAX_BYTES and signed_in_jcs(document)):
            raise NotBriefError
        verified, decision = check(brief=True)  # in less time than a change of threads takes
    except NotBriefError:
        verified, decision = await anyio.to_thread.run_sync(check, limiter=state.database.limiter)
    return _written(_members(document, verified, decision, options, now))


def _checked(
    state: State, document: dict[str, Any], now: datetime, *, place: str, brief: bool = False, lasting: bool = False
) -> tuple[Verified, Decision]:
    """Decide, and verify as VCALM means it with what deciding has established."""
    decision = decide_now(state, document, now, brief=brief, lasting=lasting)
    try:
        verified = verified_credential(document, now=now, place=place, parsed=decision.parsed, proofs=decision.proofs)
    except DatasigilError as error:
        raise _judged(error, now) from None
    return verified, decision


async def answer_presentation(state: State, body: VerifyPresentationRequest) -> Response:
    """The answer to a presentation whose verification did not fail.

    Raises:
        Problem: as `answer_credential`.
    """
    now, document, options = state.clock(), body.verifiablePresentation, body.options or Options()
    try:
        whole, inside = await anyio.to_thread.run_sync(lambda: verified_presentation(document, options, now=now))
    except DatasigilError as error:
        raise _judged(error, now) from None
    listed = document.get("verifiableCredential", [])
    credentials = listed if isinstance(listed, list) else [listed]
    results = [
        CredentialResult.model_construct(
            **_members(one, verified, await state.database.read(decide, state, one, now), options, now)
        )
        for one, verified in zip(credentials, inside, strict=True)
    ]
    return json_reply(_presentation_result(document, whole, results, options, now))


def _judged(error: DatasigilError, now: datetime) -> DatasigilError:
    """What a failed verification is answered with; a fault that is not the credential's stays what it is."""
    return _refusal(error, now) if status_of(error, vcalm=True) == BAD_REQUEST else error


def _refusal(error: DatasigilError, now: datetime) -> Problem:
    """The problem of a credential that is not verified; nothing of its content is repeated."""
    failed = {"name": "verification", "outcome": "failed", "code": error.code, "message": plain_message(error)}
    optional = {"place": error.place, "expected": error.expected, "nextAction": error.next_action}
    failed.update({name: value for name, value in optional.items() if value})
    return Problem(
        error.code,
        plain_message(error),
        status=BAD_REQUEST,
        pointer=error.place,
        expected=error.expected,
        next_action=error.next_action or "ask the issuer for a credential that verifies; nothing was stored",
        extra={"verified": False, "decision": "INVALID", "asOf": _time(now), "checks": [failed]},
    )


# Writes text and whole numbers as pydantic does, in less time.
_ORJSON = Faster("orjson")


def _written(members: dict[str, Any]) -> bytes:
    """The JSON of a `CredentialResult` with these members: all of them our own, unless the client asked for parts of its document."""
    orjson = _ORJSON.module()
    if orjson is None or any(members[name] is not None for name in _ASKED_FOR):
        return json_bytes(CredentialResult.model_construct(**members))
    return bytes(orjson.dumps({name: value for name, value in members.items() if value is not None}))


def _members(
    document: dict[str, Any], verified: Verified, decision: Decision, options: Options, now: datetime
) -> dict[str, Any]:
    """The members of the `CredentialResult` of a verification that did not fail."""
    warnings = [*verified.warnings(), *decision.warnings, *_status_warnings(decision)]
    return {
        "verified": True,
        "credential": document if options.returnCredential else None,
        "problemDetails": _details(warnings) if options.returnProblemDetails else None,
        "results": _results(document, verified) if options.returnResults else None,
        "decision": decision.decision,
        "headline": decision.headline,
        "policyDigest": decision.policy_digest,
        "asOf": _time(now),
        "checks": [*verified.checks(), *decision.checks],
        "warnings": warnings or None,
    }


def _presentation_result(
    document: dict[str, Any], whole: Verified, results: list[CredentialResult], options: Options, now: datetime
) -> PresentationResult:
    warnings = whole.warnings()
    decided = {one.decision for one in results} or {"INDETERMINATE"}  # nothing inside is nothing established
    decision = next(one for one in _WORST_FIRST if one in decided)
    inside = [one.model_dump(include={"verified", "credential", "problemDetails", "results"}) for one in results]
    held = {name: {"verified": True, "input": getattr(options, name)} for name in ("challenge", "domain")}
    held = {name: value for name, value in held.items() if value["input"] is not None}
    presented: dict[str, Any] = {**held, "proof": _proofs(document)}
    if isinstance(document.get("holder"), str):
        presented["holder"] = {
            "verified": all(proof.by_issuer for proof in whole.proofs),
            "input": document["holder"],
        }
    found = {
        "presentation": presented,
        "credentials": [{name: value for name, value in one.items() if value is not None} for one in inside],
    }
    return PresentationResult(
        verified=True,
        verifiablePresentation=document if options.returnPresentation else None,
        problemDetails=_details(warnings) if options.returnProblemDetails else None,
        results=found if options.returnResults else None,
        decision=decision,
        headline=f"{decision}: {len(results)} credentials inside"
        if results
        else "the presentation holds no credential",
        asOf=_time(now),
        checks=whole.checks(),
        warnings=warnings or None,
        credentialResults=results,
    )


def _results(document: dict[str, Any], verified: Verified) -> dict[str, Any]:
    """VCALM's results, for what was verified: the period and every proof."""
    found: dict[str, Any] = {
        name: {"verified": True, "input": document[name]} for name in ("validFrom", "validUntil") if name in document
    }
    assert verified.proofs
    return {**found, "proof": _proofs(document)}


def _proofs(document: dict[str, Any]) -> list[dict[str, Any]]:
    proof = document.get("proof")
    return [{"verified": True, "input": one} for one in (proof if isinstance(proof, list) else [proof])]


def _status_warnings(decision: Decision) -> list[dict[str, Any]]:
    return [
        {"code": one["code"], "message": one.get("message", "the credential's status was changed by its issuer")}
        for one in decision.checks
        if one.get("code") in _STATUS_CODES
    ]


def _details(warnings: list[dict[str, Any]]) -> list[ProblemDetail]:
    return [
        ProblemDetail(type=f"{PROBLEM_BASE}{one['code']}", title=one["code"], detail=one["message"]) for one in warnings
    ]


def _time(now: datetime) -> str:
    return str(Instant.from_datetime(now))
