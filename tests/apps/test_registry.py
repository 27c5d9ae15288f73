"""The registry: apps, parts and models by name."""

import asyncio
from types import SimpleNamespace

import pytest

from covet.apps import AppConfig, AppPart, apps
from covet.apps.discovery import AppError
from covet.apps.registry import Apps, ModelConflict
from covet.conf import override, settings
from covet.exceptions import AppRegistryNotReady, ImproperlyConfigured

events = []


@pytest.fixture(autouse=True)
def _fresh_events():
    events.clear()


class Recorded(AppPart):
    def collect(self, app, module):
        events.append(f"{type(self).__name__} collects {app.label}")

    def ready(self, apps):
        events.append(f"{type(self).__name__} ready")

    async def startup(self):
        events.append(f"{type(self).__name__} up")

    async def shutdown(self):
        events.append(f"{type(self).__name__} down")


class First(Recorded):
    pass


class Second(Recorded):
    after = (First,)


class Third(Recorded):
    after = (Second,)


def model(name, module="shop.models", **meta):
    made = type(name, (), {"__module__": module})
    made._meta = SimpleNamespace(auto_created=False, swapped=None, swappable=None, label=f"shop.{name}", **meta)
    return made


# -- setup


def test_every_app_is_collected_by_every_part_then_all_are_ready(package):
    one, two = package("one"), package("two")

    Apps().setup([one, two], [Second, First])

    assert events == [
        f"First collects {one}",
        f"First collects {two}",
        f"Second collects {one}",
        f"Second collects {two}",
        "First ready",
        "Second ready",
    ]


def test_a_second_setup_adds_what_is_missing_and_does_nothing_twice(package):
    one = package("one")
    registry = Apps()

    registry.setup([one], [First, Second, Third], only=[First])
    assert registry.has_part(First)
    assert not registry.has_part(Second)
    registry.setup([one], [First, Second, Third], only=[Second])
    registry.setup([one], [First, Second, Third])
    registry.setup([one], [First, Second, Third])

    assert events.count("First ready") == events.count("Second ready") == events.count("Third ready") == 1
    assert [type(part) for part in registry.parts()] == [First, Second, Third]


def test_an_app_brings_its_own_parts(package):
    name = package(
        "one",
        {
            "apps.py": """
            from covet.apps import AppConfig
            class C(AppConfig):
                parts = ("one_SUFFIX.parts.Own",)
                def ready(self):
                    self.was_ready = True
            """,
            "parts.py": """
            from covet.apps import AppPart
            class Own(AppPart):
                module = "things"
                def collect(self, app, module):
                    self.things = module.things
            """,
            "things.py": "things = [1, 2]",
        },
    )
    registry = Apps()
    registry.setup([name], [])

    (part,) = registry.parts()
    assert part.things == [1, 2]
    assert registry.get_app_config(name).was_ready


def test_two_apps_of_one_label_are_refused(package):
    one = package("one", {"shop/__init__.py": ""})
    two = package("two", {"shop/__init__.py": ""})

    with pytest.raises(AppError, match=f"label 'shop': '{one}.shop' and '{two}.shop'"):
        Apps().setup([f"{one}.shop", f"{two}.shop"], [])


def test_an_app_listed_twice_is_refused(package):
    name = package(
        "one", {"apps.py": "from covet.apps import AppConfig\nclass C(AppConfig):\n    name = 'one_SUFFIX'\n"}
    )

    with pytest.raises(AppError, match="twice"):
        Apps().setup([name, name], [])
    with pytest.raises(AppError, match="twice"):
        Apps().setup([name, f"{name}.apps.C"], [])


def test_setup_from_inside_an_app_is_refused(package):
    name = package("one")
    registry = Apps()

    class Reentrant(AppPart):
        def collect(self, app, module):
            registry.setup([name], [])

    with pytest.raises(AppError, match="while the apps are being loaded"):
        registry.setup([name], [Reentrant])


def test_a_part_that_fails_is_tried_again_by_the_next_setup(package):
    attempts = []

    class Fails(AppPart):
        def ready(self, apps):
            attempts.append(1)
            if len(attempts) == 1:
                raise KeyError

    registry = Apps()
    with pytest.raises(KeyError):
        registry.setup([], [Fails])
    assert not registry.has_part(Fails)
    registry.setup([], [Fails])

    assert registry.has_part(Fails)


