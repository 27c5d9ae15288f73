"""Generic relations on the three databases: assignment, awaiting, prefetching, queries, managers and deletion."""

from __future__ import annotations

import asyncio
import copy
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.models.query.prefetch import Prefetch, prefetch_related_objects
from covet.db.models.table import table_of
from covet.db.observe import record_queries
from covet.exceptions import FieldError, NotLoaded, ObjectDoesNotExist, ValidationError
from tests.conftest import Scratch

pytestmark = pytest.mark.row("fields.generic")


@pytest.fixture
async def m(vendor: str, scratch: Scratch) -> AsyncIterator[Any]:
    """The models of ``remarks``, with their tables and content types; nothing is known of those yet."""
    from covet.apps.lifecycle import setup, started
    from covet.conf import override
    from covet.conf.service_url import parse_database
    from covet.db import connections
    from covet.db.database import Database
    from covet.db.migrations.execute import migrate_all

    url = await scratch(vendor)
    database = Database("default", parse_database(url))
    async with override(
        DATABASES={"default": url}, INSTALLED_APPS=["covet.contenttypes", "tests._apps.remarks"], DATABASE_ROUTERS=[]
    ):
        with connections.using({"default": database}):
            setup()
            async with started():
                await migrate_all(database)
                from covet.contenttypes.models import ContentType
                from tests._apps.remarks import models as found

                known = set(await database.introspection.tables())
                async with database.schema_editor() as editor:
                    for model in found.MODELS:
                        if model._meta.db_table not in known:
                            await editor.create_table(table_of(model))
                ContentType.objects.clear_cache()
                yield found
                await database.close()


def types() -> Any:
    from covet.contenttypes.models import ContentType

    return ContentType.objects


async def some_remarks(m: Any) -> list[Any]:
    """Four remarks about paintings, two about statues."""
    paintings = [await m.Painting.objects.create(title=f"P{number}") for number in range(4)]
    statues = [await m.Statue.objects.create(title=f"S{number}") for number in range(2)]
    for number, thing in enumerate([*paintings, *statues]):
        await m.Remark.objects.create(text=f"r{number}", about=thing)
    types().clear_cache()
    return [*paintings, *statues]


async def test_an_assigned_object_is_kept_and_its_keys_are_written(m):
    painting = await m.Painting.objects.create(title="Night Watch")

    remark = m.Remark(text="dark", about=painting)
    assert remark.about is painting
    await remark.save()

    again = await m.Remark.objects.get()
    assert (again.object_id, again.content_type_id) == (painting.pk, (await types().get_for_model(painting)).pk)
    assert remark.about is painting
    assert again.about == painting


async def test_keys_are_set_at_once_when_the_type_is_known(m):
    painting = await m.Painting.objects.create(title="x")
    kind = await types().get_for_model(painting)

    remark = m.Remark(about=painting)

    assert (remark.content_type_id, remark.object_id, remark.about) == (kind.pk, painting.pk, painting)
    remark.about = None
    assert (remark.content_type_id, remark.object_id, remark.about) == (None, None, None)


async def test_an_object_may_be_saved_after_it_was_assigned(m):
    painting = m.Painting(title="x")
    remark = m.Remark(text="a", about=painting)
    with pytest.raises(ValueError, match="unsaved Painting"):
        await remark.save()

    await painting.save()
    await remark.save()

    assert (await m.Remark.objects.get()).object_id == painting.pk


async def test_only_instances_can_be_assigned(m):
    with pytest.raises(ValueError, match=r"Remark\.about must be an instance"):
        m.Remark(about=3)


async def test_bulk_create_looks_types_up_too(m):
    painting = await m.Painting.objects.create(title="x")
    statue = await m.Statue.objects.create(title="y")

    await m.Remark.objects.bulk_create([m.Remark(text="a", about=painting), m.Remark(text="b", about=statue)])

    assert [await row.about for row in await m.Remark.objects.all()] == [painting, statue]


