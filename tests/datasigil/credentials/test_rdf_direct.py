"""The short way to canonical N-Quads: wherever it answers, it answers as pyld does, and everywhere else it leaves the answer to pyld."""

import json
import subprocess
import sys

import pytest
from vectors.make_rdf_documents import PinnedDocuments

from datasigil.credentials import rdf_direct
from datasigil.credentials.rdf import canonicalize
from datasigil.credentials.rdf_direct import QUADS_MAX, canonicalize_directly, knows_all_terms
from datasigil.credentials.rdf_terms import DERIVED_MAX, Outside, table_of
from datasigil.errors import MalformedError
from datasigil.signing import LocalSigner, add_proof

V2 = "https://www.w3.org/ns/credentials/v2"
OURS = "https://w3id.org/datasigil/v1"


def test_both_ways_give_the_same_bytes_wherever_the_short_one_answers():
    answered = 0
    for seed in range(2500):
        document = PinnedDocuments(seed, strange=0.05).document()
        found = canonicalize_directly(document, "sha256")
        if found is None:
            continue
        answered += 1
        assert found == canonicalize(document, "sha256"), document
    assert answered > 700


def test_what_the_generated_test_compares_is_not_all_alike():
    features = set()
    for seed in range(2500):
        document = PinnedDocuments(seed, strange=0.05).document()
        found = canonicalize_directly(document, "sha256")
        if found is not None:
            features |= {
                mark
                for mark in ("first", "dateTime", "boolean", "integer", "_:c14n1", "multibase")
                if mark in found.decode()
            }
    assert features == {"first", "dateTime", "boolean", "integer", "_:c14n1", "multibase"}


EXAMPLES = (
    "dataset-full",
    "dataset-minimal",
    "dataset-observer",
    "dataset-lineage",
    "dataset-audit",
    "dataset-approval",
    "card-review",
    "license-grant",
    "model-training",
)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("hash_name", ["sha256", "sha384"])
def test_every_credential_type_goes_the_short_way_to_the_same_bytes(repository, name, hash_name):
    document = json.loads((repository / f"schemas/examples/{name}.json").read_bytes())
    document.pop("proof", None)
    found = canonicalize_directly(document, hash_name)
    assert found is not None
    assert found == canonicalize(document, hash_name)


