"""Whatever the operation and the database, the report says of each statement what it locks, and what to do about errors."""

from __future__ import annotations

import pytest

from covet.db import migrations
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.safety import examine_all
from tests.db.migrations.test_operations_matrix import FIRST, OPERATIONS

# Nothing is known of what a function does; index_together is only read in old files.
ELSEWHERE = {"RunPython", "AlterIndexTogether"}


def quoted_new(database):
    """How the name of a table begins that a rebuild of SQLite fills."""
    return database.dialect.quote("covet_new_")[:-1]


def test_the_matrix_has_every_operation():
    public = {
        name
        for name in migrations.__all__
        if isinstance(found := getattr(migrations, name), type)
        and issubclass(found, Operation)
        and found is not Operation
    }

    assert public - ELSEWHERE - {type(operation).__name__ for operation in OPERATIONS.values()} == set()


@pytest.mark.parametrize("name", OPERATIONS)
async def test_each_statement_has_its_lock_and_each_error_its_way_around(database, make_loader, name):
    loader = make_loader(("blog.0001", FIRST), ("blog.0002", [OPERATIONS[name]], ["blog.0001"]))

    found = (await examine_all(database, loader, [("blog", "0002")]))["blog", "0002"]

    effects = [effect for item in found for effect in item.effects]
    new = {effect.table for effect in effects if effect.creates}
    for effect in effects:
        # A table that the operation itself makes, or a copy into one, locks nobody's; a pragma locks nothing.
        harmless = effect.creates or effect.table in new
        harmless = harmless or effect.sql.startswith(
            ("PRAGMA", f"INSERT INTO {quoted_new(database)}", f"ALTER TABLE {quoted_new(database)}")
        )
        assert harmless or (effect.lock and effect.blocks), effect.sql
    for finding in [finding for item in found for finding in item.findings]:
        assert finding.message
        assert finding.safe or not finding.is_error, finding
