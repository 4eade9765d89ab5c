"""POST /credentials: what is registered, what is refused, and that nothing is doubled."""

import concurrent.futures
from copy import deepcopy
from uuid import uuid4

import pytest
from simulator import World, mutate, signer_of

from datasigil.canonical import document_digest
from datasigil.encoding import Instant
from datasigil.signing import add_proof


def size_of(registry):
    return registry.state.released.size


def test_a_signed_credential_is_registered_and_logged(registry, publisher):
    document = publisher.issue()
    answer = publisher.post(document)
    assert answer.status_code == 201
    body = answer.json()
    assert body["id"] == document["id"]
    assert body["digest"] == document_digest(document)
    assert body["logIndex"] == 0
    assert body["bundle"] == f"http://localhost:8800/credentials/{document['id']}/bundle"
    assert size_of(registry) == 1


def test_registering_the_same_credential_again_answers_200_and_logs_nothing(registry, publisher):
    document = publisher.issue()
    first, second = publisher.post(document), publisher.post(deepcopy(document))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert size_of(registry) == 1


def test_another_credential_under_a_registered_id_is_refused(registry, publisher):
    document = publisher.publish()
    other = publisher.issue(id=document["id"])
    answer = publisher.post(other)
    assert (answer.status_code, answer.json()["code"]) == (409, "ID_TAKEN")
    assert answer.json()["pointer"] == "/credential/id"
    assert size_of(registry) == 1


def test_an_index_of_the_status_list_is_given_once(registry, publisher):
    publisher.publish()
    publisher.next_index = 0
    answer = publisher.post(publisher.issue())
    assert (answer.status_code, answer.json()["code"]) == (409, "STATUS_INDEX_TAKEN")
    assert answer.json()["pointer"] == "/credential/credentialStatus/0/statusListIndex"
    assert size_of(registry) == 1


def test_of_many_at_once_for_one_index_exactly_one_wins(registry, publisher):
    documents = []
    for _ in range(8):
        publisher.next_index = 6
        documents.append(publisher.issue())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(publisher.post, documents))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert size_of(registry) == 1


def test_many_at_once_get_distinct_contiguous_log_indices(registry, publisher):
    documents = [publisher.issue() for _ in range(24)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(publisher.post, documents))
    assert sorted(answer.json()["logIndex"] for answer in answers) == list(range(24))


def test_only_the_issuer_can_register(registry, publisher):
    other = registry.login()
    answer = other.post(publisher.issue())
    assert (answer.status_code, answer.json()["code"]) == (403, "NOT_YOURS")
    assert size_of(registry) == 0


def test_registering_needs_a_token(registry, publisher):
    answer = registry.http.post("/credentials", json={"credential": publisher.issue()})
    assert answer.status_code == 401
    assert size_of(registry) == 0


MUTATIONS = [
    ("/credentialSubject/name", "Another name", "SIGNATURE"),
    ("/proof", [], "PROOF_MISSING"),
    ("/proof/proofPurpose", "authentication", "PURPOSE"),
    ("/proof/cryptosuite", "eddsa-rdfc-2022", "SIGNATURE"),
]


@pytest.mark.parametrize(("pointer", "value", "code"), MUTATIONS, ids=[one[0] for one in MUTATIONS])
def test_a_credential_changed_after_signing_is_refused(registry, publisher, pointer, value, code):
    answer = publisher.post(mutate(publisher.issue(), pointer, value))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert size_of(registry) == 0


def test_a_proof_by_another_key_than_the_issuers_is_refused(registry, publisher):
    document = add_proof(publisher.unsigned(), signer_of("mallory"), created=registry.clock())
    answer = publisher.post(document)
    assert (answer.status_code, answer.json()["code"]) == (422, "ISSUER_MISMATCH")


RESIGNED = [
    ("@context", ["https://www.w3.org/ns/credentials/v2"], 422, "CONTEXT", "/credential/@context"),
    ("type", ["VerifiableCredential"], 422, None, "/credential/type"),
    ("id", "not a url", 422, "SCHEMA", "/credential/id"),
    ("approved", True, 422, "UNKNOWN_PROPERTY", "/credential/approved"),
    ("validFrom", "soon", 422, None, "/credential/validFrom"),
    (
        "transparencyLog",
        {"type": "TransparencyLog", "origin": "elsewhere.example/log", "url": "https://elsewhere.example/log"},
        422,
        "OTHER_LOG",
        "/credential/transparencyLog/origin",
    ),
    ("credentialSubject", [], 422, "SCHEMA", "/credential/credentialSubject"),
]


