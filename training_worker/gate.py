"""The worker's gate: every dataset of a recipe is VALID, whole and copied while it was verified, or nothing happens.

Here: the recipe's datasets put before the core's gate, the licence planner's word on them together, the refusal with its whole
report, and the record of refusals. Not here: the checks (`datasigil.verification`), the copying (`datasigil.gate`). torch is not
imported here, and there is no flag and no argument that skips any of it.

Whatever the trust file says it is for, this program trains: every dataset is judged for training.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from datasigil.bundle import Bundle, bundle_bytes, find_bundle, parse_bundle, read_file, sidecar_path
from datasigil.client import Refreshed, proven_credentials
from datasigil.command_line.places import refuse_inside
from datasigil.datasets.finding import Progress
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.gate import FilesCheck, GateDataset, GateFile, GateOutcome, run_gate
from datasigil.limits import BUNDLE_MAX_BYTES, MANIFEST_MAX_BYTES
from datasigil.models.related import counted_credentials
from datasigil.report import Report
from datasigil.transparency.client_state import ClientState
from datasigil.trust.policy import TrustPolicy
from datasigil.verification import Outcome, VerifiedDataset, verify_bytes
from training_worker.limits import REFUSAL_LOG_MAX_BYTES
from training_worker.recipe import Recipe
from training_worker.recipe_sections import Data
from training_worker.training_use import duties_together, training_policy
from training_worker.verified_files import VerifiedFiles


class Refused(Exception):  # noqa: N818 - a decision, not a fault
    """The gate did not pass: at least one dataset is not VALID for all files; `during_run` when it had passed before."""

    def __init__(
        self,
        headline: str,
        exit_code: int,
        reports: Sequence[Report],
        error: DatasigilError | None = None,
        *,
        during_run: bool = False,
    ) -> None:
        super().__init__(headline)
        self.headline, self.exit_code, self.reports, self.error = headline, exit_code, tuple(reports), error
        self.during_run = during_run

    def document(self) -> dict[str, Any]:
        """Return the refusal as JSON."""
        document: dict[str, Any] = {
            "type": "TrainingRefusal",
            "formatVersion": 1,
            "decision": "INDETERMINATE" if self.exit_code == 3 else "INVALID",
            "headline": self.headline,
            "reports": [report.to_json() for report in self.reports],
        }
        if self.error is not None:
            document["error"] = {"code": self.error.code, "message": str(self.error)}
        return document


@dataclass(frozen=True, slots=True)
class GatedDataset:
    """One dataset that passed: its snapshot, its credential, and the evidence it passed on."""

    files: VerifiedFiles
    credential: Mapping[str, Any]  # the secured document
    evidence: bytes
    evidence_name: str  # its place in the run folder
    report: Report
    sidecar: bytes | None = None  # the manifest, where the bundle does not embed it
    related: tuple[Mapping[str, Any], ...] = ()  # audits, approvals, grants and lineage that count, secured


@dataclass(frozen=True, slots=True)
class PassedGate:
    """Everything the gate let through, in the order of the recipe."""

    datasets: tuple[GatedDataset, ...]
    time: datetime
    offline: bool
    policy_digest: str
    use: str = ""  # what every dataset was judged for
    sector: str = ""
    duties: tuple[str, ...] = ()  # what licences and terms ask in return

    def document(self) -> dict[str, Any]:
        """Return the receipt's `gate`."""
        reports = [dataset.report for dataset in self.datasets]
        return {
            "decision": "VALID",
            "time": str(Instant.from_datetime(self.time)),
            "scope": "all files",
            "policyDigest": self.policy_digest,
            "mode": "offline" if self.offline else "online",
            "statusListDigests": sorted({digest for report in reports for digest in report.status_list_digests}),
            "checkpointDigests": sorted({digest for report in reports for digest in report.checkpoint_digests}),
            "warnings": sorted({f"{one.code}: {one.message}" for report in reports for one in report.warnings}),
            "duties": list(self.duties),
            **{name: value for name, value in (("use", self.use), ("sector", self.sector)) if value},
        }


@dataclass(frozen=True, slots=True)
class GateSettings:
    """By whose trust, as of when and with which memory the gate decides."""

    policy: TrustPolicy
    at: datetime
    offline: bool
    state: ClientState | None = None
    renew: Callable[[Bundle, frozenset[str], datetime], Refreshed] | None = None  # absent: the bundle's own evidence
    refusals: Path | None = None  # where refusals are recorded


@dataclass(frozen=True, slots=True)
class _Seen:
    """One dataset's evidence as it was judged, and the outcome."""

    evidence: bytes
    manifest: bytes | None
    outcome: Outcome


