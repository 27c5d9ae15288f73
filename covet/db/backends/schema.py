"""The editor of tables: makes, changes and drops them from ``TableDef`` values, or only gathers the SQL.

``alter_table`` compares two definitions; what is equal by value stays. Each database's ``Editor`` says how one change is
made. Keys, rules and indexes that fall away go first, then columns change, then the new ones come.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from msgspec.structs import replace

from covet.db.backends.blocks import Atomic
from covet.db.backends.table_changes import Changes, compare, with_names
from covet.db.sql.ddl import CheckDef, ColumnDef, ForeignKeyDef, IndexDef, TableDef, UniqueDef
from covet.db.sql.ddl_compiler import DDLWriter, primary_key_of

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["SchemaEditor", "StatementLog"]


class StatementLog(Protocol):
    """What remembers which statements have run, where no transaction holds them together."""

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier process has begun."""

    def knows(self, sql: str) -> bool:
        """Whether a statement has run before."""

    def whole(self, *, on: bool) -> None:
        """Say that a transaction holds what follows together, or that it has ended."""

    async def ends(self, editor: SchemaEditor) -> None:
        """Write that an operation is finished."""

    async def once(self, sql: str, args: Sequence[Any], run: Callable[[], Awaitable[object]]) -> None:
        """Run a statement, unless it has run before."""


