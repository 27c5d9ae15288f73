"""What options of fields, relations and models do in a real database: indexes, keys without constraints, own fields, rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.errors import ForeignKeyViolation, IntegrityError
from covet.db.models import functions as fn
from covet.db.models import signals
from covet.db.models.table import table_of
from covet.db.observe import record_queries
from covet.db.sql.nodes import ColumnType
from covet.exceptions import FieldDoesNotExist, FieldError, ValidationError
from tests.db.models.conftest import create_tables


class Celsius:
    """A value of a project's own."""

    def __init__(self, tenths: int) -> None:
        self.tenths = tenths

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Celsius) and other.tenths == self.tenths

    def __hash__(self) -> int:
        return hash(self.tenths)


class CelsiusField(models.Field[Celsius]):
    """Kept as a number of tenths; ``rounded`` cuts them off at each save."""

    description = "a temperature"

    def __init__(self, *args: Any, rounded: bool = False, **options: Any) -> None:
        self.rounded = rounded
        super().__init__(*args, **options)

    def column_type(self) -> ColumnType:
        return models.IntegerField().column_type()

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "rounded": True} if self.rounded else kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else Celsius(value)

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, Celsius):
            return value
        try:
            return Celsius(round(float(value) * 10))
        except ValueError:
            raise ValidationError("This is no temperature.", code="invalid") from None

    def get_prep_value(self, value: Any) -> Any:
        value = self.to_python(value)
        return None if value is None else value.tenths

    def pre_save(self, instance: Any, add: bool) -> Any:
        value = super().pre_save(instance, add)
        if self.rounded and value is not None:
            value = Celsius(value.tenths // 10 * 10)
            setattr(instance, self.attname, value)
        return value


class NoColumnField(models.Field[Any]):
    """What a project computes and no table holds."""

    def column_type(self) -> None:
        return None


with apps.isolate():

    class Base(models.Model):
        class Meta:
            abstract = True
            app_label = "options"

    class Town(Base):
        name = models.CharField(max_length=30)
        is_open = models.BooleanField(default=True)

    class Lane(Base):
        name = models.CharField(max_length=30)

    class Village(Base):
        name = models.CharField(max_length=30)

    class City(Base):
        name = models.CharField(max_length=30)

    class County(Base):
        name = models.CharField(max_length=30)

    class Open(models.Manager["Kept"]):
        def get_queryset(self) -> Any:
            return super().get_queryset().filter(is_open=True)

    class Kept(Base):
        """Its default manager hides what is not open."""

        name = models.CharField(max_length=30)
        is_open = models.BooleanField(default=True)
        town = models.ForeignKey(Town, on_delete=models.CASCADE, null=True, related_name="kept")
        open_ones = Open()
        objects = models.Manager["Kept"]()

    class Note(Base):
        kept = models.ForeignKey(Kept, on_delete=models.CASCADE, related_name="notes")

    class Indexed(Base):
        plain = models.CharField(max_length=30)
        fast = models.CharField(max_length=30, db_index=True)
        number = models.IntegerField(db_index=True, db_column="the number")
        slug = models.SlugField()
        town = models.ForeignKey(Lane, on_delete=models.CASCADE, related_name="+")
        loose = models.ForeignKey(Lane, on_delete=models.CASCADE, db_index=False, null=True, related_name="+")

        class Meta(Base.Meta):
            indexes = [
                models.Index(fields=["plain", "-number"]),
                models.Index(fields=["plain"], name="options_by_plain"),
            ]

    class Partial(Base):
        plain = models.CharField(max_length=30)
        number = models.IntegerField()

        class Meta(Base.Meta):
            indexes = [
                models.Index(fields=["number"], condition=models.Q(number__gt=3), name="options_big"),
                models.Index(fn.Lower("plain"), models.F("number").desc(), name="options_lower"),
            ]

    class Reading(Base):
        value = CelsiusField()
        floor = CelsiusField(rounded=True, null=True)
        other = NoColumnField(null=True)

    class Choosy(Base):
        by_dict = models.ForeignKey(
            Town, models.CASCADE, null=True, blank=True, limit_choices_to={"is_open": True}, related_name="+"
        )
        by_q = models.ForeignKey(
            Town, models.CASCADE, null=True, blank=True, limit_choices_to=models.Q(kept__name="x"), related_name="+"
        )
        by_function = models.ForeignKey(
            Town, models.CASCADE, null=True, blank=True, limit_choices_to=lambda: {"name": "here"}, related_name="+"
        )

    class Dangling(Base):
        town = models.ForeignKey(Village, on_delete=models.DO_NOTHING, db_constraint=False, related_name="dangling")
        towns: models.ManyToManyField[Village] = models.ManyToManyField(Village, db_constraint=False, related_name="+")

    class Strict(Base):
        town = models.ForeignKey(City, on_delete=models.DO_NOTHING, related_name="+")

    class Gone(Base):
        town = models.ForeignKey(County, on_delete=models.DB_CASCADE, related_name="+")

    class Below(Base):
        gone = models.ForeignKey(Gone, on_delete=models.DB_CASCADE, related_name="+")

    class Emptied(Base):
        town = models.ForeignKey(County, on_delete=models.DB_SET_NULL, null=True, related_name="+")

    class Animal(Base):
        name = models.CharField(max_length=30)

    class Dog(Animal):
        tricks = models.IntegerField(default=0)


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    yield database


async def _indexes(database: Database, model: type[models.Model]) -> dict[tuple[Any, ...], list[Any]]:
    """Return the indexes of a model's table by their columns, without those of keys and unique rules."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for index in await database.introspection.indexes(model._meta.db_table):
        if not index.unique and not index.primary_key:
            found.setdefault(index.columns, []).append(index)
    return found


@pytest.mark.row("fields.db_index", "fields.db_column", "constraints.index", "connections.introspection")
async def test_indexes_are_made_where_they_are_asked_for(db: Database) -> None:
    await create_tables(db, [Lane, Indexed])
    found = await _indexes(db, Indexed)
    expected = {("fast",), ("the number",), ("slug",), ("town_id",), ("plain",), ("plain", "the number")}
    # InnoDB makes an index for every constraint of a foreign key, whatever the model says.
    assert set(found) - {("loose_id",)} == expected
    assert (("loose_id",) in found) is (db.vendor == "mysql")
    # A second one for look-ups by LIKE, where the usual one cannot serve them.
    assert len(found[("fast",)]) == (2 if db.vendor == "postgresql" else 1)
    assert len(found[("the number",)]) == 1
    assert "options_by_plain" in [index.name for index in found[("plain",)]]
    (made,) = found[("plain", "the number")]
    assert made.name == Indexed._meta.indexes[0].name
    assert len(made.name) <= 30
    assert made.descending == (False, True)
    # Made anew, they have the same names.
    assert [index.name for index in table_of(Indexed).indexes] == [index.name for index in table_of(Indexed).indexes]


@pytest.mark.row("constraints.index", on=("postgresql", "sqlite"))
@pytest.mark.vendors("postgresql", "sqlite")
async def test_indexes_have_conditions_and_expressions(db: Database) -> None:
    await create_tables(db, [Partial])
    by_name = {index.name: index for index in await db.introspection.indexes(Partial._meta.db_table)}
    assert "3" in (by_name["options_big"].condition or "")
    assert by_name["options_lower"].columns == (None, None) or by_name["options_lower"].columns == (None, "number")
    await Partial.objects.create(plain="Ä", number=5)
    assert await Partial.objects.filter(number__gt=3).count() == 1


def test_wrong_indexes_raise_at_once() -> None:
    with pytest.raises(ValueError, match="name"):
        models.Index(fn.Lower("plain"))
    with pytest.raises(ValueError, match="fields"):
        models.Index(fn.Lower("plain"), fields=["plain"], name="x")


@pytest.mark.row("fields.custom")
async def test_a_field_of_a_projects_own_travels_both_ways(db: Database) -> None:
    await create_tables(db, [Reading])
    columns = [column.name for column in await db.introspection.columns(Reading._meta.db_table)]
    assert columns == ["id", "value", "floor"]
    made = await Reading.objects.create(value=Celsius(215), floor=Celsius(219))
    assert made.floor == Celsius(210)
    row = await Reading.objects.get(value=Celsius(215))
    assert (row.value, row.floor) == (Celsius(215), Celsius(210))
    assert await Reading.objects.filter(value__in=[Celsius(1), "21.5"]).count() == 1
    assert await Reading.objects.filter(value__gt="21.4", floor__isnull=False).exists()
    assert await Reading.objects.values_list("value", flat=True) == [Celsius(215)]
    await Reading.objects.bulk_create([Reading(value=Celsius(5)), Reading(value="0.7", floor=Celsius(9))])
    assert await Reading.objects.filter(floor=Celsius(0)).count() == 1
    await Reading.objects.filter(value=Celsius(5)).update(value=Celsius(6))
    assert [one.value for one in await Reading.objects.order_by("value")] == [Celsius(6), Celsius(7), Celsius(215)]
    assert await Reading.objects.aggregate(most=models.Max("value")) == {"most": Celsius(215)}
    row.value = "wrong"  # type: ignore[assignment]  # what a form may do
    with pytest.raises(ValidationError, match="no temperature"):
        await row.full_clean()
    row.value = "3"  # type: ignore[assignment]  # as above
    await row.full_clean(exclude=["other"])
    assert row.value == Celsius(30)
    field = Reading._meta.get_field("floor")
    name, path, args, kwargs = field.deconstruct()
    assert (name, path.rpartition(".")[2], kwargs) == ("floor", "CelsiusField", {"rounded": True, "null": True})
    again = CelsiusField(*args, **kwargs)
    assert again.deconstruct()[1:] == (path, args, kwargs)
    assert field.clone().rounded  # type: ignore[attr-defined]


@pytest.mark.row("relations.limit_choices")
async def test_choices_are_limited_when_an_instance_is_cleaned(db: Database) -> None:
    await create_tables(db, [Town, Kept, Choosy])
    shut = await Town.objects.create(name="shut", is_open=False)
    here = await Town.objects.create(name="here")
    for _ in range(2):
        await Kept.objects.create(name="x", town=here)
    await Choosy(by_dict=here, by_q=here, by_function=here).full_clean()
    await Choosy().full_clean()
    for name in ("by_dict", "by_q", "by_function"):
        for wrong in (Choosy(**{name: shut}), Choosy(**{f"{name}_id": shut.pk}), Choosy(**{f"{name}_id": 999})):
            with pytest.raises(ValidationError) as caught:
                await wrong.full_clean()
            assert list(caught.value.message_dict) == [name]
        await Choosy(**{name: shut}).full_clean(exclude=[name])
    # Saving does not ask, and what may be chosen comes once, whatever the condition joins.
    await Choosy.objects.create(by_dict=shut)
    field = Choosy._meta.get_field("by_q")
    assert await Town.objects.complex_filter(field.get_limit_choices_to()).distinct() == [here]
    assert Choosy._meta.get_field("by_function").get_limit_choices_to() == {"name": "here"}


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        (["is_open"], r"not \['is_open'\]\."),
        ("is_open", r"not 'is_open'\."),
        ({"is_opn": True}, r"Did you mean 'is_open'\?"),
        (models.Q(is_opn=True), r"Did you mean 'is_open'\?"),
        (lambda: 7, r"not 7\."),
        ({1: 2}, r"must be strings\."),
    ],
)
@pytest.mark.row("relations.limit_choices")
async def test_a_limit_that_is_none_is_told_with_its_field(db: Database, limit: Any, why: str) -> None:
    with apps.isolate():
        # A target of its own: every other would know of the relation for good.
        class Aim(Base):
            is_open = models.BooleanField(default=True)

        class Fussy(Base):
            town = models.ForeignKey(Aim, models.CASCADE, limit_choices_to=limit, related_name="+")

    with pytest.raises(FieldError, match=rf"^limit_choices_to of Fussy\.town is .*{why} It takes a Q object") as caught:
        await Fussy(town_id=1).full_clean()
    assert (caught.value.model, caught.value.name) == (Fussy, "town")


@pytest.mark.row("relations.no_constraint", "deletion.do_nothing")
async def test_a_key_without_a_constraint_may_lead_nowhere(db: Database) -> None:
    through: Any = Dangling.towns.through  # type: ignore[attr-defined]  # made for the field
    await create_tables(db, [Village, Dangling, through])
    town = await Village.objects.create(name="a")
    row = await Dangling.objects.create(town=town)
    await row.towns.add(town, 777)
    # The rows between go with it all the same, as rows of a model with CASCADE.
    assert await town.delete() == (2, {"options.Village": 1, through._meta.label: 1})
    row = await Dangling.objects.get()
    assert row.town_id is not None  # type: ignore[attr-defined]
    with pytest.raises(Village.DoesNotExist, match=r"Dangling\.town"):
        await row.town
    assert await Dangling.objects.select_related("town").count() == 1
    assert await row.towns.all() == []
    assert await through.objects.count() == 1
    orphan = await Dangling.objects.create(town_id=999)
    assert orphan.pk
    with pytest.raises(ValidationError):
        await orphan.full_clean()


@pytest.mark.row("deletion.do_nothing")
async def test_with_do_nothing_the_database_decides(db: Database) -> None:
    await create_tables(db, [City, Strict])
    town = await City.objects.create(name="a")
    row = await Strict.objects.create(town=town)
    with record_queries() as queries, pytest.raises(IntegrityError) as caught:
        await town.delete()
    assert isinstance(caught.value, ForeignKeyViolation)
    assert all("strict" not in query.sql.lower().partition("where")[0] for query in queries)
    assert await City.objects.filter(name="a").exists()
    await row.delete()
    await City.objects.all().delete()
    assert await City.objects.count() == 0


@pytest.mark.row("deletion.database")
async def test_rules_of_the_database_need_one_statement_and_no_signals(db: Database) -> None:
    await create_tables(db, [County, Gone, Below, Emptied])
    towns = [await County.objects.create(name=name) for name in "ab"]
    for town in towns:
        await Below.objects.create(gone=await Gone.objects.create(town=town))
        await Emptied.objects.create(town=town)
    told: list[Any] = []

    def note(sender: Any, **named: Any) -> None:
        told.append(sender)

    signals.post_delete.connect(note, sender=Gone)
    signals.pre_delete.connect(note, sender=Below)
    try:
        with record_queries() as queries:
            assert await towns[0].delete() == (1, {"options.County": 1})
            assert await County.objects.filter(pk=towns[1].pk).delete() == (1, {"options.County": 1})
    finally:
        signals.post_delete.disconnect(note, sender=Gone)
        signals.pre_delete.disconnect(note, sender=Below)
    assert [query.sql.split()[0] for query in queries if query.sql.split()[0] not in ("BEGIN", "COMMIT")] == [
        "DELETE",
        "DELETE",
    ]
    assert told == []
    assert (await Gone.objects.count(), await Below.objects.count()) == (0, 0)
    assert await Emptied.objects.filter(town=None).count() == 2


@pytest.mark.row("deletion.database", on=("postgresql", "sqlite"))
@pytest.mark.vendors("postgresql", "sqlite")
async def test_the_database_sets_its_default(db: Database) -> None:
    with apps.isolate():

        class Place(Base):
            pass

        class Thing(Base):
            place = models.ForeignKey(Place, on_delete=models.DB_SET_DEFAULT, db_default=1, related_name="+")

    await create_tables(db, [Place, Thing])
    first, second = await Place.objects.create(pk=1), await Place.objects.create(pk=2)
    thing = await Thing.objects.create(place=second)
    await second.delete()
    await thing.refresh_from_db()
    assert thing.place_id == first.pk  # type: ignore[attr-defined]


def test_rules_of_database_and_python_do_not_mix() -> None:
    with apps.isolate():

        class Top(Base):
            pass

        class Middle(Base):
            top = models.ForeignKey(Top, on_delete=models.DB_CASCADE, related_name="+")

        class Bottom(Base):
            middle = models.ForeignKey(Middle, on_delete=models.CASCADE, related_name="+")
            unset = models.ForeignKey(Top, on_delete=models.DB_SET_DEFAULT, related_name="+")
            never = models.ForeignKey(Top, on_delete=models.DB_SET_NULL, related_name="+")

        found = {message.id for model in (Middle, Bottom) for message in model.check()}
    assert {"fields.E320", "fields.E322", "fields.E323"} <= found


@pytest.mark.row("models.force_insert_parents")
async def test_a_tuple_names_the_parents_that_are_inserted(db: Database) -> None:
    await create_tables(db, [Animal, Dog])
    animal = await Animal.objects.create(name="a")
    # The parent's row is there: only the child's is new.
    dog = Dog(animal_ptr=animal, name="b")
    with record_queries() as queries:
        await dog.save(force_insert=True)
    assert [query.sql.split()[0] for query in queries if "options_" in query.sql] == ["UPDATE", "INSERT"]
    assert (await Animal.objects.get()).name == "b"
    for forced in ((Animal,), (models.Model,)):
        with pytest.raises(IntegrityError):
            await Dog(animal_ptr=animal, name="c").save(force_insert=forced)
        fresh = Dog(pk=50 + len(await Dog.objects.all()), name="new")
        with record_queries() as queries:
            await fresh.save(force_insert=forced)
        assert [query.sql.split()[0] for query in queries if "options_" in query.sql] == ["INSERT", "INSERT"]
    assert await Dog.objects.filter(name="new").count() == 2
    with pytest.raises(TypeError, match="no base of Dog"):
        await dog.save(force_insert=(Town,))
    with pytest.raises(TypeError, match="tuple"):
        await dog.save(force_insert=[Animal])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no base"):
        await dog.save(force_insert=("Animal",))  # type: ignore[arg-type]


@pytest.mark.row("managers.default_base")
async def test_single_rows_are_found_by_the_base_manager_and_sets_by_the_default_one(db: Database) -> None:
    await create_tables(db, [Town, Kept, Note, Choosy])
    town = await Town.objects.create(name="a")
    hidden = await Kept.objects.create(name="hidden", is_open=False, town=town)
    await Kept.objects.create(name="seen", town=town)
    note = await Note.objects.create(kept=hidden)
    assert Kept._default_manager is Kept.open_ones
    assert type(Kept._base_manager) is models.Manager
    # Sets go by the default manager, or the one that is asked for.
    assert [one.name for one in await town.kept.all()] == ["seen"]  # type: ignore[attr-defined]
    assert len(await town.kept(manager="objects").all()) == 2  # type: ignore[attr-defined]
    (prefetched,) = await Town.objects.prefetch_related("kept")
    assert [one.name for one in prefetched.kept.all()] == ["seen"]
    # One row is found whatever the default manager hides.
    (found,) = await Note.objects.all()
    assert (await found.kept).name == "hidden"
    (joined,) = await Note.objects.select_related("kept")
    assert joined.kept.name == "hidden"
    hidden.name = "changed"
    await hidden.save()
    await hidden.refresh_from_db()
    assert hidden.name == "changed"
    await note.full_clean()
    # So does deletion see all rows that refer.
    assert await town.delete() == (4, {"options.Town": 1, "options.Kept": 2, "options.Note": 1})


@pytest.mark.row("managers.default_base")
async def test_meta_names_the_manager_that_finds_single_rows(db: Database) -> None:
    with apps.isolate():

        class Only(models.Manager["Any"]):
            def get_queryset(self) -> Any:
                return super().get_queryset().filter(is_open=True)

        class Shop(Base):
            is_open = models.BooleanField(default=True)
            everything = models.Manager["Any"]()
            only = Only()

            class Meta(Base.Meta):
                base_manager_name = "only"
                default_manager_name = "only"

        class Visit(Base):
            shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="+")

    await create_tables(db, [Shop, Visit])
    shop = await Shop.everything.create(is_open=False)
    visit = await Visit.objects.create(shop_id=shop.pk)
    with pytest.raises(Shop.DoesNotExist):
        await visit.shop
    with pytest.raises(Shop.DoesNotExist):
        await shop.refresh_from_db()


@pytest.mark.row("meta.managed")
async def test_migrations_leave_an_unmanaged_table_alone_and_queries_use_it(db: Database) -> None:
    from covet.db import migrations
    from covet.db.migrations.state import ProjectState

    create = migrations.CreateModel(
        "legacy",
        [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=9))],
        {"managed": False, "db_table": "old_table"},
    )
    before = ProjectState({})
    after = before.clone()
    create.state_forwards("options", after)
    async with db.schema_editor() as editor:
        await create.database_forwards("options", editor, before, after)
    assert "old_table" not in await db.introspection.tables()

    with apps.isolate():

        class Legacy(Base):
            name = models.CharField(max_length=9)
            others: Any = models.ManyToManyField("self", symmetrical=False)

            class Meta(Base.Meta):
                managed = False
                db_table = "old_table"

    through = Legacy.others.through
    assert not through._meta.managed
    await create_tables(db, [Legacy, through])  # what the other owner of the tables did
    row = await Legacy.objects.create(name="x")
    await row.others.add(row)
    assert await Legacy.objects.filter(others__name="x").get() == row
    async with db.schema_editor() as editor:
        await create.database_backwards("options", editor, after, before)
    assert await Legacy.objects.count() == 1


@pytest.mark.row("models.introspection")
def test_a_model_tells_of_its_fields_and_relations() -> None:
    meta = Kept._meta
    assert meta.get_field("town").related_model is Town
    assert meta.get_field("notes").related_model is Note
    with pytest.raises(FieldDoesNotExist, match="Did you mean 'town'"):
        meta.get_field("twon")
    assert [field.name for field in meta.fields] == ["id", "name", "is_open", "town"]
    assert {field.name for field in meta.get_fields()} == {"id", "name", "is_open", "town", "notes"}
    assert [relation.get_accessor_name() for relation in meta.related_objects] == ["notes"]
    assert meta.pk is meta.get_field("id")
    assert meta.auto_field is meta.pk
    assert [field.name for field in meta.pk_fields] == ["id"]
    assert Dog._meta.parents == {Animal: Dog._meta.get_field("animal_ptr")}
    assert {field.name for field in Dog._meta.get_fields()} == {"id", "name", "animal_ptr", "tricks"}
    assert {field.name for field in Dog._meta.get_fields(include_parents=False)} == {"animal_ptr", "tricks"}
    hidden = {field.name for field in Town._meta.get_fields(include_hidden=True)}
    assert len(hidden) > len(Town._meta.get_fields())
    assert [field.name for field in Dangling._meta.many_to_many] == ["towns"]
    assert {field.name for field in Animal._meta.db_returning_fields} == {"id"}
    # A relation that comes later is known as soon as it is there.
    with apps.isolate():

        class First(Base):
            pass

        assert First._meta.related_objects == ()

        class Second(Base):
            first = models.ForeignKey(First, on_delete=models.CASCADE)

        assert [relation.related_model for relation in First._meta.related_objects] == [Second]
        assert First._meta.get_field("second").field is Second._meta.get_field("first")
