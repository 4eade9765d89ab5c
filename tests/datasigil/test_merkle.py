"""RFC 9162 trees: every proof for every size verifies, and no mutated one does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasigil import merkle
from datasigil.errors import LogError


def _leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(index.to_bytes(4, "big")) for index in range(size)]


@pytest.mark.parametrize("size", range(1, 70))
def test_inclusion_holds_for_every_leaf_and_only_there(size: int) -> None:
    leaves = _leaves(size)
    root = merkle.root_of(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle.inclusion_proof(leaves, index)
        merkle.verify_inclusion(leaf, index, size, proof, root)
        for wrong in {(index + 1) % size, size, -1} - {index}:
            with pytest.raises(LogError):
                merkle.verify_inclusion(leaf, wrong, size, proof, root)


@pytest.mark.parametrize("size", range(1, 40))
def test_consistency_holds_for_every_prefix(size: int) -> None:
    leaves = _leaves(size)
    root = merkle.root_of(leaves)
    for old in range(1, size + 1):
        old_root = merkle.root_of(leaves[:old])
        proof = merkle.consistency_proof(leaves, old)
        merkle.verify_consistency(old, size, old_root, root, proof)
        with pytest.raises(LogError):
            merkle.verify_consistency(old, size, bytes(32), root, proof)
        with pytest.raises(LogError):
            merkle.verify_consistency(old, size, old_root, bytes(32), proof)


@given(st.integers(2, 200), st.data())
def test_a_mutated_audit_path_never_verifies(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    root = merkle.root_of(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(leaves, index)
    place = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytearray(proof[place])
    flipped[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    for mutated in (
        [*proof[:place], bytes(flipped), *proof[place + 1 :]],
        proof[:place] + proof[place + 1 :],
        [*proof, bytes(32)],
        [*proof[:place], proof[place][:31], *proof[place + 1 :]],
        [*proof, *[bytes(32)] * 65],
    ):
        with pytest.raises(LogError) as caught:
            merkle.verify_inclusion(leaves[index], index, size, mutated, root)
        assert caught.value.code == "INCLUSION"


@given(st.integers(2, 200), st.data())
def test_a_mutated_consistency_proof_never_verifies(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    old = data.draw(st.integers(1, size - 1))
    proof = merkle.consistency_proof(leaves, old)
    roots = merkle.root_of(leaves[:old]), merkle.root_of(leaves)
    place = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes([proof[place][0] ^ 1]) + proof[place][1:]
    for mutated in (
        [*proof[:place], flipped, *proof[place + 1 :]],
        proof[:place] + proof[place + 1 :],
        [*proof, bytes(32)],
        [],
    ):
        with pytest.raises(LogError) as caught:
            merkle.verify_consistency(old, size, *roots, mutated)
        assert caught.value.code == "CONSISTENCY"


def test_an_empty_tree_proves_nothing() -> None:
    with pytest.raises(LogError):
        merkle.root_of([])
    with pytest.raises(LogError):
        merkle.verify_inclusion(b"", 0, 1, [], b"")
    with pytest.raises(LogError):
        merkle.verify_consistency(0, 5, bytes(32), bytes(32), [])


def test_leaves_and_nodes_hash_differently() -> None:
    left, right = bytes(32), bytes(32)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
