"""The one error tree of datasigil.

Lives here: the exception classes every package raises, each with a stable reason code and the place, expectation,
finding and next action a user needs. Not here: HTTP status (only `service/problems` knows it) and exit codes (only the
command lines know them).
"""

from __future__ import annotations


def _printable(text: str) -> str:
    """Text that every terminal and file can take: names from the command line may hold lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


class DatasigilError(Exception):
    """An error with a stable reason code and enough detail for the user to act on it."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        place: str = "",
        expected: str = "",
        found: str = "",
        next_action: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = _printable(place)
        self.expected = expected
        self.found = _printable(found)
        self.next_action = next_action

    def __str__(self) -> str:
        parts = [self.message]
        if self.place:
            parts.append(f"at {self.place}")
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        return "; ".join(parts)

    def at(self, place: str) -> DatasigilError:
        """Return this error with `place` put in front of where it was found."""
        self.place = place + self.place if self.place.startswith("/") else place
        return self


class MalformedError(DatasigilError):
    """Bytes or a document that do not have the form their specification demands."""


class VerificationError(DatasigilError):
    """Well-formed evidence that does not establish what it claims."""


class ProofError(VerificationError):
    """A Data Integrity proof that is missing, unsupported or does not verify."""


class StatusError(VerificationError):
    """A status list that is absent, stale, foreign, or says that a credential is revoked or suspended."""


class LogError(VerificationError):
    """A log proof, checkpoint or cosignature that does not establish inclusion or consistency."""


class ManifestMismatchError(VerificationError):
    """Files that differ from the manifest, or a manifest that differs from the signed claim."""


class UntrustedError(VerificationError):
    """An issuer, key or log that the trust file does not vouch for."""


class PolicyError(VerificationError):
    """A credential that verifies but does not meet the user's policy."""


__all__ = [
    "DatasigilError",
    "LogError",
    "MalformedError",
    "ManifestMismatchError",
    "PolicyError",
    "ProofError",
    "StatusError",
    "UntrustedError",
    "VerificationError",
]
