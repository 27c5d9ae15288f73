"""Renames in the code alone: the column and the table keep their names, since the former release knows them by these."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from covet.db.migrations.apply import tables_of
from covet.db.migrations.operations.columns import AlterField, RenameField
from covet.db.migrations.operations.special import SeparateDatabaseAndState
from covet.db.migrations.operations.tables import AlterModelTable, RenameModel
from covet.db.migrations.safety import examine

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.state import ProjectState

__all__ = ["NameKeeper"]


class NameKeeper:
    """Puts renames that the database need not hear of in the place of those that it would.

    What follows has to know of it: an ``AlterField`` behind such a rename holds the field as the models have it, without the
    column's name.

    Args:
        database: For whose kind of database.
        notes: Gets what the models must say for it.
    """

    def __init__(self, database: Database, notes: list[str]) -> None:
        self.database = database
        self.notes = notes
        # Columns of renamed fields, by app, model and field.
        self._columns: dict[tuple[str, str, str], str] = {}

    async def keep(self, migration: Migration, state: ProjectState, new_tables: set[str]) -> Migration:
        """Return the migration with its renames replaced, or as it is.

        Args:
            migration: It is left alone.
            state: The models before it.
            new_tables: Tables that the same run has created before: nobody knows their names yet.
        """
        kept = copy.copy(migration)
        kept.operations = self._told(migration.app_label, migration.operations)
        tried: set[int] = set()
        while (index := await self._next(kept, state, set(new_tables), tried)) is not None:
            operation = kept.operations[index]
            tried.add(id(operation))
            before = kept.states(state)[index][1]
            if isinstance(operation, RenameField):
                made = self._rename_field(kept.app_label, operation, before)
            else:
                assert isinstance(operation, RenameModel)
                made = self._rename_model(kept.app_label, operation, before)
            if made is not None:
                # A copy of what comes after: it is told of the column now.
                rest = self._told(kept.app_label, kept.operations[index + 1 :])
                kept.operations = [*kept.operations[:index], made, *rest]
        return kept

    async def _next(
        self, migration: Migration, state: ProjectState, new_tables: set[str], tried: set[int]
    ) -> int | None:
        """Return the place of the first rename that somebody would notice."""
        if not any(
            isinstance(one, (RenameField, RenameModel)) and id(one) not in tried for one in migration.operations
        ):
            return None
        noticed = {
            id(item.operation) for item in await examine(self.database, migration, state, new_tables) if item.findings
        }
        for index, operation in enumerate(migration.operations):
            if isinstance(operation, (RenameField, RenameModel)) and id(operation) in noticed - tried:
                return index
        return None

    def _told(self, label: str, operations: Sequence[Operation]) -> list[Operation]:
        told: list[Operation] = []
        for operation in operations:
            if isinstance(operation, AlterField):
                column = self._columns.get((label, operation.model_name.lower(), operation.name))
                field: Any = operation.field
                if column is not None and field.db_column is None:
                    operation = AlterField(  # noqa: PLW2901  # the same, told of its column
                        operation.model_name, operation.name, _in_column(field, column), operation.preserve_default
                    )
            told.append(operation)
        return told

    def _rename_field(self, label: str, operation: RenameField, state: ProjectState) -> Operation | None:
        model_name, name = operation.model_name, operation.new_name
        owned = tables_of(state, (label, model_name.lower())).get("")
        if owned is None or operation.old_name not in owned.roles:
            return None
        column = owned.roles[operation.old_name]
        kept = _in_column(state.model(label, model_name).field(operation.old_name), column)
        self._columns[label, model_name.lower(), name] = column
        self.notes.append(f"Give {label}.{model_name}.{name} db_column={column!r}: the column keeps its name.")
        return SeparateDatabaseAndState(state_operations=[operation, AlterField(model_name, name, kept)])

    def _rename_model(self, label: str, operation: RenameModel, state: ProjectState) -> Operation | None:
        old, new = operation.old_name, operation.new_name
        owned = tables_of(state, (label, old.lower()))
        referred = state.referrers((label, old.lower()))
        if set(owned) != {""} or any(model.fields[name].many_to_many for model, name in referred):
            # The columns of many-to-many tables are named after the model.
            return None
        table = owned[""].table.name
        for app, model, name in list(self._columns):
            if (app, model) == (label, old.lower()):
                self._columns[label, new.lower(), name] = self._columns.pop((app, model, name))
        self.notes.append(f"Give the Meta of {label}.{new} db_table = {table!r}: the table keeps its name.")
        return SeparateDatabaseAndState(state_operations=[operation, AlterModelTable(new, table)])


def _in_column(field: Any, column: str) -> Any:
    """Return the field with its column named."""
    _name, _path, args, kwargs = field.deconstruct()
    return type(field)(*args, **{**kwargs, "db_column": column})
