"""Signed notes and verifier keys.

Here: strict parsing of notes, their signature lines and vkeys, and Ed25519 signatures of types 0x01 (note) and 0x04
(timestamped cosignature). Not here: what the text means (`checkpoint`) and private keys (`signing`; a `sign` callable is
handed in). Spec: C2SP signed-note v1.0.0 and tlog-cosignature as of 5ba5ee8 (2026-07-22). ECDSA and ML-DSA-44 lines are
lines of unknown keys, so they are ignored as the specification demands.

The Ed25519 point checks stand here and not in `credentials/keys`, because the two packages are independent.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from datasigil.encoding import b64_decode, b64_encode
from datasigil.errors import LogError, MalformedError
from datasigil.limits import CHECKPOINT_MAX_BYTES, NOTE_SIGNATURES_MAX
from datasigil.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    Sign = Callable[[bytes], bytes]
    """Signs bytes with the Ed25519 key that belongs to the verifier key beside it, e.g. `LocalSigner.sign`."""

ED25519: Final = 0x01
COSIGNATURE_V1: Final = 0x04
KEY_ID_BYTES: Final = 4
KEY_NAME_MAX_CHARACTERS: Final = 255
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = {ED25519: 64, COSIGNATURE_V1: 72}
_DASH: Final = "— "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NOT_IN_NAME: Final = re.compile(r"[\s+\ud800-\udfff]")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key that may sign notes under a name; `str(parse_vkey(text)) == text`."""

    name: str
    algorithm: int
    public_key: bytes  # 32 bytes, RFC 8032; keys of small order and non-canonical points cannot be constructed

    def __post_init__(self) -> None:
        _check_point(self.public_key)

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name, newline, algorithm, public key)."""
        return _key_id(self.name, self.algorithm, self.public_key)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64_encode(bytes([self.algorithm]) + self.public_key)}"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return when `signature` (64 bytes) is this key's Ed25519 signature over `message`.

        Raises:
            LogError: CHECKPOINT, when it is not (RFC 8032 section 5.1.7, S < L, no small-order key).
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise LogError(
                "CHECKPOINT", f"the signature by {self.name} does not verify", found=self.key_id.hex()
            ) from None


@lru_cache(maxsize=64)  # few keys, asked for with every line of every note
def _key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    return sha256(name.encode("utf-8") + b"\n" + bytes([algorithm]) + public_key).digest()[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose it claims to be, and the bytes after the key id. Not verified by parsing."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {b64_encode(self.key_id + self.signature)}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Say whether name and key id are those of `key`; the signature still has to be verified."""
        return self.name == key.name and self.key_id == key.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: `text` ends in a newline; no signature is verified by parsing."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Return the note's bytes; `parse_note(note.to_bytes()) == note`."""
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode("utf-8")


def parse_note(data: bytes) -> Note:
    """Parse a signed note of at most 64 KiB and 64 signature lines; verifies nothing.

    Raises:
        MalformedError: CHECKPOINT (signed-note, "Format").
    """
    if len(data) > CHECKPOINT_MAX_BYTES:
        raise _bad(
            "the note is too large", expected=f"at most {CHECKPOINT_MAX_BYTES} bytes", found=f"{len(data)} bytes"
        )
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad("the note is not UTF-8", place=f"byte {error.start}") from None
    if match := _CONTROL.search(whole):
        raise _bad("the note holds a control character", place=f"character {match.start()}")
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not text:
        raise _bad("the note has no blank line before its signatures", expected="text, blank line, signatures")
    return Note(text + "\n", parse_signature_lines(lines))


def parse_signature_lines(lines: str) -> tuple[NoteSignature, ...]:
    """Parse one or more signature lines, each ending in a newline, e.g. a witness's answer; verifies nothing.

    Raises:
        MalformedError: CHECKPOINT (signed-note, "Format").
    """
    if not lines.endswith("\n"):
        raise _bad("the last signature line does not end in a newline", expected="— name base64")
    parts = lines[:-1].split("\n")
    if len(parts) > NOTE_SIGNATURES_MAX:
        raise _bad("too many signatures", expected=f"at most {NOTE_SIGNATURES_MAX}", found=str(len(parts)))
    return tuple(_signature_line(line, f"signature {number}") for number, line in enumerate(parts, 1))


def _signature_line(line: str, place: str) -> NoteSignature:
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not separator:
        raise _bad("not a signature line", place=place, expected="— name base64", found=line[:80])
    _check_name(name, place)
    try:
        signature = b64_decode(encoded)
    except MalformedError:
        raise _bad("the signature is not canonical base64", place=place, found=encoded[:80]) from None
    if len(signature) <= KEY_ID_BYTES:
        raise _bad("the signature is too short", place=place, found=f"{len(signature)} bytes")
    return NoteSignature(name, signature[:KEY_ID_BYTES], signature[KEY_ID_BYTES:])


