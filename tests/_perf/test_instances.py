"""Python calls on the hot path of instances; a new one must be meant, because every row pays for it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from covet.apps import apps
from covet.db import models
from covet.db.backends.sqlite.dialect import SQLiteDialect
from covet.db.models.query.assemble import Assembler
from covet.db.models.query.hydrate import instances
from covet.db.models.state import LOADED
from tests._calls import profiled

with apps.isolate():

    class Article(models.Model):
        title = models.CharField(max_length=50)
        body = models.TextField(blank=True)
        views = models.PositiveIntegerField(default=0)
        published_at = models.DateTimeField(null=True)

        class Meta:
            app_label = "counted"


def calls(function: Callable[[], Any]) -> list[str]:
    """Names of the Python functions that run inside ``function``."""
    seen: list[str] = []

    def note(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            seen.append(frame.f_code.co_name)

    with profiled(note):
        function()
    return seen[1:]  # without ``function`` itself


def test_building_an_instance_is_one_call() -> None:
    Article(title="warm")
    assert calls(lambda: Article(title="x", views=3)) == ["__init__"]


def test_reading_and_setting_values_is_no_call() -> None:
    article = Article(pk=1, title="x")

    def use() -> None:
        article.title
        article.title = "y"
        article.pk

    assert calls(use) == []


def test_awaiting_a_loaded_row_is_one_call() -> None:
    article = Article(pk=1, title="x")
    article._row_state = LOADED["default"]

    async def use() -> None:
        await article

    def run() -> None:
        try:  # noqa: SIM105 - contextlib would be calls of its own
            use().send(None)
        except StopIteration:
            pass

    assert calls(run) == ["use", "__await__"]


def test_comparing_rows_is_one_call_and_hashing_another() -> None:
    one, two = Article(pk=1), Article(pk=1)
    assert calls(lambda: one == two) == ["__eq__"]
    assert calls(lambda: hash(one)) == ["__hash__"]


def test_a_value_is_adapted_by_at_most_one_call_of_ours() -> None:
    from covet.db.backends.postgresql.dialect import PostgreSQLDialect

    dialect = PostgreSQLDialect()
    for name, value in (("title", "x"), ("views", 3), ("published_at", None)):
        adapt = Article._meta.get_field(name).adapter(dialect)
        if adapt is not None:
            assert len(calls(lambda adapt=adapt, value=value: adapt(value))) <= 1


def test_assignment_goes_through_no_slot_of_ours() -> None:
    """``__setattr__`` and ``__delattr__`` share one type slot: defining either in Python slows every assignment."""
    for base in Article.__mro__[:-1]:
        assert "__setattr__" not in vars(base)
        assert "__delattr__" not in vars(base)


def test_many_instances_that_are_made_before_they_are_filled_need_no_dicts() -> None:
    with apps.isolate():

        class Writer(models.Model):
            name = models.CharField(max_length=50)

            class Meta:
                app_label = "counted"

        class Letter(models.Model):
            text = models.TextField()
            writer = models.ForeignKey(Writer, on_delete=models.CASCADE)
            reader = models.ForeignKey(Writer, on_delete=models.CASCADE, related_name="read")

            class Meta:
                app_label = "counted"

    made: list[Any] = [object.__new__(Letter) for _ in range(100)]
    writer = Writer(name="x")
    for letter in made:
        letter._row_state = LOADED["default"]
        letter.id, letter.text, letter.writer_id, letter.reader_id = 1, "a", 2, 3
        setattr(letter, Letter.writer.cache_name, writer)
        setattr(letter, Letter.reader.cache_name, writer)
    assert not any(isinstance(held, dict) for letter in made for held in gc.get_referents(letter))


def test_the_first_rows_of_a_class_need_no_dict_each() -> None:
    """All of them are made before the first value is set, and by then the class must know what they will hold."""
    with apps.isolate():

        class Note(models.Model):
            text = models.TextField()

            class Meta:
                app_label = "counted"

    dialect = SQLiteDialect()
    query = Note.objects.annotate(twice=models.F("id") * 2, thrice=models.F("id") * 3, more=models.F("id") + 1).query
    rows = Assembler(query, dialect, alias="default").rows()
    assert rows.root is not None

    made = instances(rows.root, rows.columns, dialect, rows.hidden)([(1, "x", 2, 3, 2)] * 100, "default", None)

    assert [(one.id, one.text, one.thrice) for one in made] == [(1, "x", 3)] * 100
    assert not [held for one in made for held in gc.get_referents(one) if type(held) is dict]
