"""The committed examples of version 1, made by an independent implementation, read and verify for ever."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from datasigil.merkle import leaf_hash, verify_consistency
from datasigil.transparency.checkpoint import Witness, open_checkpoint, require_quorum
from datasigil.transparency.entry import log_entry, parse_entry
from datasigil.transparency.note import parse_note, parse_vkey
from datasigil.transparency.proofs import parse_log_proof, verify_log_proof
from datasigil.transparency.tiles import MemoryTileStore, TileTree


@pytest.fixture
def vectors(repository) -> Path:
    return repository / "tests/vectors/transparency"


@pytest.fixture
def keys(vectors) -> dict:
    return json.loads((vectors / "keys.json").read_text())


def test_entry_of_version_one_is_rebuilt_to_the_byte(vectors):
    data = (vectors / "entry-v1.json").read_bytes()
    entry = parse_entry(data)
    assert log_entry("issue", entry.credential_digest, "did:example:issuer", "DatasetCredential") == data


def test_checkpoint_opens_with_its_cosignatures(vectors, keys):
    note = (vectors / "checkpoint.note").read_bytes()
    time, witness = parse_vkey(keys["time"]), parse_vkey(keys["witness"])
    verified = open_checkpoint(note, parse_vkey(keys["log"]), (time, witness))
    at = datetime.fromtimestamp(keys["cosignedAt"], UTC)
    assert verified.times_by(time) == (at,)
    assert require_quorum(verified, [Witness("witness.example", witness)], 1) == at
    assert parse_note(note).to_bytes() == note


def test_log_proof_verifies(vectors, keys):
    text = (vectors / "log.tlog-proof").read_text(encoding="utf-8")
    proof = parse_log_proof(text)
    verified = verify_log_proof(proof, (vectors / "entry-v1.json").read_bytes(), parse_vkey(keys["log"]))
    assert (verified.index, verified.checkpoint.checkpoint.size) == (261, 300)
    assert proof.text() == text


def test_consistency_proof_verifies(vectors):
    case = json.loads((vectors / "consistency.json").read_text())
    proof = [bytes.fromhex(value) for value in case["proof"]]
    verify_consistency(
        case["oldSize"], case["size"], bytes.fromhex(case["oldRoot"]), bytes.fromhex(case["root"]), proof
    )


def test_tiled_tree_agrees_with_the_independent_implementation(vectors):
    tree = TileTree(MemoryTileStore())
    for number in range(300):
        digest = sha256(f"credential {number}".encode()).hexdigest()
        tree.append([leaf_hash(log_entry("issue", digest, "did:example:issuer", "DatasetCredential"))])
    case = json.loads((vectors / "consistency.json").read_text())
    assert tree.root.hex() == case["root"]
    assert [value.hex() for value in tree.consistency(case["oldSize"])] == case["proof"]
    assert (
        tuple(tree.inclusion(261)) == parse_log_proof((vectors / "log.tlog-proof").read_text(encoding="utf-8")).hashes
    )
