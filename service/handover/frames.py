"""What this registry can prove about handovers: of those before it, and of its own end.

Lives here: the stored handovers, read once, and the frames that bundles and `/log/handovers` present. Not here: SQL (`repository`), the
form (`datasigil.credentials.handover`), what counts (`datasigil.verification.handover`). The log of a registry that took over begins with
every entry of the old one, so one tree of tiles proves both: the old log's tree is its first part, under the old log's last checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from datasigil.credentials.handover import RegistryHandover, logged_handover, parse_handover
from datasigil.encoding import JsonObject, parse_json
from datasigil.transparency.checkpoint import unverified_checkpoint
from datasigil.transparency.note import parse_vkey
from datasigil.transparency.proofs import LogProof
from service.handover.repository import HandoverRow, handovers
from service.transparency_log.repository import first_checkpoint
from service.transparency_log.store import ProofReader, first_proof
from service.transparency_log.writing import Released


@dataclass(frozen=True)
class Ended:
    """One log that ended: its handover, its last checkpoint, and its tree."""

    row: HandoverRow
    handover: RegistryHandover
    proofs: ProofReader = field(default_factory=ProofReader)

    def proof(self, connection: Connection, index: int, released: Released) -> str:
        """The tlog-proof of an entry under the last checkpoint of the log that ended."""
        note = self.row.note or released.note  # before an export was completed, what is released is that checkpoint
        head = unverified_checkpoint(note)
        hashes = self.proofs.inclusion(connection, index, size=head.size, root=head.root)
        return LogProof(index, tuple(hashes), note).text()

    def first_proof(self, connection: Connection, index: int, released: Released) -> str | None:
        """The tlog-proof of an entry under the first checkpoint of that log which covered it, which shows by when; None if none is kept."""
        note, before = self.row.note or released.note, self.handover.before
        keys, head = (parse_vkey(before.log_key), parse_vkey(before.time_key)), unverified_checkpoint(note)
        return first_proof(
            connection,
            self.proofs,
            index,
            keys,
            first_checkpoint(connection, index),
            size=head.size,
            root=head.root,
            last=note,
        )


class Handovers:
    """The handovers of one running registry; they change only while it is stopped, so they are read once."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._known: tuple[Ended, ...] | None = None

    def all(self, connection: Connection) -> tuple[Ended, ...]:
        """Every handover that the log holds, the oldest first."""
        if self._known is None:
            self._known = tuple(Ended(row, parse_handover(parse_json(row.document))) for row in handovers(connection))
        return self._known

    def before(self, connection: Connection) -> tuple[Ended, ...]:
        """The logs that this one continues."""
        return tuple(one for one in self.all(connection) if one.row.origin != self._origin)

    def own(self, connection: Connection) -> Ended | None:
        """This registry's own handover, if it has ended."""
        return self.of(connection, self._origin)

    def of(self, connection: Connection, origin: str) -> Ended | None:
        """The handover that ended the log of this origin."""
        return next((one for one in self.all(connection) if one.row.origin == origin), None)

    def frames(self, connection: Connection, proofs: ProofReader, released: Released) -> tuple[JsonObject, ...]:
        """Every handover with its proof in the old log and, where this log goes on from it, in this one."""
        return tuple(self._frame(connection, one, proofs, released) for one in self.all(connection))

    def _frame(self, connection: Connection, one: Ended, proofs: ProofReader, released: Released) -> JsonObject:
        first = one.proof(connection, one.row.position, released)
        if one.row.origin == self._origin:
            return logged_handover(one.handover.document, first)
        hashes = proofs.inclusion(connection, one.row.position, size=released.size, root=released.root)
        current = LogProof(one.row.position, tuple(hashes), released.note).text()
        return logged_handover(one.handover.document, first, current)
