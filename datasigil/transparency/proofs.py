"""Offline proofs of logging: index, inclusion path and checkpoint in one text.

Here: the tlog-proof text, the tlog-witness request text, and the check that an entry is included under a trusted log key.
Not here: building paths (`tiles`, `merkle`) and what the entry must say (`entry`).
Spec: C2SP tlog-proof and tlog-witness as of 5ba5ee8 (2026-07-22). Our profile refuses `extra` lines: nothing signs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from datasigil.encoding import b64_encode
from datasigil.errors import LogError, MalformedError
from datasigil.limits import CHECKPOINT_MAX_BYTES, PROOF_HASHES_MAX
from datasigil.merkle import leaf_hash, verify_inclusion
from datasigil.record import dataclass
from datasigil.transparency.checkpoint import (
    VerifiedCheckpoint,
    open_checkpoint,
    parse_hash,
    parse_size,
    unverified_checkpoint,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datasigil.transparency.note import VerifierKey

HEADER: Final = "c2sp.org/tlog-proof@v1"
LOG_PROOF_MAX_BYTES: Final = CHECKPOINT_MAX_BYTES + 8192
_WITNESS_HASHES_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class LogProof:
    """A parsed proof; `checkpoint` is the note's bytes. Nothing is verified by parsing."""

    index: int
    hashes: tuple[bytes, ...]  # leaf to root, 32 bytes each
    checkpoint: bytes

    def text(self) -> str:
        """Return the tlog-proof text; `parse_log_proof(p.text()) == p`."""
        lines = (HEADER, f"index {self.index}", *map(b64_encode, self.hashes))
        return "\n".join(lines) + "\n\n" + self.checkpoint.decode("utf-8")


class ProofText(str):
    """The text of a proof that was written here, with what it says at hand; any other text made from it is plain text."""

    __slots__ = ("proof",)
    proof: LogProof

    @classmethod
    def of(cls, proof: LogProof) -> ProofText:
        """Write a proof."""
        text = cls(proof.text())
        text.proof = proof
        return text


@dataclass(frozen=True, slots=True)
class VerifiedInclusion:
    """Proof that an entry is at `index` of the log that signed `checkpoint`; only `verify_log_proof` makes one."""

    index: int
    entry: bytes
    checkpoint: VerifiedCheckpoint


def parse_log_proof(text: str) -> LogProof:
    """Parse a tlog-proof of at most 72 KiB; verifies nothing. A `ProofText` says by itself what it would be parsed to.

    Raises:
        MalformedError: LOG_PROOF for the frame, INCLUSION for the index and hash lines, CHECKPOINT for the note
            (tlog-proof, "Format").
    """
    if type(text) is ProofText:
        return text.proof
    if len(text) > LOG_PROOF_MAX_BYTES:  # the note inside is bounded in bytes by `parse_note`
        raise MalformedError("LOG_PROOF", "the log proof is too large", expected=f"at most {LOG_PROOF_MAX_BYTES} bytes")
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != HEADER:
        raise MalformedError(
            "LOG_PROOF", "unknown kind or version of log proof", place="line 1", expected=HEADER, found=lines[0][:60]
        )
    if not separator:
        raise MalformedError(
            "LOG_PROOF", "the log proof has no checkpoint", expected="a blank line, then the checkpoint"
        )
    if len(lines) < 2 or not lines[1].startswith("index "):
        raise MalformedError(
            "LOG_PROOF",
            "the log proof has no index line",
            place="line 2",
            expected="index N",
            found="".join(lines[1:2])[:60],
        )
    index = parse_size(lines[1].removeprefix("index "), place="line 2", code="INCLUSION")
    hashes = _hash_lines(lines[2:], PROOF_HASHES_MAX, "INCLUSION")
    try:
        data = note.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedError("CHECKPOINT", "the checkpoint holds a lone surrogate", expected="UTF-8 text") from None
    unverified_checkpoint(data)
    return LogProof(index, hashes, data)