async def test_full_clean_knows_the_type_of_an_assigned_object(m):
    painting = await m.Painting.objects.create(title="x")
    label = m.Label(name="a", thing=painting)

    await label.full_clean()

    assert label.kind_id is not None
    with pytest.raises(ValidationError) as caught:
        await m.Label(name="a").full_clean()
    assert set(caught.value.message_dict) == {"kind", "key"}


async def test_awaiting_in_a_loop_takes_one_statement_for_each_model(m):
    things = await some_remarks(m)

    with record_queries() as queries:
        found = [await row.about for row in await m.Remark.objects.all()]

    assert found == things
    assert [one.title for one in found] == ["P0", "P1", "P2", "P3", "S0", "S1"]
    # The remarks, the content types, the paintings, the statues.
    assert len(queries) == 4


async def test_gather_loads_each_model_once(m):
    things = await some_remarks(m)
    rows = list(await m.Remark.objects.all())[::-1]

    async def load(row: Any) -> Any:
        return await row.about

    with record_queries() as queries:
        found = await asyncio.gather(*map(load, rows))

    assert found == things[::-1]
    assert len(queries) <= 4


@pytest.mark.row("relations.batches")
async def test_a_loop_over_reverse_relations_takes_one_statement(m):
    await some_remarks(m)
    await m.Remark.objects.create(text="more", about=await m.Painting.objects.get(title="P2"))

    with record_queries() as queries:
        rows = await m.Painting.objects.order_by("title")
        found = [[remark.text for remark in await painting.remarks.all()] for painting in rows]
        owners = {remark.about for painting in rows[:1] for remark in await painting.remarks.filter(text="r0")}

    assert found == [["r0"], ["r1"], ["r2", "more"], ["r3"]]
    assert owners == {rows[0]}
    # The paintings, their remarks, and the filtered ones of one painting.
    assert len(queries) == 3
    statue = await m.Statue.objects.first()
    assert [remark.text for remark in await statue.remarks.all()] == ["r4"]


async def test_an_object_of_a_known_type_knows_its_key_before_it_is_loaded(m):
    things = await some_remarks(m)
    await types().get_for_models(m.Painting, m.Statue)
    row = await m.Remark.objects.first()

    thing = row.about

    assert isinstance(thing, m.Painting)
    assert thing.pk == things[0].pk
    with pytest.raises(NotLoaded, match=r"await remark\.about"):
        thing.title
    assert (await thing) is thing is row.about
    assert thing.title == "P0"


async def test_an_object_of_an_unknown_type_says_what_to_write(m):
    things = await some_remarks(m)
    row = await m.Remark.objects.first()

    thing = row.about

    assert thing.pk == things[0].pk
    assert thing == row.about
    with pytest.raises(NotLoaded, match=r'await remark\.about.*prefetch_related\("about"\)'):
        thing.title
    assert (await thing).title == "P0"
    assert row.about.title == "P0"


async def test_changed_keys_lead_to_another_object(m):
    things = await some_remarks(m)
    row = await m.Remark.objects.prefetch_related("about").first()
    assert row.about.title == "P0"

    row.object_id = things[1].pk

    assert (await row.about).title == "P1"
    await row.refresh_from_db()
    assert (await row.about).title == "P0"


async def test_a_row_that_is_gone_is_named_once_asked(m):
    await some_remarks(m)
    await m.Painting.objects.filter(title__in=["P1", "P2"]).update(title="moved")
    kind = await types().get_for_model(m.Painting)
    await m.Remark.objects.filter(content_type=kind).update(object_id=999)
    types().clear_cache()
    rows = [row for row in await m.Remark.objects.all() if row.content_type_id == kind.pk]

    with record_queries() as queries:
        for row in rows:
            with pytest.raises(m.Painting.DoesNotExist, match=r"Remark\.about.*Painting with key 999"):
                await row.about
    assert len(queries) == 2

    prefetched = await m.Remark.objects.prefetch_related("about").filter(content_type=kind)
    assert [row.about for row in prefetched] == [None] * 4


