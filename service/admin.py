"""What an operator does to publishers: invite, lock out, let in, make an operator.

Lives here: these four, on a stopped or a running registry. Not here: tokens, which publishers manage themselves.
"""

from __future__ import annotations

from sqlalchemy import update

from datasigil.credentials.did import check_did
from datasigil.errors import DatasigilError
from service.app import hold_lock, instance_name
from service.batch import Batch
from service.clock import system_clock
from service.database import open_database
from service.high_water import HighWaterFile
from service.publishers.operations import register
from service.publishers.repository import publisher_by_did, set_publisher_active
from service.registry_keys import load_keys
from service.sequencer import Sequencer
from service.settings import Settings
from service.tables import PUBLISHERS


def act(settings: Settings, action: str, did: str, name: str) -> str:
    """Do one thing to one publisher; the registry must be stopped, because there is one writer.

    Raises:
        DatasigilError: DATA_DIR_IN_USE, NOT_FOUND, DID.
    """
    check_did(did)
    with hold_lock(settings):
        database = open_database(settings.sqlalchemy_url)
        keys = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)
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
            return writer.run(lambda batch: _act(batch, action, did, name))
        finally:
            writer.stop()
            database.close()


def _act(batch: Batch, action: str, did: str, name: str) -> str:
    known = publisher_by_did(batch.connection, did)
    if action in ("invite", "operator"):
        role = "operator" if action == "operator" else "publisher"
        if known is None:
            register(batch, did=did, name=name, role=role)
            return f"{did}: invited as {role}"
        batch.connection.execute(update(PUBLISHERS).where(PUBLISHERS.c.did == did).values(role=role, active=True))
        return f"{did}: is {role}"
    if not set_publisher_active(batch.connection, did, active=action == "unlock"):
        raise DatasigilError("NOT_FOUND", "this registry knows no such publisher", found=did)
    return f"{did}: {'let in' if action == 'unlock' else 'locked out; tokens stop working within 5 s'}"
