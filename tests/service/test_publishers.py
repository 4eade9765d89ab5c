"""Login by proof of DID control, tokens, scopes."""

import pytest
from simulator import signer_of

from datasigil.signing import LocalSigner
from service.access import secret_hash


def test_the_registry_describes_itself_and_its_log(registry):
    found = registry.http.get("/.well-known/datasigil-registry.json").json()
    assert found["did"].startswith("did:key:z6Mk")
    assert found["log"]["origin"] == "localhost:8800/log"
    assert found["log"]["key"].startswith("localhost:8800/log+")
    assert found["log"]["timeKey"].startswith("localhost:8800/log/time+")
    assert found["registration"] == "open"


def test_login_gives_a_token_and_signed_empty_lists(registry):
    publisher = registry.login(name="laptop")
    assert publisher.reply["did"] == publisher.did
    assert publisher.reply["scopes"] == ["publish", "status"]
    for purpose in ("revocation", "suspension"):
        answer = registry.http.get(publisher.reply["statusLists"][purpose])
        assert answer.status_code == 200
        assert answer.json()["issuer"] == publisher.reply["statusIssuer"]
        assert answer.json()["credentialSubject"]["statusPurpose"] == purpose


def test_logging_in_again_keeps_the_lists_and_gives_another_token(registry):
    first = registry.login()
    second = registry.login(first.signer)
    assert first.reply["statusLists"] == second.reply["statusLists"]
    assert first.reply["token"] != second.reply["token"]


def test_the_token_is_stored_as_a_hash_only(registry):
    publisher = registry.login()
    token = publisher.reply["token"]
    with registry.state.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM token").all()
    assert token not in repr(rows)
    assert secret_hash(token) in repr(rows)


def test_a_challenge_works_once(registry):
    signer = LocalSigner.generate("ed25519")
    presentation = registry.presentation(signer, registry.challenge())
    assert registry.http.post("/tokens", json={"verifiablePresentation": presentation}).status_code == 201
    again = registry.http.post("/tokens", json={"verifiablePresentation": presentation})
    assert again.status_code == 401
    assert again.json()["code"] == "PRESENTATION_REFUSED"


def test_a_challenge_expires(registry):
    signer = LocalSigner.generate("ed25519")
    challenge = registry.challenge()
    registry.clock.turn(seconds=301)
    answer = registry.http.post("/tokens", json={"verifiablePresentation": registry.presentation(signer, challenge)})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "change",
    [{"purpose": "assertionMethod"}, {"domain": "https://elsewhere.example"}, {"challenge": "made-up"}],
    ids=["purpose", "domain", "challenge"],
)
def test_a_presentation_for_another_purpose_domain_or_challenge_is_refused(registry, change):
    signer = LocalSigner.generate("ed25519")
    presentation = registry.presentation(signer, registry.challenge(), **change)
    answer = registry.http.post("/tokens", json={"verifiablePresentation": presentation})
    assert answer.status_code == 401
    assert answer.json()["code"] == "PRESENTATION_REFUSED"


def test_a_presentation_by_another_key_than_the_holders_is_refused(registry):
    signer = LocalSigner.generate("ed25519")
    presentation = registry.presentation(signer, registry.challenge())
    presentation["holder"] = signer_of("victim").controller
    answer = registry.http.post("/tokens", json={"verifiablePresentation": presentation})
    assert answer.status_code == 401


def test_the_holder_cannot_be_changed_after_signing(registry):
    mallory = LocalSigner.generate("ed25519")
    presentation = registry.presentation(mallory, registry.challenge())
    presentation["proof"]["proofValue"] = presentation["proof"]["proofValue"][:-4] + "1111"
    assert registry.http.post("/tokens", json={"verifiablePresentation": presentation}).status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/verifiablePresentation"),
        ({"verifiablePresentation": "x"}, "/verifiablePresentation"),
        ({"verifiablePresentation": {}}, "/verifiablePresentation/@context"),
        ({"verifiablePresentation": {}, "is_admin": True}, "/is_admin"),
        ({"verifiablePresentation": {}, "scopes": ["everything"]}, "/scopes/0"),
        ({"verifiablePresentation": {}, "scopes": []}, "/scopes"),
        ({"verifiablePresentation": {}, "days": True}, "/days"),
        ({"verifiablePresentation": {}, "days": 100000}, "/days"),
    ],
)
def test_a_bad_token_request_is_refused_with_its_pointer(registry, body, pointer):
    answer = registry.http.post("/tokens", json=body)
    assert answer.status_code == 422
    assert answer.json()["pointer"] == pointer


