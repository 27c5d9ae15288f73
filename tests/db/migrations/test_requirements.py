"""``required_db_vendor``, ``required_db_features`` and ``select_on_save``: what models ask of their database."""

from __future__ import annotations

import pytest

from covet.apps import apps
from covet.conf import override
from covet.db import migrations, models
from covet.db.migrations.execute import Executor
from covet.db.models.table import table_of
from covet.db.models.vendor_checks import check_vendors
from covet.db.observe import record_queries


def create(name, **options):
    key = ("id", models.BigAutoField(primary_key=True))
    return migrations.CreateModel(name, [key, ("a", models.IntegerField(default=0))], options)


@pytest.mark.row("meta.required_db")
async def test_a_model_has_no_table_where_the_database_lacks_what_it_needs(database, make_loader):
    indexes = [models.Index(fields=["a"], name="by_a")]
    executor = Executor(
        database,
        make_loader(
            (
                "lab.0001",
                [
                    create("Ours", required_db_vendor=database.vendor, indexes=indexes),
                    create("Able", required_db_features=["has_aggregate_filter"]),
                    create("Roll", required_db_features=["rolls_back_ddl"]),
                    create("Other", required_db_vendor="mysql" if database.vendor != "mysql" else "sqlite"),
                    migrations.AddField("other", "b", models.IntegerField(null=True)),
                    migrations.AddIndex("other", models.Index(fields=["b"], name="by_b")),
                    migrations.RenameIndex("other", new_name="by_bb", old_name="by_b"),
                    migrations.RenameModel("other", "another"),
                ],
            )
        ),
    )

    await executor.migrate()

    expected = {"lab_ours"}
    expected |= {"lab_able"} if database.dialect.has_aggregate_filter else set()
    expected |= {"lab_roll"} if database.features.rolls_back_ddl else set()
    there = {name for name in await database.introspection.tables() if name.startswith("lab_")}
    assert there == expected
    await executor.migrate([("lab", None)])
    assert not {name for name in await database.introspection.tables() if name.startswith("lab_")}


def declared(**options):
    meta = type("Meta", (), {"app_label": "lab", **options})
    return type(
        "Needy",
        (models.Model,),
        {"a": models.CharField(max_length=800, unique=True), "Meta": meta, "__module__": __name__},
    )


@pytest.mark.row("meta.required_db")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"required_db_vendor": "postgresql"}, ["models.W051"]),
        ({"required_db_vendor": "oracle"}, ["models.E051"]),
        ({"required_db_vendor": "mysql"}, ["mysql.E001"]),
        ({"required_db_features": ["has_retruning"]}, ["models.E052", "mysql.E001"]),
        ({"required_db_features": ["has_returning", "rolls_back_ddl"]}, ["mysql.E001"]),
    ],
)
async def test_needs_that_nothing_meets_are_found(options, expected):
    with apps.isolate() as registry:
        declared(**options)
    with override(DATABASES={"default": "sqlite:///x.sqlite3", "other": "mysql://localhost/x"}):
        found = [one.id for one in check_vendors(registry)]
    assert found == expected


with apps.isolate():

    class Counted(models.Model):
        a = models.IntegerField(default=0)

        class Meta:
            app_label = "lab"
            select_on_save = True


@pytest.mark.row("meta.select_on_save")
async def test_select_on_save_looks_for_the_row_before_it_writes(database):
    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Counted))
    row = await Counted.objects.create(a=1)

    row.a = 2
    with record_queries() as queries:
        await row.save()
    assert [one.sql.split()[0] for one in queries] == ["SELECT", "UPDATE"]
    assert await Counted.objects.values_list("a", flat=True) == [2]
    with record_queries() as queries:
        await row.save(force_update=True)
    assert [one.sql.split()[0] for one in queries] == ["UPDATE"]
    with record_queries() as queries:
        await Counted(pk=row.pk + 1, a=3).save()
    assert [one.sql.split()[0] for one in queries] == ["SELECT", "INSERT"]


@pytest.mark.row("meta.select_on_save")
@pytest.mark.vendors("postgresql")
async def test_select_on_save_trusts_the_row_and_not_the_count(database):
    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Counted))
    row = await Counted.objects.create(a=1)
    await database.execute("CREATE FUNCTION swallow() RETURNS trigger AS 'BEGIN RETURN NULL; END' LANGUAGE plpgsql")
    await database.execute(
        "CREATE TRIGGER swallows BEFORE UPDATE ON lab_counted FOR EACH ROW EXECUTE FUNCTION swallow()"
    )

    row.a = 2
    await row.save()

    assert await Counted.objects.values_list("a", flat=True) == [1]
