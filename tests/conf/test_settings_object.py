"""The ``settings`` object: lazy, typed, frozen but for ``override``."""

import asyncio
import re
import subprocess
import sys
import textwrap

import pytest

from covet import timezone
from covet.conf import override, settings
from covet.conf.errors import MASK, SettingsError, is_secret, mask
from covet.exceptions import ImproperlyConfigured
from tests._environ import bare


def python(code, **environ):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=bare(**environ), timeout=60
    )


def test_importing_settings_loads_no_msgspec_until_one_is_read():
    done = python(
        """
        import sys
        from covet.conf import settings, override
        assert "msgspec" not in sys.modules
        settings.configure(DEBUG=True)
        assert settings.DEBUG is True and "msgspec" in sys.modules
        """
    )
    assert done.returncode == 0, done.stderr


def test_values_that_have_their_type_load_no_pydantic():
    done = python(
        """
        import sys
        from pathlib import Path
        from covet.conf import settings
        settings.configure(
            DEBUG="true", BASE_DIR=Path("/srv"), STATIC_ROOT="/srv/static", ALLOWED_HOSTS=["x.org"],
            MAX_BODY_SIZE="1000", LANGUAGES=[("en", "English")], STATICFILES_DIRS=[Path("a"), ("p", Path("b"))],
            AUTH_PASSWORD_VALIDATORS=["a.B"], SHUTDOWN_GRACE_S=3, DATABASES={"default": "sqlite://:memory:"},
        )
        assert settings.DEBUG is True and settings.MAX_BODY_SIZE == 1000 and settings.STATIC_ROOT == Path("/srv/static")
        assert type(settings.SHUTDOWN_GRACE_S) is float
        assert "pydantic" not in sys.modules
        """
    )
    assert done.returncode == 0, done.stderr


def test_values_of_another_type_are_converted_by_pydantic():
    done = python(
        """
        import sys
        from covet.conf import settings
        settings.configure(ALLOWED_HOSTS=("x.org",), DEBUG="yes")
        assert settings.ALLOWED_HOSTS == ["x.org"] and settings.DEBUG is True
        assert "pydantic" in sys.modules
        """
    )
    assert done.returncode == 0, done.stderr


