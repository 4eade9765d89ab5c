"""`datasigil key new` and `key show`, and finding the key that another command signs with.

Here: named keys in the configuration folder: NAME.pem (PKCS#8 under scrypt, mode 0600) and beside it NAME.did.json, the public half.
Not here: cryptography (`datasigil.signing`).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import read_file
from datasigil.canonical import jcs
from datasigil.credentials.did import DidDocument, did_document, parse_did_document
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.transparency.durable import write_durably
from publisher_cli import places

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.credentials.keys import PublicKey
    from datasigil.encoding import JsonObject
    from datasigil.report.terminal import Console
    from datasigil.signing import LocalSigner

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", re.ASCII)
DOCUMENT_MAX_BYTES = 64 * 1024


def new(given: Namespace, console: Console) -> int:
    """Make a key under a name that is free."""
    from datasigil.signing import LocalSigner

    folder = places.make_folder(keys_folder())
    path = key_path(given.name)
    if path.exists():
        raise DatasigilError(
            "KEY_FILE", "there is a key of that name", place=str(path), next_action="choose another --name"
        )
    signer = LocalSigner.generate(given.kind)
    signer.save(path, places.passphrase(f"new passphrase for the key {given.name}", new=True))
    fragment = signer.verification_method.partition("#")[2]
    try:
        write_durably(
            folder / f"{given.name}.did.json", jcs(did_document(signer.controller, {fragment: signer.public_key}))
        )
    except BaseException:
        path.unlink(
            missing_ok=True
        )  # nothing was signed with it yet; half a key would stand in the way of the next try
        raise
    console.say(
        "keep a copy of the key file and its passphrase: without both, nothing can be revoked or issued again under this DID"
    )
    return _shown(given.name, path, public_half(given.name), console)


def show(given: Namespace, console: Console) -> int:
    """Show one key, or list all; needs no passphrase."""
    if given.name is None:
        names = sorted(path.name.removesuffix(".pem") for path in keys_folder().glob("*.pem"))
        keys = [{"name": name, "did": public_half(name).id, "path": str(key_path(name))} for name in names]
        text = (
            "".join(f"{one['name']:<20} {one['did']}\n" for one in keys)
            or "no keys yet; `datasigil key new --name NAME` makes one\n"
        )
        console.result({"type": "KeyList", "formatVersion": 1, "keys": keys}, text)
        return 0
    path = key_path(given.name)
    if not path.exists():
        raise _no_key(given.name)
    return _shown(given.name, path, public_half(given.name), console)


def keys_folder() -> Path:
    """Return the folder of named keys."""
    return places.config_folder() / "keys"


def load_signer(name_or_path: str | None) -> LocalSigner:
    """Return the key of that name, or in that .pem file; without a name the only key there is.

    Raises:
        DatasigilError: KEY_FILE, KEY_FILE_MODE or PASSPHRASE.
        MalformedError: KEY_FILE or KEY_TYPE.
    """
    from datasigil.signing import LocalSigner

    name = name_or_path or only_key()
    path = Path(name) if name.endswith(".pem") or "/" in name else key_path(name)
    if not path.exists():
        raise _no_key(name)
    return LocalSigner.load(path, places.passphrase(f"passphrase for the key {name}"))


def only_key() -> str:
    """Return the name of the only key there is.

    Raises:
        DatasigilError: KEY_FILE, when there is none, or more than one.
    """
    names = sorted(path.name.removesuffix(".pem") for path in keys_folder().glob("*.pem"))
    if len(names) != 1:
        raise DatasigilError(
            "KEY_FILE", "there is no key yet" if not names else "there are several keys", expected="--key NAME", found=", ".join(names),
            next_action="datasigil key new --name NAME" if not names else "say which: --key NAME",
        )  # fmt: skip
    return names[0]


def public_half(name: str) -> DidDocument:
    """Return the public half of a named key.

    Raises:
        DatasigilError: KEY_FILE, when it is missing or damaged.
    """
    path = keys_folder() / f"{name}.did.json"
    if not path.exists() and not key_path(name).exists():
        raise _no_key(name)
    try:
        document = parse_did_document(parse_json(read_file(path, DOCUMENT_MAX_BYTES)))
        if not document.methods:
            raise MalformedError("DID_DOCUMENT", "the document lists no key")
        return document
    except (OSError, MalformedError) as error:
        raise DatasigilError(
            "KEY_FILE", "the public half of the key cannot be read", place=str(path), found=str(error)[:200],
            next_action="sign with --key PATH.pem instead; it needs the private file only",
        ) from None  # fmt: skip


def own_keys() -> dict[str, PublicKey]:
    """Return the public keys of this machine's named keys, by their multibase text; needs no passphrase."""
    names = sorted(path.name.removesuffix(".pem") for path in keys_folder().glob("*.pem"))
    return {one.key.multibase: one.key for name in names for one in public_half(name).methods.values()}


def fingerprint(multibase: str) -> str:
    """Return what people compare: SHA-256 of the key's multibase text, in groups of four digits."""
    digits = hashlib.sha256(multibase.encode("ascii")).hexdigest()
    return " ".join(digits[start : start + 4] for start in range(0, 64, 4))


def key_path(name: str) -> Path:
    """Return where the key of a name lies; a path is no name.

    Raises:
        DatasigilError: USAGE.
    """
    if not NAME.match(name):
        raise DatasigilError(
            "USAGE", "a key's name is a short word", expected="letters, digits, dot, dash, underscore", found=name[:80]
        )
    return keys_folder() / f"{name}.pem"


def _no_key(name: str) -> DatasigilError:
    return DatasigilError(
        "KEY_FILE", "there is no such key", place=str(keys_folder()), found=name[:80],
        next_action="`datasigil key show` lists your keys; `datasigil key new --name NAME` makes one",
    )  # fmt: skip


def _shown(name: str, path: Path, document: DidDocument, console: Console) -> int:
    method = next(iter(document.methods.values()))
    multibase = method.key.multibase
    shown: JsonObject = {
        "type": "Key",
        "formatVersion": 1,
        "name": name,
        "did": document.id,
        "kind": method.key.kind,
        "publicKeyMultibase": multibase,
        "fingerprint": fingerprint(multibase),
        "path": str(path),
    }
    labels = (
        ("name", name),
        ("DID", document.id),
        ("kind", method.key.kind),
        ("fingerprint", shown["fingerprint"]),
        ("file", str(path)),
    )
    console.result(shown, "".join(f"{label + ':':<13}{value}\n" for label, value in labels))
    return 0
