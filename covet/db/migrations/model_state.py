"""ModelState: one model as migrations know it, and what can be worked out from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from covet.db.migrations.errors import StateError
from covet.db.migrations.renames import renamed_rule, renamed_text
from covet.db.migrations.signature import ModelKey, Reference, clone_with, model_key, reference_of
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.fields.base import Field

__all__ = ["ModelState", "renamed_options"]

# Meta names that say where a class lives in the code, not what the model is.
_CODE_ONLY = frozenset({"abstract", "app_label", "apps"})
_RULES = ("indexes", "constraints")
_TABLE_OPTIONS = frozenset({"db_table", "managed", "proxy", "swappable"})


class ModelState:
    """One model as migrations know it: fields, Meta options, bases and managers, without methods.

    Args:
        app_label: The app of the model.
        name: The class name, in its own case.
        fields: Pairs of name and unattached field, in order.
        options: Meta options; ``indexes`` and ``constraints`` are lists, ``unique_together`` a set of tuples.
        bases: Classes, or labels of models (``"blog.item"``).
        managers: Pairs of name and manager, those with ``use_in_migrations``.
    """

    def __init__(
        self,
        app_label: str,
        name: str,
        fields: Iterable[tuple[str, Field[Any]]] | Mapping[str, Field[Any]],
        options: Mapping[str, Any] | None = None,
        bases: Sequence[type | str] | None = None,
        *,
        managers: Sequence[tuple[str, Any]] | None = None,
    ) -> None:
        self.app_label = app_label
        self.name = name
        self.fields: dict[str, Field[Any]] = dict(fields)
        self.options: dict[str, Any] = dict(options or {})
        for rules in _RULES:
            self.options[rules] = list(self.options.get(rules) or ())
        self.options["unique_together"] = _together(self.options.get("unique_together"))
        self.bases: tuple[type | str, ...] = tuple(bases) if bases else (_model_class(),)
        self.managers: list[tuple[str, Any]] = list(managers or ())

    @classmethod
    def from_model(cls, model: type[Model]) -> ModelState:
        """Return the state of a model class of the running project."""
        meta = model._meta
        fields: list[tuple[str, Field[Any]]] = []
        if not meta.proxy:
            # The hidden column of order_with_respect_to follows from the option.
            hidden = "_order" if meta.order_with_respect_to else None
            keys = [field for field in meta.private_fields if getattr(field, "is_composite", False)]
            objects = [field for field in meta.private_fields if hasattr(field, "from_fields")]
            found = [*keys, *meta.local_fields, *meta.local_many_to_many, *objects]
            fields = [(field.name, field.clone()) for field in found if field.name != hidden]
        options: dict[str, Any] = {}
        for name, value in meta.original_attrs.items():
            if name not in _CODE_ONLY and name not in _RULES:
                options[name] = value
        if meta.proxy:
            options["proxy"] = True
        if "unique_together" in options or meta.unique_together:
            options["unique_together"] = meta.unique_together
        if meta.indexes and not meta.proxy:
            options["indexes"] = [index.clone() for index in meta.indexes]
        if meta.constraints and not meta.proxy:
            options["constraints"] = [constraint.clone() for constraint in meta.constraints]
        return cls(meta.app_label, meta.object_name, fields, options, _bases_of(model), managers=_managers_of(model))

    def __repr__(self) -> str:
        return f"<ModelState {self.app_label}.{self.name}>"

    @property
    def key(self) -> ModelKey:
        """``(app_label, lower-case name)``."""
        return self.app_label, self.name.lower()

    @property
    def has_table(self) -> bool:
        """Whether migrations look after a table for this model."""
        return not self.options.get("proxy") and bool(self.options.get("managed", True))

    @cached_property
    def references(self) -> dict[str, Reference]:
        """What each relation field refers to, by field name."""
        found = ((name, reference_of(field, *self.key)) for name, field in self.fields.items())
        return {name: reference for name, reference in found if reference is not None}

    @property
    def base_keys(self) -> list[ModelKey]:
        """The bases that are models of the state."""
        return [model_key(base, self.app_label) for base in self.bases if isinstance(base, str)]

    def needs(self) -> set[ModelKey]:
        """Return every other model that this one's class refers to."""
        keys = set(self.base_keys)
        for reference in self.references.values():
            keys.add(reference.to)
            if reference.through is not None:
                keys.add(reference.through)
        return keys - {self.key}

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """The fields of the primary key."""
        for field in self.fields.values():
            if field.primary_key:
                parts = getattr(field, "field_names", None)
                if parts:
                    return tuple(parts)
        return tuple(name for name, field in self.fields.items() if field.primary_key)

    def without_through(self) -> ModelState:
        """Return the state without many-to-many fields that have a model between: no table of this model is theirs."""
        through = {name for name, reference in self.references.items() if reference.through is not None}
        if not through:
            return self
        return self._kept(
            ("own",), {name: field for name, field in self.fields.items() if name not in through}, self.options
        )

    def only(self, names: frozenset[str]) -> ModelState:
        """Return the state with some of its fields and what says which table they are in."""
        options = {name: value for name, value in self.options.items() if name in _TABLE_OPTIONS}
        return self._kept(names, {name: field for name, field in self.fields.items() if name in names}, options)

    def _kept(self, what: Any, fields: Mapping[str, Field[Any]], options: Mapping[str, Any]) -> ModelState:
        """Return a reduced state, the same object each time: what is derived from it is kept with it."""
        kept: dict[Any, ModelState] = self.__dict__.setdefault("_reduced", {})
        if what not in kept:
            kept[what] = ModelState(self.app_label, self.name, fields, options, self.bases)
        return kept[what]

    def with_changes(self, **changes: Any) -> ModelState:
        """Return a new state with some of the constructor's arguments changed."""
        values: dict[str, Any] = {
            "app_label": self.app_label,
            "name": self.name,
            "fields": self.fields,
            "options": self.options,
            "bases": self.bases,
            "managers": self.managers,
        }
        return ModelState(**{**values, **changes})

    def with_options(self, **options: Any) -> ModelState:
        """Return a new state with some options changed; ``None`` takes an option out."""
        merged = {key: value for key, value in {**self.options, **options}.items() if value is not None}
        return self.with_changes(options=merged)

    def pointed_to(self, old_key: ModelKey, new_label: str) -> ModelState:
        """Return the state with its references and bases that are ``old_key`` changed to ``new_label``.

        The same object comes back when it does not refer to that model.
        """
        fields = dict(self.fields)
        for name, reference in self.references.items():
            if reference.to == old_key:
                fields[name] = clone_with(fields[name], to=new_label)
            if reference.through == old_key:
                fields[name] = clone_with(fields[name], through=new_label)
        old_label = ".".join(old_key)
        bases = tuple(new_label if base == old_label else base for base in self.bases)
        if bases == self.bases and all(fields[name] is field for name, field in self.fields.items()):
            return self
        return self.with_changes(fields=fields, bases=bases)

    def field(self, name: str) -> Field[Any]:
        """Return the field of that name.

        Raises:
            StateError: There is none at this point of the history.
        """
        try:
            return self.fields[name]
        except KeyError:
            near = suggest(name, self.fields)
            raise StateError(
                f"{self.app_label}.{self.name} has no field '{name}' at this point of the migrations."
                + (f" Did you mean '{near}'?" if near else "")
            ) from None

    def rule(self, kind: str, name: str) -> Any:
        """Return the index (``kind="indexes"``) or constraint (``"constraints"``) of that name."""
        for rule in self.options[kind]:
            if rule.name == name:
                return rule
        raise StateError(
            f"{self.app_label}.{self.name} has no {'index' if kind == 'indexes' else 'constraint'} named '{name}' "
            "at this point of the migrations."
        )


