"""`datasigil-verify recompute`: run a recipe again on the parents' own bytes and hold the outcome against the signed lineage.

Here: the lineage credential's verdict first, then parents whose manifests are the signed ones, then the run and its comparison. Not here:
the run (`datasigil.curation`), whether the steps were wise. Nothing of a recipe is executed: it holds no code; its patterns cannot run away.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import DATASET_BUNDLE, Bundle, read_file
from datasigil.canonical import document_digest, jcs
from datasigil.errors import DatasigilError, MalformedError, VerificationError
from datasigil.record import dataclass
from datasigil.report.terminal import OK, REFUSED, escape
from verifier_cli import places
from verifier_cli.check import parse_evidence, show
from verifier_cli.evidence import manifest_beside, manifest_source_digest, naming, read_evidence

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.credentials.types import Credential
    from datasigil.curation.derivation import Difference
    from datasigil.curation.reading import Parent
    from datasigil.curation.recipe import Input, Recipe
    from datasigil.datasets.entry import Manifest
    from datasigil.datasets.manifest import ManifestSource
    from datasigil.report import Report
    from datasigil.report.terminal import Console
    from datasigil.trust.policy import TrustPolicy

FORMAT_VERSION = 1
DIFFERENCES_SHOWN = 20
_LINEAGE = "DatasetLineageCredential"


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a run made again showed."""

    lineage: Credential
    report: Report
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    records: int
    root: str


def run(given: Namespace, console: Console) -> int:
    """Verify the lineage, run its recipe again, compare; exit code 0 only when everything is the same."""
    from datasigil.curation.limits import RECIPE_BYTES_MAX
    from datasigil.curation.recipe import parse_recipe

    policy = places.load_policy(given.policy, outside=[Path(given.result)] if given.result else [])
    places.require_digest(policy, given.policy_digest)
    path = Path(given.recipe)
    try:
        recipe = parse_recipe(read_file(path, RECIPE_BYTES_MAX), source=str(path))
    except OSError as error:
        raise MalformedError(
            "CURATION_RECIPE", f"the recipe cannot be read: {error.strerror}", place=str(path), expected="a recipe", next_action="ask the curator for it"
        ) from None  # fmt: skip
    evidence = Path(given.evidence)
    with naming(evidence):
        found = parse_evidence(read_evidence(evidence))
    bundle = _lineage_in(found, evidence)
    report, lineage = _judged(bundle, policy, given)
    if report.decision != "VALID" or lineage is None:
        console.say("the lineage itself does not hold, so that there is nothing to repeat")
        return show(report, console)
    if lineage.subject["assurance"] != "computed":
        raise DatasigilError(
            "USAGE", "this lineage is its agent's word, and no recipe stands behind it", place=lineage.id, expected="assurance computed", found=lineage.subject["assurance"],
            next_action="ask the curator for a recipe, or accept declared lineage in your trust file",
        )  # fmt: skip
    parents = _parents(recipe, bundle, given, path.parent, lineage)
    finding = _again(recipe, parents, lineage, report, given, console)
    return _shown(finding, console)


def _lineage_in(bundle: Bundle, path: Path) -> Bundle:
    """Return the lineage's bundle: this one, or the parent of a dataset's bundle that is about its manifest.

    Raises:
        DatasigilError: USAGE.
    """
    if _LINEAGE in _types(bundle):
        return bundle
    subject = bundle.credential.get("credentialSubject")
    manifest = subject.get("manifest") if isinstance(subject, dict) else None
    root = manifest.get("root") if isinstance(manifest, dict) else None
    for one in bundle.parents:
        made = one.credential.get("credentialSubject", {})
        if (
            _LINEAGE in _types(one)
            and isinstance(made, dict)
            and root is not None
            and _root(made.get("generated")) == root
        ):
            return one
    raise DatasigilError(
        "USAGE", "this evidence holds no lineage of the dataset", place=str(path), expected=_LINEAGE, found=", ".join(_types(bundle))[:200],
        next_action="name the lineage's bundle; `datasigil-verify refresh` fetches a dataset's parents",
    )  # fmt: skip


