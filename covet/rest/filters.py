"""Filters, search and ordering of a list: declared by names, typed by the model, told by OpenAPI.

Only what is declared can be asked for, so no client reaches a column or relation that the API does not mean to show.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_origin

from msgspec import Struct
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from covet.db.connections import connections
from covet.db.models.expressions.q import Q
from covet.db.routers import router
from covet.exceptions import ImproperlyConfigured
from covet.rest.params import Gathering
from covet.schema.field_types import FieldRules, chosen, python_type
from covet.schema.relations import named_field
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.query.queryset import QuerySet

__all__ = ["FilterBy", "FilterParameter", "FilterSet", "Filters"]

T = TypeVar("T", bound="QuerySet[Any, Any]")

_TEXT: Final = frozenset(
    {
        "iexact",
        "contains",
        "icontains",
        "startswith",
        "istartswith",
        "endswith",
        "iendswith",
        "regex",
        "iregex",
        "search",
    }
)
_NUMBERS: Final = frozenset(
    {"year", "iso_year", "month", "day", "week", "week_day", "iso_week_day", "quarter", "hour", "minute", "second"}
)
_SAME: Final = frozenset({"exact", "gt", "gte", "lt", "lte", "in", "range", "isnull"})
_SEARCH: Final = {"^": "istartswith", "=": "iexact", "$": "iregex", "@": "search"}
_MARKS: Final = "".join(_SEARCH)
_MAX_TERMS: Final = 10


class FilterParameter(Struct, frozen=True):
    """One query parameter of a filter set: its name, type and what it does; whether an empty value says nothing.

    A page's form sends each of its inputs, and clients each of their variables: to a number, an empty one cannot be a value.
    """

    name: str
    annotation: Any
    description: str
    is_list: bool = False
    skips_empty: bool = False


class FilterBy:
    """A filter under a name of its own, of several look-ups, or of what no look-up says.

    ```{ .python .notest }
    filters = [
        "author",
        FilterBy("q", "title__icontains", "body__icontains"),
        FilterBy("without_tag", "tags__name", exclude=True),
        FilterBy("popular", by=popular, type=bool),
    ]
    ```

    Args:
        name: The query parameter.
        lookups: What the value is compared with, as in ``filters``; a row that fits one of them is shown.
        exclude: Leave out the rows that fit.
        by: Gets the queryset and the value, and returns the queryset; in place of look-ups.
        type: The type of the value; that of the first look-up when left out.
        description: For the documentation.

    Raises:
        ImproperlyConfigured: There are neither look-ups nor ``by`` with a ``type``, or both.
    """

    __slots__ = ("by", "description", "exclude", "lookups", "name", "type")

    def __init__(
        self,
        name: str,
        *lookups: str,
        exclude: bool = False,
        by: Callable[[Any, Any], Any] | None = None,
        type: Any = None,
        description: str = "",
    ) -> None:
        if bool(lookups) == (by is not None) or (by is not None and type is None):
            raise ImproperlyConfigured(
                f"FilterBy({name!r}) takes look-ups, such as 'title__icontains', or by=function with type=…."
            )
        self.name = name
        self.lookups = lookups
        self.exclude = exclude
        self.by = by
        self.type = type
        self.description = description

    def parameter(self, first: FilterParameter | None) -> FilterParameter:
        """Return the query parameter, given that of the first look-up."""
        annotation = self.type if self.type is not None or first is None else first.annotation
        described = self.description
        if not described and self.lookups:
            described = f"{'Not ' if self.exclude else ''}{' or '.join(self.lookups)}"
        is_list = get_origin(annotation) is list or (self.type is None and first is not None and first.is_list)
        if self.type is None:
            skips_empty = first is not None and first.skips_empty
        else:
            skips_empty = isinstance(self.type, type) and not issubclass(self.type, (str, bytes, enum.Enum, list))
        return FilterParameter(self.name, annotation, described, is_list, skips_empty)

    def apply(self, queryset: Any, value: Any, many: bool) -> Any:
        """Return the queryset narrowed.

        Args:
            queryset: The rows.
            value: What was sent.
            many: Whether a look-up follows a relation to many rows, which would show a row more than once.
        """
        if self.by is not None:
            return self.by(queryset, value)
        condition = functools.reduce(operator.or_, (Q((lookup, value)) for lookup in self.lookups))
        if many:
            condition = Q(pk__in=queryset.model._meta.base_manager.filter(condition).values("pk"))
        return queryset.exclude(condition) if self.exclude else queryset.filter(condition)


class FilterSet(Gathering):
    """What a list may be asked for.

    Use it on an argument: ``filters: Annotated[Filters, FilterSet(Article, filters=["author"], search=["title"])]``, and
    then ``filters.apply(queryset)``.

    Args:
        model: The model of the list.
        filters: Field names, with relations and look-ups by double underscores: ``"email__icontains"``; and ``FilterBy``.
        search: Fields that ``?search=`` looks in, each word in any of them; ``^`` in front matches the start, ``=`` the
            whole, ``$`` a regular expression, ``@`` words in any form by PostgreSQL's full text search (with
            ``covet.postgres``; elsewhere as without).
        ordering: Fields that ``?ordering=-name,pk`` may name.

    Raises:
        ImproperlyConfigured: A name is no field of the model.
    """

    def __init__(
        self,
        model: type[Model],
        *,
        filters: Sequence[str | FilterBy] = (),
        search: Sequence[str] = (),
        ordering: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.filters = tuple(one for one in filters if isinstance(one, str))
        self.own = {one.name: one for one in filters if isinstance(one, FilterBy)}
        self._listed = tuple(filters)
        self.search = tuple(search)
        self.ordering = tuple(ordering)
        self._parameters: list[FilterParameter] | None = None

    def parameters(self) -> list[FilterParameter]:
        """Return the query parameters; worked out once all models are loaded."""
        if self._parameters is None:
            made = [self._own(one) if isinstance(one, FilterBy) else self._filter(one) for one in self._listed]
            if self.search:
                for name in self.search:
                    _follow(self.model, name.lstrip(_MARKS))
                shown = ", ".join(name.lstrip(_MARKS) for name in self.search)
                limit = Annotated[str, Field(max_length=200)]
                made.append(FilterParameter("search", limit, f"Words to look for in: {shown}."))
            if self.ordering:
                made.append(self._ordering())
            self._parameters = made
        return self._parameters

    def _own(self, one: FilterBy) -> FilterParameter:
        if one.type is not None:
            # Whatever the look-ups take, the value is what it says.
            for lookup in one.lookups:
                _follow(self.model, lookup)
            return one.parameter(None)
        # The value of one look-up's choices would keep from the others what they have.
        found = [self._filter(lookup, any_value=len(one.lookups) > 1) for lookup in one.lookups]
        return one.parameter(found[0] if found else None)

    def _filter(self, name: str, any_value: bool = False) -> FilterParameter:
        field, lookups = _follow(self.model, name)
        lookup = lookups[-1] if lookups else "exact"
        is_list = lookup in ("in", "range")
        own = getattr(field, "filter_annotation", None)
        skips_empty = True
        if lookup == "isnull":
            annotation: Any = bool
        elif own is not None:
            annotation, is_list = _own_filter(own(lookups, python_type), self.model, name)
            skips_empty = False
        elif lookup in _TEXT:
            annotation, skips_empty = str, False
        elif (part := _part_of_moment(field, lookups)) is not None:
            annotation = list[part] if is_list else part  # type: ignore[valid-type]  # a type at run time
        elif lookup in _SAME or lookup == "exact":
            base = _key_type(field)
            skips_empty = base not in (str, Any)
            if base is dt.datetime:
                base = Annotated[base, FieldRules(is_datetime=True)]
            if lookup in ("exact", "in") and not field.is_relation and not any_value:
                base, plain = chosen(field, base), base
                skips_empty = skips_empty or (base is not plain and not field.blank)
            annotation = list[base] if is_list else base  # type: ignore[valid-type]  # a type at run time
        else:
            annotation, skips_empty = str, False
        if lookup == "range":
            annotation = Annotated[annotation, Field(min_length=2, max_length=2)]
        label = str(getattr(field, "verbose_name", "") or field.name)
        return FilterParameter(name, annotation, f"{label}: {lookup.replace('_', ' ')}", is_list, skips_empty)

    def _ordering(self) -> FilterParameter:
        for name in self.ordering:
            _follow(self.model, name.lstrip("-"))
        allowed = [sign + name.lstrip("-") for name in self.ordering for sign in ("", "-")]

        def check(values: list[str]) -> list[str]:
            for value in values:
                if value not in allowed:
                    near = suggest(value, allowed)
                    hint = f" Did you mean {near!r}?" if near else f" It takes: {', '.join(allowed)}."
                    raise PydanticCustomError(
                        "ordering", "{message}", {"message": f"The list cannot be ordered by {value!r}.{hint}"}
                    )
            return values

        item = Annotated[str, Field(json_schema_extra={"enum": list(allowed)})]
        annotation = Annotated[list[item], Field(min_length=1), AfterValidator(check)]
        return FilterParameter("ordering", annotation, "Fields to order by; a minus turns one round.", True, True)

    def bind(self, values: dict[str, Any]) -> Filters:
        """Return what one request asks for."""
        return Filters(self, values)


class Filters:
    """What a request asks of a list; ``apply`` narrows and orders a queryset by it.

    Attributes:
        values: The values that were sent, by parameter.
    """

    __slots__ = ("_set", "values")

    def __init__(self, filter_set: FilterSet, values: dict[str, Any]) -> None:
        self._set = filter_set
        self.values = {name: value for name, value in values.items() if value is not None}

    def apply(self, queryset: T) -> T:
        """Return the queryset narrowed and ordered; nothing is read yet."""
        values = dict(self.values)
        search = values.pop("search", None) if self._set.search else None
        ordering = values.pop("ordering", None) if self._set.ordering else None
        for name, value in values.items():
            own = self._set.own.get(name)
            if own is not None:
                queryset = own.apply(queryset, value, any(_is_many(self._set.model, one) for one in own.lookups))
        queryset = self._filtered(
            queryset, {name: value for name, value in values.items() if name not in self._set.own}
        )
        if search:
            queryset = self._search(queryset, search)
        if ordering:
            # A tie broken by the key keeps pages apart.
            queryset = queryset.order_by(*ordering, "pk")
        return queryset

    def _filtered(self, queryset: T, values: dict[str, Any]) -> T:
        if not values:
            return queryset
        model = self._set.model
        if not any(_is_many(model, name) for name in values):
            return queryset.filter(**values)
        # A join would show a row for each of its rows there that fits.
        return queryset.filter(pk__in=model._meta.base_manager.filter(**values).values("pk"))

    def _search(self, queryset: T, text: str) -> T:
        paths = [(name.lstrip(_MARKS), self._lookup(queryset, name)) for name in self._set.search]
        for term in text.split()[:_MAX_TERMS]:
            queryset = queryset.filter(
                functools.reduce(operator.or_, (Q((f"{path}__{lookup}", term)) for path, lookup in paths))
            )
        if any(_is_many(self._set.model, path) for path, _ in paths):
            queryset = queryset.distinct()
        return queryset

    def _lookup(self, queryset: T, name: str) -> str:
        lookup = _SEARCH.get(name[0], "icontains")
        if lookup != "search":
            return lookup
        # The look-up is the project's, once covet.postgres is installed, and one database's alone.
        field, _ = _follow(self._set.model, name[1:])
        has_it = field.get_lookup("search") is not None
        return (
            lookup
            if has_it and connections[queryset._db or router.db_for_read(self._set.model)].vendor == "postgresql"
            else "icontains"
        )


def _follow(model: type[Model], name: str) -> tuple[Any, list[str]]:
    """Return the field that a name ends at, and the look-ups behind it.

    Raises:
        ImproperlyConfigured: The name does not start with a field of the model.
    """
    current: type[Model] | None = model
    field: Any = None
    parts = name.split("__")
    for index, part in enumerate(parts):
        if current is None:
            return field, parts[index:]
        found = named_field(current, part)
        if found is None:
            if field is not None:
                return field, parts[index:]
            names = [one.name for one in current._meta.fields]
            near = suggest(part, names)
            hint = f" Did you mean {near!r}?" if near else f" It has: {', '.join(names)}."
            raise ImproperlyConfigured(
                f"The list of {model._meta.label} cannot be asked for {name!r}: there is no field {part!r}.{hint}"
            )
        field = found
        current = found.related_model if found.is_relation else None
    return field, []


def _own_filter(found: tuple[Any, bool] | None, model: type[Model], name: str) -> tuple[Any, bool]:
    """Return what a field of its own kind says of the parameter, and whether it is a list."""
    if found is None:
        raise ImproperlyConfigured(
            f"The list of {model._meta.label} cannot be asked for {name!r}: no single query parameter can say its value. "
            "Declare a parameter of the endpoint, and filter by it."
        )
    return found


def _part_of_moment(field: Any, lookups: list[str]) -> Any:
    """Return the type of what the last look-up of a moment's part gives, such as a day; ``None`` where there is none."""
    parts: dict[str, Any] = dict.fromkeys(_NUMBERS, int)
    if not field.is_relation and field.get_internal_type() == "DateTimeField":
        # A member of a JSONField may have these names.
        parts.update(date=dt.date, time=dt.time)
    return next((parts[name] for name in reversed(lookups) if name in parts), None)


def _key_type(field: Any) -> Any:
    while field.is_relation and field.related_model is not None:
        field = field.related_model._meta.pk
    return python_type(field)


def _is_many(model: type[Model], path: str) -> bool:
    current: type[Model] | None = model
    for part in path.split("__"):
        field = None if current is None else named_field(current, part)
        if field is None or not field.is_relation:
            return False
        if field.many_to_many or field.one_to_many:
            return True
        current = field.related_model
    return False