def test_without_a_module_the_first_read_says_what_to_do():
    done = python("from covet.conf import settings; print(settings.configured); settings.DEBUG")

    assert done.stdout == "False\n"
    assert "ImproperlyConfigured" in done.stderr
    assert "COVET_SETTINGS_MODULE" in done.stderr
    assert "settings.configure()" in done.stderr


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (None, "there is no module 'site_settings'"),
        ("import nothing_of_that_name", "nothing_of_that_name"),
        ("x = ", "line 1"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1\n1 / 0", "site_settings.py, line 2"),
        ("x = 1\nimport nothing_of_that_name", "site_settings.py, line 2"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(tmp_path, module, words):
    if module is not None:
        (tmp_path / "site_settings.py").write_text(module)

    done = python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from covet.conf import settings; settings.DEBUG",
        COVET_SETTINGS_MODULE="site_settings",
    )

    assert "ImproperlyConfigured" in done.stderr
    assert words in done.stderr.splitlines()[-1]


def test_dotenv_is_read_beside_the_project(tmp_path):
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite" / "__init__.py").touch()
    (tmp_path / "mysite" / "settings.py").write_text("PAGE_SIZE = 1\nOWN = 'x'\n")
    (tmp_path / ".env").write_text("COVET_PAGE_SIZE=7\n")
    code = f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        from covet.conf import settings
        print(settings.PAGE_SIZE, settings.source("PAGE_SIZE"), settings.OWN, settings.source("DEBUG"), repr(settings))
        print(settings.names()[-1], settings.is_set("PAGE_SIZE"), settings.is_set("DEBUG"))
        """

    done = python(code, COVET_SETTINGS_MODULE="mysite.settings")

    assert done.stdout == ("7 .env (COVET_PAGE_SIZE) x default <Settings of mysite.settings>\nOWN True False\n"), (
        done.stderr
    )


def test_an_unknown_setting_is_an_attribute_error_with_a_suggestion():
    with pytest.raises(AttributeError, match="Did you mean 'DATABASES'"):
        _ = settings.DATABSES
    assert getattr(settings, "NOT_THERE", 3) == 3
    with pytest.raises(AttributeError, match="upper-case"):
        _ = settings.debug


def test_settings_do_not_change_by_assignment():
    with pytest.raises(AttributeError, match="override"):
        settings.DEBUG = True


def test_configuring_twice_is_an_error():
    _ = settings.DEBUG
    with pytest.raises(ValueError, match="override"):
        settings.configure(DEBUG=True)


def test_override_changes_and_goes_back_whatever_happens():
    before = settings.DEBUG

    with pytest.raises(KeyError), override(DEBUG=not before, OWN_OF_A_TEST=1):
        assert settings.DEBUG is not before
        assert settings.OWN_OF_A_TEST == 1
        assert settings.source("DEBUG") == "override"
        with override(DEBUG=before):
            assert settings.DEBUG is before
        assert settings.DEBUG is not before
        raise KeyError

    assert settings.DEBUG is before
    assert not hasattr(settings, "OWN_OF_A_TEST")


def test_override_checks_its_values():
    with pytest.raises(SettingsError, match="PAGE_SIZE"), override(PAGE_SIZE="x"):
        raise AssertionError
    with pytest.raises(ValueError, match="TIME_ZONE"), override(TIME_ZONE="Mars/Base"):
        raise AssertionError
    assert settings.TIME_ZONE == "UTC"


def test_override_normalises_as_the_module_does():
    with override(DATABASES={"default": "postgres://a:b@h/d"}):
        assert settings.DATABASES["default"].user == "a"


def test_the_zone_follows_its_setting():
    with override(TIME_ZONE="Europe/Berlin"):
        assert str(timezone.get_current_timezone()) == "Europe/Berlin"
    assert str(timezone.get_current_timezone()) == "UTC"


async def test_override_decorates_sync_and_async_functions():
    @override(PAGE_SIZE=9)
    def read():
        return settings.PAGE_SIZE

    @override(PAGE_SIZE=10)
    async def read_async():
        return settings.PAGE_SIZE

    assert (read(), await read_async()) == (9, 10)
    async with override(PAGE_SIZE=11):
        assert settings.PAGE_SIZE == 11
    assert settings.PAGE_SIZE != 11


def test_mutable_defaults_are_not_shared():
    with override(DEBUG=True):
        settings.ALLOWED_HOSTS.append("x")
        from covet.conf.defaults import declared

        assert declared()["ALLOWED_HOSTS"].default == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("SECRET_KEY", True),
        ("STRIPE_API_KEY", True),
        ("DB_PASSWORD", True),
        ("PASSWORD_HASHERS", False),
        ("DEBUG", False),
    ],
)
def test_names_that_hold_secrets_are_known(name, secret):
    assert is_secret(name) is secret


def test_masking_reaches_into_values():
    value = {"url": "redis://u:hunter2@h/0", "nested": [{"password": "x"}], "n": 1}

    assert mask("SERVICE", value) == {
        "url": f"redis://u:{MASK}@h/0",
        "nested": [{"password": MASK}],
        "n": 1,
    }
    assert mask("SECRET_KEY", "") == ""
    with override(SECRET_KEY="x" * 50, SECRET_KEY_FALLBACKS=["y"], REDIS_URL="redis://a:b@h"):
        assert settings.shown("SECRET_KEY") == MASK
        assert settings.shown("SECRET_KEY_FALLBACKS") == MASK
        assert settings.shown("REDIS_URL") == MASK
    assert settings.shown("DEBUG") is settings.DEBUG


def test_every_setting_has_a_doc_line_and_a_right_default():
    from covet.conf.defaults import declared
    from covet.conf.sources import check_values

    table = declared()
    assert all(s.doc.endswith(".") for s in table.values()), [n for n, s in table.items() if not s.doc.endswith(".")]
    checked = check_values({name: s.default for name, s in table.items()}, source="default")
    assert checked.values["DEBUG"] is False


def test_a_block_that_ends_before_one_inside_it_is_told_and_put_back_with_it():
    size, delay = settings.PAGE_SIZE, settings.SHUTDOWN_DELAY_S
    outer, inner = override(PAGE_SIZE=7), override(SHUTDOWN_DELAY_S=5.0)
    outer.__enter__()
    inner.__enter__()

    with pytest.raises(ImproperlyConfigured) as told:
        outer.__exit__(None, None, None)

    places = re.findall(r"override\((\w+)=…\) at .*?test_settings_object\.py:(\d+)", str(told.value))
    assert [name for name, _ in places] == ["PAGE_SIZE", "SHUTDOWN_DELAY_S"]
    assert int(places[1][1]) == int(places[0][1]) + 1
    assert (settings.PAGE_SIZE, settings.SHUTDOWN_DELAY_S) == (7, 5.0)
    inner.__exit__(None, None, None)
    assert (size, delay) == (settings.PAGE_SIZE, settings.SHUTDOWN_DELAY_S)


async def test_tasks_that_each_change_settings_at_once_are_told():
    before = settings.PAGE_SIZE
    began = asyncio.Event()

    @override(PAGE_SIZE=7)
    async def first() -> None:
        await began.wait()

    async def second() -> None:
        async with override(PAGE_SIZE=8):
            began.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    told, unharmed = await asyncio.gather(first(), second(), return_exceptions=True)

    assert unharmed is None
    assert isinstance(told, ImproperlyConfigured)
    assert re.match(r"override\(PAGE_SIZE=…\) at the decorator of [\w.]+<locals>\.first ends while", str(told))
    assert before == settings.PAGE_SIZE


class Recorder:
    """A rebuilder that writes down what it is asked; it cannot close what a setting of that name has opened."""

    def __init__(self, broken=""):
        self.log = []
        self.broken = broken

    def rebuild(self, names):
        return ",".join(names)

    def restore(self, before):
        self.log.append(("restored", before))

    async def open(self, before):
        self.log.append(("opened", before))

    async def close(self, before):
        if before == self.broken:
            raise OSError(before)
        self.log.append(("closed", before))


async def test_what_an_early_ended_block_opened_is_closed_with_the_one_inside_it(monkeypatch):
    monkeypatch.setattr(settings, "rebuilder", recorder := Recorder())
    outer, inner = override(PAGE_SIZE=7), override(SHUTDOWN_DELAY_S=5.0)
    await outer.__aenter__()
    await inner.__aenter__()
    recorder.log.clear()

    with pytest.raises(ImproperlyConfigured, match="PAGE_SIZE"):
        await outer.__aexit__(None, None, None)
    assert recorder.log == []
    await inner.__aexit__(None, None, None)

    inside, outside = "SHUTDOWN_DELAY_S", "PAGE_SIZE"
    assert recorder.log == [("closed", inside), ("restored", inside), ("closed", outside), ("restored", outside)]


async def test_blocks_are_put_back_also_where_the_inner_one_cannot_be_closed(monkeypatch):
    size, delay = settings.PAGE_SIZE, settings.SHUTDOWN_DELAY_S
    monkeypatch.setattr(settings, "rebuilder", Recorder(broken="SHUTDOWN_DELAY_S"))
    outer, inner = override(PAGE_SIZE=7), override(SHUTDOWN_DELAY_S=5.0)
    await outer.__aenter__()
    await inner.__aenter__()
    with pytest.raises(ImproperlyConfigured, match="PAGE_SIZE"):
        await outer.__aexit__(None, None, None)

    with pytest.raises(OSError, match="SHUTDOWN_DELAY_S"):
        await inner.__aexit__(None, None, None)

    assert (size, delay) == (settings.PAGE_SIZE, settings.SHUTDOWN_DELAY_S)
