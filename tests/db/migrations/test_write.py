"""Migrations as files: what is written, read again, is the same; and how it looks."""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import pathlib
import re
import subprocess
import sys
import uuid
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.conf import settings
from covet.db import migrations, models
from covet.db.migrations.errors import MigrationError
from covet.db.migrations.layout import quoted
from covet.db.migrations.migration import Migration, SwappableDependency
from covet.db.migrations.serialize import Serializer, register_serializer
from covet.db.migrations.signature import deep_deconstruct
from covet.db.migrations.write import migration_source, write_migration
from covet.i18n import gettext_lazy
from covet.validators import MinValueValidator, RegexValidator, deconstructible


class Colour(enum.Enum):
    RED = "r"


class Flags(enum.Flag):
    A = 1
    B = 2


class Size(models.TextChoices):
    SMALL = "s", "Small"


class Temperature:
    def __init__(self, degrees):
        self.degrees = degrees

    def deconstruct(self):
        return f"{__name__}.Temperature", [self.degrees], {}

    def __eq__(self, other):
        return isinstance(other, Temperature) and other.degrees == self.degrees

    __hash__ = None


@deconstructible(path=f"{__name__}.PublicName")
class Spelled:
    def __init__(self, word, **marks):
        self.word, self.marks = word, marks


class Longer(Spelled):
    pass


PublicName = Spelled


class Opaque:
    pass


def default_title():
    return "x"


def forwards(apps, schema_editor):
    """Fill the titles."""


def written(value):
    """The value that its source gives again."""
    serializer = Serializer()
    source = serializer.text(value)
    scope = {}
    exec("\n".join(sorted(serializer.imports)), scope)
    return eval(source, scope)


def executed(source):
    scope = {"__name__": "written"}
    exec(compile(source, "written", "exec"), scope)
    return scope["Migration"]("x", "blog")


VALUES = [
    None,
    True,
    42,
    -1.5,
    float("inf"),
    "it's",
    'say "hi"',
    "both ' and \"",
    "two\nlines",
    "ünï",
    b"\x00bytes",
    [1, [2]],
    (1,),
    (),
    {"a": 1, 2: ["b"]},
    {3, 1, 2},
    set(),
    frozenset({"a"}),
    range(1, 5, 2),
    datetime.date(2026, 1, 2),
    datetime.time(3, 4, 5),
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
    datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    datetime.timedelta(days=1, seconds=2),
    zoneinfo.ZoneInfo("Europe/Berlin"),
    decimal.Decimal("1.50"),
    uuid.UUID("12345678-1234-5678-1234-567812345678"),
    Colour.RED,
    Flags.A | Flags.B,
    pathlib.PurePosixPath("/a/b"),
    re.compile("a.c"),
    re.compile("a", re.IGNORECASE | re.DOTALL),
    int,
    Colour,
    default_title,
    datetime.datetime.now,
    Temperature(3),
    models.CASCADE,
    models.Q(a=1) | ~models.Q(b__lt=models.F("c")),
    models.F("a") + 1,
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_value_comes_back_from_its_source(value):
    assert written(value) == value


def test_a_partial_comes_back_with_its_arguments():
    back = written(functools.partial(int, base=2))

    assert (back.func, back.args, back.keywords) == (int, (), {"base": 2})


def test_nan_comes_back():
    assert written(float("nan")) != written(float("nan"))


def test_a_moment_in_a_zone_is_written_in_utc():
    berlin = datetime.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))

    assert Serializer().text(berlin) == "datetime.datetime(2026, 7, 1, 10, 0, tzinfo=datetime.UTC)"


def test_a_choice_is_written_as_its_value():
    assert Serializer().text(Size.SMALL) == '"s"'


def test_a_lazy_text_is_written_untranslated():
    assert Serializer().text(gettext_lazy("Title")) == '"Title"'


def test_a_lazy_text_with_values_is_written_filled_in():
    assert Serializer().text(gettext_lazy("%(n)d titles") % {"n": 3}) == '"3 titles"'


def test_sets_are_written_in_one_order():
    assert Serializer().text({"b", "a", "c"}) == '{"a", "b", "c"}'


def test_names_of_the_models_package_use_its_front_door():
    serializer = Serializer()

    assert serializer.text(models.CharField(max_length=5)) == "models.CharField(max_length=5)"
    assert serializer.text(models.SET_NULL) == "models.SET_NULL"
    assert serializer.imports == {"from covet.db import models"}


@pytest.mark.parametrize(
    ("value", "hint"),
    [(lambda: 1, "lambda"), (Opaque(), "deconstruct"), ([Opaque()], "deconstruct")],
)
def test_what_cannot_be_written_says_what_to_do(value, hint):
    with pytest.raises(MigrationError, match=hint):
        Serializer().text(value)


def test_a_local_function_cannot_be_written():
    def local():
        return 1

    with pytest.raises(MigrationError, match="top level"):
        Serializer().text(local)


def test_an_object_of_a_deconstructible_class_comes_back_under_its_public_path():
    value = Spelled("a", tone=2, **{"not-a-name": 3})
    assert value.deconstruct() == (f"{__name__}.PublicName", ("a",), {"tone": 2, "not-a-name": 3})
    assert "PublicName" in Serializer().text(value)
    assert written(value).deconstruct() == value.deconstruct()
    # A subclass is another class, and is written as itself.
    assert Longer("b").deconstruct() == (f"{__name__}.Longer", ("b",), {})
    assert type(written(Longer("b"))) is Longer


def test_a_project_can_teach_a_type():
    register_serializer(Opaque, lambda value, serializer: serializer.call(serializer.reference(__name__, "Opaque")))
    try:
        assert isinstance(written(Opaque()), Opaque)
    finally:
        from covet.db.migrations import serialize

        del serialize._registered[Opaque]


