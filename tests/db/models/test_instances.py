"""Instances without a database: the constructor, identity, state, what is not loaded, copies and pickles."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.models.fields.markers import DATABASE_DEFAULT
from covet.db.models.functions import Now
from covet.db.models.state import LOADED, State
from covet.exceptions import NotLoaded

with apps.isolate() as registry:

    class Author(models.Model):
        name = models.CharField(max_length=50)

        class Meta:
            app_label = "library"

        def __str__(self) -> str:
            return self.name

    class Book(models.Model):
        title = models.CharField(max_length=50)
        kind = models.CharField(max_length=1, choices=[("n", "Novel"), ("p", "Poems")], default="n")
        tags = models.JSONField(default=list)
        author = models.ForeignKey(Author, on_delete=models.CASCADE, null=True)
        added = models.DateTimeField(db_default=Now())

        class Meta:
            app_label = "library"

        @property
        def loud(self) -> str:
            return self.title.upper()

        @loud.setter
        def loud(self, value: str) -> None:
            self.title = value.lower()


@pytest.mark.row("models.constructor")
def test_defaults_are_filled_in() -> None:
    one, other = Book(), Book()
    assert (one.pk, one.title, one.kind, one.author_id) == (None, "", "n", None)  # type: ignore[attr-defined]
    assert one.tags == []
    assert one.tags is not other.tags
    assert one.added is DATABASE_DEFAULT
    assert one._state.adding
    assert one._state.db is None


@pytest.mark.row("models.constructor", "models.pk")
def test_values_come_by_position_name_attribute_pk_and_property() -> None:
    assert Book(3, "x").title == "x"
    assert Book(pk=4).id == 4  # type: ignore[attr-defined]
    assert Book(author_id=5).author_id == 5  # type: ignore[attr-defined]
    assert Book(loud="ABC").title == "abc"
    ann = Author(pk=1, name="Ann")
    book = Book(author=ann)
    assert book.author is ann
    assert book.author_id == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "words"),
    [
        ((), {"titel": 1}, TypeError, "Did you mean 'title'"),
        ((), {"what": 1}, TypeError, "Fields are: id, title"),
        ((1, "t"), {"title": "u"}, TypeError, "multiple values"),
        (range(9), {}, IndexError, "at most 6"),
        ((), {"author": 3}, ValueError, "must be an instance of Author|author"),
    ],
)
@pytest.mark.row("models.constructor")
def test_wrong_arguments_say_what_is_right(args: Any, kwargs: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Book(*args, **kwargs)


def test_a_constructor_of_ones_own_reaches_the_compiled_one() -> None:
    with apps.isolate():

        class Base(models.Model):
            name = models.CharField(max_length=9)

            class Meta:
                app_label = "library"

        Base(name="warm")  # compiled now

        class Child(Base):
            size = models.IntegerField(default=1)

            class Meta:
                app_label = "library"

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.seen = True

        class Grandchild(Child):
            depth = models.IntegerField(default=2)

            class Meta:
                app_label = "library"

        child, grandchild = Child(name="x", size=5), Grandchild(name="y", depth=7)
        assert (child.name, child.size, child.seen) == ("x", 5, True)
        assert (grandchild.name, grandchild.size, grandchild.depth, grandchild.seen) == ("y", 1, 7, True)
        assert Base(name="z").name == "z"


def test_a_field_added_later_is_in_the_constructor() -> None:
    with apps.isolate():

        class Thing(models.Model):
            class Meta:
                app_label = "library"

        Thing()
        Thing.add_to_class("later", models.IntegerField(default=9))
        assert Thing().later == 9  # type: ignore[attr-defined]


@pytest.mark.row("models.identity")
def test_rows_are_equal_by_model_and_key() -> None:
    assert Book(pk=1) == Book(pk=1)
    assert Book(pk=1) != Book(pk=2)
    assert Book(pk=1) != Author(pk=1)
    new = Book()
    assert new == new
    assert new != Book()
    assert len({Book(pk=1), Book(pk=1)}) == 1
    with pytest.raises(TypeError, match="no primary key yet"):
        hash(new)


@pytest.mark.row("models.identity", "models.display")
def test_texts() -> None:
    assert repr(Author(name="Ann")) == "<Author: Ann>"
    assert str(Book(pk=3)) == "Book object (3)"
    assert Book(kind="p").get_kind_display() == "Poems"  # type: ignore[attr-defined]
    assert Book(kind="?").get_kind_display() == "?"  # type: ignore[attr-defined]


def test_an_unloaded_row_knows_its_key_only() -> None:
    author = Author.unloaded(7)
    assert author.pk == 7
    assert author == Author(pk=7)
    assert hash(author) == hash(7)
    assert bool(author)
    assert not author._state.adding
    assert repr(author) == "<Author: pk=7, not loaded>"
    with pytest.raises(NotLoaded, match=r"Author\(pk=7\) is not loaded.*`await author`"):
        author.name
    with pytest.raises(NotLoaded):
        getattr(author, "name", "swallowed?")


def test_the_relation_is_named_when_it_made_the_row() -> None:
    author = Author.unloaded(7, origin=("library.Book", "author"))
    with pytest.raises(NotLoaded, match=r'`await book.author`.*select_related\("author"\)'):
        author.name


def test_a_field_left_out_says_how_to_load_it() -> None:
    book = Book(pk=3, title="x")
    del book.title
    assert book.get_deferred_fields() == {"title"}
    with pytest.raises(NotLoaded, match=r'`await book.fetch\("title"\)`.*refresh_from_db'):
        book.title
    assert book._row_state.partial
    book.title = "again"
    assert book.title == "again"


def test_other_names_are_attribute_errors_with_a_suggestion() -> None:
    with pytest.raises(AttributeError, match="Did you mean 'title'"):
        Book().titel  # type: ignore[attr-defined]
    assert not hasattr(Book(), "nothing_like_it")
    assert getattr(Book(), "_private", 1) == 1


def test_an_attribute_that_a_property_lacks_is_told_and_not_the_property() -> None:
    class Parcel(models.Model):
        weight = models.IntegerField()

        class Meta:
            app_label = "shop"

        @property
        def price(self) -> object:
            return self.weigth  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match=r"no attribute 'weigth'\. Did you mean 'weight'"):
        Parcel(weight=1).price
    assert not hasattr(Parcel(weight=1), "price")


def test_a_shared_state_is_copied_on_the_first_change() -> None:
    one, other = Book(pk=1), Book(pk=2)
    one._row_state = other._row_state = LOADED["default"]
    one._state.adding = True
    assert one._row_state.adding
    assert not other._row_state.adding
    assert LOADED["default"].adding is False
    other._state = State(True, "replica")
    assert other._row_state.db == "replica"


def test_copies_have_a_state_of_their_own() -> None:
    book = Book(pk=1, title="x", tags=["a"])
    book._state.adding = False
    for clone in (copy.copy(book), copy.deepcopy(book)):
        assert clone == book
        clone._state.adding = True
        clone.title = "y"
    assert not book._state.adding
    assert book.title == "x"
    assert copy.deepcopy(book).tags is not book.tags


@pytest.mark.row("models.pickle")
def test_pickles_keep_values_and_state() -> None:
    book = Book(pk=1, title="x", author=Author(pk=2, name="Ann"))
    book._state.db = "replica"
    again = pickle.loads(pickle.dumps(book))
    assert again == book
    assert (again.title, again._state.db, again.author.name) == ("x", "replica", "Ann")


def test_a_pickle_of_another_release_warns() -> None:
    book = Book(pk=1)
    state = book.__getstate__()
    state["_covet_version"] = "0.0.1"
    with pytest.warns(RuntimeWarning, match=r"made by Covet 0\.0\.1"):
        object.__new__(Book).__setstate__(state)


def test_from_db_builds_a_row_that_can_be_overridden() -> None:
    book = Book.from_db("replica", ["id", "title"], [3, "x"])
    assert (book.pk, book.title, book._state.db, book._state.adding) == (3, "x", "replica", False)
    assert book._row_state.partial
    assert "kind" in book.get_deferred_fields()
    book = Book.from_db("replica", ["id", "title"], [3, models.DEFERRED])
    assert "title" in book.get_deferred_fields()


@pytest.fixture
def signals() -> Iterator[list[Any]]:
    seen: list[Any] = []

    def before(sender: Any, kwargs: Any, **rest: Any) -> None:
        seen.append(("pre", sender, dict(kwargs)))

    def after(sender: Any, instance: Any, **rest: Any) -> None:
        seen.append(("post", sender, instance))

    models.signals.pre_init.connect(before, sender=Author)
    models.signals.post_init.connect(after, sender=Author)
    yield seen
    models.signals.pre_init.disconnect(before, sender=Author)
    models.signals.post_init.disconnect(after, sender=Author)


def test_init_signals_are_sent_to_their_sender_only(signals: list[Any]) -> None:
    author = Author(name="Ann")
    Book()
    assert [(kind, sender) for kind, sender, _value in signals] == [("pre", Author), ("post", Author)]
    assert signals[0][2]["name"] == "Ann"
    assert signals[1][2] is author


@pytest.mark.row("models.values")
def test_serializable_values_are_keys() -> None:
    book = Book(title="x", author=Author(pk=2))
    assert book.serializable_value("author") == 2
    assert book.serializable_value("title") == "x"
    assert book.serializable_value("loud") == "X"


def test_expressions_may_be_assigned() -> None:
    book = Book(title="x")
    book.title = models.F("kind")
    assert book.__dict__["title"] == models.F("kind")


async def test_awaiting_a_loaded_row_costs_nothing_and_gives_it_back() -> None:
    author = Author(pk=1, name="Ann")
    author._row_state = LOADED["default"]
    assert await author is author
    assert await author is author
