"""Operations on whole models: create, delete, rename, and their table, options and managers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from covet.db.migrations.apply import Moves, change_tables
from covet.db.migrations.errors import StateError
from covet.db.migrations.indexed_together import index_together
from covet.db.migrations.model_state import ModelState
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.signature import ModelKey, model_key, reference_of

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.state import ProjectState
    from covet.db.models.fields.base import Field

__all__ = [
    "STATE_OPTIONS",
    "AlterModelManagers",
    "AlterModelOptions",
    "AlterModelTable",
    "AlterModelTableComment",
    "AlterOrderWithRespectTo",
    "AlterUniqueTogether",
    "CreateModel",
    "DeleteModel",
    "RenameModel",
]

# The Meta options that AlterModelOptions is about: all that do not change a table.
STATE_OPTIONS = (
    "base_manager_name",
    "default_manager_name",
    "default_related_name",
    "get_latest_by",
    "managed",
    "ordering",
    "permissions",
    "default_permissions",
    "required_db_features",
    "required_db_vendor",
    "select_on_save",
    "verbose_name",
    "verbose_name_plural",
)


class TableOperation(Operation):
    """An operation whose work in the database follows from the states: the tables are made to fit the new one."""

    def moves(self, app_label: str) -> Moves:
        """Return which models' tables may differ, and what was renamed."""
        raise TypeError(f"{type(self).__name__} does not define moves().")

    def routed_names(self) -> tuple[str, ...]:
        """The model names that routers are asked about."""
        return (self.argument("name"),)

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Make the tables of the old state those of the new one."""
        if self.allowed(schema_editor, app_label, *self.routed_names()):
            await change_tables(schema_editor, from_state, to_state, self.moves(app_label))

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Make the tables what they were."""
        if self.allowed(schema_editor, app_label, *self.routed_names()):
            await change_tables(schema_editor, from_state, to_state, self.moves(app_label).inverse())


class ModelOperation(TableOperation):
    """An operation on the model ``name``."""

    name: str

    def key(self, app_label: str) -> ModelKey:
        """The key of the model in that app."""
        return app_label, self.name.lower()

    def moves(self, app_label: str) -> Moves:
        """Only the model's own tables may differ."""
        return Moves(models=(self.key(app_label),))

    def models(self, app_label: str) -> set[ModelKey] | None:
        """The model itself."""
        return {self.key(app_label)}

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Change places with what does not mention the model."""
        return super().reduce(other, app_label) or not other.references_model(self.key(app_label), app_label)


class CreateModel(ModelOperation):
    """Create a model, its table and those of its many-to-many fields."""

    symbol = "+"

    def __init__(
        self,
        name: str,
        fields: Iterable[tuple[str, Field[Any]]],
        options: Mapping[str, Any] | None = None,
        bases: Sequence[type | str] | None = None,
        managers: Sequence[tuple[str, Any]] | None = None,
    ) -> None:
        self.name = name
        self.fields = list(fields)
        self.options = dict(options or {})
        self.bases = tuple(bases) if bases else ()
        self.managers = list(managers or ())
        _no_duplicates("fields", name, [field_name for field_name, _ in self.fields])
        _no_duplicates("bases", name, [base.lower() if isinstance(base, str) else base for base in self.bases])
        _no_duplicates("managers", name, [manager_name for manager_name, _ in self.managers])

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the arguments; empty ones are left out."""
        kwargs: dict[str, Any] = {"name": self.name, "fields": self.fields}
        kwargs.update({key: value for key in ("options", "bases", "managers") if (value := getattr(self, key))})
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Add the model."""
        if self.key(app_label) in state.models:
            raise StateError(f"{app_label}.{self.name} already exists at this point of the migrations.")
        options = dict(self.options)
        together = options.pop("index_together", None)
        state.add_model(ModelState(app_label, self.name, self.fields, options, self.bases, managers=self.managers))
        if together:
            # Only files that come from Django have it.
            rules = [together] if isinstance(next(iter(together)), str) else together
            state.change(app_label, self.name, lambda model: index_together(model, rules))

    def describe(self) -> str:
        """Say what is created."""
        return f"Create {'proxy ' if self.options.get('proxy') else ''}model {self.name}"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return self.name.lower()

    def models(self, app_label: str) -> set[ModelKey] | None:
        """The model, its bases and what its fields refer to."""
        keys = {self.key(app_label)}
        keys.update(model_key(base, app_label) for base in self.bases if isinstance(base, str))
        for _, field in self.fields:
            reference = reference_of(field, *self.key(app_label))
            if reference is not None:
                keys.add(reference.to)
                keys.update({reference.through} if reference.through else ())
        return keys

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Take in what a later operation does to the model."""
        if isinstance(other, ModelOperation) and other.key(app_label) == self.key(app_label):
            folded = self._fold_model(other)
            if folded is not None:
                return folded
        merged = other.fold_into(self, app_label)
        return [merged] if merged is not None else super().reduce(other, app_label)

    def changed(self, **changes: Any) -> CreateModel:
        """Return a copy with some arguments changed."""
        values = {key: getattr(self, key) for key in ("name", "fields", "options", "bases", "managers")}
        return CreateModel(**{**values, **changes})

    def _fold_model(self, other: ModelOperation) -> list[Operation] | None:
        if isinstance(other, DeleteModel) and not self.options.get("proxy"):
            return []
        if isinstance(other, AlterModelOptions):
            kept = {key: value for key, value in self.options.items() if key not in STATE_OPTIONS}
            return [self.changed(options={**kept, **other.options})]
        if isinstance(other, AlterModelManagers):
            return [self.changed(managers=other.managers)]
        if isinstance(other, AlterModelTable):
            return [self.changed(options=_with(self.options, db_table=other.table))]
        if isinstance(other, AlterModelTableComment):
            return [self.changed(options=_with(self.options, db_table_comment=other.table_comment))]
        if isinstance(other, AlterOrderWithRespectTo):
            return [self.changed(options=_with(self.options, order_with_respect_to=other.order_with_respect_to))]
        if isinstance(other, AlterUniqueTogether):
            return [self.changed(options=_with(self.options, unique_together=other.unique_together or None))]
        if isinstance(other, RenameModel) and not _refers_to_itself(self):
            return [self.changed(name=other.new_name)]
        return None


