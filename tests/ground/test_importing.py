"""``covet.importing``: what its finder finds is what Python's would, and whatever is unusual is left to Python's."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.machinery import BuiltinImporter, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import pytest

import covet
from covet import importing
from tests._environ import bare
from tests.conftest import repository_root

ROOT = repository_root()
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "covet").rglob("*.py")
    if path.parent != ROOT / "covet" or path.name != "__init__.py"
)


def told(finder: Any, name: str) -> dict[str, Any] | None:
    """All that a spec, its module and its loader say, but for the loader's own class."""
    spec = finder.find_spec(name, [str(ROOT.joinpath(*name.split(".")[:-1]))])
    if spec is None or spec.loader is None:
        return None  # a folder of files that are no package
    loader = spec.loader
    assert isinstance(loader, SourceFileLoader)
    attributes = ("name", "origin", "cached", "has_location", "parent", "submodule_search_locations", "loader_state")
    return {
        **{attribute: getattr(spec, attribute) for attribute in attributes},
        "module": {k: v for k, v in vars(module_from_spec(spec)).items() if k not in ("__spec__", "__loader__")},
        "code": loader.get_code(name) if name.count(".") == 1 else None,
        "file": loader.get_filename(name),
        "package": loader.is_package(name),
    }


def test_each_module_is_found_and_loaded_as_python_would() -> None:
    finder = importing.OwnModules()

    differing = [name for name in MODULES if told(finder, name) != told(PathFinder, name)]

    assert len(MODULES) > 400
    assert differing == []


def test_the_finder_stands_before_pythons_and_behind_those_of_others() -> None:
    at = [isinstance(each, importing.OwnModules) for each in sys.meta_path]

    assert at.count(True) == 1
    assert sys.meta_path[at.index(True) + 1] is BuiltinImporter


@pytest.mark.parametrize("name", ["covetous", "covet_rust", "covetous.conf", "conf", "covet"])
def test_what_is_not_below_covet_is_left_to_python(name: str) -> None:
    assert importing.OwnModules().find_spec(name, [str(ROOT / "covet")]) is None


@pytest.mark.parametrize("path", [None, [], ["/nowhere/at/all"], ["covet"], (str(ROOT / "covet"),)], ids=str)
def test_a_path_that_is_no_list_of_folders_is_left_to_python(path: Any) -> None:
    assert importing.OwnModules().find_spec("covet.loading", path) is None


def test_a_name_in_other_letters_is_no_module() -> None:
    """Some file systems would open ``Loading.py``."""
    assert importing.OwnModules().find_spec("covet.Loading", [str(ROOT / "covet")]) is None


def test_a_python_that_keeps_no_bytecode_finds_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.implementation, "cache_tag", None)

    assert importing.OwnModules().find_spec("covet.loading", [str(ROOT / "covet")]) is None


def test_a_folder_of_compiled_modules_is_left_to_python(tmp_path: Path) -> None:
    for name in ("small.py", f"small{importlib.machinery.EXTENSION_SUFFIXES[0]}"):
        (tmp_path / name).touch()

    assert importing.OwnModules().find_spec("covet.small", [str(tmp_path)]) is None
    found = importlib.machinery.PathFinder.find_spec("covet.small", [str(tmp_path)])
    assert found is not None
    assert isinstance(found.loader, importlib.machinery.ExtensionFileLoader)


def test_a_module_of_a_later_second_is_found_after_the_caches_were_cleared(tmp_path: Path) -> None:
    finder, path = importing.OwnModules(), [str(tmp_path)]
    before = finder.find_spec("covet.small", path)
    (tmp_path / "small.py").touch()
    meanwhile = finder.find_spec("covet.small", path)
    finder.invalidate_caches()

    assert before is None
    assert meanwhile is None
    assert finder.find_spec("covet.small", path) is not None


