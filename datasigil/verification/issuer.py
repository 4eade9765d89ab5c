"""Steps 4, 5 and 6: the issuer is trusted for this type and role, every proof verifies, the period includes the time asked for.

Lives here: these steps, and the keys by which an issuer can be recognised. Not here: whether a key was in its window when the credential
was logged (`logged`, step 7), and the mathematics of proofs (`credentials.proof`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from datasigil.credentials.did import DidDocument, parse_did_document, parse_did_web, resolve_did_key
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.proof import VerifiedProof, verify_proofs
from datasigil.credentials.types import Credential
from datasigil.encoding import Instant, JsonObject, JsonValue
from datasigil.errors import DatasigilError, MalformedError, ProofError, UntrustedError
from datasigil.limits import CLOCK_SKEW_SECONDS
from datasigil.record import dataclass
from datasigil.trust.rules import IssuerRule, KeyPin
from datasigil.verification.findings import Findings, Situation


def check_issuer(credential: Credential, situation: Situation, findings: Findings) -> IssuerRule | None:
    """Step 4: return the trust file's rule for the issuer if its word counts for this type and role."""
    try:
        rule = require_trusted(credential, situation.policy.issuer(credential.issuer))
    except DatasigilError as error:
        findings.failed(4, error)
        return None
    role = f" as {credential.subject['role']}" if credential.type == "DatasetCredential" else ""
    findings.passed(4, f"your trust file counts {rule.name} for {credential.type}{role}", found=credential.issuer)
    return rule


def require_trusted(credential: Credential, rule: IssuerRule | None) -> IssuerRule:
    """Return the rule if it covers the credential's type and role.

    Raises:
        UntrustedError: UNTRUSTED_ISSUER, ISSUER_TYPE or ISSUER_ROLE.
        MalformedError: DID, for a did:web that cannot be resolved safely.
    """
    if credential.issuer.startswith("did:web:"):
        parse_did_web(
            credential.issuer, allow_loopback=True
        )  # nothing is fetched here; `fetch` refuses loopback on its own
    if rule is None:
        raise UntrustedError(
            "UNTRUSTED_ISSUER",
            "your trust file does not name this signer",
            place="/issuer",
            expected="an issuer that you trust",
            found=credential.issuer,
        )
    if credential.type not in rule.types:
        raise UntrustedError(
            "ISSUER_TYPE", f"your trust file does not count {rule.name} for this type", place="/type", expected=", ".join(rule.types) or "no type",
            found=credential.type,
        )  # fmt: skip
    role = credential.subject.get("role") if credential.type == "DatasetCredential" else None
    if role is not None and role not in rule.roles:
        raise UntrustedError(
            "ISSUER_ROLE", f"your trust file does not count {rule.name} in this role", place="/credentialSubject/role",
            expected=", ".join(rule.roles) or "no role", found=str(role),
        )  # fmt: skip
    return rule


class IssuerKeys:
    """The keys of one DID: what the DID itself says (did:key), what is pinned, what the bundle presents; a `KeyResolver`.

    Presented keys make it possible to say that a document is intact; they are accepted only if they are pinned too.
    """

    def __init__(self, did: str, rule: IssuerRule | None, presented: Sequence[JsonObject]) -> None:
        self.did = did
        self.pins = rule.keys if rule is not None else ()
        self.document = resolve_did_key(did) if did.startswith("did:key:") else _presented(did, presented)

    def __call__(self, method: str, purpose: str) -> PublicKey:
        """Return the key of a verification method.

        Raises:
            UntrustedError: KEY_HISTORY, when neither pin nor bundle has it.
            ProofError: KEY_UNKNOWN (did:key), RELATIONSHIP, CONTROLLER.
        """
        pinned = next((pin.key for pin in self.pins if pin.id == method), None)
        if self.document is not None and (method in self.document.methods or self.did.startswith("did:key:")):
            found = self.document.method_for(method, purpose).key
            return pinned or found
        nameless = [pin.key for pin in self.pins if not pin.id]
        if pinned is None and len(nameless) == 1:
            pinned = nameless[
                0
            ]  # such a pin is for any method of the issuer; the signature says whether it is this one
        if pinned is None:
            raise UntrustedError(
                "KEY_HISTORY", "nobody has shown a key under this name that you pinned, or one that leads there from a pin", expected=f"a pinned key of {self.did}",
                found=method,
            )  # fmt: skip
        return pinned

    def pin_of(self, proof: VerifiedProof) -> KeyPin | None:
        """Return the pin that accepts a proof; an unpinned did:key is a pin of its own, without a window."""
        for pin in self.pins:
            if pin.key == proof.key and pin.id in ("", proof.verification_method):
                return pin
        return KeyPin(proof.key) if not self.pins and self.did.startswith("did:key:") else None

    def revocation_of(self, proof: VerifiedProof, logged: Instant) -> None:
        """Return when the presented document does not say that the key had ended by `logged`.

        Raises:
            ProofError: KEY_REVOKED or KEY_EXPIRED: a document may only speak against a key, never for it.
        """
        method = self.document.methods.get(proof.verification_method) if self.document is not None else None
        for code, word, end in (
            ()
            if method is None
            else (("KEY_REVOKED", "revoked", method.revoked), ("KEY_EXPIRED", "expired", method.expires))
        ):
            if end is not None and end <= logged:
                raise ProofError(
                    code,
                    f"the key had been {word} when the credential was logged",
                    expected=f"a key in force at {logged}",
                    found=f"{word} {end}",
                )


