"""Credentials of other profiles: what VCALM issuers and verifiers must refuse, and what they must take."""

import base64
import copy
import hashlib
import json
from enum import Enum

import pytest

from datasigil.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V2, context_bytes
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.generic import check_generic_credential, check_generic_presentation, with_integrity_context
from datasigil.credentials.proof import verify_proofs
from datasigil.encoding import multibase_encode
from datasigil.errors import MalformedError, VerificationError
from datasigil.signing import LocalSigner, add_proof

EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
DELETE = Enum("Sentinel", "DELETE").DELETE  # its text is the same in every worker


@pytest.fixture
def credential(signer) -> dict:
    return {
        "@context": [CREDENTIALS_V2, EXAMPLES],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "issuer": signer.controller,
        "validFrom": "2023-01-01T00:00:00+01:00",
        "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    }


@pytest.fixture
def credential_1_1(signer) -> dict:
    return {
        "@context": [CREDENTIALS_V1, {"@vocab": "https://example.org/vocabulary#"}],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential"],
        "issuer": signer.controller,
        "issuanceDate": "2023-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    }


def sri(data: bytes, name: str = "sha384") -> str:
    return f"{name}-{base64.b64encode(hashlib.new(name, data).digest()).decode()}"


def related(**members) -> list:
    return [{"id": CREDENTIALS_V2, "digestSRI": sri(context_bytes(CREDENTIALS_V2))} | members]


def language(**members) -> dict:
    return {"@value": "Name", "@language": "en"} | members


BAD = [
    ("@context", DELETE, "CONTEXT"),
    ("@context", CREDENTIALS_V2, "CONTEXT"),
    ("@context", {}, "CONTEXT"),
    ("@context", [], "CONTEXT"),
    ("@context", [EXAMPLES, CREDENTIALS_V2], "CONTEXT"),
    ("@context", [CREDENTIALS_V2, "https ://not-a-url"], "CONTEXT"),
    ("@context", [CREDENTIALS_V2, "https://unknown.example/context"], "CONTEXT"),
    ("@context", [CREDENTIALS_V2, 12345], "CONTEXT"),
    ("@context", [CREDENTIALS_V2, None], "CONTEXT"),
    ("@context", [CREDENTIALS_V2, EXAMPLES, {"name": "https://evil.example/name"}], "CONTEXT"),
    ("@context", [CREDENTIALS_V2, {"AlumniCredential": "not a url", "alumniOf": "urn:x:y"}], None),
    ("@context", [CREDENTIALS_V2], "DATA_LOSS"),  # AlumniCredential is undefined
    (
        "@context",
        [CREDENTIALS_V2, EXAMPLES, "https://www.w3.org/ns/credentials/undefined-terms/v2", {"@vocab": None}],
        "DATA_LOSS",
    ),
    ("type", DELETE, "TYPE"),
    ("type", [], "TYPE"),
    ("type", None, "TYPE"),
    ("type", ["AlumniCredential"], "TYPE"),
    ("type", ["VerifiableCredential", 5], "TYPE"),
    ("type", ["VerifiableCredential", ""], "TYPE"),
    ("id", None, "SCHEMA"),
    ("id", ["urn:uuid:1"], "SCHEMA"),
    ("id", "not-a-url", "SCHEMA"),
    ("id", "https ://example.org", "SCHEMA"),
    ("issuer", DELETE, "SCHEMA"),
    ("issuer", None, "SCHEMA"),
    ("issuer", 5, "SCHEMA"),
    ("issuer", ["did:a:b"], "SCHEMA"),
    ("issuer", "not-a-url", "SCHEMA"),
    ("issuer", {}, "SCHEMA"),
    ("issuer", {"id": None}, "SCHEMA"),
    ("issuer", {"id": "not-a-url"}, "SCHEMA"),
    ("issuer", {"id": "did:a:b", "name": language(extra="x")}, "SCHEMA"),
    ("credentialSubject", DELETE, "SCHEMA"),
    ("credentialSubject", None, "SCHEMA"),
    ("credentialSubject", {}, "SCHEMA"),
    ("credentialSubject", [], "SCHEMA"),
    ("credentialSubject", [{"id": "did:a:b"}, {}], "SCHEMA"),
    ("credentialSubject", "did:a:b", "SCHEMA"),
    ("credentialSubject", ["did:a:b"], "SCHEMA"),
    ("credentialSubject", {"id": None}, "SCHEMA"),
    ("credentialSubject", {"id": "not-a-url"}, "SCHEMA"),
    ("name", language(extra="x"), "SCHEMA"),
    ("name", [language(), language(url="x")], "SCHEMA"),
    ("name", 5, "SCHEMA"),
    ("name", {"@language": "en"}, "SCHEMA"),
    ("name", language(**{"@direction": "up"}), "SCHEMA"),
    ("description", language(extra="x"), "SCHEMA"),
    ("description", [], "SCHEMA"),
    ("validFrom", "2023-01-01", "SCHEMA"),
    ("validFrom", "2023-01-01T00:00:00", "SCHEMA"),
    ("validFrom", None, "SCHEMA"),
    ("validUntil", "soon", "SCHEMA"),
    ("validUntil", "2022-12-31T22:59:59Z", "PERIOD"),
    ("credentialStatus", {"id": "urn:a:b"}, "SCHEMA"),
    ("credentialStatus", [{"type": "X"}, {}], "SCHEMA"),
    ("credentialStatus", {"type": "X", "id": "not-a-url"}, "SCHEMA"),
    ("credentialStatus", "urn:a:b", "SCHEMA"),
    ("credentialSchema", {"id": "https://example.org/schema"}, "SCHEMA"),
    ("credentialSchema", {"type": "JsonSchema"}, "SCHEMA"),
    ("credentialSchema", {"type": "JsonSchema", "id": "not-a-url"}, "SCHEMA"),
    ("refreshService", {"id": "urn:a:b"}, "SCHEMA"),
    ("termsOfUse", {"id": "urn:a:b"}, "SCHEMA"),
    ("evidence", {"id": "urn:a:b"}, "SCHEMA"),
    ("evidence", [{"type": 5}], "SCHEMA"),
    ("relatedResource", "https://example.org", "SCHEMA"),
    ("relatedResource", [{"digestSRI": "sha384-x"}], "SCHEMA"),
    ("relatedResource", [{"id": "https://example.org/a"}], "SCHEMA"),
    ("relatedResource", related() * 2, "SCHEMA"),
    ("relatedResource", related(digestSRI="sha384-" + "A" * 64), "DIGEST"),
    ("relatedResource", related(digestSRI=5), "SCHEMA"),
    ("relatedResource", [{"id": CREDENTIALS_V2, "digestMultibase": "uAAAA"}], "DIGEST"),
    ("relatedResource", [{"id": CREDENTIALS_V2, "digestMultibase": "!"}], "DIGEST"),
]


def changed(document, name, value) -> dict:
    copied = copy.deepcopy(document)
    if value is DELETE:
        del copied[name]
    else:
        copied[name] = value
    return copied


@pytest.mark.parametrize(("name", "value", "code"), BAD, ids=[f"{name}={str(value)[:40]!a}" for name, value, _ in BAD])
def test_what_an_issuer_must_refuse(credential, name, value, code):
    with pytest.raises(MalformedError) as caught:
        check_generic_credential(changed(credential, name, value))
    # A type mapped to something that is no URL is bad as a context or as the type that it makes.
    assert caught.value.code == code or (code is None and caught.value.code in ("CONTEXT", "DATA_LOSS"))


@pytest.mark.parametrize("document", [None, 5, "text", [], ["x"], True])
def test_what_is_no_object_is_refused(document):
    for check in (check_generic_credential, check_generic_presentation):
        with pytest.raises(MalformedError) as caught:
            check(document)
        assert caught.value.code == "SCHEMA"


GOOD = [
    ("credentialSubject", {"id": "did:a:b"}),
    ("credentialSubject", [{"id": "did:a:b"}, {"alumniOf": "x"}]),
    ("id", DELETE),
    ("validFrom", DELETE),
    ("validUntil", "2022-12-31T23:00:00Z"),
    ("validUntil", "2030-01-01T00:00:00.5-05:00"),
    ("name", "Name"),
    ("name", language()),
    ("name", [language(), language(**{"@language": "ar", "@direction": "rtl"})]),
    ("description", language(**{"@direction": "ltr"})),
    ("issuer", {"id": "https://issuer.example", "name": language(), "url": "x"}),
    ("@context", [CREDENTIALS_V2, {"AlumniCredential": "urn:x:Alumni", "alumniOf": "urn:x:alumniOf"}]),
    ("evidence", [{"type": "Evidence"}, {"id": "urn:a:b", "type": ["Evidence"]}]),
    ("credentialSchema", [{"id": "https://example.org/s", "type": "JsonSchema"}]),
    ("relatedResource", related()),
    ("relatedResource", related(digestSRI=sri(context_bytes(CREDENTIALS_V2), "sha256"))),
    (
        "relatedResource",
        [
            {
                "id": CREDENTIALS_V2,
                "digestMultibase": multibase_encode(hashlib.sha256(context_bytes(CREDENTIALS_V2)).digest(), prefix="u"),
            }
        ],
    ),
    (
        "relatedResource",
        [
            {
                "id": CREDENTIALS_V2,
                "digestMultibase": multibase_encode(
                    b"\x12\x20" + hashlib.sha256(context_bytes(CREDENTIALS_V2)).digest()
                ),
            }
        ],
    ),
    ("relatedResource", {"id": "https://example.org/unknown", "digestSRI": "sha384-x"}),
]


@pytest.mark.parametrize(("name", "value"), GOOD, ids=[f"{name}={str(value)[:40]!a}" for name, value in GOOD])
def test_what_an_issuer_must_take(credential, name, value):
    assert check_generic_credential(changed(credential, name, value)).version == "2.0"


def test_the_published_credentials_are_taken(shared):
    folder = shared / "vectors/data-integrity"
    for name in (
        "eddsa/unsigned.json",
        "eddsa/employmentAuth.json",
        "ecdsa/prCredUnsigned.json",
        "eddsa/proof-set-chain/signedProofChain2.json",
    ):
        assert check_generic_credential(json.loads((folder / name).read_text())).version == "2.0", name


def test_1_1_credentials_are_taken_and_signed_under_the_integrity_context(credential_1_1, signer, now):
    checked = check_generic_credential(credential_1_1)
    assert (checked.version, checked.issuer) == ("1.1", signer.controller)
    extended = with_integrity_context(credential_1_1)
    assert extended["@context"][-1] == DATA_INTEGRITY_V2
    assert with_integrity_context(extended) == extended


SUITES = [
    ("eddsa-jcs-2022", "ed25519"),
    ("eddsa-rdfc-2022", "ed25519"),
    ("ecdsa-jcs-2019", "p256"),
    ("ecdsa-rdfc-2019", "p256"),
    ("ecdsa-jcs-2019", "p384"),
    ("ecdsa-rdfc-2019", "p384"),
]


@pytest.mark.parametrize("version", ["1.1", "2.0"])
@pytest.mark.parametrize(("suite", "kind"), SUITES)
def test_every_suite_makes_single_proofs_sets_and_chains_for_both_versions(
    credential, credential_1_1, now, suite, kind, version
):
    first, second = LocalSigner.generate(kind), LocalSigner.generate(kind)
    given = credential if version == "2.0" else with_integrity_context(credential_1_1)
    document = given | {"issuer": first.controller}
    single = add_proof(document, first, created=now, cryptosuite=suite, proof_id="urn:uuid:first")
    together = add_proof(single, second, created=now, cryptosuite=suite)
    chained = add_proof(single, second, created=now, cryptosuite=suite, previous_proof="urn:uuid:first")
    for secured, controllers in ((single, [first]), (together, [first, second]), (chained, [first, second])):
        found = verify_proofs(secured, keys=did_key_resolver, mode="generic")
        assert [(one.controller, one.cryptosuite) for one in found] == [(one.controller, suite) for one in controllers]
        with pytest.raises(VerificationError) as caught:
            verify_proofs(secured | {"issuer": second.controller}, keys=did_key_resolver, mode="generic")
        assert caught.value.code == "SIGNATURE"
    # What makes it a chain: the second proof signs the first.
    broken = copy.deepcopy(chained)
    broken["proof"][0]["created"] = "2026-11-02T09:30:01Z"
    with pytest.raises(VerificationError):
        verify_proofs({**broken, "proof": broken["proof"][1:]}, keys=did_key_resolver, mode="generic")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("issuanceDate", DELETE, "SCHEMA"),
        ("issuanceDate", "x", "SCHEMA"),
        ("expirationDate", "2022-01-01T00:00:00Z", "PERIOD"),
    ],
)
def test_1_1_dates_are_checked(credential_1_1, name, value, code):
    with pytest.raises(MalformedError) as caught:
        check_generic_credential(changed(credential_1_1, name, value))
    assert caught.value.code == code


