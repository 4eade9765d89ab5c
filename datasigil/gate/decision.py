"""The gate's decision over several datasets: all of them VALID and whole, every root covered, or nothing.

Here: `run_gate`. Not here: the verification plan and the licence plan (handed in), how the outcome is shown, what runs afterwards. There is
no way to ask as of another time, and no way to pass with a part of a dataset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from datasigil.bundle import sidecar_path
from datasigil.datasets.archives import open_archive
from datasigil.datasets.entry import Manifest
from datasigil.datasets.files import check_files
from datasigil.datasets.finding import FileFailure, FilesFinding, Progress
from datasigil.datasets.paths import display_path
from datasigil.datasets.source import Source, check_source
from datasigil.errors import DatasigilError
from datasigil.gate.coverage import find_uncovered
from datasigil.gate.gate_file import GateDataset, GateFile
from datasigil.gate.snapshot import Snapshot, snapshot_files, snapshot_source
from datasigil.record import dataclass
from datasigil.trust.planner import Conflict

Decision = Literal["VALID", "INVALID", "INDETERMINATE"]


class GateVerdict(Protocol):
    """What the gate needs of a report (`report.Report` has it)."""

    @property
    def decision(self) -> str:
        """VALID, INVALID or INDETERMINATE."""

    @property
    def scope(self) -> str:
        """What was checked: `credential`, `part` or `all files`."""

    @property
    def headline(self) -> str:
        """The report in one sentence."""


FilesCheck = Callable[[Manifest], FilesFinding]
"""Step 9 of the plan for one dataset: compares (and copies) the files, given the manifest that the credential signs."""

GateVerifier = Callable[[GateDataset, FilesCheck], GateVerdict]
"""Reads the dataset's bundle, runs the whole plan as of now with the FilesCheck as its step 9, and returns the report."""

GateMix = Callable[[], Sequence[Conflict]]
"""Asked when every dataset is VALID by itself: the minimal sets of them that may not be used together."""

GateSources = Callable[[str], AbstractContextManager[Source]]
"""Opens data that is not on this machine; a gate that is handed none takes only what is."""

# What is wrong with the data, which the report says; everything else makes a decision impossible.
_ABOUT_DATA = frozenset({"ARCHIVE", "SOURCE_UNAVAILABLE"})


@dataclass(frozen=True, slots=True)
class GateResult:
    """One dataset's report, its manifest if the plan came so far, and its snapshot if the whole gate is VALID."""

    dataset: GateDataset
    report: GateVerdict
    decision: Decision
    manifest: Manifest | None
    snapshot: Snapshot | None


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What the gate decided; VALID only if every dataset is VALID for all files and no file is uncovered."""

    decision: Decision
    headline: str
    results: tuple[GateResult, ...]
    uncovered: tuple[FileFailure, ...]
    conflicts: tuple[Conflict, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 VALID, 1 INVALID, 3 INDETERMINATE."""
        return {"VALID": 0, "INVALID": 1, "INDETERMINATE": 3}[self.decision]

    def remove_snapshots(self) -> None:
        """Delete every copy that belongs to this outcome."""
        for result in self.results:
            if result.snapshot is not None:
                result.snapshot.remove()


class _Files:
    """The FilesCheck of one dataset, which remembers what came of it."""

    def __init__(
        self, dataset: GateDataset, dest: Path | None, sources: GateSources | None, progress: Progress | None
    ) -> None:
        self._dataset = dataset
        self._sources = sources
        self._dest = dest
        self._progress = progress
        self.manifest: Manifest | None = None
        self.finding: FilesFinding | None = None
        self.snapshot: Snapshot | None = None
        self.error: DatasigilError | None = None

    def __call__(self, manifest: Manifest) -> FilesFinding:
        self.manifest = manifest
        try:
            if self._dataset.address or self._dataset.data.is_file():
                with self._opened() as source:
                    self.finding = self._read(source, manifest)
            elif self._dest is None:
                self.finding = check_files(self._dataset.data, manifest, digest="all", progress=self._progress)
            else:
                self.finding, self.snapshot = snapshot_files(
                    manifest, self._dataset.data, self._dest, progress=self._progress
                )
        except DatasigilError as error:
            if error.code not in _ABOUT_DATA:
                self.error = error
            raise
        return self.finding

    @property
    def needs_network(self) -> bool:
        """Whether reading asks another machine, which the plan allows only once steps 1 to 5 have passed."""
        return bool(self._dataset.address)

    def _opened(self) -> AbstractContextManager[Source]:
        if not self._dataset.address:
            return open_archive(self._dataset.data)
        if self._sources is None:
            raise DatasigilError(
                "REMOTE_PLACE",
                "this gate reads no data from other machines",
                place=display_path(self._dataset.address)[:200],
                expected="a folder or an archive on this machine",
                next_action="download the data first, and name the folder",
            )
        return self._sources(self._dataset.address)

    def _read(self, source: Source, manifest: Manifest) -> FilesFinding:
        if self._dest is None:
            return check_source(source, manifest, digest="all", progress=self._progress)
        finding, self.snapshot = snapshot_source(manifest, source, self._dest, progress=self._progress)
        return finding

    @property
    def whole(self) -> bool:
        """Whether all files were compared, agree, and (where a copy was asked for) were copied."""
        found = self.finding
        if found is None or not found.ok or found.scope != "all files":
            return False
        return self._dest is None or self.snapshot is not None


