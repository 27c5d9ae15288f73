"""``table_of``: a model's table as a value, with the names that its constraints and indexes have on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from covet.db.models.constraints import CheckConstraint, UniqueConstraint
from covet.db.models.deletion import DB_CASCADE, DB_SET_DEFAULT, DB_SET_NULL
from covet.db.models.expressions.base import OrderBy
from covet.db.models.expressions.refs import F
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.models.indexes import Index
from covet.db.models.rows import column_node
from covet.db.models.rules import names_digest
from covet.db.sql import nodes
from covet.db.sql.ddl import (
    CheckDef,
    ColumnDef,
    ForeignKeyDef,
    GeneratedDef,
    IndexDef,
    IndexPart,
    TableDef,
    UniqueDef,
)
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.fields import spelled as spelling
    from covet.db.models.fields.base import Field
else:
    spelling = late_module(__name__, "covet.db.models.fields.spelled", "spelling")

__all__ = ["check_of", "column_of", "index_of", "index_part", "rule_of", "table_of", "unique_of"]

# The shortest limit of the three databases is PostgreSQL's 63; MySQL has 64.
_MAX_NAME = 60
_PATTERN_CLASSES = {"varchar": "varchar_pattern_ops", "text": "text_pattern_ops"}
# Rules that the database itself carries out; all others are ours.
_ON_DELETE: dict[Any, str] = {DB_CASCADE: "CASCADE", DB_SET_NULL: "SET NULL", DB_SET_DEFAULT: "SET DEFAULT"}


def table_of(model: type[Model]) -> TableDef:
    """Return the table of a model: its own columns, keys, rules and indexes; parents have tables of their own.

    Equal models give equal tables. Many-to-many tables are those of their through models.
    """
    concrete = model._meta.concrete_model or model
    meta = concrete._meta
    fields = meta.local_concrete_fields
    return TableDef(
        name=meta.db_table,
        columns=tuple(column_of(concrete, field) for field in fields),
        primary_key=tuple(field.column for field in meta.pk_fields if field in fields),
        foreign_keys=tuple(_foreign_keys(meta.db_table, fields)),
        uniques=tuple(_uniques(concrete)),
        checks=tuple(_checks(concrete)),
        indexes=tuple(_indexes(concrete)),
        comment=meta.db_table_comment,
    )


def column_of(model: type[Model], field: Field[Any]) -> ColumnDef:
    """Return the column of a field."""
    column_type = field.column_type()
    if column_type is None:
        raise TypeError(f"{field} has no column.")
    column_type = spelling.as_spelled(field, column_type) if _spells(field) else column_type
    generated = None
    if field.generated:
        expression: Any = field.expression  # type: ignore[attr-defined]  # what makes a field generated
        generated = GeneratedDef(column_node(model, expression), field.db_persist)  # type: ignore[attr-defined]
    return ColumnDef(
        name=field.column,
        type=column_type,
        null=field.null,
        primary_key=field.primary_key,
        identity=getattr(field, "is_auto", False),
        default=_default(model, field),
        generated=generated,
        comment=field.db_comment or "",
    )


def _default(model: type[Model], field: Field[Any]) -> nodes.Node | None:
    default = field.db_default
    if default is NOT_PROVIDED:
        return None
    if hasattr(default, "resolve"):
        return column_node(model, default)
    if default is None:
        return nodes.Keyword("NULL")
    return nodes.Bound(field.get_prep_value(default), field.column_type())


def _foreign_keys(table: str, fields: Any) -> Iterator[ForeignKeyDef]:
    for field in fields:
        remote = field.remote_field
        if remote is None or not getattr(field, "db_constraint", False):
            continue
        target = field.target_field
        options = target.model._meta
        yield ForeignKeyDef(
            name=identifier(table, [field.column], f"_fk_{options.db_table}_{target.column}"),
            columns=(field.column,),
            to_table=options.db_table,
            to_columns=(target.column,),
            on_delete=_ON_DELETE.get(remote.on_delete, ""),
        )


def _uniques(model: type[Model]) -> Iterator[UniqueDef]:
    meta = model._meta
    for field in meta.local_concrete_fields:
        if field.unique and not field.primary_key:
            yield UniqueDef(identifier(meta.db_table, [field.column], "_uniq"), (IndexPart(field.column),))
    for names in meta.unique_together:
        columns = [meta.get_field(name).column for name in names]
        yield UniqueDef(identifier(meta.db_table, columns, "_uniq"), tuple(IndexPart(column) for column in columns))
    for constraint in meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield unique_of(model, constraint)
        elif hasattr(constraint, "unique_def"):
            yield constraint.unique_def(model)


def unique_of(model: type[Model], constraint: UniqueConstraint) -> UniqueDef:
    """Return a unique constraint as the database has it."""
    meta = model._meta
    if constraint.fields:
        opclasses = constraint.opclasses or ("",) * len(constraint.fields)
        parts = tuple(
            IndexPart(meta.get_field(name).column, opclass=opclass)
            for name, opclass in zip(constraint.fields, opclasses, strict=True)
        )
    else:
        parts = tuple(index_part(model, expression) for expression in constraint.expressions)
    return UniqueDef(
        name=constraint.name,
        parts=parts,
        condition=None if constraint.condition is None else column_node(model, constraint.condition),
        include=tuple(meta.get_field(name).column for name in constraint.include),
        deferrable="" if constraint.deferrable is None else constraint.deferrable.value,
        nulls_distinct=constraint.nulls_distinct,
    )


def _checks(model: type[Model]) -> Iterator[CheckDef]:
    meta = model._meta
    for field in meta.local_concrete_fields:
        column_type = field.column_type()
        if column_type.unsigned and field.remote_field is None:
            condition = nodes.Binary(">=", nodes.Column(None, field.column), nodes.Keyword("0"))
            yield CheckDef(identifier(meta.db_table, [field.column], "_check"), condition)
    for constraint in meta.constraints:
        if isinstance(constraint, CheckConstraint):
            yield check_of(model, constraint)


def check_of(model: type[Model], constraint: CheckConstraint) -> CheckDef:
    """Return a check constraint as the database has it."""
    return CheckDef(constraint.name, column_node(model, constraint.condition))


def rule_of(model: type[Model], constraint: Any) -> UniqueDef | CheckDef:
    """Return any constraint of ``Meta.constraints`` as the database has it."""
    if isinstance(constraint, UniqueConstraint):
        return unique_of(model, constraint)
    if hasattr(constraint, "unique_def"):
        return constraint.unique_def(model)  # type: ignore[no-any-return]  # a kind of constraint from another room
    return check_of(model, constraint)


def _indexes(model: type[Model]) -> Iterator[IndexDef]:
    meta = model._meta
    for field in meta.local_concrete_fields:
        if field.db_index and not field.unique:
            yield IndexDef(identifier(meta.db_table, [field.column], ""), (IndexPart(field.column),))
        yield from _pattern_index(meta.db_table, field)
    for index in meta.indexes:
        yield index_of(model, index)


def _spells(field: Any) -> bool:
    """Whether a field of a project says in ``db_type`` how its column's type is spelled."""
    return not type(field).db_type.__module__.startswith("covet.")


