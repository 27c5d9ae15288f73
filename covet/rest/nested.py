"""Writable nested relations: the items that a body holds, created, changed, put in order and deleted with their parent.

A field of an input schema that names a relation and holds a schema (or a list of them) is written with the row, to any
depth, in one transaction. What an item's key names is changed, an item without a key is new, and rows of a one-to-many
relation that the list leaves out are deleted. A broken rule is told with its place: ``/chapters/1/title``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from msgspec import Struct
from pydantic import BaseModel

from covet.db.errors import IntegrityError
from covet.db.models.expressions.refs import F
from covet.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from covet.http.errors import HTTPException
from covet.problems import ProblemError, json_pointer, problem_for
from covet.rest.errors import invalid
from covet.schema.rules import Place, locate, members_of
from covet.schema.structs import meant

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["Nested", "Plan", "Writes", "emptied", "nested_of", "placed", "save_after", "save_before"]

_SHIFT = 1_000_000
"""Above any place in a list: where rows stand while they change places, so that no two share one."""


class Nested(Struct, frozen=True):
    """How nested items are written: ``chapters: Annotated[list[ChapterIn], Nested(order="position")]``.

    Args:
        order: A number field of the items that holds their place in the list, from 0.
        delete: Whether rows that the list leaves out are deleted, and the one row of which the body says null; else they stay.
    """

    order: str | None = None
    delete: bool = True


class Writes(Struct, frozen=True):
    """What writes one item, its own nested ones too; ``covet.rest.write`` hands itself over."""

    create: Callable[..., Any]
    update: Callable[..., Any]


class Plan(Struct, frozen=True):
    """One nested field of a schema.

    Attributes:
        name: The field.
        kind: ``forward`` (a foreign key), ``single`` (a one-to-one from the other side), ``many`` (one to many) or ``pool``
            (many to many).
        relation: The field of the model, or the relation from the other side.
        options: How it is written.
    """

    name: str
    kind: str
    relation: Any
    options: Nested

    @property
    def model(self) -> type[Model]:
        """The model of the items."""
        found: type[Model] = self.relation.related_model
        return found


def nested_of(model: type[Model], data: Any) -> list[Plan]:
    """Return the nested fields of what a body was read into."""
    plans = []
    for name, value in members_of(data).items():
        is_nested = _is_item(value) or (
            isinstance(value, list) and (any(map(_is_item, value)) or _is_from_other_side(model, name))
        )
        if not is_nested:
            continue
        relation = _relation(model, name)
        if relation is None:
            continue
        plans.append(Plan(name, _kind(relation), relation, _options(data, name)))
    return plans


def emptied(model: type[Model], data: Any, names: Collection[str]) -> list[Plan]:
    """Return the one-to-one relations from the other side of which a body says that there is none.

    Args:
        model: The model.
        data: What the body was read into.
        names: What it was sent.
    """
    members = members_of(data)
    return [
        Plan(name, "single", relation, _options(data, name))
        for relation in model._meta.related_objects
        if relation.one_to_one
        and not relation.field.remote_field.parent_link
        and (name := relation.get_accessor_name()) in names
        and members[name] is None
        and _nests(data, name)
    ]


def _nests(data: Any, name: str) -> bool:
    """Whether a member may hold an item: null in the place of a key or a link takes no row away."""
    if isinstance(data, BaseModel):
        return _holds_item(type(data).model_fields[name].annotation)
    return any(_holds_item(field.type) for field in msgspec.structs.fields(data) if field.name == name)


def _holds_item(annotation: Any) -> bool:
    found = meant(annotation)
    if isinstance(found, type) and not get_args(found):
        return issubclass(found, (BaseModel, msgspec.Struct))
    return any(map(_holds_item, get_args(found)))


def _is_item(value: Any) -> bool:
    return isinstance(value, (BaseModel, msgspec.Struct))


def _is_from_other_side(model: type[Model], name: str) -> bool:
    relation = _relation(model, name)
    return relation is not None and _kind(relation) == "many"


def _kind(relation: Any) -> str:
    if relation.many_to_many:
        return "pool"
    if relation.one_to_many:
        return "many"
    return "forward" if getattr(relation, "concrete", False) else "single"


def _relation(model: type[Model], name: str) -> Any:
    for relation in model._meta.related_objects:
        if relation.get_accessor_name() == name:
            return relation
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if field.is_relation else None


def _options(data: Any, name: str) -> Nested:
    info = type(data).model_fields.get(name) if isinstance(data, BaseModel) else None
    found = [item for item in (info.metadata if info is not None else ()) if isinstance(item, Nested)]
    return found[-1] if found else Nested()


async def save_before(writes: Writes, parent: Model | None, plans: Sequence[Plan], data: Any) -> dict[str, Any]:
    """Write what the row points at, and return it by field.

    Args:
        writes: What writes an item.
        parent: The row that is changed, or None for a new one.
        plans: The nested fields.
        data: What the body was read into.
    """
    written: dict[str, Any] = {}
    for plan in plans:
        if plan.kind != "forward":
            continue
        item = members_of(data)[plan.name]
        current = None
        if parent is not None and getattr(parent, plan.relation.attname) is not None:
            current = await getattr(parent, plan.name)
        known = {} if current is None else {current.pk: current}
        written[plan.name] = await _save(writes, plan, item, (plan.name,), known, default=current)
    return written


async def save_after(writes: Writes, parent: Model, plans: Sequence[Plan], data: Any) -> None:
    """Write what points at the row, now that it is there."""
    for plan in plans:
        value = members_of(data)[plan.name]
        if plan.kind == "single":
            await _single(writes, parent, plan, value)
        elif plan.kind == "many":
            await _many(writes, parent, plan, value)
        elif plan.kind == "pool":
            await _pool(writes, parent, plan, value)


async def _single(writes: Writes, parent: Model, plan: Plan, item: Any) -> None:
    back = plan.relation.field.name
    rows = plan.model._meta.base_manager.filter(**{back: parent})
    if item is None:
        if plan.options.delete:
            await rows.delete()
            setattr(parent, plan.name, None)
        return
    current = await rows.first()
    known = {} if current is None else {current.pk: current}
    await _save(writes, plan, item, (plan.name,), known, default=current, **{back: parent})


async def _many(writes: Writes, parent: Model, plan: Plan, items: Sequence[Any]) -> None:
    back = plan.relation.field.name
    manager = plan.model._meta.base_manager
    known = {row.pk: row async for row in manager.filter(**{back: parent})}
    wanted = [_key_of(plan, item) for item in items]
    _check_keys(plan, wanted, known)
    gone = [pk for pk in known if pk not in wanted]
    if gone and plan.options.delete:
        await manager.filter(pk__in=gone).delete()
    order = plan.options.order
    if order is not None:
        _check_order(plan, order)
        kept = [pk for pk in wanted if pk is not None]
        if not _only_moves_up(wanted, {pk: getattr(known[pk], order) for pk in kept}):
            await manager.filter(pk__in=kept).update(**{order: F(order) + _SHIFT})
    for index, item in enumerate(items):
        place = {} if order is None else {order: index}
        await _save(writes, plan, item, (plan.name, index), known, **{back: parent}, **place)


def _only_moves_up(wanted: Sequence[Any], places: dict[Any, Any]) -> bool:
    """Whether items that are written one after another never meet a place which one of the rest has still.

    Args:
        wanted: The keys of the list, ``None`` for a new item.
        places: Where the known ones stand, in the order of the list.
    """
    before = -1
    for index, pk in enumerate(wanted):
        if pk is None:
            continue
        place = places[pk]
        if place is None or place < index or place <= before:
            return False
        before = place
    return True


async def _pool(writes: Writes, parent: Model, plan: Plan, items: Sequence[Any]) -> None:
    """Write the rows of a many-to-many relation: those that are the parent's already may be changed by it."""
    wanted = [_key_of(plan, item) for item in items if _is_item(item)]
    manager = plan.model._meta.base_manager
    known = {row.pk: row async for row in manager.filter(pk__in=[pk for pk in wanted if pk is not None])}
    _check_keys(plan, wanted, known)
    relation = getattr(parent, plan.name)
    own = {key async for key in relation.values_list("pk", flat=True)} if known else set()
    rows = []
    for index, item in enumerate(items):
        place = (plan.name, index)
        key = _key_of(plan, item) if _is_item(item) else None
        shared = None if key is None else known[key]
        if shared is not None and shared.pk not in own:
            await _check_unchanged(plan, shared, item, place)
            rows.append(shared)
        else:
            rows.append(await _save(writes, plan, item, place, known) if _is_item(item) else item)
    await relation.set(rows)


