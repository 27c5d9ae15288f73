"""Async factories: rows, the rows they need, hooks that run after the row exists."""

from __future__ import annotations

import inspect
from typing import Any

import pytest


def make_factories() -> Any:
    """The factories need models, which need the site."""
    import factory

    from covet.auth.models import Group, Permission, User
    from covet.contenttypes.models import ContentType
    from covet.test.factories import Factory

    class ContentTypeFactory(Factory[ContentType]):
        class Meta:
            model = ContentType
            get_or_create = ("app_label", "model")

        app_label = "made"
        model = "up"

    class PermissionFactory(Factory[Permission]):
        class Meta:
            model = Permission

        codename = factory.Sequence(lambda n: f"code{n}")
        content_type = factory.SubFactory(ContentTypeFactory)
        name = factory.LazyAttribute(lambda o: f"May {o.codename} {o.content_type.model}")

    class GroupFactory(Factory[Group]):
        class Meta:
            model = Group

        name = factory.Sequence(lambda n: f"group {n}")

        @factory.post_generation
        async def permissions_of(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
            assert create
            assert self.pk is not None
            if extracted:
                await self.permissions.add(*extracted)

    class UserFactory(Factory[User]):
        class Meta:
            model = User

        class Params:
            staff = factory.Trait(is_staff=True, first_name="Staff")

        username = factory.Sequence(lambda n: f"user{n}")

    class Factories:
        content_type, permission, group, user = ContentTypeFactory, PermissionFactory, GroupFactory, UserFactory

    return Factories


@pytest.mark.row("factories")
async def test_awaiting_a_factory_writes_the_row_and_those_it_needs(site: str) -> None:
    """Parents first; a lazy attribute sees the sub-factory's instance."""
    from covet.auth.models import Permission

    made = await make_factories().permission(content_type__model="lamp")

    row = await Permission.objects.select_related("content_type").get(pk=made.pk)
    assert row.content_type.model == "lamp"
    assert row.name == f"May {row.codename} lamp"


async def test_get_or_create_takes_the_row_that_is_there(site: str) -> None:
    """By the fields that Meta names."""
    factories = make_factories()

    one, two = await factories.permission.create_batch(2)

    assert one.pk != two.pk
    assert one.content_type_id == two.content_type_id


@pytest.mark.row("factories")
async def test_hooks_run_after_the_row_exists_and_are_awaited(site: str) -> None:
    """The hook adds to a relation, which needs the key."""
    factories = make_factories()
    permission = await factories.permission()

    group = await factories.group(permissions_of=[permission])

    assert [row.pk for row in await group.permissions.all()] == [permission.pk]


@pytest.mark.row("factories")
async def test_traits_sequences_and_overrides_work_as_in_factory_boy(site: str) -> None:
    """And ``build`` writes nothing."""
    from covet.auth.models import User

    user = make_factories().user
    one, two = await user.create_batch(2)
    staff = await user(staff=True, username="chief")
    unsaved = user.build()

    assert one.username != two.username
    assert (staff.username, staff.is_staff, staff.first_name) == ("chief", True, "Staff")
    assert unsaved.pk is None
    assert await User.objects.count() == 3


async def test_an_abstract_factory_says_what_it_lacks(site: str) -> None:
    """Rather than failing somewhere inside."""
    import factory

    from covet.test.factories import Factory

    class Base(Factory[Any]):
        class Meta:
            abstract = True

    with pytest.raises(factory.errors.FactoryError, match="Base is abstract"):
        await Base.create()


@pytest.mark.row("factories")
async def test_related_factories_write_rows_that_point_back(site: str) -> None:
    """One, or a list of them, after the row that they point at; options go through by the double underscore."""
    import factory

    from covet.auth.models import Permission

    factories = make_factories()

    class FullContentTypeFactory(factories.content_type):  # type: ignore[misc, name-defined]  # made at run time
        chief = factory.RelatedFactory(factories.permission, factory_related_name="content_type", codename="chief")
        others = factory.RelatedFactoryList(factories.permission, factory_related_name="content_type", size=2)

    kind = await FullContentTypeFactory(model="lamp", chief__name="May rule")

    rows = await Permission.objects.filter(content_type=kind).order_by("pk")
    assert [row.codename for row in rows[:1]] == ["chief"] and rows[0].name == "May rule"
    assert len(rows) == 3
    bare = await FullContentTypeFactory(model="desk", chief=None, others=None)
    assert await Permission.objects.filter(content_type=bare).count() == 0


@pytest.mark.row("factories")
async def test_traits_may_bring_rows_and_hooks_of_their_own(site: str) -> None:
    """A trait switches on a sub-factory, a related one and other traits; each batch's row has its own."""
    import factory

    from covet.auth.models import Permission

    factories = make_factories()
    seen: list[tuple[str, int, bool]] = []

    class ManyPermissionFactory(factories.permission):  # type: ignore[misc, name-defined]  # made at run time
        class Params:
            lamp = factory.Trait(content_type=factory.SubFactory(factories.content_type, model="lamp"))
            bright = factory.Trait(lamp=True, name="May shine")

        @factory.post_generation
        async def first(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
            await self.refresh_from_db()
            seen.append(("first", self.pk, await Permission.objects.filter(pk=self.pk).exists()))

        @factory.post_generation
        def second(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
            seen.append(("second", self.pk, kwargs.get("loud", False)))

    rows = await ManyPermissionFactory.create_batch(3, bright=True, second__loud=True)

    assert [(row.name, (await row.content_type).model) for row in rows] == [("May shine", "lamp")] * 3
    assert len({row.pk for row in rows}) == 3
    assert seen == [one for row in rows for one in (("first", row.pk, True), ("second", row.pk, True))]
    plain = await ManyPermissionFactory()
    assert plain.name != "May shine" and (await plain.content_type).model == "up"


async def test_a_hook_that_fails_fails_the_creation(site: str) -> None:
    """Nothing is swallowed, and the row stands, as in factory-boy."""
    import factory

    from covet.auth.models import Group

    class FailingFactory(make_factories().group):  # type: ignore[misc, name-defined]  # made at run time
        @factory.post_generation
        async def fails(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
            raise LookupError("the hook's own")

    with pytest.raises(LookupError, match="the hook's own"):
        await FailingFactory()
    assert await Group.objects.count() == 1


@pytest.mark.row("factories")
async def test_declarations_of_factory_boy_read_the_rows_around_them(site: str) -> None:
    """A trait with related rows, SelfAttribute, Maybe, Iterator, and a chain of sub-factories three rows deep."""
    import factory

    from covet.auth.models import Permission
    from covet.contenttypes.models import ContentType

    factories = make_factories()

    class KindFactory(factories.content_type):  # type: ignore[misc, name-defined]  # made at run time
        class Params:
            ruled = factory.Trait(
                rules=factory.RelatedFactoryList(
                    "tests.test.test_factories.RuleFactory", factory_related_name="content_type", size=2
                )
            )

        model = factory.Iterator(["desk", "lamp"])

    class RuleFactory(factories.permission):  # type: ignore[misc, name-defined]  # made at run time
        class Params:
            loud = False

        content_type = factory.SubFactory(KindFactory, app_label=factory.SelfAttribute("..codename"))
        name = factory.Maybe("loud", yes_declaration="MAY", no_declaration=factory.LazyFunction(lambda: "may"))

    globals()["RuleFactory"] = RuleFactory
    try:
        kind = await KindFactory(ruled=True)
        bare = await KindFactory()
        rule = await RuleFactory(loud=True, codename="deep")
    finally:
        del globals()["RuleFactory"]

    assert (kind.model, bare.model) == ("desk", "lamp")
    assert await Permission.objects.filter(content_type=kind).values_list("name", flat=True) == ["may", "may"]
    assert await Permission.objects.filter(content_type=bare).count() == 0
    written = await ContentType.objects.get(permission=rule)
    assert (rule.name, written.app_label) == ("MAY", "deep")


@pytest.mark.row("factories")
async def test_rows_are_written_in_the_transaction_that_is_open(site: str) -> None:
    """Rolled back with it, the rows of sub-factories and of hooks too."""
    from covet.auth.models import Group, Permission
    from covet.contenttypes.models import ContentType
    from covet.db import transaction

    factories = make_factories()
    kinds = await ContentType.objects.count()
    before = await Permission.objects.count()
    with pytest.raises(LookupError):
        async with transaction.atomic():
            await factories.group(permissions_of=[await factories.permission(content_type__model="gone")])
            assert await Permission.objects.count() == before + 1
            raise LookupError
    assert (await Group.objects.count(), await Permission.objects.count()) == (0, before)
    assert await ContentType.objects.count() == kinds


@pytest.mark.row("factories")
async def test_what_hooks_change_of_a_row_is_saved(site: str) -> None:
    """A password set by ``PostGenerationMethodCall``, as factories of Django's users have it."""
    import factory

    from covet.auth.models import User
    from covet.test import assert_queries

    class MemberFactory(make_factories().user):  # type: ignore[misc]
        password = factory.PostGenerationMethodCall("set_password", "correct horse")

        @factory.post_generation
        def email(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
            self.email = f"{self.pk}@example.com"

    class PlainFactory(make_factories().user):  # type: ignore[misc]
        username = "plain"

        @factory.post_generation
        def nothing(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
            """Change nothing."""

    member = await MemberFactory()
    row = await User.objects.get(pk=member.pk)

    assert await row.check_password("correct horse")
    assert row.email == f"{row.pk}@example.com"
    with assert_queries(1):
        await PlainFactory()


async def test_what_hooks_change_inside_of_a_document_is_saved(site: str) -> None:
    import factory

    from covet.apps import apps
    from covet.db import connections, models
    from covet.db.models.table import table_of
    from covet.test.factories import Factory

    with apps.isolate():

        class Sheet(models.Model):
            data = models.JSONField(default=dict)

            class Meta:
                app_label = "factory_sheets"

    class SheetFactory(Factory[Sheet]):
        class Meta:
            model = Sheet

        data = factory.LazyFunction(lambda: {"rows": [1]})

        @factory.post_generation
        def more(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
            self.data["rows"].append(2)

    async with connections["default"].schema_editor() as editor:
        await editor.create_table(table_of(Sheet))
    try:
        made = await SheetFactory()
        assert (await Sheet.objects.get(pk=made.pk)).data == {"rows": [1, 2]}
    finally:
        async with connections["default"].schema_editor() as editor:
            await editor.drop_table(Sheet._meta.db_table)


async def test_a_hook_may_remove_the_row(site: str) -> None:
    """As for a test of what remembers rows that are gone."""
    import factory

    from covet.auth.models import User

    class GoneFactory(make_factories().user):  # type: ignore[misc]
        @factory.post_generation
        async def gone(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
            await self.delete()

    gone = await GoneFactory(username="gone")

    assert gone.username == "gone"
    assert not await User.objects.filter(username="gone").exists()


async def test_values_may_be_awaited_once_the_rows_before_are_written(site: str) -> None:
    """What a signal makes of a sub-factory's row can be asked for."""
    import factory

    from covet.auth.models import Permission
    from covet.contenttypes.models import ContentType

    factories = make_factories()

    async def described(content_type: ContentType) -> str:
        return f"of {(await ContentType.objects.get(pk=content_type.pk)).model}"

    class LatePermissionFactory(factories.permission):  # type: ignore[misc]
        class Params:
            other = factory.SubFactory(factories.content_type, model="other")

        name = factory.LazyAttribute(lambda o: described(o.content_type))
        content_type = factory.SubFactory(factories.content_type, model="lamp")

    class ByQuery(LatePermissionFactory):  # type: ignore[misc]
        content_type = factory.LazyAttribute(lambda o: ContentType.objects.get(model=o.other.model))
        name = "late"

    made = await LatePermissionFactory()
    late = await ByQuery()
    unsaved = LatePermissionFactory.build()

    assert (await Permission.objects.get(pk=made.pk)).name == "of lamp"
    assert (await Permission.objects.select_related("content_type").get(pk=late.pk)).content_type.model == "other"
    assert unsaved.name == ""


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("django_get_or_create", ("name",), r"Write get_or_create = \('name', …\)\."),
        ("sqlalchemy_get_or_create", ("name",), r"Write get_or_create = \('name', …\)\."),
        ("database", "other", r"Write using = '…'\."),
        (
            "skip_postgeneration_save",
            True,
            r"Leave it out: what its hooks change of a row is saved, and nothing else\.",
        ),
    ],
)
def test_options_of_other_frameworks_factories_are_told_what_to_write(name: str, value: Any, says: str) -> None:
    from covet.test.factories import Factory

    with pytest.raises(TypeError, match=rf"'class Meta' of GroupFactory has no option '{name}'\. {says}"):
        type("GroupFactory", (Factory,), {"Meta": type("Meta", (), {"model": dict, name: value})})
    with pytest.raises(TypeError, match="unknown attribute"):
        type("GroupFactory", (Factory,), {"Meta": type("Meta", (), {"model": dict, "misspelt": value})})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("fails", ["value", "row", "declaration", "model", "hook", "hook of a build"])
async def test_after_an_error_nothing_is_left_that_nobody_awaits(site: str, fails: str) -> None:
    """Rows are refused, declarations raise, an awaited value raises: the coroutines of the others are closed."""
    import factory

    from covet.auth.models import Permission
    from covet.test.factories import Factory

    factories = make_factories()
    made: list[Any] = []

    async def word(told: str) -> str:
        if told == fails:
            raise ZeroDivisionError
        return told

    def later(told: str) -> Any:
        made.append(word(told))
        return made[-1]

    def refuse(step: str) -> str:
        if step == fails:
            raise ZeroDivisionError
        return step

    class KindFactory(factories.content_type):
        model = factory.LazyAttribute(lambda o: later("kind"))

    class LatePermissionFactory(Factory[Permission]):
        class Meta:
            model = Permission

        content_type = factory.SubFactory(KindFactory, app_label=factory.LazyAttribute(lambda o: later("value")))
        codename = factory.LazyAttribute(lambda o: later("code"))
        name = factory.LazyAttribute(lambda o: refuse("declaration"))

        @factory.post_generation
        def others(self: Any, create: bool, extracted: Any, **named: Any) -> None:
            refuse("hook" if create else "hook of a build")

        more = factory.RelatedFactory(KindFactory, app_label=factory.LazyAttribute(lambda o: later("more")))

        @classmethod
        async def _save(cls, instance: Any) -> None:
            refuse("row")
            await super()._save(instance)

    with pytest.raises(TypeError if fails == "model" else ZeroDivisionError):
        if fails == "hook of a build":
            LatePermissionFactory.build()
        else:
            await LatePermissionFactory(**({"nothing": 1} if fails == "model" else {}))

    assert [inspect.getcoroutinestate(one) for one in made] == [inspect.CORO_CLOSED] * len(made)
    assert len(made) >= 3 or fails == "declaration"
