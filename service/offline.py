"""The writer of a stopped registry, for an operator's command.

Lives here: opening keys, database and writer under the data folder's lock, and closing them. Not here: what the commands do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from service.app import hold_lock, instance_name
from service.clock import system_clock
from service.database import open_database
from service.high_water import HighWaterFile
from service.registry_keys import load_keys
from service.sequencer import Operation, Sequencer, T
from service.settings import Settings


@dataclass(frozen=True)
class OfflineWriter:
    """A writer without a server."""

    sequencer: Sequencer

    def run(self, operation: Operation[T]) -> T:
        """Run an operation; returns once it is durable and covered by a checkpoint."""
        return self.sequencer.run(operation)

    @property
    def released_time(self) -> datetime:
        """Now, in whole seconds, for what is signed beside an operation."""
        return system_clock().replace(microsecond=0)


@contextmanager
def offline_writer(settings: Settings, prepare: Callable[[], None] = lambda: None) -> Iterator[OfflineWriter]:
    """The writer, while no server runs on this data folder; `prepare` is done when that is sure and before keys are opened.

    Raises:
        DatasigilError: DATA_DIR_IN_USE; as `load_keys`; whatever keeps the writer from signing.
    """
    with hold_lock(settings):
        prepare()
        keys = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)
        database = open_database(settings.sqlalchemy_url)
        writer = Sequencer(
            database,
            keys,
            HighWaterFile(settings.high_water_file),
            system_clock,
            holder=instance_name(settings),
            base_url=settings.public_url,
        )
        writer.start()
        try:
            if writer.health.error is not None:
                raise writer.health.error
            yield OfflineWriter(writer)
        finally:
            writer.stop()
            database.close()