class SchemaEditor(ABC):
    """Runs DDL, or gathers it; an async context manager.

    Foreign keys of new tables are made when the editor closes, so that tables may come in any order.

    Attributes:
        collect: Nothing runs; ``collected_sql`` has the statements.
        atomic: Everything happens in one transaction.
        collected_sql: The statements so far, each with its semicolon.
        log: Remembers the statements that have run; ``None`` where a transaction holds all together.
        put_off: Statements that wait for the end.
        lock_timeout_s: How long a statement waits for a lock; ``None``: as the connection does.
        statement_timeout_s: How long a statement may take; ``None``: as on the connection.
        alter_hints: What MySQL and MariaDB are told of how to change a table; other databases take none.
    """

    writer_class: ClassVar[type[DDLWriter]] = DDLWriter

    def __init__(self, database: Database, *, collect: bool = False, atomic: bool | None = None) -> None:
        self.database = database
        self.alias = database.alias
        self.vendor = database.vendor
        self.dialect = database.dialect
        self.collect = collect
        rolls_back = database.features.rolls_back_ddl
        self.atomic = rolls_back if atomic is None else atomic and rolls_back
        self.collected_sql: list[str] = []
        self._writer: DDLWriter | None = None
        self._block: Atomic | None = None
        self.log: StatementLog | None = None
        self.put_off: list[str] = []
        self.lock_timeout_s: float | None = None
        self.statement_timeout_s: float | None = None
        self.alter_hints: tuple[str, ...] = ()

    @property
    def connection(self) -> Database:
        """The database, as functions of ``RunPython`` written elsewhere ask for it: ``.connection.alias``, ``.vendor``."""
        return self.database

    @property
    def writer(self) -> DDLWriter:
        """Writes the pieces; made late, since a server's version changes the dialect."""
        if self._writer is None or self._writer.dialect is not self.database.dialect:
            self.dialect = self.database.dialect
            self._writer = self.writer_class(self.dialect)
        return self._writer

    async def __aenter__(self) -> SchemaEditor:
        if not self.collect:
            await self.database.open()
            if self.atomic:
                self._block = Atomic(lambda: self.database, before=self.statements_before())
                await self._block.__aenter__()
                for sql in self.limits():
                    await self.database.execute(sql)
        return self

    def limits(self) -> Sequence[str]:
        """Return what sets the time-outs for the transaction that has begun."""
        return ()

    async def _run_limited(self, sql: str, args: Sequence[Any]) -> object:
        """Run a statement outside the editor's transaction, under the time-outs."""
        return await self.database.execute(sql, args)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._block is None:
            if error is None:
                await self.finish()
            return
        try:
            if error is None:
                await self.finish()
        except BaseException as failure:
            await self._block.__aexit__(type(failure), failure, failure.__traceback__)
            raise
        await self._block.__aexit__(kind, error, traceback)

    def statements_before(self) -> Sequence[str]:
        """Return what the connection is told before the transaction begins."""
        return ()

    def statements_after(self) -> Sequence[str]:
        """Return what undoes ``statements_before`` in a script; a connection of ours is reset by its driver."""
        return ()

    async def finish(self) -> None:
        """Run what was put off to the end."""
        deferred, self.put_off = self.put_off, []
        for sql in deferred:
            await self.run(sql)

    async def settle(self) -> None:  # noqa: B027  # only PostgreSQL minds
        """Let the database check now what it would check at the commit: pending checks stand in the way of DDL."""

    async def execute(self, sql: str, args: Sequence[Any] = ()) -> None:
        """Run one statement written with ``%s`` for its values, or gather it with the values written out."""
        if self.collect:
            self.collected_sql.append(f"{_filled(sql, args, self._literal).rstrip().rstrip(';')};")
        elif args:
            await self._carry_out(self.dialect.from_format(sql), args)
        else:
            await self._carry_out(sql)

    async def _carry_out(self, sql: str, args: Sequence[Any] = ()) -> None:
        if self.log is None:
            await self.database.execute(sql, args)
        else:
            await self.log.once(sql, args, lambda: self._run_limited(sql, args))

    def _literal(self, value: object) -> str:
        text = self.dialect.literal(value)
        return text.replace("%%", "%") if self.dialect.doubles_percent else text

    async def run(self, sql: str) -> None:
        """Run, or gather, one finished statement."""
        if self.collect:
            self.collected_sql.append(f"{sql};")
        else:
            await self._carry_out(sql)
            self.database.forget_statements()

    # Tables

    async def create_table(self, table: TableDef) -> None:
        """Make a table with its rules and indexes; its foreign keys follow when the editor closes."""
        writer = self.writer
        inline = self.has_inline_foreign_keys
        await self.run(writer.create_table(table, foreign_keys=inline))
        for sql in writer.indexes_of(self.indexable(table)):
            await self.run(sql)
        await self.comment(None, table)
        if not inline:
            self.put_off += [self.add_foreign_key_sql(table.name, key) for key in table.foreign_keys]

    has_inline_foreign_keys: ClassVar[bool] = False

    def indexable(self, table: TableDef) -> TableDef:
        """Return the table with the indexes that this database can make."""
        return table

    def add_foreign_key_sql(self, table: str, key: ForeignKeyDef) -> str:
        """Return the statement that adds a foreign key."""
        return f"ALTER TABLE {self.writer.name(table)} ADD {self.writer.foreign_key(key)}"

    async def drop_table(self, name: str) -> None:
        """Drop a table; foreign keys that are to be made on it later are forgotten."""
        start = f"ALTER TABLE {self.writer.name(name)} ADD "
        self.put_off = [sql for sql in self.put_off if not sql.startswith(start)]
        await self.settle()
        await self.run(f"DROP TABLE {self.writer.name(name)}{self.drop_suffix}")

    drop_suffix: ClassVar[str] = ""

    async def rename_table(self, old: str, new: str) -> None:
        """Rename a table; what refers to it follows."""
        start = f"ALTER TABLE {self.writer.name(old)} ADD "
        end = f"ALTER TABLE {self.writer.name(new)} ADD "
        self.put_off = [end + sql[len(start) :] if sql.startswith(start) else sql for sql in self.put_off]
        await self.settle()
        await self.run(f"ALTER TABLE {self.writer.name(old)} RENAME TO {self.writer.name(new)}")

    async def alter_table(self, old: TableDef, new: TableDef, renamed: Mapping[str, str] | None = None) -> None:
        """Make the table of the old definition that of the new one.

        Args:
            old: What is there.
            new: What shall be.
            renamed: Old to new names of columns that are the same column.
        """
        if old.name != new.name:
            await self.rename_table(old.name, new.name)
        # An index that the database cannot have on a column of the new type goes, though its definition is the same.
        changes = compare(self.indexable(old), self.indexable(new), renamed or {})
        await self.settle()
        await self.apply(changes, old, new)

    async def apply(self, changes: Changes, old: TableDef, new: TableDef) -> None:
        """Make the changes, one statement after the other."""
        writer = self.writer
        table = writer.name(new.name)
        now = with_names(old, new.name, {})
        # A rule that has only another name is renamed: foreign keys of other tables may lean on it.
        kept = [(a, b) for a in changes.old_uniques for b in changes.new_uniques if replace(a, name=b.name) == b]
        for key in _renamed_back(changes.old_keys, now.foreign_keys):
            await self.drop_foreign_key(new.name, key)
        for index in _renamed_back(changes.old_indexes, now.indexes):
            await self.drop_index(now, index)
        gone = [unique for unique in changes.old_uniques if unique not in dict(kept)]
        for unique in _renamed_back(gone, now.uniques):
            await self.drop_unique(now, unique)
        for check in _renamed_back(changes.old_checks, now.checks):
            await self.drop_check(new.name, check)
        for before, after in changes.renamed.items():
            await self.run(f"ALTER TABLE {table} RENAME COLUMN {writer.name(before)} TO {writer.name(after)}")
        if changes.key_changes:
            await self.drop_primary_key(now, new, changes)
        for column in changes.removed:
            await self.drop_column(new.name, column)
        for column in changes.added:
            await self.add_column(new, column)
        for before_column, after_column in changes.altered:
            await self.alter_column(new, before_column, after_column)
        if changes.key_changes:
            await self.add_primary_key(new, changes)
        for check in changes.new_checks:
            await self.run(f"ALTER TABLE {table} ADD {writer.check(check)}")
        for before_rule, after_rule in kept:
            await self.rename_unique(new, before_rule, after_rule)
        for unique in changes.new_uniques:
            if unique not in dict(kept).values():
                await self.add_unique(new, unique)
        for index in changes.new_indexes:
            await self.add_index(new, index)
        for key in changes.new_keys:
            await self.run(self.add_foreign_key_sql(new.name, key))
        await self.comment(old, new)

    # Columns

    @abstractmethod
    async def add_column(self, table: TableDef, column: ColumnDef) -> None:
        """Add a column; existing rows get its ``backfill``."""

    @abstractmethod
    async def alter_column(self, table: TableDef, old: ColumnDef, new: ColumnDef) -> None:
        """Change a column's type, default, nullability, unique rule or comment."""

    async def drop_column(self, table: str, column: ColumnDef) -> None:
        """Drop a column."""
        await self.run(f"ALTER TABLE {self.writer.name(table)} DROP COLUMN {self.writer.name(column.name)}")

    async def fill(self, table: str, column: ColumnDef) -> None:
        """Give the rows that have no value the column's ``backfill``."""
        if column.backfill is None:
            return
        name = self.writer.name(column.name)
        value = self.writer.expression(column.backfill)
        await self.run(f"UPDATE {self.writer.name(table)} SET {name} = {value} WHERE {name} IS NULL")
        await self.settle()

    # Keys and rules

    @abstractmethod
    async def drop_primary_key(self, old: TableDef, new: TableDef, changes: Changes) -> None:
        """Drop the primary key."""

    async def add_primary_key(self, table: TableDef, changes: Changes) -> None:
        """Add the primary key."""
        key = primary_key_of(table)
        if key:
            await self.run(f"ALTER TABLE {self.writer.name(table.name)} ADD PRIMARY KEY ({self.writer.names(key)})")

    async def drop_foreign_key(self, table: str, key: ForeignKeyDef) -> None:
        """Drop a foreign key."""
        await self.run(f"ALTER TABLE {self.writer.name(table)} DROP CONSTRAINT {self.writer.name(key.name)}")

    async def drop_check(self, table: str, check: CheckDef) -> None:
        """Drop a check constraint."""
        await self.run(f"ALTER TABLE {self.writer.name(table)} DROP CONSTRAINT {self.writer.name(check.name)}")

    async def add_unique(self, table: TableDef, unique: UniqueDef) -> None:
        """Add a unique rule."""
        if not self.writer.can(unique):
            return
        if self.writer.is_constraint(unique):
            await self.run(f"ALTER TABLE {self.writer.name(table.name)} ADD {self.writer.unique_constraint(unique)}")
        else:
            await self.run(self.writer.index(table.name, unique))

    async def drop_unique(self, table: TableDef, unique: UniqueDef) -> None:
        """Drop a unique rule."""
        if not self.writer.can(unique):
            return
        if self.writer.is_constraint(unique):
            await self.run(
                f"ALTER TABLE {self.writer.name(table.name)} DROP CONSTRAINT {self.writer.name(unique.name)}"
            )
        else:
            await self.run(self.drop_index_sql(table.name, unique.name))

    async def rename_unique(self, table: TableDef, old: UniqueDef, new: UniqueDef) -> None:
        """Give a unique rule another name."""
        if not self.writer.can(old):
            return
        before, after = self.writer.name(old.name), self.writer.name(new.name)
        if self.writer.is_constraint(old):
            await self.run(f"ALTER TABLE {self.writer.name(table.name)} RENAME CONSTRAINT {before} TO {after}")
        else:
            await self.run(f"ALTER INDEX {before} RENAME TO {after}")

    async def unique_name(self, table: str, column: str) -> str:
        """Return the name of the rule that a column's ``unique=True`` made."""
        if not self.collect:
            for constraint in await self.database.introspection.constraints(table):
                if constraint.kind == "unique" and constraint.columns == (column,):
                    return constraint.name
        return f"{table}_{column}_key"

    # Indexes

    async def add_index(self, table: TableDef, index: IndexDef) -> None:
        """Add an index; one that this database cannot have is left out."""
        for item in self.indexable(replace(table, indexes=(index,))).indexes:
            if self.writer.can(item):
                await self.run(self.writer.index(table.name, item))

    async def drop_index(self, table: TableDef, index: IndexDef) -> None:
        """Drop an index."""
        for item in self.indexable(replace(table, indexes=(index,))).indexes:
            if self.writer.can(item):
                await self.run(self.drop_index_sql(table.name, item.name))

    def drop_index_sql(self, table: str, name: str) -> str:
        """Return the statement that drops an index."""
        return f"DROP INDEX {self.writer.name(name)}"

    async def rename_index(self, table: str, index: IndexDef, new_name: str) -> None:
        """Rename an index."""
        await self.run(f"ALTER INDEX {self.writer.name(index.name)} RENAME TO {self.writer.name(new_name)}")

    async def comment(self, old: TableDef | None, new: TableDef) -> None:  # noqa: B027  # SQLite has none
        """Write the comments that changed, where they are statements of their own."""


def _renamed_back(changed: Sequence[Any], original: Sequence[Any]) -> list[Any]:
    """Return what goes in the words of the table as it is: before any column has its new name."""
    by_name = {item.name: item for item in original}
    return [by_name[item.name] for item in changed]


def _filled(sql: str, args: Sequence[Any], literal: Callable[[object], str]) -> str:
    if not args:
        return sql
    pieces = sql.split("%s")
    out = [pieces[0].replace("%%", "%")]
    for value, piece in zip(args, pieces[1:], strict=True):
        out += [literal(value), piece.replace("%%", "%")]
    return "".join(out)
