"""The writer's hold on the log: opening it with suspicion, extending it, signing checkpoints.

Lives here: `LogSession`, from taking the lease to the compare-and-swap of each batch. Not here: the thread and the
transaction (`sequencer`), tree hashing (`datasigil.transparency.tiles`), note formats (`datasigil.transparency`).

What was released is never contradicted: a database that is older than the high-water mark, tiles that do not hash to the
signed root, entries that do not hash to their tiles, all make the registry refuse to sign.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from datasigil.errors import DatasigilError, LogError, MalformedError
from datasigil.limits import TILE_WIDTH
from datasigil.merkle import HASH_BYTES, leaf_hash
from datasigil.transparency.checkpoint import (
    EMPTY_ROOT,
    Checkpoint,
    add_signatures,
    cosign_checkpoint,
    open_checkpoint,
    sign_checkpoint,
)
from datasigil.transparency.note import parse_note, sign_text
from datasigil.transparency.tiles import Append, TileTree
from service.audit_trail.trail import anchor_due
from service.batch import Batch
from service.clock import seconds_of
from service.handover.ending import handed_over
from service.handover.repository import handover_from
from service.high_water import Mark
from service.limits import LEASE_SECONDS, RESIGN_SECONDS, SCRUB_TILES_PER_TICK, START_CHECK_MAX_ENTRIES
from service.registry_keys import RegistryKeys
from service.status_lists.signing import sign_lists, stale_lists
from service.transparency_log.repository import (
    StoredState,
    create_state,
    insert_entries,
    keep_checkpoint,
    next_position,
    read_entries,
    read_state,
    swap_state,
    take_lease,
)
from service.transparency_log.store import SqlTileStore

log = logging.getLogger("service.log")


@dataclass(frozen=True)
class Released:
    """A checkpoint that may leave the registry."""

    origin: str
    size: int
    root: bytes
    note: bytes
    cosigned_at: int


@dataclass(frozen=True)
class Sealed:
    """A batch whose rows are all in the transaction and that awaits its commit."""

    state: StoredState
    append: Append | None


def refusal(error: DatasigilError) -> DatasigilError:
    """The error of a registry that must not sign: what is stored contradicts what was signed."""
    return DatasigilError(
        "REFUSES_TO_SIGN",
        f"the registry refuses to sign: {error.message}",
        place=error.place,
        expected=error.expected,
        found=error.found,
        next_action="its operator runs `python -m service fsck`",
    )


def sign_head(keys: RegistryKeys, size: int, root: bytes, now: datetime) -> bytes:
    """The checkpoint note of a tree: the log's signature and the time key's cosignature, each also by a key that is being changed."""
    checkpoint = Checkpoint(keys.origin, size, root)
    note = sign_checkpoint(checkpoint, keys.log_key, keys.checkpoint.sign)
    old = [sign_text(checkpoint.text(), key, signer.sign) for key, signer in keys.log_keys[1:]]
    times = [cosign_checkpoint(note, key, signer.sign, now) for key, signer in keys.time_keys]
    return add_signatures(note, [*old, *times])


def open_own(note: bytes, keys: RegistryKeys) -> Checkpoint:
    """A stored checkpoint under the current log key or, right after a change of keys, the one before.

    Raises:
        LogError: as `open_checkpoint`.
    """
    by = {line.key_id for line in parse_note(note).signatures}
    signed = [key for key, _ in keys.log_keys if key.key_id in by]
    times = [key for key, _ in keys.time_keys]
    return open_checkpoint(note, signed[0] if signed else keys.log_key, times, allow_empty=True).checkpoint


def released(state: StoredState) -> Released:
    """The checkpoint of a stored state."""
    return Released(state.origin, state.size, bytes.fromhex(state.root), state.checkpoint, state.cosigned_at)


def current_release(connection: Connection) -> Released | None:
    """The checkpoint that the present writer, perhaps another process, has committed."""
    state = read_state(connection)
    return None if state is None else released(state)


class LogSession:
    """The right to write, held since `open_session`; lost with the first compare-and-swap that fails."""

    def __init__(self, keys: RegistryKeys, state: StoredState, tree: TileTree, store: SqlTileStore) -> None:
        self._keys = keys
        self._state = state
        self._tree = tree
        self._store = store
        self._scrubbed = 0
        self.released = released(state)

    def tick(self, connection: Connection, now: datetime) -> bool:
        """Check a few more stored entries; say whether the checkpoint, a list or the lease wants renewal."""
        self._store.connection = connection
        try:
            stop = min(self._tree.size, self._scrubbed + SCRUB_TILES_PER_TICK * TILE_WIDTH)
            check_entries(connection, self._tree, self._scrubbed, stop)
        except LogError as error:
            raise refusal(error) from error
        self._scrubbed = 0 if stop == self._tree.size else stop
        wanted = self._wants_signing(now) or self._wants_lease(now) or bool(stale_lists(connection, now))
        return wanted or anchor_due(connection, now)

    def seal(self, batch: Batch) -> Sealed:
        """Put the batch's log entries, tiles, checkpoint and status lists into its transaction.

        Raises:
            DatasigilError: NOT_THE_WRITER, when another process has taken over.
        """
        connection, now = batch.connection, batch.now
        self._store.connection = connection
        append = self._tree.prepare([leaf_hash(entry) for entry in batch.entries]) if batch.entries else None
        state = self._state
        if append is not None:
            insert_entries(connection, append.first_index, batch.entries)
            self._store.write_tiles(append.tiles)
            state = replace(state, size=append.size, root=append.root.hex())
        if append is not None or self._wants_signing(now):
            note = sign_head(self._keys, state.size, bytes.fromhex(state.root), now)
            state = replace(state, checkpoint=note, cosigned_at=seconds_of(now))
            if append is not None:
                keep_checkpoint(connection, state.size, note)
        sign_lists(connection, self._keys, batch.touched | set(stale_lists(connection, now)), now, state.size)
        if state is not self._state or batch.touched or self._wants_lease(now):
            state = replace(state, lease_until=seconds_of(now) + LEASE_SECONDS)
            if not swap_state(connection, old=self._state, new=state):
                raise _not_the_writer()
        return Sealed(state, append)

    def commit(self, sealed: Sealed) -> None:
        """Make a committed batch the session's state."""
        if sealed.append is not None:
            self._tree.commit(sealed.append)
        self._state = sealed.state
        self.released = released(sealed.state)

    def _wants_signing(self, now: datetime) -> bool:
        return seconds_of(now) - self._state.cosigned_at >= RESIGN_SECONDS

    def _wants_lease(self, now: datetime) -> bool:
        return self._state.lease_until - seconds_of(now) <= LEASE_SECONDS // 2


