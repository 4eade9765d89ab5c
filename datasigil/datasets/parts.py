"""Proofs about a part of a dataset: some files, or some chunks of a large file, without the rest of the manifest.

Here: `PartProof`, the document that goes along with a part (docs/formats.md, DatasetPart version 1), and inclusion proofs (RFC 9162 section 2.1.3) from a file's entry to the signed root, and from a chunk's bytes to the
entry's chunk root. Tree sizes come from the signed claim and the proven entry, never from the proof. Not here: the
signature on the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from datasigil.datasets.entry import (
    BOTH_DIGESTS,
    SHA256_ONLY,
    Manifest,
    ManifestEntry,
    chunk_count,
    chunk_leaf,
    entry_leaf,
    entry_value,
    leaves,
)
from datasigil.datasets.hashing import digest_function
from datasigil.datasets.limits import CHUNK_BYTES, PART_FILES_MAX
from datasigil.datasets.manifest import ManifestClaim
from datasigil.datasets.manifest_parser import check_chunk_tree, read_entry
from datasigil.datasets.paths import check_paths, display_path
from datasigil.encoding import JsonValue, b64_decode, b64_encode
from datasigil.errors import DatasigilError, LogError, MalformedError, ManifestMismatchError
from datasigil.limits import PROOF_HASHES_MAX
from datasigil.merkle import Levels, inclusion_proof, verify_inclusion
from datasigil.record import dataclass

_TYPE = "FileProof"
_PART_TYPE = "DatasetPart"
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


@dataclass(frozen=True, slots=True)
class ProvenFile:
    """One file of a part: its entry's proof, and with `chunks` the ranges of it that the part has; without, it has all of it."""

    file: FileProof
    chunks: tuple[ChunkProof, ...] = ()


