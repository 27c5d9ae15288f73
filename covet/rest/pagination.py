"""Parts of a list: ``Page`` by number, ``OffsetPage`` by offset, ``CursorPage`` by the place in the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from pydantic import Field

from covet import json
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.schema.base import Schema
from covet.schema.structs import StructValue, is_struct

__all__ = [
    "AnyRequest",
    "CursorPage",
    "CursorRequest",
    "OffsetPage",
    "OffsetRequest",
    "Page",
    "PageRequest",
    "page_bytes",
    "page_item",
    "page_kind",
]

T = TypeVar("T")
_LINK: Final[Any] = {"format": "uri-reference"}


class _Paged(Schema):
    """A page of anything: msgspec's structs too."""

    @classmethod
    def __class_getitem__(cls, item: Any) -> Any:
        """Return the page of a schema."""
        if is_struct(item):
            item = Annotated[item, StructValue(item)]
        return super().__class_getitem__(item)


class Page(_Paged, Generic[T]):
    """A page of a list; as ``response=Page[ArticleOut]`` the handler returns the whole list and this cuts it.

    ``?page=`` and ``?size=`` choose; ``next`` and ``previous`` are addresses on the same host, with all other parameters
    kept, or null.
    """

    items: list[T]
    total: int = Field(ge=0, description="How many items there are on all pages.")
    page: int = Field(ge=1)
    size: int = Field(ge=1)
    next: str | None = Field(json_schema_extra=_LINK)
    previous: str | None = Field(json_schema_extra=_LINK)


class OffsetPage(_Paged, Generic[T]):
    """A part of a list by its place: ``?limit=20&offset=40``; an offset behind the end is an empty part."""

    items: list[T]
    total: int = Field(ge=0, description="How many items there are in all.")
    limit: int = Field(ge=1)
    offset: int = Field(ge=0)
    next: str | None = Field(json_schema_extra=_LINK)
    previous: str | None = Field(json_schema_extra=_LINK)


class CursorPage(_Paged, Generic[T]):
    """A part of a list by its place in the order: what is written meanwhile shows no row twice, and hides none.

    ``next`` and ``previous`` carry the cursor; nothing is counted, so the last page costs no more than the first.
    """

    items: list[T]
    next: str | None = Field(json_schema_extra=_LINK)
    previous: str | None = Field(json_schema_extra=_LINK)


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
        forward = address(request, page=self.page + 1) if self.stop < total else None
        return forward, address(request, page=self.page - 1) if self.page > 1 else None

    def numbers(self, total: int) -> bytes:
        """Return the members of the answer that are numbers, as JSON."""
        return b'"total":%d,"page":%d,"size":%d' % (total, self.page, self.size)


@dataclass(frozen=True, slots=True)
class OffsetRequest:
    """Which part a request asks for."""

    limit: int
    offset: int

    @property
    def start(self) -> int:
        """The place of the first item."""
        return self.offset

    @property
    def stop(self) -> int:
        """The place behind the last item."""
        return self.offset + self.limit

    def links(self, request: Request, total: int) -> tuple[str | None, str | None]:
        """Return the addresses of the next and the previous part."""
        forward = address(request, offset=self.stop, limit=self.limit) if self.stop < total else None
        if not self.offset:
            return forward, None
        # From behind the end, back to what there is.
        before = max(0, min(self.offset, total) - self.limit)
        return forward, address(request, offset=before, limit=self.limit)

    def numbers(self, total: int) -> bytes:
        """Return the members of the answer that are numbers, as JSON."""
        return b'"total":%d,"limit":%d,"offset":%d' % (total, self.limit, self.offset)


@dataclass(frozen=True, slots=True)
class CursorRequest:
    """Which place a request asks for, and how many items from there."""

    cursor: str | None
    size: int


AnyRequest: TypeAlias = PageRequest | OffsetRequest | CursorRequest


def address(request: Request, **changes: Any) -> str:
    """Return the request's own address with other parameters.

    Without scheme and host: right behind any proxy, and no Host header of a client's finds its way into an answer.
    """
    path = quote(request.root_path + request.path, safe="/~!$&'()*+,;=:@")
    return f"{path}?{request.query.replace(**changes).urlencode()}"


def link_bytes(link: str | None) -> bytes:
    """Return an address or null, as JSON."""
    return b"null" if link is None else json.dumps(link)


def page_bytes(
    items: bytes, total: int, wanted: PageRequest | OffsetRequest, links: tuple[str | None, str | None]
) -> bytes:
    """Return a part of a list round items that are JSON already."""
    forward, back = map(link_bytes, links)
    return b'{"items":%b,%b,"next":%b,"previous":%b}' % (items, wanted.numbers(total), forward, back)


def page_kind(annotation: Any) -> type[Any] | None:
    """Return ``Page``, ``OffsetPage`` or ``CursorPage`` for one of their schemas; None for any other annotation."""
    for kind in (Page, OffsetPage, CursorPage):
        if isinstance(annotation, type) and issubclass(annotation, kind):
            return kind
    return None


def page_item(annotation: Any) -> Any:
    """Return what the pages of ``Page[T]`` hold; None for any other annotation."""
    if page_kind(annotation) is None:
        return None
    arguments = annotation.__pydantic_generic_metadata__["args"]
    return arguments[0] if arguments else Any
