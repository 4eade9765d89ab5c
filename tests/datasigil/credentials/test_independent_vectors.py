"""Documents that the JavaScript reference implementations signed and canonicalised (tests/vectors/make_credentials.mjs)."""

import copy
import hashlib
import json
import shutil
import subprocess
import sys

import pytest
from conftest import absent

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.presentation import verify_presentation
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.rdf import canonicalize
from datasigil.credentials.rdf_direct import canonicalize_directly
from datasigil.credentials.status_list import decode_list
from datasigil.credentials.types import parse_credential
from datasigil.encoding import I_JSON, Instant, parse_json
from datasigil.errors import ProofError

SIGNED = (
    "signed-ecdsa-jcs-2019-p-256", "signed-ecdsa-jcs-2019-p-384", "signed-ecdsa-rdfc-2019-p-256", "signed-ecdsa-rdfc-2019-p-384",
    "signed-eddsa-jcs-2022-ed25519", "signed-eddsa-rdfc-2022-ed25519",
)  # fmt: skip


@pytest.fixture
def vectors(repository):
    return repository / "tests/vectors/credentials"


@pytest.mark.parametrize("name", SIGNED)
def test_every_type_signed_elsewhere_parses_and_verifies_here(vectors, name):
    documents = parse_json((vectors / f"{name}.json").read_bytes(), profile=I_JSON)
    assert len(documents) == 9
    for document in documents.values():
        credential = parse_credential(document)
        (proof,) = verify_proofs(document, keys=did_key_resolver)
        assert (proof.controller, proof.by_issuer) == (credential.issuer, True)


@pytest.mark.parametrize("name", SIGNED)
def test_a_change_to_a_document_signed_elsewhere_is_seen(vectors, name):
    documents = json.loads((vectors / f"{name}.json").read_bytes())
    for document in documents.values():
        changed = copy.deepcopy(document)
        changed["credentialSubject"]["id"] = "urn:uuid:other"
        with pytest.raises(ProofError) as caught:
            verify_proofs(changed, keys=did_key_resolver)
        assert caught.value.code == "SIGNATURE"


def test_presentations_signed_elsewhere_log_in_here(vectors):
    presentations = json.loads((vectors / "presentations.json").read_bytes())
    assert len(presentations) == 6
    for document in presentations.values():
        at = Instant.parse("2026-11-02T09:31:00Z")
        presentation = verify_presentation(
            document, keys=did_key_resolver, challenge="c-123", domain="registry.example", at=at
        )
        assert presentation.holder == presentation.proofs[0].controller


def test_bitstrings_encoded_elsewhere_decode_here(vectors):
    for row in json.loads((vectors / "bitstrings.json").read_bytes()):
        bits = decode_list(row["encoded"])
        found = [index for index in range(len(bits) * 8) if bits[index >> 3] >> (7 - (index & 7)) & 1]
        assert found == row["bits"]


def test_canonical_n_quads_equal_those_of_the_reference(vectors):
    rows = [json.loads(line) for line in (vectors / "rdf-documents.jsonl").read_bytes().splitlines()]
    assert len(rows) == 300
    direct = 0
    for row in rows:
        assert hashlib.sha256(canonicalize(row["document"], "sha256")).hexdigest() == row["digest"], row["document"]
        found = canonicalize_directly(row["document"], "sha256")
        if found is not None:
            assert hashlib.sha256(found).hexdigest() == row["digest"], row["document"]
            direct += 1
    assert direct > 80


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_canonical_n_quads_of_ten_thousand_documents_equal_those_of_the_reference(repository):
    if shutil.which("npm") is None:
        absent("npm")
    script = repository / "tests/vectors/compare_canonical.py"
    ran = subprocess.run(
        [sys.executable, script, "--count", "10000", "--seed", "11"], capture_output=True, text=True, check=False
    )
    print(ran.stdout[-2000:])
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert " 0 different" in ran.stdout
