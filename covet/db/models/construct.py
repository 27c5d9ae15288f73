"""The constructor of a model, written and compiled for each class.

``Article(title="Hi", author=ann)`` runs a function whose parameters are the model's fields, in order and with their
defaults, so that Python itself does the matching. It is made when the first instance is, and made anew when a field is
added.
"""

from __future__ import annotations

import datetime
import decimal
import keyword
import uuid
from collections.abc import Callable
from typing import Any

from covet.db.models.fields.markers import DATABASE_DEFAULT, NOT_PROVIDED
from covet.db.models.signals import post_init, pre_init
from covet.db.models.state import new_state
from covet.text import suggest

__all__ = ["compile_constructor"]

_MISSING = object()
#: Values of these classes never change, so that one object may stand as the default of all instances.
_CONSTANTS = (
    bool,
    int,
    float,
    str,
    bytes,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
)


def compile_constructor(model: type[Any]) -> Callable[..., None]:
    """Return the ``__init__`` of one model class.

    Its parameters are the concrete fields by name, in order; a relation takes an instance by its name, or a key by its
    attribute. Other names reach ``_set_extra``: ``pk``, properties, and mistakes.
    """
    meta = model._meta
    space: dict[str, Any] = {
        "_c_missing": _MISSING,
        "_c_state": new_state(),
        "_c_extra": _set_extra,
        "_c_rest": _refuse_positional,
        "_c_pre": pre_init,
        "_c_send_pre": _send_pre_init,
        "_c_post": post_init,
        "_c_model": model,
    }
    parameters: list[str] = []
    keyword_only: list[str] = []
    body: list[str] = []
    relations: list[str] = []
    unusual: list[str] = []
    for index, field in enumerate(meta.concrete_fields):
        name, attname = field.name, field.attname
        default, is_expression = _default(field, f"_c_d{index}", space)
        if not name.isidentifier() or keyword.iskeyword(name):
            # The checks name it; the class must still be usable until then.
            unusual.append(name)
            body.append(f" _self_.__dict__[{attname!r}] = _extra.pop({name!r}, {default})")
        elif name != attname:
            parameters.append(f"{name}=_c_missing")
            keyword_only.append(f"{attname}=_c_missing")
            body.append(f" _self_.{attname} = {default} if {attname} is _c_missing else {attname}")
            relations.append(f" if {name} is not _c_missing: _self_.{name} = {name}")
        elif is_expression:
            parameters.append(f"{name}=_c_missing")
            body.append(f" _self_.{name} = {default} if {name} is _c_missing else {name}")
        else:
            parameters.append(f"{name}={default}")
            body.append(f" _self_.{name} = {name}")
    signature = ", ".join(["_self_", "/", *parameters, "*_rest", *keyword_only, "**_extra"])
    source = "\n".join(
        [
            f"def __init__({signature}):",
            " if _rest: _c_rest(_c_model, _rest)",
            " if _c_pre._entries: _c_send_pre(_c_model, locals())",
            " _self_._row_state = _c_state",
            *body,
            *relations,
            " if _extra: _c_extra(_self_, _extra)",
            " if _c_post._entries: _c_post.send_sync(_c_model, instance=_self_)",
        ]
    )
    exec(compile(source, f"<constructor of {meta.label}>", "exec"), space)  # noqa: S102 - made of field names alone
    made: Callable[..., None] = space["__init__"]
    made.__qualname__ = f"{model.__qualname__}.__init__"
    made.__module__ = model.__module__
    made._is_compiled = True  # type: ignore[attr-defined]
    return made


def _send_pre_init(model: type[Any], given: dict[str, Any]) -> None:
    """Tell the receivers of ``pre_init`` what the constructor got, by name."""
    kwargs = {name: value for name, value in given.items() if not name.startswith("_") and value is not _MISSING}
    kwargs.update(given["_extra"])
    pre_init.send_sync(model, args=(), kwargs=kwargs)


def _default(field: Any, name: str, space: dict[str, Any]) -> tuple[str, bool]:
    """Return the source of a field's default, and whether it must be evaluated for each instance."""
    if field.default is not NOT_PROVIDED and callable(field.default):
        space[name] = field.get_default
        return f"{name}()", True
    value = field.get_default() if not field.generated else None
    if value is None:
        return "None", False
    space[name] = value
    if value is DATABASE_DEFAULT or isinstance(value, _CONSTANTS):
        return name, False
    # A list, a dict or an unknown object: asked for each time, as the field may copy it.
    space[name] = field.get_default
    return f"{name}()", True


def _refuse_positional(model: type[Any], rest: tuple[Any, ...]) -> None:
    count = len(model._meta.concrete_fields)
    raise IndexError(
        f"{model.__name__}() takes at most {count} positional values, one for each field, and got {count + len(rest)}. "
        f"Write the names: {model.__name__}({model._meta.concrete_fields[0].name}=…)."
    )


def _set_extra(instance: Any, extra: dict[str, Any]) -> None:
    """Set what is no concrete field: ``pk`` and properties; anything else is a mistake."""
    model = type(instance)
    meta = model._meta
    for name, value in extra.items():
        if name == "pk":
            instance.pk = value
            continue
        field = meta.fields_map.get(name)
        if field is not None and getattr(field, "many_to_many", False):
            raise TypeError(
                f"{model.__name__}() cannot take the many-to-many field '{name}': the row must exist first. "
                f"Save the instance, then write `await {meta.model_name}.{name}.set(…)`."
            )
        if field is not None and getattr(field, "column_type", None) is None and not hasattr(model, name):
            raise TypeError(f"{model.__name__}() cannot take '{name}': it is the reverse side of a relation.")
        if (field is not None and hasattr(field, "contribute_to_class")) or _is_settable(model, name):
            setattr(instance, name, value)
            continue
        names = [name_ for field_ in meta.concrete_fields for name_ in (field_.name, field_.attname)]
        near = suggest(name, names)
        hint = f" Did you mean '{near}'?" if near else f" Fields are: {', '.join(dict.fromkeys(names))}."
        raise TypeError(f"{model.__name__}() has no field '{name}'.{hint}")


def _is_settable(model: type[Any], name: str) -> bool:
    for base in model.__mro__:
        if name in vars(base):
            found = vars(base)[name]
            return isinstance(found, property) or hasattr(type(found), "__set__")
    return False
