"""Reports: what a check established, what it did not, as of when and on whose word.

Lives here: the values (`model`), the table of reason codes (`codes`), text and HTML for people (`rendering`). Not here: deciding
(`verification`). Format: VerificationReport, formatVersion 1, described in docs/formats.md.
"""

from datasigil.report.model import (
    EXIT_CODES,
    FAILED,
    INDETERMINATE,
    INVALID,
    NOT_REQUIRED,
    PASSED,
    UNDETERMINED,
    VALID,
    Check,
    CredentialSummary,
    NextAction,
    PolicySummary,
    Report,
    Warn,
    decide,
)

__all__ = [
    "EXIT_CODES",
    "FAILED",
    "INDETERMINATE",
    "INVALID",
    "NOT_REQUIRED",
    "PASSED",
    "UNDETERMINED",
    "VALID",
    "Check",
    "CredentialSummary",
    "NextAction",
    "PolicySummary",
    "Report",
    "Warn",
    "decide",
]
