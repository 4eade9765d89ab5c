"""The FastAPI application.

Lives here: `create_app(settings)` and its lifespan. Not here: endpoints (one module per domain) and the command line
(`__main__`). Nothing happens at import.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from datasigil.credentials import rdf_worker
from datasigil.credentials.contexts import check_installed
from datasigil.errors import DatasigilError
from datasigil.fetch import Fetcher
from service import VERSION, health, problems
from service.access_cache import TokenCache
from service.audit_trail import endpoints as audit_trail
from service.clock import Clock, seconds_of, system_clock
from service.credentials import endpoints as credentials
from service.credentials import vcalm, vocabulary
from service.credentials.evidence import EvidenceMemory
from service.credentials.lane import CredentialLane
from service.credentials.served import ServedCredentials
from service.database import Database, open_database
from service.documentation import describe
from service.express import Express
from service.handover import endpoints as handovers
from service.handover.frames import Handovers
from service.high_water import HighWaterFile
from service.limits import (
    COMPRESS_LEVEL,
    COMPRESS_MIN_BYTES,
    DELIVERY_TIMEOUT_SECONDS,
    DID_WEB_TIMEOUT_SECONDS,
    OIDC_TIMEOUT_SECONDS,
    WITNESS_TIMEOUT_SECONDS,
)
from service.lineage import endpoints as lineage
from service.metrics import Metrics
from service.middleware import Frame
from service.notifications import endpoints as notifications
from service.notifications.sending import Sender
from service.pages import endpoints as pages
from service.pages import jobs as job_pages
from service.publishers import directory
from service.publishers import endpoints as publishers
from service.publishers import key_rotation_endpoints as key_rotations
from service.publishers import workload_endpoints as workload_identities
from service.publishers.did_web import DidWebDocuments
from service.publishers.workload import IssuerKeys
from service.rate import RateLimiter
from service.registry_keys import RegistryKeys, load_keys
from service.requests import Cursors
from service.sequencer import Sequencer
from service.settings import Settings
from service.state import State
from service.status_lists import endpoints as status_lists
from service.training import endpoints as training
from service.training import jobs
from service.transparency_log import endpoints as transparency_log
from service.transparency_log.cosigning import Cosigner, parse_witness
from service.transparency_log.store import ProofReader

if TYPE_CHECKING:
    from service.telemetry import Telemetry

DESCRIPTION = (
    "A registry of signed dataset credentials with status lists and a transparency log. Reading, lookup and verification need "
    "no account. Failures are RFC 9457 problem details."
)


def create_app(settings: Settings, *, clock: Clock = system_clock) -> FastAPI:
    """The registry as an ASGI app; keys and database are opened when its lifespan starts."""
    telemetry = _telemetry(settings)
    app = FastAPI(
        title="datasigil registry",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan(settings, clock, telemetry),
        # FastAPI's own spans and logs hold paths, queries and the messages of exceptions; ours (`telemetry`) hold none of them.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    problems.install(app)
    routers = [
        *(
            health,
            publishers,
            directory,
            key_rotations,
            handovers,
            transparency_log,
            status_lists,
            vcalm,
            lineage,
            credentials,
        ),
        *(vocabulary, training, jobs, workload_identities, notifications, audit_trail, pages, job_pages),
    ]
    if settings.dev:
        from service.credentials import dev_issuers

        routers.append(dev_issuers)
    for module in routers:
        app.include_router(module.router)
    app.state.endpoints = [route for module in routers for route in module.router.routes]
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESS_MIN_BYTES, compresslevel=COMPRESS_LEVEL)
    app.add_middleware(Express, endpoints={**credentials.EXPRESS, **vcalm.EXPRESS})
    app.add_middleware(CredentialLane)
    app.add_middleware(Frame)
    if telemetry is not None:
        from service.telemetry import Traced

        app.add_middleware(Traced, telemetry=telemetry)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend OpenAPI
    return app


def _telemetry(settings: Settings) -> Telemetry | None:
    """The exporters, if a collector is configured; they are imported for nobody else.

    Raises:
        DatasigilError: SETTINGS, when a collector is configured and OpenTelemetry is not installed.
    """
    if settings.otlp_endpoint is None:
        return None
    try:
        from service.telemetry import Telemetry
    except ModuleNotFoundError as error:
        raise DatasigilError(
            "SETTINGS",
            "a collector is configured and OpenTelemetry is not installed",
            place="DATASIGIL_OTLP_ENDPOINT",
            found=f"no module {error.name}",
            next_action="pip install 'datasigil[service,otel]', or unset DATASIGIL_OTLP_ENDPOINT",
        ) from None
    return Telemetry(settings)


def _lifespan(
    settings: Settings, clock: Clock, telemetry: Telemetry | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        check_installed()
        with hold_lock(settings):
            keys = load_keys(settings.keys_dir, settings.passphrase, origin=settings.log_origin)
            state = _build(settings, keys, clock)
            state.sequencer.start()
            state.sender.start()
            state.cosigner.start()
            app.state.registry = state
            if telemetry is not None:
                telemetry.observe(state)
            try:
                yield
            finally:
                if telemetry is not None:
                    telemetry.close()
                state.cosigner.stop()
                state.sender.stop()
                state.sequencer.stop()
                state.database.close()
                rdf_worker.stop()

    return lifespan


def _build(settings: Settings, keys: RegistryKeys, clock: Clock) -> State:
    database = open_database(settings.sqlalchemy_url)
    sequencer = Sequencer(
        database,
        keys,
        HighWaterFile(settings.high_water_file),
        clock,
        holder=instance_name(settings),
        base_url=settings.public_url,
    )
    fetcher = Fetcher.naming(settings.webhook_origins, dev=settings.dev, timeout_seconds=DELIVERY_TIMEOUT_SECONDS)
    return State(
        workload_keys=IssuerKeys(
            settings.oidc_issuers,
            Fetcher.naming(settings.oidc_issuers, dev=settings.dev, timeout_seconds=OIDC_TIMEOUT_SECONDS),
        ),
        did_documents=DidWebDocuments(
            Fetcher.naming(settings.did_web_origins, dev=settings.dev, timeout_seconds=DID_WEB_TIMEOUT_SECONDS),
            allow_loopback=settings.dev,
        ),
        cosigner=cosigner_of(settings, keys, database, sequencer),
        sender=Sender(database, sequencer, fetcher, keys.notices, clock),
        settings=settings,
        database=database,
        keys=keys,
        sequencer=sequencer,
        proofs=ProofReader(),
        handovers=Handovers(keys.origin),
        cursors=Cursors(_cursor_key(settings)),
        tokens=TokenCache(),
        served=ServedCredentials(),
        evidence=EvidenceMemory(),
        metrics=Metrics(),
        clock=clock,
        serving_since=seconds_of(clock()),
        limiter=RateLimiter(per_second=settings.rate_per_second, burst=settings.rate_burst),
    )


def cosigner_of(settings: Settings, keys: RegistryKeys, database: Database, sequencer: Sequencer) -> Cosigner:
    """The one who asks the configured witnesses."""
    witnesses = [parse_witness(one) for one in settings.witnesses]
    fetcher = Fetcher.naming(
        [one.url for one in witnesses], dev=settings.witnesses_on_loopback, timeout_seconds=WITNESS_TIMEOUT_SECONDS
    )
    return Cosigner(witnesses, fetcher, keys, database, sequencer)


@contextmanager
def hold_lock(settings: Settings) -> Iterator[None]:
    """Hold the data folder's lock, so that one process at a time acts under its name.

    Raises:
        DatasigilError: DATA_DIR_IN_USE.
    """
    descriptor = os.open(settings.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DatasigilError(
            "DATA_DIR_IN_USE",
            "another process serves this data folder",
            place=str(settings.data_dir),
            next_action="stop it, or give this one its own --data-dir",
        ) from None
    finally:
        os.close(descriptor)


def instance_name(settings: Settings) -> str:
    """The name under which this data folder takes the writer's lease; made once."""
    return _remembered(settings, "instance")


def _cursor_key(settings: Settings) -> bytes:
    return bytes.fromhex(_remembered(settings, "cursor-key"))


def _remembered(settings: Settings, name: str) -> str:
    """Sixteen random bytes in hex that stay the same for a data folder."""
    path = settings.data_dir / name
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(16))
    return path.read_text(encoding="ascii").strip()
