"""ModelSchema: a schema whose fields come from a model, by class keywords."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import create_model
from pydantic._internal._model_construction import ModelMetaclass

from covet.exceptions import ImproperlyConfigured
from covet.loading import late_module
from covet.schema.base import Schema
from covet.schema.field_types import definition, resolve_names
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.schema import foreign
else:
    foreign = late_module(__name__, "covet.schema.foreign")

__all__ = ["ModelSchema"]

_KEYWORDS: Final = ("model", "fields", "exclude", "optional")
_WORDS: Final = {
    "fields_optional": "optional",
    "include": "fields",
    "model_fields": "fields",
    "partial": "optional='__all__'",
}
Names = Sequence[str] | Literal["__all__"]


class ModelSchemaMeta(ModelMetaclass):
    """Makes the fields of the model into the fields of the schema, before pydantic reads them."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        model: type[Model] | None = None,
        fields: Names | None = None,
        exclude: Iterable[str] = (),
        optional: Names | bool = (),
        **kwargs: Any,
    ) -> type[Any]:
        """Build the class; see ``ModelSchema`` for the keywords."""
        if "Meta" in namespace or "Config" in namespace:
            _refuse_inner(name, namespace)
        source = model or next((base.__covet_model__ for base in bases if hasattr(base, "__covet_model__")), None)
        if model is None and fields is None and not exclude and not optional:
            made: type[Any] = super().__new__(mcls, name, bases, namespace, **kwargs)
            if source is not None:
                _forget_replaced(made, bases, namespace)
            return made
        if source is None:
            raise ImproperlyConfigured(f"{name} has no model. Write: class {name}(ModelSchema, model=…, fields=[…])")
        declared = _declared(namespace)
        chosen = _choose(name, source, fields, tuple(exclude), declared, inherits=model is None)
        loose = _loose(name, optional, chosen)
        origins = {schema_name: field for schema_name, field in chosen.items() if schema_name not in declared}
        parts = {key: definition(field, optional=key in loose) for key, field in origins.items()}
        # The fields live in a base of their own, so that what the class body declares wins, on every Python.
        holder = create_model(  # type: ignore[call-overload]  # the definitions are known at run time only
            f"{name}Fields",
            __base__=bases if len(bases) > 1 else bases[0],
            __module__=namespace.get("__module__", __name__),
            __cls_kwargs__={"defer_build": True},
            **parts,
        )
        holder.__covet_model__ = source
        holder.__covet_fields__ = {**_inherited(bases), **origins}
        # A relation may be named by a string and its target come later: the validator is built when first used.
        kwargs.setdefault("defer_build", any(field.is_relation for field in origins.values()))
        made = super().__new__(mcls, name, (holder,), namespace, **kwargs)
        _forget_replaced(made, (holder,), namespace)
        return made


