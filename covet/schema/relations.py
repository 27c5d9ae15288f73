"""What a schema reads: columns of its model's rows, and related rows, so that they can be loaded before it is written."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from msgspec import Struct, field
from pydantic import AliasChoices, AliasPath, BeforeValidator, PlainValidator, WrapValidator

from covet.exceptions import FieldDoesNotExist
from covet.schema.base import Schema
from covet.schema.markers import marker_of, read_alias

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from covet.db.models.base import Model

__all__ = ["Needs", "named_field", "needs", "relation_of", "schemas_in"]

_MAX_DEPTH = 6
_BEFORE = (BeforeValidator, PlainValidator, WrapValidator)


class Needs(Struct, frozen=True):
    """The relations that a schema shows, and the columns that it reads.

    Attributes:
        select: Paths of single rows, for ``select_related``.
        prefetch: Paths of many rows, for ``prefetch_related``.
        columns: By path (``""`` for the rows themselves) the names of the fields that are read; ``None`` for all.
    """

    select: tuple[str, ...] = ()
    prefetch: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.select or self.prefetch)


def needs(schema: type[Schema], model: type[Model]) -> Needs:
    """Return what to load with the rows of a model before this schema can be filled from them."""
    reading = _Reading()
    reading.collect(schema, model, "", many=False, whole=False, depth=0)
    columns = {path: None if names is None else tuple(names) for path, names in reading.columns.items()}
    return Needs(tuple(reading.select), tuple(reading.prefetch), columns)


class _Ended(Struct, frozen=True):
    """The relation at which the path of a field ends, and the rows that have it.

    Attributes:
        relation: The relation, one of theirs or one that others have to them.
        name: Its attribute.
        prefix: Their path.
        many: Whether they are read beside lists.
        is_far: Whether other rows stand between them and the schema's.
    """

    relation: Any
    name: str
    prefix: str
    many: bool
    is_far: bool


class _Reading:
    """What is read, gathered along the relations."""

    def __init__(self) -> None:
        self.select: list[str] = []
        self.prefetch: list[str] = []
        self.columns: dict[str, dict[str, None] | None] = {"": {}}

    def collect(
        self,
        schema: type[Schema],
        model: type[Model],
        prefix: str,
        *,
        many: bool,
        whole: bool,
        depth: int,
        came_by: Any = None,
    ) -> None:
        """Add what a schema reads of the rows at a prefix, and below; ``came_by`` is the relation that led there."""
        here = prefix.removesuffix("__")
        found = _columns(schema, model)
        whole = whole or found is None
        if whole:
            self.columns[here] = None
        self._add(here, found or ())
        if depth > _MAX_DEPTH:  # a schema that holds itself: what lies deeper is loaded when it is awaited
            return
        for name, info in schema.model_fields.items():
            for steps in _places(schema, name, info):
                ended = self._follow(steps, model, prefix, many=many)
                if ended is not None:
                    self._show(schema, name, info, ended, whole=whole, depth=depth, came_by=came_by)

    def _show(
        self, schema: type[Schema], name: str, info: FieldInfo, ended: _Ended, *, whole: bool, depth: int, came_by: Any
    ) -> None:
        """Add the related rows that a field shows; a bare key stands in the row itself."""
        relation, prefix = ended.relation, ended.prefix
        here = prefix.removesuffix("__")
        path = prefix + ended.name
        is_many = bool(relation.many_to_many or relation.one_to_many)
        inner = schemas_in(info.annotation)
        marker = marker_of(info)
        if not inner and not is_many and (marker is None or not marker.reads):
            self._add(here, (ended.name,) if ended.is_far and relation.concrete else ())
            return
        below = ended.many or is_many
        chosen = self.prefetch if below else self.select
        if path not in chosen:
            chosen.append(path)
        is_list_of_keys = not inner and (marker is not None or name in getattr(schema, "__covet_fields__", {}))
        is_whole = whole or _is_handed_over(schema, name) or len(inner) > 1 or (not inner and not is_list_of_keys)
        if is_whole:
            self.columns[path] = None
        else:
            self.columns.setdefault(path, {})
        self._match(here, path, relation)
        if inner:
            self.collect(
                inner[0],
                relation.related_model,
                f"{path}__",
                many=below,
                whole=is_whole,
                depth=depth + 1,
                came_by=relation,
            )
        else:
            self._add(path, (relation.related_model._meta.pk.name, *(() if marker is None else marker.reads)))
        if not ended.is_far and came_by is not None and getattr(relation, "remote_field", None) is came_by:
            self._is_owner(path, here.rpartition("__")[0])

    def _follow(self, steps: Sequence[str | int], model: type[Model], prefix: str, *, many: bool) -> _Ended | None:
        """Add what ``AliasPath("author", "name")`` reads, and return the relation that stands at its end, if one does.

        A path through anything but single rows is pydantic's affair.
        """
        start = prefix
        for step in steps[:-1]:
            relation = relation_of(model, step) if isinstance(step, str) else None
            if relation is None or relation.many_to_many or relation.one_to_many:
                return None
            path = f"{prefix}{step}"
            chosen = self.prefetch if many else self.select
            if path not in chosen:
                chosen.append(path)
                self.columns.setdefault(path, {})
            self._match(prefix.removesuffix("__"), path, relation)
            model, prefix = relation.related_model, f"{path}__"
        last = steps[-1]
        relation = relation_of(model, last) if isinstance(last, str) else None
        if isinstance(last, str) and relation is not None:
            return _Ended(relation, last, prefix, many, prefix != start)
        if prefix != start:
            read = [one.name for one in model._meta.concrete_fields if last in (one.name, one.attname)]
            here = prefix.removesuffix("__")
            if read:
                self._add(here, read)
            else:
                self.columns[here] = None  # a property, which may read anything
        return None

    def _is_owner(self, path: str, owner: str) -> None:
        """Note that the rows at ``path`` are those at ``owner``, which led there: whoever reads these reads for both."""
        columns = self.columns[path]
        if columns is None:
            self.columns[owner] = None
        else:
            self._add(owner, columns)
        if path in self.prefetch:
            self.columns[path] = None  # it is there, and no statement is to read it

    def _match(self, here: str, path: str, relation: Any) -> None:
        """Add the columns by which rows and related rows find one another."""
        forward, reverse = getattr(relation, "field", None), relation
        if relation.many_to_many:
            many = relation if forward is None or relation.concrete else forward
            ends = getattr(many, "through_keys", None)
            if ends is None:
                self.columns[here] = self.columns[path] = None
                return
            keys = ends()
            near, far = keys if many is relation else keys[::-1]
            self._add(here, (near.target_field.name,))
            self._add(path, (far.target_field.name,))
            return
        key: Any = relation if relation.concrete else forward
        if getattr(key, "target_field", None) is None or not getattr(key, "concrete", False):
            # By other ways than a column: whatever it may be.
            self.columns[here] = self.columns[path] = None
        elif reverse.concrete:
            self._add(here, (key.name,))
            self._add(path, (key.target_field.name,))
        else:
            self._add(here, (key.target_field.name,))
            self._add(path, (key.name,))

    def _add(self, path: str, names: Iterable[str]) -> None:
        columns = self.columns.get(path)
        if columns is not None:
            columns.update(dict.fromkeys(names))


def _places(schema: type[Schema], name: str, info: FieldInfo) -> list[Sequence[str | int]]:
    """Return where pydantic looks for a field in a row: the steps of each of its names."""
    alias = read_alias(info)
    if alias is None:
        return [(name,)]
    found: list[Sequence[str | int]] = [
        one.path if isinstance(one, AliasPath) else (one,)
        for one in (alias.choices if isinstance(alias, AliasChoices) else (alias,))
    ]
    if _is_read_by_name(schema) and (name,) not in found:
        found.append((name,))
    return found


def _is_read_by_name(schema: type[Schema]) -> bool:
    """Whether a field that has another name is found by its own, too."""
    return bool(schema.model_config.get("populate_by_name") or schema.model_config.get("validate_by_name"))


def _columns(schema: type[Schema], model: type[Model]) -> list[str] | None:
    """Return the fields that a schema reads of a row.

    None where that cannot be told: it shows a property, which may read any of them, or is handed the row as it is.
    """
    if not _reads_by_name(schema):
        return None
    meta = model._meta
    names = {"pk": meta.pk, **{name: field for field in meta.concrete_fields for name in (field.name, field.attname)}}
    by_name = _is_read_by_name(schema)
    found: list[str] = []
    for name, info in schema.model_fields.items():
        alias = read_alias(info)
        if alias is not None and not (
            by_name and isinstance(alias, str) and alias not in names and not hasattr(model, alias)
        ):
            return None
        marker = marker_of(info)
        if marker is not None and marker.is_self:
            if not all(one in names for one in marker.reads):
                return None
            found += [names[one].name for one in marker.reads]
            continue
        column = names.get(name)
        if column is None:
            if relation_of(model, name) is None:
                return None
            continue  # rows of their own
        found += [one.name for one in meta.pk_fields] if column.is_composite else [column.name]
    return found


def _reads_by_name(schema: type[Schema]) -> bool:
    """Whether a schema takes from a row what its fields are called, and no validator has the row first."""
    decorators = schema.__pydantic_decorators__
    if decorators.root_validators or any(one.info.mode != "after" for one in decorators.model_validators.values()):
        return False
    own = schema.__mro__[: schema.__mro__.index(Schema)]
    return not any(
        name in vars(base) for base in own for name in ("__get_pydantic_core_schema__", "model_validate", "__init__")
    )


def _is_handed_over(schema: type[Schema], name: str) -> bool:
    """Whether a validator is given the related rows, and not the schema alone."""
    if any(isinstance(one, _BEFORE) for one in schema.model_fields[name].metadata):
        return True
    return any(
        name in one.info.fields or "*" in one.info.fields
        for one in schema.__pydantic_decorators__.field_validators.values()
        if one.info.mode != "after"
    )


def relation_of(model: type[Model], name: str) -> Any:
    """Return the relation of a model, one of its own or one that others have to it, by its attribute; None without one."""
    if name == "pk":
        return None
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        for relation in model._meta.related_objects:
            if relation.get_accessor_name() == name:
                return relation
        return None
    return field if field.is_relation and field.name == name else None


def named_field(model: type[Model], name: str) -> Any:
    """Return the field or reverse relation that one part of a path names, ``pk`` and ``author_id`` too; None without one."""
    if name == "pk":
        return model._meta.pk
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def schemas_in(annotation: Any) -> list[type[Schema]]:
    """Return the schemas that an annotation holds, through ``list``, ``Optional``, ``Annotated`` and unions."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, Schema) else []
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        arguments = arguments[:1]
    elif origin not in (Union, types.UnionType, list, tuple, set, frozenset, dict):
        return []
    return [schema for argument in arguments for schema in schemas_in(argument)]
