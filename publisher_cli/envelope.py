"""The envelope of a new credential and its signature: what `issue`, `observe`, `attest` and `grant` have in common.

Here: who signs for which log and lists, the members around the subject, the signature, and reading it back before anybody sees it.
Not here: subjects, registries (`logins`), static sites (`site`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.credentials.types import Credential, credential_schema, parse_credential
from datasigil.encoding import Instant, JsonObject
from datasigil.errors import DatasigilError
from datasigil.limits import STATUS_LIST_MIN_BITS
from publisher_cli import places, records

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from datasigil.signing import LocalSigner

PURPOSES = ("revocation", "suspension")


class Services(Protocol):
    """Where status and log of a credential will lie: those of a registry (`logins.Login`), or of a static site."""

    @property
    def status_lists(self) -> Mapping[str, str]:
        """Status purpose to the list's URL."""

    @property
    def status_issuer(self) -> str:
        """The DID that signs the lists."""

    @property
    def log(self) -> Mapping[str, str]:
        """The log's `origin` and `url`."""


def signing_place(given: Namespace) -> tuple[LocalSigner, Services]:
    """Return who signs and where status and log will lie: `--static-base` names a site, else it is the registry of a login.

    Raises:
        DatasigilError: as `load_signer` and `find_login`; USAGE, for an address that no site can have.
    """
    from publisher_cli.keys import load_signer, public_half
    from publisher_cli.logins import signing_login
    from publisher_cli.site.address import SiteAddress

    signer = load_signer(given.key)
    if not given.static_base:
        return signing_login(given.registry, signer)
    address = SiteAddress.at(given.static_base, dev=places.is_dev(given.dev))
    site = signer.public_key
    if given.site_key:
        site = next(iter(public_half(given.site_key).methods.values())).key
    return signer.as_method(address.method(signer.public_key)), address.services(signer.public_key, site)


def unsigned(
    type_name: str, subject: dict[str, Any], *, issuer: str, login: Services, now: datetime, days: int | None, index: int = 0
) -> JsonObject:  # fmt: skip
    """Return a credential about `subject` without proof, valid from `now` for `days`, or without end."""
    document: JsonObject = {
        "@context": list(PROFILE_CONTEXTS),
        "id": f"urn:uuid:{uuid4()}",
        "type": ["VerifiableCredential", type_name],
        "issuer": issuer,
        "validFrom": _whole_seconds(now),
        "credentialSchema": credential_schema(type_name),
        "credentialStatus": [
            {
                "type": "BitstringStatusListEntry",
                "statusPurpose": purpose,
                "statusListIndex": str(index),
                "statusListCredential": login.status_lists[purpose],
                "statusIssuer": login.status_issuer,
            }
            for purpose in PURPOSES
        ],
        "transparencyLog": {"type": "TransparencyLog", "origin": login.log["origin"], "url": login.log["url"]},
        "credentialSubject": subject,
    }
    if days is not None:
        document["validUntil"] = _whole_seconds(now + timedelta(days=days))
    return document


def draw_index(login: Services) -> int:
    """Return an index of the publisher's status lists that this machine has not used, and mark it as used.

    Raises:
        DatasigilError: INDEXES_SPENT or STATE_FILE.
    """
    return records.draw_index(tuple(login.status_lists[purpose] for purpose in PURPOSES), STATUS_LIST_MIN_BITS)


def sign(document: JsonObject, signer: LocalSigner, now: datetime) -> Credential:
    """Validate, sign, and verify what was signed before anybody sees it.

    Raises:
        MalformedError: as `parse_credential`; ProofError.
    """
    from datasigil.credentials.proof import verify_proofs
    from datasigil.signing import add_proof

    parse_credential(document)
    signed = add_proof(document, signer, created=now)
    verify_proofs(signed, keys=lambda _method, _purpose: signer.public_key, at=Instant.from_datetime(now))
    return parse_credential(signed)


def next_step(given: Namespace, output: Path) -> str:
    """Return the command that publishes what was just signed."""
    if not given.static_base:
        return f"datasigil publish {output}"
    return f"datasigil publish {output} --static FOLDER" + (f" --site-key {given.site_key}" if given.site_key else "")


def output_path(named: str | None, fallback: str) -> Path:
    """Return where a credential is to be written.

    Raises:
        DatasigilError: USAGE, for a name that is not of the kind that a manifest can lie beside.
    """
    path = Path(named or fallback)
    if not path.name.endswith(".json") or path.name.endswith((".manifest.json", ".sigil.json")):
        raise DatasigilError(
            "USAGE", "a credential is written to a .json file of its own", expected="-o NAME.json", found=str(path),
            next_action="choose another -o; .manifest.json and .sigil.json are names of what belongs to it",
        )  # fmt: skip
    return path


def _whole_seconds(moment: datetime) -> str:
    return str(Instant.from_datetime(moment.replace(microsecond=0)))