def test_signing_our_credentials_starts_no_subprocess_and_does_not_import_pyld(repository):
    code = (
        "import json,sys\n"
        "from datetime import datetime, UTC\n"
        "from datasigil.credentials.did import did_key_resolver\n"
        "from datasigil.credentials.proof import verify_proofs\n"
        "from datasigil.signing import LocalSigner, add_proof\n"
        "import subprocess; subprocess.Popen = None\n"
        "signer = LocalSigner.generate()\n"
        f"document = json.loads(open({str(repository / 'schemas/examples/dataset-full.json')!r}).read())\n"
        "document.pop('proof', None); document['issuer'] = signer.controller\n"
        "secured = add_proof(document, signer, created=datetime.now(UTC), cryptosuite='eddsa-rdfc-2022')\n"
        "verify_proofs(secured, keys=did_key_resolver)\n"
        "sys.exit('pyld' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def document(**members) -> dict:
    return {"@context": [V2], "id": "urn:a:b", "name": "x"} | members


OUTSIDE = [
    document(foo="x"),
    document(type="Foo"),
    document(type=[]),
    document(type=5),
    document(id="relative"),
    document(id="_:b"),
    document(id=5),
    document(id="name:x"),  # would be a compact IRI if name were a prefix
    document(name=None),
    document(name=[]),
    document(name=[["x"]]),
    document(name=0.5),
    document(name=2**53),
    document(name={}),
    document(name={"@value": "x"}),
    document(name={"@id": "urn:x"}),
    document(**{"@type": "VerifiableCredential"}),
    document(**{"@graph": []}),
    document(name={"@context": [V2], "name": "x"}),
    document(**{"https://x.example/full": "iri"}),
    document(name="\ud800"),
    {"@context": [V2], "id": "urn:a:b"},
    {"@context": [V2, {"x": "urn:x"}], "id": "urn:a:b", "name": "x"},
    {"@context": {"name": "urn:x"}, "name": "x"},
    {"@context": None, "name": "x"},
    {"name": "x"},
    {"@context": ["https://evil.example/"], "name": "x"},
    {"@context": ["https://www.w3.org/ns/credentials/examples/v2"], "name": "x"},  # only @vocab
    document(
        type="VerifiablePresentation", verifiableCredential={"id": "urn:x"}
    ),  # a graph, and a context that null resets
    document(type="VerifiableCredential", proof={"type": "DataIntegrityProof"}),
]


@pytest.mark.parametrize("value", OUTSIDE, ids=[json.dumps(value)[:70] for value in OUTSIDE])
def test_what_is_outside_the_tables_is_left_to_pyld(value):
    assert canonicalize_directly(value, "sha256") is None


def test_a_protected_term_that_a_later_context_redefines_is_left_to_pyld(monkeypatch):
    known = {
        "urn:c:good": {"@protected": True, "name": "https://schema.org/name"},
        "urn:c:evil": {"name": "https://evil.example/n"},
    }
    monkeypatch.setattr("datasigil.credentials.rdf_terms.PINNED", known)
    monkeypatch.setattr("datasigil.credentials.rdf_terms.context_document", lambda url: {"@context": known[url]})
    assert table_of(("urn:c:good", "urn:c:good")).terms["name"].predicate == "<https://schema.org/name>"
    assert table_of(("urn:c:evil", "urn:c:good")).terms["name"].predicate == "<https://schema.org/name>"
    with pytest.raises(Outside):
        table_of(("urn:c:good", "urn:c:evil"))
    table_of.cache_clear()


def test_a_type_scoped_context_ends_at_the_next_node_but_not_at_a_reference():
    # statusPurpose is defined inside BitstringStatusListEntry alone.
    inside = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListCredential": {"id": "urn:list"},
    }
    assert canonicalize_directly(document(type="VerifiableCredential", credentialStatus=inside), "sha256") is not None
    below = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListCredential": {"id": "urn:list", "statusPurpose": "x"},
    }
    assert canonicalize_directly(document(type="VerifiableCredential", credentialStatus=below), "sha256") is None
    with pytest.raises(MalformedError):
        canonicalize(document(type="VerifiableCredential", credentialStatus=below), "sha256")


def test_documents_too_large_or_too_alike_are_left_to_the_subprocess():
    many = {"@context": [V2, OURS], "id": "urn:a:b", "assessment": [{"criterion": "x"}] * QUADS_MAX}
    assert canonicalize_directly(many, "sha256") is None
    alike = {"@context": [V2, OURS], "id": "urn:a:b", "type": "Dataset", "creator": [{"name": "x"}] * 1000}
    assert not knows_all_terms({**alike, "creator": [{"name": "x"}] * (QUADS_MAX // 2)})


def test_tables_stop_growing(monkeypatch):
    table_of.cache_clear()
    monkeypatch.setattr("datasigil.credentials.rdf_terms.DERIVED_MAX", 3)
    nested: dict = {"name": "x"}
    for _ in range(10):
        nested = {"baseModel": nested}
    assert canonicalize_directly({"@context": [V2, OURS], "id": "urn:a:b", **nested}, "sha256") is None
    table_of.cache_clear()
    assert DERIVED_MAX > 3


@pytest.mark.parametrize("suite", ["eddsa-rdfc-2022"])
def test_a_proof_made_the_short_way_verifies_the_long_way_and_back(repository, now, suite):
    signer = LocalSigner.generate()
    unsigned = json.loads((repository / "schemas/examples/dataset-minimal.json").read_bytes())
    unsigned.pop("proof", None)
    unsigned["issuer"] = signer.controller
    short = add_proof(unsigned, signer, created=now, cryptosuite=suite)
    assert add_proof(unsigned, signer, created=now, cryptosuite=suite, canonicalize=canonicalize) == short


def test_a_document_deeper_than_the_stack_is_left_to_the_subprocess():
    deep: dict = {"name": "x"}
    for _ in range(3000):
        deep = {"publisher": deep}
    assert rdf_direct.canonicalize_directly({"@context": [V2, OURS], "id": "urn:a:b", **deep}, "sha256") is None