def _types(bundle: Bundle) -> list[str]:
    found = bundle.credential.get("type")
    return [str(one) for one in found] if isinstance(found, list) else []


def _root(value: Any) -> Any:
    return value.get("root") if isinstance(value, dict) else None


def _judged(bundle: Bundle, policy: TrustPolicy, given: Namespace) -> tuple[Report, Credential | None]:
    at = datetime.now(UTC)
    options: dict[str, Any] = {"policy": policy, "at": at, "state": places.client_state(), "expect_type": _LINEAGE}
    if given.offline:
        from datasigil.verification import verify

        report = verify(bundle, offline=True, **options).report
    else:
        from datasigil.client import check_online, fetcher_for

        report = check_online(bundle, fetcher=fetcher_for(policy, dev=places.is_dev(given.dev)), **options).report
    if report.decision != "VALID":
        return report, None
    from datasigil.credentials.types import parse_credential

    return report, parse_credential(bundle.credential)


# Parents ------------------------------------------------------------------------------------------------------------


def _parents(recipe: Recipe, bundle: Bundle, given: Namespace, base: Path, lineage: Credential) -> dict[str, Parent]:
    data, bundles = (_named(given.data, "--data", recipe), _named(given.parent, "--parent", recipe))
    return {
        one.name: _parent(one, bundle, lineage, bundles.get(one.name), base, data.get(one.name, base / one.data))
        for one in recipe.inputs
    }


def _named(words: list[str], option: str, recipe: Recipe) -> dict[str, Path]:
    names = [one.name for one in recipe.inputs]
    found = {}
    for word in words:
        name, sign, path = word.partition("=")
        if not sign or not path or name not in names:
            raise DatasigilError(
                "USAGE", f"{option} names an input of the recipe and a place", expected=f"{option} NAME=PATH with one of {', '.join(names)}"[:300], found=word[:200],
            )  # fmt: skip
        found[name] = Path(path)
    return found


def _parent(source: Input, bundle: Bundle, lineage: Credential, named: Path | None, base: Path, data: Path) -> Parent:
    """Return one input's parent: a credential that the lineage names, and the manifest that this credential claims."""
    from datasigil.credentials.types import parse_credential
    from datasigil.curation.reading import Parent
    from datasigil.datasets.manifest import ManifestClaim, parse_manifest, verify_manifest_claim

    path = named if named is not None else base / source.credential
    used = {one["credentialDigest"]: one for one in lineage.subject["used"]}
    found, beside = _evidence_of(path, bundle, used, source, explicit=named is not None)
    with naming(path):
        credential = parse_credential(found.credential)
        if credential.digest not in used:
            raise VerificationError(
                "PARENT_MISMATCH", "the recipe's parent is none that the lineage names", place=f"input {source.name}: {path}",
                expected=", ".join(sorted(used))[:300], found=credential.digest, next_action=f"--parent {source.name}=BUNDLE names the right one",
            )  # fmt: skip
        body = jcs(found.manifest) if found.manifest is not None else beside or _own_manifest(data, credential)
        if body is None:
            raise DatasigilError(
                "MANIFEST_MISSING", "there is no manifest for a parent", place=f"input {source.name}: {path}", expected="embedded in its bundle, or beside it",
                next_action=f"--parent {source.name}=BUNDLE names a bundle with its manifest",
            )  # fmt: skip
        manifest: Manifest = parse_manifest(body)
        verify_manifest_claim(manifest, ManifestClaim.from_subject(credential.subject))
    if not data.is_dir():
        raise DatasigilError(
            "DATA_FOLDER", "a parent's data is not there", place=f"input {source.name}: {data}", expected="a folder", next_action=f"--data {source.name}=DIR says where it lies"
        )  # fmt: skip
    return Parent.of(credential, manifest, data)


