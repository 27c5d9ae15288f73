"""Reads SQLite's schema: its pragmas, and for what they do not tell the text of ``CREATE TABLE``."""

from __future__ import annotations

import re

from covet.db.backends.introspection import ColumnInfo, ConstraintInfo, IndexInfo, Introspection

__all__ = ["Reader", "checks_in"]

_TABLES = """
SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name
"""
_SIZE = re.compile(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_CHECK = re.compile(r"(?:CONSTRAINT\s+(\"(?:[^\"]|\"\")+\"|\w+)\s+)?CHECK\s*\(", re.IGNORECASE)
_KEY = re.compile(r"CONSTRAINT\s+(\"(?:[^\"]|\"\")+\"|\w+)\s+(UNIQUE|FOREIGN\s+KEY)\s*\(([^)]*)\)", re.IGNORECASE)
_WHERE = re.compile(r"\)\s*WHERE\s+(.*)$", re.IGNORECASE | re.DOTALL)


class Reader(Introspection):
    """The reader of SQLite's schema."""

    async def tables(self) -> list[str]:
        """Return the tables."""
        return [row[0] for row in await self.database.fetch(_TABLES, ("table",))]

    async def views(self) -> list[str]:
        """Return the views."""
        return [row[0] for row in await self.database.fetch(_TABLES, ("view",))]

    async def text_of(self, name: str) -> str:
        """Return the statement that made a table, index or view; empty when there is none."""
        rows = await self.database.fetch("SELECT sql FROM sqlite_master WHERE name = ?", (name,))
        return str(rows[0][0] or "") if rows else ""

    async def columns(self, table: str) -> list[ColumnInfo]:
        """Return the columns of a table or view."""
        rows = await self.database.fetch(
            'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (table,)
        )
        text = await self.text_of(table) if rows else ""
        found = []
        for name, type_, not_null, default, key, hidden in rows:
            sizes = _SIZE.search(type_)
            is_number = type_.lower().startswith(("decimal", "numeric"))
            first = int(sizes[1]) if sizes else None
            found.append(
                ColumnInfo(
                    name,
                    type_,
                    not not_null and not key,
                    default,
                    bool(key),
                    bool(key) and "AUTOINCREMENT" in text.upper(),
                    None if is_number else first,
                    first if is_number else None,
                    int(sizes[2]) if is_number and sizes and sizes[2] else None,
                    generated=_generated(text, name) if hidden in (2, 3) else None,
                )
            )
        return found

    async def indexes(self, table: str) -> list[IndexInfo]:
        """Return the indexes of a table."""
        found = []
        for name, unique, origin, partial in await self.database.fetch(
            'SELECT name, "unique", origin, partial FROM pragma_index_list(?) ORDER BY name', (table,)
        ):
            parts = await self.database.fetch(
                'SELECT name, "desc" FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno', (name,)
            )
            where = _WHERE.search(await self.text_of(name)) if partial else None
            found.append(
                IndexInfo(
                    name,
                    tuple(part[0] for part in parts),
                    bool(unique),
                    origin == "pk",
                    origin in ("pk", "u"),
                    "btree",
                    where[1].strip() if where else None,
                    tuple(bool(part[1]) for part in parts),
                )
            )
        return found

    async def constraints(self, table: str) -> list[ConstraintInfo]:
        """Return the constraints of a table; names stand only in the text that made it."""
        text = await self.text_of(table)
        names = {(_kind(m[2]), _columns(m[3])): _bare(m[1]) for m in _KEY.finditer(text)}
        found = []
        key = [
            row[0]
            for row in await self.database.fetch(
                "SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk", (table,)
            )
        ]
        if key:
            found.append(ConstraintInfo("", "primary", tuple(key)))
        for index in await self.indexes(table):
            if index.constraint and not index.primary_key:
                columns = tuple(column or "" for column in index.columns)
                found.append(ConstraintInfo(names.get(("unique", columns), index.name), "unique", columns))
        keys: dict[int, list[tuple[str, str, str | None, str]]] = {}
        for number, to_table, column, to_column, action in await self.database.fetch(
            'SELECT id, "table", "from", "to", on_delete FROM pragma_foreign_key_list(?) ORDER BY id, seq', (table,)
        ):
            keys.setdefault(number, []).append((to_table, column, to_column, action))
        for parts in keys.values():
            columns = tuple(part[1] for part in parts)
            action = parts[0][3]
            found.append(
                ConstraintInfo(
                    names.get(("foreign_key", columns), ""),
                    "foreign_key",
                    columns,
                    parts[0][0],
                    tuple(part[2] for part in parts if part[2] is not None),
                    "" if action == "NO ACTION" else action,
                    "DEFERRABLE INITIALLY DEFERRED" in text.upper(),
                )
            )
        known = [column.name for column in await self.columns(table)]
        for name, clause in checks_in(text):
            used = tuple(column for column in known if f'"{column}"' in clause or re.search(rf"\b{column}\b", clause))
            found.append(ConstraintInfo(name, "check", used, definition=clause))
        return found


def checks_in(text: str) -> list[tuple[str, str]]:
    """Return the name and condition of each check constraint in the text of ``CREATE TABLE``."""
    return [
        (_bare(found[1]) if found[1] else "", text[found.end() : _closing(text, found.end())])
        for found in _CHECK.finditer(text)
    ]


def _closing(text: str, start: int) -> int:
    """Return where the bracket closes that was opened just before ``start``; quotes are skipped."""
    depth, quote = 1, ""
    for position in range(start, len(text)):
        char = text[position]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return position
    return len(text)


def _generated(text: str, column: str) -> str:
    found = re.search(rf'"{re.escape(column)}"[^,]*?\bAS\s*\(', text, re.IGNORECASE)
    return text[found.end() : _closing(text, found.end())] if found else ""


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _columns(text: str) -> tuple[str, ...]:
    return tuple(_bare(part.strip()) for part in text.split(","))


def _kind(word: str) -> str:
    return "unique" if word.upper() == "UNIQUE" else "foreign_key"
