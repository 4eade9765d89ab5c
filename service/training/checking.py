"""What `fsck` holds against each other in the queue of training jobs.

Lives here: jobs against their results, results against the credentials that sign their documents. Not here: the credentials themselves (`fsck`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from sqlalchemy import Connection, select

from service.tables import CREDENTIALS, TRAINING_JOBS, TRAINING_RESULTS

_ENDED_BY_RESULT = ("finished", "refused")


def results_checked(connection: Connection) -> Iterator[str]:
    """For each job, in order, what is wrong with how it ended, in words; empty where nothing is."""
    jobs, results = TRAINING_JOBS.c, TRAINING_RESULTS.c
    rows = connection.execute(
        select(jobs.id, jobs.state, results.attempt, results.receipt, results.card, CREDENTIALS.c.document)
        .join(TRAINING_RESULTS, results.job_seq == jobs.seq, isouter=True)
        .join(CREDENTIALS, CREDENTIALS.c.seq == results.credential_seq, isouter=True)
        .order_by(jobs.seq)
        .execution_options(yield_per=100)
    )
    for identifier, state, attempt, receipt, card, document in rows:
        yield _fault(str(identifier), str(state), attempt is not None, (receipt, card), document)


def _fault(job: str, state: str, has_result: bool, parts: tuple[bytes, bytes], document: bytes | None) -> str:
    if has_result != (state in _ENDED_BY_RESULT) and state != "failed":  # lost leases fail a job without a result
        return f"training_job {job}: it is {state} {'with' if has_result else 'without'} a result"
    if state != "finished":
        return ""
    if document is None:
        return f"training_job {job}: its model credential is missing"
    subject = json.loads(document)["credentialSubject"]
    for name, data in zip(("receipt", "card"), parts, strict=True):
        if hashlib.sha256(data).hexdigest() != subject[f"{name}Digest"]:
            return f"training_job {job}: the {name} is not the one that its credential signs"
    return ""