@pytest.mark.parametrize(("name", "value", "status", "code", "pointer"), RESIGNED, ids=[one[0] for one in RESIGNED])
def test_a_well_signed_credential_outside_the_profile_is_refused(
    registry, publisher, name, value, status, code, pointer
):
    answer = publisher.post(publisher.issue(**{name: value}))
    assert answer.status_code == status
    assert code is None or answer.json()["code"] == code
    assert answer.json()["pointer"] == pointer
    assert size_of(registry) == 0


def test_a_generic_credential_is_not_registered(registry, publisher):
    document = publisher.sign(
        {
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential"],
            "issuer": publisher.did,
            "credentialSubject": {"id": "urn:uuid:7c0f0c26-8b0e-4c8e-9bd5-5fb4ed1e6d77"},
        }
    )
    answer = publisher.post(document)
    assert (answer.status_code, answer.json()["code"]) == (422, "NOT_DATASET_PROFILE")


def test_an_expired_credential_is_not_registered(registry, publisher):
    past = str(Instant.from_datetime(registry.clock.now.replace(year=2025)))
    answer = publisher.post(publisher.issue(validFrom="2024-01-01T00:00:00Z", validUntil=past))
    assert (answer.status_code, answer.json()["code"]) == (422, "EXPIRED")


def status_entries(publisher, **changes):
    document = publisher.unsigned()
    return [{**entry, **changes} for entry in document["credentialStatus"]]


def test_a_status_list_of_another_publisher_is_refused(registry, publisher):
    other = registry.login()
    entries = other.unsigned()["credentialStatus"]
    answer = publisher.post(publisher.issue(credentialStatus=entries))
    assert (answer.status_code, answer.json()["code"]) == (422, "OTHER_STATUS")
    assert answer.json()["pointer"] == "/credential/credentialStatus/0/statusListCredential"


def test_a_list_kept_here_must_be_signed_by_the_registry(registry, publisher):
    answer = publisher.post(publisher.issue(credentialStatus=status_entries(publisher, statusIssuer=publisher.did)))
    assert (answer.status_code, answer.json()["code"]) == (422, "OTHER_STATUS")
    assert answer.json()["pointer"] == "/credential/credentialStatus/0/statusIssuer"


def test_an_index_beyond_the_list_is_refused(registry, publisher):
    answer = publisher.post(publisher.issue(credentialStatus=status_entries(publisher, statusListIndex="131072")))
    assert (answer.status_code, answer.json()["code"]) == (422, "STATUS_RANGE")


def test_wider_entries_than_the_list_has_are_refused(registry, publisher):
    messages = [{"status": f"0x{value}", "message": "m"} for value in range(4)]
    entries = status_entries(publisher, statusSize=2, statusMessage=messages)
    answer = publisher.post(publisher.issue(credentialStatus=entries))
    assert answer.status_code == 422
    assert answer.json()["pointer"].startswith("/credential/credentialStatus/0")


def test_an_issuer_may_keep_its_own_lists_elsewhere(registry, publisher):
    entries = [
        {
            **entry,
            "statusListCredential": f"https://lists.example/{entry['statusPurpose']}",
            "statusIssuer": publisher.did,
        }
        for entry in publisher.unsigned()["credentialStatus"]
    ]
    assert publisher.post(publisher.issue(credentialStatus=entries)).status_code == 201
    entries = [{**entry, "statusListIndex": entry["statusListIndex"]} for entry in entries]
    again = publisher.post(publisher.issue(credentialStatus=entries))
    assert (again.status_code, again.json()["code"]) == (409, "STATUS_INDEX_TAKEN")


@pytest.mark.parametrize("member", ["issuer", "id", "statusListIndex", "proof", "is_admin", "approved"])
def test_members_beside_the_credential_are_refused(registry, publisher, member):
    answer = publisher.post(publisher.issue(), **{member: "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_PROPERTY")
    assert answer.json()["pointer"] == f"/{member}"
    assert size_of(registry) == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/credential"),
        ({"credential": []}, "/credential"),
        ({"credential": "x"}, "/credential"),
        ([], ""),
        ("x", ""),
        ({"credential": {}, "publicManifest": 1}, "/publicManifest"),
        ({"credential": {}, "manifest": "x"}, "/manifest"),
    ],
)
def test_a_body_of_another_shape_is_refused_with_its_pointer(registry, publisher, body, pointer):
    answer = registry.http.post("/credentials", json=body, headers=publisher.headers)
    assert answer.status_code == 422
    assert answer.json().get("pointer", "") == pointer


