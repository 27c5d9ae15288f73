"""Fields that were written for Django: ``db_type``, and a ``from_db`` of the time before ``fetch_mode``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.models.model_checks import check_model
from covet.db.models.table import table_of
from tests.db.models.conftest import create_tables

with apps.isolate():

    class WordsField(models.Field[list[str]]):
        """Has nothing else than ``db_type``, which depends on the database."""

        def __init__(self, *args: Any, separator: str = ",", **options: Any) -> None:
            self.separator = separator
            super().__init__(*args, **options)

        def db_type(self, connection: Any) -> str:
            return "text" if connection.vendor == "postgresql" else "varchar(100)"

        def deconstruct(self) -> Any:
            name, path, args, options = super().deconstruct()
            return name, path, args, {**options, "separator": self.separator}

        def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
            return None if value is None else value.split(self.separator)

        def to_python(self, value: Any) -> Any:
            return value.split(self.separator) if isinstance(value, str) else value

        def get_prep_value(self, value: Any) -> Any:
            return None if value is None else self.separator.join(value)

    class ShortField(models.CharField[str]):
        """Spells the type of a built-in field otherwise."""

        def db_type(self, connection: Any) -> str:
            return f"char({self.max_length})"

    class NowhereField(models.Field[Any]):
        def db_type(self, connection: Any) -> None:
            return None

    class PickyField(models.Field[Any]):
        def db_type(self, connection: Any) -> Any:
            return None if connection.quote("x") else "text"

    class OneSidedField(models.Field[Any]):
        """What Django's documentation shows for a type that one database has."""

        def db_type(self, connection: Any) -> str | None:
            return "citext" if connection.vendor == "postgresql" else None

    class Shelf(models.Model):
        words = WordsField(null=True)
        code = ShortField(max_length=4, db_index=True, default="x")
        nowhere = NowhereField(default=None)

        class Meta:
            app_label = "spelled"

        @classmethod
        def from_db(cls, db: str, field_names: Sequence[str], values: Sequence[Any]) -> Any:  # type: ignore[override]
            instance = super().from_db(db, field_names, values)
            instance.read = tuple(field_names)  # type: ignore[attr-defined]
            return instance

    class Book(models.Model):
        shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="books")

        class Meta:
            app_label = "spelled"


@pytest.fixture
async def shelves(database: Database) -> Database:
    await create_tables(database, [Shelf, Book])
    return database


@pytest.mark.row("fields.custom")
async def test_a_field_may_spell_its_columns_type(shelves: Database) -> None:
    shelf = await Shelf.objects.create(words=["a", "b"], code="ab")
    await Shelf.objects.create(words=None)
    assert await Shelf.objects.values_list("words", flat=True).order_by("pk") == [["a", "b"], None]
    assert await Shelf.objects.filter(words=["a", "b"]).values_list("pk", flat=True) == [shelf.pk]
    assert await Shelf.objects.filter(words__in=[["a", "b"], ["c"]], words__startswith="a").count() == 1
    assert await Shelf.objects.filter(code="ab", words__isnull=False).update(words=["c"]) == 1
    columns = {column.name: column.type for column in await shelves.introspection.columns("spelled_shelf")}
    assert set(columns) == {"id", "words", "code"}
    assert columns["code"].startswith("char")
    assert columns["words"] == ("text" if shelves.vendor == "postgresql" else "varchar(100)")


async def test_from_db_needs_no_fetch_mode(shelves: Database) -> None:
    shelf = await Shelf.objects.create(words=["a"])
    await Book.objects.create(shelf=shelf)
    found: Any = await Shelf.objects.get(pk=shelf.pk)
    assert found.read == ("id", "words", "code")
    chosen: Any = await Shelf.objects.fetch_mode(models.FETCH_RAISE).only("words").get(pk=shelf.pk)
    assert chosen.read == ("id", "words")
    assert chosen._state.fetch_mode is models.FETCH_RAISE
    book = await Book.objects.select_related("shelf").get()
    assert book.shelf.read == ("id", "words", "code")  # type: ignore[attr-defined]


def test_types_that_are_written_alike_are_alike() -> None:
    one, other, third = WordsField(), WordsField(), WordsField(separator=";")
    assert one.column_type() == other.column_type() != third.column_type()
    assert hash(one.column_type()) == hash(other.column_type())
    assert "type of" in repr(one.column_type())
    assert one.concrete and not NowhereField().concrete
    assert [column.name for column in table_of(Shelf).columns] == ["id", "words", "code"]
    assert not [index for index in table_of(Shelf).indexes if index.name.endswith("_like")]


async def test_a_field_without_a_type_here_says_so(database: Database) -> None:
    field = PickyField()
    assert field.concrete
    one_sided = OneSidedField().column_type()
    assert one_sided is not None
    if database.vendor == "postgresql":
        assert database.dialect.type_sql(one_sided) == "citext"
    else:
        with pytest.raises(TypeError, match="gives its column no type on"):
            database.dialect.type_sql(one_sided)
    with pytest.raises(TypeError, match="gives its column no type on"):
        database.dialect.type_sql(field.column_type())


def test_a_constructor_that_reads_pass_by_is_told() -> None:
    with apps.isolate():

        class Watched(models.Model):
            name = models.CharField(max_length=5)

            class Meta:
                app_label = "spelled"

            def __init__(self, *args: Any, **values: Any) -> None:
                super().__init__(*args, **values)
                self.before = self.name

        messages = {message.id: message for message in check_model(Watched)}
    assert "rows that are read" in messages["models.W056"].msg
    assert "post_init" in str(messages["models.W056"].hint)
