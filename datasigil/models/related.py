"""What others say about a training dataset, in the credentials that its evidence holds: audits, approvals, grants, lineage.

Here: which of them count, and finding any credential in a bundle by digest. Not here: judging them (`datasigil.verification`), what a
card tells of them (`training_worker.card`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from datasigil.canonical import document_digest
from datasigil.report import VALID

if TYPE_CHECKING:
    from datasigil.bundle import Bundle
    from datasigil.verification import Outcome
    from datasigil.verification.attested import Attested

ABOUT = ("DatasetAuditCredential", "DatasetLicenseGrantCredential")
LINEAGE = "DatasetLineageCredential"


def bundles_by_digest(bundle: Bundle) -> dict[str, Bundle]:
    """Return every bundle inside a bundle, itself included, by the digest of its credential; nothing is judged."""
    found = {document_digest(dict(bundle.credential)): bundle}
    for parent in bundle.parents:
        found |= bundles_by_digest(parent)
    return found


def counted_credentials(outcome: Outcome) -> tuple[Mapping[str, Any], ...]:
    """Return the secured credentials about a checked dataset that are VALID and whose issuers the policy counts, by digest."""
    if outcome.attested is None:
        return ()
    found = {one.digest: one.document for one in _counted(outcome.attested)}
    return tuple(found[digest] for digest in sorted(found))


def _counted(attested: Attested) -> Iterator[Any]:
    for name in ABOUT:
        for one in attested.about(name):
            if one.report.decision == VALID and one.credential is not None:
                yield one.credential
    manifest = attested.credential.subject["manifest"]
    for digest, bundle in attested.related.of_type(LINEAGE):
        subject = bundle.credential.get("credentialSubject")
        made = subject.get("generated") if isinstance(subject, Mapping) else None
        # Only the lineage of this very dataset: judging another generation's would come back to it.
        if not isinstance(made, Mapping) or made.get("root") != manifest["root"] or made.get("digest") != manifest["digest"]:  # fmt: skip
            continue
        judged = attested.related.judge(digest, attested.situation)
        if judged is not None and judged.report.decision == VALID and judged.credential is not None:
            yield judged.credential


__all__ = ["ABOUT", "LINEAGE", "bundles_by_digest", "counted_credentials"]