def test_ready_states_follow_one_another(package):
    registry = Apps()
    seen = []

    class Models(AppPart):
        module = "models"

        def collect(self, app, module):
            seen.append((registry.apps_ready, registry.models_ready, registry.ready))

    class Later(AppPart):
        after = (Models,)

        def collect(self, app, module):
            seen.append((registry.apps_ready, registry.models_ready, registry.ready))

    with pytest.raises(AppRegistryNotReady, match=r"covet\.setup"):
        registry.get_app_configs()
    with pytest.raises(AppRegistryNotReady, match=r"app\.Model"):
        registry.get_models()
    registry.setup([package("one")], [Later])

    assert seen == [(True, False, False), (True, True, False)]
    assert registry.ready


def test_apps_are_ready_only_when_models_are(package):
    name = package(
        "one",
        {
            "apps.py": """
            from covet.apps import AppConfig
            class C(AppConfig):
                was_ready = 0
                def ready(self):
                    self.was_ready += 1
            """
        },
    )
    registry = Apps()

    registry.populate([name])
    assert (registry.apps_ready, registry.models_ready) == (True, False)
    registry.setup([name], [First], only=[])
    assert (registry.models_ready, registry.get_app_config(name).was_ready) == (False, 0)
    registry.setup([name], [First])
    registry.setup([name], [First])

    assert (registry.models_ready, registry.get_app_config(name).was_ready) == (True, 1)


# -- look-up


def test_a_part_is_found_by_its_class_or_the_error_says_how_to_load_it():
    registry = Apps()
    registry.setup([], [First])

    assert isinstance(registry.part(First), First)
    with pytest.raises(ImproperlyConfigured, match=r"@command\(parts=\[Second\]\)"):
        registry.part(Second)


def test_apps_are_found_by_label_and_by_module(package):
    outer = package("outer", {"inner/__init__.py": ""})
    registry = Apps()
    registry.setup([outer, f"{outer}.inner"], [])

    assert registry.get_app_config("inner").name == f"{outer}.inner"
    assert registry.is_installed(outer)
    assert not registry.is_installed("inner")
    assert registry.get_containing_app_config(f"{outer}.inner.models").label == "inner"
    assert registry.get_containing_app_config(f"{outer}.models").label == outer
    assert registry.get_containing_app_config("elsewhere") is None
    with pytest.raises(LookupError, match="Did you mean 'inner'"):
        registry.get_app_config("inn")
    with pytest.raises(LookupError, match="Did you mean 'inner'"):
        registry.get_app_config(f"{outer}.inner")
    assert [config.label for config in registry] == [outer, "inner"]


def test_models_are_found_by_name_whatever_its_case():
    registry = Apps(ready=True)
    item = model("Item")
    registry.register_model("shop", item)

    assert registry.get_model("shop.Item") is item
    assert registry.get_model("shop", "ITEM") is item
    assert registry.get_models() == [item]
    with pytest.raises(LookupError, match=r"Did you mean 'shop\.Item'"):
        registry.get_model("shop.Itme")
    with pytest.raises(ValueError, match=r"app\.Model"):
        registry.get_model("Item")


def test_two_models_of_one_name_are_refused_naming_both():
    registry = Apps(ready=True)
    registry.register_model("shop", model("Item"))

    with pytest.raises(ModelConflict, match=r"shop\.models\.Item and shop\.other\.Item") as caught:
        registry.register_model("shop", model("Item", "shop.other"))
    assert isinstance(caught.value, RuntimeError)


def test_a_model_defined_again_replaces_the_old_with_a_warning():
    registry = Apps(ready=True)
    registry.register_model("shop", model("Item"))
    again = model("Item")

    with pytest.warns(RuntimeWarning, match="defined again"):
        registry.register_model("shop", again)
    assert registry.get_model("shop.Item") is again


def test_a_lazy_operation_waits_for_its_models_and_runs_once():
    registry = Apps(ready=True)
    calls = []

    registry.lazy_model_operation(lambda *models: calls.append(models), "shop.Item", ("Shop".lower(), "Order"))
    assert registry.pending_models() == {("shop", "item"), ("shop", "order")}
    item, order = model("Item"), model("Order")
    registry.register_model("shop", item)
    assert calls == []
    registry.register_model("shop", order)
    registry.register_model("shop", model("Other"))

    assert calls == [(item, order)]
    registry.lazy_model_operation(lambda *models: calls.append(models), "shop.Order")
    assert calls[1:] == [(order,)]
    assert registry.pending_models() == set()


