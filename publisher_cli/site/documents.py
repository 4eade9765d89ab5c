"""`datasigil key did-web`: the DID document with which a domain or a project path vouches for a key.

Here: where the document must lie, and listing a key in it without losing those that are there. Not here: private keys (`keys`), the
rest of a site (`folder`). Spec: did:web (W3C CCG draft), Controlled Identifiers 1.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import read_file
from datasigil.canonical import jcs
from datasigil.credentials.did import parse_did_document
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.transparency.durable import write_durably
from publisher_cli import places
from publisher_cli.keys import fingerprint, only_key, public_half
from publisher_cli.site.address import SiteAddress
from publisher_cli.site.folder import document_of

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.credentials.keys import PublicKey
    from datasigil.report.terminal import Console

DOCUMENT_MAX_BYTES = 64 * 1024


def did_web(given: Namespace, console: Console) -> int:
    """Write or extend the DID document of an address, and say where it has to lie."""
    address = SiteAddress.at(given.address, dev=places.is_dev(given.dev))
    key = next(iter(public_half(given.key or only_key()).methods.values())).key
    path = Path(given.output or "did.json")
    keys = list_key(path, address.did, key)
    url = f"{address.base}/{address.document_path}"
    shown = {
        "type": "DidWebDocument", "formatVersion": 1, "did": address.did, "path": str(path), "url": url, "keys": [one.multibase for one in keys],
        "fingerprint": fingerprint(key.multibase),
    }  # fmt: skip
    console.result(
        shown,
        f"DID:         {address.did}\nfingerprint: {shown['fingerprint']}\nwrote:       {path}\nserve it at: {url}\n",
    )
    console.say("whoever can change that file can speak in your name: protect the site as you protect the key")
    return 0


def list_key(path: Path, did: str, key: PublicKey, *, ended: PublicKey | None = None) -> list[PublicKey]:
    """List a key in the document at `path`, which is made if there is none, and return all its keys.

    `ended` is listed too, for reading what it signed, and logs in nowhere any more.

    Raises:
        DatasigilError: EXISTS, when something else lies there.
    """
    before, current = _listed(path, did)
    wanted = [key] if ended is None else [ended, key]
    keys = [*before, *(one for one in wanted if one not in before)]
    current = [one for one in keys if (one in current or one == key) and one != ended]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, jcs(document_of(did, keys, current=current)))
    return keys


def _listed(path: Path, did: str) -> tuple[list[PublicKey], list[PublicKey]]:
    """Return the keys that a document at `path` lists already, and those of them that log in.

    Raises:
        DatasigilError: EXISTS, when something else lies there.
    """
    try:
        document = parse_did_document(parse_json(read_file(path, DOCUMENT_MAX_BYTES)), expect_id=did)
    except FileNotFoundError:
        return [], []
    except MalformedError as error:
        raise DatasigilError(
            "EXISTS", f"what lies there is not this DID's document: {error.message}", place=str(path), expected=error.expected or did, found=error.found,
            next_action="name another file with -o",
        ) from None  # fmt: skip
    logging_in = document.relationships.get("authentication", frozenset())
    return [one.key for one in document.methods.values()], [
        one.key for one in document.methods.values() if one.id in logging_in
    ]
