"""Indexes: over fields, expressions, part of the rows, with further columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from covet import checks
from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.q import Q, hashable
from covet.db.models.rules import check_local_fields, names_digest, referenced_names

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["Index"]


class Index:
    """An index.

    Args:
        expressions: What is indexed, where it is no plain field: ``Lower("title").desc()``; where it says so (``nulls_first=True``),
            PostgreSQL puts NULLs to that end.
        fields: Field names; ``"-name"`` is descending.
        name: The index's name, at most 30 characters; one is made of table and columns when none is given. Expressions
            need one.
        condition: Only rows that meet this ``Q``; not on MySQL and MariaDB.
        include: Further columns that the index carries; PostgreSQL.
        opclasses: Operator classes of the fields; PostgreSQL.
        db_tablespace: Accepted so that ported models import; not used.
    """

    suffix: ClassVar[str] = "idx"
    #: The kind of index, on databases that have several: ``"gin"``.
    method: ClassVar[str] = ""
    max_name_length: ClassVar[int] = 30

    def __init__(
        self,
        *expressions: Any,
        fields: Sequence[str] = (),
        name: str | None = None,
        db_tablespace: str | None = None,
        opclasses: Sequence[str] = (),
        condition: Any = None,
        include: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(fields, (list, tuple)):
            raise ValueError("Index.fields must be a list or tuple of names.")
        if not expressions and not fields:
            raise ValueError("Index needs fields=[…] or expressions.")
        if expressions and fields:
            raise ValueError("Index takes fields=[…] or expressions, not both; F('name') is an expression.")
        if expressions and not name:
            raise ValueError("An Index of expressions needs a name: none can be made of them.")
        if fields and not all(isinstance(field, str) for field in fields):
            raise ValueError("Index.fields must hold names; an expression is given without fields=.")
        if condition is not None and not isinstance(condition, Q):
            raise ValueError(f"Index.condition must be a Q, not {condition!r}.")
        if condition is not None and not name:
            raise ValueError("An Index with a condition needs a name.")
        if opclasses and not name:
            raise ValueError("An Index with opclasses needs a name.")
        if opclasses and fields and len(fields) != len(opclasses):
            raise ValueError("opclasses needs one operator class for each field.")
        if include and not name:
            raise ValueError("A covering Index needs a name.")
        self.expressions: tuple[Expression[Any], ...] = tuple(parse(expression) for expression in expressions)
        self.fields = list(fields)
        self.name = name or ""
        self.opclasses = tuple(opclasses)
        self.condition = condition
        self.include = tuple(include or ())

    @property
    def contains_expressions(self) -> bool:
        """Whether it is over expressions, not plain fields."""
        return bool(self.expressions)

    @property
    def fields_orders(self) -> list[tuple[str, str]]:
        """Names with their direction: ``"DESC"`` or nothing."""
        return [(name[1:], "DESC") if name.startswith("-") else (name, "") for name in self.fields]

    @property
    def referenced_fields(self) -> frozenset[str]:
        """Names of the fields in the index and its condition."""
        names = {name for name, _order in self.fields_orders}
        for expression in self.expressions:
            names |= referenced_names(expression)
        if self.condition is not None:
            names |= referenced_names(self.condition)
        return frozenset(names)

    def parameters(self) -> tuple[str, ...]:
        """Return the storage parameters, such as ``"fillfactor = 70"``; kinds of index that have some override this."""
        return ()

    def set_name_with_model(self, model: type[Model]) -> None:
        """Make a name of table, first column and a digest of all: the same on every machine."""
        if not self.name:
            columns = [model._meta.get_field(name).column for name, _order in self.fields_orders]
            self.set_name(model._meta.db_table, columns)

    def set_name(self, db_table: str, columns: Sequence[str]) -> None:
        """Make a name of a table and the columns of the fields, in their order."""
        table = db_table.strip('"').rpartition(".")[2]
        ordered = [
            f"-{column}" if order else column for column, (_n, order) in zip(columns, self.fields_orders, strict=True)
        ]
        # Without a separator, as Django has it: an app that is ported keeps the names in its migrations and tables.
        digest = names_digest(table, *ordered, self.suffix, length=6, separator="")
        self.name = f"{table[:11]}_{columns[0][:7]}_{digest}_{self.suffix}"
        if self.name[0] == "_" or self.name[0].isdigit():
            # Not every database takes such a name.
            self.name = f"D{self.name[1:]}"

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the import path and the arguments that make an equal index."""
        cls = type(self)
        module = "covet.db.models" if cls.__module__.startswith("covet.db.models.") else cls.__module__
        kwargs: dict[str, Any] = {"name": self.name}
        if self.fields:
            kwargs["fields"] = self.fields
        if self.opclasses:
            kwargs["opclasses"] = self.opclasses
        if self.condition is not None:
            kwargs["condition"] = self.condition
        if self.include:
            kwargs["include"] = self.include
        return f"{module}.{cls.__qualname__}", self.expressions, kwargs

    def clone(self) -> Self:
        """Return an equal index."""
        _path, args, kwargs = self.deconstruct()
        clone = type(self).__new__(type(self))
        if not kwargs["name"]:
            kwargs["name"] = None
        clone.__init__(*args, **kwargs)  # type: ignore[misc]
        return clone

    def check(self, model: type[Model]) -> list[checks.CheckMessage]:
        """Return what is wrong with the index as it is declared."""
        found: list[checks.CheckMessage] = []
        if self.name and (self.name[0] == "_" or self.name[0].isdigit()):
            found.append(
                checks.Error(f"The index name '{self.name}' starts with '{self.name[0]}'.", obj=model, id="models.E033")
            )
        if len(self.name) > self.max_name_length:
            found.append(
                checks.Error(
                    f"The index name '{self.name}' is longer than {self.max_name_length} characters.",
                    obj=model,
                    id="models.E034",
                )
            )
        names: Collection[str] = self.referenced_fields | set(self.include)
        return [*found, *check_local_fields(model, self, names, "models.E012")]

    def _identity(self) -> Any:
        path, args, kwargs = self.deconstruct()
        return (path, hashable(args), hashable(dict(sorted(kwargs.items()))))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Index):
            return NotImplemented
        return self._identity() == other._identity()  # type: ignore[no-any-return]

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        _path, args, kwargs = self.deconstruct()
        inside = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        return f"<{type(self).__name__}: {', '.join(inside)}>"
