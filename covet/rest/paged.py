"""Writes parts of lists: counts, cuts, and puts the addresses of the neighbours round the items."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

from pydantic import Field, TypeAdapter
from pydantic import ValidationError as PydanticError

from covet.conf import settings
from covet.db.models.manager import BaseManager
from covet.db.models.query.queryset import QuerySet
from covet.db.models.query.run import fetch_rows, read_database
from covet.exceptions import ImproperlyConfigured
from covet.problems import ProblemError
from covet.rest.annotations import page_kind
from covet.rest.cursor import MAX_LENGTH, Cursor, Place, keys_of
from covet.rest.errors import invalid, parameter_errors
from covet.rest.pagination import (
    AnyRequest,
    CursorRequest,
    Links,
    OffsetRequest,
    PageRequest,
    address,
    has_link_header,
    link_bytes,
    page_bytes,
)
from covet.rest.params import Query
from covet.rest.signature import Parameter
from covet.schema import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from covet.db.models.base import Model
    from covet.http.request import Request
    from covet.http.response import Response
    from covet.schema import Projection

__all__ = ["Items", "estimated_count", "page_parameters", "page_reader", "paged", "with_link_header"]

# What databases take for OFFSET: more would be an error of theirs.
_OFFSETS: Final = Annotated[int, Field(ge=0, le=2**62)]
# Fewer rows than this are counted.
ESTIMATED_FROM: Final = 10_000


@cache
def _rows() -> re.Pattern[str]:
    return re.compile(r"\brows=(\d+)")


class Items(Protocol):
    """What writes the items of a part.

    Attributes:
        is_partial: Whether members of items are left out.
    """

    is_partial: bool

    async def items(self, value: Any) -> bytes:
        """Return a JSON array."""

    async def page(self, value: Any) -> bytes:
        """Return a page that a handler made, members of its items left out."""

    def shown(self, model: type[Model]) -> Projection | None:
        """Return how rows of a model go to JSON directly, where the schema allows it."""

    def check(self, rows: QuerySet[Any, Any]) -> None:
        """Refuse rows without something that the schema shows."""

    def joined(self, rows: QuerySet[Any, Any], *, beside: Iterable[str] = ()) -> QuerySet[Any, Any]:
        """Return the rows with what the schema reads joined, and ``beside`` read as well."""


def paged(many: Items, schema: type[Any]) -> Callable[[Request, Any, Any], Awaitable[bytes]]:
    """Return what writes the parts of one of the page schemas."""
    if schema.asked_by is CursorRequest:
        return _Cursored(many, schema).write
    return (_Counted if schema.count == "exact" else _Estimated)(many, schema).write


class _Written(ABC):
    """Writes a page that the handler made itself, and leaves the rest to those below."""

    def __init__(self, many: Items, schema: type[Any]) -> None:
        self._many = many
        self._schema = schema
        self._kind = page_kind(schema)
        self._is_linked = has_link_header(schema)
        self._bytes = _items_alone if schema.is_bare else page_bytes

    async def write(self, request: Request, value: Any, page: AnyRequest | None) -> bytes:
        assert page is not None
        if self._kind is not None and isinstance(value, self._kind):
            if self._kind.is_bare:
                return await self._many.items(value.items)
            if type(value) is not self._schema:
                value = self._schema.model_validate(value, from_attributes=True, context=OUTPUT)
            if self._many.is_partial:
                return await self._many.page(value)
            written: str = value.model_dump_json(by_alias=True)
            return written.encode()
        return await self.cut(request, value.all() if isinstance(value, BaseManager) else value, page)

    @abstractmethod
    async def cut(self, request: Request, value: Any, page: Any) -> bytes:
        """Return the part that a request asks for."""


class _Counted(_Written):
    """Cuts by numbers; of a bare page it writes the items alone, and what else there is to say goes into headers."""

    async def cut(self, request: Request, value: Any, page: Any) -> bytes:
        if isinstance(value, QuerySet):
            if not value.ordered:
                # Pages of an unordered list would overlap.
                value = value.order_by("pk")
            total = await value.count()
            if value.gives_instances and not value.is_evaluated and self._many.shown(value.model) is None:
                # What the schema shows of other rows is joined before the slice, since nothing can be after it.
                value = self._many.joined(value)
        else:
            value = list(value)
            total = len(value)
        page.check(max(0, total - page.start), total)
        links = forward, back = page.links(request, total, has_more=page.stop < total)
        if self._is_linked:
            first, last = page.ends(request, total)
            request.state.page_links = Links(forward, back, first, last, total if self._schema.is_bare else None)
        items = b"[]" if page.start >= total else await self._many.items(value[page.start : page.stop])
        return self._bytes(items, total, page, links)


class _Estimated(_Written):
    """Cuts by numbers, and reads one row more than is shown to see whether there are more; counts few rows or none."""

    async def cut(self, request: Request, value: Any, page: PageRequest | OffsetRequest) -> bytes:
        about: int | None = None
        if isinstance(value, QuerySet):
            self._many.check(value)
            if not value.ordered:
                value = value.order_by("pk")
            if self._schema.count == "estimate":
                about = await estimated_count(value)
        else:
            value = list(value)
            if self._schema.count == "estimate":
                about = len(value)
        size = page.stop - page.start
        items, found = await self._read(value, page.start, size)
        has_more, here = found > size, page.start + min(found, size)
        page.check(found, None)
        total = about
        if about is not None and found:
            # What was read is sure: the last page knows the total, any other that there is one more at least.
            total = max(about, here + 1) if has_more else here
        links = page.links(request, total, has_more=has_more)
        if self._is_linked:
            is_sure = found and not has_more
            request.state.page_links = Links(*links, *page.ends(request, here if is_sure else None))
        return page_bytes(items, total, page, links)

    async def _read(self, value: Any, start: int, size: int) -> tuple[bytes, int]:
        """Return the items as JSON, and how many there are; one more than ``size`` for any number more."""
        stop = start + size + 1
        if not isinstance(value, QuerySet) or value.is_evaluated:
            rows = list(value[start:stop])
            return await self._many.items(rows[:size]), len(rows)
        if value.gives_instances:
            shown = self._many.shown(value.model)
            if shown is not None:
                result = await fetch_rows(value[start:stop], shown.names)
                return shown.encode_rows(list(result.rows[:size]), result.converters), len(result.rows)
            value = self._many.joined(value)
        rows = list(await value[start:stop])
        return await self._many.items(rows[:size]), len(rows)


class _Cursored(_Written):
    """Cuts by places in the order; one query, of one row more than is shown."""

    async def cut(self, request: Request, value: Any, page: CursorRequest) -> bytes:
        if not isinstance(value, QuerySet) or value.query.is_sliced or not value.gives_instances:
            raise ImproperlyConfigured(
                "CursorPage cuts a queryset of instances that is not sliced; Page and OffsetPage cut any list."
            )
        cursor = keys_of(value)
        place = None if page.cursor is None else cursor.place(page.cursor)
        wanted = cursor.narrow(value, place)
        is_back = place is not None and place.is_back
        items, keys, has_more = await self._read(wanted, cursor, page.size, is_back)
        forward, back = [
            None if text is None else address(request, {page.parameter: text})
            for text in self._links(cursor, place, keys, has_more)
        ]
        if forward is None and is_back and not keys:  # everything before is gone: from the start again
            forward = address(request, {page.parameter: None})
        if self._is_linked:
            request.state.page_links = Links(forward, back, address(request, {page.parameter: None}))
        return b'{"items":%b,"next":%b,"previous":%b}' % (items, link_bytes(forward), link_bytes(back))

    async def _read(
        self, wanted: QuerySet[Any, Any], cursor: Cursor, size: int, is_back: bool
    ) -> tuple[bytes, list[tuple[Any, ...]], bool]:
        """Return the items as JSON, the keys of the first and the last, and whether there are more."""
        names = [key.name for key in cursor.keys]
        shown = self._many.shown(wanted.model)
        if shown is None:
            # The order's fields may stand in rows that the schema does not show.
            others = [name.rpartition("__")[0] for name in names if "__" in name]
            joined = self._many.joined(wanted, beside=names)
            joined = joined.select_related(*others) if others else joined
            instances = list(await joined[: size + 1])
            has_more = len(instances) > size
            instances = instances[:size][::-1] if is_back else instances[:size]
            ends = [tuple(_value(one, name) for name in names) for one in _ends(instances)]
            return await self._many.items(instances), ends, has_more
        # The order's fields that the schema does not show are read beside it, and left out of the answer.
        hidden = [name for name in names if name not in shown.names]
        result = await fetch_rows(wanted[: size + 1], (*shown.names, *hidden))
        rows: Sequence[Any] = result.rows
        has_more = len(rows) > size
        rows = rows[:size][::-1] if is_back else rows[:size]
        columns = [*shown.names, *hidden]
        places = [columns.index(name) for name in names]
        ends = [
            tuple([_converted(row[place], result.converters[place]) for place in places]) for row in _ends(list(rows))
        ]
        count = len(shown.names)
        cut = [tuple(row)[:count] for row in rows] if hidden else rows
        return shown.encode_rows(cut, result.converters[:count]), ends, has_more

    @staticmethod
    def _links(
        cursor: Cursor, place: Place | None, keys: list[tuple[Any, ...]], has_more: bool
    ) -> tuple[str | None, str | None]:
        """Return the cursors of the next and the previous part."""
        is_back = place is not None and place.is_back
        if not keys:
            # Behind the last row there is nothing to point at but the end itself.
            return None, None if place is None or is_back else cursor.text(Place((), is_back=True))
        first, last = keys
        forward = cursor.text(Place(last)) if (has_more if not is_back else bool(place and place.values)) else None
        has_before = has_more if is_back else place is not None
        return forward, cursor.text(Place(first, is_back=True)) if has_before else None


def _items_alone(items: bytes, *rest: Any) -> bytes:
    return items


async def estimated_count(rows: QuerySet[Any, Any]) -> int:
    """Return about how many rows there are: PostgreSQL's planner says it of many, any other database counts.

    Few rows, and those of a slice, are counted everywhere: that is quick, and their estimate is often far off.
    """
    database = read_database(rows)
    if database.vendor == "postgresql" and not rows.query.is_empty and not rows.query.is_sliced:
        plan = await rows.order_by().explain()
        found = _rows().search(plan)
        if found is not None and int(found[1]) >= ESTIMATED_FROM:
            return int(found[1])
    return await rows.count()


def page_parameters(kind: Any, size: int | None, most: int | None, where: str) -> list[Parameter]:
    """Return what a kind of pages is asked for by.

    Args:
        kind: The class of pages.
        size: How many items there are where the client does not ask; None for what the class or ``PAGE_SIZE`` says.
        most: How many a client may ask for; None for the same.
        where: The endpoint, for messages.

    Raises:
        ImproperlyConfigured: There may not be as many as there are.
    """
    size = kind.page_size if size is None else size
    most = kind.max_page_size if most is None else most
    if most is None:
        most = max(settings.MAX_PAGE_SIZE, size or 1)
    if size is None:
        size = min(settings.PAGE_SIZE, most)
    if not 1 <= size <= most:
        raise ImproperlyConfigured(
            f"{where}: page_size is {size}; it lies between 1 and max_page_size, which is {most}."
        )
    is_offset = kind.asked_by is OffsetRequest
    name = kind.limit_query_param if is_offset else kind.page_size_query_param
    about = "How many items at most." if is_offset else "Items on a page."
    sizes: Any = Annotated[int, Field(ge=1, le=most)]
    sized = Parameter(name or "", name or "", Query(description=about), sizes, size)
    if is_offset:
        name = kind.offset_query_param
        return [sized, Parameter(name, name, Query(description="How many to leave out."), _OFFSETS, 0)]
    if kind.asked_by is CursorRequest:
        name = kind.cursor_query_param
        text: Any = Annotated[str, Field(max_length=MAX_LENGTH)]
        return [Parameter(name, name, Query(description="A place, from 'next' or 'previous'."), text, None), sized]
    name = kind.page_query_param
    return [Parameter(name, name, Query(description="Which page, from 1."), Annotated[int, Field(ge=1)], 1), sized]


def page_reader(kind: Any, parameters: Sequence[Parameter]) -> Callable[[Request], AnyRequest]:
    """Return what reads from a request which part it asks for."""
    named: Any = kind.page_query_param
    if kind.asked_by is OffsetRequest:
        named = (kind.limit_query_param, kind.offset_query_param)
    elif kind.asked_by is CursorRequest:
        named = kind.cursor_query_param
    make: Any = kind.asked_by
    validators = [TypeAdapter(parameter.annotation).validator.validate_python for parameter in parameters]
    first: AnyRequest = make(*(parameter.default for parameter in parameters), named)

    def read(request: Request) -> AnyRequest:
        if not request.raw_query:
            return first
        errors: list[ProblemError] = []
        values: list[Any] = []
        for parameter, validate in zip(parameters, validators, strict=True):
            # One without a name is not the client's to choose.
            raw = request.query.get(parameter.wire) if parameter.wire else None
            try:
                # An empty number, as forms send it, says nothing; an empty cursor is none of ours.
                is_left_out = raw is None or (raw == "" and parameter.default is not None)
                values.append(parameter.default if is_left_out else validate(raw))
            except PydanticError as error:
                parameter_errors(errors, error, "query", parameter.wire)
        if errors:
            raise invalid(errors)
        wanted: AnyRequest = make(*values, named)
        return wanted

    return read


def with_link_header(
    run: Callable[[Request, Any], Awaitable[Response]],
) -> Callable[[Request, Any], Awaitable[Response]]:
    """Return a run of an endpoint that tells the pages round the one shown in a ``Link`` header."""

    async def linked(request: Request, params: Any) -> Response:
        response = await run(request, params)
        links = vars(request.state).get("page_links")
        if links is not None and response.status < 300:
            known = response.headers.get("link")
            header = links.header()
            response.headers["Link"] = f"{known}, {header}" if known else header
            if links.total is not None:
                response.headers["X-Total-Count"] = str(links.total)
        return response

    return linked


def _ends(rows: list[Any]) -> list[Any]:
    return [rows[0], rows[-1]] if rows else []


def _converted(value: Any, convert: Any) -> Any:
    return value if convert is None else convert(value)


def _value(instance: Any, name: str) -> Any:
    if "__" not in name:
        return getattr(instance, name)
    try:
        return attrgetter(name.replace("__", "."))(instance)
    except AttributeError:  # a relation on the way is null, and so is what lies beyond it
        return None
