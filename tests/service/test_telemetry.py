"""OpenTelemetry: what a real receiver gets from a real registry, what it never gets, and that nobody else loads it.

Here: one registry process and one receiver process. Not here: Prometheus and the journal (`test_http_habits.py`).
"""

import subprocess
import sys
import time

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from registry_process import PASSPHRASE, REPOSITORY, LivePublisher, RegistryProcess, free_port

from datasigil.errors import DatasigilError
from service.app import create_app
from service.settings import Settings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CANARY = "canary-3f9d1c"


@pytest.fixture(scope="module")
def received(tmp_path_factory):
    """A registry that was used and stopped: the folder of what the receiver got, and what must not be in it."""
    folder, port = tmp_path_factory.mktemp("otlp"), free_port()
    headers = folder / "collector-headers"
    headers.write_text(f"Authorization: Bearer {CANARY}\n")
    receiver = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "tests" / "otlp_receiver.py"), str(port), str(folder)]
    )
    try:
        environment = {
            "DATASIGIL_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "DATASIGIL_OTLP_HEADERS_FILE": str(headers),
            "HTTP_PROXY": "http://127.0.0.1:9",  # nobody is there: taken, it would lose everything
        }
        process = RegistryProcess(folder / "data", environment=environment).initialise()
        with process.start():
            publisher = LivePublisher(process)
            document = publisher.publish()
            parent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            httpx.get(f"{process.url}/credentials?q={CANARY}", headers=parent, timeout=20)
            httpx.get(f"{process.url}/credentials/urn:uuid:{CANARY}", timeout=20)
            httpx.post(f"{process.url}/credentials/verify", json={"verifiableCredential": CANARY}, timeout=20)
            httpx.get(f"{process.url}/{CANARY}", headers={"tracestate": CANARY, "baggage": CANARY}, timeout=20)
            assert process.stop() in (0, -15)  # ended by the signal, after its shutdown
    finally:
        receiver.terminate()
        receiver.wait(10)
    return folder, [CANARY, publisher.reply["token"], PASSPHRASE, document["id"], publisher.signer.controller]


def bodies(folder, kind):
    return [file.read_bytes() for file in sorted(folder.glob(f"*.{kind}"))]


def spans(folder):
    for body in bodies(folder, "traces"):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                yield from scope.spans


def attributes(span):
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_each_request_is_a_span_of_its_route(received):
    found = {span.name: attributes(span) for span in spans(received[0])}
    assert {"POST /challenges", "POST /tokens", "POST /credentials", "GET /credentials"} <= set(found), set(found)
    assert found["POST /credentials"]["http.response.status_code"] == 201
    assert len(found["POST /credentials"]["datasigil.request_id"]) == 16
    assert found["GET unmatched"]["http.response.status_code"] == 404


def test_a_span_joins_the_caller_s_trace(received):
    (span,) = (one for one in spans(received[0]) if one.name == "GET /credentials")
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"


def test_metrics_tell_of_requests_and_of_the_log(received):
    found = {}
    for body in bodies(received[0], "metrics"):
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                found |= {one.name: one for one in scope.metrics}
    assert "http.server.request.duration" in found
    routes = {
        one.value.string_value
        for point in found["http.server.request.duration"].histogram.data_points
        for one in point.attributes
        if one.key == "http.route"
    }
    assert "/credentials/{identifier}" in routes or "/credentials" in routes


def test_nothing_that_was_sent_or_is_secret_leaves(received):
    folder, secrets = received
    for kind in ("traces", "metrics"):
        for body in bodies(folder, kind):
            assert not [one for one in secrets if one.encode() in body], kind


def test_the_collector_gets_the_headers_of_the_file(received):
    assert f"Bearer {CANARY}" in next(received[0].glob("*.traces.headers")).read_text()


def test_a_registry_without_a_collector_loads_no_exporter():
    program = (
        "import sys; from pathlib import Path; from service.app import create_app; from service.settings import Settings;"
        "create_app(Settings(data_dir=Path('.'), public_url='http://localhost'));"
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, timeout=60, check=False).returncode == 0


def test_a_collector_that_is_away_costs_no_answer(open_registry, monkeypatch):
    monkeypatch.setattr("service.telemetry.OTLP_TIMEOUT_SECONDS", 0.5)  # at the end it is waited for once
    registry = open_registry(otlp_endpoint=f"http://127.0.0.1:{free_port()}")
    started = time.monotonic()
    assert registry.http.get("/healthz").status_code == 200
    assert registry.login().publish()
    assert time.monotonic() - started < 60  # a loaded machine; the exporter alone would wait longer


@pytest.mark.parametrize(
    "endpoint",
    ["collector:4318", "http://user:pass@127.0.0.1:4318", "http://127.0.0.1/?key=1", "file:///etc/passwd", ""],
)
def test_an_endpoint_that_is_none_is_refused_with_what_was_expected(tmp_path, endpoint):
    with pytest.raises(DatasigilError) as caught:
        Settings.fresh(tmp_path, public_url="http://localhost", otlp_endpoint=endpoint)
    assert (caught.value.code, caught.value.place) == ("SETTINGS", "otlp_endpoint")
    assert "http" in caught.value.expected


@pytest.mark.parametrize("text", ["no colon", ": value", "Name:", "Na me: x"])
def test_headers_of_another_form_are_refused(tmp_path, text):
    (tmp_path / "headers").write_text(text)
    settings = Settings(
        data_dir=tmp_path,
        public_url="http://localhost",
        otlp_endpoint="http://127.0.0.1:4318",
        otlp_headers_file=tmp_path / "headers",
    )
    with pytest.raises(DatasigilError) as caught:
        create_app(settings)
    assert caught.value.place == str(tmp_path / "headers")


def test_the_framework_tells_a_provider_of_the_host_nothing(open_registry, monkeypatch):
    """FastAPI's own spans would hold paths and queries, its logs the messages of exceptions."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    registry = open_registry()
    assert registry.http.get(f"/credentials?q={CANARY}").status_code == 200
    assert registry.http.get(f"/credentials/urn:uuid:{CANARY}").status_code == 404
    assert exporter.get_finished_spans() == ()