def test_caches_are_cleared_when_a_model_is_added():
    registry = Apps(ready=True)
    cleared = []
    registry.cache_clearers.append(lambda: cleared.append(1))

    registry.register_model("shop", model("Item"))

    assert cleared == [1]


def test_the_setting_that_swaps_a_model_is_found():
    registry = Apps(ready=True)
    user = model("User")
    user._meta.label, user._meta.swappable = "auth.User", "AUTH_USER_MODEL"
    registry.register_model("auth", user)

    assert registry.get_swappable_settings_name("auth.user") == "AUTH_USER_MODEL"
    assert registry.get_swappable_settings_name("shop.Item") is None
    with override(AUTH_USER_MODEL="shop.Person"):
        assert registry.get_swappable_settings_name("shop.Person") == "AUTH_USER_MODEL"


def test_an_apps_models_are_those_of_its_label(package):
    name = package("one")
    registry = Apps()
    registry.setup([name], [])
    item = model("Item")
    registry.register_model(name, item)

    config = registry.get_app_config(name)
    assert config.get_models() == [item]
    assert config.get_model("item") is item
    assert config.folder("templates") is None
    assert config.models_module is None
    with pytest.raises(ImproperlyConfigured, match="not installed"):
        AppConfig(name, config.module).get_models()


# -- registries side by side


async def test_isolated_registries_are_current_inside_their_task_only():
    item = model("Item")

    async def other():
        return apps.current()

    with apps.isolate() as isolated:
        apps.current().register_model("shop", item)
        assert apps.current() is isolated
        assert await asyncio.create_task(other()) is isolated
        assert isolated.get_model("shop.Item") is item

    assert apps.current() is apps
    assert "item" not in apps.all_models.get("shop", {})


def test_an_isolated_registry_takes_the_apps_it_is_asked_to(package):
    name = package("one")
    registry = Apps()
    registry.setup([name], [])

    with registry.isolate(name) as isolated:
        assert isolated.get_app_config(name).apps is isolated
        assert registry.get_app_config(name).apps is registry


# -- startup and shutdown


async def test_parts_start_in_order_and_stop_in_reverse():
    registry = Apps()
    registry.setup([], [Third, Second, First])
    events.clear()

    started = await registry.startup()
    again = await registry.startup()
    await registry.shutdown(started)
    assert registry.running
    await registry.shutdown(again)

    assert events == ["First up", "Second up", "Third up", "Third down", "Second down", "First down"]
    assert not registry.running


async def test_a_part_that_another_task_is_starting_is_waited_for_and_kept_for_the_last_user():
    gate = asyncio.Event()

    class Slow(Recorded):
        async def startup(self):
            await gate.wait()
            await super().startup()

    registry = Apps()
    registry.setup([], [Slow])
    events.clear()

    one, two = asyncio.create_task(registry.startup()), asyncio.create_task(registry.startup())
    cancelled = asyncio.create_task(registry.startup())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    assert not two.done()
    gate.set()
    first, second = await one, await two
    await registry.shutdown(first)
    assert events == ["Slow up"]
    await registry.shutdown(second)

    assert events == ["Slow up", "Slow down"]
    assert cancelled.cancelled()


async def test_a_part_that_fails_fails_for_everyone_who_waits():
    gate = asyncio.Event()

    class Fails(Recorded):
        async def startup(self):
            await gate.wait()
            raise KeyError("no")

    registry = Apps()
    registry.setup([], [Fails])
    events.clear()
    tasks = [asyncio.create_task(registry.startup()) for _ in range(2)]
    await asyncio.sleep(0)
    gate.set()

    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [KeyError, KeyError]
    assert events == ["Fails down"]
    assert not registry.running


async def test_only_the_parts_asked_for_and_their_needs_start():
    registry = Apps()
    registry.setup([], [Third, Second, First])
    events.clear()

    await registry.startup([Second])
    await registry.shutdown()

    assert events == ["First up", "Second up", "Second down", "First down"]


