"""The plan: the eleven steps of DESIGN.md section 3, in their order, and what they add up to.

Lives here: `verify` and `verify_bytes`, which read like the list. Not here: the steps (one module each), fetching (`client`), and
credentials of other profiles (`foreign`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from datasigil.bundle import Bundle, bundle_of, is_bundle
from datasigil.credentials.contexts import PROFILE_CONTEXTS, context_bytes
from datasigil.credentials.types import Credential, is_profile, parse_credential
from datasigil.datasets.manifest import ManifestSource
from datasigil.datasets.parts import PartProof
from datasigil.encoding import GENERIC, Instant, JsonObject, JsonValue, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import BUNDLE_MAX_BYTES, CREDENTIAL_MAX_BYTES
from datasigil.record import dataclass, field
from datasigil.report import INDETERMINATE, VALID, Report
from datasigil.transparency.client_state import ClientState
from datasigil.trust.rules import TrustPolicy
from datasigil.verification.attested import Attested
from datasigil.verification.conclusion import conclude
from datasigil.verification.files import CREDENTIAL_SCOPE, DataCheck, FilesFound, check_files
from datasigil.verification.findings import Findings, Situation
from datasigil.verification.issuer import SignedBy, check_issuer, check_period, check_proofs
from datasigil.verification.lineage import Examined, Related, check_lineage
from datasigil.verification.logged import Logged, check_log
from datasigil.verification.requirements import check_requirements
from datasigil.verification.status import StatusFound, check_status
from datasigil.verification.verified import Opener, VerifiedDataset, VerifiedSubset, verified

if TYPE_CHECKING:
    from datasigil.verification.memory import Memory

# Reason codes of the closed parser that belong to step 2; the others belong to step 3.
_CONTEXT_CODES = frozenset({"CONTEXT", "KEYWORD", "UNKNOWN_PROPERTY", "DATA_LOSS"})
# Errors of a refresh that are evidence against the log, and not merely evidence that could not be had.
_DAMNING = frozenset({"SPLIT_VIEW", "CONSISTENCY", "STATUS_EQUIVOCATION"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The report, and the dataset when it is VALID now and files were checked: all of them, or a part.

    `attested` is what the evidence holds beside a credential that could be read, `signed` the proofs that verified, all that it carries;
    neither says anything about the decision.
    """

    report: Report
    dataset: VerifiedDataset | VerifiedSubset | None = None
    attested: Attested | None = None
    signed: SignedBy | None = None


@dataclass
class _Examination:
    """What the steps of one run have established so far."""

    findings: Findings
    credential: Credential | None = None
    related: Related | None = None
    signed: SignedBy | None = None
    logged: Logged | None = None
    status: StatusFound = field(default_factory=StatusFound)
    files: FilesFound = field(default_factory=FilesFound)
    parents: tuple[Report, ...] = ()


@dataclass(frozen=True)
class _Request:
    """What the caller hands in beside the evidence."""

    situation: Situation
    data: DataCheck | None = None
    manifest: ManifestSource | PartProof | None = None
    expect_type: str | None = None
    attestations: Sequence[Bundle] = ()
    retrieval_errors: Sequence[DatasigilError] = ()
    parsed: Credential | None = None


def verify_bytes(
    raw: bytes,
    *,
    policy: TrustPolicy,
    at: datetime,
    as_of: bool = False,
    offline: bool = False,
    data: DataCheck | None = None,
    opener: Opener | None = None,
    manifest: ManifestSource | PartProof | None = None,
    state: ClientState | None = None,
    expect_type: str | None = None,
    attestations: Sequence[Bundle] = (),
    retrieval_errors: Sequence[DatasigilError] = (),
) -> Outcome:
    """Run the plan on the bytes of a bundle or of a bare credential; bytes that are neither give an INVALID report.

    Raises: as `verify`.
    """
    try:
        evidence = read_evidence(raw)
    except MalformedError as error:
        situation = _situation(policy, at, state, as_of=as_of, offline=offline)
        findings = Findings()
        findings.failed(1, error)
        _skip(findings, 2, "the document could not be read")
        return Outcome(conclude(findings, situation, None, None, StatusFound(), FilesFound(), ()))
    return verify(
        evidence, policy=policy, at=at, as_of=as_of, offline=offline, data=data, opener=opener, manifest=manifest, state=state,
        expect_type=expect_type, attestations=attestations, retrieval_errors=retrieval_errors,
    )  # fmt: skip


