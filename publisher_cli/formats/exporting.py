"""`datasigil export croissant|oasis|oms`: what a credential says, for the tools of others.

Here: reading the credential and its manifest, and writing the result. Not here: the formats (`croissant`, `oasis`, `oms`). The credential's
own signature does not travel with an export; whoever needs it keeps the bundle beside it.
"""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.canonical import jcs
from datasigil.credentials.types import Credential, parse_credential
from datasigil.datasets.manifest import ManifestClaim, parse_manifest, verify_manifest_claim
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.transparency.durable import write_durably
from publisher_cli.comparing import manifest_of
from publisher_cli.publishing import naming, read_bundle_or_credential

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.bundle import Bundle
    from datasigil.datasets.entry import Manifest
    from datasigil.encoding import JsonObject
    from datasigil.report.terminal import Console

SUFFIXES = {"croissant": ".croissant.json", "oasis": ".oasis.json", "oms": ".oms.sig"}


def run(given: Namespace, console: Console) -> int:
    """Write one export of a dataset's credential."""
    path = Path(given.credential)
    bundle = read_bundle_or_credential(path)
    with naming(path):
        credential = parse_credential(bundle.credential)
        _require_signed(credential, bundle)
    if credential.type != "DatasetCredential":
        raise DatasigilError(
            "USAGE", "only a dataset is exported", place=str(path), expected="DatasetCredential", found=credential.type
        )
    manifest = _manifest(path, bundle, credential, given, console)
    target = Path(given.output) if given.output else Path(path.name.split(".")[0] + SUFFIXES[given.format])
    written = [target]
    if given.format == "oms":
        from publisher_cli.formats import oms

        written.append(oms.export(credential, manifest, target, given, console))
    else:
        document = _document(given, credential, manifest)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_durably(target, (dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    shown = {
        "type": "Exported", "formatVersion": 1, "format": given.format, "credential": credential.id, "credentialDigest": credential.digest,
        "paths": [str(one) for one in written],
    }  # fmt: skip
    console.result(shown, "".join(f"wrote:  {one}\n" for one in written))
    console.say(
        f"an export carries no credential: keep {path.name} beside it, and name it where you publish the export"
    )
    return 0


def _document(given: Namespace, credential: Credential, manifest: Manifest) -> JsonObject:
    if given.format == "croissant":
        from publisher_cli.formats import croissant

        return croissant.document(credential, manifest, Path(given.data) if given.data else None)
    from publisher_cli.formats import oasis

    return oasis.document(credential, manifest)


def _require_signed(credential: Credential, bundle: Bundle) -> None:
    """Refuse to pass on what is not as its signer left it; whose signature it is, `check` decides.

    Raises:
        ProofError, MalformedError, UntrustedError: as `require_signed`.
    """
    from datetime import UTC, datetime

    from datasigil.verification.issuer import require_signed

    presented = bundle.issuer_keys
    if credential.issuer.startswith("did:web:") and not presented:
        return  # a bare credential of a static site: its key lies in did.json, which only the bundle carries
    require_signed(credential.document, credential.issuer, None, presented, Instant.from_datetime(datetime.now(UTC)))


def _manifest(path: Path, bundle: Bundle, credential: Credential, given: Namespace, console: Console) -> Manifest:
    """Return the manifest that the credential signs: from the bundle, from beside it, or from the data.

    Raises:
        ManifestMismatchError, MalformedError, DatasigilError: NO_MANIFEST.
    """
    claim = ManifestClaim.from_subject(credential.subject)
    if given.manifest:
        manifest = manifest_of(Path(given.manifest), console)
    elif bundle.manifest is not None:
        manifest = parse_manifest(jcs(bundle.manifest))
    else:
        manifest = manifest_of(path, console)
    verify_manifest_claim(manifest, claim)
    return manifest
