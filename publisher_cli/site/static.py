"""`publish --static`, its refresh, and `revoke`, `suspend`, `resume --static`: the commands over a static site's folder.

Here: what is checked before a site is touched, and what is shown afterwards. Not here: the folder (`folder`), the registry
(`publisher_cli.publishing`). Every command may be repeated: a credential is logged once.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import Bundle, parse_bundle, read_file
from datasigil.credentials.did import split_did_url
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.status_request import new_status_change_request
from datasigil.credentials.types import Credential
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, MalformedError, ProofError
from datasigil.limits import BUNDLE_MAX_BYTES
from publisher_cli import places, records
from publisher_cli.keys import load_signer, own_keys
from publisher_cli.publishing import Log, manifest_beside, read_credential, verified, write_bundles
from publisher_cli.site.address import PURPOSES, SiteAddress
from publisher_cli.site.folder import CHANGES, Site

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from datasigil.report.terminal import Console
    from datasigil.signing import LocalSigner

STATUS_COMMANDS = {"revoke": "revoke", "suspend": "suspend", "resume": "resume"}


def publish(given: Namespace, console: Console) -> int:
    """Put a credential into a site's folder, or bring the folder's log, lists and pages up to date; nothing leaves the machine."""
    folder, now = Path(given.static), datetime.now(UTC)
    credential = read_credential(Path(given.credential)) if given.credential else None
    body = manifest_beside(Path(given.credential), credential) if credential is not None else None
    if given.public_manifest and body is None:
        raise DatasigilError(
            "MANIFEST_MISSING", "there is no manifest beside the credential", expected="NAME.manifest.json",
            next_action="issue writes both; keep them together",
        )  # fmt: skip
    with _opened(folder, given, credential) as site:
        index = None
        for name in given.evidence:
            site.add_evidence(_bundle_file(Path(name)))
        if credential is not None:
            _require_for(site, credential)
            index = site.add(credential, body if given.public_manifest else None)
        bundles = site.update(now)
        if credential is None:
            return _refreshed(site, now, console)
        name = site.name_of(credential.digest)
        return _published(site, credential, bundles[name], body, index, given, console)


def change(given: Namespace, console: Console) -> int:
    """Sign and log a status request about a credential of the site, and bring the folder up to date."""
    from datasigil.signing import add_proof

    folder, now = Path(given.static), datetime.now(UTC).replace(microsecond=0)
    with _opened(folder, given, None) as site:
        credential = _named(site, given.what)
        signer = _issuer_signer(site, credential, given)
        purpose, value = CHANGES[given.command]
        state = site.status_of(credential)
        wanted = {"revoke": "revoked", "suspend": "suspended", "resume": "active"}[given.command]
        if state == "revoked" and wanted != "revoked":
            raise DatasigilError(
                "REVOKED", "a revocation cannot be taken back", place=credential.id, expected="a credential that is not revoked", found=state,
                next_action="issue the dataset again",
            )  # fmt: skip
        shown: dict[str, Any] = {
            "type": "StatusChanged",
            "formatVersion": 1,
            "id": credential.id,
            "status": wanted,
            "changed": state != wanted,
        }
        if shown["changed"]:
            request = new_status_change_request(
                credential_id=credential.id, credential_digest=credential.digest, purpose=purpose, value=value, reason=given.reason,
                created=now, nonce=secrets.token_urlsafe(24), issuer=credential.issuer,
            )  # fmt: skip
            shown["logIndex"] = site.change(given.command, credential, add_proof(request, signer, created=now))
        site.update(now)
    console.result(shown, f"{credential.id} is {wanted}\n")
    console.say(f"nothing has left this machine: upload {folder} for others to see it")
    return 0


@contextmanager
def _opened(folder: Path, given: Namespace, credential: Credential | None) -> Iterator[Site]:
    """Open the site in a folder under its lock, with the key that signs its log and lists."""
    with records.locked(places.make_folder(places.state_folder() / "sites") / ".lock"):
        base = (
            given.static_base or Site.base_of(folder) or (_base_named_by(credential) if credential is not None else "")
        )
        if not base:
            raise DatasigilError(
                "USAGE", "this folder is no site yet", place=str(folder), expected="a credential issued with --static-base",
                next_action="datasigil issue DIR --static-base https://HOST/PATH; then publish that credential with --static",
            )  # fmt: skip
        address = SiteAddress.at(base, dev=places.is_dev(given.dev))
        signer = load_signer(given.site_key or given.key)
        site = Site(folder, address, signer)
        if site.document is None and credential is not None:
            site.add_key(_own_key_of(credential, address))
        yield site


def _base_named_by(credential: Credential) -> str:
    url = credential.log_url or ""
    return url.removesuffix("/log") if url.endswith("/log") else ""


def _own_key_of(credential: Credential, address: SiteAddress) -> PublicKey:
    """Return the key that signed the first credential of a site, if it is one of this machine's own.

    Raises:
        DatasigilError: KEY_FILE.
    """
    mine = own_keys()
    for method in _methods(credential):
        did, fragment = split_did_url(method)
        if did == address.did and fragment in mine:
            return mine[fragment]
    raise DatasigilError(
        "KEY_FILE", "this credential was signed with a key that this machine does not have", place=credential.issuer, expected="one of your own keys",
        found=", ".join(_methods(credential))[:300], next_action=f"datasigil key did-web {address.base} --key NAME -o {address.document_path}, in the site's folder",
    )  # fmt: skip


def _methods(credential: Credential) -> list[str]:
    proof = credential.document.get("proof")
    proofs = proof if isinstance(proof, list) else [proof]
    return [str(one.get("verificationMethod")) for one in proofs if isinstance(one, dict)]


def _require_for(site: Site, credential: Credential) -> None:
    """Refuse a credential that is not this site's own, or that nobody could verify here.

    Raises:
        DatasigilError: OTHER_LOG; ProofError, MalformedError: as `verify_proofs`.
    """
    address = site.address
    lists = {one.purpose: (one.list_id, one.issuer) for one in credential.status}
    wanted = {purpose: (address.list_url(purpose), site.list_signer().controller) for purpose in PURPOSES}
    if (credential.issuer, credential.log_origin, lists) != (address.did, address.origin, wanted):
        raise DatasigilError(
            "OTHER_LOG", "the credential was issued for another place, or another site key", expected=f"{address.did}, lists by {wanted['revocation'][1]}",
            found=f"{credential.issuer}, lists by {lists['revocation'][1]} at {lists['revocation'][0]}"[:300],
            next_action=f"issue it again with --static-base {address.base}, and the same --site-key as here",
        )  # fmt: skip

    def resolve(method: str, purpose: str) -> PublicKey:
        if site.document is None:
            raise ProofError("KEY_UNKNOWN", "the site lists no key", expected="a DID document", found=method)
        return site.document.method_for(method, purpose).key

    verify_proofs(credential.document, keys=resolve, at=Instant.from_datetime(datetime.now(UTC)))


def _bundle_file(path: Path) -> Bundle:
    try:
        return parse_bundle(read_file(path, BUNDLE_MAX_BYTES))
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            f"the evidence cannot be read: {error.strerror}",
            place=str(path),
            expected="a bundle (NAME.sigil.json)",
        ) from None
    except MalformedError as error:
        if not error.place.startswith(str(path)):
            error.place = f"{path}: {error.place}" if error.place else str(path)
        error.next_action = error.next_action or "name a bundle (NAME.sigil.json)"
        raise


def _named(site: Site, what: str) -> Credential:
    """Return the site's credential with an id, a digest, a file name, or that lies in a file."""
    if what.endswith(".json") or Path(what).is_file():
        what = read_credential(Path(what)).digest
    for one in site.listed:
        credential = site.credentials[one.digest]
        if what.removeprefix("sha256:") in (one.digest, one.name, credential.id):
            return credential
    raise DatasigilError(
        "NOT_FOUND", "this site holds no such credential", place=str(site.folder), expected=", ".join(one.name for one in site.listed)[:300] or "a credential",
        found=what[:200], next_action="name it by its id, its digest or its file's name",
    )  # fmt: skip


