"""Dotted paths to objects."""

import importlib
import subprocess
import sys

import pytest

from covet.exceptions import ImproperlyConfigured, MissingDependency
from covet.loading import has_submodule, import_string, late_function, module_folder, submodules


def test_a_dotted_path_gives_the_object():
    import pathlib

    assert import_string("pathlib.Path") is pathlib.Path
    assert import_string("pathlib:Path.cwd").__func__ is pathlib.Path.cwd.__func__


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("Path", "no dotted path"),
        ("nowhere.at.all", "no module 'nowhere'"),
        ("pathlib.Paht", "Did you mean 'Path'?"),
    ],
)
def test_a_path_to_nothing_says_what_is_missing(path, words):
    with pytest.raises(ImproperlyConfigured, match=words.replace("?", r"\?")):
        import_string(path)


def test_a_module_that_fails_is_no_missing_module(tmp_path, monkeypatch):
    (tmp_path / "broken_module_of_a_test.py").write_text("import not_there_for_a_test\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="not_there_for_a_test"):
        import_string("broken_module_of_a_test.name")


def test_what_a_module_says_that_it_lacks_comes_as_it_is(tmp_path, monkeypatch):
    lacks = "raise MissingDependency('asyncpg', extra='postgres', feature='A PostgreSQL database')"
    text = f"from covet.exceptions import MissingDependency\ntry:\n    import nowhere_at_all\nexcept ImportError as error:\n    {lacks} from error\n"
    (tmp_path / "lacking_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MissingDependency, match=r"covet\[postgres\]"):
        import_string("lacking_module.Thing")


def test_submodules_are_listed_without_importing(tmp_path, monkeypatch):
    package = tmp_path / "package_of_a_test"
    (package / "inner").mkdir(parents=True)
    (package / "templates").mkdir()
    for name in ("__init__.py", "models.py", "inner/__init__.py"):
        (package / name).write_text("")
    (package / "urls.py").write_text("raise SystemError")
    monkeypatch.syspath_prepend(tmp_path)
    import package_of_a_test

    assert submodules(package_of_a_test) == {"models", "urls", "inner"}
    assert has_submodule("package_of_a_test", "urls")
    assert not has_submodule("package_of_a_test", "views")
    assert module_folder("package_of_a_test") == package
    assert module_folder("not_there_for_a_test") is None


LATE = [
    "covet.auth",
    "covet.conf",
    "covet.db",
    "covet.db.migrations",
    "covet.db.models",
    "covet.db.models.expressions",
    "covet.db.models.fields",
    "covet.db.models.functions",
    "covet.db.models.query",
    "covet.db.models.relations",
    "covet.http",
    "covet.i18n",
    "covet.limits",
    "covet.log",
    "covet.pubsub",
    "covet.rest.pagination",
    "covet.security",
    "covet.templates",
    "covet.urls",
    "covet.views",
]


@pytest.mark.parametrize("name", LATE)
def test_names_that_are_imported_late_are_all_there(name):
    found = importlib.import_module(name)

    assert set(found.__all__) <= set(dir(found))
    for each in found.__all__:
        assert getattr(found, each) is not None


def test_a_completion_knows_names_that_nobody_has_asked_for():
    done = subprocess.run(
        [sys.executable, "-c", "from covet.db import models; print(*dir(models))"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert {"CharField", "Window", "Prefetch"} <= set(done.stdout.split())


def test_a_misspelt_name_of_a_package_is_told_its_neighbour():
    with pytest.raises(AttributeError) as caught:
        importlib.import_module("covet.db.models").CharFeild

    assert caught.value.name == "CharFeild"
    assert "CharField" in dir(caught.value.obj)


@pytest.fixture
def asker(tmp_path, monkeypatch):
    (tmp_path / "late_of_a_test.py").write_text("import sys\nsys.late_of_a_test += 1\nanswer = 42\n")
    (tmp_path / "asker_of_a_test.py").write_text(
        "from covet.loading import late_module\n"
        "late = late_module(__name__, 'late_of_a_test', 'late')\n"
        "def ask(): return late.answer\n"
        "def misspelt(): return late.anser\n"
    )
    monkeypatch.setattr(sys, "late_of_a_test", 0, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        yield importlib.import_module("asker_of_a_test")
    finally:
        for name in ("asker_of_a_test", "late_of_a_test"):
            sys.modules.pop(name, None)


def test_a_late_module_is_imported_when_it_is_first_asked_and_its_stand_in_steps_aside(asker):
    assert "late_of_a_test" in repr(asker.late)
    assert sys.late_of_a_test == 0

    assert (asker.ask(), asker.ask()) == (42, 42)

    assert sys.late_of_a_test == 1
    assert asker.late is sys.modules["late_of_a_test"]


def test_a_late_module_has_the_errors_of_the_module_itself(asker):
    with pytest.raises(AttributeError, match="module 'late_of_a_test' has no attribute 'anser'"):
        asker.misspelt()


def test_what_a_test_put_in_place_of_a_late_module_stays(asker, monkeypatch):
    stand_in = asker.late
    monkeypatch.setattr(asker, "late", None)

    assert stand_in.answer == 42

    assert asker.late is None


async def test_a_late_function_is_compiled_by_its_first_call_and_keeps_its_defaults():
    scope = {"offset": 40}
    late = late_function("async def add(a, b=2, *, c=0):\n return offset + a + b + c\n", "<added>", "add", scope)
    compiled = []
    scope["COMPILED"] = lambda inner=scope["COMPILED"]: compiled.append(1) or inner()

    first, second = late(0), late(1, c=10)
    assert (await first, await second) == (42, 53)
    assert (await late(0), await late(0, 3, c=1)) == (42, 44)

    # Two calls were under way before either had run: each compiles, and none does later.
    assert len(compiled) == 2
    assert (late.__name__, late.__code__.co_filename) == ("add", "<added>")
    with pytest.raises(TypeError, match="unexpected keyword argument 'd'"):
        await late(0, d=1)


async def test_a_late_function_that_does_not_compile_says_where():
    with pytest.raises(SyntaxError, match=r"\(<added>, line 1\)"):
        await late_function("async def add(:", "<added>", "add", {})()


def test_what_is_loaded_uncollected_is_looked_through_no_more():
    """On each Python: 3.12 has a few hundred frozen objects of its own by the time of the first full collection."""
    source = (
        "import gc\n"
        "from covet.loading import is_frozen, uncollected\n"
        "gc.collect()\n"
        "gc.disable()\n"
        "with uncollected():\n"
        "    loaded = [[] for _ in range(5000)]\n"
        "young = {id(one) for one in gc.get_objects(generation=0)}\n"
        "print(len([one for one in loaded if id(one) in young]), is_frozen())\n"
    )

    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)

    assert done.stdout.split() == ["0", "False"], done.stderr
