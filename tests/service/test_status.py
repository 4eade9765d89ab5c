"""Status changes on signed requests, and the lists that show them."""

from datetime import timedelta

import pytest
from simulator import mutate, signer_of

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.status_list import parse_status_list
from datasigil.signing import add_proof


def bit(registry, publisher, document, purpose):
    url = publisher.reply["statusLists"][purpose]
    parsed = parse_status_list(registry.http.get(url).json())
    index = next(int(one["statusListIndex"]) for one in document["credentialStatus"] if one["statusPurpose"] == purpose)
    return parsed.bit(index)


def test_a_revocation_is_logged_and_shown_in_the_signed_list(registry, publisher):
    document = publisher.publish()
    other = publisher.publish()
    assert not bit(registry, publisher, document, "revocation")
    answer = publisher.change(document)
    assert answer.json() == {"status": "revoked", "changed": True, "logIndex": 2}
    assert bit(registry, publisher, document, "revocation")
    assert not bit(registry, publisher, other, "revocation")
    assert not bit(registry, publisher, document, "suspension")
    signed = registry.http.get(publisher.reply["statusLists"]["revocation"]).json()
    proofs = verify_proofs(signed, keys=did_key_resolver)
    assert proofs[0].controller == publisher.reply["statusIssuer"]
    assert parse_status_list(signed).replay == ("localhost:8800/log", 3)


def test_revoking_twice_is_one_transition(registry, publisher):
    document = publisher.publish()
    first, second = publisher.change(document), publisher.change(document)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == {"status": "revoked", "changed": False}
    assert registry.state.released.size == 2


def test_a_revocation_is_final(registry, publisher):
    document = publisher.publish()
    publisher.change(document)
    request = {key: value for key, value in publisher.status_request(document).items() if key != "proof"}
    answer = registry.http.post("/credentials/status", json=publisher.sign({**request, "value": False}))
    assert (answer.status_code, answer.json()["code"]) == (409, "ALREADY_REVOKED")
    assert bit(registry, publisher, document, "revocation")


def test_a_suspension_can_be_lifted(registry, publisher):
    document = publisher.publish()
    assert publisher.change(document, "suspension").json()["status"] == "suspended"
    assert bit(registry, publisher, document, "suspension")
    assert publisher.change(document, "suspension", value=False).json()["status"] == "active"
    assert not bit(registry, publisher, document, "suspension")
    assert registry.state.released.size == 3


def test_an_old_suspension_cannot_be_replayed_after_the_resumption(registry, publisher):
    document = publisher.publish()
    request = publisher.status_request(document, "suspension")
    assert registry.http.post("/credentials/status", json=request).json()["status"] == "suspended"
    publisher.change(document, "suspension", value=False)
    again = registry.http.post("/credentials/status", json=request)
    assert again.json() == {"status": "active", "changed": False, "logIndex": 1}
    assert not bit(registry, publisher, document, "suspension")


def test_an_unknown_credential_cannot_be_revoked(registry, publisher):
    answer = publisher.change(publisher.issue())
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_only_the_issuer_can_revoke(registry, publisher):
    document = publisher.publish()
    other = registry.login()
    answer = other.change(document)
    assert (answer.status_code, answer.json()["code"]) == (403, "NOT_YOURS")
    assert not bit(registry, publisher, document, "revocation")


def test_a_request_signed_by_another_key_than_its_issuers_is_refused(registry, publisher):
    document = publisher.publish()
    request = {key: value for key, value in publisher.status_request(document).items() if key != "proof"}
    forged = add_proof(request, signer_of("mallory"), created=registry.clock())
    answer = registry.http.post("/credentials/status", json=forged)
    assert answer.status_code == 422
    assert not bit(registry, publisher, document, "revocation")


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("/statusPurpose", "suspension"), ("/reason", "other"), ("/credentialId", "urn:uuid:1"), ("/nonce", "0" * 32)],
)
def test_a_request_changed_after_signing_is_refused(registry, publisher, pointer, value):
    document = publisher.publish()
    answer = registry.http.post("/credentials/status", json=mutate(publisher.status_request(document), pointer, value))
    assert answer.status_code == 422
    assert registry.state.released.size == 1


@pytest.mark.parametrize(
    "body",
    [{}, [], "x", {"type": "StatusChangeRequest"}, {"credentialId": "x", "status": True}],
    ids=["empty", "list", "text", "bare", "half"],
)
def test_a_request_of_another_shape_is_refused(registry, body):
    assert registry.http.post("/credentials/status", json=body).status_code == 422


def test_a_request_with_another_members_is_refused(registry, publisher):
    request = publisher.status_request(publisher.publish())
    answer = registry.http.post("/credentials/status", json={**request, "is_admin": True})
    assert answer.status_code == 422


def test_a_request_for_another_version_of_the_credential_is_refused(registry, publisher):
    document = publisher.publish()
    request = publisher.status_request(document, credential_digest="0" * 64)
    answer = registry.http.post("/credentials/status", json=request)
    assert (answer.status_code, answer.json()["code"]) == (422, "OTHER_CREDENTIAL")


@pytest.mark.parametrize("age", [timedelta(days=8), timedelta(minutes=-10)], ids=["old", "future"])
def test_a_request_that_was_not_made_recently_is_refused(registry, publisher, age):
    document = publisher.publish()
    request = publisher.status_request(document, created=registry.clock.now - age)
    answer = registry.http.post("/credentials/status", json=request)
    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST_TIME")


def test_a_credential_with_lists_elsewhere_is_revoked_in_the_log(registry, publisher):
    entries = [
        {
            **entry,
            "statusListCredential": f"https://lists.example/{entry['statusPurpose']}",
            "statusIssuer": publisher.did,
        }
        for entry in publisher.unsigned()["credentialStatus"]
    ]
    document = publisher.publish(publisher.issue(credentialStatus=entries))
    assert publisher.change(document).json()["status"] == "revoked"
    assert registry.state.released.size == 2


def test_a_list_is_signed_again_after_an_hour_without_change(registry, publisher):
    url = publisher.reply["statusLists"]["revocation"]
    before = parse_status_list(registry.http.get(url).json())
    registry.clock.turn(minutes=61)
    registry.settle()
    after = parse_status_list(registry.http.get(url).json())
    assert after.valid_from > before.valid_from
    assert after.bits == before.bits


def test_an_unknown_list_is_not_found(registry, publisher):
    url = publisher.reply["statusLists"]["revocation"]
    assert registry.http.get(url.replace("revocation", "message")).status_code == 404
    assert registry.http.get("/status-lists/nobody/revocation").status_code == 404


def test_the_issuer_needs_no_token_to_revoke(registry, publisher):
    document = publisher.publish()
    registry.http.delete(f"/tokens/{publisher.reply['id']}", headers=publisher.headers)
    assert publisher.change(document).status_code == 200