async def test_a_part_that_fails_to_start_stops_those_before_it_and_itself():
    class Fails(Recorded):
        after = (First,)

        async def startup(self):
            raise KeyError("no")

    registry = Apps()
    registry.setup([], [Fails, First])
    events.clear()

    with pytest.raises(KeyError):
        await registry.startup()

    assert events == ["First up", "Fails down", "First down"]
    assert not registry.running


async def test_every_part_is_shut_down_whatever_the_others_raise():
    class Fails(Recorded):
        after = (First,)

        async def shutdown(self):
            raise KeyError("no")

    class FailsToo(Recorded):
        after = (Fails,)

        async def shutdown(self):
            raise ValueError("no")

    registry = Apps()
    registry.setup([], [Fails, First])
    await registry.startup()
    events.clear()
    with pytest.raises(KeyError):
        await registry.shutdown()
    assert events == ["First down"]

    registry = Apps()
    registry.setup([], [FailsToo])
    await registry.startup()
    with pytest.raises(ExceptionGroup, match="failed to shut down") as caught:
        await registry.shutdown()
    assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]


async def test_an_async_ready_waits_for_the_start(package):
    name = package(
        "one",
        {
            "apps.py": """
            from covet.apps import AppConfig
            class C(AppConfig):
                was_ready = 0
                async def ready(self):
                    self.was_ready += 1
            """
        },
    )
    registry = Apps()
    registry.setup([name], [First])
    config = registry.get_app_config(name)
    assert config.was_ready == 0

    for _ in range(2):
        await registry.shutdown(await registry.startup())

    assert config.was_ready == 1


# -- override


class Reads(Recorded):
    reads = frozenset({"PAGE_SIZE"})

    def ready(self, apps):
        super().ready(apps)
        self.size = settings.PAGE_SIZE


class Behind(Recorded):
    after = (Reads,)

    def ready(self, apps):
        super().ready(apps)
        self.size = apps.part(Reads).size


@pytest.fixture
def registry(monkeypatch):
    made = Apps()
    made.setup([], [Behind, First])
    monkeypatch.setattr(settings, "rebuilder", made)
    events.clear()
    return made


def test_an_override_builds_anew_what_reads_the_setting_and_what_is_behind(registry):
    before = registry.parts()

    with override(PAGE_SIZE=7):
        assert registry.part(Reads).size == registry.part(Behind).size == 7
        assert registry.part(First) in before
        assert events == ["Reads ready", "Behind ready"]
    with override(MAX_PAGE_SIZE=8):
        assert registry.parts() == before

    assert registry.parts() == before
    assert registry.part(Behind).size == settings.PAGE_SIZE


def test_an_override_that_cannot_be_built_leaves_everything_as_it_was(registry, monkeypatch):
    before = registry.parts()

    def fail(self, apps):
        raise KeyError("no")

    monkeypatch.setattr(Behind, "ready", fail)
    with pytest.raises(KeyError), override(PAGE_SIZE=7):
        raise AssertionError

    assert registry.parts() == before
    assert settings.PAGE_SIZE != 7


async def test_an_async_override_starts_and_stops_what_it_made(registry):
    started = await registry.startup()
    events.clear()

    async with override(PAGE_SIZE=7):
        assert events == ["Reads ready", "Behind ready", "Reads up", "Behind up"]
        events.clear()
    assert events == ["Behind down", "Reads down"]
    events.clear()
    await registry.shutdown(started)

    assert events == ["Behind down", "First down", "Reads down"]


def test_overriding_the_apps_loads_them_anew(registry, package):
    name = package("one")

    with override(INSTALLED_APPS=[name], APP_PARTS=[f"{__name__}.First"]):
        assert [config.label for config in registry] == [name]
        assert [type(part) for part in registry.parts()] == [First]

    assert list(registry) == []
    assert [type(part) for part in registry.parts()] == [Reads, First, Behind]


def test_an_app_that_fails_to_load_in_an_override_leaves_the_registry_ready(registry):
    with pytest.raises(AppError), override(INSTALLED_APPS=["nowhere_at_all"]):
        raise AssertionError

    assert registry.apps_ready
    assert [type(part) for part in registry.parts()] == [Reads, First, Behind]


def test_apps_loaded_inside_an_override_stay(monkeypatch, package):
    made = Apps()
    monkeypatch.setattr(settings, "rebuilder", made)
    name = package("one")

    with override(PAGE_SIZE=7):
        made.setup([name], [First])

    assert made.is_installed(name)
    assert made.has_part(First)
