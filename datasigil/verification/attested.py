"""What others say about a dataset, in credentials of their own: approvals and audits, licence grants, lineage.

Lives here: finding those that count. They must be about exactly this credential (digest and root), come from an issuer whom the trust file
counts for that type, and pass the plan themselves. Not here: what is required of them (`requirements`). One that does not count is no
evidence against the dataset: negative findings of others bind only through status or the trust file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from datasigil.credentials.types import Credential
from datasigil.datasets.lineage import check_balance, parse_lineage
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, PolicyError
from datasigil.record import dataclass
from datasigil.report import INDETERMINATE, VALID
from datasigil.trust.rules import Requirements
from datasigil.verification.findings import Situation
from datasigil.verification.lineage import Examined, Related, references

if TYPE_CHECKING:
    from datasigil.trust.odrl import TermsFinding


class Attested:
    """The related credentials that are about one dataset credential."""

    def __init__(self, credential: Credential, related: Related, situation: Situation) -> None:
        self.credential = credential
        self.related = related
        self.situation = situation

    @property
    def root(self) -> str:
        """The manifest root of the dataset."""
        return str(self.credential.subject["manifest"]["root"])

    def about(self, type_name: str) -> Iterator[Examined]:
        """Yield what the plan says about every credential of a type that targets exactly this one."""
        for digest, bundle in self.related.of_type(type_name):
            subject = bundle.credential.get("credentialSubject")
            target = subject.get("target") if isinstance(subject, Mapping) else None
            if not isinstance(target, Mapping) or target.get("credentialDigest") != self.credential.digest:
                continue
            if (
                target.get("root", self.root) != self.root
                or target.get("credential", self.credential.id) != self.credential.id
            ):
                continue
            examined = self._judge(digest)
            if examined is not None:
                yield examined

    def _judge(self, digest: str) -> Examined | None:
        return self.related.judge(digest, self.situation)

    def audited(self) -> bool:
        """Say whether a third party's audit counts: every criterion met, by somebody other than issuer, publisher and creators."""
        parties = _rightsholders(self.credential)
        for one in self.about("DatasetAuditCredential"):
            subject = _subject(one)
            if one.report.decision != VALID or subject.get("attestationType") != "audit" or one.credential is None:
                continue
            independent = one.credential.issuer not in parties and subject.get("assessorLevel") != "self"
            if independent and all(item["conformance"] for item in subject.get("assessment", ())):
                return True
        return False

    def require_self(self) -> None:
        """Return when the trust file's `self` is proven.  Raises: PolicyError (SELF_UNPROVEN)."""
        from datasigil.trust.owner import require_owner  # loaded for what is for somebody by name, which is rare

        require_owner(self.situation.policy, at=self.situation.at)

    def judge(self, terms: Mapping[str, Any], action: str, wanted: Requirements) -> TermsFinding:
        """Return whether the publisher's terms permit an action; what they permit to `self` alone rests on the proof of it.

        Raises:
            PolicyError: SELF_UNPROVEN.
        """
        from datasigil.trust.odrl import Circumstances, judge_terms

        facts = self.facts(wanted)
        finding = judge_terms(terms, Circumstances(action, facts))
        anybody = {name: values for name, values in facts.items() if name != "recipient"}
        if finding.permitted and anybody != facts and not judge_terms(terms, Circumstances(action, anybody)).permitted:
            self.require_self()
        return finding

    def facts(self, wanted: Requirements) -> dict[str, frozenset[str]]:
        """Return what is known about the intended use, by ODRL left operand."""
        facts = {"dateTime": frozenset({str(self.situation.at)})}
        if wanted.use:
            facts["purpose"] = frozenset({wanted.use, "commercial" if wanted.commercial else "non-commercial"})
        if wanted.geography:
            facts["spatial"] = frozenset({wanted.geography})
        if wanted.sector:
            facts["industry"] = frozenset({wanted.sector})
        if self.situation.policy.self_did:
            facts["recipient"] = frozenset({self.situation.policy.self_did})
        return facts


def _subject(one: Examined) -> Mapping[str, Any]:
    return one.credential.subject if one.credential is not None else {}


