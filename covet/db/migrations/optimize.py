"""Makes a list of operations shorter without changing what it does; ``makemigrations`` and squashing use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet.db.migrations.operations.base import Operation

__all__ = ["optimize"]


def optimize(operations: Sequence[Operation], app_label: str) -> list[Operation]:
    """Return the operations joined where two of them amount to one, until nothing more can be joined.

    Two operations are joined only if everything between them lets one of the two pass.
    """
    current = list(operations)
    while True:
        shorter = _join_first(current, app_label)
        if shorter is None:
            return current
        current = shorter


def _join_first(operations: list[Operation], app_label: str) -> list[Operation] | None:
    """Return the list with the first pair joined that can be; ``None`` when there is none."""
    for index, operation in enumerate(operations):
        # Whether the first of the pair may move to the right, past all between it and the second.
        free = True
        for distance, other in enumerate(operations[index + 1 :]):
            between = operations[index + 1 : index + 1 + distance]
            result = operation.reduce(other, app_label)
            if isinstance(result, list):
                before, after = operations[:index], operations[index + distance + 2 :]
                if free:
                    return [*before, *between, *result, *after]
                if all(item.reduce(other, app_label) is True for item in between):
                    return [*before, *result, *between, *after]
            elif not result:
                free = False
    return None
