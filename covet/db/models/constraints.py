"""Constraints: ``CheckConstraint`` and ``UniqueConstraint``; what the database enforces and ``full_clean`` asks first."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from covet import checks
from covet.db.models.expressions.q import Q, hashable
from covet.exceptions import NON_FIELD_ERRORS, FieldDoesNotExist, ValidationError
from covet.i18n.texts import gettext
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models import rules
    from covet.db.models.base import Model
    from covet.db.models.expressions import base, functions, refs
else:
    base = late_module(__name__, "covet.db.models.expressions.base")
    functions = late_module(__name__, "covet.db.models.expressions.functions")
    rules = late_module(__name__, "covet.db.models.rules")
    refs = late_module(__name__, "covet.db.models.expressions.refs")

__all__ = ["BaseConstraint", "CheckConstraint", "Deferrable", "UniqueConstraint"]


class Deferrable(enum.Enum):
    """When a unique constraint is checked: at the end of the transaction, or at once unless the session says else."""

    DEFERRED = "deferred"
    IMMEDIATE = "immediate"

    def __repr__(self) -> str:
        return f"Deferrable.{self.name}"


class BaseConstraint:
    """What all constraints share.

    Args:
        name: The constraint's name in the database; ``%(class)s`` and ``%(app_label)s`` are filled in.
        violation_error_code: The code of the ``ValidationError``.
        violation_error_message: Its text; ``%(name)s`` is the constraint's name.
    """

    default_violation_error_message: ClassVar[Any] = "Constraint “%(name)s” is violated."

    def __init__(
        self, *, name: str, violation_error_code: str | None = None, violation_error_message: Any = None
    ) -> None:
        if not name:
            raise ValueError(f"{type(self).__name__} needs a name: the database and error texts refer to it by name.")
        self.name = name
        self.violation_error_code = violation_error_code
        self.violation_error_message = (
            self.default_violation_error_message if violation_error_message is None else violation_error_message
        )

    @property
    def contains_expressions(self) -> bool:
        """Whether it is over expressions, not plain fields."""
        return False

    async def validate(
        self, model: type[Model], instance: Model, exclude: Collection[str] | None = None, using: str | None = None
    ) -> None:
        """Raise ``ValidationError`` if the instance would break the constraint; asks the database.

        Args:
            model: The model that has the constraint (a parent of the instance's, perhaps).
            instance: What is to be saved.
            exclude: Fields that are not looked at; a constraint that needs one is passed over.
            using: The database alias.
        """
        raise TypeError(f"{type(self).__name__} does not say how it is validated: define validate().")

    @property
    def has_own_message(self) -> bool:
        """Whether ``violation_error_message`` was given."""
        return bool(self.violation_error_message != self.default_violation_error_message)

    def get_violation_error_message(self) -> str:
        """Return the text for a row that breaks the constraint; a percent sign in it that begins no ``%(name)s`` is one."""
        text = gettext(str(self.violation_error_message))
        return re.sub(r"%%|%\(name\)s", lambda found: "%" if found[0] == "%%" else self.name, text)

    def violation(self) -> ValidationError:
        """Return the error for a row that breaks the constraint."""
        return ValidationError(self.get_violation_error_message(), code=self.violation_error_code)

    def check(self, model: type[Model]) -> list[checks.CheckMessage]:
        """Return what is wrong with the constraint as it is declared."""
        return []

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the import path and the arguments that make an equal constraint."""
        kwargs: dict[str, Any] = {"name": self.name}
        if self.violation_error_code is not None:
            kwargs["violation_error_code"] = self.violation_error_code
        if self.has_own_message:
            kwargs["violation_error_message"] = self.violation_error_message
        cls = type(self)
        module = "covet.db.models" if cls.__module__.startswith("covet.db.models.") else cls.__module__
        return f"{module}.{cls.__qualname__}", (), kwargs

    def clone(self) -> Self:
        """Return an equal constraint."""
        _path, args, kwargs = self.deconstruct()
        return type(self)(*args, **kwargs)

    def _identity(self) -> Any:
        path, args, kwargs = self.deconstruct()
        return (path, hashable(args), hashable(dict(sorted(kwargs.items()))))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseConstraint):
            return NotImplemented
        return self._identity() == other._identity()  # type: ignore[no-any-return]

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        _path, args, kwargs = self.deconstruct()
        inside = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        return f"<{type(self).__name__}: {', '.join(inside)}>"