async def _check_unchanged(plan: Plan, row: Model, item: Any, place: Place) -> None:
    """Refuse to change a row on its way in: whoever may write the parent may attach it, and not more.

    Raises:
        UnprocessableContent: The item says something else than the row.
    """
    meta = plan.model._meta
    sent = members_of(item)
    if isinstance(item, BaseModel):
        sent = {name: value for name, value in sent.items() if name in item.model_fields_set}
    errors = []
    nested = {one.name for one in nested_of(plan.model, item)}
    for name, value in sent.items():
        if name in (meta.pk.name, "pk") or value is msgspec.UNSET:
            continue
        field = _relation(plan.model, name)
        if name in nested or (field is not None and field.many_to_many):
            is_same = False
        else:
            is_same = getattr(value, "pk", value) == getattr(row, name if field is None else field.attname)
        if not is_same:
            text = f"This {meta.verbose_name} is not one of these yet, so it is taken as it is: send the values it has."
            errors.append(ProblemError(text, pointer=json_pointer(*place, name), code="shared_item"))
    if errors:
        raise invalid(errors)


def _check_order(plan: Plan, name: str) -> None:
    try:
        plan.model._meta.get_field(name)
    except FieldDoesNotExist as error:
        raise ImproperlyConfigured(f"Nested(order={name!r}): {plan.model._meta.label} has no such field.") from error


