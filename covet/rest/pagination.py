"""Page: a part of a list with its total and the way to the next and the previous part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import Field

from covet import json
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.schema.base import Schema

__all__ = ["Page", "PageRequest", "page_bytes"]

T = TypeVar("T")


class Page(Schema, Generic[T]):
    """A page of a list; as ``response=Page[ArticleOut]`` the handler returns the whole list and this cuts it.

    ``?page=`` and ``?size=`` choose; ``next`` and ``previous`` are addresses on the same host, with all other parameters
    kept, or null.
    """

    items: list[T]
    total: int = Field(ge=0, description="How many items there are on all pages.")
    page: int = Field(ge=1)
    size: int = Field(ge=1)
    next: str | None = Field(json_schema_extra={"format": "uri-reference"})
    previous: str | None = Field(json_schema_extra={"format": "uri-reference"})


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page a request asks for."""

    page: int
    size: int

    @property
    def start(self) -> int:
        """The place of the first item."""
        return (self.page - 1) * self.size

    @property
    def stop(self) -> int:
        """The place behind the last item."""
        return self.page * self.size

    def links(self, request: Request, total: int) -> tuple[str | None, str | None]:
        """Return the addresses of the next and the previous page.

        Raises:
            NotFound: The page lies behind the last one.
        """
        if self.page > 1 and self.start >= total:
            last = max(1, -(-total // self.size))
            raise NotFound(f"There is no page {self.page}; the last is {last}.")
        forward = _address(request, self.page + 1) if self.stop < total else None
        return forward, _address(request, self.page - 1) if self.page > 1 else None


def _address(request: Request, page: int) -> str:
    # Without scheme and host: right behind any proxy, and no Host header of a client's finds its way into an answer.
    path = quote(request.root_path + request.path, safe="/~!$&'()*+,;=:@")
    return f"{path}?{request.query.replace(page=page).urlencode()}"


def page_bytes(items: bytes, total: int, wanted: PageRequest, links: tuple[str | None, str | None]) -> bytes:
    """Return a page round items that are JSON already."""
    forward, back = (b"null" if link is None else json.dumps(link) for link in links)
    return b'{"items":%b,"total":%d,"page":%d,"size":%d,"next":%b,"previous":%b}' % (
        items,
        total,
        wanted.page,
        wanted.size,
        forward,
        back,
    )


def page_item(annotation: Any) -> Any:
    """Return what the pages of ``Page[T]`` hold; None for any other annotation."""
    if not (isinstance(annotation, type) and issubclass(annotation, Page)):
        return None
    arguments = annotation.__pydantic_generic_metadata__["args"]
    return arguments[0] if arguments else Any
