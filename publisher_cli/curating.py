"""`datasigil curate RECIPE`: run a recipe over parents that have credentials, and sign how the result was made.

Here: where parents lie, that their files are the signed ones, the signed DatasetLineageCredential and the table of origins beside it. Not
here: the recipe and its run (`datasigil.curation`), whether a parent's issuer is to be trusted (`--policy`, or whoever checks later),
an arbitrary script (`recording`). The result itself gets its credential from `issue --lineage`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import DATASET_BUNDLE, read_file, sidecar_path
from datasigil.canonical import jcs
from datasigil.curation.derivation import lineage_subject, result_manifest
from datasigil.curation.limits import RECIPE_BYTES_MAX
from datasigil.curation.reading import Parent
from datasigil.curation.recipe import Input, Recipe, parse_recipe
from datasigil.curation.running import Outcome
from datasigil.curation.running import run as run_recipe
from datasigil.datasets.entry import Manifest
from datasigil.datasets.manifest import ManifestClaim, manifest_bytes, verify_manifest_claim
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, MalformedError, VerificationError
from datasigil.transparency.durable import write_durably
from publisher_cli import envelope
from publisher_cli.comparing import manifest_of
from publisher_cli.issuing import dataset_folder, refuse_inside
from publisher_cli.publishing import read_credential

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.credentials.types import Credential
    from datasigil.report.terminal import Console

LINEAGE_TYPE = "DatasetLineageCredential"


def run(given: Namespace, console: Console) -> int:
    """Run a recipe; write the result's folder, its signed lineage and the table of origins."""
    path = Path(given.recipe)
    recipe = read_recipe(path)
    folder = Path(given.folder) if given.folder else path.parent / recipe.folder
    parents = {one.name: _parent(one, path.parent, given, console) for one in recipe.inputs}
    _refuse_among_parents(folder, recipe, path.parent)
    if given.dry_run:
        return _dry_run(recipe, parents, console)
    output = envelope.output_path(given.output, f"{folder.absolute().name}.lineage.json")
    refuse_inside(output, folder)
    signer, login = envelope.signing_place(given)
    started = _now()
    origins = output.with_name(output.name.removesuffix(".json") + ".mapping.jsonl")
    outcome, built = _made(recipe, parents, folder, origins, console)
    subject = lineage_subject(
        recipe, parents, outcome, built, agent={"id": signer.controller, "name": given.agent or signer.controller[:200]}, started=started, ended=_now()
    )  # fmt: skip
    credential = sign_lineage(subject, signer, login, given, output)
    write_durably(sidecar_path(output), manifest_bytes(built))
    _show(credential, outcome, folder, output, origins, console)
    console.say(f"signed on this machine. Next: {envelope.next_step(given, output)}; datasigil init {folder}; datasigil issue {folder} --lineage {output}")  # fmt: skip
    return 0


