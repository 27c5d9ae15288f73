"""``@graphql.type(Model, fields=[…])``: a Strawberry type whose fields are a model's.

The decorator only marks the class: which type stands for which model is known when every app's ``schema.py`` has been
read, and then ``link`` gives the class its fields. A relation whose model has no GraphQL type is shown as its key.
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, EnumType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import strawberry
from msgspec import Struct, field
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from covet.db.models.base import Model
from covet.db.models.manager import BaseManager
from covet.db.models.query.hydrate import MISSING
from covet.db.models.query.queryset import QuerySet
from covet.exceptions import FieldDoesNotExist, ImproperlyConfigured, ObjectDoesNotExist
from covet.graphql.scalars import column_annotation
from covet.text import suggest

if TYPE_CHECKING:
    from covet.graphql.merge import Registry

__all__ = ["ColumnField", "KeyField", "ManyField", "ModelType", "OneField", "model_type_of", "type"]

Cls = TypeVar("Cls", bound=builtins.type[Any])

MARK = "__covet_graphql__"


class ModelType(Struct, eq=False):
    """What the decorator was told, and the class it stands on.

    Attributes:
        model: The model.
        cls: The Strawberry class.
        names: The model's fields to show, or None for all but ``exclude``.
        own: The fields that the class body defines.
        default: Whether this type stands for the model in relations when there are several.
    """

    model: builtins.type[Model]
    cls: builtins.type[Any]
    names: tuple[str, ...] | None
    exclude: frozenset[str]
    enums: bool | frozenset[str]
    default: bool
    own: list[StrawberryField] = field(default_factory=list)

    @property
    def definition(self) -> StrawberryObjectDefinition:
        """Strawberry's own description of the class."""
        found: StrawberryObjectDefinition = self.cls.__strawberry_definition__
        return found

    @property
    def label(self) -> str:
        """The class's dotted name, for messages."""
        return f"{self.cls.__module__}.{self.cls.__qualname__}"

    async def queryset(self, info: Any) -> QuerySet[Any]:
        """Return the rows that may be seen at all: the model's default manager, through the class's ``get_queryset``.

        Raises:
            TypeError: That gave no queryset.
        """
        rows: QuerySet[Any] = self.model._meta.default_manager.all()
        narrow = getattr(self.cls, "get_queryset", None)
        if narrow is None:
            return rows
        narrowed = narrow(rows, info)
        if inspect.iscoroutine(narrowed):  # a queryset is awaitable, too, and that would run it
            narrowed = await narrowed
        if isinstance(narrowed, BaseManager):
            narrowed = narrowed.get_queryset()
        if not isinstance(narrowed, QuerySet):
            raise TypeError(f"{self.label}.get_queryset() returns a queryset, and gave {narrowed!r}.")
        return narrowed

    def link(self, registry: Registry) -> None:
        """Give the class its fields, now that every model's type is known."""
        declared = {own.python_name: own for own in self.own}
        fields: list[StrawberryField] = []
        for name in self._names():
            override = declared.pop(name, None)
            if override is not None and override.base_resolver is not None:
                declared[name] = override
                continue
            made = self._make(name, registry)
            if override is not None:
                made.type_annotation = override.type_annotation
                made.description = override.description or made.description
            fields.append(made)
        self.definition.fields[:] = [*fields, *declared.values()]

    def _names(self) -> Sequence[str]:
        if self.names is not None:
            return self.names
        meta = self.model._meta
        columns = [column.name for column in meta.fields if column.name not in self.exclude]
        return columns + [many.name for many in meta.many_to_many if many.name not in self.exclude]

    def _make(self, name: str, registry: Registry) -> StrawberryField:
        found = self._lookup(name)
        if not found.is_relation:
            kind = EnumColumnField if isinstance(getattr(found, "enum", None), EnumType) else ColumnField
            return kind(found, self._column(found))
        if found.many_to_many or found.one_to_many:
            target = registry.type_for(found.related_model, self)
            inner = strawberry.ID if target is None else target.cls
            return ManyField(name, found, target, list[inner])  # type: ignore[valid-type]
        target = registry.type_for(found.related_model, self)
        is_reverse = getattr(found, "attname", None) is None
        is_null = is_reverse or found.null
        if target is None and not is_reverse:
            return KeyField(found, strawberry.ID | None if is_null else strawberry.ID)
        one = strawberry.ID if target is None else target.cls
        return OneField(name, found, target, one | None if is_null else one)

    def _lookup(self, name: str) -> Any:
        meta = self.model._meta
        try:
            return meta.pk if name == "pk" else meta.get_field(name)
        except FieldDoesNotExist:
            pass
        names = [one.name for one in (*meta.fields, *meta.many_to_many)]
        for relation in meta.related_objects:
            accessor = relation.get_accessor_name()
            if accessor == name:
                return relation
            if accessor:
                names.append(accessor)
        near = suggest(name, names)
        hint = f" Did you mean '{near}'?" if near else f" It has: {', '.join(names)}."
        raise ImproperlyConfigured(f"{self.label} shows the field '{name}', which {meta.label} does not have.{hint}")

    def _column(self, column: Any) -> Any:
        annotation = column_annotation(column)
        if column.choices and (self.enums is True or (self.enums and column.name in self.enums)):
            annotation = _enum(self.definition.name, column)
        return annotation | None if column.null else annotation


