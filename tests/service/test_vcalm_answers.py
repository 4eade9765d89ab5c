"""What stands beside VCALM's `verified`: this registry's decision, checks with codes and next actions, times.

Here: the verify endpoints with registered credentials, challenges and status lists in VCALM's form. Not here: generic credentials and
development issuers (`test_vcalm.py`).
"""

import pytest

from service.credentials import answering
from service.credentials.schemas import CredentialResult
from service.replies import json_bytes

TEXTS = [
    "plain",
    'quote " back \\ slash /',
    "".join(map(chr, range(0x21))),
    "\x7f\x80\u2028\u2029",
    "é\ud7ff\ufeff\uffff",
    "\U0001f600",
]


@pytest.mark.parametrize("warnings", [None, [{"code": "X", "message": text} for text in TEXTS]])
def test_an_answer_is_written_as_its_model_writes_it(warnings):
    members = {
        "verified": True, "credential": None, "problemDetails": None, "results": None, "decision": "INVALID", "headline": TEXTS[2],
        "policyDigest": "0" * 64, "asOf": "2026-11-02T09:30:00Z",
        "checks": [{"step": 7, text: text, "byIssuer": False, "nextAction": {"retry": True, "found": text}} for text in TEXTS],
        "warnings": warnings,
    }  # fmt: skip
    assert answering._ORJSON.load()
    for asked in ({}, {"credential": {"x": 1e16}}):
        given = {**members, **asked}
        assert answering._written(given) == json_bytes(CredentialResult.model_construct(**given))


def test_members_of_an_answer_stand_in_the_order_of_its_model(registry, publisher):
    assert answering._ORJSON.load()
    for document in (publisher.publish(), publisher.issue()):
        answer = verify(registry, document)
        assert answer.content == json_bytes(CredentialResult.model_construct(**answer.json()))


def verify(registry, document, **options):
    return registry.http.post("/credentials/verify", json={"verifiableCredential": document, "options": options})


def test_a_registered_credential_is_verified_and_valid(registry, publisher):
    found = verify(registry, publisher.publish()).json()
    assert found["verified"] is True
    assert found["decision"] == "VALID"
    assert found["asOf"] == registry.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(found["policyDigest"]) == 64
    assert {"step", "name", "outcome"} <= found["checks"][-1].keys()
    assert not {"credential", "results", "problemDetails"} & found.keys()


def test_a_credential_that_nobody_registered_is_verified_and_not_valid(registry, publisher):
    found = verify(registry, publisher.issue()).json()
    assert found["verified"] is True
    assert found["decision"] == "INVALID"
    failed = [one for one in found["checks"] if one["outcome"] == "failed"]
    assert failed
    assert all(one["code"] for one in failed)
    assert any("nextAction" in one for one in failed)


@pytest.mark.parametrize(("purpose", "code"), [("revocation", "REVOKED"), ("suspension", "SUSPENDED")])
def test_a_revoked_credential_is_verified_with_a_warning_and_invalid(registry, publisher, purpose, code):
    document = publisher.publish()
    assert publisher.change(document, purpose).status_code == 200
    found = verify(registry, document, returnProblemDetails=True).json()
    assert found["verified"] is True
    assert found["decision"] == "INVALID"
    assert code in [one["code"] for one in found["warnings"]]
    assert code in [one["title"] for one in found["problemDetails"]]
    assert next(one for one in found["checks"] if one.get("code") == code)["nextAction"]


def test_results_and_the_credential_are_returned_when_asked_for(registry, publisher):
    document = publisher.publish()
    found = verify(registry, document, returnResults=True, returnCredential=True).json()
    assert found["credential"] == document
    assert found["results"]["proof"] == [{"verified": True, "input": document["proof"]}]
    assert found["results"]["validFrom"] == {"verified": True, "input": document["validFrom"]}


def test_a_failed_verification_says_the_same_in_its_problem(registry, publisher):
    document = publisher.publish()
    answer = verify(registry, {**document, "credentialSubject": {**document["credentialSubject"], "name": "Other"}})
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["verified"], problem["decision"]) == (False, "INVALID")
    assert problem["checks"][0]["code"] == problem["code"]
    assert problem["nextAction"]
    assert "Other" not in answer.text


def test_a_presentation_is_as_good_as_the_worst_credential_inside(registry, publisher):
    good, bad = publisher.publish(), publisher.publish()
    assert publisher.change(bad).status_code == 200
    issued = registry.challenge()
    options = {"challenge": issued["challenge"], "domain": issued["domain"], "returnResults": True}
    for inside, expected in (([good], "VALID"), ([good, bad], "INVALID")):
        unsigned = {
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiablePresentation"],
            "holder": publisher.did,
            "verifiableCredential": inside,
        }
        named = {"challenge": issued["challenge"], "domain": issued["domain"]}
        signed = publisher.sign(unsigned, purpose="authentication", cryptosuite="eddsa-jcs-2022", **named)
        body = {"verifiablePresentation": signed, "options": options}
        answer = registry.http.post("/presentations/verify", json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["decision"] == expected
        assert [one["verified"] for one in found["results"]["credentials"]] == [True] * len(inside)
        assert found["results"]["presentation"]["challenge"] == {"verified": True, "input": issued["challenge"]}
        assert found["results"]["presentation"]["holder"]["verified"] is True


@pytest.mark.parametrize("request_", [{}, {"json": {}}, {"content": b""}])
def test_a_challenge_needs_no_body(registry, request_):
    answer = registry.http.post("/challenges", **request_)
    assert answer.status_code == 200, answer.text
    assert answer.json()["challenge"]


def test_a_publisher_gets_more_status_lists_and_uses_them(registry, publisher):
    answer = registry.http.post("/status-lists", json={"statusPurpose": "revocation"}, headers=publisher.headers)
    assert answer.status_code == 201, answer.text
    url = answer.json()["id"]
    assert answer.headers["location"] == url
    assert url == publisher.reply["statusLists"]["revocation"].replace("/revocation", "-2/revocation")
    assert registry.http.get(url).json() == answer.json()["verifiableCredential"]
    document = publisher.unsigned()
    document["credentialStatus"][0]["statusListCredential"] = url
    document = publisher.publish(publisher.sign(document))
    assert publisher.change(document).status_code == 200
    assert verify(registry, document).json()["decision"] == "INVALID"


def test_another_publishers_list_and_one_that_does_not_exist_are_refused(registry, publisher):
    other = registry.login()
    for url in (
        other.reply["statusLists"]["revocation"],
        publisher.reply["statusLists"]["revocation"].replace("/revocation", "-2/revocation"),
        publisher.reply["statusLists"]["revocation"].replace("/revocation", "-0/revocation"),
        publisher.reply["statusLists"]["revocation"] + "/",
    ):
        document = publisher.unsigned()
        document["credentialStatus"][0]["statusListCredential"] = url
        answer = publisher.post(publisher.sign(document))
        assert answer.status_code == 422, url
        assert answer.json()["code"] == "OTHER_STATUS"


def test_lists_are_made_for_publishers_only_and_not_without_end(registry, publisher):
    assert registry.http.post("/status-lists", json={"statusPurpose": "revocation"}).status_code == 401
    for body in ({}, {"statusPurpose": "refresh"}, {"statusPurpose": "revocation", "id": "https://x.example/1"}):
        assert registry.http.post("/status-lists", json=body, headers=publisher.headers).status_code == 400
    codes = [
        registry.http.post("/status-lists", json={"statusPurpose": "suspension"}, headers=publisher.headers).status_code
        for _ in range(16)
    ]
    assert codes == [201] * 15 + [409]