def open_session(
    connection: Connection, keys: RegistryKeys, mark: Mark | None, now: datetime, holder: str
) -> LogSession:
    """Become the writer and check what is stored before anything new is signed.

    Raises:
        DatasigilError: NOT_THE_WRITER, while another process holds the lease; REFUSES_TO_SIGN, when the stored log is
            older than the mark, of another origin, or damaged; HANDED_OVER, when another registry goes on.
    """
    ended = handover_from(connection, keys.origin)
    if ended is not None:
        raise handed_over(ended)
    state = _leased(connection, _existing(connection, keys, mark, now, holder), now, holder)
    store = SqlTileStore()
    store.connection = connection
    try:
        tree = TileTree.open(store, state.size, bytes.fromhex(state.root))
        _check_head(state, keys)
        _check_mark(tree, state, keys, mark)
        stored = next_position(connection)
        if stored != state.size:
            raise LogError(
                "LOG_ENTRIES", "the stored entries do not end where the signed log ends",
                expected=f"{state.size} entries", found=f"{stored} entries",
            )  # fmt: skip
        check_entries(connection, tree, max(0, state.size - START_CHECK_MAX_ENTRIES), state.size)
    except (LogError, MalformedError) as error:
        raise refusal(error) from error
    return LogSession(keys, state, tree, store)


