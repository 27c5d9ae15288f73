"""Reads PostgreSQL's catalogue, in the schemas of the search path."""

from __future__ import annotations

from covet.db.backends.introspection import ColumnInfo, ConstraintInfo, IndexInfo, Introspection, SequenceInfo

__all__ = ["Reader"]

_RELATIONS = """
SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = ANY($1::text[]::"char"[]) AND c.relispartition = $2 AND pg_catalog.pg_table_is_visible(c.oid)
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema') ORDER BY 1
"""
_COLUMNS = """
SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
       EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary
               AND a.attnum = ANY(i.indkey::int2[])),
       a.attidentity <> '' OR COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', FALSE),
       CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
       CASE WHEN a.atttypid = 1700 AND a.atttypmod > 4 THEN ((a.atttypmod - 4) >> 16) & 65535 END,
       CASE WHEN a.atttypid = 1700 AND a.atttypmod > 4 THEN (a.atttypmod - 4) & 2047 END,
       CASE WHEN a.attcollation <> t.typcollation THEN l.collname::text END,
       CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
       COALESCE(pg_catalog.col_description(c.oid, a.attnum), '')
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
WHERE c.relname = $1 AND pg_catalog.pg_table_is_visible(c.oid) AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY a.attnum
"""
_INDEXES = """
SELECT k.relname::text, ARRAY(
         SELECT a.attname::text FROM generate_subscripts(i.indkey, 1) s
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[s] AND a.attnum > 0
         WHERE s < i.indnkeyatts ORDER BY s),
       i.indisunique, i.indisprimary, EXISTS (SELECT 1 FROM pg_catalog.pg_constraint x WHERE x.conindid = k.oid
         AND x.contype IN ('p', 'u', 'x')), m.amname::text, pg_catalog.pg_get_expr(i.indpred, i.indrelid),
       ARRAY(SELECT (i.indoption[s] & 1) = 1 FROM generate_subscripts(i.indoption, 1) s ORDER BY s)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_class k ON k.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = k.relam
WHERE c.relname = $1 AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1
"""
_CONSTRAINTS = """
SELECT x.conname::text, x.contype::text, ARRAY(
         SELECT a.attname::text FROM unnest(x.conkey) WITH ORDINALITY u(number, place)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = u.number ORDER BY u.place),
       f.relname::text, ARRAY(
         SELECT a.attname::text FROM unnest(x.confkey) WITH ORDINALITY u(number, place)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = x.confrelid AND a.attnum = u.number ORDER BY u.place),
       x.confdeltype::text, x.condeferrable, pg_catalog.pg_get_constraintdef(x.oid)
FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class c ON c.oid = x.conrelid
LEFT JOIN pg_catalog.pg_class f ON f.oid = x.confrelid
WHERE c.relname = $1 AND pg_catalog.pg_table_is_visible(c.oid) AND x.contype IN ('p', 'u', 'f', 'c', 'x') ORDER BY 1
"""
_SEQUENCES = """
SELECT s.relname::text, c.relname::text, a.attname::text
FROM pg_catalog.pg_class s JOIN pg_catalog.pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND c.relname = $1 AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1
"""
_KINDS = {"p": "primary", "u": "unique", "f": "foreign_key", "c": "check", "x": "exclude"}
_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT", "r": "RESTRICT"}


class Reader(Introspection):
    """The reader of PostgreSQL's schema."""

    async def tables(self) -> list[str]:
        """Return the tables, partitioned and foreign ones included."""
        return [row[0] for row in await self.database.fetch(_RELATIONS, (["r", "p", "f"], False))]

    async def views(self) -> list[str]:
        """Return the views, materialised ones included."""
        return [row[0] for row in await self.database.fetch(_RELATIONS, (["v", "m"], False))]

    async def partitions(self) -> list[str]:
        """Return the partitions of partitioned tables."""
        return [row[0] for row in await self.database.fetch(_RELATIONS, (["r", "p", "f"], True))]

    async def columns(self, table: str) -> list[ColumnInfo]:
        """Return the columns of a table or view."""
        found = []
        for row in await self.database.fetch(_COLUMNS, (table,)):
            name, type_, null, default, key, identity, length, precision, scale, collation, generated, comment = row
            found.append(
                ColumnInfo(
                    name,
                    type_,
                    null,
                    None if identity else default,
                    key,
                    identity,
                    length,
                    precision,
                    scale,
                    collation,
                    generated,
                    comment,
                )
            )
        return found

    async def indexes(self, table: str) -> list[IndexInfo]:
        """Return the indexes of a table."""
        return [
            IndexInfo(
                name, tuple(columns), unique, primary, constraint, method, condition, tuple(descending[: len(columns)])
            )
            for name, columns, unique, primary, constraint, method, condition, descending in await self.database.fetch(
                _INDEXES, (table,)
            )
        ]

    async def constraints(self, table: str) -> list[ConstraintInfo]:
        """Return the constraints of a table."""
        return [
            ConstraintInfo(
                name,
                _KINDS[kind],
                tuple(columns),
                to_table,
                tuple(to_columns),
                _ACTIONS.get(action, ""),
                deferrable,
                text,
            )
            for name, kind, columns, to_table, to_columns, action, deferrable, text in await self.database.fetch(
                _CONSTRAINTS, (table,)
            )
        ]

    async def sequences(self, table: str) -> list[SequenceInfo]:
        """Return the sequences that belong to columns of a table."""
        return [SequenceInfo(*row) for row in await self.database.fetch(_SEQUENCES, (table,))]
