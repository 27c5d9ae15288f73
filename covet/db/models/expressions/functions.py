"""Func: the base of database functions, and the few that are a language of their own (``Cast``, ``Coalesce``)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from covet.db.models.expressions.base import Expression, as_expression
from covet.db.models.expressions.own_sql import Compiler, own_shape, own_sql, writes_sql
from covet.db.models.expressions.q import hashable
from covet.db.models.expressions.refs import F
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.fields.registration import TakesLookups
from covet.db.sql import nodes
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import inference
    from covet.db.models.fields.base import Field
else:
    inference = late_module(__name__, "covet.db.models.expressions.inference")

__all__ = ["Cast", "Coalesce", "Func", "Transform", "parse"]


def parse(value: Any) -> Any:
    """Return an expression: a text is the name of a field, anything else that is no expression is a value."""
    return F(value) if isinstance(value, str) else as_expression(value)


class Func(Expression[Any]):
    """A function of the database: ``Func("title", function="LOWER")``, or a subclass with a name.

    Args:
        expressions: The arguments; a text names a field.
        function: The function's name, where the class has none.
        template: The call's text with ``%(function)s`` and ``%(expressions)s``, where it is no plain call.
        arg_joiner: What stands between the arguments, with a template.
        arity: How many arguments it takes.
        output_field: What the result holds.
        extra: Texts for further places of the template. They become part of the SQL: never pass user input.
    """

    function: str = ""
    template: str | None = None
    arg_joiner: str = ", "
    arity: int | None = None
    #: The field of the result, where it does not depend on the arguments.
    result: ClassVar[Field[Any] | None] = None

    def __init__(
        self,
        *expressions: Any,
        output_field: Field[Any] | None = None,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        arity: int | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(output_field)
        if function is not None:
            self.function = function
        if template is not None:
            self.template = template
        if arg_joiner is not None:
            self.arg_joiner = arg_joiner
        if arity is not None:
            self.arity = arity
        if self.arity is not None and len(expressions) != self.arity:
            raise TypeError(
                f"{type(self).__name__} takes {self.arity} argument{'' if self.arity == 1 else 's'}, not {len(expressions)}."
            )
        self.extra = extra
        self.sources = tuple(parse(expression) for expression in expressions)

    def shape(self, values: list[Any]) -> Hashable:
        """Return name, template and the arguments' shapes."""
        if self._has_own_sql:
            return own_shape(self, values)
        return (
            self.__class__,
            self.function,
            self.template,
            self.arg_joiner,
            hashable(self.extra) if self.extra else None,
            self._output_key(),
            *[source.shape(values) for source in self.sources],
        )

    def resolve(self, scope: Scope) -> Resolved:
        """Return the call, or what a method such as ``as_postgresql`` makes of it on its database."""
        if self._has_own_sql:
            compiler = Compiler(scope, self.sources)
            return Resolved(own_sql(self, compiler), self._field_of(compiler))
        args, field = self._resolve_sources(scope)
        return Resolved(self.node(tuple(args), field), field)

    @property
    def _has_own_sql(self) -> bool:
        return writes_sql(type(self), unless=Func.as_sql)

    def _field_of(self, compiler: Compiler) -> Field[Any] | None:
        """Return what a call of the class's own writing holds, as far as it is known."""
        field = self.output_field
        if field is not None:
            return field
        try:
            return self._infer([compiler.resolved(source).field for source in self.sources])
        except FieldError:
            return None  # what its own SQL makes of arguments of several types is its own affair

    def as_sql(
        self,
        compiler: Any,
        connection: Any,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra: Any,
    ) -> tuple[str, list[Any]]:
        """Return the call as text with ``%s`` places, and what stands in them; for overriding.

        Args:
            compiler: What compiles parts: ``compiler.compile(expression)`` gives text and places as well.
            connection: The dialect of the database.
            function: The name, in place of the class's own.
            template: The call's text, in place of the class's own.
            arg_joiner: What stands between the arguments.
            extra: Texts for further places of the template. They become part of the SQL: never pass user input.
        """
        args, field = [compiler.resolved(source).node for source in self.sources], self._field_of(compiler)
        if template is None and self.template is None and arg_joiner is None:
            changed = self.copy()
            changed.function = function or self.function
            return "%s", [changed.node(tuple(args), field)]
        places = (arg_joiner or self.arg_joiner).join("%s" for _ in args)
        texts = {**self.extra, **extra, "function": function or self.function, "expressions": places}
        return (template or self.template or "%(function)s(%(expressions)s)") % texts, list(args)

    def node(self, args: tuple[nodes.Node, ...], field: Field[Any] | None) -> nodes.Node:
        """Return the call of finished arguments; subclasses that are no plain call override this."""
        if self.template is not None:
            places = self.arg_joiner.join("%s" for _ in args)
            text = self.template % {**self.extra, "function": self.function, "expressions": places}
            return nodes.Raw(text, args)
        return nodes.Func(self.function, args, type=None if field is None else field.column_type())

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        return self.result if self.result is not None else super()._infer(fields)


