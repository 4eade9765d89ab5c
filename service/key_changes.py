"""Changing the registry's own keys: list, make, rotate, retire, and what to do when one was stolen.

Lives here: the operator's commands `python -m service keys …` on a stopped registry. Not here: key files (`datasigil.signing`), which key does
what (`registry_keys`). The keys of checkpoints and time overlap: old and new both sign until the old one is retired, so that verifiers, who
pin them, have time to change over. The status key is the registry's DID, which credentials name: it is not rotated in place; a new one, also
after a theft, means a handover (docs/handover.md). Every change is recorded in the audit trail and is a `key` entry of the log.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from datasigil.canonical import jcs
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.signing import LocalSigner, add_proof
from datasigil.transparency.entry import log_entry
from datasigil.transparency.log_keys import EarlierKey
from datasigil.transparency.note import COSIGNATURE_V1, VerifierKey, new_vkey
from datasigil.trust.policy_text import earlier_lines
from service.audit_trail.trail import OPERATOR, record
from service.batch import Batch
from service.high_water import sync_folder
from service.offline import OfflineWriter, offline_writer
from service.registry_keys import HOSTED_KEY, NOTICE_KEY, OVERLAPPING, overlapping
from service.settings import Settings

ROTATED = (HOSTED_KEY, NOTICE_KEY, *OVERLAPPING)
KEY_TYPE = "RegistryKey"


def list_keys(settings: Settings) -> str:
    """One line for each key file: its name and did:key."""
    lines = [
        f"{path.stem:20} {LocalSigner.load(path, settings.passphrase).controller}"
        for path in sorted(settings.keys_dir.glob("*.pem"))
    ]
    return "\n".join(lines)


def change_key(settings: Settings, action: str, name: str) -> str:
    """Do one thing to one key; the registry must be stopped.

    Raises:
        DatasigilError: KEY_NAME, KEY_EXISTS, KEY_MISSING, KEY_FILE; DATA_DIR_IN_USE.
        OSError: for a disk that fails before the log has the change; the keys are as they were, or both sign if it fails at undoing as well.
    """
    if name == "status":
        raise DatasigilError(
            "KEY_NAME",
            "the status key is the registry's DID, which credentials name: another one means another registry",
            place=name,
            expected=", ".join(ROTATED),
            next_action="hand over to a registry with another key, also when this one was stolen: python -m service export (docs/handover.md)",
        )
    if name not in ROTATED:
        raise DatasigilError("KEY_NAME", "this key is not changed by itself", found=name, expected=", ".join(ROTATED))
    if action == "new":
        return _make(settings, name)
    if action == "retire":
        return _retire(settings, name)
    return _rotate(settings, name, stolen=action == "compromised")


@dataclass(frozen=True)
class LogKeyChange:
    """Put a change of keys into the log and the audit trail: digests of the new key and of the signed statement."""

    action: str
    name: str
    new: str
    statement: str

    def __call__(self, batch: Batch) -> int:
        """Return the log entry's index."""
        record(batch, actor=OPERATOR, action=f"key.{self.action}", target=f"{self.name} {self.new}")
        digest = hashlib.sha256(self.new.encode()).hexdigest()
        return batch.append(log_entry("key", digest, batch.keys.did, KEY_TYPE, self.statement))


def _make(settings: Settings, name: str) -> str:
    path = settings.keys_dir / f"{name}.pem"
    if path.exists():
        raise DatasigilError(
            "KEY_EXISTS",
            "there is such a key",
            place=str(path),
            next_action=f"python -m service keys rotate {name} --data-dir {settings.data_dir}",
        )
    if name in OVERLAPPING:
        raise DatasigilError("KEY_MISSING", "this key belongs to the log", place=str(path), expected="its backup")
    signer = LocalSigner.generate("ed25519")
    with offline_writer(settings) as writer:
        signer.save(path, settings.passphrase)
        index = writer.run(LogKeyChange("made", name, signer.controller, _digest(b"")))
    return f"{name}: {signer.controller}, log entry {index}"


def _rotate(settings: Settings, name: str, *, stolen: bool) -> str:
    path = settings.keys_dir / f"{name}.pem"
    kept = settings.keys_dir / f"{overlapping(name)}.pem"
    if kept.exists() and kept.samefile(path):  # of a change that never came to be
        kept.unlink()
    if kept.exists():
        raise DatasigilError(
            "KEY_EXISTS", "an older key still signs beside this one", place=str(kept),
            next_action=f"python -m service keys retire {name} --data-dir {settings.data_dir}",
        )  # fmt: skip
    archive = _archive(settings)
    old, new = LocalSigner.load(path, settings.passphrase), LocalSigner.generate("ed25519")
    fresh = settings.keys_dir / f"{name}.next"  # not .pem: no key until it takes the old one's place
    fresh.unlink(missing_ok=True)
    new.save(fresh, settings.passphrase)
    with _replaced(settings, path, kept, fresh) as writer:
        moment = writer.released_time
        statement = _statement(settings, moment, name, old, new, stolen=stolen)
        stated = archive / f"{name}.json"
        stated.write_bytes(statement)
        change = LogKeyChange("compromised" if stolen else "rotated", name, new.controller, _digest(statement))
        index = writer.run(
            change
        )  # under the old key and the new one, so that what is stored can be opened with either
    moves = {stated: archive / f"{name}-{index}.json"}
    if stolen or name not in OVERLAPPING:
        moves[kept] = archive / f"{name}-{index}.pem"
    _put_away(settings, moves)
    lines = [f"{name}: {old.controller} -> {new.controller}, log entry {index}"]
    if stolen:
        lines.append("The stolen key signs nothing any more. What it signs from here on is not ours; tell users so:")
        lines += _marking(settings, name, old, new, index, moment)
    elif name in OVERLAPPING:
        lines.append(f"Both keys sign now. Give users the new one: {_vkey(settings, name, new)}")
        lines.append(f"When they have it: python -m service keys retire {name} --data-dir {settings.data_dir}")
    return "\n".join(lines)


