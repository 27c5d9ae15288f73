"""Pages of anything that can be counted and sliced: a queryset, or a list.

A queryset is counted once (``await paginator.count()``) and each page runs one query for its rows.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from math import ceil
from typing import Any, Generic, TypeVar

from covet.exceptions import CovetError

__all__ = [
    "ELLIPSIS",
    "EmptyPage",
    "InvalidPage",
    "Page",
    "PageNotAnInteger",
    "Paginator",
    "UnorderedObjectListWarning",
]

T = TypeVar("T")

ELLIPSIS = "…"


class InvalidPage(CovetError, ValueError):
    """There is no such page."""


class PageNotAnInteger(InvalidPage):
    """The page's number is no number."""


class EmptyPage(InvalidPage):
    """The page's number is below 1 or beyond the last page."""


class UnorderedObjectListWarning(RuntimeWarning):
    """Pages are made of rows in no order."""


class Paginator(Generic[T]):
    """Cuts ``objects`` into pages of ``per_page``.

    Args:
        objects: A list or a queryset.
        per_page: How many items a page has.
        orphans: A last page with this many items or fewer is joined to the one before.
        allow_empty_first_page: Whether page 1 exists when there is nothing.
        error_messages: Texts for ``invalid_page``, ``min_page`` and ``no_results``, in place of those below.

    Warns:
        UnorderedObjectListWarning: The queryset has no order, so that a row may be on two pages or on none.
    """

    def __init__(
        self,
        objects: Any,
        per_page: int,
        *,
        orphans: int = 0,
        allow_empty_first_page: bool = True,
        error_messages: Mapping[str, str] | None = None,
    ) -> None:
        if per_page < 1:
            raise ValueError(f"per_page must be at least 1, not {per_page}.")
        self.objects = objects
        self.per_page = per_page
        self.orphans = orphans
        self.allow_empty_first_page = allow_empty_first_page
        self.error_messages = dict(error_messages or {})
        self._count: int | None = None
        if getattr(objects, "ordered", None) is False:
            warnings.warn(
                f"Pages of {objects!r} are not stable: give the queryset an order.",
                UnorderedObjectListWarning,
                stacklevel=2,
            )

    async def count(self) -> int:
        """Return how many items there are; asked once."""
        if self._count is None:
            if isinstance(self.objects, (list, tuple)):
                self._count = len(self.objects)
            else:
                counted = self.objects.count()
                self._count = await counted if inspect.isawaitable(counted) else counted
        assert self._count is not None
        return self._count

    async def num_pages(self) -> int:
        """Return how many pages there are."""
        count = await self.count()
        if count == 0 and not self.allow_empty_first_page:
            return 0
        return ceil(max(1, count - self.orphans) / self.per_page)

    async def page_range(self) -> range:
        """Return the numbers of all pages."""
        return range(1, await self.num_pages() + 1)

    async def page(self, number: int | str) -> Page[T]:
        """Return the page of that number.

        Raises:
            PageNotAnInteger: ``number`` is no whole number.
            EmptyPage: There is no such page.
        """
        checked = await self.validate_number(number)
        start = (checked - 1) * self.per_page
        end = start + self.per_page
        if end + self.orphans >= await self.count():
            end = await self.count()
        part = self.objects[start:end]
        items = part if isinstance(part, (list, tuple)) else await part
        return Page(list(items), checked, self, await self.num_pages(), await self.count())

    async def get_page(self, number: int | str) -> Page[T]:
        """Return the page; the first for what is no number, the last for what is beyond it. For links people edit."""
        try:
            return await self.page(number)
        except PageNotAnInteger:
            return await self.page(1)
        except EmptyPage:
            return await self.page(max(await self.num_pages(), 1))

    async def validate_number(self, number: int | float | str) -> int:
        """Return the page's number as an int, or raise as ``page`` does."""
        try:
            if isinstance(number, float) and not number.is_integer():
                raise ValueError
            checked = int(number)
        except (TypeError, ValueError):
            text = self.error_messages.get("invalid_page", f"A page's number must be a whole number, not {number!r}.")
            raise PageNotAnInteger(text) from None
        if checked < 1:
            text = self.error_messages.get("min_page", f"Pages are counted from 1; there is no page {checked}.")
            raise EmptyPage(text)
        pages = await self.num_pages()
        if checked > pages:
            raise EmptyPage(self.error_messages.get("no_results", f"There is no page {checked}: the last is {pages}."))
        return checked

    async def get_elided_page_range(self, number: int, *, on_each_side: int = 3, on_ends: int = 2) -> list[int | str]:
        """Return the page numbers to show as links, the far ones replaced by an ellipsis."""
        pages = await self.num_pages()
        shown = {*range(1, on_ends + 1), *range(number - on_each_side, number + on_each_side + 1)}
        shown |= set(range(pages - on_ends + 1, pages + 1))
        numbers: list[int | str] = []
        last = 0
        for page in sorted(page for page in shown if 1 <= page <= pages):
            if page - last == 2:
                numbers.append(page - 1)  # an ellipsis for one page would be longer than the page
            elif page - last > 2:
                numbers.append(ELLIPSIS)
            numbers.append(page)
            last = page
        return numbers


class Page(Generic[T]):
    """The items of one page, and its place among the others."""

    def __init__(self, items: list[T], number: int, paginator: Paginator[T], num_pages: int, count: int) -> None:
        self.items = items
        self.number = number
        self.paginator = paginator
        self.num_pages = num_pages
        self.count = count

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    async def __aiter__(self) -> AsyncIterator[T]:
        for item in self.items:
            yield item

    def __getitem__(self, index: int) -> T:
        return self.items[index]

    def __repr__(self) -> str:
        return f"<Page {self.number} of {self.num_pages}>"

    @property
    def has_next(self) -> bool:
        """Whether a page follows."""
        return self.number < self.num_pages

    @property
    def has_previous(self) -> bool:
        """Whether a page precedes."""
        return self.number > 1

    @property
    def next_page_number(self) -> int:
        """The number of the page that follows.

        Raises:
            EmptyPage: This is the last page.
        """
        if not self.has_next:
            raise EmptyPage("This is the last page.")
        return self.number + 1

    @property
    def previous_page_number(self) -> int:
        """The number of the page before.

        Raises:
            EmptyPage: This is the first page.
        """
        if not self.has_previous:
            raise EmptyPage("This is the first page.")
        return self.number - 1

    @property
    def start_index(self) -> int:
        """Which item of all, counted from 1, this page begins with; 0 when there is none."""
        return 0 if self.count == 0 else (self.number - 1) * self.paginator.per_page + 1

    @property
    def end_index(self) -> int:
        """Which item of all, counted from 1, this page ends with."""
        return self.count if self.number == self.num_pages else self.number * self.paginator.per_page
