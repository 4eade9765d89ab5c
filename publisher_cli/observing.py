"""`datasigil observe`: a consumer's own credential about a dataset that somebody else published.

Here: hashing what lies there, and capturing licence text, source, revision and time; role `observer`, never the publisher's word. Not
here: getting the data. What the sources in the folder say of the licence is carried as found, with its text where there is one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from datasigil import __version__
from datasigil.bundle import read_file
from datasigil.canonical import sha256_hex
from datasigil.credentials.types import parse_credential
from datasigil.datasets.hub_cache import SCHEME, find_snapshot
from datasigil.datasets.manifest import ManifestClaim, oms_root
from datasigil.datasets.paths import EVIDENCE_FOLDER
from datasigil.datasets.tree import open_tree
from datasigil.datasets.walk import list_tree
from datasigil.encoding import Instant, JsonObject
from datasigil.errors import DatasigilError, MalformedError
from publisher_cli import envelope, places
from publisher_cli.describing import gather
from publisher_cli.issuing import (
    LICENSE_MAX_BYTES,
    STAND_IN,
    dataset_folder,
    hash_folder,
    measurements,
    refuse_inside,
    write_issued,
)
from publisher_cli.sources import license_text
from publisher_cli.sources.finding import Findings, one_line

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from datasigil.report.terminal import Console

UNKNOWN = "unknown"
LICENSE_TEXT_MAX_CHARACTERS = 20_000  # of the vocabulary's prose; a longer text is captured by its digest
# What `hf download --local-dir` keeps beside the files: its own notes, which are no part of the dataset.
HUB_NOTES = ".cache/"


def run(given: Namespace, console: Console) -> int:
    """Hash a folder and sign what was seen of it."""
    folder, source, revision = _place(given)
    stem = source.rstrip("/").rpartition("/")[2] if given.folder.startswith(SCHEME) else folder.absolute().name
    output = envelope.output_path(given.output, f"{stem}.observation.json")
    refuse_inside(output, folder)
    (signer, login), seen = envelope.signing_place(given), datetime.now(UTC)
    ignored = (HUB_NOTES,) if (folder / HUB_NOTES).is_dir() else ()
    with open_tree(folder) as tree:
        files = list_tree(tree, (*ignored, EVIDENCE_FOLDER)).files
    findings = gather(folder, files, [])
    for said in findings.notes:
        console.say(f"note: {said}")
    stated = _subject(given, folder, findings, seen, source, revision)

    def document(claim: ManifestClaim, oms: str, index: int, measured: Sequence[dict[str, str]] = ()) -> JsonObject:
        subject = {
            **stated,
            **({"qualityMeasurement": list(measured)} if measured else {}),
            "manifest": claim.to_subject() | ({"omsRoot": oms} if oms else {}),
        }
        return envelope.unsigned(
            "DatasetCredential", subject, issuer=signer.controller, login=login, now=datetime.now(UTC), days=given.valid_days, index=index
        )  # fmt: skip

    _check(document(STAND_IN, "", 0))
    built = hash_folder(folder, given, console, ignored=ignored)
    measured = measurements(folder, built, given, console)
    credential = envelope.sign(
        document(ManifestClaim.of(built), oms_root(built), envelope.draw_index(login), measured),
        signer,
        datetime.now(UTC),
    )
    return write_issued(credential, built, folder, output, given, console)


def _place(given: Namespace) -> tuple[Path, str, str]:
    """Return the folder, and where and in which revision it was obtained: what the user says, or what the Hub's cache says.

    Raises:
        DatasigilError: DATA_FOLDER, NOT_CACHED, USAGE.
    """
    if given.folder.startswith(SCHEME):
        snapshot = find_snapshot(places.hub_cache(), given.folder)
        return snapshot.folder, given.source or snapshot.url, given.revision or snapshot.commit
    if not given.source:
        raise DatasigilError(
            "USAGE", "an observation says where the data was obtained", place=given.folder, expected="--source URL", found="nothing",
            next_action="add --source URL and, where there is one, --revision",
        )  # fmt: skip
    return dataset_folder(given.folder), given.source, given.revision or UNKNOWN


def _subject(
    given: Namespace, folder: Path, findings: Findings, seen: datetime, source: str, revision: str
) -> dict[str, Any]:
    found = findings.members
    licence: dict[str, Any] = dict(found.get("license", {"expression": UNKNOWN}))
    if given.license:
        licence = {"expression": given.license, "source": "stated by the observer"}
    observation: dict[str, Any] = {
        "sourceUrl": source,
        "revision": revision,
        "time": str(Instant.from_datetime(seen.replace(microsecond=0))),
        "tool": f"datasigil {__version__}",
    }
    observation |= _license_text(folder)
    return {
        # The same source gets the same identity, whoever observes it and however often.
        "id": f"urn:uuid:{uuid5(NAMESPACE_URL, source)}",
        "type": "Dataset",
        "role": "observer",
        "profile": "minimal",
        "name": given.name or found.get("name") or one_line(source.rstrip("/").rpartition("/")[2]) or UNKNOWN,
        "version": given.version or "1",
        "issued": found.get("issued", UNKNOWN),
        "publisher": {"name": given.publisher} if given.publisher else found.get("publisher", {"name": UNKNOWN}),
        "license": licence | {"assurance": "declared"},
        "observation": observation,
        **{name: found[name] for name in ("description", "inLanguage", "temporal", "creator") if name in found},
    }


def _license_text(folder: Path) -> dict[str, str]:
    """Return the licence text as found: the only one at the top of the folder, or nothing."""
    texts = license_text.license_files(folder)
    if len(texts) != 1:
        return {}
    data = read_file(texts[0], LICENSE_MAX_BYTES)
    captured = {"licenseTextDigest": sha256_hex(data)}
    text = data.decode("utf-8", "replace")
    plain = "".join(one for one in text.replace("\r\n", "\n") if one.isprintable() or one in "\n\t")
    if data and plain == text and len(text) <= LICENSE_TEXT_MAX_CHARACTERS and text.strip():
        captured["licenseText"] = text
    return captured


def _check(document: JsonObject) -> None:
    """Put what was said to the parser before hours of hashing.

    Raises:
        DatasigilError: USAGE, naming the member.
    """
    try:
        parse_credential(document)
    except MalformedError as error:
        raise DatasigilError(
            "USAGE", f"an option does not fit the vocabulary: {error.message}", place=error.place.removeprefix("/credentialSubject/"),
            expected=error.expected, found=error.found, next_action="correct the option; `datasigil observe --help` names them",
        ) from None  # fmt: skip
