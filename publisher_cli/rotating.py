"""`datasigil key rotate`: a new key under the same name, vouched for by the old one, or by a recovery key when the old one is gone.

Here: the signed rotation, its entry in a static site's log, and swapping the key files such that a run that is cut short loses neither key.
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
from datasigil.credentials.did import did_document
from datasigil.credentials.key_rotation import REQUEST_TYPE, new_key_rotation, parse_key_rotation
from datasigil.errors import DatasigilError, MalformedError
from datasigil.signing import LocalSigner, add_proof
from datasigil.transparency.durable import sync_directory, write_durably
from publisher_cli import places, records
from publisher_cli.keys import fingerprint, key_path, load_signer, only_key
from publisher_cli.site.address import SiteAddress
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
    _finish_earlier(path, console)
    old = load_signer(given.recovery or name)
    new = LocalSigner.generate(old.public_key.kind)
    # Signed and judged in memory first: nothing that can be refused leaves a key behind.
    request = _signed_request(given, old, new) if given.static else None
    coming = path.with_name(f"{name}.next.pem")
    new.save(coming, places.passphrase(f"new passphrase for the key {name}", new=True))
    logged = _log_rotation(given, request, new) if request is not None else {}
    retired = _swap(path, coming, new)
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
    if logged:
        pinned = "your recovery key" if given.recovery else "the old key"
        console.say(f"whoever pinned {pinned} follows the log to the new one. Upload {given.static}")
    else:
        console.say(
            "a did:key is its key: what you sign from now on is by another DID. Users add it with `datasigil-verify trust add`; a static site "
            "(--static DIR) or a did:web keeps its name"
        )
    return 0


def _refuse_misused(given: Namespace) -> None:
    """Refuse a recovery key where there is nothing that it could vouch in.

    Raises:
        DatasigilError: USAGE.
    """
    if not given.recovery:
        return
    if not given.static or not given.name or given.recovery == given.name:
        raise DatasigilError(
            "USAGE", "a recovery key vouches for a new key in the log of a site", place=given.recovery,
            expected="--name KEY --recovery ANOTHER_KEY --static DIR --site-key NAME", next_action="name the lost key with --name, and the site with --static",
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
    now = datetime.now(UTC).replace(microsecond=0)
    before, after = (site.address.method(one.public_key) for one in (old, new))
    try:
        request = new_key_rotation(
            issuer=site.address.did, new_id=after, new_key=new.public_key, authorizing_id=before, authorizing_key=old.public_key,
            reason=given.reason, created=now, nonce=secrets.token_urlsafe(24),
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
