"""DIDs: did:key, did:web names, DID documents."""

import pytest

from datasigil.credentials.did import (
    check_did,
    did_document,
    did_key,
    did_key_method,
    did_key_resolver,
    parse_did_document,
    parse_did_web,
    resolve_did_key,
    split_did_url,
)
from datasigil.encoding import Instant
from datasigil.errors import MalformedError, ProofError
from datasigil.signing import LocalSigner

DID_WEB = "did:web:example.org"


@pytest.fixture
def key(signer):
    return signer.public_key


def test_did_key_names_its_one_method(key):
    document = resolve_did_key(did_key(key))
    assert document.method_for(did_key_method(key), "assertionMethod").key == key
    assert document.method_for(did_key_method(key), "authentication").key == key


def test_did_key_has_no_key_agreement(key):
    with pytest.raises(ProofError) as caught:
        resolve_did_key(did_key(key)).method_for(did_key_method(key), "keyAgreement")
    assert caught.value.code == "RELATIONSHIP"


@pytest.mark.parametrize(
    "text",
    [
        "did:key:z6MkHaHa",
        "did:key:",
        "did:key:abc",
        "did:key:zzzz",
        "did:web:example.org",
        "",
        "did:key:z6Mk#frag",
        5,
        None,
    ],
)
def test_other_did_keys_are_refused(text):
    with pytest.raises(MalformedError):
        resolve_did_key(text)


def test_a_fragment_that_the_did_key_does_not_have_is_unknown(key):
    with pytest.raises(ProofError) as caught:
        did_key_resolver(did_key(key) + "#other", "assertionMethod")
    assert caught.value.code == "KEY_UNKNOWN"


def test_the_did_key_resolver_knows_no_other_method():
    with pytest.raises(ProofError) as caught:
        did_key_resolver("did:web:example.org#key-1", "assertionMethod")
    assert caught.value.code == "KEY_UNKNOWN"


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:example.org", "https://example.org/.well-known/did.json"),
        ("did:web:example.org:issuers:7", "https://example.org/issuers/7/did.json"),
        ("did:web:example.org%3A8443", "https://example.org:8443/.well-known/did.json"),
        ("did:web:me.github.io:project", "https://me.github.io/project/did.json"),
        ("did:web:xn--bcher-kva.example", "https://xn--bcher-kva.example/.well-known/did.json"),
    ],
)
def test_did_web_names_a_url(did, url):
    assert parse_did_web(did) == url


@pytest.mark.parametrize(
    "did",
    [
        "did:web:127.0.0.1",  # K19: an address
        "did:web:2130706433",
        "did:web:0x7f.1",
        "did:web:127.1",
        "did:web:[::1]",
        "did:web:user@example.org",  # K19: user info
        "did:web:user%40example.org",
        "did:web:example.org:%2e%2e:secret",  # K19: encoded traversal
        "did:web:example.org:..:secret",
        "did:web:example.org:a%2Fb",
        "did:web:example.org%3A22",  # K19: port
        "did:web:example.org%3A80",
        "did:web:example.org%3A99999",
        "did:web:example.org%3A0443",
        "did:web:example.org%3A",
        "did:web:localhost",
        "did:web:localhost%3A8000",
        "did:web:EXAMPLE.org",
        "did:web:example..org",
        "did:web:-example.org",
        "did:web:example.org/path",
        "did:web:example.org?x",
        "did:web:example.org::x",
        "did:web:",
        "did:key:z6Mk",
        "did:web:" + "a" * 600 + ".org",
    ],
)
def test_unsafe_did_webs_are_refused_before_any_fetch(did):
    with pytest.raises(MalformedError) as caught:
        parse_did_web(did)
    assert caught.value.code == "DID"


def test_loopback_did_web_needs_permission():
    assert parse_did_web("did:web:localhost%3A8000:a", allow_loopback=True) == "http://localhost:8000/a/did.json"


def test_a_document_that_we_write_is_read_back(key):
    retired = LocalSigner.generate("p256").public_key
    document = did_document(
        DID_WEB, {"key-2": key}, retired={"key-1": (retired, Instant.parse("2026-10-01T00:00:00Z"))}
    )
    parsed = parse_did_document(document, expect_id=DID_WEB)
    assert parsed.method_for(f"{DID_WEB}#key-2", "authentication").key == key
    with pytest.raises(ProofError) as caught:
        parsed.method_for(f"{DID_WEB}#key-1", "assertionMethod", at=Instant.parse("2026-10-01T00:00:00Z"))
    assert caught.value.code == "KEY_REVOKED"  # K05
    assert (
        parsed.method_for(f"{DID_WEB}#key-1", "assertionMethod", at=Instant.parse("2026-09-30T23:59:59Z")).key
        == retired
    )
    with pytest.raises(ProofError) as caught:
        parsed.method_for(f"{DID_WEB}#key-1", "authentication")
    assert caught.value.code == "RELATIONSHIP"  # P11


