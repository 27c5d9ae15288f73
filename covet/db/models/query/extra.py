"""``extra()``: pieces of SQL in a query, for code that comes from Django; new code has expressions and ``raw()``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from covet.db.errors import ProgrammingError
from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.refs import RawSQL
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.sql import nodes as n
from covet.exceptions import FieldError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from covet.db.models.query.queryset import QuerySet

__all__ = ["with_extra"]


@cache
def _place() -> re.Pattern[str]:
    return re.compile(r"%(?:%|(s))")


@cache
def _name() -> re.Pattern[str]:
    return re.compile(r"[^\W\d]\w*\Z")


class _TableColumn(Expression[Any]):
    """``table.column`` in the order of ``extra()``; both are quoted."""

    def __init__(self, table: str, column: str) -> None:
        super().__init__()
        self.table = table
        self.column = column

    def shape(self, values: list[Any]) -> Hashable:
        return (_TableColumn, self.table, self.column)

    def resolve(self, scope: Scope) -> Resolved:
        return Resolved(n.Column(self.table, self.column), None)


def with_extra(
    queryset: Any,
    *,
    select: Mapping[str, str],
    select_params: Sequence[Any],
    where: Iterable[str],
    params: Sequence[Any],
    tables: Iterable[str],
    order_by: Iterable[str],
) -> QuerySet[Any, Any]:
    """Return the queryset with these pieces of SQL; values are bound, names are checked or quoted."""
    query = queryset.query
    rest = list(select_params)
    for name, sql in select.items():
        query = queryset._add_annotation(
            query, name, _piece(sql, rest, "extra(select=…)"), selected=True, method="extra"
        )
    _all_used(rest, "extra(select_params=…)")
    rest = list(params)
    conditions = tuple([_piece(sql, rest, "extra(where=…)") for sql in where])
    _all_used(rest, "extra(params=…)")
    if conditions:
        query = query.filtered(conditions, {}, negate=False, where="extra")
    names = tuple(tables)
    if names:
        query = query.with_extras(tables=(*query.extras.tables, *names))
    new = queryset._chain(query)
    items = [_order_item(item) for item in order_by]
    return new.order_by(*items) if items else new  # type: ignore[no-any-return]  # the queryset's own class


def _piece(sql: str, params: list[Any], where: str) -> RawSQL:
    """Return a piece of SQL with as many of the values as it has places."""
    count = len([found for found in _place().finditer(sql) if found[1]])
    if count > len(params):
        raise ProgrammingError(f"{where} has more places (%s) than values.", sql=sql)
    taken = params[:count]
    del params[:count]
    return RawSQL(sql, taken)


def _all_used(params: list[Any], where: str) -> None:
    if params:
        raise ProgrammingError(f"{where} has {len(params)} more values than there are places (%s).")


def _order_item(item: str) -> Any:
    bare = item.removeprefix("-")
    if "." not in bare:
        return item
    table, _, column = bare.partition(".")
    if not (_name().match(table) and _name().match(column)):
        raise FieldError(f"extra(order_by=…) takes names and 'table.column', not {item!r}.", name=item)
    found = _TableColumn(table, column)
    return found.desc() if item.startswith("-") else found.asc()
