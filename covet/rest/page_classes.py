"""The classes of pages; ``covet.rest.pagination`` offers them, and makes each when it is first asked for."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import core_schema

from covet.rest.pagination import CursorRequest, OffsetRequest, Paged, PageRequest

__all__ = [
    "CursorPage",
    "EstimatedOffsetPage",
    "EstimatedPage",
    "ListPage",
    "OffsetPage",
    "Page",
    "UncountedOffsetPage",
    "UncountedPage",
]

T = TypeVar("T")
_LINK: Final[Any] = {"format": "uri-reference"}
_ABOUT: Final = "About how many items there are; exact where there are few, and on the last page."


class Page(Paged, Generic[T]):
    """A page of a list; as ``response=Page[ArticleOut]`` the handler returns the whole list and this cuts it.

    ``?page=`` and ``?size=`` choose; ``next`` and ``previous`` are addresses on the same host, with all other parameters
    kept, or null.
    """

    asked_by: ClassVar[type[Any]] = PageRequest
    items: list[T]
    total: int = Field(ge=0, description="How many items there are on all pages.")
    page: int = Field(ge=1)
    size: int = Field(ge=1)
    next: str | None = Field(json_schema_extra=_LINK)
    previous: str | None = Field(json_schema_extra=_LINK)


class ListPage(Paged, Generic[T]):
    """A page that is a bare list: ``[…]``, with its neighbours in a ``Link`` header and the total in ``X-Total-Count``."""

    link_header: ClassVar[bool | None] = True
    is_bare: ClassVar[bool] = True
    asked_by: ClassVar[type[Any]] = PageRequest
    items: list[T]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell the list."""
        described = handler.resolve_ref_schema(handler(schema))
        return {"type": "array", "items": described["properties"]["items"]["items"]}


class EstimatedPage(Page[T], Generic[T]):
    """A ``Page`` of a list that takes long to count: above some 10,000 rows PostgreSQL's planner says how many there are.

    Databases without such a figure count. ``next`` is exact everywhere.
    """

    count: ClassVar[Literal["exact", "estimate", "none"]] = "estimate"
    total: int = Field(ge=0, description=_ABOUT)


class UncountedPage(Paged, Generic[T]):
    """A ``Page`` that nothing is counted for: it has no ``total``, and ``next`` tells whether there is more."""

    count: ClassVar[Literal["exact", "estimate", "none"]] = "none"
    asked_by: ClassVar[type[Any]] = PageRequest
    items: list[T]
    page: int = Field(ge=1)
    size: int = Field(ge=1)
    next: str | None = Field(json_schema_extra=_LINK)
    previous: str | None = Field(json_schema_extra=_LINK)


class OffsetPage(Paged, Generic[T]):
    """A part of a list by its place: ``?limit=20&offset=40``; an offset behind the end is an empty part."""

    asked_by: ClassVar[type[Any]] = OffsetRequest
    items: list[T]
    total: int = Field(ge=0, description="How many items there are in all.")
    limit: int = Field(ge=1)
    offset: int = Field(ge=0)
    next: str | None = Field(json_schema_extra=_LINK)
    previous: str | None = Field(json_schema_extra=_LINK)


class EstimatedOffsetPage(OffsetPage[T], Generic[T]):
    """An ``OffsetPage`` of a list that takes long to count; see ``EstimatedPage``."""

    count: ClassVar[Literal["exact", "estimate", "none"]] = "estimate"
    total: int = Field(ge=0, description=_ABOUT)


class UncountedOffsetPage(Paged, Generic[T]):
    """An ``OffsetPage`` that nothing is counted for; see ``UncountedPage``."""

    count: ClassVar[Literal["exact", "estimate", "none"]] = "none"
    asked_by: ClassVar[type[Any]] = OffsetRequest
    items: list[T]
    limit: int = Field(ge=1)
    offset: int = Field(ge=0)
    next: str | None = Field(json_schema_extra=_LINK)
    previous: str | None = Field(json_schema_extra=_LINK)


class CursorPage(Paged, Generic[T]):
    """A part of a list by its place in the order: what is written meanwhile shows no row twice, and hides none.

    ``next`` and ``previous`` carry the cursor; nothing is counted, so the last page costs no more than the first.
    """

    count: ClassVar[Literal["exact", "estimate", "none"]] = "none"
    asked_by: ClassVar[type[Any]] = CursorRequest
    items: list[T]
    next: str | None = Field(json_schema_extra=_LINK)
    previous: str | None = Field(json_schema_extra=_LINK)
