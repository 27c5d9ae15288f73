"""Whether the tables that an app's first migration makes are in the database already, as ``--fake-initial`` asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covet.db.migrations.apply import has_place, tables_of
from covet.db.migrations.errors import TablesDoNotFit
from covet.db.migrations.operations.columns import AddField
from covet.db.migrations.operations.tables import CreateModel
from covet.db.routers import router

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.state import ProjectState
    from covet.db.sql.ddl import TableDef

__all__ = ["has_been_made"]


async def has_been_made(database: Database, migration: Migration, before: ProjectState) -> bool:
    """Return whether all tables of a first migration are there, with their columns.

    Types and rules are not compared: those of a table that something else has made may rightly be spelt in another way.

    Args:
        database: Where to look.
        migration: The first migration of an app.
        before: The models before it.

    Raises:
        TablesDoNotFit: Some of the tables or columns are there, others are not: to record the migration would be
            untrue, and to apply it would fail.
    """
    made = _made_by(database, migration, before)
    names = {name.lower(): name for name in await database.introspection.tables()}
    there = [table for table in made if table.name.lower() in names]
    if not there:
        return False
    lacking = [f"the table {table.name}" for table in made if table not in there]
    for table in there:
        columns = {column.name.lower() for column in await database.introspection.columns(names[table.name.lower()])}
        lacking += [f"{table.name}.{item.name}" for item in table.columns if item.name.lower() not in columns]
    if lacking:
        raise TablesDoNotFit(
            f"--fake-initial cannot record {migration}: {', '.join(table.name for table in there)} "
            f"{'is' if len(there) == 1 else 'are'} in the database '{database.alias}', but not {', '.join(lacking)}. "
            "Add what is missing by hand, or rename what is in the way; nothing of this migration was recorded or applied."
        )
    return True


def _made_by(database: Database, migration: Migration, before: ProjectState) -> list[TableDef]:
    """Return the tables that the migration makes, as it leaves them; without models that belong to other databases."""
    after = migration.mutate_state(before)
    found: dict[str, TableDef] = {}
    for operation in migration.operations:
        if not isinstance(operation, (CreateModel, AddField)):
            continue
        key = operation.key(migration.app_label)
        model = after.models.get(key)
        is_ours = router.allow_migrate(database.alias, key[0], model_name=key[1]) is not False
        if model is not None and is_ours and has_place(database, model):
            found.update({owned.table.name: owned.table for owned in tables_of(after, key).values()})
    return list(found.values())
