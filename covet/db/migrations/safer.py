"""Rewrites migrations that would hurt a database in use into ones that do not: ``makemigrations --safe``.

One step becomes several: add a column that may be NULL, fill it in batches, make it NOT NULL by way of a rule that is
validated first; build indexes concurrently; add rules ``NOT VALID`` and validate them later. What code of the former release
still reads is only forgotten now; the file that drops it is written beside the others, for the release after this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from covet.db.migrations.kept_names import NameKeeper
from covet.db.migrations.migration import Migration
from covet.db.migrations.operations.columns import AddField, AlterField, RemoveField
from covet.db.migrations.operations.rules import AddConstraint, AddIndex, RemoveIndex
from covet.db.migrations.operations.special import RunSQL, SeparateDatabaseAndState
from covet.db.migrations.operations.tables import DeleteModel
from covet.db.migrations.safety import OperationEffects, examine
from covet.db.migrations.shadow import SWAP_IS_SAFE, shadow_of
from covet.db.migrations.statements import concurrently
from covet.db.models.expressions import F, Q
from covet.db.models.fields.identity import AutoFieldMixin
from covet.loading import import_string

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.state import ProjectState

__all__ = ["SafePlan", "make_safe"]


# What is found with a change of type, and done for the new column beside the old one.
_OF_ANOTHER_TYPE = frozenset(
    {
        "change-type",
        "set-not-null",
        "update-all",
        "check-validates",
        "index-not-concurrent",
        "drop-index-not-concurrent",
        "unique-builds-index",
    }
)


class SafePlan(Struct):
    """What to write in place of some migrations.

    Attributes:
        migrations: In their order.
        later: To be applied in the release after this one.
        notes: What the models must say for this.
    """

    migrations: list[Migration] = field(default_factory=list)
    later: list[Migration] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Part(Struct):
    """Operations that become one migration; ``name`` is empty for those that stay as they were.

    ``safe`` are the findings that it is known to have, with the reason.
    """

    operations: list[Operation]
    name: str = ""
    atomic: bool = True
    safe: Mapping[str, str] = field(default_factory=dict)


async def make_safe(database: Database, migrations: Sequence[Migration], state: ProjectState) -> SafePlan:
    """Return what brings the models to the same end without hurting a database in use.

    An operation for which there is no safe way (another type of a key, say) stays as it is, and so do its findings.

    Args:
        database: For whose kind of database.
        migrations: In the order in which they run; they are left alone.
        state: The models before them.
    """
    plan = SafePlan()
    last: dict[tuple[str, str], tuple[str, str]] = {}
    numbers: dict[str, int] = {}
    new_tables: set[str] = set()
    names = NameKeeper(database, plan.notes)
    for original in migrations:
        # First of all: what else is rewritten names columns and tables.
        migration = await names.keep(original, state, new_tables)
        effects = await examine(database, migration, state, new_tables)
        rewriter = _Rewriter(database, migration, plan)
        parts = await rewriter.parts(effects, state)
        state = migration.mutate_state(state)
        made = _built(migration, parts, numbers, last)
        plan.migrations += made
        last[migration.key] = made[-1].key
        for part in rewriter.later:
            plan.later.append(_follower(made[-1], part, numbers))
    return plan


def _built(
    migration: Migration,
    parts: Sequence[_Part],
    numbers: dict[str, int],
    last: Mapping[tuple[str, str], tuple[str, str]],
) -> list[Migration]:
    """Return the migrations of the parts, each behind the one before it."""
    label = migration.app_label
    number, _, rest = migration.name.partition("_")
    first = max(int(number) if number.isdigit() else 1, numbers.get(label, 0) + 1)
    made: list[Migration] = []
    for index, part in enumerate(parts):
        dependencies = [made[-1].key] if made else [last.get((key[0], key[1]), key) for key in migration.dependencies]
        name = f"{first + index:04d}_{part.name or rest}"
        built = Migration.build(name, label, part.operations, dependencies, initial=migration.initial)
        built.atomic = part.atomic and migration.atomic
        built.safe = dict(part.safe)
        made.append(built)
    if len(made) == 1 and first == int(number if number.isdigit() else 0):
        made[0].name = migration.name
    made[0].run_before, made[0].replaces = list(migration.run_before), list(migration.replaces)
    numbers[label] = first + len(made) - 1
    return made


def _follower(before: Migration, part: _Part, numbers: dict[str, int]) -> Migration:
    number = numbers[before.app_label] + 1
    made = Migration.build(f"{number:04d}_{part.name}", before.app_label, part.operations, [before.key])
    made.safe = dict.fromkeys(part.safe, f"{before.name} is the release before, whose code does not know it")
    return made


class _Rewriter:
    """Takes one migration apart."""

    def __init__(self, database: Database, migration: Migration, plan: SafePlan) -> None:
        self.database = database
        self.migration = migration
        self.plan = plan
        self.later: list[_Part] = []
        self._parts: list[_Part] = []
        self._is_postgresql = database.vendor == "postgresql"

    async def parts(self, effects: Sequence[OperationEffects], state: ProjectState) -> list[_Part]:
        """Return the migration's operations in parts."""
        found = {id(item.operation): item for item in reversed(effects)}
        for operation in self.migration.operations:
            item = found.get(id(operation))
            codes = {finding.code for finding in item.findings} if item is not None else set()
            if item is None or not codes or not await self._rewrite(operation, codes, item, state):
                self._keep(operation)
            after = state.clone()
            operation.state_forwards(self.migration.app_label, after)
            state = after
        return self._parts or [_Part([])]

    def _keep(self, *operations: Operation) -> None:
        if not self._parts or self._parts[-1].name:
            self._parts.append(_Part([]))
        self._parts[-1].operations += operations

    def _add(self, name: str, *operations: Operation, atomic: bool = True) -> None:
        self._parts.append(_Part(list(operations), name, atomic))

    async def _rewrite(
        self, operation: Operation, codes: set[str], item: OperationEffects, state: ProjectState
    ) -> bool:
        """Add the safe parts for an operation; ``False`` when there are none."""
        if isinstance(operation, RemoveField):
            return await self._forget_field(operation, state)
        if isinstance(operation, DeleteModel):
            return await self._forget_model(operation, state)
        if not self._is_postgresql:
            return False
        if isinstance(operation, AddField):
            return self._add_field(operation, codes, item)
        if isinstance(operation, AlterField):
            if "change-type" in codes and not codes - _OF_ANOTHER_TYPE:
                return await self._change_type(operation, state)
            if codes <= {"unique-builds-index", "index-not-concurrent"}:
                return self._index_field(operation, item, state)
            return (
                "set-not-null" in codes
                and not codes - {"set-not-null", "update-all"}
                and self._not_null(operation, operation.field)
            )
        if isinstance(operation, (AddIndex, RemoveIndex)):
            return self._index(operation)
        if isinstance(operation, AddConstraint):
            return self._constraint(operation, codes, item)
        return False

    # ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _add_field(self, operation: AddField, codes: set[str], item: OperationEffects) -> bool:
        if codes - {
            "not-null",
            "foreign-key-validates",
            "index-not-concurrent",
            "unique-builds-index",
            "add-rewrites",
        }:
            return False
        new: Any = operation.field
        if new.generated or isinstance(new, AutoFieldMixin):
            # The database alone can give each row its value.
            return False
        each_row = "add-rewrites" in codes or ("not-null" in codes and new.has_default() and callable(new.default))
        needs_value, is_key = "not-null" in codes or each_row, "foreign-key-validates" in codes
        is_unique = "unique-builds-index" in codes
        if (needs_value and _value_of(new) is None) or (is_key and (is_unique or each_row)):
            return False
        # An index of the field's own; that of a foreign key is built by the operation that adds it.
        is_indexed = "index-not-concurrent" in codes and not is_key
        model_name, name = operation.model_name, operation.name
        loose = _changed(new, operation.preserve_default, null=True) if needs_value else new
        where = f"{model_name.lower()}_{name}"
        if is_key:
            key = _postgresql("AddForeignKeyNotValid", model_name, name, loose)
            self._add(f"add_{where}", key, atomic=False)
            self._add(f"validate_{where}", _postgresql("ValidateForeignKey", model_name, name))
        else:
            less = {"db_index": False} if is_indexed and not is_unique else {"unique": False} if is_unique else {}
            bare = _changed(loose, True, **less)
            added: list[Operation] = [AddField(model_name, name, bare)]
            if each_row:
                # Added without, the rows that are there are left alone; rows that come have it at once.
                empty = _without(_without(bare, "db_default"), "default")
                added = [AddField(model_name, name, empty), AlterField(model_name, name, bare)]
            self._add(f"add_{where}", *added)
        if is_unique:
            # Rows are filled first: an index of what is there is built faster than one that changes row by row.
            filled = self._not_null(operation, _changed(new, operation.preserve_default, unique=False), needs_value)
            self._own_unique(operation, _changed(new, operation.preserve_default), item)
            return filled
        if is_indexed:
            self._own_index(operation, loose, item)
        return self._not_null(operation, new, needs_value)

    def _index_field(self, operation: AlterField, item: OperationEffects, state: ProjectState) -> bool:
        """Build the index of a field that had none beside others; what else changes comes first."""
        was: Any = state.model(self.migration.app_label, operation.model_name).field(operation.name)
        if operation.field.is_relation:
            return False
        bare = _changed(operation.field, operation.preserve_default, unique=was.unique, db_index=was.db_index)
        if was.deconstruct()[1:] != bare.deconstruct()[1:]:
            self._keep(AlterField(operation.model_name, operation.name, bare, operation.preserve_default))
        if any(effect.code == "unique-builds-index" for effect in item.effects):
            self._own_unique(operation, operation.field, item)
        else:
            self._own_index(operation, operation.field, item)
        return True

    def _own_unique(self, operation: AddField | AlterField, final: Any, item: OperationEffects) -> None:
        """Build the unique index of a field beside others, and make the rule of it."""
        forwards: list[str] = []
        backwards: list[str] = []
        rules: list[tuple[str, str]] = []
        for sql in [effect.sql.rstrip(";") for effect in item.effects]:
            found = re.fullmatch(r"(ALTER TABLE (\S+) ADD CONSTRAINT (\S+) UNIQUE) (\([^()]*\))(.*)", sql)
            if found is not None:
                start, table, name, columns, end = found.groups()
                build = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {columns}"
                rules.append((f"{start} USING INDEX {name}{end}", f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
            elif (found := re.match(r"CREATE INDEX (\S+) ON", sql)) is not None:
                name, build = found[1], concurrently(sql)
            else:
                continue
            drop = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
            forwards += [drop, build]
            backwards.append(drop)
        where = f"{operation.model_name.lower()}_{operation.name}"
        self._add(f"index_{where}", RunSQL(forwards, backwards), atomic=False)
        use = RunSQL([rule[0] for rule in rules], [rule[1] for rule in rules])
        alter = AlterField(operation.model_name, operation.name, final)
        self._add(f"unique_{where}", SeparateDatabaseAndState([use], [alter]))

    def _own_index(self, operation: AddField | AlterField, indexed: Any, item: OperationEffects) -> None:
        """Build the index of a field that was added without; texts have a second one, for beginnings."""
        forwards: list[str] = []
        backwards: list[str] = []
        for sql in [effect.sql for effect in item.effects if effect.code == "index-not-concurrent"]:
            found = re.match(r"CREATE INDEX (\S+) ON", sql)
            assert found is not None, sql  # the schema editor's own words
            drop = f"DROP INDEX CONCURRENTLY IF EXISTS {found[1]}"
            # One that an earlier try left invalid goes first.
            forwards += [drop, concurrently(sql)]
            backwards.append(drop)
        alter = AlterField(operation.model_name, operation.name, indexed)
        self._add(
            f"index_{operation.model_name.lower()}_{operation.name}",
            SeparateDatabaseAndState([RunSQL(forwards, backwards)], [alter]),
            atomic=False,
        )

    def _not_null(self, operation: AddField | AlterField, new: Any, needs_value: bool = True) -> bool:
        """Fill the rows that are NULL, and make the column NOT NULL by way of a validated rule."""
        if not needs_value:
            return True
        model_name, name = operation.model_name, operation.name
        value = _value_of(new)
        if value is not None:
            self._add(
                f"fill_{model_name.lower()}_{name}",
                _postgresql("BackfillBatches", model_name, {name: value}),
                atomic=False,
            )
        if new.null:
            return True
        final = _changed(new, operation.preserve_default)
        self._add(
            f"{model_name.lower()}_{name}_not_null",
            _postgresql("SetNotNullSafely", model_name, name, final),
            atomic=False,
        )
        return True

    async def _change_type(self, operation: AlterField, state: ProjectState) -> bool:
        """Let a column of the new type take the place of the old one."""
        label, model_name, name = self.migration.app_label, operation.model_name, operation.name
        was: Any = state.model(label, model_name).field(name)
        if was.null and not operation.field.null and _value_of(operation.field) is None:
            # Nobody says what the rows that are NULL shall have.
            return False
        after = state.clone()
        operation.state_forwards(label, after)
        found = await shadow_of(self.database, label, operation, state, after)
        if found is None:
            return False
        where = f"{model_name.lower()}_{name}"
        values: dict[str, Any] = {name: F(name)}
        condition = Q((f"{name}__isnull", False))
        if was.null and not operation.field.null:
            self._add(
                f"fill_{where}",
                _postgresql("BackfillBatches", model_name, {name: _value_of(operation.field)}),
                atomic=False,
            )
        self._add(f"add_{where}_new", found.begin)
        self._add(f"copy_{where}", _postgresql("BackfillBatches", model_name, values, condition), atomic=False)
        if found.build is not None:
            self._add(f"index_{where}_new", found.build, atomic=False)
        self._add(f"swap_{where}", found.swap)
        self._parts[-1].safe = SWAP_IS_SAFE
        return True

    async def _forget_field(self, operation: RemoveField, state: ProjectState) -> bool:
        """Take the field out of the models; the column stays, and may be NULL, since new code does not fill it."""
        old = state.model(self.migration.app_label, operation.model_name).field(operation.name)
        where = f"{operation.model_name.lower()}_{operation.name}"
        before = state
        operations: list[Operation] = []
        if not old.many_to_many and not old.generated:
            changes: dict[str, Any] = {}
            if not old.null and not old.has_db_default():
                changes["null"] = True
            if old.remote_field is not None and getattr(old, "db_constraint", False):
                # Rows that it pointed at can be deleted by code that does not know it.
                changes["db_constraint"] = False
            if changes:
                alter = AlterField(operation.model_name, operation.name, _changed(old, True, **changes))
                operations.append(alter)
                before = state.clone()
                alter.state_forwards(self.migration.app_label, before)
        operations.append(SeparateDatabaseAndState(state_operations=[operation]))
        self._add(f"forget_{where}", *operations)
        self.later.append(_Part([await self._as_sql(operation, before)], f"drop_{where}", safe={"drop-column": ""}))
        return True

    async def _forget_model(self, operation: DeleteModel, state: ProjectState) -> bool:
        name = operation.name.lower()
        self._add(f"forget_{name}", SeparateDatabaseAndState(state_operations=[operation]))
        self.later.append(_Part([await self._as_sql(operation, state)], f"drop_{name}", safe={"drop-table": ""}))
        return True

    async def _as_sql(self, operation: Operation, state: ProjectState) -> RunSQL:
        """Return an operation as SQL: what it is about is no part of the models any more when it runs."""
        label = self.migration.app_label
        after = state.clone()
        operation.state_forwards(label, after)
        sql = []
        for backwards, states in ((False, (state, after)), (True, (after, state))):
            async with self.database.schema_editor(collect=True) as editor:
                await operation.run(label, editor, *states, backwards=backwards)
            sql.append([text.rstrip(";") for text in editor.collected_sql])
        return RunSQL(sql[0], sql[1])

    # ── indexes and rules ────────────────────────────────────────────────────────────────────────────────────────────

    def _index(self, operation: AddIndex | RemoveIndex) -> bool:
        if isinstance(operation, AddIndex):
            made: Operation = _postgresql("AddIndexConcurrently", operation.model_name, operation.index)
            self._add(f"index_{operation.index.name}", made, atomic=False)
        else:
            made = _postgresql("RemoveIndexConcurrently", operation.model_name, operation.name)
            self._add(f"remove_index_{operation.name}", made, atomic=False)
        return True

    def _constraint(self, operation: AddConstraint, codes: set[str], item: OperationEffects) -> bool:
        rule, model_name = operation.constraint, operation.model_name
        if codes == {"check-validates"}:
            self._add(f"add_{rule.name}", _postgresql("AddConstraintNotValid", model_name, rule))
            self._add(f"validate_{rule.name}", _postgresql("ValidateConstraint", model_name, rule.name))
            return True
        (sql,) = [effect.sql.rstrip(";") for effect in item.effects if effect.code][:1] or [""]
        index = f"INDEX CONCURRENTLY IF EXISTS {self.database.dialect.quote(rule.name)}"
        if codes == {"index-not-concurrent"} and sql.startswith("CREATE UNIQUE INDEX"):
            # A unique rule with a condition or expressions is an index. One that an earlier try left invalid goes first.
            build = RunSQL([f"DROP {index}", concurrently(sql)], [f"DROP {index}"])
            self._add(f"index_{rule.name}", SeparateDatabaseAndState([build], [operation]), atomic=False)
            return True
        found = re.fullmatch(r"(ALTER TABLE (\S+) ADD CONSTRAINT (\S+) UNIQUE) (\([^()]*\))(.*)", sql)
        if codes != {"unique-builds-index"} or found is None or "NULLS NOT DISTINCT" in sql:
            return False
        start, table, name, columns, end = found.groups()
        build = RunSQL(
            [f"DROP {index}", f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {columns}"],
            [f"DROP {index}"],
        )
        self._add(f"index_{rule.name}", build, atomic=False)
        use = RunSQL(f"{start} USING INDEX {name}{end}", f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        self._add(f"add_{rule.name}", SeparateDatabaseAndState([use], [operation]))
        return True


def _postgresql(name: str, *args: Any) -> Operation:
    """Return an operation of ``covet.postgres``, which knows this module and not the reverse."""
    operation: Operation = import_string(f"covet.postgres.operations.{name}")(*args)
    return operation


def _changed(old: Any, preserve_default: bool, **changes: Any) -> Any:
    """Return a field with other options; without its default, if that was for existing rows only."""
    _name, _path, args, kwargs = old.deconstruct()
    if not preserve_default:
        kwargs.pop("default", None)
    return type(old)(*args, **{**kwargs, **changes})


def _without(old: Any, option: str) -> Any:
    """Return a field without one of its options."""
    _name, _path, args, kwargs = old.deconstruct()
    kwargs.pop(option, None)
    return type(old)(*args, **kwargs)


def _value_of(new: Any) -> Any:
    """Return what existing rows get: an expression, or a function that is called for each; ``None`` when there is nothing."""
    from covet import timezone
    from covet.db.models import Expression, Value
    from covet.db.models.functions import Now

    if new.has_db_default():
        return new.db_default if isinstance(new.db_default, Expression) else Value(new.db_default)
    if not new.has_default():
        return None
    if callable(new.default):
        return Now() if new.default is timezone.now else new.default
    return Value(new.default)