def _evidence_of(
    path: Path, bundle: Bundle, used: dict[str, Any], source: Input, *, explicit: bool
) -> tuple[Bundle, ManifestSource | None]:
    """Return a parent's evidence: the named file, else what lies where the recipe says, else the lineage's only parent."""
    if path.is_dir():
        path = path / DATASET_BUNDLE
    if explicit or path.is_file():
        with naming(path):
            return parse_evidence(read_evidence(path)), manifest_beside(path)
    among = [one for one in bundle.parents if document_digest(one.credential) in used]
    if len(used) == 1 and len(among) == 1:
        return among[0], None
    raise DatasigilError(
        "NO_SUCH_PATH", "a parent's credential is not where the recipe says", place=f"input {source.name}: {path}", expected="the parent's bundle",
        next_action=f"--parent {source.name}=BUNDLE says where it lies here",
    )  # fmt: skip


def _own_manifest(data: Path, credential: Credential) -> ManifestSource | None:
    """Return the manifest that lies in the data's own folder, if it is the claimed one."""
    try:
        body = manifest_beside(data / DATASET_BUNDLE)
        if body is None:
            embedded = parse_evidence(read_evidence(data / DATASET_BUNDLE)).manifest
            body = None if embedded is None else jcs(embedded)
    except DatasigilError:
        return None  # a convenience and no evidence
    claimed = credential.subject["manifest"]["digest"]
    return body if body is not None and manifest_source_digest(body) == claimed else None


# The comparison -----------------------------------------------------------------------------------------------------


def _again(
    recipe: Recipe, parents: dict[str, Parent], lineage: Credential, report: Report, given: Namespace, console: Console
) -> _Finding:
    from datasigil.curation.derivation import Difference, compare, notes, result_manifest
    from datasigil.curation.running import run as run_recipe

    meter = console.meter("recomputing")
    try:
        with tempfile.TemporaryDirectory(prefix="datasigil-recompute-", dir=given.work) as work:
            folder = Path(work) / "result"
            outcome = run_recipe(recipe, parents, folder, progress=meter)
            built = result_manifest(folder, recipe.digests)
    finally:
        if meter is not None:
            meter.close()
    differences = compare(lineage.subject, recipe, parents, outcome, built)
    if given.result:
        from datasigil.datasets.files import check_files

        finding = check_files(Path(given.result), built, digest="all")
        differences += tuple(
            Difference(f"{given.result}: {one.path}", one.expected or "as made again", one.found or one.message)
            for one in finding.failures
        )
    return _Finding(lineage, report, differences, notes(lineage.subject, outcome), outcome.records, built.root.hex())


def _shown(finding: _Finding, console: Console) -> int:
    same = not finding.differences
    code = OK if same else REFUSED
    outcome = "RECOMPUTED" if same else "DIFFERS"
    document = {
        "type": "RecomputationReport",
        "formatVersion": FORMAT_VERSION,
        "outcome": outcome,
        "lineage": {"id": finding.lineage.id, "digest": finding.lineage.digest, "issuer": finding.lineage.issuer},
        "assurance": finding.lineage.subject["assurance"],
        "records": finding.records,
        "root": finding.root,
        "differences": [{"place": one.place, "stated": one.stated, "found": one.found} for one in finding.differences],
        "notes": list(finding.notes),
        "report": finding.report.to_json(),
        "exitCode": code,
    }
    words = "made again from its parents, bit by bit" if same else "made again, it is not what the lineage says"
    lines = [f"{outcome}: {words}", f"  lineage:   {escape(finding.lineage.id)}", f"  records:   {finding.records}", f"  root:      {finding.root}"]  # fmt: skip
    for one in finding.differences[:DIFFERENCES_SHOWN]:
        lines += [
            f"  at {escape(one.place)}",
            f"    stated:  {escape(one.stated)}",
            f"    found:   {escape(one.found)}",
        ]
    more = len(finding.differences) - DIFFERENCES_SHOWN
    lines += [f"  and {more} more"] if more > 0 else []
    lines += [f"  note: {escape(one)}" for one in finding.notes]
    console.result(document, "\n".join(lines) + "\n")
    return code
