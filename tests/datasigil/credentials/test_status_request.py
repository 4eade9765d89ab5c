"""Status change requests: closed, signed, and never a way back from revocation."""

import copy

import pytest

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.status_request import new_status_change_request, parse_status_change_request
from datasigil.credentials.types import parse_credential
from datasigil.errors import MalformedError, ProofError
from datasigil.signing import add_proof


@pytest.fixture
def request_document(signer, now):
    return new_status_change_request(
        credential_id="urn:uuid:00000000-0000-4000-8000-000000000001", credential_digest="ab" * 32, purpose="suspension", value=True,
        reason="A rightsholder objected.\nWe are looking into it.", created=now, nonce="n" * 22, issuer=signer.controller,
    )  # fmt: skip


def test_a_signed_request_says_who_wants_what(request_document, signer, now):
    secured = add_proof(request_document, signer, created=now)
    parsed = parse_status_change_request(secured)
    assert (parsed.purpose, parsed.value, parsed.issuer, parsed.credential_digest) == (
        "suspension",
        True,
        signer.controller,
        "ab" * 32,
    )
    assert len(parsed.digest) == 64
    assert verify_proofs(secured, keys=did_key_resolver)[0].by_issuer


def test_a_request_by_anybody_else_is_refused(request_document, attacker, now):
    with pytest.raises(ProofError) as caught:
        verify_proofs(add_proof(request_document, attacker, created=now), keys=did_key_resolver)
    assert caught.value.code == "ISSUER_MISMATCH"


def test_a_suspension_can_be_taken_back_and_a_revocation_cannot(request_document):
    assert not parse_status_change_request(request_document | {"value": False}).value
    with pytest.raises(MalformedError) as caught:
        parse_status_change_request(request_document | {"statusPurpose": "revocation", "value": False})
    assert (caught.value.code, caught.value.place) == ("SCHEMA", "/value")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "Other"}, "TYPE"),
        ({"type": ["StatusChangeRequest"]}, "TYPE"),
        ({"formatVersion": 2}, "SCHEMA"),
        ({"formatVersion": "1"}, "SCHEMA"),
        ({"@context": ["https://www.w3.org/ns/credentials/v2"]}, "CONTEXT"),
        ({"credentialId": "x"}, "SCHEMA"),
        ({"credentialDigest": "AB" * 32}, "SCHEMA"),
        ({"statusPurpose": "message"}, "SCHEMA"),
        ({"value": 1}, "SCHEMA"),
        ({"value": "true"}, "SCHEMA"),
        ({"reason": ""}, "SCHEMA"),
        ({"reason": "\u001b[31m"}, "SCHEMA"),
        ({"created": "now"}, "SCHEMA"),
        ({"nonce": "short"}, "SCHEMA"),
        ({"issuer": {"id": "did:web:a.example"}}, "SCHEMA"),
        ({"extra": 1}, "UNKNOWN_PROPERTY"),
        ({"@id": "urn:a:b"}, "KEYWORD"),
        ({"value": None}, "NULL"),
    ],
)
def test_each_changed_member_is_refused(request_document, change, code):
    with pytest.raises(MalformedError) as caught:
        parse_status_change_request(request_document | change)
    assert caught.value.code == code


def test_every_member_is_needed(request_document):
    for name in request_document:
        changed = copy.deepcopy(request_document)
        del changed[name]
        with pytest.raises(MalformedError):
            parse_status_change_request(changed)


def test_a_request_is_no_credential(request_document):
    with pytest.raises(MalformedError) as caught:
        parse_credential(request_document)
    assert caught.value.code == "TYPE"
