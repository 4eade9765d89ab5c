"""`datasigil-verify card`: check every fact that a model card cites, and the signed credentials behind it.

Here: reading a run folder from disk, and evidence of now for the credentials in it. Not here: the checks (`datasigil.models`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import read_file
from datasigil.errors import DatasigilError
from datasigil.limits import MANIFEST_MAX_BYTES
from datasigil.record import replace
from verifier_cli import places

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.datasets.entry import Manifest
    from datasigil.models.model_finding import Finding
    from datasigil.report.terminal import Console


def run(given: Namespace, console: Console) -> int:
    """Check a run folder and show what was found; the exit code is that of section 3."""
    from datasigil.models.model_folder import check_model
    from datasigil.models.offered_folder import check_offered_model, is_offered_folder

    folder = Path(given.folder)
    policy = places.load_policy(given.policy, outside=[folder])
    places.require_digest(policy, given.policy_digest)
    at, state = datetime.now(UTC), places.client_state()
    manifest = _manifest(folder, console)
    missing: tuple[Finding, ...] = ()
    if not given.offline:
        from datasigil.client.folders import not_had, remember_evidence

        paths = [entry.path for entry in manifest.entries]
        missing = not_had(
            remember_evidence(folder, paths, policy=policy, at=at, state=state, dev=places.is_dev(given.dev))
        )

    def read(name: str) -> bytes:
        return read_file(folder / name, MANIFEST_MAX_BYTES)

    check = check_offered_model if is_offered_folder(manifest, read) else check_model
    finding = check(manifest, read, at=at, policy=policy, offline=given.offline, state=state)
    finding = replace(finding, findings=(*finding.findings, *missing))
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
