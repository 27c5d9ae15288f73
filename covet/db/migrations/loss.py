"""What migrations throw away: rows, columns, and values that do not fit a narrower type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from covet.db.migrations.operations.columns import AlterField, RemoveField
from covet.db.migrations.operations.special import SeparateDatabaseAndState
from covet.db.migrations.operations.tables import DeleteModel

if TYPE_CHECKING:
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.state import ProjectState
    from covet.db.models.fields.base import Field
    from covet.db.sql.nodes import ColumnType

__all__ = ["losses"]

# Kinds in the order in which each holds all values of those before it.
_WIDER = (("smallint", "integer", "bigint"), ("char", "varchar", "text"), ("date", "datetime"))
# How long the longest value of a whole number is as a text, its sign included.
_SPELLED = {"smallint": 6, "integer": 11, "bigint": 20}


def losses(state: ProjectState, migrations: Iterable[Migration]) -> list[str]:
    """Return what the migrations lose, one line for each operation that does.

    Args:
        state: The models before the first of them.
        migrations: In the order in which they run.
    """
    state = state.clone()
    found: list[str] = []
    for migration in migrations:
        for operation in migration.operations:
            found += _of(operation, migration.app_label, state)
            operation.state_forwards(migration.app_label, state)
    return found


def _of(operation: Operation, app_label: str, state: ProjectState) -> Iterator[str]:
    if isinstance(operation, SeparateDatabaseAndState):
        inner = state.clone()
        for part in operation.database_operations:
            yield from _of(part, app_label, inner)
            part.state_forwards(app_label, inner)
    elif isinstance(operation, DeleteModel):
        model = state.model(app_label, operation.name)
        if model.has_table:
            yield f"{app_label}.{model.name} is deleted: its table goes, with all rows."
    elif isinstance(operation, RemoveField):
        model = state.model(app_label, operation.model_name)
        field = model.field(operation.name)
        if model.has_table and not field.generated:
            what = "its table of pairs" if field.many_to_many else "its column"
            yield f"{app_label}.{model.name}.{operation.name} is removed: {what} goes, with all values."
    elif isinstance(operation, AlterField):
        model = state.model(app_label, operation.model_name)
        why = _narrowed(model.field(operation.name), operation.field) if model.has_table else ""
        if why:
            yield f"{app_label}.{model.name}.{operation.name} becomes narrower ({why}): values that do not fit are lost or refused."


def _narrowed(old: Field[Any], new: Field[Any]) -> str:
    """Return how the type of a column holds less than before; an empty text when it does not."""
    if old.is_relation or new.is_relation:
        return ""
    before, after = old.column_type(), new.column_type()
    if before is None or after is None or before == after:
        return ""
    if before.kind != after.kind:
        return "" if _is_wider(before, after) else f"{_shown(before)} to {_shown(after)}"
    if before.unsigned != after.unsigned:
        return f"{_shown(before)} to {_shown(after)}"
    digits = (before.precision or 0) - (before.scale or 0), (after.precision or 0) - (after.scale or 0)
    shorter = after.length is not None and (before.length is None or after.length < before.length)
    if shorter or digits[1] < digits[0] or (after.scale or 0) < (before.scale or 0):
        return f"{_shown(before)} to {_shown(after)}"
    return ""


def _is_wider(before: ColumnType, after: ColumnType) -> bool:
    """Whether one kind holds every value of the other."""
    if after.kind == "text":
        # Any value can be written as text.
        return True
    if after.kind == "varchar" and before.kind in _SPELLED:
        return after.length is None or after.length >= _SPELLED[before.kind]
    for kinds in _WIDER:
        if before.kind in kinds and after.kind in kinds:
            longer = after.length is None or (before.length or 0) <= after.length
            return kinds.index(after.kind) > kinds.index(before.kind) and longer and before.unsigned >= after.unsigned
    return False


def _shown(kind: ColumnType) -> str:
    size = kind.length if kind.length is not None else kind.precision
    digits = f"{size}, {kind.scale}" if kind.scale is not None and kind.length is None else str(size)
    return f"{'unsigned ' if kind.unsigned else ''}{kind.kind}" + (f"({digits})" if size is not None else "")
