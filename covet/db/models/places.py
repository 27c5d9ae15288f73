"""``Meta.order_with_respect_to``: the places of rows among those of one parent.

New rows come last. The parent has ``await question.get_answer_order()`` (keys in order) and
``await question.set_answer_order(keys)``; a row has ``await answer.get_next_in_order()`` and ``get_previous_in_order()``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from covet.db import transaction

__all__ = ["add_order_methods", "give_place", "give_places", "neighbour_in_order"]


def _siblings(manager: Any, instance: Any, using: str | None) -> Any:
    field = type(instance)._meta.placed_model._meta.order_with_respect_to
    rows = manager.using(using or instance._row_state.db)
    return rows.filter(**{field.attname: getattr(instance, field.attname)})


async def give_place(instance: Any, using: str | None) -> None:
    """Set the place of a new row behind all others of its parent."""
    from covet.db.models.expressions.aggregates import Max  # for models that have an order

    # Of all rows, also those that the default manager hides.
    manager = type(instance)._meta.placed_model._base_manager
    found = await _siblings(manager, instance, using).order_by().aggregate(last=Max("_order"))
    instance._order = 0 if found["last"] is None else found["last"] + 1


async def give_places(model: Any, instances: list[Any], using: str) -> None:
    """Set the places of new rows of a bulk insert, by one query for the last places of all their parents."""
    from covet.db.models.expressions.aggregates import Max

    placed = model._meta.placed_model
    attname = placed._meta.order_with_respect_to.attname
    waiting = [one for one in instances if one.__dict__.get("_order") is None]
    if not waiting:
        return
    parents = {getattr(one, attname) for one in waiting}
    rows = placed._base_manager.using(using).order_by()
    of_parents = rows.filter(**{f"{attname}__in": [one for one in parents if one is not None]})
    last = dict(await of_parents.values(attname).annotate(_last=Max("_order")).values_list(attname, "_last"))
    if None in parents:
        last[None] = (await rows.filter(**{attname: None}).aggregate(last=Max("_order")))["last"]
    for one in instances:
        parent, place = getattr(one, attname), one.__dict__.get("_order")
        if place is None:
            before = last.get(parent)
            place = one._order = 0 if before is None else before + 1
        last[parent] = max(place, last.get(parent) or 0)


async def neighbour_in_order(instance: Any, *, is_next: bool) -> Any:
    """Return the row behind or before this one.

    Raises:
        DoesNotExist: It is the last, or the first.
    """
    model = type(instance)
    if model._meta.concrete_model is not model._meta.placed_model:
        model = model._meta.placed_model  # a child's neighbours may be rows without one
    lookup, order = ("_order__gt", "_order") if is_next else ("_order__lt", "-_order")
    found = (
        await _siblings(model._default_manager, instance, None)
        .filter(**{lookup: instance._order})
        .order_by(order)
        .first()
    )
    if found is None:
        raise model.DoesNotExist(f"There is no {'next' if is_next else 'previous'} {model.__name__} in the order.")
    return found


def add_order_methods(parent: Any, model: Any) -> None:
    """Give the parent model the methods that read and set the order of its rows."""
    name = model._meta.model_name
    field = model._meta.order_with_respect_to

    def rows_of(instance: Any, using: str | None) -> Any:
        key = getattr(instance, field.target_field.attname)
        return model._default_manager.using(using or instance._row_state.db).filter(**{field.attname: key})

    async def get_order(self: Any, using: str | None = None) -> list[Any]:
        return list(await rows_of(self, using).order_by("_order").values_list("pk", flat=True))

    async def set_order(self: Any, keys: Iterable[Any], using: str | None = None) -> None:
        async with transaction.atomic(using or self._row_state.db):
            for place, key in enumerate(keys):
                await rows_of(self, using).filter(pk=key).update(_order=place)

    get_order.__doc__ = f"Return the keys of the {name} rows, in their order."
    set_order.__doc__ = f"Put the {name} rows of these keys into this order."
    setattr(parent, f"get_{name}_order", get_order)
    setattr(parent, f"set_{name}_order", set_order)
