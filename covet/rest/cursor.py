"""Cursors: a place in an ordered list, told by the values that its rows are ordered by.

A page by number counts rows, so a row that is written or deleted moves all that follow: one is shown twice, another never.
A cursor says "behind this row", whatever is written before it. The key breaks ties, and nulls have a place of their own.
"""

from __future__ import annotations

import base64
import binascii
import functools
import operator
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace
from pydantic import ConfigDict, TypeAdapter
from pydantic import ValidationError as PydanticError

from covet import json
from covet.db.models.expressions.q import Q
from covet.db.models.expressions.refs import F
from covet.exceptions import ImproperlyConfigured
from covet.problems import ProblemError
from covet.rest.errors import invalid
from covet.schema.field_types import python_type
from covet.schema.relations import named_field

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.query.queryset import QuerySet

__all__ = ["Cursor", "Key", "Place", "keys_of"]

MAX_LENGTH: Final = 2000
_BYTES: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class Key(Struct, frozen=True):
    """One of the fields that a list is ordered by.

    Attributes:
        name: Its path, for filters and for reading it from a row.
        descending: Whether the greatest comes first.
        nulls_last: Whether nulls come last; None where there are none.
        adapter: Reads and writes its values as JSON.
    """

    name: str
    descending: bool
    nulls_last: bool | None
    adapter: TypeAdapter[Any]

    @property
    def order(self) -> Any:
        """The item for ``order_by``; nulls are placed, since databases disagree on them."""
        if self.nulls_last is None:
            return f"-{self.name}" if self.descending else self.name
        nulls = {"nulls_last": True} if self.nulls_last else {"nulls_first": True}
        return F(self.name).desc(**nulls) if self.descending else F(self.name).asc(**nulls)

    def flipped(self) -> Key:
        """Return the same from the other end."""
        nulls = None if self.nulls_last is None else not self.nulls_last
        return replace(self, descending=not self.descending, nulls_last=nulls)

    def same(self, value: Any) -> Q:
        """Return the condition that a row has this value."""
        return Q((f"{self.name}__isnull", True)) if value is None else Q((self.name, value))

    def behind(self, value: Any) -> Q | None:
        """Return the condition that a row comes behind this value; None where none can."""
        if value is None:
            return None if self.nulls_last else Q((f"{self.name}__isnull", False))
        beyond = Q((f"{self.name}__{'lt' if self.descending else 'gt'}", value))
        return beyond | Q((f"{self.name}__isnull", True)) if self.nulls_last else beyond


class Place(Struct, frozen=True):
    """A place in a list, and which way to go from it.

    Attributes:
        values: The values of the row there; empty for the end of the list.
        is_back: Whether the rows before it are asked for.
    """

    values: tuple[Any, ...]
    is_back: bool = False


class Cursor:
    """The cursors of one list, in one order.

    Args:
        keys: What the list is ordered by; the last is unique.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = tuple(keys)
        order = ",".join(f"{key.name} {key.descending} {key.nulls_last}" for key in self.keys)
        # Not a secret: it tells a client that a cursor of another order leads nowhere.
        self._mark = zlib.crc32(order.encode())

    def text(self, place: Place) -> str:
        """Return the place as a text for the query string."""
        values = [
            None if value is None else key.adapter.dump_python(value, mode="json")
            for key, value in zip(self.keys, place.values, strict=False)
        ]
        raw = json.dumps([self._mark, place.is_back, *values])
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def place(self, text: str) -> Place:
        """Return the place that a text names.

        Raises:
            UnprocessableContent: It names none in this order.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            mark, is_back, *values = json.loads(raw)
            if mark != self._mark or len(values) not in (0, len(self.keys)) or not isinstance(is_back, bool):
                raise ValueError("of another list")
            read = [self._value(key, value) for key, value in zip(self.keys, values, strict=False)]
        except (ValueError, TypeError, binascii.Error, PydanticError) as error:
            detail = (
                "This cursor is not one of this list in this order. Take those of 'next' and 'previous' as they are."
            )
            raise invalid([ProblemError(detail, parameter="cursor", code="cursor")]) from error
        return Place(tuple(read), is_back)

    @staticmethod
    def _value(key: Key, value: Any) -> Any:
        if value is None:
            if key.nulls_last is None:
                raise ValueError("a null where there are none")
            return None
        return key.adapter.validate_json(json.dumps(value))

    def narrow(self, queryset: QuerySet[Any, Any], place: Place | None) -> QuerySet[Any, Any]:
        """Return the rows from a place on, nearest first; all of them without one."""
        keys = self.keys
        if place is not None and place.is_back:
            keys = tuple(key.flipped() for key in keys)
        queryset = queryset.order_by(*(key.order for key in keys))
        if queryset.query.extras.reversed:  # the keys say it already, and a new order keeps it
            queryset = queryset.reverse()
        if place is None or not place.values:
            return queryset
        choices: list[Q] = []
        same = Q()
        for key, value in zip(keys, place.values, strict=True):
            behind = key.behind(value)
            if behind is not None:
                choices.append(same & behind)
            same &= key.same(value)
        return queryset.filter(functools.reduce(operator.or_, choices))


