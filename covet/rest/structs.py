"""Answers that are ``msgspec.Struct``: structs straight to bytes, rows straight to bytes where the fields are columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from covet import json
from covet.db.models.base import Model
from covet.db.models.manager import BaseManager
from covet.db.models.query.queryset import QuerySet
from covet.exceptions import ObjectDoesNotExist
from covet.loading import late_module
from covet.schema.structs import StructError, StructReader, struct_projection, struct_type

if TYPE_CHECKING:
    from covet.http.request import Request
    from covet.rest import errors as failures
    from covet.rest import rows as row_texts
    from covet.rest import unmeant
    from covet.rest.pagination import AnyRequest
    from covet.schema import Projection
else:
    failures = late_module(__name__, "covet.rest.errors", "failures")
    row_texts = late_module(__name__, "covet.rest.rows", "row_texts")
    unmeant = late_module(__name__, "covet.rest.unmeant")

__all__ = ["StructList", "struct_writer"]


def struct_writer(annotation: Any) -> Callable[[Any], bytes]:
    """Return what writes one value of an annotation that holds structs."""
    reader = StructReader(annotation)
    exact = struct_type(annotation)
    shown = _Shown(exact)

    def write(value: Any) -> bytes:
        if type(value) is not exact and value is not None:
            if isinstance(value, Model) and (found := shown.of(type(value))) is not None:
                return found.encode_instance(value)
            value = _read(reader, value, exact)
        return json.dumps(value)

    return write


class _Shown:
    """How the rows of each model go to a struct's JSON; None where the struct needs more than its columns."""

    def __init__(self, struct: type[Any] | None) -> None:
        self.struct = struct
        self._known: dict[type[Model], Projection | None] = {}

    def of(self, model: type[Model]) -> Projection | None:
        if self.struct is None:
            return None
        if model not in self._known:
            self._known[model] = struct_projection(self.struct, model)
        return self._known[model]


def _read(reader: StructReader, value: Any, struct: type[Any] | None) -> Any:
    """Return what a handler gave as the struct.

    Raises:
        NotLoaded: A row has a field of the struct, and it was not loaded.
        ResponseMismatch: It does not fit.
    """
    if struct is not None:
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, Model):
                _see_loaded(one, struct)
    try:
        return reader.convert(value, from_attributes=True)
    except (StructError, TypeError) as error:
        name = getattr(reader.annotation, "__name__", reader.annotation)
        raise failures.ResponseMismatch(
            f"The handler's value does not fit the answer's schema {name}: {error}."
        ) from error


def _see_loaded(row: Model, struct: type[Any]) -> None:
    """Ask a row for all that a struct shows of it: to msgspec what raises an error is not there, and has its default."""
    for field in msgspec.structs.fields(struct):
        try:
            value = getattr(row, field.name)
        except (AttributeError, ObjectDoesNotExist):
            continue
        inner = struct_type(field.type)
        if inner is not None and isinstance(value, Model):
            _see_loaded(value, inner)


class StructList:
    """Writes a list of structs: of a queryset, or of anything that has their fields.

    Args:
        item: The struct, or what holds it.
    """

    model: type[Model] | None = None
    projection: Projection | None = None
    is_partial = False

    def __init__(self, item: Any) -> None:
        struct = struct_type(item)
        self._struct = struct
        self._kinds = {struct}
        self._reader = StructReader(list[item])
        self._shown = _Shown(struct)

    async def write(self, request: Request, value: Any, page: AnyRequest | None) -> bytes:
        """Write the whole list."""
        return await self.items(value)

    async def page(self, value: Any) -> bytes:
        """Write a page that a handler made; nothing is left out of structs."""
        written: str = value.model_dump_json(by_alias=True)
        return written.encode()

    def shown(self, model: type[Model]) -> Projection | None:
        """Return how rows of a model go to JSON directly, where the struct allows it."""
        return self._shown.of(model)

    def joined(self, rows: QuerySet[Any, Any], *, beside: Iterable[str] = ()) -> QuerySet[Any, Any]:
        """Return the rows as they are: all columns may be asked for, and a struct names no relations."""
        return rows

    def check(self, rows: QuerySet[Any, Any]) -> None:
        """Refuse rows without something that the struct shows."""
        if not rows.gives_instances:
            unmeant.refuse_left_out(rows, self._struct, {})

    async def items(self, value: Any) -> bytes:
        """Return a JSON array."""
        if isinstance(value, BaseManager):
            value = value.all()
        if isinstance(value, QuerySet):
            self.check(value)
            if value.gives_instances and not value.is_evaluated:
                shown = self.shown(value.model)
                if shown is not None:
                    return await row_texts.encode_queryset(value, shown)
            value = await value
        items = list(value)
        kinds = {*map(type, items)}
        if kinds and kinds != self._kinds:
            if len(kinds) == 1 and issubclass(kind := kinds.pop(), Model) and (found := self.shown(kind)) is not None:
                return found.encode_instances(items)
            items = _read(self._reader, items, self._struct)
        return json.dumps(items)
