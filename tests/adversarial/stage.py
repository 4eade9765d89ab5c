"""The stage on which adversarial cases play: a baseline that is VALID, and ways to change exactly one thing about it.

Here: `Case`, `Given`, `Stage`, `decide`. Not here: the cases, one module per group of the threat model beside this one.

A case is (id, mutated field, decision, reason code, what is handed in). Which check caught it is not claimed by the case: it is
read off the traceback of the error (`sites.py`), so that nobody can write down a check that does not exist.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from simulator import NOW, REMOVED, World, manifest_of, mutate, resign, with_credential

from datasigil.bundle import Bundle
from datasigil.errors import DatasigilError
from datasigil.report import INDETERMINATE, INVALID, VALID, Report
from datasigil.transparency.client_state import ClientState
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify, verify_bytes
from datasigil.verification.plan import read_evidence

USAGE = "exit 2"
"""The decision of a case that gives no verdict: wrong usage, an unreadable trust file, a damaged installation."""


@dataclass(frozen=True)
class Given:
    """Everything that a check is handed."""

    raw: bytes
    policy: str
    at: datetime
    as_of: bool = False
    offline: bool = True
    files: Mapping[str, bytes] | None = None
    partial: bool = False
    state: ClientState | None = None
    fetch: Callable[[str], tuple[int, bytes]] | None = None  # answers of the network; absent: no network
    attestations: tuple[Bundle, ...] = ()
    around: Callable[[], Any] | None = None  # a context manager to run within, such as a damaged installation
    touched: bool = False  # the files' times and permissions are changed, and nothing else
    presented: tuple[str, str] | None = None  # challenge and domain, when `raw` is a presentation


@dataclass(frozen=True)
class Case:
    """One mutation with the decision and the reason code that it must get."""

    id: str
    field: str
    decision: str
    code: str
    build: Callable[[Stage], Given]
    group: str = ""

    def __str__(self) -> str:
        return f"{self.id} {self.field}"


def case(identifier: str, place: str, verdict: str, build: Callable[[Stage], Given]) -> Case:
    """Return a case; `verdict` is `INVALID:CODE`, `INDET:CODE`, `exit 2:CODE` or `VALID`."""
    word, _, code = verdict.partition(":")
    decision = {"INDET": INDETERMINATE, "INVALID": INVALID, "VALID": VALID, USAGE: USAGE}[word]
    return Case(identifier, place, decision, code, build, identifier[0])


@dataclass
class Stage:
    """One world with a baseline credential; every case gets its own."""

    witnesses: int = 0

    def __post_init__(self) -> None:
        self.world = World(witnesses=self.witnesses)
        self._document: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The baseline credential, signed and logged."""
        if self._document is None:
            self._document = self.world.issue()
            self.world.publish(self._document)
        return self._document

    @property
    def bundle(self) -> Bundle:
        """The baseline's bundle with the evidence of now."""
        return self.world.bundle(self.document)

    @property
    def now(self) -> datetime:
        """The time of the world."""
        return self.world.now

    def unsigned(self, **overrides: Any) -> dict[str, Any]:
        """A fresh baseline credential without proof."""
        return self.world.unsigned(self.world.subject(**overrides))

    def full(self, **overrides: Any) -> dict[str, Any]:
        """A fresh credential of the full profile without proof."""
        return self.unsigned(**{**FULL, **overrides})

    def publish(self, document: dict[str, Any], **evidence: Any) -> Bundle:
        """Log a document and return its bundle; one that no log could hold gets the baseline's evidence."""
        try:
            return self.world.publish(document, **evidence)
        except (DatasigilError, KeyError, TypeError, AttributeError, IndexError, ValueError, RuntimeError):
            return with_credential(self.bundle, document)

    def signed(self, document: dict[str, Any], signer: Any = None, **options: Any) -> dict[str, Any]:
        """Sign a document in one go, whatever it says; what no canonical form can hold keeps the baseline's proof."""
        try:
            return resign(document, signer or self.world.publisher.signer, self.now, **options)
        except DatasigilError:
            return {**document, "proof": self.document["proof"]}

    def reissued(self, pointer: str, value: Any, base: dict[str, Any] | None = None) -> Bundle:
        """The baseline with one place changed, then signed and logged: only the named check can catch it."""
        return self.publish(self.signed(mutate(base or self.unsigned(), pointer, value)))

    def tampered(self, pointer: str, value: Any) -> Bundle:
        """The baseline with one place changed after it was signed and logged."""
        return with_credential(self.bundle, mutate(self.document, pointer, value))

    def text(self, bundle: Bundle | None = None) -> str:
        """The bundle as compact JSON."""
        return json.dumps((bundle or self.bundle).document(), ensure_ascii=False, separators=(",", ":"))

    def given(self, evidence: Any = None, **changes: Any) -> Given:
        """What is handed in: by default the baseline, its trust file, the world's time, offline."""
        evidence = self.bundle if evidence is None else evidence
        if isinstance(evidence, Bundle):
            evidence = self.text(evidence)
        elif isinstance(evidence, dict):
            evidence = json.dumps(evidence, ensure_ascii=False, separators=(",", ":"))
        raw = evidence if isinstance(evidence, bytes) else evidence.encode("utf-8", "surrogatepass")
        policy = changes.pop("policy", None)
        return replace(Given(raw, self.world.policy_toml() if policy is None else policy, self.now), **changes)