class ColumnField(StrawberryField):
    """A column of a model: answered from the instance, which loads it if the selection did not."""

    def __init__(self, column: Any, annotation: Any) -> None:
        super().__init__(
            python_name=column.name,
            type_annotation=StrawberryAnnotation(annotation),
            description=str(column.help_text) or None,
        )
        self.column = column
        self.attname: str = column.attname

    def __copy__(self) -> Self:
        made = builtins.type(self)(self.column, None)
        made.type_annotation, made.description = self.type_annotation, self.description
        return made

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """Return the value, or a coroutine that loads it."""
        try:
            return source.__dict__[self.attname]
        except KeyError:
            return self._load(source)

    async def _load(self, source: Any) -> Any:
        if isinstance(source, Model):
            source = await source
        return getattr(source, self.attname)


class EnumColumnField(ColumnField):
    """A column with members of a Python enumeration: answered by their values, texts or numbers."""

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """Return the member's value, or a coroutine that loads it."""
        found = super().get_result(source, info, args, kwargs)
        return found.value if isinstance(found, Enum) else found

    async def _load(self, source: Any) -> Any:
        found = await super()._load(source)
        return found.value if isinstance(found, Enum) else found


class KeyField(ColumnField):
    """A foreign key whose model has no GraphQL type: shown as the key."""


class _RelationField(StrawberryField):
    """A relation to rows of another GraphQL type.

    Attributes:
        relation: The model's field, or the relation that points at it.
        target: The GraphQL type of the related model; None shows keys.
    """

    def __init__(self, name: str, relation: Any, target: ModelType | None, annotation: Any) -> None:
        super().__init__(
            python_name=name,
            type_annotation=StrawberryAnnotation(annotation),
            description=str(getattr(relation, "help_text", "")) or None,
        )
        self.relation = relation
        self.target = target

    def __copy__(self) -> Self:
        made = builtins.type(self)(self.python_name, self.relation, self.target, None)
        made.type_annotation, made.description = self.type_annotation, self.description
        return made


class OneField(_RelationField):
    """A relation to one row: a foreign key, or either side of a one-to-one."""

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """Return the related instance as it is; its fields load themselves if need be."""
        attname = getattr(self.relation, "attname", None)
        if attname is None:
            return self._reverse(source, getattr(source, self.relation.cache_name, None))
        if attname not in source.__dict__:
            return self._load(source)
        return getattr(source, self.python_name)

    async def _load(self, source: Any) -> Any:
        return getattr(await source, self.python_name)

    def _reverse(self, source: Any, cached: Any) -> Any:
        if cached is MISSING:  # a join has looked and found none
            return None
        return self._find(source) if cached is None else self._shown(cached)

    async def _find(self, source: Any) -> Any:
        try:
            return self._shown(await getattr(source, self.python_name))
        except ObjectDoesNotExist:
            return None

    def _shown(self, row: Any) -> Any:
        return row if self.target is not None else row.pk


