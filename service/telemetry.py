"""OpenTelemetry: traces and metrics to a collector, when one is configured.

Lives here: the exporters (OTLP over HTTP), one span for each request, and the writer's and the log's numbers. Not here: Prometheus (`metrics`)
and the log lines (`journal`). This module is imported only when `DATASIGIL_OTLP_ENDPOINT` is set, and is the only one that imports OpenTelemetry
(FastAPI imports its API, which does nothing without a provider; none is made global here).

A span says the method, the route's template, the status and the request id; never a path, a query, a header, a body or an address. Names follow
the semantic conventions for HTTP 1.23 and later. The collector being away costs spans, never an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datasigil.errors import DatasigilError
from service import VERSION
from service.limits import OTLP_EXPORT_SECONDS, OTLP_TIMEOUT_SECONDS
from service.settings import Settings

if TYPE_CHECKING:
    from service.state import State

SCOPE_NAME = "datasigil.registry"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_SERVER_FAULT = 500


class Telemetry:
    """The exporters of one app; nothing is registered globally, so that several apps fit in one process."""

    def __init__(self, settings: Settings) -> None:
        base = (settings.otlp_endpoint or "").rstrip("/")
        headers = _headers(settings.otlp_headers_file)
        resource = Resource({"service.name": "datasigil-registry", "service.version": VERSION})
        self._tracing = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
        spans = OTLPSpanExporter(
            endpoint=f"{base}/v1/traces", headers=headers, timeout=OTLP_TIMEOUT_SECONDS, session=_session()
        )
        self._tracing.add_span_processor(BatchSpanProcessor(spans))
        numbers = OTLPMetricExporter(
            endpoint=f"{base}/v1/metrics", headers=headers, timeout=OTLP_TIMEOUT_SECONDS, session=_session()
        )
        reader = PeriodicExportingMetricReader(numbers, export_interval_millis=1000 * OTLP_EXPORT_SECONDS)
        self._metering = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self.tracer = self._tracing.get_tracer(SCOPE_NAME, VERSION)
        meter = self._metering.get_meter(SCOPE_NAME, VERSION)
        self.durations = meter.create_histogram(
            "http.server.request.duration", unit="s", description="Duration of HTTP server requests"
        )
        self._state: State | None = None
        for name, text, read in _GAUGES:
            meter.create_observable_gauge(name, callbacks=[self._observer(read)], description=text)

    def observe(self, state: State) -> None:
        """Report the numbers of this registry from now on."""
        self._state = state

    def close(self) -> None:
        """Send what is held, then end the exporters' threads."""
        self._state = None
        self._tracing.shutdown()
        self._metering.shutdown()

    def _observer(self, read: Callable[[State], float | None]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observed(_options: CallbackOptions) -> Iterable[Observation]:
            value = None if self._state is None else read(self._state)
            return [] if value is None else [Observation(value)]

        return observed


def _released_size(state: State) -> float | None:
    return None if state.sequencer.released is None else state.sequencer.released.size


def _released_time(state: State) -> float | None:
    return None if state.sequencer.released is None else state.sequencer.released.cosigned_at


_GAUGES: tuple[tuple[str, str, Callable[[State], float | None]], ...] = (
    ("datasigil.log.size", "Entries covered by the released checkpoint", _released_size),
    ("datasigil.checkpoint.timestamp", "Time of the newest cosignature, seconds since 1970", _released_time),
    ("datasigil.writer.queue", "Operations that wait for the writer", lambda state: state.sequencer.waiting),
    ("datasigil.writer.up", "1 while this process can write", lambda state: int(state.sequencer.health.writing)),
    ("datasigil.writer.operations", "Operations committed since start", lambda state: state.sequencer.operations),
)


class Traced:
    """The layer that gives each request its span, in the trace that the caller names in `traceparent`, if it names one."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        carried = {"traceparent": Headers(scope=scope).get("traceparent", "")}
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        started, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # `tracestate` and baggage are other people's words and are not taken along; exceptions may quote what was sent.
        with self._telemetry.tracer.start_as_current_span(
            method,
            context=self._propagator.extract(carried),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self._app(scope, receive, watched)
            finally:
                route = scope.get("datasigil.route") or getattr(scope.get("route"), "path", None) or "unmatched"
                said = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
                span.update_name(f"{method} {route}")
                span.set_attributes({**said, "datasigil.request_id": scope.get("datasigil.request_id", "")})
                if status >= _SERVER_FAULT or not status:
                    span.set_status(Status(StatusCode.ERROR))
                self._telemetry.durations.record(time.perf_counter() - started, said)


def _session() -> requests.Session:
    """A session that takes no proxy, no certificate bundle and no `.netrc` from the environment, like every other fetch of the registry."""
    session = requests.Session()
    session.trust_env = False
    return session


def _headers(file: Path | None) -> dict[str, str]:
    """Headers for the collector, one `Name: value` a line; a file, because they hold secrets.

    Raises:
        DatasigilError: SETTINGS, for a file that cannot be read or holds something else.
    """
    if file is None:
        return {}
    try:
        lines = [line for line in file.read_text(encoding="ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_headers(file, type(error).__name__) from None
    found = [line.partition(":") for line in lines]
    if not all(mark and name.strip().replace("-", "").isalnum() and value.strip() for name, mark, value in found):
        raise _bad_headers(file, "a line of another form")
    return {name.strip().lower(): value.strip() for name, _, value in found}


def _bad_headers(file: Path, found: str) -> DatasigilError:
    return DatasigilError(
        "SETTINGS",
        "the headers for the collector cannot be used",
        place=str(file),
        expected="lines of the form Name: value",
        found=found,
    )
