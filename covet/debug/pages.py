"""The pages below ``/__debug__/``: the last requests, one request, the plan of a statement, the settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from covet.conf import settings
from covet.conf.errors import MASK, is_secret
from covet.db import connections
from covet.db.backends.plans import plan_of
from covet.debug.panel import notes_on
from covet.debug.requests import History, SeenRequest, Statement, statements_of
from covet.http.response import Response
from covet.text import pluralize
from covet.views.debug_frames import mask_text, safe_repr
from covet.views.page import escape, page

__all__ = ["history_page", "plan_page", "request_page", "settings_page"]

_HIDDEN_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-csrftoken"})


def history_page(history: History, base: str) -> Response:
    """Return the list of the last requests, those for JSON included."""
    rows = "".join(
        f'<tr><th><a href="{base}{seen.key}">{escape(seen.method)} {escape(seen.path)}</a></th>'
        f"<td>{seen.status}</td><td>{seen.duration_s * 1e3:.1f} ms</td>"
        f"<td>{pluralize(seen.query_count, 'statement')}, {seen.query_s * 1e3:.1f} ms</td>"
        f"<td>{seen.started:%H:%M:%S}</td></tr>"
        for seen in history
    )
    listed = f"<table>{rows}</table>" if rows else "<p>None yet. Ask the site for something, and look again.</p>"
    return page(
        "The last requests",
        f'<h1>The last requests</h1><p class="soft">Of this process, the newest first. '
        f'<a href="{base}settings">Settings</a></p>{listed}',
    )


def request_page(seen: SeenRequest, base: str) -> Response:
    """Return all that is known of a request."""
    title = f"{seen.method} {seen.path}"
    work = f"{seen.duration_s * 1e3:.1f} ms, of which {seen.cpu_s * 1e3:.1f} ms of work and {seen.query_s * 1e3:.1f} ms of statements"
    parts = [
        f'<p class="soft"><a href="{base}">The last requests</a></p>',
        f"<h1>{escape(title)}</h1><p>Status {seen.status} · {work}</p>",
    ]
    if seen.view:
        parts.append(f"<p>Route <code>/{escape(seen.route)}</code>, view <code>{escape(seen.view)}</code></p>")
    parts.append(_statements(seen, base))
    parts.append(_cache(seen))
    if seen.templates:
        rows = [(name, ", ".join(values)) for name, values in seen.templates]
        parts.append(f"<h2>Templates</h2>{_table(rows)}")
    parts.append(f"<h2>Headers of the request</h2>{_table(_masked(seen.request_headers))}")
    parts.append(f"<h2>Headers of the answer</h2>{_table(_masked(seen.response_headers))}")
    return page(title, "".join(parts))


def _statements(seen: SeenRequest, base: str) -> str:
    if not seen.queries:
        return "<h2>Statements</h2><p>None.</p>"
    shown = "".join(_statement(seen, statement, base) for statement in statements_of(seen))
    more = seen.query_count - len(seen.queries)
    rest = f"<p>… and {more} more.</p>" if more else ""
    return f"<h2>{pluralize(seen.query_count, 'statement')}, {seen.query_s * 1e3:.1f} ms</h2>{shown}{rest}"


def _statement(seen: SeenRequest, statement: Statement, base: str) -> str:
    record = statement.record
    notes = "".join(f'<p class="bad">{escape(note)}</p>' for note in notes_on(statement))
    values = f'<p class="mono soft">{escape(statement.values)}</p>' if record.args else ""
    plan = (
        f"<details><summary>Slow: its plan</summary><pre>{escape(record.plan)}</pre></details>" if record.plan else ""
    )
    return (
        f'<div class="card"><p class="soft">{record.duration_s * 1e3:.1f} ms on {escape(record.alias)} · '
        f'<span class="mono">{escape(record.where)}</span> · '
        f'<a href="{base}{seen.key}/plan/{statement.number}">Explain</a></p>'
        f"<code>{escape(record.sql)}</code>{values}{notes}{plan}</div>"
    )


def _cache(seen: SeenRequest) -> str:
    if not seen.cache_calls:
        return ""
    rows = [
        (f"{call.operation}: {call.outcome}", f"{call.duration_s * 1e3:.2f} ms\n{', '.join(call.names)}")
        for call in seen.cache_calls
    ]
    title = f"{pluralize(len(seen.cache_calls), 'cache call')}, {pluralize(seen.hits, 'hit')}"
    return f"<h2>{title}</h2>{_table(rows)}"


async def plan_page(seen: SeenRequest, statement: Statement, base: str) -> Response:
    """Return how the database would run a statement now. EXPLAIN runs nothing, so it is no harm for one that writes."""
    record = statement.record
    plan = record.plan or await plan_of(connections[record.alias], record.sql, record.args)
    told = (
        f"<pre>{escape(plan)}</pre>"
        if plan
        else "<p>None: it is no query or change, or its words tell of a secret.</p>"
    )
    return page(
        "Plan",
        f'<p class="soft"><a href="{base}{seen.key}">{escape(seen.method)} {escape(seen.path)}</a></p><h1>Plan</h1>'
        f"<pre>{escape(record.sql)}</pre><h2>On {escape(record.alias)}</h2>{told}",
    )


def settings_page(base: str) -> Response:
    """Return the settings of the process, secrets masked."""
    rows = [(name, mask_text(safe_repr(settings.shown(name)))) for name in settings.names()]
    return page(
        "Settings", f'<p class="soft"><a href="{base}">The last requests</a></p><h1>Settings</h1>{_table(rows)}'
    )


def _masked(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, MASK if name in _HIDDEN_HEADERS or is_secret(name) else value) for name, value in headers]


def _table(rows: Iterable[tuple[Any, Any]]) -> str:
    body = "".join(f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table>{body}</table>"
