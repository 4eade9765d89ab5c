"""Checking a locally signed credential before it is registered.

Lives here: every check that a credential must pass before it is logged and that needs no database. Not here: the operation that stores it
(`storing`), trust (the registry's log says that something was published, not that it is true).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datasigil.canonical import jcs
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import KeyResolver, verify_proofs
from datasigil.credentials.types import Credential, is_profile, parse_credential
from datasigil.datasets.manifest import Manifest, ManifestClaim, parse_manifest, verify_manifest_claim
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.limits import CLOCK_SKEW_SECONDS
from service.access import require_issuer, require_publishable
from service.access_cache import Principal
from service.problems import Problem
from service.status_lists.signing import is_own_list


@dataclass(frozen=True)
class Registration:
    """A credential that passed every check which needs no database."""

    credential: Credential
    document: bytes
    publisher_id: int
    manifest: Manifest | None
    manifest_body: bytes
    manifest_public: bool


def signed_in_jcs(document: dict[str, Any]) -> bool:
    """Whether this is a credential of the dataset profile with one proof that needs no RDF."""
    proof = document.get("proof")
    return is_profile(document) and isinstance(proof, dict) and "-jcs-" in str(proof.get("cryptosuite"))


@dataclass(frozen=True)
class Context:
    """What the checks need to know of this registry."""

    base_url: str
    origin: str
    did: str
    now: datetime
    keys: KeyResolver = did_key_resolver


def check(document: Any, manifest: Any, *, public: bool, principal: Principal, context: Context) -> Registration:
    """Check a credential and, where uploaded, its manifest; CPU only, no database.

    Raises:
        DatasigilError: the core's codes with pointers below `/credential` or `/manifest`; NOT_YOURS, OTHER_LOG, OTHER_STATUS,
            EXPIRED, MANIFEST_DIGEST, MANIFEST_MISSING.
    """
    credential = _parsed(document)
    require_issuer(principal, credential.issuer)
    require_publishable(principal, credential.type)
    _check_log(credential, context)
    _check_period(credential, context.now)
    _check_status(credential, principal, context)
    try:
        verify_proofs(credential, keys=context.keys, at=Instant.from_datetime(context.now))
    except DatasigilError as error:
        raise error.at("/credential") from None
    claimed, body = _manifest(credential, manifest, public=public)
    return Registration(credential, credential.secured_jcs, principal.publisher_id, claimed, body, public)


def _parsed(document: Any) -> Credential:
    try:
        return parse_credential(document)
    except DatasigilError as error:
        raise error.at("/credential") from None


def _check_log(credential: Credential, context: Context) -> None:
    if credential.log_origin != context.origin:
        raise Problem(
            "OTHER_LOG",
            "The credential says that it stands in another log",
            status=422,
            pointer="/credential/transparencyLog/origin",
            expected=context.origin,
            next_action="issue it for this registry, or publish it in the one that it names",
        )


def _check_period(credential: Credential, now: datetime) -> None:
    at = Instant.from_datetime(now)
    if credential.valid_until is not None and credential.valid_until.plus(CLOCK_SKEW_SECONDS) < at:
        raise Problem(
            "EXPIRED",
            "The credential's validity is over",
            status=422,
            pointer="/credential/validUntil",
            expected=f"after {at}",
        )


def _check_status(credential: Credential, principal: Principal, context: Context) -> None:
    """A list below our URL must be the publisher's own and ours to sign; a list elsewhere must be the issuer's own."""
    for number, entry in enumerate(credential.status):
        place = f"/credential/credentialStatus/{number}"
        here = entry.list_id.startswith(context.base_url + "/")
        own = f"{context.base_url}/status-lists/{principal.slug}/{entry.purpose}"
        if here and not is_own_list(context.base_url, principal.slug, entry.purpose, entry.list_id):
            raise Problem(
                "OTHER_STATUS",
                "This status list is not the issuer's list for this purpose",
                status=422,
                pointer=f"{place}/statusListCredential",
                expected=own,
            )
        signer = context.did if here else credential.issuer
        if entry.issuer != signer:
            raise Problem(
                "OTHER_STATUS",
                "The status list is signed by another DID than the entry says",
                status=422,
                pointer=f"{place}/statusIssuer",
                expected=signer,
            )
        if here and entry.size != 1:
            raise Problem(
                "STATUS_SIZE",
                "Lists kept here have one bit an entry",
                status=422,
                pointer=f"{place}/statusSize",
                expected="1, or no statusSize",
            )


def _manifest(credential: Credential, value: Any, *, public: bool) -> tuple[Manifest | None, bytes]:
    if value is None:
        if public:
            raise Problem(
                "MANIFEST_MISSING",
                "There is no manifest to make public",
                status=422,
                pointer="/manifest",
                expected="the manifest whose digest the credential claims",
            )
        return None, b""
    body = jcs(value)
    try:
        claim = ManifestClaim.from_subject(credential.subject)
        if hashlib.sha256(body).hexdigest() != claim.digest:
            raise Problem(
                "MANIFEST_DIGEST",
                "The manifest is not the one that the credential claims",
                status=422,
                expected="the manifest whose digest the credential claims",
            )
        manifest = parse_manifest(body)
        verify_manifest_claim(manifest, claim)
    except DatasigilError as error:
        raise error.at("/manifest") from None
    return manifest, body
