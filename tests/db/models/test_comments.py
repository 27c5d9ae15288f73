"""``db_comment`` and ``db_table_comment``: what somebody reads who looks at the database with another program."""

from __future__ import annotations

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.models.table import table_of
from tests.db.models.conftest import create_tables

HARD = "what it's called: 100 % \\ `\"—\" 'so'"

with apps.isolate():

    class Named(models.Model):
        name = models.CharField(max_length=20, db_comment=HARD)

        class Meta:
            abstract = True
            app_label = "comments"
            db_table_comment = "one of many"

    class Plain(Named):
        size = models.IntegerField(db_comment="in cm")
        mute = models.IntegerField(default=0)

        class Meta(Named.Meta):
            db_table_comment = HARD

    class Changed(Named):
        size = models.IntegerField(db_comment="in mm")
        mute = models.IntegerField(default=0, db_comment="says nothing")

        class Meta(Named.Meta):
            db_table = "comments_plain"

    class Bare(models.Model):
        name = models.CharField(max_length=20)
        size = models.IntegerField()
        mute = models.IntegerField(default=0)

        class Meta:
            app_label = "comments"
            db_table = "comments_plain"


async def comments(database: Database) -> tuple[str, dict[str, str]]:
    """That of the table, and those of its columns that have one."""
    ((of_table,),) = await database.fetch(
        {
            "postgresql": "SELECT obj_description('comments_plain'::regclass)",
            "mysql": "SELECT table_comment FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = 'comments_plain'",
        }[database.vendor]
    )
    columns = await database.introspection.columns("comments_plain")
    return of_table or "", {column.name: column.comment for column in columns if column.comment}


@pytest.mark.row("fields.comments")
@pytest.mark.vendors("postgresql", "mysql")  # SQLite has none: fields.W163 and models.W046 say so
async def test_comments_stand_in_the_database_and_change_with_the_models(database: Database) -> None:
    await create_tables(database, [Plain])
    assert await comments(database) == (HARD, {"name": HARD, "size": "in cm"})

    for old, new in ((Plain, Changed), (Changed, Bare), (Bare, Plain)):
        async with database.schema_editor() as editor:
            await editor.alter_table(table_of(old), table_of(new))
        assert (
            await comments(database)
            == {
                Changed: ("one of many", {"name": HARD, "size": "in mm", "mute": "says nothing"}),
                Bare: ("", {}),
                Plain: (HARD, {"name": HARD, "size": "in cm"}),
            }[new]
        )
