"""References: ``F`` to a column of the same query, ``OuterRef`` to one of the query around it; raw SQL; JSON null."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from covet.db.errors import NotSupportedError
from covet.db.models.expressions.base import Expression, as_expression
from covet.db.sql import nodes
from covet.db.sql.dialect import RawJSON
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import inference
    from covet.db.models.expressions import scope as scopes
    from covet.db.models.fields.base import Field
else:
    inference = late_module(__name__, "covet.db.models.expressions.inference")
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")

__all__ = ["F", "JSONNull", "OuterRef", "RawSQL", "Sliced"]


class F(Expression[Any]):
    """The value of a field, possibly of a related row, or of an annotation: ``F("views") + 1``, ``F("author__name")``.

    Args:
        name: The field, path or annotation.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def shape(self, values: list[Any]) -> Hashable:
        """Return the name."""
        return (F, self.name)

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the column."""
        return scope.ref(self.name)

    @property
    def default_alias(self) -> str:
        """The name itself."""
        return self.name

    def __getitem__(self, part: int | slice) -> Sliced:
        """Return part of a text: ``F("title")[:3]``."""
        return Sliced(self, part)


class OuterRef(F):
    """A field of the query around a ``Subquery`` or ``Exists``; ``OuterRef(OuterRef("x"))`` is one further out."""

    name: Any

    def __init__(self, name: str | OuterRef) -> None:
        Expression.__init__(self)
        self.name = name

    def shape(self, values: list[Any]) -> Hashable:
        """Return the name and how far out it is."""
        name = self.name
        return (OuterRef, name if isinstance(name, str) else name.shape(values))

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the outer query's column."""
        if isinstance(self.name, str):
            return scope.outer.ref(self.name)
        return self.name.resolve(scope.outer)  # type: ignore[no-any-return]


class Sliced(Expression[Any]):
    """Part of a text, counted from 0 as in Python; negative places are not offered by databases."""

    public_module = "covet.db.models.expressions"

    def __init__(self, expression: Any, part: int | slice) -> None:
        super().__init__()
        start, stop = (part, part + 1) if isinstance(part, int) else (part.start or 0, part.stop)
        if isinstance(part, slice) and part.step not in (None, 1):
            raise ValueError("A slice of a text in the database has no step.")
        if start < 0 or (stop is not None and stop < 0):
            raise ValueError("A slice of a text in the database has no negative places.")
        self.sources = (as_expression(expression),)
        self.start = start
        self.length = None if stop is None else max(stop - start, 0)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the text and the places."""
        return (Sliced, self.sources[0].shape(values), self.start, self.length)

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return ``SUBSTRING``."""
        inner = self.sources[0].resolve(scope)
        if inner.field is not None and inference.family(inner.field) != "text":
            return self._part_of(inner.field).resolve(scope)  # type: ignore[no-any-return]  # expressions are untyped here
        args = [inner.node, nodes.Bound(self.start + 1, nodes.ColumnType("integer"))]
        if self.length is not None:
            args.append(nodes.Bound(self.length, nodes.ColumnType("integer")))
        return scopes.Resolved(nodes.Func("SUBSTRING", tuple(args)), inner.field or inference.TEXT)

    def _part_of(self, field: Field[Any]) -> Any:
        """Return the part of what is no text, if its field knows parts as an array does."""
        name = f"{self.start}_{self.start + (self.length or 0)}"
        transform = None if self.length is None or field.column_type() is None else field.get_transform(name)
        if transform is None:
            raise NotSupportedError(f"{field.get_internal_type()} has no parts that F(…)[{self.start}…] could take.")
        return transform(self.sources[0])


class RawSQL(Expression[Any]):
    """SQL text of the project's own, in brackets; its parameters are always bound.

    Args:
        sql: The text; ``%s`` takes the next parameter. Never put user input into it.
        params: The parameters.
        output_field: What the result holds.
    """

    def __init__(self, sql: str, params: Sequence[Any] = (), output_field: Field[Any] | None = None) -> None:
        super().__init__(output_field)
        self.sql = sql
        self.params = tuple(params)
        self.sources = tuple(as_expression(param) for param in self.params)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the text and the parameters' shapes."""
        return (RawSQL, self.sql, self._output_key(), *[source.shape(values) for source in self.sources])

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the text with its parameters."""
        args = tuple(source.resolve(scope).node for source in self.sources)
        return scopes.Resolved(nodes.Raw(f"({self.sql})", args), self.output_field)

    @property
    def conditional(self) -> bool:
        """Only the author knows: it may stand as a condition."""
        return True


class JSONNull(Expression[Any]):
    """The JSON word ``null``, which is a value; ``None`` is SQL's ``NULL``, which is none."""

    def shape(self, values: list[Any]) -> Hashable:
        """Return a constant."""
        return JSONNull

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the word as a constant of the shape."""
        return scopes.Resolved(nodes.Bound(RawJSON("null"), nodes.ColumnType("json")), inference.JSON)
