"""The figures themselves, by prometheus-client: requests by route, and statements by database.

Labels take few values only: the route as it is written, never the path, and methods that HTTP knows. Several workers
share their figures by ``PROMETHEUS_MULTIPROC_DIR``, as prometheus-client documents.
"""

from __future__ import annotations

import os
from functools import lru_cache

from covet.exceptions import MissingDependency

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector
except ImportError:  # pragma: no cover - the package is there in the test environment
    raise MissingDependency("prometheus-client", extra="prometheus", feature="covet.metrics") from None

__all__ = ["CONTENT_TYPE", "Figures", "figures", "text"]

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_QUERY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Figures:
    """The site's figures, in a registry of their own.

    Attributes:
        registry: Where further figures of the project may be registered.
        requests: Seconds a request took, by method, route and status; counts them as well.
        running: Requests that are being answered.
        queries: Seconds a statement took, by database.
        query_errors: Statements that failed, by database.
        cache_calls: Calls of the store of cached results, by operation and outcome.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "covet_http_request_duration_seconds",
            "Time to answer a request, its body's sending left out.",
            ("method", "route", "status"),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.running = Gauge(
            "covet_http_requests_in_progress",
            "Requests being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.queries = Histogram(
            "covet_db_query_duration_seconds",
            "Time of a statement, the wait for a connection included.",
            ("database",),
            buckets=_QUERY_BUCKETS,
            registry=self.registry,
        )
        self.query_errors = Counter(
            "covet_db_query_errors_total", "Statements that failed.", ("database",), registry=self.registry
        )
        self.cache_calls = Counter(
            "covet_db_cache_calls_total",
            "Calls of the store of cached results.",
            ("operation", "outcome"),
            registry=self.registry,
        )


@lru_cache(maxsize=1)
def figures() -> Figures:
    """Return this process's figures."""
    return Figures()


def text() -> bytes:
    """Return all figures as Prometheus reads them; those of all workers where they share a folder. Reads the disk then."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it registers itself
        return generate_latest(registry)
    return generate_latest(figures().registry)