async def test_a_type_whose_model_is_gone_is_named(m):
    gone = await types().create(app_label="remarks", model="fresco")
    await m.Remark.objects.create(text="a", content_type=gone, object_id=1)
    row = await m.Remark.objects.get()

    with pytest.raises(ObjectDoesNotExist, match=r"remarks\.fresco"):
        await row.about


async def test_fetch_modes_apply(m):
    await some_remarks(m)
    one_by_one = await m.Remark.objects.fetch_mode(models.FETCH_ONE).all()
    refusing = await m.Remark.objects.fetch_mode(models.FETCH_RAISE).all()

    with record_queries() as queries:
        for row in one_by_one:
            await row.about
    assert len([query for query in queries if "remarks_" in query.sql]) == 6
    with pytest.raises(NotLoaded, match="FETCH_RAISE"):
        await refusing[0].about


async def test_prefetching_takes_one_statement_for_each_model(m):
    things = await some_remarks(m)

    with record_queries() as queries:
        rows = await m.Remark.objects.prefetch_related("about")
    with record_queries() as later:
        assert [row.about.title for row in rows] == [thing.title for thing in things]

    assert (len(queries), len(later)) == (4, 0)
    row = await m.Remark.objects.first()
    await prefetch_related_objects([row], "about")
    assert row.about.title == "P0"
    fetched = await (await m.Remark.objects.first()).fetch("about")
    assert fetched.about.title == "P0"


async def test_generic_prefetch_reads_some_models_its_own_way(m):
    from covet.contenttypes import GenericPrefetch

    painter = await m.Painter.objects.create(name="Ann")
    await some_remarks(m)
    await m.Painting.objects.update(painter=painter)

    rows = await m.Remark.objects.prefetch_related(
        GenericPrefetch("about", [m.Painting.objects.select_related("painter"), m.Statue.objects.only("pk")])
    )

    assert rows[0].about.painter.name == "Ann"
    with pytest.raises(NotLoaded):
        rows[-1].about.title
    kept = await m.Remark.objects.prefetch_related(
        GenericPrefetch("about", [m.Painting.objects.filter(title="P1")], to_attr="chosen")
    )
    assert [getattr(row.chosen, "title", None) for row in kept] == [None, "P1", None, None, "S0", "S1"]


async def test_prefetches_that_cannot_work_are_refused(m):
    from covet.contenttypes import GenericPrefetch

    await some_remarks(m)
    with pytest.raises(ValueError, match="GenericPrefetch"):
        await m.Remark.objects.prefetch_related(Prefetch("about", m.Painting.objects.all()))
    with pytest.raises(ValueError, match="instances"):
        GenericPrefetch("about", [m.Painting.objects.values("pk")])


async def test_the_manager_of_the_other_side_reads_and_writes(m):
    painting = await m.Painting.objects.create(title="x")
    other = await m.Painting.objects.create(title="y")

    first = await painting.remarks.create(text="one")
    assert first.about is painting
    second = await other.remarks.create(text="two")
    await painting.remarks.add(second)
    assert second.about is painting
    assert [row.text for row in await painting.remarks.all()] == ["one", "two"]
    assert await other.remarks.count() == 0
    with record_queries() as queries:
        assert (await painting.remarks.get(text="one")).about is painting
    assert len(queries) == 1
    assert await painting.remarks.get_or_create(text="one") == (first, False)
    changed, is_new = await painting.remarks.update_or_create(text="one", defaults={"text": "uno"})
    assert (changed, is_new) == (first, False)
    new, is_new = await painting.remarks.get_or_create(text="three")
    assert is_new
    assert new.about is painting

    await painting.remarks.remove(second)
    assert sorted([row.text for row in await m.Remark.objects.all()]) == ["three", "uno"]
    await painting.remarks.set([new])
    assert [row.text for row in await m.Remark.objects.all()] == ["three"]
    await painting.remarks.bulk_create([m.Remark(text="four")])
    assert await painting.remarks.count() == 2
    await painting.remarks.set([new], clear=True, bulk=False)
    await painting.remarks.clear()
    assert await m.Remark.objects.count() == 0


