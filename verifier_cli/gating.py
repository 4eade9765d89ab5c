"""`datasigil-verify gate`: every dataset of a gate file VALID and whole, every root covered, or a refusal.

Here: each dataset's evidence put before the plan, online or offline, and what is shown. Not here: the decision (`datasigil.gate`),
running anything afterwards (`executing`). There is no option that skips a check, and none that asks about another time than now.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError, MalformedError
from datasigil.gate import read_gate_file, run_gate
from datasigil.record import dataclass, field
from datasigil.report.terminal import escape
from verifier_cli import places
from verifier_cli.check import no_credential, parse_evidence
from verifier_cli.evidence import Evidence, manifest_for, manifest_of_folder, read_evidence

if TYPE_CHECKING:
    from argparse import Namespace
    from contextlib import AbstractContextManager

    from datasigil.bundle import Bundle
    from datasigil.datasets.finding import FileFailure, Progress
    from datasigil.datasets.source import Source
    from datasigil.gate import FilesCheck, GateDataset, GateFile, GateOutcome, GateResult
    from datasigil.report import Report
    from datasigil.report.terminal import Console
    from datasigil.transparency.client_state import ClientState
    from datasigil.trust.planner import Conflict
    from datasigil.trust.policy import TrustPolicy
    from datasigil.verification import Outcome

FORMAT_VERSION = 1
UNCOVERED_SHOWN = 20


def run(given: Namespace, console: Console) -> int:
    """Decide over a gate file and show why; the exit code is that of section 3."""
    if not given.github:
        outcome, _ = _decided(given, console)
        show(outcome, console)
        return outcome.exit_code
    from verifier_cli.annotating import annotate, annotation_of, summary

    # Standard output carries workflow commands, unless it carries the JSON; the runner reads both streams.
    stream = console.err if console.json else console.out
    try:
        outcome, policy = _decided(given, console)
    except DatasigilError as error:
        stream.write(annotation_of(error, given.gate))
        raise
    show(outcome, console)
    stream.write(annotate(outcome, given.gate))
    places.append_summary(summary(outcome, policy.digest))
    return outcome.exit_code


def _decided(given: Namespace, console: Console) -> tuple[GateOutcome, TrustPolicy]:
    gate, policy = read(given)
    meter = console.meter("checking")
    try:
        return decide(gate, Verifier.of(given, policy), progress=meter), policy
    finally:
        if meter is not None:
            meter.close()


def read(given: Namespace) -> tuple[GateFile, TrustPolicy]:
    """Return the gate file and the trust file, which must not lie inside the data that it judges.

    Raises:
        MalformedError: GATE_FILE, POLICY_FILE.
        DatasigilError: UNREADABLE, POLICY_FILE.
    """
    gate = read_gate_file(Path(given.gate))
    policy = places.load_policy(given.policy, outside=[one.data for one in gate.datasets if not one.address])
    places.require_digest(policy, given.policy_digest)
    for dataset in gate.datasets:
        if dataset.address:
            _check_address(dataset.address, offline=given.offline)
    return gate, policy


def _check_address(address: str, *, offline: bool) -> None:
    """Refuse what no data is read from.

    Raises:
        DatasigilError: USAGE, REMOTE_PLACE.
    """
    from datasigil.remote import check_place

    check_place(address)
    if offline:
        raise DatasigilError(
            "USAGE", "--offline and data in a bucket exclude each other", place=address[:200], expected="data on this machine, or no --offline",
            next_action="leave --offline out, or download the data first and name the folder in the gate file",
        )  # fmt: skip


def _open_source(place: str) -> AbstractContextManager[Source]:
    from datasigil.remote import open_source

    return open_source(place)


def decide(
    gate: GateFile, verifier: Verifier, *, snapshots: Path | None = None, progress: Progress | None = None
) -> GateOutcome:
    """Run the core's gate.

    Raises:
        DatasigilError: as `run_gate`.
    """
    return run_gate(
        gate, verify=verifier, mix=verifier.conflicts, snapshots=snapshots, sources=_open_source, progress=progress
    )


@dataclass
class Verifier:
    """Runs the whole plan for one dataset after the other, and keeps the evidence that was judged."""

    policy: TrustPolicy
    at: datetime
    state: ClientState
    offline: bool
    dev: bool
    judged: list[tuple[Bundle | None, Report]] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Namespace, policy: TrustPolicy) -> Verifier:
        """Return the verifier that the command line asks for; the time is now."""
        return cls(policy, datetime.now(UTC), places.client_state(), given.offline, places.is_dev(given.dev))

    def __call__(self, dataset: GateDataset, files: FilesCheck) -> Report:
        """Return the report on one dataset; evidence that is not there, or is none, is INVALID."""
        bundle: Bundle | None = None
        try:
            folder = None if dataset.address or dataset.data.is_file() else dataset.data
            evidence = Evidence(
                dataset.bundle, read_evidence(dataset.bundle), folder, "" if folder is not None else dataset.place
            )
        except MalformedError as error:
            report = no_credential(error, self.policy, self.at, offline=self.offline)
        except DatasigilError as error:
            if error.code != "NO_SUCH_PATH":
                raise
            report = no_credential(_absent(dataset), self.policy, self.at, offline=self.offline)
        else:
            bundle, report = self._read_and_judge(evidence, files)
        self.judged.append((bundle, report))
        return report

    def conflicts(self) -> tuple[Conflict, ...]:
        """Return the minimal sets of the judged datasets that may not be used together as the trust file intends."""
        if self.policy.requirements.share in ("", "nothing") or not self.policy.requirements.use:
            return ()
        from datasigil.verification.licensed import intended_by, plan_outcomes

        return plan_outcomes(self.outcomes, intended_by(self.policy)).conflicts

    def _read_and_judge(self, evidence: Evidence, files: FilesCheck) -> tuple[Bundle | None, Report]:
        try:
            bundle = parse_evidence(evidence.data)
        except MalformedError:
            from datasigil.verification import verify_bytes

            # The plan's first step names what is wrong with the bytes.
            outcome = verify_bytes(
                evidence.data, policy=self.policy, at=self.at, offline=self.offline, state=self.state
            )
            return None, outcome.report
        outcome = self._judge(bundle, evidence, files)
        label = display_path(evidence.source or str(evidence.folder))
        self.outcomes[label if label not in self.outcomes else f"{label} ({len(self.outcomes) + 1})"] = outcome
        return bundle, outcome.report

    def _judge(self, bundle: Bundle, evidence: Evidence, files: FilesCheck) -> Outcome:
        manifest = manifest_for(bundle, evidence)
        if manifest is None and bundle.manifest is None and evidence.folder is not None and evidence.folder.is_dir():
            manifest = manifest_of_folder(evidence.folder, bundle, None)
        options: dict[str, Any] = {
            "policy": self.policy, "at": self.at, "state": self.state, "data": files, "manifest": manifest, "expect_type": "DatasetCredential",
        }  # fmt: skip
        if self.offline:
            from datasigil.verification import verify

            return verify(bundle, offline=True, **options)
        from datasigil.client import check_online, fetcher_for

        return check_online(bundle, fetcher=fetcher_for(self.policy, dev=self.dev), **options)


def _absent(dataset: GateDataset) -> MalformedError:
    return MalformedError(
        "NO_CREDENTIAL", "this dataset has no credential here", place=str(dataset.bundle), expected="an evidence bundle", found="no such file",
        next_action="`datasigil-verify fetch` gets it from a registry; else ask the publisher, or `datasigil observe` the data yourself",
    )  # fmt: skip


def show(outcome: GateOutcome, console: Console) -> None:
    """Write the outcome: one line for what passed, the whole report of what did not, and every file that nobody vouches for."""
    lines = [escape(outcome.headline), ""]
    for result in outcome.results:
        # Where the gate refuses, the word VALID appears nowhere: a reader who skims must not find it.
        word = "would pass" if result.decision == "VALID" != outcome.decision else result.decision
        lines += [f"{word + ':':<15}{escape(result.dataset.place)}"]
        if result.decision != "VALID" or console.verbose:
            lines += ["", _report(result).render(color=console.color).rstrip(), ""]
    for one in outcome.uncovered[:UNCOVERED_SHOWN]:
        lines += [f"{one.code + ':':<15}{escape(one.message)}"]
        details = (("expected", one.expected), ("found", one.found))
        lines += [f"  {name + ':':<10}{escape(text)}" for name, text in details if text]
    if outcome.uncovered:
        more = len(outcome.uncovered) - UNCOVERED_SHOWN
        lines += [f"  and {more} more"] if more > 0 else []
        lines += [
            "  next:     take them out of the roots, or add a dataset with a credential for them to the gate file"
        ]
    for conflict in outcome.conflicts:
        lines += [
            f"{'LICENSE_CONFLICT:':<15} {escape(' and '.join(conflict.datasets))} may not be used together as you intend"
        ]
        lines += [f"  {escape(reason)}" for reason in conflict.reasons]
    if outcome.conflicts:
        lines += ["  next:     `datasigil-verify policy plan` on this gate file says what to drop or obtain"]
    console.result(document(outcome), "\n".join(lines))


def document(outcome: GateOutcome) -> dict[str, Any]:
    """Return the outcome as versioned JSON."""
    return {
        "type": "GateReport",
        "formatVersion": FORMAT_VERSION,
        "decision": outcome.decision,
        "headline": outcome.headline,
        "datasets": [
            {
                "bundle": str(result.dataset.bundle),
                "data": result.dataset.place,
                "decision": result.decision,
                "report": _report(result).to_json(),
            }
            for result in outcome.results
        ],
        "uncovered": [_failure(one) for one in outcome.uncovered],
        "conflicts": [one.to_json() for one in outcome.conflicts],
        "exitCode": outcome.exit_code,
    }


def _report(result: GateResult) -> Report:
    from datasigil.report import Report

    assert isinstance(result.report, Report)
    return result.report


def _failure(one: FileFailure) -> dict[str, str]:
    members = {
        "code": one.code,
        "path": display_path(one.path),
        "message": one.message,
        "expected": one.expected,
        "found": one.found,
    }
    return {name: value for name, value in members.items() if value}
