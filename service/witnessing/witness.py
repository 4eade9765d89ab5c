"""A witness's decision: cosign, or refuse and why.

Lives here: the state of each log on disk, and the order check, store, sign. Not here: HTTP (`app`), notes and proofs (`datasigil.transparency`).
Spec: C2SP tlog-witness as of 5ba5ee8 (2026-07-22). The new size is on the disk before a signature over it exists, so that a crash can only
make a witness remember more than it said.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from datasigil.errors import DatasigilError, LogError, MalformedError
from datasigil.merkle import verify_consistency
from datasigil.signing import LocalSigner
from datasigil.transparency.checkpoint import cosign_checkpoint, open_checkpoint, unverified_checkpoint
from datasigil.transparency.note import COSIGNATURE_V1, VerifierKey, new_vkey
from datasigil.transparency.proofs import parse_add_checkpoint
from service.high_water import HighWaterFile, Mark

KEY_FILE = "witness.pem"
BAD, FORBIDDEN, UNKNOWN, BEHIND, INCONSISTENT = 400, 403, 404, 409, 422


class Refused(DatasigilError):  # noqa: N818 - the specification speaks of answers, not of errors
    """A checkpoint that is not cosigned; `status` is the answer's, `size` the size that the witness knows, where that helps."""

    def __init__(self, status: int, code: str, message: str, *, size: int | None = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.size = size


class Witness:
    """One witness: its key, the logs that it watches, and the newest checkpoint of each that it cosigned."""

    def __init__(
        self, folder: Path, name: str, signer: LocalSigner, logs: Iterable[VerifierKey], clock: Callable[[], datetime]
    ) -> None:
        self.key = new_vkey(name, signer.public_key.raw, COSIGNATURE_V1)
        self._folder = folder
        self._signer = signer
        self._logs: dict[str, list[VerifierKey]] = {}
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)
        self._clock = clock
        self._lock = threading.Lock()

    def add_checkpoint(self, body: bytes) -> str:
        """Return the cosignature line for an `add-checkpoint` request.

        Raises:
            Refused: with the status that the specification gives each case.
            OSError: when the state cannot be stored; nothing is signed then.
        """
        try:
            asked = parse_add_checkpoint(body)
            origin = unverified_checkpoint(asked.checkpoint).origin
        except DatasigilError as error:
            raise Refused(BAD, error.code, error.message) from None
        note = self._signed(origin, asked.checkpoint)
        with self._lock:
            file = HighWaterFile(self._folder / f"log-{hashlib.sha256(origin.encode()).hexdigest()[:32]}")
            held = file.read() or Mark(origin, 0, "")
            self._judge(held, asked.old_size, asked.hashes, note)
            head = unverified_checkpoint(note)
            if head.size != held.size:
                file.write(Mark(origin, head.size, head.root.hex()))
            return str(cosign_checkpoint(note, self.key, self._signer.sign, self._clock()))

    def _signed(self, origin: str, note: bytes) -> bytes:
        """The note, if a trusted key of its log signed it."""
        if origin not in self._logs:
            raise Refused(UNKNOWN, "UNKNOWN_LOG", "this witness does not watch this log")
        for key in self._logs[origin]:
            try:
                return open_checkpoint(note, key, allow_empty=True).note
            except (LogError, MalformedError):
                continue
        raise Refused(FORBIDDEN, "CHECKPOINT", "no key of this log that the witness knows has signed the checkpoint")

    @staticmethod
    def _judge(held: Mark, old_size: int, proof: tuple[bytes, ...], note: bytes) -> None:
        head = unverified_checkpoint(note)
        if old_size > head.size:
            raise Refused(BAD, "ADD_CHECKPOINT", "the old size is larger than the checkpoint")
        if old_size != held.size:
            raise Refused(BEHIND, "OLD_SIZE", "the witness knows another size", size=held.size)
        if held.size == 0:
            if proof:
                raise Refused(INCONSISTENT, "CONSISTENCY", "an empty tree needs no proof")
            return
        if head.size == held.size and head.root.hex() != held.root:
            # The specification has 409 here; the operator of the log must explain two trees of one size.
            raise Refused(BEHIND, "SPLIT_VIEW", "two trees of one size", size=held.size)
        try:
            verify_consistency(held.size, head.size, bytes.fromhex(held.root), head.root, proof)
        except LogError as error:
            raise Refused(INCONSISTENT, error.code, error.message) from None


def make_witness(folder: Path, name: str, passphrase: bytes) -> VerifierKey:
    """Make a witness's folder and key; return the verifier key that goes into trust files.

    Raises:
        DatasigilError: KEY_EXISTS; MalformedError for a name that is none.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY_FILE
    if path.exists():
        raise DatasigilError("KEY_EXISTS", "this folder holds a witness", place=str(path))
    signer = LocalSigner.generate("ed25519")
    key = new_vkey(name, signer.public_key.raw, COSIGNATURE_V1)
    signer.save(path, passphrase)
    return key
