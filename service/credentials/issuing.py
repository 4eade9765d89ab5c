"""Issuing with the registry's hosted key.

Lives here: what the registry adds to a dataset-profile credential, signing and registering it, alone or with the others of its batch. Not
here: development issuers (`dev_issuers`) and local signing, which is the default and needs no registry.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.credentials.types import CREDENTIAL_TYPES, credential_schema, parse_credential
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.signing import LocalSigner, add_proof
from service.batch import Batch
from service.credentials.idempotency import IdempotencyKey, recall
from service.credentials.registration import Registration
from service.credentials.repository import document_of
from service.credentials.storing import RegisterCredential, register_together
from service.limits import INDEX_DRAW_ROUNDS, STATUS_LIST_BITS
from service.problems import BAD_REQUEST, Problem
from service.publishers.operations import register
from service.publishers.repository import PublisherRow, publisher_by_did
from service.status_lists.repository import positions_taken
from service.status_lists.signing import PURPOSES, add_pair, newest_pair

_OURS = ("proof", "credentialStatus", "credentialSchema", "transparencyLog", "@context")


@dataclass(frozen=True)
class Place:
    """An unused index, in the pair of lists with these addresses by purpose."""

    lists: dict[str, str]
    index: int


@dataclass(frozen=True)
class IssueHosted:
    """Complete, sign and register a credential in the name of the hosted key."""

    wanted: dict[str, Any]
    signer: LocalSigner
    log_url: str
    idempotency: IdempotencyKey | None

    def __call__(self, batch: Batch) -> bytes:
        """Return the signed bytes of the registered credential.

        Raises:
            Problem: NOT_YOURS for another issuer, UNKNOWN_PROPERTY for members that the registry decides; and the core's codes.
        """
        known = recall(batch, self.idempotency)
        if known is not None:
            found = document_of(batch.connection, known)
            assert found is not None
            return found[0]
        publisher = _publisher(batch, self.signer)
        registration = self.signed(batch, publisher, _free_places(batch, publisher, 1)[0])
        RegisterCredential(registration, self.idempotency)(batch)
        return registration.document

    @staticmethod
    def together(batch: Batch, operations: Sequence[IssueHosted]) -> list[bytes | None]:
        """Do what many of these do, all for one hosted key; None for those that have to be done alone."""
        publisher = _publisher(batch, operations[0].signer)
        signed: dict[int, Registration] = {}
        for number, place in enumerate(_free_places(batch, publisher, len(operations))):
            if operations[number].idempotency is None:
                with suppress(DatasigilError):  # its own turn says why
                    signed[number] = operations[number].signed(batch, publisher, place)
        rows = register_together(batch, list(signed.values()))
        stored = {number: row is not None for number, row in zip(signed, rows, strict=True)}
        return [signed[number].document if stored.get(number) else None for number in range(len(operations))]

    def signed(self, batch: Batch, publisher: PublisherRow, place: Place) -> Registration:
        """The completed credential, checked like any other, and signed.

        Raises:
            DatasigilError: as a call does.
        """
        try:
            unsigned = parse_credential(self._completed(batch, place))
            credential = unsigned.secured(add_proof(unsigned, self.signer, created=batch.now))
        except DatasigilError as error:
            raise error.at("/credential") from None
        return Registration(credential, credential.secured_jcs, publisher.id, None, b"", manifest_public=False)

    def _completed(self, batch: Batch, place: Place) -> dict[str, Any]:
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
                    "statusListIndex": str(place.index),
                    "statusListCredential": place.lists[purpose],
                    "statusIssuer": batch.keys.did,
                }
                for purpose in PURPOSES
            ],
            "transparencyLog": {"type": "TransparencyLog", "origin": batch.keys.origin, "url": self.log_url},
        }


def _publisher(batch: Batch, signer: LocalSigner) -> PublisherRow:
    return publisher_by_did(batch.connection, signer.controller) or register(
        batch, did=signer.controller, name="hosted issuer", role="operator"
    )


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


def _free_places(batch: Batch, publisher: PublisherRow, count: int) -> list[Place]:
    """Draw indices that neither list of the newest pair has given away; random, so that indices say nothing about order.

    Where a few rounds of drawing do not find enough, the pair is as good as full, and a new one is made.

    Raises:
        Problem: STATUS_LIST_LIMIT, when the issuer cannot have another pair.
    """
    lists = newest_pair(batch, publisher.id, publisher.slug)
    free: list[int] = []
    for _ in range(INDEX_DRAW_ROUNDS):
        drawn = dict.fromkeys(secrets.randbelow(STATUS_LIST_BITS) for _ in range(count - len(free)))
        taken = {one for url in lists.values() for one in positions_taken(batch.connection, url, drawn)}
        free += [index for index in drawn if index not in taken and index not in free]
        if len(free) == count:
            return [Place(lists, index) for index in free]
    add_pair(batch, publisher.id, publisher.slug, actor=publisher.did)
    return _free_places(batch, publisher, count)