def new_vkey(name: str, public_key: bytes, algorithm: int = ED25519) -> VerifierKey:
    """Return the verifier key of a 32-byte Ed25519 public key under `name`; `algorithm` 0x01 signs notes, 0x04 cosigns.

    Raises:
        MalformedError: VKEY, for a bad name, an unknown algorithm or a key that no honest signer has.
    """
    try:
        _check_name(name, "key name")
    except MalformedError as error:
        raise MalformedError("VKEY", error.message, place="key name", found=name[:80]) from None
    if algorithm not in _SIGNATURE_BYTES:
        raise MalformedError(
            "VKEY",
            "unsupported signature type of a verifier key",
            expected="1 (Ed25519) or 4 (cosignature/v1)",
            found=str(algorithm),
        )
    if len(public_key) != _KEY_BYTES:
        raise MalformedError(
            "VKEY", "the public key has the wrong length", expected="32 bytes", found=f"{len(public_key)} bytes"
        )
    return VerifierKey(name, algorithm, public_key)


def parse_vkey(text: str, *, algorithm: int | None = None) -> VerifierKey:
    """Parse `name+hex key id+base64(type, key)`; with `algorithm`, refuse keys of another signature type.

    Raises:
        MalformedError: VKEY (signed-note, "Verifier keys"), also when the key id is not the recommended hash.
    """
    parts = text.split("+", 2)
    if len(parts) != 3 or not _KEY_ID.match(parts[1]):
        raise MalformedError("VKEY", "not a verifier key", expected="name+8 hex digits+base64", found=str(text)[:120])
    try:
        material = b64_decode(parts[2])
    except MalformedError:
        raise MalformedError("VKEY", "the key material is not canonical base64", found=parts[2][:80]) from None
    key = new_vkey(parts[0], material[1:], material[0] if material else 0)
    if key.key_id.hex() != parts[1]:
        raise MalformedError(
            "VKEY", "the key id does not belong to this name and key", expected=key.key_id.hex(), found=parts[1]
        )
    if algorithm is not None and key.algorithm != algorithm:
        raise MalformedError(
            "VKEY", "a verifier key of the wrong signature type", expected=str(algorithm), found=str(key.algorithm)
        )
    return key


def sign_text(text: str, key: VerifierKey, sign: Sign) -> NoteSignature:
    """Return the type 0x01 signature over a note's text, checked against `key` before it is handed out.

    Raises:
        LogError: CHECKPOINT, when `sign` does not hold the private half of `key`.
    """
    if key.algorithm != ED25519:
        raise LogError(
            "CHECKPOINT", "a cosigner's key cannot sign a note", expected="signature type 1", found=str(key.algorithm)
        )
    signature = sign(text.encode("utf-8"))
    key.verify(text.encode("utf-8"), signature)
    return NoteSignature(key.name, key.key_id, signature)


def verify_signature(note: Note, signature: NoteSignature, key: VerifierKey) -> None:
    """Return when `signature` is by `key` (type 0x01) over the note's text.

    Raises:
        LogError: CHECKPOINT (signed-note, "Ed25519 signatures").
    """
    if not signature.is_by(key) or key.algorithm != ED25519 or len(signature.signature) != _SIGNATURE_BYTES[ED25519]:
        raise LogError("CHECKPOINT", f"not an Ed25519 note signature by {key.name}", found=signature.key_id.hex())
    key.verify(note.text.encode("utf-8"), signature.signature)


def _check_name(name: str, place: str) -> None:
    """Refuse empty names, names with Unicode spaces, plus signs, controls or lone surrogates (signed-note, "Format")."""
    if not name or len(name) > KEY_NAME_MAX_CHARACTERS or _NOT_IN_NAME.search(name) or _CONTROL.search(name):
        raise _bad("not a key name", place=place, expected="a name without spaces and plus signs", found=name[:80])


_FIELD: Final = 2**255 - 19
# The y coordinates of the eight points of small order (orders 1, 2, 4 and 8; RFC 8032 encoding without the sign bit).
_ORDER_8: Final = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
_SMALL_ORDER: Final = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})


def _check_point(public_key: bytes) -> None:
    """Refuse non-canonical and small-order keys: the identity "signs" every message."""
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    if y >= _FIELD or y in _SMALL_ORDER:
        raise MalformedError("VKEY", "the public key is of small order or not canonical", found=public_key.hex())


def _bad(message: str, *, place: str = "", expected: str = "", found: str = "") -> MalformedError:
    return MalformedError("CHECKPOINT", message, place=place, expected=expected, found=found)


__all__ = [
    "COSIGNATURE_V1",
    "ED25519",
    "Note",
    "NoteSignature",
    "VerifierKey",
    "new_vkey",
    "parse_note",
    "parse_signature_lines",
    "parse_vkey",
    "sign_text",
    "verify_signature",
]
