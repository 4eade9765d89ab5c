"""`datasigil revoke`, `suspend`, `resume` and `status`: an issuer's signed wish, and what the lists say now.

Here: the signed StatusChangeRequest and reading the signed lists. Not here: whether the registry grants it, and a user's verdict
(`datasigil-verify check`).
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.status_list import parse_status_list
from datasigil.credentials.status_request import new_status_change_request
from datasigil.credentials.types import Credential, parse_credential
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, StatusError
from datasigil.verification.issuer import require_signed
from publisher_cli.keys import load_signer
from publisher_cli.logins import registry_client, registry_url, require_token, signing_login
from publisher_cli.publishing import read_bundle_or_credential, read_credential

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from datasigil.bundle import Bundle
    from datasigil.client import RegistryClient
    from datasigil.encoding import JsonObject
    from datasigil.report.terminal import Console
    from datasigil.signing import LocalSigner

# command: (status purpose, value)
CHANGES = {"revoke": ("revocation", True), "suspend": ("suspension", True), "resume": ("suspension", False)}


def change(given: Namespace, console: Console) -> int:
    """Sign a request about one of the key's own credentials and hand it in."""
    from datasigil.signing import add_proof

    if given.static:
        from publisher_cli.site import static

        return static.change(given, console)
    signer, login = signing_login(given.registry, load_signer(given.key))
    now = datetime.now(UTC)
    client = registry_client(login.url, dev=given.dev, token=require_token(login, now))
    credential = credential_of(given.what, client, own=signer)
    if credential.issuer != signer.controller:
        raise DatasigilError(
            "NOT_YOURS", "only its issuer changes a credential's status", expected=credential.issuer, found=signer.controller,
            next_action="use the key that issued it: --key NAME",
        )  # fmt: skip
    purpose, value = CHANGES[given.command]
    request = new_status_change_request(
        credential_id=credential.id, credential_digest=credential.digest, purpose=purpose, value=value, reason=given.reason,
        created=now.replace(microsecond=0), nonce=secrets.token_urlsafe(24), issuer=credential.issuer,
    )  # fmt: skip
    reply = client.change_status(add_proof(request, signer, created=now))
    shown = {
        "type": "StatusChanged",
        "formatVersion": 1,
        "id": credential.id,
        "status": reply["status"],
        "changed": reply.get("changed", True),
    }
    if "logIndex" in reply:
        shown["logIndex"] = reply["logIndex"]
    words = f"{credential.id} is {reply['status']}" + (
        "" if shown["changed"] else " (as before; nothing had to change)"
    )
    console.result(
        shown,
        words + "\n" + (f"log: entry {reply['logIndex']} of {credential.log_origin}\n" if "logIndex" in reply else ""),
    )
    if given.command == "revoke" and shown["changed"]:
        console.say(f"whom it hits: datasigil impact {credential.id}")
    return 0


def status(given: Namespace, console: Console) -> int:
    """Show what the signed status lists of a credential say now; exit code 1 when it is revoked or suspended."""
    client = registry_client(registry_url(given.registry), dev=given.dev)
    bundle = client.bundle(identifier_of(given.what))
    credential = parse_credential(bundle.credential)
    found = _read_lists(credential, bundle)
    state = "revoked" if found["revocation"][0] else "suspended" if found["suspension"][0] else "active"
    lists = {purpose: {"set": bit, "asOf": as_of} for purpose, (bit, as_of) in found.items()}
    shown = {
        "type": "CredentialStatus",
        "formatVersion": 1,
        "id": credential.id,
        "digest": credential.digest,
        "status": state,
        "lists": lists,
    }
    lines = [
        f"{purpose + ':':<12}{'set' if bit else 'clear'} in the list of {as_of}"
        for purpose, (bit, as_of) in found.items()
    ]
    console.result(shown, "\n".join([f"{credential.id} is {state}", *lines]) + "\n")
    console.say("read from the registry's signed lists; `datasigil-verify check` decides under your own trust file")
    return 0 if state == "active" else 1


def _read_lists(credential: Credential, bundle: Bundle) -> dict[str, tuple[bool, str]]:
    """Return, by purpose, whether the bit is set and the time of the list, each list verified.

    Raises:
        StatusError: STATUS_MISSING or STATUS_ISSUER, and what a list's own form and proof raise.
    """
    lists = {str(one.get("id")): one for one in bundle.status_lists}
    found = {}
    for entry in credential.status:
        if entry.list_id not in lists:
            raise StatusError(
                "STATUS_MISSING",
                "the registry's bundle lacks a status list",
                place=entry.list_id,
                expected="the signed list",
            )
        one = parse_status_list(lists[entry.list_id])
        verify_proofs(one.document, keys=did_key_resolver, at=Instant.from_datetime(datetime.now(UTC)))
        if one.issuer != entry.issuer or one.purpose != entry.purpose:
            raise StatusError(
                "STATUS_ISSUER",
                "the status list is by another signer, or for another purpose",
                place=one.id,
                expected=entry.issuer,
                found=one.issuer,
            )
        found[entry.purpose] = (one.value(entry.index, entry.size) != 0, str(one.valid_from))
    return found


def credential_of(what: str, client: RegistryClient | None, *, own: LocalSigner | None = None) -> Credential:
    """Return the credential in a file, or the registered one with this id or digest, its proof verified.

    A did:web issuer's proof is verified under the keys that the file's bundle presents, and `own`: it is then intact; whose it is, `check` decides.

    Raises:
        DatasigilError: as `read_credential` and `RegistryClient.credential`; USAGE, for an id without a registry; ProofError.
    """
    if what.endswith(".json") or Path(what).is_file():
        bundle = read_bundle_or_credential(Path(what))
        credential = parse_credential(bundle.credential)
        _require_intact(credential, (*bundle.issuer_keys, *_presented(own)))
        return credential
    if client is None:
        raise DatasigilError(
            "USAGE", "an id needs a registry that knows it", found=what[:200], expected="the bundle's or credential's file",
            next_action="get the bundle with `datasigil-verify fetch`, and name that file",
        )  # fmt: skip
    credential = parse_credential(client.credential(identifier_of(what)))
    _require_intact(credential, _presented(own))
    return credential


def _require_intact(credential: Credential, presented: Sequence[JsonObject]) -> None:
    now = Instant.from_datetime(datetime.now(UTC))
    require_signed(credential.document, credential.issuer, None, presented, now)


def _presented(own: LocalSigner | None) -> tuple[JsonObject, ...]:
    """The publisher's own key as a bundle would present it; a did:key needs none."""
    if own is None or not own.controller.startswith("did:web:"):
        return ()
    method = {"id": own.verification_method, "type": "Multikey", "controller": own.controller}
    return ({**method, "publicKeyMultibase": own.public_key.multibase},)


def identifier_of(what: str) -> str:
    """Return the id of the credential in a file, or what was given: an id or a digest."""
    if what.endswith(".json") or Path(what).is_file():
        return read_credential(Path(what)).id
    return what.removeprefix("sha256:")
