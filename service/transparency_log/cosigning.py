"""Asking witnesses to cosign what was released.

Lives here: one thread, which asks each witness about the newest released checkpoint; the lines that came back, checked, and put beneath that
checkpoint wherever it is served. Not here: the witness (`service.witnessing`) and how many cosignatures a reader wants (trust files).
Spec: C2SP tlog-witness, tlog-cosignature. Witnesses are asked after the commit, and nothing waits for them but clients that choose to.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

from datasigil.errors import DatasigilError, LogError, MalformedError
from datasigil.fetch import Fetcher
from datasigil.transparency.checkpoint import add_signatures, open_checkpoint
from datasigil.transparency.note import NoteSignature, VerifierKey, parse_signature_lines, parse_vkey
from datasigil.transparency.proofs import AddCheckpoint
from service.database import Database
from service.limits import WITNESS_ANSWER_MAX_BYTES, WITNESS_TICK_SECONDS
from service.registry_keys import RegistryKeys
from service.sequencer import Sequencer
from service.transparency_log.store import ProofReader
from service.transparency_log.writing import Released

CONFLICT, OK = 409, 200
log = logging.getLogger("service.cosigning")


@dataclass
class WitnessLink:
    """One witness: where it is, its key, and the size that it is known to have."""

    url: str
    key: VerifierKey
    size: int = 0
    asked: bytes = b""  # the checkpoint that it cosigned last


def parse_witness(text: str) -> WitnessLink:
    """A witness from a setting: `URL VKEY`.

    Raises:
        DatasigilError: SETTINGS, VKEY.
    """
    url, _, vkey = text.partition(" ")
    if not url or not vkey:
        raise DatasigilError("SETTINGS", "a witness is a URL and its key", expected="URL VKEY", found=text[:100])
    return WitnessLink(url.rstrip("/"), parse_vkey(vkey))


class Cosigner:
    """The thread that asks, and what the witnesses said about the newest checkpoint."""

    def __init__(
        self, witnesses: list[WitnessLink], fetcher: Fetcher, keys: RegistryKeys, database: Database, writer: Sequencer
    ) -> None:
        self._witnesses = witnesses
        self._fetcher = fetcher
        self._keys = keys
        self._database = database
        self._writer = writer
        self._proofs = ProofReader()
        self._lines: tuple[bytes, tuple[NoteSignature, ...]] = (b"", ())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cosigner", daemon=True)

    def start(self) -> None:
        """Start asking, if there is anybody to ask."""
        if self._witnesses:
            self._thread.start()

    def stop(self) -> None:
        """End after the question that is being asked."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def attach(self, released: Released) -> Released:
        """A released checkpoint with the cosignatures that are known for it."""
        note, lines = self._lines
        return (
            replace(released, note=add_signatures(released.note, lines))
            if note == released.note and lines
            else released
        )

    def round(self) -> int:
        """Ask every witness that has not cosigned the newest checkpoint; return how many have now."""
        released = self._writer.released
        if released is None or released.size == 0:
            return 0
        for one in self._witnesses:
            if self._stop.is_set():
                break
            if one.asked != released.note:
                self._ask(one, released)
        return sum(one.asked == released.note for one in self._witnesses)

    def missing(self) -> list[str]:
        """The witnesses that have not cosigned the newest checkpoint."""
        released = self._writer.released
        return [one.key.name for one in self._witnesses if released is not None and one.asked != released.note]

    def _run(self) -> None:
        while not self._stop.wait(WITNESS_TICK_SECONDS):
            try:
                self.round()
            except DatasigilError as error:
                log.warning("cannot ask", extra={"fields": {"code": error.code}})

    def _ask(self, one: WitnessLink, released: Released) -> None:
        """Ask once, and once more with the size that the witness says it knows."""
        for _ in range(2):
            proof = self._proof(one.size, released)
            body = AddCheckpoint(one.size, proof, released.note).text().encode()
            try:
                answer = self._fetcher.post(
                    f"{one.url}/add-checkpoint",
                    body,
                    headers={"Content-Type": "text/plain; charset=utf-8", "Accept": "text/plain"},
                    max_bytes=WITNESS_ANSWER_MAX_BYTES,
                )
            except DatasigilError as error:
                log.warning("witness away", extra={"fields": {"witness": one.key.name, "code": error.code}})
                return
            known = _size(answer.body) if answer.status == CONFLICT else None
            if known is not None and known != one.size and known <= released.size:
                one.size = known
                continue
            if answer.status != OK or not self._keep(one, released, answer.body):
                log.warning("not cosigned", extra={"fields": {"witness": one.key.name, "status": answer.status}})
            return

    def _proof(self, old: int, released: Released) -> tuple[bytes, ...]:
        if old in (0, released.size):
            return ()
        with self._database.reading() as connection:
            return tuple(self._proofs.consistency(connection, old, size=released.size, root=released.root))

    def _keep(self, one: WitnessLink, released: Released, answer: bytes) -> bool:
        """Keep the witness's line if it verifies under the key that the operator gave."""
        try:
            lines = [line for line in parse_signature_lines(answer.decode()) if line.is_by(one.key)]
            note = add_signatures(released.note, lines)
            found = open_checkpoint(note, self._keys.log_key, [one.key], allow_empty=True).cosignatures
        except (LogError, MalformedError, UnicodeDecodeError):
            return False
        if not found:
            return False
        held, before = self._lines
        others = tuple(line for line in before if not line.is_by(one.key)) if held == released.note else ()
        self._lines = (released.note, (*others, *lines))
        one.size, one.asked = released.size, released.note
        return True


def _size(body: bytes) -> int | None:
    text = body.decode("ascii", "replace").removesuffix("\n")
    return int(text) if text.isdecimal() and len(text) < 17 else None