def _pattern_index(table: str, field: Any) -> Iterator[IndexDef]:
    """Give the second index of an indexed text on PostgreSQL: under most collations its first cannot serve ``LIKE 'a%'``."""
    kind = field.column_type()
    opclass = _PATTERN_CLASSES.get(kind.kind)
    if opclass is None or kind.collation or _spells(field) or not (field.db_index or field.unique or field.primary_key):
        return
    part = IndexPart(field.column, opclass=opclass)
    yield IndexDef(identifier(table, [field.column], "_like"), (part,), vendor="postgresql")


def index_of(model: type[Model], index: Index) -> IndexDef:
    """Return an index of ``Meta.indexes`` as the database has it."""
    meta = model._meta
    if not index.name:
        index = index.clone()
        index.set_name_with_model(model)
    if index.fields:
        opclasses = index.opclasses or ("",) * len(index.fields)
        parts = tuple(
            IndexPart(meta.get_field(name).column, descending=order == "DESC", opclass=opclass)
            for (name, order), opclass in zip(index.fields_orders, opclasses, strict=True)
        )
    else:
        parts = tuple(index_part(model, expression) for expression in index.expressions)
    return IndexDef(
        name=index.name,
        parts=parts,
        condition=None if index.condition is None else column_node(model, index.condition),
        include=tuple(meta.get_field(name).column for name in index.include),
        method=index.method,
        vendor="postgresql" if index.method else "",
        parameters=index.parameters(),
    )


def index_part(model: type[Model], expression: Any) -> IndexPart:
    """Return an expression as a part of an index: a bare column where it is one, with its direction and class."""
    descending, nulls = False, ""
    if isinstance(expression, OrderBy):
        descending, nulls, expression = expression.descending, expression.nulls or "", expression.expression
    opclass = getattr(expression, "opclass", "")
    if opclass:
        return replace(index_part(model, expression.sources[0]), opclass=opclass, descending=descending, nulls=nulls)
    if isinstance(expression, F) and "__" not in expression.name:
        # A plain column: no brackets, and databases without expression indexes can have it.
        field = model._meta.pk if expression.name == "pk" else model._meta.get_field(expression.name)
        return IndexPart(field.column, descending=descending, nulls=nulls)
    return IndexPart(expression=column_node(model, expression), descending=descending, nulls=nulls)


def identifier(table: str, columns: list[str], suffix: str) -> str:
    """Return a name of table, columns and suffix with a digest of them, cut where a database would refuse its length."""
    table = table.strip('"').rpartition(".")[2]
    digest = names_digest(table, *columns, suffix)
    ending = f"_{digest}{suffix}"
    if len(ending) > _MAX_NAME // 2:
        ending = f"_{digest}{suffix[: _MAX_NAME // 2 - len(digest) - 1]}"
    joined = "_".join(columns)
    name = f"{table}_{joined}{ending}"
    if len(name) <= _MAX_NAME:
        return name
    room = _MAX_NAME - len(ending) - 1
    return f"{table[: room // 2]}_{joined[: room - room // 2]}{ending}"
