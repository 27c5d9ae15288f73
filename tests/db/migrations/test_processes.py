"""The commands as processes, in a project of their own: output, exit codes, and two at the same time."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from tests._forking import run_async

SETTINGS = """
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["blog"]
DATABASES = {{"default": {url!r}}}
"""

MODELS = """
from covet.db import models

class Item(models.Model):
    title = models.CharField(max_length=200)
"""


class Project:
    """A project folder, and its manage.py."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "COVET_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
        }
        (folder / "site_settings.py").write_text(SETTINGS.format(url=url))
        (folder / "blog" / "migrations").mkdir(parents=True)
        (folder / "blog" / "__init__.py").write_text("")
        (folder / "blog" / "migrations" / "__init__.py").write_text("")
        self.models(MODELS)

    def models(self, source: str) -> None:
        (self.folder / "blog" / "models.py").write_text(source)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "covet",
            *arguments,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        return await run_async("-m", "covet", *arguments, cwd=self.folder, env=self.environment)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}")


async def test_verbosity_0_says_nothing_that_nobody_asked_for(project):
    """What is wanted of a command is there: exit codes, ``--json``, the paths of ``--scriptable``, a plan."""
    quiet = ("-v", "0")

    assert await project.run("makemigrations", "--check", *quiet) == (1, "", "")
    assert await project.run("makemigrations", "--dry-run", "--verbosity", "0") == (0, "", "")
    assert await project.run("makemigrations", *quiet) == (0, "", "")
    assert (project.folder / "blog" / "migrations" / "0001_initial.py").exists()
    assert await project.run("makemigrations", *quiet) == (0, "", "")
    code, out, _ = await project.run("migrate", "--plan", *quiet)
    assert code == 0 and "blog.0001_initial" in out
    assert await project.run("migrate", *quiet) == (0, "", "")
    assert await project.run("migrate", *quiet) == (0, "", "")
    assert await project.run("migrate", "blog", "--prune", *quiet) == (0, "", "")
    assert await project.run("migrate", "--rollback-partial", *quiet) == (0, "", "")

    path = "blog/migrations/0002_custom.py"
    code, out, _ = await project.run("makemigrations", "blog", "--empty", "--scriptable", *quiet)
    assert (code, out) == (0, f"{path}\n")
    assert await project.run("optimizemigration", "blog", "0002", *quiet) == (0, "", "")
    assert await project.run("squashmigrations", "blog", "0002", "--noinput", *quiet) == (0, "", "")
    # Nor that the models have changed, which is no error.
    project.models(f"{MODELS}\n\nclass Other(models.Model):\n    pass\n")
    assert await project.run("migrate", *quiet) == (0, "", "")
    assert "makemigrations" in (await project.run("migrate"))[2]


async def test_the_first_ten_minutes(project):
    code, out, err = await project.run("makemigrations")
    assert (code, err) == (0, "")
    assert out == "Migrations for 'blog':\n  blog/migrations/0001_initial.py\n    + Create model Item\n"

    code, out, _ = await project.run("makemigrations", "--check")
    assert (code, out) == (0, "No changes detected.\n")

    code, out, _ = await project.run("migrate", "--check")
    assert code == 1

    code, out, err = await project.run("migrate")
    assert (code, err) == (0, "")
    assert out.startswith("  Applying blog.0001_initial… OK (") and out.endswith(" ms)\n")

    code, out, _ = await project.run("migrate")
    assert (code, out) == (0, "No migrations to apply.\n")

    code, out, _ = await project.run("showmigrations")
    assert out == "blog\n [X] 0001_initial\n"
    code, out, _ = await project.run("showmigrations", "--plan", "--json")
    (row,) = json.loads(out)
    assert (row["app"], row["name"], row["applied"]) == ("blog", "0001_initial", True)

    code, out, _ = await project.run("sqlmigrate", "blog", "0001")
    assert "CREATE TABLE" in out and "BEGIN;\n" in out and "COMMIT;\n" in out

    code, out, _ = await project.run("migrate", "blog", "zero")
    assert code == 0 and "Unapplying blog.0001_initial… OK" in out


@pytest.mark.parametrize("arguments", [(), ("--safe",)])
async def test_an_app_without_a_migrations_package_gets_its_first_one_when_it_is_named(project, arguments):
    shutil.rmtree(project.folder / "blog" / "migrations")
    code, _, err = await project.run("makemigrations")
    assert (code, "Name an app to make its first migration: manage.py makemigrations blog" in err) == (0, True)

    code, out, err = await project.run("makemigrations", "blog", *arguments)

    assert (code, err) == (0, "")
    assert out == "Migrations for 'blog':\n  blog/migrations/0001_initial.py\n    + Create model Item\n"
    assert (await project.run("makemigrations", "--check"))[0] == 0


