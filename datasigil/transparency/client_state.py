"""What a client remembers: per log the newest checkpoint fetched as current, per list the newest status list, the clock floor.

Here: files below one folder, each replaced durably; detection of rollback, split views and clocks that run behind.
Not here: fetching (`client`), signatures (`checkpoint.open_checkpoint` makes the values that are observed), verdicts.

A split view stays on disk and keeps failing until a person removes the evidence: nothing here heals itself. A state file that
cannot be read whole is an error that names it, never "nothing remembered". DESIGN.md sections 3 and 4.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from datasigil.canonical import jcs
from datasigil.encoding import Instant, JsonObject, hex_digest, parse_json
from datasigil.errors import DatasigilError, LogError, MalformedError, StatusError
from datasigil.limits import CHECKPOINT_MAX_BYTES, CLOCK_SKEW_SECONDS, STATUS_LIST_MAX_BYTES
from datasigil.merkle import verify_consistency
from datasigil.record import dataclass
from datasigil.transparency.checkpoint import Checkpoint, VerifiedCheckpoint, open_checkpoint, unverified_checkpoint
from datasigil.transparency.durable import sync_directory, write_durably
from datasigil.transparency.note import parse_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LIST_FILE_MAX_BYTES: Final = 2 * STATUS_LIST_MAX_BYTES
CLOCK_FILE_MAX_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class RememberedStatusList:
    """A status list credential that verified when it was stored; `replay` is (log origin, tree size) or None."""

    id: str
    valid_from: Instant
    bits_digest: str  # SHA-256 of the expanded bits, hex
    replay: tuple[str, int] | None
    document: JsonObject

    def is_newer_than(self, other: RememberedStatusList) -> bool:
        """Say whether this list is later: by tree size of one log, then by validFrom."""
        if self.replay and other.replay and self.replay[0] == other.replay[0]:
            return (self.replay[1], self.valid_from) > (other.replay[1], other.valid_from)
        return self.valid_from > other.valid_from


class ClientState:
    """The memory below one folder (by default `$XDG_STATE_HOME/datasigil`), created at the first write."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    # Checkpoints ----------------------------------------------------------------------------------------------------

    def newest_checkpoint(self, origin: str) -> tuple[Checkpoint, bytes] | None:
        """Return the newest checkpoint fetched as current from this log and its note, or None.

        Raises:
            LogError: SPLIT_VIEW, when this log was seen to show two trees of one size.
            DatasigilError: CLIENT_STATE, when the file is damaged or unreadable.
        """
        self._refuse_split(origin)
        path = self._checkpoint_path(origin)
        note = _read(path, CHECKPOINT_MAX_BYTES)
        if note is None:
            return None
        try:
            checkpoint = unverified_checkpoint(note)
        except MalformedError as error:
            raise _damaged(path, str(error)) from None
        if checkpoint.origin != origin:
            raise _damaged(path, f"a checkpoint of {checkpoint.origin[:80]}")
        return checkpoint, note

    def observe_checkpoint(self, current: VerifiedCheckpoint, consistency: Sequence[bytes] = ()) -> None:
        """Remember a checkpoint that was fetched as current, with the proof that it extends the remembered one.

        Also raises the clock floor to the times its trusted cosigners signed.

        Raises:
            LogError: LOG_ROLLBACK (smaller than remembered), SPLIT_VIEW (same size, another root; both notes are saved),
                CONSISTENCY (larger, and the proof fails; both notes are saved).
            DatasigilError: CLIENT_STATE.
        """
        with self._locked():
            remembered = self._remembered(current)
            if remembered is not None:
                self._check_extends(remembered[0], remembered[1], current, consistency)
            _write(self._checkpoint_path(current.checkpoint.origin), current.note)
            self._raise_clock_floor(current)

    def check_bundle_checkpoint(self, verified: VerifiedCheckpoint) -> None:
        """Hold a bundle's checkpoint, which may be old, against the remembered one; writes only to save a split view.

        Raises:
            LogError: SPLIT_VIEW, when it has the remembered size and another root; an older one is no rollback.
            DatasigilError: CLIENT_STATE.
        """
        remembered = self._remembered(verified)
        if remembered is not None:
            self._check_split(remembered[0], remembered[1], verified)

    def _remembered(self, beside: VerifiedCheckpoint) -> tuple[Checkpoint, bytes] | None:
        """Return the remembered checkpoint, its signature verified again: a damaged root would look like a split view."""
        remembered = self.newest_checkpoint(beside.checkpoint.origin)
        if remembered is None:
            return None
        note, key = remembered[1], beside.log_key
        # After the log's key has changed in the trust file, the old note has no line by the new key.
        if any(line.is_by(key) for line in parse_note(note).signatures):
            try:
                open_checkpoint(note, key, allow_empty=True)
            except LogError as error:
                raise _damaged(self._checkpoint_path(key.name), str(error)) from None
        return remembered

    def _check_extends(
        self, old: Checkpoint, old_note: bytes, current: VerifiedCheckpoint, consistency: Sequence[bytes]
    ) -> None:
        new = current.checkpoint
        self._check_split(old, old_note, current)
        if new.size < old.size:
            raise LogError(
                "LOG_ROLLBACK", "the log shows fewer entries than it had", place=new.origin,
                expected=f"at least {old.size} entries", found=str(new.size),
                next_action="ask the log's operator; a mirror may be behind, so fetch from the log itself",
            )  # fmt: skip
        if old.size in (0, new.size):
            return
        try:
            verify_consistency(old.size, new.size, old.root, new.root, consistency)
        except LogError:
            self._save_evidence("inconsistent", new.origin, (old_note, current.note))
            raise

    def _check_split(self, old: Checkpoint, old_note: bytes, seen: VerifiedCheckpoint) -> None:
        new = seen.checkpoint
        if new.size == old.size and new.root != old.root:
            self._save_evidence("split-views", new.origin, (old_note, seen.note))
            raise self._split_error(new.origin)

    def _refuse_split(self, origin: str) -> None:
        if any(self._evidence_folder("split-views", origin).glob("*.note")):
            raise self._split_error(origin)

    def _split_error(self, origin: str) -> LogError:
        folder = self._evidence_folder("split-views", origin)
        return LogError(
            "SPLIT_VIEW", "the log signed two different trees of one size", place=origin, expected="one root per size",
            found=f"both notes are kept in {folder}",
            next_action="report both notes to the log's operator and to other users; trust nothing from this log until it is explained",
        )  # fmt: skip

    # Status lists ---------------------------------------------------------------------------------------------------

    def newest_status_list(self, list_id: str) -> RememberedStatusList | None:
        """Return the newest list with this id fetched as current, or None.

        Raises:
            DatasigilError: CLIENT_STATE.
        """
        path = self._list_path(list_id)
        data = _read(path, LIST_FILE_MAX_BYTES)
        if data is None:
            return None
        try:
            remembered = _parse_list(data)
        except (MalformedError, KeyError, TypeError, ValueError) as error:
            raise _damaged(path, str(error)) from None
        if remembered.id != list_id:
            raise _damaged(path, f"the list {remembered.id[:80]}")
        return remembered

    def observe_status_list(self, current: RememberedStatusList) -> None:
        """Remember a list that was fetched as current and whose signature and signer the caller verified.

        Raises:
            StatusError: STATUS_ROLLBACK (older than remembered), STATUS_EQUIVOCATION (one tree size, other bits; both kept).
            DatasigilError: CLIENT_STATE.
        """
        with self._locked():
            old = self.newest_status_list(current.id)
            data = _list_bytes(current)
            if old is not None:
                if old.replay and old.replay == current.replay and old.bits_digest != current.bits_digest:
                    self._save_evidence("split-lists", current.id, (_list_bytes(old), data))
                    raise StatusError(
                        "STATUS_EQUIVOCATION", "two status lists replay one log differently", place=current.id,
                        expected=old.bits_digest, found=current.bits_digest,
                        next_action=f"report the lists kept in {self._evidence_folder('split-lists', current.id)}",
                    )  # fmt: skip
                if old.is_newer_than(current):
                    raise StatusError(
                        "STATUS_ROLLBACK", "the status list is older than one already seen", place=current.id,
                        expected=f"valid from {old.valid_from} or later", found=str(current.valid_from),
                        next_action="fetch the list from its own address",
                    )  # fmt: skip
            _write(self._list_path(current.id), data)

    # Clock ----------------------------------------------------------------------------------------------------------

    def clock_floor(self) -> Instant | None:
        """Return the latest time signed by a key in the trust file, or None; the true time is not before it.

        Raises:
            DatasigilError: CLIENT_STATE.
        """
        path = self.directory / "clock.json"
        data = _read(path, CLOCK_FILE_MAX_BYTES)
        if data is None:
            return None
        try:
            document = parse_json(data, max_bytes=CLOCK_FILE_MAX_BYTES)
            _check_kind(document, "ClockFloor")
            return Instant.parse(document["time"])
        except (MalformedError, KeyError, TypeError, ValueError) as error:
            raise _damaged(path, str(error)) from None

    def check_clock(self, at: datetime) -> None:
        """Return when `at` (aware UTC) is not more than 60 seconds before the clock floor.

        Raises:
            LogError: CLOCK_BEHIND.
            DatasigilError: CLIENT_STATE.
        """
        floor = self.clock_floor()
        if floor is not None and Instant.from_datetime(at + timedelta(seconds=CLOCK_SKEW_SECONDS)) < floor:
            raise LogError(
                "CLOCK_BEHIND", "this machine's clock is behind a time that a trusted key has signed", expected=f"at least {floor}",
                found=at.isoformat(), next_action="set the clock and check again",
            )  # fmt: skip

    def raise_clock_floor(self, verified: VerifiedCheckpoint) -> None:
        """Remember the latest time that a trusted cosigner signed on a verified checkpoint.

        Raises:
            DatasigilError: CLIENT_STATE.
        """
        with self._locked():
            self._raise_clock_floor(verified)

    def _raise_clock_floor(self, verified: VerifiedCheckpoint) -> None:
        if not verified.cosignatures:
            return
        latest = max(verified.cosignatures, key=lambda one: one.time)
        time, floor = Instant.from_datetime(latest.time), self.clock_floor()
        if floor is None or time > floor:
            document = {"type": "ClockFloor", "formatVersion": 1, "time": str(time), "signedBy": str(latest.key)}
            _write(self.directory / "clock.json", jcs(document))

    # Files ----------------------------------------------------------------------------------------------------------

    def _checkpoint_path(self, origin: str) -> Path:
        return self.directory / "checkpoints" / f"{_name(origin)}.note"

    def _list_path(self, list_id: str) -> Path:
        return self.directory / "status-lists" / f"{_name(list_id)}.json"

    def _evidence_folder(self, kind: str, subject: str) -> Path:
        return self.directory / kind / _name(subject)

    def _save_evidence(self, kind: str, subject: str, files: Sequence[bytes]) -> None:
        folder = self._evidence_folder(kind, subject)
        for data in files:
            _write(folder / f"{sha256(data).hexdigest()}.note", data)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder's lock, so that two checks never put an older checkpoint over a newer one."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(self.directory, error) from None
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)  # closing releases the lock


