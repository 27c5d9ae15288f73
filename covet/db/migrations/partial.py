"""Takes back a migration that was left half-way, by what the journal says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covet.db.migrations.errors import Irreversible, MigrationError, MigrationFailed
from covet.db.migrations.journal import Journal, Tolerant, Unfinished
from covet.exceptions import CovetError

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.graph import MigrationKey
    from covet.db.migrations.loader import Loader
    from covet.db.migrations.state import ProjectState

__all__ = ["refuse_others", "roll_back"]


async def roll_back(
    database: Database, loader: Loader, applied: set[MigrationKey], unfinished: Unfinished
) -> list[str]:
    """Take back the operations that a half-done migration has begun, and return what they are called.

    Of an operation that was itself left half-way everything is taken back that is there. The way back of a migration that
    was being undone is to do its operations again. Each operation leaves the journal when it is done: a process that
    is killed here can be followed by another one.

    Raises:
        MigrationError: The migration's file is gone, an operation has no way back, or one failed.
    """
    key = unfinished.key
    migration = loader.graph.nodes.get(key)
    if migration is None:
        raise MigrationError(
            f"{key[0]}.{key[1]} was left half-way and has no file any more. Bring the file back and run this again."
        )
    backwards = not unfinished.backwards
    touched = [index for index in unfinished.operations if index < len(migration.operations)]
    for index in touched:
        operation = migration.operations[index]
        if backwards and not operation.reversible:
            raise Irreversible(
                f"Migration {migration} cannot be taken back: '{operation.describe()}' has no way back. "
                f"Finish it instead: manage.py migrate {key[0]} {key[1]}"
            )
    state: ProjectState = loader.base_state()
    for other in loader.graph.full_plan([item for item in applied if item != key]):
        if other != key:
            state = loader.graph.nodes[other].mutate_state(state)
    journal = Journal(database)
    steps = [step for step in migration.states(state) if step[0] in touched]
    undone = []
    async with database.schema_editor(atomic=False) as editor:
        editor.log = Tolerant(database)
        for index, before, after in reversed(steps) if backwards else steps:
            operation = migration.operations[index]
            states = (after, before) if backwards else (before, after)
            try:
                await operation.run(key[0], editor, *states, backwards=backwards, migration_atomic=migration.atomic)
                await editor.finish()
            except MigrationError:
                raise
            except Exception as error:
                kind = "" if isinstance(error, CovetError) else f"{type(error).__name__}: "
                raise MigrationFailed(
                    f"Migration {migration} could not be taken back at '{operation.describe()}': {kind}{error}"
                ) from error
            await journal.forget_operation(index)
            undone.append(operation.describe())
    await journal.forget(key)
    return undone


def refuse_others(unfinished: Unfinished | None, taken: set[tuple[MigrationKey, bool]]) -> None:
    """Raise when a migration was left half-way and the steps that are to be taken do not finish it.

    Raises:
        MigrationError: The text says how to finish it, and how to take it back.
    """
    if unfinished is None or (unfinished.key, unfinished.backwards) in taken:
        return
    app_label, name = unfinished.key
    how = f"undoing {app_label}.{name}" if unfinished.backwards else f"applying {app_label}.{name}"
    finish = (
        f"go to the migration before it: manage.py migrate {app_label} …"
        if unfinished.backwards
        else f"manage.py migrate {app_label} {name}"
    )
    raise MigrationError(
        f"An earlier run was stopped half-way, {how}. Finish that first ({finish}), or take it back: "
        "manage.py migrate --rollback-partial"
    )
