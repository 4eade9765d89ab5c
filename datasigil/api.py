"""The two functions that most Python programs need: check a dataset, or demand one.

Lives here: finding the evidence on disk, the clock's default, and reading files back as they were verified. Not here: the plan
(`verification`), command lines, environment variables. Trust is never picked up from inside a dataset: a policy is handed in, or nobody
is trusted.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from datasigil.bundle import Bundle, find_bundle, read_bundle, read_file, sidecar_path
from datasigil.datasets.entry import Manifest
from datasigil.datasets.files import DigestChoice, Progress, check_files
from datasigil.datasets.finding import FilesFinding
from datasigil.datasets.opening import verified_opener
from datasigil.errors import DatasigilError, VerificationError
from datasigil.limits import BUNDLE_MAX_BYTES, MANIFEST_MAX_BYTES, POLICY_MAX_BYTES
from datasigil.report import Report
from datasigil.transparency.client_state import ClientState
from datasigil.trust.policy import TrustPolicy, default_policy, parse_policy
from datasigil.verification import Outcome, VerifiedDataset, verify, verify_bytes
from datasigil.verification.plan import DataCheck
from datasigil.verification.verified import Opener

PathText = str | os.PathLike[str]


class NotUsableError(VerificationError):
    """The dataset is not VALID for all its files; `report` says why."""

    def __init__(self, report: Report) -> None:
        first = next((check for check in report.checks if check.code == report.code), None)
        action = first.next_action.command if first is not None and first.next_action is not None else ""
        super().__init__(report.code or "NOT_CHECKED", report.headline, next_action=action)
        self.report = report


def check_dataset(
    evidence: PathText | Bundle,
    *,
    policy: PathText | TrustPolicy | None = None,
    data: PathText | None = None,
    partial: bool = False,
    digest: DigestChoice = "default",
    offline: bool = True,
    at: datetime | None = None,
    state: PathText | ClientState | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check a bundle, a credential or a dataset folder and return the report, which renders itself in notebooks.

    `policy` is a trust file or its path; without one nobody is trusted. With `data`, its files are compared (`partial` permits
    missing ones): a folder, a tar or zip file, or a place such as `s3://BUCKET/FOLDER`; `offline` is about evidence, not about data. `at` (aware) asks about a time in the past. With `offline=False` evidence is fetched once steps 1 to 5 passed.
    `state` is the folder in which this client remembers logs, lists and the latest signed time.

    Raises:
        DatasigilError: for what is no verdict: NO_BUNDLE, DATA_FOLDER, POLICY_FILE, CONTEXT_ALTERED.
        OSError: when a file cannot be read.
    """
    return _check(evidence, policy, data, at, state, progress, partial=partial, digest=digest, offline=offline).report


def require_dataset(
    evidence: PathText | Bundle,
    *,
    data: PathText,
    policy: PathText | TrustPolicy | None = None,
    digest: DigestChoice = "all",
    offline: bool = True,
    state: PathText | ClientState | None = None,
    progress: Progress | None = None,
) -> VerifiedDataset:
    """Return the dataset if it is VALID now for all files; its `.open(path)` hashes again what it hands out.

    Raises:
        NotUsableError: with the report, in every other case.
        DatasigilError, OSError: as `check_dataset`.
    """
    outcome = _check(
        evidence,
        policy,
        data,
        None,
        state,
        progress,
        partial=False,
        digest=digest,
        offline=offline,
        expect_type="DatasetCredential",
    )
    if not isinstance(outcome.dataset, VerifiedDataset):
        raise NotUsableError(outcome.report)
    return outcome.dataset


def _check(
    evidence: PathText | Bundle,
    policy: PathText | TrustPolicy | None,
    data: PathText | None,
    at: datetime | None,
    state: PathText | ClientState | None,
    progress: Progress | None,
    *,
    partial: bool,
    digest: DigestChoice,
    offline: bool,
    expect_type: str | None = None,
) -> Outcome:
    trust, time = _policy(policy), at or datetime.now(UTC)
    memory = ClientState(Path(state)) if state is not None and not isinstance(state, ClientState) else state
    check, opener = _data(data, trust, progress, partial=partial, digest=digest)
    raw, bundle, manifest = _read(evidence)
    if bundle is None:
        return verify_bytes(
            raw, policy=trust, at=time, as_of=at is not None, offline=offline, data=check, opener=opener, manifest=manifest, state=memory,
            expect_type=expect_type,
        )  # fmt: skip
    if offline or at is not None:
        return verify(
            bundle, policy=trust, at=time, as_of=at is not None, offline=offline, data=check, opener=opener, manifest=manifest, state=memory,
            expect_type=expect_type,
        )  # fmt: skip
    from datasigil.client import check_online, fetcher_for

    return check_online(
        bundle,
        policy=trust,
        at=time,
        fetcher=fetcher_for(trust),
        state=memory,
        data=check,
        manifest=manifest,
        opener=opener,
        expect_type=expect_type,
    )


def _data(
    data: PathText | None, policy: TrustPolicy, progress: Progress | None, *, partial: bool, digest: DigestChoice
) -> tuple[DataCheck | None, Opener | None]:
    """Return what compares the data with a manifest, and what opens one of its files."""
    if data is None:
        return None, None
    # The policy names sha256 or blake3 or nothing, which its parser has made sure of.
    wanted = (
        cast("DigestChoice", policy.requirements.digest)
        if digest == "default" and policy.requirements.digest
        else digest
    )
    place = os.fspath(data)
    if "://" in place or os.path.isfile(place):
        from datasigil.datasets.opening import source_opener
        from datasigil.remote import SourceCheck, check_place, open_source

        check_place(place)
        return SourceCheck(place, partial, wanted, progress), source_opener(lambda: open_source(place))
    return _comparison(Path(place), progress, partial=partial, digest=wanted), verified_opener(Path(place))


def _policy(policy: PathText | TrustPolicy | None) -> TrustPolicy:
    if policy is None:
        return default_policy()
    if isinstance(policy, TrustPolicy):
        return policy
    try:
        raw = read_file(Path(policy), POLICY_MAX_BYTES)
    except OSError as error:
        raise DatasigilError(
            "POLICY_FILE", f"the trust file cannot be read: {error.strerror}", place=str(policy), expected="a datasigil.toml",
            next_action="name a trust file; `datasigil-verify trust add BUNDLE` starts one",
        ) from None  # fmt: skip
    return parse_policy(raw, source=str(policy))


def _read(evidence: PathText | Bundle) -> tuple[bytes, Bundle | None, bytes | None]:
    """Return bytes, bundle and sidecar of the evidence; no bundle when the bytes are none, which the plan's first step names."""
    if isinstance(evidence, Bundle):
        return b"", evidence, None
    path = find_bundle(Path(evidence))
    try:
        bundle, manifest = read_bundle(path)
    except DatasigilError:
        sidecar = sidecar_path(path)
        manifest = read_file(sidecar, MANIFEST_MAX_BYTES) if sidecar.is_file() else None
        return read_file(path, BUNDLE_MAX_BYTES), None, manifest
    return b"", bundle, manifest


def _comparison(folder: Path, progress: Progress | None, *, partial: bool, digest: DigestChoice) -> DataCheck:
    def compare(manifest: Manifest) -> FilesFinding:
        return check_files(folder, manifest, partial=partial, digest=digest, progress=progress)

    return compare


__all__ = ["NotUsableError", "check_dataset", "require_dataset"]