def _presented(did: str, entries: Sequence[JsonObject]) -> DidDocument | None:
    """Read the bundle's keys of one DID: a whole DID document, or single Multikey methods."""
    for entry in entries:
        if entry.get("id") == did and "verificationMethod" in entry:
            return parse_did_document(entry, expect_id=did)
    methods: list[JsonValue] = [entry for entry in entries if entry.get("controller") == did]
    if not methods:
        return None
    ids = [method.get("id") for method in methods]
    return parse_did_document({"id": did, "verificationMethod": methods, "assertionMethod": ids})


@dataclass(frozen=True)
class SignedBy:
    """The proofs that verified, with the pins that accept them; at least one does if the step passed."""

    keys: IssuerKeys
    proofs: tuple[tuple[VerifiedProof, KeyPin | None], ...]

    @cached_property
    def accepted(self) -> tuple[tuple[VerifiedProof, KeyPin], ...]:
        """The proofs whose key is pinned, or is the DID itself."""
        return tuple((proof, pin) for proof, pin in self.proofs if pin is not None)


def check_proofs(
    credential: Credential,
    presented: Sequence[JsonObject],
    rule: IssuerRule | None,
    situation: Situation,
    findings: Findings,
) -> SignedBy | None:
    """Step 5: every proof present verifies, and one of them is by a key that counts for the issuer."""
    known, refused = rule_of(credential.issuer, presented, situation)
    try:
        remembers = situation.memory is not None and situation.memory.credentials
        require = situation.memory.signed if situation.memory is not None and remembers else require_signed
        signed = require(credential, credential.issuer, known, presented, situation.at)
    except DatasigilError as error:
        (findings.undetermined if error.code == "KEY_HISTORY" else findings.failed)(5, _beside(error, refused))
        return None
    suites = ", ".join(sorted({proof.cryptosuite for proof, _ in signed.proofs}))
    if signed.accepted:
        findings.passed(5, f"unchanged since {credential.issuer} signed it", found=suites)
    elif rule is None:
        findings.passed(5, "unchanged since it was signed with the key that the bundle presents", found=suites)
    else:
        findings.undetermined(5, _beside(unpinned(credential.issuer, signed), refused))
    return signed


def rule_of(did: str, presented: Sequence[JsonObject], situation: Situation) -> tuple[IssuerRule | None, str]:
    """Return the trust file's rule for a DID, with the keys that presented rotations lead to, and why others do not count."""
    rule = situation.policy.issuer(did)
    if rule is None or not any(entry.get("type") == "LoggedKeyRotation" for entry in presented):
        return rule, ""
    # Loaded when there is one: rotations are rare, and this module builds on the log's step, which builds on this one.
    from datasigil.verification.key_history import with_rotations

    known = (did, id(presented))  # the bundle that holds them outlives the check
    if known not in situation.histories:
        history = with_rotations(rule, presented, situation)
        situation.histories[known] = (history.rule, "; ".join(history.refused))
    found: tuple[IssuerRule, str] = situation.histories[known]
    return found


def _beside(error: DatasigilError, refused: str) -> DatasigilError:
    """Let an error about an unknown key say why a presented rotation does not lead to it."""
    if refused and error.code == "KEY_HISTORY":
        error.found = f"{error.found}; a rotation that does not count: {refused}"[:1000]
    return error


def require_signed(
    document: JsonValue | Credential, issuer: str, rule: IssuerRule | None, presented: Sequence[JsonObject], at: Instant
) -> SignedBy:
    """Return the proofs of a document that must be by `issuer`.

    Raises:
        ProofError, MalformedError: as `verify_proofs`.
        UntrustedError: KEY_HISTORY.
    """
    keys = IssuerKeys(issuer, rule, presented)
    proofs = verify_proofs(document, keys=keys, at=at)
    return SignedBy(keys, tuple((proof, keys.pin_of(proof)) for proof in proofs))


def unpinned(issuer: str, signed: SignedBy) -> UntrustedError:
    """Return the error for a signature by a key that nothing connects with a pin."""
    return UntrustedError(
        "KEY_HISTORY", "it is signed, but nothing shows that the key is this issuer's", place="/proof", expected=f"a pinned key of {issuer}",
        found=", ".join(proof.verification_method for proof, _ in signed.proofs),
    )  # fmt: skip


def check_period(credential: Credential, situation: Situation, findings: Findings) -> None:
    """Step 6: the validity period includes the time asked for (VC Data Model 2.0 section 4.9), give or take 60 seconds."""
    when = situation.period_at
    if credential.valid_from > when.plus(CLOCK_SKEW_SECONDS):
        findings.failed(
            6,
            MalformedError(
                "NOT_YET",
                "its period has not begun",
                place="/validFrom",
                expected=f"at most {when}",
                found=str(credential.valid_from),
            ),
        )
        return
    end = credential.valid_until
    if end is not None and end.plus(CLOCK_SKEW_SECONDS) < when:
        findings.failed(
            6,
            MalformedError(
                "EXPIRED", "its period has ended", place="/validUntil", expected=f"at least {when}", found=str(end)
            ),
        )
        return
    findings.passed(
        6, f"in force at {when}: from {credential.valid_from} {f'to {end}' if end is not None else 'on, with no end'}"
    )
