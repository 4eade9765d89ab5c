"""What the checks add up to: the report, its headline and the summary of the credential.

Lives here: words for people, chosen by the decision. Not here: deciding (`report.decide`), rendering (`report.rendering`).
The words "valid" and "verified" belong to VALID alone: a reader who skims must not find them elsewhere.
"""

from __future__ import annotations

from operator import attrgetter

from datasigil.credentials.types import Credential
from datasigil.report import (
    FAILED,
    INVALID,
    UNDETERMINED,
    VALID,
    Check,
    CredentialSummary,
    PolicySummary,
    Report,
    decide,
)
from datasigil.verification.files import FilesFound
from datasigil.verification.findings import Findings, Situation
from datasigil.verification.logged import Logged
from datasigil.verification.status import StatusFound
from datasigil.verification.whose_word import attribute


def conclude(
    findings: Findings,
    situation: Situation,
    credential: Credential | None,
    logged: Logged | None,
    status: StatusFound,
    files: FilesFound,
    parents: tuple[Report, ...],
) -> Report:
    """Return the report over everything that was found, checks in the order of the plan."""
    ordered = sorted(findings.checks, key=attrgetter("step"))
    checks = attribute(ordered, credential, logged, situation.policy)
    decision = decide(checks)
    summary = _summary(credential, logged, situation) if credential is not None else None
    evidence = dict.fromkeys([*findings.evidence, *(one for parent in parents for one in parent.evidence)])
    return Report(
        decision=decision,
        scope=files.scope,
        headline=_headline(decision, checks, files.scope, situation, summary, status),
        as_of=str(situation.at),
        checks=checks,
        policy=PolicySummary(
            situation.policy.digest,
            situation.policy.source,
            situation.policy.quorum,
            situation.policy.max_age_seconds(offline=situation.offline),
        ),
        mode="as of" if situation.as_of else "now",
        offline=situation.offline,
        warnings=tuple(findings.warnings),
        credential=summary,
        revoked_since=status.since,
        evidence=tuple(evidence),
        lacks=tuple(check.message for check in checks if check.code == "SECTOR_REQUIREMENT"),
        parents=parents,
    )


_SCOPES = {
    "all files": "all files are the signed ones",
    "part": "a part of its files was looked at",
    "credential": "the credential alone, no files were looked at",
}


def _headline(
    decision: str,
    checks: tuple[Check, ...],
    scope: str,
    situation: Situation,
    summary: CredentialSummary | None,
    status: StatusFound,
) -> str:
    if decision == VALID:
        words = f"VALID as of {situation.at}, not a statement about today" if situation.as_of else "VALID"
        since = f"; {status.since} since" if status.since else ""
        return f"{words}: {_named(summary)}, {_SCOPES[scope]}{since}"
    bad = [check for check in checks if check.outcome == (FAILED if decision == INVALID else UNDETERMINED)]
    if decision == INVALID and {check.code for check in bad} == {"UNTRUSTED_ISSUER"} and _is_intact(checks):
        return "INVALID: intact; signer not trusted by you"
    first = bad[0] if bad else None
    what = f"{first.message} ({first.code})" if first is not None else "not every required check ran"
    more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
    lead = f"as of {situation.at}: " if situation.as_of else ""
    return f"{decision}: {lead}{what}{more}"


def _is_intact(checks: tuple[Check, ...]) -> bool:
    return any(check.step == 5 and check.outcome == "passed" for check in checks)


def _named(summary: CredentialSummary | None) -> str:
    if summary is None:
        return "the credential"
    title = " ".join(part for part in (summary.name, summary.version) if part) or summary.type
    word = "observed" if summary.role == "observer" else "signed"
    return f"{title}, {word} by {summary.issuer_name or summary.issuer}"


def _summary(credential: Credential, logged: Logged | None, situation: Situation) -> CredentialSummary:
    subject = credential.subject
    manifest, rule = subject.get("manifest", {}), situation.policy.issuer(credential.issuer)
    license_ = subject.get("license", "")
    issued = str(subject.get("issued", ""))
    return CredentialSummary(
        id=credential.id,
        type=credential.type,
        digest=credential.digest,
        issuer=credential.issuer,
        issuer_name=rule.name if rule is not None else "",
        claimed_name=credential.issuer_name or "",
        name=str(subject.get("name", "")),
        version=str(subject.get("version", "")),
        role=str(subject.get("role", "")),
        profile=str(subject.get("profile", "")),
        license=str(license_.get("expression", "") if isinstance(license_, dict) else license_),
        issued=issued,
        valid_from=str(credential.valid_from),
        valid_until=str(credential.valid_until or ""),
        manifest_digest=str(manifest.get("digest", "")),
        manifest_root=str(manifest.get("root", "")),
        file_count=manifest.get("fileCount"),
        byte_size=manifest.get("byteSize"),
        log_origin=credential.log_origin,
        log_index=logged.index if logged is not None else None,
        logged_by=str(logged.instant) if logged is not None else "",
        time_basis=logged.basis if logged is not None else "",
        age=_age(issued, logged),
    )


def _age(issued: str, logged: Logged | None) -> str:
    if not issued:
        return ""
    proven = (
        f"proven to exist by {str(logged.instant)[:10]}" if logged is not None else "not proven by any log you trust"
    )
    return f"claimed {issued}; {proven}"
