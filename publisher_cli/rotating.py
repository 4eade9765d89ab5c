"""`datasigil key rotate`: a new key under the same name, vouched for by the old one, or by a recovery key when the old one is gone.

Here: the signed rotation, its entry in the log of a static site or a registry, and swapping the key files such that a run that is cut short loses neither key.
Not here: the request's form (`datasigil.credentials.key_rotation`), whether a verifier follows it (`datasigil.verification`). A did:key
*is* its key: it cannot rotate, and a new key is then a new DID, which this command makes all the same and says so.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.canonical import jcs
from datasigil.client.registry import RegistryError
from datasigil.credentials.did import did_document
from datasigil.credentials.key_rotation import REQUEST_TYPE, new_key_rotation, parse_key_rotation
from datasigil.errors import DatasigilError, MalformedError
from datasigil.signing import LocalSigner, add_proof
from datasigil.transparency.durable import sync_directory, write_durably
from publisher_cli import places, records
from publisher_cli.keys import fingerprint, key_path, load_signer, only_key
from publisher_cli.logins import registry_client, registry_url
from publisher_cli.site.address import SiteAddress
from publisher_cli.site.documents import list_key
from publisher_cli.site.folder import Site

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from datasigil.encoding import JsonObject
    from datasigil.report.terminal import Console

RETIRED_MAX = 1000


def run(given: Namespace, console: Console) -> int:
    """Make a new key of the same kind; with --static, sign and log the rotation for the site's did:web."""
    _refuse_misused(given)
    name = given.name or only_key()
    path = key_path(name)
    if given.did_web is not None:
        return _at_registry(given, name, path, console)
    _finish_earlier(path, console)
    old = load_signer(given.recovery or name)
    new = LocalSigner.generate(old.public_key.kind)
    # Signed and judged in memory first: nothing that can be refused leaves a key behind.
    request = _signed_request(given, old, new) if given.static else None
    coming = path.with_name(f"{name}.next.pem")
    new.save(coming, places.passphrase(f"new passphrase for the key {name}", new=True))
    logged = _log_rotation(given, request, new) if request is not None else {}
    _show(name, path, old, new, _swap(path, coming, new), logged, console)
    if logged:
        pinned = "your recovery key" if given.recovery else "the old key"
        console.say(f"whoever pinned {pinned} follows the log to the new one. Upload {given.static}")
    else:
        console.say(
            "a did:key is its key: what you sign from now on is by another DID. Users add it with `datasigil-verify trust add`; a static site "
            "(--static DIR) or a did:web keeps its name"
        )
    return 0


def _show(
    name: str,
    path: Path,
    old: LocalSigner,
    new: LocalSigner,
    retired: Path | None,
    logged: dict[str, Any],
    console: Console,
) -> None:
    shown: dict[str, Any] = {
        "type": "KeyRotated", "formatVersion": 1, "name": name, "authorizedBy": old.public_key.multibase, "did": new.controller,
        "publicKeyMultibase": new.public_key.multibase, "fingerprint": fingerprint(new.public_key.multibase), "path": str(path),
        **({"retired": str(retired)} if retired is not None else {}), **logged,
    }  # fmt: skip
    lines = [f"fingerprint: {shown['fingerprint']}", f"file:        {path}"]
    if retired is not None:
        lines.append(f"old key:     {retired}")
    if logged:
        lines.append(f"log:         entry {logged['logIndex']} of {logged['logOrigin']}")
    console.result(shown, "\n".join(lines) + "\n")


