"""Every app's ``schema.py`` to one schema: plain classes named Query, Mutation and Subscription, field by field.

A name that two apps define is an error that names both: nothing is overridden silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

import strawberry
from strawberry.exceptions import StrawberryException
from strawberry.extensions import SchemaExtension
from strawberry.types.base import has_object_definition
from strawberry.utils.str_converters import capitalize_first, to_camel_case

from covet.db.models.base import Model
from covet.exceptions import ImproperlyConfigured
from covet.graphql.engine import Schema
from covet.graphql.fields import RootField
from covet.graphql.limits import Limits
from covet.graphql.mutations import make_input
from covet.graphql.types import ModelType, model_type_of

__all__ = ["ROOTS", "Registry", "build_schema"]

ROOTS: Final = ("Query", "Mutation", "Subscription")


class Registry:
    """What all apps' schema modules hold: model types, and inputs made from schemas."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self.types: dict[type[Model], list[ModelType]] = {}
        self._inputs: dict[tuple[str, bool], tuple[Any, Any]] = {}
        names: dict[str, type[Any]] = {}
        for module in modules:
            for value in vars(module).values():
                if not isinstance(value, type) or not has_object_definition(value) or value.__name__ in ROOTS:
                    continue
                definition = value.__strawberry_definition__
                if definition.origin is not value:
                    continue
                twin = names.setdefault(definition.name, value)
                if twin is not value:
                    raise ImproperlyConfigured(
                        f"The GraphQL type {definition.name!r} is defined twice: by {_path(twin)} and by {_path(value)}. "
                        "Rename one of the classes, or give it name=…."
                    )
                found = model_type_of(value)
                if found is not None and found not in self.types.setdefault(found.model, []):
                    self.types[found.model].append(found)

    def type_for(self, model: type[Model], wanted_by: ModelType) -> ModelType | None:
        """Return the GraphQL type that stands for a model in relations; None if it has none.

        Raises:
            ImproperlyConfigured: It has several and none is the default.
        """
        found = self.types.get(model) or self.types.get(model._meta.concrete_model or model) or []
        if len(found) < 2:
            return found[0] if found else None
        marked = [one for one in found if one.default]
        if len(marked) == 1:
            return marked[0]
        raise ImproperlyConfigured(
            f"{wanted_by.label} has a relation to {model.__name__}, which has several GraphQL types: "
            f"{', '.join(one.label for one in found)}. Mark one of them with default=True, or annotate the field."
        )

    def input_for(self, schema: Any, *, partial: bool = False) -> Any:
        """Return the input type of a schema, made once.

        Raises:
            ImproperlyConfigured: Another schema has the same name.
        """
        key = (schema.__name__, partial)
        known = self._inputs.get(key)
        if known is None:
            known = self._inputs[key] = (schema, make_input(schema, self, partial=partial))
        elif known[0] is not schema:
            raise ImproperlyConfigured(
                f"The GraphQL input {schema.__name__!r} is made from two schemas: {_path(known[0])} and {_path(schema)}. "
                "Rename one of the classes."
            )
        return known[1]

    def name_of(self, field: RootField) -> str:
        """Return the name for the types that a root field brings, such as ``Articles``."""
        return capitalize_first(to_camel_case(field.graphql_name or field.python_name))

    def link(self) -> None:
        """Give every model type its fields."""
        for kinds in self.types.values():
            for kind in kinds:
                kind.link(self)
                for field in kind.definition.fields:
                    if isinstance(field, RootField):
                        raise ImproperlyConfigured(
                            f"{field.where}: node(), connection() and mutations belong on Query and Mutation; "
                            "on a type, name the relation in fields=[…]."
                        )


def build_schema(
    modules: Mapping[str, ModuleType],
    *,
    limits: Limits,
    introspection: bool,
    debug: bool,
    extensions: Sequence[type[SchemaExtension]] = (),
) -> Schema | None:
    """Return the schema of all apps; None if no app has a Query.

    Args:
        modules: The apps' schema modules by app name, in the order of INSTALLED_APPS.
        limits: What a document may have at most.
        introspection: Whether clients may ask for the schema.
        debug: Show the text of unexpected errors.
        extensions: Strawberry's schema extensions.

    Raises:
        ImproperlyConfigured: A name is defined twice, or a declaration cannot be used.
    """
    registry = Registry(modules.values())
    registry.link()
    roots = {name: _merge(name, modules) for name in ROOTS}
    query = roots["Query"]
    if query is None:
        extra = [name for name in ROOTS[1:] if roots[name] is not None]
        if extra:
            raise ImproperlyConfigured(
                f"The apps define {' and '.join(extra)} but no Query; a GraphQL schema needs at least one query field."
            )
        return None
    for root in roots.values():
        for field in root.__strawberry_definition__.fields if root is not None else ():
            if isinstance(field, RootField):
                field.link(registry)
    types = [kind.cls for kinds in registry.types.values() for kind in kinds]
    try:
        return Schema(
            query,
            roots["Mutation"],
            roots["Subscription"],
            types=types,
            extensions=extensions,
            limits=limits,
            introspection=introspection,
            debug=debug,
        )
    except (StrawberryException, NameError, ValueError, TypeError) as error:
        if isinstance(error, ImproperlyConfigured):
            raise
        raise ImproperlyConfigured(f"The GraphQL schema cannot be built: {error}") from error


def _merge(name: str, modules: Mapping[str, ModuleType]) -> Any:
    """Return one class with the fields of every app's class of that name; None if there is none."""
    classes: list[type[Any]] = []
    owners: dict[str, str] = {}
    for app, module in modules.items():
        cls = vars(module).get(name)
        if cls is None or cls in classes:
            continue
        if not isinstance(cls, type):
            raise ImproperlyConfigured(f"{module.__name__}.{name} is a class with the app's fields, not {cls!r}.")
        if not has_object_definition(cls) or cls.__strawberry_definition__.origin is not cls:
            try:
                strawberry.type(cls)
            except StrawberryException as error:
                raise ImproperlyConfigured(f"{module.__name__}.{name} cannot be used: {error.message}") from error
        for field in cls.__strawberry_definition__.fields:  # type: ignore[attr-defined]  # just made
            shown = field.graphql_name or to_camel_case(field.python_name)
            other = owners.setdefault(shown, app)
            if other != app:
                raise ImproperlyConfigured(
                    f"The GraphQL field {name}.{shown} is defined by two apps: '{other}' and '{app}'. Rename one of them."
                )
        classes.append(cls)
    if not owners:
        return None
    merged = type(name, tuple(classes), {"__doc__": None, "__annotations__": {}, "__module__": __name__})
    return strawberry.type(merged, name=name)


def _path(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