async def test_a_forgotten_migration_is_noted_by_migrate_and_found_by_check(project):
    await project.run("makemigrations")
    project.models(MODELS + "    body = models.TextField(default='')\n")

    code, out, _ = await project.run("makemigrations", "--check", "--dry-run")
    assert code == 1 and "+ Add field body to item" in out
    assert len(list((project.folder / "blog" / "migrations").glob("0*.py"))) == 1
    code, _, err = await project.run("migrate")
    assert code == 0 and "changes that are in no migration yet" in err


async def test_open_questions_exit_with_3_and_their_answers_work(project):
    await project.run("makemigrations")
    await project.run("migrate")
    project.models(MODELS.replace("title", "headline") + "    views = models.IntegerField()\n")

    code, out, err = await project.run("makemigrations")
    assert (code, out) == (3, "")
    assert err.startswith("Error: Was the field blog.Item.title renamed to headline? Say --rename ")

    code, _, err = await project.run("makemigrations", "--rename", "blog.Item.title:headline")
    assert code == 3 and "--default 'blog.Item.views=EXPRESSION'" in err

    code, out, err = await project.run(
        "makemigrations", "--rename", "blog.Item.title:headline", "--default", "blog.Item.views=7", "--name", "change"
    )
    assert code == 0 and err.startswith("On a database in use, blog.0002_change:"), err
    assert "blog/migrations/0002_change.py" in out
    assert (await project.run("migrate"))[0] == 0
    assert (await project.run("makemigrations", "--check"))[0] == 0


async def test_branches_are_told_and_merged(project):
    await project.run("makemigrations")
    for letter in "ab":
        project.models(MODELS + f"    {letter} = models.IntegerField(null=True)\n")
        await project.run("makemigrations", "--name", letter)
        folder = project.folder / "blog" / "migrations"
        (folder / f"0002_{letter}.py").rename(folder / f"_{letter}.py")
    folder = project.folder / "blog" / "migrations"
    for letter in "ab":
        (folder / f"_{letter}.py").rename(folder / f"0002_{letter}.py")
    project.models(MODELS + "    a = models.IntegerField(null=True)\n    b = models.IntegerField(null=True)\n")

    code, _, err = await project.run("migrate")
    assert code == 1 and "several latest migrations: 0002_a, 0002_b in blog" in err

    code, out, _ = await project.run("makemigrations", "--merge")
    assert code == 0 and "blog/migrations/0003_merge_a_b.py" in out
    assert (await project.run("migrate"))[0] == 0
    assert (await project.run("makemigrations", "--check"))[0] == 0


async def test_an_empty_migration_is_for_filling_in(project):
    await project.run("makemigrations")

    code, out, _ = await project.run("makemigrations", "blog", "--empty", "--name", "fill")

    assert code == 0 and "blog/migrations/0002_fill.py" in out
    assert (await project.run("makemigrations", "--empty"))[0] == 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class Migration(:\n", "Migration blog.0002_x cannot be imported: SyntaxError"),
        ("x = 1\n", "has no class Migration(migrations.Migration)"),
        (
            "from covet.db import migrations\nclass Migration(migrations.Migration):\n    dependencies = [('blog', '0009')]\n",
            "Migration blog.0002_x depends on blog.0009, which does not exist.",
        ),
        (
            "from covet.db import migrations\nclass Migration(migrations.Migration):\n    dependencies = [('blog', '0002_x')]\n"
            "    run_before = [('blog', '0001_initial')]\n",
            "Migrations wait for each other",
        ),
    ],
)
async def test_files_that_do_not_fit_are_one_clear_line(project, source, message):
    await project.run("makemigrations")
    if "wait for" in message:
        initial = project.folder / "blog" / "migrations" / "0001_initial.py"
        initial.write_text(initial.read_text().replace("dependencies = []", 'dependencies = [("blog", "0002_x")]'))
        source = "from covet.db import migrations\nclass Migration(migrations.Migration):\n    dependencies = [('blog', '0001_initial')]\n"
    (project.folder / "blog" / "migrations" / "0002_x.py").write_text(source)

    code, _, err = await project.run("migrate")

    assert code == 1
    assert message in err and err.startswith("Error: ") and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["migrate", "blgo"], 1, "Did you mean 'blog'?"),
        (["migrate", "blog", "0007"], 1, "blog has no migration '0007'"),
        (["migrate", "--database", "defualt"], 2, "Did you mean 'default'?"),
        (["sqlmigrate", "blog", "nope"], 1, "no migration 'nope'"),
        (["makemigrations", "nope"], 1, "No installed app has the label 'nope'"),
        (["makemigrations", "--name", "not a name"], 2, "no Python identifier"),
    ],
)
async def test_wrong_arguments_are_one_clear_line(project, arguments, code, message):
    await project.run("makemigrations")

    found, _, err = await project.run(*arguments)

    assert found == code
    assert message in err and "Traceback" not in err


