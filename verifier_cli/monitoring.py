"""`datasigil-verify log monitor`: derive a log's tree from its entries, and hold it against what the log signed, now and before.

Here: one round of watching; run it again and again. The client's memory (`client_state`) keeps the newest checkpoint and both notes of a
split view; beside it lies how far entries have been derived. Not here: verdicts on credentials, witnessing (the registry's `witness`).
Spec: C2SP tlog-tiles as of 5ba5ee8 (2026-07-22), RFC 9162 section 2.1.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from datasigil.canonical import jcs
from datasigil.client import HttpTiles, RegistryError
from datasigil.encoding import Instant, hex_digest, parse_json
from datasigil.errors import DatasigilError, LogError, MalformedError
from datasigil.fetch import checked_url
from datasigil.limits import CHECKPOINT_MAX_BYTES, TILE_WIDTH
from datasigil.merkle import leaf_hash
from datasigil.record import dataclass, field
from datasigil.report.terminal import OK, escape
from datasigil.transparency.checkpoint import (
    EMPTY_ROOT,
    VerifiedCheckpoint,
    open_checkpoint,
    require_fresh,
    require_quorum,
)
from datasigil.transparency.durable import write_durably
from datasigil.transparency.entry import ENTRY_MAX_BYTES, parse_entry, parse_entry_bundle
from datasigil.transparency.note import ED25519, parse_vkey
from datasigil.transparency.tile_paths import ENTRIES_LEVEL, Tile
from datasigil.transparency.tiles import TileTree
from verifier_cli import places

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from pathlib import Path

    from datasigil.fetch import Fetcher
    from datasigil.report.terminal import Console, Meter
    from datasigil.transparency.client_state import ClientState
    from datasigil.transparency.note import VerifierKey
    from datasigil.trust.policy import TrustPolicy

STATE_MAX_BYTES: Final = 4096
ENTRIES_ANSWER_MAX_BYTES: Final = TILE_WIDTH * (2 + ENTRY_MAX_BYTES)


@dataclass(frozen=True, slots=True)
class Watched:
    """A log under watch: its address, the key that signs it, and the key that says when (None when nobody named one)."""

    url: str
    key: VerifierKey
    time_key: VerifierKey | None


@dataclass
class Round:
    """What one round found."""

    current: VerifiedCheckpoint
    before: int  # entries that earlier rounds had derived
    kinds: Counter[str] = field(default_factory=Counter)
    named: list[dict[str, Any]] = field(default_factory=list)  # new entries by the issuer that was asked for


def run(given: Namespace, console: Console) -> int:
    """Watch once; 0 the log kept its word, 1 it did not, 3 it cannot be had or is stale."""
    policy, state, now = places.load_policy(given.policy), places.client_state(), datetime.now(UTC)
    checked_url(given.url)
    watched = _watched(given.url.rstrip("/"), given.key, policy)
    fetcher = places.fetcher([watched.url], dev=given.dev)
    meter = console.meter("deriving")
    try:
        found = _watch(watched, fetcher, policy, state, given.issuer, meter)
    finally:
        if meter is not None:
            meter.close()
    head = found.current.checkpoint
    times = found.current.times_by(watched.time_key) if watched.time_key is not None else ()
    shown = {
        "type": "LogMonitorReport", "formatVersion": 1, "origin": head.origin, "url": watched.url, "consistent": True, "size": head.size, "root": head.root.hex(),
        "derivedBefore": found.before, "newEntries": dict(sorted(found.kinds.items())), "byIssuer": found.named,
        "signedAt": str(Instant.from_datetime(times[-1])) if times else "", "cosigners": sorted({one.key.name for one in found.current.cosignatures}),
    }  # fmt: skip
    console.result(shown, _text(found, shown, given.issuer))
    if watched.time_key is not None and head.size:
        # What was derived is kept either way: a log that stands still has not lied.
        max_age = timedelta(seconds=policy.max_age_seconds(offline=False))
        _require_recent(found.current, watched.time_key, now, max_age)
        require_quorum(found.current, policy.witnesses, policy.quorum)
    return OK


def _watched(url: str, key: str | None, policy: TrustPolicy) -> Watched:
    """Return the log at a URL with the keys of `--key`, or of the trust file.

    Raises:
        DatasigilError: UNKNOWN_LOG; USAGE for a `--key` that is none.
    """
    if key is not None:
        try:
            return Watched(url, parse_vkey(key, algorithm=ED25519), None)
        except MalformedError as error:
            raise DatasigilError(
                "USAGE", f"--key is not a log's verifier key: {error.message}", expected=error.expected, found=key[:80],
                next_action="copy the log's key whole, as its operator publishes it",
            ) from None  # fmt: skip
    for rule in policy.logs:
        if url in (rule.url.rstrip("/"), f"https://{rule.origin}", f"http://{rule.origin}"):
            return Watched(url, rule.key, rule.time_key)
    raise DatasigilError(
        "UNKNOWN_LOG", "your trust file names no log at this address, so nothing that it signs can be checked", place=url[:200],
        expected=", ".join(rule.url or rule.origin for rule in policy.logs) or "a log in your trust file",
        next_action="`datasigil-verify trust add BUNDLE` pins a log; or name its key with --key",
    )  # fmt: skip


def _watch(
    watched: Watched,
    fetcher: Fetcher,
    policy: TrustPolicy,
    state: ClientState,
    issuer: str | None,
    meter: Meter | None,
) -> Round:
    """One round: the signed head, its consistency with the one remembered, and the tree derived from entries.

    Raises:
        LogError: SPLIT_VIEW, LOG_ROLLBACK, CONSISTENCY, TILE_CORRUPT or ENTRIES; the notes concerned are kept.
        RegistryError, FetchError: when the log cannot be had.
    """
    note = _get(fetcher, f"{watched.url}/checkpoint", CHECKPOINT_MAX_BYTES)
    cosigners = [*(one.key for one in policy.witnesses), *([watched.time_key] if watched.time_key is not None else [])]
    current = open_checkpoint(note, watched.key, cosigners, allow_empty=True)
    head = current.checkpoint
    remembered = state.newest_checkpoint(head.origin)
    old = remembered[0].size if remembered is not None else 0
    tree = TileTree.open(_Tiles(watched.url, fetcher), head.size, head.root)
    try:
        state.observe_checkpoint(current, tree.consistency(old) if 0 < old < head.size else ())
    except LogError as error:
        if error.code == "LOG_ROLLBACK" and remembered is not None:
            error.found += f"; both notes are kept in {_keep(state, 'rollbacks', head.origin, (remembered[1], note))}"
        raise
    done = _derived_before(state, head.origin, head.size)
    found = Round(current, done[0])
    _derive(watched.url, fetcher, current, done, found, issuer, meter, state)
    _remember(state, head.origin, head.size, head.root)
    return found


def _derive(
    url: str,
    fetcher: Fetcher,
    current: VerifiedCheckpoint,
    done: tuple[int, bytes],
    found: Round,
    issuer: str | None,
    meter: Meter | None,
    state: ClientState,
) -> None:
    """Append the entries that are new to the tree that earlier rounds derived, and compare the root with the signed one.

    Raises:
        LogError: ENTRIES, TILE_CORRUPT; MalformedError ENTRY.
    """
    head = current.checkpoint
    wanted = sha256(issuer.encode("utf-8")).hexdigest() if issuer else ""
    tree = TileTree.open(_Tiles(url, fetcher), *done)
    for first, entries in _new_entries(url, fetcher, done[0], head.size):
        for number, data in enumerate(entries, first):
            entry = parse_entry(data)
            found.kinds[entry.kind] += 1
            if entry.issuer_digest == wanted:
                found.named.append({"index": number, "kind": entry.kind, "credentialDigest": entry.credential_digest})
        tree.commit(tree.prepare([leaf_hash(data) for data in entries]))
        if meter is not None:
            meter(tree.size - done[0], head.size - done[0], f"entry {tree.size}")
    if tree.root != head.root:
        folder = _keep(state, "inconsistent", head.origin, (current.note,))
        raise LogError(
            "ENTRIES", "the log's entries do not hash to the tree that it signed", place=head.origin, expected=head.root.hex(), found=tree.root.hex(),
            next_action=f"report the note kept in {folder} to the log's operator and to other users",
        )  # fmt: skip


def _new_entries(url: str, fetcher: Fetcher, start: int, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (index of the first, entries) for every entry bundle from `start` on."""
    for number in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        path = Tile(ENTRIES_LEVEL, number, width).path
        entries = parse_entry_bundle(_get(fetcher, f"{url}/{path}", ENTRIES_ANSWER_MAX_BYTES), width)
        skipped = max(0, start - number * TILE_WIDTH)
        yield number * TILE_WIDTH + skipped, entries[skipped:]