async def test_the_manager_refuses_what_cannot_be(m):
    painting = await m.Painting.objects.create(title="x")

    with pytest.raises(ValueError, match="not saved"):
        await m.Painting(title="new").remarks.all()
    with pytest.raises(ValueError, match="bulk=False"):
        await painting.remarks.add(m.Remark(text="new"))
    with pytest.raises(TypeError, match="Remark objects"):
        await painting.remarks.add(painting)
    with pytest.raises(TypeError, match=r"remarks\.set"):
        painting.remarks = []
    await painting.remarks.add(m.Remark(text="new"), bulk=False)
    assert await painting.remarks.count() == 1


async def test_the_other_side_is_prefetched(m):
    things = await some_remarks(m)
    await things[0].remarks.create(text="more")

    with record_queries() as queries:
        paintings = await m.Painting.objects.prefetch_related("remarks")
    with record_queries() as later:
        texts = [[row.text for row in painting.remarks.all()] for painting in paintings]
        assert paintings[0].remarks.all()[0].about is paintings[0]

    assert texts == [["r0", "more"], ["r1"], ["r2"], ["r3"]]
    assert (len(queries), len(later)) == (2, 0)
    newest = Prefetch("remarks", m.Remark.objects.order_by("-pk")[:1], to_attr="newest")
    assert [[row.text for row in one.newest] for one in await m.Painting.objects.prefetch_related(newest)] == [
        ["more"],
        ["r1"],
        ["r2"],
        ["r3"],
    ]


async def test_queries_follow_the_relation_both_ways(m):
    things = await some_remarks(m)
    # A statue with the key of a painting: the type must tell them apart.
    assert things[4].pk == things[0].pk

    assert [one.title for one in await m.Painting.objects.filter(remarks__text="r0")] == ["P0"]
    assert [one.title for one in await m.Painting.objects.filter(remarks__text="r4")] == []
    assert [one.title for one in await m.Statue.objects.filter(remarks__text__in=["r0", "r4"])] == ["S0"]
    assert [one.text for one in await m.Remark.objects.filter(painting__title="P0")] == ["r0"]
    assert [one.text for one in await m.Remark.objects.filter(statue__title__startswith="S")] == ["r4", "r5"]
    assert await m.Painting.objects.exclude(remarks__text="r0").count() == 3
    counted = await m.Painting.objects.annotate(n=models.Count("remarks")).order_by("title").values_list("title", "n")
    assert list(counted) == [("P0", 1), ("P1", 1), ("P2", 1), ("P3", 1)]
    assert await m.Painting.objects.filter(remarks__isnull=True).count() == 0
    assert await m.Painting.objects.filter(remarks=await m.Remark.objects.get(text="r1")).get() == things[1]
    assert await m.Remark.objects.filter(painting=things[2]).get() == await m.Remark.objects.get(text="r2")


async def test_a_filtered_generic_relation_keeps_to_its_type(m):
    things = await some_remarks(m)
    await m.Remark.objects.create(about=things[0], text="more")
    some = models.FilteredRelation("remarks", condition=models.Q(remarks__text__startswith="r"))
    rows = m.Painting.objects.annotate(some=some).order_by("title")

    assert await rows.values_list("title", "some__text") == [("P0", "r0"), ("P1", "r1"), ("P2", "r2"), ("P3", "r3")]
    assert await rows.annotate(n=models.Count("some"), m=models.Count("remarks")).values_list("n", "m").first() == (
        2,
        2,
    )
    assert [one.title for one in await rows.exclude(some__text="r0")] == ["P1", "P2", "P3"]
    assert [one.title for one in await rows.exclude(some__text="more")] == ["P0", "P1", "P2", "P3"]
    assert [one.title for one in await rows.filter(some__text="r0", remarks__text="more")] == ["P0"]
    assert await rows.filter(some__text="r4").count() == 0, "a remark about a statue with the same key"
    before = m.Painting.objects.values_list("remarks__text", flat=True).filter(remarks__text="more")
    assert sorted(await before) == ["more", "r0"]


