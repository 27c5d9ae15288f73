"""The panel at the foot of a page: a closed line that opens, in a shadow tree, so that no style of the page reaches it.

It has no script. Its style sheet is a file of this site, which the usual Content-Security-Policy lets in.
"""

from __future__ import annotations

from covet.debug.requests import SeenRequest, Statement, statements_of
from covet.text import pluralize, truncate
from covet.views.page import escape

__all__ = ["STYLE", "insert", "panel"]

STYLE = """
:host{all:initial}
details.covet{position:fixed;right:0;bottom:0;z-index:2147483000;max-width:100vw;font:13px/1.45 system-ui,sans-serif;color:#eceaf2;background:#1e1d24;border:1px solid #4a4757;border-radius:.6rem 0 0 0;box-shadow:0 0 1rem #0006}
details.covet[open]{width:min(100vw,64rem);max-height:70vh;overflow:auto}
summary{cursor:pointer;padding:.45rem .8rem;white-space:nowrap}
summary:focus-visible,a:focus-visible{outline:2px solid #b793ff;outline-offset:-2px}
.body{padding:.2rem .8rem .8rem}
a{color:#b793ff}
h2{font-size:13px;margin:.9rem 0 .3rem}
table{border-collapse:collapse;width:100%;table-layout:fixed}
td{vertical-align:top;padding:.25rem .6rem .25rem 0;border-top:1px solid #34323e;overflow-wrap:anywhere}
td.time{width:5.5rem;white-space:nowrap;font-variant-numeric:tabular-nums}
code{font:12px/1.4 ui-monospace,SFMono-Regular,Menlo,monospace}
.soft{color:#a29db0}.bad{color:#ffb4a9}
"""

_SHOWN = 40
_SQL_LENGTH = 300


def panel(seen: SeenRequest, base: str, nonce: str = "") -> str:
    """Return the HTML of the panel.

    Args:
        seen: The request.
        base: Where the pages of this room are, with a slash at the end.
        nonce: That of the page's Content-Security-Policy, where it has one.
    """
    statements = statements_of(seen)
    repeated = sum(1 for statement in statements if statement.similar > 1)
    line = (
        f"<strong>Covet</strong> · {seen.duration_s * 1e3:.1f} ms · {pluralize(seen.query_count, 'statement')} "
        f"in {seen.query_s * 1e3:.1f} ms"
    )
    if repeated:
        line += f' · <span class="bad">{repeated} repeated</span>'
    if seen.cache_calls:
        line += f" · {pluralize(len(seen.cache_calls), 'cache call')}"
    more = len(statements) - _SHOWN
    rows = "".join(_row(statement) for statement in statements[:_SHOWN])
    if more > 0:
        rows += f'<tr><td colspan="2" class="soft">… and {more} more</td></tr>'
    parts = [
        f'<p><a href="{base}{seen.key}">All of this request</a> · <a href="{base}">The last requests</a> · '
        f'<span class="soft">{seen.cpu_s * 1e3:.1f} ms of work</span></p>'
    ]
    if rows:
        parts.append(f"<h2>Statements</h2><table>{rows}</table>")
    if seen.templates:
        names = ", ".join(f"<code>{escape(name)}</code>" for name, _ in seen.templates)
        parts.append(f"<h2>Templates</h2><p>{names}</p>")
    attribute = f' nonce="{escape(nonce)}"' if nonce else ""
    return (
        '<div data-covet-debug><template shadowrootmode="open">'
        f'<link rel="stylesheet" href="{base}panel.css"{attribute}>'
        f'<details class="covet"><summary>{line}</summary><div class="body">{"".join(parts)}</div></details>'
        "</template></div>"
    )


def _row(statement: Statement) -> str:
    record = statement.record
    notes = "".join(f'<br><span class="bad">{escape(note)}</span>' for note in notes_on(statement))
    return (
        f'<tr><td class="time">{record.duration_s * 1e3:.1f} ms</td>'
        f"<td><code>{escape(truncate(record.sql, _SQL_LENGTH))}</code>"
        f'<br><span class="soft">{escape(record.where)}</span>{notes}</td></tr>'
    )


def notes_on(statement: Statement) -> list[str]:
    """Return what is noteworthy of a statement: repeated, slow, failed."""
    notes = []
    if statement.same > 1:
        notes.append(f"{statement.same} times with the same values")
    if statement.similar > statement.same:
        notes.append(f"{statement.similar} times with different values: select_related or prefetch_related may help")
    if statement.record.plan:
        notes.append("slow")
    if statement.record.error is not None:
        notes.append(f"failed: {type(statement.record.error).__name__}")
    return notes


def insert(body: bytes, html: str) -> bytes | None:
    """Return a page with the panel before its end; ``None`` for what is no whole page."""
    place = body.lower().rfind(b"</body>")
    if place < 0:
        return None
    return body[:place] + html.encode() + body[place:]
