"""What was found in a run folder: every check, every fact of the card, one decision, as JSON and as text.

Here: the values. Not here: the checks (`model_folder`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datasigil.models.card import LeafFinding, ModelCard
from datasigil.models.companions import Shown
from datasigil.models.receipt import Receipt
from datasigil.record import dataclass, field
from datasigil.report.codes import next_action, reason

if TYPE_CHECKING:
    from datasigil.report import Report

FORMAT_VERSION = 1
UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of a run folder; `outcome` is passed, failed or undetermined."""

    name: str
    outcome: str
    code: str = ""
    message: str = ""
    place: str = ""

    def document(self) -> dict[str, str]:
        """Return the finding as JSON; empty members are left out."""
        members = {
            "name": self.name,
            "outcome": self.outcome,
            "code": self.code,
            "message": self.message,
            "place": self.place,
        }
        return {key: value for key, value in members.items() if value}


@dataclass(frozen=True)
class ModelFinding:
    """Everything that was found in a run folder."""

    findings: tuple[Finding, ...]
    leaves: tuple[LeafFinding, ...] = ()
    reports: Mapping[str, Report] = field(default_factory=dict)  # file name -> report on the evidence in it
    receipt: Receipt | None = None
    card: ModelCard | None = None
    shown: Shown | None = None  # what the documents of the folder are made from

    @property
    def decision(self) -> str:
        """VALID, INVALID or INDETERMINATE."""
        outcomes = {finding.outcome for finding in self.findings} | {leaf.outcome for leaf in self.leaves}
        if "failed" in outcomes or self.card is None:
            return "INVALID"
        return "INDETERMINATE" if UNDETERMINED in outcomes else "VALID"

    @property
    def exit_code(self) -> int:
        """0 VALID, 1 INVALID, 3 INDETERMINATE."""
        return {"VALID": 0, "INVALID": 1, "INDETERMINATE": 3}[self.decision]

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        passed = sum(leaf.outcome == "passed" for leaf in self.leaves)
        missing = sum(leaf.outcome == "not_provided" for leaf in self.leaves)
        wrong = sum(leaf.outcome == "failed" for leaf in self.leaves)
        bad = sum(finding.outcome == "failed" for finding in self.findings)
        return (
            f"{self.decision}: {passed} facts agree with their sources, {wrong} do not, {missing} not provided by people; "
            f"{bad} of {len(self.findings)} checks of the folder failed"
        )

    def document(self) -> dict[str, Any]:
        """Return the result as versioned JSON."""
        return {
            "type": "ModelCardReport",
            "formatVersion": FORMAT_VERSION,
            "decision": self.decision,
            "headline": self.headline,
            "checks": [finding.document() for finding in self.findings],
            "leaves": [_leaf_document(leaf) for leaf in self.leaves],
            "reports": {name: report.to_json() for name, report in self.reports.items()},
        }

    def render(self) -> str:
        """Return the result as text: the headline, every check, and every fact that does not hold."""
        lines = [self.headline]
        for finding in self.findings:
            tail = f": {finding.message} [{finding.code}]" if finding.code else ""
            lines.append(f"  {finding.outcome:13}{finding.name}{tail}")
            if finding.outcome != "passed" and reason(finding.code):
                lines.append(f"               next: {next_action(finding.code).command}")
        for leaf in self.leaves:
            if leaf.outcome == "failed":
                lines.append(f"  failed       {leaf.leaf.pointer}: {leaf.message} [{leaf.code}]")
                lines.append(f"               card: {leaf.leaf.value!r:.200}")
                lines.append(f"               source {leaf.leaf.source}: {leaf.found!r:.200}")
        return "\n".join("".join(one if one.isprintable() else "?" for one in line) for line in lines) + "\n"


def _leaf_document(finding: LeafFinding) -> dict[str, Any]:
    leaf = {"pointer": finding.leaf.pointer, "source": finding.leaf.source, "outcome": finding.outcome}
    return leaf if not finding.code else {**leaf, "code": finding.code, "message": finding.message}


__all__ = ["UNDETERMINED", "Finding", "ModelFinding"]
