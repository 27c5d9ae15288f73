"""``GeneratedField``: a column that the database computes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeVar

from covet import checks
from covet.db.models.fields.base import Field
from covet.db.sql.dialect import Dialect
from covet.db.sql.nodes import ColumnType

if TYPE_CHECKING:
    from covet.db.models.expressions.base import Expression

__all__ = ["GeneratedField"]

T = TypeVar("T", default=Any)


_OF_THE_OUTPUT = frozenset(
    {"among", "base_field", "filter_annotation", "plain_json", "range_type", "schema_annotation"}
)


class GeneratedField(Field[T]):
    """A column computed from others of the same row; it is read back after a save and never written.

    Args:
        expression: What is computed.
        output_field: The field that says what the result holds.
        db_persist: Store the result (``True``), or compute it on each read (``False``, not on PostgreSQL before 18).
        options: ``verbose_name``, ``db_column``, ``db_index``, ``unique`` and the like; not ``default``, ``db_default`` or
            ``editable``.
    """

    generated = True
    description = "A column that the database computes"

    def __init__(
        self, *, expression: Expression[Any], output_field: Field[T], db_persist: bool, **options: Any
    ) -> None:
        for option in ("default", "db_default"):
            if option in options:
                raise ValueError(f"GeneratedField takes no {option}: the database computes its value.")
        if options.get("editable"):
            raise ValueError("GeneratedField cannot be editable: the database computes its value.")
        if not isinstance(db_persist, bool):
            raise ValueError("GeneratedField needs db_persist=True (stored) or db_persist=False (computed on read).")
        if not hasattr(expression, "resolve"):
            raise ValueError(f"GeneratedField computes an expression such as F('a') + F('b'), not {expression!r}.")
        options["editable"] = False
        options["blank"] = True
        super().__init__(**options)
        self.expression = expression
        self.output_field = output_field
        self.db_persist = db_persist

    def column_type(self) -> ColumnType | None:
        """Return what the result holds."""
        return self.output_field.column_type()

    def rel_column_type(self) -> ColumnType | None:
        """Return what a reference to the result holds."""
        return self.output_field.rel_column_type()

    def get_internal_type(self) -> str:
        """Behave like the output field in look-ups."""
        return self.output_field.get_internal_type()

    def get_default(self) -> Any:
        """Return ``None``: nothing is known before the row is saved."""
        return None

    def to_python(self, value: Any) -> Any:
        """Return the value as the output field's type."""
        return self.output_field.to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        """Prepare a value to compare with."""
        return self.output_field.get_prep_value(value)

    def _make_adapter(self, dialect: Dialect) -> Any:
        return self.output_field.adapter(dialect)

    def comparer(self, dialect: Dialect) -> Any:
        """Return that of the output field."""
        return self.output_field.comparer(dialect)

    def _make_converter(self, dialect: Dialect) -> Any:
        return self.output_field.converter(dialect)

    def get_lookup(self, name: str) -> Any:
        """Return what was registered here, or for the output field."""
        return super().get_lookup(name) or self.output_field.get_lookup(name)

    def get_transform(self, name: str) -> Any:
        """Return what was registered here, or for the output field."""
        return super().get_transform(name) or self.output_field.get_transform(name)

    def __getattr__(self, name: str) -> Any:
        # What kinds of fields from other rooms may say of themselves.
        if name in _OF_THE_OUTPUT and "output_field" in self.__dict__:
            return getattr(self.output_field, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")

    @cached_property
    def referenced_fields(self) -> frozenset[str]:
        """Names of the columns that the expression reads."""
        walk = getattr(self.expression, "walk", None)
        names = {part.name for part in (walk() if walk else ()) if isinstance(getattr(part, "name", None), str)}
        for part in walk() if walk else ():
            names |= getattr(part, "referenced_base_fields", set())
        return frozenset(name.split("__", 1)[0] for name in names)

    def unwritable(self, call: str) -> str:
        """Return what an error says of a call that is to write the column."""
        names = sorted(self.referenced_fields)
        advice = f"write what it is computed from: {', '.join(names)}" if names else "leave it out"
        return f"{self.model._meta.object_name}.{self.name} is computed by the database, and {call} cannot write it; {advice}."

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add expression and output field; what they imply is not written."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("blank", None)
        kwargs.pop("editable", None)
        kwargs["expression"] = self.expression
        kwargs["output_field"] = self.output_field
        kwargs["db_persist"] = self.db_persist
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: the columns exist, and none of them is generated or the key of a relation elsewhere."""
        return [*super().check(**kwargs), *self._check_references(), *self._check_output(**kwargs)]

    def _check_output(self, **kwargs: Any) -> Iterator[checks.CheckMessage]:
        """Yield what is wrong with the field that says what the result holds."""
        output = self.output_field.clone()
        output.model = self.model
        output.set_attributes_from_name(self.name)
        found = output.check(**kwargs)
        errors = [message for message in found if message.is_serious()]
        warnings = [message for message in found if not message.is_serious()]
        for messages, kind, id in ((errors, checks.Error, "fields.E223"), (warnings, checks.Warning, "fields.W224")):
            if messages:
                told = "; ".join(f"{message.msg} ({message.id})" for message in messages)
                what = "errors" if kind is checks.Error else "warnings"
                yield kind(f"The output_field of '{self.name}' has {what}: {told}", obj=self, id=id)

    def _check_references(self) -> Iterator[checks.CheckMessage]:
        local = {}
        for field in self.model._meta.local_fields:
            local[field.name] = local[field.attname] = field
        for name in sorted(self.referenced_fields):
            other = local.get(name)
            if other is None and name != "pk":
                yield self._error(
                    "E220", f"The expression reads '{name}', which is no column of {self.model._meta.label}."
                )
            elif other is not None and other.generated:
                yield self._error("E223", f"The expression reads '{name}', which is generated itself.")
