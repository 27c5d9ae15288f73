"""What saving asks of a model again and again: which fields are prepared, and which columns are written.

It is worked out at the first save, and kept with the model's other plans, which are emptied when fields or relations change.
"""

from __future__ import annotations

from typing import Any

from covet.db.models.query import write

__all__ = ["SavePlan", "TablePlan", "is_key", "save_plan", "table_plan", "updatable"]


class SavePlan:
    """What every save of a model asks.

    Attributes:
        concrete: The model whose table holds the row.
        has_parents: Parts of the row lie in the tables of other models.
        has_place: The row has a place among others (``Meta.order_with_respect_to``).
        relations: The fields that may have to be prepared, each with the attribute that says so.
    """

    __slots__ = ("concrete", "has_parents", "has_place", "relations")

    def __init__(self, meta: Any) -> None:
        fields = (*meta.concrete_fields, *meta.private_fields_with_parents)
        self.relations = tuple(
            [
                (field.cache_name, field)
                for field in fields
                if field.many_to_one or field.one_to_one or field.needs_preparing
            ]
        )
        self.concrete = meta.concrete_model
        self.has_parents = bool(self.concrete._meta.parents)
        self.has_place = meta.placed_model is not None


def save_plan(meta: Any) -> SavePlan:
    """Make the plan of a model, for ``meta.plans["save"]``, and return it."""
    plan = meta.plans["save"] = SavePlan(meta)
    return plan


class TablePlan:
    """The columns of one table by what is done with them."""

    __slots__ = ("_some", "made_key", "update", "version", "with_key", "without_key")

    def __init__(self, meta: Any) -> None:
        columns = tuple([field for field in meta.local_concrete_fields if not field.generated])
        self.with_key = write.columns_of(columns)
        self.without_key = write.columns_of(
            [field for field in columns if field is not meta.auto_field and not _is_auto(field)]
        )
        self.update = write.columns_of([field for field in columns if not is_key(field, meta)])
        self.made_key = bool(meta.pk.has_default() or meta.pk.has_db_default())
        self.version = next((field for field in columns if field.is_version), None)
        self._some: dict[frozenset[str], write.Columns] = {}

    def some(self, names: frozenset[str]) -> write.Columns:
        """Return the columns of these names."""
        found = self._some.get(names)
        if found is None:
            fields = [
                field
                for field in self.update.fields
                if field.name in names or field.attname in names or field is self.version
            ]
            found = self._some[names] = write.columns_of(fields)
        return found


def _is_auto(field: Any) -> bool:
    return bool(field.primary_key and field.auto_created and not field.is_relation)


def table_plan(meta: Any) -> TablePlan:
    """Make the plan of a model's own table, for ``meta.plans["table"]``, and return it."""
    plan = meta.plans["table"] = TablePlan(meta)
    return plan


def is_key(field: Any, meta: Any) -> bool:
    """Whether a field is the key, or a part of it."""
    return bool(field.primary_key) or (meta.pk.is_composite and field in meta.pk_fields)


def updatable(meta: Any) -> frozenset[str]:
    """Return the names that ``save(update_fields=…)`` takes."""
    found: frozenset[str] | None = meta.plans.get("updatable")
    if found is None:
        fields = [field for field in meta.concrete_fields if not is_key(field, meta) and not field.generated]
        found = frozenset([name for field in fields for name in (field.name, field.attname)])
        meta.plans["updatable"] = found
    return found
