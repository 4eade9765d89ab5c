"""`datasigil-verify fetch`: get a credential's evidence bundle, and its manifest where that is public.

Here: what the user may name (an address, an id, a digest), where the bundle then lies, and writing it without losing another one. Not
here: sockets (`datasigil.fetch`), any check: what was fetched is as untrusted as a mail attachment until `check` has read it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from datasigil.bundle import MANIFEST_SUFFIX, SUFFIX, Bundle, parse_bundle, read_file, sidecar_path, write_bundle
from datasigil.canonical import document_digest
from datasigil.client import RegistryClient, RegistryError
from datasigil.errors import DatasigilError, MalformedError
from datasigil.fetch import Fetcher, origin_of
from datasigil.limits import BUNDLE_MAX_BYTES, MANIFEST_MAX_BYTES
from verifier_cli import places
from verifier_cli.evidence import claimed_manifest

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.encoding import JsonObject
    from datasigil.report.terminal import Console

WELL_KNOWN: Final = "/.well-known/datasigil.json"
# The registry's API and its pages name a credential alike; either address is what people copy.
_NAMED: Final = re.compile(r"(?P<base>.*)/(?:credentials|datasets|models)/(?P<id>[^/]+?)(?:/bundle)?/?\Z")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")
_ID: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:[!-~]+|[0-9a-f]{64})\Z", re.ASCII)
FILE_NAME_MAX_CHARACTERS: Final = 80


def run(given: Namespace, console: Console) -> int:
    """Get the bundle that the user named and write it; 0 written, 1 refused or not there, 3 not to be had now."""
    source, bundle, manifest = _get(given, console)
    path = Path(given.output) if given.output else Path(_file_name(bundle.credential))
    _refuse_loss(path, bundle)
    sidecar = None if manifest is None else sidecar_path(path)
    write_bundle(path, bundle, manifest)
    written = [str(path)] + ([str(sidecar)] if sidecar is not None and sidecar.is_file() else [])
    subject = _subject(bundle.credential)
    shown: JsonObject = {
        "type": "FetchedBundle", "formatVersion": 1, "id": _text(bundle.credential, "id"), "digest": document_digest(bundle.credential),
        "name": _text(subject, "name"), "source": source, "paths": written, "checked": False,
    }  # fmt: skip
    from datasigil.report.terminal import escape

    lines = [
        f"id:     {escape(shown['id'])}",
        f"name:   {escape(shown['name'])}",
        *(f"wrote:  {escape(one)}" for one in written),
    ]
    console.result(shown, "\n".join(lines))
    if claimed_manifest(bundle) and bundle.manifest is None and manifest is None:
        console.say("its manifest is not public: to compare files, check with --data")
    console.say(f"fetched, not checked; next: datasigil-verify check {path}")
    return 0


def _get(given: Namespace, console: Console) -> tuple[str, Bundle, bytes | None]:
    """Return where the bundle was found, the bundle, and its manifest where that is public."""
    what, dev = given.what, places.is_dev(given.dev)
    if "://" not in what:
        registry = places.registry_url(given.registry)
        client = RegistryClient(registry, Fetcher.naming([registry], dev=dev))
        identifier = _found_by_digest(client, what) if what.startswith("sha256:") else _checked_id(what)
        return _from_registry(client, identifier, console)
    fetcher = Fetcher.naming([what, *([given.registry] if given.registry else [])], dev=dev)
    named = _NAMED.match(urlsplit(what).path)
    if named is not None:
        return _from_registry(RegistryClient(origin_of(what) + named["base"], fetcher), unquote(named["id"]), console)
    return _from_host(fetcher, what, console)


def _checked_id(what: str) -> str:
    if not _ID.match(what):
        raise DatasigilError(
            "USAGE", "this names nothing that could be fetched", place=what[:200], expected="an address, a credential's id, or sha256: and 64 hex digits",
            next_action="a registry's page of the dataset shows its address",
        )  # fmt: skip
    return what


def _found_by_digest(client: RegistryClient, what: str) -> str:
    """Return the id of the one credential that is registered under a digest.

    Raises:
        DatasigilError: USAGE for a digest that is none; RegistryError NOT_FOUND or SEVERAL.
    """
    if not _DIGEST.match(what):
        raise DatasigilError(
            "USAGE",
            "this is not a SHA-256",
            place=what[:200],
            expected="sha256: and 64 hex digits in lower case",
            next_action="sha256sum FILE prints it",
        )
    reply = client.lookup(what.removeprefix("sha256:"))
    try:
        hits = {str(one["credential"]["id"]): f"{one['credential']['name']} ({one['kind']})" for one in reply["items"]}
    except (KeyError, TypeError):
        raise MalformedError(
            "REGISTRY_ANSWER", "the registry's answer is not what its API promises", place=f"{client.url}/lookup"
        ) from None
    if len(hits) == 1:
        return next(iter(hits))
    if not hits:
        raise RegistryError(
            "NOT_FOUND", "nothing is registered there under this digest", status=404, place=client.url, expected=what,
            next_action="files are found only where the publisher made the manifest public; ask the publisher, or another registry",
        )  # fmt: skip
    raise RegistryError(
        "SEVERAL", "several credentials are registered under this digest", status=300, place=client.url, expected="one of them, by its id",
        found="; ".join(f"{identifier}: {name}" for identifier, name in list(hits.items())[:10]), next_action="fetch one by its id",
    )  # fmt: skip


def _from_registry(client: RegistryClient, identifier: str, console: Console) -> tuple[str, Bundle, bytes | None]:
    """Return a registered credential's bundle and its public manifest.

    Raises:
        RegistryError, FetchError: as the client.
        MalformedError: REGISTRY_ANSWER, for a bundle about something else.
    """
    console.detail(f"asking {client.url} for {identifier}")
    bundle = client.bundle(identifier)
    found = (_text(bundle.credential, "id"), document_digest(bundle.credential))
    if identifier not in found:
        raise MalformedError(
            "REGISTRY_ANSWER", "the registry sent another credential than the one asked for", place=client.url, expected=identifier[:200],
            found=found[0][:200], next_action="ask the registry's operator",
        )  # fmt: skip
    source = f"{client.url}/credentials/{identifier}/bundle"
    return source, bundle, _manifest_of_registry(client, bundle, console)


def _manifest_of_registry(client: RegistryClient, bundle: Bundle, console: Console) -> bytes | None:
    digest = claimed_manifest(bundle)
    if not digest or bundle.manifest is not None:
        return None
    try:
        body = client.manifest(digest)
    except RegistryError as error:
        if error.status != 404:
            raise
        return None
    return _kept(body, digest, console)


def _from_host(fetcher: Fetcher, url: str, console: Console) -> tuple[str, Bundle, bytes | None]:
    """Return the bundle at an address on any host; a bare site is asked for its well-known one.

    Raises:
        RegistryError, FetchError: when it is not there or the host cannot be reached.
        MalformedError: for what is no bundle.
    """
    # A site, or the project path of a static one, is asked for what lies at its well-known place.
    if "." not in urlsplit(url).path.rstrip("/").rpartition("/")[2]:
        parts = urlsplit(url)
        url = origin_of(url) + parts.path.rstrip("/") + WELL_KNOWN
    console.detail(f"asking for {url}")
    answer = fetcher.get(url, max_bytes=BUNDLE_MAX_BYTES)
    if answer.status != 200:
        raise RegistryError(
            f"HTTP_{answer.status}", "there is no bundle at this address", status=answer.status, place=url[:200], expected="HTTP 200",
            found=f"HTTP {answer.status}", next_action="check the address with the publisher",
        )  # fmt: skip
    try:
        bundle = parse_bundle(answer.body)
    except MalformedError as error:
        error.place = f"{url[:200]} {error.place}".strip()
        error.next_action = error.next_action or "name the address of an evidence bundle (NAME.sigil.json)"
        raise
    digest = claimed_manifest(bundle)
    if not digest or bundle.manifest is not None or not url.endswith(SUFFIX):
        return url, bundle, None
    beside = fetcher.get(url.removesuffix(SUFFIX) + MANIFEST_SUFFIX, max_bytes=MANIFEST_MAX_BYTES)
    return url, bundle, _kept(beside.body, digest, console) if beside.status == 200 else None


def _kept(body: bytes, digest: str, console: Console) -> bytes | None:
    """Return a manifest if it is the one that the credential names."""
    if sha256(body).hexdigest() == digest:
        return body
    console.say("the manifest that is offered beside it is not the one that the credential names; it was left out")
    return None


def _refuse_loss(path: Path, bundle: Bundle) -> None:
    """Refuse to write over anything but an earlier bundle of the same credential.

    Raises:
        DatasigilError: EXISTS.
    """
    try:
        same = document_digest(parse_bundle(read_file(path, BUNDLE_MAX_BYTES)).credential) == document_digest(
            bundle.credential
        )
    except FileNotFoundError:
        return
    except DatasigilError:
        same = False
    if not same:
        raise DatasigilError(
            "EXISTS", "something else lies there already", place=str(path), expected="no file, or an earlier bundle of the same credential",
            next_action="name another file with -o",
        )  # fmt: skip


def _file_name(credential: JsonObject) -> str:
    """Return a plain file name from what the credential calls its subject."""
    words = re.sub(r"[^a-z0-9]+", "-", _text(_subject(credential), "name").casefold()).strip("-")
    return (words[:FILE_NAME_MAX_CHARACTERS].rstrip("-") or "evidence") + SUFFIX


def _subject(credential: JsonObject) -> JsonObject:
    subject = credential.get("credentialSubject")
    return subject if isinstance(subject, dict) else {}


def _text(members: JsonObject, name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""
