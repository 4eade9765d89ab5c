"""`datasigil manifest` and `datasigil issue`: hash, describe, validate, sign; nothing leaves the machine.

Here: putting a DatasetCredential together and writing it with its manifest beside it. Not here: hashing (`datasigil.datasets`), the
vocabulary (`datasigil.credentials`), the registry (`publishing`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import read_file, sidecar_path
from datasigil.canonical import jcs, sha256_hex
from datasigil.credentials.types import Credential, parse_credential
from datasigil.datasets.entry import Manifest, canonical_parts
from datasigil.datasets.manifest import ManifestClaim, oms_root
from datasigil.datasets.paths import EVIDENCE_FOLDER
from datasigil.encoding import JsonObject
from datasigil.errors import DatasigilError, MalformedError, ManifestMismatchError
from datasigil.limits import MIB
from datasigil.transparency.durable import write_durably
from publisher_cli import envelope, records
from publisher_cli.comparing import compare, manifest_of
from publisher_cli.description import beside, read_description
from publisher_cli.hashing import dataset_folder, hash_folder
from publisher_cli.publishing import read_credential
from publisher_cli.sources import sheet
from publisher_cli.sources.rows import SUFFIX as ROWS_SUFFIX
from publisher_cli.sources.rows import canonical_rows, coverage, read_rows, related_resource

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report.terminal import Console
    from publisher_cli.sources.rows import Rows

LICENSE_MAX_BYTES = 4 * MIB
# Figures that stand in for those of a manifest while a description is looked at before the hashing.
STAND_IN = ManifestClaim("0" * 64, "0" * 64, 1, 0, 16 * MIB, (EVIDENCE_FOLDER,))


def issue(given: Namespace, console: Console) -> int:
    """Hash the folder, sign a credential about it, and write both the credential and its manifest."""
    folder = dataset_folder(given.folder)
    output = envelope.output_path(given.output, f"{folder.absolute().name}.credential.json")
    refuse_inside(output, folder)
    described = Path(given.description) if given.description else beside(folder)
    stated = _stated(described, folder)
    before = _Predecessor(Path(given.predecessor), console) if given.predecessor else None
    made = _lineage(Path(given.lineage)) if given.lineage else None
    signer, login = envelope.signing_place(given)
    table = Path(given.sheet) if given.sheet else sheet.sheet_beside(folder)

    def unsigned(claim: ManifestClaim, extra: dict[str, Any], index: int) -> JsonObject:
        subject = {"type": "Dataset", "role": "publisher", "profile": "minimal", "issued": "unknown", **stated, **extra}
        subject["manifest"] = {**claim.to_subject(), **extra.get("manifest", {})}
        return envelope.unsigned(
            "DatasetCredential", subject, issuer=signer.controller, login=login, now=datetime.now(UTC), days=given.valid_days, index=index
        )  # fmt: skip

    # The description is put to the parser before hours of hashing, with figures that stand in for the manifest's.
    _check_description(unsigned(STAND_IN, {}, 0), described)
    built = hash_folder(folder, given, console)
    extra: dict[str, Any] = {"manifest": {"omsRoot": oms_root(built)}}
    if before is not None:
        extra["predecessor"] = before.reference(built, str(stated.get("id")), console)
    if made is not None:
        extra["derivedFrom"] = _parents(made, built, Path(given.lineage))
    rows = _rows(table, folder, built, console, named=bool(given.sheet)) if table is not None else None
    measured = [*measurements(folder, built, given, console), *(coverage(rows) if rows is not None else ())]
    if measured:
        extra["qualityMeasurement"] = [*stated.get("qualityMeasurement", ()), *measured]
    document = unsigned(ManifestClaim.of(built), extra, envelope.draw_index(login))
    if rows is not None:
        _write_rows(canonical_rows(rows, built), document, output)
    credential = envelope.sign(document, signer, datetime.now(UTC))
    return write_issued(credential, built, folder, output, given, console)


def _lineage(path: Path) -> Credential:
    """Return the lineage credential in a file, read before the hashing so that a wrong file is named at once."""
    credential = read_credential(path)
    if credential.type != "DatasetLineageCredential":
        raise DatasigilError(
            "USAGE", "this says nothing of how a dataset was made", place=str(path), expected="DatasetLineageCredential", found=credential.type,
            next_action="name what `datasigil curate` wrote",
        )  # fmt: skip
    return credential


def _parents(made: Credential, built: Manifest, path: Path) -> list[dict[str, str]]:
    """Return the subject's member `derivedFrom`: the parents of a lineage that is about exactly these files.

    Raises:
        ManifestMismatchError: LINEAGE_OTHER.
    """
    generated = made.subject["generated"]
    if generated["root"] != built.root.hex():
        raise ManifestMismatchError(
            "LINEAGE_OTHER", "the lineage is about other files than those in the folder", place=str(path), expected=f"root {generated['root']}",
            found=f"root {built.root.hex()}", next_action="leave the curated folder as it was made (and use the recipe's digests: --digest), or curate again",
        )  # fmt: skip
    return [{name: one[name] for name in ("credential", "credentialDigest", "root")} for one in made.subject["used"]]


def measurements(folder: Path, built: Manifest, given: Namespace, console: Console) -> list[dict[str, str]]:
    """Return what a computer says of the content of the files that a manifest lists, unless that was not wanted.

    Raises:
        DatasigilError: as `profile_folder`.
    """
    if given.no_profile:
        return []
    from publisher_cli.describing import profile_files

    return profile_files(folder, [entry.path for entry in built.entries], console).measurements()


def _rows(table: Path, folder: Path, built: Manifest, console: Console, *, named: bool) -> Rows | None:
    """Return the sheet's rows, held against the files both ways; a sheet that merely lies there may be of another kind."""
    try:
        rows = read_rows(table, folder, [entry.path for entry in built.entries])
    except DatasigilError as error:
        if named:
            raise
        console.say(f"{table.name} is not signed as a sheet of the files: {error.message}")
        return None
    for paths, words in (
        (rows.dangling, "names files that are not there"),
        (rows.unnamed, "does not name these files"),
    ):
        if paths:
            more = f" and {len(paths) - sheet.SHOWN_MAX} more" if len(paths) > sheet.SHOWN_MAX else ""
            console.say(f"{rows.source} {words}: {', '.join(paths[: sheet.SHOWN_MAX])}{more}")
    return rows


