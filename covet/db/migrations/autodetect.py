"""What ``makemigrations`` thinks: two states of the models to new migrations, the same each time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field

from covet.db.migrations.comparison import Comparison
from covet.db.migrations.diff import changes_between
from covet.db.migrations.migration import Migration, swappable_dependency
from covet.db.migrations.move import moved_models
from covet.db.migrations.operations.columns import AddField, AlterField, RenameField
from covet.db.migrations.operations.special import SeparateDatabaseAndState
from covet.db.migrations.operations.tables import CreateModel, DeleteModel, RenameModel
from covet.db.migrations.optimize import optimize
from covet.db.migrations.order import Change, Fact, cut, in_order
from covet.db.migrations.rename import renamed_fields, renamed_models, require_used_renames

if TYPE_CHECKING:
    from covet.db.migrations.graph import MigrationGraph
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.questioner import Questioner
    from covet.db.migrations.signature import ModelKey
    from covet.db.migrations.state import ProjectState

__all__ = ["Detected", "detect", "next_number"]


class Detected(Struct):
    """What was found.

    Attributes:
        migrations: New migrations by app, in the order in which they run.
        notes: What a person should know.
        refusals: Changes that no migration can follow, each with what to do in its place.
    """

    migrations: dict[str, list[Migration]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.migrations)


def detect(
    old: ProjectState,
    new: ProjectState,
    graph: MigrationGraph,
    questioner: Questioner,
    *,
    swappable: Mapping[str, str] | None = None,
    labels: Iterable[str] | None = None,
    name: str | None = None,
) -> Detected:
    """Return the migrations that lead from ``old`` to ``new``.

    Args:
        old: The models as the migrations leave them.
        new: The models as the code has them.
        graph: The migrations there are.
        questioner: Who answers what the states cannot tell.
        swappable: Labels of models (lower case) that settings name, with the settings' names.
        labels: Only these apps, and others as far as those need them.
        name: A name for the new migrations, without number, in place of one made of the operations.
    """
    old = old.clone()
    changes: list[Change] = [*renamed_models(old, new, questioner), *moved_models(old, new, questioner)]
    changes += renamed_fields(old, new, questioner)
    require_used_renames(questioner, changes)
    comparison = Comparison(old, new, questioner)
    changes += changes_between(comparison)
    if labels is not None:
        changes = _wanted(changes, set(labels))
    builder = _Builder(graph, new, swappable or {}, name)
    for app_label, portion in cut(in_order(changes)):
        builder.add(app_label, portion)
    return Detected(builder.migrations, comparison.notes, comparison.refusals)


def next_number(graph: MigrationGraph, app_label: str) -> int:
    """Return the number of an app's next migration: above those that a squashed one stands for, too."""
    names = [name for label, name in graph.nodes if label == app_label]
    for migration in graph.nodes.values():
        names.extend(name for label, name in migration.replaces if label == app_label)
    numbers = [int(number) for name in names for number in re.findall(r"(?:^|_squashed_)(\d+)", name)]
    return max(numbers, default=0) + 1


