"""Presentations: control of a DID, proved to one verifier on one occasion."""

import copy
from datetime import timedelta

import pytest

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.presentation import new_presentation, verify_presentation
from datasigil.encoding import Instant
from datasigil.errors import MalformedError, ProofError
from datasigil.signing import LocalSigner, add_proof

OCCASION = {"challenge": "c-123", "domain": "registry.example"}


@pytest.fixture
def at(now):
    return Instant.from_datetime(now)


@pytest.fixture
def presented(signer, secured, now):
    return add_proof(
        new_presentation(signer.controller, [secured]), signer, created=now, purpose="authentication", **OCCASION
    )


def check(document, at, **changes):
    return verify_presentation(document, keys=did_key_resolver, at=at, **(OCCASION | changes))


def refusal(document, at, **changes) -> str:
    with pytest.raises((ProofError, MalformedError)) as caught:
        check(document, at, **changes)
    return caught.value.code


def test_a_holder_proves_control_of_its_did(presented, signer, secured, at):
    presentation = check(presented, at)
    assert presentation.holder == signer.controller
    assert presentation.credentials == (secured,)


@pytest.mark.parametrize(
    ("kind", "suite"), [("ed25519", "eddsa-rdfc-2022"), ("p256", "ecdsa-jcs-2019"), ("p384", "ecdsa-rdfc-2019")]
)
def test_every_suite_can_present(now, at, kind, suite):
    signer = LocalSigner.generate(kind)
    document = add_proof(
        new_presentation(signer.controller),
        signer,
        created=now,
        purpose="authentication",
        cryptosuite=suite,
        **OCCASION,
    )
    assert check(document, at).credentials == ()


def test_it_holds_for_this_challenge_and_domain_only(presented, at):
    assert refusal(presented, at, challenge="other") == "CHALLENGE"
    assert refusal(presented, at, domain="evil.example") == "DOMAIN"


def test_a_proof_without_challenge_logs_nobody_in(signer, now, at):
    document = add_proof(new_presentation(signer.controller), signer, created=now, purpose="authentication")
    assert refusal(document, at) == "DOMAIN"


def test_an_assertion_is_no_authentication(signer, now, at):
    assert refusal(add_proof(new_presentation(signer.controller), signer, created=now, **OCCASION), at) == "PURPOSE"


def test_somebody_elses_key_does_not_speak_for_the_holder(signer, attacker, now, at):
    document = add_proof(
        new_presentation(signer.controller), attacker, created=now, purpose="authentication", **OCCASION
    )
    assert refusal(document, at) == "ISSUER_MISMATCH"


def test_an_issuer_member_cannot_redirect_the_binding(signer, attacker, now, at):
    document = new_presentation(signer.controller) | {"issuer": attacker.controller}
    document = add_proof(document, attacker, created=now, purpose="authentication", **OCCASION)
    assert refusal(document, at) == "UNKNOWN_PROPERTY"


def test_the_credentials_are_covered_by_the_proof(presented, at):
    changed = copy.deepcopy(presented)
    changed["verifiableCredential"][0]["credentialSubject"]["name"] = "Other"
    assert refusal(changed, at) == "SIGNATURE"


def test_an_expired_presentation_is_refused(signer, now, at):
    document = add_proof(
        new_presentation(signer.controller),
        signer,
        created=now,
        purpose="authentication",
        expires=now + timedelta(minutes=5),
        **OCCASION,
    )
    assert check(document, at)
    assert refusal(document, at.plus(300)) == "PROOF_EXPIRED"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": ["VerifiableCredential"]}, "TYPE"),
        ({"type": "VerifiablePresentation"}, "TYPE"),
        ({"@context": []}, "CONTEXT"),
        ({"@context": ["https://www.w3.org/ns/credentials/v2", {"@vocab": "https://evil/"}]}, "CONTEXT"),
        ({"holder": None}, "NULL"),
        ({"holder": "https://example.org"}, "SCHEMA"),
        ({"verifiableCredential": {}}, "SCHEMA"),
        ({"verifiableCredential": ["text"]}, "SCHEMA"),
        ({"extra": 1}, "UNKNOWN_PROPERTY"),
        ({"proof": []}, "PROOF_MISSING"),
        ({"proof": None}, "NULL"),
    ],
)
def test_each_changed_member_is_refused(presented, at, change, code):
    assert refusal(presented | change, at) == code


def test_a_presentation_needs_a_holder(presented, at):
    del presented["holder"]
    assert refusal(presented, at) == "SCHEMA"


def test_a_credential_is_no_presentation(secured, at):
    assert refusal(secured, at) in ("UNKNOWN_PROPERTY", "TYPE", "CONTEXT")
