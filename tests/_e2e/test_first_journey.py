"""Journey 1, as a new user walks it: an empty folder, the built wheel, the documented commands."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests._e2e.conftest import Machine
from tests._ports import free_port

SUPERUSER = {"COVET_SUPERUSER_PASSWORD": "correct horse battery"}


def test_the_wheel_holds_the_templates_types_and_assets(wheels: dict[str, Path]) -> None:
    """What a user needs comes with ``pip install``: nothing is read from a checkout."""
    names = set(zipfile.ZipFile(wheels["covet"]).namelist())

    assert "covet/py.typed" in names
    assert any(name.startswith("covet/_templates/project/") for name in names)
    assert any(name.startswith("covet/_templates/app/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "docs/", "examples/", "benchmarks/"))]


def test_the_first_ten_minutes(plain_machine: Machine, tmp_path: Path) -> None:
    """Scaffold, add an app, migrate, make a user, run; without Rust and without any other database driver."""
    machine, port = plain_machine, free_port()
    machine.run("covet-admin", "startproject", "mysite", cwd=tmp_path)
    project = tmp_path / "mysite"

    machine.run("python", "manage.py", "startapp", "blog", cwd=project)
    made = machine.run("python", "manage.py", "makemigrations", cwd=project)
    migrated = machine.run("python", "manage.py", "migrate", cwd=project)
    again = machine.run("python", "manage.py", "makemigrations", "--check", cwd=project)
    machine.run(
        "python",
        "manage.py",
        "createsuperuser",
        "--username",
        "ann",
        "--email",
        "ann@example.com",
        "--noinput",
        cwd=project,
        **SUPERUSER,
    )
    machine.run("python", "manage.py", "check", cwd=project)
    tests = machine.run("python", "-m", "pytest", "-q", cwd=project)
    with machine.serving(project, port) as log:
        pages = {
            path: machine.run(
                "python",
                "-c",
                f"import urllib.request as u; print(u.urlopen(u.Request('http://127.0.0.1:{port}{path}', headers={{'accept': 'text/html'}})).status)",
                cwd=project,
            ).strip()
            for path in ("/blog/", "/docs", "/graphql")
        }
        banner = log.read_text()

    assert "Migrations for 'blog':\n  blog/migrations/0001_initial.py\n    + Create model Item" in made
    assert re.search(r"Applying blog\.0001_initial… OK \(\d+ ms\)", migrated)
    assert "No changes" in again
    assert re.search(r"\d+ passed", tests)
    assert "failed" not in tests
    first = "Covet 0.1 · settings mysite.settings · sqlite db.sqlite3 · uvicorn\n"
    assert f"{first}  http://127.0.0.1:{port}/blog/ " in banner  # what the project has: nothing is at / yet
    assert "Watching for changes. Ctrl-C stops." in banner
    assert pages == {"/blog/": "200", "/docs": "200", "/graphql": "200"}


def test_three_apps_live_together_with_no_change_by_hand(plain_machine: Machine, tmp_path: Path) -> None:
    """The names of generated apps carry their labels."""
    machine = plain_machine
    machine.run("covet-admin", "startproject", "shop", cwd=tmp_path)
    project = tmp_path / "shop"

    for name in ("blog", "forum", "wiki"):
        machine.run("python", "manage.py", "startapp", name, cwd=project)
    machine.run("python", "manage.py", "makemigrations", cwd=project)
    machine.run("python", "manage.py", "migrate", cwd=project)
    machine.run("python", "manage.py", "check", cwd=project)
    tests = machine.run("python", "-m", "pytest", "-q", cwd=project)

    assert re.search(r"\d+ passed", tests)
    assert "failed" not in tests


def test_generated_code_passes_mypy_strict(full_machine: Machine, tmp_path: Path) -> None:
    """User code is typed without a plugin from its first line."""
    full_machine.install("mypy")
    full_machine.run("covet-admin", "startproject", "typed", cwd=tmp_path)
    project = tmp_path / "typed"
    full_machine.run("python", "manage.py", "startapp", "blog", cwd=project)
    # Functions of migrations are written without types, as the guide shows them.
    (project / "blog" / "migrations" / "0001_fill.py").write_text(
        "from covet.db import migrations\n\n\n"
        "async def fill(apps, schema_editor):\n"
        '    await apps.get_model("blog", "Item").objects.using(schema_editor.alias).filter(name="").update(name="?")\n\n\n'
        "class Migration(migrations.Migration):\n"
        "    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]\n"
    )

    full_machine.run("python", "-m", "mypy", "--strict", "--exclude", "tests/", "typed", "blog", cwd=project)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["migrat"], 2, "Did you mean 'migrate'"),
        (["migrate", "--nonsense"], 2, "--nonsense"),
        (["migrate", "nowhere"], 1, "nowhere"),
    ],
)
def test_a_wrong_command_is_one_clear_line(
    plain_machine: Machine, tmp_path: Path, command: list[str], code: int, said: str
) -> None:
    """Never a bare traceback; the exit code says which kind of wrong it is."""
    plain_machine.run("covet-admin", "startproject", "mysite", cwd=tmp_path)

    printed = plain_machine.run("python", "manage.py", *command, cwd=tmp_path / "mysite", code=code)

    assert said.lower() in printed.lower()
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("DEBUG = True", "DEBUGG = True"), "DEBUG"),
        (("DEBUG = True", "DEBUG = 'perhaps'"), "DEBUG"),
        (('"covet.auth",', '"covet.auth", "covet.auth",'), "twice"),
        (('"covet.auth",', '"covet.auth", "nowhere",'), "nowhere"),
        (("sqlite:///{BASE_DIR / 'db.sqlite3'}", "postgres://a:b@127.0.0.1:1/x"), "127.0.0.1"),
    ],
)
def test_a_wrong_setting_is_one_clear_message(
    full_machine: Machine, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    """A typo, a wrong type, an app listed twice or missing, a database that is down."""
    full_machine.run("covet-admin", "startproject", "mysite", cwd=tmp_path)
    settings = tmp_path / "mysite/mysite/settings.py"
    text = settings.read_text()
    assert change[0] in text
    settings.write_text(text.replace(*change))

    printed = full_machine.run("python", "manage.py", "migrate", cwd=tmp_path / "mysite", code=1)

    assert said in printed
    assert "Traceback" not in printed


def test_a_port_in_use_and_unapplied_migrations_are_told_at_runserver(plain_machine: Machine, tmp_path: Path) -> None:
    """The second server on a port ends with one line; a database that lags behind is a notice."""
    port = free_port()
    plain_machine.run("covet-admin", "startproject", "mysite", cwd=tmp_path)
    project = tmp_path / "mysite"

    with plain_machine.serving(project, port, "--noreload") as log:
        second = plain_machine.run(
            "python", "manage.py", "runserver", f"127.0.0.1:{port}", "--noreload", cwd=project, code=1
        )
        first = log.read_text()

    assert str(port) in second
    assert "Traceback" not in second
    assert "migrat" in first


def test_the_settings_are_shown_with_their_sources_and_secrets_masked(plain_machine: Machine, tmp_path: Path) -> None:
    """``manage.py settings``: the environment beats ``.env``, which beats the module."""
    plain_machine.run("covet-admin", "startproject", "mysite", cwd=tmp_path)
    project = tmp_path / "mysite"
    secret = re.search(r"SECRET_KEY='?([^'\n]+)", (project / ".env").read_text())

    shown = json.loads(plain_machine.run("python", "manage.py", "settings", "--json", cwd=project, COVET_DEBUG="false"))

    assert secret is not None
    assert secret[1] not in json.dumps(shown)
    text = json.dumps(shown)
    assert "COVET_DEBUG" in text
    assert ".env" in text
