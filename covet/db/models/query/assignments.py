"""What ``QuerySet.update`` was given: names become fields with a column, and the common statements are kept whole.

An update by plain values of a queryset without extras is the same statement again and again; it is found by the names alone,
and nothing is built anew: neither the conditions nor the assignments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from covet.conf import settings
from covet.db.models.conflicts import version_field
from covet.db.models.expressions.leaves import SCALARS
from covet.db.models.expressions.q import check_depth
from covet.db.models.query.assemble import Assembler
from covet.db.models.query.plan import Query
from covet.db.sql.compiler import compile_statement
from covet.exceptions import FieldError
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["assignment", "simple_update"]

#: Gives text and arguments for the values of the conditions and then those to set.
Bind: TypeAlias = Callable[[Sequence[Any]], tuple[str, list[Any]]]

# None is not among them: it is part of the text.
_PLAIN = SCALARS | {bool}


def simple_update(query: Query, values: dict[str, Any], database: Database) -> Bind | None:
    """Return the statement of an update by plain values, as what binds them; ``None`` for any other.

    Args:
        query: A query without extras, order and slice.
        values: What ``update()`` was given.
        database: The database.

    Raises:
        FieldError: A name is no field with a column.
    """
    for value in values.values():
        if value.__class__ not in _PLAIN:
            return None
    key = ("simple update", query.model, query.where, tuple(values), settings.QUERY_OPTIMIZER)
    bind: Bind | Literal[False] | None = database.statements.get(key)
    if bind is None:
        bind = database.statements[key] = _compile(query, values, database)
    return bind or None


def _compile(query: Query, values: dict[str, Any], database: Database) -> Bind | Literal[False]:
    """Return what binds the values; ``False`` where an update is more than one statement with these values."""
    meta = query.model._meta
    assignments = [assignment(query, name, value) for name, value in values.items()]
    if version_field(meta) is not None or meta.concrete_model._meta.parents:
        return False
    statement, empty = Assembler(query, database.dialect, alias=database.alias).update(assignments, len(query.values))
    return False if empty else compile_statement(statement, database.dialect).bind


def assignment(query: Query, name: str, value: Any) -> tuple[Any, Any]:
    """Return the field of a name that is updated, and its value.

    Raises:
        FieldError: The model has no such field with a column, or it does not take the value.
    """
    meta = query.model._meta
    field = _written_fields(meta).get(name)
    if field is None:
        names = [one.name for one in meta.concrete_fields]
        hint = suggest(name, names)
        tail = f"Did you mean '{hint}'?" if hint else f"Fields are: {', '.join(names)}."
        raise FieldError(
            f"{meta.object_name} has no field '{name}' with a column (in update({name}=…)). {tail}",
            model=query.model,
            name=name,
            hint=hint or "",
        )
    if field.generated:
        raise FieldError(field.unwritable(f"update({name}=…)"), model=query.model, name=name)
    if hasattr(value, "resolve"):
        check_depth(value, "update")
        value = query.parted(value)
    if hasattr(value, "_meta"):
        if field.is_relation:
            value = field.key_of(value)
        else:
            raise FieldError(
                f"update({name}=…) takes a value of {field.get_internal_type()}, not {value!r}.", name=name
            )
    return field, value


def _written_fields(meta: Any) -> dict[str, Any]:
    """Return the fields with a column by every name that ``update()`` takes."""
    found: dict[str, Any] | None = meta.plans.get("written")
    if found is None:
        found = {name: field for field in reversed(meta.concrete_fields) for name in (field.attname, field.name)}
        found["pk"] = meta.pk
        meta.plans["written"] = found
    return found
