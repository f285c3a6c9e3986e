"""Counters of this process and gauges of the installation, as Prometheus reads them at /metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from store import SessionStatus, Store

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One registry a process; labels are routes, never ids, so that their number is bounded."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "hedge_api_requests", "Answered requests", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "hedge_api_request_seconds", "Time to answer", ("route",), registry=self._registry, buckets=_BUCKETS
        )
        self._sessions = Gauge("hedge_sessions", "Sessions by status", ("status",), registry=self._registry)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, store: Store, statuses: Iterable[SessionStatus] = SessionStatus) -> bytes:
        """Return everything in Prometheus' text form; reads the store, blocking."""
        for status in statuses:
            self._sessions.labels(status.value).set(store.reads.count_sessions(statuses=(status,)))
        return generate_latest(self._registry)