def test_an_uploaded_manifest_must_be_the_claimed_one(registry, publisher):
    document = publisher.issue()
    other = World()
    other.files = {"x.txt": b"x"}
    wrong = other.subject()["manifest"]["digest"]
    manifest = registry.manifest(document) | {"chunkSize": 1 << 20}
    answer = publisher.post(document, manifest=manifest)
    assert (answer.status_code, answer.json()["code"]) == (422, "MANIFEST_DIGEST")
    assert wrong not in answer.text
    assert size_of(registry) == 0


def test_a_public_manifest_must_be_uploaded(registry, publisher):
    answer = publisher.post(publisher.issue(), publicManifest=True)
    assert (answer.status_code, answer.json()["code"]) == (422, "MANIFEST_MISSING")


def test_a_manifest_is_served_only_if_its_publisher_said_so(registry, publisher):
    document = publisher.issue()
    digest = document["credentialSubject"]["manifest"]["digest"]
    publisher.publish(document, manifest=registry.manifest(document))
    assert registry.http.get(f"/manifests/{digest}").status_code == 404
    assert "manifest" not in registry.http.get(f"/credentials/{document['id']}/bundle").json()
    assert publisher.post(document, manifest=registry.manifest(document), publicManifest=True).status_code == 200
    answer = registry.http.get(f"/manifests/{digest}")
    assert answer.json() == registry.manifest(document)
    assert registry.http.get(f"/credentials/{document['id']}/bundle").json()["manifest"] == registry.manifest(document)


def test_an_idempotency_key_repeats_the_answer_and_refuses_another_request(registry, publisher):
    headers = {"Idempotency-Key": str(uuid4())}
    document = publisher.issue()
    first = publisher.post(document, headers=headers)
    again = publisher.post(document, headers=headers)
    other = publisher.post(publisher.issue(), headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert size_of(registry) == 1


def test_an_idempotency_key_belongs_to_its_publisher(registry, publisher):
    other = registry.login()
    headers = {"Idempotency-Key": "same"}
    assert publisher.post(publisher.issue(), headers=headers).status_code == 201
    assert other.post(other.issue(), headers=headers).status_code == 201


def test_an_unusable_idempotency_key_is_refused(registry, publisher):
    answer = publisher.post(publisher.issue(), headers={"Idempotency-Key": "x" * 256})
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_HEADER")


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "eddsa-rdfc-2022"])
def test_both_eddsa_suites_are_registered(registry, publisher, suite):
    document = publisher.sign(publisher.unsigned(), cryptosuite=suite)
    assert publisher.post(document).status_code == 201


def test_the_stored_credential_has_the_digest_that_was_logged(registry, publisher):
    document = publisher.publish()
    answer = registry.http.get(f"/credentials/{document['id']}")
    assert answer.json() == document
    assert document_digest(answer.json()) == document_digest(document)


LOCAL = [
    "http://127.0.0.1/list", "http://169.254.169.254/latest/meta-data", "http://2130706433/", "http://0x7f.1/",
    "http://127.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://localhost/",
    "https://10.0.0.1/list", "https://user@example.com/list", "file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("address", LOCAL)
@pytest.mark.parametrize("member", ["credentialStatus", "credentialSchema"])
def test_an_address_in_a_credential_is_never_asked(registry, publisher, monkeypatch, address, member):
    asked = []
    monkeypatch.setattr("socket.socket.connect", lambda _self, where: asked.append(where))
    unsigned = publisher.unsigned()
    if member == "credentialStatus":
        for number, entry in enumerate(unsigned["credentialStatus"]):
            entry |= {"statusListCredential": address, "statusIssuer": publisher.did, "statusListIndex": str(number)}
    else:
        unsigned["credentialSchema"]["id"] = address
    signed = publisher.sign(unsigned)
    assert publisher.post(signed).status_code in (201, 422)
    body = {"verifiableCredential": signed}
    assert registry.http.post("/credentials/verify", json=body).status_code in (200, 400)
    assert asked == []
