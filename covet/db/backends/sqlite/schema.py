"""SQLite's DDL: what ``ALTER TABLE`` can do is done by it; for the rest the table is made anew, with its data.

The steps are those of SQLite's own documentation: foreign keys off before the transaction begins, a new table, its rows,
the old one dropped, the new one under its name, then indexes and triggers, and a check of all foreign keys before the
commit. What the models know nothing of (indexes and triggers made by hand) is kept; automatic keys go on where they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from covet.db.backends.blocks import Atomic
from covet.db.backends.schema import SchemaEditor
from covet.db.backends.sqlite.introspection import Reader
from covet.db.backends.table_changes import Changes, compare
from covet.db.errors import DataError, ForeignKeyViolation, NotSupportedError
from covet.db.sql.ddl import ColumnDef, IndexDef, TableDef, UniqueDef
from covet.db.sql.ddl_compiler import DDLWriter, primary_key_of
from covet.db.sql.nodes import TEXT_KINDS

__all__ = ["Editor"]

_NUMBERS = frozenset({"smallint", "integer", "bigint", "float", "decimal", "boolean"})
_WHOLE = frozenset({"smallint", "integer", "bigint", "boolean"})
# Kinds that SQLite keeps as texts which only one way of writing means, and what values of them are called.
_WRITTEN = {"date": "dates", "datetime": "dates with a time", "time": "times of day", "uuid": "UUIDs"}


class _Writer(DDLWriter):
    def column_type(self, column: ColumnDef) -> str:
        # Only the exact word makes the column the row's own number.
        return "integer" if column.identity else super().column_type(column)

    def primary_key_word(self, column: ColumnDef) -> str:
        return "PRIMARY KEY AUTOINCREMENT" if column.identity else "PRIMARY KEY"


class Editor(SchemaEditor):
    """The schema editor of SQLite."""

    writer_class = _Writer
    has_inline_foreign_keys = True

    def statements_before(self) -> Sequence[str]:
        """Foreign keys cannot be switched off inside a transaction; a renamed table must not pull others after it."""
        return ("PRAGMA foreign_keys = OFF",)

    def statements_after(self) -> Sequence[str]:
        """Return what a script ends with: it shows the rows that point nowhere, and foreign keys hold again."""
        return ("PRAGMA foreign_key_check", "PRAGMA foreign_keys = ON")

    async def finish(self) -> None:
        """Check all foreign keys: they were off."""
        await super().finish()
        if not self.collect and self.atomic:
            rows = await self.database.fetch("PRAGMA foreign_key_check")
            if rows:
                table, _, parent, _ = rows[0]
                raise ForeignKeyViolation(
                    f"After the change {len(rows)} rows point at rows that do not exist; the first is in '{table}' and points "
                    f"at '{parent}'. Nothing was changed.",
                    alias=self.alias,
                    table=table,
                )

    async def drop_table(self, name: str) -> None:
        """Drop a table."""
        await self.run(f"DROP TABLE {self.writer.name(name)}")

    async def alter_table(self, old: TableDef, new: TableDef, renamed: Mapping[str, str] | None = None) -> None:
        """Make the table of the old definition that of the new one."""
        if old.name != new.name:
            await self.rename_table(old.name, new.name)
        changes = compare(old, new, renamed or {})
        if self._is_simple(changes, new):
            await self.apply(changes, old, new)
        elif self.atomic:
            await self._rebuild(changes, old, new)
        elif self.collect:
            for sql in (*self.statements_before(), "BEGIN"):
                await self.run(sql)
            await self._rebuild(changes, old, new)
            for sql in ("COMMIT", *self.statements_after()):
                await self.run(sql)
        else:
            # In a migration without a transaction the rebuild has one: between two of its steps the table is not there.
            async with Atomic(lambda: self.database, before=self.statements_before()):
                await self._rebuild(changes, old, new)

    def _is_simple(self, changes: Changes, new: TableDef) -> bool:
        """Whether ``ALTER TABLE`` and ``CREATE INDEX`` are enough."""
        if changes.removed or changes.altered or changes.key_changes or changes.old_keys or changes.new_keys:
            return False
        if changes.old_checks or changes.new_checks:
            return False
        if any(self.writer.is_constraint(rule) for rule in (*changes.old_uniques, *changes.new_uniques)):
            return False
        key = primary_key_of(new)
        return all(
            column.null
            and not column.unique
            and column.default is None
            and column.generated is None
            and column.backfill is None
            and column.name not in key
            for column in changes.added
        )

    async def add_column(self, table: TableDef, column: ColumnDef) -> None:
        """Add a column that may be NULL."""
        text = self.writer.column(column, primary_key=False)
        await self.run(f"ALTER TABLE {self.writer.name(table.name)} ADD COLUMN {text}")

    async def alter_column(self, table: TableDef, old: ColumnDef, new: ColumnDef) -> None:
        """Change a column: a rebuild of the table does it."""
        raise NotSupportedError(f"SQLite changes the column '{new.name}' by a rebuild of the table: use alter_table().")

    async def drop_primary_key(self, old: TableDef, new: TableDef, changes: Changes) -> None:
        """Drop the key: a rebuild of the table does it."""
        raise NotSupportedError(f"SQLite changes the key of '{old.name}' by a rebuild of the table: use alter_table().")

    async def rename_index(self, table: str, index: IndexDef, new_name: str) -> None:
        """Make the index anew under its new name."""
        await self.run(self.drop_index_sql(table, index.name))
        await self.run(
            self.writer.index(table, IndexDef(new_name, index.parts, index.condition, index.include, index.method))
        )

    async def rename_unique(self, table: TableDef, old: UniqueDef, new: UniqueDef) -> None:
        """Make the unique index anew under its new name; a constraint gets it by a rebuild of the table."""
        await self.drop_unique(table, old)
        await self.add_unique(table, new)

    # The rebuild

    async def _rebuild(self, changes: Changes, old: TableDef, new: TableDef) -> None:
        writer = self.writer
        kept = await self._kept_by_hand(old, new)
        number = await self._sequence(new.name)
        if not self.collect:
            await self._refuse_inside_transaction(new.name)
        await self._refuse_written(changes, old, new)
        temporary = f"covet_new_{new.name}"
        await self.run(writer.create_table(new, temporary, foreign_keys=True))
        targets, sources = self._copied(changes, old, new)
        if targets:
            await self.run(
                f"INSERT INTO {writer.name(temporary)} ({', '.join(targets)}) "
                f"SELECT {', '.join(sources)} FROM {writer.name(new.name)}"
            )
            await self._refuse_texts(changes, old, new, temporary)
        await self.run(f"DROP TABLE {writer.name(new.name)}")
        # With the old behaviour of RENAME, tables that refer to this one by name are left alone.
        await self.run("PRAGMA legacy_alter_table = ON")
        await self.run(f"ALTER TABLE {writer.name(temporary)} RENAME TO {writer.name(new.name)}")
        await self.run("PRAGMA legacy_alter_table = OFF")
        if number is not None and any(column.identity for column in new.columns):
            literal = writer.dialect.text_literal(new.name)
            await self.run(f"UPDATE sqlite_sequence SET seq = {number} WHERE name = {literal} AND seq < {number}")
        for sql in writer.indexes_of(new):
            await self.run(sql)
        for sql in kept:
            await self.run(sql)

    async def _refuse_written(self, changes: Changes, old: TableDef, new: TableDef) -> None:
        """Raise where a text becomes a date or the like and some are none: SQLite would keep them, the others refuse them."""
        if self.collect:
            return
        table = self.writer.name(new.name)
        for source, column in self._once_texts(changes, old, new):
            kind, name = column.type.kind, self.writer.name(source.name)
            if kind in _WRITTEN:
                found = f"{name} IS NOT NULL AND COVET_STORED('{kind}', {name}) IS NULL"
            elif kind == "json":
                found = f"NOT JSON_VALID({name})"
            else:
                continue
            what = _WRITTEN.get(kind, "JSON documents")
            await self._refuse_rows(f"SELECT COUNT(*) FROM {table} WHERE {found}", new.name, column.name, what)

    async def _refuse_texts(self, changes: Changes, old: TableDef, new: TableDef, filled: str) -> None:
        """Raise where a text became a number and some are none: SQLite keeps them as texts, the others refuse them."""
        if self.collect:
            return
        for _, column in self._once_texts(changes, old, new):
            name, table, kind = self.writer.name(column.name), self.writer.name(filled), column.type.kind
            if kind in _NUMBERS or kind == "interval":
                wrong = "('real', 'text')" if kind in _WHOLE else "('text')"
                what = "durations" if kind == "interval" else "whole numbers" if kind in _WHOLE else "numbers"
                count = f"SELECT COUNT(*) FROM {table} WHERE TYPEOF({name}) IN {wrong}"
                await self._refuse_rows(count, new.name, column.name, what)

    async def _refuse_rows(self, count: str, table: str, column: str, what: str) -> None:
        rows = await self.database.fetch(count)
        if rows[0][0]:
            raise DataError(
                f"{rows[0][0]} rows of '{table}' hold texts in '{column}' that are no {what}: change them first.",
                alias=self.alias,
            )

    def _once_texts(self, changes: Changes, old: TableDef, new: TableDef) -> list[tuple[ColumnDef, ColumnDef]]:
        """Return the columns that held texts, as they were and as they become, where what they hold becomes something else."""
        back = {after: before for before, after in changes.renamed.items()}
        before = {column.name: column for column in old.columns}
        pairs = [(before.get(back.get(column.name, column.name)), column) for column in new.columns]
        return [
            (source, column)
            for source, column in pairs
            if source is not None
            and source.type.kind in TEXT_KINDS
            and column.type.kind not in TEXT_KINDS
            and column.generated is None
        ]

    def _copied(self, changes: Changes, old: TableDef, new: TableDef) -> tuple[list[str], list[str]]:
        """Return the columns to fill and what fills them."""
        writer = self.writer
        back = {after: before for before, after in changes.renamed.items()}
        before = {column.name: column for column in old.columns}
        targets: list[str] = []
        sources: list[str] = []
        for column in new.columns:
            if column.generated is not None:
                continue
            source = before.get(back.get(column.name, column.name))
            if source is not None:
                text = writer.name(source.name)
                if not self.collect and source.type.kind in TEXT_KINDS and column.type.kind in _WRITTEN:
                    # As it would have been written, for comparisons are those of texts. A printed script has no such function.
                    text = f"COVET_STORED('{column.type.kind}', {text})"
                if source.null and not column.null and column.backfill is not None:
                    text = f"COALESCE({text}, {writer.expression(column.backfill)})"
            elif column.backfill is not None:
                text = writer.expression(column.backfill)
            else:
                # Its default, or NULL, comes by itself.
                continue
            targets.append(writer.name(column.name))
            sources.append(text)
        return targets, sources

    async def _kept_by_hand(self, old: TableDef, new: TableDef) -> list[str]:
        """Return the statements of indexes and triggers that no definition knows: dropping the table drops them."""
        if self.collect:
            return []
        known = {index.name for table in (old, new) for index in table.indexes}
        known |= {unique.name for table in (old, new) for unique in table.uniques}
        rows = await self.database.fetch(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL",
            (new.name,),
        )
        return [sql for kind, name, sql in rows if kind == "trigger" or name not in known]

    async def _sequence(self, table: str) -> int | None:
        """Return the highest automatic key that was ever given, so that none is given again."""
        if self.collect or not await self.database.fetch("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
            return None
        rows = await self.database.fetch("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
        return int(rows[0][0]) if rows else None

    async def _refuse_inside_transaction(self, table: str) -> None:
        """With foreign keys on, dropping a table deletes its rows first, and what refers to them is in the way."""
        if not (await self.database.fetch("PRAGMA foreign_keys"))[0][0]:
            return
        reader = Reader(self.database)
        for other in await reader.tables():
            for constraint in await reader.constraints(other):
                if constraint.kind == "foreign_key" and constraint.to_table == table and other != table:
                    raise NotSupportedError(
                        f"SQLite cannot rebuild '{table}' here: '{other}' refers to it, and foreign keys cannot be switched off "
                        "inside a transaction. Open the schema editor outside of atomic(), or set atomic = True on the "
                        "migration.",
                        alias=self.alias,
                    )
