"""Proof of control of a DID: challenges and the presentations that answer them.

Lives here: what a login presentation must look like, and its verification. Not here: storing challenges and tokens
(`operations`). Spec: Verifiable Presentations of VCDM 2.0 section 4.13, Data Integrity 1.0 (challenge, domain).

A did:key proves itself; the document of a did:web is fetched, and only for a challenge that is waiting for its answer (`did_web`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datasigil.credentials.contexts import CREDENTIALS_V2
from datasigil.credentials.did import check_did, resolve_did_key
from datasigil.credentials.proof import KeyResolver, verify_proofs
from datasigil.encoding import Instant
from datasigil.errors import MalformedError, ProofError
from service.problems import UNAUTHENTICATED, Problem

_MEMBERS = {"@context", "id", "type", "holder", "proof"}


@dataclass(frozen=True)
class Login:
    """Who answers which challenge; verified, `did` holds the key that signed it."""

    did: str
    challenge: str


def claimed_login(presentation: Any) -> Login:
    """What a presentation says before its proof is checked: who answers which challenge.

    Raises:
        Problem: SCHEMA, UNKNOWN_PROPERTY, DID_METHOD, for another shape.
    """
    return Login(_check_shape(presentation), _challenge(presentation))


def verify_login(presentation: Any, *, domain: str, now: datetime, keys: KeyResolver) -> Login:
    """Verify a login presentation; whether its challenge is ours and unused is checked when it is used up.

    Raises:
        Problem: SCHEMA, for another shape; PRESENTATION_REFUSED (401), when the proof does not establish control.
    """
    claimed = claimed_login(presentation)
    try:
        proofs = verify_proofs(
            presentation,
            keys=keys,
            purpose="authentication",
            challenge=claimed.challenge,
            domain=domain,
            at=Instant.from_datetime(now),
        )
    except (ProofError, MalformedError) as error:
        raise _refused(f"the proof was refused ({error.code})", error.expected) from None
    if any(proof.controller != claimed.did for proof in proofs):
        raise _refused("the proof is by another DID than the holder", "a proof by the holder")
    return claimed


def _check_shape(presentation: Any) -> str:
    if not isinstance(presentation, dict):
        raise _shape("", "an object")
    for name in presentation:
        if name not in _MEMBERS:
            raise Problem(
                "UNKNOWN_PROPERTY",
                "A login presentation has no such member",
                status=422,
                pointer="/verifiablePresentation",
                expected=", ".join(sorted(_MEMBERS)),
            )
    if presentation.get("@context") != [CREDENTIALS_V2]:
        raise _shape("/@context", f"[{CREDENTIALS_V2}]")
    if presentation.get("type") not in ("VerifiablePresentation", ["VerifiablePresentation"]):
        raise _shape("/type", "VerifiablePresentation")
    holder = check_did(presentation.get("holder"), place="/verifiablePresentation/holder")
    if not holder.startswith(("did:key:", "did:web:")):
        raise Problem(
            "DID_METHOD",
            "This registry can check control of a did:key or a did:web only",
            status=422,
            pointer="/verifiablePresentation/holder",
            expected="a did:key or a did:web",
        )
    try:
        if holder.startswith("did:key:"):
            resolve_did_key(holder)
    except MalformedError as error:
        raise error.at("/verifiablePresentation/holder") from None
    return holder


def _challenge(presentation: dict[str, Any]) -> str:
    proof = presentation.get("proof")
    if not isinstance(proof, dict):
        raise _shape("/proof", "one proof object")
    challenge = proof.get("challenge")
    if not isinstance(challenge, str):
        raise _shape("/proof/challenge", "the challenge of POST /challenges")
    return challenge


def _shape(pointer: str, expected: str) -> Problem:
    return Problem(
        "SCHEMA",
        "The presentation is not a login presentation",
        status=422,
        pointer="/verifiablePresentation" + pointer,
        expected=expected,
    )


def _refused(message: str, expected: str) -> Problem:
    return Problem(
        "PRESENTATION_REFUSED",
        f"Control of the DID was not proven: {message}",
        status=UNAUTHENTICATED,
        expected=expected,
        next_action="ask for a new challenge and sign it with the DID's key",
    )
