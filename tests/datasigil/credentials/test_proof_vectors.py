"""The published Data Integrity vectors: every intermediate byte, every signature."""

import json

import pytest

from datasigil.credentials import cryptosuites
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.rdf import canonicalize
from datasigil.encoding import multibase_decode

# folder, suffix of its file names, kind of key
VECTORS = [
    ("eddsa/eddsa-jcs-2022", "JCS", "ed25519"),
    ("eddsa/eddsa-rdfc-2022", "DataInt", "ed25519"),
    ("eddsa/eddsa-rdfc-2022/employ", "DataInt", "ed25519"),
    ("ecdsa/ecdsa-jcs-2019-p256", "JCSECDSAP256", "p256"),
    ("ecdsa/ecdsa-jcs-2019-p384", "JCSECDSAP384", "p384"),
    ("ecdsa/ecdsa-rdfc-2019-p256", "ECDSAP256", "p256"),
    ("ecdsa/ecdsa-rdfc-2019-p256/employ", "ECDSAP256", "p256"),
    ("ecdsa/ecdsa-rdfc-2019-p384", "ECDSAP384", "p384"),
    ("ecdsa/ecdsa-rdfc-2019-p384/employ", "ECDSAP384", "p384"),
]


@pytest.fixture
def folder(shared):
    return shared / "vectors/data-integrity"


@pytest.mark.parametrize(("name", "suffix", "kind"), VECTORS, ids=[name for name, _, _ in VECTORS])
def test_every_intermediate_is_byte_exact(folder, name, suffix, kind):
    def text(stem: str) -> str:
        return (folder / name / f"{stem}{suffix}.txt").read_text()

    signed = json.loads((folder / name / f"signed{suffix}.json").read_text())
    proof = signed.pop("proof")
    suite = cryptosuites.SUITES[proof["cryptosuite"]]
    assert cryptosuites.transform(suite, signed, kind, canonicalize).decode() == text("canonDoc")
    assert cryptosuites.proof_configuration(suite, signed, proof, kind, canonicalize).decode() == text("proofCanon")
    hashed = cryptosuites.hash_data(suite, signed, proof, kind, canonicalize).hex()
    assert hashed == text("combinedHash").strip() == text("proofHash").strip() + text("docHash").strip()
    assert multibase_decode(proof["proofValue"]).hex() == text("sigHex").strip()


@pytest.mark.parametrize(("name", "suffix", "kind"), VECTORS, ids=[name for name, _, _ in VECTORS])
def test_every_signed_document_verifies_and_reports_the_foreign_key(folder, name, suffix, kind):
    signed = json.loads((folder / name / f"signed{suffix}.json").read_text())
    (proof,) = verify_proofs(signed, keys=did_key_resolver, mode="generic")
    assert proof.key.kind == kind
    assert not proof.by_issuer  # the vectors' issuer is https://vc.example/issuers/5678


def test_the_superseded_proof_type_verifies_in_generic_mode(folder):
    signed = json.loads((folder / "eddsa/Ed25519Signature2020/signedEdSig.json").read_text())
    (proof,) = verify_proofs(signed, keys=did_key_resolver, mode="generic")
    assert proof.cryptosuite == "Ed25519Signature2020"
    proof_canon = (folder / "eddsa/Ed25519Signature2020/proofCanonEdSig.txt").read_text()
    unsecured = {name: value for name, value in signed.items() if name != "proof"}
    suite = cryptosuites.SUITES["eddsa-rdfc-2022"]
    assert (
        cryptosuites.proof_configuration(suite, unsecured, signed["proof"], "ed25519", canonicalize).decode()
        == proof_canon
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [("signedProofSet1", 1), ("signedProofSet2", 2), ("signedProofChain1", 3), ("signedProofChain2", 4)],
)
def test_proof_sets_and_chains_verify_whole(folder, name, count):
    signed = json.loads((folder / f"eddsa/proof-set-chain/{name}.json").read_text())
    assert len(verify_proofs(signed, keys=did_key_resolver, mode="generic")) == count
