"""Many rows by one request: all of them in one transaction, or none; errors name the item, ``/3/title``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from covet import access
from covet.conf import settings
from covet.db import transaction
from covet.db.errors import IntegrityError
from covet.db.routers import router
from covet.problems import ProblemError, json_pointer
from covet.rest.errors import invalid
from covet.rest.nested import nested_of, placed
from covet.rest.related import resolve_related
from covet.rest.write import new_values
from covet.schema.field_types import python_type
from covet.schema.rules import stored

if TYPE_CHECKING:
    from covet.http.request import Request
    from covet.rest.viewsets import ModelViewSet

__all__ = ["check_count", "create_all", "delete_all", "item_schema", "update_all"]


def item_schema(schema: Any, model: Any, suffix: str) -> Any:
    """Return an input schema that names its row: with the model's key, which must be sent."""
    pk = model._meta.pk
    name = f"{schema.__name__}{suffix}"
    field: Any = {pk.name: (python_type(pk), ...)}
    made = create_model(name, __base__=schema, __module__=schema.__module__, **field)
    if hasattr(schema, "__covet_fields__"):
        chosen: Any = made
        chosen.__covet_fields__ = {key: one for key, one in schema.__covet_fields__.items() if key != pk.name}
    return made


def check_count(items: Sequence[Any]) -> None:
    """Refuse more items than ``BULK_LIMIT``.

    Raises:
        UnprocessableContent: There are more.
    """
    if len(items) > settings.BULK_LIMIT:
        text = f"There may be {settings.BULK_LIMIT} items at most, and these are {len(items)}."
        raise invalid([ProblemError(text, pointer="", code="too_many")])


async def create_all(viewset: ModelViewSet, request: Request, items: Sequence[Any], *, at_once: bool) -> list[Any]:
    """Create rows.

    Args:
        viewset: Whose rows.
        request: The request.
        items: What the body was read into.
        at_once: Whether one statement may write them; else each goes through the viewset's hooks.
    """
    check_count(items)
    model = viewset.model
    await resolve_related(model, items, [(index,) for index in range(len(items))])
    using = router.db_for_write(model)
    many = {field.name for field in model._meta.many_to_many}
    if at_once and items and not many & type(items[0]).model_fields.keys() and not nested_of(model, items[0]):
        rows = []
        for index, item in enumerate(items):
            with placed((index,), item, model):
                rows.append(model(**stored(model, new_values(model, item))))
        try:
            async with transaction.atomic(using=using):
                return list(await model.objects.bulk_create(rows))
        except IntegrityError:
            # Which of them it was, only writing them one by one tells.
            pass
    made = []
    async with transaction.atomic(using=using):
        for index, item in enumerate(items):
            with placed((index,), item, model):
                made.append(await viewset.write_new(request, item))
    return made


async def update_all(viewset: ModelViewSet, request: Request, items: Sequence[Any], *, partial: bool) -> list[Any]:
    """Change rows, each by its key.

    Raises:
        UnprocessableContent: A key names no row, or stands there twice.
    """
    check_count(items)
    model = viewset.model
    pk = model._meta.pk.name
    await resolve_related(model, items, [(index,) for index in range(len(items))])
    async with transaction.atomic(using=router.db_for_write(model)):
        rows = await _rows(viewset, request, [getattr(item, pk) for item in items], lambda index: (index, pk))
        made = []
        for index, item in enumerate(items):
            with placed((index,), item, model):
                made.append(await viewset.write_changes(request, rows[index], item, partial=partial))
    return made


async def delete_all(viewset: ModelViewSet, request: Request, keys: Sequence[Any]) -> None:
    """Delete rows by their keys."""
    check_count(keys)
    model = viewset.model
    async with transaction.atomic(using=router.db_for_write(model)):
        for row in await _rows(viewset, request, keys, None):
            await viewset.write_end(request, row)


async def _rows(viewset: ModelViewSet, request: Request, keys: Sequence[Any], place: Any) -> list[Any]:
    """Return the rows of keys in their order, once the object permissions have been asked about each."""
    found = {row.pk: row async for row in (await viewset.rows_for(request)).filter(pk__in=list(keys))}
    errors = []
    seen: set[Any] = set()
    for index, key in enumerate(keys):
        where: dict[str, str] = {"parameter": "ids"} if place is None else {"pointer": json_pointer(*place(index))}
        if key not in found:
            name = viewset.model._meta.verbose_name
            errors.append(ProblemError(f"There is no {name} with the key {key!r}.", code="unknown_item", **where))
        elif key in seen:
            errors.append(ProblemError(f"The key {key!r} stands here twice.", code="repeated_item", **where))
        seen.add(key)
    if errors:
        raise invalid(errors)
    held, target = viewset.held(request)
    for row in found.values():
        await access.check_object(held, request, target, row)
    return [found[key] for key in keys]
