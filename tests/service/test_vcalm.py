"""The VCALM contract that the public suites of W3C and W3C CCG check, without their runner.

Here: the statuses and shapes they expect of development issuers and verifiers. Not here: the suites themselves (`public_suites.py` runs
them; they need Node) and registered credentials (`test_vcalm_answers.py`).
"""

import copy

import pytest
from starlette.testclient import TestClient

from datasigil.signing import LocalSigner, add_proof

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


DAMAGED_ISSUERS = [None, 7, [], {}, {"id": None}, {"id": ["did:example:1"]}, "did", "https ://x", ["did:example:1"]]


@pytest.mark.parametrize("issuer", DAMAGED_ISSUERS, ids=repr)
def test_an_issuer_that_is_no_url_is_not_issued_for(dev, issuer):
    assert issue(dev, credential(dev, issuer=issuer)).status_code == 400


ACCEPTED = {
    "subject with an id only": {"credentialSubject": {"id": "did:example:s"}},
    "several subjects": {"credentialSubject": [{"id": "did:example:s"}, {"id": "did:example:t"}]},
    "issuer object": {"issuer": {"id": "did:example:i", "name": {"@value": "I", "@language": "en"}}},
    "name in languages": {"name": [{"@value": "x", "@language": "en"}, {"@value": "y", "@language": "de", "@direction": "ltr"}]},
    "a period": {"validFrom": "2020-01-01T00:00:00Z", "validUntil": "2199-01-01T00:00:00+01:00"},
    "a type of the examples": {"@context": [V2, "https://www.w3.org/ns/credentials/examples/v2"], "type": ["VerifiableCredential", "AlumniCredential"]},
    "an inline context": {"@context": [V2, {"Thing": "https://example.com/Thing"}], "type": ["VerifiableCredential", "Thing"]},
    "a schema": {"credentialSchema": {"id": "https://example.com/schema", "type": "JsonSchema"}},
    "terms of use": {"termsOfUse": {"type": "https://example.com/Terms"}},
    "related resource": {"relatedResource": [{"id": V2, "digestSRI": "sha384-l/HrjlBCNWyAX91hr6LFV2Y3heB5Tcr6IeE4/Tje8YyzYBM8IhqjHWiWpr8+ZbYU"}]},
    "no validFrom": {},
}  # fmt: skip


@pytest.mark.parametrize("name", list(ACCEPTED))
def test_what_conforms_is_issued_and_verifies(dev, name):
    answer = issue(dev, credential(dev, **ACCEPTED[name]))
    assert answer.status_code == 201, answer.text
    assert verify(dev, answer.json()["verifiableCredential"]).status_code == 200


@pytest.mark.parametrize("options", [None, {}, {"mandatoryPointers": []}, {"unknown": 1}], ids=repr)
def test_options_may_be_empty_absent_or_unknown(dev, options):
    body = {"credential": credential(dev)} | ({} if options is None else {"options": options})
    assert dev.post("/issuers/eddsa-rdfc-2022/credentials/issue", json=body).status_code == 201


def test_a_set_of_proofs_and_a_chain_by_other_keys_verify(dev):
    first = issue(dev, credential(dev)).json()["verifiableCredential"]
    other = LocalSigner.generate("p256")
    now = dev.app.state.registry.clock()
    unsigned = {name: value for name, value in first.items() if name != "proof"}
    second = add_proof(unsigned, other, created=now, cryptosuite="ecdsa-rdfc-2019")["proof"]
    answer = verify(dev, {**unsigned, "proof": [first["proof"], second]})
    assert answer.status_code == 200, answer.text
    assert [one["code"] for one in answer.json()["warnings"]] == ["ISSUER_MISMATCH"]


def test_a_proof_that_names_an_absent_previous_proof_is_400(dev):
    signed = issue(dev, credential(dev)).json()["verifiableCredential"]
    for previous in (
        "urn:uuid:00000000-0000-4000-8000-000000000000",
        ["urn:uuid:00000000-0000-4000-8000-000000000000"],
    ):
        broken = {**signed, "proof": {**signed["proof"], "previousProof": previous}}
        assert verify(dev, broken).status_code == 400


def presentation(dev, *credentials, holder=None, challenge="c", domain="d"):
    signer = LocalSigner.generate("ed25519")
    document = {"@context": [V2], "type": ["VerifiablePresentation"]}
    if credentials:
        document["verifiableCredential"] = list(credentials)
    if holder:
        document["holder"] = signer.controller
    now = dev.app.state.registry.clock()
    options = {"purpose": "authentication", "challenge": challenge, "domain": domain, "cryptosuite": "eddsa-rdfc-2022"}
    return add_proof(document, signer, created=now, **options)


def present(dev, document, **options):
    body = {"verifiablePresentation": document, "options": {"challenge": "c", "domain": "d", **options}}
    return dev.post("/issuers/eddsa-rdfc-2022/presentations/verify", json=body)


@pytest.mark.parametrize("holder", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_presentation_verifies_with_and_without_credentials_and_holder(dev, count, holder):
    inside = [issue(dev, credential(dev)).json()["verifiableCredential"] for _ in range(count)]
    answer = present(dev, presentation(dev, *inside, holder=holder))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["verified"] is True
    assert found["decision"] == "INDETERMINATE"  # nothing inside, or nothing of the dataset profile
    assert [one["decision"] for one in found["credentialResults"]] == ["INDETERMINATE"] * count


def test_a_presentation_for_another_challenge_or_domain_is_400(dev):
    signed = presentation(dev, issue(dev, credential(dev)).json()["verifiableCredential"])
    for options in ({"challenge": "other"}, {"domain": "other"}):
        answer = present(dev, signed, **options)
        assert answer.status_code == 400
        assert answer.json()["verified"] is False


def test_a_presentation_with_a_broken_credential_is_400_and_says_which(dev):
    good = issue(dev, credential(dev)).json()["verifiableCredential"]
    bad = {**good, "credentialSubject": {"id": "did:example:other"}}
    answer = present(dev, presentation(dev, good, bad))
    assert answer.status_code == 400
    assert answer.json()["pointer"].startswith("/verifiablePresentation/verifiableCredential/1")


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
