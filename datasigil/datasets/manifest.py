"""The manifest's public face: reading, writing, digest, root, and what a credential claims about it.

Manifest v1, DESIGN.md section 4. Here: values against values. Not here: files on a disk (`files`), and whether the
credential that makes a claim is worth anything (`verification`).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from itertools import pairwise
from typing import Any

from datasigil.datasets.entry import ChunkTree, Manifest, ManifestEntry, canonical_parts, manifest_value
from datasigil.datasets.manifest_parser import ManifestFile, ManifestSource, parse_manifest, read_manifest
from datasigil.datasets.paths import display_path
from datasigil.datasets.table import EntryTable
from datasigil.encoding import hex_digest
from datasigil.errors import MalformedError, ManifestMismatchError
from datasigil.record import dataclass

__all__ = [
    "ChunkTree",
    "Manifest",
    "ManifestClaim",
    "ManifestEntry",
    "ManifestFile",
    "ManifestSource",
    "manifest_bytes",
    "manifest_digest",
    "manifest_root",
    "manifest_value",
    "oms_root",
    "parse_manifest",
    "read_manifest",
    "verify_manifest_claim",
]


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the manifest's RFC 8785 bytes, the ones that are stored and whose SHA-256 is signed."""
    return b"".join(canonical_parts(manifest))


def manifest_digest(manifest: Manifest) -> str:
    """Return the SHA-256 of the manifest's bytes, lowercase hex."""
    return manifest.digest


def manifest_root(manifest: Manifest) -> bytes:
    """Return the RFC 9162 root over the file leaves, 32 bytes."""
    return manifest.root


@dataclass(frozen=True, slots=True)
class ManifestClaim:
    """What a DatasetCredential says about its manifest (`credentialSubject.manifest`); digests are lowercase hex."""

    digest: str
    root: str
    file_count: int
    byte_size: int
    chunk_size: int
    ignored: tuple[str, ...]
    record_count: int | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> ManifestClaim:
        """Compute the claim that is true of `manifest`."""
        return cls(
            digest=manifest.digest,
            root=manifest.root.hex(),
            file_count=manifest.file_count,
            byte_size=manifest.byte_size,
            chunk_size=manifest.chunk_size,
            ignored=manifest.ignored,
            record_count=manifest.record_count,
        )

    @classmethod
    def from_subject(cls, subject: Mapping[str, Any]) -> ManifestClaim:
        """Read the claim out of a parsed credential's `credentialSubject`; other members of `manifest` are left alone.

        Raises: MalformedError SCHEMA when `manifest` is absent or a member of it has another type.
        """
        claim = subject.get("manifest")
        if not isinstance(claim, dict):
            raise _schema("/manifest", "an object")
        ignored = claim.get("ignored")
        if not isinstance(ignored, list) or not all(isinstance(path, str) for path in ignored):
            raise _schema("/manifest/ignored", "an array of strings")
        return cls(
            digest=_digest(claim, "digest"),
            root=_digest(claim, "root"),
            file_count=_integer(claim, "fileCount"),
            byte_size=_integer(claim, "byteSize"),
            chunk_size=_integer(claim, "chunkSize"),
            ignored=tuple(ignored),
            record_count=_integer(claim, "recordCount") if "recordCount" in claim else None,
        )

    def to_subject(self) -> dict[str, Any]:
        """Return the JSON object that stands under `manifest` in a credential's subject, `assurance` included."""
        members = {
            "digest": self.digest,
            "root": self.root,
            "fileCount": self.file_count,
            "byteSize": self.byte_size,
            "chunkSize": self.chunk_size,
            "ignored": list(self.ignored),
            "assurance": "computed",
        }
        if self.record_count is not None:
            members["recordCount"] = self.record_count
        return members


def _schema(place: str, expected: str) -> MalformedError:
    return MalformedError(
        "SCHEMA", "the credential's claim about its manifest is malformed", place=place, expected=expected
    )


def _digest(claim: Mapping[str, Any], name: str) -> str:
    return hex_digest(claim.get(name), place=f"/manifest/{name}").hex()


def _integer(claim: Mapping[str, Any], name: str) -> int:
    value = claim.get(name)
    if type(value) is not int or value < 0:
        raise _schema(f"/manifest/{name}", "an integer from 0 to 2^53-1")
    return value


def verify_manifest_claim(manifest: Manifest, claim: ManifestClaim) -> None:
    """Hold `manifest` against the signed `claim`, recomputing every figure; opens no file.

    A claimed record count must be the manifest's own: a manifest without one does not establish it.

    Raises: ManifestMismatchError MANIFEST_DIGEST, MANIFEST_ROOT, MANIFEST_FILE_COUNT, MANIFEST_BYTE_SIZE,
    MANIFEST_RECORD_COUNT, MANIFEST_CHUNK_SIZE or MANIFEST_IGNORED (the first that differs).
    """
    computed = ManifestClaim.of(manifest)
    for name, code, words in _FIGURES:
        said, found = getattr(claim, name), getattr(computed, name)
        if said == found or (name == "record_count" and said is None):
            continue
        raise ManifestMismatchError(
            code,
            f"the manifest's {words} differs from the signed one",
            place=f"/credentialSubject/manifest/{_JSON_NAMES[name]}",
            expected=_shown(said),
            found=_shown(found),
            next_action="get the manifest that belongs to this credential from its publisher",
        )


# The figures that explain most come first; the digest covers whatever these do not.
_FIGURES = (
    ("chunk_size", "MANIFEST_CHUNK_SIZE", "chunk size"),
    ("ignored", "MANIFEST_IGNORED", "list of ignored paths"),
    ("file_count", "MANIFEST_FILE_COUNT", "number of files"),
    ("byte_size", "MANIFEST_BYTE_SIZE", "size in bytes"),
    ("record_count", "MANIFEST_RECORD_COUNT", "number of records"),
    ("root", "MANIFEST_ROOT", "tree root"),
    ("digest", "MANIFEST_DIGEST", "digest"),
)
_JSON_NAMES = {
    "chunk_size": "chunkSize",
    "ignored": "ignored",
    "file_count": "fileCount",
    "byte_size": "byteSize",
    "record_count": "recordCount",
    "root": "root",
    "digest": "digest",
}


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(display_path(str(path)) for path in value)[:300]
    return "none" if value is None else str(value)


def oms_root(manifest: Manifest) -> str:
    """Return the OpenSSF Model Signing root: SHA-256 over the files' SHA-256 digests; informational.

    The order is that tool's own, by path segments, which differs from the manifest's where a name continues below `/` (`a/b`, `a.txt`).
    """
    entries = manifest.entries
    paths = entries.paths if isinstance(entries, EntryTable) else [entry.path for entry in entries]
    if all(before <= after for before, after in pairwise(map(_by_segments, paths))):
        if isinstance(entries, EntryTable):
            return sha256(entries.sha256).hexdigest()
        return sha256(b"".join(bytes.fromhex(entry.sha256) for entry in entries)).hexdigest()
    ordered = sorted(range(len(entries)), key=lambda index: _by_segments(paths[index]))
    return sha256(b"".join(bytes.fromhex(entries[index].sha256) for index in ordered)).hexdigest()


def _by_segments(path: str) -> str:
    """Return a key that sorts paths by their segments; NUL stands in no path and before every character that may."""
    return path.replace("/", "\0")
