"""One change each to a signed document: the check that must catch it, and the reason it gives."""

import copy
import json
from datetime import timedelta

import pytest

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.encoding import Instant, multibase_decode, multibase_encode
from datasigil.errors import MalformedError, ProofError
from datasigil.signing import LocalSigner, add_proof

SUITES = [
    ("eddsa-jcs-2022", "ed25519"),
    ("eddsa-rdfc-2022", "ed25519"),
    ("ecdsa-jcs-2019", "p256"),
    ("ecdsa-rdfc-2019", "p256"),
    ("ecdsa-jcs-2019", "p384"),
    ("ecdsa-rdfc-2019", "p384"),
]


def refusal(document, **options) -> str:
    with pytest.raises((ProofError, MalformedError)) as caught:
        verify_proofs(document, **({"keys": did_key_resolver} | options))
    return caught.value.code


def with_proof(document, **changes) -> dict:
    changed = copy.deepcopy(document)
    changed["proof"] |= changes
    return changed


@pytest.mark.parametrize(("suite", "kind"), SUITES)
def test_every_suite_signs_and_verifies_our_documents(minimal, now, suite, kind):
    signer = LocalSigner.generate(kind)
    secured = add_proof(minimal | {"issuer": signer.controller}, signer, created=now, cryptosuite=suite)
    (proof,) = verify_proofs(secured, keys=did_key_resolver)
    assert (proof.cryptosuite, proof.controller, proof.purpose, proof.by_issuer) == (
        suite,
        signer.controller,
        "assertionMethod",
        True,
    )


@pytest.mark.parametrize(("suite", "kind"), SUITES)
def test_a_changed_document_and_a_changed_proof_are_refused(minimal, now, suite, kind):
    signer = LocalSigner.generate(kind)
    secured = add_proof(minimal | {"issuer": signer.controller}, signer, created=now, cryptosuite=suite)
    changed = copy.deepcopy(secured)
    changed["credentialSubject"]["version"] = "1.0.1"
    assert refusal(changed) == "SIGNATURE"
    assert refusal(with_proof(secured, created="2026-11-02T09:30:01Z")) == "SIGNATURE"
    assert refusal(with_proof(secured, nonce="x")) == "SIGNATURE"


def test_key_order_and_whitespace_do_not_matter(secured):
    reordered = json.loads(json.dumps(dict(reversed(secured.items())), indent=3))
    assert verify_proofs(reordered, keys=did_key_resolver)


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (None, "PROOF_MISSING"),
        ([], "PROOF_MISSING"),
        ("text", "PROOF"),
        ([5], "PROOF"),
        ({}, "UNSUPPORTED"),
        ([[]], "PROOF"),
    ],
)
def test_absent_and_shapeless_proofs_are_refused(secured, proof, code):
    assert refusal(secured | {"proof": proof}) == code  # P02, P03
    assert refusal(secured | {"proof": proof}, mode="generic") == code


def test_a_removed_proof_is_missing(minimal):
    assert refusal(minimal) == "PROOF_MISSING"  # P01


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_what_is_no_object_carries_no_proof(document):
    assert refusal(document) == "PROOF"


def reencode(prefix: str):
    return lambda value: multibase_encode(multibase_decode(value), prefix=prefix)


@pytest.mark.parametrize(
    "reencoded",
    [
        reencode("u"),
        lambda v: v[1:],
        lambda v: f" {v}",
        lambda v: f"{v} ",
        lambda v: f"{v}\n",
        lambda v: v[:9] + "0" + v[10:],
        lambda v: "",
        lambda v: "z",
    ],
)
def test_proof_values_in_other_encodings_are_refused(secured, reencoded):
    value = reencoded(secured["proof"]["proofValue"])
    assert refusal(with_proof(secured, proofValue=value)) in ("ENCODING", "SIGNATURE")  # P08
    if value != "z":
        assert refusal(with_proof(secured, proofValue=value)) == "ENCODING"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "Ed25519Signature2020"}, "UNSUPPORTED"),
        ({"type": None}, "UNSUPPORTED"),
        ({"type": ["DataIntegrityProof"]}, "UNSUPPORTED"),
        ({"cryptosuite": "eddsa-2022"}, "UNSUPPORTED"),
        ({"cryptosuite": "ecdsa-sd-2023"}, "UNSUPPORTED"),
        ({"cryptosuite": None}, "PROOF"),
        ({"cryptosuite": "ecdsa-jcs-2019"}, "KEY_TYPE"),  # K02
        ({"cryptosuite": "eddsa-rdfc-2022"}, "SIGNATURE"),  # P15
        ({"jwt": "e30.e30.x"}, "UNSUPPORTED"),  # M22
        ({"jws": "e30..x"}, "UNSUPPORTED"),  # P38
        ({"proofPurpose": "authentication"}, "PURPOSE"),
        ({"proofPurpose": "assertion"}, "PURPOSE"),
        ({"proofPurpose": None}, "PROOF"),
        ({"verificationMethod": None}, "PROOF"),
        ({"verificationMethod": {"id": "did:key:z6Mk#z6Mk"}}, "PROOF"),
        ({"verificationMethod": "https://example.org/key"}, "DID"),
        ({"proofValue": None}, "PROOF"),
        ({"proofValue": ["z"]}, "PROOF"),
        ({"created": "2026-11-02"}, "TIMESTAMP"),
        ({"created": "2026-11-02T09:30:00+00:00"}, "TIMESTAMP"),
        ({"created": 5}, "TIMESTAMP"),
        ({"expires": "never"}, "TIMESTAMP"),
        ({"id": 5}, "PROOF"),
        ({"domain": 5}, "PROOF"),
        ({"domain": []}, "PROOF"),
        ({"challenge": ["x"]}, "PROOF"),
        ({"previousProof": "urn:uuid:1"}, "PREVIOUS_PROOF"),
        ({"previousProof": ["urn:uuid:1"]}, "PREVIOUS_PROOF"),
        ({"previousProof": [{}]}, "PROOF"),
        ({"extra": 1}, "UNKNOWN_PROPERTY"),
        ({"@context": ["https://www.w3.org/ns/credentials/v2"]}, "CONTEXT"),
        ({"@context": []}, "CONTEXT"),
        ({"@context": None}, "CONTEXT"),
    ],
)
def test_each_changed_proof_member_is_refused(secured, changes, code):
    assert refusal(with_proof(secured, **changes)) == code


