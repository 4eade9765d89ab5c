"""`datasigil publish`: register a signed credential, wait for its log entry, verify the bundle, then write it.

Here: the order of these steps, such that every retry is harmless. Registration is idempotent by the credential's digest; a bundle is
written only after it verified here under the registry's keys as they were at login. Not here: HTTP (`datasigil.client`), the plan
(`datasigil.verification`).
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import (
    DATASET_BUNDLE,
    SUFFIX,
    Bundle,
    is_bundle,
    parse_bundle,
    read_file,
    sidecar_path,
    write_bundle,
)
from datasigil.client import RegistryError
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.types import CREDENTIAL_TYPES, Credential, parse_credential
from datasigil.datasets.entry import Manifest
from datasigil.datasets.manifest import ManifestClaim, parse_manifest, verify_manifest_claim
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, MalformedError, VerificationError
from datasigil.limits import BUNDLE_MAX_BYTES, CREDENTIAL_MAX_BYTES, MANIFEST_EMBED_MAX_BYTES, MANIFEST_MAX_BYTES
from publisher_cli import records
from publisher_cli.logins import Login, find_login, registry_client, require_token

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from datasigil.client import RegistryClient
    from datasigil.report import Report
    from datasigil.report.terminal import Console

OWN_STEPS = 8  # of the verification plan: form to status
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)  # the last one is repeated


@dataclass(frozen=True, slots=True)
class Log:
    """The log of a registry or a static site, with the keys under which its bundles are read back."""

    origin: str
    key: str
    time_key: str
    url: str


def run(given: Namespace, console: Console) -> int:
    """Register, wait, verify, write; safe to repeat after any interruption."""
    _check_places(given)
    if given.static:
        from publisher_cli.site import static

        return static.publish(given, console)
    path = Path(given.credential)
    credential = read_credential(path)
    body = manifest_beside(path, credential)
    login = find_login(given.registry, credential.issuer)
    client = registry_client(login.url, dev=given.dev, token=require_token(login, datetime.now(UTC)))
    _refuse_other_log(credential, login)
    until = time.monotonic() + given.timeout
    reply = _patiently(
        lambda: client.register(dict(credential.document), **_upload(body, public=given.public_manifest)),
        until,
        console,
    )
    if reply["digest"] != credential.digest:
        raise DatasigilError(
            "REGISTRY_ANSWER",
            "the registry registered something else",
            expected=credential.digest,
            found=str(reply["digest"])[:80],
        )
    console.say(f"registered; entry {reply['logIndex']} of {login.log['origin']}")
    bundle = _patiently(lambda: _bundle_of(client, credential), until, console)
    log = Log(login.log["origin"], login.log["key"], login.log["timeKey"], login.log["url"])
    keys = (PublicKey.from_multibase(login.key),) if login.key else ()
    report = verified(bundle, body, publisher=login.publisher, log=log, keys=keys)
    if report.decision != "VALID":
        console.say(f"registered; what it names does not hold as it stands: {report.headline}")
    written = write_bundles(bundle, body, credential, path, given, console)
    shown = {
        "type": "PublishedCredential", "formatVersion": 1, "id": credential.id, "digest": credential.digest, "registry": login.url,
        "logIndex": reply["logIndex"], "logOrigin": login.log["origin"], "bundles": [str(one) for one in written], "checkedAs": report.decision,
    }  # fmt: skip
    address = f"{login.url}/credentials/{credential.id}"
    lines = [
        f"id:      {credential.id}",
        f"log:     entry {reply['logIndex']} of {login.log['origin']}",
        f"address: {address}",
    ]
    console.result(shown, "\n".join([*lines, *(f"wrote:   {one}" for one in written)]) + "\n")
    return 0


def read_credential(path: Path) -> Credential:
    """Return the credential in a file, which may also be a bundle.

    Raises:
        MalformedError: as `parse_credential` and `parse_json`.
        DatasigilError: UNREADABLE.
    """
    with naming(path):
        return parse_credential(read_bundle_or_credential(path).credential)


def read_bundle_or_credential(path: Path) -> Bundle:
    """Return the bundle in a file, or one around the bare credential in it; the credential itself is not looked at.

    Raises:
        MalformedError: as `parse_bundle` and `parse_json`; DatasigilError: UNREADABLE.
    """
    try:
        data = read_file(path, BUNDLE_MAX_BYTES)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            f"the credential cannot be read: {error.strerror}",
            place=str(path),
            next_action="datasigil issue DIR writes one",
        ) from None
    with naming(path):
        document = parse_json(data, max_bytes=BUNDLE_MAX_BYTES)
        if is_bundle(document):
            return parse_bundle(data)
        return Bundle(credential=parse_json(data, max_bytes=CREDENTIAL_MAX_BYTES))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error about a credential name the file that holds it, and say what to do."""
    try:
        yield
    except (MalformedError, VerificationError) as error:
        if not error.place.startswith(str(path)):
            error.place = f"{path}: {error.place}" if error.place else str(path)
        error.next_action = error.next_action or "name a credential as `datasigil issue` wrote it, or its bundle"
        raise


