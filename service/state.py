"""What one running registry holds: database, keys, writer, caches.

Lives here: `State` and how endpoints get it. Not here: how it is built (`app`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request
from starlette.types import Scope

from service.access_cache import TokenCache
from service.clock import Clock
from service.credentials.served import ServedCredentials
from service.database import Database
from service.handover.frames import Handovers
from service.metrics import Metrics
from service.notifications.sending import Sender
from service.problems import Problem
from service.publishers.did_web import DidWebDocuments
from service.publishers.workload import IssuerKeys
from service.rate import RateLimiter
from service.registry_keys import RegistryKeys
from service.requests import Cursors
from service.sequencer import Sequencer
from service.settings import Settings
from service.transparency_log.cosigning import Cosigner
from service.transparency_log.store import ProofReader
from service.transparency_log.writing import Released

if TYPE_CHECKING:
    from service.credentials.evidence import EvidenceMemory


@dataclass(frozen=True)
class State:
    """One running registry."""

    settings: Settings
    database: Database
    keys: RegistryKeys
    sequencer: Sequencer
    sender: Sender
    cosigner: Cosigner
    proofs: ProofReader
    handovers: Handovers
    cursors: Cursors
    tokens: TokenCache
    served: ServedCredentials
    evidence: EvidenceMemory
    workload_keys: IssuerKeys
    did_documents: DidWebDocuments
    limiter: RateLimiter
    metrics: Metrics
    clock: Clock
    serving_since: int  # seconds since 1970 UTC

    @property
    def released(self) -> Released:
        """The checkpoint that was last let out.

        Raises:
            Problem: DATABASE_UNAVAILABLE, before the log could be opened for the first time.
        """
        found = self.sequencer.released
        if found is None:
            error = self.sequencer.health.error
            raise error if error is not None else Problem("DATABASE_UNAVAILABLE", "The log is not open yet")
        return self.cosigner.attach(found)


def state_in(scope: Scope) -> State:
    """The state of the app that handles a request, from its ASGI scope; requests are served inside the lifespan."""
    return cast("State", scope["app"].state.registry)


async def state_of(request: Request) -> State:
    """The state of the app that handles this request; async, because FastAPI calls everything else in a thread."""
    return cast("State", request.app.state.registry)


StateDep = Annotated[State, Depends(state_of)]