def test_bytecode_is_looked_for_where_it_is_kept_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finder, path = importing.OwnModules(), [str(ROOT / "covet")]
    finder.find_spec("covet.loading", path)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))

    found = finder.find_spec("covet.loading", path)

    assert found is not None
    assert found.cached == importlib.util.cache_from_source(str(ROOT / "covet" / "loading.py"))


def test_another_name_is_refused_as_python_refuses_it(tmp_path: Path) -> None:
    source = str(ROOT / "covet" / "loading.py")
    bytecode = py_compile.compile(source, cfile=str(tmp_path / "loading.pyc"), doraise=True)
    assert bytecode is not None
    loader = importing.OwnLoader("covet.loading", source, bytecode)

    with pytest.raises(ImportError, match=re.escape("loader for covet.loading cannot handle covet.text")):
        loader.get_code("covet.text")


@pytest.mark.parametrize("loader", ["zip", "none"])
def test_where_another_loader_has_loaded_covet_it_loads_all(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [BuiltinImporter])

    class Frozen(SourceFileLoader):
        """What a packer of programs, or a hook that rewrites, brings along."""

    importing.install(None if loader == "none" else importlib.machinery.ModuleSpec("covet", Frozen("covet", "x")))

    assert sys.meta_path == [BuiltinImporter]


def test_nothing_is_put_before_finders_that_somebody_has_arranged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [PathFinder])

    importing.install(covet.__spec__)

    assert sys.meta_path == [PathFinder]


# From here on in processes, with a Covet of its real front door and finder, and small modules.

