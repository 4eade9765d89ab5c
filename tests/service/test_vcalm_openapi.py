"""Every answer of the VCALM paths against W3C's own OpenAPI document of VCALM.

Here: real answers, validated by jsonschema as an independent reader, against the document in a checkout of w3c/vcalm, which
DATASIGIL_VCALM names; it is not ours to pass on, so these tests are `long`. Not here: what the answers mean (`test_vcalm.py`, `test_vcalm_answers.py`).

W3C's document closes the results of verification (`additionalProperties: false`), and this registry's decision stands beside them, as its own
contract promises. So the members that are ours are named here, taken away, and what is left must be VCALM's to the letter.
"""

import json
import os
from pathlib import Path

import pytest
from conftest import absent
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from vcalm_document import vcalm_document

pytestmark = pytest.mark.long

OURS = {"decision", "headline", "checks", "warnings", "asOf", "policyDigest"}
OURS_IN_PRESENTATIONS = OURS | {"credentialResults"}  # the decision about each credential inside
OURS_IN_CHALLENGES = {"domain", "expires"}


@pytest.fixture(scope="module")
def problems_of():
    """What W3C's document has against an answer."""
    named = os.environ.get("DATASIGIL_VCALM")
    if not named:
        absent("DATASIGIL_VCALM, a checkout of w3c/vcalm,")
    document = vcalm_document(Path(named))
    return lambda path, method, answer, ours=frozenset(): _problems_of(document, path, method, answer, ours)


def _problems_of(document, path, method, answer, ours):
    """A status that the document does not name is one thing that it has against an answer."""
    answers = document["paths"][path][method]
    if str(answer.status_code) not in answers:
        return [f"{method} {path} answers {answer.status_code}, which VCALM does not know"]
    schema = answers[str(answer.status_code)].get("schema")
    if schema is None:
        return []
    whole = Registry().with_resource("urn:vcalm", Resource.from_contents(document, default_specification=DRAFT202012))
    reference = json.loads(json.dumps(schema).replace('"#/', '"urn:vcalm#/'))
    body = answer.json()
    kept = {name: value for name, value in body.items() if name not in ours}
    return [error.message for error in Draft202012Validator(reference, registry=whole).iter_errors(kept)]


@pytest.fixture
def operator(registry):
    publisher = registry.login()
    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE publisher SET role = 'operator'")
        connection.exec_driver_sql("UPDATE token SET scopes = 'issue publish status'")
    return publisher


@pytest.fixture(params=[None], ids=["sqlite"])
def database_url(request):
    """The form of an answer does not depend on the database."""
    return request.param


def unsigned(publisher):
    """What an operator asks for; the registry decides the rest itself."""
    document = publisher.unsigned()
    return {name: document[name] for name in ("type", "credentialSubject")}


@pytest.mark.parametrize(
    "options", [{}, {"returnResults": True, "returnCredential": True, "returnProblemDetails": True}]
)
@pytest.mark.parametrize("state", ["active", "revoked", "unregistered"])
def test_a_verified_credential_is_answered_in_vcalm_s_form(problems_of, registry, publisher, options, state):
    document = publisher.issue() if state == "unregistered" else publisher.publish()
    if state == "revoked":
        publisher.change(document)
    answer = registry.http.post("/credentials/verify", json={"verifiableCredential": document, "options": options})
    assert answer.status_code == 200, answer.text
    assert problems_of("/credentials/verify", "post", answer, OURS) == []
    assert set(answer.json()) - OURS <= {"verified", "credential", "problemDetails", "results"}


@pytest.mark.parametrize(
    "options", [{}, {"returnResults": True, "returnProblemDetails": True, "returnPresentation": True}]
)
def test_a_verified_presentation_is_answered_in_vcalm_s_form(problems_of, registry, publisher, options):
    issued = registry.challenge()
    named = {"challenge": issued["challenge"], "domain": issued["domain"]}
    presentation = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": publisher.did,
        "verifiableCredential": [publisher.publish()],
    }
    signed = publisher.sign(presentation, purpose="authentication", **named)
    body = {"verifiablePresentation": signed, "options": {**named, **options}}
    answer = registry.http.post("/presentations/verify", json=body)
    assert answer.status_code == 200, answer.text
    assert problems_of("/presentations/verify", "post", answer, OURS_IN_PRESENTATIONS) == []


def test_an_issued_credential_a_list_a_challenge_and_a_status_are_answered_in_vcalm_s_form(
    problems_of, registry, operator
):
    body = {"credential": unsigned(operator)}
    issued = registry.http.post("/credentials/issue", json=body, headers=operator.headers)
    assert issued.status_code == 201, issued.text
    assert problems_of("/credentials/issue", "post", issued) == []
    document = issued.json()["verifiableCredential"]
    read = registry.http.get(f"/credentials/{document['id']}")
    assert problems_of("/credentials/{id}", "get", read) == []
    listed = registry.http.get(document["credentialStatus"][0]["statusListCredential"])
    assert problems_of("/status-lists/{id}", "get", listed) == []
    made = registry.http.post("/status-lists", json={"statusPurpose": "revocation"}, headers=operator.headers)
    assert problems_of("/status-lists", "post", made) == []
    assert made.headers["location"] == made.json()["id"]
    challenge = registry.http.post("/challenges")
    assert problems_of("/challenges", "post", challenge, OURS_IN_CHALLENGES) == []
    status = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    wanted = {"credentialId": document["id"], "credentialStatus": status, "status": True}
    changed = registry.http.post("/credentials/status", json=wanted, headers=operator.headers)
    assert changed.status_code == 200, changed.text
    assert problems_of("/credentials/status", "post", changed) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/credentials/verify", {}),
        ("/credentials/verify", {"verifiableCredential": "text"}),
        ("/credentials/verify", {"verifiableCredential": {"@context": []}}),
        ("/presentations/verify", {}),
        ("/credentials/issue", {}),
        ("/status-lists", {}),
    ],
)
def test_a_refusal_is_a_400_as_vcalm_documents_it(problems_of, registry, operator, path, body):
    answer = registry.http.post(path, json=body, headers=operator.headers)
    assert answer.status_code == 400
    assert problems_of(path, "post", answer) == []


@pytest.mark.parametrize(
    "body",
    [
        {"verified": "yes"},
        {"verified": True, "errors": []},
        {"verified": True, "results": {"proof": {}}},
        {"verified": True, "results": {"other": []}},
        {"verified": True, "problemDetails": [{"title": 1}]},
    ],
)
def test_the_document_refuses_another_form(problems_of, body):
    class Answer:
        status_code = 200

        @staticmethod
        def json():
            return body

    assert problems_of("/credentials/verify", "post", Answer(), OURS)
