"""What another type of a column costs on PostgreSQL: its statement does not tell which type it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from covet.db.migrations.operations.columns import AlterField

if TYPE_CHECKING:
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.state import ProjectState
    from covet.db.migrations.statements import Effect
    from covet.db.sql.nodes import ColumnType

__all__ = ["refined"]

_WHY = "Every row is read, and the table written anew, while it can be neither read nor written."
_SAFE = ("makemigrations --safe: a column of the new type, filled in batches, takes the place of the old one.",)


def refined(
    effects: tuple[Effect, ...], operation: Operation, app_label: str, before: ProjectState, vendor: str
) -> tuple[Effect, ...]:
    """Return the effects with those of a change of type as the old type makes them.

    More digits or letters change the catalogue alone; fewer have every row checked.
    """
    if vendor != "postgresql" or not isinstance(operation, AlterField):
        return effects
    was, now = before.model(app_label, operation.model_name).field(operation.name), operation.field
    if was.is_relation or now.is_relation:
        return effects
    old, new = was.column_type(), now.column_type()
    if old is None or new is None:
        return effects
    if old.kind != new.kind and (old.kind, new.kind) not in {("varchar", "text"), ("char", "text")}:
        return effects
    return tuple(_refined(effects, is_wider=_holds_all(old, new)))


def _holds_all(old: ColumnType, new: ColumnType) -> bool:
    if new.precision is not None and old.precision is not None:
        return new.scale == old.scale and new.precision >= old.precision
    return new.length is None or (old.length is not None and new.length >= old.length)


def _refined(effects: Iterable[Effect], *, is_wider: bool) -> Iterable[Effect]:
    for effect in effects:
        if " TYPE " not in effect.sql or not effect.matters:
            yield effect
        elif is_wider:
            yield replace(effect, rewrites=False, code="", why="", safe=())
        else:
            yield replace(effect, rewrites=True, code="change-type", is_error=True, why=_WHY, safe=_SAFE)