def test_tokens_are_listed_without_secrets_and_only_to_their_owner(registry):
    mine, other = registry.login(name="mine"), registry.login(name="other")
    answer = registry.http.get("/tokens", headers=mine.headers)
    assert [item["name"] for item in answer.json()["items"]] == ["mine"]
    assert mine.reply["token"] not in answer.text
    assert other.reply["id"] not in answer.text


def test_a_revoked_token_stops_working_at_once(registry):
    publisher = registry.login()
    assert registry.http.get("/tokens", headers=publisher.headers).status_code == 200
    assert registry.http.delete(f"/tokens/{publisher.reply['id']}", headers=publisher.headers).status_code == 204
    assert registry.http.get("/tokens", headers=publisher.headers).status_code == 401


def test_a_token_revoked_behind_this_process_stops_working_within_five_seconds(registry, monkeypatch):
    publisher = registry.login()
    assert registry.http.get("/tokens", headers=publisher.headers).status_code == 200
    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE token SET revoked_at = 1")
    import time

    later = time.monotonic() + 4.9
    monkeypatch.setattr("service.access.time.monotonic", lambda: later)
    assert registry.http.get("/tokens", headers=publisher.headers).status_code == 401


def test_revoking_somebody_elses_token_is_not_found(registry):
    mine, other = registry.login(), registry.login()
    answer = registry.http.delete(f"/tokens/{other.reply['id']}", headers=mine.headers)
    assert answer.status_code == 404
    assert registry.http.get("/tokens", headers=other.headers).status_code == 200


def test_a_token_expires(registry):
    publisher = registry.login(days=1)
    registry.clock.turn(days=1, seconds=1)
    assert registry.http.get("/tokens", headers=publisher.headers).status_code == 401


def test_every_kind_of_bad_token_gets_one_and_the_same_answer(registry):
    expired = registry.login(days=1)
    revoked = registry.login()
    registry.http.delete(f"/tokens/{revoked.reply['id']}", headers=revoked.headers)
    registry.clock.turn(days=2)
    bad = [
        {},
        {"Authorization": "Bearer dsr_" + "A" * 43},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic eDp5"},
        expired.headers,
        revoked.headers,
    ]
    answers = [registry.http.get("/tokens", headers=headers) for headers in bad]
    bodies = [{key: value for key, value in answer.json().items() if key != "requestId"} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all(body == bodies[0] for body in bodies)
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)


def test_closed_registration_takes_no_newcomers_but_keeps_its_publishers(open_registry):
    registry = open_registry()
    known = registry.login().signer
    registry.http.__exit__(None, None, None)
    closed = open_registry(registration="closed")
    closed.clock.turn(seconds=11)
    assert closed.login(known).did == known.controller
    stranger = LocalSigner.generate("ed25519")
    presentation = closed.presentation(stranger, closed.challenge())
    answer = closed.http.post("/tokens", json={"verifiablePresentation": presentation})
    assert (answer.status_code, answer.json()["code"]) == (403, "REGISTRATION_CLOSED")


def test_only_operators_get_the_scope_to_issue(registry):
    signer = LocalSigner.generate("ed25519")
    presentation = registry.presentation(signer, registry.challenge())
    answer = registry.http.post("/tokens", json={"verifiablePresentation": presentation, "scopes": ["issue"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE_MISSING")


def test_a_token_without_the_scope_to_publish_cannot_publish(registry):
    publisher = registry.login(scopes=["status"])
    answer = publisher.post(publisher.issue())
    assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE_MISSING")
