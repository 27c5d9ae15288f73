"""Whether the branches of an app's history may be joined: only when it makes no difference which of them runs first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from covet.db.migrations.apply import tables_of
from covet.db.migrations.autodetect import detect
from covet.db.migrations.graph import MigrationGraph
from covet.db.migrations.operations.special import RunPython, RunSQL
from covet.db.migrations.operations.tables import DeleteModel
from covet.db.migrations.questioner import Unasked
from covet.exceptions import CovetError

if TYPE_CHECKING:
    from covet.db.migrations.graph import MigrationKey
    from covet.db.migrations.loader import Loader
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.signature import ModelKey
    from covet.db.migrations.state import ProjectState

__all__ = ["branches_of", "collisions", "unread"]


def branches_of(loader: Loader, app_label: str, leaves: Sequence[str]) -> dict[str, list[MigrationKey]]:
    """Return what each branch has that not all of them have, in its order; other apps' migrations too, where it needs them."""
    plans = {leaf: loader.graph.forwards_plan((app_label, leaf)) for leaf in leaves}
    shared = set.intersection(*(set(plan) for plan in plans.values()))
    return {leaf: [key for key in plan if key not in shared] for leaf, plan in plans.items()}


def collisions(loader: Loader, app_label: str, leaves: Sequence[str]) -> list[str]:
    """Return, a line each, the operations of different branches of which the order matters.

    Two branches touch each other when one cannot run after the other, or when the models at the end are others if it does:
    both name the same field, rule, index or option; one removes or renames what the other speaks of.
    """
    branches = branches_of(loader, app_label, leaves)
    every = {key for branch in branches.values() for key in branch}
    start = loader.base_state()
    for key in loader.graph.full_plan():
        if key not in every and any(key in loader.graph.forwards_plan((app_label, leaf)) for leaf in leaves):
            start = loader.graph.nodes[key].mutate_state(start)
    found: list[str] = []
    for one, other in combinations(leaves, 2):
        first = [key for key in branches[one] if key not in branches[other]]
        second = [key for key in branches[other] if key not in branches[one]]
        state = start
        for key in [key for key in branches[one] if key in branches[other]]:
            state = loader.graph.nodes[key].mutate_state(state)
        if not _is_same(_after(loader, state, first + second), _after(loader, state, second + first)):
            found += _pairs(loader, first, second) or [f"{one} and {other}: as a whole"]
    return found


def unread(loader: Loader, keys: Sequence[MigrationKey]) -> list[str]:
    """Return the operations of which nobody but their author can tell what they touch."""
    return [
        f"{'.'.join(key)}: {operation.describe()}"
        for key in keys
        for operation in loader.graph.nodes[key].operations
        if isinstance(operation, (RunPython, RunSQL))
    ]


def _after(loader: Loader, state: ProjectState, keys: Sequence[MigrationKey]) -> ProjectState | None:
    """Return the models after these migrations; ``None`` when they cannot run in this order."""
    try:
        for key in keys:
            state = loader.graph.nodes[key].mutate_state(state)
        # A relation or a rule that names what is gone shows only here.
        for model in state.models.values():
            tables_of(state, model.key)
    except (CovetError, ValueError, LookupError):
        return None
    return state


def _is_same(one: ProjectState | None, other: ProjectState | None) -> bool:
    if one is None or other is None:
        return False
    return not detect(one, other, MigrationGraph(), Unasked()) and not detect(other, one, MigrationGraph(), Unasked())


def _pairs(loader: Loader, first: Sequence[MigrationKey], second: Sequence[MigrationKey]) -> list[str]:
    """Return the pairs of operations that speak of the same thing: of a field, where both do, else of a model."""
    close: list[str] = []
    wide: list[str] = []
    for one_key, one in _operations(loader, first):
        for other_key, other in _operations(loader, second):
            shared = _models(one, one_key[0]) & _models(other, other_key[0])
            if not shared:
                continue
            line = f"{'.'.join(one_key)}: {one.describe()} — {'.'.join(other_key)}: {other.describe()}"
            mine, yours = _names(one), _names(other)
            (close if not mine or not yours or mine & yours else wide).append(line)
    return close or wide


def _operations(loader: Loader, keys: Sequence[MigrationKey]) -> Iterator[tuple[MigrationKey, Operation]]:
    for key in keys:
        for operation in loader.graph.nodes[key].operations:
            yield key, operation


def _models(operation: Operation, app_label: str) -> set[ModelKey]:
    """Return what an operation speaks of; one that may touch any model, only the one it names."""
    found = operation.models(app_label)
    if found is None:
        found = {(app_label, operation.name.lower())} if isinstance(operation, DeleteModel) else set()
    return found


def _names(operation: Operation) -> set[str]:
    """Return the fields, rules and indexes that an operation names; none for one that may be about the whole model."""
    if not hasattr(operation, "model_name"):
        return set()
    found = {getattr(operation, name, None) for name in ("name", "old_name", "new_name")}
    for part in ("index", "constraint"):
        rule: Any = getattr(operation, part, None)
        if rule is not None:
            if not getattr(rule, "fields", ()) or getattr(rule, "condition", None) is not None:
                return set()
            found |= {rule.name, *(name.lstrip("-") for name in rule.fields), *getattr(rule, "include", ())}
    if getattr(getattr(operation, "field", None), "generated", False):
        return set()
    return {name for name in found if isinstance(name, str)}
