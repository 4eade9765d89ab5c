"""The public face of the trust file: its values, reading, explaining and editing.

Lives here: names only. Not here: the values (`rules`), the strict parser (`policy_parser`), text (`policy_text`), which is imported when
it is asked for: a check never explains or edits.
"""

from __future__ import annotations

from datasigil.transparency.checkpoint import Witness
from datasigil.trust.policy_parser import parse_policy
from datasigil.trust.rules import (
    Compromise,
    IssuerRule,
    KeyPin,
    LicenseRules,
    LogRule,
    QualityRule,
    Requirements,
    TrustPolicy,
    default_policy,
)

__all__ = [
    "Compromise",
    "IssuerRule",
    "KeyPin",
    "LicenseRules",
    "LogRule",
    "QualityRule",
    "Requirements",
    "TrustPolicy",
    "Witness",
    "add_issuer",
    "add_log",
    "add_witness",
    "default_policy",
    "explain_policy",
    "parse_policy",
]


def explain_policy(policy: TrustPolicy) -> str:
    """Return what a policy means, in sentences for people; ends in a newline."""
    from datasigil.trust import policy_text

    return policy_text.explain_policy(policy)


def add_issuer(text: str, rule: IssuerRule) -> str:
    """Return the trust file's text with one more issuer; what was there stays as it is, comments included.

    Raises:
        MalformedError: POLICY_FILE, when the file is unreadable or names the issuer already.
    """
    from datasigil.trust import policy_text

    return policy_text.add_issuer(text, rule)


def add_log(text: str, rule: LogRule) -> str:
    """Return the trust file's text with one more log; as `add_issuer`."""
    from datasigil.trust import policy_text

    return policy_text.add_log(text, rule)


def add_witness(text: str, witness: Witness) -> str:
    """Return the trust file's text with one more witness; the quorum is left to the user."""
    from datasigil.trust import policy_text

    return policy_text.add_witness(text, witness)
