"""``ExclusionConstraint``: no two rows for which all of several comparisons hold."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.db.models.constraints import BaseConstraint, Deferrable
from covet.db.models.expressions.base import Expression, OrderBy, Value
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.inference import BOOLEAN
from covet.db.models.expressions.refs import F
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.rows import column_node
from covet.db.models.rules import check_local_fields, referenced_names
from covet.db.models.table import index_part
from covet.db.sql import nodes
from covet.db.sql.ddl import UniqueDef
from covet.postgres.vendor import require_postgresql

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["ExclusionConstraint"]

_SIGNS = frozenset("+-*/<>=~!@#%^&|`?")
_METHODS = {"gist": "gist", "spgist": "spgist", "hash": "hash"}


class ExclusionConstraint(BaseConstraint):
    """No two rows may exist for which all of the comparisons are true: two bookings of one room that overlap.

    Plain values beside ranges need the extension ``btree_gist``.

    Args:
        name: The constraint's name.
        expressions: Pairs of an expression (a text names a field) and an operator, such as ``RangeOperators.OVERLAPS``.
        index_type: ``"GIST"``, ``"SPGIST"`` or ``"HASH"``.
        condition: Only among rows that meet this ``Q``.
        deferrable: Check at the end of the transaction.
        include: Further columns that the index carries.
        violation_error_code: The code of the ``ValidationError``.
        violation_error_message: Its text.

    Raises:
        ValueError: An argument is missing or none that the database knows.
    """

    required_vendor = "postgresql"

    def __init__(
        self,
        *,
        name: str,
        expressions: Sequence[tuple[Any, str]],
        index_type: str | None = None,
        condition: Any = None,
        deferrable: Deferrable | None = None,
        include: Sequence[str] | None = None,
        violation_error_code: str | None = None,
        violation_error_message: Any = None,
    ) -> None:
        method = (index_type or "gist").lower()
        if method not in _METHODS:
            raise ValueError(f"An exclusion constraint has an index of type GIST, SPGIST or HASH, not {index_type!r}.")
        if not expressions:
            raise ValueError("An exclusion constraint needs one expression at least.")
        for pair in expressions:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise ValueError(f"expressions holds pairs of an expression and an operator, not {pair!r}.")
            if not pair[1] or not set(pair[1]) <= _SIGNS:
                raise ValueError(f"{pair[1]!r} is no operator.")
        if condition is not None and not getattr(condition, "conditional", False):
            raise TypeError(f"ExclusionConstraint.condition must be a Q or a boolean expression, not {condition!r}.")
        if deferrable is not None and not isinstance(deferrable, Deferrable):
            raise TypeError("deferrable is Deferrable.DEFERRED or Deferrable.IMMEDIATE.")
        super().__init__(
            name=name,
            violation_error_code=violation_error_code,
            violation_error_message=violation_error_message,
        )
        self.expressions = tuple((expression, operator) for expression, operator in expressions)
        self.index_type = method
        self.condition = condition
        self.deferrable = deferrable
        self.include = tuple(include or ())

    @property
    def contains_expressions(self) -> bool:
        """It always is: of a pair at least the operator is none of a plain rule."""
        return True

    @property
    def referenced_fields(self) -> frozenset[str]:
        """Names of the fields in the expressions and the condition."""
        names: set[str] = set()
        for expression, _operator in self.expressions:
            names |= referenced_names(parse(expression))
        if self.condition is not None:
            names |= referenced_names(self.condition)
        return frozenset(names)

    @property
    def compared_fields(self) -> tuple[str, ...]:
        """Names of the fields in the expressions, in their order."""
        return tuple(
            dict.fromkeys(
                name for given, _operator in self.expressions for name in sorted(referenced_names(parse(given)))
            )
        )

    def unique_def(self, model: type[Model]) -> UniqueDef:
        """Return the constraint as the database has it."""
        meta = model._meta
        return UniqueDef(
            name=self.name,
            parts=tuple(index_part(model, parse(expression)) for expression, _operator in self.expressions),
            condition=None if self.condition is None else column_node(model, self.condition),
            include=tuple(meta.get_field(name).column for name in self.include),
            deferrable="" if self.deferrable is None else self.deferrable.value,
            operators=tuple(operator for _expression, operator in self.expressions),
            method=_METHODS[self.index_type],
        )

    async def validate(
        self, model: type[Model], instance: Model, exclude: Collection[str] | None = None, using: str | None = None
    ) -> None:
        """Ask the database whether another row is in the way."""
        if set(exclude or ()) & self.referenced_fields:
            return
        if self.condition is not None and not await instance._holds(self.condition, using):
            return
        queryset = model._default_manager.using(using) if using else model._default_manager.all()
        for given, operator in self.expressions:
            expression = parse(given)
            if isinstance(expression, OrderBy):
                expression = expression.expression
            expression = expression.sources[0] if hasattr(expression, "opclass") else expression
            value = await self._value(expression, instance, using)
            if value is None:
                # An operator of NULL is never true.
                return
            queryset = queryset.filter(_Compared(expression, operator, value))
        if self.condition is not None:
            queryset = queryset.filter(self.condition)
        if not instance._row_state.adding and instance._is_pk_set():
            queryset = queryset.exclude(pk=getattr(instance, model._meta.pk.attname))
        if await queryset.exists():
            raise self.violation()

    async def _value(self, expression: Any, instance: Model, using: str | None) -> Any:
        """Return what an expression gives for the instance, as an expression."""
        if isinstance(expression, F) and "__" not in expression.name:
            meta = type(instance)._meta
            field = meta.pk if expression.name == "pk" else meta.get_field(expression.name)
            value = getattr(instance, field.attname)
            return None if value is None else Value(value, field)
        (found,) = await instance._evaluate([expression], using)
        field = expression.output_field or getattr(expression, "result", None)
        if found is None or field is None:
            return None if found is None else Value(found)
        return Value(field.to_range(found) if hasattr(field, "to_range") else found, field)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Add what is compared, and the options."""
        path, args, kwargs = super().deconstruct()
        kwargs["expressions"] = [tuple(pair) for pair in self.expressions]
        options = {"condition": self.condition, "deferrable": self.deferrable, "include": self.include or None}
        kwargs.update({name: value for name, value in options.items() if value is not None})
        if self.index_type != "gist":
            kwargs["index_type"] = self.index_type.upper()
        return path, args, kwargs

    def check(self, model: type[Model]) -> list[checks.CheckMessage]:
        """Add: the fields exist, in this table."""
        return check_local_fields(model, self, self.referenced_fields | set(self.include), "models.E012")


class _Compared(Expression[Any]):
    """``expression operator value`` as a condition."""

    is_conditional = True

    def __init__(self, expression: Any, operator: str, value: Any) -> None:
        super().__init__()
        self.operator = operator
        self.sources = (expression, value)

    def shape(self, values: list[Any]) -> Hashable:
        return (_Compared, self.operator, *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        require_postgresql(scope.dialect, "ExclusionConstraint")
        left, right = (source.resolve(scope).node for source in self.sources)
        operator = self.operator.replace("%", "%%")
        return Resolved(nodes.Raw(f"(%s {operator} %s)", (left, right)), BOOLEAN)
