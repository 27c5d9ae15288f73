"""System checks: what registers, what runs, what is silenced."""

from types import SimpleNamespace

import pytest

from covet import checks
from covet.apps import AppPart
from covet.apps.registry import Apps
from covet.checks import Critical, Debug, Error, Info, Level, Tags, Warning, register, run_checks, unregister
from covet.conf import override


class PartWithChecks(AppPart):
    tags = ("part-of-a-test",)

    def check(self, apps):
        yield Warning("From the part.", id="test.W001")

    async def check_deploy(self, apps):
        return [Error("Only in production.", id="test.E009")]

    async def check_databases(self, apps, databases):
        return [Debug(f"Asked {alias}.", id="test.D002") for alias in databases]


@pytest.fixture
def registry():
    made = Apps()
    made.setup([], [PartWithChecks])
    return made


@pytest.fixture
def registered():
    """Registers checks that are forgotten after the test."""
    added = []

    def add(function, *tags, deploy=False):
        register(*tags, deploy=deploy)(function)
        added.append(function)

    yield add
    for function in added:
        unregister(function)


def ids(messages):
    return [message.id for message in messages if str(message.id).startswith("test.")]


async def test_checks_of_every_shape_run_and_the_worst_comes_first(registry, registered):
    async def coroutine(apps):
        return [Info("a", id="test.I001")]

    async def generator(apps):
        yield Critical("b", id="test.C001")

    registered(coroutine, "t")
    registered(generator, "t")
    registered(lambda apps: [Error("c", id="test.E001"), Debug("d", id="test.D001")], "t")
    registered(lambda apps: None, "t")

    assert ids(await run_checks(registry)) == ["test.C001", "test.E001", "test.W001", "test.I001", "test.D001"]


async def test_tags_choose_checks_and_parts(registry, registered):
    registered(lambda apps: [Error("c", id="test.E001")], "t")

    assert ids(await run_checks(registry, ["t"])) == ["test.E001"]
    assert ids(await run_checks(registry, ["part-of-a-test"])) == ["test.W001"]
    assert {"t", "part-of-a-test"} <= set(checks.registered_tags(registry))


async def test_deploy_checks_run_only_when_asked(registry, registered):
    registered(lambda apps: [Error("c", id="test.E001")], "only-deploy", deploy=True)

    assert "test.E001" not in ids(await run_checks(registry))
    assert {"test.E001", "test.E009"} <= set(ids(await run_checks(registry, deploy=True)))
    assert "only-deploy" not in checks.registered_tags(registry)
    assert "only-deploy" in checks.registered_tags(registry, deploy=True)


async def test_what_asks_a_database_runs_only_for_those_that_are_named(registry, registered):
    async def asks(apps, databases):
        return [Error(alias, id="test.E001") for alias in databases]

    registered(asks, Tags.database, "t")
    registered(lambda apps: [Error("plain", id="test.E002")], Tags.database)
    registered(lambda apps, **kwargs: [Error(f"{kwargs}", id="test.E003")], Tags.database)

    assert ids(await run_checks(registry)) == ["test.W001"]
    assert ids(await run_checks(registry, ["t"])) == []
    found = await run_checks(registry, databases=["default", "other"])
    assert [m.msg for m in found if str(m.id).startswith("test.E")] == [
        "default", "other", "plain", "{'databases': ['default', 'other']}"
    ]  # fmt: skip
    assert ids(await run_checks(registry, ["t"], databases=["default"])) == ["test.E001"]


async def test_parts_are_asked_about_databases_that_are_named(registry):
    assert ids(await run_checks(registry, databases=["default"])) == ["test.W001", "test.D002"]
    assert ids(await run_checks(registry, ["other"], databases=["default"])) == []


async def test_silenced_ids_are_left_out(registry):
    with override(SILENCED_SYSTEM_CHECKS=["test.W001"]):
        assert ids(await run_checks(registry)) == []


async def test_labels_choose_what_a_finding_is_about(registry, registered):
    article = SimpleNamespace(_meta=SimpleNamespace(app_label="blog", label="blog.Article"))
    field = SimpleNamespace(model=article, name="title")
    registered(lambda apps: [Error("c", obj=article, id="test.E001"), Error("d", obj=field, id="test.E002")], "t")

    assert ids(await run_checks(registry, labels=["blog"])) == ["test.E001", "test.E002"]
    assert ids(await run_checks(registry, labels=["shop"])) == []


async def test_a_check_that_gives_something_else_is_named(registry, registered):
    def wrong(apps):
        return ["text"]

    registered(wrong, "t")
    with pytest.raises(TypeError, match="wrong must give check messages"):
        await run_checks(registry)


def test_a_message_reads_as_a_sentence_with_its_place_and_hint():
    article = SimpleNamespace(_meta=SimpleNamespace(label="blog.Article"))
    message = Error(
        "No such field.", hint="Write 'title'.", obj=SimpleNamespace(model=article, name="x"), id="models.E001"
    )

    assert str(message) == "blog.Article.x: (models.E001) No such field.\n    HINT: Write 'title'."
    assert message.is_serious()
    assert not message.is_serious(Level.CRITICAL)
    assert Error("a", obj=article).where == "blog.Article"
    assert Error("a", obj=run_checks).where == "covet.checks.runner.run_checks"
    assert Error("a", obj="settings").where == "settings"
    assert Error("a").where == ""
    assert Error("a", id="x") == Error("a", id="x") != Error("b", id="x")
    assert hash(Error("a")) == hash(Error("a"))
    assert repr(Warning("a")) == "<Warning a>"
    assert Level.of("warning") is Level.WARNING
    assert Tags.models == "models"
