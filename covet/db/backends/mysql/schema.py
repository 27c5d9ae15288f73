"""MySQL's and MariaDB's DDL: ``MODIFY COLUMN`` with the whole definition, no transactions, indexes that keys need."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from covet.db.backends.schema import SchemaEditor
from covet.db.backends.table_changes import Changes
from covet.db.errors import DataError
from covet.db.sql.ddl import CheckDef, ColumnDef, ForeignKeyDef, IndexDef, IndexPart, TableDef, UniqueDef
from covet.db.sql.ddl_compiler import DDLWriter, primary_key_of
from covet.db.sql.nodes import TEXT_KINDS

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["Editor"]

# Such columns can be indexed by a prefix only; there is no default either.
_UNBOUNDED = frozenset(("text", "binary", "json"))
_UNCHECKED = "SET foreign_key_checks = 0; "
_CHECKED = "; SET foreign_key_checks = 1"
_DROP_INDEX = re.compile(r"DROP INDEX (`(?:[^`]|``)+`) ON (.+)")
_TAKES_HINTS = re.compile(
    rf"({_UNCHECKED})?((?:ALTER TABLE|CREATE (?:UNIQUE )?INDEX|DROP INDEX) .*?)({_CHECKED})?", re.DOTALL
)


class _Writer(DDLWriter):
    def primary_key_word(self, column: ColumnDef) -> str:
        return "AUTO_INCREMENT PRIMARY KEY" if column.identity else "PRIMARY KEY"

    def column_comment(self, column: ColumnDef) -> str:
        return f"COMMENT {self._text(column.comment)}" if column.comment else ""

    def table_options(self, table: TableDef) -> str:
        return f" COMMENT {self._text(table.comment)}" if table.comment else ""

    def _text(self, text: str) -> str:
        return self.dialect.text_literal(text).replace("%%", "%")

    def deferred(self) -> str:
        return ""

    def null(self, column: ColumnDef, *, primary_key: bool) -> str:
        if column.generated is not None:
            # MariaDB knows no NOT NULL on a generated column.
            return ""
        return "NULL" if column.null and not primary_key else "NOT NULL"


class Editor(SchemaEditor):
    """The schema editor of MySQL and MariaDB; each statement commits by itself."""

    writer_class = _Writer

    def __init__(self, database: Database, *, collect: bool = False, atomic: bool | None = None) -> None:
        super().__init__(database, collect=collect, atomic=atomic)
        # Indexes made for foreign keys whose own was dropped: name and columns.
        self._helpers: list[tuple[str, tuple[str, ...]]] = []

    def indexable(self, table: TableDef) -> TableDef:
        """Leave out indexes on columns without a length."""
        kinds = {column.name: column.type for column in table.columns}

        def fits(index: IndexDef) -> bool:
            for part in index.parts:
                found = kinds.get(part.column or "")
                if found is not None and (
                    found.kind in _UNBOUNDED or (found.kind == "varchar" and found.length is None)
                ):
                    return False
            return True

        return replace(table, indexes=tuple(replace(index, method="") for index in table.indexes if fits(index)))

    async def _run_limited(self, sql: str, args: Sequence[Any]) -> object:
        """Run a statement with the time-outs; on MariaDB they are its own, on MySQL the session's, in one text."""
        seconds = {"lock_wait_timeout": self.lock_timeout_s, "innodb_lock_wait_timeout": self.lock_timeout_s}
        if getattr(self.dialect, "is_mariadb", False):
            seconds["max_statement_time"] = self.statement_timeout_s
        limits = {
            name: value if name == "max_statement_time" else max(1, math.ceil(value))
            for name, value in seconds.items()
            if value is not None
        }
        if not limits or args:
            return await self.database.execute(sql, args)
        settings = ", ".join(f"{name} = {value}" for name, value in limits.items())
        if not getattr(self.dialect, "is_mariadb", False):
            back = ", ".join(f"{name} = DEFAULT" for name in limits)
            return await self.database.execute(f"SET SESSION {settings}; {sql}; SET SESSION {back}")
        if sql.startswith(_UNCHECKED):
            rest = sql.removeprefix(_UNCHECKED)
            return await self.database.execute(f"{_UNCHECKED}SET STATEMENT {settings} FOR {rest}")
        return await self.database.execute(f"SET STATEMENT {settings} FOR {sql}")

    async def run(self, sql: str) -> None:
        """Run, or gather, one finished statement, with the hints of this editor."""
        await super().run(self._hinted(sql) if self.alter_hints else sql)

    def _hinted(self, sql: str) -> str:
        found = _TAKES_HINTS.fullmatch(sql)
        if found is None:
            return sql
        before, statement, after = found.groups(default="")
        # MariaDB's DROP INDEX takes no hints; ALTER TABLE does on both.
        statement = _DROP_INDEX.sub(r"ALTER TABLE \2 DROP INDEX \1", statement)
        between = ", " if statement.startswith("ALTER TABLE") else " "
        return f"{before}{between.join((statement, *self.alter_hints))}{after}"

    async def _without_checks(self, sql: str) -> None:
        """Run a statement while foreign keys are not looked at; one text, since the switch is the session's own."""
        if self.collect:
            await self.run(sql)
        else:
            await self.run(f"{_UNCHECKED}{sql}{_CHECKED}")

    async def drop_table(self, name: str) -> None:
        """Drop a table, whoever points at it: their keys are to go as well."""
        start = f"ALTER TABLE {self.writer.name(name)} ADD "
        self.put_off = [sql for sql in self.put_off if not sql.startswith(start)]
        await self._without_checks(f"DROP TABLE {self.writer.name(name)}")

    async def add_column(self, table: TableDef, column: ColumnDef) -> None:
        """Add a column; existing rows get their value before it must have one."""
        writer = self.writer
        name = writer.name(table.name)
        key = primary_key_of(table) == (column.name,)
        if column.backfill is None or column.default is not None or column.generated is not None or key:
            await self.run(f"ALTER TABLE {name} ADD COLUMN {writer.column(column, primary_key=key)}")
            return
        loose = replace(column, null=True, unique=False, check=None)
        await self.run(f"ALTER TABLE {name} ADD COLUMN {writer.column(loose, primary_key=False)}")
        await self.fill(table.name, column)
        await self.run(f"ALTER TABLE {name} MODIFY COLUMN {writer.column(column, primary_key=False)}")

    async def alter_column(self, table: TableDef, old: ColumnDef, new: ColumnDef) -> None:
        """Write the whole column again; its unique rule and check are rules of their own."""
        writer = self.writer
        name = writer.name(table.name)
        if old.generated != new.generated:
            await self.drop_column(table.name, old)
            await self.add_column(table, new)
            return
        if old.unique and not new.unique:
            index = await self.unique_name(table.name, new.name)
            await self.run(f"ALTER TABLE {name} DROP INDEX {writer.name(index)}")
        if old.null and not new.null:
            await self.fill(table.name, new)
        key = primary_key_of(table) == (new.name,)
        if replace(old, unique=False, backfill=None) != replace(new, unique=False, backfill=None):
            if old.type.kind in TEXT_KINDS and new.type.kind == "uuid":
                await self._write_digits(table.name, old)
            # The column has its key already, and a second mention of it would be a second key.
            text = writer.column(new, primary_key=False, with_unique=False)
            if key and new.identity:
                text += " AUTO_INCREMENT"
            await self._without_checks(f"ALTER TABLE {name} MODIFY COLUMN {text}")
        if new.unique and not old.unique and not key:
            await self.run(f"ALTER TABLE {name} ADD UNIQUE ({writer.name(new.name)})")

    async def _write_digits(self, table: str, column: ColumnDef) -> None:
        """Write UUIDs as digits alone, and raise where a text is none: for the database it is a text as before."""
        name, digits = self.writer.name(table), f"LOWER(REPLACE({self.writer.name(column.name)}, '-', ''))"
        if not self.collect:
            rows = await self.database.fetch(
                f"SELECT COUNT(*) FROM {name} WHERE {digits} NOT REGEXP '^[0-9a-f]{{32}}$'"
            )
            if rows[0][0]:
                raise DataError(
                    f"{rows[0][0]} rows of '{table}' hold texts in '{column.name}' that are no UUIDs: change them first.",
                    alias=self.alias,
                )
        await self.run(f"UPDATE {name} SET {self.writer.name(column.name)} = {digits}")

    async def unique_name(self, table: str, column: str) -> str:
        """Return the name of the rule that a column's ``unique=True`` made; by itself it is the column's."""
        if not self.collect:
            return await super().unique_name(table, column)
        return column

    async def drop_primary_key(self, old: TableDef, new: TableDef, changes: Changes) -> None:
        """Drop the key; an automatic column must stop being automatic first."""
        key = primary_key_of(old)
        if not key:
            return
        name = self.writer.name(old.name)
        for column in old.columns:
            if column.name in key and column.identity:
                current = changes.renamed.get(column.name, column.name)
                plain = replace(column, name=current, identity=False)
                text = self.writer.column(plain, primary_key=False, with_unique=False)
                await self._without_checks(f"ALTER TABLE {name} MODIFY COLUMN {text}")
        await self._without_checks(f"ALTER TABLE {name} DROP PRIMARY KEY")

    async def add_primary_key(self, table: TableDef, changes: Changes) -> None:
        """Add the key, and make its column automatic."""
        key = primary_key_of(table)
        if not key or (len(key) == 1 and any(column.name == key[0] for column in changes.added)):
            return
        await super().add_primary_key(table, changes)
        column = table.column(key[0])
        if len(key) == 1 and column.identity:
            text = self.writer.column(column, primary_key=False, with_unique=False)
            await self._without_checks(
                f"ALTER TABLE {self.writer.name(table.name)} MODIFY COLUMN {text} AUTO_INCREMENT"
            )

    async def drop_foreign_key(self, table: str, key: ForeignKeyDef) -> None:
        """Drop a foreign key, and the index that the server made for it."""
        name = self.writer.name(table)
        await self.run(f"ALTER TABLE {name} DROP FOREIGN KEY {self.writer.name(key.name)}")
        if not self.collect and any(
            index.name == key.name for index in await self.database.introspection.indexes(table)
        ):
            await self.run(self.drop_index_sql(table, key.name))

    async def drop_check(self, table: str, check: CheckDef) -> None:
        """Drop a check constraint."""
        word = "CONSTRAINT" if getattr(self.dialect, "is_mariadb", False) else "CHECK"
        await self.run(f"ALTER TABLE {self.writer.name(table)} DROP {word} {self.writer.name(check.name)}")

    async def drop_unique(self, table: TableDef, unique: UniqueDef) -> None:
        """Drop a unique rule: an index here, always."""
        if not self.writer.can(unique):
            return
        await self._keep_key_indexed(table, tuple(part.column or "" for part in unique.parts))
        await self.run(self.drop_index_sql(table.name, unique.name))

    async def rename_unique(self, table: TableDef, old: UniqueDef, new: UniqueDef) -> None:
        """Give a unique rule another name: an index here, always."""
        if self.writer.can(old):
            await self.rename_index(table.name, IndexDef(old.name, old.parts), new.name)

    async def drop_index(self, table: TableDef, index: IndexDef) -> None:
        """Drop an index; a foreign key that leans on it gets one of its own first."""
        for item in self.indexable(replace(table, indexes=(index,))).indexes:
            if self.writer.can(item):
                await self._keep_key_indexed(table, tuple(part.column or "" for part in item.parts))
                await self.run(self.drop_index_sql(table.name, item.name))

    async def _keep_key_indexed(self, table: TableDef, columns: tuple[str, ...]) -> None:
        if self.collect:
            return
        reader = self.database.introspection
        for constraint in await reader.constraints(table.name):
            if constraint.kind != "foreign_key" or constraint.columns != columns[: len(constraint.columns)]:
                continue
            others = [
                index
                for index in await reader.indexes(table.name)
                if index.columns[: len(constraint.columns)] == constraint.columns
            ]
            parts = tuple(IndexPart(column) for column in constraint.columns)
            sql = self.writer.index(table.name, IndexDef(constraint.name, parts))
            # An earlier process may have made it and have been killed before the rest.
            if len(others) < 2 or (self.log is not None and self.log.knows(sql)):
                await self.run(sql)
                self._helpers.append((constraint.name, constraint.columns))

    async def apply(self, changes: Changes, old: TableDef, new: TableDef) -> None:
        """Make the changes, and drop the indexes made for a key in between that another one has made needless."""
        self._helpers.clear()
        await super().apply(changes, old, new)
        for name, columns in self._helpers:
            there = await self.database.introspection.indexes(new.name)
            names = [index.name for index in there if index.columns[: len(columns)] == columns]
            if name in names and len(names) > 1:
                await self.run(self.drop_index_sql(new.name, name))

    def drop_index_sql(self, table: str, name: str) -> str:
        """Return the statement that drops an index: its name is the table's own."""
        return f"DROP INDEX {self.writer.name(name)} ON {self.writer.name(table)}"

    async def rename_index(self, table: str, index: IndexDef, new_name: str) -> None:
        """Rename an index."""
        writer = self.writer
        await self.run(
            f"ALTER TABLE {writer.name(table)} RENAME INDEX {writer.name(index.name)} TO {writer.name(new_name)}"
        )

    async def comment(self, old: TableDef | None, new: TableDef) -> None:
        """Write the table's comment when it changed; those of columns stand in their definitions."""
        if old is not None and old.comment != new.comment:
            text = self.dialect.text_literal(new.comment).replace("%%", "%")
            await self.run(f"ALTER TABLE {self.writer.name(new.name)} COMMENT {text}")
