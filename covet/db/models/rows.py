"""Conditions and expressions about one row: in DDL names are bare columns, on an instance they are its values.

The query room builds the node; here its columns and parameters are replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.connections import connections
from covet.db.models.expressions.q import Q
from covet.db.models.fields.markers import DATABASE_DEFAULT
from covet.db.models.query.assemble import Assembler
from covet.db.models.query.plan import Query
from covet.db.routers import router
from covet.db.sql import nodes
from covet.db.sql.compiler import compile_statement
from covet.db.sql.dialect import Dialect
from covet.db.sql.statements import Output, Select
from covet.exceptions import FieldError

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["column_node", "evaluate", "holds", "is_known", "rewrite"]


class _Neutral(Dialect):
    """Knows no database and writes nothing: values stay what Python has, and each compiler adapts them."""

    def _write(self, *args: Any, **kwargs: Any) -> str:
        raise TypeError("This dialect only builds nodes; a database's own dialect writes them.")

    placeholder = match = extract = truncate = json_path = _write


_NEUTRAL = _Neutral()


def column_node(model: type[Model], expression: Any) -> nodes.Node:
    """Return an expression or ``Q`` over the columns of one table, as DDL takes it: bare names, constants.

    Raises:
        FieldError: It reaches into another table.
    """
    return _build(model, expression, lambda _model, name: nodes.Column(None, name), local=True)


async def holds(condition: Any, instance: Model, using: str | None = None) -> bool:
    """Ask the database whether a condition holds for an instance's values; unknown counts as yes, as in SQL's checks."""
    node = _instance_node(condition, instance)
    one, zero = nodes.Keyword("1"), nodes.Keyword("0")
    (found,) = await _select(instance, using, [nodes.Case((nodes.When(nodes.Not(node), zero),), one)])
    return bool(found)


async def evaluate(expressions: Sequence[Any], instance: Model, using: str | None = None) -> list[Any]:
    """Return what expressions give for an instance's values, computed by the database."""
    return await _select(instance, using, [_instance_node(each, instance) for each in expressions])


def is_known(instance: Model, names: Sequence[str]) -> bool:
    """Whether an instance has a value for each of the fields: loaded, and no expression or default of the database."""
    own = instance.__dict__
    meta = type(instance)._meta
    fields = [field for name in names for field in (meta.pk_fields if name == "pk" else (meta.get_field(name),))]
    for field in fields:
        if field.generated:
            continue
        value = own.get(field.attname, DATABASE_DEFAULT)
        if value is DATABASE_DEFAULT or hasattr(value, "resolve"):
            return False
    return True


def _alias(instance: Model, using: str | None) -> str:
    return using or instance._row_state.db or router.db_for_write(type(instance), instance=instance)


async def _select(instance: Model, using: str | None, outputs: Sequence[nodes.Node]) -> list[Any]:
    database = connections[_alias(instance, using)]
    statement = Select(tuple(Output(node) for node in outputs))
    sql, args = compile_statement(statement, database.dialect).bind(())
    (row,) = await database.fetch(sql, args)
    return list(row)


def _instance_node(expression: Any, instance: Model) -> nodes.Node:
    def value(model: type[Model], column: str) -> nodes.Node:
        field = next(field for field in model._meta.local_concrete_fields if field.column == column)
        if field.generated:
            # The database has not computed it yet: put in what it computes.
            return _instance_node(field.expression, instance)
        found = getattr(instance, field.attname)
        if found is None:
            return nodes.Cast(nodes.Keyword("NULL"), field.column_type())
        return nodes.Bound(field.get_prep_value(found), field.column_type())

    return _build(type(instance), expression, value, local=False)


def _build(
    model: type[Model],
    expression: Any,
    column: Callable[[type[Model], str], nodes.Node],
    *,
    local: bool,
) -> nodes.Node:
    """Return an expression's node with columns replaced by ``column`` and parameters by constants."""
    values: list[Any] = []
    query = Query(model)
    expression = query.parted(expression)
    expression.shape(values)
    builder = Assembler(query, _NEUTRAL)
    node = builder.condition(expression) if isinstance(expression, Q) else expression.resolve(builder).node
    base = builder.joins.base
    # Parents of a model with tables of their own are joins to the builder; to an instance they are more of its values.
    # A proxy has no columns of its own: they are those of the model that it stands for.
    sources = {base.alias: base.meta.concrete_model or base.meta.model}
    for source in builder.joins.sources:
        is_parent = source.meta.model in model._meta.all_parents
        if local or not is_parent:
            raise FieldError(
                f"{expression!r} of {model._meta.label} reaches into another table, {source.meta.db_table}. "
                f"A rule of a table can use its own columns only.",
                model=model,
            )
        sources[source.alias] = source.meta.concrete_model or source.meta.model

    def change(part: Any) -> Any:
        if isinstance(part, nodes.Column) and part.alias in sources:
            return column(sources[part.alias], part.name)
        if isinstance(part, nodes.In) and isinstance(part.values, nodes.Param):
            items = tuple(_constant(part.values, value) for value in values[part.values.slot])
            if part.values.type is not None and part.values.type.kind == "json":
                items = tuple(nodes.Func("JSON_CANONICAL", (item,)) for item in items)
            return nodes.In(rewrite(part.operand, change), items, part.negated)
        if isinstance(part, nodes.Param):
            return _constant(part, values[part.slot])
        return part

    found: nodes.Node = rewrite(node, change)
    return found


def _constant(param: nodes.Param, value: Any) -> nodes.Node:
    if param.adapt is not None:
        value = param.adapt(value)
    return nodes.Keyword("NULL") if value is None else nodes.Bound(value, param.type)


def rewrite(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return a tree of nodes in which ``change`` has replaced what it returns something else for; outermost first."""
    if isinstance(node, tuple):
        return tuple(rewrite(item, change) for item in node)
    if not isinstance(node, Struct):
        return node
    changed = change(node)
    if changed is not node:
        return changed
    fields = {name: getattr(node, name) for name in node.__struct_fields__}
    new = {name: rewrite(value, change) for name, value in fields.items()}
    if all(new[name] is fields[name] for name in fields):
        return node
    return replace(node, **new)
