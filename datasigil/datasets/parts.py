"""Proofs about a part of a dataset: one file, or one chunk of a large file, without the rest of the manifest.

Here: inclusion proofs (RFC 9162 section 2.1.3) from a file's entry to the signed root, and from a chunk's bytes to the
entry's chunk root. Tree sizes come from the signed claim and the proven entry, never from the proof. Not here: the
signature on the claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasigil.datasets.entry import (
    Manifest,
    ManifestEntry,
    chunk_count,
    chunk_leaf,
    entry_leaf,
    entry_value,
)
from datasigil.datasets.hashing import digest_function
from datasigil.datasets.limits import CHUNK_BYTES
from datasigil.datasets.manifest import ManifestClaim
from datasigil.datasets.manifest_parser import check_chunk_tree, read_entry
from datasigil.datasets.paths import check_paths, display_path
from datasigil.encoding import JsonValue, b64_decode, b64_encode
from datasigil.errors import DatasigilError, LogError, MalformedError, ManifestMismatchError
from datasigil.limits import PROOF_HASHES_MAX
from datasigil.merkle import inclusion_proof, verify_inclusion
from datasigil.record import dataclass

_TYPE = "FileProof"
_FORMAT_VERSION = 1
_NEXT = "get the proof again from whoever has the whole manifest"


@dataclass(frozen=True, slots=True)
class FileProof:
    """One manifest entry, its position, and the audit path to the manifest's root."""

    entry: ManifestEntry
    index: int
    proof: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the proof as a JSON object, format version 1."""
        return {
            "type": _TYPE,
            "formatVersion": _FORMAT_VERSION,
            "entry": entry_value(self.entry),
            "index": self.index,
            "proof": [b64_encode(one) for one in self.proof],
        }


@dataclass(frozen=True, slots=True)
class ChunkProof:
    """One chunk's position in a large file, and the audit path to the file's chunk root."""

    index: int
    proof: tuple[bytes, ...]


def prove_file(manifest: Manifest, path: str) -> FileProof:
    """Prove that `manifest` lists `path`.

    Raises: DatasigilError FILE_MISSING when it does not.
    """
    for index, entry in enumerate(manifest.entries):
        if entry.path == path:
            leaves = [entry_leaf(one) for one in manifest.entries]
            return FileProof(entry, index, tuple(inclusion_proof(leaves, index)))
    raise DatasigilError(
        "FILE_MISSING",
        "the manifest lists no such file",
        place=display_path(path),
        expected="a path of the manifest",
        next_action="look at the paths with 'datasigil-verify inspect'",
    )


def verify_file_proof(proof: FileProof, claim: ManifestClaim) -> None:
    """Establish that the dataset of the signed `claim` has this entry; the file's bytes are checked elsewhere.

    Raises: ManifestMismatchError INCLUSION.
    """
    try:
        verify_inclusion(entry_leaf(proof.entry), proof.index, claim.file_count, proof.proof, bytes.fromhex(claim.root))
    except LogError as error:
        raise ManifestMismatchError(
            "INCLUSION",
            f"the proof does not lead to the signed root: {error.message}",
            place=display_path(proof.entry.path),
            expected=f"a tree of {claim.file_count} files with root {claim.root}",
            next_action=_NEXT,
        ) from None


def parse_file_proof(value: JsonValue) -> FileProof:
    """Read a proof from a JSON value that `encoding.parse_json` produced.

    Raises: MalformedError FILE_PROOF, PATH, MANIFEST_FORM, UNKNOWN_PROPERTY, DIGEST or ENCODING.
    """
    if not isinstance(value, dict) or set(value) != {"type", "formatVersion", "entry", "index", "proof"}:
        raise _form("", "an object with type, formatVersion, entry, index and proof")
    version = value["formatVersion"]
    if value["type"] != _TYPE or type(version) is not int or version != _FORMAT_VERSION:
        raise _form("/formatVersion", f"{_TYPE}, format version {_FORMAT_VERSION}")
    index, hashes = value["index"], value["proof"]
    if type(index) is not int or index < 0:
        raise _form("/index", "an integer from 0 on")
    if not isinstance(hashes, list) or len(hashes) > PROOF_HASHES_MAX or not all(isinstance(h, str) for h in hashes):
        raise _form("/proof", f"at most {PROOF_HASHES_MAX} strings in base64")
    entry = read_entry(value["entry"], "/entry")
    check_paths([entry.path], place="/entry")
    check_chunk_tree(entry, "/entry")
    proof = tuple(b64_decode(text, place=f"/proof/{number}") for number, text in enumerate(hashes))
    return FileProof(entry, index, proof)


def prove_chunk(entry: ManifestEntry, digests: Sequence[bytes], index: int) -> ChunkProof:
    """Prove chunk `index` of a large file, given the digests of all its chunks in order.

    Raises: MalformedError CHUNK when there is no such chunk, or the digests are not the file's.
    """
    count = chunk_count(entry.size)
    if entry.chunks is None or not 0 <= index < count or len(digests) != count:
        raise MalformedError("CHUNK", "the file has no such chunk", expected=f"0..{count - 1}", found=str(index))
    leaves = [chunk_leaf(number, _length(entry, number), digest) for number, digest in enumerate(digests)]
    return ChunkProof(index, tuple(inclusion_proof(leaves, index)))


def verify_chunk(data: bytes, proof: ChunkProof, entry: ManifestEntry) -> None:
    """Establish that `data` is chunk `proof.index` of the proven file `entry`; bytes from index * 16 MiB on.

    Raises: ManifestMismatchError CHUNK for bytes, position or proof that do not fit.
    """
    if entry.chunks is None or not 0 <= proof.index < entry.chunks.count or len(data) != _length(entry, proof.index):
        raise _chunk(entry, f"chunk {proof.index} of {len(data)} bytes")
    digest = digest_function("blake3" if entry.blake3 else "sha256")(memoryview(data))
    leaf = chunk_leaf(proof.index, len(data), digest)
    try:
        verify_inclusion(leaf, proof.index, entry.chunks.count, proof.proof, bytes.fromhex(entry.chunks.root))
    except LogError as error:
        raise _chunk(entry, error.message) from None


def _length(entry: ManifestEntry, index: int) -> int:
    return min(CHUNK_BYTES, entry.size - index * CHUNK_BYTES)


def _chunk(entry: ManifestEntry, found: str) -> ManifestMismatchError:
    root = entry.chunks.root if entry.chunks else "none"
    return ManifestMismatchError(
        "CHUNK",
        "the bytes are not that part of the file",
        place=display_path(entry.path),
        expected=f"a chunk under root {root}",
        found=found,
        next_action="fetch that range of the file again",
    )


def _form(place: str, expected: str) -> MalformedError:
    return MalformedError(
        "FILE_PROOF", "the proof of a file is malformed", place=place, expected=expected, next_action=_NEXT
    )
