"""Bitstring Status List v1.0 (W3C Recommendation, 15 May 2025): encode, bounded decode, and the list credential.

Lives here: bits and the closed table of the list credential. Not here: who may sign a list (the credential's `statusIssuer`, compared
in `verification`), how fresh it must be (`trust`), and its proof (`proof`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from datasigil.canonical import document_digest
from datasigil.credentials.contexts import CREDENTIALS_V2, DATASIGIL_V1, PROFILE_CONTEXTS
from datasigil.credentials.fields import Field, OneOf, Opaque, Table
from datasigil.credentials.kinds import COUNT, DID, HTTP_URL, MOMENT, NAME, ORIGIN, PROSE, URI
from datasigil.credentials.values import Const, Enum, Integer, Text, fault
from datasigil.encoding import Instant, JsonValue, b64url_decode, b64url_encode
from datasigil.errors import MalformedError, StatusError
from datasigil.limits import STATUS_LIST_MAX_BYTES, STATUS_LIST_MIN_BYTES
from datasigil.record import dataclass

# Level 6: level 9 costs ten times as much for a few per cent.
_COMPRESSION = 6
# No list that is allowed compresses to more than this: deflate's stored blocks add 5 bytes per 64 KiB.
ENCODED_LIST_MAX_CHARACTERS = 12 * 1024 * 1024

_REPLAY = Table(
    Field("origin", ORIGIN, "log whose entries were replayed", "dsg:origin", required=True),
    Field("treeSize", COUNT, "entries that were replayed", "dsg:treeSize", required=True),
    doc="The list equals a replay of this log up to this size.",
)

_ENCODED = Text(
    pattern="u[A-Za-z0-9_-]+",
    max_length=ENCODED_LIST_MAX_CHARACTERS,
    expected="u and base64url without padding",
    code="STATUS_ENCODING",
)

LIST_CREDENTIAL = Table(
    Field(
        "@context",
        OneOf(Const(PROFILE_CONTEXTS, code="CONTEXT"), Const([CREDENTIALS_V2], code="CONTEXT")),
        "these contexts",
        required=True,
    ),
    Field("id", HTTP_URL, "id of the list", required=True),
    Field(
        "type",
        Const(["VerifiableCredential", "BitstringStatusListCredential"], code="TYPE"),
        "exactly these two types",
        required=True,
    ),
    Field(
        "issuer",
        OneOf(DID, Table(Field("id", DID, "DID", required=True), Field("name", NAME, "name"))),
        "who signed",
        required=True,
    ),
    Field("name", NAME, "name of the list"),
    Field("description", PROSE, "what it is"),
    Field("validFrom", MOMENT, "when the list was made", required=True),
    Field("validUntil", MOMENT, "when it must be replaced"),
    Field(
        "credentialSubject",
        Table(
            Field("id", URI, "id of the list's content"),
            Field("type", Const("BitstringStatusList"), "always BitstringStatusList", required=True),
            Field("statusPurpose", Enum("revocation", "suspension"), "what a set bit means", required=True),
            Field("encodedList", _ENCODED, "u + base64url(gzip(bits))", required=True),
            Field("ttl", Integer(0), "milliseconds that the list may be cached"),
            Field("replay", _REPLAY, "the log that the list follows", "dsg:replay"),
        ),
        "the list",
        required=True,
    ),
    Field("proof", Opaque(), "one or more Data Integrity proofs"),
    doc="BitstringStatusListCredential of the datasigil profile.",
)


@dataclass(frozen=True)
class StatusList:
    """A parsed status list credential; its proof is *not* checked by parsing."""

    document: Mapping[str, JsonValue]
    id: str
    issuer: str
    purpose: str
    bits: bytes
    valid_from: Instant
    valid_until: Instant | None
    replay: tuple[str, int] | None  # (log origin, tree size) whose replay gives these bits

    @property
    def length(self) -> int:
        """Number of bits."""
        return len(self.bits) * 8

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the JCS form of the secured list credential, lower-case hexadecimal."""
        return document_digest(self.document)

    def bit(self, index: int) -> bool:
        """Return the bit at `index`, the first being the highest bit of the first byte.  Raises: StatusError (STATUS_RANGE)."""
        return self.value(index) != 0

    def value(self, index: int, size: int = 1) -> int:
        """Return the `size`-bit value of entry `index` (section 3.2 step 10).

        Raises:
            StatusError: STATUS_RANGE when the entry lies outside the list.
        """
        start = index * size
        if index < 0 or size < 1 or start + size > self.length:
            raise StatusError(
                "STATUS_RANGE",
                "the status index lies outside the list",
                expected=f"below {self.length // max(size, 1)}",
                found=str(index),
            )
        value = 0
        for position in range(start, start + size):
            value = value << 1 | (self.bits[position >> 3] >> (7 - (position & 7)) & 1)
        return value


def encode_list(bits: bytes) -> str:
    """Return `u` + base64url(gzip(bits)), the same text for the same bits (section 3.3).

    Raises:
        StatusError: STATUS_SIZE outside 16 KiB to 8 MiB.
    """
    _check_size(len(bits))
    compressor = zlib.compressobj(_COMPRESSION, zlib.DEFLATED, 31)
    return "u" + b64url_encode(compressor.compress(bits) + compressor.flush())


