"""MetricsMiddleware: measures every request, and every statement and cache call where ``METRICS_QUERIES`` says so. Put it first."""

from __future__ import annotations

import time

from covet.conf import settings
from covet.db.observe import CacheCall, QueryRecord, observe_cache, observe_queries
from covet.http.request import Request
from covet.http.response import Response
from covet.metrics.figures import figures
from covet.metrics.names import method_label
from covet.middleware.base import GetResponse

__all__ = ["MetricsMiddleware"]


class MetricsMiddleware:
    """Counts and times requests by method, route and status."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.figures = figures()
        self.with_queries = settings.METRICS_QUERIES

    async def __call__(self, request: Request) -> Response:
        """Answer, and note how long it took."""
        started = time.perf_counter()
        status = "499"  # the client left before there was an answer
        self.figures.running.inc()
        try:
            if self.with_queries:
                with observe_queries(self.note_query), observe_cache(self.note_cache):
                    response = await self.get_response(request)
            else:
                response = await self.get_response(request)
            status = str(response.status)
            return response
        finally:
            self.figures.running.dec()
            route = request.route.pattern if request.route is not None else ""
            labels = self.figures.requests.labels(method_label(request.method), route, status)
            labels.observe(time.perf_counter() - started)

    def note_query(self, record: QueryRecord) -> None:
        """Note one statement."""
        self.figures.queries.labels(record.alias).observe(record.duration_s)
        if record.error is not None:
            self.figures.query_errors.labels(record.alias).inc()

    def note_cache(self, call: CacheCall) -> None:
        """Note one call of the result cache."""
        self.figures.cache_calls.labels(call.operation, call.outcome).inc()