class ModelSchema(Schema, metaclass=ModelSchemaMeta):
    """A schema made from a model.

    Class keywords:
        model: The model.
        fields: The names of its fields, or ``"__all__"``. A foreign key is its key in JSON and in Python an instance
            that knows its key (``author``), or the bare key (``author_id``); a many-to-many field is a list of keys.
        exclude: All fields but these, where ``fields`` is not given.
        optional: Names that may be left out whatever the model says, or ``"__all__"`` (or True), as for a PATCH;
            ``model_dump(exclude_unset=True)`` has what was sent.

    Length, range, choices, validators, help texts and defaults come from the model. What the class body declares is
    added, or takes the place of the model's field.

    ```python
    from covet.schema import Schema

    class Point(Schema):
        x: int
        y: int = 0

    assert Point.model_validate_json(b'{"x": 1}').y == 0
    ```

    Raises:
        ImproperlyConfigured: A name is not a field of the model, or neither ``fields`` nor ``exclude`` is given.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if kwargs:  # pydantic has taken those of its configuration
            word = next(iter(kwargs))
            if word in foreign.OF_SCHEMAS:
                raise ImproperlyConfigured(
                    f"class {cls.__name__}(ModelSchema) has no keyword {word!r}: {foreign.OF_SCHEMAS[word]}."
                )
            near = _WORDS.get(word) or suggest(word, _KEYWORDS)
            hint = f"Did you mean '{near}'?" if near else f"There are: {', '.join(_KEYWORDS)}."
            raise ImproperlyConfigured(f"class {cls.__name__}(ModelSchema) has no keyword {word!r}. {hint}")
        super().__init_subclass__()

    if TYPE_CHECKING:
        # Pydantic would try to read these again for each schema of a model.
        __covet_model__: ClassVar[type[Model]]
        __covet_fields__: ClassVar[dict[str, Any]]

        # An honest limit: a checker does not know which fields the model gives.
        def __getattr__(self, name: str) -> Any: ...


def _refuse_inner(name: str, namespace: dict[str, Any]) -> None:
    """Refuse Django's ``class Meta`` and django-ninja's ``class Config``, which would make a schema without any field.

    Raises:
        ImproperlyConfigured: There is one that names a model, fields, or what REST framework says of a serializer.
    """
    for inner in ("Meta", "Config"):
        said = vars(namespace[inner]) if isinstance(namespace.get(inner), type) else {}
        others = "".join(f" {word}: {foreign.OF_SCHEMAS[word]}." for word in said if word in foreign.OF_SCHEMAS)
        if not said.keys() & {"model", "fields", "model_fields", "exclude"}:
            if others:
                raise ImproperlyConfigured(f"{name} has a class {inner}, which says nothing here.{others}")
            continue
        model = getattr(said.get("model"), "__name__", "…")
        fields = said.get("fields", said.get("model_fields"))
        rest = f"exclude={said['exclude']!r}" if fields is None and "exclude" in said else f"fields={fields or '…'!r}"
        raise ImproperlyConfigured(
            f"{name} has a class {inner}, which says nothing here: write class {name}(ModelSchema, model={model}, {rest}).{others}"
        )


def _declared(namespace: dict[str, Any]) -> set[str]:
    annotations = namespace.get("__annotations__")
    if annotations is None and sys.version_info >= (3, 14):
        # Python 3.14 keeps annotations behind a function; names that are unknown yet stay references.
        from annotationlib import Format, call_annotate_function, get_annotate_from_class_namespace

        if (annotate := get_annotate_from_class_namespace(namespace)) is not None:
            annotations = call_annotate_function(annotate, Format.FORWARDREF)
    return set(annotations or ())


def _forget_replaced(made: type[Any], bases: tuple[type[Any], ...], namespace: dict[str, Any]) -> None:
    """A field that the class body declares is no longer the model's; ``projection`` asks."""
    inherited, declared = _inherited(bases), _declared(namespace)
    if declared & inherited.keys():
        made.__covet_fields__ = {key: field for key, field in inherited.items() if key not in declared}


def _inherited(bases: tuple[type[Any], ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(bases):
        found.update(getattr(base, "__covet_fields__", {}))
    return found


def _choose(
    name: str,
    model: type[Model],
    fields: Names | None,
    exclude: tuple[str, ...],
    declared: set[str],
    *,
    inherits: bool,
) -> dict[str, Any]:
    """Return the model's fields by their names in the schema, in order."""
    meta = model._meta
    known: dict[str, Any] = {field.name: field for field in (*meta.concrete_fields, *meta.many_to_many)}
    offered = list(known)
    known.update({field.attname: _Attname(field) for field in meta.concrete_fields if field.attname != field.name})
    known["pk"] = meta.pk
    where = f"{name} of {meta.label}"
    resolve_names(exclude, known, where)
    if fields is None and exclude:
        return {key: known[key] for key in offered if key not in exclude}
    if fields == "__all__":
        return {key: known[key] for key in offered if key not in exclude}
    if fields is None:
        if inherits:
            return {}
        raise ImproperlyConfigured(
            f"{name} does not say which fields of {meta.label} it shows. Write fields=[…], exclude=[…] or fields='__all__'."
        )
    if isinstance(fields, str):
        raise ImproperlyConfigured(f"{name}: fields is a list of names or '__all__', not {fields!r}.")
    wanted = [key for key in fields if key not in declared]
    resolve_names(wanted, known, where)
    return {key: known[key] for key in wanted if key not in exclude}


def _loose(name: str, optional: Names | bool, chosen: dict[str, Any]) -> set[str]:
    if optional is True or optional == "__all__":
        return set(chosen)
    if not optional:
        return set()
    names = list(optional)
    resolve_names(names, chosen, f"{name}: optional")
    return set(names)


class _Attname:
    """A foreign key under its column's name: the bare key, no instance."""

    is_relation = False
    many_to_many = False

    def __init__(self, field: Any) -> None:
        self._field = field
        self.name = field.attname

    def __getattr__(self, name: str) -> Any:
        return getattr(self._field, name)
