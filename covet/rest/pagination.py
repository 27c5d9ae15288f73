"""Parts of a list: ``Page`` by number, ``OffsetPage`` by offset, ``CursorPage`` by the place in the order.

The first two count how many items there are in all. ``EstimatedPage`` and ``EstimatedOffsetPage`` take the database's word for it
where it has one, ``UncountedPage`` and ``UncountedOffsetPage`` do without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias
from urllib.parse import quote

from msgspec import Struct

from covet import json
from covet.conf import settings
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.loading import late_names
from covet.schema.base import Schema
from covet.schema.structs import StructValue, is_struct

if TYPE_CHECKING:
    from covet.rest.page_classes import (
        CursorPage,
        EstimatedOffsetPage,
        EstimatedPage,
        ListPage,
        OffsetPage,
        Page,
        UncountedOffsetPage,
        UncountedPage,
    )

__all__ = [
    "AnyRequest",
    "CursorPage",
    "CursorRequest",
    "EstimatedOffsetPage",
    "EstimatedPage",
    "Links",
    "ListPage",
    "OffsetPage",
    "OffsetRequest",
    "Page",
    "PageRequest",
    "Paged",
    "UncountedOffsetPage",
    "UncountedPage",
    "has_link_header",
    "page_bytes",
]


def has_link_header(kind: Any) -> bool:
    """Whether the pages of a class tell their neighbours in a header, too."""
    return bool(settings.PAGE_LINK_HEADER if kind.link_header is None else kind.link_header)


class Links(Struct, frozen=True):
    """The addresses of the parts round one; None for what there is not, or what is not known."""

    next: str | None
    previous: str | None
    first: str
    last: str | None = None
    total: int | None = None

    def header(self) -> str:
        """Return them as a ``Link`` header (RFC 8288)."""
        named = (("first", self.first), ("prev", self.previous), ("next", self.next), ("last", self.last))
        return ", ".join([f'<{link}>; rel="{name}"' for name, link in named if link is not None])


class PageRequest(Struct, frozen=True):
    """Which page a request asks for.

    Attributes:
        page: Its number, from 1.
        size: How many items it has.
        parameter: The parameter of the query that names the page.
    """

    page: int
    size: int
    parameter: str = "page"

    @property
    def start(self) -> int:
        """The place of the first item."""
        return (self.page - 1) * self.size

    @property
    def stop(self) -> int:
        """The place behind the last item."""
        return self.page * self.size

    def check(self, found: int, total: int | None) -> None:
        """Refuse a page behind the last one.

        Args:
            found: How many items there are from its place on, or some of them.
            total: How many there are in all, if that is known.

        Raises:
            NotFound: There is no such page.
        """
        if self.page > 1 and not found:
            told = "" if total is None else f"; the last is {max(1, -(-total // self.size))}"
            raise NotFound(f"There is no page {self.page}{told}.")

    def links(self, request: Request, total: int | None, *, has_more: bool) -> tuple[str | None, str | None]:
        """Return the addresses of the next and the previous page."""
        return (
            address(request, {self.parameter: self.page + 1}) if has_more else None,
            address(request, {self.parameter: self.page - 1}) if self.page > 1 else None,
        )

    def ends(self, request: Request, total: int | None) -> tuple[str, str | None]:
        """Return the addresses of the first page, and of the last where it is known for sure how many items there are."""
        last = None if total is None else address(request, {self.parameter: max(1, -(-total // self.size))})
        return address(request, {self.parameter: 1}), last

    def numbers(self, total: int | None) -> bytes:
        """Return the members of the answer that are numbers, as JSON."""
        if total is None:
            return b'"page":%d,"size":%d' % (self.page, self.size)
        return b'"total":%d,"page":%d,"size":%d' % (total, self.page, self.size)


class OffsetRequest(Struct, frozen=True):
    """Which part a request asks for.

    Attributes:
        limit: How many items at most.
        offset: How many are left out.
        parameters: The parameters of the query that say so.
    """

    limit: int
    offset: int
    parameters: tuple[str | None, str] = ("limit", "offset")

    @property
    def start(self) -> int:
        """The place of the first item."""
        return self.offset

    @property
    def stop(self) -> int:
        """The place behind the last item."""
        return self.offset + self.limit

    def check(self, found: int, total: int | None) -> None:
        """Take any offset: one behind the end is an empty part."""

    def links(self, request: Request, total: int | None, *, has_more: bool) -> tuple[str | None, str | None]:
        """Return the addresses of the next and the previous part."""
        limit = self.limit
        # From behind the end, back to what there is.
        end = self.offset if total is None else min(self.offset, total)
        return (
            self._address(request, self.stop) if has_more else None,
            self._address(request, max(0, end - limit)) if self.offset else None,
        )

    def _address(self, request: Request, offset: int) -> str:
        limit, skipped = self.parameters
        return address(request, {skipped: offset} if limit is None else {skipped: offset, limit: self.limit})

    def ends(self, request: Request, total: int | None) -> tuple[str, str | None]:
        """Return the addresses of the first part, and of the last where it is known for sure how many items there are."""
        limit, last = self.limit, None
        if total is not None:
            # The one that stepping on from here leads to.
            at = self.offset % limit
            last = self._address(request, at + max(0, total - 1 - at) // limit * limit)
        return self._address(request, 0), last

    def numbers(self, total: int | None) -> bytes:
        """Return the members of the answer that are numbers, as JSON."""
        if total is None:
            return b'"limit":%d,"offset":%d' % (self.limit, self.offset)
        return b'"total":%d,"limit":%d,"offset":%d' % (total, self.limit, self.offset)


class CursorRequest(Struct, frozen=True):
    """Which place a request asks for, and how many items from there.

    Attributes:
        cursor: The place, None for the start.
        size: How many items from there.
        parameter: The parameter of the query that names the place.
    """

    cursor: str | None
    size: int
    parameter: str = "cursor"


class Paged(Schema, defer_build=True):  # a project uses few of the kinds, and pydantic's work takes a millisecond each
    """A page of anything: msgspec's structs too.

    Attributes:
        count: Where the total is from: counted, estimated by the database's own statistics, or there is none.
        link_header: Whether answers carry a ``Link`` header as well; ``PAGE_LINK_HEADER`` where it is None.
        asked_by: What reads the request: ``PageRequest``, ``OffsetRequest`` or ``CursorRequest``.
        is_bare: Whether the answer is the list of items alone.
        page_size: How many items there are where the client does not ask; ``PAGE_SIZE`` where it is None.
        max_page_size: How many a client may ask for; ``MAX_PAGE_SIZE``, or ``page_size`` if that is more, where it is None.
        page_query_param: The parameter that names the page.
        page_size_query_param: The parameter that says how many items, of pages and cursors; None for no such choice.
        limit_query_param: The same of parts by offset.
        offset_query_param: The parameter that says how many items are left out.
        cursor_query_param: The parameter that names the place.
    """

    count: ClassVar[Literal["exact", "estimate", "none"]] = "exact"
    link_header: ClassVar[bool | None] = None
    is_bare: ClassVar[bool] = False
    page_size: ClassVar[int | None] = None
    max_page_size: ClassVar[int | None] = None
    page_query_param: ClassVar[str] = "page"
    page_size_query_param: ClassVar[str | None] = "size"
    limit_query_param: ClassVar[str | None] = "limit"
    offset_query_param: ClassVar[str] = "offset"
    cursor_query_param: ClassVar[str] = "cursor"
    asked_by: ClassVar[type[Any]]
    __is_page__ = True  # by which ``annotations`` know one without loading this module

    @classmethod
    def __class_getitem__(cls, item: Any) -> Any:
        """Return the page of a schema."""
        if is_struct(item):
            item = Annotated[item, StructValue(item)]
        return super().__class_getitem__(item)


AnyRequest: TypeAlias = PageRequest | OffsetRequest | CursorRequest


def address(request: Request, changes: Mapping[str, Any]) -> str:
    """Return the request's own address with other parameters.

    Without scheme and host: right behind any proxy, and no Host header of a client's finds its way into an answer.
    """
    path = quote(request.root_path + request.path, safe="/~!$&'()*+,;=:@")
    return f"{path}?{request.query.replace(**changes).urlencode()}"


def link_bytes(link: str | None) -> bytes:
    """Return an address or null, as JSON."""
    return b"null" if link is None else json.dumps(link)


def page_bytes(
    items: bytes, total: int | None, wanted: PageRequest | OffsetRequest, links: tuple[str | None, str | None]
) -> bytes:
    """Return a part of a list round items that are JSON already."""
    forward, back = map(link_bytes, links)
    return b'{"items":%b,%b,"next":%b,"previous":%b}' % (items, wanted.numbers(total), forward, back)


if not TYPE_CHECKING:
    # Classes of pydantic take a millisecond each; most processes use one of these, or none.
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.rest.page_classes": (
                "Page",
                "ListPage",
                "EstimatedPage",
                "UncountedPage",
                "OffsetPage",
                "EstimatedOffsetPage",
                "UncountedOffsetPage",
                "CursorPage",
            )
        },
    )
