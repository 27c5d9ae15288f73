"""Writes models for tables that are there already: what ``inspectdb`` prints.

What a table says exactly becomes a field; what it only hints at gets a comment that says it is a guess.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field

from covet.db.migrations.column_fields import FIELDS, GUESSES, POSTGRESQL_FIELDS, SIZE, item_of

if TYPE_CHECKING:
    from covet.db.backends.introspection import ColumnInfo, ConstraintInfo, IndexInfo
    from covet.db.database import Database

__all__ = ["TableInfo", "models_source", "read_tables"]

_AUTO = {"SmallIntegerField": "SmallAutoField", "IntegerField": "AutoField", "BigIntegerField": "BigAutoField"}
_POSITIVE = {"SmallIntegerField", "IntegerField", "BigIntegerField"}
_RULES = {
    "CASCADE": "models.DB_CASCADE",
    "SET NULL": "models.DB_SET_NULL",
    "SET DEFAULT": "models.DB_SET_DEFAULT",
}
_LITERAL = re.compile(r"'((?:[^']|'')*)'(?:::[\w \"]+(?:\(\d+\))?)?")
_NUMBER = re.compile(r"\(?(-?\d+(?:\.\d+)?)\)?(?:::[\w ]+)?")
_NOW = frozenset({"now()", "current_timestamp", "current_timestamp()", "current_timestamp(6)", "statement_timestamp()"})
_SQLITE_NOW = re.compile(r"\(?STRFTIME\('[^']*', 'now'\)", re.IGNORECASE)


class TableInfo(Struct):
    """A table as it was found, with the names that its model and fields get."""

    name: str
    columns: list[ColumnInfo]
    constraints: list[ConstraintInfo]
    indexes: list[IndexInfo]
    is_view: bool = False
    model: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return next((rule.columns for rule in self.constraints if rule.kind == "primary"), ())

    def foreign_key(self, column: str) -> ConstraintInfo | None:
        """Return the foreign key of that column alone."""
        found = (rule for rule in self.constraints if rule.kind == "foreign_key" and rule.columns == (column,))
        return next(found, None)

    def is_unique(self, column: str) -> bool:
        """Whether a rule without conditions lets a value of that column stand in one row only."""
        return self.primary_key != (column,) and any(
            index.unique and index.columns == (column,) and index.condition is None for index in self.indexes
        )


async def read_tables(
    database: Database,
    names: Sequence[str] = (),
    *,
    include_views: bool = False,
    include_partitions: bool = False,
) -> tuple[list[TableInfo], list[str]]:
    """Return what the database says of its tables, and which of ``names`` are not there.

    Args:
        database: Where they are.
        names: Only these tables or views.
        include_views: Views, too, when no names are given.
        include_partitions: The parts of partitioned tables, too, when no names are given.
    """
    reader = database.introspection
    tables, views = await reader.tables(), await reader.views()
    partitions = await reader.partitions() if names or include_partitions else []
    tables = sorted([*tables, *partitions])
    own = {"covet_migrations", "covet_migration_journal"}
    wanted = list(names) or [name for name in tables if name not in own] + (views if include_views else [])
    found: list[TableInfo] = []
    missing = [name for name in wanted if name not in tables and name not in views]
    for name in wanted:
        if name in missing:
            continue
        is_view = name in views
        found.append(
            TableInfo(
                name,
                await reader.columns(name),
                [] if is_view else await reader.constraints(name),
                [] if is_view else await reader.indexes(name),
                is_view,
            )
        )
    return found, missing


def models_source(tables: Sequence[TableInfo], vendor: str, *, managed: bool = False) -> str:
    """Return the source of a ``models.py`` for these tables.

    Args:
        tables: What was read.
        vendor: The kind of database that they are in.
        managed: Leave ``managed = False`` out, so that migrations look after the tables.
    """
    _give_names(tables)
    writer = _Writer({table.name: table for table in tables}, vendor, managed)
    bodies = [line for table in tables for line in ["", "", *writer.model(table)]]
    imports = ["from covet.db import models"]
    if writer.uses_now:
        imports.append("from covet.db.models.functions import Now")
    if writer.postgres:
        imports.append(f"from covet.postgres.fields import {', '.join(sorted(writer.postgres))}")
    return "\n".join([*imports, *bodies]) + "\n"


def _give_names(tables: Sequence[TableInfo]) -> None:
    taken: set[str] = set()
    for table in tables:
        words = [word for word in re.split(r"\W|_", table.name) if word]
        name = "".join(word[:1].upper() + word[1:] for word in words) or "Table"
        if not name.isidentifier() or keyword.iskeyword(name) or name == "Model":
            name = f"Table{name}"
        table.model = _free(name, {item.lower() for item in taken})
        taken.add(table.model)
        for column in table.columns:
            base = column.name
            if table.foreign_key(base) is not None and base.lower().endswith("_id") and len(base) > 3:
                base = base[:-3]
            table.fields[column.name] = _free(_identifier(base), set(table.fields.values()))


def _identifier(column: str) -> str:
    name = re.sub(r"__+", "_", re.sub(r"\W", "_", column).lower()).rstrip("_") or "field"
    if not (name[0].isalpha() or name[0] == "_"):
        name = f"field_{name}"
    if name.startswith("_"):
        name = f"field{name}"
    # What a model has itself, or a class cannot have.
    return f"{name}_field" if keyword.iskeyword(name) or name in _reserved() else name


def _reserved() -> set[str]:
    from covet.db.models.base import Model

    return {"pk", "objects", "check", *[name.lower() for name in dir(Model)]}


def _free(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found.lower() in taken or found in taken:
        found, number = f"{name}_{number}" if name.islower() else f"{name}{number}", number + 1
    return found


class _Writer:
    """Writes the classes; ``uses_now`` says whether an import is needed."""

    def __init__(self, tables: dict[str, TableInfo], vendor: str, managed: bool) -> None:
        self.tables = tables
        self.vendor = vendor
        self.managed = managed
        self.uses_now = False
        self.postgres: set[str] = set()  # classes of fields that only PostgreSQL has

    def model(self, table: TableInfo) -> list[str]:
        """Return the lines of a class."""
        lines = [f"class {table.model}(models.Model):"]
        key = table.primary_key
        if len(key) > 1:
            lines += self._composite(table)
        elif not key:
            lines.append("    # This has no primary key; the first field stands in for one. Is it unique?")
        referred: set[tuple[str, str]] = set()
        for position, column in enumerate(table.columns):
            is_key = key == (column.name,) or (not key and position == 0) or (position == 0 and self._lacks_key(table))
            lines += [f"    {line}" for line in self.field(table, column, is_key=is_key, referred=referred)]
        lines += ["", "    class Meta:"]
        if not self.managed or table.is_view:
            lines.append("        managed = False")
        lines.append(f"        db_table = {_quoted(table.name)}")
        lines += self._rules(table)
        return lines

    def field(self, table: TableInfo, column: ColumnInfo, *, is_key: bool, referred: set[tuple[str, str]]) -> list[str]:
        """Return the lines of a field: its comments and the field itself."""
        name = table.fields[column.name]
        key = table.foreign_key(column.name)
        options: list[str] = []
        comments: list[str] = []
        if key is not None and key.to_table is not None and len(key.to_columns or ("",)) == 1:
            kind = self._relation(table, column, key, options, comments, referred, is_key=is_key)
            default_column = f"{name}_id"
        else:
            kind = self._kind(table, column, options, comments, is_key=is_key)
            default_column = name
            if table.is_unique(column.name):
                options.append("unique=True")
        if is_key and not kind.endswith("AutoField"):
            options.append("primary_key=True")
        elif is_key:
            options.insert(0, "primary_key=True")
        if column.null and not is_key:
            options += ["blank=True", "null=True"]
        if column.name != default_column:
            options.append(f"db_column={_quoted(column.name)}")
        if not kind.endswith("AutoField"):
            self._default(column, options, comments)
        if column.comment:
            options.append(f"db_comment={_quoted(column.comment)}")
        if column.generated is not None:
            inner = f"{self._class(kind)}({', '.join(item for item in options if not _is_outer(item))})"
            outer = [item for item in options if item.startswith("db_column")]
            comments.append("Is it stored, or computed when it is read? Correct db_persist.")
            expression = f"models.RawSQL({_quoted(column.generated.replace('%', '%%'))})"
            parts = [f"expression={expression}", f"output_field={inner}", "db_persist=True", *outer]
            return [*[f"# {text}" for text in comments], f"{name} = models.GeneratedField({', '.join(parts)})"]
        return [*[f"# {text}" for text in comments], f"{name} = {self._class(kind)}({', '.join(options)})"]

    def _class(self, kind: str) -> str:
        return kind if kind in self.postgres else f"models.{kind}"

    def _postgres_kind(
        self, table: TableInfo, column: ColumnInfo, options: list[str], comments: list[str]
    ) -> str | None:
        """Return the class for a type that only PostgreSQL has."""
        whole = column.type.lower().strip()
        kind = POSTGRESQL_FIELDS.get(whole)
        if kind is None and whole.startswith("vector(") and whole.endswith(")"):
            kind = "VectorField"
            options.append(f"dimensions={int(whole[7:-1])}")
        if kind is None and whole.endswith("[]"):
            kind = "ArrayField"
            inner: list[str] = []
            found = self._kind(table, item_of(column), inner, comments, is_key=False)
            options.append(f"{self._class(found)}({', '.join(inner)})")
        if kind is not None:
            self.postgres.add(kind)
        return kind

    def _composite(self, table: TableInfo) -> list[str]:
        names = ", ".join(_quoted(table.fields[column]) for column in table.primary_key)
        if not self._lacks_key(table):
            return [f"    pk = models.CompositePrimaryKey({names})"]
        return [f"    # The primary key is ({names}); a model has one field as its key. The first stands in for it."]

    def _lacks_key(self, table: TableInfo) -> bool:
        from covet.db import models

        return len(table.primary_key) > 1 and not hasattr(models, "CompositePrimaryKey")

    def _relation(
        self,
        table: TableInfo,
        column: ColumnInfo,
        key: ConstraintInfo,
        options: list[str],
        comments: list[str],
        referred: set[tuple[str, str]],
        *,
        is_key: bool,
    ) -> str:
        target = self.tables.get(key.to_table or "")
        if key.to_table == table.name:
            options.append('"self"')
        elif target is not None:
            options.append(_quoted(target.model))
        else:
            options.append(_quoted(key.to_table or ""))
            comments.append("The table that it refers to was not inspected.")
        options.append(f"on_delete={_RULES.get(key.on_delete, 'models.DO_NOTHING')}")
        if key.on_delete == "RESTRICT":
            comments.append("The database refuses to delete rows that are referred to.")
        if target is not None and key.to_columns and key.to_columns != target.primary_key:
            options.append(f"to_field={_quoted(target.fields[key.to_columns[0]])}")
        one = is_key or table.is_unique(column.name)
        mark = (key.to_table or "", "")
        taken = target is not None and table.model.lower() in target.fields.values()
        if mark in referred or taken:
            options.append(f"related_name={_quoted(f'{table.model.lower()}_{table.fields[column.name]}_set')}")
        referred.add(mark)
        if (not one and not any(index.columns[:1] == (column.name,) for index in table.indexes)) or (
            not one and not self._has_plain_index(table, column.name)
        ):
            options.append("db_index=False")
        return "OneToOneField" if one else "ForeignKey"

    @staticmethod
    def _has_plain_index(table: TableInfo, column: str) -> bool:
        return any(_is_plain(index) and index.columns == (column,) for index in table.indexes)

    def _kind(
        self, table: TableInfo, column: ColumnInfo, options: list[str], comments: list[str], *, is_key: bool
    ) -> str:
        whole = column.type.lower().strip()
        name = SIZE.sub("", whole).replace(" unsigned", "").replace(" zerofill", "").strip()
        checks = {_bare_check(rule.definition) for rule in table.constraints if rule.kind == "check"}
        if name in ("char", "character", "bpchar") and column.length in (32, 39) and self.vendor != "postgresql":
            comments.append("A guess: this database has no type of its own for it.")
            return "UUIDField" if column.length == 32 else "GenericIPAddressField"
        if f"json_valid({column.name})" in checks:
            return "JSONField"
        if whole == "tinyint(1)":
            return "BooleanField"
        own = self._postgres_kind(table, column, options, comments) if self.vendor == "postgresql" else None
        if own is not None:
            return own
        kind = FIELDS.get(name)
        if kind is None:
            kind = GUESSES.get(name, "TextField")
            comments.append(f"A guess: the type is {column.type}.")
        if kind == "CharField":
            if column.length is None and name != "enum":
                if self.vendor != "sqlite":
                    comments.append("The column has no greatest length.")
                return "TextField"
            options.append(f"max_length={column.length or 255}")
        elif kind == "DecimalField":
            if column.precision is None:
                comments.append("A guess: the column does not say how many digits.")
            options.append(f"max_digits={column.precision or 20}")
            options.append(f"decimal_places={column.scale if column.scale is not None else 5}")
        if kind in ("CharField", "TextField") and column.collation and self.vendor == "postgresql":
            options.append(f"db_collation={_quoted(column.collation)}")
        if (column.identity and is_key) and kind in _AUTO:
            if self.vendor == "sqlite":
                # All integers are as wide as they must be; the widest stands for them.
                return "BigAutoField"
            return _AUTO[kind]
        if kind in _POSITIVE and (f"{column.name}>=0" in checks or "unsigned" in whole):
            return f"Positive{kind}"
        return kind

    def _default(self, column: ColumnInfo, options: list[str], comments: list[str]) -> None:
        text = column.default
        if text is None or column.generated is not None:
            return
        literal, number = _LITERAL.fullmatch(text), _NUMBER.fullmatch(text)
        is_boolean = column.type.lower() in ("bool", "boolean", "tinyint(1)")
        if is_boolean and text.lower() in ("true", "false", "1", "0"):
            options.append(f"db_default={text.lower() in ('true', '1')}")
        elif text.lower() in _NOW or _SQLITE_NOW.match(text):
            self.uses_now = True
            options.append("db_default=Now()")
        elif number is not None:
            options.append(f"db_default={number[1]}")
        elif literal is not None and _is_text(column):
            options.append(f"db_default={_quoted(literal[1].replace(chr(39) * 2, chr(39)))}")
        elif literal is not None and _NUMBER.fullmatch(literal[1]) and _is_number(column):
            options.append(f"db_default={literal[1]}")
        elif text.upper() != "NULL" and not text.upper().startswith("NULL::"):
            comments.append(f"The database's default: {' '.join(text.split())}")

    def _rules(self, table: TableInfo) -> list[str]:
        """Return the lines of Meta about rules and indexes of several columns, or with names of their own."""
        constraints: list[str] = []
        indexes: list[str] = []
        notes: list[str] = []
        covered = {index.name for index in table.indexes if index.constraint and index.primary_key}
        for index in table.indexes:
            if index.primary_key or index.name in covered:
                continue
            if None in index.columns or index.condition is not None:
                notes.append(f"Index {index.name} is on an expression or has a condition; write it by hand.")
                continue
            columns = [column for column in index.columns if column is not None]
            if index.unique:
                if len(columns) > 1:
                    name = _name_of(table, index)
                    constraints.append(
                        f"models.UniqueConstraint(fields=[{self._names(table, columns)}], name={_quoted(name)})"
                    )
                continue
            if len(columns) == 1 and table.foreign_key(columns[0]) is not None and _is_plain(index):
                # The field makes it.
                continue
            if index.method not in ("", "btree"):
                notes.append(f"Index {index.name} is a {index.method} index; write it by hand.")
                continue
            if self.vendor == "postgresql" and index.name.endswith("_like"):
                continue
            signs = ["-" if down else "" for down in index.descending] or [""] * len(columns)
            fields = ", ".join(
                _quoted(sign + table.fields[column]) for sign, column in zip(signs, columns, strict=False)
            )
            indexes.append(f"models.Index(fields=[{fields}], name={_quoted(index.name)})")
        for rule in table.constraints:
            if rule.kind == "check" and not self._follows_from_field(table, rule):
                condition = _check_text(rule.definition)
                name = rule.name or f"{table.name}_check"
                constraints.append(
                    f"models.CheckConstraint(condition=models.RawSQL({_quoted(condition)}), name={_quoted(name)})"
                )
            elif rule.kind == "foreign_key" and len(rule.columns) > 1:
                notes.append(f"({', '.join(rule.columns)}) refers to {rule.to_table}; a field cannot say that.")
            elif rule.kind == "exclude":
                notes.append(f"Constraint {rule.name}: {rule.definition}")
        lines = [f"        # {note}" for note in notes]
        for title, items in (("constraints", constraints), ("indexes", indexes)):
            if items:
                lines += [f"        {title} = [", *[f"            {item}," for item in items], "        ]"]
        return lines

    @staticmethod
    def _names(table: TableInfo, columns: Iterable[str]) -> str:
        return ", ".join(_quoted(table.fields[column]) for column in columns)

    def _follows_from_field(self, table: TableInfo, rule: ConstraintInfo) -> bool:
        """Whether a field makes the check by itself: that of positive integers, MariaDB's of JSON."""
        text = _bare_check(rule.definition)
        for column in table.columns:
            if text == f"json_valid({column.name})":
                return True
            name = SIZE.sub("", column.type.lower()).replace(" unsigned", "").strip()
            is_key = table.foreign_key(column.name) is not None
            if text == f"{column.name}>=0" and FIELDS.get(name) in _POSITIVE and not is_key:
                return True
        return False


