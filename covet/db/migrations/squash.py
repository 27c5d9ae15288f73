"""Makes fewer migrations of many: squashing a history, shortening one file, folding new changes into the latest file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from covet.db.migrations.errors import MigrationError
from covet.db.migrations.graph import MigrationKey, key_text
from covet.db.migrations.migration import Migration, SwappableDependency
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.optimize import optimize
from covet.db.migrations.source_lines import source_lines
from covet.db.migrations.write import own_functions

if TYPE_CHECKING:
    from covet.db.migrations.loader import Loader

__all__ = ["Squashed", "optimized", "squash", "updated"]


class Squashed(Struct):
    """A squashed migration, what it stands for and what a person has to know.

    Attributes:
        migration: The new migration; its ``replaces`` names the old ones.
        squashed: The migrations that it stands for, in order.
        before: How many operations these have.
        notes: What is left to do by hand.
    """

    migration: Migration
    squashed: list[MigrationKey]
    before: int
    notes: list[str] = field(default_factory=list)


def squash(
    loader: Loader,
    end: MigrationKey,
    start: MigrationKey | None = None,
    *,
    name: str | None = None,
    shorten: bool = True,
) -> Squashed:
    """Return one migration that does what an app's migrations from ``start`` to ``end`` do.

    Args:
        loader: The migrations.
        end: The last one to squash.
        start: The first; by default the app's first.
        name: The new one's name without its number.
        shorten: Join operations where two amount to one, and leave out those that are elidable.

    Raises:
        MigrationError: There is nothing to squash, or the new migration and others would wait for each other.
    """
    app_label = end[0]
    keys = [key for key in loader.graph.forwards_plan(end) if key[0] == app_label]
    if start is not None:
        if start not in keys:
            raise MigrationError(f"{key_text(start)} does not come before {key_text(end)}: nothing can be squashed.")
        after = set(loader.graph.backwards_plan(start))
        left_out = [key for key in keys if key not in after]
        # Branches that join after the start must not be torn apart.
        keys = [key for key in keys if key in after]
        late = [key for key in left_out if any(parent in keys for parent in loader.graph.parents(key))]
        if late:
            raise MigrationError(
                f"{key_text(late[0])} lies between them and cannot be left out; squash from the first."
            )
    if len(keys) < 2:
        raise MigrationError(f"Only {key_text(keys[0])} is there to squash, which is one migration already.")
    migrations = [loader.graph.nodes[key] for key in keys]
    operations = [operation for migration in migrations for operation in migration.operations]
    short = _shortened(operations, app_label) if shorten else operations
    number = keys[0][1].partition("_")[0]
    title = f"{number}_{name}" if name else f"{keys[0][1].partition('_squashed_')[0]}_squashed_{keys[-1][1]}"
    if (app_label, title) in loader.migrations:
        raise MigrationError(f"{app_label} has a migration {title} already. Give another name with --squashed-name.")
    new = Migration.build(
        title, app_label, short, _outer(migrations, set(keys)), initial=migrations[0].is_initial or None
    )
    new.replaces = list(dict.fromkeys(_replaced(migrations)))
    new.run_before = [key for migration in migrations for key in migration.run_before if tuple(key) not in keys]
    new.atomic = all(migration.atomic for migration in migrations)
    _keep_promises(new, migrations)
    _require_no_circle(loader, new)
    notes = []
    moved = sorted({function.__module__ for function in own_functions(short)})
    if moved:
        notes.append(
            f"Before you delete {', '.join(moved)}, copy the functions into the new file, which takes them from there."
        )
    if not new.atomic:
        apart = ", ".join(str(migration) for migration in migrations if not migration.atomic)
        notes.append(f"The new migration has atomic = False, as {apart} has.")
    return Squashed(new, keys, len(operations), notes)


def optimized(migration: Migration) -> Migration | None:
    """Return a migration with its operations joined where two amount to one; ``None`` when they cannot be."""
    operations = optimize(migration.operations, migration.app_label)
    if operations == migration.operations:
        return None
    new = Migration.build(
        migration.name, migration.app_label, operations, migration.dependencies, initial=migration.initial
    )
    new.atomic, new.run_before, new.replaces = migration.atomic, migration.run_before, migration.replaces
    _keep_promises(new, [migration])
    return new


def updated(loader: Loader, found: Sequence[Migration], name: str | None = None) -> list[Migration]:
    """Return the latest migrations of apps with the operations of newly found ones added.

    A name follows what the migration does, unless ``name`` says one; an app's first keeps its own.

    Raises:
        MigrationError: An app has no migration, others rely on its latest one, or the results would wait for each other.
    """
    by_app: dict[str, list[Migration]] = {}
    for migration in found:
        by_app.setdefault(migration.app_label, []).append(migration)
    made = {label: _updated(loader, label, items, name) for label, items in by_app.items()}
    moved = {item.key: made[item.app_label].key for item in found}
    moved.update({loader.graph.leaf_nodes(label)[0]: migration.key for label, migration in made.items()})
    for migration in made.values():
        migration.dependencies = [moved.get((item[0], item[1]), item) for item in migration.dependencies]
    _require_no_circle(loader, *made.values(), without=[loader.graph.leaf_nodes(label)[0] for label in made])
    return list(made.values())


def _updated(loader: Loader, app_label: str, found: Sequence[Migration], name: str | None) -> Migration:
    leaves = loader.graph.leaf_nodes(app_label)
    if not leaves:
        raise MigrationError(f"{app_label} has no migration to update. Leave --update out to make its first.")
    latest = loader.graph.nodes[leaves[0]]
    if latest.replaces:
        raise MigrationError(f"{latest} is a squashed migration and cannot be updated. Leave --update out.")
    children = loader.graph.children(latest.key)
    if children:
        raise MigrationError(f"{key_text(children[0])} depends on {latest}, which therefore cannot be updated.")
    moved = own_functions(latest.operations)
    if moved:
        raise MigrationError(
            f"{latest} holds the function {moved[0].__name__}, which a new file would not have. Leave --update out."
        )
    operations = optimize(
        [*latest.operations, *[operation for item in found for operation in item.operations]], app_label
    )
    inside = {latest.key, *[item.key for item in found]}
    dependencies = _outer([latest, *found], inside)
    new = Migration.build("", app_label, operations, dependencies, initial=latest.initial)
    new.atomic, new.run_before = latest.atomic, latest.run_before
    _keep_promises(new, [latest])
    number, _, old_name = latest.name.partition("_")
    new.name = f"{number}_{name or ('initial' if latest.initial else new.suggest_name() if operations else old_name)}"
    return new


def _keep_promises(new: Migration, olds: Sequence[Migration]) -> None:
    """Take over what the old files say of their limits and of findings that do no harm, in comments too."""
    safe: dict[str, str] = {}
    for migration in olds:
        lines = source_lines(migration)
        for said in (migration.safe, lines.whole, *lines.parts.values()):
            safe.update(said)
    if safe:
        new.safe = safe
    for name in ("lock_timeout_s", "statement_timeout_s", "mysql_algorithm", "mysql_lock"):
        values = {getattr(migration, name) for migration in olds}
        if len(values) == 1:
            setattr(new, name, values.pop())


def _shortened(operations: Sequence[Operation], app_label: str) -> list[Operation]:
    return optimize([operation for operation in operations if not operation.elidable], app_label)


def _outer(migrations: Iterable[Migration], inside: set[MigrationKey]) -> list[tuple[str, str]]:
    """Return what the migrations depend on outside of themselves, without doubles."""
    found: dict[Any, tuple[str, str]] = {}
    for migration in migrations:
        for dependency in migration.dependencies:
            setting = dependency.setting if isinstance(dependency, SwappableDependency) else None
            own = dependency[0] == migration.app_label and dependency[1] in {"__first__", "__latest__"}
            if tuple(dependency) not in inside and not own:
                found[tuple(dependency), setting] = dependency
    return list(found.values())


def _replaced(migrations: Iterable[Migration]) -> Iterable[tuple[str, str]]:
    """Yield what a squashed migration stands for: a squashed one among them, and what that stood for."""
    for migration in migrations:
        yield from ((item[0], item[1]) for item in migration.replaces)
        yield migration.key


def _require_no_circle(loader: Loader, *new: Migration, without: Sequence[MigrationKey] = ()) -> None:
    """Raise when others need something in the middle of what becomes one, and are needed by its end."""
    before = dict(loader.migrations)
    for key in without:
        del loader.migrations[key]
    loader.migrations.update({migration.key: migration for migration in new})
    try:
        loader.build()
    except MigrationError as error:
        raise MigrationError(f"These migrations cannot be one: {error}") from error
    finally:
        loader.migrations = before
        loader.build()