def _method(key, **changes) -> dict:
    method = {
        "id": f"{DID_WEB}#k",
        "type": "Multikey",
        "controller": DID_WEB,
        "publicKeyMultibase": key.multibase,
    } | changes
    return {name: value for name, value in method.items() if value is not None}


def _document(method, **changes) -> dict:
    return {"id": DID_WEB, "verificationMethod": [method], "assertionMethod": [f"{DID_WEB}#k"]} | changes


def test_jwk_methods_relative_ids_and_embedded_methods_are_read(key):
    jwk = _method(key, id="#j", type="JsonWebKey", publicKeyMultibase=None, publicKeyJwk=key.jwk)
    embedded = _method(key, id=f"{DID_WEB}#e")
    parsed = parse_did_document({"id": DID_WEB, "verificationMethod": [jwk], "assertionMethod": ["#j", embedded]})
    for name in ("j", "e"):
        assert parsed.method_for(f"{DID_WEB}#{name}", "assertionMethod").key == key


def test_methods_of_unknown_type_cannot_be_used(key):
    parsed = parse_did_document(_document(_method(key, type="EcdsaSecp256k1VerificationKey2019")))
    with pytest.raises(ProofError) as caught:
        parsed.method_for(f"{DID_WEB}#k", "assertionMethod")
    assert caught.value.code == "KEY_UNKNOWN"


def test_a_method_of_another_controller_is_not_this_dids(key):
    parsed = parse_did_document(_document(_method(key, controller="did:web:evil.example")))
    with pytest.raises(ProofError) as caught:
        parsed.method_for(f"{DID_WEB}#k", "assertionMethod")
    assert caught.value.code == "CONTROLLER"


def test_an_expired_method_is_refused(key):
    parsed = parse_did_document(_document(_method(key, expires="2026-01-01T00:00:00+01:00")))
    with pytest.raises(ProofError) as caught:
        parsed.method_for(f"{DID_WEB}#k", "assertionMethod", at=Instant.parse("2025-12-31T23:00:00Z"))
    assert caught.value.code == "KEY_EXPIRED"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d | {"id": "did:web:other.example"}, "DID_DOCUMENT"),
        (lambda d: d | {"id": 5}, "DID"),
        (lambda d: d | {"verificationMethod": "x"}, "DID_DOCUMENT"),
        (lambda d: d | {"verificationMethod": ["x"]}, "DID_DOCUMENT"),
        (lambda d: d | {"verificationMethod": d["verificationMethod"] * 2}, "DID_DOCUMENT"),
        (lambda d: d | {"verificationMethod": d["verificationMethod"] * 65}, "DID_DOCUMENT"),
        (lambda d: d | {"assertionMethod": "x"}, "DID_DOCUMENT"),
        (lambda d: d | {"assertionMethod": [5]}, "DID"),
        (lambda d: d | {"assertionMethod": ["relative"]}, "DID"),
        (
            lambda d: d | {"verificationMethod": [d["verificationMethod"][0] | {"publicKeyMultibase": "zzz"}]},
            "KEY_TYPE",
        ),
        (
            lambda d: d | {"verificationMethod": [d["verificationMethod"][0] | {"secretKeyMultibase": "z"}]},
            "DID_DOCUMENT",
        ),
        (lambda d: d | {"verificationMethod": [d["verificationMethod"][0] | {"revoked": "soon"}]}, "TIMESTAMP"),
        (lambda d: d | {"verificationMethod": [d["verificationMethod"][0] | {"controller": None}]}, "DID"),
        (lambda d: [d], "DID_DOCUMENT"),
    ],
)
def test_malformed_documents_are_refused(key, change, code):
    with pytest.raises(MalformedError) as caught:
        parse_did_document(change(_document(_method(key))), expect_id=DID_WEB)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        "did:key:z6Mk#",
        "did:key:z6Mk",
        "did:key:z6Mk/path#a",
        "did:key:z6Mk?q#a",
        " did:key:a#b",
        "did:key:a#b\n",
        "DID:key:a#b",
        5,
    ],
)
def test_other_verification_method_ids_are_refused(text):
    with pytest.raises(MalformedError):
        split_did_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "did:web:example.org\n",
        "did:web:exämple.org",
        "did::x",
        "did:web:a:",
        "https://example.org",
        "did:web:" + "a" * 600,
    ],
)
def test_other_dids_are_refused(text):
    with pytest.raises(MalformedError):
        check_did(text)