async def test_a_database_that_is_down_is_one_clear_line(tmp_path):
    project = Project(tmp_path, "postgres://nobody:x@127.0.0.1:1/nothing")

    assert (await project.run("makemigrations"))[0] == 0
    assert (await project.run("sqlmigrate", "blog", "0001"))[0] == 0
    code, _, err = await project.run("migrate")

    assert code == 1
    assert err.startswith("Error: ") and "Traceback" not in err and len(err.splitlines()) == 1


SLOW = """
import asyncio
from pathlib import Path

from covet.db import migrations


async def wait(apps, schema_editor):
    while not Path("go").exists():
        await asyncio.sleep(0.05)


class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.RunPython(wait, migrations.RunPython.noop)]
"""


async def test_processes_that_migrate_at_once_apply_once(vendor, scratch, tmp_path):
    """One applies; it is let go only when the two others have said that they wait for it."""
    project = Project(tmp_path, await scratch(vendor))
    await project.run("makemigrations")
    (project.folder / "blog" / "migrations" / "0002_slow.py").write_text(SLOW)
    waiting = 0

    async def migrate() -> tuple[int, str]:
        nonlocal waiting
        process = await project.start("migrate")
        assert process.stdout is not None and process.stderr is not None
        async for line in process.stderr:
            waiting += b"waiting for it" in line
            if waiting == 2:
                (project.folder / "go").touch()
        out = await process.stdout.read()
        return await process.wait(), out.decode()

    async with asyncio.timeout(240):
        results = await asyncio.gather(*[migrate() for _ in range(3)])

    assert [code for code, _ in results] == [0, 0, 0], results
    assert sorted(out.count("Applying") for _, out in results) == [0, 0, 2], results
    _, out, _ = await project.run("showmigrations", "--json")
    assert [row["applied"] for row in json.loads(out)] == [True, True]
    assert not list(tmp_path.rglob("*.lock"))


async def test_a_user_model_of_the_project_takes_the_place_of_the_built_in_one(tmp_path):
    """The setting is what the files name, so that they fit any user model; the built-in user gets no table."""
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    project = Project(tmp_path, url)
    project.models(
        "from covet.conf import settings\nfrom covet.db import models\n\n\nclass Item(models.Model):\n"
        "    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)\n"
    )
    accounts = tmp_path / "accounts"
    (accounts / "migrations").mkdir(parents=True)
    (accounts / "__init__.py").write_text("")
    (accounts / "migrations" / "__init__.py").write_text("")
    (accounts / "models.py").write_text(
        "from covet.auth.models import AbstractUser\nfrom covet.db import models\n\n\nclass User(AbstractUser):\n"
        "    nickname = models.CharField(max_length=20, blank=True)\n"
    )
    settings_file = tmp_path / "site_settings.py"
    settings_file.write_text(
        SETTINGS.format(url=url).replace('["blog"]', '["covet.contenttypes", "covet.auth", "accounts", "blog"]')
        + 'AUTH_USER_MODEL = "accounts.User"\n'
    )

    code, out, err = await project.run("makemigrations")
    assert (code, err) == (0, ""), err
    assert "Create model User" in out and "Create model Item" in out
    source = (tmp_path / "blog" / "migrations" / "0001_initial.py").read_text()
    assert "migrations.swappable_dependency(settings.AUTH_USER_MODEL)," in source
    assert "to=settings.AUTH_USER_MODEL" in source

    code, out, err = await project.run("migrate")
    assert (code, err) == (0, ""), err
    with sqlite3.connect(tmp_path / "db.sqlite3") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"accounts_user", "accounts_user_groups", "blog_item"} <= tables
    assert not {name for name in tables if name.startswith("auth_user")}
    assert (await project.run("makemigrations", "--check"))[0] == 0


