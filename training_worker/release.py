"""`datasigil-train release`: let a reviewed model out, or say what still stands in the way.

Here: the decision. Not here: the checks (`datasigil.models.model_folder`, `datasigil.verification`), reviewing (`review`).

A model is released when its card is complete, everything in the folder holds together and is VALID under your trust file now, and at
least one VALID review accepts this very card and none rejects it. There is no flag around any of it.
"""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from datasigil.datasets.files import build_manifest
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, PolicyError
from datasigil.models.model_finding import Finding, ModelFinding
from datasigil.models.model_folder import check_model
from datasigil.models.release import RELEASE, release_bytes
from datasigil.models.reviews import VOID, Review
from datasigil.record import replace
from datasigil.report.terminal import Console
from datasigil.transparency.client_state import ClientState
from datasigil.trust.rules import TrustPolicy
from training_worker import places
from training_worker.documents import read_card, write_documents
from training_worker.run_folder import write_file


def run(given: Namespace, console: Console) -> int:
    """Release a run folder, or refuse with everything that is missing."""
    folder = Path(given.run_folder)
    policy = places.load_policy(given.policy, outside=[folder])
    places.require_digest(policy, given.policy_digest)
    at = datetime.now(UTC).replace(microsecond=0)
    state = ClientState(places.state_folder())
    dev = None if given.offline else places.is_dev(given.dev)
    finding = release(folder, policy, at, offline=given.offline, state=state, dev=dev)
    assert finding.card is not None
    reviews = [one.verdict for one in accepting(finding)]
    shown = {"type": "ReleaseResult", "formatVersion": 1, "cardDigest": finding.card.digest, "time": str(Instant.from_datetime(at)), "reviews": reviews}  # fmt: skip
    console.result(
        shown, f"released: card {finding.card.digest}, {len(reviews)} accepting review{'s' * (len(reviews) != 1)}\n"
    )
    console.say(f"next: datasigil-train pack {folder}")
    return 0


def release(
    folder: Path,
    policy: TrustPolicy,
    at: datetime,
    *,
    offline: bool,
    state: ClientState | None = None,
    dev: bool | None = None,
) -> ModelFinding:
    """Write `release.json` and the documents, or refuse; returns what was found.

    Evidence of now is fetched into `state` first unless `dev` is None; with `dev`, registries on this machine are admitted.

    Raises:
        PolicyError: DRAFT, NOT_REVIEWED, REVIEW_REJECTED, or NOT_VALID with the first thing that does not hold.
        DatasigilError: NO_RUN, DISK_FULL, UNWRITABLE.
    """
    card = read_card(folder)
    unsaid = [leaf.pointer.rsplit("/", 1)[-1] for leaf in card.leaves() if leaf.assurance == "not-provided"]
    if unsaid:
        raise PolicyError(
            "DRAFT", "the card is a draft: facts that only people can state are missing", place=str(folder), expected="every human fact",
            found=f"{len(unsaid)} missing: {', '.join(unsaid)}", next_action=f"datasigil-train card {folder} --questions, then --facts",
        )  # fmt: skip
    manifest = build_manifest(folder)
    missing: tuple[Finding, ...] = ()
    if dev is not None and state is not None:
        from datasigil.client.folders import not_had, remember_evidence

        paths = [entry.path for entry in manifest.entries if not entry.path.startswith(VOID)]
        missing = not_had(remember_evidence(folder, paths, policy=policy, at=at, state=state, dev=dev))
    finding = check_model(
        manifest, lambda name: folder.joinpath(*name.split("/")).read_bytes(), at=at, policy=policy, offline=offline, state=state,
    )  # fmt: skip
    finding = replace(finding, findings=(*finding.findings, *missing))
    if finding.decision != "VALID":
        raise _not_valid(folder, finding)
    _check_reviews(folder, finding)
    assert finding.card is not None
    assert finding.receipt is not None
    data = release_bytes(time=str(Instant.from_datetime(at)), card=finding.card, receipt=finding.receipt, policy_digest=policy.digest, reviews=accepting(finding))  # fmt: skip
    write_file(folder / RELEASE, data)
    write_documents(folder)
    return finding


def accepting(finding: ModelFinding) -> list[Review]:
    """Return the registered reviews that accept the card; `finding` is VALID, so each was verified."""
    reviews = finding.shown.reviews if finding.shown is not None else ()
    return [one for one in reviews if one.accepts and one.file in finding.reports]


def _check_reviews(folder: Path, finding: ModelFinding) -> None:
    reviews = finding.shown.reviews if finding.shown is not None else ()
    rejected = next((one for one in reviews if one.verdict == "rejected"), None)
    if rejected is not None:
        raise PolicyError(
            "REVIEW_REJECTED", "a reviewer rejected this card", place=rejected.file, found=f"{rejected.assessor}, {rejected.date[:10]}",
            next_action="change what was objected to, and have the new card reviewed",
        )  # fmt: skip
    if not accepting(finding):
        raise PolicyError(
            "NOT_REVIEWED", "nobody has reviewed this card", place=str(folder), expected="an accepting review by an issuer in your trust file",
            found=f"{len(reviews)} reviews", next_action=f"datasigil-train review {folder} --key NAME --registry URL",
        )  # fmt: skip


def _not_valid(folder: Path, finding: ModelFinding) -> DatasigilError:
    wrong = [f"{one.name} [{one.code}]" for one in finding.findings if one.outcome != "passed"]
    wrong += [f"{one.leaf.pointer} [{one.code}]" for one in finding.leaves if one.outcome == "failed"]
    return PolicyError(
        "NOT_VALID", f"the run folder is {finding.decision}, and only VALID is released", place=str(folder), expected="VALID under your trust file",
        found="; ".join(wrong[:4]), next_action=f"datasigil-verify card {folder}",
    )  # fmt: skip


__all__ = ["accepting", "release", "run"]