def check_entries(connection: Connection, tree: TileTree, start: int, stop: int) -> None:
    """Hold stored entries against the leaves of their tiles, which are held against the root.

    Raises:
        LogError: ENTRY_CORRUPT, naming the first entry that is missing or altered; TILE_MISSING or TILE_CORRUPT.
    """
    for first in range(start - start % TILE_WIDTH, stop, TILE_WIDTH):
        last = min(first + TILE_WIDTH, tree.size)
        entries = read_entries(connection, first, last)
        if len(entries) != last - first:
            raise LogError("ENTRY_CORRUPT", "an entry of the log is missing", place=f"entries {first} to {last - 1}")
        signed = tree.leaves(first // TILE_WIDTH)
        for number, entry in enumerate(entries):
            if not signed.startswith(leaf_hash(entry), number * HASH_BYTES):
                place = f"entry {first + number}"
                raise LogError("ENTRY_CORRUPT", "a stored entry does not hash to its leaf", place=place)


def _existing(connection: Connection, keys: RegistryKeys, mark: Mark | None, now: datetime, holder: str) -> StoredState:
    state = read_state(connection)
    if state is not None:
        return state
    if mark is not None and mark.size:
        raise refusal(
            LogError("LOG_ROLLBACK", "the database is empty and the log was not", expected=f"{mark.size} entries")
        )
    seconds = seconds_of(now)
    fresh = StoredState(
        origin=keys.origin,
        size=0,
        root=EMPTY_ROOT.hex(),
        checkpoint=sign_head(keys, 0, EMPTY_ROOT, now),
        cosigned_at=seconds,
        fencing=0,
        holder=holder,
        lease_until=0,
    )
    create_state(connection, fresh)
    return fresh


def _leased(connection: Connection, state: StoredState, now: datetime, holder: str) -> StoredState:
    seconds = seconds_of(now)
    # The same holder is the same data folder, whose lock file admits one process: it is restarting, not competing.
    if state.holder != holder and state.lease_until > seconds:
        raise _not_the_writer()
    until = seconds + LEASE_SECONDS
    if not take_lease(connection, seen=state, holder=holder, until=until):
        raise _not_the_writer()
    return replace(state, holder=holder, fencing=state.fencing + 1, lease_until=until)


def _check_head(state: StoredState, keys: RegistryKeys) -> None:
    head = open_own(state.checkpoint, keys)
    if head != Checkpoint(state.origin, state.size, bytes.fromhex(state.root)):
        raise LogError("CHECKPOINT", "the stored checkpoint is of another tree", expected=f"{state.size} entries")


def _check_mark(tree: TileTree, state: StoredState, keys: RegistryKeys, mark: Mark | None) -> None:
    if mark is None:
        if state.size:
            raise LogError(
                "HIGH_WATER_MISSING",
                "the high-water mark is missing beside a log that has entries",
                expected=f"a mark of at most {state.size} entries",
            )
        return
    if mark.origin != keys.origin:
        raise LogError("UNKNOWN_LOG", "the high-water mark is of another log", expected=keys.origin)
    if mark.size > state.size:
        raise LogError(
            "LOG_ROLLBACK",
            "the database is older than what was released",
            expected=f"{mark.size} entries",
            found=f"{state.size} entries",
        )
    if tree.root_at(mark.size).hex() != mark.root:
        raise LogError("LOG_ROLLBACK", "the database is of another history than what was released", expected=mark.root)


def _not_the_writer() -> DatasigilError:
    return DatasigilError("NOT_THE_WRITER", "another process writes to this registry", next_action="retry later")