def run_gate(
    gate: GateFile,
    *,
    verify: GateVerifier,
    mix: GateMix | None = None,
    snapshots: Path | None = None,
    sources: GateSources | None = None,
    progress: Progress | None = None,
) -> GateOutcome:
    """Verify every dataset of `gate` with all digests, then coverage of its roots and whether the datasets go together.

    Copies go below `snapshots` if given; the copy of an archive or a bucket is a folder of its members. Without `mix` the
    datasets are judged each by itself.

    Unless the outcome is VALID no copy is left. A report that says VALID for less than all files, or without having
    compared them here, is refused.

    Raises: DatasigilError when files or disk make a decision impossible (DATA_FOLDER, DISK_FULL, SNAPSHOT_EXISTS, …).
    """
    results: list[GateResult] = []
    kept = False
    try:
        for number, dataset in enumerate(gate.datasets):
            dest = None if snapshots is None else snapshots / _folder_name(number, dataset.data)
            results.append(_verify(dataset, verify, _Files(dataset, dest, sources, progress)))
        outcome = _decide(gate, tuple(results), mix)
        kept = outcome.decision == "VALID"
    finally:
        if not kept:
            for result in results:
                if result.snapshot is not None:
                    result.snapshot.remove()
    return outcome


def _verify(dataset: GateDataset, verify: GateVerifier, files: _Files) -> GateResult:
    usable = False
    try:
        report = verify(dataset, files)
        if files.error is not None:
            raise files.error
        decision: Decision = "INVALID"
        if report.decision == "INDETERMINATE":
            decision = "INDETERMINATE"
        elif report.decision == "VALID" and report.scope == "all files" and files.whole:
            decision, usable = "VALID", True
    finally:
        if not usable and files.snapshot is not None:
            files.snapshot.remove()
    return GateResult(dataset, report, decision, files.manifest, files.snapshot if usable else None)


def _folder_name(number: int, data: Path) -> str:
    return f"{number:04d}-{re.sub('[^A-Za-z0-9_-]+', '-', data.name)[:60].strip('-') or 'dataset'}"


def _decide(gate: GateFile, results: tuple[GateResult, ...], mix: GateMix | None) -> GateOutcome:
    evidence = [path for dataset in gate.datasets for path in (dataset.bundle, sidecar_path(dataset.bundle))]
    if gate.path is not None:
        evidence.append(gate.path)
    # A dataset that was refused for one file still accounts for its others: the refusal stands in its own report.
    named = [
        (result.dataset.data, result.manifest)
        for result in results
        if result.manifest is not None and result.dataset.data.is_dir()
    ]
    evidence += [one.dataset.data for one in results if one.manifest is not None and one.dataset.data.is_file()]
    uncovered = find_uncovered(gate.roots, named, evidence=evidence)
    decisions = {result.decision for result in results}
    if not results or uncovered or "INVALID" in decisions:
        decision: Decision = "INVALID"
    else:
        decision = "INDETERMINATE" if "INDETERMINATE" in decisions else "VALID"
    conflicts = tuple(mix()) if decision == "VALID" and mix is not None else ()
    if conflicts:
        decision = "INVALID"
    if decision != "VALID":  # their snapshots are about to be removed
        results = tuple(GateResult(one.dataset, one.report, one.decision, one.manifest, None) for one in results)
    headline = _headline(gate, decision, results, uncovered)
    if conflicts:
        headline += f"; {' and '.join(conflicts[0].datasets)} may not be used together as you intend (LICENSE_CONFLICT)"
    return GateOutcome(decision, headline, results, uncovered, conflicts)


def _headline(
    gate: GateFile, decision: Decision, results: tuple[GateResult, ...], uncovered: tuple[FileFailure, ...]
) -> str:
    refused = sum(result.decision != "VALID" for result in results)
    # The word VALID appears nowhere in an outcome that refuses: a reader who skims must not find it.
    word = "VALID" if decision == "VALID" else "would pass"
    parts = [f"{len(results) - refused} of {len(results)} datasets {word} for all files"]
    if uncovered:
        parts.append(f"{len(uncovered)} files below the roots belong to no dataset that passed")
    elif gate.roots:
        parts.append("every file below the roots is covered")
    else:
        parts.append("no roots named, so other files were not looked for")
    return f"{decision}: {'; '.join(parts)}"