_FOLDERS: list[str] = []


@atexit.register
def _take_away() -> None:
    for folder in _FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)


def new_state() -> ClientState:
    """A client's memory in a folder of its own, which is taken away when the process ends."""
    _FOLDERS.append(tempfile.mkdtemp(prefix="datasigil-state-"))
    return ClientState(Path(_FOLDERS[-1]))


def write_files(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write files below a folder and return it."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


class Network:
    """A fetcher that answers from a function and remembers what it was asked for."""

    def __init__(self, answer: Callable[[str], tuple[int, bytes]]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def get(self, url: str, **_options: Any) -> Any:
        """Answer like `fetch.Fetcher.get`."""
        from datasigil.fetch import Response

        self.asked.append(url)
        status, body = self.answer(url)
        return Response(url, status, {}, body)


def report_of(given: Given) -> Report:
    """Run the plan.  Raises: DatasigilError, for what is no verdict."""
    from contextlib import nullcontext

    with given.around() if given.around is not None else nullcontext():
        return _report_of(given)


def _report_of(given: Given) -> Report:
    policy = parse_policy(given.policy.encode("utf-8", "surrogatepass"))
    if given.presented is not None:
        return _report_of_presentation(given, policy)
    options: dict[str, Any] = {"policy": policy, "at": given.at, "state": given.state}
    if given.fetch is not None:
        from datasigil.client import check_online

        return check_online(read_evidence(given.raw), fetcher=Network(given.fetch), **options).report
    if given.attestations:
        return verify(
            read_evidence(given.raw),
            offline=given.offline,
            attestations=given.attestations,
            as_of=given.as_of,
            **options,
        ).report
    if given.files is None:
        return verify_bytes(given.raw, offline=given.offline, as_of=given.as_of, **options).report
    with tempfile.TemporaryDirectory(prefix="datasigil-data-") as name:
        folder = write_files(given.files, Path(name))
        if given.touched:
            for file in (one for one in folder.rglob("*") if one.is_file()):
                file.chmod(0o600)
                os.utime(file, (0, 0))

        def compare(manifest: Any) -> Any:
            from datasigil.datasets.files import check_files

            return check_files(folder, manifest, partial=given.partial)

        return verify_bytes(given.raw, offline=given.offline, as_of=given.as_of, data=compare, **options).report


def _report_of_presentation(given: Given, policy: Any) -> Report:
    """The steps about form and proofs on a presentation; it holds no dataset, so the report never says VALID."""
    from datasigil.credentials.did import did_key_resolver
    from datasigil.credentials.presentation import verify_presentation
    from datasigil.encoding import Instant, parse_json
    from datasigil.verification.conclusion import conclude
    from datasigil.verification.files import FilesFound
    from datasigil.verification.findings import Findings, Situation
    from datasigil.verification.status import StatusFound

    at, findings = Instant.from_datetime(given.at), Findings()
    assert given.presented is not None
    challenge, domain = given.presented
    try:
        document = parse_json(given.raw, max_bytes=len(given.raw))
        verify_presentation(document, keys=did_key_resolver, challenge=challenge, domain=domain, at=at)
        findings.passed(5, "the holder answered this challenge for this domain")
    except DatasigilError as error:
        findings.failed(5, error)
    situation = Situation(policy, given.at, as_of=False, offline=True, state=None, period_at=at)
    return conclude(findings, situation, None, None, StatusFound(), FilesFound(), ())


def decide(given: Given) -> tuple[str, str]:
    """Return decision and reason code."""
    try:
        report = report_of(given)
    except DatasigilError as error:
        return USAGE, error.code
    return report.decision, report.code


# Short ways to write a mutation ------------------------------------------------------------------------------------

Build = Callable[[Stage], Given]


def signed(pointer: str, value: Any) -> Build:
    """Mutate, then sign and log with the right key."""
    return lambda stage: stage.given(stage.reissued(pointer, value))


def signed_full(pointer: str, value: Any) -> Build:
    """Mutate a credential of the full profile, then sign and log with the right key."""
    return lambda stage: stage.given(stage.reissued(pointer, value, stage.full()))


def after(pointer: str, value: Any) -> Build:
    """Mutate after signing."""
    return lambda stage: stage.given(stage.tampered(pointer, value))


def text(old: str, new: str, *, count: int = 1) -> Build:
    """Replace a passage of the bundle's compact JSON, which must be there."""

    def build(stage: Stage) -> Given:
        raw = stage.text()
        assert old in raw, old
        return stage.given(raw.replace(old, new, count))

    return build


def evidence(change: Callable[[Stage, Bundle], Bundle]) -> Build:
    """Change the evidence around the baseline."""
    return lambda stage: stage.given(change(stage, stage.bundle))


def under(policy: Callable[[Stage], str], **changes: Any) -> Build:
    """Check the baseline under another trust file."""
    return lambda stage: stage.given(policy=policy(stage), **changes)


def when(**shift: float) -> Build:
    """Check the baseline later."""

    def build(stage: Stage) -> Given:
        given = stage.given()
        return replace(given, at=given.at + timedelta(**shift))

    return build


FULL: Mapping[str, Any] = {
    "profile": "full",
    "description": "Clauses of contracts, written for tests.",
    "creator": [{"name": "Example Law Data"}],
    "temporal": {"start": "2020-01-01", "end": "2026-10-31"},
    "isLiveDataset": False,
    "modality": ["text"],
    "dataTypes": ["contract clauses"],
    "inLanguage": ["en"],
    "rightsBasis": "own",
    "ipContent": {"copyright": "absent", "patent": "absent", "trademark": "absent"},
    "sourceCategory": ["2.6"],
    "generationMethod": ["primary-user-source"],
    "originGeography": ["US"],
    "classification": [
        {
            "regulation": "pi",
            "evaluated": True,
            "result": "absent",
            "assurance": "computed",
            "tool": "scan 1.0",
            "date": "2026-10-30",
        },
        {
            "regulation": "spi",
            "evaluated": True,
            "result": "absent",
            "assurance": "computed",
            "tool": "scan 1.0",
            "date": "2026-10-30",
        },
    ],
    "personalData": {"status": "absent"},
    "synthetic": {"share": "1"},
    "qualityMeasurement": [
        {"metric": "completeness", "value": "0.99", "method": "counted", "assurance": "computed", "date": "2026-10-30"}
    ],
    "representativeness": "Residential leases.",
    "dataBiases": "One jurisdiction.",
    "limitations": "Small.",
    "intendedPurpose": ["fine-tuning"],
}
"""What a subject of the full profile says beyond the minimal one."""

__all__ = [
    "FULL",
    "NOW",
    "REMOVED",
    "USAGE",
    "Case",
    "Given",
    "Network",
    "Stage",
    "after",
    "case",
    "decide",
    "evidence",
    "manifest_of",
    "new_state",
    "report_of",
    "signed",
    "signed_full",
    "text",
    "under",
    "when",
]