class DeleteModel(ModelOperation):
    """Delete a model, its table and those of its many-to-many fields; going back creates them empty."""

    symbol = "-"

    def __init__(self, name: str) -> None:
        self.name = name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Take the model out."""
        state.remove_model(app_label, self.name)

    def models(self, app_label: str) -> set[ModelKey] | None:
        """The model; what it referred to is not known here, so nothing moves across but what names others."""
        return None

    def describe(self) -> str:
        """Say what is deleted."""
        return f"Delete model {self.name}"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return f"delete_{self.name.lower()}"


class RenameModel(ModelOperation):
    """Rename a model: its table and many-to-many tables follow, and what refers to it."""

    def __init__(self, old_name: str, new_name: str) -> None:
        self.old_name = old_name
        self.new_name = new_name

    @property
    def name(self) -> str:  # type: ignore[override]  # the model that other operations call by its old name
        """The old name."""
        return self.old_name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Rename the model and what refers to it."""
        state.rename_model(app_label, self.old_name, self.new_name)

    def routed_names(self) -> tuple[str, ...]:
        """Either name."""
        return self.old_name, self.new_name

    def moves(self, app_label: str) -> Moves:
        """The model's tables and those of all that refer to it."""
        new_key = (app_label, self.new_name.lower())
        return Moves(models=(new_key,), renamed_model=(self.key(app_label), new_key), with_referrers=True)

    def models(self, app_label: str) -> set[ModelKey] | None:
        """Both names."""
        return {self.key(app_label), (app_label, self.new_name.lower())}

    def references_model(self, key: ModelKey, app_label: str) -> bool:
        """Any model may refer to the renamed one, and its references change."""
        return True

    def describe(self) -> str:
        """Say what is renamed."""
        return f"Rename model {self.old_name} to {self.new_name}"

    @property
    def name_fragment(self) -> str:
        """Both names."""
        return f"rename_{self.old_name.lower()}_{self.new_name.lower()}"

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Join a chain of renames."""
        if isinstance(other, RenameModel) and other.old_name.lower() == self.new_name.lower():
            return [] if other.new_name == self.old_name else [RenameModel(self.old_name, other.new_name)]
        return Operation.reduce(self, other, app_label)


class ModelOptionOperation(ModelOperation):
    """An operation on one aspect of a model: a later one of the same kind takes its place."""

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Give way to a later operation of the same kind, or to the deletion of the model."""
        if isinstance(other, (type(self), DeleteModel)) and other.key(app_label) == self.key(app_label):
            return [other]
        return super().reduce(other, app_label)


