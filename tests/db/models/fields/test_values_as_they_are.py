"""Values that generated code passes by ``get_prep_value``: those that it would return unchanged, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from covet.db import models
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