def _check_places(given: Namespace) -> None:
    """Find out before anything is registered what would stop the bundle from being written."""
    if given.credential is None and not (given.static and not given.output and not given.data):
        raise DatasigilError(
            "USAGE", "no credential was named", expected="CREDENTIAL, or --static DIR alone to sign a site's status again",
            next_action="datasigil issue DIR writes a credential",
        )  # fmt: skip
    if given.evidence and not given.static:
        raise DatasigilError(
            "USAGE", "--evidence belongs to --static", expected="--static DIR", next_action="a registry finds by itself what is registered there",
        )  # fmt: skip
    if given.data and not Path(given.data).is_dir():
        raise DatasigilError("DATA_FOLDER", "a dataset is a folder", place=given.data, expected="a folder")
    if given.output and not given.output.endswith(".json"):
        raise DatasigilError(
            "USAGE", "a bundle is written to a .json file", found=given.output, expected=f"-o NAME{SUFFIX}"
        )


def manifest_beside(path: Path, credential: Credential) -> bytes | None:
    """Return the manifest beside the credential, held against what the credential claims.

    Raises:
        ManifestMismatchError, MalformedError: when it is not the claimed one.
    """
    sidecar = sidecar_path(path)
    if credential.type != "DatasetCredential" or not sidecar.is_file():
        return None
    body = read_file(sidecar, MANIFEST_MAX_BYTES)
    claim = ManifestClaim.from_subject(credential.subject)
    manifest: Manifest = parse_manifest(body)
    verify_manifest_claim(manifest, claim)
    return body


def _refuse_other_log(credential: Credential, login: Login) -> None:
    if credential.log_origin != login.log["origin"]:
        raise DatasigilError(
            "OTHER_LOG", "the credential was issued for another registry's log", expected=login.log["origin"], found=credential.log_origin,
            next_action="publish it where it was issued for, or issue it again with --registry",
        )  # fmt: skip


def _upload(body: bytes | None, *, public: bool) -> dict[str, Any]:
    """Return the manifest to hand in: only when it is to be public; file names are nobody's business otherwise."""
    if not public:
        return {}
    if body is None:
        raise DatasigilError(
            "MANIFEST_MISSING",
            "there is no manifest beside the credential",
            expected="NAME.manifest.json",
            next_action="issue writes both; keep them together",
        )
    if len(body) > MANIFEST_EMBED_MAX_BYTES:
        raise DatasigilError(
            "LIMIT",
            "the manifest is too large to be handed in",
            expected=f"at most {MANIFEST_EMBED_MAX_BYTES} bytes",
            found=f"{len(body)} bytes",
        )
    return {"manifest": parse_json(body, max_bytes=MANIFEST_EMBED_MAX_BYTES), "public_manifest": True}


def _patiently(ask: Any, until: float, console: Console) -> Any:
    """Ask again while the registry is busy or away, until the time is over; a refusal is final at once."""
    attempt = 0
    while True:
        try:
            return ask()
        except DatasigilError as error:
            wait = _wait_for(error, attempt)
            if wait is None or time.monotonic() + wait > until:
                raise _final(error) from None
            console.say(f"{error.message}; trying again in {wait:.1f} s")
        time.sleep(wait)
        attempt += 1


