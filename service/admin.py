"""What an operator does to publishers: invite, lock out, let in, make an auditor or an operator.

Lives here: these five, on a stopped or a running registry. Not here: tokens, which publishers manage themselves.
"""

from __future__ import annotations

from sqlalchemy import update

from datasigil.credentials.did import check_did
from datasigil.errors import DatasigilError
from service.audit_trail.trail import OPERATOR, record
from service.batch import Batch
from service.offline import offline_writer
from service.publishers.operations import register
from service.publishers.repository import publisher_by_did, set_publisher_active
from service.settings import Settings
from service.tables import PUBLISHERS

_ROLES = {"invite": "publisher", "auditor": "auditor", "operator": "operator"}


def act(settings: Settings, action: str, did: str, name: str) -> str:
    """Do one thing to one publisher; the registry must be stopped, because there is one writer.

    Raises:
        DatasigilError: DATA_DIR_IN_USE, NOT_FOUND, DID.
    """
    check_did(did)
    with offline_writer(settings) as writer:
        return writer.run(lambda batch: _act(batch, action, did, name))


def _act(batch: Batch, action: str, did: str, name: str) -> str:
    known = publisher_by_did(batch.connection, did)
    if action in _ROLES:
        role = _ROLES[action]
        if known is None:
            register(batch, did=did, name=name, role=role, actor=OPERATOR)
            return f"{did}: invited as {role}"
        batch.connection.execute(update(PUBLISHERS).where(PUBLISHERS.c.did == did).values(role=role, active=True))
        record(batch, actor=OPERATOR, action="publisher.role", target=f"{did} {role}")
        return f"{did}: is {role}"
    if not set_publisher_active(batch.connection, did, active=action == "unlock"):
        raise DatasigilError("NOT_FOUND", "this registry knows no such publisher", found=did)
    record(batch, actor=OPERATOR, action=f"publisher.{action}ed", target=did)
    return f"{did}: {'let in' if action == 'unlock' else 'locked out; tokens stop working within 5 s'}"