class _Verifier:
    """Runs the whole plan for one dataset after the other and keeps what a run needs of each."""

    def __init__(self, settings: GateSettings) -> None:
        self.settings = settings
        self.seen: list[_Seen] = []

    def __call__(self, dataset: GateDataset, files: FilesCheck) -> Report:
        raw, manifest = read_evidence(dataset.bundle)
        raw, outcome = judge(raw, manifest, self.settings, data=files)
        self.seen.append(_Seen(raw, manifest, outcome))
        return outcome.report


def judge(
    raw: bytes, manifest: bytes | None, settings: GateSettings, *, data: FilesCheck | None = None
) -> tuple[bytes, Outcome]:
    """Return a bundle with evidence of now where there is a network, and the outcome of the whole plan on it.

    Nothing is fetched for a credential that does not pass steps 1 to 5.
    """
    errors: tuple[DatasigilError, ...] = ()
    if settings.renew is not None and not settings.offline:
        proven = proven_credentials(_verified(raw, manifest, settings).report)
        if proven:
            renewed = settings.renew(parse_bundle(raw), proven, settings.at)
            raw, errors = bundle_bytes(renewed.bundle), renewed.errors
    return raw, _verified(raw, manifest, settings, data=data, retrieval_errors=errors)


def _verified(raw: bytes, manifest: bytes | None, settings: GateSettings, **options: Any) -> Outcome:
    return verify_bytes(
        raw,
        policy=training_policy(settings.policy),
        at=settings.at,
        offline=settings.offline,
        state=settings.state,
        manifest=manifest,
        expect_type="DatasetCredential",
        **options,
    )


def read_evidence(path: Path) -> tuple[bytes, bytes | None]:
    """Return the bytes of a bundle, and of the manifest beside it if there is one.

    Raises:
        DatasigilError: NO_CREDENTIAL, when there is no such file; UNREADABLE; LIMIT.
    """
    try:
        bundle = find_bundle(path)
        sidecar = sidecar_path(bundle)
        return read_file(bundle, BUNDLE_MAX_BYTES), read_file(
            sidecar, MANIFEST_MAX_BYTES
        ) if sidecar.is_file() else None
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE", "the evidence cannot be read", place=str(path), found=error.strerror or ""
        ) from None
    except DatasigilError as error:
        if error.code != "NO_BUNDLE":
            raise
        raise DatasigilError(
            "NO_CREDENTIAL",
            "this data has no credential here, so it is not trained on",
            place=str(path),
            expected="an evidence bundle (*.sigil.json)",
            found="no such file",
            next_action="`datasigil-verify fetch` it from the publisher's registry, or `datasigil observe` the data yourself",
        ) from None


@contextmanager
def passed_gate(
    recipe: Recipe,
    folder: Path,
    settings: GateSettings,
    *,
    work: Path | None = None,
    progress: Progress | None = None,
    fetched: Mapping[str, Path] | None = None,
) -> Iterator[PassedGate]:
    """Pass every dataset of a recipe through the gate, and remove the verified copies when the block ends.

    `folder` is what the recipe's paths are relative to; copies go below `work`, by default the system's temporary folder. `fetched` says where
    bundles lie that are not where the recipe names them.

    Raises:
        Refused: with every report; recorded before it is raised.
        DatasigilError: POLICY_FILE, for a trust file among the data; DISK_FULL and others that make no decision possible.
    """
    moved = fetched or {}
    gate = GateFile(
        tuple(GateDataset(moved.get(data.bundle, folder / data.bundle), folder / data.path) for data in recipe.data)
    )
    with _passing(gate, recipe.data, settings, work, progress) as passed:
        yield passed


@contextmanager
def passed_bundle(
    bundle: Path, data: Path, settings: GateSettings, *, work: Path | None = None
) -> Iterator[PassedGate]:
    """Pass one dataset that no recipe names yet, as `passed_gate` does.

    Raises: as `passed_gate`.
    """
    with _passing(GateFile((GateDataset(bundle, data),)), (), settings, work, None) as passed:
        yield passed


@contextmanager
def _passing(
    gate: GateFile, named: Sequence[Data], settings: GateSettings, work: Path | None, progress: Progress | None
) -> Iterator[PassedGate]:
    refuse_inside(settings.policy.source, [dataset.data for dataset in gate.datasets])
    snapshots = Path(tempfile.mkdtemp(prefix="snapshot-", dir=work))
    try:
        try:
            passed = _pass(gate, named, settings, snapshots, progress)
        except Refused as refusal:
            record_refusal(refusal, [str(dataset.bundle) for dataset in gate.datasets], settings)
            raise
        yield passed
    finally:
        remove_snapshots(snapshots)


