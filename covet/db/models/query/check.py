"""``await Q(…).check(values)``: whether a condition holds for values that lie in no table."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.models.expressions.base import as_expression
from covet.db.models.expressions.q import Q
from covet.db.models.query.assemble import Assembler
from covet.db.models.query.logic import TRUE
from covet.db.models.query.plan import Annotation, Query
from covet.db.sql import nodes as n
from covet.db.sql.compiler import compile_statement
from covet.db.sql.statements import Output, Select

__all__ = ["check"]

_ONE, _ZERO = n.Keyword("1"), n.Keyword("0")


async def check(condition: Q, against: Mapping[str, Any], using: str | None = None) -> bool:
    """Return whether a condition holds for the values, asked of the database; unknown counts as yes, as in SQL's checks.

    Raises:
        FieldError: The condition names something else.
    """
    database = connections[using or DEFAULT_ALIAS]
    annotations = []
    for name, value in against.items():
        expression = as_expression(value)
        values: list[Any] = []
        annotations.append(Annotation(name, expression, expression.shape(values), tuple(values)))
    query = Query(_stand_in()).with_extras(annotations=tuple(annotations))
    query = query.filtered((condition,), {}, negate=False, where="check")
    where, having = Assembler(query, database.dialect, alias=database.alias).conditions()
    holds = n.And((where or TRUE, having or TRUE))
    statement = Select((Output(n.Case((n.When(n.Not(holds), _ZERO),), _ONE)),))
    sql, args = compile_statement(statement, database.dialect).bind(query.all_values())
    ((found,),) = await database.fetch(sql, args)
    return bool(found)


def _stand_in() -> Any:
    """Return what a query takes for a model: one without fields, so that only the values have names."""
    meta = SimpleNamespace(
        db_table="given",
        fields=(),
        many_to_many=(),
        private_fields=(),
        all_related_objects=(),
        pk=None,
        plans={},
        _forward_map={},
        object_name="The values",
        model=None,
        ordering=(),
        apps=SimpleNamespace(models_ready=True),
    )
    return SimpleNamespace(_meta=meta)
