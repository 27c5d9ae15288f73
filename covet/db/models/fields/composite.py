"""``CompositePrimaryKey``: a primary key of several columns, each of which is a field of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.db.models.fields.base import Field
from covet.exceptions import FieldDoesNotExist

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.sql.nodes import ColumnType

__all__ = ["CompositePrimaryKey"]

_REFUSED = ("db_column", "db_default", "default", "editable", "unique", "db_index", "null")


class CompositePrimaryKey(Field[tuple[Any, ...]]):
    """The key of a row by several fields: ``pk = CompositePrimaryKey("tenant_id", "number")``.

    ``instance.pk`` is a tuple, or ``None`` until all parts have a value. It has no column of its own, and other models
    cannot refer to it.

    Args:
        field_names: The names or attributes (``tenant_id``) of at least two fields of the model.
        options: ``verbose_name``, ``help_text`` and the like.

    Raises:
        ValueError: Fewer than two names, the same twice, or an option that only a column can have.
    """

    is_composite = True
    default_error_messages = {"invalid": "Enter a valid value."}

    def __init__(self, *field_names: str, **options: Any) -> None:
        if len(field_names) < 2 or len(set(field_names)) != len(field_names):
            raise ValueError("CompositePrimaryKey() takes the names of two fields or more, each once.")
        for one in field_names:
            if not isinstance(one, str):
                raise ValueError(f"CompositePrimaryKey() takes the names of fields as text, not {one!r}.")
        for name in _REFUSED:
            if name in options:
                raise ValueError(f"CompositePrimaryKey() has no column, so it takes no {name}: give it to the fields.")
        options.pop("primary_key", None)
        blank = options.pop("blank", True)
        super().__init__(primary_key=True, editable=False, blank=blank, **options)
        self.field_names = tuple(field_names)

    def column_type(self) -> ColumnType | None:
        """Return ``None``: the parts have the columns."""
        return None

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = True) -> None:
        """Become the primary key of the model."""
        super().contribute_to_class(cls, name, private_only=True)
        cls._meta.pk = self
        if not cls._meta.abstract:
            Field.any_is_composite = True

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what migrations write."""
        name, path, _args, kwargs = super().deconstruct()
        for option in ("primary_key", "editable", "blank"):
            kwargs.pop(option, None)
        return name, path, list(self.field_names), kwargs

    def parts(self) -> list[Any]:
        """Return the fields of the key."""
        return list(self.model._meta.pk_fields)

    def to_python(self, value: Any) -> Any:
        """Return the key as a tuple of the parts' types; ``None`` stays."""
        if value is None:
            return None
        parts = self.parts()
        if not isinstance(value, (tuple, list)) or len(value) != len(parts):
            raise self.error("invalid", value=value)
        return tuple([field.to_python(part) for field, part in zip(parts, value, strict=True)])

    def value_to_string(self, instance: Any) -> str:
        """Return the values of the parts, as fixtures write them."""
        return str([field.value_to_string(instance) for field in self.parts()])

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Return what is wrong with the name or the parts."""
        return [*self._check_parts()]

    def _check_parts(self) -> Iterator[checks.CheckMessage]:
        if self.name != "pk":
            yield checks.Error(
                f"A CompositePrimaryKey must be named 'pk', not '{self.name}'.",
                hint="Rename it.",
                obj=self,
                id="fields.E013",
            )
        meta = self.model._meta
        seen: set[Any] = set()
        for name in self.field_names:
            try:
                field = meta.get_field(name)
            except FieldDoesNotExist as error:
                yield self._refused(name, str(error))
                continue
            if field in seen:
                yield self._refused(name, "It is in the key already, under another name.")
            elif field.column_type() is None or field not in meta.local_fields:
                yield self._refused(name, "It has no column in this model's own table.")
            elif field.null:
                yield self._refused(name, "It may be NULL.")
            elif field.generated:
                yield self._refused(name, "The database generates it.")
            seen.add(field)

    def _refused(self, name: str, why: str) -> checks.CheckMessage:
        return checks.Error(
            f"'{name}' cannot be included in the composite primary key. {why}", obj=self.model, id="models.E042"
        )
