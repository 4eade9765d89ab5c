"""The checks of a model's folder, in order: reading what its manifest lists, noting outcomes, the whole plan on a bundle in it.

Here: what runs of the worker (`model_folder`) and other programs' models (`offered_folder`) have in common. Not here: what is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from datasigil.bundle import MANIFEST_SUFFIX, SUFFIX
from datasigil.canonical import sha256_hex
from datasigil.errors import DatasigilError
from datasigil.models.model_finding import UNDETERMINED, Finding
from datasigil.verification import verify_bytes

if TYPE_CHECKING:
    from datasigil.datasets.entry import Manifest
    from datasigil.report import Report
    from datasigil.transparency.client_state import ClientState
    from datasigil.trust.policy import TrustPolicy

Read = Callable[[str], bytes]
"""Returns a file of the folder whole; raises OSError or DatasigilError."""


class FolderChecks:
    """The checks of one folder, in order; without `policy` no bundle is verified, and `at` is an aware UTC time."""

    def __init__(
        self, manifest: Manifest, read: Read, policy: TrustPolicy | None, at: datetime, state: ClientState | None, *, offline: bool
    ) -> None:  # fmt: skip
        self.digests = {entry.path: entry.sha256 for entry in manifest.entries}
        self._read, self.policy, self.at, self.state, self.offline = read, policy, at, state, offline
        self.findings: list[Finding] = []
        self.reports: dict[str, Report] = {}

    def read(self, name: str) -> bytes:
        """Return a file whose bytes are those in the manifest of the folder.

        Raises:
            DatasigilError: FILE_MISSING, FILE_CHANGED. OSError.
        """
        if name not in self.digests:
            raise DatasigilError("FILE_MISSING", "the model's folder lacks a file", place=name)
        data = self._read(name)
        if sha256_hex(data) != self.digests[name]:
            raise DatasigilError("FILE_CHANGED", "the file changed while the folder was checked", place=name)
        return data

    def check(self, name: str, run: Callable[[], Any]) -> Any:
        """Run one check and note its outcome; returns None when it failed."""
        try:
            result = run()
        except DatasigilError as error:
            self.findings.append(Finding(name, "failed", error.code, str(error), error.place))
            return None
        except OSError as error:
            self.findings.append(Finding(name, "failed", "UNREADABLE", error.strerror or "cannot be read"))
            return None
        self.findings.append(Finding(name, "passed"))
        return result

    def check_verified(self, name: str, expect_type: str) -> None:
        """Run the whole plan on a bundle in the folder and note its decision; a missing one was noted before."""
        if name not in self.digests:
            return
        sidecar = name.removesuffix(SUFFIX) + MANIFEST_SUFFIX
        manifest = self.read(sidecar) if sidecar in self.digests else None
        self.reports[name] = report = self.verified(self.read(name), expect_type=expect_type, manifest=manifest)
        self.note(f"credential in {name}", report, name)

    def verified(self, data: bytes, **more: Any) -> Report:
        """Return the report of the whole plan on a bundle's bytes, under the reader's policy; `more` goes to `verify_bytes`."""
        assert self.policy is not None
        return verify_bytes(data, policy=self.policy, at=self.at, offline=self.offline, state=self.state, **more).report

    def note(self, name: str, report: Report, place: str) -> None:
        """Note a report's decision as a finding."""
        outcome = {"VALID": "passed", "INVALID": "failed"}.get(report.decision, UNDETERMINED)
        said = "" if outcome == "passed" else report.headline
        self.findings.append(Finding(name, outcome, report.code, said, place))


__all__ = ["FolderChecks", "Read"]
