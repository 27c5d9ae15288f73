"""What other frameworks' requests have under another name: the answer to an attribute that is not there."""

from __future__ import annotations

from typing import Final, NoReturn

__all__ = ["INSTEAD", "Absent"]

INSTEAD: Final = {
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


class Absent:
    """Stands on ``Request`` under such a name; what middleware assigns takes its place.

    A ``__getattr__`` would say it too, and make every other attribute of every request slower.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, request: object, owner: type[object]) -> NoReturn:
        """Refuse, with what to write instead.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(f"A request has no attribute {self.name!r}. Write {INSTEAD[self.name]}.", name=self.name)