def remove_snapshots(folder: Path) -> None:
    """Delete verified copies; they are read-only, so modes are opened first."""
    for path in (folder, *(folder.rglob("*") if folder.is_dir() else ())):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _pass(
    gate: GateFile, named: Sequence[Data], settings: GateSettings, snapshots: Path, progress: Progress | None
) -> PassedGate:
    verifier = _Verifier(settings)
    try:
        outcome = run_gate(gate, verify=verifier, snapshots=snapshots, progress=progress)
        reports = [one.outcome.report for one in verifier.seen]
        if outcome.decision != "VALID":
            raise Refused(_headline(outcome, reports), outcome.exit_code, reports)
        datasets = _gated(verifier, outcome, named)
        duties = duties_together(gate, [one.outcome for one in verifier.seen], settings.policy)
    except DatasigilError as error:
        if error.code not in _REFUSALS:
            raise
        reports = [one.outcome.report for one in verifier.seen]
        raise Refused(f"INVALID: {error.message}", 1, reports, error) from None
    wanted = training_policy(settings.policy).requirements
    return PassedGate(
        datasets, settings.at, settings.offline, settings.policy.digest, wanted.use, wanted.sector, duties
    )


def _headline(outcome: GateOutcome, reports: Sequence[Report]) -> str:
    """Return the one sentence that decides: a single dataset's own, or the gate's with those of the datasets it refuses."""
    refused = [report.headline for report in reports if report.decision != "VALID"]
    if len(reports) == 1 and refused:
        return refused[0]
    return "; ".join([outcome.headline, *refused])


# What the presenter had to supply and did not: a refusal, not a fault of the program.
_REFUSALS = frozenset({"NO_CREDENTIAL", "OTHER_CREDENTIAL", "NOT_WHOLE", "DATA_FOLDER", "LICENSE_CONFLICT"})


def _gated(verifier: _Verifier, outcome: GateOutcome, named: Sequence[Data]) -> tuple[GatedDataset, ...]:
    datasets = []
    for number, (seen, result) in enumerate(zip(verifier.seen, outcome.results, strict=True)):
        verified, snapshot = seen.outcome.dataset, result.snapshot
        if not isinstance(verified, VerifiedDataset) or snapshot is None:
            raise DatasigilError("NOT_WHOLE", "the dataset was verified in part only", place=str(result.dataset.data))
        if named:
            _check_named(named[number], verified)
        files = VerifiedFiles(verified.credential.id, verified.credential.digest, verified.manifest, snapshot.root)
        document = dict(verified.credential.document)
        datasets.append(
            GatedDataset(
                files,
                document,
                seen.evidence,
                f"evidence/{number}.sigil.json",
                seen.outcome.report,
                seen.manifest,
                counted_credentials(seen.outcome),
            )
        )
    return tuple(datasets)


def _check_named(data: Data, verified: VerifiedDataset) -> None:
    """Refuse a bundle that is VALID and about something else than the recipe names."""
    for name, expected, found in (
        ("credential", data.credential, verified.credential.id),
        ("credentialDigest", data.credential_digest, verified.credential.digest),
    ):
        if expected is not None and expected != found:
            raise DatasigilError(
                "OTHER_CREDENTIAL",
                "the bundle holds another credential than the recipe names",
                place=f"{data.bundle}: {name}",
                expected=expected,
                found=found,
                next_action="name the right bundle, or write the recipe anew with `datasigil-train new`",
            )


def record_refusal(refusal: Refused, bundles: Sequence[str], settings: GateSettings) -> None:
    """Append the refusal to the record; `bundles` say what it is about. A record that cannot be written does not turn a refusal into a pass."""
    if settings.refusals is None:
        return
    entry = {
        "time": str(Instant.from_datetime(settings.at)),
        "bundles": list(bundles),
        **refusal.document(),
    }
    try:
        settings.refusals.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if settings.refusals.is_file() and settings.refusals.stat().st_size > REFUSAL_LOG_MAX_BYTES:
            settings.refusals.replace(settings.refusals.with_suffix(".old.jsonl"))
        with settings.refusals.open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry, separators=(",", ":"), ensure_ascii=False) + "\n")
    except OSError:
        refusal.add_note("the record of refusals could not be written")


__all__ = [
    "GateSettings",
    "GatedDataset",
    "PassedGate",
    "Refused",
    "judge",
    "passed_bundle",
    "passed_gate",
    "read_evidence",
    "record_refusal",
    "remove_snapshots",
]
