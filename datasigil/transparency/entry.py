"""What the log stores: one canonical entry per event, holding digests and nothing personal.

Here: building an entry and reading it back. The verifier rebuilds the entry from the credential in its hand and never
takes it from a bundle (CVE-2022-36056, CVE-2024-53267, CVE-2026-22703: entry not bound to the artifact).
Not here: hashing the entry into a tree (`merkle.leaf_hash`) and proofs (`proofs`). Format: DESIGN.md section 4, "Log".
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from datasigil.canonical import jcs
from datasigil.encoding import JsonObject, hex_digest, parse_json
from datasigil.errors import MalformedError
from datasigil.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS: Final = ("issue", "revoke", "suspend", "resume", "key", "audit")
"""Every kind of entry; `v` 1 has no others."""

REQUEST_KINDS: Final = ("revoke", "suspend", "resume", "key")
"""Kinds that change something on somebody's request: they name the digest of the signed request."""

ENTRY_MAX_BYTES: Final = 1024
_REQUIRED: Final = {"v", "kind", "credentialDigest", "issuerDigest", "typeDigest"}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry: digests as 64 lower-case hexadecimal digits."""

    kind: str
    credential_digest: str
    issuer_digest: str
    type_digest: str
    request_digest: str | None = None

    def to_bytes(self) -> bytes:
        """Return the canonical bytes that are hashed as the leaf; `parse_entry(e.to_bytes()) == e`."""
        entry: JsonObject = {
            "v": 1,
            "kind": self.kind,
            "credentialDigest": self.credential_digest,
            "issuerDigest": self.issuer_digest,
            "typeDigest": self.type_digest,
        }
        if self.request_digest is not None:
            entry["requestDigest"] = self.request_digest
        return jcs(entry)


def log_entry(kind: str, credential_digest: str, issuer: str, type_: str, request_digest: str | None = None) -> bytes:
    """Return the entry for `kind` about a credential, given its digest in hex, its issuer's DID and its type's name.

    Raises:
        MalformedError: ENTRY or DIGEST, when the kind is unknown, a digest is not one, or the request digest is
            missing where the kind needs it or present where it does not.
    """
    entry = LogEntry(kind, credential_digest, _digest_of(issuer), _digest_of(type_), request_digest)
    _check(entry)
    return entry.to_bytes()


def parse_entry(data: bytes) -> LogEntry:
    """Read an entry back; only the canonical spelling is accepted. Does not check that it is in any log.

    Raises:
        MalformedError: ENTRY, DIGEST or a code of `parse_json`.
    """
    document = parse_json(data, max_bytes=ENTRY_MAX_BYTES)
    if not isinstance(document, dict) or not _REQUIRED <= set(document) <= {*_REQUIRED, "requestDigest"}:
        raise MalformedError("ENTRY", "a log entry has other members", expected=", ".join(sorted(_REQUIRED)))
    if document["v"] != 1 or isinstance(document["v"], bool):
        raise MalformedError(
            "ENTRY", "unknown version of log entry", place="/v", expected="1", found=str(document["v"])[:20]
        )
    entry = LogEntry(
        document["kind"],
        document["credentialDigest"],
        document["issuerDigest"],
        document["typeDigest"],
        document.get("requestDigest"),
    )
    _check(entry)
    if entry.to_bytes() != data:
        raise MalformedError("ENTRY", "the log entry is not in its canonical spelling", expected="RFC 8785 bytes")
    return entry


def entry_bundle(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length as a big-endian u16 (tlog-tiles, "Log entries")."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_entry_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the `width` (1..256) entries of an entry bundle; whether they are in the tree is for the caller to hash.

    Raises:
        MalformedError: ENTRY_BUNDLE (tlog-tiles, "Log entries").
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        length = int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(data) or len(entries) != width:
        raise MalformedError(
            "ENTRY_BUNDLE",
            "not an entry bundle",
            expected=f"{width} entries",
            found=f"{len(entries)} in {len(data)} bytes",
        )
    return entries


@lru_cache(maxsize=64)  # types, and the issuers of what is checked or logged together
def _digest_of(text: str) -> str:
    return sha256(text.encode("utf-8")).hexdigest()


def _check(entry: LogEntry) -> None:
    if entry.kind not in KINDS:
        raise MalformedError(
            "ENTRY", "unknown kind of log entry", place="/kind", expected=" | ".join(KINDS), found=str(entry.kind)[:40]
        )
    hex_digest(entry.credential_digest, place="/credentialDigest")
    hex_digest(entry.issuer_digest, place="/issuerDigest")
    hex_digest(entry.type_digest, place="/typeDigest")
    if (entry.request_digest is not None) != (entry.kind in REQUEST_KINDS):
        raise MalformedError(
            "ENTRY",
            "a request digest belongs to status and key entries only, and they need one",
            place="/requestDigest",
            found=entry.kind,
        )
    if entry.request_digest is not None:
        hex_digest(entry.request_digest, place="/requestDigest")


__all__ = [
    "ENTRY_MAX_BYTES",
    "KINDS",
    "REQUEST_KINDS",
    "LogEntry",
    "entry_bundle",
    "log_entry",
    "parse_entry",
    "parse_entry_bundle",
]
