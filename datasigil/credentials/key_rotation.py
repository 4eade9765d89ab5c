"""KeyRotationRequest: an issuer's signed statement that it has a new key, made with the preceding key or a recovery key.

Lives here: the closed table of the request, format version 1, its two proofs, and the frame in which a bundle presents a logged one. Not
here: whether the authorizing key counts and when the log held the request (`verification.key_history`), logging it (the registry).

The new key signs as well: nobody can be made the owner of a key that they do not hold. A did:key has one key for ever, so only a did:web
rotates. Its log entry has the kind `key`; `credentialDigest` and `requestDigest` are both the digest of the signed request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from datasigil.credentials.did import split_did_url
from datasigil.credentials.fields import Field, Opaque, Table
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.kinds import DID, MOMENT, PROSE
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.statement import NONCE, PROOF_TEXT, Form, Statement
from datasigil.credentials.values import Const, Text, fault
from datasigil.encoding import Instant, JsonObject, JsonValue
from datasigil.errors import ProofError, UntrustedError
from datasigil.record import dataclass

REQUEST_TYPE: Final = "KeyRotationRequest"
LOGGED_TYPE: Final = "LoggedKeyRotation"

_METHOD = Table(
    Field(
        "id",
        Text(pattern="did:[!-~]{1,2000}", max_length=2048, expected="a DID URL with a fragment"),
        "the verification method",
        required=True,
    ),
    Field(
        "publicKeyMultibase",
        Text(pattern="z[1-9A-Za-z]{1,200}", max_length=201, expected="a Multikey"),
        "its key",
        required=True,
    ),
    doc="A key of the issuer with its name.",
)

_FORM = Form(
    REQUEST_TYPE,
    Field("issuer", DID, "whose key it is", required=True),
    Field("newKey", _METHOD, "the key that counts from this entry of the log on", required=True),
    Field("authorizedBy", _METHOD, "the preceding key, or a recovery key", required=True),
    Field("reason", PROSE, "why; published", required=True),
    Field("created", MOMENT, "when the request was made", required=True),
    Field("nonce", NONCE, "unique per request", required=True),
    Field("proof", Opaque(), "two Data Integrity proofs: by the authorizing and by the new key"),
    doc="A statement by an issuer that it has a new key.",
)
REQUEST = _FORM.table

LOGGED = Table(
    Field("type", Const(LOGGED_TYPE, code="TYPE"), "always LoggedKeyRotation", required=True),
    Field("request", Opaque(), "the signed KeyRotationRequest", required=True),
    Field("proof", PROOF_TEXT, "its log proof (C2SP tlog-proof), the earliest that there is", required=True),
    Field("current", PROOF_TEXT, "its log proof under a recent checkpoint, which has more cosignatures"),
    doc="A key rotation with the proof that it is in the log, as bundles hold it among issuerKeys.",
)


@dataclass(frozen=True)
class KeyRotation(Statement):
    """A parsed request; its proofs are *not* checked by parsing."""

    document: Mapping[str, JsonValue]
    issuer: str
    new_id: str
    new_key: PublicKey
    authorizing_id: str
    authorizing_key: PublicKey
    created: Instant


def new_key_rotation(
    *,
    issuer: str,
    new_id: str,
    new_key: PublicKey,
    authorizing_id: str,
    authorizing_key: PublicKey,
    reason: str,
    created: datetime,
    nonce: str,
) -> dict[str, JsonValue]:
    """Return the unsigned request; sign it with `signing.add_proof`, once with either key.

    Raises:
        MalformedError: as `parse_key_rotation`.
    """
    members: dict[str, JsonValue] = {
        "issuer": issuer,
        "newKey": {"id": new_id, "publicKeyMultibase": new_key.multibase},
        "authorizedBy": {"id": authorizing_id, "publicKeyMultibase": authorizing_key.multibase},
        "reason": reason,
        "nonce": nonce,
    }
    document = _FORM.unsigned(created=created, members=members)
    parse_key_rotation(document)
    return document


def parse_key_rotation(document: JsonValue) -> KeyRotation:
    """Check a request against its closed table and return it.

    Raises:
        MalformedError: TYPE, CONTEXT, SCHEMA, UNKNOWN_PROPERTY, KEYWORD, NULL, NUMBER, DID, KEY, KEY_TYPE or ENCODING.

    Not checked: the proofs, whether the authorizing key counts, whether it was logged.
    """
    document = _FORM.checked(document)
    issuer = document["issuer"]
    if not issuer.startswith("did:web:"):
        raise fault("DID", "only a did:web has keys that can change", (None, "issuer"), "a did:web", issuer)
    for name in ("newKey", "authorizedBy"):
        controller, _ = split_did_url(document[name]["id"], place=f"/{name}/id")
        if controller != issuer:
            raise fault(
                "SCHEMA", "a key under another DID", ((None, name), "id"), f"a method of {issuer}", document[name]["id"]
            )
    new, old = document["newKey"], document["authorizedBy"]
    if new["id"] == old["id"] or new["publicKeyMultibase"] == old["publicKeyMultibase"]:
        raise fault(
            "SCHEMA", "a key cannot follow itself", (None, "newKey"), "another key under another name", new["id"]
        )
    return KeyRotation(
        document,
        issuer,
        new["id"],
        PublicKey.from_multibase(new["publicKeyMultibase"], place="/newKey/publicKeyMultibase"),
        old["id"],
        PublicKey.from_multibase(old["publicKeyMultibase"], place="/authorizedBy/publicKeyMultibase"),
        Instant.parse(document["created"]),
    )


def require_both_proofs(rotation: KeyRotation, *, at: Instant) -> None:
    """Return when both the authorizing and the new key have signed, once each, and nobody else.

    Raises:
        ProofError, MalformedError: as `verify_proofs`; PROOF_MISSING when one of the two keys has not signed, LIMIT when one has twice.
    """
    keys = {rotation.new_id: rotation.new_key, rotation.authorizing_id: rotation.authorizing_key}

    def resolve(method: str, _purpose: str) -> PublicKey:
        if method not in keys:
            raise UntrustedError("KEY_HISTORY", "a proof by a key that the rotation does not name", found=method)
        return keys[method]

    proofs = verify_proofs(rotation.document, keys=resolve, at=at)
    signed = {proof.verification_method for proof in proofs}
    missing = sorted(set(keys) - signed)
    if missing:
        raise ProofError(
            "PROOF_MISSING", "a key rotation needs proofs by the authorizing and by the new key", place="/proof",
            expected=" and ".join(sorted(keys)), found=f"none by {missing[0]}",
        )  # fmt: skip
    if len(proofs) != len(keys):
        raise ProofError(
            "LIMIT",
            "a key rotation has one proof by either key",
            place="/proof",
            expected="2 proofs",
            found=str(len(proofs)),
        )


def logged_rotation(request: Mapping[str, JsonValue], proof: str, current: str | None = None) -> JsonObject:
    """Return how a bundle's `issuerKeys` present a signed request with its tlog-proof texts."""
    frame: JsonObject = {"type": LOGGED_TYPE, "request": dict(request), "proof": str(proof)}
    return frame if current is None else {**frame, "current": str(current)}


__all__ = [
    "LOGGED",
    "LOGGED_TYPE",
    "REQUEST",
    "REQUEST_TYPE",
    "KeyRotation",
    "logged_rotation",
    "new_key_rotation",
    "parse_key_rotation",
    "require_both_proofs",
]
