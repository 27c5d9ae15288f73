"""The system checks of a model's class: what stands in its body or its ``Meta`` and cannot mean what it says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.db.models.fields.base import Field
from covet.db.models.metaclass import writes_constructor

if TYPE_CHECKING:
    from covet.checks import CheckMessage

__all__ = ["check_class", "check_targets"]

_NO_META = frozenset({"Config", "META", "meta"})
_AWAITED = frozenset({"delete", "full_clean", "refresh_from_db", "save", "validate_constraints", "validate_unique"})


def check_class(model: Any) -> Iterator[CheckMessage]:
    """Yield what is wrong with the body of the class, beside its fields one by one."""
    meta = model._meta
    if meta.proxy and (own := [*meta.local_fields, *meta.local_many_to_many]):
        yield checks.Error(
            f"The proxy has fields of its own: {', '.join(field.name for field in own)}. It has no table to keep them in.",
            hint="Move them to the model that it stands for, or take proxy = True away.",
            obj=model,
            id="models.E017",
        )
    if not inspect.ismethod(getattr(model, "check", None)) and "check" not in meta._forward_map:
        yield checks.Error(
            f"The class method '{model.__name__}.check()' is overridden by {model.check!r}: its checks never run.",
            hint="Rename it, or make it a classmethod that takes **kwargs.",
            obj=model,
            id="models.E020",
        )
    for name in meta.lost_properties:
        yield checks.Error(
            f"The property '{name}' has the name of a relation's key, which has taken its place.",
            hint="Rename the property or the relation.",
            obj=model,
            id="models.E025",
        )
    if writes_constructor(model):
        yield checks.Warning(
            f"{model.__name__}.__init__() does not run for rows that are read: these are made without it.",
            hint="What it remembers belongs into from_db() too, or into a receiver of post_init, which all instances pass.",
            obj=model,
            id="models.W056",
        )
    yield from _check_together(model)
    yield from _check_body(model)


def _check_body(model: Any) -> Iterator[CheckMessage]:
    """What was meant and does nothing: a field that was not called, a ``save()`` that nobody awaits."""
    for base in model.__mro__:
        if base.__module__.startswith("covet."):
            continue
        for name, member in vars(base).items():
            if inspect.isclass(member) and issubclass(member, Field) and member.__module__.startswith("covet."):
                yield checks.Warning(
                    f"'{name}' is the class {member.__name__} itself, and no field.",
                    hint=f"Call it: {name} = models.{member.__name__}(…).",
                    obj=model,
                    id="models.W052",
                )
            elif isinstance(member, (tuple, list)) and len(member) == 1 and isinstance(member[0], Field):
                yield checks.Warning(
                    f"'{name}' is a {type(member).__name__} that holds a field, and no field.",
                    hint="Take away the comma behind it.",
                    obj=model,
                    id="models.W054",
                )
            elif inspect.isclass(member) and name in _NO_META:
                yield checks.Warning(
                    f"'class {name}' in the body of the model says nothing.",
                    hint="Options of a model stand in class Meta.",
                    obj=model,
                    id="models.W055",
                )
        for name, method in vars(base).items():
            if not inspect.isfunction(method):
                continue
            before = "" if inspect.iscoroutinefunction(method) else f"async def {name}(…) and "
            for call in _dropped(model, method):
                yield checks.Warning(
                    f"{base.__name__}.{name}() calls {call}() and does not await it, so nothing is done.",
                    hint=f"Write {before}await {call}(…).",
                    obj=model,
                    id="models.W053",
                )


def _dropped(model: Any, method: Any) -> Iterator[str]:
    """Yield what lines such as ``super().save(…)`` or ``self.full_clean()`` call, whose coroutines go nowhere."""
    if _AWAITED.isdisjoint(method.__code__.co_names):
        return
    import ast
    import textwrap

    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, SyntaxError, TypeError):
        return  # no source to look at
    own = next(iter(method.__code__.co_varnames), "")
    lines = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for called in (line.func for line in lines if isinstance(line, ast.Call)):
        if isinstance(called, ast.Attribute) and called.attr in _AWAITED:
            target = ast.unparse(called.value)
            if target == "super()" or (target == own and inspect.iscoroutinefunction(getattr(model, called.attr))):
                yield f"{target}.{called.attr}"


def check_targets(model: Any) -> Iterator[CheckMessage]:
    """Yield the relations whose model, or model between, is nowhere."""
    meta = model._meta
    objects = [field for field in meta.private_fields if hasattr(field, "from_fields")]
    for field in (*meta.local_fields, *meta.local_many_to_many, *objects):
        remote = field.remote_field
        if remote is None:
            continue
        if isinstance(field.related_model, str):
            yield checks.Error(
                f"'{field.name}' is a relation to '{field.related_model}', which is not installed, or is abstract.",
                hint="Add its app to INSTALLED_APPS, or correct the name.",
                obj=field,
                id="fields.E300",
            )
        if isinstance(getattr(remote, "through", None), str):
            yield checks.Error(
                f"'{field.name}' goes through '{remote.through}', which is not installed.",
                hint="Add its app to INSTALLED_APPS, or correct the name.",
                obj=field,
                id="fields.E331",
            )


def _check_together(model: Any) -> Iterator[CheckMessage]:
    """``unique_together`` is a list of lists of names; one that is none was kept as it is."""
    given = model._meta.original_attrs.get("unique_together", ())
    if not isinstance(given, (list, tuple)):
        yield checks.Error(
            f"'unique_together' must be a list or tuple, and not {given!r}.",
            hint='Write unique_together = [("first", "second")].',
            obj=model,
            id="models.E010",
        )
    elif not all(isinstance(one, (list, tuple)) for one in given):
        yield checks.Error(
            f"All that stands in 'unique_together' must be lists or tuples of names: {given!r}.",
            hint='Write unique_together = [("first", "second")].',
            obj=model,
            id="models.E011",
        )
