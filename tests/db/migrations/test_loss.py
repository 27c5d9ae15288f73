"""What migrations throw away is known from the models alone."""

from __future__ import annotations

import pytest

from covet.db import migrations, models
from covet.db.migrations.loss import losses
from covet.db.migrations.migration import Migration


def lost(state, *operations):
    return losses(state, [Migration.build("0002_x", "blog", operations, [])])


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (models.CharField(max_length=9), models.CharField(max_length=5), "varchar(9) to varchar(5)"),
        (models.CharField(max_length=5), models.CharField(max_length=9), ""),
        (models.CharField(max_length=5), models.TextField(), ""),
        (models.TextField(), models.CharField(max_length=5), "text to varchar(5)"),
        (models.IntegerField(), models.BigIntegerField(), ""),
        (models.BigIntegerField(), models.IntegerField(), "bigint to integer"),
        (models.IntegerField(), models.PositiveIntegerField(), "integer to unsigned integer"),
        (models.IntegerField(), models.TextField(), ""),
        (models.BigIntegerField(), models.CharField(max_length=20), ""),
        (models.BigIntegerField(), models.CharField(max_length=19), "bigint to varchar(19)"),
        (models.SmallIntegerField(), models.CharField(max_length=6), ""),
        (models.TextField(), models.IntegerField(), "text to integer"),
        (models.DateTimeField(), models.DateField(), "datetime to date"),
        (
            models.DecimalField(max_digits=6, decimal_places=2),
            models.DecimalField(max_digits=6, decimal_places=3),
            "decimal(6, 2) to decimal(6, 3)",
        ),
        (models.DecimalField(max_digits=6, decimal_places=2), models.DecimalField(max_digits=8, decimal_places=2), ""),
        (models.IntegerField(), models.IntegerField(help_text="x"), ""),
    ],
)
def test_a_column_that_holds_less_loses(make_model, make_project, before, after, shown):
    state = make_project(make_model("blog.Item", {"a": before}))
    found = lost(state, migrations.AlterField("item", "a", after))
    assert found == (
        [f"blog.Item.a becomes narrower ({shown}): values that do not fit are lost or refused."] if shown else []
    )


def test_tables_columns_and_pairs_go(make_model, make_project):
    item = make_model("blog.Item", {"a": models.IntegerField(), "many": models.ManyToManyField("blog.Item")})
    view = make_model("blog.View", {"a": models.IntegerField()}, managed=False)
    state = make_project(item, view)
    assert lost(
        state,
        migrations.RemoveField("item", "a"),
        migrations.RemoveField("item", "many"),
        migrations.RemoveField("view", "a"),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("View")]),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.DeleteModel("Item")], state_operations=[migrations.DeleteModel("Item")]
        ),
    ) == [
        "blog.Item.a is removed: its column goes, with all values.",
        "blog.Item.many is removed: its table of pairs goes, with all values.",
        "blog.Item is deleted: its table goes, with all rows.",
    ]
    assert "a" in state.models["blog", "item"].fields
