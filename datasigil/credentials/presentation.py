"""Verifiable presentations: proving control of a DID to one verifier on one occasion.

Lives here: the closed presentation by which a publisher logs in, and its check (VC Data Model 2.0 section 4.13; Data Integrity 1.0
section 2.1, `authentication` with challenge and domain). Not here: presentations of other profiles (`generic`), issuing challenges (the
registry), and whether the holder is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datasigil.credentials.contexts import CREDENTIALS_V2, PROFILE_CONTEXTS
from datasigil.credentials.did import check_did
from datasigil.credentials.fields import Field, ListOf, OneOf, Opaque, Table
from datasigil.credentials.kinds import DID, URI
from datasigil.credentials.proof import KeyResolver, VerifiedProof, verify_proofs
from datasigil.credentials.values import Const, fault
from datasigil.encoding import Instant, JsonValue
from datasigil.record import dataclass

CREDENTIALS_MAX = 100

PRESENTATION = Table(
    Field(
        "@context",
        OneOf(Const([CREDENTIALS_V2], code="CONTEXT"), Const(PROFILE_CONTEXTS, code="CONTEXT")),
        "these contexts",
        required=True,
    ),
    Field("id", URI, "id of the presentation"),
    Field("type", Const(["VerifiablePresentation"], code="TYPE"), "always VerifiablePresentation", required=True),
    Field("holder", DID, "who presents", required=True),
    Field("verifiableCredential", ListOf(Opaque(), minimum=0, maximum=CREDENTIALS_MAX), "the credentials presented"),
    Field("proof", Opaque(), "one or more Data Integrity proofs"),
)


@dataclass(frozen=True)
class Presentation:
    """A presentation whose holder proved control of its DID; the credentials inside are *not* checked."""

    document: Mapping[str, JsonValue]
    holder: str
    credentials: tuple[JsonValue, ...]
    proofs: tuple[VerifiedProof, ...]


def new_presentation(holder: str, credentials: Sequence[Mapping[str, JsonValue]] = ()) -> dict[str, JsonValue]:
    """Return an unsigned presentation; sign it with `signing.add_proof(…, purpose="authentication", challenge=…, domain=…)`."""
    document: dict[str, JsonValue] = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": check_did(holder, place="/holder"),
    }
    if credentials:
        document["verifiableCredential"] = list(credentials)
    return document


def verify_presentation(
    document: JsonValue, *, keys: KeyResolver, challenge: str, domain: str, at: Instant
) -> Presentation:
    """Return a presentation whose every proof is its holder's, made to answer this challenge for this domain.

    Raises:
        MalformedError: TYPE, CONTEXT, SCHEMA, UNKNOWN_PROPERTY and the codes of `proof.verify_proofs`.
        ProofError: DOMAIN, CHALLENGE, PURPOSE and the other codes of `proof.verify_proofs`.

    Not checked: the credentials inside, and whether the challenge is used for the first time.
    """
    if not isinstance(document, dict):
        raise fault("SCHEMA", "a presentation must be an object", None, "an object", document)
    PRESENTATION.check(document, None)
    proofs = verify_proofs(document, keys=keys, purpose="authentication", challenge=challenge, domain=domain, at=at)
    return Presentation(document, document["holder"], tuple(document.get("verifiableCredential", ())), proofs)
