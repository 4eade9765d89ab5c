"""The envelope of a new credential and its signature: what `issue`, `observe`, `attest` and `grant` have in common.

Here: the members around the subject, the signature, and reading it back before anybody sees it. Not here: subjects, and where status
lists and log come from (`logins`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.credentials.types import Credential, credential_schema, parse_credential
from datasigil.encoding import Instant, JsonObject
from datasigil.errors import DatasigilError
from datasigil.limits import STATUS_LIST_MIN_BITS
from publisher_cli import records

if TYPE_CHECKING:
    from datasigil.signing import LocalSigner
    from publisher_cli.logins import Login

PURPOSES = ("revocation", "suspension")


def unsigned(
    type_name: str, subject: dict[str, Any], *, issuer: str, login: Login, now: datetime, days: int | None, index: int = 0
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


def draw_index(login: Login) -> int:
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