async def test_a_generic_key_is_no_name_in_queries(m):
    painting = await m.Painting.objects.create(title="x")

    with pytest.raises(FieldError, match="'content_type' and 'object_id'"):
        m.Remark.objects.filter(about=painting)


async def test_rows_are_deleted_with_what_they_refer_to(m):
    things = await some_remarks(m)

    total, counts = await things[0].delete()
    assert (total, counts) == (2, {"remarks.Remark": 1, "remarks.Painting": 1})
    await m.Painting.objects.filter(title__in=["P1", "P2"]).delete()

    assert [row.text for row in await m.Remark.objects.all()] == ["r3", "r4", "r5"]
    await m.Remark.objects.get(text="r3")
    painter = await m.Painter.objects.create(name="Ann")
    await m.Painting.objects.update(painter=painter)
    await painter.delete()
    assert [row.text for row in await m.Remark.objects.all()] == ["r4", "r5"]


async def test_a_child_with_a_table_has_rows_of_its_own_type(m):
    fountain = await m.Fountain.objects.create(title="Trevi")
    remark = await fountain.remarks.create(text="wet")

    assert (await (await m.Remark.objects.get()).about) == fountain
    assert remark.content_type_id == (await types().get_for_model(m.Fountain)).pk
    assert await m.Fountain.objects.filter(remarks__text="wet").get() == fountain
    assert await m.Statue.objects.filter(remarks__text="wet").count() == 0
    await fountain.delete()
    assert await m.Remark.objects.count() == 0


async def test_a_proxy_counts_as_its_model_unless_told_otherwise(m):
    proxy = await m.Landscape.objects.create(title="hills")

    remark = await m.Remark.objects.create(text="a", about=proxy)
    label = await m.Label.objects.create(name="b", thing=proxy)

    assert type(await (await m.Remark.objects.get(pk=remark.pk)).about) is m.Painting
    assert type(await (await m.Label.objects.get(pk=label.pk)).thing) is m.Landscape
    assert await proxy.labels.count() == 1
    assert await (await m.Painting.objects.get()).labels.count() == 0


async def test_keys_of_any_kind_fit_into_a_text(m):
    painting = await m.Painting.objects.create(title="x")
    poster = await m.Poster.objects.create(id=uuid.uuid4())
    await painting.labels.create(name="a")
    await m.Label.objects.create(name="b", thing=poster)
    broken = await m.Label.objects.create(name="c", kind=await types().get_for_model(m.Painting), key="no number")

    assert [await row.thing for row in await m.Label.objects.filter(name__in=["a", "b"]).order_by("name")] == [
        painting,
        poster,
    ]
    assert [row.name for row in await poster.labels.all()] == ["b"]
    assert [row.name for row in (await m.Painting.objects.prefetch_related("labels").get()).labels.all()] == ["a", "c"][
        :1
    ]
    with pytest.raises(m.Painting.DoesNotExist, match="no number"):
        await (await m.Label.objects.get(pk=broken.pk)).thing
    await poster.delete()
    assert [row.name for row in await m.Label.objects.order_by("name")] == ["a", "c"]


async def test_queries_compare_keys_of_any_kind_with_texts(m):
    """Whatever the database makes of a UUID, and where it compares no number with a text; both ways."""
    paintings = [await m.Painting.objects.create(title=title) for title in "xy"]
    posters = [await m.Poster.objects.create(id=uuid.uuid4()) for _ in range(2)]
    await m.Label.objects.create(name="broken", kind=await types().get_for_model(m.Painting), key="no number")
    for thing in (paintings[0], posters[0]):
        await m.Label.objects.create(name="a", thing=thing)
        await m.Label.objects.create(name="b", thing=thing)

    for model, (first, second) in ((m.Painting, paintings), (m.Poster, posters)):
        assert await model.objects.filter(labels__name="a").get() == first
        assert await model.objects.exclude(labels__name="a").get() == second
        assert await model.objects.filter(labels__isnull=True).get() == second
        counted = model.objects.annotate(n=models.Count("labels")).values_list("pk", "n")
        assert dict(await counted) == {first.pk: 2, second.pk: 0}
        assert (
            await model.objects.filter(
                models.Exists(model.objects.filter(pk=models.OuterRef("pk"), labels__name="b"))
            ).get()
            == first
        )
    assert await m.Label.objects.filter(poster=posters[0]).count() == 2
    assert await m.Label.objects.filter(poster__pk__in=[row.pk for row in posters], name="a").count() == 1


