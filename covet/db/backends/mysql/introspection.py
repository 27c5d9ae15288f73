"""Reads ``information_schema`` of MySQL and MariaDB, in the connection's own database."""

from __future__ import annotations

from covet.db.backends.introspection import ColumnInfo, ConstraintInfo, IndexInfo, Introspection

__all__ = ["Reader"]

_TABLES = """
SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = %s ORDER BY 1
"""
_COLUMNS = """
SELECT column_name, column_type, is_nullable = 'YES', column_default, column_key = 'PRI', extra LIKE '%%auto_increment%%',
       character_maximum_length, numeric_precision, numeric_scale, collation_name, generation_expression, column_comment
FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position
"""
_INDEXES = """
SELECT index_name, column_name, non_unique, index_type, collation = 'D'
FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = %s ORDER BY index_name, seq_in_index
"""
_KEYS = """
SELECT t.constraint_name, t.constraint_type, k.column_name, k.referenced_table_name, k.referenced_column_name, r.delete_rule
FROM information_schema.table_constraints t
JOIN information_schema.key_column_usage k ON k.constraint_schema = t.constraint_schema AND k.table_name = t.table_name
  AND k.constraint_name = t.constraint_name
LEFT JOIN information_schema.referential_constraints r ON r.constraint_schema = t.constraint_schema
  AND r.table_name = t.table_name AND r.constraint_name = t.constraint_name
WHERE t.table_schema = DATABASE() AND t.table_name = %s ORDER BY t.constraint_name, k.ordinal_position
"""
_MARIADB_CHECKS = """
SELECT constraint_name, check_clause FROM information_schema.check_constraints
WHERE constraint_schema = DATABASE() AND table_name = %s ORDER BY 1
"""
_MYSQL_CHECKS = """
SELECT t.constraint_name, c.check_clause FROM information_schema.table_constraints t
JOIN information_schema.check_constraints c ON c.constraint_schema = t.constraint_schema
  AND c.constraint_name = t.constraint_name
WHERE t.table_schema = DATABASE() AND t.table_name = %s AND t.constraint_type = 'CHECK' ORDER BY 1
"""
_KINDS = {"PRIMARY KEY": "primary", "UNIQUE": "unique", "FOREIGN KEY": "foreign_key"}
_NUMBERS = frozenset(("decimal",))


class Reader(Introspection):
    """The reader of MySQL's and MariaDB's schema."""

    async def tables(self) -> list[str]:
        """Return the tables."""
        return [row[0] for row in await self.database.fetch(_TABLES, ("BASE TABLE",))]

    async def views(self) -> list[str]:
        """Return the views."""
        return [row[0] for row in await self.database.fetch(_TABLES, ("VIEW",))]

    async def columns(self, table: str) -> list[ColumnInfo]:
        """Return the columns of a table or view."""
        found = []
        for row in await self.database.fetch(_COLUMNS, (table,)):
            name, type_, null, default, key, identity, length, precision, scale, collation, generated, comment = row
            is_number = str(type_).partition("(")[0] in _NUMBERS
            found.append(
                ColumnInfo(
                    name,
                    str(type_),
                    bool(null),
                    # MariaDB writes the default NULL as the word.
                    None if default is None or str(default) == "NULL" else str(default),
                    bool(key),
                    bool(identity),
                    int(length) if length is not None and length < 2**31 else None,
                    int(precision) if is_number else None,
                    int(scale) if is_number else None,
                    collation,
                    str(generated) if generated else None,
                    str(comment or ""),
                )
            )
        return found

    async def indexes(self, table: str) -> list[IndexInfo]:
        """Return the indexes of a table."""
        gathered: dict[str, list[tuple[str | None, bool, str, bool]]] = {}
        for name, column, non_unique, method, descending in await self.database.fetch(_INDEXES, (table,)):
            gathered.setdefault(name, []).append((column, not non_unique, method, bool(descending)))
        return [
            IndexInfo(
                name,
                tuple(part[0] for part in parts),
                parts[0][1],
                name == "PRIMARY",
                parts[0][1],
                parts[0][2].lower(),
                None,
                tuple(part[3] for part in parts),
            )
            for name, parts in gathered.items()
        ]

    async def constraints(self, table: str) -> list[ConstraintInfo]:
        """Return the constraints of a table."""
        gathered: dict[tuple[str, str], list[tuple[str, str | None, str | None, str | None]]] = {}
        for name, kind, *rest in await self.database.fetch(_KEYS, (table,)):
            gathered.setdefault((name, kind), []).append(tuple(rest))
        found = [
            ConstraintInfo(
                name,
                _KINDS[kind],
                tuple(part[0] for part in parts),
                parts[0][1],
                tuple(part[2] for part in parts if part[2] is not None),
                "" if parts[0][3] in (None, "RESTRICT", "NO ACTION") else str(parts[0][3]),
            )
            for (name, kind), parts in gathered.items()
        ]
        is_mariadb = getattr(self.database.dialect, "is_mariadb", False)
        checks = await self.database.fetch(_MARIADB_CHECKS if is_mariadb else _MYSQL_CHECKS, (table,))
        names = [column.name for column in await self.columns(table)] if checks else []
        found += [
            ConstraintInfo(name, "check", tuple(c for c in names if f"`{c}`" in clause), definition=clause)
            for name, clause in checks
        ]
        return found
