"""Step 10: everything that a dataset or model was made from holds as well, back to the sources.

Lives here: the closure over parents, each by the same plan; balanced steps; cycles. Not here: the arithmetic (`datasets.lineage`), and the
plan itself, which is handed in as `Examine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from datasigil.bundle import Bundle
from datasigil.canonical import document_digest
from datasigil.credentials.types import Credential, parse_credential
from datasigil.datasets.lineage import check_balance, find_cycle, parse_lineage
from datasigil.errors import DatasigilError, LogError, VerificationError
from datasigil.limits import PARENT_DEPTH_MAX
from datasigil.record import dataclass, field
from datasigil.report import INDETERMINATE, VALID, Report
from datasigil.verification.findings import Findings, Situation
from datasigil.verification.issuer import require_signed, require_trusted, rule_of
from datasigil.verification.license_evidence import license_evidence
from datasigil.verification.logged import Logged


@dataclass(frozen=True)
class Examined:
    """What the plan said about one related credential."""

    report: Report
    credential: Credential | None
    logged: Logged | None


Examine = Callable[[Bundle, Situation], Examined]


@dataclass
class Related:
    """The other credentials that the evidence holds, by digest, and the plan to judge them with; each is judged once."""

    bundles: Mapping[str, Bundle]
    examine: Examine
    judged: dict[tuple[str, str], Examined] = field(default_factory=dict)
    edges: dict[str, set[str]] | None = None

    @classmethod
    def of(cls, evidence: Iterator[Bundle], examine: Examine) -> Related:
        """Return the index over bundles."""
        return cls({document_digest(one.credential): one for one in evidence}, examine)

    def claims(self, situation: Situation) -> Mapping[str, set[str]]:
        """Return who says what was made from what, by manifest root: the word of issuers whom the trust file counts, and signed.

        What strangers claim does not bind: anybody can say that a dataset is its own ancestor.
        """
        if self.edges is None:
            self.edges = {}
            for bundle in self.bundles.values():
                subject = bundle.credential.get("credentialSubject")
                if (
                    isinstance(subject, Mapping)
                    and ("derivedFrom" in subject or "used" in subject)
                    and _counts(bundle, situation)
                ):
                    _add_edges(self.edges, subject)
        return self.edges

    def judge(self, digest: str, situation: Situation) -> Examined | None:
        """Return what the plan says about the credential with this digest, or None when the evidence lacks it."""
        bundle = self.bundles.get(digest)
        if bundle is None:
            return None
        key = (digest, str(situation.period_at))
        if key not in self.judged:
            self.judged[key] = self.examine(bundle, situation)
        return self.judged[key]

    def credential(self, digest: str) -> Credential | None:
        """Return a related credential that the plan has read, whatever it said about it."""
        return next((one.credential for (name, _), one in self.judged.items() if name == digest), None)

    def of_type(self, type_name: str) -> Iterator[tuple[str, Bundle]]:
        """Yield digest and bundle of every credential that says it is of a type."""
        for digest, bundle in self.bundles.items():
            types = bundle.credential.get("type")
            if isinstance(types, list) and type_name in types:
                yield digest, bundle


@dataclass(frozen=True)
class Reference:
    """How a credential names a dataset that it builds on."""

    credential: str
    digest: str
    root: str


def references(credential: Credential) -> tuple[Reference, ...]:
    """Return the datasets that a credential says it was made from, without repetition."""
    subject = credential.subject
    members = {
        "DatasetCredential": ("derivedFrom",),
        "DatasetLineageCredential": ("used",),
        "ModelTrainingCredential": ("trainingData", "validationData", "testData"),
    }.get(credential.type, ())
    found = [
        Reference(one["credential"], one["credentialDigest"], one["root"])
        for name in members
        for one in subject.get(name, ())
    ]
    return tuple(dict.fromkeys(found))


def check_lineage(
    credential: Credential, logged: Logged | None, related: Related, situation: Situation, findings: Findings
) -> tuple[Report, ...]:
    """Step 10: each parent holds by steps 1 to 8, 10 and 11; its period is judged when this credential was logged, its status now."""
    if credential.type == "DatasetLineageCredential":
        try:
            check_balance(parse_lineage(credential.subject))
            findings.passed(10, "the counts of its steps balance", name="steps")
        except DatasigilError as error:
            findings.failed(10, error, name="steps")
    parents = references(credential)
    if not parents:
        findings.not_required(10, "it names no dataset that it was made from")
        return ()
    try:
        _refuse_cycles(credential, related, situation)
    except DatasigilError as error:
        findings.failed(10, error)
        return ()
    return tuple(
        report
        for reference in parents
        for report in _check_parent(reference, credential, logged, related, situation, findings)
    )


def _refuse_cycles(credential: Credential, related: Related, situation: Situation) -> None:
    """Refuse a dataset that is its own ancestor: by manifest root, since digests of credentials cannot go round."""
    if len(situation.ancestors) >= PARENT_DEPTH_MAX:
        raise VerificationError("LIMIT", "the lineage is too deep", expected=f"at most {PARENT_DEPTH_MAX} generations")
    graph = {root: set(sources) for root, sources in related.claims(situation).items()}
    _add_edges(graph, credential.subject)
    cycle = find_cycle(graph)
    if cycle:
        raise VerificationError(
            "LINEAGE_CYCLE", "a dataset is its own ancestor", expected="every dataset older than what was made of it",
            found=" from ".join(str(root)[:12] for root in cycle), next_action="ask the curator for lineage that ends at a source",
        )  # fmt: skip


def _counts(bundle: Bundle, situation: Situation) -> bool:
    """Say whether a related credential is by an issuer whom the trust file counts for its type, unchanged since it was signed."""
    try:
        credential = parse_credential(bundle.credential)
        rule, _ = rule_of(credential.issuer, bundle.issuer_keys, situation)
        require_trusted(credential, rule)
        signed = require_signed(credential, credential.issuer, rule, bundle.issuer_keys, situation.at)
    except DatasigilError:
        return False
    return bool(signed.accepted)


def _add_edges(graph: dict[str, set[str]], subject: Mapping[str, Any]) -> None:
    """Add what one subject says."""
    for own, made, sources in (("manifest", "root", "derivedFrom"), ("generated", "root", "used")):
        target, listed = subject.get(own), subject.get(sources)
        if isinstance(target, Mapping) and isinstance(target.get(made), str) and isinstance(listed, list):
            roots = (one.get("root") for one in listed if isinstance(one, Mapping))
            graph.setdefault(target[made], set()).update(root for root in roots if isinstance(root, str))


def _check_parent(
    reference: Reference,
    child: Credential,
    logged: Logged | None,
    related: Related,
    situation: Situation,
    findings: Findings,
) -> Iterator[Report]:
    below = situation.for_parent(child.id, logged.instant if logged is not None else None)
    examined = related.judge(reference.digest, below)
    name = f"parent {reference.credential}"
    if examined is None:
        findings.undetermined(
            10,
            VerificationError(
                "PARENT_MISSING", "the evidence lacks a dataset that this one was made from", place=reference.credential, expected=reference.digest, found="none",
                next_action="run `datasigil-verify refresh` on the bundle, or ask the publisher for the parent's bundle",
            ),
            name=name,
        )  # fmt: skip
        return
    yield examined.report
    if examined.report.decision != VALID:
        _record(examined.report, reference, name, findings)
        return
    try:
        _require_same(reference, examined)
        _require_earlier(examined.logged, logged)
    except DatasigilError as error:
        (findings.undetermined if error.code == "EVIDENCE_LATER" else findings.failed)(10, error, name=name)
        return
    findings.passed(
        10, "it held when this was made from it, and has not been revoked", name=name, found=_license_of(examined)
    )


def _license_of(examined: Examined) -> str:
    """Say on what a parent's licence rests: what was made from several takes over the weakest of them."""
    assert examined.credential is not None  # its report is VALID
    subject = examined.credential.subject
    return f"licence {subject['license']['expression']}: {license_evidence(subject).words}"


