"""RegistryHandover: a registry's signed statement that another one keeps its status lists and continues its log from now on.

Lives here: the closed tables of the statement and of the successor's offer, format version 1, and the frame in which a bundle presents a
logged handover. Not here: whether it counts (`verification.handover`), writing it and moving the data (the registry).

The statement is signed with the status key, which is the registry's DID: credentials name it as `statusIssuer`, so whoever accepts its lists
accepts its word about who makes them next. It is the last entry of the old log and an entry of the new one, which begins with every entry of
the old. Its log entry has the kind `key`; `credentialDigest` and `requestDigest` are both the digest of the signed statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from datasigil.credentials.did import did_key_resolver, split_did_url
from datasigil.credentials.fields import Field, Opaque, Table
from datasigil.credentials.kinds import COUNT, DID, HEX_DIGEST, HTTP_URL, MOMENT, ORIGIN, PROSE
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.statement import NONCE, PROOF_TEXT, Form, Statement
from datasigil.credentials.values import Const, Text, fault
from datasigil.encoding import Instant, JsonObject, JsonValue
from datasigil.errors import ProofError
from datasigil.record import dataclass

REQUEST_TYPE: Final = "RegistryHandover"
OFFER_TYPE: Final = "RegistryHandoverOffer"
LOGGED_TYPE: Final = "LoggedRegistryHandover"

_VKEY = Text(pattern="[!-~]{1,600}", max_length=600, expected="a verifier key (C2SP signed-note)")

_REGISTRY = Table(
    Field("did", DID, "its DID, as which it signs status lists", required=True),
    Field("url", HTTP_URL, "where it is", required=True),
    Field("origin", ORIGIN, "the origin of its log", required=True),
    Field("logKey", _VKEY, "the key of its checkpoints", required=True),
    Field("timeKey", _VKEY, "the key of its timestamped cosignatures", required=True),
    doc="A registry with its keys.",
)

_REQUEST = Form(
    REQUEST_TYPE,
    Field("issuer", DID, "who signs: the registry that ends", required=True),
    Field("from", _REGISTRY, "the registry that ends", required=True),
    Field("to", _REGISTRY, "the registry that goes on", required=True),
    Field("treeSize", COUNT, "entries before this one, which is the old log's last", required=True),
    Field("root", HEX_DIGEST, "root of the tree of those entries", required=True),
    Field("reason", PROSE, "why; published", required=True),
    Field("created", MOMENT, "when it was signed", required=True),
    Field("proof", Opaque(), "a Data Integrity proof by the ending registry's DID"),
    doc="A registry's statement that another one keeps its status lists and continues its log.",
)
REQUEST = _REQUEST.table

_OFFER = Form(
    OFFER_TYPE,
    Field("issuer", DID, "who signs: that registry", required=True),
    Field("registry", _REGISTRY, "who is ready to go on", required=True),
    Field("created", MOMENT, "when it was signed", required=True),
    Field("nonce", NONCE, "unique per offer", required=True),
    Field("proof", Opaque(), "a Data Integrity proof by the registry's DID"),
    doc="A registry's word that it is ready to take another one's place: its keys exist and it can sign with them.",
)

LOGGED = Table(
    Field("type", Const(LOGGED_TYPE, code="TYPE"), "always LoggedRegistryHandover", required=True),
    Field("handover", Opaque(), "the signed RegistryHandover", required=True),
    Field("proof", PROOF_TEXT, "its log proof in the old log", required=True),
    Field("current", PROOF_TEXT, "its log proof in the new log, under a recent checkpoint"),
    doc="A handover with the proofs that both logs hold it, as bundles hold it among issuerKeys.",
)


@dataclass(frozen=True)
class RegistryName:
    """One side of a handover."""

    did: str
    url: str
    origin: str
    log_key: str
    time_key: str

    def content(self) -> dict[str, JsonValue]:
        """Return the members as JSON."""
        return {
            "did": self.did,
            "url": self.url,
            "origin": self.origin,
            "logKey": self.log_key,
            "timeKey": self.time_key,
        }


@dataclass(frozen=True)
class RegistryHandover(Statement):
    """A parsed statement; its proof is *not* checked by parsing."""

    document: Mapping[str, JsonValue]
    before: RegistryName
    after: RegistryName
    tree_size: int
    root: str
    created: Instant


def new_handover(
    *, before: RegistryName, after: RegistryName, tree_size: int, root: str, reason: str, created: datetime
) -> dict[str, JsonValue]:
    """Return the unsigned statement; sign it with `signing.add_proof` and the ending registry's status key.

    Raises:
        MalformedError: as `parse_handover`.
    """
    members: dict[str, JsonValue] = {
        "issuer": before.did,
        "from": before.content(),
        "to": after.content(),
        "treeSize": tree_size,
        "root": root,
        "reason": reason,
    }
    document = _REQUEST.unsigned(created=created, members=members)
    parse_handover(document)
    return document


def new_offer(registry: RegistryName, *, created: datetime, nonce: str) -> dict[str, JsonValue]:
    """Return the unsigned offer; sign it with `signing.add_proof` and the registry's status key."""
    members: dict[str, JsonValue] = {"issuer": registry.did, "registry": registry.content(), "nonce": nonce}
    return _OFFER.unsigned(created=created, members=members)


