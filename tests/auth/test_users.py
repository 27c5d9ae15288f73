"""Users, groups and permissions as rows."""

from __future__ import annotations

from typing import Any

import pytest

from covet.conf import override, settings
from covet.db.errors import UniqueViolation
from covet.exceptions import CommandError, ImproperlyConfigured, ValidationError
from covet.management import call_command

PASSWORD = "correct horse battery"


async def test_migrate_makes_the_permissions_of_every_model(site: str) -> None:
    """Four a model, named after it."""
    from covet.auth.models import Permission

    codenames = set(await Permission.objects.filter(content_type__model="group").values_list("codename", flat=True))

    assert codenames == {"add_group", "change_group", "delete_group", "view_group"}
    permission = await Permission.objects.get_by_natural_key("add_user", "auth", "user")
    assert permission.name == "Can add user"


async def test_a_user_may_what_they_and_their_groups_were_granted(site: str) -> None:
    """An inactive one may nothing, an active superuser everything."""
    from covet.auth.models import Group, Permission, User

    user = await User.objects.create_user("ann", password=PASSWORD)
    editors = await Group.objects.create(name="Editors")
    await editors.permissions.add(await Permission.objects.get(codename="change_group"))
    await user.user_permissions.add(await Permission.objects.get(codename="add_group"))
    await user.groups.add(editors)
    chief = await User.objects.create_superuser("chief", password=PASSWORD)

    user = await User.objects.get(pk=user.pk)
    assert await user.get_user_permissions() == {"auth.add_group"}
    assert await user.get_group_permissions() == {"auth.change_group"}
    assert await user.get_all_permissions() == {"auth.add_group", "auth.change_group"}
    assert await user.has_perm("auth.add_group")
    assert await user.has_perms(["auth.add_group", "auth.change_group"])
    assert not await user.has_perm("auth.delete_group")
    assert await user.has_module_perms("auth")
    assert not await user.has_module_perms("blog")
    assert await chief.has_perm("anything.at_all")
    user.is_active = False
    assert not await user.has_perm("auth.add_group")


async def test_migrations_make_users_by_their_managers(site: str) -> None:
    """The managers are in the history, as in Django: RunPython creates users with hashed passwords, and finds groups."""
    from covet.apps import apps
    from covet.auth.models import Group, User
    from covet.db.migrations.loader import Loader

    history = Loader.from_apps(apps).state().apps
    member, group, permission = (history.get_model("auth", name) for name in ("User", "Group", "Permission"))

    made = await member.objects.create_user("Ａnn", "ann@EXAMPLE.com", PASSWORD)
    chief = await member.objects.create_superuser("chief")
    editors = await group.objects.create(name="Editors")
    found = await group.objects.get_by_natural_key("Editors")
    await found.permissions.add(await permission.objects.get_by_natural_key("add_user", "auth", "user"))

    assert not isinstance(made, User)
    ann = await User.objects.get(pk=made.pk)
    assert (ann.username, ann.email) == ("Ann", "ann@example.com") and await ann.check_password(PASSWORD)
    assert chief.is_superuser and not (await User.objects.get(pk=chief.pk)).has_usable_password()
    assert await Group.objects.filter(pk=editors.pk, permissions__codename="add_user").exists()


class ReadsElsewhere:
    """Reads go to a replica, which has no tables yet."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: type[Any], **hints: Any) -> str:
        return "default"


async def test_users_are_made_where_the_routers_write(site: str) -> None:
    """Not where they read: a replica takes no rows."""
    from covet.auth.models import User

    both = {"default": settings.DATABASES["default"], "replica": "sqlite://:memory:"}
    async with override(DATABASES=both, DATABASE_ROUTERS=[ReadsElsewhere()]):
        made = [await User.objects.create_user("ann"), await User.objects.create_superuser("chief")]
        assert [user._state.db for user in made] == ["default", "default"]
        assert await User.objects.using("default").count() == 2
        chosen = await User.objects.db_manager("default").create_user("bob")
        assert chosen._state.db == "default"


async def test_a_name_is_unique_and_normalised(site: str) -> None:
    """NFKC: two spellings of the same letters are one name."""
    from covet.auth.models import User

    user = await User.objects.create_user("Ａnn")

    assert user.username == "Ann"
    assert not user.has_usable_password()
    with pytest.raises(UniqueViolation) as raised:
        await User.objects.create_user("Ann")
    assert raised.value.columns == ("username",)


async def test_a_wrong_name_is_refused_by_full_clean(site: str) -> None:
    """With the message of the field."""
    from covet.auth.models import User

    with pytest.raises(ValidationError) as raised:
        await User(username="no spaces", password="x").full_clean()

    assert list(raised.value.message_dict) == ["username"]


async def test_createsuperuser_makes_one_without_asking(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From options and the environment; a taken name or a missing value is one clear line."""
    from covet.auth.models import User

    monkeypatch.setenv("COVET_SUPERUSER_PASSWORD", PASSWORD)
    await call_command("createsuperuser", username="ann", email="ann@example.com", noinput=True)

    ann = await User.objects.get(username="ann")
    assert ann.is_superuser
    assert ann.is_staff
    assert await ann.check_password(PASSWORD)
    with pytest.raises(CommandError, match="already"):
        await call_command("createsuperuser", username="ann", email="ann@example.com", noinput=True)
    with pytest.raises(CommandError, match="COVET_SUPERUSER_EMAIL") as raised:
        await call_command("createsuperuser", username="bob", noinput=True)
    assert raised.value.exit_code == 3


