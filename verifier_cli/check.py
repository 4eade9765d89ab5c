"""`datasigil-verify check`: one dataset, one report, one exit code.

Here: gathering what the plan needs, online or offline, and showing its report. Not here: the plan (`datasigil.verification`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, MalformedError
from verifier_cli import places
from verifier_cli.evidence import Evidence, data_check, find_evidence, manifest_for, manifest_of_folder, part_of

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.bundle import Bundle
    from datasigil.datasets.manifest import ManifestSource
    from datasigil.datasets.parts import PartProof
    from datasigil.report import Report
    from datasigil.report.terminal import Console
    from datasigil.trust.policy import TrustPolicy


def run(given: Namespace, console: Console) -> int:
    """Check what the user named and show the report; the exit code is the report's."""
    policy = places.load_policy(given.policy, outside=_folders(given))
    places.require_digest(policy, given.policy_digest)
    at = _time(given.at)
    if given.partial and given.data is None:
        raise DatasigilError(
            "USAGE", "--partial needs to know where the part lies", expected="--data DIR", next_action="add --data DIR"
        )
    if given.offline and given.data is not None and "://" in given.data:
        raise DatasigilError(
            "USAGE", "--offline and data in a bucket exclude each other", place=given.data[:200], expected="data on this machine, or no --offline",
            next_action="leave --offline out, or download the data first",
        )  # fmt: skip
    if given.proof is not None and not given.partial:
        raise DatasigilError(
            "USAGE",
            "--proof is about a part",
            place=given.proof,
            expected="--partial --data DIR",
            next_action="add --partial",
        )
    try:
        evidence = find_evidence(given.evidence, given.data)
    except MalformedError as error:
        return show(no_credential(error, policy, at, offline=given.offline), console)
    meter = console.meter("checking")
    try:
        report = _report(given, evidence, policy, at, console, meter)
    finally:
        if meter is not None:
            meter.close()
    return show(report, console)


def show(report: Report, console: Console) -> int:
    """Write a report and return its exit code."""
    console.result(report.to_json(), report.render(color=console.color))
    return report.exit_code


def _report(
    given: Namespace, evidence: Evidence, policy: TrustPolicy, at: datetime, console: Console, meter: object
) -> Report:
    from datasigil.verification import verify, verify_bytes

    as_of, state = given.at is not None, places.client_state()
    progress = meter if callable(meter) else None
    folder = evidence.folder
    check = data_check(evidence, _digest(given, policy), progress, partial=given.partial)
    try:
        bundle = parse_evidence(evidence.data)
    except MalformedError:
        # The plan's first step names what is wrong with the bytes.
        return verify_bytes(evidence.data, policy=policy, at=at, as_of=as_of, offline=given.offline, state=state).report
    if given.proof is not None and folder is None:
        raise DatasigilError(
            "USAGE", "--proof is about a folder", place=evidence.source, expected="--data DIR", next_action="unpack or download the part first"
        )  # fmt: skip
    part = part_of(given.proof)
    manifest: ManifestSource | PartProof | None = part or manifest_for(bundle, evidence)
    if part is not None and folder is not None:
        from datasigil.datasets.partial import PartCheck

        check = PartCheck(folder, part, _digest(given, policy), progress)  # type: ignore[arg-type]  # argparse admits only the four choices
    if manifest is None and bundle.manifest is None and folder is not None and not given.partial:
        console.detail("the bundle holds no manifest; comparing the folder's own with the signed digest")
        manifest = manifest_of_folder(folder, bundle, progress)
    if given.offline or as_of:
        return verify(
            bundle, policy=policy, at=at, as_of=as_of, offline=given.offline, data=check, manifest=manifest, state=state
        ).report
    from datasigil.client import check_online, fetcher_for

    fetcher = fetcher_for(policy, dev=places.is_dev(given.dev))
    return check_online(
        bundle, policy=policy, at=at, fetcher=fetcher, state=state, data=check, manifest=manifest
    ).report


def parse_evidence(data: bytes) -> Bundle:
    """Return the bundle in `data`, or one around the bare credential in it.

    Raises:
        MalformedError: as `verification.plan.read_evidence`.
    """
    from datasigil.verification.plan import read_evidence

    return read_evidence(data)


def no_credential(error: DatasigilError, policy: TrustPolicy, at: datetime, *, offline: bool) -> Report:
    """Return the INVALID report for evidence that is not there."""
    from datasigil.report import FAILED, INVALID, Check, NextAction, PolicySummary, Report

    action = NextAction(error.next_action, "publisher") if error.next_action else None
    failed = Check(1, "form", FAILED, error.code, error.message, error.expected, error.found, error.place, action)
    summary = PolicySummary(policy.digest, policy.source, policy.quorum, policy.max_age_seconds(offline=offline))
    return Report(
        INVALID,
        "credential",
        f"INVALID: {error.message}",
        str(Instant.from_datetime(at)),
        (failed,),
        summary,
        offline=offline,
    )


def _folders(given: Namespace) -> list[Path]:
    """Return the folders with data that is judged: no trust file is taken from among them."""
    named = [given.data] if given.data is not None else [given.evidence]
    return [path for path in map(Path, named) if path.is_dir()]


def _digest(given: Namespace, policy: TrustPolicy) -> str:
    return given.digest or policy.requirements.digest or "default"


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        return Instant.parse(text, any_offset=True).datetime()
    except MalformedError as error:
        raise DatasigilError(
            "USAGE",
            "--at is not a time",
            expected=error.expected,
            found=text[:60],
            next_action="write it as 2026-11-02T09:30:00Z",
        ) from None
