"""The registry's own decision about a credential, beside VCALM's `verified`.

Lives here: the evidence that the registry holds for a credential, put before `datasigil.verification` under the registry's
policy, whose digest the answer names. Not here: the plan itself, and any client's trust: another policy may decide otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from datasigil.bundle import Bundle
from datasigil.canonical import document_digest
from datasigil.credentials.proof import VerifiedProof
from datasigil.credentials.types import Credential
from datasigil.errors import MalformedError
from datasigil.verification import verify
from datasigil.verification.memory import Memory
from service.credentials.evidence import Gathered
from service.state import State


@dataclass(frozen=True)
class Decision:
    """What the registry's policy makes of a credential.

    `parsed` is what the closed parser made of it, if it took it; `proofs` are those that the plan verified, all that there are, by keys that
    the issuer's DID itself is made of. Both are facts whatever the decision is.
    """

    decision: str  # VALID | INVALID | INDETERMINATE
    headline: str
    policy_digest: str
    checks: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    parsed: Credential | None
    proofs: tuple[VerifiedProof, ...]


def decide(connection: Connection, state: State, document: dict[str, Any], now: datetime) -> Decision:
    """Decide about a credential, with the evidence held here if it is registered, without any if not."""
    digest, issuer = document_digest(document), _issuer_of(document)
    view = state.evidence.view(state)
    evidence = state.evidence.gathered(connection, state, view, document, digest, issuer, lasting=False)
    return _judge(document, evidence, issuer, now, state.evidence.facts)


def decide_now(
    state: State, document: dict[str, Any], now: datetime, *, brief: bool = False, lasting: bool = False
) -> Decision:
    """Decide in this thread; without asking the database where the evidence is in memory.

    What is established about a document that is `lasting`, the same object next time, is remembered.

    Raises:
        NotBriefError: when `brief` is asked for and other credentials have to be judged as well.
    """
    memory = state.evidence.brief_facts if brief and lasting else state.evidence.facts
    parsed = _parsed(memory, document) if brief else None
    digest = document_digest(document) if parsed is None else parsed.digest
    issuer = _issuer_of(document)
    view = state.evidence.view(state)
    evidence = state.evidence.remembered(view, document, digest, issuer)
    if evidence is None:
        with state.database.asking_inline() if brief else state.database.reading() as connection:
            evidence = state.evidence.gathered(
                connection, state, view, document, digest, issuer, brief=brief, lasting=lasting
            )
    return _judge(document, evidence, issuer, now, memory, parsed=parsed)


def _parsed(memory: Memory, document: dict[str, Any]) -> Credential | None:
    """What the closed parser makes of the document, None if it refuses it; the plan says why."""
    try:
        return memory.credential(document)
    except MalformedError:
        return None


def _judge(
    document: dict[str, Any],
    evidence: Gathered,
    issuer: str,
    now: datetime,
    memory: Memory,
    *,
    parsed: Credential | None = None,
) -> Decision:
    policy, bundle = evidence.policy, evidence.bundle or Bundle(credential=document)
    outcome = verify(bundle, policy=policy, at=now, offline=True, memory=memory, parsed=parsed)
    report, rule, signed = outcome.report, policy.issuer(issuer), outcome.signed
    own = issuer.startswith("did:key:") and (rule is None or not rule.keys)
    return Decision(
        report.decision,
        report.headline,
        report.policy.digest,
        [one.to_json() for one in report.checks],
        [one.to_json() for one in report.warnings],
        parsed=outcome.attested.credential if outcome.attested is not None else None,
        proofs=tuple(proof for proof, _ in signed.proofs) if signed is not None and own else (),
    )


def _issuer_of(document: dict[str, Any]) -> str:
    issuer = document.get("issuer")
    did = issuer.get("id") if isinstance(issuer, dict) else issuer
    return did if isinstance(did, str) else ""
