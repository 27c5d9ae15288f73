"""Pieces of DDL from values: column definitions, constraints, indexes. The schema editors put statements together."""

from __future__ import annotations

from covet.db.sql.compiler import compile_expression
from covet.db.sql.ddl import CheckDef, ColumnDef, ForeignKeyDef, IndexDef, IndexPart, TableDef, UniqueDef
from covet.db.sql.dialect import Dialect, unsupported
from covet.db.sql.nodes import Node

__all__ = ["DDLWriter", "primary_key_of"]


def primary_key_of(table: TableDef) -> tuple[str, ...]:
    """Return the columns of the primary key, wherever the definition says it."""
    return table.primary_key or tuple(column.name for column in table.columns if column.primary_key)


class DDLWriter:
    """Writes the pieces for one dialect.

    Args:
        dialect: How the database spells names, types and constants.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.quote = dialect.quote

    def name(self, name: str) -> str:
        """Return a quoted name for a statement that takes no values: a percent sign stays single."""
        text = self.quote(name)
        return text.replace("%%", "%") if self.dialect.doubles_percent else text

    def names(self, names: tuple[str, ...]) -> str:
        """Return quoted names with commas."""
        return ", ".join(self.name(name) for name in names)

    def expression(self, node: Node) -> str:
        """Return a constant expression with its constants written out."""
        text = compile_expression(node, self.dialect)
        return text.replace("%%", "%") if self.dialect.doubles_percent else text

    # Columns

    def column(self, column: ColumnDef, *, primary_key: bool, with_unique: bool = True) -> str:
        """Return a whole column definition, with its own key, unique rule and check."""
        parts = [self.name(column.name), self.column_type(column)]
        if column.generated is not None:
            way = "STORED" if column.generated.stored else "VIRTUAL"
            parts.append(f"GENERATED ALWAYS AS ({self.expression(column.generated.expression)}) {way}")
        elif column.default is not None:
            parts.append(f"DEFAULT {self.default(column.default)}")
        parts.append(self.null(column, primary_key=primary_key))
        if primary_key:
            parts.append(self.primary_key_word(column))
        elif column.unique and with_unique:
            parts.append("UNIQUE")
        if column.check:
            parts.append(f"CHECK ({column.check})")
        parts.append(self.column_comment(column))
        return " ".join(part for part in parts if part)

    def column_type(self, column: ColumnDef) -> str:
        """Return the type, with what makes it automatic where that belongs to the type."""
        return self.dialect.type_sql(column.type)

    def null(self, column: ColumnDef, *, primary_key: bool) -> str:
        """Return ``NOT NULL`` or nothing."""
        return "" if column.null and not primary_key else "NOT NULL"

    def primary_key_word(self, column: ColumnDef) -> str:
        """Return ``PRIMARY KEY``, with what makes it automatic where that belongs to the key."""
        return "PRIMARY KEY"

    def column_comment(self, column: ColumnDef) -> str:
        """Return the comment where it stands in the definition."""
        return ""

    def default(self, node: Node) -> str:
        """Return a default; anything but a constant in brackets."""
        text = self.expression(node)
        return text if text[:1] in "'0123456789-E" or text in _WORDS else f"({text})"

    # Rules

    def unique_constraint(self, unique: UniqueDef) -> str:
        """Return a plain unique rule, or an exclusion, as a constraint."""
        if unique.operators:
            return self.exclusion(unique)
        columns = ", ".join(self.name(part.column or "") for part in unique.parts)
        text = f"CONSTRAINT {self.name(unique.name)} UNIQUE ({columns})"
        if unique.deferrable and self.dialect.has_deferrable_unique:
            text += f" DEFERRABLE INITIALLY {unique.deferrable.upper()}"
        return text

    def exclusion(self, rule: UniqueDef) -> str:
        """Return an exclusion constraint; only PostgreSQL has them."""
        if self.dialect.vendor != "postgresql":
            raise unsupported(f"the exclusion constraint '{rule.name}'", self.dialect)
        parts = ", ".join(
            f"{self.index_part(part)} WITH {operator}"
            for part, operator in zip(rule.parts, rule.operators, strict=True)
        )
        text = f"CONSTRAINT {self.name(rule.name)} EXCLUDE USING {rule.method} ({parts})"
        if rule.include:
            text += f" INCLUDE ({self.names(rule.include)})"
        if rule.condition is not None:
            text += f" WHERE ({self.expression(rule.condition)})"
        return text + (f" DEFERRABLE INITIALLY {rule.deferrable.upper()}" if rule.deferrable else "")

    def is_constraint(self, unique: UniqueDef) -> bool:
        """Whether a unique rule is a constraint; otherwise it is a unique index."""
        if unique.operators:
            return True
        plain = all(part.column and not (part.opclass or part.descending or part.nulls) for part in unique.parts)
        return plain and unique.condition is None and not unique.include and unique.nulls_distinct is None

    def can(self, rule: UniqueDef | IndexDef) -> bool:
        """Whether this database has such an index; one that it has not is left out (the model checks say so)."""
        dialect = self.dialect
        if isinstance(rule, IndexDef) and rule.vendor and rule.vendor != dialect.vendor:
            return False
        if isinstance(rule, UniqueDef) and rule.operators:
            return True  # never left out: writing it says which databases have none
        if rule.condition is not None and not dialect.has_partial_indexes:
            return False
        if isinstance(rule, UniqueDef):
            if rule.nulls_distinct is not None and not dialect.has_nulls_distinct:
                return False
            if rule.deferrable and not dialect.has_deferrable_unique:
                return False
        return dialect.has_expression_indexes or all(part.expression is None for part in rule.parts)

    def check(self, check: CheckDef) -> str:
        """Return a check constraint."""
        return f"CONSTRAINT {self.name(check.name)} CHECK ({self.expression(check.condition)})"

    def foreign_key(self, key: ForeignKeyDef) -> str:
        """Return a foreign key as a table constraint."""
        text = (
            f"CONSTRAINT {self.name(key.name)} FOREIGN KEY ({self.names(key.columns)}) "
            f"REFERENCES {self.name(key.to_table)} ({self.names(key.to_columns)})"
        )
        if key.on_delete:
            text += f" ON DELETE {key.on_delete}"
        return text + (self.deferred() if key.deferrable else "")

    def deferred(self) -> str:
        """Return what puts the check of a foreign key off to the commit."""
        return " DEFERRABLE INITIALLY DEFERRED"

    def index(self, table: str, index: IndexDef | UniqueDef, *, concurrently: bool = False) -> str:
        """Return ``CREATE [UNIQUE] INDEX``."""
        unique = isinstance(index, UniqueDef)
        parts = ", ".join(self.index_part(part) for part in index.parts)
        method = f" USING {index.method}" if isinstance(index, IndexDef) and index.method else ""
        text = (
            f"CREATE {'UNIQUE ' if unique else ''}INDEX {'CONCURRENTLY ' if concurrently else ''}{self.name(index.name)} "
            f"ON {self.name(table)}{method} ({parts})"
        )
        if index.include and self.dialect.has_covering_indexes:
            text += f" INCLUDE ({self.names(index.include)})"
        if isinstance(index, UniqueDef) and index.nulls_distinct is False:
            text += " NULLS NOT DISTINCT"
        if isinstance(index, IndexDef) and index.parameters:
            text += f" WITH ({', '.join(index.parameters)})"
        if index.condition is not None:
            text += f" WHERE {self.expression(index.condition)}"
        return text

    def index_part(self, part: IndexPart) -> str:
        """Return one column or expression of an index."""
        text = self.name(part.column) if part.column is not None else f"({self.expression(part.expression)})"  # type: ignore[arg-type]  # one of the two is set
        is_postgresql = self.dialect.vendor == "postgresql"
        if part.opclass and is_postgresql:
            text += f" {part.opclass}"
        if part.descending:
            text += " DESC"
        return text + (f" NULLS {part.nulls.upper()}" if part.nulls and is_postgresql else "")

    # Tables

    def create_table(self, table: TableDef, name: str | None = None, *, foreign_keys: bool) -> str:
        """Return ``CREATE TABLE`` with all that can stand in it."""
        key = primary_key_of(table)
        lines = [self.column(column, primary_key=key == (column.name,)) for column in table.columns]
        if len(key) > 1:
            lines.append(f"PRIMARY KEY ({self.names(key)})")
        lines += [self.unique_constraint(rule) for rule in table.uniques if self.can(rule) and self.is_constraint(rule)]
        lines += [self.check(check) for check in table.checks]
        if foreign_keys:
            lines += [self.foreign_key(key) for key in table.foreign_keys]
        return f"CREATE TABLE {self.name(name or table.name)} ({', '.join(lines)}){self.table_options(table)}"

    def table_options(self, table: TableDef) -> str:
        """Return what stands behind the brackets of ``CREATE TABLE``."""
        return ""

    def indexes_of(self, table: TableDef) -> list[str]:
        """Return the statements that make a table's indexes, unique ones included."""
        rules: list[IndexDef | UniqueDef] = [
            rule for rule in table.uniques if self.can(rule) and not self.is_constraint(rule)
        ]
        rules += [index for index in table.indexes if self.can(index)]
        return [self.index(table.name, rule) for rule in rules]


_WORDS = frozenset(
    ("NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP(6)")
)
