"""Checkpoints: a log's signed statement of its size and root, and the timestamped statements of others about it.

Here: the three-line text, signing, cosigning, opening with keys of the trust file, witness quorum and signed times.
Not here: which keys a user trusts (`trust`), what a client remembers (`client_state`), inclusion (`proofs`).
Spec: C2SP tlog-checkpoint v1.0.0 and tlog-cosignature, as of 5ba5ee8 (2026-07-22). Our profile is narrower: the key name
equals the origin, and extension lines, which no monitor can audit, are refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from datasigil.encoding import b64_decode, b64_encode
from datasigil.errors import LogError, MalformedError
from datasigil.limits import CLOCK_SKEW_SECONDS
from datasigil.record import dataclass
from datasigil.transparency.note import (
    COSIGNATURE_V1,
    ED25519,
    Note,
    NoteSignature,
    VerifierKey,
    parse_note,
    sign_text,
    verify_signature,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datasigil.transparency.note import Sign

TREE_SIZE_MAX: Final = 2**53 - 1
"""Sizes are also JSON integers in status lists and reports, so the log ends where I-JSON does."""

EMPTY_ROOT: Final = sha256(b"").digest()
_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z", re.ASCII)
_ROOT_BYTES: Final = 32
_TIMESTAMP_BYTES: Final = 8
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second a calendar can name
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: log origin, number of entries, 32-byte root; `parse_checkpoint(c.text()) == c`."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note text: three lines, each ending in a newline."""
        return f"{self.origin}\n{self.size}\n{b64_encode(self.root)}\n"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified statement: at `time`, `key` had seen this as the log's largest consistent tree."""

    key: VerifierKey
    time: datetime  # aware UTC, whole seconds


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint whose log signature and listed cosignatures verified; only `open_checkpoint` makes one."""

    checkpoint: Checkpoint
    note: bytes
    log_key: VerifierKey
    cosignatures: tuple[Cosignature, ...]  # by the keys handed in, in the note's order

    def times_by(self, key: VerifierKey) -> tuple[datetime, ...]:
        """Return the times at which `key` cosigned this checkpoint, oldest first; empty when it did not."""
        return tuple(sorted(one.time for one in self.cosignatures if one.key == key))


@dataclass(frozen=True, slots=True)
class Witness:
    """One key of one independently run witness; a principal may have several keys and counts once."""

    principal: str
    key: VerifierKey


def parse_size(text: str, *, place: str = "", code: str = "CHECKPOINT") -> int:
    """Return a tree size or index in ASCII decimal without sign or leading zeros, at most 2^53-1.

    Raises:
        MalformedError: `code`, by default CHECKPOINT.
    """
    if not _DECIMAL.match(text) or int(text) > TREE_SIZE_MAX:
        raise MalformedError(
            code, "not a decimal number", place=place, expected="0..2^53-1 without leading zeros", found=text[:40]
        )
    return int(text)


def parse_hash(text: str, *, place: str = "", code: str = "CHECKPOINT") -> bytes:
    """Return the 32 bytes of a hash line in canonical base64.

    Raises:
        MalformedError: `code`, by default CHECKPOINT.
    """
    try:
        value = b64_decode(text)
    except MalformedError:
        raise MalformedError(code, "a hash is not canonical base64", place=place, found=text[:80]) from None
    if len(value) != _ROOT_BYTES:
        raise MalformedError(
            code, "a hash has the wrong length", place=place, expected="32 bytes", found=f"{len(value)} bytes"
        )
    return value


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse a checkpoint's note text: exactly origin, size and root, no extension lines.

    Raises:
        MalformedError: CHECKPOINT (tlog-checkpoint, "Note text").
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise MalformedError(
            "CHECKPOINT",
            "not a checkpoint of three lines",
            expected="origin, size, root",
            found=f"{len(lines) - 1} lines",
        )
    if not lines[0]:
        raise MalformedError("CHECKPOINT", "the origin is empty", place="line 1")
    checkpoint = Checkpoint(lines[0], parse_size(lines[1], place="line 2"), parse_hash(lines[2], place="line 3"))
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise MalformedError("CHECKPOINT", "an empty tree with a root of another tree", place="line 3")
    return checkpoint


@lru_cache(maxsize=16)  # one note comes with many proofs, and is read several times in one check
def unverified_checkpoint(note: bytes) -> Checkpoint:
    """Parse the checkpoint inside a note without verifying any signature, e.g. to find out which log it names.

    Raises:
        MalformedError: CHECKPOINT.
    """
    return parse_checkpoint(parse_note(note).text)


def sign_checkpoint(checkpoint: Checkpoint, key: VerifierKey, sign: Sign) -> bytes:
    """Return the note with the log's own signature; the caller guarantees consistency with all it signed before.

    Raises:
        LogError: CHECKPOINT, when the key's name is not the origin or `sign` is not that key.
        MalformedError: CHECKPOINT, when the values do not form a checkpoint.
    """
    text = checkpoint.text()
    if parse_checkpoint(text) != checkpoint or key.name != checkpoint.origin:
        raise LogError(
            "CHECKPOINT", "the key's name must be the log's origin", expected=checkpoint.origin, found=key.name
        )
    return Note(text, (sign_text(text, key, sign),)).to_bytes()


def cosign_checkpoint(note: bytes, key: VerifierKey, sign: Sign, at: datetime) -> NoteSignature:
    """Return a cosignature/v1 line over a checkpoint; does not check consistency, which is the cosigner's duty.

    Raises:
        LogError: CHECKPOINT, when `key` is not a cosigner's key or `sign` is not that key.
        MalformedError: CHECKPOINT.
        ValueError: for a naive `at`.
    """
    parsed = parse_note(note)
    parse_checkpoint(parsed.text)
    if key.algorithm != COSIGNATURE_V1:
        raise LogError(
            "CHECKPOINT", "only a cosigner's key can cosign", expected="signature type 4", found=str(key.algorithm)
        )
    if at.tzinfo is None:
        raise ValueError("a naive datetime names no instant; pass one with tzinfo")
    seconds = (at - _EPOCH) // timedelta(seconds=1)
    message = _cosigned_message(parsed.text, seconds)
    signature = sign(message)
    key.verify(message, signature)
    return NoteSignature(key.name, key.key_id, seconds.to_bytes(_TIMESTAMP_BYTES, "big") + signature)


def add_signatures(note: bytes, signatures: Iterable[NoteSignature]) -> bytes:
    """Return the note with more signature lines; a line that is there already is not repeated.

    Raises:
        MalformedError: CHECKPOINT, when the result is no note within the limits.
    """
    parsed = parse_note(note)
    lines = dict.fromkeys((*parsed.signatures, *signatures))
    result = Note(parsed.text, tuple(lines)).to_bytes()
    parse_note(result)
    return result


def open_checkpoint(
    note: bytes, log_key: VerifierKey, cosigner_keys: Iterable[VerifierKey] = (), *, allow_empty: bool = False
) -> VerifiedCheckpoint:
    """Verify a checkpoint under the log's key and every cosignature by `cosigner_keys`, all from the trust file.

    Lines by unknown keys are ignored; one bad line by a known key refuses the note. A cosigner may appear several times
    with different times. Does not judge age, quorum or consistency.

    Raises:
        LogError: UNKNOWN_LOG, when the note names another origin; CHECKPOINT, when a signature is missing or wrong;
            EMPTY_TREE, unless `allow_empty`.
        MalformedError: CHECKPOINT.
    """
    return _opened(note, log_key, tuple(cosigner_keys), allow_empty)


@lru_cache(maxsize=16)  # as `unverified_checkpoint`: whoever takes a proof under a note apart opens it more than once
def _opened(
    note: bytes, log_key: VerifierKey, cosigner_keys: tuple[VerifierKey, ...], allow_empty: bool
) -> VerifiedCheckpoint:
    parsed = parse_note(note)
    checkpoint = parse_checkpoint(parsed.text)
    if checkpoint.origin != log_key.name:
        raise LogError(
            "UNKNOWN_LOG",
            "the checkpoint is of another log",
            expected=log_key.name,
            found=checkpoint.origin[:120],
            next_action="check the log's origin with its operator, then add it to the trust file",
        )
    if log_key.algorithm != ED25519:
        raise LogError(
            "CHECKPOINT", "a log's key must sign notes", expected="signature type 1", found=str(log_key.algorithm)
        )
    signed = [line for line in parsed.signatures if line.is_by(log_key)]
    if not signed:
        raise LogError(
            "CHECKPOINT", "the log has not signed this checkpoint with the key in the trust file", expected=str(log_key)
        )
    for line in signed:
        verify_signature(parsed, line, log_key)
    if checkpoint.size == 0 and not allow_empty:
        raise LogError("EMPTY_TREE", "an empty log proves nothing", expected="a tree of at least one entry")
    return VerifiedCheckpoint(checkpoint, note, log_key, _cosignatures(parsed, cosigner_keys))


def _cosignatures(note: Note, keys: Iterable[VerifierKey]) -> tuple[Cosignature, ...]:
    known = {(key.name, key.key_id): key for key in keys if key.algorithm == COSIGNATURE_V1}
    found = []
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None:
            found.append(Cosignature(key, _verify_cosignature(note, line, key)))
    return tuple(found)


def _verify_cosignature(note: Note, line: NoteSignature, key: VerifierKey) -> datetime:
    if len(line.signature) != _TIMESTAMP_BYTES + 64:
        raise LogError(
            "CHECKPOINT",
            f"the cosignature by {key.name} has the wrong length",
            expected="72 bytes",
            found=f"{len(line.signature)} bytes",
        )
    seconds = int.from_bytes(line.signature[:_TIMESTAMP_BYTES], "big")
    if not 0 < seconds <= _LAST_SECOND:
        raise LogError("CHECKPOINT", f"the cosignature by {key.name} states no real time", found=str(seconds))
    key.verify(_cosigned_message(note.text, seconds), line.signature[_TIMESTAMP_BYTES:])
    return _EPOCH + timedelta(seconds=seconds)


def _cosigned_message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def require_quorum(verified: VerifiedCheckpoint, witnesses: Sequence[Witness], quorum: int) -> datetime | None:
    """Return the witnessed time: the smallest T at which cosignatures dated <= T meet the quorum; None when it is zero.

    Principals count, not keys: a principal counts once however many keys it has, a public key counts once under however
    many names (GMS-2022-4197), and the log's own key counts for nobody.

    Raises:
        LogError: QUORUM.
        ValueError: for a negative quorum, which a policy parser has to refuse.
    """
    if quorum < 0:
        raise ValueError("a witness quorum cannot be negative")
    if quorum == 0:
        return None
    principals = _principal_of(witnesses, verified.log_key)
    first: dict[str, datetime] = {}
    for one in verified.cosignatures:
        principal = principals.get(one.key.public_key)
        if principal is not None:
            first[principal] = min(one.time, first.get(principal, one.time))
    if len(first) < quorum:
        raise LogError(
            "QUORUM",
            "too few independent witnesses cosigned the checkpoint",
            expected=f"{quorum} of {', '.join(sorted(set(principals.values()))) or 'no configured witness'}",
            found=", ".join(sorted(first)) or "none",
            next_action="fetch the bundle again once witnesses have cosigned",
        )
    return sorted(first.values())[quorum - 1]


def _principal_of(witnesses: Sequence[Witness], log_key: VerifierKey) -> dict[bytes, str]:
    owner: dict[bytes, str] = {}
    for witness in witnesses:
        if witness.key.public_key != log_key.public_key:
            owner.setdefault(witness.key.public_key, witness.principal)
    return owner


def asserted_time(verified: VerifiedCheckpoint, time_key: VerifierKey) -> datetime:
    """Return the earliest time at which the registry's time key cosigned this checkpoint ("proven to exist by").

    Raises:
        LogError: CHECKPOINT, when the time key has not cosigned it.
    """
    times = verified.times_by(time_key)
    if not times:
        raise LogError(
            "CHECKPOINT",
            "the log's time key has not cosigned the checkpoint",
            expected=str(time_key),
            next_action="fetch the bundle again, or ask the registry for a timestamped checkpoint",
        )
    return times[0]


def require_fresh(verified: VerifiedCheckpoint, time_key: VerifierKey, *, at: datetime, max_age: timedelta) -> datetime:
    """Return the newest time at which the time key cosigned this checkpoint, which must be recent at `at` (aware UTC).

    Raises:
        LogError: CHECKPOINT, when the time key has not cosigned it; LOG_STALE, when the newest time is more than
            `max_age` before `at`; CLOCK_BEHIND, when it is more than 60 seconds after `at`.
    """
    asserted_time(verified, time_key)
    newest = verified.times_by(time_key)[-1]
    if newest - at > timedelta(seconds=CLOCK_SKEW_SECONDS):
        raise LogError(
            "CLOCK_BEHIND",
            "the checkpoint was signed after the time of this check",
            expected=f"at most {at.isoformat()}",
            found=newest.isoformat(),
            next_action="set this machine's clock, or check with a later --at",
        )
    if at - newest > max_age:
        raise LogError(
            "LOG_STALE",
            "the newest signed checkpoint is too old",
            expected=f"at most {max_age} old",
            found=newest.isoformat(),
            next_action="run `datasigil-verify refresh` on the bundle",
        )
    return newest


__all__ = [
    "EMPTY_ROOT",
    "TREE_SIZE_MAX",
    "Checkpoint",
    "Cosignature",
    "VerifiedCheckpoint",
    "Witness",
    "add_signatures",
    "asserted_time",
    "cosign_checkpoint",
    "open_checkpoint",
    "parse_checkpoint",
    "parse_hash",
    "parse_size",
    "require_fresh",
    "require_quorum",
    "sign_checkpoint",
    "unverified_checkpoint",
]
