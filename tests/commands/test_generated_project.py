"""A generated project with three generated apps: it migrates, passes its checks, its tests, and the type checker."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests._environ import bare

BIN = Path(sys.executable).parent


def run(*args, cwd, **environ):
    return subprocess.run(
        args,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        env=bare(HOME=str(cwd), **environ),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    assert run(BIN / "covet-admin", "startproject", "mysite", ".", cwd=folder).returncode == 0
    for name in ("blog", "shop", "my_notes"):
        assert run(sys.executable, "manage.py", "startapp", name, cwd=folder).returncode == 0
    done = run(sys.executable, "manage.py", "makemigrations", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "Migrations for 'blog':\n  blog/migrations/0001_initial.py\n    + Create model Item\n"
    ), done.stdout
    return folder


def test_it_migrates_and_passes_its_checks(site):
    migrated = run(sys.executable, "manage.py", "migrate", cwd=site)
    again = run(sys.executable, "manage.py", "makemigrations", "--check", cwd=site)
    checked = run(sys.executable, "manage.py", "check", "--fail-level", "WARNING", cwd=site)

    assert migrated.returncode == 0, migrated.stderr
    assert "Applying blog.0001_initial… OK" in migrated.stdout
    assert again.returncode == 0, again.stdout + again.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_its_own_tests_pass(site):
    done = run(sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", cwd=site)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "21 passed" in done.stdout


def test_the_shell_has_its_models(site):
    run(sys.executable, "manage.py", "migrate", cwd=site)

    done = run(sys.executable, "manage.py", "shell", "-c", "print(Item, await User.objects.count())", cwd=site)

    assert done.stdout == "<class 'blog.models.Item'> 0\n", done.stderr


def test_its_code_is_formatted_linted_and_typed(site):
    linted = run(BIN / "ruff", "check", "--no-cache", ".", cwd=site)
    formatted = run(BIN / "ruff", "format", "--no-cache", "--check", ".", cwd=site)
    typed = run(BIN / "mypy", "--cache-dir", str(site / ".mypy_cache"), ".", cwd=site)

    assert linted.returncode == 0, linted.stdout
    assert formatted.returncode == 0, formatted.stdout
    assert typed.returncode == 0, typed.stdout


def test_a_server_tells_of_migrations_that_are_not_applied(site):
    environ = bare(PYTHONUNBUFFERED="1", DATABASE_URL=f"sqlite:///{site / 'empty.sqlite3'}")
    with subprocess.Popen(
        [sys.executable, "manage.py", "runserver", "0", "--noreload"],
        cwd=site,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environ,
    ) as process:
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "Run:" in line:
                    break
        finally:
            process.terminate()

    assert lines[0] == "Covet 0.1 · settings mysite.settings · sqlite empty.sqlite3 · uvicorn\n"
    assert [line.split()[1:] for line in lines[2:4]] == [
        ["REST", "API", "(OpenAPI", "3.1)"],
        ["GraphQL", "(GraphiQL)"],
    ]
    assert lines[-1] == (
        "6 migrations not applied (auth, blog, contenttypes, my_notes, sessions and shop). "
        "Run: python manage.py migrate\n"
    )


def test_two_models_of_one_name_are_one_clear_line(site):
    models = site / "blog" / "models.py"
    source = models.read_text()
    models.write_text(source + "\nfrom shop.more import Item as Other\n")
    (site / "shop" / "more.py").write_text(
        "from covet.db import models\nclass Item(models.Model):\n    class Meta:\n        app_label = 'blog'\n"
    )
    try:
        done = run(sys.executable, "manage.py", "check", cwd=site)
    finally:
        models.write_text(source)

    assert done.returncode == 1
    assert "blog.models.Item and shop.more.Item" in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_serves_under_a_plain_asgi_server(site):
    code = "from mysite.asgi import application; print(callable(application))"

    assert run(sys.executable, "-c", code, cwd=site).stdout == "True\n"