def _quoted(text: str) -> str:
    shown = repr(text)
    if shown.startswith("'") and '"' not in shown:
        return f'"{shown[1:-1]}"'
    return shown


def _is_outer(option: str) -> bool:
    return option.startswith(("db_column", "db_default", "db_comment"))


def _is_plain(index: IndexInfo) -> bool:
    return not index.unique and index.condition is None and not any(index.descending) and index.method in ("", "btree")


def _is_text(column: ColumnInfo) -> bool:
    return any(word in column.type.lower() for word in ("char", "text", "clob"))


def _is_number(column: ColumnInfo) -> bool:
    return any(word in column.type.lower() for word in ("int", "numeric", "decimal", "real", "double", "float"))


def _check_text(definition: str) -> str:
    """Return the condition of a check alone: PostgreSQL gives the whole rule."""
    text = definition.strip()
    found = re.fullmatch(r"CHECK\s*\((.*)\)(?:\s+NOT VALID)?", text, re.DOTALL | re.IGNORECASE)
    text = found[1] if found else text
    while text.startswith("(") and text.endswith(")") and _is_one_group(text):
        text = text[1:-1]
    return text.replace("%", "%%")


def _is_one_group(text: str) -> bool:
    depth = 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if not depth:
            return position == len(text) - 1
    return False


def _bare_check(definition: str) -> str:
    return re.sub(r"[\s\"`]", "", _check_text(definition)).lower()


def _name_of(table: TableInfo, index: IndexInfo) -> str:
    """Return the name of a unique rule: SQLite's index of one has a name that says nothing."""
    for rule in table.constraints:
        if rule.kind == "unique" and rule.columns == index.columns and rule.name:
            return rule.name
    return index.name
