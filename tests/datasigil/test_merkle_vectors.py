"""RFC 9162 proofs against transparency-dev's published vectors, and exhaustively over small trees."""

import json
from base64 import b64decode
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from datasigil import merkle
from datasigil.errors import LogError

LEAVES = [merkle.leaf_hash(index.to_bytes(2, "big")) for index in range(1000)]


def vectors(folder: Path) -> list[tuple[str, dict]]:
    files = sorted(folder.rglob("*.json"))
    assert len(files) == 98, f"{folder} should hold the 98 published vectors"
    return [(str(file.relative_to(folder)), json.loads(file.read_text())) for file in files]


def hashes(values: list[str] | None) -> list[bytes]:
    return [b64decode(value) for value in values or []]


def test_published_inclusion_vectors_are_decided_as_published(shared):
    for name, vector in vectors(shared / "vectors/merkle/inclusion"):
        arguments = (
            b64decode(vector["leafHash"] or ""), vector["leafIdx"], vector["treeSize"], hashes(vector["proof"]),
            b64decode(vector["root"] or ""),
        )  # fmt: skip
        if vector["wantErr"]:
            with pytest.raises(LogError) as caught:
                merkle.verify_inclusion(*arguments)
            assert caught.value.code == "INCLUSION", name
        else:
            merkle.verify_inclusion(*arguments)


# Its roots are the 12 bytes "don't care 2": we refuse what is no SHA-256 hash before asking whether two are equal.
ROOTS_THAT_ARE_NO_HASHES = "additional/sizes-are-equal-one-and-proof-is-empty.json"


def test_published_consistency_vectors_are_decided_as_published(shared):
    for name, vector in vectors(shared / "vectors/merkle/consistency"):
        arguments = (
            vector["size1"], vector["size2"], b64decode(vector["root1"] or ""), b64decode(vector["root2"] or ""),
            hashes(vector["proof"]),
        )  # fmt: skip
        if vector["wantErr"] or name == ROOTS_THAT_ARE_NO_HASHES:
            with pytest.raises(LogError) as caught:
                merkle.verify_consistency(*arguments)
            assert caught.value.code == "CONSISTENCY", name
        else:
            merkle.verify_consistency(*arguments)


def test_equal_trees_of_one_size_are_consistent_without_a_proof():
    merkle.verify_consistency(1, 1, LEAVES[0], LEAVES[0], [])


@cache
def reference_root(start: int, end: int) -> bytes:
    """The recursive definition of RFC 9162 section 2.1.1, written independently of the code under test."""
    if end - start == 1:
        return LEAVES[start]
    split = 1
    while split * 2 < end - start:
        split *= 2
    return sha256(b"\x01" + reference_root(start, start + split) + reference_root(start + split, end)).digest()


def split_of(size: int) -> int:
    """The largest power of two below a size."""
    split = 1
    while split * 2 < size:
        split *= 2
    return split


def reference_path(index: int, start: int, end: int) -> list[bytes]:
    """PATH of RFC 9162 section 2.1.3.1, over the reference roots."""
    if end - start == 1:
        return []
    middle = start + split_of(end - start)
    if index < middle:
        return [*reference_path(index, start, middle), reference_root(middle, end)]
    return [*reference_path(index, middle, end), reference_root(start, middle)]


def reference_subproof(old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162 section 2.1.4.1, over the reference roots."""
    if old == end - start:
        return [] if whole else [reference_root(start, end)]
    split = split_of(end - start)
    middle = start + split
    if old <= split:
        return [*reference_subproof(old, start, middle, whole=whole), reference_root(middle, end)]
    return [*reference_subproof(old - split, middle, end, whole=False), reference_root(start, middle)]


def with_one_bit(proof: list[bytes], number: int) -> list[bytes]:
    """A proof with one bit of one hash flipped, another one for each number."""
    place = number % len(proof)
    return [*proof[:place], flipped(proof[place]), *proof[place + 1 :]]


def test_every_inclusion_of_every_size_up_to_300_verifies_and_none_with_a_bit_flipped():
    assert count_inclusions(range(1, 301)) == 300 * 301 // 2


@pytest.mark.long
def test_every_inclusion_of_every_size_up_to_1000_verifies_and_none_with_a_bit_flipped():
    assert count_inclusions(range(301, 1001)) == 1000 * 1001 // 2 - 300 * 301 // 2


def count_inclusions(sizes: range) -> int:
    count = 0
    for size in sizes:
        root = reference_root(0, size)
        for index in range(size):
            proof = reference_path(index, 0, size)
            merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
            count += 1
            if proof:
                with pytest.raises(LogError):
                    merkle.verify_inclusion(LEAVES[index], index, size, with_one_bit(proof, count), root)
    return count


def test_every_consistency_of_every_pair_of_sizes_up_to_300_verifies_and_none_with_a_bit_flipped():
    count = 0
    for size in range(1, 301):
        root = reference_root(0, size)
        for old in range(1, size + 1):
            proof, old_root = reference_subproof(old, 0, size, whole=True), reference_root(0, old)
            merkle.verify_consistency(old, size, old_root, root, proof)
            count += 1
            if proof:
                with pytest.raises(LogError):
                    merkle.verify_consistency(old, size, old_root, root, with_one_bit(proof, count))
    assert count == 300 * 301 // 2


def test_every_root_and_inclusion_proof_up_to_300_leaves_verifies():
    for size in range(1, 301):
        root = reference_root(0, size)
        assert merkle.root_of(LEAVES[:size]) == root
        for index in range(0, size, 1 if size <= 64 else 7):
            proof = merkle.inclusion_proof(LEAVES[:size], index)
            assert proof == reference_path(index, 0, size)
            merkle.verify_inclusion(LEAVES[index], index, size, proof, root)


def test_every_consistency_proof_up_to_300_leaves_verifies():
    for size in range(1, 301):
        for old_size in range(1, size + 1, 1 if size <= 64 else 5):
            proof = merkle.consistency_proof(LEAVES[:size], old_size)
            assert proof == reference_subproof(old_size, 0, size, whole=True)
            merkle.verify_consistency(old_size, size, reference_root(0, old_size), reference_root(0, size), proof)


def test_every_mutation_of_a_proof_fails():
    for size in (1, 2, 3, 7, 8, 100, 256, 257):
        root = reference_root(0, size)
        for index in {0, size // 2, size - 1}:
            proof = merkle.inclusion_proof(LEAVES[:size], index)
            broken = [
                [*proof, b"\x00" * 32],
                proof[:-1] if proof else [root],
                *(
                    [flipped(value) if at == place else value for at, value in enumerate(proof)]
                    for place in range(len(proof))
                ),
            ]
            for candidate in broken:
                with pytest.raises(LogError):
                    merkle.verify_inclusion(LEAVES[index], index, size, candidate, root)


def test_a_proof_fails_for_every_other_index_and_size():
    proof = merkle.inclusion_proof(LEAVES[:100], 37)
    root = reference_root(0, 100)
    for index in range(100):
        if index != 37:
            with pytest.raises(LogError):
                merkle.verify_inclusion(LEAVES[37], index, 100, proof, root)
    for size in (0, 37, 38, 64, 99, 101, 128):
        with pytest.raises(LogError):
            merkle.verify_inclusion(LEAVES[37], 37, size, proof, reference_root(0, max(size, 1)))


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]