def read_evidence(raw: bytes) -> Bundle:
    """Return the bundle that `raw` is, or one around the bare credential that it is.

    Raises:
        MalformedError: as `parse_bundle` and `parse_json`; LIMIT for a bare credential above 1 MiB.
    """
    try:
        document = parse_json(raw, max_bytes=BUNDLE_MAX_BYTES)
    except MalformedError as error:
        document = _foreign_document(raw, error)
    if is_bundle(document):
        return bundle_of(document, len(raw))
    if len(raw) > CREDENTIAL_MAX_BYTES:
        raise MalformedError(
            "LIMIT",
            "the credential is too large",
            expected=f"at most {CREDENTIAL_MAX_BYTES} bytes",
            found=f"{len(raw)} bytes",
        )
    if not isinstance(document, dict):
        raise MalformedError("SCHEMA", "neither a bundle nor a credential", place="/", expected="a JSON object")
    return Bundle(credential=document)


def _foreign_document(raw: bytes, error: MalformedError) -> JsonValue:
    """Return a credential of another profile, which may hold null and fractions; ours may not."""
    if error.code not in ("NULL", "NUMBER"):
        raise error
    document = parse_json(raw, max_bytes=CREDENTIAL_MAX_BYTES, profile=GENERIC)
    if not isinstance(document, dict) or is_bundle(document) or is_profile(document):
        raise error
    return document


def verify(
    evidence: Bundle,
    *,
    policy: TrustPolicy,
    at: datetime,
    as_of: bool = False,
    offline: bool = False,
    data: DataCheck | None = None,
    opener: Opener | None = None,
    manifest: ManifestSource | PartProof | None = None,
    state: ClientState | None = None,
    expect_type: str | None = None,
    attestations: Sequence[Bundle] = (),
    retrieval_errors: Sequence[DatasigilError] = (),
    memory: Memory | None = None,
    parsed: Credential | None = None,
) -> Outcome:
    """Run the plan on parsed evidence at `at` (aware UTC); evidence that is bad in any way gives a report, not an exception.

    `as_of` asks about `at` as a time in the past. `data` compares a manifest with files; without it the scope is the
    credential. `opener` lets the result read those files. `manifest` is the sidecar's bytes. `attestations` are bundles of
    audits, approvals, grants and lineage kept outside the evidence. `retrieval_errors` say what a refresh could not get. With a `memory`
    the evidence must not be changed afterwards. `parsed` is what `parse_credential` has made of the evidence's own credential.

    Raises:
        DatasigilError: CONTEXT_ALTERED (a damaged installation), and what `data` raises about the user's own folder.
        ValueError: for a naive `at`.
    """
    situation = _situation(policy, at, state, as_of=as_of, offline=offline, memory=memory)
    request = _Request(situation, data, manifest, expect_type, attestations, retrieval_errors, parsed)
    found = _examine(evidence, request, None)
    report = _report(found, situation)
    if report.decision != VALID or as_of or data is None or found.credential is None or found.files.manifest is None:
        return Outcome(report, None, _attested(found, situation), found.signed)
    dataset = verified(found.credential, found.files.manifest, report, opener)
    return Outcome(report, dataset, _attested(found, situation), found.signed)


def _attested(found: _Examination, situation: Situation) -> Attested | None:
    if found.credential is None or found.related is None:
        return None
    return Attested(found.credential, found.related, situation)


def _examine(bundle: Bundle, request: _Request, related: Related | None) -> _Examination:
    """The plan, step by step; a step that cannot run says so, and later ones still run where they can."""
    situation, findings = request.situation, Findings()
    found = _Examination(findings)
    findings.passed(1, "read completely by the strict parser")
    credential = _check_form(bundle.credential, request, findings)  # steps 2 and 3
    if credential is None:
        return found
    found.credential = credential
    found.related = related = related or _related(bundle, request)
    rule = check_issuer(credential, situation, findings)  # step 4
    found.signed = check_proofs(credential, bundle.issuer_keys, rule, situation, findings)  # step 5
    check_period(credential, situation, findings)  # step 6
    found.logged = check_log(credential, bundle.log, bundle.issuer_keys, found.signed, situation, findings)  # step 7
    found.status = check_status(
        credential, bundle.status_lists, bundle.issuer_keys, found.logged, situation, findings
    )  # step 8
    _record_retrieval(request.retrieval_errors, findings)
    found.files = check_files(credential, bundle, request.manifest, request.data, situation, findings)  # step 9
    found.parents = check_lineage(credential, found.logged, related, situation, findings)  # step 10
    check_requirements(credential, found.logged, related, situation, findings, found.files.manifest)  # step 11
    return found


