"""One batch of the writer: what an operation may do besides SQL.

Lives here: `Batch`. Not here: the transaction around it (`sequencer`) and how its entries become a tree
(`transparency_log.writing`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, cast

from sqlalchemy import Connection

from service.clock import seconds_of
from service.registry_keys import RegistryKeys

if TYPE_CHECKING:
    from service.transparency_log.writing import LogSession

T = TypeVar("T")


@dataclass
class Batch:
    """The open transaction, the log entries it will append and the status lists it will sign again."""

    connection: Connection
    session: LogSession
    keys: RegistryKeys
    now: datetime
    base_url: str
    entries: list[bytes] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    memory: dict[str, object] = field(default_factory=dict)
    ends: bool = False  # the log ends with what has been appended: the registry is handed over

    @property
    def seconds(self) -> int:
        """The batch's time in whole seconds since 1970 UTC."""
        return seconds_of(self.now)

    def remembered(self, name: str, ask: Callable[[], list[T]]) -> list[T]:
        """What `ask` answers, asked once in a batch; only for rows that the batch's own operations seldom change."""
        if name not in self.memory:
            self.memory[name] = ask()
        return cast("list[T]", self.memory[name])

    def append(self, entry: bytes) -> int:
        """Queue a log entry and return the index that it will have if the batch commits."""
        self.entries.append(entry)
        return self.session.released.size + len(self.entries) - 1

    def touch(self, list_row: int) -> None:
        """Have a status list signed again at the end of the batch."""
        self.touched.add(list_row)

    def mark(self) -> tuple[int, frozenset[int]]:
        """Remember where this operation starts."""
        return len(self.entries), frozenset(self.touched)

    def reset(self, mark: tuple[int, frozenset[int]]) -> None:
        """Forget what an operation that was refused had queued."""
        del self.entries[mark[0] :]
        self.touched = set(mark[1])