async def test_texts_that_are_no_keys_are_in_nobodys_way(m):
    """Whatever stands in a text of another model, or of this one: it is read as a key only where it spells one."""
    painting = await m.Painting.objects.create(id=2**63 - 1, title="x")
    small = await m.Painting.objects.create(id=-7, title="small")
    poster = await m.Poster.objects.create(id=uuid.UUID("e052a64a-990c-47ef-803c-051fd51c4d18"))
    kinds = [await types().get_for_model(model) for model in (m.Painting, m.Poster)]
    broken = [
        "no number",
        "",
        "-",
        "9223372036854775808",
        "9" * 20,
        "1.5",
        "12 monkeys",
        "0",
        " 7",
        poster.id.hex,
        "%s",
    ]
    await m.Label.objects.bulk_create([m.Label(name="broken", kind=kind, key=key) for kind in kinds for key in broken])
    for thing in (painting, small, poster):
        await m.Label.objects.create(name="good", thing=thing)

    for label, name, found in (("painting", "title", {"x", "small"}), ("poster", "pk", {poster.pk})):
        path = f"{label}__{name}"
        rows = m.Label.objects.filter(**{f"{label}__isnull": False})
        assert {row[path] for row in await rows.values(path)} == found
        assert {row[path] for row in await m.Label.objects.values(path)} == {*found, None}
        assert await m.Label.objects.filter(**{f"{label}__isnull": True}).count() == 2 * len(broken) + 3 - len(found)
    assert await m.Label.objects.filter(painting=painting).update(name="changed") == 1
    assert await m.Label.objects.filter(poster__pk=poster.pk).update(name="changed") == 1
    assert (await m.Label.objects.filter(painting__title="small").delete())[0] == 1
    assert await m.Label.objects.filter(name="broken").count() == 2 * len(broken)


async def test_indexes_find_rows_and_owners_where_keys_are_texts(m):
    """Neither the index on the row's two columns nor that of the owner's key is lost to a cast; both ways, for both keys."""
    from covet.db import connections

    database = connections["default"]
    quote = database.dialect.quote
    table, columns = m.Label._meta.db_table, f"{quote('kind_id')}, {quote('key')}"
    await database.execute(f"CREATE INDEX label_of ON {quote(table)} ({columns})")
    paintings = await m.Painting.objects.bulk_create([m.Painting(title=f"{number}") for number in range(1500)])
    posters = await m.Poster.objects.bulk_create([m.Poster(id=uuid.uuid4()) for _ in range(1500)])
    owners = ((m.Painting, paintings), (m.Poster, posters))
    for model, things in owners:
        kind = await types().get_for_model(model)
        await m.Label.objects.bulk_create(
            [m.Label(name=str(one.pk)[:20], kind=kind, key=str(one.pk)) for one in things]
        )
    for model in (m.Label, m.Painting, m.Poster):
        name = quote(model._meta.db_table)
        await database.fetch(f"ANALYZE TABLE {name}" if database.vendor == "mysql" else f"ANALYZE {name}")

    for model, things in owners:
        name, one = model._meta.model_name, things[700]
        row = await m.Label.objects.get(key=str(one.pk))
        to_rows = [
            model.objects.filter(pk=one.pk, labels__name="x"),
            model.objects.filter(pk=one.pk).exclude(labels__name="x"),
            m.Label.objects.filter(**{name: one}),
            one.labels.all(),
        ]
        for queryset in to_rows:
            assert uses_index(database.vendor, await queryset.explain(), table, "label_of")
        to_owners = m.Label.objects.filter(pk=row.pk, **{f"{name}__isnull": False})
        assert uses_index(database.vendor, await to_owners.explain(), model._meta.db_table, "")
        assert await to_owners == [row] and await to_rows[2] == [row]


