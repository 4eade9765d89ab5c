"""Prometheus metrics of one registry process.

Lives here: counters, histograms and their text form. Not here: who increments them. Labels are route templates, methods and
status codes only: no ids, no addresses.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one app; a registry of its own, so that several apps fit in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "datasigil_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "datasigil_request_seconds", "Time to answer", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.log_size = Gauge(
            "datasigil_log_size", "Entries covered by the released checkpoint", registry=self.registry
        )
        self.checkpoint_time = Gauge(
            "datasigil_checkpoint_timestamp_seconds", "Time of the newest cosignature", registry=self.registry
        )
        self.queue = Gauge("datasigil_writer_queue", "Operations that wait for the writer", registry=self.registry)
        self.writing = Gauge("datasigil_writer_up", "1 while this process can write", registry=self.registry)
        self.batches = Gauge("datasigil_writer_batches", "Batches committed since start", registry=self.registry)
        self.operations = Gauge(
            "datasigil_writer_operations", "Operations committed since start", registry=self.registry
        )

        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered; `route` is a template, so that there are few of them."""
        key = (method, route, status)
        if key not in self._answered:
            self._answered[key] = (self.requests.labels(method, route, str(status)), self.seconds.labels(route))
        count, duration = self._answered[key]
        count.inc()
        duration.observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