def _get(fetcher: Fetcher, url: str, max_bytes: int) -> bytes:
    """Return what lies at a URL of the log.

    Raises:
        RegistryError: LOG_RETRIEVAL, with the status of a server that is away: a log that serves nothing proves nothing.
    """
    answer = fetcher.get(url, max_bytes=max_bytes, accept="*/*")
    if answer.status != 200:
        raise RegistryError(
            "LOG_RETRIEVAL", "the log does not serve this", status=503, place=url[:200], expected="HTTP 200", found=f"HTTP {answer.status}",
            next_action="check the address; try again later, or ask the log's operator",
        )  # fmt: skip
    return answer.body


class _Tiles(HttpTiles):
    """Tiles of a log; a narrow one that a host no longer keeps is read from the full one that took its place."""

    def read_tile(self, tile: Any) -> bytes:
        """Return the hashes of a tile.

        Raises:
            LogError: TILE_MISSING.
        """
        try:
            return super().read_tile(tile)
        except LogError:
            if tile.width == TILE_WIDTH:
                raise
            whole = super().read_tile(Tile(tile.level, tile.index))
            return whole[: tile.width * 32]


# Memory ---------------------------------------------------------------------------------------------------------------


def _state_path(state: ClientState, origin: str) -> Path:
    return state.directory / "monitor" / f"{sha256(origin.encode('utf-8')).hexdigest()}.json"