def _lock(handle: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows only
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)


def _name(text: str) -> str:
    """Return a file name for text from outside, so that no origin or URL reaches the file system."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(path: Path, max_bytes: int) -> bytes | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from None
    if len(data) > max_bytes:
        raise _damaged(path, f"more than {max_bytes} bytes")
    return data


def _write(path: Path, data: bytes) -> None:
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_directory(path.parent.parent)
        write_durably(path, data, mode=0o600)
    except OSError as error:
        raise _unusable(path, error) from None


def _list_bytes(one: RememberedStatusList) -> bytes:
    document: JsonObject = {
        "type": "RememberedStatusList",
        "formatVersion": 1,
        "id": one.id,
        "validFrom": str(one.valid_from),
        "bitsDigest": one.bits_digest,
        "document": one.document,
    }
    if one.replay is not None:
        document["replay"] = {"origin": one.replay[0], "treeSize": one.replay[1]}
    return jcs(document)


def _parse_list(data: bytes) -> RememberedStatusList:
    document = parse_json(data, max_bytes=LIST_FILE_MAX_BYTES)
    _check_kind(document, "RememberedStatusList")
    replay = document.get("replay")
    hex_digest(document["bitsDigest"])
    return RememberedStatusList(
        str(document["id"]), Instant.parse(document["validFrom"]), document["bitsDigest"],
        None if replay is None else (str(replay["origin"]), int(replay["treeSize"])), dict(document["document"]),
    )  # fmt: skip


def _check_kind(document: JsonObject, kind: str) -> None:
    if document.get("type") != kind or document.get("formatVersion") != 1:
        raise MalformedError("VERSION", "unknown kind or version of state file", expected=f"{kind} 1")


def _damaged(path: Path, reason: str) -> DatasigilError:
    return DatasigilError(
        "CLIENT_STATE", "a remembered state file is damaged", place=str(path), found=reason[:200],
        next_action="move the file away to start its memory afresh; until then rollbacks could not be noticed",
    )  # fmt: skip


def _unusable(path: Path, error: OSError) -> DatasigilError:
    return DatasigilError(
        "CLIENT_STATE", "the state folder cannot be used", place=str(path), found=error.strerror or type(error).__name__,
        next_action="make the folder readable and writable, or set XDG_STATE_HOME to one that is",
    )  # fmt: skip


__all__ = ["ClientState", "RememberedStatusList"]