def decode_list(encoded: str, *, place: str = "") -> bytes:
    """Return the bits of an `encodedList`, never inflating more than 8 MiB (section 3.4).

    Raises:
        StatusError: STATUS_ENCODING for another multibase, junk, a broken, truncated or several gzip members; STATUS_SIZE outside 16 KiB to 8 MiB.
    """
    if not encoded.startswith("u") or len(encoded) > ENCODED_LIST_MAX_CHARACTERS:
        raise StatusError(
            "STATUS_ENCODING",
            "not a multibase base64url list",
            place=place,
            expected="u and base64url",
            found=encoded[:8],
        )
    try:
        data = b64url_decode(encoded[1:])
    except MalformedError:
        raise StatusError("STATUS_ENCODING", "the list is not base64url without padding", place=place) from None
    decompressor = zlib.decompressobj(31)
    try:
        bits = decompressor.decompress(data, STATUS_LIST_MAX_BYTES + 1)
    except zlib.error:
        raise StatusError("STATUS_ENCODING", "the list is not gzip", place=place) from None
    if len(bits) > STATUS_LIST_MAX_BYTES:
        raise StatusError(
            "STATUS_SIZE",
            "the list is too large",
            place=place,
            expected=f"at most {STATUS_LIST_MAX_BYTES} bytes expanded",
        )
    if not decompressor.eof or decompressor.unused_data:
        raise StatusError(
            "STATUS_ENCODING",
            "the list is truncated or followed by other data",
            place=place,
            expected="one gzip member",
        )
    _check_size(len(bits), place)
    return bits


def _check_size(size: int, place: str = "") -> None:
    if not STATUS_LIST_MIN_BYTES <= size <= STATUS_LIST_MAX_BYTES:
        raise StatusError(
            "STATUS_SIZE", "the list has a size that is not allowed", place=place, expected=f"{STATUS_LIST_MIN_BYTES} to {STATUS_LIST_MAX_BYTES} bytes",
            found=f"{size} bytes",
        )  # fmt: skip


def parse_status_list(document: JsonValue) -> StatusList:
    """Check a parsed status list credential against its closed table, decode it, and return it.

    Raises:
        MalformedError: TYPE, CONTEXT, SCHEMA, UNKNOWN_PROPERTY, KEYWORD, NULL or NUMBER.
        StatusError: STATUS_ENCODING, STATUS_SIZE; STATUS_RECURSION for a list with a status of its own.

    Not checked: the proof, who signed, whether it is current.
    """
    if not isinstance(document, dict):
        raise fault("SCHEMA", "a status list must be an object", None, "an object", document)
    if "credentialStatus" in document:
        raise StatusError(
            "STATUS_RECURSION", "a status list has a status of its own", place="/credentialStatus", expected="none"
        )
    types = document.get("type")
    if not isinstance(types, list) or "BitstringStatusListCredential" not in types:
        raise fault(
            "TYPE", "not a status list credential", (None, "type"), "BitstringStatusListCredential", str(types)[:100]
        )
    LIST_CREDENTIAL.check(document, None)
    subject, issuer = document["credentialSubject"], document["issuer"]
    replay = subject.get("replay")
    if replay is not None and DATASIGIL_V1 not in document["@context"]:
        raise fault(
            "CONTEXT", "the context does not define this term", (((None, "credentialSubject")), "replay"), DATASIGIL_V1
        )
    valid_from = Instant.parse(document["validFrom"])
    valid_until = Instant.parse(document["validUntil"]) if "validUntil" in document else None
    if valid_until is not None and valid_until <= valid_from:
        raise fault(
            "SCHEMA",
            "the validity period ends before it starts",
            (None, "validUntil"),
            f"after {valid_from}",
            str(valid_until),
        )
    return StatusList(
        document,
        document["id"],
        issuer if isinstance(issuer, str) else issuer["id"],
        subject["statusPurpose"],
        decode_list(subject["encodedList"], place="/credentialSubject/encodedList"),
        valid_from,
        valid_until,
        (replay["origin"], replay["treeSize"]) if replay is not None else None,
    )


def new_status_list_credential(
    *,
    list_id: str,
    issuer: str,
    purpose: str,
    bits: bytes,
    valid_from: datetime,
    valid_until: datetime,
    replay: tuple[str, int] | None = None,
) -> dict[str, JsonValue]:
    """Return the unsigned list credential for `bits`; sign it with `signing.add_proof`.

    Raises:
        MalformedError, StatusError: as `parse_status_list`, to which the result is put.
    """
    subject: dict[str, JsonValue] = {
        "id": f"{list_id}#list",
        "type": "BitstringStatusList",
        "statusPurpose": purpose,
        "encodedList": encode_list(bits),
    }
    if replay is not None:
        subject["replay"] = {"origin": replay[0], "treeSize": replay[1]}
    document: dict[str, JsonValue] = {
        "@context": list(PROFILE_CONTEXTS),
        "id": list_id,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": str(Instant.from_datetime(valid_from)),
        "validUntil": str(Instant.from_datetime(valid_until)),
        "credentialSubject": subject,
    }
    LIST_CREDENTIAL.check(document, None)
    return document
