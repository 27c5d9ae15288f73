"""What other frameworks' requests have under another name: the answer to an attribute that is not there."""

from __future__ import annotations

from typing import Final

__all__ = ["no_attribute"]

_INSTEAD: Final = {
    "COOKIES": "request.cookies",
    "FILES": "await request.form(), which holds the files too",
    "GET": "request.query",
    "META": "request.headers['x-name'] for headers, request.client for the peer's address",
    "POST": "await request.form()",
    "args": "request.query",
    "content_params": "request.headers['content-type']",
    "data": "a typed parameter of the handler, or await request.json()",
    "get_json": "await request.json()",
    "get_port": "request.host",
    "get_raw_uri": "request.build_absolute_uri()",
    "is_ajax": "request.headers.get('x-requested-with')",
    "is_disconnected": "await request.disconnected(), which waits for it",
    "path_info": "request.path",
    "query_params": "request.query",
    "resolver_match": "request.route and request.path_params",
    "url": "request.build_absolute_uri(), or request.path",
}


def no_attribute(name: str) -> AttributeError:
    """Return the error for an attribute that a request has not, with what to write instead where that is known."""
    known = _INSTEAD.get(name)
    hint = (
        f" Write {known}."
        if known
        else " What middleware hands on with a request lies in request.state: request.state.name = value."
    )
    return AttributeError(f"A request has no attribute {name!r}.{hint}", name=name)
