"""Credentials of other profiles: never VALID here, and INVALID when a proof is bad.

Lives here: what can be said about a credential that no datasigil type or context claims. Not here: the VCALM endpoints that serve such
credentials (`service`).
"""

from __future__ import annotations

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import GENERIC, verify_proofs
from datasigil.encoding import JsonObject
from datasigil.errors import DatasigilError, MalformedError
from datasigil.verification.findings import Findings, Situation

# Codes that say what this verifier cannot judge, as opposed to what is wrong with the proof.
_UNKNOWN = frozenset({"KEY_UNKNOWN", "CONTEXT"})


def check_foreign(document: JsonObject, error: MalformedError, situation: Situation, findings: Findings) -> None:
    """Record steps 2 to 11 for a credential that is not of the dataset profile: undetermined, but its proofs are checked."""
    for step in (2, 3, 4):
        findings.undetermined(step, error)
    try:
        proofs = verify_proofs(document, keys=did_key_resolver, mode=GENERIC, at=situation.at)
        findings.passed(
            5,
            "its proofs hold under the keys that they name",
            found=", ".join(proof.verification_method for proof in proofs),
        )
    except DatasigilError as bad:
        (findings.undetermined if bad.code in _UNKNOWN else findings.failed)(5, bad)
    for step in range(6, 12):
        findings.not_checked(step, "it is not a dataset credential")