def _write_rows(data: bytes, document: JsonObject, output: Path) -> None:
    """Name the rows in the credential by their digest, and write them beside where it will lie."""
    document["relatedResource"] = [related_resource(data)]
    output.parent.mkdir(parents=True, exist_ok=True)
    write_durably(output.with_name(output.name.removesuffix(".json") + ROWS_SUFFIX), data)


class _Predecessor:
    """The version before, read before the hashing so that a wrong file is named at once."""

    def __init__(self, path: Path, console: Console) -> None:
        self.credential = read_credential(path)
        if self.credential.type != "DatasetCredential":
            raise DatasigilError(
                "USAGE", "the predecessor is no dataset", place=str(path), expected="DatasetCredential", found=self.credential.type
            )  # fmt: skip
        self.manifest = manifest_of(path, console)

    def reference(self, built: Manifest, identity: str, console: Console) -> dict[str, Any]:
        """Return the subject's member `predecessor`: whom it follows, and in how many files it differs."""
        if self.credential.subject["id"] != identity:
            console.say(
                "the predecessor has another dataset id; if it is the same dataset, copy that id into the description"
            )
        added, removed, changed = compare(self.manifest, built)
        return {
            "credentialDigest": self.credential.digest,
            "root": self.manifest.root.hex(),
            "added": len(added),
            "removed": len(removed),
            "changed": len(changed),
        }


def refuse_inside(output: Path, folder: Path) -> None:
    """Refuse a credential inside the data: it would be one more file of it, which its own manifest cannot list.

    Raises:
        DatasigilError: USAGE.
    """
    target, root = output.absolute(), folder.resolve()
    inside = target.parent.resolve() if target.parent.exists() else target.parent
    if root in (inside, *inside.parents) and EVIDENCE_FOLDER.rstrip("/") not in inside.relative_to(root).parts[:1]:
        raise DatasigilError(
            "USAGE",
            "the credential would lie inside the data that it describes",
            place=str(output),
            expected="a place outside",
            next_action="choose another -o",
        )


def write_issued(
    credential: Credential, built: Manifest, folder: Path, output: Path, given: Namespace, console: Console
) -> int:
    """Write a dataset's credential and its manifest beside it, and show them; the manifest first, so that none lacks its own."""
    output.parent.mkdir(parents=True, exist_ok=True)
    write_durably(sidecar_path(output), canonical_parts(built))
    write_durably(output, jcs(credential.document))
    records.remember_issue(credential.digest, folder, given.key or "")
    return _shown(credential, built, output, given, console)