class ManyField(_RelationField):
    """A relation to many rows; prefetched by the selection, else one query of its own."""

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """Return the rows, or a coroutine that loads them."""
        rows = getattr(source, self.python_name).all()
        return self.shown(rows) if rows.is_evaluated else self._load(rows)

    async def _load(self, rows: Any) -> list[Any]:
        return self.shown(await rows)

    def shown(self, rows: Iterable[Any]) -> list[Any]:
        """Return loaded rows as they are shown: themselves, or their keys."""
        return list(rows) if self.target is not None else [row.pk for row in rows]


def type(
    model: builtins.type[Model],
    *,
    fields: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    name: str | None = None,
    description: str | None = None,
    enums: bool | Iterable[str] = False,
    default: bool = False,
) -> Callable[[Cls], Cls]:
    """Make a class the GraphQL type of a model.

    Args:
        model: The model.
        fields: The names of its fields, relations and reverse relations to show.
        exclude: Show all columns and many-to-many fields but these, instead of ``fields``.
        name: The name in GraphQL; the class's when left out.
        description: What GraphiQL shows; the class's docstring when left out.
        enums: Show fields with choices as GraphQL enums: True, or their names. A value outside the choices is then an
            error, so leave out fields whose rows may hold others.
        default: This type stands for the model in relations, where a model has several types.

    Raises:
        ImproperlyConfigured: Neither fields nor exclude is given, or both are.

    Example:
        @graphql.type(Article, fields=["id", "title", "author"])
        class ArticleType: ...
    """
    if (fields is None) == (exclude is None):
        raise ImproperlyConfigured(
            f"@graphql.type({model.__name__}, …) needs either fields=[…], the names to show, or exclude=[…]."
        )

    def mark(cls: Cls) -> Cls:
        made = ModelType(
            model=model,
            cls=cls,
            names=None if fields is None else tuple(fields),
            exclude=frozenset(exclude or ()),
            enums=enums if isinstance(enums, bool) else frozenset(enums),
            default=default,
        )
        if "is_type_of" not in vars(cls):
            cls.is_type_of = staticmethod(lambda row, info: isinstance(row, (model, cls)))
        made.cls = strawberry.type(cls, name=name, description=description or _docstring(cls))
        made.own = list(made.definition.fields)
        setattr(made.cls, MARK, made)
        return cls

    return mark


def model_type_of(annotated: Any) -> ModelType | None:
    """Return the mark of a class that ``@graphql.type`` decorated."""
    if not isinstance(annotated, builtins.type):
        return None
    found: ModelType | None = vars(annotated).get(MARK)
    return found


def _docstring(cls: builtins.type[Any]) -> str | None:
    text = vars(cls).get("__doc__")
    return " ".join(text.split()) if text else None


def _enum(type_name: str, column: Any) -> Any:
    import enum

    members: Mapping[str, Any] = {
        _member(str(value)): value for value, _ in column.flatchoices if value not in ("", None)
    }
    name = f"{type_name}{column.name.title().replace('_', '')}"
    if not members or not all(member.isidentifier() for member in members):
        raise ImproperlyConfigured(
            f"The choices of {column} have values that cannot be names in the GraphQL enum {name}."
        )
    kind: Any = enum.Enum  # Any: checkers follow the functional form for literals only
    made = kind(name, dict(members))
    return strawberry.enum(made, name=name)


def _member(value: str) -> str:
    text = "".join(letter if letter.isalnum() else "_" for letter in value).upper()
    return text if not text[:1].isdigit() else f"VALUE_{text}"