class CheckConstraint(BaseConstraint):
    """A condition that every row must meet; one that is NULL counts as met, as in SQL.

    Args:
        condition: A ``Q`` or boolean expression over fields of the row.
        name: The constraint's name.
        violation_error_code: The code of the ``ValidationError``.
        violation_error_message: Its text.
    """

    def __init__(
        self,
        *,
        condition: Any,
        name: str,
        violation_error_code: str | None = None,
        violation_error_message: Any = None,
    ) -> None:
        if not getattr(condition, "conditional", False):
            raise TypeError(f"CheckConstraint.condition must be a Q or a boolean expression, not {condition!r}.")
        super().__init__(
            name=name,
            violation_error_code=violation_error_code,
            violation_error_message=violation_error_message,
        )
        self.condition = condition

    @property
    def referenced_fields(self) -> frozenset[str]:
        """Names of the fields that the condition reads."""
        return rules.referenced_names(self.condition)

    @property
    def _holds_raw_sql(self) -> bool:
        return any(isinstance(part, refs.RawSQL) for part in self.condition.walk())

    async def validate(
        self, model: type[Model], instance: Model, exclude: Collection[str] | None = None, using: str | None = None
    ) -> None:
        """Ask the database whether the condition holds for the instance's values; not of text of the project's own."""
        if self._holds_raw_sql:
            return
        if exclude and _field_names(model, self.referenced_fields) & set(exclude):
            return
        if not await instance._holds(self.condition, using):
            raise self.violation()

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Add the condition."""
        path, args, kwargs = super().deconstruct()
        return path, args, {"condition": self.condition, **kwargs}

    def check(self, model: type[Model]) -> list[checks.CheckMessage]:
        """Add: the fields exist, in this table."""
        found = rules.check_local_fields(model, self, self.referenced_fields, "models.E041")
        if self._holds_raw_sql:
            found.append(
                checks.Warning(
                    f"The constraint '{self.name}' holds RawSQL(), which names columns and not values: full_clean() cannot "
                    "ask the database about it.",
                    hint="The database still holds rows to it. Silence this where that will do.",
                    obj=model,
                    id="models.W045",
                )
            )
        return found


class UniqueConstraint(BaseConstraint):
    """No two rows have the same values.

    Args:
        expressions: What must be unique, where it is no plain field: ``Lower("name")``.
        fields: The fields that must be unique together.
        name: The constraint's name.
        condition: Only among rows that meet this ``Q``; not on MySQL and MariaDB.
        deferrable: Check at the end of the transaction; PostgreSQL.
        include: Further columns that the index carries; PostgreSQL.
        opclasses: Operator classes of the columns; PostgreSQL.
        nulls_distinct: ``False`` counts two NULLs as equal; PostgreSQL.
        violation_error_code: The code of the ``ValidationError``.
        violation_error_message: Its text.
    """

    def __init__(
        self,
        *expressions: Any,
        fields: Sequence[str] = (),
        name: str | None = None,
        condition: Any = None,
        deferrable: Deferrable | None = None,
        include: Sequence[str] | None = None,
        opclasses: Sequence[str] = (),
        nulls_distinct: bool | None = None,
        violation_error_code: str | None = None,
        violation_error_message: Any = None,
    ) -> None:
        if not name:
            raise ValueError("UniqueConstraint needs a name: the database and error texts refer to it by name.")
        if not expressions and not fields:
            raise ValueError("UniqueConstraint needs fields=[…] or expressions: without one nothing would be unique.")
        if expressions and fields:
            raise ValueError("UniqueConstraint takes fields=[…] or expressions, not both; F('name') is an expression.")
        if condition is not None and not getattr(condition, "conditional", False):
            raise TypeError(f"UniqueConstraint.condition must be a Q or a boolean expression, not {condition!r}.")
        if deferrable is not None:
            _refuse_deferrable(bool(expressions), condition, include, opclasses)
            if not isinstance(deferrable, Deferrable):
                raise TypeError("deferrable is Deferrable.DEFERRED or Deferrable.IMMEDIATE.")
        if opclasses and len(fields) != len(opclasses):
            raise ValueError("opclasses needs one operator class for each field.")
        super().__init__(
            name=name,
            violation_error_code=violation_error_code,
            violation_error_message=violation_error_message,
        )
        self.expressions: tuple[base.Expression[Any], ...] = tuple(
            functions.parse(expression) for expression in expressions
        )
        self.fields = tuple(fields)
        self.condition = condition
        self.deferrable = deferrable
        self.include = tuple(include or ())
        self.opclasses = tuple(opclasses)
        self.nulls_distinct = nulls_distinct

    @property
    def contains_expressions(self) -> bool:
        """Whether it is over expressions, not plain fields."""
        return bool(self.expressions)

    @property
    def is_total(self) -> bool:
        """Whether it is over plain fields and all rows."""
        return self.condition is None and bool(self.fields)

    @property
    def referenced_fields(self) -> frozenset[str]:
        """Names of the fields in the rule and its condition."""
        names = set(self.fields)
        for expression in self.expressions:
            names |= rules.referenced_names(expression)
        if self.condition is not None:
            names |= rules.referenced_names(self.condition)
        return frozenset(names)

    async def validate(
        self, model: type[Model], instance: Model, exclude: Collection[str] | None = None, using: str | None = None
    ) -> None:
        """Ask the database whether another row has the same values."""
        excluded = set(exclude or ())
        if excluded and _field_names(model, self.referenced_fields) & excluded:
            return
        lookups: list[Any] = []
        queryset = model._default_manager.using(using) if using else model._default_manager.all()
        for name in self.fields:
            field = model._meta.get_field(name)
            value = getattr(instance, field.attname)
            if value is None or (value == "" and field.empty_strings_allowed and field.null):
                if self.nulls_distinct is not False:
                    # NULL equals nothing: no other row can be in the way.
                    return
                lookups.append((f"{field.attname}__isnull", True))
            else:
                lookups.append((field.attname, value))
        if self.condition is not None and not await instance._holds(self.condition, using):
            return
        if self.expressions:
            plain = [part.expression if isinstance(part, base.OrderBy) else part for part in self.expressions]
            for index, value in enumerate(await instance._evaluate(plain, using)):
                if value is None and self.nulls_distinct is not False:
                    return
                queryset = queryset.alias(**{f"_unique_{index}": plain[index]})
                lookups.append((f"_unique_{index}", value) if value is not None else (f"_unique_{index}__isnull", True))
        queryset = queryset.filter(Q(*lookups))
        if self.condition is not None:
            queryset = queryset.filter(self.condition)
        if not instance._row_state.adding and instance._is_pk_set():
            queryset = queryset.exclude(pk=_pk_in(model, instance))
        if await queryset.exists():
            raise self._taken(model, instance)

    def _taken(self, model: type[Model], instance: Model) -> ValidationError:
        if self.has_own_message or not self.fields or self.condition is not None:
            return self.violation()
        error = instance.unique_error_message(model, self.fields)
        if self.violation_error_code is not None:
            error.code = self.violation_error_code
        return ValidationError({self.fields[0] if len(self.fields) == 1 else NON_FIELD_ERRORS: [error]})

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Add what is unique, and the options."""
        path, _args, kwargs = super().deconstruct()
        options = {
            "fields": self.fields,
            "condition": self.condition,
            "deferrable": self.deferrable,
            "include": self.include,
            "opclasses": self.opclasses,
            "nulls_distinct": self.nulls_distinct,
        }
        given = {name: value for name, value in options.items() if value is not None and value != ()}
        return path, self.expressions, {**given, **kwargs}

    def check(self, model: type[Model]) -> list[checks.CheckMessage]:
        """Add: the fields exist, in this table."""
        names = self.referenced_fields | set(self.include)
        return rules.check_local_fields(model, self, names, "models.E012")


def _refuse_deferrable(expressions: bool, condition: Any, include: Any, opclasses: Any) -> None:
    for what, given in (
        ("expressions", expressions),
        ("a condition", condition is not None),
        ("include", bool(include)),
        ("opclasses", bool(opclasses)),
    ):
        if given:
            raise ValueError(f"A UniqueConstraint with {what} is an index, and an index cannot be deferred.")


def _field_names(model: type[Model], names: Iterable[str]) -> set[str]:
    """Return the names of the fields that names mean; ``pk`` may mean several."""
    found: set[str] = set()
    for name in names:
        if name == "pk":
            found |= {str(field.name) for field in model._meta.pk_fields}
            continue
        try:
            found.add(str(model._meta.get_field(name).name))
        except FieldDoesNotExist:
            found.add(name)
    return found


def _pk_in(model: type[Model], instance: Model) -> Any:
    """Return the key of the instance's row in the table of ``model``, which may be a parent's."""
    return getattr(instance, model._meta.pk.attname)
