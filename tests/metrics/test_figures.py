"""What is measured and traced, who may see it, and what it costs in labels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.parser import text_string_to_metric_families

from covet.conf import override
from covet.db import connections
from covet.db.database import Database
from covet.db.freshness import freshness
from covet.db.observe import observe_cache, observe_queries
from covet.http import Request, Response
from covet.metrics.figures import figures
from covet.metrics.middleware import MetricsMiddleware
from covet.metrics.tracing import TracingMiddleware, _operation
from covet.urls import include, path
from tests._environ import bare
from tests.handlers.sites import Site

METRICS = ["covet.metrics.middleware.MetricsMiddleware"]
TRACING = ["covet.metrics.tracing.TracingMiddleware"]


async def article(request: Request, pk: int) -> Response:
    if pk == 500:
        raise RuntimeError("no")
    return Response(str(pk))


ROUTES = [path("article/<int:pk>", article), path("", include("covet.metrics.urls"))]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    figures.cache_clear()
    yield
    figures.cache_clear()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def count(found: Any, method: str, route: str, status: str) -> float:
    labels = frozenset({"method": method, "route": route, "status": status}.items())
    return float(found.get(("covet_http_request_duration_seconds_count", labels), 0.0))


async def test_requests_are_counted_by_route_and_never_by_path(site: Site) -> None:
    client = await site(ROUTES, middleware=METRICS)
    for key in (1, 2, 3):
        await client.get(f"/article/{key}")
    await client.get("/article/500")
    await client.get("/nothing/here")
    await client.request("BREW", "/article/1")
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["cache-control"] == "no-store"
    found = samples(response.text)
    assert count(found, "GET", "article/<int:pk>", "200") == 3
    assert count(found, "GET", "article/<int:pk>", "500") == 1
    assert count(found, "GET", "", "404") == 1
    assert "BREW" not in response.text and "/nothing" not in response.text
    assert found["covet_http_requests_in_progress", frozenset()] == 1


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({"METRICS_ALLOWED_CLIENTS": ["127.0.0.0/8"]}, {}, 200),
        ({"METRICS_ALLOWED_CLIENTS": []}, {}, 404),
        ({"METRICS_ALLOWED_CLIENTS": ["10.0.0.0/8"]}, {"Authorization": "Bearer x"}, 404),
        ({"METRICS_ALLOWED_CLIENTS": [], "METRICS_TOKEN": "open"}, {"Authorization": "Bearer open"}, 200),
        ({"METRICS_ALLOWED_CLIENTS": [], "METRICS_TOKEN": "open"}, {"Authorization": "Bearer close"}, 404),
        ({"METRICS_ALLOWED_CLIENTS": [], "METRICS_TOKEN": "open"}, {"Authorization": "Basic open"}, 404),
    ],
)
async def test_only_some_may_read_the_figures(
    site: Site, settings: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    client = await site(ROUTES, middleware=METRICS, **settings)
    assert (await client.get("/metrics", headers=headers)).status_code == status


async def test_statements_are_measured_by_database(database: Database) -> None:
    layer = MetricsMiddleware(lambda request: None)  # type: ignore[arg-type, return-value]  # never called
    with observe_queries(layer.note_query):
        await database.fetch("SELECT 1")
        with pytest.raises(Exception, match="nowhere"):
            await database.fetch("SELECT * FROM nowhere")
    labels = {"database": "default"}
    registry = figures().registry
    assert registry.get_sample_value("covet_db_query_duration_seconds_count", labels) == 2
    assert registry.get_sample_value("covet_db_query_errors_total", labels) == 1


def test_workers_share_their_figures(tmp_path: Path) -> None:
    script = (
        "from covet.metrics.figures import figures, text\n"
        "figures().requests.labels('GET', 'x', '200').observe(0.1)\nprint(text().decode())"
    )
    environment = bare(PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
    assert count(samples(done.stdout), "GET", "x", "200") == 2
    assert len(os.listdir(tmp_path)) >= 2


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


async def test_requests_statements_and_cache_calls_are_measured(
    site: Site, reader: InMemoryMetricReader, exporter: InMemorySpanExporter, tmp_path: Path
) -> None:
    async def read(request: Request) -> Response:
        await connections["default"].fetch("SELECT 1")
        await freshness.get("nothing-of-it", ("books",))
        return Response()

    client = await site(
        [path("read", read)],
        middleware=TRACING,
        DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"},
        QUERY_CACHE="memory://",
    )
    exporter.clear()
    await client.get("/read")
    for made in connections.made:
        await made.close()
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: [dict(point.attributes or {}) for point in metric.data.data_points]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "http.route": "/read",
    } in found["http.server.request.duration"]
    assert {
        "db.system.name": "sqlite",
        "db.namespace": "default",
        "db.operation.name": "SELECT",
    } in found["db.client.operation.duration"]
    assert {"covet.cache.operation": "get", "covet.cache.outcome": "miss"} in found["covet.cache.calls"]
    statement, cache, request = exporter.get_finished_spans()
    assert (statement.name, cache.name, request.name) == ("SELECT default", "cache get", "GET /read")
    assert cache.parent is not None and cache.parent.span_id == request.context.span_id  # type: ignore[union-attr]
    assert cache.attributes["covet.cache.outcome"] == "miss"  # type: ignore[index]


async def test_cache_calls_are_counted_by_their_outcome() -> None:
    layer = MetricsMiddleware(lambda request: None)  # type: ignore[arg-type, return-value]  # never called
    with override(QUERY_CACHE="memory://"), observe_cache(layer.note_cache):
        found = await freshness.get("key", ("books",))
        assert await freshness.set("key", b"[]", ("books",), found.marks or (), 60)
        await freshness.get("key", ("books",))
        await freshness.drop(("books",))
        assert not await freshness.set("key", b"[]", ("books",), found.marks or (), 60)
    sample = figures().registry.get_sample_value
    for operation, outcome in (("get", "miss"), ("get", "hit"), ("set", "stored"), ("set", "refused")):
        assert sample("covet_db_cache_calls_total", {"operation": operation, "outcome": outcome}) == 1


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_request_is_a_span_under_the_clients(site: Site, exporter: InMemorySpanExporter) -> None:
    client = await site(ROUTES, middleware=TRACING)
    exporter.clear()
    await client.get("/article/7", headers={"traceparent": PARENT})
    await client.get("/article/500")
    await client.get("/nothing")
    good, bad, lost = exporter.get_finished_spans()
    assert (good.name, good.kind) == ("GET /article/<int:pk>", SpanKind.SERVER)
    assert good.attributes["http.route"] == "/article/<int:pk>"  # type: ignore[index]
    assert good.attributes["http.response.status_code"] == 200  # type: ignore[index]
    assert good.parent is not None and format(good.parent.span_id, "016x") == "b7ad6b7169203331"
    assert (bad.status.status_code, lost.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert lost.name == "GET" and "http.route" not in (lost.attributes or {})


async def test_what_a_view_raised_stands_in_its_span(
    site: Site, exporter: InMemorySpanExporter, reader: InMemoryMetricReader
) -> None:
    await site(ROUTES, middleware=TRACING)
    client = await site(ROUTES, middleware=TRACING)
    exporter.clear()
    await client.get("/article/500")
    await client.get("/nothing")

    bad, lost = exporter.get_finished_spans()
    assert [event.name for event in bad.events] == ["exception"]
    assert bad.events[0].attributes["exception.type"] == "RuntimeError"  # type: ignore[index]
    assert "no" in str(bad.events[0].attributes["exception.message"])  # type: ignore[index]
    assert bad.attributes["error.type"] == "500"  # type: ignore[index]
    assert not lost.events and "error.type" not in (lost.attributes or {})
    data = reader.get_metrics_data()
    assert data is not None
    measured = [
        point.attributes or {}
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "http.server.request.duration"
        for point in metric.data.data_points
    ]
    assert {one.get("error.type") for one in measured if one["http.response.status_code"] == 500} == {"500"}


async def test_statements_are_spans_without_their_values(database: Database, exporter: InMemorySpanExporter) -> None:
    layer = TracingMiddleware(lambda request: None)  # type: ignore[arg-type, return-value]  # never called
    exporter.clear()
    mark = connections["default"].dialect.placeholder(1)
    with trace.get_tracer("test").start_as_current_span("request"), observe_queries(layer.note_query):
        await database.fetch(f"SELECT {mark}" + ("::text" if database.vendor == "postgresql" else ""), ("secret",))
        with pytest.raises(Exception, match="nowhere"):
            await database.fetch("SELECT * FROM nowhere")
    first, second, request = exporter.get_finished_spans()
    assert first.parent is not None and first.parent.span_id == request.context.span_id  # type: ignore[union-attr]
    assert (first.name, first.kind) == ("SELECT default", SpanKind.CLIENT)
    assert first.attributes["db.system.name"] == database.vendor  # type: ignore[index]
    assert "secret" not in str(first.attributes)
    assert first.attributes["code.file.path"] == __file__  # type: ignore[index]
    assert type(first.attributes["code.line.number"]) is int  # type: ignore[index]
    assert second.status.status_code is StatusCode.ERROR
    assert first.start_time <= first.end_time  # type: ignore[operator]


@pytest.mark.parametrize(
    ("sql", "operation"),
    [
        ("SELECT 1", "SELECT"),
        ("select\n  id\nfrom t", "SELECT"),
        ("((SELECT 1) UNION (SELECT 2))", "SELECT"),
        ("-- of the report\n/* daily */ /* long */\tWITH x AS (SELECT 1) SELECT 2", "WITH"),
        ("COMMIT", "COMMIT"),
        ("/* one\n * line after the other */ SELECT 1 /* at the end */", "SELECT"),
        ("/* nothing */", ""),
        ("-- nothing", ""),
        ("", ""),
    ],
)
def test_a_statement_is_counted_by_its_first_word(sql: str, operation: str) -> None:
    assert _operation(sql) == operation


async def test_a_traced_request_traces_its_statements(site: Site, exporter: InMemorySpanExporter) -> None:
    seen: list[int] = []

    async def counts(request: Request) -> Response:
        from covet.db.backends.listening import recorders

        seen.append(len(recorders.get()))
        return Response()

    for wish, listeners in ((True, 1), (False, 0)):
        client = await site([path("counts", counts)], middleware=TRACING, TRACE_QUERIES=wish)
        await client.get("/counts")
        assert seen.pop() == listeners
