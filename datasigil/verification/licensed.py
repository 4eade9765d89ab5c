"""From a checked dataset to the licence planner: the ways that its licence leaves, and everything that stands in its way.

Lives here: building a `planner.Candidate` from an outcome of the plan. Not here: the planning itself (`trust.planner`). Nothing that the
plan did not establish is a way: whatever failed or stayed open is an obstacle, and what a dataset was made from counts with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from datasigil.errors import PolicyError
from datasigil.record import replace
from datasigil.report import FAILED, UNDETERMINED
from datasigil.trust.licensing import alternatives
from datasigil.trust.planner import (
    NOTHING,
    SHARES,
    Candidate,
    IntendedUse,
    LicensePlan,
    Obstacle,
    Part,
    Way,
    plan_licenses,
)
from datasigil.verification.attested import Attested, Granted, find_grant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasigil.trust.rules import TrustPolicy
    from datasigil.verification.plan import Outcome

WITHIN: Final = (NOTHING, "model")
"""What may leave the house where nobody permits passing the data itself on."""

# What nobody said, as opposed to what somebody forbade; a person can still find it out.
_UNSAID = ("_UNKNOWN", "_UNDETERMINED", "_MISSING")


def planning_policy(policy: TrustPolicy, intended: IntendedUse) -> TrustPolicy:
    """Return the policy under which datasets are checked for a plan: the intended use is asked for, and unknown is refused."""
    rules = replace(policy.requirements.licenses, unknown="refuse")
    wanted = replace(policy.requirements, use=intended.use, commercial=intended.commercial, licenses=rules)
    return replace(policy, requirements=wanted)


def intended_by(policy: TrustPolicy) -> IntendedUse:
    """Return the intended use that a trust file states."""
    wanted = policy.requirements
    return IntendedUse(wanted.use, wanted.commercial, wanted.share or NOTHING, wanted.result_license)


def plan_outcomes(outcomes: Mapping[str, Outcome], intended: IntendedUse) -> LicensePlan:
    """Return the plan for datasets that were checked under `planning_policy`, by the label that the user knows them by.

    Raises:
        ValueError: as `plan_licenses`.
    """
    return plan_licenses([candidate_of(label, one) for label, one in outcomes.items()], intended)


def candidate_of(label: str, outcome: Outcome) -> Candidate:
    """Return what the planner needs of one dataset; an outcome without a readable credential is one obstacle."""
    obstacles = tuple(
        Obstacle(check.code, check.message, check.found or check.place, _is_unknown(check.outcome, check.code))
        for check in outcome.report.checks
        if check.outcome in (FAILED, UNDETERMINED)
    )
    attested = outcome.attested
    if attested is None or attested.credential.type != "DatasetCredential":
        none = Obstacle("NO_CREDENTIAL", "there is no dataset credential to read a licence from")
        return Candidate(label, (Part(label, "none", (), obstacles or (none,)),))
    own = replace(_part(attested), obstacles=obstacles)
    above = tuple(part for part in _ancestors(attested) if part.ways)  # one without is an obstacle of the child already
    summary = outcome.report.credential
    contact = (summary.issuer_name or summary.claimed_name or summary.issuer) if summary is not None else ""
    return Candidate(label, (own, *above), contact)


def _is_unknown(outcome: str, code: str) -> bool:
    return outcome == UNDETERMINED or code.endswith(_UNSAID) or code == "LICENSE_TEXT"


def _part(attested: Attested) -> Part:
    subject, wanted = attested.credential.subject, attested.situation.policy.requirements
    stated = subject["license"]
    findings = alternatives(
        stated["expression"], text_digest=stated.get("textDigest"), rules=wanted.licenses, use=wanted.use, commercial=wanted.commercial,
    )  # fmt: skip
    reach = SHARES if _may_be_passed_on(attested) else WITHIN
    ways = [Way(one.ids, one.duties, reach) for one in findings if one.outcome == "allowed"]
    grant = _grant(attested) if all(one.code != "LICENSE_DENIED" for one in findings) else None
    if grant is not None:
        terms = ("the grant's own terms on models",) if grant.model_terms else ()
        ways.append(Way((), (*grant.duties, *terms), SHARES if grant.distributable else WITHIN))
    name = " ".join(str(subject[member]) for member in ("name", "version"))
    return Part(name, stated["expression"], tuple(ways))


def _grant(attested: Attested) -> Granted | None:
    """The grant to the user; one that rests on an unproven `self` opens no way, and the check has named it."""
    try:
        return find_grant(attested, attested.situation.policy.requirements)
    except PolicyError:
        return None


def _may_be_passed_on(attested: Attested) -> bool:
    """Say whether the publisher's own ODRL terms, where there are any, permit passing the data on; in a closed world silence does not."""
    terms = attested.credential.subject.get("hasPolicy")
    if terms is None:
        return True
    try:
        return attested.judge(terms, "distribute", attested.situation.policy.requirements).permitted
    except PolicyError:
        return False


def _ancestors(attested: Attested) -> Iterator[Part]:
    """Yield the datasets that one was made from, each once, as far back as the evidence goes."""
    from datasigil.verification.lineage import references

    related, seen, open_ = attested.related, set[str](), [attested.credential]
    while open_:
        for reference in references(open_.pop()):
            credential = related.credential(reference.digest)
            if reference.digest in seen or credential is None or credential.type != "DatasetCredential":
                continue
            seen.add(reference.digest)
            open_.append(credential)
            yield _part(Attested(credential, related, attested.situation))
