"""The table ``covet_migration_journal``: how far a migration without a transaction has come.

MySQL and MariaDB commit each change of a table by itself, and so does any migration with ``atomic = False``. Each statement is
written down before it runs (one that changes rows: in its own transaction), so that a process that was killed anywhere can
be followed by one that goes on, or takes back what was done. Whether the last statement had still taken effect is
read off the tables that it names: what they looked like before it is written down, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from covet.db import transaction
from covet.db.errors import DatabaseError
from covet.db.sql.compiler import compile_statement
from covet.db.sql.ddl import ColumnDef, TableDef
from covet.db.sql.nodes import And, Binary, Bound, Column, ColumnType, Ordering
from covet.db.sql.statements import Delete, Insert, Output, Select, Statement, TableRef

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.database import Database
    from covet.db.migrations.graph import MigrationKey

__all__ = ["JOURNAL_TABLE", "Entry", "Journal", "StepJournal", "Tolerant", "Unfinished"]

_NAME = ColumnType("varchar", length=255)
_TEXT = ColumnType("text")
_NUMBER = ColumnType("integer")
_BOOLEAN = ColumnType("boolean")
_TYPES = {
    "app": _NAME,
    "name": _NAME,
    "backwards": _BOOLEAN,
    "operation": _NUMBER,
    "kind": _NAME,
    "sql": _TEXT,
    "looks": _NAME,
}

JOURNAL_TABLE = TableDef(
    name="covet_migration_journal",
    columns=(
        ColumnDef("id", ColumnType("bigint"), primary_key=True, identity=True),
        *(ColumnDef(name, kind) for name, kind in _TYPES.items()),
    ),
    primary_key=("id",),
)

# Kinds of entries: a statement that commits by itself (the last one may not have run), one that committed together with its
# entry, and the end of an operation.
_BEGUN, _DONE, _OPERATION = "begun", "done", "operation"
_ROWS_ONLY = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE|WITH|SELECT)\b", re.IGNORECASE)
# What PostgreSQL and SQLite refuse inside a transaction.
_ALONE = re.compile(
    r"\bCONCURRENTLY\b|^\s*(VACUUM|PRAGMA|REINDEX|ATTACH|DETACH|(CREATE|DROP|ALTER)\s+(DATABASE|TABLESPACE|SYSTEM)\b)",
    re.IGNORECASE,
)
_POLL_S = 0.1
_MOOT: dict[str, frozenset[Any]] = {
    "postgresql": frozenset(("42P01", "42703", "42704", "42P07", "42701", "42710")),
    "mysql": frozenset((1050, 1051, 1054, 1060, 1061, 1068, 1091, 1146, 1176, 1826)),
}


class Entry(Struct, frozen=True):
    """One line of the journal.

    Attributes:
        id: Its number.
        operation: The place of the operation in its migration; one more than the last: what was put off to the end.
        kind: What it tells.
        sql: The statement; of the end of an operation, what that put off, as JSON.
        looks: A digest of the tables that the statement names, as they were before it.
    """

    id: int
    operation: int
    kind: str
    sql: str
    looks: str


class Unfinished(Struct, frozen=True):
    """A migration that was begun and neither finished nor taken back."""

    key: MigrationKey
    backwards: bool
    entries: tuple[Entry, ...]

    @property
    def operations(self) -> list[int]:
        """The places of the operations that have at least begun, in their order."""
        return sorted({entry.operation for entry in self.entries})


class Journal:
    """Reads and writes the journal of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._is_there = False

    async def exists(self) -> bool:
        """Whether the database has the table."""
        if not self._is_there:
            self._is_there = JOURNAL_TABLE.name in await self.database.introspection.tables()
        return self._is_there

    async def ensure_table(self) -> None:
        """Make the table if it is missing."""
        if not await self.exists():
            async with self.database.schema_editor() as editor:
                await editor.create_table(JOURNAL_TABLE)
            self._is_there = True

    async def unfinished(self) -> Unfinished | None:
        """Return the migration that was left half-way; ``None`` where there is none.

        A last statement that has had no effect is not among its entries.
        """
        if not await self.exists():
            return None
        columns = ("id", *_TYPES)
        statement = Select(
            outputs=tuple(Output(Column(None, name)) for name in columns),
            source=TableRef(JOURNAL_TABLE.name),
            order_by=(Ordering(Column(None, "id")),),
        )
        rows = [tuple(row) for row in await self.database.fetch(*self._compiled(statement))]
        if not rows:
            return None
        key, backwards = (str(rows[0][1]), str(rows[0][2])), bool(rows[0][3])
        entries = [Entry(int(row[0]), int(row[4]), str(row[5]), str(row[6]), str(row[7])) for row in rows]
        last = entries[-1]
        if last.kind == _BEGUN:
            await self._wait_for(last.sql)
            if await self.looks(last.sql) == last.looks:
                await self.remove("id", last.id, ColumnType("bigint"))
                entries.pop()
        return Unfinished(key, backwards, tuple(entries)) if entries else None

    async def begin(self, key: MigrationKey, *, backwards: bool) -> StepJournal:
        """Return the journal of one migration, with what an earlier process has done of it."""
        await self.ensure_table()
        found = await self.unfinished()
        entries = found.entries if found is not None and (found.key, found.backwards) == (key, backwards) else ()
        return StepJournal(self, key, entries, backwards=backwards)

    async def write(self, key: MigrationKey, backwards: bool, operation: int, kind: str, sql: str, looks: str) -> None:
        """Write a line."""
        values = (*key, backwards, operation, kind, sql, looks)
        bound = tuple(Bound(value, type_) for value, type_ in zip(values, _TYPES.values(), strict=True))
        await self.database.execute(*self._compiled(Insert(JOURNAL_TABLE.name, tuple(_TYPES), (bound,))))

    async def remove(self, column: str, value: object, kind: ColumnType) -> None:
        """Delete the lines that have that value."""
        where = Binary("=", Column(None, column), Bound(value, kind))
        await self.database.execute(*self._compiled(Delete(JOURNAL_TABLE.name, where)))

    async def forget_operation(self, operation: int) -> None:
        """Delete the lines of an operation that was taken back."""
        await self.remove("operation", operation, _NUMBER)

    async def forget(self, key: MigrationKey) -> None:
        """Delete the lines of a migration."""
        where = And(
            (
                Binary("=", Column(None, "app"), Bound(key[0], _NAME)),
                Binary("=", Column(None, "name"), Bound(key[1], _NAME)),
            )
        )
        await self.database.execute(*self._compiled(Delete(JOURNAL_TABLE.name, where)))

    async def looks(self, sql: str) -> str:
        """Return a digest of what the tables that a statement names look like now; one that is missing counts, too."""
        words = {word.lower() for word in re.findall(r"\w+", sql)}
        found = []
        for table in sorted(await self.database.introspection.tables()):
            if table.lower() in words or self.database.dialect.quote(table) in sql:
                found.append((table, await self._definition(table)))
        return hashlib.sha256(repr(found).encode()).hexdigest()

    async def _definition(self, table: str) -> str:
        if self.database.vendor == "mysql":
            name = self.database.dialect.quote(table).replace("%%", "%")
            rows = await self.database.fetch(f"SHOW CREATE TABLE {name}")
            # Rows that others insert meanwhile move the counter.
            return re.sub(r" AUTO_INCREMENT=\d+", "", str(tuple(rows[0])[1]))
        reader = self.database.introspection
        return repr([await reader.columns(table), await reader.indexes(table), await reader.constraints(table)])

    async def _wait_for(self, sql: str) -> None:
        """Wait while the server still works on a statement of a process that is gone."""
        if self.database.vendor == "mysql":
            question = (
                "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND command = 'Query' "
                "AND db = DATABASE() AND CHAR_LENGTH(info) > 5 AND LOCATE(info, %s) > 0"
            )
        elif self.database.vendor == "postgresql":
            question = (
                "SELECT COUNT(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' "
                "AND datname = current_database() AND query = $1::text"
            )
        else:
            return
        # The server tells nobody when it is done.
        while (await self.database.fetch(question, (sql,)))[0][0]:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)

    def _compiled(self, statement: Statement) -> tuple[str, list[object]]:
        return compile_statement(statement, self.database.dialect).bind(())


