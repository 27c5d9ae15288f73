"""``BackfillBatches``: gives many rows a value, some at a time, so that nobody waits long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from covet.concurrency import maybe_await
from covet.db import transaction
from covet.db.migrations.errors import StateError
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.signature import ModelKey
from covet.db.models.expressions.q import Q

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.state import ProjectState

__all__ = ["BackfillBatches"]


class BackfillBatches(Operation):
    """Update the rows of a model in batches in the order of their keys, each in a transaction of its own.

    Use it in a migration with ``atomic = False``; with a transaction all batches are one. It can be interrupted: run again,
    it goes on with the rows that still meet the condition. It works on every database. Going back does nothing.

    Args:
        model_name: The model.
        values: The new values by field: plain ones, expressions, or functions such as ``uuid.uuid4``, which are called
            for each row. Or one function ``(rows)``, sync or async, which is given each batch as a list of historical
            instances, changes them and returns the names of the fields to save.
        condition: Which rows; by default those in which one of the fields is NULL. A function needs one.
        batch_size: How many rows at a time.
        sleep_s: How long to wait between batches.

    Raises:
        StateError: Nothing is to be done, or ``batch_size`` is no positive number.
    """

    symbol = "p"
    public_module = "covet.postgres.operations"

    def __init__(
        self,
        model_name: str,
        values: Mapping[str, Any] | Callable[[list[Any]], Any],
        condition: Q | None = None,
        batch_size: int = 1000,
        sleep_s: float = 0.0,
    ) -> None:
        if callable(values) and condition is None:
            raise StateError(f"BackfillBatches of {model_name}: with a function, say which rows by condition=Q(…).")
        if not callable(values) and not values:
            raise StateError(f"BackfillBatches of {model_name}: values is empty.")
        if batch_size < 1:
            raise StateError(f"BackfillBatches of {model_name}: batch_size must be a positive number.")
        self.model_name = model_name
        self.values = values if callable(values) else dict(values)
        self.condition = condition
        self.batch_size = batch_size
        self.sleep_s = sleep_s

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Leave the models alone."""

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Update the rows."""
        if schema_editor.collect or not self.allowed(schema_editor, app_label, self.model_name):
            return
        model: Any = from_state.apps.get_model(app_label, self.model_name)
        rows = model._base_manager.using(schema_editor.alias).filter(self._condition())
        names = [field.attname for field in model._meta.pk_fields]
        last: tuple[Any, ...] | None = None
        while True:
            async with transaction.atomic(using=schema_editor.database):
                later = rows if last is None else rows.filter(_beyond(names, last))
                keys = await later.order_by(*names).values_list(*names)[: self.batch_size]
                if keys:
                    upto = tuple(keys[-1])
                    await self._update(later.exclude(_beyond(names, upto)), names)
                    last = upto
            if len(keys) < self.batch_size:
                break
            await asyncio.sleep(self.sleep_s)
        await schema_editor.settle()

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Do nothing: what the rows had before is not known."""

    def models(self, app_label: str) -> set[ModelKey] | None:
        """Any: expressions may read other tables."""
        return None

    def describe(self) -> str:
        """Say what is filled."""
        if callable(self.values):
            return f"Fill {self.model_name} in batches by {getattr(self.values, '__name__', 'a function')}"
        return f"Fill {', '.join(self.values)} of {self.model_name} in batches"

    @property
    def name_fragment(self) -> str:
        """Model and fields."""
        fields = "" if callable(self.values) else f"_{'_'.join(self.values)}"
        return f"fill_{self.model_name.lower()}{fields}"

    def _condition(self) -> Q:
        if self.condition is not None:
            return self.condition
        assert not callable(self.values)
        condition = Q()
        for name in self.values:
            condition |= Q((f"{name}__isnull", True))
        return condition

    async def _update(self, rows: Any, names: list[str]) -> None:
        if not callable(self.values) and not any(callable(value) for value in self.values.values()):
            await rows.order_by().update(**self.values)
            return
        batch = await rows.order_by(*names)
        changed = await maybe_await(self.values(batch)) if callable(self.values) else self._called(batch)
        if changed:
            await rows.model._base_manager.using(rows.db).bulk_update(batch, list(changed))

    def _called(self, batch: list[Any]) -> list[str]:
        """Give each row values of its own."""
        assert not callable(self.values)
        for row in batch:
            for name, value in self.values.items():
                setattr(row, name, value() if callable(value) else value)
        return list(self.values)


def _beyond(names: list[str], last: tuple[Any, ...]) -> Q:
    """Return the condition for keys behind ``last``, part by part."""
    condition = Q()
    for position, name in enumerate(names):
        same = Q(*[(names[index], last[index]) for index in range(position)])
        condition |= same & Q((f"{name}__gt", last[position]))
    return condition
