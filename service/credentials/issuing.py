"""Issuing with the registry's hosted key.

Lives here: what the registry adds to a dataset-profile credential, signing and registering it in one operation of the
writer. Not here: development issuers (`dev_issuers`) and local signing, which is the default and needs no registry.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from datasigil.canonical import jcs
from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.credentials.types import CREDENTIAL_TYPES, credential_schema, parse_credential
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.signing import LocalSigner, add_proof
from service.batch import Batch
from service.credentials.idempotency import IdempotencyKey, recall
from service.credentials.registration import RegisterCredential, Registration
from service.credentials.repository import CredentialRow, by_digest
from service.limits import INDEX_DRAWS_MAX, STATUS_LIST_BITS
from service.problems import BAD_REQUEST, Problem
from service.publishers.operations import register
from service.publishers.repository import PublisherRow, publisher_by_did
from service.status_lists.repository import index_taken
from service.status_lists.signing import PURPOSES, list_address

_OURS = ("proof", "credentialStatus", "credentialSchema", "transparencyLog", "@context")


@dataclass(frozen=True)
class IssueHosted:
    """Complete, sign and register a credential in the name of the hosted key."""

    wanted: dict[str, Any]
    signer: LocalSigner
    log_url: str
    idempotency: IdempotencyKey | None

    def __call__(self, batch: Batch) -> CredentialRow:
        """Return the registered credential.

        Raises:
            Problem: NOT_YOURS for another issuer, UNKNOWN_PROPERTY for members that the registry decides; and the core's codes.
        """
        known = recall(batch, self.idempotency)
        if known is not None:
            row = by_digest(batch.connection, known)
            assert row is not None
            return row
        publisher = publisher_by_did(batch.connection, self.signer.controller) or register(
            batch, did=self.signer.controller, name="hosted issuer", role="operator"
        )
        try:
            document = add_proof(self._completed(batch, publisher), self.signer, created=batch.now)
            credential = parse_credential(document)
        except DatasigilError as error:
            raise error.at("/credential") from None
        registration = Registration(credential, jcs(document), publisher.id, None, b"", manifest_public=False)
        row, _ = RegisterCredential(registration, self.idempotency)(batch)
        return row

    def _completed(self, batch: Batch, publisher: PublisherRow) -> dict[str, Any]:
        wanted = dict(self.wanted)
        for name in _OURS:
            if name in wanted and not (name == "@context" and wanted[name] == PROFILE_CONTEXTS):
                raise Problem(
                    "UNKNOWN_PROPERTY",
                    "The registry decides this member itself",
                    status=BAD_REQUEST,
                    pointer=f"/{name}",
                    expected="a credential without it",
                )
        issuer = wanted.get("issuer", self.signer.controller)
        if (issuer.get("id") if isinstance(issuer, dict) else issuer) != self.signer.controller:
            raise Problem(
                "NOT_YOURS",
                "The hosted key issues in its own name only",
                pointer="/issuer",
                expected=self.signer.controller,
            )
        index = _free_index(batch, publisher.slug)
        types = [name for name in wanted.get("type", []) if name != "VerifiableCredential"]
        return {
            "id": f"urn:uuid:{UUID(bytes=secrets.token_bytes(16), version=4)}",
            "validFrom": str(Instant.from_datetime(batch.now.replace(microsecond=0))),
            "issuer": issuer,
            **wanted,
            "@context": list(PROFILE_CONTEXTS),
            "credentialSchema": _schema_reference(str(types[0]) if types else ""),
            "credentialStatus": [
                {
                    "type": "BitstringStatusListEntry",
                    "statusPurpose": purpose,
                    "statusListIndex": str(index),
                    "statusListCredential": list_address(batch.base_url, publisher.slug, purpose),
                    "statusIssuer": batch.keys.did,
                }
                for purpose in PURPOSES
            ],
            "transparencyLog": {"type": "TransparencyLog", "origin": batch.keys.origin, "url": self.log_url},
        }


def _schema_reference(type_name: str) -> dict[str, Any]:
    if type_name not in CREDENTIAL_TYPES:
        raise Problem(
            "TYPE",
            "The hosted key issues the types of the dataset profile only",
            status=BAD_REQUEST,
            pointer="/type",
            expected=", ".join(CREDENTIAL_TYPES),
        )
    return credential_schema(type_name)


def _free_index(batch: Batch, slug: str) -> int:
    """Draw an index that neither list of the pair has given away; random, so that indices say nothing about order."""
    for _ in range(INDEX_DRAWS_MAX):
        index = secrets.randbelow(STATUS_LIST_BITS)
        urls = [list_address(batch.base_url, slug, purpose) for purpose in PURPOSES]
        if not any(index_taken(batch.connection, url, index) for url in urls):
            return index
    raise Problem(
        "STATUS_LIST_FULL",
        "The hosted issuer's status lists are full",
        status=503,
        next_action="the operator adds a hosted key",
    )
