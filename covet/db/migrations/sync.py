"""Tables of apps that have no migrations: made from the models as they are, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from covet.db.migrations.apply import has_place, tables_of
from covet.db.routers import router

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.loader import Loader
    from covet.db.sql.ddl import TableDef

__all__ = ["sync_models"]


async def sync_models(database: Database, loader: Loader) -> list[str]:
    """Make the missing tables of the apps without migrations and return their names.

    Foreign keys to tables that come later are added when those are there.
    """
    if loader.apps is None or not loader.unmigrated:
        return []
    state = loader.state()
    there = set(await database.introspection.tables())
    missing: list[TableDef] = []
    for key in state.models:
        if key[0] not in loader.unmigrated or not has_place(database, state.models[key]):
            continue
        if router.allow_migrate(database.alias, key[0], model_name=key[1]):
            missing += [owned.table for owned in tables_of(state, key).values() if owned.table.name not in there]
    if not missing:
        return []
    async with database.schema_editor() as editor:
        put_off: list[tuple[TableDef, TableDef]] = []
        for table in missing:
            there.add(table.name)
            now = replace(table, foreign_keys=tuple(key for key in table.foreign_keys if key.to_table in there))
            await editor.create_table(now)
            if now != table:
                put_off.append((now, table))
        for before, after in put_off:
            await editor.alter_table(before, after, {})
    return [table.name for table in missing]
