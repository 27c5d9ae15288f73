"""startproject and startapp: what they write, and what they refuse."""

import ast
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

from covet.commands._scaffold import template_folder
from tests import _forking
from tests._environ import bare

ADMIN = str(Path(sys.executable).parent / "covet-admin")


def run(*args, cwd, program=ADMIN):
    return _forking.run(program, *args, cwd=cwd, env=bare())


def manage(*args, cwd):
    return run(*args, cwd=cwd, program="manage.py")


def files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


@pytest.fixture
def site(tmp_path):
    done = run("startproject", "mysite", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / "mysite"


def test_startproject_writes_what_the_first_ten_minutes_need(site):
    assert files(site) == {
        "manage.py",
        "pyproject.toml",
        "README.md",
        ".gitignore",
        ".env",
        "mysite/__init__.py",
        "mysite/settings.py",
        "mysite/urls.py",
        "mysite/asgi.py",
        "tests/__init__.py",
        "tests/test_site.py",
    }
    for file in site.rglob("*.py"):
        ast.parse(file.read_text())
    config = tomllib.loads((site / "pyproject.toml").read_text())
    assert config["project"]["dependencies"] == ["covet[standard]>=0.1,<0.2"]
    assert config["tool"]["pytest"]["ini_options"]["covet_settings"] == "mysite.settings"
    assert any("covet[test]" in line for line in config["dependency-groups"]["dev"])
    assert os.access(site / "manage.py", os.X_OK)
    assert ".env" in (site / ".gitignore").read_text().splitlines()


def test_no_place_is_left_unfilled(site):
    manage("startapp", "my_notes", cwd=site)

    left = {
        place
        for file in site.rglob("*")
        if file.is_file() and file.suffix != ".html" and "__pycache__" not in file.parts
        for place in re.findall(r"\{\{ \w+ \}\}", file.read_text())
    }
    assert left == set()
    assert re.findall(r"\{\{ [\w.]+ \}\}", (site / "my_notes/templates/my_notes/index.html").read_text()) == [
        "{{ item.name }}"
    ]


def test_every_project_has_a_secret_of_its_own(site, tmp_path):
    run("startproject", "other", cwd=tmp_path)
    keys = [re.search("SECRET_KEY='(.+)'", (tmp_path / n / ".env").read_text())[1] for n in ("mysite", "other")]

    assert keys[0] != keys[1]
    assert all(len(key) >= 50 and len(set(key)) >= 5 for key in keys)
    done = manage("settings", "SECRET_KEY", "--json", cwd=site)
    assert '".env (SECRET_KEY)"' in done.stdout
    assert keys[0] not in done.stdout


def test_startproject_into_a_folder_that_is_there(tmp_path):
    (tmp_path / "LICENSE").touch()

    done = run("startproject", "mysite", ".", cwd=tmp_path)

    assert done.returncode == 0
    assert (tmp_path / "manage.py").exists()
    assert run("startproject", "other", ".", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("my-site", 2, "Try 'my_site'."),
        ("1site", 2, "Python package"),
        ("class", 2, "Python package"),
        ("json", 2, "existing Python module"),
        ("covet", 2, "existing Python module"),
        ("größe", 2, "ASCII"),
        ("taken", 1, "exists already"),
    ],
)
def test_a_name_that_cannot_be_a_project_is_refused(tmp_path, name, code, words):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()

    done = run("startproject", name, cwd=tmp_path)

    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert files(tmp_path) == {"taken/file"}


def test_nothing_is_written_where_a_file_is_in_the_way(tmp_path):
    (tmp_path / "manage.py").touch()

    done = run("startproject", "mysite", ".", cwd=tmp_path)

    assert done.returncode == 1
    assert "manage.py exists already" in done.stderr
    assert files(tmp_path) == {"manage.py"}


