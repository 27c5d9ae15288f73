"""Operations on the rules of a model: indexes and constraints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from covet.db.migrations.apply import Moves
from covet.db.migrations.errors import StateError
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.operations.tables import CreateModel, DeleteModel, TableOperation
from covet.db.migrations.signature import ModelKey

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.state import ProjectState
    from covet.db.models.constraints import BaseConstraint
    from covet.db.models.indexes import Index

__all__ = ["AddConstraint", "AddIndex", "AlterConstraint", "RemoveConstraint", "RemoveIndex", "RenameIndex"]


class RuleOperation(TableOperation):
    """An operation on an index or constraint of the model ``model_name``."""

    model_name: str
    kind: ClassVar[str]

    def key(self, app_label: str) -> ModelKey:
        """The key of the model in that app."""
        return app_label, self.model_name.lower()

    def changed_rules(self, rules: list[Any]) -> list[Any]:
        """Return what the operation makes of the rules of a model that is being created."""
        return rules

    def fold_into(self, create: CreateModel, app_label: str) -> Operation | None:
        """Become part of the options that the model is created with."""
        if create.key(app_label) != self.key(app_label):
            return None
        options = {**create.options, self.kind: self.changed_rules(list(create.options.get(self.kind) or ()))}
        return create.changed(options={key: value for key, value in options.items() if key != self.kind or value})

    def routed_names(self) -> tuple[str, ...]:
        """The model's name."""
        return (self.model_name,)

    def moves(self, app_label: str) -> Moves:
        """Only the model's own table may differ."""
        return Moves(models=(self.key(app_label),))

    def models(self, app_label: str) -> set[ModelKey] | None:
        """The model itself."""
        return {self.key(app_label)}

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Give way to the deletion of the model; change places with what does not mention it."""
        if isinstance(other, DeleteModel) and other.key(app_label) == self.key(app_label):
            return [other]
        return super().reduce(other, app_label) or not other.references_model(self.key(app_label), app_label)


class AddIndex(RuleOperation):
    """Add an index; it must have a name."""

    symbol = "+"
    kind = "indexes"

    def __init__(self, model_name: str, index: Index) -> None:
        if not index.name:
            raise StateError(f"AddIndex on {model_name}: the index has no name.")
        self.model_name = model_name
        self.index = index

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Add the index."""
        _append(state, app_label, self.model_name, "indexes", self.index)

    def changed_rules(self, rules: list[Any]) -> list[Any]:
        """Return the rules as they are after it."""
        return [*rules, self.index]

    def describe(self) -> str:
        """Say what is indexed."""
        fields = ", ".join(getattr(self.index, "fields", ()) or ())
        return f"Create index {self.index.name} on {self.model_name}" + (f" ({fields})" if fields else "")

    @property
    def name_fragment(self) -> str:
        """Model and index."""
        return f"{self.model_name.lower()}_{self.index.name.lower()}"

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Take in a later removal or renaming."""
        if isinstance(other, RemoveIndex) and _same_rule(self, other, self.index.name, other.name, app_label):
            return []
        if isinstance(other, RenameIndex) and _same_rule(self, other, self.index.name, other.old_name or "", app_label):
            return [AddIndex(self.model_name, _renamed(self.index, other.new_name))]
        return super().reduce(other, app_label)


class RemoveIndex(RuleOperation):
    """Remove an index."""

    symbol = "-"
    kind = "indexes"

    def __init__(self, model_name: str, name: str) -> None:
        self.model_name = model_name
        self.name = name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Take the index out."""
        _remove(state, app_label, self.model_name, "indexes", self.name)

    def changed_rules(self, rules: list[Any]) -> list[Any]:
        """Return the rules as they are after it."""
        return [rule for rule in rules if rule.name != self.name]

    def describe(self) -> str:
        """Say which."""
        return f"Remove index {self.name} from {self.model_name}"

    @property
    def name_fragment(self) -> str:
        """Model and index."""
        return f"remove_{self.model_name.lower()}_{self.name.lower()}"


