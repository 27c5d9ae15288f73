"""A generated project with three generated apps: it migrates, passes its checks, its tests, and the type checker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def run(*args, cwd, **environ):
    return subprocess.run(
        args,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environ},
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


def test_it_serves_under_a_plain_asgi_server(site):
    code = "from mysite.asgi import application; print(callable(application))"

    assert run(sys.executable, "-c", code, cwd=site).stdout == "True\n"
