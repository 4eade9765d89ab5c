"""What a worker hands in for a finished job: credential, receipt and card that belong together, without a training run.

Here: the smallest documents that the closed parsers accept. Not here: real runs (`trainees.py`).
"""

from typing import Any

from subjects import digest_of, model_subject

from datasigil.canonical import jcs, sha256_hex
from datasigil.models.card import NOT_PROVIDED
from datasigil.models.laws import facts_of
from datasigil.models.receipt import _TABLE, RECEIPT_TYPE, receipt_bytes

SAMPLES = {
    "text": "x", "count": 1, "digest": "ab" * 32, "instant": "2026-11-02T09:00:00Z", "decimal": "0.5", "truth": True, "open": {},
}  # fmt: skip


def filled(form: Any) -> Any:
    """Return the smallest value of a form of the receipt's table."""
    if isinstance(form, str):
        return SAMPLES[form]
    if isinstance(form, list):
        return [filled(form[0])]
    return {name: filled(inner) for name, inner, required in form if required}


def receipt_of(name: str) -> dict[str, Any]:
    """Return a receipt of the right form that tells of nothing."""
    receipt = {**filled(_TABLE), "type": RECEIPT_TYPE, "formatVersion": 1}
    receipt["run"]["name"] = name
    receipt_bytes(receipt)
    return receipt


def card_of(receipt: dict[str, Any]) -> dict[str, Any]:
    """Return a draft card in which nobody has said anything yet."""
    people = {
        fact.key: {"value": NOT_PROVIDED.format(fact.asked_by), "source": "human:", "assurance": "not-provided"}
        for fact in facts_of("")
    }
    name = {"value": receipt["run"]["name"], "source": "run#/run/name", "assurance": "computed"}
    return {
        "type": "ModelCard",
        "formatVersion": 1,
        "status": "draft",
        "receiptDigest": sha256_hex(jcs(receipt)),
        "sections": {"model": {"name": name}, "people": people},
    }


def model_result(publisher: Any, credentials: list[str], *, name: str = "Tiny clauses") -> dict[str, Any]:
    """Return credential, receipt and card of a run over the datasets with these credential ids, signed by a logged-in publisher."""
    receipt = receipt_of(name)
    card = card_of(receipt)
    subject = model_subject(
        [],
        name=name,
        trainingData=[
            {"credential": one, "credentialDigest": digest_of(one), "root": digest_of("root"), "rowsUsed": 3}
            for one in credentials
        ],
        receiptDigest=sha256_hex(jcs(receipt)),
        cardDigest=sha256_hex(jcs(card)),
    )
    return {
        "credential": publisher.issue(subject, "ModelTrainingCredential"),
        "receipt": receipt,
        "card": card,
    }