def verify_log_proof(
    proof: LogProof | None, entry: bytes, log_key: VerifierKey, cosigner_keys: Iterable[VerifierKey] = ()
) -> VerifiedInclusion:
    """Verify that `entry`, rebuilt by the caller from the credential in hand, is in the log of `log_key`.

    Does not judge the checkpoint's age, quorum or consistency with earlier ones.

    Raises:
        LogError: LOG_PROOF_MISSING, UNKNOWN_LOG, CHECKPOINT, EMPTY_TREE or INCLUSION (tlog-proof, "Verifying", steps 2-4).
        MalformedError: CHECKPOINT.
    """
    if proof is None:
        raise LogError(
            "LOG_PROOF_MISSING",
            "there is no proof that the credential was logged",
            expected="a tlog-proof in the bundle",
            next_action="ask the publisher for the bundle that `datasigil publish` wrote",
        )
    return included_under(open_checkpoint(proof.checkpoint, log_key, cosigner_keys), proof, entry)


def included_under(verified: VerifiedCheckpoint, proof: LogProof, entry: bytes) -> VerifiedInclusion:
    """Verify that `entry` is in the tree of a proof's checkpoint, which `open_checkpoint` has verified.

    Raises:
        LogError: INCLUSION.
    """
    head = verified.checkpoint
    verify_inclusion(leaf_hash(entry), proof.index, head.size, proof.hashes, head.root)
    return VerifiedInclusion(proof.index, entry, verified)


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The body of a witness's `add-checkpoint`: the size it knows, the consistency path, the new checkpoint's note."""

    old_size: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes

    def text(self) -> str:
        """Return the request body; `parse_add_checkpoint(a.text()) == a`."""
        return (
            "\n".join((f"old {self.old_size}", *map(b64_encode, self.hashes)))
            + "\n\n"
            + self.checkpoint.decode("utf-8")
        )


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Parse an `add-checkpoint` request; verifies nothing.

    Raises:
        MalformedError: ADD_CHECKPOINT for the frame, CONSISTENCY for hash lines, CHECKPOINT for the note (tlog-witness).
    """
    if len(body) > LOG_PROOF_MAX_BYTES:
        raise MalformedError(
            "ADD_CHECKPOINT", "the request is too large", expected=f"at most {LOG_PROOF_MAX_BYTES} bytes"
        )
    try:
        head, separator, note = body.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError as error:
        raise MalformedError("ADD_CHECKPOINT", "the request is not UTF-8", place=f"byte {error.start}") from None
    lines = head.split("\n")
    if not separator or not lines[0].startswith("old "):
        raise MalformedError(
            "ADD_CHECKPOINT", "not an add-checkpoint request", place="line 1", expected="old N", found=lines[0][:60]
        )
    old_size = parse_size(lines[0].removeprefix("old "), place="line 1", code="ADD_CHECKPOINT")
    hashes = _hash_lines(lines[1:], _WITNESS_HASHES_MAX, "CONSISTENCY")
    data = note.encode("utf-8")
    unverified_checkpoint(data)
    return AddCheckpoint(old_size, hashes, data)


def _hash_lines(lines: list[str], maximum: int, code: str) -> tuple[bytes, ...]:
    if len(lines) > maximum:
        raise MalformedError(
            code,
            "the proof holds more hashes than any tree needs",
            expected=f"at most {maximum}",
            found=str(len(lines)),
        )
    return tuple(parse_hash(line, place=f"proof hash {number}", code=code) for number, line in enumerate(lines, 1))


__all__ = [
    "HEADER",
    "LOG_PROOF_MAX_BYTES",
    "AddCheckpoint",
    "LogProof",
    "ProofText",
    "VerifiedInclusion",
    "included_under",
    "parse_add_checkpoint",
    "parse_log_proof",
    "verify_log_proof",
]