def _at_registry(given: Namespace, name: str, path: Path, console: Console) -> int:
    """Hand the rotation in at a registry, which logs it once the address lists the new key: the key waits under its own name until then.

    Raises:
        RegistryError, FetchError: as the client; MalformedError, DatasigilError: as the other kinds of rotation.
    """
    address = SiteAddress.at(given.did_web, dev=places.is_dev(given.dev))
    client = registry_client(registry_url(given.registry), dev=given.dev)
    coming = path.with_name(f"{name}.next.pem")
    if not path.exists() and coming.exists() and not given.recovery:
        _finish_earlier(path, console)
        raise DatasigilError(
            "KEY_FILE", "an earlier rotation, which the registry had logged, is finished now; nothing else was done", place=str(path),
            expected="a key that is not being changed", next_action="nothing, if that is the change that you meant; else run the same command again",
        )  # fmt: skip
    old = load_signer(given.recovery or name)
    waits = coming.exists()
    passphrase = places.passphrase(f"{'' if waits else 'new '}passphrase for the new key {name}", new=not waits)
    new = LocalSigner.load(coming, passphrase) if waits else LocalSigner.generate(old.public_key.kind)
    request = _signed_by_both(address, old, new, given.reason)
    if not waits:
        new.save(coming, passphrase)
    output = Path(given.output or "did.json")
    list_key(output, address.did, new.public_key, ended=None if given.recovery else old.public_key)
    try:
        reply = client.rotate_key(request)
    except RegistryError as error:
        if error.code in ("KEY_NOT_LISTED", "DID_DOCUMENT"):
            error.next_action = f"upload {output} to {address.base}/{address.document_path}, wait a minute, and run the same command again; the new key waits in {coming}"
        raise
    logged = {
        "logIndex": reply["logIndex"],
        "logOrigin": client.describe()["log"]["origin"],
        "registry": client.url,
        "did": address.did,
    }
    _show(name, path, old, new, _swap(path, coming, new), logged, console)
    console.say(
        "whoever pinned the key that vouched follows the registry's log to the new one, from its bundles. What you sign there from now on needs a\n"
        f"login with the new key: datasigil login --registry {client.url} --key {name} --did-web {given.did_web}"
    )
    return 0


def _refuse_misused(given: Namespace) -> None:
    """Refuse a recovery key where there is nothing that it could vouch in, and two places for one rotation.

    Raises:
        DatasigilError: USAGE.
    """
    if given.did_web is not None and given.static:
        raise DatasigilError(
            "USAGE", "a key signs for a static site or for a did:web at a registry", place=given.did_web, expected="--static DIR, or --did-web",
            next_action="leave one out",
        )  # fmt: skip
    if (given.registry or given.output) and given.did_web is None:
        raise DatasigilError(
            "USAGE", "a registry logs the rotation of a did:web", place=given.registry or given.output, expected="--did-web DOMAIN_OR_PATH",
            next_action="name the address with --did-web, or leave --registry and -o out",
        )  # fmt: skip
    if not given.recovery:
        return
    if not (given.static or given.did_web is not None) or not given.name or given.recovery == given.name:
        raise DatasigilError(
            "USAGE", "a recovery key vouches for a new key in a log", place=given.recovery,
            expected="--name KEY --recovery ANOTHER_KEY, and --static DIR --site-key NAME or --did-web DOMAIN_OR_PATH",
            next_action="name the lost key with --name, and where it signed with --static or --did-web",
        )  # fmt: skip


def _signed_request(given: Namespace, old: LocalSigner, new: LocalSigner) -> JsonObject:
    """Return the rotation, signed by both keys; `old` is the key that the site lists, or a recovery key, which it need not list.

    A site whose one key signs its log too cannot change that key: the log's key is what users pinned.

    Raises:
        DatasigilError: USAGE, NOT_YOURS, and as `Site`; MalformedError: SCHEMA, for a reason that cannot be published.
    """
    signer = load_signer(given.site_key) if given.site_key else old
    site = _open(given, signer)
    if signer.public_key == old.public_key:
        raise DatasigilError(
            "USAGE", "this key signs the site's log as well, and a log keeps its key", place=given.static, expected="--site-key NAME",
            found="one key for both", next_action="start a new site with --site-key, or keep the key; docs/key-loss.md says what helps",
        )  # fmt: skip
    listed = [one.key for one in site.document.methods.values()] if site.document is not None else []
    if not given.recovery and old.public_key not in listed:
        raise DatasigilError(
            "NOT_YOURS", "the site does not list this key", place=given.static, expected="a key of its did.json", found=old.public_key.multibase,
            next_action="name the key that issued the site's credentials",
        )  # fmt: skip
    return _signed_by_both(site.address, old, new, given.reason)


