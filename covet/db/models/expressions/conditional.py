"""``Case`` and ``When``."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.base import Expression, Value
from covet.db.models.expressions.declared import resolve_parts
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.q import Q
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.sql import nodes

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = ["Case", "When"]


class When(Expression[Any]):
    """One branch of a ``Case``: ``When(views__gt=100, then=Value("hot"))``.

    Args:
        condition: A ``Q`` or boolean expression; look-ups by name are added to it.
        then: The result; a text names a field.
        lookups: Conditions by name.
    """

    def __init__(self, condition: Any = None, then: Any = None, **lookups: Any) -> None:
        super().__init__()
        if condition is not None and not getattr(condition, "conditional", False):
            raise TypeError(f"When takes a Q, a boolean expression or look-ups, not {condition!r}.")
        if condition is None and not lookups:
            raise TypeError("When needs a condition: a Q, a boolean expression, or look-ups such as views__gt=100.")
        q = Q.of(condition) if condition is not None else Q()
        # Not Q(**lookups): names from outside must stay names, and never become its options.
        self.condition = q & Q.create(lookups.items()) if lookups else q
        if not self.condition:
            raise ValueError("An empty Q() cannot be the condition of When: it is always true.")
        self.sources = (self.condition, parse(then))

    @property
    def result(self) -> Any:
        """What the branch gives."""
        return self.sources[1]

    def resolve(self, scope: Scope, *, is_declared: bool = False) -> Resolved:
        """Return the branch; only ``Case``, which may declare what all of them give, can stand on its own."""
        condition = scope.condition(self.sources[0])
        result = resolve_parts(self.sources[1:], scope)[0] if is_declared else self.sources[1].resolve(scope)
        return Resolved(nodes.When(condition, result.node), result.field)


class Case(Expression[Any]):
    """The result of the first branch whose condition holds.

    Args:
        whens: The branches.
        default: The result when none holds; without one, NULL. A text names a field.
        output_field: What the result holds, where the branches do not say it.
    """

    def __init__(self, *whens: When, default: Any = None, output_field: Field[Any] | None = None) -> None:
        super().__init__(output_field)
        for when in whens:
            if not isinstance(when, When):
                raise TypeError(f"Case takes When(…) branches, not {when!r}.")
        self.whens = whens
        self.default = Value(None) if default is None else parse(default)
        self.sources = (*whens, self.default)

    @property
    def conditional(self) -> bool:
        """It may stand as a condition where all of its results may."""
        results = [when.result for when in self.whens]
        results += [] if isinstance(self.default, Value) and self.default.value is None else [self.default]
        return super().conditional or (
            self.output_field is None and bool(results) and all(result.conditional for result in results)
        )

    def shape(self, values: list[Any]) -> Hashable:
        """Return the branches' shapes and the default's."""
        return (Case, self._output_key(), *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        """Return ``CASE … END``."""
        field = self.output_field
        if field is None:
            resolved = [source.resolve(scope) for source in self.sources]
            field = self._infer([each.field for each in resolved])
        else:
            resolved = [when.resolve(scope, is_declared=True) for when in self.sources[:-1]]
            resolved += resolve_parts(self.sources[-1:], scope)
        *branches, default = (each.node for each in resolved)
        if not branches:
            return Resolved(default, field)
        return Resolved(nodes.Case(tuple(branches), default), field)
