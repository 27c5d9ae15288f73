"""``EnumField``, ``FilePathField`` and ``EncryptedField``: what the row holds is not what the code reads."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from covet.apps import apps
from covet.conf import override
from covet.db import models
from covet.db.database import Database
from covet.db.errors import IntegrityError
from covet.db.models.functions import Concat
from covet.db.models.table import table_of
from covet.exceptions import FieldError, ImproperlyConfigured, ValidationError

OLD, NEW = "o" * 32, "n" * 32


class Colour(enum.Enum):
    RED = "r"
    DARK_BLUE = "db"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 40_000


class Mood(models.TextChoices):
    GOOD = "g", "All is well"


with apps.isolate():

    class Paint(models.Model):
        colour = models.EnumField(Colour, default=Colour.RED)
        level = models.EnumField(Level, null=True, blank=True)
        mood = models.EnumField(Mood, null=True)

        class Meta:
            app_label = "vault"

    class Safe(models.Model):
        code = models.EncryptedField(blank=True)
        note = models.EncryptedField(null=True)
        number = models.EncryptedField(deterministic=True, unique=True, null=True)
        plain = models.CharField(max_length=20, null=True)

        class Meta:
            app_label = "vault"


@pytest.fixture
async def vault(database: Database) -> AsyncIterator[Database]:
    async with database.schema_editor() as editor:
        for model in (Paint, Safe):
            await editor.create_table(table_of(model))
    with override(FIELD_ENCRYPTION_KEYS=[OLD]):
        yield database


@pytest.mark.row("fields.enum")
async def test_an_enum_is_kept_by_value_and_read_as_member(vault):
    paint = await Paint.objects.create(colour=Colour.DARK_BLUE, level=Level.HIGH, mood=Mood.GOOD)
    await Paint.objects.create()

    assert await vault.fetch("SELECT colour, level, mood FROM vault_paint ORDER BY id") is not None
    rows = [tuple(row) for row in await vault.fetch("SELECT colour, level, mood FROM vault_paint ORDER BY id")]
    assert rows == [("db", 40_000, "g"), ("r", None, None)]
    read = await Paint.objects.get(colour=Colour.DARK_BLUE)
    assert read == paint
    assert read.colour is Colour.DARK_BLUE
    assert read.level is Level.HIGH
    assert read.get_colour_display() == "Dark blue"
    assert read.get_mood_display() == "All is well"
    assert (await Paint.objects.get(level=None)).get_level_display() == ""
    assert await Paint.objects.filter(colour__in=[Colour.RED, "db"]).count() == 2
    assert await Paint.objects.filter(level__gte=Level.LOW).values_list("level", flat=True) == [Level.HIGH]
    await Paint.objects.update(colour="r")
    assert await Paint.objects.filter(colour=Colour.RED).count() == 2
    with pytest.raises(ValueError, match="holds members of Colour"):
        await Paint.objects.create(colour="green")


@pytest.mark.row("fields.enum")
async def test_a_value_without_a_member_is_a_named_error(vault):
    await Paint.objects.create()
    await vault.execute("UPDATE vault_paint SET colour = 'x'")

    with pytest.raises(ValueError, match=r"'x' in vault\.Paint\.colour, which Colour has no member for"):
        await Paint.objects.get()


def test_enums_are_cleaned_written_and_checked():
    field = Paint._meta.get_field("colour")
    assert field.clean("db", None) is Colour.DARK_BLUE
    assert Paint._meta.get_field("level").clean("1", None) is Level.LOW
    with pytest.raises(ValidationError) as caught:
        field.clean("green", None)
    assert caught.value.code == "invalid_choice"
    _name, path, args, kwargs = field.deconstruct()
    assert path == "covet.db.models.EnumField"
    assert kwargs == {"enum": [("RED", "r"), ("DARK_BLUE", "db")], "default": "r"}
    old = models.EnumField(*args, **kwargs)
    assert old.deconstruct()[3] == kwargs
    assert old.get_default().value == "r"
    assert old.get_prep_value(Colour.DARK_BLUE) == "db"
    assert field.clone().enum is Colour
    assert field.get_choices(include_blank=False) == [("r", "Red"), ("db", "Dark blue")]
    assert field.value_to_string(Paint(colour=Colour.RED)) == "r"
    assert [one.id for one in _checked(models.EnumField(Colour, max_length=1))] == ["fields.E009"]


@pytest.mark.parametrize("wrong", [str, [], enum.Enum("Mixed", [("A", 1), ("B", "b")]), enum.Enum("F", [("A", 1.5)])])
def test_what_is_no_enumeration_of_one_type_is_refused(wrong):
    with pytest.raises(TypeError):
        models.EnumField(wrong)
    with pytest.raises(TypeError, match="leave out 'choices'"):
        models.EnumField(Colour, choices=[])


@pytest.mark.row("fields.encrypted")
async def test_the_database_sees_encrypted_texts_alone(vault):
    safe = await Safe.objects.create(code="sesame ä", number="1234")
    other = await Safe.objects.create(code="sesame ä", note="")

    rows = await vault.fetch("SELECT code, note, number FROM vault_safe ORDER BY id")
    assert "sesame" not in str([tuple(row) for row in rows])
    assert rows[0][0] != rows[1][0]
    assert (await Safe.objects.get(pk=safe.pk)).code == "sesame ä"
    assert await Safe.objects.values_list("code", "note", "number").order_by("id") == [
        ("sesame ä", None, "1234"),
        ("sesame ä", "", None),
    ]
    assert await Safe.objects.get(number="1234") == safe
    assert await Safe.objects.get(number__in=["1234", "5"]) == safe
    assert await Safe.objects.get(note__isnull=False) == other
    with pytest.raises(IntegrityError):
        await Safe.objects.create(number="1234")


@pytest.mark.row("fields.encrypted")
@pytest.mark.parametrize(
    "lookup", ["code", "code__exact", "code__icontains", "code__in", "note__gt", "number__startswith"]
)
async def test_look_ups_on_what_is_encrypted_are_refused(vault, lookup):
    with pytest.raises(FieldError, match="the database cannot answer"):
        await Safe.objects.filter(**{lookup: ["x"] if lookup.endswith("in") else "x"})


@pytest.mark.parametrize(
    "clear",
    [
        models.Value("secret"),
        models.F("plain"),
        Concat("plain", models.Value("!")),
        models.Case(models.When(plain="p", then=models.Value("a")), default=models.Value("b")),
        # A look-up would not find what was encrypted at random; and the other way round equal rows would show.
        models.F("note"),
    ],
    ids=["value", "column", "function", "case", "random"],
)
async def test_no_expression_writes_clear_text_into_an_encrypted_column(vault, clear):
    safe = await Safe.objects.create(plain="p", code="c", note="n", number="1")

    refused = pytest.raises(FieldError, match=r"Safe\.number is encrypted.*give the text itself")
    with refused:
        await Safe.objects.update(number=clear)
    safe.number = clear
    with refused:
        await safe.save()
    with refused:
        await Safe.objects.bulk_update([safe], ["number"])
    if isinstance(clear, models.Value):  # the others need a row to read from
        with refused:
            await Safe.objects.create(number=clear)
        with refused:
            await Safe.objects.bulk_create([Safe(number=clear)])

    assert (await Safe.objects.get()).number == "1"


async def test_one_encrypted_column_is_copied_to_another_as_it_is(vault):
    await Safe.objects.create(code="c", note="n", number="1")

    await Safe.objects.update(code=models.F("note"))
    await Safe.objects.update(note=None, plain="clear")

    found = await Safe.objects.get()
    assert (found.code, found.note, found.plain) == ("n", None, "clear")
    with pytest.raises(FieldError, match=r"Safe\.plain would hold what vault\.Safe\.code has encrypted"):
        await Safe.objects.update(plain=models.F("code"))


@pytest.mark.row("fields.encrypted")
async def test_keys_are_rotated(vault):
    safe = await Safe.objects.create(code="a", number="1")

    with override(FIELD_ENCRYPTION_KEYS=[NEW, OLD]):
        read = await Safe.objects.get()
        assert (read.code, read.number) == ("a", "1")
        assert not await Safe.objects.filter(number="1").exists()
        await read.save()
        assert await Safe.objects.get(number="1") == safe
    with override(FIELD_ENCRYPTION_KEYS=[NEW]):
        assert (await Safe.objects.get()).code == "a"
    with override(FIELD_ENCRYPTION_KEYS=[OLD]), pytest.raises(models.DecryptionError, match="no longer has"):
        await Safe.objects.get()
    with override(FIELD_ENCRYPTION_KEYS=[]), pytest.raises(ImproperlyConfigured, match="has no key"):
        await Safe.objects.create(code="b")


@pytest.mark.row("fields.encrypted")
@pytest.mark.parametrize("column", ["code", "number"])
async def test_a_value_that_was_changed_is_not_read(vault, column):
    await Safe.objects.create(code="a", number="1")
    (row,) = await vault.fetch(f"SELECT {column} FROM vault_safe")
    kind, name, data = row[0].split(".")
    changed = f"{kind}.{name}.{'A' if data[0] != 'A' else 'B'}{data[1:]}"
    await vault.execute(f"UPDATE vault_safe SET {column} = '{changed}'")

    with pytest.raises(models.DecryptionError, match="was changed"):
        await Safe.objects.get()


def test_options_that_make_no_sense_on_encrypted_texts_are_found():
    with override(FIELD_ENCRYPTION_KEYS=["short"]):
        found = _checked(models.EncryptedField(unique=True, db_default="x"))
    assert [one.id for one in found] == ["fields.E191", "fields.E192", "fields.E193"]
    with override(FIELD_ENCRYPTION_KEYS=[NEW]):
        assert _checked(models.EncryptedField(deterministic=True, unique=True)) == []
    assert models.EncryptedField(deterministic=True).deconstruct()[3] == {"deterministic": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    for name in ("a.txt", "b.log", "logs/c.txt"):
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.row("fields.file_path")
def test_paths_are_chosen_from_a_folder(folder):
    def choices(**options):
        field = models.FilePathField(path=lambda: folder, **options)
        return [label for _path, label in field.get_choices(include_blank=False)]

    assert choices() == ["a.txt", "b.log"]
    assert choices(match=r"\.txt$", recursive=True) == ["a.txt", "logs/c.txt"]
    assert choices(allow_files=False, allow_folders=True) == ["logs"]
    assert models.FilePathField(path=folder).get_choices()[0] == ("", "---------")


@pytest.mark.row("fields.file_path")
@pytest.mark.parametrize("wrong", ["{}/b.log", "{}/logs/c.txt", "{}", "{}/../x", "/etc/passwd", "{}/none.txt", "\0"])
def test_other_paths_are_refused(folder, wrong):
    field = models.FilePathField(path=str(folder), match=r"\.txt$", max_length=500)
    field.set_attributes_from_name("file")

    assert field.clean(f"{folder}/a.txt", None) == f"{folder}/a.txt"
    with pytest.raises(ValidationError, match="is not one of the available paths"):
        field.clean(wrong.format(folder), None)


def test_path_fields_are_written_and_checked():
    options = {"path": "/srv", "match": "x", "recursive": True, "allow_files": False}
    field = models.FilePathField(**options)
    assert field.deconstruct()[3] == {**options, "max_length": 100}
    assert [one.id for one in _checked(field)] == ["fields.E140"]


def _checked(field):
    with apps.isolate():
        meta = type("Meta", (), {"app_label": "vault"})
        model = type("Checked", (models.Model,), {"one": field, "Meta": meta, "__module__": __name__})
    return [one for one in model.check() if one.obj is field]


@pytest.mark.row("fields.enum")
async def test_graphql_answers_with_a_members_value(vault):
    from covet.graphql.types import EnumColumnField

    paint = await Paint.objects.create(colour=Colour.DARK_BLUE)
    shown = EnumColumnField(Paint._meta.get_field("colour"), str)

    assert shown.get_result(paint, None, [], {}) == "db"
    assert await shown.get_result(Paint.unloaded(paint.pk), None, [], {}) == "db"