class _Builder(Struct):
    """Makes migrations of portions of changes, one after another.

    Attributes:
        given_by: Which of the new migrations bring a fact about.
    """

    graph: MigrationGraph
    new: ProjectState
    swappable: Mapping[str, str]
    name: str | None
    migrations: dict[str, list[Migration]] = field(default_factory=dict)
    given_by: dict[Fact, tuple[str, str]] = field(default_factory=dict)

    def add(self, app_label: str, portion: Sequence[Change]) -> None:
        """Make one migration, with its dependencies and its name."""
        earlier = self.migrations.setdefault(app_label, [])
        leaves = self.graph.leaf_nodes(app_label)
        dependencies: set[tuple[str, str]] = {earlier[-1].key} if earlier else set(leaves)
        for fact in sorted({fact for change in portion for fact in change.needs if fact[1] != app_label}):
            dependencies.update(self._dependencies(fact))
        for change in portion:
            dependencies.update(self._earlier_mentions(change.operation, app_label))
        operations = optimize([change.operation for change in portion], app_label)
        for operation in operations:
            _restore_field_order(operation, app_label, self.new)
        migration = Migration.build("", app_label, operations, sorted(dependencies), initial=not leaves or None)
        number = next_number(self.graph, app_label) + len(earlier)
        migration.name = f"{number:04d}_{self.name or migration.suggest_name()}"
        earlier.append(migration)
        for change in portion:
            self.given_by.update(dict.fromkeys(change.gives, migration.key))

    def _earlier_mentions(self, operation: Operation, app_label: str) -> set[tuple[str, str]]:
        """Return the latest migrations of other apps whose history speaks of a model by the name that goes.

        On a new database all of that has to run while the model, or its field, still has the name.
        """
        if isinstance(operation, DeleteModel):
            key, name = (app_label, operation.name.lower()), None
        elif isinstance(operation, RenameModel):
            key, name = (app_label, operation.old_name.lower()), None
        elif isinstance(operation, RenameField):
            key, name = (app_label, operation.model_name.lower()), operation.old_name
        elif isinstance(operation, SeparateDatabaseAndState):
            parts = [self._earlier_mentions(part, app_label) for part in operation.state_operations]
            return set().union(*parts)
        else:
            return set()
        labels = {
            label
            for (label, _), migration in self.graph.nodes.items()
            if label != app_label and any(_mentions(item, label, key, name) for item in migration.operations)
        }
        return {leaf for label in labels for leaf in self.graph.leaf_nodes(label)}

    def _dependencies(self, fact: Fact) -> list[tuple[str, str]]:
        """Return what a migration depends on that needs a fact of another app."""
        label = ".".join(fact[1:])
        if fact[0] == "model" and label in self.swappable:
            return [swappable_dependency(label)]
        if fact in self.given_by:
            return [self.given_by[fact]]
        return self.graph.leaf_nodes(fact[1])[:1] if fact[0] == "model" else []


def _mentions(operation: Operation, app_label: str, key: ModelKey, name: str | None) -> bool:
    """Whether an operation of another app speaks of a model; with a name, whether it does so of that field."""
    if isinstance(operation, SeparateDatabaseAndState):
        return any(_mentions(part, app_label, key, name) for part in operation.state_operations)
    if key not in (operation.models(app_label) or ()):
        return False
    if name is None:
        return True
    fields = [field for _, field in operation.fields] if isinstance(operation, CreateModel) else []
    fields += [operation.field] if isinstance(operation, (AddField, AlterField)) else []
    return any(
        name == getattr(field.remote_field, "field_name", None)
        or name in (getattr(field, "to_fields", None) or ())
        or name in (getattr(field.remote_field, "through_fields", None) or ())
        for field in fields
    )


def _restore_field_order(operation: object, app_label: str, new: ProjectState) -> None:
    """Put the fields of a created model in the order of the code: folding has added some at the end."""
    if isinstance(operation, CreateModel):
        model = new.models.get(operation.key(app_label))
        if model is not None:
            rank = {name: index for index, name in enumerate(model.fields)}
            operation.fields.sort(key=lambda item: rank.get(item[0], len(rank)))


def _wanted(changes: list[Change], labels: set[str]) -> list[Change]:
    """Return the changes of the apps asked for, and of those that these need."""
    givers: dict[Fact, list[Change]] = {}
    for change in changes:
        for fact in change.gives:
            givers.setdefault(fact, []).append(change)
    wanted = {change.app_label for change in changes if change.app_label in labels}
    while True:
        more = {
            giver.app_label
            for change in changes
            if change.app_label in wanted
            for fact in change.needs
            for giver in givers.get(fact, ())
        }
        if more <= wanted:
            return [change for change in changes if change.app_label in wanted]
        wanted |= more
