"""A log's keys over time: what the keys before the present ones signed and still stands.

Here: opening a checkpoint under a log's present keys and those that it had before a rotation or a theft. Not here: one checkpoint under one key
(`checkpoint`), which keys a user trusts (`trust`), how an operator changes them. Spec: DESIGN.md section 4, "Keys": compromise names a point of
the log; what lies below it stands. A tree's size is that point here, for checkpoints and for the times that stand beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from datasigil.encoding import Instant
from datasigil.errors import LogError
from datasigil.record import dataclass, replace
from datasigil.transparency.checkpoint import Cosignature, VerifiedCheckpoint, open_checkpoint, unverified_checkpoint
from datasigil.transparency.note import ED25519, VerifierKey, parse_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NEXT: Final = "run `datasigil-verify refresh` on the bundle: the log's present keys have signed since"


@dataclass(frozen=True, slots=True)
class EarlierKey:
    """A key that signed for a log until it was changed or stolen."""

    key: VerifierKey  # of checkpoints (0x01) or of times (0x04)
    size: int  # what it says of trees of at most so many entries stands
    until: Instant | None = None  # and, for a key of times, of no later time; such a key always has it


def open_by_any(
    note: bytes,
    log_key: VerifierKey,
    time_key: VerifierKey,
    earlier: Sequence[EarlierKey],
    witnesses: Iterable[VerifierKey] = (),
) -> VerifiedCheckpoint:
    """Verify a checkpoint under a log's present key, or an earlier one for as far as that stands.

    In the answer, times by earlier keys that stand are the present time key's; times that do not stand are absent.

    Raises:
        LogError: LOG_KEY_ENDED, when only keys that had ended signed the tree or say a time; as `open_checkpoint` otherwise.
        MalformedError: CHECKPOINT.
    """
    if not earlier:
        return open_checkpoint(note, log_key, (time_key, *witnesses))
    ended = {one.key: one for one in earlier if one.key.algorithm != ED25519}
    opened = open_checkpoint(note, _signer(note, log_key, earlier), (time_key, *ended, *witnesses))
    kept = []
    for one in opened.cosignatures:
        before = ended.get(one.key)
        if before is None:
            kept.append(one)
        elif _stands(before, opened.checkpoint.size, Instant.from_datetime(one.time)):
            kept.append(Cosignature(time_key, one.time))
    if len(kept) < len(opened.cosignatures) and not any(one.key == time_key for one in kept):
        late = next(one for one in opened.cosignatures if one.key in ended)
        raise _ended(
            ended[late.key], f"a tree of {opened.checkpoint.size} entries at {Instant.from_datetime(late.time)}"
        )
    return replace(opened, cosignatures=tuple(kept))


def _signer(note: bytes, log_key: VerifierKey, earlier: Sequence[EarlierKey]) -> VerifierKey:
    """Return the key to open a note with: the present one, unless only an earlier one signed it.  Raises: LogError (LOG_KEY_ENDED)."""
    lines = parse_note(note).signatures
    if any(line.is_by(log_key) for line in lines):
        return log_key
    signed = [one for one in earlier if one.key.algorithm == ED25519 and any(line.is_by(one.key) for line in lines)]
    if not signed:
        return log_key
    size = unverified_checkpoint(note).size
    for one in signed:
        if _stands(one, size):
            return one.key
    raise _ended(signed[0], f"a tree of {size} entries")


def _stands(before: EarlierKey, size: int, time: Instant | None = None) -> bool:
    return size <= before.size and (time is None or (before.until is not None and time <= before.until))


def _ended(before: EarlierKey, found: str) -> LogError:
    limit = f"at most {before.size} entries" + (f", until {before.until}" if before.until is not None else "")
    what = "the checkpoint" if before.key.algorithm == ED25519 else "the time of the checkpoint"
    return LogError(
        "LOG_KEY_ENDED", f"{what} is signed only by a key that the log no longer had", place=before.key.name, expected=limit, found=found,
        next_action=_NEXT,
    )  # fmt: skip


__all__ = ["EarlierKey", "open_by_any"]