class Transform(TakesLookups, Func):
    """A function of one value that may stand in names, once registered: ``CharField.register_lookup(Length)``.

    What may follow it is what was registered on the transform itself, ``Length.register_lookup(AtMost)``, and what its
    ``output_field`` knows.

    Attributes:
        lookup_name: What it is called in names: ``filter(title__length__gt=10)``.
        bilateral: It is applied to the value compared with, too.
    """

    public_module = "covet.db.models"
    is_transform = True
    arity: int | None = 1
    lookup_name: str = ""
    bilateral = False

    @property
    def lhs(self) -> Any:
        """What is transformed."""
        return self.sources[0]

    def get_lookup(self, name: str) -> Any:
        """Return the look-up that was registered under that name on the transform, or on the field of its result."""
        found = super().get_lookup(name)
        return found if found is not None or self.output_field is None else self.output_field.get_lookup(name)

    def get_transform(self, name: str) -> Any:
        """Return the transform that was registered under that name on this one, or on the field of its result."""
        found = super().get_transform(name)
        return found if found is not None or self.output_field is None else self.output_field.get_transform(name)

    def over(self, lhs: Any) -> Self:
        """Return the same transform of something else."""
        other = self.copy()
        other.sources = (lhs,)
        return other


class Cast(Func):
    """A value as another type: ``Cast("views", FloatField())``."""

    public_module = "covet.db.models.functions"
    function = "CAST"
    arity = 1

    def __init__(self, expression: Any, output_field: Field[Any]) -> None:
        super().__init__(expression, output_field=output_field)

    def node(self, args: tuple[nodes.Node, ...], field: Field[Any] | None) -> nodes.Node:
        """Return ``CAST(x AS type)``."""
        column_type = None if field is None else field.rel_column_type()
        if column_type is None:
            raise TypeError(f"Cast needs a field that has a column, not {field!r}.")
        return nodes.Cast(args[0], column_type)


class Coalesce(Func):
    """The first of the arguments that is not NULL."""

    public_module = "covet.db.models.functions"
    function = "COALESCE"

    def __init__(self, *expressions: Any, output_field: Field[Any] | None = None) -> None:
        if len(expressions) < 2:
            raise ValueError("Coalesce takes at least two expressions.")
        super().__init__(*expressions, output_field=output_field)

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        known = [field for field in fields if field is not None]
        kinds = {inference.family(field) for field in known}
        if len(kinds) > 1 and kinds <= _NUMBERS:
            # The first that is no NULL may be any of them: a whole number beside an amount would lose the digits.
            return inference.FLOAT if "float" in kinds else inference.DECIMAL
        return super()._infer(fields)


_NUMBERS = {"integer", "decimal", "float"}
