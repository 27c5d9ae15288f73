"""Operations that let others work meanwhile: concurrent indexes, rules that are validated later, NOT NULL by way of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from covet.db.errors import DatabaseError
from covet.db.migrations.apply import tables_of
from covet.db.migrations.errors import MigrationError, StateError
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.operations.columns import AddField, AlterField
from covet.db.migrations.operations.rules import AddConstraint, AddIndex, RemoveIndex
from covet.db.migrations.signature import ModelKey
from covet.db.models.constraints import CheckConstraint

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.state import ProjectState
    from covet.db.models.constraints import BaseConstraint
    from covet.db.models.fields.base import Field
    from covet.db.sql.ddl import ForeignKeyDef, IndexDef, TableDef

__all__ = [
    "AddConstraintNotValid",
    "AddForeignKeyNotValid",
    "AddIndexConcurrently",
    "RemoveIndexConcurrently",
    "SetNotNullSafely",
    "ValidateConstraint",
    "ValidateForeignKey",
]

_MAX_NAME = 63


class AddIndexConcurrently(AddIndex):
    """Add an index while others write to the table; on other databases than PostgreSQL it is an ``AddIndex``.

    The migration needs ``atomic = False``. An invalid index that a failed try has left is dropped and built anew.
    """

    public_module = "covet.postgres.operations"

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Build the index."""
        if schema_editor.vendor != "postgresql":
            await super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allowed(schema_editor, app_label, self.model_name):
            table = _table(to_state, self.key(app_label))
            await build_concurrently(self, schema_editor, table, _index(table, self.index.name))

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Drop the index."""
        if schema_editor.vendor != "postgresql":
            await super().database_backwards(app_label, schema_editor, from_state, to_state)
        elif self.allowed(schema_editor, app_label, self.model_name):
            await drop_concurrently(self, schema_editor, self.index.name)

    def describe(self) -> str:
        """Say what is indexed."""
        return f"Concurrently {_small(super().describe())}"


class RemoveIndexConcurrently(RemoveIndex):
    """Remove an index while others use the table; the migration needs ``atomic = False``."""

    public_module = "covet.postgres.operations"

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Drop the index."""
        if schema_editor.vendor != "postgresql":
            await super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allowed(schema_editor, app_label, self.model_name):
            await drop_concurrently(self, schema_editor, self.name)

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Build the index."""
        if schema_editor.vendor != "postgresql":
            await super().database_backwards(app_label, schema_editor, from_state, to_state)
        elif self.allowed(schema_editor, app_label, self.model_name):
            table = _table(to_state, self.key(app_label))
            await build_concurrently(self, schema_editor, table, _index(table, self.name))

    def describe(self) -> str:
        """Say which."""
        return f"Concurrently {_small(super().describe())}"


class AddConstraintNotValid(AddConstraint):
    """Add a check that new and changed rows must meet; ``ValidateConstraint`` looks at those that are there.

    Raises:
        StateError: The constraint is no ``CheckConstraint``.
    """

    public_module = "covet.postgres.operations"

    def __init__(self, model_name: str, constraint: BaseConstraint) -> None:
        if not isinstance(constraint, CheckConstraint):
            raise StateError(
                f"AddConstraintNotValid on {model_name}: only a CheckConstraint can be validated later, not "
                f"{type(constraint).__name__}."
            )
        super().__init__(model_name, constraint)

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Add the constraint without a look at the rows."""
        if schema_editor.vendor != "postgresql":
            await super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allowed(schema_editor, app_label, self.model_name):
            table = _table(to_state, self.key(app_label))
            check = next(check for check in table.checks if check.name == self.constraint.name)
            writer = schema_editor.writer
            await schema_editor.run(f"ALTER TABLE {writer.name(table.name)} ADD {writer.check(check)} NOT VALID")

    def describe(self) -> str:
        """Say which."""
        return f"{super().describe()}, not validated"


