"""The report and its parts, as values, with their versioned JSON.

Lives here: decisions, checks, warnings, the report. Not here: how they look (`rendering`) and how they come about
(`verification`). Format: VerificationReport, formatVersion 1 (docs/formats.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from datasigil.record import dataclass

VALID: Final = "VALID"
INVALID: Final = "INVALID"
INDETERMINATE: Final = "INDETERMINATE"
EXIT_CODES: Final = {VALID: 0, INVALID: 1, INDETERMINATE: 3}

PASSED: Final = "passed"
FAILED: Final = "failed"
UNDETERMINED: Final = "undetermined"
NOT_REQUIRED: Final = "not_required"
OUTCOMES: Final = (PASSED, FAILED, UNDETERMINED, NOT_REQUIRED)

FORMAT_VERSION: Final = 1

STEPS: Final = {
    1: "form",
    2: "contexts",
    3: "schema",
    4: "issuer",
    5: "proofs",
    6: "validity period",
    7: "log",
    8: "status",
    9: "files",
    10: "lineage",
    11: "policy",
}
"""The numbered plan of DESIGN.md section 3."""

# A report that lacks one of these is not VALID, whatever it holds otherwise; 9 and 10 may be not_required.
_MUST_PASS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 11)


@dataclass(frozen=True, slots=True)
class NextAction:
    """What helps: a command, who must act (`you`, `publisher`, `registry`, `policy owner`), whether trying again can help."""

    command: str
    actor: str
    retry: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"command": self.command, "actor": self.actor, "retry": self.retry}


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the plan; `code` is stable and empty only for checks that passed or were not required.

    `word` says on whose word a check that passed rests, for people.
    """

    step: int
    name: str
    outcome: str
    code: str = ""
    message: str = ""
    expected: str = ""
    found: str = ""
    place: str = ""
    next_action: NextAction | None = None
    word: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; empty members are left out."""
        members: dict[str, Any] = {"step": self.step, "name": self.name, "outcome": self.outcome}
        for name in ("code", "message", "expected", "found", "place"):
            value = getattr(self, name)
            if value:
                members[name] = value
        if self.word:
            members["onTheWordOf"] = self.word
        if self.next_action is not None:
            members["nextAction"] = self.next_action.to_json()
        return members


@dataclass(frozen=True, slots=True)
class Warn:
    """Something that does not change the decision and that a reader must know."""

    code: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class CredentialSummary:
    """What the credential says of itself, and what the log says about it; claims unless a check says otherwise."""

    id: str
    type: str
    digest: str
    issuer: str
    issuer_name: str = ""  # what the trust file calls the issuer; empty when it does not name it
    claimed_name: str = ""  # what the issuer calls itself
    name: str = ""
    version: str = ""
    role: str = ""
    profile: str = ""
    license: str = ""
    issued: str = ""
    valid_from: str = ""
    valid_until: str = ""
    manifest_digest: str = ""
    manifest_root: str = ""
    file_count: int | None = None
    byte_size: int | None = None
    log_origin: str = ""
    log_index: int | None = None
    logged_by: str = ""  # the earliest signed time by which the log held it
    time_basis: str = ""  # "registry-asserted" | "witnessed"
    age: str = ""  # "claimed 2019-05-01; proven to exist by 2026-11-02"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; what is not known is left out."""
        names = {
            "id": "id", "type": "type", "digest": "digest", "issuer": "issuer", "issuer_name": "issuerName", "claimed_name": "claimedIssuerName",
            "name": "name", "version": "version", "role": "role", "profile": "profile", "license": "license", "issued": "issued",
            "valid_from": "validFrom", "valid_until": "validUntil", "manifest_digest": "manifestDigest", "manifest_root": "manifestRoot",
            "file_count": "fileCount", "byte_size": "byteSize", "log_origin": "logOrigin", "log_index": "logIndex", "logged_by": "loggedBy",
            "time_basis": "timeBasis", "age": "age",
        }  # fmt: skip
        return {json: getattr(self, name) for name, json in names.items() if getattr(self, name) not in ("", None)}


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """Whose policy decided, and the limits in it that a reader must know."""

    digest: str
    source: str = ""  # where it came from, such as a path; "default" for the shipped one
    witness_quorum: int = 0
    max_age_seconds: int = 0  # how old status and checkpoint may be in this check

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        members: dict[str, Any] = {
            "digest": self.digest,
            "witnessQuorum": self.witness_quorum,
            "maxAgeSeconds": self.max_age_seconds,
        }
        if self.source:
            members["source"] = self.source
        return members


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to "may I use this?": a decision, its scope, and every check that led to it."""

    decision: str
    scope: str  # "credential" | "part" | "all files"
    headline: str
    as_of: str  # RFC 3339
    checks: tuple[Check, ...]
    policy: PolicySummary
    mode: str = "now"  # "now" | "as of"
    offline: bool = False
    warnings: tuple[Warn, ...] = ()
    credential: CredentialSummary | None = None
    revoked_since: str = ""  # as-of mode: what happened after that time, as far as this client knows
    evidence: tuple[tuple[str, str], ...] = ()  # (kind, SHA-256) of the status lists and checkpoints that were read
    lacks: tuple[str, ...] = ()  # what a sector profile still lacks
    parents: tuple[Report, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 VALID, 1 INVALID, 3 INDETERMINATE."""
        return EXIT_CODES[self.decision]

    @property
    def code(self) -> str:
        """The reason code that decided: of the first check that failed, else of the first that is undetermined, else empty."""
        for outcome in (FAILED, UNDETERMINED):
            for check in self.checks:
                if check.outcome == outcome:
                    return check.code
        return ""

    @property
    def codes(self) -> tuple[str, ...]:
        """The reason codes of all checks that failed or are undetermined, failures first, without repetition."""
        bad = [check.code for outcome in (FAILED, UNDETERMINED) for check in self.checks if check.outcome == outcome]
        return tuple(dict.fromkeys(bad))

    @property
    def policy_digest(self) -> str:
        """SHA-256 of the canonical content of the policy that decided."""
        return self.policy.digest

    @property
    def status_list_digests(self) -> tuple[str, ...]:
        """SHA-256 of every status list that was read, sorted."""
        return tuple(sorted({digest for kind, digest in self.evidence if kind == "status list"}))

    @property
    def checkpoint_digests(self) -> tuple[str, ...]:
        """SHA-256 of every checkpoint note that was read, sorted."""
        return tuple(sorted({digest for kind, digest in self.evidence if kind == "checkpoint"}))

    def to_json(self) -> dict[str, Any]:
        """Return the versioned JSON document of this report."""
        members: dict[str, Any] = {
            "type": "VerificationReport",
            "formatVersion": FORMAT_VERSION,
            "decision": self.decision,
            "scope": self.scope,
            "headline": self.headline,
            "mode": self.mode,
            "asOf": self.as_of,
            "offline": self.offline,
            "codes": list(self.codes),
            "policy": self.policy.to_json(),
            "checks": [check.to_json() for check in self.checks],
            "warnings": [warning.to_json() for warning in self.warnings],
            "evidence": [{"kind": kind, "sha256": digest} for kind, digest in self.evidence],
        }
        if self.credential is not None:
            members["credential"] = self.credential.to_json()
        if self.revoked_since:
            members["revokedSince"] = self.revoked_since
        if self.lacks:
            members["lacks"] = list(self.lacks)
        if self.parents:
            members["parents"] = [parent.to_json() for parent in self.parents]
        return members

    def render(self, *, color: bool = False, width: int = 100) -> str:
        """Return the report as text for people, control characters escaped; ends in a newline."""
        from datasigil.report.rendering import render_text

        return render_text(self, color=color, width=width)

    def _repr_html_(self) -> str:
        from datasigil.report.rendering import render_html

        return render_html(self)


def decide(checks: Sequence[Check]) -> str:
    """Return the decision that a list of checks leads to; a required step without a check that passed is never VALID."""
    outcomes = {check.outcome for check in checks}
    if FAILED in outcomes:
        return INVALID
    if UNDETERMINED in outcomes:
        return INDETERMINATE
    passed = {check.step for check in checks if check.outcome == PASSED}
    return VALID if passed.issuperset(_MUST_PASS) else INDETERMINATE
