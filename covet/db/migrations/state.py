"""ProjectState: all models at one point of the history.

A ``ModelState`` never changes; an operation puts a new one in its place. So a copy of a project's state is a copy of one
dictionary, and what was derived from a model's state (its references, its table) can be kept with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from covet.db.migrations.errors import StateError
from covet.db.migrations.model_state import ModelState, renamed_options
from covet.db.migrations.renames import renamed_rule
from covet.db.migrations.render import StateApps, render
from covet.db.migrations.signature import ModelKey, clone_with
from covet.text import suggest

if TYPE_CHECKING:
    from covet.apps import Apps
    from covet.db.models.fields.base import Field

__all__ = ["ProjectState"]


class ProjectState:
    """All models of the project at one point of the history."""

    def __init__(self, models: Mapping[ModelKey, ModelState] | None = None) -> None:
        self.models: dict[ModelKey, ModelState] = dict(models or {})
        self._apps: StateApps | None = None

    @classmethod
    def from_apps(cls, apps: Apps, labels: Iterable[str] | None = None) -> ProjectState:
        """Return what the models of ``apps`` are now; ``labels`` narrows it to some apps."""
        wanted = None if labels is None else set(labels)
        state = cls()
        for model in apps.get_models(include_auto_created=False, include_swapped=True):
            if wanted is None or model._meta.app_label in wanted:
                state.add_model(ModelState.from_model(model))
        return state

    def clone(self) -> ProjectState:
        """Return an independent copy; cheap, since the states of the models are shared."""
        return ProjectState(self.models)

    @property
    def apps(self) -> StateApps:
        """The historical models as classes, in a registry of their own; built when first asked for."""
        if self._apps is None:
            self._apps = render(self.models.values())
        return self._apps

    def model(self, app_label: str, name: str) -> ModelState:
        """Return the state of one model.

        Raises:
            StateError: There is none at this point of the history.
        """
        try:
            return self.models[app_label, name.lower()]
        except KeyError:
            near = suggest(name.lower(), [model for app, model in self.models if app == app_label])
            raise StateError(
                f"There is no model {app_label}.{name} at this point of the migrations."
                + (f" Did you mean '{near}'?" if near else "")
            ) from None

    def put(self, model: ModelState) -> None:
        """Put ``model`` in the place of the one with its key."""
        self.models[model.key] = model
        self._apps = None

    def change(self, app_label: str, name: str, change: Callable[[ModelState], ModelState]) -> None:
        """Put what ``change`` makes of a model in its place."""
        self.put(change(self.model(app_label, name)))

    # ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def add_model(self, model: ModelState) -> None:
        """Add a model."""
        self.put(model)

    def remove_model(self, app_label: str, name: str) -> None:
        """Take a model out."""
        del self.models[self.model(app_label, name).key]
        self._apps = None

    def rename_model(self, app_label: str, old_name: str, new_name: str) -> None:
        """Rename a model, and what refers to it."""
        old = self.model(app_label, old_name)
        new_key = (app_label, new_name.lower())
        if new_key != old.key and new_key in self.models:
            raise StateError(f"Cannot rename {app_label}.{old_name} to {new_name}: there is a model of that name.")
        renamed: dict[ModelKey, ModelState] = {}
        for key, model in self.models.items():
            changed = model.pointed_to(old.key, f"{app_label}.{new_name}".lower())
            if key == old.key:
                changed = changed.with_changes(name=new_name)
            renamed[changed.key] = changed
        self.models = renamed
        self._apps = None

    def alter_options(self, app_label: str, name: str, options: Mapping[str, Any], keys: Iterable[str]) -> None:
        """Set ``options``; those of ``keys`` that it lacks go back to their defaults."""
        gone: dict[str, Any] = {key: None for key in keys if key not in options}
        self.change(app_label, name, lambda model: model.with_options(**{**gone, **options}))

    # ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def add_field(self, app_label: str, model_name: str, name: str, field: Field[Any]) -> None:
        """Add a field at the end."""
        model = self.model(app_label, model_name)
        if name in model.fields:
            raise StateError(f"{app_label}.{model.name} already has a field '{name}' at this point of the migrations.")
        self.put(model.with_changes(fields={**model.fields, name: field}))

    def remove_field(self, app_label: str, model_name: str, name: str) -> None:
        """Take a field out."""
        model = self.model(app_label, model_name)
        model.field(name)
        self.put(model.with_changes(fields={key: field for key, field in model.fields.items() if key != name}))

    def alter_field(self, app_label: str, model_name: str, name: str, field: Field[Any]) -> None:
        """Put another field in the place of one, at the same position."""
        model = self.model(app_label, model_name)
        model.field(name)
        self.put(model.with_changes(fields={**model.fields, name: field}))

    def rename_field(self, app_label: str, model_name: str, old_name: str, new_name: str) -> None:
        """Rename a field, and what names it: rules and options of the model, ``to_field`` of others."""
        model = self.model(app_label, model_name)
        model.field(old_name)
        if new_name in model.fields:
            raise StateError(f"Cannot rename {app_label}.{model.name}.{old_name}: there is a field '{new_name}'.")
        fields = {(new_name if name == old_name else name): field for name, field in model.fields.items()}
        options = renamed_options(model.options, old_name, new_name)
        for name, field in fields.items():
            if field.is_composite:
                fields[name] = _renamed_key(field, model, old_name, new_name)
            mine: tuple[str, ...] = getattr(field, "from_fields", ())
            if old_name in mine:
                fields[name] = clone_with(field, from_fields=_renamed(mine, old_name, new_name))
            if getattr(field, "expression", None) is not None:
                expression = renamed_rule(field.deconstruct()[3].get("expression"), old_name, new_name)
                fields[name] = clone_with(field, expression=expression)
        self.put(model.with_changes(fields=fields, options=options))
        for other in list(self.models.values()):
            self._rename_in_references(other, model.key, old_name, new_name)

    def referrers(self, key: ModelKey) -> Iterator[tuple[ModelState, str]]:
        """Yield each model and field name that refers to the model ``key``; the model itself included."""
        for model in self.models.values():
            for name, reference in model.references.items():
                if reference.to == key:
                    yield model, name

    def _rename_in_references(self, other: ModelState, key: ModelKey, old_name: str, new_name: str) -> None:
        changed = dict(other.fields)
        for name, reference in other.references.items():
            if reference.to == key and reference.to_field == old_name:
                changed[name] = clone_with(changed[name], to_field=new_name)
            theirs: tuple[str, ...] = getattr(changed[name], "to_fields", ())
            if reference.to == key and old_name in theirs:
                changed[name] = clone_with(changed[name], to_fields=_renamed(theirs, old_name, new_name))
            if reference.through == key and old_name in reference.through_fields:
                names = _renamed(reference.through_fields, old_name, new_name)
                changed[name] = clone_with(changed[name], through_fields=names)
        if any(changed[name] is not field for name, field in other.fields.items()):
            self.put(other.with_changes(fields=changed))


def _renamed(names: Iterable[str], old_name: str, new_name: str) -> tuple[str, ...]:
    return tuple([new_name if name == old_name else name for name in names])


def _renamed_key(key: Any, model: ModelState, old_name: str, new_name: str) -> Any:
    """Return a composite key in which a field has its new name."""
    names = {old_name: new_name}
    if old_name in model.references:
        names[f"{old_name}_id"] = f"{new_name}_id"
    _, _, args, kwargs = key.deconstruct()
    return type(key)(*[names.get(name, name) for name in args], **kwargs)