async def test_changepassword_takes_the_new_one_from_the_environment(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And holds it to the validators."""
    from covet.auth.models import User

    await User.objects.create_user("ann", password=PASSWORD)
    monkeypatch.setenv("COVET_NEW_PASSWORD", "quite another one")
    await call_command("changepassword", "ann")

    assert await (await User.objects.get(username="ann")).check_password("quite another one")
    with pytest.raises(CommandError, match="no user"):
        await call_command("changepassword", "bob")
    monkeypatch.setenv("COVET_NEW_PASSWORD", "123")
    with (
        override(AUTH_PASSWORD_VALIDATORS=["covet.auth.passwords.MinimumLengthValidator"]),
        pytest.raises(CommandError, match="short"),
    ):
        await call_command("changepassword", "ann")


def test_the_anonymous_user_is_nobody() -> None:
    """Equal to any other nobody, and granted nothing."""
    from covet.auth.models import AnonymousUser

    nobody: Any = AnonymousUser()

    assert nobody == AnonymousUser()
    assert not nobody.is_authenticated
    assert nobody.is_anonymous
    assert nobody.pk is None


def test_no_session_is_bound_to_an_empty_key() -> None:
    """Without SECRET_KEY anybody could work out the digest."""
    from covet.auth.models import User

    with override(SECRET_KEY=""), pytest.raises(ImproperlyConfigured, match="SECRET_KEY is empty"):
        User(username="ann").get_session_auth_hash()


@pytest.mark.row("meta.permissions")
async def test_models_say_which_permissions_they_have(site: str) -> None:
    """Each once, however often ``migrate`` runs; none for a proxy's model twice, and none that is not wanted."""
    from types import SimpleNamespace

    from covet.apps import apps
    from covet.auth.models import Permission
    from covet.auth.part import create_permissions
    from covet.db import models

    with apps.isolate():

        class Usual(models.Model):
            class Meta:
                app_label = "members"
                permissions = [("publish_usual", "May publish")]

        class Quiet(models.Model):
            class Meta:
                app_label = "members"
                default_permissions = ()

        class Some(models.Model):
            class Meta:
                app_label = "members"
                default_permissions = ("view",)
                verbose_name = "thing of some"

    assert Usual._meta.default_permissions == ("add", "change", "delete", "view")
    sender: Any = SimpleNamespace(get_models=lambda: [Usual, Quiet, Some])
    state = SimpleNamespace(
        models={("auth", "permission"), *[("members", name) for name in ("usual", "quiet", "some")]}
    )
    for _ in range(2):
        await create_permissions(sender, using="default", state=state)

    rows = await Permission.objects.filter(content_type__app_label="members").values_list("codename", "name")
    assert sorted(rows) == [
        ("add_usual", "Can add usual"),
        ("change_usual", "Can change usual"),
        ("delete_usual", "Can delete usual"),
        ("publish_usual", "May publish"),
        ("view_some", "Can view thing of some"),
        ("view_usual", "Can view usual"),
    ]


async def test_a_save_that_is_a_plain_function_will_do(site: str) -> None:
    from covet.apps import apps
    from covet.auth.models import User

    saved: list[dict[str, Any]] = []
    with apps.isolate():

        class Careful(User):
            """Its save() only takes notes."""

            class Meta:
                app_label = "auth"
                proxy = True

            def save(self, **options: Any) -> None:  # type: ignore[override]  # what people write
                saved.append(options)

        user = await Careful.objects.create_user("ann", password=PASSWORD)

    assert [options["force_insert"] for options in saved] == [True]
    assert await user.check_password(PASSWORD)