class RenameIndex(RuleOperation):
    """Rename an index; one that ``unique_together``'s elder sibling left unnamed is found by its ``old_fields``."""

    kind = "indexes"

    def __init__(
        self, model_name: str, new_name: str, old_name: str | None = None, old_fields: Sequence[str] | None = None
    ) -> None:
        if (old_name is None) == (old_fields is None):
            raise StateError("RenameIndex needs either old_name or old_fields.")
        self.model_name = model_name
        self.new_name = new_name
        self.old_name = old_name
        self.old_fields = tuple(old_fields) if old_fields is not None else None

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Rename the index."""
        model = state.model(app_label, self.model_name)
        old = self._old(model.options["indexes"], f"{app_label}.{self.model_name}")
        indexes = [_renamed(index, self.new_name) if index is old else index for index in model.options["indexes"]]
        state.put(model.with_options(indexes=indexes))

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Rename the index in the database."""
        await self._rename(app_label, schema_editor, from_state, to_state, backwards=False)

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Give the index its old name again."""
        await self._rename(app_label, schema_editor, to_state, from_state, backwards=True)

    def changed_rules(self, rules: list[Any]) -> list[Any]:
        """Return the rules as they are after it."""
        return [_renamed(rule, self.new_name) if rule is self._old(rules, self.model_name) else rule for rule in rules]

    def describe(self) -> str:
        """Say both names."""
        old = self.old_name or f"on {', '.join(self.old_fields or ())}"
        return f"Rename index {old} of {self.model_name} to {self.new_name}"

    @property
    def name_fragment(self) -> str:
        """Both names."""
        old = self.old_name.lower() if self.old_name else f"{self.model_name.lower()}_{'_'.join(self.old_fields or ())}"
        return f"rename_{old}_{self.new_name.lower()}"

    async def _rename(
        self,
        app_label: str,
        editor: SchemaEditor,
        before: ProjectState,
        after: ProjectState,
        *,
        backwards: bool,
    ) -> None:
        from covet.db.migrations.apply import has_place, tables_of

        model = before.model(app_label, self.model_name)
        if not self.allowed(editor, app_label, self.model_name) or not has_place(editor.database, model):
            return
        old_name = self._old(model.options["indexes"], f"{app_label}.{self.model_name}").name
        owned = tables_of(before if not backwards else after, self.key(app_label)).get("")
        if owned is None or old_name == self.new_name:
            # Files that were edited by hand after the fact find the index under its new name already.
            return
        names = (self.new_name, old_name) if backwards else (old_name, self.new_name)
        index = next(index for index in owned.table.indexes if index.name == names[0])
        await editor.rename_index(owned.table.name, index, names[1])

    def _old(self, indexes: Sequence[Index], place: str) -> Index:
        for index in indexes:
            if self.old_name is not None and index.name == self.old_name:
                return index
            if self.old_fields is not None and tuple(index.fields) == self.old_fields:
                return index
        raise StateError(f"{place} has no index {self.old_name or self.old_fields} at this point of the migrations.")


class AddConstraint(RuleOperation):
    """Add a constraint; existing rows must keep it."""

    symbol = "+"
    kind = "constraints"

    def __init__(self, model_name: str, constraint: BaseConstraint) -> None:
        self.model_name = model_name
        self.constraint = constraint

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Add the constraint."""
        _append(state, app_label, self.model_name, "constraints", self.constraint)

    def changed_rules(self, rules: list[Any]) -> list[Any]:
        """Return the rules as they are after it."""
        return [*rules, self.constraint]

    def describe(self) -> str:
        """Say which."""
        return f"Create constraint {self.constraint.name} on {self.model_name}"

    @property
    def name_fragment(self) -> str:
        """Model and constraint."""
        return f"{self.model_name.lower()}_{self.constraint.name.lower()}"

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Take in a later removal or alteration."""
        name = self.constraint.name
        if isinstance(other, RemoveConstraint) and _same_rule(self, other, name, other.name, app_label):
            return []
        if isinstance(other, AlterConstraint) and _same_rule(self, other, name, other.name, app_label):
            return [AddConstraint(self.model_name, other.constraint)]
        return super().reduce(other, app_label)


class RemoveConstraint(RuleOperation):
    """Remove a constraint."""

    symbol = "-"
    kind = "constraints"

    def __init__(self, model_name: str, name: str) -> None:
        self.model_name = model_name
        self.name = name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Take the constraint out."""
        _remove(state, app_label, self.model_name, "constraints", self.name)

    def changed_rules(self, rules: list[Any]) -> list[Any]:
        """Return the rules as they are after it."""
        return [rule for rule in rules if rule.name != self.name]

    def describe(self) -> str:
        """Say which."""
        return f"Remove constraint {self.name} from {self.model_name}"

    @property
    def name_fragment(self) -> str:
        """Model and constraint."""
        return f"remove_{self.model_name.lower()}_{self.name.lower()}"


class AlterConstraint(RuleOperation):
    """Change what the database does not know of a constraint, such as its message."""

    kind = "constraints"

    def __init__(self, model_name: str, name: str, constraint: BaseConstraint) -> None:
        self.model_name = model_name
        self.name = name
        self.constraint = constraint

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Put the new constraint in the old one's place."""
        model = state.model(app_label, self.model_name)
        old = model.rule("constraints", self.name)
        rules: list[Any] = [self.constraint if rule is old else rule for rule in model.options["constraints"]]
        state.put(model.with_options(constraints=rules))

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Do nothing."""

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Do nothing."""

    def changed_rules(self, rules: list[Any]) -> list[Any]:
        """Return the rules as they are after it."""
        return [self.constraint if rule.name == self.name else rule for rule in rules]

    def describe(self) -> str:
        """Say which."""
        return f"Alter constraint {self.name} on {self.model_name}"

    @property
    def name_fragment(self) -> str:
        """Model and constraint."""
        return f"alter_{self.model_name.lower()}_{self.name.lower()}"


def _append(state: ProjectState, app_label: str, model_name: str, kind: str, rule: Any) -> None:
    model = state.model(app_label, model_name)
    if any(other.name == rule.name for other in model.options[kind]):
        raise StateError(f"{app_label}.{model.name} already has '{rule.name}' at this point of the migrations.")
    state.put(model.with_options(**{kind: [*model.options[kind], rule]}))


def _remove(state: ProjectState, app_label: str, model_name: str, kind: str, name: str) -> None:
    model = state.model(app_label, model_name)
    old = model.rule(kind, name)
    state.put(model.with_options(**{kind: [rule for rule in model.options[kind] if rule is not old]}))


def _same_rule(first: RuleOperation, second: RuleOperation, name: str, other_name: str, app_label: str) -> bool:
    return first.key(app_label) == second.key(app_label) and name == other_name


def _renamed(index: Index, name: str) -> Index:
    _, args, kwargs = index.deconstruct()
    renamed: Index = type(index)(*args, **{**kwargs, "name": name})
    return renamed
