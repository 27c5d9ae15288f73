"""Historical models: the states of models as real model classes, in a registry of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from covet.apps import Apps
from covet.db.migrations.errors import InvalidBases, StateError
from covet.db.migrations.model_state import ModelState
from covet.db.migrations.signature import ModelKey

__all__ = ["StateApps", "render"]

_MODULE = "covet.db.migrations.historical"


class StateApps(Apps):
    """The registry of the models of one state; ``get_model`` is what ``RunPython`` functions use."""

    def __init__(self) -> None:
        super().__init__(ready=True)

    def __repr__(self) -> str:
        return f"<StateApps {', '.join(sorted(self.all_models))}>"


def render(models: Iterable[ModelState]) -> StateApps:
    """Return a registry with a class for each model.

    The classes have the fields, Meta options, managers and importable bases of the models, none of their methods.

    Raises:
        StateError: A model refers to one that is not among ``models``.
        InvalidBases: A model's bases are not among them, or they are bases of each other.
    """
    states = {model.key: model for model in models}
    _require_complete(states)
    apps = StateApps()
    with apps.use():
        for model in _bases_first(states):
            _render_model(model, apps)
    return apps


def _render_model(model: ModelState, apps: StateApps) -> None:
    options: dict[str, Any] = {key: value for key, value in model.options.items() if key != "unique_together"}
    together = sorted(model.options["unique_together"])
    if together:
        options["unique_together"] = together
    options["indexes"] = [index.clone() for index in options["indexes"]]
    options["constraints"] = [constraint.clone() for constraint in options["constraints"]]
    if options.get("proxy"):
        del options["indexes"], options["constraints"]
    meta = type("Meta", (), {**options, "app_label": model.app_label, "apps": apps})
    bases = tuple(apps.get_model(base, require_ready=False) if isinstance(base, str) else base for base in model.bases)
    body: dict[str, Any] = {name: field.clone() for name, field in model.fields.items()}
    body.update({name: _copy_manager(manager) for name, manager in model.managers})
    body.update({name: _plain_manager() for name in _left_out(model) if name not in body})
    body.update({"Meta": meta, "__module__": _MODULE, "__qualname__": model.name})
    metaclass: Any = type(next(base for base in bases if hasattr(base, "add_to_class")))
    metaclass(model.name, bases, body)


def _left_out(model: ModelState) -> Iterator[str]:
    """Yield the managers that the class has in code, and the history does not keep: plain ones stand for them.

    Meta may name one, which must be there; beside any that is declared, the class makes no ``objects`` by itself.
    """
    named = [name for option in ("default_manager_name", "base_manager_name") if (name := model.options.get(option))]
    if named or model.managers:
        yield from ("objects", *named)


def _plain_manager() -> Any:
    from covet.db.models.manager import Manager

    return Manager()


def _copy_manager(manager: Any) -> Any:
    """Return a manager of its own for each class, made by the arguments that it was made with."""
    deconstruct = getattr(manager, "deconstruct", None)
    if deconstruct is None:
        return type(manager)()
    as_manager, _, queryset_path, args, kwargs = deconstruct()
    if as_manager:
        from covet.loading import import_string

        return import_string(queryset_path).as_manager()
    return type(manager)(*args, **kwargs)


def _bases_first(states: dict[ModelKey, ModelState]) -> Iterator[ModelState]:
    done: set[ModelKey] = set()
    waiting = list(states.values())
    while waiting:
        ready = [model for model in waiting if all(key in done for key in model.base_keys)]
        if not ready:
            names = ", ".join(f"{model.app_label}.{model.name}" for model in waiting)
            raise InvalidBases(f"These models wait for each other as bases: {names}.")
        yield from ready
        done.update(model.key for model in ready)
        waiting = [model for model in waiting if model.key not in done]


def _require_complete(states: dict[ModelKey, ModelState]) -> None:
    for model in states.values():
        for key in model.base_keys:
            if key not in states:
                raise InvalidBases(
                    f"{model.app_label}.{model.name} has the base {'.'.join(key)}, which is not there at this point of the "
                    f"migrations. Add the migration of {key[0]} that creates it to the dependencies."
                )
        for name, reference in model.references.items():
            for target in (reference.to, reference.through):
                if target is not None and target not in states:
                    raise StateError(
                        f"{model.app_label}.{model.name}.{name} refers to {'.'.join(target)}, which is not there at this "
                        f"point of the migrations. Add the migration of '{target[0]}' that creates it to the dependencies, "
                        "or put the app into INSTALLED_APPS."
                    )