def _record(report: Report, reference: Reference, name: str, findings: Findings) -> None:
    first = next((check for check in report.checks if check.code == report.code), None)
    what = first.message if first is not None else "a required check did not run"
    error = VerificationError(
        report.code or "PARENT",
        f"a dataset that it was made from does not hold: {what}",
        place=reference.credential,
        expected="a parent that passes every check",
        found=report.decision,
    )
    (findings.undetermined if report.decision == INDETERMINATE else findings.failed)(10, error, name=name)


def _require_same(reference: Reference, examined: Examined) -> None:
    credential = examined.credential
    root = credential.subject.get("manifest", {}).get("root") if credential is not None else None
    if (
        credential is None
        or credential.type != "DatasetCredential"
        or credential.id != reference.credential
        or root != reference.root
    ):
        raise VerificationError(
            "PARENT_MISMATCH", "the parent is another one than the reference says", place=reference.credential, expected=f"{reference.credential} with root {reference.root}",
            found=f"{credential.id if credential is not None else 'none'} with root {root}",
        )  # fmt: skip


def _require_earlier(parent: Logged | None, child: Logged | None) -> None:
    """A parent was logged before what was made from it: by index in one log, by signed time across logs."""
    if parent is None or child is None:
        return  # step 7 of one of them has said so already
    if parent.origin == child.origin and parent.index >= child.index:
        raise LogError(
            "PARENT_LATER",
            "the parent was logged after what was made from it",
            expected=f"an entry below {child.index}",
            found=f"entry {parent.index} of {parent.origin}",
        )
    if parent.origin != child.origin and parent.time > child.time:
        raise LogError(
            "EVIDENCE_LATER", "the evidence shows the parent only after what was made from it", expected=f"at most {child.instant}", found=str(parent.instant),
            next_action="use the parent's bundle as it was then",
        )  # fmt: skip
