"""Step 9: the manifest is the signed one, and the files are those of the manifest.

Lives here: what a comparison of files means for the verdict. Not here: hashing (`datasets`), which the caller hands in as `data`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from datasigil.bundle import Bundle
from datasigil.credentials.types import Credential
from datasigil.datasets.entry import Manifest
from datasigil.datasets.finding import FilesFinding
from datasigil.datasets.limits import CHUNK_BYTES
from datasigil.datasets.manifest import (
    ManifestClaim,
    ManifestSource,
    parse_manifest,
    read_manifest,
    verify_manifest_claim,
)
from datasigil.datasets.parts import PartProof, verify_part
from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.record import dataclass
from datasigil.report import FAILED
from datasigil.verification.findings import Findings, Situation

DataCheck = Callable[[Manifest], FilesFinding]
"""Compares a manifest with data that the caller knows how to reach."""

FAILURES_SHOWN: Final = 20
UNAVAILABLE: Final = "SOURCE_UNAVAILABLE"
# Errors about the data itself, and not about what the user named.
_ABOUT_DATA: Final = frozenset({"DIGEST_ABSENT", "ARCHIVE", UNAVAILABLE})
CREDENTIAL_SCOPE: Final = "credential"


@dataclass(frozen=True)
class Total:
    """How much the whole dataset has, by the signed claim."""

    files: int
    bytes: int


@dataclass(frozen=True)
class FilesFound:
    """The scope that the files give the verdict, and the manifest if it is the signed one."""

    scope: str = CREDENTIAL_SCOPE
    manifest: Manifest | None = None


def check_files(
    credential: Credential,
    bundle: Bundle,
    sidecar: ManifestSource | PartProof | None,
    data: DataCheck | None,
    situation: Situation,
    findings: Findings,
) -> FilesFound:
    """Step 9. Without `data` the scope is the credential alone, and a manifest that is there must still be the signed one.

    Raises:
        DatasigilError: what `data` raises about the user's own folder (DATA_FOLDER and the like), which is no verdict.
    """
    if credential.type != "DatasetCredential":
        if data is not None:
            findings.failed(9, _no_dataset(credential.type))
        else:
            findings.not_required(9, "this credential is not about files")
        return FilesFound()
    if isinstance(sidecar, PartProof):
        return _check_part(credential, sidecar, data, situation, findings)
    try:
        manifest = require_manifest(credential, bundle, sidecar)
    except DatasigilError as error:
        findings.failed(9, error, name="manifest")
        return FilesFound()
    if data is None:
        findings.not_required(
            9, "no files were looked at" + ("" if manifest is None else "; the manifest is the signed one")
        )
        return FilesFound(manifest=manifest)
    if manifest is None:
        findings.failed(9, _no_manifest(), name="manifest")
        return FilesFound()
    if getattr(data, "needs_network", False) and any(
        check.step <= 5 and check.outcome == FAILED for check in findings.checks
    ):
        findings.not_checked(9, "no network is used for a credential that did not pass steps 1 to 5")
        return FilesFound(manifest=manifest)
    findings.passed(
        9,
        "the manifest is the signed one",
        name="manifest",
        found=f"{manifest.file_count} files, {manifest.byte_size} bytes",
    )
    total = Total(manifest.file_count, manifest.byte_size)
    return FilesFound(_compare(manifest, data, total, situation, findings), manifest)


def _check_part(
    credential: Credential, part: PartProof, data: DataCheck | None, situation: Situation, findings: Findings
) -> FilesFound:
    """Step 9 with proofs about some entries in place of the manifest; the scope is never more than a part."""
    claim = ManifestClaim.from_subject(credential.subject)
    try:
        if claim.chunk_size != CHUNK_BYTES:
            raise ManifestMismatchError(
                "MANIFEST_CHUNK_SIZE", "chunks of another size", expected=str(CHUNK_BYTES), found=str(claim.chunk_size)
            )
        verify_part(part, claim)
    except ManifestMismatchError as error:
        findings.failed(9, error, name="proofs")
        return FilesFound()
    findings.passed(
        9, "the proofs lead to the signed root", name="proofs", found=f"{len(part.files)} of {claim.file_count} files"
    )
    if data is None:
        findings.not_required(9, "no files were looked at")
        return FilesFound()
    manifest = part.manifest(claim)
    return FilesFound(_compare(manifest, data, Total(claim.file_count, claim.byte_size), situation, findings), manifest)


def require_manifest(credential: Credential, bundle: Bundle, sidecar: ManifestSource | None) -> Manifest | None:
    """Return the manifest that the credential signs, from the bundle or beside it; None when neither has one.

    Raises:
        ManifestMismatchError: MANIFEST_…, when it differs from the signed claim.
        MalformedError: as `datasets.manifest.parse_manifest`.
    """
    if bundle.manifest is not None:
        manifest = read_manifest(bundle.manifest)
    elif sidecar is not None:
        manifest = parse_manifest(sidecar)
    else:
        return None
    verify_manifest_claim(manifest, ManifestClaim.from_subject(credential.subject))
    return manifest


def _compare(manifest: Manifest, data: DataCheck, total_of: Total, situation: Situation, findings: Findings) -> str:
    try:
        finding = data(manifest)
    except DatasigilError as error:
        if error.code not in _ABOUT_DATA:
            raise
        (findings.undetermined if error.code == UNAVAILABLE else findings.failed)(9, error)
        return CREDENTIAL_SCOPE
    for failure in finding.failures[:FAILURES_SHOWN]:
        place = display_path(failure.path)
        (findings.undetermined if failure.code == UNAVAILABLE else findings.failed)(
            9,
            ManifestMismatchError(
                failure.code, failure.message, place=place, expected=failure.expected, found=failure.found
            ),
        )
    total = sum(finding.failure_counts.values())
    record = findings.undetermined if set(finding.failure_counts) == {UNAVAILABLE} else findings.failed
    if total > FAILURES_SHOWN:
        counts = ", ".join(f"{code} {count}" for code, count in finding.failure_counts.items())
        record(
            9,
            ManifestMismatchError(finding.failures[FAILURES_SHOWN].code, f"{total} files differ in all", found=counts),
        )
    if total == 0:
        _conclude(finding, total_of, situation, findings)
    if finding.ignored:
        findings.warn(
            "IGNORED_PATHS",
            "not covered by the manifest, by its own words: " + ", ".join(map(display_path, finding.ignored)),
        )
    return finding.scope


def _conclude(finding: FilesFinding, total: Total, situation: Situation, findings: Findings) -> None:
    wanted = situation.policy.requirements.digest
    whole = finding.scope == "all files"
    if not finding.ok or (whole and (finding.files != total.files or finding.bytes != total.bytes)):
        findings.failed(
            9,
            ManifestMismatchError(
                "FILE_MISSING",
                "not every file of the manifest was found",
                expected=f"{total.files} files",
                found=f"{finding.files} files",
            ),
        )
        return
    if wanted and not finding.establishes(wanted):
        findings.failed(
            9,
            ManifestMismatchError(
                "DIGEST_NOT_ESTABLISHED", "your policy asks for a digest that was not computed over every file", expected=wanted,
                found=", ".join(finding.digests), next_action=f"check again with --digest {wanted}",
            ),
        )  # fmt: skip
        return
    if whole:
        findings.passed(
            9,
            f"all {finding.files} files are the signed ones",
            found=f"{finding.bytes} bytes, by {', '.join(finding.digests)}",
        )
        return
    # Never the words of a full check, even if nothing is missing: whoever asked for a part gets a part.
    established = finding.bytes + finding.ranged_bytes
    what = f"of {total.files} files, {finding.files} are the signed ones"
    if finding.ranged_files:
        what += f", and of {finding.ranged_files} more some ranges are"
    by = f", by {', '.join(finding.digests)}" if finding.digests else ""
    findings.passed(
        9,
        f"{what}; {total.files - finding.files - finding.ranged_files} were not looked at",
        found=f"{established} of {total.bytes} bytes{by}",
    )


def _no_manifest() -> ManifestMismatchError:
    return ManifestMismatchError(
        "MANIFEST_MISSING", "there is no manifest to compare the files with", expected="a manifest in the bundle, or NAME.manifest.json beside it", found="none",
        next_action="get the manifest from the publisher",
    )  # fmt: skip


def _no_dataset(type_name: str) -> ManifestMismatchError:
    return ManifestMismatchError(
        "EXPECTED_TYPE",
        "files can only be checked against a DatasetCredential",
        place="/type",
        expected="DatasetCredential",
        found=type_name,
    )
