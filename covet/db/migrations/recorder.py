"""The table ``covet_migrations``: which migrations a database has had."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from covet import timezone
from covet.db.sql.compiler import compile_statement
from covet.db.sql.ddl import ColumnDef, IndexPart, TableDef, UniqueDef
from covet.db.sql.nodes import And, Binary, Bound, Column, ColumnType, Ordering
from covet.db.sql.statements import Delete, Insert, Output, Select, Statement, TableRef

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.graph import MigrationKey

__all__ = ["MIGRATIONS_TABLE", "Recorder"]

_NAME = ColumnType("varchar", length=255)
_TIME = ColumnType("datetime")

MIGRATIONS_TABLE = TableDef(
    name="covet_migrations",
    columns=(
        ColumnDef("id", ColumnType("bigint"), primary_key=True, identity=True),
        ColumnDef("app", _NAME),
        ColumnDef("name", _NAME),
        ColumnDef("applied", _TIME),
    ),
    primary_key=("id",),
    # Should two deployments ever get past the lock, the second one's row is refused, and its migration rolled back.
    uniques=(UniqueDef("covet_migrations_app_name_uniq", (IndexPart("app"), IndexPart("name"))),),
)


class Recorder:
    """Reads and writes the rows of one database.

    ``record`` and ``forget`` run on the open transaction, so a row is written or not together with its migration.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._is_there = False

    async def applied(self) -> dict[MigrationKey, datetime.datetime]:
        """Return the applied migrations with their times, in the order in which they were applied."""
        if not await self.has_table():
            return {}
        columns = ("app", "name", "applied")
        statement = Select(
            outputs=tuple(Output(Column(None, name)) for name in columns),
            source=TableRef(MIGRATIONS_TABLE.name),
            order_by=(Ordering(Column(None, "applied")), Ordering(Column(None, "id"))),
        )
        sql, args = self._compiled(statement)
        rows = await self.database.fetch(sql, args)
        to_time = self.database.dialect.converter(_TIME) or (lambda value: value)
        return {(app, name): to_time(applied) for app, name, applied in rows}

    async def has_table(self) -> bool:
        """Whether the database has had any migrations at all."""
        if not self._is_there:
            self._is_there = MIGRATIONS_TABLE.name in await self.database.introspection.tables()
        return self._is_there

    async def ensure_table(self) -> None:
        """Make the table if it is missing."""
        if not await self.has_table():
            async with self.database.schema_editor() as editor:
                await editor.create_table(MIGRATIONS_TABLE)

    async def record(self, key: MigrationKey) -> None:
        """Write that a migration is applied."""
        values = (Bound(key[0], _NAME), Bound(key[1], _NAME), Bound(timezone.now(), _TIME))
        sql, args = self._compiled(Insert(MIGRATIONS_TABLE.name, ("app", "name", "applied"), (values,)))
        await self.database.execute(sql, args)

    async def forget(self, key: MigrationKey) -> None:
        """Write that a migration is not applied."""
        is_it = And(
            (
                Binary("=", Column(None, "app"), Bound(key[0], _NAME)),
                Binary("=", Column(None, "name"), Bound(key[1], _NAME)),
            )
        )
        sql, args = self._compiled(Delete(MIGRATIONS_TABLE.name, is_it))
        await self.database.execute(sql, args)

    def _compiled(self, statement: Statement) -> tuple[str, list[object]]:
        return compile_statement(statement, self.database.dialect).bind(())
