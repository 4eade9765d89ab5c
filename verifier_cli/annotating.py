"""A gate's outcome for GitHub Actions: annotations on the gate file, and a summary of the job in Markdown.

Here: workflow commands and their escaping (GitHub, "Workflow commands for GitHub Actions", read November 2026), the summary. Not here: the
decision (`gating`). What files are called and what issuers wrote never becomes a command, markup or a link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datasigil.report.terminal import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasigil.errors import DatasigilError
    from datasigil.gate import GateOutcome
    from datasigil.report import Report

ANNOTATIONS_MAX = 10  # GitHub shows this many of a step
_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]#!|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def annotate(outcome: GateOutcome, gate: str) -> str:
    """Return a workflow command for everything that closes the gate, or one notice when it is open."""
    lines = list(_faults(outcome, gate))
    if not lines:
        return _command("notice", gate, "datasigil gate", outcome.headline)
    more = len(lines) - ANNOTATIONS_MAX
    if more > 0:
        lines[ANNOTATIONS_MAX - 1 :] = [
            _command("error", gate, "datasigil gate", f"{more + 1} more; the job's log has all of them")
        ]
    return "".join(lines)


def annotation_of(error: DatasigilError, gate: str) -> str:
    """Return the workflow command for an error that ended the gate before it could decide."""
    place = f" at {error.place}" if error.place else ""
    after = f"; {error.next_action}" if error.next_action else ""
    return _command("error", gate, f"datasigil: {error.code}", f"{error.message}{place}{after}")


def _faults(outcome: GateOutcome, gate: str) -> Iterator[str]:
    for dataset, report in _judged(outcome):
        if report.decision == "VALID":
            continue
        failed = [one for one in report.checks if one.code and one.outcome in ("failed", "undetermined")]
        first = failed[0] if failed else None
        action = first.next_action.command if first is not None and first.next_action is not None else ""
        told = first.message if first is not None else report.headline
        yield _command(
            "error", gate, f"{report.decision}: {report.code}", f"{dataset}: {told}{f'; {action}' if action else ''}"
        )
    for uncovered in outcome.uncovered:
        yield _command("error", gate, uncovered.code, uncovered.message)
    for conflict in outcome.conflicts:
        yield _command("error", gate, "LICENSE_CONFLICT", f"{' and '.join(conflict.datasets)}: {'; '.join(conflict.reasons)}")  # fmt: skip


def _judged(outcome: GateOutcome) -> Iterator[tuple[str, Report]]:
    from datasigil.report import Report

    for result in outcome.results:
        assert isinstance(result.report, Report)
        yield result.dataset.place, result.report


def _command(kind: str, file: str, title: str, message: str) -> str:
    return f"::{kind} file={_property(file)},title={_property(title)}::{_data(message)}\n"


def _data(text: str) -> str:
    return escape(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(outcome: GateOutcome, policy_digest: str) -> str:
    """Return the job's summary: the headline, a row for every dataset, what is not covered."""
    lines = [f"## datasigil gate: {outcome.decision}", "", _text(outcome.headline), ""]
    lines += ["| dataset | decision | why | licence | issuer |", "| --- | --- | --- | --- | --- |"]
    for dataset, report in _judged(outcome):
        said = report.credential
        cells = (dataset, report.decision, report.code or "every required check passed", said.license if said else "-", said.issuer if said else "-")  # fmt: skip
        lines.append("| " + " | ".join(_text(str(one)) for one in cells) + " |")
    if outcome.uncovered:
        lines += ["", f"{len(outcome.uncovered)} files that nobody vouches for, the first:", ""]
        lines += [f"- {_text(one.message)}" for one in outcome.uncovered[:ANNOTATIONS_MAX]]
    lines += ["", f"Trust file (SHA-256 of its content): `{policy_digest}`", ""]
    return "\n".join(lines)


def _text(text: str) -> str:
    return escape(text).translate(_MARKS)
