"""Answers that are made while they are sent: one value on each line (NDJSON), or server-sent events.

A handler that yields, or returns an iterator or a queryset, says by ``AsyncIterator[T]`` what each value is; it is written
by the schema of ``T`` as any other answer is.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from msgspec import Struct

from covet.db.models.manager import BaseManager
from covet.db.models.query.queryset import QuerySet
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import JSONResponse, RedirectResponse, Response
from covet.loading import late_module
from covet.rest.render import UNSET, Plan, plan_response
from covet.schema import Schema, needs

if TYPE_CHECKING:
    from covet.http import streaming
    from covet.rest import unmeant
else:
    streaming = late_module(__name__, "covet.http.streaming")
    unmeant = late_module(__name__, "covet.rest.unmeant")

__all__ = ["NDJSON", "Stream", "media_types", "stream_of"]

NDJSON: Final = "application/x-ndjson"


class Stream(Struct, frozen=True):
    """What an endpoint streams.

    Attributes:
        item: The type of each value; None for events.
        plan: How each is written.
    """

    item: Any
    plan: Plan

    @property
    def media_type(self) -> str:
        """The kind of the answer."""
        return str(streaming.EventStream.media_type) if self.item is None else NDJSON

    def around(self, call: Callable[..., Awaitable[Any]], status: int) -> Callable[..., Awaitable[Any]]:
        """Return ``call`` with what it gives as a streamed answer."""

        async def streamed(request: Request, params: dict[str, Any], notes: list[Any], *stack: Any) -> Any:
            value = await call(request, params, notes, *stack)
            if isinstance(value, Response):
                return value
            if self.item is None:
                return streaming.EventStream(streaming.iterate(value))
            lines = _Lines(self.plan, request, self._loaded(value))
            # What goes wrong before the first value is an answer like any other; after it the status is on its way.
            await lines.begin()
            return streaming.StreamingResponse(lines, status, media_type=NDJSON)

        return streamed

    def _loaded(self, value: Any) -> AsyncIterator[Any]:
        if isinstance(value, BaseManager):
            value = value.all()
        if not isinstance(value, QuerySet):
            return streaming.iterate(value)
        if not value.gives_instances:
            unmeant.refuse_left_out(value, self.item, {})
        elif isinstance(self.item, type) and issubclass(self.item, Schema):
            needed = needs(self.item, value.model)
            if needed.select and not value.query.is_sliced:
                value = value.select_related(*needed.select)
            if needed.prefetch:
                value = value.prefetch_related(*needed.prefetch)
        return aiter(value.iterator())


class _Lines:
    """Values as lines of JSON; closes what they come from, also when nothing of it was sent."""

    def __init__(self, plan: Plan, request: Request, values: AsyncIterator[Any]) -> None:
        self._plan = plan
        self._request = request
        self._values = values
        self._first: list[bytes] = []
        self._is_over = False

    async def begin(self) -> None:
        """Make the first line."""
        try:
            self._first = [await self._line()]
        except StopAsyncIteration:
            self._is_over = True
        except BaseException:
            await self.aclose()
            raise

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            return self._first.pop()
        if self._is_over:
            raise StopAsyncIteration
        return await self._line()

    async def _line(self) -> bytes:
        value = await anext(self._values)
        plan = self._plan
        body: bytes = await plan.render(self._request, value, None) if plan.is_async else plan.render(value)
        return body + b"\n"

    async def aclose(self) -> None:
        """Close what the values come from."""
        close = getattr(self._values, "aclose", None)
        if close is not None:
            await close()


def stream_of(annotation: Any, where: str) -> Stream:
    """Return what an endpoint streams.

    Args:
        annotation: An iterator of something, of those that ``annotations.is_stream`` knows.
        where: The handler's name, for messages.

    Raises:
        ImproperlyConfigured: Nothing says how each value is written.
    """
    item = (get_args(annotation) or (Any,))[0]
    if item is streaming.ServerEvent:
        return Stream(None, Plan(UNSET, None))
    try:
        return Stream(item, plan_response(UNSET, item, where))
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(
            f"{where} streams models: say which fields a line shows, by response=AsyncIterator[ArticleOut]."
        ) from error


def media_types(returns: Any) -> list[str] | None:
    """Return the kinds of what a response class sends; None where an annotation is no response.

    An empty list says that nothing is sent, ``*/*`` that the class leaves it to each response.
    """
    kind = get_origin(returns) or returns
    if not (inspect.isclass(kind) and issubclass(kind, Response)):
        return None
    if issubclass(kind, RedirectResponse):
        return []
    if issubclass(kind, JSONResponse):
        return ["application/json"]
    told = getattr(kind, "media_type", None)
    # A slot of the class itself is no name.
    return [str(told).partition(";")[0]] if isinstance(told, str) else ["*/*"]