@pytest.mark.parametrize("name", ["type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"])
def test_each_missing_proof_member_is_refused(secured, name):
    changed = copy.deepcopy(secured)
    del changed["proof"][name]
    assert refusal(changed) == ("UNSUPPORTED" if name == "type" else "PROOF")


def test_a_document_context_extended_after_signing_is_refused(secured):
    extended = secured | {"@context": [*secured["@context"], "https://www.w3.org/ns/credentials/examples/v2"]}
    assert refusal(extended) == "CONTEXT"  # C28
    # Outside our profile the specification allows it: the proof is over the shorter context.
    assert verify_proofs(extended, keys=did_key_resolver, mode="generic")


def test_a_self_consistent_proof_by_somebody_else_is_not_the_issuers(minimal, attacker, now):
    forged = add_proof(minimal, attacker, created=now)
    assert refusal(forged) == "ISSUER_MISMATCH"
    (proof,) = verify_proofs(forged, keys=did_key_resolver, mode="generic")
    assert not proof.by_issuer


def test_an_issuer_object_is_bound_by_its_id(minimal, signer, attacker, now):
    named = minimal | {"issuer": {"id": signer.controller, "name": "Example"}}
    assert verify_proofs(add_proof(named, signer, created=now), keys=did_key_resolver)
    assert refusal(add_proof(named, attacker, created=now)) == "ISSUER_MISMATCH"


def test_the_attackers_proof_in_a_set_spoils_it(minimal, secured, attacker, now):
    both = add_proof(secured, attacker, created=now)
    assert refusal(both) == "ISSUER_MISMATCH"
    assert len(verify_proofs(both, keys=did_key_resolver, mode="generic")) == 2


def test_a_trusted_proof_over_another_document_spoils_the_set(minimal, signer, attacker, now):
    other = add_proof(minimal | {"id": "urn:uuid:other"}, signer, created=now)
    mixed = add_proof(minimal, attacker, created=now)
    mixed["proof"] = [mixed["proof"], other["proof"]]
    assert refusal(mixed, mode="generic") == "SIGNATURE"  # P22


def test_one_bad_proof_among_good_ones_spoils_the_set(secured, signer, now):
    both = add_proof(secured, signer, created=now + timedelta(seconds=1))
    both["proof"][0]["created"] = "2026-11-02T09:30:05Z"
    assert refusal(both) == "SIGNATURE"


def test_more_than_eight_proofs_are_refused_unread(secured):
    assert refusal(secured | {"proof": [secured["proof"]] * 100}) == "LIMIT"  # P27


def test_a_proof_value_from_another_document_is_refused(minimal, secured, signer, now):
    other = add_proof(minimal | {"id": "urn:uuid:other"}, signer, created=now)
    assert refusal(secured | {"proof": other["proof"]}) == "SIGNATURE"


@pytest.mark.parametrize(
    "options", [{"challenge": "c"}, {"domain": "registry.example"}, {"challenge": "c", "domain": "registry.example"}]
)
def test_challenge_and_domain_bind_a_proof_to_an_occasion(minimal, signer, now, options):
    secured = add_proof(minimal, signer, created=now, **options)
    assert verify_proofs(secured, keys=did_key_resolver, **options)
    assert refusal(secured) == "DOMAIN"  # P30: present, and not expected
    assert verify_proofs(secured, keys=did_key_resolver, mode="generic")
    for name in options:
        wrong = options | {name: "other"}
        assert refusal(secured, **wrong) == ("DOMAIN" if name == "domain" else "CHALLENGE")  # P31
        assert refusal(secured, mode="generic", **wrong) == ("DOMAIN" if name == "domain" else "CHALLENGE")