class AlterModelTable(ModelOptionOperation):
    """Give a model another table name; ``None`` is the default name."""

    def __init__(self, name: str, table: str | None) -> None:
        self.name = name
        self.table = table

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Set the option."""
        state.alter_options(app_label, self.name, {"db_table": self.table} if self.table else {}, ["db_table"])

    def moves(self, app_label: str) -> Moves:
        """The model's tables, and the keys of those that refer to it."""
        return Moves(models=(self.key(app_label),), with_referrers=True)

    def describe(self) -> str:
        """Say what the table is called."""
        return f"Rename table for {self.name} to {self.table or '(default)'}"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return f"alter_{self.name.lower()}_table"


class AlterModelTableComment(ModelOptionOperation):
    """Change the comment of a model's table."""

    def __init__(self, name: str, table_comment: str | None) -> None:
        self.name = name
        self.table_comment = table_comment

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Set the option."""
        options = {"db_table_comment": self.table_comment} if self.table_comment else {}
        state.alter_options(app_label, self.name, options, ["db_table_comment"])

    def describe(self) -> str:
        """Say whose comment."""
        return f"Alter {self.name} table comment"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return f"alter_{self.name.lower()}_table_comment"


class AlterUniqueTogether(ModelOptionOperation):
    """Change which fields of a model are unique together."""

    def __init__(self, name: str, unique_together: Iterable[Sequence[str]] | None) -> None:
        self.name = name
        self.unique_together = {tuple(names) for names in unique_together or ()}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Set the option."""
        state.change(app_label, self.name, lambda model: model.with_options(unique_together=self.unique_together))

    def references_field(self, key: ModelKey, field_name: str, app_label: str) -> bool:
        """Whether the field is among them; going back may need any other field, so those count too."""
        return key == self.key(app_label) and (
            not self.unique_together or any(field_name in names for names in self.unique_together)
        )

    def describe(self) -> str:
        """Say how many there are."""
        count = len(self.unique_together)
        return f"Alter unique_together for {self.name} ({count} {'rule' if count == 1 else 'rules'})"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return f"alter_{self.name.lower()}_unique_together"


class AlterOrderWithRespectTo(ModelOptionOperation):
    """Order a model's rows among those of one parent, or no longer; existing rows all get the place 0."""

    def __init__(self, name: str, order_with_respect_to: str | None) -> None:
        self.name = name
        self.order_with_respect_to = order_with_respect_to

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Set the option."""
        options = {"order_with_respect_to": self.order_with_respect_to} if self.order_with_respect_to else {}
        state.alter_options(app_label, self.name, options, ["order_with_respect_to"])

    def describe(self) -> str:
        """Say what the order belongs to."""
        return f"Set order_with_respect_to on {self.name} to {self.order_with_respect_to}"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return f"alter_{self.name.lower()}_order_with_respect_to"


class StateOnlyOperation(ModelOptionOperation):
    """An operation that no table notices."""

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Do nothing."""

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Do nothing."""


class AlterModelOptions(StateOnlyOperation):
    """Change Meta options that no table notices; those not given go back to their defaults."""

    OPTIONS: ClassVar[tuple[str, ...]] = STATE_OPTIONS

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.options = dict(options)

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Set the options."""
        state.alter_options(app_label, self.name, self.options, STATE_OPTIONS)

    def describe(self) -> str:
        """Say whose options."""
        return f"Change Meta options on {self.name}"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return f"alter_{self.name.lower()}_options"


class AlterModelManagers(StateOnlyOperation):
    """Change the managers that historical models have."""

    def __init__(self, name: str, managers: Sequence[tuple[str, Any]]) -> None:
        self.name = name
        self.managers = list(managers)

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Set the managers."""
        state.change(app_label, self.name, lambda model: model.with_changes(managers=self.managers))

    def describe(self) -> str:
        """Say whose managers."""
        return f"Change managers on {self.name}"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return f"alter_{self.name.lower()}_managers"


def _with(options: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**options, **changes}.items() if value is not None}


def _refers_to_itself(create: CreateModel) -> bool:
    # The app's label is not known here; a self reference is written with the model's own name whatever the app.
    own = create.name.lower()
    references = (reference_of(field, "", own) for _, field in create.fields)
    return any(reference is not None and reference.to[1] == own for reference in references)


def _no_duplicates(what: str, model_name: str, items: Sequence[Any]) -> None:
    for index, item in enumerate(items):
        if item in items[:index]:
            raise StateError(f"CreateModel {model_name}: {item!r} stands twice in {what}.")