def _check_form(document: JsonObject, request: _Request, findings: Findings) -> Credential | None:
    """Steps 2 and 3: exactly the pinned contexts, no undefined term, and the closed schema of the type."""
    for url in PROFILE_CONTEXTS:
        context_bytes(url)  # a context file that was altered on disk stops everything
    try:
        credential = _parse(document, request)
    except MalformedError as error:
        if error.code == "NOT_DATASET_PROFILE":
            from datasigil.verification.foreign import check_foreign

            check_foreign(document, error, request.situation, findings)
        elif (error := _as_json_ld(document, error)).code in _CONTEXT_CODES:
            findings.failed(2, error)
            _skip(findings, 3, "its terms are not all defined")
        else:
            if document.get("@context") == PROFILE_CONTEXTS:
                findings.passed(2, "exactly the two pinned contexts")
            findings.failed(3, error)
            _skip(findings, 4, "it does not follow its schema")
        return None
    findings.passed(2, "exactly the two pinned contexts, and no undefined term")
    if request.expect_type is not None and credential.type != request.expect_type:
        findings.failed(
            3,
            MalformedError(
                "EXPECTED_TYPE",
                "a credential of another type was asked for",
                place="/type",
                expected=request.expect_type,
                found=credential.type,
            ),
        )
    else:
        findings.passed(3, f"follows the closed schema of {credential.type}")
    return credential


def _parse(document: JsonObject, request: _Request) -> Credential:
    if request.parsed is not None and request.parsed.document is document:
        return request.parsed
    memory = request.situation.memory
    return parse_credential(document) if memory is None else memory.credential(document)


def _as_json_ld(document: JsonObject, error: MalformedError) -> MalformedError:
    """Return what a refusal of the closed parser means to JSON-LD: a keyword alias, or a term that an RDF proof does not cover."""
    if error.code == "TYPE" and "type" not in document and "@type" in document:
        return MalformedError(
            "KEYWORD", "a JSON-LD keyword stands where the profile allows none", place="/@type", expected="type", found="@type"
        )  # fmt: skip
    if error.code == "UNKNOWN_PROPERTY" and _has_rdf_proof(document):
        return MalformedError(
            "DATA_LOSS", "a term that no context defines: RDF canonicalisation drops it, so the proof would not cover it",
            place=error.place, expected=error.expected, found=error.found,
        )  # fmt: skip
    return error


def _has_rdf_proof(document: JsonObject) -> bool:
    proof = document.get("proof")
    proofs = proof if isinstance(proof, list) else [proof]
    suites = (one.get("cryptosuite") for one in proofs if isinstance(one, dict))
    return any(isinstance(suite, str) and "-rdfc-" in suite for suite in suites)


def _skip(findings: Findings, first: int, because: str) -> None:
    for step in range(first, 12):
        findings.not_checked(step, because)


def _record_retrieval(errors: Iterable[DatasigilError], findings: Findings) -> None:
    for error in errors:
        step = 8 if error.code.startswith("STATUS_") else 7
        (findings.failed if error.code in _DAMNING else findings.undetermined)(step, error, name="refresh")


def _related(bundle: Bundle, request: _Request) -> Related:
    def examine(other: Bundle, situation: Situation) -> Examined:
        found = _examine(other, _Request(situation), related)
        return Examined(_report(found, situation), found.credential, found.logged)

    others = (one for parent in (*bundle.parents, *request.attestations) for one in parent.walk())
    related = Related.of(others, examine)
    return related


def _report(found: _Examination, situation: Situation) -> Report:
    return conclude(found.findings, situation, found.credential, found.logged, found.status, found.files, found.parents)


def _situation(
    policy: TrustPolicy,
    at: datetime,
    state: ClientState | None,
    *,
    as_of: bool,
    offline: bool,
    memory: Memory | None = None,
) -> Situation:
    time = at.astimezone(UTC) if at.tzinfo is not None else at
    return Situation(policy, time, as_of, offline, state, Instant.from_datetime(time), memory=memory)


__all__ = ["CREDENTIAL_SCOPE", "INDETERMINATE", "DataCheck", "Outcome", "read_evidence", "verify", "verify_bytes"]
