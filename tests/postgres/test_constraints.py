"""Exclusion constraints, indexes with parameters, validators, and the checks about other databases."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from covet.apps import apps
from covet.conf import override
from covet.db import models
from covet.db.errors import ExclusionViolation, NotSupportedError
from covet.db.models.table import table_of
from covet.db.models.vendor_checks import check_vendors
from covet.exceptions import ValidationError
from covet.postgres.constraints import ExclusionConstraint
from covet.postgres.fields import ArrayField, IntegerRangeField, Range, RangeBoundary, RangeOperators
from covet.postgres.functions import DateRangeOf
from covet.postgres.indexes import BloomIndex, BrinIndex, BTreeIndex, GinIndex, HashIndex, OpClass, SpGistIndex
from covet.postgres.validators import (
    ArrayMaxLengthValidator,
    ArrayMinLengthValidator,
    KeysValidator,
    RangeMaxValueValidator,
    RangeMinValueValidator,
)
from tests.postgres.models import Booking

if TYPE_CHECKING:
    from covet.db.database import Database

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.mark.row("postgres.exclusion", on="postgresql")
async def test_the_database_keeps_rows_apart(pg: Database) -> None:
    await Booking.objects.create(room=1, hours=Range(NOON, NOON + 2 * HOUR))
    await Booking.objects.create(room=2, hours=Range(NOON, NOON + 2 * HOUR))
    await Booking.objects.create(room=1, hours=Range(NOON + 2 * HOUR, NOON + 3 * HOUR))
    await Booking.objects.create(room=1, hours=Range(NOON, NOON + HOUR), is_cancelled=True)
    with pytest.raises(ExclusionViolation) as caught:
        await Booking.objects.create(room=1, hours=Range(NOON + HOUR, NOON + 3 * HOUR))
    assert caught.value.constraint == "one_booking"


@pytest.mark.row("postgres.exclusion", on="postgresql")
async def test_validation_asks_the_database_first(pg: Database) -> None:
    first = await Booking.objects.create(room=1, hours=Range(NOON, NOON + 2 * HOUR))
    await first.validate_constraints()
    for room, cancelled in ((2, False), (1, True)):
        await Booking(room=room, is_cancelled=cancelled, hours=Range(NOON, NOON + HOUR)).validate_constraints()
    await Booking(room=1).validate_constraints()
    wrong = Booking(room=1, hours=Range(NOON, NOON + HOUR))
    await wrong.validate_constraints(exclude={"hours"})
    with pytest.raises(ValidationError, match="one_booking"):
        await wrong.validate_constraints()


@pytest.mark.row("constraints.deferrable", on="postgresql")
@pytest.mark.row("postgres.exclusion", on="postgresql")
async def test_exclusion_of_expressions_that_is_deferred(pg: Database) -> None:
    with apps.isolate():

        class Stay(models.Model):
            first = models.DateField()
            last = models.DateField()
            name = models.CharField(max_length=10)

            class Meta:
                app_label = "stays"
                constraints = [
                    ExclusionConstraint(
                        name="stays_apart",
                        expressions=[
                            (
                                DateRangeOf("first", "last", RangeBoundary(inclusive_upper=True)),
                                RangeOperators.OVERLAPS,
                            ),
                            (OpClass("name", "gist_text_ops"), RangeOperators.EQUAL),
                        ],
                        deferrable=models.Deferrable.DEFERRED,
                        include=["name"],
                    )
                ]

    async with pg.schema_editor() as editor:
        await editor.create_table(table_of(Stay))
    try:
        days = [dt.date(2024, 1, day) for day in (1, 5, 9)]
        await Stay.objects.create(first=days[0], last=days[1], name="a")
        wrong = Stay(first=days[1], last=days[2], name="a")
        with pytest.raises(ValidationError, match="stays_apart"):
            await wrong.validate_constraints()
        await Stay(first=days[1], last=days[2], name="b").validate_constraints()
        from covet.db import transaction

        async with transaction.atomic():
            await wrong.save()
            await Stay.objects.filter(first=days[0]).delete()
        assert await Stay.objects.count() == 1
    finally:
        async with pg.schema_editor() as editor:
            await editor.drop_table("stays_stay")


def test_arguments_of_an_exclusion_are_checked() -> None:
    pair = ("hours", "&&")
    for wrong in (
        {"expressions": []},
        {"expressions": ["hours"]},
        {"expressions": [("hours", "&& x")]},
        {"expressions": [pair], "index_type": "BTREE"},
    ):
        with pytest.raises(ValueError):
            ExclusionConstraint(name="x", **wrong)  # type: ignore[arg-type]
    for wrong in ({"condition": "x"}, {"deferrable": True}):
        with pytest.raises(TypeError):
            ExclusionConstraint(name="x", expressions=[pair], **wrong)  # type: ignore[arg-type]


def test_an_exclusion_is_equal_to_what_is_made_of_its_parts() -> None:
    one = ExclusionConstraint(
        name="x", expressions=[("hours", "&&")], index_type="SPGIST", condition=models.Q(room=1), include=["room"]
    )
    assert one.clone() == one
    assert one != ExclusionConstraint(name="x", expressions=[("hours", "&&")])
    assert one.referenced_fields == {"hours", "room"}
    assert one.contains_expressions


@pytest.mark.row("postgres.indexes", on="postgresql")
async def test_every_kind_of_index_is_there_with_its_parameters(pg: Database) -> None:
    found = dict(
        await pg.fetch(
            "SELECT c.relname::text, am.amname::text || COALESCE(' ' || array_to_string(c.reloptions, ' '), '') "
            "FROM pg_class c JOIN pg_am am ON am.oid = c.relam WHERE c.relname LIKE 'i\\_%'"
        )
    )
    assert found == {
        "i_btree": "btree fillfactor=70 deduplicate_items=off",
        "i_gin": "gin fastupdate=off gin_pending_list_limit=512",
        "i_trgm": "gin",
        "i_gist": "gist buffering=on fillfactor=80",
        "i_brin": "brin autosummarize=on pages_per_range=16",
        "i_hash": "hash fillfactor=60",
        "i_spgist": "spgist fillfactor=75",
        "i_bloom": "bloom length=96 col1=4",
    }
    (definition,) = [row[0] for row in await pg.fetch("SELECT indexdef FROM pg_indexes WHERE indexname = 'i_trgm'")]
    assert "gin_trgm_ops" in definition


def test_arguments_of_indexes_are_checked() -> None:
    for wrong in (
        lambda: BrinIndex(fields=["a"], pages_per_range=0),
        lambda: BloomIndex(fields=["a"], columns=[1, 2]),
        lambda: BloomIndex(fields=["a"], columns=[5000]),
        lambda: BloomIndex(fields=["a"], length=5000),
        lambda: OpClass("a", "x; DROP TABLE y"),
    ):
        with pytest.raises(ValueError):
            wrong()
    index = GinIndex(fields=["a"], name="x", fastupdate=False)
    assert index.clone() == index
    assert index != GinIndex(fields=["a"], name="x")
    assert GinIndex(fields=["a"]).suffix == "gin"


async def test_an_index_puts_nulls_where_its_expressions_say(pg: Database) -> None:
    with apps.isolate():

        class Visit(models.Model):
            first = models.IntegerField(null=True)
            last = models.IntegerField(null=True)

            class Meta:
                app_label = "visits"
                indexes = [
                    models.Index(models.F("first").asc(nulls_first=True), models.F("last").desc(), name="visit_first"),
                    BTreeIndex(OpClass("first", "int4_ops").desc(nulls_last=True), name="visit_class"),
                ]
                constraints = [models.UniqueConstraint(models.F("last").desc(nulls_last=True), name="visit_last")]

    async with pg.schema_editor() as editor:
        await editor.create_table(table_of(Visit))
    try:
        rows = await pg.fetch("SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'visit\\_%' ORDER BY indexname")
        found = [row[0].partition("USING ")[2] for row in rows]
        assert found == [
            "btree (first DESC NULLS LAST)",
            "btree (first NULLS FIRST, last DESC)",
            "btree (last DESC NULLS LAST)",
        ]
    finally:
        await pg.execute("DROP TABLE visits_visit")


async def test_a_kind_with_a_long_name_needs_no_name_of_its_own(pg: Database) -> None:
    with apps.isolate():

        class Measurement(models.Model):
            description = models.CharField(max_length=20)

            class Meta:
                app_label = "laboratory"
                indexes = [kind(fields=["description"]) for kind in (HashIndex, SpGistIndex, BTreeIndex)]

        class TooLong(models.Model):
            description = models.CharField(max_length=20)

            class Meta:
                app_label = "laboratory"
                indexes = [
                    SpGistIndex(fields=["description"], name="x" * 34),
                    GinIndex(fields=["description"], name="x" * 31),
                ]

    # The suffix tells the kind: "idx" is the shortest, and leaves as much room for all others.
    assert Measurement.check() == []
    assert [message.id for message in TooLong.check()] == ["models.E034"] * 2
    async with pg.schema_editor() as editor:
        await editor.create_table(table_of(Measurement))
    try:
        rows = await pg.fetch("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'laborator%\\_descrip\\_%'")
        assert {row[0] for row in rows} == {index.name for index in Measurement._meta.indexes}
    finally:
        await pg.execute("DROP TABLE laboratory_measurement")


@pytest.mark.row("postgres.validators")
def test_validators_of_arrays_ranges_and_keys() -> None:
    passes: list[tuple[Any, Any]] = [
        (ArrayMaxLengthValidator(2), [1, 2]),
        (ArrayMinLengthValidator(1), [1]),
        (RangeMaxValueValidator(5), Range(1, 5)),
        (RangeMaxValueValidator(5), Range(empty=True)),
        (RangeMinValueValidator(1), Range(1, None)),
        (KeysValidator(["a"]), {"a": 1, "b": 2}),
        (KeysValidator(["a", "b"], strict=True), {"a": 1, "b": 2}),
    ]
    for validator, value in passes:
        validator(value)
    fails: list[tuple[Any, Any, str]] = [
        (ArrayMaxLengthValidator(2), [1, 2, 3], "no more than 2"),
        (ArrayMinLengthValidator(1), [], "1 or more"),
        (RangeMaxValueValidator(5), Range(1, 6), "end at 5"),
        (RangeMaxValueValidator(5), Range(1, None), "end at 5"),
        (RangeMinValueValidator(1), Range(0, 3), "begin at 1"),
        (RangeMinValueValidator(1), Range(None, 3), "begin at 1"),
        (KeysValidator(["a", "c"]), {"b": 2}, "missing: a, c"),
        (KeysValidator(["a"], strict=True), {"a": 1, "b": 2}, "unknown keys were given: b"),
        (KeysValidator(["a"], messages={"missing_keys": "No %(keys)s!"}), {}, "No a!"),
    ]
    for validator, value, text in fails:
        with pytest.raises(ValidationError, match=text):
            validator(value)
    keys = KeysValidator(["b", "a"], strict=True, messages={"missing_keys": "x"})
    path, args, kwargs = keys.deconstruct()
    assert path == "covet.postgres.validators.KeysValidator"
    assert KeysValidator(*args, **kwargs) == keys and hash(keys) == hash(KeysValidator(*args, **kwargs))
    assert ArrayMaxLengthValidator(2).deconstruct()[0] == "covet.postgres.validators.ArrayMaxLengthValidator"


def test_checks_tell_what_another_database_cannot_have() -> None:
    with apps.isolate() as registry, override(DATABASES={"default": "sqlite://:memory:"}):

        class Everything(models.Model):
            tags = ArrayField(models.IntegerField())
            span = IntegerRangeField()

            class Meta:
                app_label = "everything"
                indexes = [GinIndex(fields=["tags"], name="g")]
                constraints = [ExclusionConstraint(name="apart", expressions=[("span", "&&")])]

        found = [message.id for message in check_vendors(registry)]
        assert found == ["postgres.E006", "postgres.E006", "postgres.E007", "postgres.W001"]
        with override(DATABASES={"default": "postgres://localhost/x"}):
            assert list(check_vendors(registry)) == []


@pytest.mark.vendors("sqlite", "mysql")
async def test_other_databases_refuse_an_exclusion_and_leave_indexes_out(database: Database) -> None:
    with apps.isolate():

        class Plain(models.Model):
            number = models.IntegerField()

            class Meta:
                app_label = "plain"
                indexes = [BrinIndex(fields=["number"], name="b")]

        class Apart(models.Model):
            number = models.IntegerField()

            class Meta:
                app_label = "plain"
                constraints = [ExclusionConstraint(name="apart", expressions=[("number", "=")])]

    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Plain))
    assert [index.name for index in await database.introspection.indexes("plain_plain") if not index.primary_key] == []
    with pytest.raises(NotSupportedError, match="exclusion constraint 'apart'"):
        async with database.schema_editor() as editor:
            await editor.create_table(table_of(Apart))


async def test_an_api_tells_of_an_exclusion_by_the_fields_that_it_compares(
    pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And in its own words, where it has some."""
    from covet.rest.errors import problem_of

    hours = Range(NOON, NOON + HOUR)
    await Booking.objects.create(hours=hours)
    with pytest.raises(ExclusionViolation) as caught:
        await Booking.objects.create(hours=hours)

    problem = await problem_of(caught.value, (), Booking)

    assert (problem.status, problem.detail) == (409, "This does not fit with what is there.")
    assert [(one.pointer, one.code) for one in problem.errors] == [("/hours", "exclusion"), ("/room", "exclusion")]
    (rule,) = Booking._meta.constraints
    monkeypatch.setattr(rule, "violation_error_message", "The room is taken then.")
    monkeypatch.setattr(rule, "violation_error_code", "taken")

    problem = await problem_of(caught.value, (), Booking)

    assert problem.detail == "The room is taken then."
    assert {(one.detail, one.code) for one in problem.errors} == {("The room is taken then.", "taken")}