async def answer(project: Project, lines: list[str], *arguments: str) -> tuple[int, str]:
    """Run a command at a terminal, type the lines, and return exit code and all that was shown."""
    import pty

    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "covet",
        *arguments,
        cwd=project.folder,
        env={**project.environment, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, "".join(f"{line}\n" for line in lines).encode())
    shown = b""
    loop = asyncio.get_running_loop()

    def read() -> bytes:
        try:
            return os.read(ours, 4096)
        except OSError:
            # Linux says so when the other end is closed.
            return b""

    while chunk := await loop.run_in_executor(None, read):
        shown += chunk
    code = await process.wait()
    os.close(ours)
    return code, shown.decode()


async def test_questions_are_asked_at_a_terminal(project):
    await project.run("makemigrations")
    project.models(MODELS.replace("title", "headline") + "    views = models.IntegerField()\n")

    code, shown = await answer(project, ["y", "1", "nonsense(", "1 + 1"], "makemigrations", "--name", "asked")

    assert code == 0, shown
    assert "Was blog.Item.title renamed to blog.Item.headline (a CharField)?" in shown
    assert "SyntaxError" in shown
    source = (project.folder / "blog" / "migrations" / "0002_asked.py").read_text()
    assert "RenameField" in source and "default=2" in source and "preserve_default=False" in source


@pytest.mark.parametrize("lines", [["2"], ["1", "exit"], ["1", "exit()"], ["1", ""]], ids=str)
async def test_a_question_can_be_left_by_stopping(project, lines):
    await project.run("makemigrations")
    project.models(MODELS + "    views = models.IntegerField()\n")

    code, shown = await answer(project, lines, "makemigrations")

    assert code == 3 and "no migration was written" in shown
    assert len(list((project.folder / "blog" / "migrations").glob("0*.py"))) == 1


async def test_rows_that_are_null_can_be_left_to_another_migration(project):
    project.models(MODELS + "    views = models.IntegerField(null=True)\n")
    await project.run("makemigrations")
    project.models(MODELS + "    views = models.IntegerField()\n")

    code, shown = await answer(project, ["2"], "makemigrations", "--name", "strict")

    assert code == 0, shown
    assert "preserve_default" not in (project.folder / "blog" / "migrations" / "0002_strict.py").read_text()


EVERYTHING = """
import datetime
import decimal
import uuid

from covet import timezone
from covet.db import models
from covet.db.models import F, Q, Value
from covet.db.models.functions import Lower, Now
from covet.i18n import gettext_lazy as _
from covet.validators import MaxValueValidator, RegexValidator


class Kind(models.TextChoices):
    SMALL = "s", _("small")
    LARGE = "l", _("large")


class Level(models.IntegerChoices):
    LOW = 1
    HIGH = 2


def nothing():
    return {}


class Base(models.Model):
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
        ordering = ["-created"]


class Group(models.Model):
    code = models.CharField(max_length=8, unique=True)


class Item(Base):
    text = models.CharField(_("the text"), max_length=20, default="a'b%s", db_index=True, help_text=_("Any text."))
    long = models.TextField(blank=True)
    slug = models.SlugField(unique=True)
    mail = models.EmailField(null=True)
    link = models.URLField(default="")
    kind = models.CharField(max_length=1, choices=Kind, default=Kind.SMALL)
    level = models.SmallIntegerField(choices=Level.choices, default=Level.LOW)
    small = models.PositiveSmallIntegerField(default=1, validators=[MaxValueValidator(9)])
    number = models.IntegerField(db_default=5)
    big = models.PositiveBigIntegerField(null=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=decimal.Decimal("1.50"))
    ratio = models.FloatField(default=0.5)
    flag = models.BooleanField(default=True)
    day = models.DateField(default=datetime.date(2026, 1, 2))
    moment = models.DateTimeField(default=timezone.now, db_default=Now())
    clock = models.TimeField(null=True)
    span = models.DurationField(default=datetime.timedelta(days=1, seconds=2))
    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    data = models.JSONField(default=nothing)
    raw = models.BinaryField(default=b"x", validators=[RegexValidator("^a", flags=2)] * 0)
    total = models.GeneratedField(
        expression=F("number") * 2, output_field=models.IntegerField(), db_persist=True
    )
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="children")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, to_field="code", db_column="grp")
    friends = models.ManyToManyField("self", blank=True)
    groups = models.ManyToManyField(Group, related_name="+", db_table="item_in_group")

    class Meta(Base.Meta):
        verbose_name = _("item")
        db_table_comment = "all of them"
        unique_together = [("text", "level")]
        get_latest_by = "created"
        permissions = [("use_item", "Can use items")]
        indexes = [
            models.Index(fields=["-text", "kind"]),
            models.Index(fields=["small"], name="small_idx"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(small__lt=10) | ~Q(flag=True), name="few", violation_error_message=_("Few!")),
            models.UniqueConstraint(fields=["mail", "kind"], name="one_mail"),
        ]


class Special(Item):
    extra = models.IntegerField(default=0)


class Seen(Item):
    class Meta:
        proxy = True
        ordering = ["text"]


class Step(models.Model):
    group = models.ForeignKey(Group, on_delete=models.CASCADE)

    class Meta:
        order_with_respect_to = "group"
"""


