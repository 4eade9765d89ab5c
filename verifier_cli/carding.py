"""`datasigil-verify card`: check every fact that a model card cites, and the signed credentials behind it.

Here: reading a run folder from disk, and evidence of now for the credentials in it. Not here: the checks (`datasigil.models`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import MANIFEST_SUFFIX, SUFFIX, read_file
from datasigil.errors import DatasigilError
from datasigil.limits import BUNDLE_MAX_BYTES, MANIFEST_MAX_BYTES
from datasigil.record import replace
from verifier_cli import places
from verifier_cli.check import parse_evidence
from verifier_cli.refreshing import DAMNING

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.datasets.entry import Manifest
    from datasigil.models.model_folder import Finding
    from datasigil.report.terminal import Console
    from datasigil.transparency.client_state import ClientState
    from datasigil.trust.policy import TrustPolicy


def run(given: Namespace, console: Console) -> int:
    """Check a run folder and show what was found; the exit code is that of section 3."""
    from datasigil.models.model_folder import check_model
    from datasigil.models.offered_folder import check_offered_model, is_offered_folder

    folder = Path(given.folder)
    policy = places.load_policy(given.policy, outside=[folder])
    places.require_digest(policy, given.policy_digest)
    at, state = datetime.now(UTC), places.client_state()
    manifest = _manifest(folder, console)
    errors: list[DatasigilError] = []
    if not given.offline:
        errors = _renew(folder, manifest, policy, at, state, dev=places.is_dev(given.dev))

    def read(name: str) -> bytes:
        return read_file(folder / name, MANIFEST_MAX_BYTES)

    check = check_offered_model if is_offered_folder(manifest, read) else check_model
    finding = check(manifest, read, at=at, policy=policy, offline=given.offline, state=state)
    finding = replace(finding, findings=(*finding.findings, *map(_not_had, errors)))
    console.result(finding.document(), finding.render())
    return finding.exit_code


def _manifest(folder: Path, console: Console) -> Manifest:
    from datasigil.datasets.files import build_manifest

    if not folder.is_dir():
        raise DatasigilError(
            "NO_SUCH_PATH", "there is no such folder", place=str(folder), expected="the folder that `datasigil-train train` wrote", next_action="check the path",
        )  # fmt: skip
    meter = console.meter("hashing")
    try:
        return build_manifest(folder, progress=meter)
    finally:
        if meter is not None:
            meter.close()


def _renew(
    folder: Path,
    manifest: Manifest,
    policy: TrustPolicy,
    at: datetime,
    state: ClientState,
    *,
    dev: bool,
) -> list[DatasigilError]:
    """Fetch checkpoints and status lists of now into the client's memory, which the checks then take into account.

    The folder's own evidence is never changed: the receipt names its bytes. Returns what could not be fetched.
    """
    from datasigil.client import fetcher_for, proven_credentials, refresh_evidence
    from datasigil.verification import verify

    fetcher, errors = fetcher_for(policy, dev=dev), dict[str, DatasigilError]()
    for entry in manifest.entries:
        if not entry.path.endswith(SUFFIX):
            continue
        try:
            bundle = parse_evidence(read_file(folder / entry.path, BUNDLE_MAX_BYTES))
            sidecar = folder / (entry.path.removesuffix(SUFFIX) + MANIFEST_SUFFIX)
            body = read_file(sidecar, MANIFEST_MAX_BYTES) if sidecar.is_file() else None
        except DatasigilError:
            continue  # the checks name what is wrong with it
        report = verify(bundle, policy=policy, at=at, state=state, manifest=body).report
        proven = proven_credentials(report)
        if not proven:
            continue
        renewed = refresh_evidence(bundle, policy=policy, fetcher=fetcher, at=at, state=state, proven=proven)
        errors |= {str(error): error for error in renewed.errors}
    return list(errors.values())


def _not_had(error: DatasigilError) -> Finding:
    """Return the finding for evidence of now that could not be had; evidence against log or lists is a failure."""
    from datasigil.models.model_folder import Finding

    outcome = "failed" if error.code in DAMNING else "undetermined"
    return Finding("evidence of now", outcome, error.code, str(error), error.place)