def parse_handover(document: JsonValue) -> RegistryHandover:
    """Check a statement against its closed table and return it.

    Raises:
        MalformedError: TYPE, CONTEXT, SCHEMA, UNKNOWN_PROPERTY, KEYWORD, NULL, NUMBER or DID.

    Not checked: the proof, whether a log holds it.
    """
    document = _REQUEST.checked(document)
    before, after = (_name(document[side], side) for side in ("from", "to"))
    if document["issuer"] != before.did:
        raise fault(
            "SCHEMA", "only the ending registry says that it ends", (None, "issuer"), before.did, document["issuer"]
        )
    for member, old, new in (("did", before.did, after.did), ("origin", before.origin, after.origin)):
        if old == new:
            raise fault("SCHEMA", "a registry cannot follow itself", ((None, "to"), member), "another registry's", new)
    return RegistryHandover(
        document, before, after, document["treeSize"], document["root"], Instant.parse(document["created"])
    )


def verified_offer(document: JsonValue, *, at: Instant) -> RegistryName:
    """Return who offers to go on, when its DID has signed the offer.

    Raises:
        MalformedError: as `parse_handover`.
        ProofError: as `verify_proofs`; CONTROLLER when another DID has signed.
    """
    document = _OFFER.checked(document)
    name = _name(document["registry"], "registry")
    require_signed_by(document, name.did, at=at)
    return name


def require_signed_by(document: Mapping[str, JsonValue], did: str, *, at: Instant) -> None:
    """Return when every proof of a document verifies and is by this did:key, its `issuer`.

    Raises:
        ProofError, MalformedError: as `verify_proofs`; CONTROLLER when another DID has signed.
    """
    for proof in verify_proofs(document, keys=did_key_resolver, at=at):
        controller, _ = split_did_url(proof.verification_method, place="/proof/verificationMethod")
        if controller != did:
            raise ProofError("CONTROLLER", "signed by another registry", place="/proof", expected=did, found=controller)


def logged_handover(document: Mapping[str, JsonValue], proof: str, current: str | None = None) -> JsonObject:
    """Return how a bundle's `issuerKeys` present a signed handover with its tlog-proof texts."""
    frame: dict[str, Any] = {"type": LOGGED_TYPE, "handover": dict(document), "proof": proof}
    return frame if current is None else {**frame, "current": current}


def _name(members: Mapping[str, Any], place: str) -> RegistryName:
    if not members["did"].startswith("did:key:"):
        raise fault("DID", "a registry's DID is its status key", ((None, place), "did"), "a did:key", members["did"])
    return RegistryName(members["did"], members["url"], members["origin"], members["logKey"], members["timeKey"])


__all__ = [
    "LOGGED",
    "LOGGED_TYPE",
    "OFFER_TYPE",
    "REQUEST",
    "REQUEST_TYPE",
    "RegistryHandover",
    "RegistryName",
    "logged_handover",
    "new_handover",
    "new_offer",
    "parse_handover",
    "require_signed_by",
    "verified_offer",
]