def _wait_for(error: DatasigilError, attempt: int) -> float | None:
    if isinstance(error, RegistryError):
        if not error.may_pass:
            return None
        return max(float(error.retry_after or 0), RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
    if error.code in ("FETCH_FAILED", "FETCH_TIMEOUT"):
        return RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
    return None


def _final(error: DatasigilError) -> DatasigilError:
    """Say what to do: a taken index or id needs a new credential, an absent registry the same command again."""
    if error.code in ("STATUS_INDEX_TAKEN", "ID_TAKEN"):
        error.next_action = (
            "run `datasigil issue` again: it draws another index and id; then publish the new credential"
        )
    elif _wait_for(error, 0) is not None:
        error.next_action = "the signed credential is unharmed: run the same command again when the registry is back; nothing is registered twice"
    elif error.code == "UNAUTHENTICATED":
        error.next_action = "the token was revoked or has expired: run `datasigil login` again"
    return error


def _bundle_of(client: RegistryClient, credential: Credential) -> Bundle:
    bundle = client.bundle(credential.id)
    if parse_credential(bundle.credential).digest != credential.digest:
        raise DatasigilError("REGISTRY_ANSWER", "the registry's bundle holds another credential", place=credential.id)
    return bundle


def verified(bundle: Bundle, body: bytes | None, *, publisher: str, log: Log, keys: Sequence[PublicKey] = ()) -> Report:
    """Return the report about a bundle under its log's keys as they are known here; `keys` are those of a did:web publisher.

    What the credential itself must show (steps 1 to 8) is required; what it was made from belongs to others, and is reported.

    Raises:
        VerificationError: BUNDLE_REFUSED.
    """
    from datasigil.transparency.note import parse_vkey
    from datasigil.trust.rules import IssuerRule, KeyPin, LicenseRules, LogRule, Requirements, TrustPolicy
    from datasigil.verification import verify

    roles = ("publisher", "observer")
    rule = LogRule(log.origin, parse_vkey(log.key), parse_vkey(log.time_key), log.url)
    others = {_issuer_of(one) for one in bundle.walk()} - {publisher, ""}
    pins = tuple(KeyPin(key) for key in keys)
    issuers = (
        IssuerRule(publisher, "you", CREDENTIAL_TYPES, roles, pins),
        *(IssuerRule(did, "an issuer of what it names", CREDENTIAL_TYPES, roles) for did in sorted(others)),
    )
    asked = Requirements(licenses=LicenseRules(unknown="warn"), roles=roles)
    policy = TrustPolicy(issuers=issuers, logs=(rule,), requirements=asked, source="your own keys")
    report = verify(bundle, policy=policy, at=datetime.now(UTC), manifest=body).report
    failed = next((one for one in report.checks if one.code and one.step <= OWN_STEPS), None)
    if failed is not None:
        raise VerificationError(
            "BUNDLE_REFUSED", f"the bundle does not hold: {failed.message}", place=failed.place, expected=failed.expected,
            found=failed.found, next_action="ask whoever runs the log; no bundle was written beside the data",
        )  # fmt: skip
    return report


def _issuer_of(bundle: Bundle) -> str:
    issuer = bundle.credential.get("issuer")
    return str(issuer.get("id", "") if isinstance(issuer, dict) else issuer or "")


def write_bundles(
    bundle: Bundle, body: bytes | None, credential: Credential, path: Path, given: Namespace, console: Console
) -> list[Path]:
    """Write a bundle beside its credential and into the data's own folder, where that is known, and return where."""
    data = Path(given.data) if given.data else records.data_of(credential.digest)
    stem = data.absolute().name if data is not None else path.name.removesuffix(SUFFIX).removesuffix(".json")
    target = Path(given.output) if given.output else path.with_name(stem + SUFFIX)
    write_bundle(target, bundle, body)
    written = [target]
    if data is not None and credential.type == "DatasetCredential":
        own = data / DATASET_BUNDLE
        try:
            write_bundle(own, bundle, body)
            written.append(own)
        except OSError as error:
            console.say(f"the data's own copy could not be written to {own}: {error.strerror}")
    return written