@contextmanager
def _replaced(settings: Settings, path: Path, kept: Path, fresh: Path) -> Iterator[OfflineWriter]:
    """The writer with the new key in the old one's place, and the old one beside it; as it was if nothing came of it.

    There is a key under the name that the registry opens at every moment, whenever the power goes or the disk fails.
    """

    def replace() -> None:
        os.link(path, kept)
        fresh.rename(path)
        sync_folder(settings.keys_dir)

    try:
        with offline_writer(settings, replace) as writer:
            yield writer
    except BaseException:
        if kept.exists():
            if kept.samefile(path):
                kept.unlink()
            else:
                kept.rename(path)
        raise


def _put_away(settings: Settings, moves: Mapping[Path, Path]) -> None:
    """Give files their last places, each of them whatever becomes of the others, after the log has the change.

    Raises:
        DatasigilError: KEY_FILE, with what is left to be done by hand: an old key that stays goes on signing.
    """
    left, reason = [], ""
    for file, place in moves.items():
        try:
            file.rename(place)
        except OSError as error:
            left.append(f"mv {file} {place}")
            reason = str(error.strerror)
    if left:
        raise DatasigilError(
            "KEY_FILE",
            f"the change is in the log, and what is no longer needed could not be put away: {reason}",
            place=str(settings.keys_dir),
            next_action=f"{' && '.join(left)}, before the registry is started",
        )
    sync_folder(settings.keys_dir)


def _marking(
    settings: Settings, name: str, old: LocalSigner, new: LocalSigner | None, index: int, moment: datetime
) -> list[str]:
    """The lines of a trust file by which what the old key signed stands below a point of the log, and nothing above it."""
    if name not in OVERLAPPING:
        at = f'compromised = {{ origin = "{settings.log_origin}", index = {index} }}'
        return [f'  did = "{old.controller}", keys = [{{ multibase = "{old.public_key.multibase}", {at} }}]']
    ended = EarlierKey(_vkey(settings, name, old), index, Instant.from_datetime(moment) if name == "time" else None)
    word = "timeKey" if name == "time" else "key"
    lines = [f'  [[logs]] of {settings.log_origin}: {word} = "{_vkey(settings, name, new)}"'] if new is not None else []
    return [*lines, *(f"  {line}" for line in earlier_lines(ended))]


def _vkey(settings: Settings, name: str, signer: LocalSigner) -> VerifierKey:
    """How verifiers name a key of the log."""
    if name == "time":
        return new_vkey(f"{settings.log_origin}/time", signer.public_key.raw, COSIGNATURE_V1)
    return new_vkey(settings.log_origin, signer.public_key.raw)


def _retire(settings: Settings, name: str) -> str:
    kept = settings.keys_dir / f"{overlapping(name)}.pem"
    if not kept.is_file():
        raise DatasigilError("KEY_MISSING", "no older key signs beside this one", place=str(kept))
    archive = _archive(settings)
    old = LocalSigner.load(kept, settings.passphrase)
    with offline_writer(settings) as writer:
        moment = writer.released_time
        index = writer.run(LogKeyChange("retired", name, old.controller, _digest(b"")))
    _put_away(settings, {kept: archive / f"{name}-{index}.pem"})
    lines = [f"{name}: {old.controller} is retired, log entry {index}"]
    lines.append("Who has bundles from before keeps the old key for them in the trust file, below that log's [[logs]]:")
    return "\n".join([*lines, *_marking(settings, name, old, None, index, moment)])


def _statement(
    settings: Settings, now: datetime, name: str, old: LocalSigner, new: LocalSigner, *, stolen: bool
) -> bytes:
    """What the log's entry names by digest: signed by the new key, and by the old one unless a thief could have done so."""
    document = {
        "type": "RegistryKeyChange",
        "formatVersion": 1,
        "origin": settings.log_origin,
        "duty": name,
        "old": old.controller,
        "new": new.controller,
        "compromised": stolen,
    }
    signed = add_proof(document, new, created=now)
    return jcs(signed if stolen else add_proof(signed, old, created=now))


def _archive(settings: Settings) -> Path:
    folder = settings.keys_dir / "retired"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
