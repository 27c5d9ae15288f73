"""What migrations put into the tables: kept before the first test whose commits are real, and put back after each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from covet.apps import apps
from covet.db.fixtures import FixtureError, dump_rows, load_rows, models_to_dump
from covet.db.routers import router

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.models import Model

__all__ = ["keep_content", "models_of", "put_back"]

_kept: WeakKeyDictionary[Database, list[Mapping[str, Any]]] = WeakKeyDictionary()


def models_of(database: Database, *, include_auto_created: bool = False) -> list[type[Model]]:
    """Return the models whose tables are in a database: of its kind, and not kept away from it by a router."""
    return [
        model
        for model in apps.get_models(include_auto_created=include_auto_created)
        if model._meta.can_migrate(database) and router.allow_migrate_model(database.alias, model)
    ]


async def keep_content(database: Database) -> None:
    """Remember the rows of all models, once for each database: until now every test has taken back what it wrote.

    A database whose ``TEST`` says ``SERIALIZE: False`` is left alone.
    """
    if database in _kept or not database.config.test.serialize:
        return
    here = models_to_dump(models_of(database))
    _kept[database] = [record for model in here async for record in dump_rows(model, database.alias, base_manager=True)]


async def put_back(database: Database) -> None:
    """Store the remembered rows in their emptied tables, under the keys that they had.

    Raises:
        FixtureError: A row does not survive being written down.
    """
    records = _kept.get(database)
    if not records:
        return
    try:
        await load_rows(database, apps, [(f"a row of {record['model']}", record) for record in records])
    except FixtureError as error:
        raise FixtureError(
            f"What the migrations of '{database.alias}' had written cannot be put back after this test: {error} "
            "Without such rows write TEST = {'SERIALIZE': False} for that database."
        ) from error
