"""Step 11: what the policy asks of a dataset: licence and use, regulatory status, age, quality, approvals, sector profile.

Lives here: each requirement against what the credential says. Not here: licences and terms themselves (`trust.licensing`, `trust.odrl`),
credentials by others (`attested`). Unknown is never good enough, except where the policy says `warn`.

Past 400 lines: one short function for each requirement, in the order of the trust file, and the table that runs them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Final

from datasigil.credentials.types import Credential
from datasigil.datasets.entry import Manifest
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, PolicyError
from datasigil.report import INDETERMINATE
from datasigil.trust.rules import QualityRule, Requirements
from datasigil.verification.attested import Attested, Granted, find_approvals, find_grant, find_lineage
from datasigil.verification.findings import Findings, Situation
from datasigil.verification.license_evidence import LicenseEvidence, license_evidence
from datasigil.verification.lineage import Related, references
from datasigil.verification.logged import Logged

# Intended use -> ODRL action that must be permitted, OASIS purposes of which none may be prohibited and all must be approved.
USES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "ai-training": ("ai-training", ("pre-training", "fine-tuning")),
    "pre-training": ("ai-training", ("pre-training",)),
    "fine-tuning": ("ai-training", ("fine-tuning",)),
    "gen-ai": ("gen-ai", ("pre-training", "fine-tuning", "synthetic-data-generation")),
    "ai-augment": ("ai-augment", ("fine-tuning",)),
    "evaluation": ("evaluation", ("evaluation",)),
    "research": ("research", ("research",)),
}

_Check = Callable[["_Asked", Requirements], Iterator[tuple[str, str]]]


class _Asked:
    """One credential before one policy."""

    def __init__(
        self,
        credential: Credential,
        logged: Logged | None,
        related: Related,
        situation: Situation,
        findings: Findings,
        manifest: Manifest | None,
    ) -> None:
        self.credential = credential
        self.subject = credential.subject
        self.logged = logged
        self.situation = situation
        self.findings = findings
        self.manifest = manifest
        self.attested = Attested(credential, related, situation)


def check_requirements(
    credential: Credential,
    logged: Logged | None,
    related: Related,
    situation: Situation,
    findings: Findings,
    manifest: Manifest | None = None,
) -> None:
    """Step 11; `manifest` is the signed one, where it is at hand. A credential that is not about a dataset has met it by being what it is."""
    if credential.type != "DatasetCredential":
        findings.passed(11, "the policy's requirements are about datasets")
        return
    asked = _Asked(credential, logged, related, situation, findings, manifest)
    for name, check in _CHECKS:
        try:
            for message, found in check(asked, situation.policy.requirements):
                findings.passed(11, message, name=name, found=found)
        except DatasigilError as error:
            open_ = error.code.endswith("_UNDETERMINED") or error.code == "SELF_UNPROVEN"
            (findings.undetermined if open_ else findings.failed)(11, error, name=name)


def _license(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    from datasigil.trust.licensing import judge_license

    stated = asked.subject["license"]
    finding = judge_license(
        stated["expression"],
        text_digest=stated.get("textDigest"),
        rules=wanted.licenses,
        use=wanted.use,
        commercial=wanted.commercial,
    )
    evidence = license_evidence(asked.subject, asked.manifest)
    word = f"{stated['expression']} ({stated['assurance']}; {evidence.words})"
    if finding.outcome == "allowed":
        duties = f"; asks for {', '.join(finding.duties)}" if finding.duties else ""
        _license_evidence(asked, wanted, evidence)
        yield f"the licence meets your policy{duties}", word
        return
    passes = finding.outcome == "unknown" and wanted.licenses.unknown == "warn"
    grant = _grant(asked, wanted, needed=not passes) if finding.code != "LICENSE_DENIED" else None
    if grant is not None:
        yield f"a licence was granted to you: {grant}", word
    elif passes:
        _license_evidence(asked, wanted, evidence)
        asked.findings.warn(
            finding.code, f"{finding.message}: {finding.found or stated['expression']}; your policy lets it through"
        )
        yield "the licence is not known, which your policy lets through", word
    else:
        raise PolicyError(
            finding.code,
            finding.message,
            place="/credentialSubject/license/expression",
            expected=finding.expected,
            found=finding.found,
        )


def _grant(asked: _Asked, wanted: Requirements, *, needed: bool) -> Granted | None:
    """The grant to the user; where it is not needed, one that rests on an unproven `self` is none.

    Raises:
        PolicyError: SELF_UNPROVEN, where it is needed.
    """
    try:
        return find_grant(asked.attested, wanted)
    except PolicyError:
        if needed:
            raise
        return None


def _license_evidence(asked: _Asked, wanted: Requirements, evidence: LicenseEvidence) -> None:
    """Refuse or tell a licence that nothing shows, as the policy asks; a grant to the user is more than a text."""
    asks = wanted.licenses.evidence
    if not asks or evidence.by_text or _grant(asked, wanted, needed=asks != "warn") is not None:
        return
    stated = asked.subject["license"]["expression"]
    if asks == "warn":
        asked.findings.warn("LICENSE_EVIDENCE", f"the licence {stated} is only asserted: {evidence.words}")
        return
    raise PolicyError(
        "LICENSE_EVIDENCE",
        "your policy asks for evidence of the licence, and it is only asserted",
        place="/credentialSubject/license",
        expected="the digest of the licence's text, or a grant to you",
        found=f"{stated}: {evidence.words}",
    )


def _use(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    if not wanted.use:
        return
    action, purposes = USES[wanted.use]
    subject = asked.subject
    prohibited = [purpose for purpose in subject.get("prohibitedPurpose", ()) if purpose in purposes]
    if prohibited:
        raise PolicyError(
            "USE_PROHIBITED",
            "the publisher prohibits this use",
            place="/credentialSubject/prohibitedPurpose",
            expected=wanted.use,
            found=", ".join(prohibited),
        )
    _use_class(subject, wanted)
    if "hasPolicy" in subject:
        _terms(asked, wanted, action)
    if subject.get("tdmReservation", {}).get("value") == "reserved":
        _reserved(asked, wanted)
    intended = subject.get("intendedPurpose", ())
    if intended and not set(intended) & set(purposes):
        asked.findings.warn(
            "USE_NOT_INTENDED", f"the publisher made this for {', '.join(intended)}, not for {wanted.use}"
        )
    yield f"nothing that the publisher says forbids {wanted.use}", ""


def _use_class(subject: Mapping[str, Any], wanted: Requirements) -> None:
    use = subject.get("useClass", {}).get("use", "all")
    if wanted.commercial and use in ("nc", "academic"):
        raise PolicyError(
            "USE_PROHIBITED",
            "the publisher classes this as not for commercial use",
            place="/credentialSubject/useClass/use",
            expected="all",
            found=use,
        )


def _terms(asked: _Asked, wanted: Requirements, action: str) -> None:
    finding = asked.attested.judge(asked.subject["hasPolicy"], action, wanted)
    if not finding.permitted and find_grant(asked.attested, wanted) is None:
        raise PolicyError(
            "USE_NOT_PERMITTED",
            f"the publisher's terms do not permit this use: {finding.reason}",
            place="/credentialSubject/hasPolicy",
            expected=action,
        )
    if finding.duties:
        asked.findings.warn("DUTIES", f"the publisher's terms ask in return: {', '.join(finding.duties)}")


def _reserved(asked: _Asked, wanted: Requirements) -> None:
    """A reservation under Art. 4(3) of Directive (EU) 2019/790 matters where nothing but the exception permits the use."""
    if (
        asked.subject.get("rightsBasis", "unknown") in ("statutoryException", "unknown")
        and find_grant(asked.attested, wanted) is None
    ):
        raise PolicyError(
            "TDM_RESERVED", "text and data mining is reserved, and no other right to use the data is stated", place="/credentialSubject/tdmReservation/value",
            expected="not-reserved, or a grant to you", found="reserved",
        )  # fmt: skip
    asked.findings.warn(
        "TDM_RESERVED", "text and data mining was reserved at the source; the publisher relies on another right"
    )


def _role(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    role = asked.subject["role"]
    if wanted.roles and role not in wanted.roles:
        raise PolicyError(
            "ROLE_NOT_ACCEPTED",
            "your policy does not accept a credential in this role",
            place="/credentialSubject/role",
            expected=" or ".join(wanted.roles),
            found=role,
        )
    if role == "observer":
        asked.findings.warn("OBSERVED", "this is what an observer saw, not the publisher's own word")
    if wanted.profile == "full" and asked.subject["profile"] != "full":
        raise PolicyError(
            "PROFILE",
            "your policy asks for the full profile",
            place="/credentialSubject/profile",
            expected="full",
            found="minimal",
        )
    yield from ()


def _regulated(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    entries = {entry["regulation"]: entry for entry in asked.subject.get("classification", ())}
    for regulation, accepted in sorted(wanted.regulations.items()):
        entry = entries.get(regulation)
        result = entry["result"] if entry is not None and entry["evaluated"] else "unknown"
        place = "/credentialSubject/classification"
        if result == "unknown":
            raise PolicyError(
                "REGULATION_UNKNOWN",
                f"nobody has said whether it holds {regulation}",
                place=place,
                expected=" or ".join(accepted),
                found="unknown",
            )
        if result == "present" and "deidentified" in accepted and "present" not in accepted:
            _deidentified(asked)
            result = "deidentified"
        if result not in accepted:
            raise PolicyError(
                "REGULATION_PRESENT",
                f"your policy does not accept this result for {regulation}",
                place=place,
                expected=" or ".join(accepted),
                found=result,
            )
        yield f"{regulation}: {result}", str((entry or {}).get("assurance", "declared"))
    status = asked.subject.get("personalData", {}).get("status", "unknown")
    if wanted.personal_data and status not in wanted.personal_data:
        raise PolicyError(
            "PERSONAL_DATA", "your policy does not accept this status of personal data", place="/credentialSubject/personalData/status",
            expected=" or ".join(wanted.personal_data), found=status,
        )  # fmt: skip


def _deidentified(asked: _Asked) -> None:
    method = asked.subject.get("deidentification")
    if method is None:
        raise PolicyError(
            "REGULATION_PRESENT",
            "regulated data is present and nothing says that it was de-identified",
            place="/credentialSubject/deidentification",
            expected="de-identification",
        )
    until = method.get("reviewBy")
    if until is not None and until < str(asked.situation.at)[:10]:
        raise PolicyError(
            "DEIDENTIFICATION_EXPIRED", "the de-identification had to be looked at again by a day that is past", place="/credentialSubject/deidentification/reviewBy",
            expected=f"{str(asked.situation.at)[:10]} or later", found=until,
        )  # fmt: skip


def _age(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    issued, today = asked.subject["issued"], str(asked.situation.at)[:10]
    place = "/credentialSubject/issued"
    if wanted.max_age_days is not None:
        if issued == "unknown":
            raise PolicyError(
                "AGE_UNKNOWN", "nobody has said when it was published", place=place, expected="a date", found="unknown"
            )
        days = (date.fromisoformat(today) - date.fromisoformat(issued)).days
        if days > wanted.max_age_days:
            raise PolicyError(
                "TOO_OLD",
                "it was published too long ago",
                place=place,
                expected=f"at most {wanted.max_age_days} days",
                found=f"{days} days",
            )
        yield f"published {days} days ago, by its own claim", issued
    if wanted.proven_before is not None:
        if asked.logged is None or asked.logged.instant > wanted.proven_before:
            found = str(asked.logged.instant) if asked.logged is not None else "no log time"
            raise PolicyError(
                "NOT_PROVEN_BEFORE",
                "the log does not show that it existed by then",
                expected=f"by {wanted.proven_before}",
                found=found,
            )
        yield f"shown by the log to exist by {asked.logged.instant}", ""
    if issued != "unknown" and asked.logged is not None and Instant.parse(f"{issued}T00:00:00Z") > asked.logged.instant:
        asked.findings.warn("CLAIMED_LATER", f"it claims {issued} as its date, which is after the log held it")


def _quality(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    for rule in wanted.quality:
        measured = [one for one in asked.subject.get("qualityMeasurement", ()) if one["metric"] == rule.metric]
        usable = [
            one
            for one in measured
            if one["value"] != "unknown" and (not rule.assurance or one["assurance"] in rule.assurance)
        ]
        if not usable:
            expected = f"a measured value{', ' + ' or '.join(rule.assurance) if rule.assurance else ''}"
            raise PolicyError(
                "QUALITY_UNKNOWN",
                f"nobody has measured {rule.metric}",
                place="/credentialSubject/qualityMeasurement",
                expected=expected,
                found=f"{len(measured)} other",
            )
        for one in usable:
            _within(one, rule)
        yield f"{rule.metric}: {usable[0]['value']}", usable[0]["assurance"]


def _within(measured: Mapping[str, Any], rule: QualityRule) -> None:
    from decimal import Decimal

    value = Decimal(measured["value"])
    low, high = rule.minimum and value < Decimal(rule.minimum), rule.maximum and value > Decimal(rule.maximum)
    if low or high:
        raise PolicyError(
            "QUALITY", f"{rule.metric} is outside what your policy accepts", place="/credentialSubject/qualityMeasurement",
            expected=f"at least {rule.minimum}" if low else f"at most {rule.maximum}", found=measured["value"],
        )  # fmt: skip


def _geography(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    for name in ("processingGeography", "storageGeography") if wanted.geography else ():
        rule = asked.subject.get(name, {})
        allowed, denied = rule.get("allowed"), rule.get("denied", ())
        country = wanted.geography
        if any(region.split("-")[0] == country for region in denied) or (
            allowed is not None and country not in allowed
        ):
            raise PolicyError(
                "GEOGRAPHY", "the publisher does not allow the data where you process it", place=f"/credentialSubject/{name}",
                expected=country, found=", ".join(allowed if allowed is not None else denied),
            )  # fmt: skip
    yield from ()


def _sector(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    if not wanted.sector:
        return
    from datasigil.trust.profiles import lacking

    audited = asked.attested.audited()
    missing = lacking(wanted.sector, asked.subject, audited=audited, today=str(asked.situation.at)[:10])
    for rule in missing:
        asked.findings.failed(
            11,
            PolicyError("SECTOR_REQUIREMENT", f"the {wanted.sector} profile is not met: {rule.asks}", place=rule.place, expected=f"{rule.source} ({rule.date})", found="nothing, or unknown"),
            name=f"{wanted.sector} profile",
        )  # fmt: skip
    if not missing:
        yield f"meets every rule of the {wanted.sector} profile", ""


def _derived(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    if wanted.lineage and references(asked.credential):
        yield find_lineage(asked.attested, wanted.lineage), ""


def _approved(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    text = asked.situation.policy.approvals
    if not text:
        return
    from datasigil.trust.approvals import is_satisfied, parse_approvals

    _, purposes = USES.get(wanted.use, ("", ()))
    held, pending = find_approvals(asked.attested, purposes, wanted.approved_until)
    expression = parse_approvals(text)
    if is_satisfied(expression, held):
        yield f"approved by {', '.join(sorted(held))}, which meets {text}", ""
        return
    code = "APPROVAL_UNDETERMINED" if is_satisfied(expression, {*held, *pending}) else "APPROVAL_MISSING"
    message = (
        "an approval that your policy asks for is missing"
        if code == "APPROVAL_MISSING"
        else f"an approval that your policy asks for is {INDETERMINATE}"
    )
    scope = f", each for {' and '.join(purposes)}" if purposes else ""
    until = f", in force until {wanted.approved_until}" if wanted.approved_until is not None else ""
    raise PolicyError(code, message, expected=f"{text}{scope}{until}", found=", ".join(sorted(held)) or "none")


def _granted(asked: _Asked, wanted: Requirements) -> Iterator[tuple[str, str]]:
    if not wanted.granted:
        return
    grant = find_grant(asked.attested, wanted)
    if grant is None:
        raise PolicyError(
            "GRANT_MISSING", "your policy asks for a licence granted to you, and none that counts is here",
            expected=f"a grant of {wanted.use} to {asked.situation.policy.self_did}", found="none",
        )  # fmt: skip
    yield f"granted to you: {grant}", ""


_CHECKS: Final[tuple[tuple[str, _Check], ...]] = (
    ("licence", _license),
    ("use", _use),
    ("role and profile", _role),
    ("regulated data", _regulated),
    ("age", _age),
    ("quality", _quality),
    ("geography", _geography),
    ("sector profile", _sector),
    ("derivation", _derived),
    ("approvals", _approved),
    ("grant", _granted),
)