def _check_keys(plan: Plan, wanted: Sequence[Any], known: dict[Any, Any]) -> None:
    """Refuse keys that are not among the parent's rows, or stand there twice; nobody changes another parent's rows."""
    pk = plan.model._meta.pk.name
    errors = []
    seen: set[Any] = set()
    for index, key in enumerate(wanted):
        if key is None:
            continue
        pointer = json_pointer(plan.name, index, pk)
        if key not in known:
            text = f"There is no {plan.model._meta.verbose_name} with the key {key!r} here."
            errors.append(ProblemError(text, pointer=pointer, code="unknown_item"))
        elif key in seen:
            errors.append(ProblemError("This item stands here twice.", pointer=pointer, code="repeated_item"))
        seen.add(key)
    if errors:
        raise invalid(errors)


def _key_of(plan: Plan, item: Any) -> Any:
    """Return the key that an item names, or None for a new one."""
    members = members_of(item)
    pk = plan.model._meta.pk
    value = members.get(pk.name, members.get("pk"))
    if isinstance(item, BaseModel) and not {pk.name, "pk"} & item.model_fields_set:
        return None
    return getattr(value, "pk", value)


async def _save(
    writes: Writes,
    plan: Plan,
    item: Any,
    place: Place,
    known: dict[Any, Any],
    *,
    default: Any = None,
    **values: Any,
) -> Any:
    """Write one item, its own nested ones too, and tell errors with its place."""
    key = _key_of(plan, item)
    current = known.get(key, default if key is None else None)
    if key is not None and current is None:
        pk = plan.model._meta.pk.name
        text = f"There is no {plan.model._meta.verbose_name} with the key {key!r} here."
        raise invalid([ProblemError(text, pointer=json_pointer(*place, pk), code="unknown_item")])
    with placed(place, item, plan.model):
        if current is None:
            return await writes.create(plan.model, item, **values)
        return await writes.update(current, item, partial=True, **values)


@contextmanager
def placed(place: Place, item: Any, model: type[Model]) -> Iterator[None]:
    """Tell what goes wrong inside with the place of an item in front.

    Args:
        place: Where the item stands.
        item: What it was read into.
        model: What is written.
    """
    try:
        yield
    except IntegrityError as error:
        locate(error, place, item, model)
        raise
    except HTTPException as error:
        for one in error.errors:
            if one.pointer is not None:
                one.pointer = json_pointer(*place) + one.pointer
        raise
    except ValidationError as error:
        # What a model's own check said; its pointers start at the item.
        problem = problem_for(error)
        for one in problem.errors:
            one.pointer = json_pointer(*place) + (one.pointer or "")
        raise invalid(list(problem.errors)) from error
