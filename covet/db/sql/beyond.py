"""Whole numbers that no row can hold, in look-ups: ``id = 10**30`` is no row, not an error of the driver.

PostgreSQL's and SQLite's drivers refuse a number that is wider than its place. Asking before each execution would cost
every look-up for the sake of a few mistaken ones, so what adapts the value raises, and only then is the statement
rewritten: what such a comparison says is known without asking the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from covet.db.sql.expressions import Bind
from covet.db.sql.nodes import Adapt, Binary, In, IsNull, Limits, Node, Or, Param
from covet.db.sql.statements import Statement
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.sql import walk
else:
    walk = late_module(__name__, "covet.db.sql.walk")

__all__ = ["Beyond", "OutOfLimits", "adapter_of"]

Binder: TypeAlias = Callable[[Sequence[Any]], "tuple[str, list[Any]]"]

_NEVER = Or(())
# Which values are beyond is part of the rewritten text. A few patterns are kept; a request must not fill the memory.
_KEPT = 16
_HOLDS_BELOW = frozenset((">", ">=", "<>", "!="))
_HOLDS_ABOVE = frozenset(("<", "<=", "<>", "!="))


class OutOfLimits(Exception):  # no error: it is caught by every ``bind`` that can raise it
    """A value lies beyond what its place in the statement takes."""


def adapter_of(bind: Bind) -> Adapt | None:
    """Return what adapts a value; where the place has limits, it raises ``OutOfLimits`` for a number beyond them."""
    if bind.limits is None:
        return bind.adapt
    adapt, low, high = bind.adapt, bind.limits.low, bind.limits.high
    if bind.limits.before:

        def bounded(value: Any) -> Any:
            if not low <= int(value) <= high:
                raise OutOfLimits
            return value if adapt is None else adapt(value)

        return bounded

    def checked(value: Any) -> Any:
        if adapt is not None:
            value = adapt(value)
        if isinstance(value, int) and not low <= value <= high:
            raise OutOfLimits
        return value

    return checked


class Beyond:
    """Binds the values of a statement of which some lie beyond the limits of their places.

    Args:
        statement: The statement.
        compile: Compiles another one for the same database, and returns its ``bind``.
    """

    __slots__ = ("_compile", "_kept", "_params", "_statement")

    def __init__(self, statement: Statement, compile: Callable[[Any], Binder]) -> None:
        self._statement = statement
        self._compile = compile
        self._kept: dict[tuple[tuple[int, int], ...], Binder] = {}
        self._params: tuple[Param, ...] | None = None

    def __call__(self, values: Sequence[Any]) -> tuple[str, list[Any]]:
        """Return text and arguments of a statement that says the same without those values."""
        if self._params is None:
            limited = (
                node for node in walk.walk(self._statement) if isinstance(node, Param) and node.limits is not None
            )
            self._params = tuple(dict.fromkeys(limited))
        signs: dict[int, int] = {}
        given = list(values)
        for param in self._params:
            assert param.limits is not None
            if not param.many:
                sign = _sign(param, values[param.slot], param.limits)
                if sign:
                    signs[param.slot] = sign
                continue
            # No row holds what is beyond, so that a list without it finds the same rows.
            kept = [value for value in given[param.slot] if not _sign(param, value, param.limits)]
            given[param.slot] = kept
            if not kept:
                signs[param.slot] = 1
        pattern = tuple(signs.items())
        bind = self._kept.get(pattern)
        if bind is None:
            bind = self._compile(_rewritten(self._statement, signs))
            if len(self._kept) < _KEPT:
                self._kept[pattern] = bind
        return bind(given)


def _sign(param: Param, value: Any, limits: Limits) -> int:
    """Return -1 for a value below the limits, 1 for one above, 0 for any other."""
    adapted = int(value) if limits.before else value if param.adapt is None else param.adapt(value)
    if not isinstance(adapted, int):
        return 0
    return -1 if adapted < limits.low else int(adapted > limits.high)


def _rewritten(statement: Statement, signs: dict[int, int]) -> Statement:
    """Return the statement with the comparisons decided that values beyond their limits decide."""

    def sign_of(node: Any) -> int:
        limited = isinstance(node, Param) and node.limits is not None
        return signs.get(node.slot, 0) if limited else 0

    def decide(node: Node) -> Node:
        if isinstance(node, Binary) and sign_of(node.right):
            holds = node.op in (_HOLDS_ABOVE if sign_of(node.right) > 0 else _HOLDS_BELOW)
            return IsNull(node.left, negated=True) if holds else _NEVER
        if isinstance(node, In) and isinstance(node.values, Param) and sign_of(node.values):
            return _none_of(node)
        if isinstance(node, In) and isinstance(node.values, tuple):
            kept = tuple([item for item in node.values if not sign_of(item)])
            return In(node.operand, kept, node.negated) if kept else _none_of(node)
        return node

    def leave(node: Node) -> Node:
        # In a condition of the project's own nobody knows what the value decides: there the driver has its say.
        return Param(node.slot, node.adapt, node.type, node.many, node.each) if sign_of(node) else node  # type: ignore[attr-defined]  # only a Param has a sign

    return walk.rewrite(walk.rewrite(statement, decide), leave)  # type: ignore[no-any-return]  # a statement stays a statement


def _none_of(node: In) -> Node:
    return IsNull(node.operand, negated=True) if node.negated else _NEVER