def _derived_before(state: ClientState, origin: str, size: int) -> tuple[int, bytes]:
    """Return size and root of the tree that earlier rounds derived.

    Raises:
        DatasigilError: CLIENT_STATE.
    """
    path = _state_path(state, origin)
    try:
        with path.open("rb") as stream:
            document = parse_json(stream.read(STATE_MAX_BYTES))
        if document["type"] != "MonitoredLog" or document["formatVersion"] != 1 or document["origin"] != origin:
            raise MalformedError("VERSION", "another kind of file", found=str(document["type"])[:40])
        known = int(document["size"]), hex_digest(document["root"])
    except FileNotFoundError:
        return 0, EMPTY_ROOT
    except (MalformedError, KeyError, TypeError, ValueError, OSError) as error:
        raise DatasigilError(
            "CLIENT_STATE", "a remembered state file is damaged", place=str(path), found=str(error)[:200], next_action="move it away: the next round derives the whole log again",
        ) from None  # fmt: skip
    # A rollback has been refused before this; a smaller tree can only mean that the checkpoints were moved away.
    return known if known[0] <= size else (0, EMPTY_ROOT)


def _remember(state: ClientState, origin: str, size: int, root: bytes) -> None:
    path = _state_path(state, origin)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    document = {"type": "MonitoredLog", "formatVersion": 1, "origin": origin, "size": size, "root": root.hex()}
    write_durably(path, jcs(document), mode=0o600)


def _keep(state: ClientState, kind: str, origin: str, notes: tuple[bytes, ...]) -> Path:
    """Keep notes as evidence, and return the folder."""
    folder = state.directory / kind / sha256(origin.encode("utf-8")).hexdigest()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for note in notes:
        write_durably(folder / f"{sha256(note).hexdigest()}.note", note, mode=0o600)
    return folder


# Words ----------------------------------------------------------------------------------------------------------------


def _require_recent(current: VerifiedCheckpoint, key: VerifierKey, now: datetime, max_age: timedelta) -> None:
    try:
        require_fresh(current, key, at=now, max_age=max_age)
    except LogError as error:
        if error.code != "LOG_STALE":
            raise
        raise RegistryError(
            error.code, error.message, status=503, place=current.checkpoint.origin, expected=error.expected, found=error.found,
            next_action="ask the log's operator why it has stopped signing",
        ) from None  # fmt: skip


def _text(found: Round, shown: dict[str, Any], issuer: str | None) -> str:
    head = found.current.checkpoint
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.kinds.items())) or "none"
    lines = [
        f"CONSISTENT: {head.origin}, {head.size} entries",
        f"  root:        {head.root.hex()}",
        f"  derived:     {found.before} entries before, {head.size - found.before} now ({kinds})",
        f"  signed at:   {shown['signedAt'] or 'no time key was named'}",
        f"  cosigned by: {', '.join(shown['cosigners']) or 'nobody that you know'}",
    ]
    if issuer:
        lines.append(f"  by {issuer}: {len(found.named) or 'no'} new entries")
        lines += [f"    entry {one['index']}: {one['kind']} {one['credentialDigest']}" for one in found.named]
    return "\n".join(map(escape, lines))
