"""The gate, again, while a run goes on: a credential that is revoked in between stops the run.

Here: judging every dataset's evidence anew at an interval and once more before the result is written. Not here: the files, which
the run holds as verified copies and hashes at each read (`verified_files`); the gate itself (`gate`).

A registry that cannot be reached leaves the run going, for a while: the last check must be VALID again, or nothing is written
and the checkpoint waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from datasigil.report import Report
from training_worker.gate import GateSettings, PassedGate, Refused, judge, record_refusal
from training_worker.limits import RECHECK_SECONDS


@dataclass
class Watch:
    """Judges the datasets of one run again; calling it does so when the interval is over."""

    gate: PassedGate
    settings: GateSettings
    now: Callable[[], datetime]
    say: Callable[[str], None] = lambda _text: None
    interval: timedelta = timedelta(seconds=RECHECK_SECONDS)
    rechecks: int = 0

    def __post_init__(self) -> None:
        self.last = self.gate.time

    def __call__(self) -> None:
        """Judge again if the interval is over.

        Raises:
            Refused: when a dataset is INVALID by now.
        """
        if self.now() - self.last >= self.interval:
            self.judge(final=False)

    def judge(self, *, final: bool) -> None:
        """Judge every dataset as of now; `final` refuses what cannot be decided, too.

        Raises:
            Refused: with every report.
        """
        at = self.now().replace(microsecond=0)
        settings = replace(self.settings, at=at)
        reports = [judge(one.evidence, one.sidecar, settings)[1].report for one in self.gate.datasets]
        decisions = {report.decision for report in reports}
        if "INVALID" in decisions:
            raise self._refused(1, reports)
        if decisions != {"VALID"}:
            if final:
                raise self._refused(3, reports)
            self.say(f"warning: the gate could not be asked again ({_worst(reports)}); the run goes on until its end")
            return
        self.last = at
        self.rechecks += 1

    def _refused(self, exit_code: int, reports: list[Report]) -> Refused:
        refusal = Refused(_worst(reports), exit_code, reports, during_run=True)
        record_refusal(refusal, [one.evidence_name for one in self.gate.datasets], self.settings)
        return refusal


def _worst(reports: list[Report]) -> str:
    order = ("INVALID", "INDETERMINATE", "VALID")
    return min(reports, key=lambda report: order.index(report.decision)).headline


__all__ = ["Watch"]