class _Validate(Operation):
    """An operation that looks at the rows of a model; nothing is left to undo."""

    public_module = "covet.postgres.operations"

    def __init__(self, model_name: str, name: str) -> None:
        self.model_name = model_name
        self.name = name

    @property
    def name_fragment(self) -> str:
        """Model and rule."""
        return f"validate_{self.model_name.lower()}_{self.name.lower()}"

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Leave the models alone."""

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Do nothing: a rule that holds does no harm."""

    def models(self, app_label: str) -> set[ModelKey] | None:
        """The model itself."""
        return {(app_label, self.model_name.lower())}

    async def _validate(self, editor: SchemaEditor, table: TableDef, name: str) -> None:
        writer = editor.writer
        await editor.run(f"ALTER TABLE {writer.name(table.name)} VALIDATE CONSTRAINT {writer.name(name)}")


class ValidateConstraint(_Validate):
    """Check the rows that were there when ``AddConstraintNotValid`` added a constraint; others work meanwhile.

    Args:
        model_name: The model.
        name: The constraint.
    """

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Validate the constraint; other databases have looked at all rows before."""
        if schema_editor.vendor == "postgresql" and self.allowed(schema_editor, app_label, self.model_name):
            await self._validate(schema_editor, _table(to_state, (app_label, self.model_name.lower())), self.name)

    def describe(self) -> str:
        """Say which."""
        return f"Validate constraint {self.name} on {self.model_name}"


class ValidateForeignKey(_Validate):
    """Check the rows that were there when ``AddForeignKeyNotValid`` added a foreign key; others work meanwhile.

    Args:
        model_name: The model.
        name: The field.
    """

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Validate the foreign key."""
        if schema_editor.vendor == "postgresql" and self.allowed(schema_editor, app_label, self.model_name):
            owned = tables_of(to_state, (app_label, self.model_name.lower()))[""]
            key = _foreign_key(owned.table, owned.roles[self.name])
            if key is not None:
                await self._validate(schema_editor, owned.table, key.name)

    def describe(self) -> str:
        """Say which."""
        return f"Validate foreign key {self.name} of {self.model_name}"


class AddForeignKeyNotValid(AddField):
    """Add a foreign key that may be NULL without a look at the rows of either table; ``ValidateForeignKey`` follows.

    In a migration with ``atomic = False`` its index is built concurrently.

    Raises:
        StateError: The field takes no NULL: add it so, fill it by ``BackfillBatches``, and use ``SetNotNullSafely``.
    """

    public_module = "covet.postgres.operations"

    def __init__(self, model_name: str, name: str, field: Field[Any], preserve_default: bool = True) -> None:
        if not field.null:
            raise StateError(
                f"AddForeignKeyNotValid of {model_name}.{name}: the field needs null=True. Fill it by BackfillBatches, and "
                "make it NOT NULL by SetNotNullSafely."
            )
        super().__init__(model_name, name, field, preserve_default)

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Add the column, its index and the foreign key."""
        editor = schema_editor
        if editor.vendor != "postgresql":
            await super().database_forwards(app_label, editor, from_state, to_state)
            return
        if not self.allowed(editor, app_label, self.model_name):
            return
        before = _table(from_state, self.key(app_label))
        owned = tables_of(to_state, self.key(app_label))[""]
        column = owned.roles[self.name]
        key = _foreign_key(owned.table, column)
        own = tuple(index for index in owned.table.indexes if index not in before.indexes)
        bare = replace(
            owned.table,
            foreign_keys=tuple(each for each in owned.table.foreign_keys if each is not key),
            indexes=tuple(index for index in owned.table.indexes if index not in own),
        )
        await editor.finish()
        await editor.alter_table(before, bare, {})
        if key is not None:
            await editor.run(f"{editor.add_foreign_key_sql(owned.table.name, key)} NOT VALID")
        for index in own:
            if editor.atomic:
                await editor.add_index(owned.table, index)
            else:
                await build_concurrently(self, editor, owned.table, index)

    def describe(self) -> str:
        """Say what is added."""
        return f"{super().describe()}, its foreign key not validated"


class SetNotNullSafely(AlterField):
    """Make a column NOT NULL while others work: a check is added, validated, relied on and dropped again.

    The rows must have values by then (``BackfillBatches``). The migration needs ``atomic = False``. Apart from NULL the
    field must stay what it was. On other databases than PostgreSQL it is an ``AlterField``.

    Raises:
        StateError: The field takes NULL.
    """

    public_module = "covet.postgres.operations"

    def __init__(self, model_name: str, name: str, field: Field[Any], preserve_default: bool = True) -> None:
        if field.null:
            raise StateError(f"SetNotNullSafely of {model_name}.{name}: the field has null=True.")
        super().__init__(model_name, name, field, preserve_default)

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Add, validate, set and drop."""
        editor = schema_editor
        if editor.vendor != "postgresql":
            await super().database_forwards(app_label, editor, from_state, to_state)
            return
        if not self.allowed(editor, app_label, self.model_name):
            return
        require_no_transaction(self, editor)
        before = _table(from_state, self.key(app_label))
        owned = tables_of(to_state, self.key(app_label))[""]
        column = owned.roles[self.name]
        if before.column(column).type != owned.table.column(column).type:
            raise MigrationError(
                f"SetNotNullSafely of {self.model_name}.{self.name}: the type of the column changes too. Do that by an "
                "AlterField before it."
            )
        writer = editor.writer
        table, quoted = writer.name(before.name), writer.name(column)
        check = writer.name(f"{before.name[: _MAX_NAME - 10 - len(column[:20])]}_{column[:20]}_not_null")
        await editor.run(f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({quoted} IS NOT NULL) NOT VALID")
        await editor.run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}")
        await editor.run(f"ALTER TABLE {table} ALTER COLUMN {quoted} SET NOT NULL")
        await editor.run(f"ALTER TABLE {table} DROP CONSTRAINT {check}")
        columns = tuple(replace(each, null=False) if each.name == column else each for each in before.columns)
        await editor.alter_table(replace(before, columns=columns), owned.table, {})

    def describe(self) -> str:
        """Say which."""
        return f"Make {self.name} of {self.model_name} NOT NULL by way of a check"

    @property
    def name_fragment(self) -> str:
        """Model and field."""
        return f"{self.model_name.lower()}_{self.name.lower()}_not_null"