def keys_of(queryset: QuerySet[Any, Any]) -> Cursor:
    """Return the cursors of a queryset's order; its key comes last where the order does not name it.

    Raises:
        ImproperlyConfigured: It is ordered by something that is no field of one row.
    """
    query = queryset.query
    model: Any = queryset.model
    items = tuple(model._meta.ordering if query.order is None else query.order_items)
    return _cursor(model, tuple(map(_named, items)), bool(query.extras.reversed))


def _named(item: Any) -> tuple[str, bool, bool | None]:
    """Return the name of an item of ``order_by``, whether it descends, and where it puts nulls."""
    if isinstance(item, str):
        return item.lstrip("+-"), item.startswith("-"), None
    if isinstance(item, F):
        return item.name, False, None
    expression = getattr(item, "expression", None)
    if isinstance(expression, F):
        nulls = getattr(item, "nulls", None)
        return expression.name, item.descending, None if nulls is None else nulls == "last"
    raise _unfit(repr(item))


@functools.lru_cache(maxsize=256)
def _cursor(model: Any, items: tuple[tuple[str, bool, bool | None], ...], is_reversed: bool) -> Cursor:
    keys: list[Key] = []
    for item in (*items, ("pk", False, None)):
        for key in _keys(model, *item):
            if all(key.name != known.name for known in keys):
                keys.append(key)
        if keys and keys[-1].name == model._meta.pk.attname:
            break  # what follows a unique value orders nothing
    return Cursor([key.flipped() for key in keys] if is_reversed else keys)


def _keys(model: type[Model], name: str, descending: bool, nulls_last: bool | None) -> list[Key]:
    current: type[Model] = model
    parts = name.split("__")
    nullable = False
    above: list[str] = []
    for index, part in enumerate(parts):
        field = named_field(current, part)
        if field is None or field.many_to_many or field.one_to_many or not hasattr(field, "column"):
            raise _unfit(name)
        nullable = nullable or field.null
        if index < len(parts) - 1:
            if not field.is_relation:
                raise _unfit(name)
            above.append(field.name)
            current = field.related_model
    if field.is_relation and parts[-1] == field.name and field.related_model._meta.ordering and len(parts) < 12:
        # As order_by("author") does: by the ordering of the other model.
        found: list[Key] = []
        for below in map(_named, field.related_model._meta.ordering):
            path = "__".join((*above, field.name, below[0]))
            found += _keys(model, path, descending != below[1], below[2])
        return found
    path = "__".join((*above, field.attname))
    adapter: TypeAdapter[Any] = TypeAdapter(python_type(field), config=_BYTES)
    # PostgreSQL's own place for nulls, so that its indexes serve: as if they were greater than all else.
    place = nulls_last if nulls_last is not None else not descending
    return [Key(path, descending, place if nullable else None, adapter)]


def _unfit(item: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"CursorPage cannot follow a list that is ordered by {item}: order it by fields of its rows, such as "
        "order_by('-published_at', 'author__name'). Page and OffsetPage take any order."
    )
