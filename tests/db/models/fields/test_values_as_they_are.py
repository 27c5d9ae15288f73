"""What generated code does in place of a call is what the call would do: values on their way to the database, and back."""

from __future__ import annotations

from typing import Any

import pytest

from covet.db import models
from covet.db.backends.sqlite.dialect import SQLiteDialect
from covet.db.sql.dialect import AS_IS

SAMPLES: dict[type[Any], list[Any]] = {str: ["", "a"], int: [0, -7, 2**40], float: [0.0, 1.5], bool: [True, False]}
FIELDS: list[Any] = [models.TextField, models.IntegerField, models.FloatField, models.BooleanField]


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
def test_what_is_passed_by_comes_back_unchanged(kind: Any) -> None:
    field = kind()
    plain = AS_IS[kind.get_prep_value]
    for value in [None, *SAMPLES[plain]]:
        assert field.get_prep_value(value) is value


class Loud(models.TextField[Any]):
    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else f"{value}!"


@pytest.mark.row("fields.custom")
async def test_a_fields_own_preparation_is_always_called(database: Any) -> None:
    from covet.apps import apps
    from covet.db import connections
    from tests.db.models.conftest import create_tables

    with apps.isolate(), connections.using({"default": database}):

        class Cry(models.Model):
            text = Loud()
            number = models.IntegerField()

            class Meta:
                app_label = "cries"

        await create_tables(database, [Cry])
        await Cry.objects.create(text="a", number="5")
        found = await Cry.objects.get(number=5)
        assert found.text == "a!"
        found.text = "b"
        await found.save()
        assert await Cry.objects.values_list("text", flat=True) == ["b!"]


DAYS = ("2024-01-02", "20240102", "2024-W01-2")
TIMES = ("", "T03", " 03:04", "T03:04:05", " 03:04:05.1", " 03:04:05.123", " 03:04:05.123456")
ZONES = ("", "Z", "+02", "-0230", "+02:30", "-02:30:15")


@pytest.mark.vendors("sqlite")
async def test_moments_in_whatever_spelling_are_read_as_the_converter_reads_them(database: Any) -> None:
    from covet.apps import apps
    from covet.db import connections
    from tests.db.models.conftest import create_tables

    convert = SQLiteDialect().converter(models.DateTimeField().column_type())
    assert convert is not None
    texts: list[Any] = [day + time + zone for day in DAYS for time in TIMES for zone in ZONES if time or not zone]
    texts.remove("20240102")  # a number, for SQLite
    with apps.isolate(), connections.using({"default": database}):

        class Event(models.Model):
            at = models.DateTimeField(null=True)
            after = models.ForeignKey("self", null=True, on_delete=models.CASCADE)

            class Meta:
                app_label = "events"

        await create_tables(database, [Event])
        for number, text in enumerate([None, *texts]):
            await database.execute("INSERT INTO events_event VALUES (?, ?, ?)", (number + 1, text, number or None))
        expected = [convert(text) for text in [None, *texts]]
        assert len(set(expected)) > 20
        assert [event.at for event in await Event.objects.order_by("pk")] == expected
        assert [(await Event.objects.get(pk=number + 1)).at for number in range(len(expected))] == expected
        joined = await Event.objects.select_related("after").order_by("pk")
        assert [event.after.at for event in joined[1:]] == expected[:-1]
        assert await Event.objects.order_by("pk").values_list("at", flat=True) == expected
        assert all(event.at is None or event.at.utcoffset() is not None for event in joined)
