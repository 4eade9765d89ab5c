"""The VCALM contract that the public suites of W3C and W3C CCG check, without their runner.

Here: the statuses and shapes they expect of development issuers and verifiers. Not here: the suites themselves (they need Node).
"""

import copy

import pytest
from starlette.testclient import TestClient

SUITES = ["eddsa-jcs-2022", "eddsa-rdfc-2022", "ecdsa-jcs-2019-p256", "ecdsa-rdfc-2019-p384"]
V1 = "https://www.w3.org/2018/credentials/v1"
V2 = "https://www.w3.org/ns/credentials/v2"


@pytest.fixture(params=[None], ids=["sqlite"])
def database_url(request):
    """Development issuers touch no database; once is enough."""
    return request.param


@pytest.fixture
def dev(open_registry) -> TestClient:
    return open_registry(dev=True).http


def credential(dev, suite="eddsa-rdfc-2022", **changes):
    issuer = dev.get("/issuers").json()[suite]["id"]
    return {
        "@context": [V2],
        "type": ["VerifiableCredential"],
        "issuer": issuer,
        "credentialSubject": {"id": "did:example:subject"},
        **changes,
    }


def issue(dev, document, name="eddsa-rdfc-2022"):
    return dev.post(f"/issuers/{name}/credentials/issue", json={"credential": document, "options": {}})


def verify(dev, document, name="eddsa-rdfc-2022"):
    body = {"verifiableCredential": document, "options": {"checks": ["proof"]}}
    return dev.post(f"/issuers/{name}/credentials/verify", json=body)


@pytest.mark.parametrize("name", SUITES)
def test_what_is_issued_is_201_and_verifies(dev, name):
    answer = issue(dev, credential(dev, name), name)
    assert answer.status_code == 201
    signed = answer.json()["verifiableCredential"]
    found = verify(dev, signed, name)
    assert found.status_code == 200
    assert found.json()["verified"] is True
    assert found.json()["decision"] == "INDETERMINATE"  # of no dataset profile
    assert "errors" not in found.json()


def test_a_credential_of_the_first_version_is_issued_and_verified(dev):
    document = credential(dev, issuanceDate="2026-01-01T00:00:00Z", **{"@context": [V1]})
    signed = issue(dev, document).json()["verifiableCredential"]
    assert signed["@context"] == [V1, "https://w3id.org/security/data-integrity/v2"]
    assert verify(dev, signed).status_code == 200


def test_development_issuers_are_not_there_otherwise(open_registry):
    assert open_registry().http.get("/issuers").status_code == 404


REFUSED = {
    "no context": {"@context": None},
    "context is a string": {"@context": V2},
    "context is a number": {"@context": 4},
    "context holds a number": {"@context": [V2, 4]},
    "context is not first": {"@context": ["https://www.w3.org/ns/credentials/examples/v2", V2]},
    "context is no URL": {"@context": [V2, "https ://not.a.url"]},
    "unknown context": {"@context": [V2, "https://attacker.example/v1"]},
    "undefined type": {"type": ["VerifiableCredential", "Undefined"]},
    "no type": {"type": []},
    "type lacks VerifiableCredential": {"type": ["Thing"]},
    "undefined term": {"undefinedTerm": "x"},
    "id is an array": {"id": ["urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51"]},
    "id is no URL": {"id": "not a url"},
    "id has a space": {"id": "https ://example"},
    "issuer is a number": {"issuer": 4},
    "issuer is an array": {"issuer": ["did:example:1"]},
    "issuer is no URL": {"issuer": "not a url"},
    "subject is empty": {"credentialSubject": {}},
    "subject is an empty array": {"credentialSubject": []},
    "one subject is empty": {"credentialSubject": [{"id": "did:example:1"}, {}]},
    "subject is text": {"credentialSubject": "text"},
    "name has other keys": {"name": {"@value": "x", "@language": "en", "url": "y"}},
    "validFrom is no time": {"validFrom": "soon"},
    "validUntil is a date": {"validUntil": "2027-01-01"},
    "period is inverted": {"validFrom": "2027-01-02T00:00:00Z", "validUntil": "2027-01-01T00:00:00Z"},
    "status without type": {"credentialStatus": {"id": "https://example.com/1"}},
    "schema without id": {"credentialSchema": {"type": "JsonSchema"}},
    "schema without type": {"credentialSchema": {"id": "https://example.com/1"}},
    "terms without type": {"termsOfUse": {"id": "https://example.com/1"}},
    "evidence without type": {"evidence": {"id": "https://example.com/1"}},
    "refresh without type": {"refreshService": {"id": "https://example.com/1"}},
    "related resource is a string": {"relatedResource": ["https://www.w3.org/ns/credentials/v2"]},
    "related resource without digest": {"relatedResource": [{"id": V2}]},
    "related resource with a wrong digest": {"relatedResource": [{"id": V2, "digestSRI": "sha256-" + "A" * 43 + "="}]},
    "signed already": {"proof": {"type": "DataIntegrityProof"}},
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_does_not_conform_is_not_issued(dev, name):
    answer = issue(dev, credential(dev, **REFUSED[name]))
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert problem["pointer"].startswith("/credential")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("types", [4, None, {}, "BitstringStatusListCredential", [4], [None]])
def test_a_strange_type_is_400(dev, types):
    signed = issue(dev, credential(dev)).json()["verifiableCredential"]
    contexts = [V2, "https://w3id.org/datasigil/v1"]
    assert verify(dev, {**signed, "type": types}).status_code == 400
    assert verify(dev, {**signed, "type": types, "@context": contexts}).status_code == 400


@pytest.mark.parametrize("body", [{}, {"verifiableCredential": "text"}, {"verifiableCredential": None}, [], "x", 4])
def test_a_request_without_a_credential_is_400(dev, body):
    assert dev.post("/credentials/verify", json=body).status_code == 400


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", None), ("type", "UnknownProof"), ("verificationMethod", None), ("proofPurpose", None),
        ("proofPurpose", "unknownPurpose"), ("cryptosuite", "unknown-2022"), ("proofValue", None), ("proofValue", "abc"),
        ("proofValue", "z0OIl"), ("previousProof", "urn:uuid:00000000-0000-4000-8000-000000000000"),
    ],
)  # fmt: skip
def test_an_altered_proof_is_400(dev, member, value):
    signed = issue(dev, credential(dev)).json()["verifiableCredential"]
    broken = copy.deepcopy(signed)
    broken["proof"][member] = value
    if value is None:
        del broken["proof"][member]
    assert verify(dev, broken).status_code == 400
    assert verify(dev, {**signed, "proof": None}).status_code == 400


def test_a_changed_subject_is_400(dev):
    signed = issue(dev, credential(dev)).json()["verifiableCredential"]
    assert verify(dev, {**signed, "credentialSubject": {"id": "did:example:other"}}).status_code == 400


def test_the_status_issuer_adds_an_entry_whose_list_is_there(dev):
    name = "bitstring-status-list"
    signed = issue(dev, credential(dev, name), name).json()["verifiableCredential"]
    entry = signed["credentialStatus"]
    assert isinstance(entry["statusListIndex"], str)
    path = entry["statusListCredential"].split("8800")[1]
    found = dev.get(path, headers={"Accept": "application/json"})
    assert found.headers["content-type"] == "application/json"
    assert dev.get(path).headers["content-type"] == "application/vc"
    assert found.json()["credentialSubject"]["encodedList"].startswith("u")
    assert verify(dev, found.json()).status_code == 200
