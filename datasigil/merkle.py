"""Merkle trees of RFC 9162 over SHA-256.

Lives here: hashes, roots, inclusion and consistency proofs over hashes held in memory, and their verification (RFC 9162
section 2.1). Not here: what a leaf contains (`datasets/manifest`, `transparency/entry`) and trees stored as tiles
(`transparency/tiles`).
"""

from __future__ import annotations

from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING

from datasigil.errors import LogError
from datasigil.limits import PROOF_HASHES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HASH_BYTES = 32
_RUN = 1 << 12  # hashes that are held at once while a root is computed; a power of two


def leaf_hash(data: bytes) -> bytes:
    """Return the 32-byte hash of a leaf: SHA-256(0x00 || data), RFC 9162 section 2.1.1."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node: SHA-256(0x01 || left || right), RFC 9162 section 2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the 32-byte root over leaf hashes in order; the empty tree is refused.

    Raises:
        LogError: EMPTY_TREE, when there is no leaf.
    """
    remaining = iter(leaf_hashes)
    # A run whose length is a power of two is a whole subtree; the last run, whatever its length, is the tree's right edge.
    roots = [_joined(run) for run in iter(lambda: list(islice(remaining, _RUN)), [])]
    if not roots:
        raise LogError("EMPTY_TREE", "an empty tree has no root that proves anything", expected="at least one leaf")
    return _joined(roots)


def _joined(level: list[bytes]) -> bytes:
    """Return the root over a list of subtrees' roots: pairs are joined level by level, and one without a partner moves up."""
    while len(level) > 1:
        lefts = iter(level)
        above = [sha256(b"\x01" + left + right).digest() for left, right in zip(lefts, lefts, strict=False)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path, leaf to root, of the leaf at `index` (RFC 9162 section 2.1.3.1).

    Raises:
        LogError: INCLUSION, when the index lies outside the tree.
    """
    if not 0 <= index < len(leaf_hashes):
        raise LogError("INCLUSION", "the index lies outside the tree", found=str(index))
    if len(leaf_hashes) == 1:
        return []
    split = _split(len(leaf_hashes))
    if index < split:
        return [*inclusion_proof(leaf_hashes[:split], index), root_of(leaf_hashes[split:])]
    return [*inclusion_proof(leaf_hashes[split:], index - split), root_of(leaf_hashes[:split])]


class Levels:
    """All hashes of one tree, for many audit paths: 64 bytes for each leaf, and a path costs as many look-ups as it has hashes."""

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        self._levels = [list(leaf_hashes)]
        while len(level := self._levels[-1]) > 1:
            above = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
            # RFC 9162 splits at powers of two, so that a last hash without a sibling is its parent.
            self._levels.append(above + level[-1:] if len(level) % 2 else above)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Return what `inclusion_proof` returns for the leaf at `index`.

        Raises:
            LogError: INCLUSION, when the index lies outside the tree.
        """
        if not 0 <= index < len(self._levels[0]):
            raise LogError("INCLUSION", "the index lies outside the tree", found=str(index))
        path = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                path.append(level[index ^ 1])
            index >>= 1
        return path


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that an audit path leads to (RFC 9162 section 2.1.3.2).

    Raises:
        LogError: INCLUSION, for an index outside the tree or a path that is not exactly as long as it must be.
    """
    if not 0 <= index < size:
        raise LogError("INCLUSION", "the index lies outside the tree", expected=f"0..{size - 1}", found=str(index))
    _check_hashes("INCLUSION", (leaf, *proof), len(proof))
    first, last, running = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise LogError("INCLUSION", "the audit path is too long")
        if first & 1 or first == last:
            running = node_hash(sibling, running)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            running = node_hash(running, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise LogError("INCLUSION", "the audit path is too short")
    return running


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return when the audit path leads from `leaf` to `root`; does not check who signed the root.

    Raises:
        LogError: INCLUSION, in every other case (RFC 9162 section 2.1.3.2).
    """
    _check_hashes("INCLUSION", (root,), 0)
    if root_from_inclusion(leaf, index, size, proof) != root:
        raise LogError("INCLUSION", "the audit path leads to another root", expected=root.hex())


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree's first `old_size` leaves are a prefix of it (RFC 9162 section 2.1.4.1).

    Raises:
        LogError: CONSISTENCY, when `old_size` is not in 1..size.
    """
    if not 0 < old_size <= len(leaf_hashes):
        raise LogError("CONSISTENCY", "the old size lies outside the tree", found=str(old_size))
    return _subproof(leaf_hashes, old_size, whole=True)


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = _split(len(leaves))
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, whole=whole), root_of(leaves[split:])]
    return [*_subproof(leaves[split:], old_size - split, whole=False), root_of(leaves[:split])]


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Return when the tree of `new_size` extends the tree of `old_size`; does not check who signed the roots.

    Raises:
        LogError: CONSISTENCY, in every other case (RFC 9162 section 2.1.4.2); an old size of zero proves nothing.
    """
    if not 0 < old_size <= new_size:
        raise LogError("CONSISTENCY", "the sizes are out of order", expected="0 < old <= new", found=str(old_size))
    _check_hashes("CONSISTENCY", (old_root, new_root, *proof), len(proof))
    if old_size == new_size:
        if proof or old_root != new_root:
            raise LogError("CONSISTENCY", "two trees of one size differ")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise LogError("CONSISTENCY", "the proof is empty")
    if _replay_consistency(old_size, new_size, path) != (old_root, new_root):
        raise LogError("CONSISTENCY", "the proof leads to other roots")


def _replay_consistency(old_size: int, new_size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise LogError("CONSISTENCY", "the proof is too long")
        if first & 1 or first == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise LogError("CONSISTENCY", "the proof is too short")
    return old, new


def _check_hashes(code: str, hashes: Iterable[bytes], count: int) -> None:
    if count > PROOF_HASHES_MAX:
        raise LogError(code, "the proof holds more hashes than any tree needs", expected=f"<= {PROOF_HASHES_MAX}")
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise LogError(code, "a hash has the wrong length", expected="32 bytes", found=f"{len(value)} bytes")