def test_a_2_0_context_is_left_alone(credential):
    assert with_integrity_context(credential) == credential


@pytest.fixture
def presentation(credential, signer, now) -> dict:
    signed = add_proof(credential, signer, created=now, cryptosuite="eddsa-rdfc-2022")
    return {
        "@context": [CREDENTIALS_V2, EXAMPLES],
        "type": ["VerifiablePresentation"],
        "verifiableCredential": [signed],
    }


def test_presentations_are_taken_with_and_without_credentials_and_holder(presentation, signer):
    assert len(check_generic_presentation(presentation)) == 1
    assert check_generic_presentation({"@context": [CREDENTIALS_V2], "type": "VerifiablePresentation"}) == ()
    assert check_generic_presentation(presentation | {"holder": {"id": signer.controller}, "id": "urn:a:b"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": ["VerifiableCredential"]}, "TYPE"),
        ({"@context": CREDENTIALS_V2}, "CONTEXT"),
        ({"holder": 5}, "SCHEMA"),
        ({"holder": {}}, "SCHEMA"),
        ({"id": None}, "SCHEMA"),
        ({"verifiableCredential": "urn:a:b"}, "SCHEMA"),
        ({"verifiableCredential": ["urn:a:b"]}, "SCHEMA"),
    ],
)
def test_malformed_presentations_are_refused(presentation, change, code):
    with pytest.raises(MalformedError) as caught:
        check_generic_presentation(presentation | change)
    assert caught.value.code == code
