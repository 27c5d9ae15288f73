"""Many rows by one request, each on its own: what fits is written, and the answer (207) says of each item how it went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar

from msgspec import Struct
from pydantic import BaseModel, Field, WithJsonSchema, WrapValidator
from pydantic import ValidationError as PydanticError

from covet import access, json
from covet.db import transaction
from covet.db.routers import router
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import NotFound
from covet.http.response import JSONResponse
from covet.problems import PROBLEM_MARK, Problem, ProblemError, json_pointer
from covet.rest.bulk import check_count
from covet.rest.endpoint import EXPECTED
from covet.rest.errors import body_errors, invalid, problem_of
from covet.rest.nested import placed
from covet.rest.render import UNSET, plan_response
from covet.schema import Schema

if TYPE_CHECKING:
    from covet.http.request import Request
    from covet.rest.viewsets import ModelViewSet

__all__ = ["MULTI_STATUS", "ItemResult", "answer_each", "create_each", "delete_each", "each_item", "update_each"]

T = TypeVar("T")

MULTI_STATUS: Final = 207
_PROBLEM: Final = WithJsonSchema({PROBLEM_MARK: True})


class ItemResult(Schema, Generic[T]):
    """How one item of many went."""

    status: int = Field(ge=200, le=599, description="What the answer's status would be, were it the only one.")
    item: T | None = Field(default=None, description="The row, where it was written.")
    problem: Annotated[dict[str, Any], _PROBLEM] | None = Field(
        default=None, description="What went wrong, where it was not; its pointers are into the whole body."
    )


class _Broken(Struct, frozen=True):
    """An item that is none, and why."""

    error: PydanticError
    sent: Any
    schema: Any

    def told(self, index: int) -> Exception:
        errors: list[ProblemError] = []
        body_errors(errors, self.error, self.schema, json.dumps(self.sent))
        for one in errors:
            one.pointer = json_pointer(index) + (one.pointer or "")
        return invalid(errors)


def each_item(schema: Any) -> Any:
    """Return the annotation of an item that may be wrong without the others being so.

    Raises:
        ImproperlyConfigured: The schema is no pydantic one.
    """
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        raise ImproperlyConfigured(
            f"bulk = 'each' reads items one by one, so its input must be a Schema, not {schema!r}."
        )

    def read(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except PydanticError as error:
            return _Broken(error, value, schema)

    return Annotated[schema, WrapValidator(read)]


async def create_each(viewset: ModelViewSet, request: Request, items: Sequence[Any]) -> JSONResponse:
    """Create rows, each by itself."""

    async def write(index: int, item: Any) -> Any:
        return await viewset.write_new(request, item)

    return await answer_each(viewset, request, items, write, 201)


async def update_each(viewset: ModelViewSet, request: Request, items: Sequence[Any], *, partial: bool) -> JSONResponse:
    """Change rows by their keys, each by itself."""
    pk = viewset.model._meta.pk.name

    async def write(index: int, item: Any) -> Any:
        row = await _row(viewset, request, getattr(item, pk))
        return await viewset.write_changes(request, row, item, partial=partial)

    return await answer_each(viewset, request, items, write, 200)


async def delete_each(viewset: ModelViewSet, request: Request, keys: Sequence[Any]) -> JSONResponse:
    """Delete rows by their keys, each by itself."""

    async def write(index: int, key: Any) -> None:
        await viewset.write_end(request, await _row(viewset, request, key))

    return await answer_each(viewset, request, keys, write, 204)


async def answer_each(
    viewset: ModelViewSet,
    request: Request,
    items: Sequence[Any],
    write: Callable[[int, Any], Awaitable[Any]],
    status: int,
) -> JSONResponse:
    """Write items one after another, and return how each went.

    Args:
        viewset: Whose rows.
        request: The request.
        items: What the body was read into, or keys.
        write: Writes one, given its place.
        status: The status of one that went well.
    """
    check_count(items)
    model = viewset.model
    using = router.db_for_write(model)
    plan = plan_response(UNSET if status == 204 else viewset.shown_by(request), None, type(viewset).__name__)
    parts: list[bytes] = []
    for index, item in enumerate(items):
        try:
            if isinstance(item, _Broken):
                raise item.told(index)
            # Its own transaction, or a savepoint of the request's: what one breaks, the next does not meet.
            with placed((index,), item, model):
                async with transaction.atomic(using=using):
                    row = await write(index, item)
        except EXPECTED as error:
            parts.append(_told(await problem_of(error, (item,), model), request))
        else:
            shown = b"null" if status == 204 else await plan.render(request, row, None)
            parts.append(b'{"status":%d,"item":%b,"problem":null}' % (status, shown))
    return JSONResponse.of_bytes(b"[%b]" % b",".join(parts), MULTI_STATUS)


def _told(problem: Problem, request: Request) -> bytes:
    if request.request_id is not None:
        problem.extra = {**problem.extra, "request_id": request.request_id}
    return b'{"status":%d,"item":null,"problem":%b}' % (problem.status, problem.to_bytes())


async def _row(viewset: ModelViewSet, request: Request, key: Any) -> Any:
    """Return a row by its key, once the object permissions have been asked.

    Raises:
        NotFound: There is none.
        PermissionDenied: It is not for this user.
    """
    row = await (await viewset.rows_for(request)).filter(pk=key).first()
    if row is None:
        raise NotFound(f"There is no {viewset.model._meta.verbose_name} with the key {key!r}.")
    held, target = viewset.held(request)
    await access.check_object(held, request, target, row)
    return row
