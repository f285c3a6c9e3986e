"""Counters of this process and gauges of the installation, as Prometheus reads them at /metrics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from core.numbers import ZERO
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
        self._naked = self._gauge("hedge_naked_usd_seconds_today", "What legs stood alone since midnight UTC, USD x s")
        self._naked_max = self._gauge("hedge_naked_usd_seconds_day_limit", "What they may in a UTC day, USD x s")
        self._residual = self._gauge(
            "hedge_ledger_residual_usd_today",
            "Changes of equity that no booking explains, books closed since midnight UTC",
        )
        self._unbalanced = self._gauge(
            "hedge_ledger_unbalanced_accounts_today", "Accounts whose books were closed today with more than dust"
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)

    def text(
        self, store: Store, *, now: datetime, naked_day_max: Decimal, statuses: Iterable[SessionStatus] = SessionStatus
    ) -> bytes:
        """Return everything in Prometheus' text form; reads the store, blocking. naked_day_max: USD x seconds."""
        self._naked.set(float(store.reads.ledger.naked_on_day_of(now)))
        self._naked_max.set(float(naked_day_max))
        residuals = store.reads.ledger.residuals_on_day_of(now)
        self._residual.set(float(sum((abs(residual) for residual, _ in residuals), ZERO)))
        self._unbalanced.set(sum(abs(residual) > dust for residual, dust in residuals))
        for status in statuses:
            self._sessions.labels(status.value).set(store.reads.count_sessions(statuses=(status,)))
        return generate_latest(self._registry)