def _signed_by_both(address: SiteAddress, old: LocalSigner, new: LocalSigner, reason: str) -> JsonObject:
    """Return the rotation of an address's key with its two proofs.

    Raises:
        MalformedError: SCHEMA, for a reason that cannot be published.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    before, after = (address.method(one.public_key) for one in (old, new))
    try:
        request = new_key_rotation(
            issuer=address.did, new_id=after, new_key=new.public_key, authorizing_id=before, authorizing_key=old.public_key,
            reason=reason, created=now, nonce=secrets.token_urlsafe(24),
        )  # fmt: skip
    except MalformedError as error:
        error.next_action = error.next_action or "correct --reason"
        raise
    for one, method in ((old, before), (new, after)):
        request = add_proof(request, one.as_method(method), created=now)
    return request


def _open(given: Namespace, signer: LocalSigner) -> Site:
    base = Site.base_of(Path(given.static))
    if not base:
        raise DatasigilError(
            "USAGE", "this folder is no site", place=given.static, expected="a folder as `publish --static` wrote it", next_action="check --static"
        )  # fmt: skip
    return Site(Path(given.static), SiteAddress.at(base, dev=places.is_dev(given.dev)), signer)


def _log_rotation(given: Namespace, request: JsonObject, new: LocalSigner) -> dict[str, Any]:
    """Put the rotation into the site's log; return what the command shows of it."""
    with records.locked(places.make_folder(places.state_folder() / "sites") / ".lock"):
        site = _open(given, load_signer(given.site_key))
        site.add_key(new.public_key)
        index = site.log_statement("key", request, parse_key_rotation(request).digest, REQUEST_TYPE)
        site.update(datetime.now(UTC))
        return {
            "did": site.address.did,
            "logIndex": index,
            "logOrigin": site.address.origin,
            "site": site.address.base,
        }


def _swap(path: Path, coming: Path, new: LocalSigner) -> Path | None:
    """Put the new key in the place of the old one, which is kept under a name of its own; return that name, None for a lost key."""
    retired = _free(path) if path.exists() else None
    if retired is not None:
        os.rename(path, retired)
    os.rename(coming, path)
    sync_directory(path.parent)
    fragment = new.verification_method.partition("#")[2]
    write_durably(
        path.with_name(f"{path.stem}.did.json"), jcs(did_document(new.controller, {fragment: new.public_key}))
    )
    return retired


def _finish_earlier(path: Path, console: Console) -> None:
    """A run that was cut short between the two renames left no key under the name: finish it.

    Raises:
        DatasigilError: KEY_FILE, when a new key of an earlier run lies there, whose rotation may be logged already.
    """
    coming = path.with_name(f"{path.stem}.next.pem")
    if not coming.exists():
        return
    if path.exists():
        raise DatasigilError(
            "KEY_FILE", "an earlier rotation of this key was cut short", place=str(coming), expected="no such file",
            next_action=f"if the site's did.json lists its key, mv {coming} {path} after keeping the old one; else remove it and rotate again",
        )  # fmt: skip
    console.say(f"finishing an earlier rotation: {coming.name} becomes {path.name}")
    signer = LocalSigner.load(coming, places.passphrase(f"passphrase for the key {path.stem}"))
    os.rename(coming, path)
    fragment = signer.verification_method.partition("#")[2]
    write_durably(
        path.with_name(f"{path.stem}.did.json"), jcs(did_document(signer.controller, {fragment: signer.public_key}))
    )


def _free(path: Path) -> Path:
    for number in range(1, RETIRED_MAX):
        retired = path.with_name(f"{path.stem}.pem.retired-{number}")
        if not retired.exists():
            return retired
    raise DatasigilError(
        "KEY_FILE", "there are too many retired keys", place=str(path.parent), expected=f"fewer than {RETIRED_MAX}"
    )