class StepJournal:
    """The journal of one migration while it runs; the schema editor asks it about each statement.

    Attributes:
        ran: The statements of the current operation that have run, now or in an earlier process.
        needs_end: The end of the current operation is not written down yet.
        is_empty: There are no lines to delete.
    """

    def __init__(self, journal: Journal, key: MigrationKey, entries: Sequence[Entry], *, backwards: bool) -> None:
        self.journal = journal
        self.key = key
        self.backwards = backwards
        self.entries = tuple(entries)
        self.ran: list[str] = []
        self.is_empty = not entries
        self._operation = 0
        self._known: Counter[str] = Counter()
        self._is_whole = False
        self.needs_end = True
        ends = [entry for entry in entries if entry.kind == _OPERATION]
        self._ended = {entry.operation for entry in ends}
        self._put_off: list[str] = json.loads(ends[-1].sql) if ends else []
        self._restored = False

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier process has begun this migration."""
        return bool(self.entries)

    def starts(self, operation: int, editor: SchemaEditor) -> bool:
        """Begin with an operation; ``False`` when it was finished before."""
        if operation in self._ended:
            return False
        if not self._restored:
            # Foreign keys of tables that an earlier process made and had put off.
            editor.put_off = [*self._put_off, *editor.put_off]
            self._restored = True
        self._operation = operation
        self.needs_end = True
        self._known = Counter(
            entry.sql for entry in self.entries if entry.operation == operation and entry.kind != _OPERATION
        )
        self.ran = []
        return True

    async def ends(self, editor: SchemaEditor) -> None:
        """Write that the operation is finished; in its transaction, where it has one."""
        self.needs_end = False
        await self._write(_OPERATION, json.dumps(editor.put_off))

    def knows(self, sql: str) -> bool:
        """Whether an earlier process has run this statement in this operation."""
        return sql in self.ran or self._known[sql] > 0

    def whole(self, *, on: bool) -> None:
        """Say that the operation has a transaction of its own now: its statements need no lines."""
        self._is_whole = on

    async def once(self, sql: str, args: Sequence[Any], run: Callable[[], Awaitable[object]]) -> None:
        """Run a statement, unless an earlier process has."""
        text = f"{sql} {list(args)!r}" if args else sql
        if self._is_whole:
            await run()
            return
        if self._known[text] > 0:
            self._known[text] -= 1
            self.ran.append(text)
            return
        database = self.journal.database
        if _ROWS_ONLY.match(sql) or (database.features.rolls_back_ddl and not _ALONE.search(sql)):
            async with transaction.atomic(using=database):
                await run()
                await self._write(_DONE, text)
        elif sql.lstrip()[:6].upper() == "PRAGMA":
            await run()
        else:
            await self._write(_BEGUN, text, await self.journal.looks(text))
            await run()
        self.ran.append(text)

    async def clear(self) -> None:
        """Delete the lines: the migration is recorded."""
        if not self.is_empty:
            await self.journal.forget(self.key)

    async def _write(self, kind: str, sql: str, looks: str = "") -> None:
        self.is_empty = False
        await self.journal.write(self.key, self.backwards, self._operation, kind, sql, looks)


class Tolerant:
    """In the place of a journal while a half-done migration is taken back: what is not there need not be taken away."""

    is_resumed = False

    def __init__(self, database: Database) -> None:
        self.database = database

    def knows(self, sql: str) -> bool:
        """Nothing is known to have run."""
        return False

    def whole(self, *, on: bool) -> None:
        """Take no notice."""

    async def ends(self, editor: SchemaEditor) -> None:
        """Take no notice."""

    async def once(self, sql: str, args: Sequence[Any], run: Callable[[], Awaitable[object]]) -> None:
        """Run a statement; that the database is so already, is no error."""
        try:
            if self.database.features.rolls_back_ddl and not _ALONE.search(sql):
                async with transaction.atomic(using=self.database):
                    await run()
            else:
                await run()
        except DatabaseError as error:
            if not self._is_moot(error):
                raise

    def _is_moot(self, error: DatabaseError) -> bool:
        if self.database.vendor == "sqlite":
            return bool(re.search(r"no such (table|column|index)|already exists|duplicate column", str(error)))
        return error.code in _MOOT[self.database.vendor]
