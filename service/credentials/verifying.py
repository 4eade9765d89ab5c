"""Verifying credentials and presentations of any profile, as VCALM means it.

Lives here: data model, proofs, validity period; a credential that fails is refused with the reason. Not here: the dataset
profile's verdict (`decision`), status (VCALM's `verified` calls a revoked credential verified, with a warning).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.generic import GenericCredential, check_generic_credential, check_generic_presentation
from datasigil.credentials.proof import VerifiedProof, verify_proofs
from datasigil.credentials.status_list import parse_status_list
from datasigil.credentials.types import Credential, is_profile, parse_credential
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.limits import CLOCK_SKEW_SECONDS
from service.credentials.schemas import Options
from service.problems import BAD_REQUEST, Problem

STATUS_LIST_TYPE = "BitstringStatusListCredential"


@dataclass(frozen=True)
class Verified:
    """A document whose proofs all verify under keys that only possession was shown of."""

    proofs: tuple[VerifiedProof, ...]

    def checks(self) -> list[dict[str, Any]]:
        """What was checked, for the answer."""
        proofs = [
            {
                "name": "proof",
                "outcome": "passed",
                "cryptosuite": proof.cryptosuite,
                "verificationMethod": proof.verification_method,
                "byIssuer": proof.by_issuer,
            }
            for proof in self.proofs
        ]
        return [{"name": "data-model", "outcome": "passed"}, *proofs]

    def warnings(self) -> list[dict[str, Any]]:
        """What a reader should know although it does not make the proof fail."""
        if all(proof.by_issuer for proof in self.proofs):
            return []
        return [{"code": "ISSUER_MISMATCH", "message": "a proof is by another DID than the issuer or holder"}]


def verified_credential(
    document: dict[str, Any],
    *,
    now: datetime,
    place: str,
    parsed: Credential | None = None,
    proofs: tuple[VerifiedProof, ...] = (),
) -> Verified:
    """Verify one credential; CPU only, RDF in a killable subprocess.

    `parsed` is what the profile's closed parser has made of it; `proofs` are all of its proofs, if they have been verified by the profile's
    rules, which are stricter than these, under keys that the issuer's DID is made of.

    Raises:
        DatasigilError: why it is not verified, with a pointer below `place`.
    """
    try:
        _check_now(*_period(document, parsed), now)
        proofs = proofs or verify_proofs(
            document, keys=did_key_resolver, purpose="assertionMethod", mode="generic", at=Instant.from_datetime(now)
        )
    except DatasigilError as error:
        raise error.at(place) from None
    return Verified(proofs)


def verified_presentation(
    document: dict[str, Any], options: Options, *, now: datetime
) -> tuple[Verified, list[Verified]]:
    """Verify a presentation for the challenge and domain of the options, then every credential in it.

    Raises:
        DatasigilError: why it is not verified, with a pointer below `/verifiablePresentation`.
    """
    try:
        inside = check_generic_presentation(document)
        proofs = verify_proofs(
            document,
            keys=did_key_resolver,
            purpose="authentication",
            mode="generic",
            challenge=options.challenge,
            domain=options.domain,
            at=Instant.from_datetime(now),
        )
    except DatasigilError as error:
        raise error.at("/verifiablePresentation") from None
    place = "/verifiablePresentation/verifiableCredential"
    credentials = [
        verified_credential(dict(one), now=now, place=f"{place}/{number}") for number, one in enumerate(inside)
    ]
    return Verified(proofs), credentials


def _period(document: dict[str, Any], parsed: Credential | None) -> tuple[Instant | None, Instant | None]:
    """Check the data model; return the validity period.

    What the closed parser takes meets the open rules of the data model, except that these compare the digests of related resources.
    """
    if parsed is not None and "relatedResource" not in document:
        return parsed.valid_from, parsed.valid_until
    found = _structure(document) if parsed is None else check_generic_credential(document, check_terms=lambda _: None)
    return found.valid_from, found.valid_until


def _structure(document: dict[str, Any]) -> GenericCredential:
    """Check the data model; the closed dataset profile has no undefined terms, so it needs no JSON-LD for that."""
    if not is_profile(document):
        return check_generic_credential(document)
    types = document.get("type")
    if isinstance(types, list) and STATUS_LIST_TYPE in types:
        parse_status_list(document)  # names our context to say which log it replays; as closed as the profile
    else:
        parse_credential(document)
    return check_generic_credential(document, check_terms=lambda _: None)


def _check_now(start: Instant | None, end: Instant | None, now: datetime) -> None:
    at = Instant.from_datetime(now)
    if start is not None and start > at.plus(CLOCK_SKEW_SECONDS):
        raise Problem(
            "NOT_YET", "The credential is not valid yet", status=BAD_REQUEST, pointer="/validFrom", expected=f"by {at}"
        )
    if end is not None and end.plus(CLOCK_SKEW_SECONDS) < at:
        raise Problem(
            "EXPIRED", "The credential has expired", status=BAD_REQUEST, pointer="/validUntil", expected=f"after {at}"
        )
