"""What a field, a rule or any value of a model is, as plain data that can be compared, and what a field refers to."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from covet.i18n.lazy import LazyString

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = [
    "ModelKey",
    "Reference",
    "clone_with",
    "deep_deconstruct",
    "model_key",
    "plain_text",
    "reference_of",
    "shape_of",
    "signature",
]

ModelKey: TypeAlias = tuple[str, str]


class Reference(Struct, frozen=True):
    """What a relation field points at, as keys: lower-case model names, no classes."""

    to: ModelKey
    many: bool
    through: ModelKey | None = None
    to_field: str | None = None
    through_fields: tuple[str, ...] = ()
    parent_link: bool = False


def model_key(label: Any, app_label: str = "", model_name: str = "") -> ModelKey:
    """Return ``(app_label, model_name)`` of a model class or of a label as written in code.

    Args:
        label: A model class, ``"app.Model"``, ``"Model"`` or ``"self"``.
        app_label: The app that a label without one belongs to.
        model_name: The model that ``"self"`` is.
    """
    if not isinstance(label, str):
        return label._meta.app_label, label._meta.model_name
    label = label.lower()
    if label == "self":
        return app_label, model_name.lower()
    app, dot, name = label.rpartition(".")
    return (app, name) if dot else (app_label, name)


def reference_of(field: Field[Any], app_label: str, model_name: str) -> Reference | None:
    """Return what ``field`` of that model refers to; ``None`` for a field that is no relation."""
    if not field.is_relation or getattr(field, "remote_field", None) is None:
        return None
    kwargs = field.deconstruct()[3]
    target = kwargs.get("to")
    if target is None:
        return None
    through = kwargs.get("through")
    return Reference(
        to=model_key(target, app_label, model_name),
        many=bool(field.many_to_many),
        through=model_key(through, app_label, model_name) if through is not None else None,
        to_field=kwargs.get("to_field"),
        through_fields=tuple(kwargs.get("through_fields") or ()),
        parent_link=bool(kwargs.get("parent_link")),
    )


def clone_with(field: Field[Any], **changes: Any) -> Field[Any]:
    """Return a new, unattached field with some of its arguments changed."""
    _, _, args, kwargs = field.deconstruct()
    clone: Field[Any] = type(field)(*args, **{**kwargs, **changes})
    return clone


def plain_text(value: LazyString) -> str:
    """Return the untranslated text of a lazy one: what a migration holds must not depend on anyone's language."""
    try:
        path, args, _ = value.deconstruct()
    except TypeError:
        # Filled in with values: only the finished text is left.
        return str(value)
    return str(args[1] if path.rpartition(".")[2].startswith(("pgettext", "npgettext")) else args[0])


def deep_deconstruct(value: Any) -> Any:
    """Return ``value`` as data that compares by content: fields, rules and partials are taken apart."""
    if isinstance(value, LazyString):
        return plain_text(value)
    if isinstance(value, list):
        return [deep_deconstruct(item) for item in value]
    if isinstance(value, tuple):
        return tuple(deep_deconstruct(item) for item in value)
    if isinstance(value, dict):
        return {key: deep_deconstruct(item) for key, item in value.items()}
    if isinstance(value, functools.partial):
        return ("partial", value.func, deep_deconstruct(value.args), deep_deconstruct(value.keywords))
    if isinstance(value, re.Pattern):
        return ("pattern", value.pattern, value.flags)
    if isinstance(value, type) or not hasattr(value, "deconstruct"):
        return value
    *rest, args, kwargs = value.deconstruct()
    # A field's name is no part of what it is; a manager has two paths and whether a queryset made it.
    what = tuple(rest) if len(rest) == 3 else rest[-1]
    return (what, deep_deconstruct(list(args or ())), deep_deconstruct(dict(kwargs or {})))


def signature(field: Field[Any]) -> tuple[str, list[Any], dict[str, Any]]:
    """Return what makes two fields the same for migrations: class, arguments, but not the name."""
    _, path, args, kwargs = field.deconstruct()
    taken_apart = {key: deep_deconstruct(item) for key, item in kwargs.items()}
    for name in ("to", "through"):
        # A label in one file may be written in another case than the other side's: "auth.User", "auth.user".
        if isinstance(taken_apart.get(name), str):
            taken_apart[name] = taken_apart[name].lower()
        elif name in taken_apart:
            taken_apart[name] = ".".join(model_key(kwargs[name]))
    return path, [deep_deconstruct(item) for item in args], taken_apart


def shape_of(fields: Mapping[str, Field[Any]]) -> dict[str, Any]:
    """Return what fields are without what they refer to: the references of a renamed model to itself change too."""
    shape: dict[str, Any] = {}
    for name, field in fields.items():
        path, args, kwargs = signature(field)
        shape[name] = (path, args, {key: value for key, value in kwargs.items() if key not in {"to", "through"}})
    return shape