def require_no_transaction(operation: Operation, editor: SchemaEditor) -> None:
    """Raise where the migration runs in a transaction.

    Raises:
        MigrationError: It does.
    """
    if editor.atomic and not editor.collect:
        raise MigrationError(
            f"{type(operation).__name__} cannot run in a transaction: write atomic = False in the migration, and give it a "
            "migration of its own."
        )


async def build_concurrently(operation: Operation, editor: SchemaEditor, table: TableDef, index: IndexDef) -> None:
    """Build an index concurrently; what a try that failed or was killed has left is dropped first."""
    require_no_transaction(operation, editor)
    if not editor.writer.can(index):
        return
    sql = editor.writer.index(table.name, index, concurrently=True)
    if editor.collect:
        await editor.run(sql)
        return
    # The database knows better than a journal how far it has come: an index that is there may be of no use.
    valid = await _is_valid(editor, index.name)
    if valid and editor.log is not None and editor.log.is_resumed:
        return
    if valid is False:
        await _drop(editor, index.name)
    try:
        await editor.database.execute(sql)
    except DatabaseError:
        if await _is_valid(editor, index.name) is False:
            await _drop(editor, index.name)
        raise


async def drop_concurrently(operation: Operation, editor: SchemaEditor, name: str) -> None:
    """Drop an index concurrently; one that is gone already is no error, since a killed process may have done it."""
    require_no_transaction(operation, editor)
    if editor.collect:
        await editor.run(f"DROP INDEX CONCURRENTLY IF EXISTS {editor.writer.name(name)}")
    else:
        await _drop(editor, name)


async def _drop(editor: SchemaEditor, name: str) -> None:
    await editor.database.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {editor.writer.name(name)}")


async def _is_valid(editor: SchemaEditor, name: str) -> bool | None:
    """Return whether the index is finished; ``None`` when there is none of that name."""
    rows = await editor.database.fetch(
        "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE c.relname = $1 AND pg_table_is_visible(c.oid)",
        (name,),
    )
    return bool(rows[0][0]) if rows else None


def _table(state: ProjectState, key: ModelKey) -> TableDef:
    owned = tables_of(state, key).get("")
    if owned is None:
        raise MigrationError(f"{'.'.join(key)} has no table of its own at this point of the migrations.")
    return owned.table


def _index(table: TableDef, name: str) -> IndexDef:
    return next(index for index in table.indexes if index.name == name)


def _foreign_key(table: TableDef, column: str) -> ForeignKeyDef | None:
    return next((key for key in table.foreign_keys if key.columns == (column,)), None)


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
