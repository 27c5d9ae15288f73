"""The shadow column: another type for a column of PostgreSQL without writing the table anew under its lock.

A second column of the new type stands beside the old one; a trigger keeps it up to date with what any release writes; the
rows that are there are written once, in batches, so that the trigger fills it for them; its indexes and rules are built
beside others; and in the end it takes the old one's place and name in one short transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.backends.table_changes import with_names
from covet.db.migrations.apply import tables_of
from covet.db.migrations.operations.columns import AlterField
from covet.db.migrations.operations.special import RunSQL, SeparateDatabaseAndState
from covet.db.migrations.statements import concurrently

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.database import Database
    from covet.db.migrations.state import ProjectState
    from covet.db.sql.ddl import ColumnDef, TableDef

__all__ = ["SWAP_IS_SAFE", "Shadow", "shadow_of"]

_REASON = "its values stand in the column that takes its place and its name"
SWAP_IS_SAFE = {"drop-column": _REASON, "rename-column": _REASON}


class Shadow(Struct):
    """The steps; each but the last leaves the old column in use.

    Attributes:
        begin: Adds the column and the trigger.
        build: Builds indexes and rules, outside of a transaction; empty when there are none.
        swap: Puts the column in the place of the old one, and tells the models.
    """

    begin: RunSQL
    build: RunSQL | None
    swap: SeparateDatabaseAndState


async def shadow_of(
    database: Database, app_label: str, operation: AlterField, before: ProjectState, after: ProjectState
) -> Shadow | None:
    """Return the steps for a change of type; ``None`` where others hang on the column: keys, references, generated ones.

    Args:
        database: A PostgreSQL.
        app_label: The app of the model.
        operation: The change.
        before: The models before it.
        after: The models after it.
    """
    key = (app_label, operation.model_name.lower())
    old, new = tables_of(before, key).get(""), tables_of(after, key).get("")
    if old is None or new is None or not _stands_alone(operation, key, before, old.table, new.table):
        return None
    column = new.roles[operation.name]
    shadow = _short(column)
    moved = with_names(new.table, new.table.name, {column: shadow})
    return await _Writer(database, old.table, new.table, moved, column, shadow).steps(
        app_label, operation, before, after
    )


def _stands_alone(
    operation: AlterField, key: tuple[str, str], before: ProjectState, old: TableDef, new: TableDef
) -> bool:
    item: Any = operation.field
    was: Any = before.model(*key).field(operation.name)
    if item.is_relation or was.is_relation or item.primary_key or was.primary_key or item.generated or was.generated:
        return False
    if any(column.generated is not None for column in new.columns) or len(old.columns) != len(new.columns):
        return False
    if {column.name for column in old.columns} != {column.name for column in new.columns}:
        return False
    return all(
        getattr(model.references.get(name), "to_field", None) != operation.name for model, name in before.referrers(key)
    )


def _short(name: str) -> str:
    # PostgreSQL cuts names after 63 bytes.
    return f"{name.encode()[:59].decode(errors='ignore')}_new"


class _Writer(Struct):
    database: Database
    old: TableDef
    new: TableDef
    moved: TableDef
    column: str
    shadow: str

    async def steps(
        self, app_label: str, operation: AlterField, before: ProjectState, after: ProjectState
    ) -> Shadow | None:
        quote = self.database.dialect.quote
        table, shadow, column = quote(self.new.name), quote(self.shadow), quote(self.column)
        target = self.moved.column(self.shadow)
        bare = replace(target, null=True, default=None, backfill=None, unique=False, check=None)
        value = await self._value(self.old.column(self.column), bare)
        trigger = quote(_short(f"covet_{self.new.name}_{self.column}"))
        text = self.database.dialect.text_literal
        body = f"BEGIN NEW.{shadow} := {value.replace(column, f'NEW.{column}')}; RETURN NEW; END"
        add = await self._collected(lambda editor: editor.add_column(self.moved, bare))
        begin = RunSQL(
            [
                *add,
                f"CREATE OR REPLACE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS {text(body)}",
                f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {trigger}()",
            ],
            [
                f"DROP TRIGGER IF EXISTS {trigger} ON {table}",
                f"DROP FUNCTION IF EXISTS {trigger}()",
                f"ALTER TABLE {table} DROP COLUMN IF EXISTS {shadow}",
            ],
        )
        build, undo, names = await self._rules()
        if build is None:
            return None
        if not target.null:
            build += self._not_null(table, shadow)
        if target.default is not None:
            with_default = replace(bare, default=target.default)
            build += await self._collected(lambda editor: editor.alter_column(self.moved, bare, with_default))
        forwards = [
            f"DROP TRIGGER {trigger} ON {table}",
            f"DROP FUNCTION {trigger}()",
            f"ALTER TABLE {table} DROP COLUMN {column}",
            f"ALTER TABLE {table} RENAME COLUMN {shadow} TO {column}",
            *names,
        ]
        backwards = await self._back(app_label, operation, before, after)
        swap = SeparateDatabaseAndState([RunSQL(forwards, backwards)], [operation])
        return Shadow(begin, RunSQL(build, undo) if build else None, swap)

    async def _rules(self) -> tuple[list[str] | None, list[str], list[str]]:
        """Return what builds the indexes and rules, what takes them away again, and what gives them their names."""
        quote = self.database.dialect.quote
        table = quote(self.new.name)
        build: list[str] = []
        undo: list[str] = []
        names: list[str] = []
        for kind, final, twin in self._twins():
            temporary = replace(twin, name=_short(final.name))
            made, wanted = await self._statements(kind, temporary), await self._statements(kind, final)
            for sql, last in zip(made, wanted, strict=True):
                index = re.match(r"CREATE (?:UNIQUE )?INDEX (\S+) ON", sql)
                rule = re.fullmatch(r"ALTER TABLE \S+ ADD CONSTRAINT (\S+) (UNIQUE|CHECK) ?(.+)", sql)
                if index is not None:
                    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {index[1]}"
                    # One that an earlier try left invalid goes first.
                    build += [drop, concurrently(sql)]
                    undo.append(drop)
                    names.append(f"ALTER INDEX {index[1]} RENAME TO {last.split(' ON ')[0].rpartition(' ')[2]}")
                elif rule is not None and rule[2] == "CHECK":
                    build += [f"{sql} NOT VALID", f"ALTER TABLE {table} VALIDATE CONSTRAINT {rule[1]}"]
                    undo.append(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {rule[1]}")
                    names.append(f"ALTER TABLE {table} RENAME CONSTRAINT {rule[1]} TO {quote(final.name)}")
                elif rule is not None and (columns := re.fullmatch(r"(\([^()]*\))(.*)", rule[3])) is not None:
                    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {rule[1]}"
                    build += [drop, f"CREATE UNIQUE INDEX CONCURRENTLY {rule[1]} ON {table} {columns[1]}"]
                    undo.append(drop)
                    names.append(
                        f"ALTER TABLE {table} ADD CONSTRAINT {quote(final.name)} UNIQUE USING INDEX {rule[1]}{columns[2]}"
                    )
                else:
                    # An exclusion, or a rule in which NULLs are equal: no index makes one.
                    return None, [], []
        return build, undo, names

    def _twins(self) -> Iterator[tuple[str, Any, Any]]:
        """Yield the indexes and rules that speak of the column, each with the one that speaks of the shadow."""
        for kind in ("checks", "uniques", "indexes"):
            for final, twin in zip(getattr(self.new, kind), getattr(self.moved, kind), strict=True):
                if final != twin:
                    yield kind, final, twin

    async def _statements(self, kind: str, rule: Any) -> list[str]:
        table = self.moved

        async def add(editor: SchemaEditor) -> None:
            if kind == "indexes":
                await editor.add_index(table, rule)
            elif kind == "uniques":
                await editor.add_unique(table, rule)
            else:
                await editor.run(f"ALTER TABLE {editor.writer.name(table.name)} ADD {editor.writer.check(rule)}")

        return await self._collected(add)

    async def _value(self, old: ColumnDef, new: ColumnDef) -> str:
        """Return the expression that makes a value of the new type of one of the old, as ALTER … TYPE has it."""
        plain = replace(old, null=True, default=None, unique=False, check=None, backfill=None)
        named = replace(new, name=old.name)
        for sql in await self._collected(lambda editor: editor.alter_column(self.old, plain, named)):
            if " TYPE " in sql and " USING " in sql:
                return sql.partition(" USING ")[2]
        return self.database.dialect.quote(self.column)

    def _not_null(self, table: str, shadow: str) -> list[str]:
        rule = self.database.dialect.quote(_short(f"{self.shadow}_not_null"))
        return [
            f"ALTER TABLE {table} ADD CONSTRAINT {rule} CHECK ({shadow} IS NOT NULL) NOT VALID",
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {rule}",
            f"ALTER TABLE {table} ALTER COLUMN {shadow} SET NOT NULL",
            f"ALTER TABLE {table} DROP CONSTRAINT {rule}",
        ]

    async def _back(
        self, app_label: str, operation: AlterField, before: ProjectState, after: ProjectState
    ) -> list[str]:
        """Return the way back, which is the plain change of the type: it is asked for when things go wrong, and must end."""
        return await self._collected(lambda editor: operation.run(app_label, editor, after, before, backwards=True))

    async def _collected(self, act: Any) -> list[str]:
        async with self.database.schema_editor(collect=True) as editor:
            await act(editor)
        return [sql.rstrip(";") for sql in _only_statements(editor.collected_sql)]


def _only_statements(statements: Sequence[str]) -> list[str]:
    return [sql for sql in statements if not sql.startswith("SET CONSTRAINTS")]
