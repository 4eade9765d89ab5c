"""The situation of a check, and the book in which its steps write what they found.

Lives here: `Situation` (what was asked, under which policy, as of when) and `Findings` (checks in the order of the plan). Not here: any
step, and what a reason code means (`report.codes`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.limits import CLOCK_SKEW_SECONDS
from datasigil.record import dataclass, field, replace
from datasigil.report import FAILED, NOT_REQUIRED, PASSED, UNDETERMINED, Check, NextAction, Warn
from datasigil.report.model import STEPS
from datasigil.transparency.client_state import ClientState
from datasigil.trust.rules import TrustPolicy

if TYPE_CHECKING:
    from datasigil.verification.memory import Memory


@dataclass(frozen=True)
class Situation:
    """What was asked: the policy, the time, the mode and the client's memory."""

    policy: TrustPolicy
    time: datetime  # aware UTC
    as_of: bool
    offline: bool
    state: ClientState | None
    period_at: Instant  # when the validity period is judged: now, or for a parent when its child was logged
    ancestors: tuple[str, ...] = ()  # ids of the credentials below, youngest first
    # Newest signed time seen per log during this check: a parent's older checkpoint is as fresh as its child's.
    fresh_logs: dict[str, datetime] = field(default_factory=dict)
    # What presented rotations came to, by DID and presented keys: status lists ask for the same history again and again.
    histories: dict[tuple[str, int], Any] = field(default_factory=dict)

    memory: Memory | None = None  # what a long-lived process has established before; None in a single check

    @cached_property
    def at(self) -> Instant:
        """The time that the verdict is about."""
        return Instant.from_datetime(self.time)

    @cached_property
    def latest(self) -> Instant:
        """The time that the verdict is about, plus the clock skew that is tolerated."""
        return self.at.plus(CLOCK_SKEW_SECONDS)

    @cached_property
    def max_age(self) -> timedelta:
        """How old status lists and checkpoints may be."""
        return timedelta(seconds=self.policy.max_age_seconds(offline=self.offline))

    def for_parent(self, child_id: str, derived: Instant | None) -> Situation:
        """Return the situation in which a parent is judged: its period when it was used, its status now."""
        return replace(self, period_at=derived or self.period_at, ancestors=(*self.ancestors, child_id))


class Findings:
    """Checks, warnings and evidence, in the order in which the plan met them."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.warnings: list[Warn] = []
        self.evidence: list[tuple[str, str]] = []

    def passed(self, step: int, message: str, *, name: str = "", found: str = "") -> None:
        """Record that something was established."""
        self.checks.append(Check(step, name or STEPS[step], PASSED, message=message, found=found))

    def not_required(self, step: int, message: str, *, name: str = "") -> None:
        """Record that neither policy, nor signed content, nor the client's memory asks for something."""
        self.checks.append(Check(step, name or STEPS[step], NOT_REQUIRED, message=message))

    def failed(self, step: int, error: DatasigilError, *, name: str = "") -> None:
        """Record that something is absent or wrong."""
        self.checks.append(_check(step, name, FAILED, error))

    def undetermined(self, step: int, error: DatasigilError, *, name: str = "") -> None:
        """Record that something could not be established because of what third parties hold."""
        self.checks.append(_check(step, name, UNDETERMINED, error))

    def not_checked(self, step: int, because: str) -> None:
        """Record that a step could not run because an earlier one failed; never counts as good."""
        error = DatasigilError("NOT_CHECKED", f"not checked, because {because}")
        self.checks.append(_check(step, "", UNDETERMINED, error))

    def warn(self, code: str, message: str) -> None:
        """Record something that does not change the decision, once."""
        warning = Warn(code, message)
        if warning not in self.warnings:
            self.warnings.append(warning)

    def saw(self, kind: str, digest: str) -> None:
        """Record which evidence was read."""
        if (kind, digest) not in self.evidence:
            self.evidence.append((kind, digest))

    def stands(self, step: int) -> bool:
        """Say whether a step has passed: at least one check did, and none failed or is undetermined."""
        outcomes = {check.outcome for check in self.checks if check.step == step}
        return PASSED in outcomes and not outcomes & {FAILED, UNDETERMINED}


def _check(step: int, name: str, outcome: str, error: DatasigilError) -> Check:
    from datasigil.report.codes import next_action

    known = next_action(error.code)
    action = NextAction(error.next_action, known.actor, known.retry) if error.next_action else known
    return Check(
        step, name or STEPS[step], outcome, error.code, error.message, error.expected, error.found, error.place, action
    )