def _stated(path: Path, folder: Path) -> dict[str, Any]:
    """Return what the description states, with the licence text's digest computed."""
    stated = read_description(path)
    stated.setdefault("license", {"expression": "unknown"})
    licence = stated["license"]
    if not isinstance(licence, dict):
        raise DatasigilError(
            "DESCRIPTION_FILE",
            "license is a table",
            place=f"{path}: license",
            expected='[license] with expression = "CC-BY-4.0"',
            next_action="correct the description",
        )
    licence.setdefault("assurance", "declared")
    _refuse_computed(stated, path)
    text = licence.get("textPath")
    if isinstance(text, str):
        licence["textDigest"] = _license_digest(folder, text, path)
    return stated


def _refuse_computed(stated: dict[str, Any], path: Path) -> None:
    """`computed` is what this program computed; a person declares, and a third party attests in a credential of its own.

    Raises:
        DatasigilError: DESCRIPTION_FILE.
    """
    if stated["license"].get("assurance") == "computed":
        raise DatasigilError(
            "DESCRIPTION_FILE", "nobody can compute a licence", place=f"{path}: license.assurance", expected="declared", found="computed",
            next_action='write assurance = "declared", and name the licence\'s text with textPath: its digest is computed and signed',
        )  # fmt: skip
    members = stated.get("qualityMeasurement")
    for number, one in enumerate(members if isinstance(members, list) else ()):
        if isinstance(one, dict) and one.get("assurance") == "computed":
            raise DatasigilError(
                "DESCRIPTION_FILE", "only what datasigil computes is computed", place=f"{path}: qualityMeasurement[{number}]", expected="declared",
                found="computed", next_action='write assurance = "declared", or take the entry out: `issue` measures the content itself',
            )  # fmt: skip


def _license_digest(folder: Path, name: str, description: Path) -> str:
    from datasigil.datasets.paths import path_problem

    problem = path_problem(name)
    try:
        if problem:
            raise DatasigilError(
                "DESCRIPTION_FILE",
                f"license.textPath is refused: {problem}",
                place=str(description),
                found=name[:200],
                expected="a path inside the dataset",
                next_action="correct license.textPath in the description",
            )
        return sha256_hex(read_file(folder / name, LICENSE_MAX_BYTES))
    except OSError as error:
        raise DatasigilError(
            "DESCRIPTION_FILE", f"the licence text cannot be read: {error.strerror}", place=str(folder / name), expected="the file that license.textPath names",
            next_action="correct license.textPath in the description",
        ) from None  # fmt: skip


def _check_description(unsigned: JsonObject, described: Path) -> None:
    """Put the whole credential to the parser and name the description's key where it refuses one.

    Raises:
        DatasigilError: DESCRIPTION_FILE.
    """
    try:
        parse_credential(unsigned)
    except MalformedError as error:
        place = error.place.removeprefix("/credentialSubject/").replace("/", ".")
        raise DatasigilError(
            "DESCRIPTION_FILE", f"the description does not fit the vocabulary: {error.message}", place=f"{described}: {place}",
            expected=error.expected, found=error.found, next_action="correct the description",
        ) from None  # fmt: skip


def _shown(credential: Credential, built: Manifest, output: Path, given: Namespace, console: Console) -> int:
    licence = credential.subject["license"]["expression"]
    if licence == "unknown":
        console.say("the licence is stated as unknown: most policies refuse such a dataset")
    shown = {
        "type": "IssuedCredential",
        "formatVersion": 1,
        "id": credential.id,
        "digest": credential.digest,
        "issuer": credential.issuer,
        "path": str(output),
        "manifestPath": str(sidecar_path(output)),
        "manifest": dict(credential.subject["manifest"]),
        "license": licence,
    }
    text = f"id:       {credential.id}\ndigest:   {credential.digest}\nfiles:    {built.file_count} ({built.byte_size} bytes)\nlicence:  {licence}\nwrote:    {output}\nand:      {sidecar_path(output)}\n"
    console.result(shown, text)
    console.say(f"signed on this machine; nothing has left it. Next: {envelope.next_step(given, output)}")
    return 0


__all__ = ["dataset_folder", "hash_folder", "issue", "refuse_inside", "write_issued"]
