"""Relations that a parent model declares, asked for from its child."""

from __future__ import annotations

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.observe import record_queries
from tests.db.models.conftest import create_tables

with apps.isolate():

    class Owner(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "fleet"

    class Vehicle(models.Model):
        owner = models.ForeignKey(Owner, models.CASCADE, null=True, related_name="vehicles")

        class Meta:
            app_label = "fleet"

    class Paper(models.Model):
        vehicle = models.OneToOneField(Vehicle, models.CASCADE, related_name="paper")

        class Meta:
            app_label = "fleet"

    class Truck(Vehicle):
        load = models.IntegerField()

        class Meta:
            app_label = "fleet"


class Step(models.Model):
    owner = models.ForeignKey(Owner, models.CASCADE, null=True)
    before: models.ForeignKey[Step | None] = models.ForeignKey("self", models.CASCADE, null=True)

    class Meta:
        app_label = "fleet"


@pytest.mark.row("queries.select_related")
async def test_one_relation_may_be_joined_at_several_levels(database: Database) -> None:
    await create_tables(database, [Owner, Step])
    ann, bob = await Owner.objects.create(name="Ann"), await Owner.objects.create(name="Bob")
    first = await Step.objects.create(owner=ann)
    second = await Step.objects.create(owner=bob, before=first)
    await Step.objects.create(owner=ann, before=second)

    with record_queries() as queries:
        rows = await Step.objects.select_related("owner", "before__owner", "before__before__owner").order_by("pk")
        steps = [(row, row.before, row.before and row.before.before) for row in rows]
        names = [[step.owner.name for step in line if step is not None] for line in steps]
    assert names == [["Ann"], ["Bob", "Ann"], ["Ann", "Bob", "Ann"]]
    assert len(queries) == 1


@pytest.mark.row("queries.select_related")
async def test_select_related_joins_by_the_parents_table(database: Database) -> None:
    await create_tables(database, [Owner, Vehicle, Paper, Truck])
    owner = await Owner.objects.create(name="Ann")
    truck = await Truck.objects.create(owner=owner, load=3)
    await Truck.objects.create(load=4)
    await Paper.objects.create(vehicle=await Vehicle.objects.get(pk=truck.pk))

    with record_queries() as queries:
        rows = await Truck.objects.select_related("owner", "paper").order_by("load")
        assert [row.owner and row.owner.name for row in rows] == ["Ann", None]
        assert rows[0].paper.vehicle_id == truck.pk
    assert len(queries) == 1
    (deep,) = await Paper.objects.select_related("vehicle__truck__owner")
    assert deep.vehicle.truck.owner.name == "Ann"