def sign_lineage(subject: dict[str, Any], signer: Any, login: Any, given: Namespace, output: Path) -> Credential:
    """Return a signed lineage credential, written to `output`.

    Raises:
        MalformedError: when the subject does not fit the vocabulary.
    """
    now = datetime.now(UTC)
    document = envelope.unsigned(
        LINEAGE_TYPE, subject, issuer=signer.controller, login=login, now=now, days=given.valid_days, index=envelope.draw_index(login)
    )  # fmt: skip
    credential = envelope.sign(document, signer, now)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_durably(output, jcs(credential.document))
    return credential


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file.

    Raises:
        MalformedError: CURATION_RECIPE.
    """
    try:
        return parse_recipe(read_file(path, RECIPE_BYTES_MAX), source=str(path))
    except OSError as error:
        raise MalformedError(
            "CURATION_RECIPE", f"the recipe cannot be read: {error.strerror}", place=str(path), expected="a recipe", next_action="check the path"
        ) from None  # fmt: skip


def _now() -> Instant:
    return Instant.from_datetime(datetime.now(UTC).replace(microsecond=0))


# Parents ------------------------------------------------------------------------------------------------------------


def _parent(source: Input, base: Path, given: Namespace, console: Console) -> Parent:
    credential, manifest = read_parent(base / source.credential, console)
    data = dataset_folder(str(base / source.data))
    if given.policy:
        require_usable(base / source.credential, given, console)
    return Parent.of(credential, manifest, data)


def read_parent(path: Path, console: Console) -> tuple[Credential, Manifest]:
    """Return a dataset's credential and the manifest that it claims, from a bundle, a credential or a folder with its own bundle.

    Raises:
        DatasigilError: USAGE, UNREADABLE, NO_MANIFEST; ManifestMismatchError; MalformedError.
    """
    if path.is_dir():
        path = path / DATASET_BUNDLE
    credential = read_credential(path)
    if credential.type != "DatasetCredential":
        raise DatasigilError(
            "USAGE", "a parent is a dataset with a credential", place=str(path), expected="DatasetCredential", found=credential.type,
            next_action="name the dataset's bundle, or the credential that `issue` or `observe` wrote",
        )  # fmt: skip
    manifest = manifest_of(path, console)
    verify_manifest_claim(manifest, ManifestClaim.from_subject(credential.subject))
    return credential, manifest


def require_usable(path: Path, given: Namespace, console: Console) -> None:
    """Return when a parent's evidence is VALID under the trust file that was named.

    Raises:
        VerificationError: with the first reason code.
    """
    from datasigil.api import check_dataset

    report = check_dataset(path, policy=given.policy, offline=True)
    console.detail(report.headline)
    if report.decision != "VALID":
        raise VerificationError(
            report.code or "PARENT", f"a parent does not hold under your trust file: {report.headline}", place=str(path), expected="VALID", found=report.decision,
            next_action="`datasigil-verify check` shows its whole report; `datasigil-verify refresh` renews its evidence",
        )  # fmt: skip


# The run ------------------------------------------------------------------------------------------------------------


def _refuse_among_parents(folder: Path, recipe: Recipe, base: Path) -> None:
    """Refuse a result inside a parent's data, which would no longer be what its manifest lists, and one around it.

    Raises:
        DatasigilError: USAGE.
    """
    target = os.path.realpath(folder)
    for one in recipe.inputs:
        data = os.path.realpath(base / one.data)
        if os.path.commonpath((target, data)) in (target, data):
            raise DatasigilError(
                "USAGE", "the result would lie inside a parent's data, or around it", place=str(folder), expected="a folder of its own", found=str(base / one.data),
                next_action="name another with --folder, or in output.folder",
            )  # fmt: skip


def _made(
    recipe: Recipe, parents: dict[str, Parent], folder: Path, origins: Path, console: Console
) -> tuple[Outcome, Manifest]:
    """Run into the folder and keep the table of origins, or leave neither."""
    if os.path.lexists(origins):
        raise DatasigilError(
            "EXISTS", "something lies where the table of origins should go", place=str(origins), expected="a path that does not exist yet",
            next_action="remove it, or name another credential with -o",
        )  # fmt: skip
    origins.parent.mkdir(parents=True, exist_ok=True)
    meter = console.meter("curating")
    try:
        with open(origins, "xb") as table:
            outcome = run_recipe(recipe, parents, folder, mapping=table, progress=meter)
    except BaseException:
        origins.unlink(missing_ok=True)
        raise
    finally:
        if meter is not None:
            meter.close()
    return outcome, result_manifest(folder, recipe.digests)


def _dry_run(recipe: Recipe, parents: dict[str, Parent], console: Console) -> int:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="datasigil-curate-") as work:
        outcome = run_recipe(recipe, parents, Path(work) / "result")
    document = {
        "type": "CurationPlan",
        "formatVersion": 1,
        "steps": [one.subject() for one in outcome.lines],
        "files": dict(outcome.files),
    }
    console.result(document, _table(outcome))
    console.say("nothing was written and nothing was signed")
    return 0


def _table(outcome: Outcome) -> str:
    """Return the steps as people read them: counts, then the rule."""
    from datasigil.report.terminal import escape

    lines = [f"{'in':>10} {'removed':>9} {'added':>7} {'out':>10}  step"]
    for one in outcome.lines:
        rule = escape(one.rule)
        lines.append(
            f"{one.records_in:>10} {one.removed:>9} {one.added:>7} {one.records_out:>10}  {rule if len(rule) <= 120 else rule[:119] + '…'}"
        )
    lines += [f"{count:>10} records in {name}" for name, count in outcome.files.items()]
    return "\n".join(lines) + "\n"


def _show(
    credential: Credential, outcome: Outcome, folder: Path, output: Path, origins: Path, console: Console
) -> None:
    subject = credential.subject
    shown = {
        "type": "CuratedDataset",
        "formatVersion": 1,
        "id": credential.id,
        "digest": credential.digest,
        "issuer": credential.issuer,
        "path": str(output),
        "folder": str(folder),
        "mapping": str(origins),
        "steps": subject["steps"],
        "generated": subject["generated"],
        "used": subject["used"],
    }
    if outcome.extraction is not None:
        shown["extraction"] = outcome.extraction["totals"]
        totals = outcome.extraction["totals"]
        console.say(
            f"{totals['documents']} documents: {totals['extracted']} extracted, {totals['failed']} failed, {totals['noText']} without text; {totals['scannedPages']} scanned pages give no text"
        )
    console.result(shown, f"{_table(outcome)}wrote:  {folder}\nand:    {output}\nand:    {origins}\n")


__all__ = ["read_parent", "read_recipe", "run", "sign_lineage"]
