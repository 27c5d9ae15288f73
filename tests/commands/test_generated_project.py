"""A generated project with three generated apps: it migrates, passes its checks, its tests, and the type checker."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import _forking
from tests._environ import bare
from tests.commands.running import Running

BIN = Path(sys.executable).parent


def run(*args, cwd, **environ):
    env = bare(measured=False, HOME=str(cwd), **environ)
    if args[0] == sys.executable and "pytest" not in args:
        return _forking.run(*args[1:], cwd=cwd, env=env)
    return subprocess.run(args, cwd=cwd, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, env=env)


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
    fresh = f"sqlite:///{site / 'fresh.sqlite3'}"
    migrated = run(sys.executable, "manage.py", "migrate", cwd=site, DATABASE_URL=fresh)
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


def test_pip_can_install_it_however_many_apps_it_has(site):
    """Left alone, setuptools refuses a folder with several packages: "Multiple top-level packages discovered"."""
    project = tomllib.loads((site / "pyproject.toml").read_text())

    assert "build-system" not in project
    assert project["tool"]["setuptools"] == {"py-modules": []}


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
    server = Running("runserver", "0", "--noreload", project=site, environ=environ)
    try:
        lines = server.until("Run:").splitlines(keepends=True)
    finally:
        server.close()

    assert lines[0] == "Covet 0.1 · settings mysite.settings · sqlite empty.sqlite3 · uvicorn\n"
    assert [line.split()[1:] for line in lines[1:6]] == [
        ["blog-index"],
        ["list_blog_items"],
        ["shop-index"],
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


@pytest.mark.parametrize("command", ["makemigrations", "migrate"])
def test_models_with_errors_get_no_migration(site, command):
    """A field without its required option, and a foreign key to nowhere: told together, and nothing is written."""
    models = site / "blog" / "models.py"
    source = models.read_text()
    before = sorted((site / "blog/migrations").glob("*.py"))
    models.write_text(
        source
        + "\nclass Thing(models.Model):\n    name = models.CharField()\n"
        + "    item = models.ForeignKey('Itm', on_delete=models.CASCADE)\n"
    )
    try:
        done = run(sys.executable, "manage.py", command, cwd=site)
        silenced = run(
            sys.executable, "manage.py", "makemigrations", "--dry-run", cwd=site,
            COVET_SILENCED_SYSTEM_CHECKS="fields.E120,fields.E300,fields.E307",
        )  # fmt: skip
    finally:
        models.write_text(source)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "max_length" in done.stderr
    assert "Did you mean 'blog.Item'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted((site / "blog/migrations").glob("*.py")) == before
    assert silenced.returncode == 0, silenced.stderr


def test_every_room_has_a_tag_by_which_its_checks_are_chosen(site):
    tags = json.loads(run(sys.executable, "manage.py", "check", "--list-tags", "--json", cwd=site).stdout)
    models = site / "blog" / "models.py"
    source = models.read_text()
    models.write_text(source + "\nclass Thing(models.Model):\n    name = models.CharField()\n")
    try:
        found = run(sys.executable, "manage.py", "check", "--tag", "models", "--json", cwd=site)
        others = run(sys.executable, "manage.py", "check", "--tag", "urls", "--json", cwd=site)
    finally:
        models.write_text(source)

    assert {"auth", "commands", "database", "graphql", "migrations", "models", "pubsub", "rest", "security",
            "settings", "staticfiles", "templates", "urls", "websocket"} <= set(tags)  # fmt: skip
    assert [message["id"] for message in json.loads(found.stdout)["messages"]] == ["fields.E120"]
    assert json.loads(others.stdout)["messages"] == []


def test_whatever_lists_inspects_or_plans_gives_json(site):
    for command in (
        ["showmigrations"],
        ["makemigrations", "--dry-run"],
        ["migrate", "--plan"],
        ["sqlmigrate", "blog", "0001"],
        ["routes"],
        ["settings"],
        ["check"],
        ["check", "--list-tags"],
        ["graphql_schema"],
    ):
        done = run(sys.executable, "manage.py", *command, "--json", cwd=site)

        assert done.returncode == 0, done.stderr
        assert isinstance(json.loads(done.stdout), list | dict), command


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("mysite/urls.py", "urlpatterns = 5", "mysite.urls.urlpatterns is a list of path(…), not 5."),
        (
            "mysite/urls.py",
            "from covet.urls import autodiscover\nurlpatterns = autodiscover()",
            "mysite.urls.urlpatterns is a list of path(…), not autodiscover(). Put brackets round it.",
        ),
        (
            "mysite/urls.py",
            "from covet.rest import Router\nurlpatterns = Router()",
            'mysite.urls.urlpatterns is a list of path(…), not <Router of 0 endpoints>. Write [path("", include(…))].',
        ),
        ("mysite/urls.py", "urlpatterns = [1]", "urlpatterns holds 1."),
        ("blog/urls.py", "urlpatterns = 'home'", "blog.urls.urlpatterns is a list of path(…), not 'home'."),
        ("mysite/urls.py", "import nowhere", "mysite/urls.py, line "),
        (
            "mysite/settings.py",
            "ROOT_URLCONF = 'mysite.urlz'",
            "ROOT_URLCONF cannot be loaded: there is no module 'mysite.urlz'",
        ),
        ("mysite/settings.py", "MIDDLEWARE = ['a.b.C']", "MIDDLEWARE: 'a.b.C' cannot be loaded"),
        ("mysite/settings.py", "import nowhere", "mysite/settings.py, line "),
        ("mysite/settings.py", "x = (", "was never closed"),
        ("blog/models.py", "import nowhere", "blog/models.py, line "),
        ("blog/models.py", "from shop.models import Nothing", "cannot import name 'Nothing'"),
        ("blog/apps.py", "raise ValueError('boom')", "ValueError: boom"),
        ("blog/routing.py", "websocket_urlpatterns = 3", "websocket_urlpatterns is a list"),
        ("blog/views.py", "from mysite.nowhere import x", "blog/views.py, line "),
    ],
)
def test_a_broken_module_is_one_line_that_names_it(site, file, text, words):
    path = site / file
    source = path.read_text()
    path.write_text(f"{source}\n{text}\n")
    try:
        done = run(sys.executable, "manage.py", "check", cwd=site)
        helped = run(sys.executable, "manage.py", "--help", cwd=site)
    finally:
        path.write_text(source)

    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert (helped.returncode, helped.stderr) == (0, "")