def _model_class() -> type:
    from covet.db.models.base import Model

    return Model


def _together(value: Any) -> set[tuple[str, ...]]:
    if not value:
        return set()
    items = list(value)
    if isinstance(items[0], str):
        items = [items]
    return {tuple(item) for item in items}


def _bases_of(model: type[Model]) -> tuple[type | str, ...]:
    """Return the bases of a class: abstract models taken apart, models by label, plain classes as they are."""

    def flat(cls: type) -> Iterator[type]:
        for base in cls.__bases__:
            meta = getattr(base, "_meta", None)
            if meta is not None and meta.abstract:
                yield from flat(base)
            else:
                yield base

    bases: dict[type | str, None] = {}
    for base in flat(model):
        meta = getattr(base, "_meta", None)
        bases[meta.label_lower if meta is not None else base] = None
    has_model = any(isinstance(base, str) for base in bases)
    kept = [base for base in bases if isinstance(base, str) or not (base is _model_class() and has_model)]
    if not any(isinstance(base, str) or issubclass(base, _model_class()) for base in kept):
        kept.append(_model_class())
    return tuple(base for base in kept if not _is_typing_only(base))


def _is_typing_only(base: type | str) -> bool:
    return isinstance(base, type) and (base is object or base.__module__ == "typing")


def _managers_of(model: type[Model]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for manager in model._meta.managers:
        if getattr(manager, "use_in_migrations", False):
            found.append((manager.name, manager))
    return found


def renamed_options(options: Mapping[str, Any], old_name: str, new_name: str) -> dict[str, Any]:
    """Return Meta options in which the field ``old_name`` is called ``new_name``."""
    changed = dict(options)
    for rules in _RULES:
        if rules in options:
            changed[rules] = [renamed_rule(rule, old_name, new_name) for rule in options[rules]]
    if options.get("unique_together"):
        changed["unique_together"] = {
            tuple(new_name if name == old_name else name for name in names) for names in options["unique_together"]
        }
    for key in ("ordering", "get_latest_by"):
        value = options.get(key)
        if isinstance(value, str):
            changed[key] = renamed_text(value, old_name, new_name)
        elif isinstance(value, (list, tuple)):
            changed[key] = type(value)(
                renamed_text(item, old_name, new_name)
                if isinstance(item, str)
                else renamed_rule(item, old_name, new_name)
                for item in value
            )
    if options.get("order_with_respect_to") == old_name:
        changed["order_with_respect_to"] = new_name
    return changed
