"""Async factories: rows, the rows they need, hooks that run after the row exists."""

from __future__ import annotations

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