def test_an_expected_challenge_must_be_there(secured):
    assert refusal(secured, challenge="c") == "CHALLENGE"
    assert refusal(secured, domain="d") == "DOMAIN"


def test_a_proof_may_name_several_domains(minimal, signer, now):
    secured = add_proof(minimal, signer, created=now, domain="a.example")
    assert verify_proofs(secured, keys=did_key_resolver, domain="a.example")[0].domain == ("a.example",)


def test_an_expired_proof_is_refused_from_that_instant_on(minimal, signer, now):
    secured = add_proof(minimal, signer, created=now, expires=now + timedelta(hours=1))
    end = Instant.from_datetime(now + timedelta(hours=1))
    assert verify_proofs(secured, keys=did_key_resolver, at=end.plus(-1))
    assert refusal(secured, at=end) == "PROOF_EXPIRED"


def chain(document, signer, now) -> dict:
    first = add_proof(document, signer, created=now, proof_id="urn:uuid:first")
    return add_proof(first, signer, created=now, proof_id="urn:uuid:second", previous_proof="urn:uuid:first")


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "eddsa-rdfc-2022"])
def test_a_chain_signs_the_proof_before(minimal, signer, now, suite):
    first = add_proof(minimal, signer, created=now, proof_id="urn:uuid:first", cryptosuite=suite)
    both = add_proof(first, signer, created=now, previous_proof=["urn:uuid:first"], cryptosuite=suite)
    assert len(verify_proofs(both, keys=did_key_resolver)) == 2
    replaced = add_proof(
        minimal, signer, created=now + timedelta(seconds=1), proof_id="urn:uuid:first", cryptosuite=suite
    )
    assert refusal(both | {"proof": [replaced["proof"], both["proof"][1]]}) == "SIGNATURE"


def test_a_chain_without_its_start_dangles(minimal, signer, now):
    both = chain(minimal, signer, now)
    assert refusal(both | {"proof": both["proof"][1]}) == "PREVIOUS_PROOF"
    assert refusal(both | {"proof": both["proof"][1]}, mode="generic") == "PREVIOUS_PROOF"


def test_a_proof_cannot_build_on_itself(minimal, signer, now):
    both = chain(minimal, signer, now)
    both["proof"][1]["previousProof"] = "urn:uuid:second"
    assert refusal(both) == "PREVIOUS_PROOF"


def test_two_proofs_cannot_share_an_id(minimal, signer, now):
    both = chain(minimal, signer, now)
    both["proof"][1]["id"] = "urn:uuid:first"
    assert refusal(both) == "PROOF"


def test_nothing_is_signed_on_a_proof_that_is_not_there(secured, signer, now):
    with pytest.raises(ProofError) as caught:
        add_proof(secured, signer, created=now, previous_proof="urn:uuid:nowhere")
    assert caught.value.code == "PREVIOUS_PROOF"


def test_signing_a_ninth_proof_is_refused(secured, signer, now):
    for _ in range(7):
        secured = add_proof(secured, signer, created=now)
    with pytest.raises(ProofError) as caught:
        add_proof(secured, signer, created=now)
    assert caught.value.code == "LIMIT"


def test_a_suite_that_does_not_fit_the_key_is_refused_when_signing(minimal, signer, now):
    with pytest.raises(ProofError) as caught:
        add_proof(minimal, signer, created=now, cryptosuite="ecdsa-jcs-2019")
    assert caught.value.code == "KEY_TYPE"


def test_the_resolver_decides_before_the_signature_is_looked_at(secured):
    def unknown(method, purpose):
        raise ProofError("KEY_UNKNOWN", "no such key")

    assert refusal(secured, keys=unknown) == "KEY_UNKNOWN"


def test_a_compact_proof_costs_no_rdf_subprocess(secured, monkeypatch):
    monkeypatch.setattr(
        "datasigil.credentials.rdf_worker._Child.__init__",
        lambda self: pytest.fail("a JCS proof started the RDF subprocess"),
    )
    assert verify_proofs(secured, keys=did_key_resolver)


def test_an_undefined_term_is_not_signed_in_rdf(minimal, signer, now):
    minimal["credentialSubject"]["licence"] = "CC-BY-4.0"
    with pytest.raises(MalformedError) as caught:
        add_proof(minimal, signer, created=now, cryptosuite="eddsa-rdfc-2022")
    assert caught.value.code == "DATA_LOSS"


def test_an_undefined_term_added_after_an_rdf_signature_is_refused(minimal, signer, now):
    secured = add_proof(minimal, signer, created=now, cryptosuite="eddsa-rdfc-2022")
    secured["credentialSubject"]["licence"] = "CC0-1.0"
    assert refusal(secured) == "DATA_LOSS"  # C10
