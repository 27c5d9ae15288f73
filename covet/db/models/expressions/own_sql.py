"""SQL that an expression of a project writes itself: ``as_sql`` and its kin for one database."""

from __future__ import annotations

from typing import Any

from covet.db.sql import nodes

__all__ = ["VENDORS", "own_sql"]

#: The databases for which an expression may have a method of its own, ``as_postgresql`` and so on.
VENDORS = ("postgresql", "mysql", "sqlite")


def own_sql(expression: Any, scope: Any) -> nodes.Node | None:
    """Return what the expression's own method makes of it on this database; ``None`` when it is an ordinary call there.

    The method returns text with ``%s`` places and what stands in them: results of ``compiler.compile``, or constants.
    """
    method = getattr(expression, f"as_{scope.vendor}", None)
    if method is None:
        method = expression.as_sql
    sql, params = method(scope, scope.dialect)
    args = tuple([param if isinstance(param, nodes.Node) else nodes.Bound(param) for param in params])
    return args[0] if sql == "%s" and len(args) == 1 else nodes.Raw(sql, args)