@dataclass(frozen=True, slots=True)
class PartProof:
    """Everything that establishes a part of a dataset against its signed root; files in the manifest's order."""

    files: tuple[ProvenFile, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document, DatasetPart version 1."""
        return {
            "type": _PART_TYPE,
            "formatVersion": _FORMAT_VERSION,
            "files": [
                {name: value for name, value in one.file.to_json().items() if name not in ("type", "formatVersion")}
                | (
                    {"chunks": [{"index": c.index, "proof": [b64_encode(h) for h in c.proof]} for c in one.chunks]}
                    if one.chunks
                    else {}
                )
                for one in self.files
            ],
        }

    def manifest(self, claim: ManifestClaim) -> Manifest:
        """Return the files that the part has whole or in ranges as a manifest of their own; its root is not the signed one."""
        entries = [one.file.entry for one in self.files]
        digests = BOTH_DIGESTS if all(entry.blake3 for entry in entries) else SHA256_ONLY
        if digests == SHA256_ONLY:
            entries = [entry._replace(blake3=None) for entry in entries]
        return Manifest(tuple(entries), digests, claim.ignored)


ChunkDigests = Callable[[ManifestEntry], Sequence[bytes]]
"""Returns the digests of all chunks of a large file, in order."""


def prove_part(
    manifest: Manifest, paths: Sequence[str], ranges: Mapping[str, Sequence[int]], chunk_digests: ChunkDigests
) -> PartProof:
    """Prove the whole files at `paths`, and of those that are keys of `ranges` the chunks with these numbers.

    Raises: DatasigilError FILE_MISSING for a path that the manifest does not list; MalformedError CHUNK, LIMIT.
    """
    wanted = {*paths, *ranges}
    if not 0 < len(wanted) <= PART_FILES_MAX:
        raise MalformedError("LIMIT", "a part has some files", expected=f"1..{PART_FILES_MAX}", found=str(len(wanted)))
    found = {entry.path: (index, entry) for index, entry in enumerate(manifest.entries) if entry.path in wanted}
    for path in sorted(wanted - found.keys()):
        raise _not_listed(path)
    levels = Levels(leaves(manifest))
    files = []
    for index, entry in found.values():
        digests = chunk_digests(entry) if entry.path in ranges else ()
        numbers = sorted(set(ranges.get(entry.path, ())))
        chunks = tuple(prove_chunk(entry, digests, number) for number in numbers)
        files.append(ProvenFile(FileProof(entry, index, tuple(levels.inclusion_proof(index))), chunks))
    return PartProof(tuple(files))


def verify_part(part: PartProof, claim: ManifestClaim) -> None:
    """Establish that the dataset of the signed `claim` has every entry of `part`; bytes are checked in `partial`.

    Raises: ManifestMismatchError INCLUSION.
    """
    for one in part.files:
        verify_file_proof(one.file, claim)


def parse_part_proof(value: JsonValue) -> PartProof:
    """Read a DatasetPart from a JSON value that `encoding.parse_json` produced.

    Raises: MalformedError as `parse_file_proof`; files and chunks must be sorted and unique.
    """
    if not isinstance(value, dict) or set(value) != {"type", "formatVersion", "files"}:
        raise _form("", "an object with type, formatVersion and files")
    if value["type"] != _PART_TYPE or value["formatVersion"] is True or value["formatVersion"] != _FORMAT_VERSION:
        raise _form("/formatVersion", f"{_PART_TYPE}, format version {_FORMAT_VERSION}")
    listed = value["files"]
    if not isinstance(listed, list) or not 0 < len(listed) <= PART_FILES_MAX:
        raise _form("/files", f"an array of 1 to {PART_FILES_MAX} files")
    files = tuple(_proven_file(one, f"/files/{number}") for number, one in enumerate(listed))
    if any(one.file.index >= two.file.index for one, two in pairwise(files)):
        raise _form("/files", "files in the manifest's order, each once")
    check_paths([one.file.entry.path for one in files], place="/files")
    return PartProof(files)


def _proven_file(value: JsonValue, place: str) -> ProvenFile:
    if not isinstance(value, dict) or set(value) - {"chunks"} != {"entry", "index", "proof"}:
        raise _form(place, "an object with entry, index, proof and perhaps chunks")
    proof = _file_proof(value, place)
    if "chunks" not in value:
        return ProvenFile(proof)
    listed, count = value["chunks"], proof.entry.chunks.count if proof.entry.chunks else 0
    if not isinstance(listed, list) or not 0 < len(listed) <= count:
        raise _form(f"{place}/chunks", f"an array of 1 to {count} chunks")
    chunks = []
    for number, one in enumerate(listed):
        if not isinstance(one, dict) or set(one) != {"index", "proof"}:
            raise _form(f"{place}/chunks/{number}", "an object with index and proof")
        chunks.append(ChunkProof(_index(one, f"{place}/chunks/{number}"), _hashes(one, f"{place}/chunks/{number}")))
    if any(one.index >= two.index for one, two in pairwise(chunks)):
        raise _form(f"{place}/chunks", "chunks in order, each once")
    return ProvenFile(proof, tuple(chunks))


def prove_file(manifest: Manifest, path: str) -> FileProof:
    """Prove that `manifest` lists `path`.

    Raises: DatasigilError FILE_MISSING when it does not.
    """
    for index, entry in enumerate(manifest.entries):
        if entry.path == path:
            return FileProof(entry, index, tuple(inclusion_proof(list(leaves(manifest)), index)))
    raise _not_listed(path)


def _not_listed(path: str) -> DatasigilError:
    return DatasigilError(
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
    return _file_proof(value, "")


def _file_proof(value: dict[str, Any], place: str) -> FileProof:
    index, proof = _index(value, place), _hashes(value, place)
    entry = read_entry(value["entry"], f"{place}/entry")
    check_paths([entry.path], place=f"{place}/entry")
    check_chunk_tree(entry, f"{place}/entry")
    return FileProof(entry, index, proof)


def _index(value: dict[str, Any], place: str) -> int:
    index = value["index"]
    if type(index) is not int or index < 0:
        raise _form(f"{place}/index", "an integer from 0 on")
    return index


def _hashes(value: dict[str, Any], place: str) -> tuple[bytes, ...]:
    hashes = value["proof"]
    if not isinstance(hashes, list) or len(hashes) > PROOF_HASHES_MAX or not all(isinstance(h, str) for h in hashes):
        raise _form(f"{place}/proof", f"at most {PROOF_HASHES_MAX} strings in base64")
    return tuple(b64_decode(text, place=f"{place}/proof/{number}") for number, text in enumerate(hashes))


def prove_chunk(entry: ManifestEntry, digests: Sequence[bytes], index: int) -> ChunkProof:
    """Prove chunk `index` of a large file, given the digests of all its chunks in order.

    Raises: MalformedError CHUNK when there is no such chunk, or the digests are not the file's.
    """
    count = chunk_count(entry.size)
    if entry.chunks is None or not 0 <= index < count or len(digests) != count:
        raise MalformedError("CHUNK", "the file has no such chunk", expected=f"0..{count - 1}", found=str(index))
    hashes = [chunk_leaf(number, chunk_length(entry, number), digest) for number, digest in enumerate(digests)]
    return ChunkProof(index, tuple(inclusion_proof(hashes, index)))


def verify_chunk(data: bytes, proof: ChunkProof, entry: ManifestEntry) -> None:
    """Establish that `data` is chunk `proof.index` of the proven file `entry`; bytes from index * 16 MiB on.

    Raises: ManifestMismatchError CHUNK for bytes, position or proof that do not fit.
    """
    digest = digest_function("blake3" if entry.blake3 else "sha256")(memoryview(data))
    verify_chunk_digest(digest, len(data), proof, entry)


def verify_chunk_digest(digest: bytes, length: int, proof: ChunkProof, entry: ManifestEntry) -> None:
    """Establish that bytes of this digest and length are chunk `proof.index` of the proven file `entry`.

    Raises: as `verify_chunk`.
    """
    if entry.chunks is None or not 0 <= proof.index < entry.chunks.count or length != chunk_length(entry, proof.index):
        raise _chunk(entry, f"chunk {proof.index} of {length} bytes")
    leaf = chunk_leaf(proof.index, length, digest)
    try:
        verify_inclusion(leaf, proof.index, entry.chunks.count, proof.proof, bytes.fromhex(entry.chunks.root))
    except LogError as error:
        raise _chunk(entry, error.message) from None


def chunk_length(entry: ManifestEntry, index: int) -> int:
    """Return how many bytes chunk `index` of a large file has."""
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