async def test_a_model_of_everything_is_written_made_and_found_unchanged(vendor, scratch, tmp_path):
    project = Project(tmp_path, await scratch(vendor))
    project.models(EVERYTHING)

    code, _, err = await project.run("makemigrations")
    assert code == 0, err
    file = tmp_path / "blog" / "migrations" / "0001_initial.py"
    formatted = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(file), stdout=asyncio.subprocess.DEVNULL
    )
    assert await formatted.wait() == 0
    code, out, err = await project.run("makemigrations", "--check", "--dry-run")
    assert code == 0, (out, err)
    code, out, err = await project.run("migrate")
    assert code == 0, err
    code, out, err = await project.run("sqlmigrate", "blog", "0001", "--backwards")
    assert code == 0, err
    code, out, err = await project.run("migrate", "blog", "zero")
    assert code == 0, err


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
async def test_a_killed_process_leaves_nothing_of_its_migration_and_no_lock(vendor, scratch, tmp_path):
    """MySQL and MariaDB commit each change of a table by itself and are left out."""
    project = Project(tmp_path, await scratch(vendor))
    await project.run("makemigrations")
    add = "migrations.AddField('item', 'n', models.IntegerField(default=1)), "
    slow = SLOW.replace("import migrations", "import migrations, models").replace(
        "operations = [", f"operations = [{add}"
    )
    slow = slow.replace("    while not", '    Path("begun").touch()\n    while not')
    (project.folder / "blog" / "migrations" / "0002_slow.py").write_text(slow)
    process = await project.start("migrate")
    async with asyncio.timeout(60):
        while not (project.folder / "begun").exists():
            await asyncio.sleep(0.02)

    process.kill()
    await process.communicate()
    (project.folder / "go").touch()

    code, out, err = await project.run("migrate")
    assert code == 0, err
    assert "Applying blog.0002_slow… OK" in out and "0001_initial" not in out
    code, out, _ = await project.run("migrate", "blog", "0001")
    assert code == 0 and "Unapplying blog.0002_slow… OK" in out


async def test_what_would_lose_data_is_said_and_asked(project):
    await project.run("makemigrations")
    project.models(MODELS.replace("max_length=200", "max_length=100"))
    narrower = (
        "blog.Item.title becomes narrower (varchar(200) to varchar(100)): values that do not fit are lost or refused."
    )

    code, out, err = await project.run("makemigrations")
    assert (code, out) == (3, "") and narrower in err and "--accept-data-loss" in err
    code, out, err = await project.run("makemigrations", "--check")
    assert code == 1 and f"Note: {narrower}" in err
    code, shown = await answer(project, ["n"], "makemigrations")
    assert code == 3 and "Data would be lost:" in shown and "no migration was written" in shown
    code, out, err = await project.run("makemigrations", "--accept-data-loss", "--name", "narrow")
    assert code == 0 and narrower in err

    project.models("from covet.db import models\n")
    code, shown = await answer(project, ["y"], "makemigrations")
    assert code == 0 and "blog.Item is deleted: its table goes, with all rows." in shown


async def test_a_script_gets_the_paths_alone(project):
    code, out, err = await project.run("makemigrations", "--scriptable", "--no-header")
    assert (code, out) == (0, "blog/migrations/0001_initial.py\n")
    assert "+ Create model Item" in err
    code, out, err = await project.run("makemigrations", "--scriptable")
    assert (code, out, err) == (0, "", "No changes detected.\n")


async def test_models_with_mistakes_are_migrated_when_that_is_asked_for(project):
    await project.run("makemigrations")
    project.models(
        "from covet.db import models\n\n\nclass Item(models.Model):\n    a__b = models.IntegerField(null=True)\n"
    )
    code, _, err = await project.run("migrate")
    assert code == 1 and "a__b" in err, err
    code, _, err = await project.run("migrate", "--skip-checks")
    assert code == 0, err
    assert "[X] 0001_initial" in (await project.run("showmigrations"))[1]