def uses_index(vendor: str, plan: str, table: str, index: str) -> bool:
    """Whether a table is read by an index (of that name, else any) that finds single rows, and nowhere as a whole."""
    lines = [line for line in plan.splitlines() if table in line]
    if vendor == "postgresql":
        return any(f"using {index}" in line for line in lines) and not any("Seq Scan on" in line for line in lines)
    if vendor == "sqlite":
        return all("SEARCH" in line and (index in line) for line in lines) and bool(lines)
    return all(re.search(rf" {table} (const|ref|eq_ref) \S+ {index or 'PRIMARY'} ", line) for line in lines) and bool(
        lines
    )


async def test_copies_keep_the_object(m):
    await some_remarks(m)
    row = await m.Remark.objects.prefetch_related("about").first()

    assert copy.copy(row).about is row.about
    assert copy.deepcopy(row).about == row.about


def test_checks_name_what_is_missing(m):
    from covet.contenttypes import GenericForeignKey, GenericRelation

    with apps.isolate():

        class Bare(models.Model):
            content_type = models.IntegerField()
            about = GenericForeignKey()
            other = GenericForeignKey("nowhere", "id")
            third = GenericForeignKey("painter", "id")
            painter = models.ForeignKey(m.Painter, on_delete=models.DB_CASCADE)
            bares = GenericRelation("Bare", "nowhere", "elsewhere")
            fine = GenericRelation("Bare", "painter", "id")

            class Meta:
                app_label = "bare"

        found = {(error.id, str(error.obj)) for error in Bare.check() if error.id.startswith("contenttypes")}

    assert found == {
        ("contenttypes.E001", "bare.Bare.about"),
        ("contenttypes.E003", "bare.Bare.about"),
        ("contenttypes.E002", "bare.Bare.other"),
        ("contenttypes.E004", "bare.Bare.third"),
        ("contenttypes.E004", "bare.Bare.bares"),
        ("contenttypes.E006", "bare.Bare.fine"),
    }


async def test_a_row_of_several_keys_is_refused_by_name(m):
    """One value is kept of the key; the text of several would find the row on no database."""
    from covet.contenttypes import GenericForeignKey, GenericRelation
    from covet.contenttypes.models import ContentType

    tile = await m.Tile.objects.create(left=1, right=2)
    label = m.Label(kind=await types().get_for_model(m.Tile), key="(1, 2)")
    refused = r"cannot lead to Tile: its primary key has several fields \(left, right\)"
    for use in (lambda: m.Label(thing=tile), lambda: setattr(label, "thing", tile), lambda: label.thing):
        with pytest.raises(ValueError, match=refused):
            use()
    with pytest.raises(ValueError, match=refused):
        await prefetch_related_objects([label], "thing")

    with apps.isolate():

        class Part(models.Model):
            pk = models.CompositePrimaryKey("left", "right")
            left = models.IntegerField()
            right = models.IntegerField()
            notes = GenericRelation("Note", related_query_name="part")

            class Meta:
                app_label = "parts"

        class Note(models.Model):
            content_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
            object_id = models.CharField(max_length=20)
            about = GenericForeignKey()

            class Meta:
                app_label = "parts"

        assert [error.id for error in Part.check()] == ["fields.E347"]
        for ask in (
            lambda: Part(left=1, right=2).notes.all(),
            lambda: str(Part.objects.filter(notes__object_id="x").query),
            lambda: str(Note.objects.filter(part__left=1).query),
        ):
            with pytest.raises(ValueError, match="cannot lead to Part"):
                ask()


def test_a_model_name_that_does_not_fit_is_named(m):
    from covet.contenttypes.rows import check_model_names

    class Config:
        def get_models(self) -> list[Any]:
            return [type("Long", (), {"_meta": type("meta", (), {"model_name": "x" * 101, "label": "a.Long"})})]

    assert [error.id for error in check_model_names(Config())] == ["contenttypes.E005"]
    assert list(check_model_names(apps)) == []
