"""On whose word each established fact rests: what this program computed, the user's own trust file, the signer, the log, or others.

Lives here: that attribution, in words for reports. Not here: deciding; nothing depends on these words. A report must not let a signer's
claim read like a computed fact (DESIGN.md sections 3 and 4, "assurance").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from datasigil.credentials.types import Credential
from datasigil.report import PASSED, Check
from datasigil.trust.rules import TrustPolicy
from datasigil.verification.logged import Logged

HERE: Final = "nobody: computed here"
TRUST_FILE: Final = "your own trust file"

_COMPUTED: Final = (1, 2, 3, 5, 9)
# Checks of step 11 that others than the signer answer.
_OTHERS: Final = {"approvals": "those who approved it", "derivation": "whoever signed the lineage credential"}


def attribute(
    checks: Sequence[Check], credential: Credential | None, logged: Logged | None, policy: TrustPolicy
) -> tuple[Check, ...]:
    """Return the checks, each that passed with the word that it rests on."""
    if credential is None:
        return tuple(_with(check, HERE) if _stands(check) and check.step in _COMPUTED else check for check in checks)
    return tuple(
        _with(check, _word(check, credential, logged, policy)) if _stands(check) else check for check in checks
    )


def _with(check: Check, word: str) -> Check:
    # Spelled out, because it is done a dozen times in every check, and `replace` asks for every member by name.
    return Check(
        check.step, check.name, check.outcome, check.code, check.message, check.expected, check.found, check.place,
        check.next_action, word,
    )  # fmt: skip


def _stands(check: Check) -> bool:
    return check.outcome == PASSED


def _word(check: Check, credential: Credential, logged: Logged | None, policy: TrustPolicy) -> str:
    if check.step in _COMPUTED or check.name == "steps":
        return HERE
    if check.step == 4 or check.name == "signing key":
        return TRUST_FILE
    if check.step == 7:
        witnessed = check.name == "witnesses" or (
            check.name == "log time" and logged is not None and logged.basis == "witnessed"
        )
        return "the witnesses of your trust file" if witnessed else f"the log {credential.log_origin}"
    if check.step == 8:
        entry = next((one for one in credential.status if one.purpose == check.name), None)
        return f"the status signer {_name(entry.issuer, policy)}" if entry is not None else ""
    if check.step == 10:
        return "the signers of the datasets it was made from"
    return _of_policy(check, credential, policy)


def _of_policy(check: Check, credential: Credential, policy: TrustPolicy) -> str:
    if check.name in _OTHERS:
        return _OTHERS[check.name]
    if "granted to you" in check.message:
        return "whoever granted the licence to you"
    if "shown by the log" in check.message:
        return f"the log {credential.log_origin}"
    who = "the observer" if credential.subject.get("role") == "observer" else "the signer"
    return f"{who}, {_name(credential.issuer, policy)}"


def _name(did: str, policy: TrustPolicy) -> str:
    rule = policy.issuer(did)
    return rule.name if rule is not None else did


__all__ = ["HERE", "TRUST_FILE", "attribute"]
