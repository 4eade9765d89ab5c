"""The registry's own decision about a credential, beside VCALM's `verified`.

Lives here: the evidence that the registry holds for a credential, put before `datasigil.verification` under the registry's
policy, whose digest the answer names. Not here: the plan itself, and any client's trust: another policy may decide otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from datasigil.bundle import Bundle, parse_bundle
from datasigil.canonical import document_digest
from service.credentials.bundles import bundle_of
from service.credentials.repository import by_digest
from service.policy import registry_policy
from service.state import State


@dataclass(frozen=True)
class Decision:
    """What the registry's policy makes of a credential."""

    decision: str  # VALID | INVALID | INDETERMINATE
    headline: str
    policy_digest: str
    checks: list[dict[str, Any]]
    warnings: list[dict[str, Any]]


def decide(connection: Connection, state: State, document: dict[str, Any], now: datetime) -> Decision:
    """Decide about a credential, with the evidence held here if it is registered, without any if not."""
    from datasigil.verification import verify

    digest = document_digest(document)
    row = by_digest(connection, digest)
    bundle = Bundle(credential=document)
    if row is not None:
        bundle = parse_bundle(bundle_of(connection, state, digest, state.released))
    report = verify(bundle, policy=registry_policy(connection, state, document), at=now, offline=True).report
    found = report.to_json()
    return Decision(
        report.decision, report.headline, report.policy.digest, list(found["checks"]), list(found["warnings"])
    )
