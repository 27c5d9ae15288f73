"""What ``makemigrations`` makes of special fields: generated ones, defaults of the database, keys of several columns, moments."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from covet.db import models
from covet.db.migrations.errors import AnswerNeeded
from covet.db.migrations.execute import Executor
from covet.db.migrations.questioner import Answers, parse_default
from covet.db.models import F
from covet.db.models.functions import Now
from tests.db.migrations.test_move import loader_of
from tests.db.migrations.test_property import schema


def doubled(factor, **options):
    return models.GeneratedField(
        expression=F("n") * factor, output_field=models.IntegerField(), db_persist=True, **options
    )


def test_another_expression_is_another_column(make_model, make_project, compare, describe):
    old = make_project(make_model("blog.Item", {"n": models.IntegerField(), "twice": doubled(2)}))
    new = make_project(make_model("blog.Item", {"n": models.IntegerField(), "twice": doubled(3)}))

    found = describe(compare(old, new))

    assert found == {"blog": [["Remove field twice from item", "Add field twice to item"]]}


def test_a_generated_column_comes_after_what_it_is_made_of_and_goes_before(make_model, make_project, compare, describe):
    plain = make_project(make_model("blog.Item"))
    full = make_project(make_model("blog.Item", {"twice": doubled(2), "n": models.IntegerField(default=0)}))

    assert describe(compare(plain, full)) == {"blog": [["Add field n to item", "Add field twice to item"]]}
    assert describe(compare(full, plain)) == {"blog": [["Remove field twice from item", "Remove field n from item"]]}


def test_what_the_database_fills_in_is_part_of_the_field(make_model, make_project, compare, describe, after):
    states = [
        make_project(make_model("blog.Item", {"at": models.DateTimeField(db_default=value)}))
        for value in (Now(), dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    ]
    states.append(make_project(make_model("blog.Item", {"at": models.DateTimeField()})))

    for old, new in itertools.pairwise(states):
        found = compare(old, new)
        assert describe(found) == {"blog": [["Alter field at on item"]]}
        assert not compare(after(old, found), new)
    assert not compare(states[0], states[0].clone())


async def test_a_key_of_several_columns_is_made_and_found_unchanged(
    database, make_model, make_project, compare, describe
):
    def seat(**more):
        fields = {"pk": models.CompositePrimaryKey("row", "number"), "row": models.CharField(max_length=2)}
        return make_model("blog.Seat", {**fields, "number": models.IntegerField(), **more})

    old, new = make_project(seat()), make_project(seat(guest=models.CharField(max_length=9, default="")))
    first = compare(make_project(), old)
    loader = loader_of(first)
    second = compare(loader.state(), new, graph=loader.graph)
    assert describe(second) == {"blog": [["Add field guest to seat"]]}
    loader = loader_of(first, second)

    await Executor(database, loader).migrate()

    assert await database.introspection.primary_key("blog_seat") == ("row", "number")
    assert not compare(loader.state(), new, graph=loader.graph)


def test_a_moment_of_creation_needs_an_answer_for_the_rows_that_are_there(make_model, make_project, compare):
    old = make_project(make_model("blog.Item"))
    new = make_project(make_model("blog.Item", {"made": models.DateTimeField(auto_now_add=True)}))

    with pytest.raises(AnswerNeeded, match=r"--default 'blog\.Item\.made=EXPRESSION'"):
        compare(old, new)
    found = compare(old, new, Answers(defaults=dict([parse_default("blog.Item.made=timezone.now()")])))

    (operation,) = found.migrations["blog"][0].operations
    assert isinstance(operation.field.default, dt.datetime) and operation.preserve_default is False


@pytest.mark.parametrize(
    "fields",
    [
        {"a": models.CharField(max_length=9, blank=True)},
        {"a": models.TextField(blank=True)},
        {"a": models.IntegerField(null=True)},
        {"a": models.ManyToManyField("blog.item")},
    ],
)
def test_what_may_be_empty_is_not_asked_for(make_model, make_project, compare, describe, fields):
    old = make_project(make_model("blog.Item"))

    assert describe(compare(old, make_project(make_model("blog.Item", fields)))) == {"blog": [["Add field a to item"]]}


def test_another_target_of_many_is_another_table(make_model, make_project, compare, describe):
    def state(target):
        many = {"many": models.ManyToManyField(target, related_name="+")}
        return make_project(make_model("blog.A"), make_model("blog.B"), make_model("blog.Item", many))

    found = describe(compare(state("blog.a"), state("blog.b")))

    assert found == {"blog": [["Remove field many from item", "Add field many to item"]]}


async def test_a_column_that_others_are_computed_from_gets_another_type(database, make_model, make_project, compare):
    def states(kind):
        fields = {
            "n": kind,
            "twice": models.GeneratedField(
                expression=models.F("n") * 2, output_field=models.IntegerField(), db_persist=True, db_index=True
            ),
        }
        rules = [
            models.CheckConstraint(condition=models.Q(twice__lt=5000), name="small"),
            models.UniqueConstraint(fields=["twice", "n"], name="once"),
        ]
        return make_project(make_model("blog.Item", fields, constraints=rules))

    old, new = states(models.SmallIntegerField()), states(models.IntegerField())
    first = compare(make_project(), old)
    second = compare(old, new, graph=loader_of(first).graph)
    executor = Executor(database, loader_of(first, second))
    await executor.migrate([("blog", "0001_initial")])
    await database.execute("INSERT INTO blog_item (n) VALUES (21)")
    before = await schema(database)

    await executor.migrate()

    after = await schema(database)
    assert after != before
    assert [tuple(row) for row in await database.fetch("SELECT n, twice FROM blog_item")] == [(21, 42)]
    await executor.migrate([("blog", "0001_initial")])
    assert await schema(database) == before
    assert [tuple(row) for row in await database.fetch("SELECT n, twice FROM blog_item")] == [(21, 42)]
    await executor.migrate([("blog", None)])
    await Executor(database, loader_of(compare(make_project(), new))).migrate()
    assert await schema(database) == after


async def test_a_computed_column_gets_another_type(database, make_model, make_project, compare):
    def states(kind):
        twice = models.GeneratedField(expression=models.F("n") * 2, output_field=kind, db_persist=True)
        return make_project(make_model("blog.Item", {"n": models.IntegerField(), "twice": twice}))

    old, new = states(models.IntegerField()), states(models.BigIntegerField())
    first = compare(make_project(), old)
    second = compare(old, new, graph=loader_of(first).graph)
    executor = Executor(database, loader_of(first, second))
    await executor.migrate([("blog", "0001_initial")])
    await database.execute("INSERT INTO blog_item (n) VALUES (21)")

    await executor.migrate()

    assert [tuple(row) for row in await database.fetch("SELECT twice FROM blog_item")] == [(42,)]
    after = await schema(database)
    await executor.migrate([("blog", None)])
    await Executor(database, loader_of(compare(make_project(), new))).migrate()
    assert await schema(database) == after