PROBE = """
import json, sys
events = []
sys.addaudithook(lambda event, args: events.append((event, str(args[1]))) if event == "compile" else None)
import covet.small
import covet.sub.inner
loader = type(covet.small.__loader__).__name__
compiled = sorted(file.rpartition("/")[2] for _, file in events if "/covet/" in file)
print(json.dumps({"loader": loader, "compiled": compiled, "value": covet.small.VALUE, "inner": covet.sub.inner.VALUE,
    "doc": covet.small.__doc__, "file": covet.small.__file__, "code": covet.small.told.__code__.co_filename,
    "cached": covet.small.__spec__.cached, "finders": [type(each).__name__ for each in sys.meta_path].count("OwnModules")}))
"""
SMALL = '''"""A small module."""
import sys

VALUE = 1


def told():
    return VALUE


def process(queue):
    queue.put([type(sys.modules[__name__].__loader__).__name__, VALUE])


if __name__ == "__main__":
    print("run", __spec__.name, VALUE)
'''
WRITTEN = ["__init__.py", "importing.py", "small.py", "inner.py"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a Covet of few modules."""
    folder = tmp_path / "home"
    inner = folder / "covet" / "sub"
    inner.mkdir(parents=True)
    for name in ("__init__.py", "importing.py"):
        shutil.copyfile(ROOT / "covet" / name, folder / "covet" / name)
    (folder / "covet" / "small.py").write_text(SMALL)
    (inner / "__init__.py").write_text("")
    (inner / "inner.py").write_text("VALUE = 2\n")
    (inner / "told.txt").write_text("told")
    (folder / "covetous.py").write_text("VALUE = 3\n")
    return folder


def python(home: Path, *args: str, **environment: str) -> str:
    """Run Python with that Covet, and with bytecode."""
    known = {name: value for name, value in bare(measured=False).items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *args],
        env={**known, "PYTHONPATH": str(home), **environment},
        cwd=home.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(home: Path, *options: str, **environment: str) -> dict[str, Any]:
    """What the probe tells."""
    found: dict[str, Any] = json.loads(python(home, *options, "-c", PROBE, **environment))
    assert found["file"] == str(home / "covet" / "small.py")
    return found


def kept(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "covet").rglob("*.pyc"))


def change(path: Path, text: str, *, seconds: int = 0) -> None:
    """Write a file anew, changed so many seconds after it was."""
    at = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(at, at + seconds * 10**9))


def test_bytecode_is_written_by_the_first_start_and_taken_by_the_next(home: Path) -> None:
    first, second = ask(home), ask(home)

    assert first["loader"] == second["loader"] == "OwnLoader"
    assert first["compiled"] == sorted([*WRITTEN, "__init__.py"])
    assert second["compiled"] == []
    assert len(kept(home)) == 5
    assert first["value"] == second["value"] == 1
    assert Path(second["cached"]).exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [(SMALL.replace("VALUE = 1", "VALUE = 7"), 5), (SMALL.replace("VALUE = 1", "VALUE = 7  "), 0)]
)
def test_a_source_of_another_time_or_size_is_compiled_again(home: Path, text: str, seconds: int) -> None:
    ask(home)
    change(home / "covet" / "small.py", text, seconds=seconds)

    again, later = ask(home), ask(home)

    assert again["value"] == later["value"] == 7
    assert again["compiled"] == ["small.py"]
    assert later["compiled"] == []


def test_a_process_that_may_not_write_bytecode_writes_none(home: Path) -> None:
    assert ask(home, PYTHONDONTWRITEBYTECODE="1")["value"] == 1
    assert kept(home) == []


def test_bytecode_is_kept_below_another_folder_where_one_is_given(home: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    ask(home, PYTHONPYCACHEPREFIX=str(cache))

    second = ask(home, PYTHONPYCACHEPREFIX=str(cache))

    assert second["compiled"] == []
    assert second["cached"].startswith(str(cache))
    assert kept(home) == []


@pytest.mark.parametrize(("option", "tag", "doc"), [("-O", "opt-1", "A small module."), ("-OO", "opt-2", None)])
def test_optimized_bytecode_is_its_own(home: Path, option: str, tag: str, doc: str | None) -> None:
    ask(home)
    ask(home, option)

    second = ask(home, option)

    assert second["compiled"] == []
    assert second["doc"] == doc
    assert tag in second["cached"]
    assert ask(home)["doc"] == "A small module."


def test_a_folder_in_which_nothing_can_be_written_starts_all_the_same(home: Path) -> None:
    for folder in (home / "covet", home / "covet" / "sub"):
        (folder / "__pycache__").write_text("no folder")  # root may write into any folder

    assert ask(home)["value"] == 1
    assert ask(home)["loader"] == "OwnLoader"


@pytest.mark.parametrize(("mode", "value"), [("CHECKED_HASH", 7), ("UNCHECKED_HASH", 1)])
def test_bytecode_with_a_hash_is_judged_by_it(home: Path, mode: str, value: int) -> None:
    small = home / "covet" / "small.py"
    py_compile.compile(str(small), invalidation_mode=py_compile.PycInvalidationMode[mode])
    change(small, SMALL.replace("VALUE = 1", "VALUE = 7"))

    assert ask(home)["value"] == value
    assert ask(home, "--check-hash-based-pycs", "always")["value"] == 7


@pytest.mark.parametrize("length", [0, 12])
def test_bytecode_that_ends_early_is_written_anew(home: Path, length: int) -> None:
    bytecode = Path(ask(home)["cached"])
    bytecode.write_bytes(bytecode.read_bytes()[:length])

    assert ask(home)["compiled"] == ["small.py"]
    assert ask(home)["compiled"] == []


def test_bytecode_of_another_python_is_written_anew(home: Path) -> None:
    bytecode = Path(ask(home)["cached"])
    bytecode.write_bytes(b"\0\0\r\n" + bytecode.read_bytes()[4:])

    assert ask(home)["compiled"] == ["small.py"]
    assert ask(home)["value"] == 1


def test_tracebacks_of_a_tree_that_was_moved_name_its_new_place(home: Path, tmp_path: Path) -> None:
    ask(home)
    moved = tmp_path / "moved"
    home.rename(moved)

    found = ask(moved)

    assert found["compiled"] == []
    assert found["code"] == found["file"]


def test_a_module_without_its_source_is_pythons(home: Path) -> None:
    small = home / "covet" / "small.py"
    py_compile.compile(str(small), cfile=str(small.with_suffix(".pyc")))
    small.unlink()

    assert python(home, "-c", "import covet.small as s; print(type(s.__loader__).__name__, s.VALUE)").split() == [
        "SourcelessFileLoader",
        "1",
    ]


def test_a_covet_in_a_zip_file_is_pythons(home: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in (home / "covet").rglob("*.py"):
            file.write(path, path.relative_to(home))

    source = "import sys, covet.small as s, covet.sub.inner; print(type(s.__loader__).__name__, s.VALUE, 'OwnModules' in map(str, map(type, sys.meta_path)))"
    assert python(packed, "-c", source).split() == ["zipimporter", "1", "False"]


def test_the_first_of_two_covets_is_taken_whole(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(home, other)
    (other / "covet" / "extra.py").write_text("")

    source = (
        "import importlib.util, covet.small\n"
        "print(covet.small.__file__, importlib.util.find_spec('covet.extra'))\n"
        f"covet.__path__.append({str(other / 'covet')!r})\n"
        "print(importlib.util.find_spec('covet.extra').origin)"
    )
    out = python(home, "-c", source, PYTHONPATH=f"{home}{os.pathsep}{other}")

    assert out.split() == [str(home / "covet" / "small.py"), "None", str(other / "covet" / "extra.py")]


def test_reload_runs_a_changed_source(home: Path) -> None:
    ask(home)
    source = (
        "import covet.small, importlib, os\n"
        "path = covet.small.__file__\n"
        "text = open(path).read().replace('VALUE = 1', 'VALUE = 70')\n"
        "open(path, 'w').write(text)\n"
        "importlib.reload(covet.small); print(covet.small.VALUE)\n"
        "importlib.reload(covet); importlib.reload(covet.importing); importlib.reload(covet)\n"
        "import sys; print([type(each).__name__ for each in sys.meta_path].count('OwnModules'))\n"
        "for name in [n for n in sys.modules if n.startswith('covet')]: del sys.modules[name]\n"
        "import covet.small; print([type(each).__name__ for each in sys.meta_path].count('OwnModules'))\n"
    )

    assert python(home, "-c", source).split() == ["70", "1", "1"]


def test_what_python_tells_of_modules_is_told_of_these(home: Path) -> None:
    source = (
        "import covet.small, covet.sub, importlib.resources, importlib.util, inspect, linecache, pkgutil, sys, traceback\n"
        "print(sorted(m.name for m in pkgutil.walk_packages(covet.__path__, 'covet.')))\n"
        "print((importlib.resources.files('covet.sub') / 'told.txt').read_text())\n"
        "print(inspect.getsource(covet.small.told).strip())\n"
        "print(importlib.util.find_spec('covet.sub.inner').name, 'covet.sub.inner' in sys.modules)\n"
        "print(pkgutil.get_data('covet.sub', 'told.txt').decode())\n"
        "print(covet.small.__loader__.get_source('covet.small').splitlines()[0])\n"
    )

    assert python(home, "-W", "ignore", "-c", source).splitlines() == [
        "['covet.importing', 'covet.small', 'covet.sub', 'covet.sub.inner']",
        "told",
        "def told():",
        "    return VALUE",
        "covet.sub.inner False",
        "told",
        '"""A small module."""',
    ]


def test_a_failing_module_is_told_as_if_python_had_loaded_it(home: Path) -> None:
    (home / "covet" / "failing.py").write_text("import covet.broken\n")
    (home / "covet" / "broken.py").write_text("1 / 0\n")
    source = (
        "import traceback\n"
        "import covet\n"
        "try:\n    import covet.failing\n"
        "except ZeroDivisionError as error:\n"
        "    print([(frame.name, frame.line) for frame in traceback.extract_tb(error.__traceback__)][1:])\n"
    )
    expected = [("<module>", "import covet.broken"), ("<module>", "1 / 0")]

    assert python(home, "-c", source).strip() == repr(expected)
    assert python(home, "-c", source).strip() == repr(expected)


@pytest.mark.parametrize("name", ["covet.nothing", "covet.small.nothing", "covet.nothing.more", "covet.sub.Inner"])
def test_a_module_that_is_missing_is_told_as_python_tells_it(home: Path, name: str) -> None:
    source = (
        "import sys, covet.small, covet.sub\n"
        "{first}"
        "try:\n    import {name}\n"
        "except ModuleNotFoundError as error:\n    print(error, error.name)\n"
    )
    without = "sys.meta_path[:] = [each for each in sys.meta_path if type(each).__name__ != 'OwnModules']\n"

    ours = python(home, "-c", source.format(first="", name=name))

    assert ours == python(home, "-c", source.format(first=without, name=name))
    assert "No module named" in ours


def test_what_is_added_to_the_folders_is_found(home: Path) -> None:
    """Modules of other kinds, and those that were written after the folder was listed."""
    plain = home / "covet" / "plain"
    plain.mkdir()
    (plain / "inside.py").write_text("VALUE = 4\n")
    source = (
        "import covet.small, covet.plain.inside, covetous, importlib, pathlib\n"
        "print(covet.plain.inside.VALUE, covetous.VALUE, type(covetous.__loader__).__name__)\n"
        "pathlib.Path(covet.small.__file__).with_name('later.py').write_text('VALUE = 5')\n"
        "importlib.invalidate_caches()\n"
        "import covet.later; print(covet.later.VALUE, type(covet.later.__loader__).__name__)\n"
    )

    assert python(home, "-c", source).split() == ["4", "3", "SourceFileLoader", "5", "OwnLoader"]


def test_a_module_can_be_run_and_started_in_other_processes(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "start.py"
    script.write_text(
        "import multiprocessing, covet.small\n"
        "if __name__ == '__main__':\n"
        "    for kind in ('spawn', 'forkserver'):\n"
        "        context = multiprocessing.get_context(kind)\n"
        "        queue = context.SimpleQueue()\n"
        "        process = context.Process(target=covet.small.process, args=(queue,))\n"
        "        process.start(); process.join(); print(*queue.get())\n"
    )

    assert python(home, "-m", "covet.small").split() == ["run", "covet.small", "1"]
    assert python(home, str(script)).splitlines() == ["OwnLoader 1", "OwnLoader 1"]


def test_coverage_counts_what_runs(home: Path, tmp_path: Path) -> None:
    ask(home)
    data, found = str(tmp_path / "data"), tmp_path / "found.json"
    python(home, "-m", "coverage", "run", f"--data-file={data}", "--source=covet", "-m", "covet.small")
    python(home, "-m", "coverage", "json", f"--data-file={data}", f"--include={home}/*", "-o", str(found))

    files = {Path(name).name: told["executed_lines"] for name, told in json.loads(found.read_text())["files"].items()}

    assert {4, 7, 15, 16} <= set(files["small.py"])
    assert 8 not in files["small.py"]


def test_pytest_rewrites_the_assertions_that_it_is_told_to(home: Path, tmp_path: Path) -> None:
    (home / "covet" / "checked.py").write_text("def check(value):\n    assert value == 2\n")
    (tmp_path / "conftest.py").write_text(
        "import covet.small, pytest\npytest.register_assert_rewrite('covet.checked')\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_it():\n"
        "    import covet.checked\n"
        "    assert type(covet.checked.__loader__).__name__ == 'AssertionRewritingHook'\n"
        "    with pytest.raises(AssertionError, match='assert 1 == 2'):\n"
        "        covet.checked.check(1)\n"
    )

    out = python(
        home, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_it.py"), "--rootdir", str(tmp_path),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )  # fmt: skip

    assert "1 passed" in out


def test_the_loader_takes_no_more_of_the_base_class_than_it_says() -> None:
    """It makes itself without a call of the base class, which sets these two and nothing else."""
    loader = SourceFileLoader("covet.loading", "file")

    assert vars(loader) == {"name": "covet.loading", "path": "file"}
    assert list(inspect.signature(SourceFileLoader.get_code).parameters) == ["self", "fullname"]