def test_three_apps_are_made_and_installed_with_no_change_by_hand(site):
    for name in ("blog", "shop", "my_notes"):
        done = manage("startapp", name, cwd=site)
        assert done.returncode == 0, done.stderr
        assert f"Added '{name}' to INSTALLED_APPS" in done.stderr
        for file in (site / name).rglob("*.py"):
            ast.parse(file.read_text())

    shown = manage("settings", "INSTALLED_APPS", "--json", cwd=site).stdout
    assert '"blog","shop","my_notes"]' in shown
    assert files(site / "blog") == {
        "__init__.py",
        "apps.py",
        "models.py",
        "views.py",
        "urls.py",
        "schema.py",
        "routing.py",
        "migrations/__init__.py",
        "templates/blog/index.html",
        "tests/__init__.py",
        "tests/factories.py",
        "tests/test_api.py",
    }


def test_names_of_generated_apps_carry_their_label(site):
    for name in ("blog", "shop"):
        manage("startapp", name, cwd=site)

    def names(app):
        found = set()
        for module in ("views", "schema", "routing"):
            for node in ast.walk(ast.parse((site / app / f"{module}.py").read_text())):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    found.add(node.name)
                elif isinstance(node, ast.AnnAssign):
                    found.add(node.target.id)
        return found - {"Query", "Mutation", "Subscription", "index"}

    assert names("blog") & names("shop") == set()
    assert "BlogItemType" in names("blog")


def test_startapp_below_a_folder_takes_the_dotted_name(site):
    done = manage("startapp", "blog", "apps/blog", cwd=site)

    assert done.returncode == 0, done.stderr
    assert '"apps.blog"' in (site / "mysite/settings.py").read_text()
    assert 'name = "apps.blog"' in (site / "apps/blog/apps.py").read_text()
    assert manage("startapp", "shop", "apps/other", cwd=site).returncode == 2


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("blog", 1, "exists already"),
        ("json", 2, "existing Python module"),
        ("a-b", 2, "Try 'a_b'"),
        ("mysite", 1, "exists"),
        ("tests", 2, "a project's tests"),
        ("class", 2, "cannot be the name of a Python package"),
        ("_shop", 2, "underscores"),
        ("my__shop", 2, "underscores"),
        ("Blog", 2, "'blog' already"),
        ("b_log", 2, "'blog' already"),
        ("auth", 2, "'covet.auth' already"),
    ],
)
def test_a_name_that_cannot_be_an_app_is_refused(site, name, code, words):
    manage("startapp", "blog", cwd=site)
    before = (site / "mysite/settings.py").read_text()

    done = manage("startapp", name, cwd=site)

    assert done.returncode == code
    assert words in done.stderr
    assert (site / "mysite/settings.py").read_text() == before


def test_settings_that_cannot_be_edited_get_a_note(site):
    (site / "mysite/settings.py").write_text("INSTALLED_APPS = list()\n")

    done = manage("startapp", "blog", cwd=site)

    assert done.returncode == 0
    assert 'Add "blog" to INSTALLED_APPS' in done.stderr
    assert (site / "blog/apps.py").exists()


def test_startapp_without_settings_makes_the_app_where_it_stands(tmp_path):
    done = run("startapp", "blog", cwd=tmp_path)

    assert done.returncode == 0
    assert (tmp_path / "blog/models.py").exists()
    assert "add" in done.stderr


def test_the_templates_hold_only_files_that_are_written():
    for kind in ("project", "app"):
        folder = template_folder(kind)
        assert not [p for p in folder.rglob("*") if p.suffix == ".py" and p.parent.name != "migrations"]


def test_an_app_that_is_listed_before_it_is_made_may_be_made(site):
    settings = site / "mysite/settings.py"
    settings.write_text(settings.read_text().replace('"covet.websocket",', '"covet.websocket",\n    "blog",'))

    done = manage("startapp", "blog", cwd=site)

    assert done.returncode == 0, done.stderr
    assert settings.read_text().count('"blog"') == 1


def test_a_project_called_tests_would_meet_its_own_tests(tmp_path):
    done = run("startproject", "tests", cwd=tmp_path)

    assert done.returncode == 2
    assert "call the project something else" in done.stderr
    assert files(tmp_path) == set()
