"""Who a trust file speaks for: `self`, and the signature by which that DID's key says so.

Lives here: the statement that is signed, and whether a trust file's `[selfProof]` proves its `self`. Not here: reading the table
(`policy_parser`), writing it (`policy_text`), private keys (`datasigil.signing`). ADR 0015.

The statement names the digest of the file's content, so that a proof copied into another trust file, or kept after a change, proves nothing.
A did:key is its key. A did:web's key is the one that the same file pins for it under `[[issuers]]`: as everywhere, pins are the root.
"""

from __future__ import annotations

from typing import Any, Final

from datasigil.credentials.cryptosuites import suites_for
from datasigil.credentials.did import did_key_resolver, split_did_url
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.proof import KeyResolver, verify_proofs
from datasigil.encoding import Instant, JsonObject
from datasigil.errors import DatasigilError, PolicyError, UntrustedError
from datasigil.trust.rules import KeyPin, SelfProof, TrustPolicy

STATEMENT_TYPE: Final = "TrustFileOwner"


def owner_statement(did: str, policy_digest: str, created: Instant) -> JsonObject:
    """Return what `did` signs, with `signing.add_proof`, to say that the trust file of this digest is its own."""
    return {
        "type": STATEMENT_TYPE,
        "formatVersion": 1,
        "issuer": did,
        "policyDigest": policy_digest,
        "created": str(created),
    }


def self_proof_of(signed: JsonObject) -> SelfProof:
    """Return what a trust file holds of a signed `owner_statement`."""
    proof: Any = signed["proof"]
    created = Instant.parse(str(signed["created"]))
    return SelfProof(proof["verificationMethod"], created, proof["proofValue"], str(signed["policyDigest"]))


def require_owner(policy: TrustPolicy, *, at: Instant | None) -> None:
    """Return when the key of `self` has signed this trust file; `at` is when a pinned key must be in force, None for any time.

    Raises:
        PolicyError: SELF_UNPROVEN.
    """
    proof = policy.self_proof
    if proof is None:
        raise _unproven(policy, "a [selfProof] by its key", "none")
    try:
        _verify(policy, proof, at)
    except DatasigilError as error:
        if error.code == "SIGNATURE":
            raise _unproven(
                policy, "a signature over the trust file as it is now", "one over another file, or by another key"
            ) from None
        raise _unproven(policy, error.expected or "a proof by its key", f"{error.message} ({error.code})") from None


def _verify(policy: TrustPolicy, proof: SelfProof, at: Instant | None) -> None:
    controller, _ = split_did_url(proof.method, place="selfProof.verificationMethod")
    if controller != policy.self_did:
        raise UntrustedError("CONTROLLER", "it is by another DID", expected=policy.self_did, found=controller)
    for key in _keys(policy, proof.method, at):
        try:
            verify_proofs(_signed(policy, proof, key), keys=_only(key))
        except DatasigilError as error:
            refused = error
        else:
            return
    raise refused


def _only(key: PublicKey) -> KeyResolver:
    return lambda _method, _purpose: key


def _signed(policy: TrustPolicy, proof: SelfProof, key: PublicKey) -> JsonObject:
    """The statement as it was signed, put together again from what the file holds now."""
    return {
        **owner_statement(policy.self_did, proof.policy_digest, proof.created),
        "proof": {
            "type": "DataIntegrityProof",
            "cryptosuite": suites_for(key.kind)[0],
            "created": str(proof.created),
            "verificationMethod": proof.method,
            "proofPurpose": "assertionMethod",
            "proofValue": proof.value,
        },
    }


def _keys(policy: TrustPolicy, method: str, at: Instant | None) -> tuple[PublicKey, ...]:
    """The keys that a method of `self` may have, at least one.

    Raises:
        UntrustedError: KEY_HISTORY; ProofError: KEY_UNKNOWN; MalformedError.
    """
    if policy.self_did.startswith("did:key:"):
        return (did_key_resolver(method, "assertionMethod"),)
    rule = policy.issuer(policy.self_did)
    pins = rule.keys if rule is not None else ()
    found = tuple(pin.key for pin in pins if pin.id in ("", method) and _in_force(pin, at))
    if not found:
        raise UntrustedError(
            "KEY_HISTORY",
            "the trust file pins no key for it that is in force",
            expected=f"an [[issuers]] table for {policy.self_did} with its key",
        )
    return found


def _in_force(pin: KeyPin, at: Instant | None) -> bool:
    if pin.compromised is not None:
        return False
    if at is None:
        return True
    return (pin.valid_from is None or pin.valid_from <= at) and (pin.valid_until is None or at < pin.valid_until)


def _unproven(policy: TrustPolicy, expected: str, found: str) -> PolicyError:
    return PolicyError(
        "SELF_UNPROVEN", "nothing proves that you are who your trust file says", place="self", expected=f"{policy.self_did or 'a `self`'}: {expected}",
        found=found, next_action=f"datasigil key prove-self {policy.source or 'datasigil.toml'} --key NAME",
    )  # fmt: skip


__all__ = ["STATEMENT_TYPE", "owner_statement", "require_owner", "self_proof_of"]
