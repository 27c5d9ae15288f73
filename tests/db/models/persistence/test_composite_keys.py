"""``CompositePrimaryKey`` on the three databases: keys of several columns in every way that a key is used."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.errors import IntegrityError
from covet.db.migrations.errors import StateError
from covet.db.migrations.model_state import ModelState
from covet.db.migrations.operations import AddField, AlterField, RemoveField, RenameField
from covet.db.migrations.state import ProjectState
from covet.db.models.table import table_of
from covet.db.observe import record_queries
from covet.exceptions import FieldError, NotLoaded, ValidationError

with apps.isolate():

    class Tenant(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "crm"

    class Order(models.Model):
        pk = models.CompositePrimaryKey("tenant_id", "number")
        tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="orders")
        number = models.IntegerField()
        note = models.CharField(max_length=20, default="", blank=True)
        code = models.CharField(max_length=20, null=True, blank=True, unique=True)

        class Meta:
            app_label = "crm"

    class Line(models.Model):
        order_code = models.ForeignKey(
            Order, on_delete=models.CASCADE, to_field="code", null=True, related_name="lines"
        )
        text = models.CharField(max_length=20)

        class Meta:
            app_label = "crm"

    class Keyed(models.Model):
        pk = models.CompositePrimaryKey("left", "right")
        left = models.IntegerField()
        right = models.IntegerField()

        class Meta:
            app_label = "crm"
            abstract = True

    class Pair(Keyed):
        class Meta(Keyed.Meta):
            abstract = False


@pytest.fixture
async def crm(database: Database) -> AsyncIterator[list[Order]]:
    """Two tenants with three orders each."""
    async with database.schema_editor() as editor:
        for model in (Tenant, Order, Line, Pair):
            await editor.create_table(table_of(model))
    tenants = [await Tenant.objects.create(name=name) for name in "ab"]
    yield [
        await Order.objects.create(tenant=tenant, number=number, note=f"{tenant.name}{number}")
        for tenant in tenants
        for number in (1, 2, 3)
    ]


def notes(rows: list[Order]) -> list[str]:
    return [row.note for row in rows]


@pytest.mark.row("fields.composite_key")
async def test_the_key_is_a_tuple(crm):
    order = crm[0]

    assert order.pk == (order.tenant_id, 1)
    assert Order(number=1).pk is None
    assert not Order(number=1)._is_pk_set()
    assert Order(pk=(4, 5)).number == 5
    found = await Order.objects.get(pk=order.pk)
    assert found == order
    assert hash(found) == hash(order)
    assert str(found) == f"Order object ({order.pk})"
    found.pk = (7, 8)
    assert (found.tenant_id, found.number) == (7, 8)
    with pytest.raises(ValueError, match="2 parts"):
        found.pk = (1, 2, 3)
    with pytest.raises(ValueError, match="is a tuple of 2 parts, not 5"):
        Order(pk=5)


@pytest.mark.row("fields.composite_key", "lookups.tuples")
async def test_filters_compare_the_key(crm):
    first, second, last = crm[0].pk, crm[1].pk, crm[-1].pk
    ordered = Order.objects.order_by("pk")

    assert notes(await ordered.filter(pk=first)) == ["a1"]
    assert notes(await ordered.filter(pk=list(first))) == ["a1"]
    assert notes(await ordered.filter(pk=crm[0])) == ["a1"]
    assert notes(await ordered.filter(pk__in=[first, last, (99, 1), first])) == ["a1", "b3"]
    assert notes(await ordered.filter(pk__in=[])) == []
    assert notes(await ordered.exclude(pk=first)) == ["a2", "a3", "b1", "b2", "b3"]
    assert notes(await ordered.filter(pk__gt=second)) == ["a3", "b1", "b2", "b3"]
    assert notes(await ordered.filter(pk__gte=second)) == ["a2", "a3", "b1", "b2", "b3"]
    assert notes(await ordered.filter(pk__lt=second)) == ["a1"]
    assert notes(await ordered.filter(pk__lte=second)) == ["a1", "a2"]
    assert notes(await ordered.filter(pk__range=(second, crm[3].pk))) == ["a2", "a3", "b1"]
    assert notes(await ordered.filter(models.Q(pk=first) | models.Q(note="b3"))) == ["a1", "b3"]
    assert notes(await ordered.filter(pk__in=Order.objects.filter(note__startswith="b"))) == ["b1", "b2", "b3"]
    assert notes(await ordered.filter(pk__in=Order.objects.filter(number=2).values("pk"))) == ["a2", "b2"]
    assert notes(await ordered.filter(pk__in=Order.objects.filter(number=2).values("tenant_id", "number"))) == [
        "a2",
        "b2",
    ]
    assert await Order.objects.contains(crm[0])
    assert [one.name for one in await Tenant.objects.filter(orders__pk=first)] == ["a"]
    assert [one.name for one in await Tenant.objects.filter(orders=crm[0])] == ["a"]
    assert [one.name for one in await Tenant.objects.filter(orders__in=crm[4:]).distinct()] == ["b"]
    assert await Tenant.objects.filter(orders__isnull=True).count() == 0
    assert await Order.objects.filter(pk__isnull=False).count() == 6


async def test_very_many_keys_fit_into_one_condition(crm):
    keys = [(99, number) for number in range(2_000)] + [crm[0].pk]

    assert notes(await Order.objects.filter(pk__in=keys)) == ["a1"]


async def test_a_wrong_key_is_named(crm):
    for value in (5, "x", (1,), (1, 2, 3)):
        with pytest.raises(ValueError, match=r"primary key of Order is a tuple of 2 values \(tenant_id, number\)"):
            Order.objects.filter(pk=value)
    with pytest.raises(FieldError, match="several parts"):
        Order.objects.filter(pk__contains=(1, 2))
    with pytest.raises(FieldError, match="several parts"):
        await Order.objects.aggregate(models.Max("pk"))
    assert await Order.objects.aggregate(n=models.Count("pk")) == {"n": 6}


async def test_update_takes_the_parts_of_a_key_one_by_one(crm):
    with pytest.raises(FieldError, match=r"several parts: write update\(tenant_id=…, number=…\)"):
        await Order.objects.update(pk=(1, 1))
    await Order.objects.filter(pk=crm[0].pk).update(number=77)
    assert await Order.objects.filter(number=77).count() == 1


async def test_rows_come_in_the_order_of_the_key(crm):
    assert notes(await Order.objects.order_by("-pk")) == ["b3", "b2", "b1", "a3", "a2", "a1"]
    first, last = await Order.objects.first(), await Order.objects.last()
    assert (first.note, last.note) == ("a1", "b3")


async def test_values_hold_the_key_as_a_tuple(crm):
    key = crm[0].pk
    one = Order.objects.filter(pk=key)

    assert list(await one.values("pk", "note")) == [{"pk": key, "note": "a1"}]
    assert list(await one.values_list("note", "pk")) == [("a1", key)]
    assert list(await one.values_list("pk", flat=True)) == [key]
    (named,) = await one.values_list("pk", "note", named=True)
    assert (named.pk, named.note) == (key, "a1")
    assert await Order.objects.filter(note__in=["a1", "b3"]).count() == 2
    grouped = await Tenant.objects.annotate(n=models.Count("orders")).order_by("name").values_list("name", "n")
    assert list(grouped) == [("a", 3), ("b", 3)]
    counted = await Order.objects.annotate(n=models.Count("lines")).order_by("pk")
    assert [row.n for row in counted] == [0] * 6


async def test_in_bulk_gives_rows_by_tuple(crm):
    keys = [crm[0].pk, crm[4].pk]

    found = await Order.objects.in_bulk(keys)

    assert {key: row.note for key, row in found.items()} == {keys[0]: "a1", keys[1]: "b2"}
    assert len(await Order.objects.in_bulk()) == 6


@pytest.mark.row("fields.composite_key")
async def test_saving_updates_the_row_or_inserts_it(crm):
    order = crm[0]
    order.note = "new"
    with record_queries() as queries:
        await order.save()
    assert len(queries) == 1
    assert (await Order.objects.get(pk=order.pk)).note == "new"

    await order.save(update_fields=["note"])
    with pytest.raises(ValueError, match="number"):
        await order.save(update_fields=["number"])
    order.number = 9
    await order.save()
    assert await Order.objects.count() == 7
    with pytest.raises(IntegrityError):
        await Order(pk=order.pk).save(force_insert=True)
    with pytest.raises(Order.NotUpdated):
        await Order(pk=(order.tenant_id, 77)).save(force_update=True)
    same, is_new = await Order.objects.update_or_create(pk=order.pk, defaults={"note": "u"})
    assert (same.note, is_new) == ("u", False)


async def test_refreshing_and_completing_read_the_row_again(crm):
    order = crm[0]
    await Order.objects.filter(pk=order.pk).update(note="changed")
    await order.refresh_from_db()
    assert order.note == "changed"

    await order.refresh_from_db(fields=["note"])
    part = await Order.objects.only("note").get(pk=order.pk)
    assert part.pk == order.pk
    rows = list(await Order.objects.defer("note").order_by("pk"))
    with pytest.raises(NotLoaded):
        rows[0].note
    with record_queries() as queries:
        for row in rows:
            await row
    assert (len(queries), rows[-1].note) == (1, "b3")
    stub = Order.unloaded(order.pk)
    assert (await stub).note == "changed"


async def test_deleting_takes_the_row_and_what_refers_to_it(crm):
    order = crm[0]
    order.code = "x"
    await order.save()
    await Line.objects.create(order_code=order, text="t")
    key = order.pk

    assert await order.delete() == (2, {"crm.Line": 1, "crm.Order": 1})
    assert order.pk is None
    assert not await Order.objects.filter(pk=key).exists()
    assert (await Order.objects.filter(number=2).delete())[0] == 2
    assert (await (await Tenant.objects.get(name="b")).delete())[0] == 3
    assert notes(await Order.objects.order_by("pk")) == ["a3"]


async def test_writes_over_joins_go_by_the_key(crm):
    assert await Order.objects.filter(tenant__name="a", number__gt=1).update(note="u") == 2
    assert await Order.objects.filter(note="u").count() == 2
    assert (await Order.objects.filter(tenant__name="b").delete())[0] == 3


@pytest.mark.row("fields.composite_key")
async def test_bulk_writes(crm):
    for order in crm:
        order.note = order.note.upper()
    assert await Order.objects.bulk_update(crm, ["note"]) == 6
    assert notes(await Order.objects.order_by("pk")) == ["A1", "A2", "A3", "B1", "B2", "B3"]
    with pytest.raises(ValueError, match="primary keys"):
        await Order.objects.bulk_update(crm, ["number"])

    await Pair.objects.bulk_create([Pair(left=1, right=2), Pair(pk=(1, 3))])
    assert list(await Pair.objects.order_by("pk").values_list("pk", flat=True)) == [(1, 2), (1, 3)]


async def test_full_clean_asks_for_the_whole_key(crm):
    await Order(tenant_id=crm[0].tenant_id, number=9).full_clean()
    await crm[0].full_clean()

    with pytest.raises(ValidationError, match="already exists"):
        await Order(tenant_id=crm[0].tenant_id, number=1).full_clean()


async def test_the_joined_row_is_missing_only_when_its_key_is(crm):
    order = crm[0]
    order.code = "x"
    await order.save()
    await Line.objects.create(order_code=order, text="t")
    await Line.objects.create(text="loose")

    lines = await Line.objects.select_related("order_code").order_by("pk")

    assert [line.order_code and line.order_code.note for line in lines] == ["a1", None]
    assert [len(row.lines.all()) for row in await Order.objects.prefetch_related("lines").filter(pk=order.pk)] == [1]


def test_the_declaration_refuses_what_has_no_column():
    for names in ((), ("a",), ("a", "a")):
        with pytest.raises(ValueError, match="two fields"):
            models.CompositePrimaryKey(*names)
    for option in ("default", "db_default", "db_column", "editable"):
        with pytest.raises(ValueError, match=option):
            models.CompositePrimaryKey("a", "b", **{option: "x"})


def test_what_is_no_key_is_named():
    with pytest.raises(ValueError, match="as text, not 1"):
        models.CompositePrimaryKey(1, "b")  # type: ignore[arg-type]
    key = Order._meta.pk
    assert key.to_python(["1", "2"]) == (1, 2) and key.to_python(None) is None
    for wrong in ("(1, 2)", 1, (1, 2, 3)):
        with pytest.raises(ValidationError) as caught:
            key.to_python(wrong)
        assert caught.value.messages == ["Enter a valid value."]


def test_checks_name_what_cannot_be_part_of_a_key():
    with apps.isolate():

        class Bad(models.Model):
            key = models.CompositePrimaryKey("left", "nowhere", "maybe")
            left = models.IntegerField()
            maybe = models.IntegerField(null=True)

            class Meta:
                app_label = "crm"

        class Sound(Keyed):
            class Meta(Keyed.Meta):
                abstract = False

        class Referrer(models.Model):
            # Not to a model of the other tests, whose deletions would look for a table of this one.
            sound = models.ForeignKey(Sound, on_delete=models.CASCADE, related_name="+")

            class Meta:
                app_label = "crm"

        assert sorted(error.id for error in Bad.check()) == ["fields.E013", "models.E042", "models.E042"]
        assert [error.id for error in Referrer.check()] == ["fields.E347"]
    assert Order.check() == Pair.check() == []


def test_migrations_make_the_key_with_the_table_only():
    state = ProjectState()
    state.add_model(ModelState.from_model(Tenant))
    state.add_model(ModelState.from_model(Order))
    assert state.model("crm", "Order").key_names == ("tenant_id", "number")
    key = models.CompositePrimaryKey("left", "right")
    assert key.deconstruct()[2:] == (["left", "right"], {})

    for make in (lambda: AddField("Order", "pk", key), lambda: AlterField("Order", "pk", key)):
        with pytest.raises(StateError, match="only be made with its table"):
            make()
    with pytest.raises(StateError, match="only be made with its table"):
        RemoveField("Order", "pk").state_forwards("crm", state)
    RenameField("Order", "tenant", "customer").state_forwards("crm", state)
    assert state.model("crm", "Order").key_names == ("customer_id", "number")


async def test_the_table_of_a_migrated_state_has_the_key(database):
    state = ProjectState()
    for model in (Tenant, Order):
        state.add_model(ModelState.from_model(model))
    from covet.db.migrations.apply import tables_of

    async with database.schema_editor() as editor:
        for label in ("tenant", "order"):
            for owned in tables_of(state, ("crm", label)).values():
                await editor.create_table(owned.table)

    assert await database.introspection.primary_key("crm_order") == ("tenant_id", "number")
