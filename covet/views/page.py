"""The frame of every page that Covet makes itself: one style, no script, nothing from other hosts.

The style sheet is part of the page, and the Content-Security-Policy names its hash, so a page that shows a stranger's
text could still not be made to load or run anything.
"""

from __future__ import annotations

import base64
import hashlib

from covet.http.response import HTMLResponse
from covet.text import escape

__all__ = ["escape", "page"]

_STYLE = """
:root{color-scheme:light dark;--back:#fbfaf8;--card:#fff;--text:#1d1b18;--soft:#6b655c;--line:#e4dfd6;--accent:#8a3ffc;--bad:#b3261e;--mark:#fff1c9}
@media (prefers-color-scheme:dark){:root{--back:#16151a;--card:#1e1d24;--text:#eceaf2;--soft:#a29db0;--line:#34323e;--accent:#b793ff;--bad:#ff8a80;--mark:#4a3d12}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:70rem;margin:0 auto;padding:clamp(1rem,4vw,3rem)}
h1{font-size:clamp(1.4rem,5vw,2.2rem);line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{margin:.4rem 0}
a{color:var(--accent)}
a:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
code,pre,td,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.86rem}
pre{margin:0;overflow-x:auto;white-space:pre;padding:.6rem .8rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
.soft{color:var(--soft)}.bad{color:var(--bad)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem 1rem;margin:.6rem 0}
details{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:.5rem 0;padding:.5rem .8rem}
details details{border:0;padding:0;margin:.5rem 0 0}
summary{cursor:pointer;overflow-wrap:anywhere}
.hit{background:var(--mark);display:inline-block;min-width:100%}
table{border-collapse:collapse;width:100%;table-layout:fixed}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem .25rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere;white-space:pre-wrap}
th{width:30%;font-weight:600;font-size:.86rem}
ul{padding-left:1.2rem}
.links{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fit,minmax(min(15rem,100%),1fr));list-style:none;padding:0}
.links a{display:block;height:100%;text-decoration:none;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem}
.links a:hover{border-color:var(--accent)}.links strong{color:var(--accent);display:block}
"""

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    """Return a page.

    Args:
        title: The title, as plain text.
        body: HTML; whoever makes it escapes what is in it.
        status: The HTTP status.
    """
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    return HTMLResponse(
        html,
        status,
        {
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )
