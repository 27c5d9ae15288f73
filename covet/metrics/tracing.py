"""TracingMiddleware: spans and durations of requests, statements and cache calls, by OpenTelemetry. Put it first.

Only the API is used: without an SDK that is set up, nothing is recorded and little is done. Names of attributes follow
OpenTelemetry's semantic conventions for HTTP servers and database clients. Values of statements are never recorded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from covet.conf import settings
from covet.db.observe import CacheCall, QueryRecord, observe_cache, observe_queries
from covet.exceptions import MissingDependency
from covet.http.request import Request
from covet.http.response import Response
from covet.metrics.names import method_label
from covet.middleware.base import GetResponse
from covet.signals import got_request_exception

try:
    from opentelemetry import metrics, propagate, trace
    from opentelemetry.trace import SpanKind, StatusCode
except ImportError:  # pragma: no cover - the package is there in the test environment
    raise MissingDependency("opentelemetry-sdk", extra="otel", feature="TracingMiddleware") from None

__all__ = ["TracingMiddleware"]


_SERVER_ERROR = 500


class TracingMiddleware:
    """Traces requests, their statements and their calls of the result cache, and measures all three.

    The instruments are ``http.server.request.duration``, ``db.client.operation.duration`` and ``covet.cache.calls``. Requests
    that are not sampled are measured all the same, where an SDK takes measurements.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.tracer = trace.get_tracer("covet")
        meter = metrics.get_meter("covet")
        self.duration = meter.create_histogram(
            "http.server.request.duration", unit="s", description="Duration of HTTP server requests."
        )
        self.query_duration = meter.create_histogram(
            "db.client.operation.duration", unit="s", description="Duration of database client operations."
        )
        self.cache_calls = meter.create_counter(
            "covet.cache.calls", unit="{call}", description="Calls of the store of cached results."
        )
        self.with_queries = settings.TRACE_QUERIES
        got_request_exception.connect(_note_exception)  # once, however many sites there are

    async def __call__(self, request: Request) -> Response:
        """Answer inside a span whose parent the client may have named (W3C Trace Context)."""
        method = method_label(request.method)
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "url.path": request.path,
            "url.scheme": request.scheme,
        }
        if request.client is not None:
            attributes["client.address"] = request.client[0]
        started = time.perf_counter()
        parent = propagate.extract(_carrier(request.headers))
        with self.tracer.start_as_current_span(
            method, context=parent, kind=SpanKind.SERVER, attributes=attributes
        ) as span:
            if self.with_queries and (span.is_recording() or _has_sdk()):
                with observe_queries(self.note_query), observe_cache(self.note_cache):
                    response = await self.get_response(request)
            else:
                response = await self.get_response(request)
            route = request.route.pattern if request.route is not None else None
            if route is not None:
                span.update_name(f"{method} /{route.lstrip('/')}")
                span.set_attribute("http.route", f"/{route.lstrip('/')}")
            span.set_attribute("http.response.status_code", response.status)
            measured: dict[str, Any] = {
                "http.request.method": method,
                "url.scheme": request.scheme,
                "http.response.status_code": response.status,
            }
            if response.status >= _SERVER_ERROR:
                span.set_status(StatusCode.ERROR)
                measured["error.type"] = str(response.status)
                span.set_attribute("error.type", measured["error.type"])
        if route is not None:
            measured["http.route"] = f"/{route.lstrip('/')}"
        self.duration.record(time.perf_counter() - started, measured)
        return response

    def note_query(self, record: QueryRecord) -> None:
        """Record a statement that has just ended: its duration, and a span of its own."""
        ended = time.time_ns()
        operation = _operation(record.sql)
        measured = {
            "db.system.name": _system(record.alias),
            "db.namespace": record.alias,
            "db.operation.name": operation,
        }
        if record.error is not None:
            measured["error.type"] = type(record.error).__name__
        self.query_duration.record(record.duration_s, measured)
        file, _, line = record.where.rpartition(":")
        span = self.tracer.start_span(
            f"{operation} {record.alias}",
            kind=SpanKind.CLIENT,
            start_time=ended - int(record.duration_s * 1e9),
            attributes={
                "db.system.name": _system(record.alias),
                "db.namespace": record.alias,
                "db.operation.name": operation,
                "db.query.text": record.sql,
                **({"code.file.path": file, "code.line.number": int(line)} if line.isdecimal() else {}),
            },
        )
        if record.error is not None:
            span.set_status(StatusCode.ERROR, type(record.error).__name__)
            span.set_attribute("error.type", type(record.error).__name__)
        span.end(end_time=ended)

    def note_cache(self, call: CacheCall) -> None:
        """Count a call of the result cache, and record it as a span; keys are left out, since they name nothing."""
        ended = time.time_ns()
        self.cache_calls.add(1, {"covet.cache.operation": call.operation, "covet.cache.outcome": call.outcome})
        span = self.tracer.start_span(
            f"cache {call.operation}",
            kind=SpanKind.CLIENT,
            start_time=ended - int(call.duration_s * 1e9),
            attributes={"covet.cache.outcome": call.outcome, "covet.cache.names": call.names},
        )
        span.end(end_time=ended)


async def _note_exception(sender: Any, *, exception: BaseException, **named: Any) -> None:
    """Record what a view raised in the span of its request: the answer that is made of it does not tell."""
    trace.get_current_span().record_exception(exception)


def _operation(sql: str) -> str:
    """Return the first word of a statement, of the few that there are: each is a series of its own where figures are kept."""
    found = re.match(r"(?:[(\s]|--[^\n]*|/\*.*?\*/)*+([A-Za-z]+)", sql, re.DOTALL)
    return "" if found is None else found[1].upper()


def _has_sdk() -> bool:
    """Whether somebody takes measurements; the API's own providers take none."""
    return not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")


def _carrier(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in ("traceparent", "tracestate", "baggage") if name in headers}


def _system(alias: str) -> str:
    from covet.db import connections

    return connections[alias].vendor
