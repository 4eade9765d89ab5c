"""Checking a job's result before it is accepted: documents that belong together and to this job.

Lives here: CPU only, no database. Not here: whether the lease still counts (`operations`), HTTP (`jobs`). That the gate was passed is the worker's
word: the registry holds credential, receipt, card and recipe against each other and no more.
"""

from __future__ import annotations

import hashlib
from typing import Any

from datasigil.canonical import jcs
from datasigil.errors import DatasigilError
from datasigil.models.card import card_bytes
from datasigil.models.receipt import receipt_bytes
from service.access import require_scope
from service.access_cache import Principal
from service.credentials.registration import Context, Registration, check
from service.problems import Problem
from service.state import State
from service.training.answering import recipe_of
from service.training.operations import AcceptResult
from service.training.recipes import credentials_of
from service.training.repository import Held, JobRow
from service.training.schemas import ResultRequest


def result_operation(given: ResultRequest, row: JobRow, principal: Principal, state: State) -> AcceptResult:
    """The checked result, as the operation that accepts it.

    Raises:
        Problem: RESULT_MISMATCH, SCOPE_MISSING; as `registration.check`.
    """
    registration, receipt, card = None, b"", b""
    if given.outcome == "finished":
        registration, receipt, card = _checked_run(given, row, principal, state)
    report: dict[str, Any] = {}
    note = ""
    if given.refusal is not None:
        report, note = given.refusal.model_dump(exclude_none=True), given.refusal.headline[:500]
    if given.error is not None:
        report, note = given.error.model_dump(exclude_defaults=True), f"{given.error.code}: {given.error.message}"[:500]
    content = {"outcome": given.outcome, "report": report}
    digest = hashlib.sha256(jcs(content))
    digest.update(registration.document if registration is not None else b"")
    return AcceptResult(
        held=Held(row.id, principal.did, given.worker, given.attempt),
        outcome=given.outcome,
        digest=digest.hexdigest(),
        note=note,
        report=jcs(report) if report else b"",
        receipt=receipt,
        card=card,
        registration=registration,
    )


def _checked_run(
    given: ResultRequest, row: JobRow, principal: Principal, state: State
) -> tuple[Registration, bytes, bytes]:
    """Credential, receipt and card that belong together and to this job."""
    require_scope(principal, "publish")
    assert given.receipt is not None and given.card is not None  # noqa: PT018 - the model has checked both
    keys = state.did_documents.keys_of(principal.did)
    context = Context(state.settings.public_url, state.keys.origin, state.keys.did, state.clock(), keys)
    registration = check(given.credential, None, public=False, principal=principal, context=context)
    credential = registration.credential
    if credential.type != "ModelTrainingCredential":
        raise _mismatch("/credential/type", "ModelTrainingCredential")
    try:
        receipt = receipt_bytes(given.receipt)
    except DatasigilError as error:
        raise error.at("/receipt") from None
    try:
        card = card_bytes(given.card)
    except DatasigilError as error:
        raise error.at("/card") from None
    for name, data in (("receipt", receipt), ("card", card)):
        if credential.subject[f"{name}Digest"] != hashlib.sha256(data).hexdigest():
            raise _mismatch(f"/{name}", f"the {name} whose digest the credential signs")
    if given.card["receiptDigest"] != credential.subject["receiptDigest"]:
        raise _mismatch("/card/receiptDigest", "the digest of the receipt")
    used = tuple(sorted({str(one["credential"]) for one in credential.subject["trainingData"]}))
    if used != credentials_of(recipe_of(row)):
        raise _mismatch("/credential/credentialSubject/trainingData", "the datasets that the job's recipe names")
    return registration, receipt, card


def _mismatch(pointer: str, expected: str) -> Problem:
    return Problem(
        "RESULT_MISMATCH", "The result does not belong to this job", status=422, pointer=pointer, expected=expected
    )