def _issuer_signer(site: Site, credential: Credential, given: Namespace) -> LocalSigner:
    """Return the key that may change a credential's status: one of the issuer's own, never the site key alone."""
    signer = load_signer(given.key)
    listed = tuple(site.document.methods.values()) if site.document is not None else ()
    if signer.public_key not in [one.key for one in listed]:
        raise DatasigilError(
            "NOT_YOURS", "only its issuer changes a credential's status", expected=credential.issuer, found=signer.controller,
            next_action="use the key that issued it: --key NAME",
        )  # fmt: skip
    return signer.as_method(site.address.method(signer.public_key))


def _refreshed(site: Site, now: datetime, console: Console) -> int:
    shown = {
        "type": "SiteRefreshed", "formatVersion": 1, "path": str(site.folder), "base": site.address.base, "treeSize": site.log.tree.size,
        "credentials": len(site.listed), "signedAt": str(Instant.from_datetime(now.replace(microsecond=0))),
    }  # fmt: skip
    size = f"{site.log.tree.size} {'entry' if site.log.tree.size == 1 else 'entries'}"
    console.result(shown, f"site:   {site.address.base}\nlog:    {size}, signed now\nlists:  signed now\n")
    console.say(f"upload {site.folder}; run this again within a day, or let a schedule do it (docs/static-site.md)")
    return 0


def _published(
    site: Site, credential: Credential, bundle: Bundle, body: bytes | None, index: int | None, given: Namespace, console: Console
) -> int:  # fmt: skip
    keys = tuple(one.key for one in site.document.methods.values()) if site.document is not None else ()
    log = Log(site.address.origin, str(site.log.keys[0]), str(site.log.keys[1]), site.address.log_url)
    report = verified(bundle, body, publisher=site.address.did, log=log, keys=keys)
    if report.decision != "VALID":
        console.say(f"published; what it names does not hold as it stands: {report.headline}")
    written = write_bundles(bundle, body, credential, Path(given.credential), given, console)
    name = site.name_of(credential.digest)
    shown: dict[str, Any] = {
        "type": "PublishedCredential", "formatVersion": 1, "id": credential.id, "digest": credential.digest, "site": site.address.base,
        "path": str(site.folder), "page": f"{site.address.base}/{name}.html", "logIndex": index, "logOrigin": site.address.origin,
        "bundles": [str(site.folder / f"{name}.sigil.json"), *(str(one) for one in written)], "checkedAs": report.decision,
    }  # fmt: skip
    lines = [
        f"id:      {credential.id}",
        f"log:     entry {index} of {site.address.origin}",
        f"page:    {site.address.base}/{name}.html",
    ]
    console.result(shown, "\n".join([*lines, *(f"wrote:   {one}" for one in shown["bundles"])]) + "\n")
    console.say(f"nothing has left this machine: upload {site.folder} so that {site.address.base} serves it")
    return 0