def find_approvals(
    attested: Attested, purposes: Collection[str], until: Instant | None = None
) -> tuple[set[str], set[str]]:
    """Return the roles that approve the dataset, and those whose approval is INDETERMINATE.

    The dataset's own issuer counts in the role in which it issued. An approval counts if it is accepted, covers all of
    `purposes` (an approval of one part of a use does not open the whole), is in force until `until` at least, and comes from an issuer with that role.
    """
    held, pending = {str(attested.credential.subject["role"])}, set()
    for one in attested.about("DatasetAuditCredential"):
        subject = _subject(one)
        if subject.get("attestationType") != "approval" or subject.get("verdict") not in (
            "accepted",
            "accepted-with-conditions",
        ):
            continue
        if not set(purposes) <= set(subject.get("approvedUse", ())):
            continue
        ends = one.credential.valid_until if one.credential is not None else None
        if until is not None and ends is not None and ends < until:
            continue
        rule = attested.situation.policy.issuer(one.credential.issuer) if one.credential is not None else None
        roles = set(rule.roles) - {"publisher", "observer"} if rule is not None else set()
        if one.report.decision == VALID:
            held |= roles
        elif one.report.decision == INDETERMINATE:
            pending |= roles
    return held, pending - held


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant that counts: what it is in words, what is owed for it, and whether the data itself may be passed on."""

    reference: str
    duties: tuple[str, ...]
    distributable: bool
    model_terms: bool  # whether the grant has terms of its own on models or their outputs

    def __str__(self) -> str:
        return self.reference + (f", owing {', '.join(self.duties)}" if self.duties else "")


def find_grant(attested: Attested, wanted: Requirements) -> Granted | None:
    """Return the grant that permits the wanted use to the trust file's `self`, or None.

    It must be to `self`, by the dataset's issuer or by the DID of its named publisher or creator, and its terms must permit the use.

    Raises:
        PolicyError: SELF_UNPROVEN, when there is such a grant and nothing proves that the trust file is that DID's.
    """
    from datasigil.trust.odrl import Circumstances, judge_terms
    from datasigil.verification.requirements import USES

    me = attested.situation.policy.self_did
    if not me or not wanted.use:
        return None
    for one in attested.about("DatasetLicenseGrantCredential"):
        subject = _subject(one)
        if (
            one.report.decision != VALID
            or one.credential is None
            or subject.get("assignee") != me
            or subject.get("assigner") != one.credential.issuer
        ):
            continue
        if one.credential.issuer not in _rightsholders(attested.credential):
            continue
        facts = attested.facts(wanted)
        finding = judge_terms(subject, Circumstances(USES[wanted.use][0], facts))
        if finding.permitted and _holds_in(subject, wanted):
            attested.require_self()
            return Granted(
                f"{subject.get('reference', one.credential.id)} by {one.credential.issuer}",
                finding.duties,
                judge_terms(subject, Circumstances("distribute", facts)).permitted,
                "modelOutputTerms" in subject or "survivalTerms" in subject,
            )
    return None


def _rightsholders(credential: Credential) -> set[str]:
    subject = credential.subject
    parties = [subject.get("publisher", {}), *subject.get("creator", ())]
    return {credential.issuer, *(str(party["id"]) for party in parties if "id" in party)}


def _holds_in(subject: Mapping[str, Any], wanted: Requirements) -> bool:
    jurisdiction = subject.get("jurisdiction")
    return jurisdiction is None or not wanted.geography or wanted.geography in jurisdiction


def find_lineage(attested: Attested, assurance: str) -> str:
    """Return in words the lineage credential that says how the dataset was derived from exactly the parents it names.

    Raises:
        PolicyError: LINEAGE_MISSING, LINEAGE_UNDETERMINED.
    """
    accepted = ("computed",) if assurance == "computed" else ("computed", "declared", "attested")
    wanted = {one.digest for one in references(attested.credential)}
    manifest = attested.credential.subject["manifest"]
    pending = False
    for digest, bundle in attested.related.of_type("DatasetLineageCredential"):
        # Asked before the plan runs on it: judging another generation's lineage would come back to this very dataset.
        if not _derives(bundle.credential.get("credentialSubject"), manifest, wanted):
            continue
        one = attested.related.judge(digest, attested.situation)
        if one is None or one.credential is None or one.credential.type != "DatasetLineageCredential":
            continue
        subject = one.credential.subject
        if subject["assurance"] not in accepted:
            continue
        try:
            check_balance(parse_lineage(subject))
        except DatasigilError:
            continue
        if one.report.decision == VALID:
            return f"its derivation is {subject['assurance']} by {one.credential.issuer}"
        pending = pending or one.report.decision == INDETERMINATE
    raise PolicyError(
        "LINEAGE_UNDETERMINED" if pending else "LINEAGE_MISSING", "no lineage credential that counts says how it was derived", place="/credentialSubject/derivedFrom",
        expected=f"a DatasetLineageCredential, {' or '.join(accepted)}", found="none" if not pending else INDETERMINATE,
    )  # fmt: skip


def _derives(subject: object, manifest: Mapping[str, Any], wanted: Collection[str]) -> bool:
    """Say whether an unverified lineage subject claims to make this manifest from exactly the wanted credentials."""
    made, used = (subject.get("generated"), subject.get("used")) if isinstance(subject, Mapping) else (None, None)
    if not isinstance(made, Mapping) or not isinstance(used, list):
        return False
    sources = [one.get("credentialDigest") for one in used if isinstance(one, Mapping)]
    same = made.get("root") == manifest["root"] and made.get("digest") == manifest["digest"]
    return same and all(isinstance(one, str) for one in sources) and set(sources) == set(wanted)
