"""One file, or one chunk, proven without the rest of the manifest."""

import copy
import json
from dataclasses import replace
from hashlib import sha256

import blake3
import pytest

from datasigil.datasets.entry import CHUNK_BYTES, Manifest, ManifestEntry, chunk_tree
from datasigil.datasets.manifest import ManifestClaim
from datasigil.datasets.parts import (
    ChunkProof,
    parse_file_proof,
    prove_chunk,
    prove_file,
    verify_chunk,
    verify_file_proof,
)
from datasigil.errors import DatasigilError, MalformedError, ManifestMismatchError

HEX = "ab" * 32


def manifest(count):
    return Manifest(tuple(ManifestEntry(f"f{number:03}", number, HEX, HEX) for number in range(count)))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 100])
def test_every_file_of_a_manifest_can_be_proven_alone(count):
    one = manifest(count)
    claim = ManifestClaim.of(one)
    for entry in one.entries:
        proof = parse_file_proof(json.loads(json.dumps(prove_file(one, entry.path).to_json())))
        assert proof.entry == entry
        verify_file_proof(proof, claim)


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: replace(proof, index=proof.index + 1),
        lambda proof: replace(proof, entry=proof.entry._replace(size=99)),
        lambda proof: replace(proof, entry=proof.entry._replace(path="other")),
        lambda proof: replace(proof, entry=proof.entry._replace(sha256="cd" * 32)),
        lambda proof: replace(proof, entry=proof.entry._replace(blake3=None)),
        lambda proof: replace(proof, proof=proof.proof[:-1]),
        lambda proof: replace(proof, proof=(*proof.proof, bytes(32))),
        lambda proof: replace(proof, proof=(bytes(31), *proof.proof[1:])),
        *[
            lambda proof, at=at: replace(
                proof, proof=tuple(bytes(32) if number == at else one for number, one in enumerate(proof.proof))
            )
            for at in range(3)
        ],
    ],
)
def test_changed_proof_of_a_file_is_refused(change):
    one = manifest(7)
    with pytest.raises(ManifestMismatchError) as caught:
        verify_file_proof(change(prove_file(one, "f002")), ManifestClaim.of(one))
    assert caught.value.code == "INCLUSION"


def test_proof_against_another_claim_is_refused():
    proof = prove_file(manifest(7), "f002")
    for claim in (
        ManifestClaim.of(manifest(8)),
        replace(ManifestClaim.of(manifest(7)), file_count=4),
        replace(ManifestClaim.of(manifest(7)), root="00" * 32),
    ):
        with pytest.raises(ManifestMismatchError):
            verify_file_proof(proof, claim)


def test_file_that_is_not_listed_cannot_be_proven():
    with pytest.raises(DatasigilError) as caught:
        prove_file(manifest(3), "absent")
    assert caught.value.code == "FILE_MISSING"


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("index"),
        lambda value: value.update(extra=1),
        lambda value: value.update(type="Proof"),
        lambda value: value.update(formatVersion=2),
        lambda value: value.update(formatVersion=True),
        lambda value: value.update(index=-1),
        lambda value: value.update(index=True),
        lambda value: value.update(proof="x"),
        lambda value: value.update(proof=[1]),
        lambda value: value.update(proof=["!"]),
        lambda value: value.update(proof=["AA=="] * 1000),
        lambda value: value.update(entry=[]),
        lambda value: value["entry"].update(path="../x"),
        lambda value: value["entry"].update(path="e\u0301"),
        lambda value: value["entry"].update(size=-1),
        lambda value: value["entry"].update(chunks={"count": 1, "root": HEX}),
        lambda value: value["entry"].update(more=1),
    ],
)
def test_malformed_proof_of_a_file_is_refused(change):
    value = prove_file(manifest(5), "f002").to_json()
    change(value)
    with pytest.raises(MalformedError) as caught:
        parse_file_proof(copy.deepcopy(value))
    assert caught.value.place or caught.value.code == "FILE_PROOF"


@pytest.fixture(scope="module", params=["blake3", "sha256"])
def chunked(request):
    """A file of two chunks and some bytes: (its bytes, the digests of its chunks, its entry)."""
    data = bytes(2 * CHUNK_BYTES) + b"tail"
    digest = (
        (lambda part: blake3.blake3(part).digest())
        if request.param == "blake3"
        else (lambda part: sha256(part).digest())
    )
    digests = [digest(data[at : at + CHUNK_BYTES]) for at in range(0, len(data), CHUNK_BYTES)]
    second = HEX if request.param == "blake3" else None
    return data, digests, ManifestEntry("big", len(data), HEX, second, chunk_tree(len(data), digests))


def test_every_chunk_of_a_large_file_can_be_proven_alone(chunked):
    data, digests, entry = chunked
    for index in range(3):
        proof = prove_chunk(entry, digests, index)
        verify_chunk(data[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES], proof, entry)


def test_other_bytes_positions_or_proofs_of_a_chunk_are_refused(chunked):
    data, digests, entry = chunked
    proof = prove_chunk(entry, digests, 1)
    good = data[CHUNK_BYTES : 2 * CHUNK_BYTES]
    for part, one in (
        (good[:-1] + b"x", proof),
        (good[:-1], proof),
        (b"tail", proof),
        (good, replace(proof, index=0)),
        (good, replace(proof, index=3)),
        (good, replace(proof, index=-1)),
        (good, replace(proof, proof=proof.proof[:-1])),
        (good, ChunkProof(1, (bytes(32), *proof.proof[1:]))),
    ):
        with pytest.raises(ManifestMismatchError) as caught:
            verify_chunk(part, one, entry)
        assert caught.value.code == "CHUNK"
    with pytest.raises(ManifestMismatchError):
        verify_chunk(good, proof, entry._replace(chunks=None))


def test_chunk_that_does_not_exist_cannot_be_proven(chunked):
    _, digests, entry = chunked
    for arguments in (
        (entry, digests, 3),
        (entry, digests, -1),
        (entry, digests[:2], 0),
        (entry._replace(chunks=None), digests, 0),
    ):
        with pytest.raises(MalformedError) as caught:
            prove_chunk(*arguments)
        assert caught.value.code == "CHUNK"