@given(st.text())
def test_any_text_is_quoted_so_that_python_reads_it_back(text):
    assert eval(quoted(text)) == text


OPERATIONS = [
    migrations.CreateModel(
        name="Item",
        fields=[
            ("id", models.BigAutoField(primary_key=True)),
            (
                "title",
                models.CharField("the title", max_length=200, default=default_title, validators=[RegexValidator("^a")]),
            ),
            ("kind", models.CharField(max_length=1, choices=[("a", "A"), ("b", "B")], null=True)),
            ("views", models.PositiveIntegerField(default=0, validators=[MinValueValidator(1)])),
            ("author", models.ForeignKey("auth.user", on_delete=models.CASCADE, related_name="items")),
            ("tags", models.ManyToManyField("blog.tag", blank=True)),
            ("price", models.DecimalField(max_digits=8, decimal_places=2, default=decimal.Decimal("1.5"))),
        ],
        options={
            "ordering": ["-title", "pk"],
            "unique_together": {("title", "author")},
            "verbose_name": gettext_lazy("item"),
        },
    ),
    migrations.CreateModel(name="Sub", fields=[], bases=("blog.item",), options={"proxy": True}),
    migrations.DeleteModel(name="Old"),
    migrations.RenameModel(old_name="A", new_name="B"),
    migrations.AlterModelTable(name="item", table="things"),
    migrations.AlterModelTable(name="item", table=None),
    migrations.AlterModelTableComment(name="item", table_comment="x"),
    migrations.AlterModelOptions(name="item", options={"ordering": ["id"]}),
    migrations.AlterUniqueTogether(name="item", unique_together={("b", "a"), ("a", "c")}),
    migrations.AlterUniqueTogether(name="item", unique_together=set()),
    migrations.AddField(model_name="item", name="n", field=models.IntegerField(default=3), preserve_default=False),
    migrations.RemoveField(model_name="item", name="n"),
    migrations.AlterField(model_name="item", name="n", field=models.BigIntegerField(null=True)),
    migrations.RenameField(model_name="item", old_name="n", new_name="m"),
    migrations.AddIndex(model_name="item", index=models.Index(fields=["-title"], name="by_title")),
    migrations.AddIndex(
        model_name="item", index=models.Index(models.F("title").desc(), name="by_expr", condition=models.Q(views__gt=0))
    ),
    migrations.RemoveIndex(model_name="item", name="by_title"),
    migrations.RenameIndex(model_name="item", new_name="x", old_name="by_title"),
    migrations.AddConstraint(
        model_name="item", constraint=models.CheckConstraint(condition=models.Q(views__gte=0), name="positive")
    ),
    migrations.AddConstraint(
        model_name="item",
        constraint=models.UniqueConstraint(fields=["title"], name="once", deferrable=models.Deferrable.DEFERRED),
    ),
    migrations.RemoveConstraint(model_name="item", name="positive"),
    migrations.RunPython(code=forwards, reverse_code=migrations.RunPython.noop, elidable=True),
    migrations.RunSQL(sql=[("UPDATE x SET y = %s", [1]), "SELECT 1"], reverse_sql=""),
    migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="Gone")]),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_an_operation_comes_back_from_the_file(operation):
    source = migration_source(Migration.build("0001_x", "blog", [operation]))

    (back,) = executed(source).operations

    assert back == operation
    assert deep_deconstruct(list(back.deconstruct())) == deep_deconstruct(list(operation.deconstruct()))


def test_a_whole_file_looks_as_people_write_it():
    operations = [
        migrations.CreateModel(
            name="Item",
            fields=[("id", models.BigAutoField(primary_key=True)), ("title", models.CharField(max_length=200))],
            options={"ordering": ["title"]},
        )
    ]
    user = SwappableDependency("auth", "auth.User")

    source = migration_source(
        Migration.build("0001_initial", "blog", operations, [("tags", "0001_initial"), user], initial=True),
        {"auth.user": "AUTH_USER_MODEL"},
    )

    assert (
        source
        == """\
from covet.conf import settings
from covet.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("tags", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=200)),
            ],
            options={"ordering": ["title"]},
        ),
    ]
""".replace(", serialize=False", "" if "serialize" not in source else ", serialize=False")
    )


@pytest.mark.row("relations.swappable")
def test_a_relation_to_a_swappable_model_names_the_setting():
    operation = migrations.AddField(
        model_name="item", name="author", field=models.ForeignKey("auth.User", on_delete=models.CASCADE, null=True)
    )

    source = migration_source(Migration.build("0002", "blog", [operation]), {"auth.user": "AUTH_USER_MODEL"})

    assert "to=settings.AUTH_USER_MODEL" in source
    assert "from covet.conf import settings" in source


def test_files_are_as_the_formatter_would_write_them(tmp_path):
    path = tmp_path / "0001_all.py"
    path.write_text(migration_source(Migration.build("0001_all", "blog", OPERATIONS)), encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--check", "--diff", str(path)],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


def test_writing_makes_the_package(tmp_path):
    path, source = write_migration(Migration.build("0001_initial", "blog", [], initial=True), tmp_path / "migrations")

    assert path.read_text(encoding="utf-8") == source
    assert (tmp_path / "migrations" / "__init__.py").exists()


def test_a_dry_run_writes_nothing(tmp_path):
    write_migration(Migration.build("0001_initial", "blog", []), tmp_path / "migrations", dry_run=True)

    assert list(tmp_path.iterdir()) == []


def test_the_setting_itself_is_what_a_swappable_dependency_is_made_of():
    dependency = migrations.swappable_dependency(settings.AUTH_USER_MODEL)

    assert dependency == (settings.AUTH_USER_MODEL.split(".")[0], "__first__")
