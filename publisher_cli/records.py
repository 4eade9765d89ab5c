"""What this machine remembers of issuing: spent status indexes, and where the data of a credential lies.

Here: files in the state folder, each replaced durably under one lock. Not here: anything that a verdict rests on; losing this folder
costs a 409 from the registry at worst, and the credential is issued again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from datasigil.bundle import read_file
from datasigil.canonical import jcs
from datasigil.encoding import JsonObject, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.transparency.durable import write_durably
from publisher_cli import places

RECORD_MAX_BYTES = 64 * 1024
DRAWS_MAX = 64


def draw_index(list_urls: tuple[str, ...], bits: int) -> int:
    """Return a random index below `bits` that this machine has not used in these lists, and mark it as used.

    Raises:
        DatasigilError: INDEXES_SPENT, when all are used; STATE_FILE, when the file is damaged.
    """
    folder = places.make_folder(places.state_folder() / "indexes")
    path = folder / f"{hashlib.sha256(' '.join(list_urls).encode()).hexdigest()}.bits"
    with locked(folder / ".lock"):
        used = bytearray(_bits(path, bits))
        index = _unused(used, bits)
        used[index // 8] |= 0x80 >> index % 8
        write_durably(path, bytes(used), mode=0o600)
    return index


def _bits(path: Path, bits: int) -> bytes:
    try:
        data = read_file(path, bits // 8)
    except FileNotFoundError:
        return bytes(bits // 8)
    except MalformedError:
        data = b""
    if len(data) != bits // 8:
        raise DatasigilError(
            "STATE_FILE", "the record of used status indexes is damaged", place=str(path), expected=f"{bits // 8} bytes",
            next_action="remove the file; the registry refuses an index that is taken, and the credential is then issued again",
        )  # fmt: skip
    return data


def _unused(used: bytearray, bits: int) -> int:
    for _ in range(DRAWS_MAX):
        index = secrets.randbelow(bits)
        if not used[index // 8] & 0x80 >> index % 8:
            return index
    free = [index for index in range(bits) if not used[index // 8] & 0x80 >> index % 8]
    if not free:
        raise DatasigilError(
            "INDEXES_SPENT",
            "every index of your status lists is used",
            next_action="ask the registry for another pair of lists",
        )
    return secrets.choice(free)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two commands at once never draw one index."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows only
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # closing releases the lock


def remember_issue(digest: str, data: Path, key: str) -> None:
    """Remember where the data of a credential (by digest) lies and which key signed it."""
    folder = places.make_folder(places.state_folder() / "issued")
    document: JsonObject = {
        "type": "IssuedRecord",
        "formatVersion": 1,
        "credentialDigest": digest,
        "data": str(data.absolute()),
        "key": key,
    }
    write_durably(folder / f"{digest}.json", jcs(document), mode=0o600)


def data_of(digest: str) -> Path | None:
    """Return the folder that a credential was issued for on this machine, if it is still there."""
    try:
        document = parse_json(read_file(places.state_folder() / "issued" / f"{digest}.json", RECORD_MAX_BYTES))
        path = Path(str(document["data"]))
    except (OSError, MalformedError, KeyError, TypeError):
        return None
    return path if path.is_dir() else None
