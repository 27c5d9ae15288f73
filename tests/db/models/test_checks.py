"""What ``manage.py check`` says about models, one by one and together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from covet.apps import Apps, apps
from covet.db import models
from covet.db.models import signals
from covet.db.models.model_checks import check_all, check_model
from covet.exceptions import FieldDoesNotExist, ImproperlyConfigured


@pytest.fixture(autouse=True)
def registry() -> Iterator[Apps]:
    with apps.isolate() as isolated:
        yield isolated


class Meta:
    app_label = "shop"


def model(_name: str = "Thing", _bases: Any = (models.Model,), /, meta: Any = None, **body: Any) -> Any:
    options = type("Meta", (Meta,), meta or {})
    return type(_name, _bases, {**body, "Meta": options, "__module__": __name__})


def ids(made: Any) -> set[str]:
    return {message.id for message in check_model(made)}


def test_a_right_model_has_nothing_to_say() -> None:
    made = model(
        title=models.CharField(max_length=9),
        meta={
            "ordering": ["-title", "pk", models.F("title").desc(), "?"],
            "unique_together": [("title",)],
            "indexes": [models.Index(fields=["-title"])],
            "constraints": [models.CheckConstraint(condition=models.Q(title="x"), name="c")],
        },
    )
    assert made.check() == []


@pytest.mark.parametrize(
    ("body", "meta", "id"),
    [
        ({"title": models.CharField()}, {}, "fields.E120"),
        ({}, {"ordering": ["titel"]}, "models.E015"),
        ({}, {"ordering": "title"}, "models.E014"),
        ({"a": models.IntegerField()}, {"unique_together": [("a", "b")]}, "models.E012"),
        ({"a": models.IntegerField()}, {"indexes": [models.Index(fields=["b"])]}, "models.E012"),
        ({"a": models.IntegerField()}, {"indexes": [models.Index(fields=["a"], name="_x")]}, "models.E033"),
        ({"a": models.IntegerField()}, {"indexes": [models.Index(fields=["a"], name="x" * 31)]}, "models.E034"),
        (
            {"a": models.IntegerField()},
            {"constraints": [models.CheckConstraint(condition=models.Q(b=1), name="c")]},
            "models.E012",
        ),
        ({"a": models.IntegerField(), "b": models.IntegerField(db_column="a")}, {}, "models.E007"),
        ({"a": models.IntegerField(primary_key=True), "b": models.UUIDField(primary_key=True)}, {}, "models.E026"),
        ({"check": models.IntegerField()}, {}, "fields.E020"),
        ({"save": models.IntegerField()}, {}, "fields.E020"),
        (
            {
                "pk": models.CompositePrimaryKey("a", "b"),
                "a": models.IntegerField(primary_key=True),
                "b": models.IntegerField(),
            },
            {},
            "models.E026",
        ),
        (
            {"a": models.GeneratedField(expression=models.F("b"), output_field=models.IntegerField(), db_persist=True)},
            {},
            "fields.E220",
        ),
    ],
)
@pytest.mark.row("checks.models")
def test_a_wrong_model_is_named(body: dict[str, Any], meta: dict[str, Any], id: str) -> None:
    body = {name: field.clone() if isinstance(field, models.Field) else field for name, field in body.items()}
    assert id in ids(model(meta=meta, **body))


@pytest.mark.row("meta.names")
def test_id_is_a_name_like_others_where_the_key_is_another_field() -> None:
    """As in a key of ``tenant_id`` and ``id``. A model without any other key is refused when it is defined."""
    assert ids(model(id=models.IntegerField(), key=models.IntegerField(primary_key=True))) == set()
    key = models.CompositePrimaryKey("tenant_id", "id")
    made = model("Part", pk=key, tenant_id=models.IntegerField(), id=models.IntegerField())
    assert ids(made) == set() and [field.name for field in made._meta.pk_fields] == ["tenant_id", "id"]
    with pytest.raises(ImproperlyConfigured, match="Add primary_key=True to one of its fields"):
        model("Keyless", id=models.IntegerField())


@pytest.mark.row("meta.names")
def test_names_of_models() -> None:
    assert ids(model("_Thing")) == {"models.E023"}
    assert ids(model("A__B")) == {"models.E024"}


def test_a_foreign_key_that_hides_a_field() -> None:
    made = model(author_id=models.IntegerField(), author=models.ForeignKey("self", on_delete=models.CASCADE))
    assert "models.E006" in ids(made)


def test_a_suggestion_stands_in_the_text() -> None:
    (found,) = model(title=models.CharField(max_length=3), meta={"ordering": ["titel"]}).check()
    assert "Did you mean 'title'" in found.msg


def test_rules_cover_one_table() -> None:
    place = model("Place", name=models.CharField(max_length=3))
    bar = model("Bar", (place,), meta={"unique_together": [("name",)]})
    assert ids(bar) == {"models.E016"}


@pytest.mark.row("meta.names")
def test_two_models_with_one_table_and_rules_of_one_name(registry: Apps) -> None:
    index = models.Index(fields=["id"], name="same")
    model("One", meta={"db_table": "t", "indexes": [index]})
    model("Two", meta={"db_table": "t", "indexes": [index]})
    assert {message.id for message in check_all(registry)} == {"models.E028", "models.E030"}


@pytest.mark.row("relations.lazy")
def test_a_relation_to_nowhere_has_a_suggestion(registry: Apps) -> None:
    model("Author")
    model("Book", author=models.ForeignKey("shop.Autor", on_delete=models.CASCADE))
    found = [message for message in check_all(registry) if message.id == "fields.E307"]
    assert len(found) == 1
    assert "shop.autor" in found[0].msg
    assert found[0].hint == "Did you mean 'shop.Author'?"


@pytest.mark.row("relations.lazy", "signals.dispatch")
def test_what_waits_for_a_model_that_is_nowhere_is_named_by_what_it_is(registry: Apps) -> None:
    model("Author")

    seen: list[Any] = []

    def when_there(found: Any) -> None:
        seen.append(found)

    def note(sender: Any, **named: Any) -> None:
        seen.append(sender)

    apps.current().lazy_model_operation(when_there, "shop.Autor")
    signals.post_save.connect(note, sender="shop.Nothing")
    signals.pre_delete.connect(note, sender="shop.Author")
    found = {message.id: message for message in check_all(registry)}
    assert set(found) == {"models.E022", "signals.E001"}
    assert "when_there" in found["models.E022"].msg and found["models.E022"].hint == "Did you mean 'shop.Author'?"
    assert "note' of post_save waits for the model 'shop.nothing'" in found["signals.E001"].msg
    late, nothing = model("Autor"), model("Nothing")
    assert list(check_all(registry)) == [] and seen == [late]
    assert signals.post_save.has_listeners(nothing) and signals.post_save.disconnect(note, sender=nothing)


def test_a_model_may_add_checks_of_its_own() -> None:
    from covet.checks import Warning as CheckWarning

    class Own(models.Model):
        class Meta:
            app_label = "shop"

        @classmethod
        def check(cls, **kwargs: Any) -> Any:
            return [*super().check(**kwargs), CheckWarning("Mine.", id="shop.W001")]

    assert {message.id for message in Own.check()} == {"shop.W001"}


@pytest.mark.row("relations.names")
def test_reverse_names_must_be_free() -> None:
    author = model("Author", book=models.IntegerField(), book_set=models.IntegerField())
    book = model("Book", author=models.ForeignKey(author, on_delete=models.CASCADE))
    assert ids(book) == {"fields.E302", "fields.E303"}


def test_two_relations_to_one_model_need_a_related_name() -> None:
    author = model("Author")
    book = model(
        "Book",
        author=models.ForeignKey(author, on_delete=models.CASCADE),
        editor=models.ForeignKey(author, on_delete=models.CASCADE),
    )
    assert ids(book) == {"fields.E304", "fields.E305"}
    fine = model(
        "Fine",
        author=models.ForeignKey(author, on_delete=models.CASCADE, related_name="fine"),
        editor=models.ForeignKey(author, on_delete=models.CASCADE, related_name="+"),
    )
    assert ids(fine) == set()


@pytest.mark.row("checks.models")
def test_rules_of_deletion_must_be_possible() -> None:
    author = model("Author")
    book = model(
        "Book",
        author=models.ForeignKey(author, on_delete=models.SET_NULL, related_name="a"),
        editor=models.ForeignKey(author, on_delete=models.SET_DEFAULT, related_name="b"),
    )
    assert ids(book) == {"fields.E320", "fields.E321"}


def test_an_order_with_respect_to_nothing_has_a_suggestion() -> None:
    with pytest.raises(FieldDoesNotExist, match="Did you mean 'author'"):
        model(
            "Book",
            author=models.ForeignKey("Author", on_delete=models.CASCADE),
            meta={"order_with_respect_to": "autor"},
        )
