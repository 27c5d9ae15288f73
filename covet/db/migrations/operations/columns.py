"""Operations on single fields: add, remove, alter, rename."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from covet.db.migrations.apply import Moves
from covet.db.migrations.errors import StateError
from covet.db.migrations.model_state import renamed_options
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.operations.tables import CreateModel, DeleteModel, RenameModel, TableOperation
from covet.db.migrations.signature import ModelKey, reference_of, signature
from covet.db.migrations.state import ProjectState

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = ["AddField", "AlterField", "RemoveField", "RenameField"]


class FieldOperation(TableOperation):
    """An operation on the field ``name`` of the model ``model_name``."""

    model_name: str
    name: str
    field: Field[Any] | None = None

    def key(self, app_label: str) -> ModelKey:
        """The key of the model in that app."""
        return app_label, self.model_name.lower()

    def routed_names(self) -> tuple[str, ...]:
        """The model's name."""
        return (self.model_name,)

    def moves(self, app_label: str) -> Moves:
        """Only the model's own tables may differ."""
        return Moves(models=(self.key(app_label),))

    def same_field(self, other: Operation, app_label: str) -> bool:
        """Whether ``other`` is about the same field."""
        return (
            isinstance(other, FieldOperation)
            and other.key(app_label) == self.key(app_label)
            and other.name == self.name
        )

    def models(self, app_label: str) -> set[ModelKey] | None:
        """The model, and what the field refers to."""
        keys = {self.key(app_label)}
        reference = reference_of(self.field, *self.key(app_label)) if self.field is not None else None
        if reference is not None:
            keys.add(reference.to)
            keys.update({reference.through} if reference.through else ())
        return keys

    def references_field(self, key: ModelKey, field_name: str, app_label: str) -> bool:
        """Whether it is that field, or a relation to the model that may be about that field."""
        if key == self.key(app_label):
            return field_name == self.name or _names_others(self.field)
        return self.references_model(key, app_label)

    def into(self, create: CreateModel, app_label: str) -> bool:
        """Whether ``create`` makes the model of this field."""
        return create.key(app_label) == self.key(app_label)

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Change places with what has nothing to do with the field."""
        joined = super().reduce(other, app_label)
        if joined:
            return joined
        key = self.key(app_label)
        if _names_others(self.field):
            # It cannot pass the renaming of a field that it names, whatever its own name is.
            return not other.references_model(key, app_label)
        return not other.references_field(key, self.name, app_label)


def _names_others(field: Field[Any] | None) -> bool:
    """Whether the field names fields of its own model: in an expression, or as the columns of its relation."""
    return bool(getattr(field, "expression", None) is not None or getattr(field, "from_fields", ()))


def _refuse_composite(field: Any, where: str) -> None:
    if field.is_composite:
        raise StateError(
            f"{where}: a CompositePrimaryKey can only be made with its table. Make a new model with the key, copy the rows "
            "by RunPython, and delete the old model."
        )


class AddField(FieldOperation):
    """Add a field; existing rows get its default, which is evaluated once.

    With ``preserve_default=False`` the default is for existing rows only and no part of the model.
    """

    symbol = "+"

    def __init__(self, model_name: str, name: str, field: Field[Any], preserve_default: bool = True) -> None:
        _refuse_composite(field, f"{model_name}.{name}")
        self.model_name = model_name
        self.name = name
        self.field: Field[Any] = field
        self.preserve_default = preserve_default

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Add the field."""
        state.add_field(app_label, self.model_name, self.name, _kept(self.field, self.preserve_default))

    def moves(self, app_label: str) -> Moves:
        """The model's tables, and what existing rows get."""
        return Moves(models=(self.key(app_label),), fills={self.name: self.field})

    def fold_into(self, create: CreateModel, app_label: str) -> Operation | None:
        """Become one of the fields that the model is created with."""
        if not self.into(create, app_label):
            return None
        return create.changed(fields=[*create.fields, (self.name, _kept(self.field, self.preserve_default))])

    def describe(self) -> str:
        """Say what is added."""
        return f"Add field {self.name} to {self.model_name}"

    @property
    def name_fragment(self) -> str:
        """Model and field."""
        return f"{self.model_name.lower()}_{self.name.lower()}"

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Take in what a later operation does to the field."""
        if self.same_field(other, app_label):
            if isinstance(other, RemoveField):
                return []
            if isinstance(other, AlterField):
                return [AddField(self.model_name, self.name, other.field, other.preserve_default)]
            if isinstance(other, RenameField):
                return [AddField(self.model_name, other.new_name, self.field, self.preserve_default)]
        return super().reduce(other, app_label)


class RemoveField(FieldOperation):
    """Remove a field with its column, or its many-to-many table; going back adds it empty."""

    symbol = "-"

    def __init__(self, model_name: str, name: str) -> None:
        self.model_name = model_name
        self.name = name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Take the field out."""
        _refuse_composite(state.model(app_label, self.model_name).field(self.name), f"{self.model_name}.{self.name}")
        state.remove_field(app_label, self.model_name, self.name)

    def fold_into(self, create: CreateModel, app_label: str) -> Operation | None:
        """Leave the field out when the model is created."""
        if not self.into(create, app_label):
            return None
        return create.changed(fields=[(name, field) for name, field in create.fields if name != self.name])

    def describe(self) -> str:
        """Say what is removed."""
        return f"Remove field {self.name} from {self.model_name}"

    @property
    def name_fragment(self) -> str:
        """Model and field."""
        return f"remove_{self.model_name.lower()}_{self.name.lower()}"

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Give way to the deletion of the model."""
        if isinstance(other, DeleteModel) and other.key(app_label) == self.key(app_label):
            return [other]
        return super().reduce(other, app_label)


class AlterField(FieldOperation):
    """Put another field in the place of one: its column is changed, its data kept.

    With ``preserve_default=False`` the default is for rows that are NULL only and no part of the model.
    """

    def __init__(self, model_name: str, name: str, field: Field[Any], preserve_default: bool = True) -> None:
        _refuse_composite(field, f"{model_name}.{name}")
        self.model_name = model_name
        self.name = name
        self.field: Field[Any] = field
        self.preserve_default = preserve_default

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change the field."""
        old = state.model(app_label, self.model_name).field(self.name)
        new = _kept(self.field, self.preserve_default)
        _require_alterable(f"{app_label}.{self.model_name}.{self.name}", old, new, self.key(app_label))
        state.alter_field(app_label, self.model_name, self.name, new)

    def moves(self, app_label: str) -> Moves:
        """The model's tables, the foreign keys to the field, and what NULL rows get."""
        return Moves(models=(self.key(app_label),), fills={self.name: self.field}, with_referrers=True)

    def fold_into(self, create: CreateModel, app_label: str) -> Operation | None:
        """Take the field's place when the model is created."""
        if not self.into(create, app_label):
            return None
        kept = _kept(self.field, self.preserve_default)
        return create.changed(fields=[(name, kept if name == self.name else field) for name, field in create.fields])

    def describe(self) -> str:
        """Say what is altered."""
        return f"Alter field {self.name} on {self.model_name}"

    @property
    def name_fragment(self) -> str:
        """Model and field."""
        return f"alter_{self.model_name.lower()}_{self.name.lower()}"

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Give way to a later change or removal of the field."""
        if self.same_field(other, app_label):
            if isinstance(other, RemoveField) or (isinstance(other, AlterField) and self.preserve_default):
                return [other]
            if isinstance(other, RenameField) and getattr(self.field, "db_column", None) is None:
                return [other, AlterField(self.model_name, other.new_name, self.field, self.preserve_default)]
        return super().reduce(other, app_label)


class RenameField(FieldOperation):
    """Rename a field and its column; what names it follows."""

    def __init__(self, model_name: str, old_name: str, new_name: str) -> None:
        self.model_name = model_name
        self.old_name = old_name
        self.new_name = new_name

    @property
    def name(self) -> str:  # type: ignore[override]  # the field that other operations call by its old name
        """The old name."""
        return self.old_name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Rename the field."""
        state.rename_field(app_label, self.model_name, self.old_name, self.new_name)

    def moves(self, app_label: str) -> Moves:
        """The model's tables and the foreign keys to the field."""
        key = self.key(app_label)
        return Moves(models=(key,), renamed_field=(key, self.old_name, self.new_name), with_referrers=True)

    def references_field(self, key: ModelKey, field_name: str, app_label: str) -> bool:
        """Either name; and foreign keys to it are anyone's."""
        return key != self.key(app_label) or field_name in {self.old_name, self.new_name}

    def fold_into(self, create: CreateModel, app_label: str) -> Operation | None:
        """Create the model with the new name."""
        if not self.into(create, app_label) or create.options.get("index_together"):
            return None
        # As the state does it: expressions, keys and relations of the model name the field, too.
        state = ProjectState()
        create.state_forwards(app_label, state)
        self.state_forwards(app_label, state)
        fields = list(state.model(app_label, create.name).fields.items())
        return create.changed(fields=fields, options=renamed_options(create.options, self.old_name, self.new_name))

    def describe(self) -> str:
        """Say what is renamed."""
        return f"Rename field {self.old_name} on {self.model_name} to {self.new_name}"

    @property
    def name_fragment(self) -> str:
        """Both names."""
        return f"rename_{self.old_name.lower()}_{self.model_name.lower()}_{self.new_name.lower()}"

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Join a chain of renames; give way to the deletion of the model."""
        same_model = getattr(other, "model_name", "").lower() == self.model_name.lower()
        if isinstance(other, RenameField) and same_model and other.old_name == self.new_name:
            return (
                [] if other.new_name == self.old_name else [RenameField(self.model_name, self.old_name, other.new_name)]
            )
        if isinstance(other, (DeleteModel, RenameModel)):
            return [other] if isinstance(other, DeleteModel) and other.key(app_label) == self.key(app_label) else False
        if Operation.reduce(self, other, app_label):
            return Operation.reduce(self, other, app_label)
        return not (
            other.references_field(self.key(app_label), self.old_name, app_label)
            or other.references_field(self.key(app_label), self.new_name, app_label)
        )


def _kept(field: Field[Any], preserve_default: bool) -> Field[Any]:
    """Return the field as the state keeps it: without a default that was for existing rows only."""
    if preserve_default:
        return field
    _, _, args, kwargs = field.deconstruct()
    kwargs = {key: value for key, value in kwargs.items() if key != "default"}
    kept: Field[Any] = type(field)(*args, **kwargs)
    return kept


def _require_alterable(place: str, old: Field[Any], new: Field[Any], key: ModelKey) -> None:
    """Refuse what no ALTER can do: a change to or from a many-to-many field, or of its target."""
    before, after = reference_of(old, *key), reference_of(new, *key)
    was_many, is_many = bool(before and before.many), bool(after and after.many)
    if was_many != is_many:
        raise StateError(
            f"{place}: a field cannot be altered to or from a many-to-many field. Remove it and add it anew."
        )
    if is_many and before and after and (before.to, before.through) != (after.to, after.through):
        raise StateError(
            f"{place}: the target or the through model of a many-to-many field cannot be altered. Remove the field and "
            "add it anew, or use SeparateDatabaseAndState."
        )
    if _generated(old) or _generated(new):
        same = signature(old)[2].get("expression") == signature(new)[2].get("expression")
        if _generated(old) != _generated(new) or not same:
            raise StateError(f"{place}: a generated field cannot be altered. Remove it and add it anew.")


def _generated(field: Field[Any]) -> bool:
    return bool(getattr(field, "generated", False))
