"""System checks of what a class says beside its fields, of targets that are nowhere, and of what a vendor leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from covet.apps import Apps, apps
from covet.conf import override
from covet.db import models
from covet.db.models.model_checks import check_all, check_model
from covet.db.models.vendor_checks import check_vendors
from tests.db.models.test_checks import model


def found(build: Callable[[], Any]) -> dict[str, Any]:
    with apps.isolate():
        return {message.id: message for message in check_model(build())}


def told(registry: Apps, url: str) -> list[tuple[str, str]]:
    with override(DATABASES={"default": url}):
        return sorted((message.id, getattr(message.obj, "name", "")) for message in check_vendors(registry))


def test_a_proxy_has_no_fields_of_its_own() -> None:
    def build() -> Any:
        base = model("Base", a=models.IntegerField())
        return model("Stand", (base,), extra=models.IntegerField(), meta={"proxy": True})

    assert "extra" in found(build)["models.E017"].msg
    assert "models.E017" not in found(lambda: model("Stand", (model("Base"),), meta={"proxy": True}))


def test_a_check_that_is_no_class_method_is_named() -> None:
    assert "models.E020" in found(lambda: model(check=5))
    assert "models.E020" in found(lambda: model(check=lambda self: []))

    def own(cls: Any, **kwargs: Any) -> list[Any]:
        return []

    assert "models.E020" not in found(lambda: model(check=classmethod(own)))


def test_a_property_in_the_place_of_a_key_is_named() -> None:
    def build(name: str) -> Any:
        author = model("Author")
        return model("Book", author=models.ForeignKey(author, models.CASCADE), **{name: property(lambda self: 1)})

    assert "author_id" in found(lambda: build("author_id"))["models.E025"].msg
    assert "models.E025" not in found(lambda: build("author_key"))


@pytest.mark.parametrize(
    ("given", "id"),
    [("ab", "models.E010"), (5, "models.E010"), ([5], "models.E011"), ([("a",), "b"], "models.E011")],
    ids=["text", "number", "numbers", "mixed"],
)
def test_unique_together_is_a_list_of_lists(given: Any, id: str) -> None:
    body: dict[str, Any] = {"a": models.IntegerField(), "b": models.IntegerField()}

    assert id in found(lambda: model(meta={"unique_together": given}, **body))


def test_a_flat_unique_together_is_one_rule() -> None:
    with apps.isolate():
        made = model(a=models.IntegerField(), b=models.IntegerField(), meta={"unique_together": ("a", "b")})
    assert made._meta.unique_together == (("a", "b"),)
    assert made.check() == []


def test_a_target_that_is_nowhere_is_named_at_the_field() -> None:
    with apps.isolate() as registry:
        model(
            "Book",
            author=models.ForeignKey("no.Author", models.CASCADE),
            tags=models.ManyToManyField("self", through="no.Tagging"),
            place=models.ForeignObject("no.Place", models.CASCADE, from_fields=["a"], to_fields=["id"]),
            a=models.IntegerField(),
        )
        messages = list(check_all(registry))

    assert {message.obj.name for message in messages if message.id == "fields.E300"} == {"author", "place"}
    assert [message.obj.name for message in messages if message.id == "fields.E331"] == ["tags"]
    assert {message.id for message in messages} == {"fields.E300", "fields.E331", "fields.E307"}


@pytest.mark.parametrize(
    ("choices", "id"), [(42, "fields.E004"), ("ab", "fields.E004"), ([1, 2], "fields.E005")], ids=["n", "text", "flat"]
)
def test_choices_are_pairs(choices: Any, id: str) -> None:
    assert id in found(lambda: model(a=models.CharField(max_length=3, choices=choices)))


def test_the_output_field_of_a_generated_one_is_checked() -> None:
    def build(output: Any) -> Any:
        made = models.GeneratedField(expression=models.F("a"), output_field=output, db_persist=True)
        return model(a=models.IntegerField(), g=made)

    wrong = found(lambda: build(models.CharField(max_length=-1)))
    assert "fields.E121" in wrong["fields.E223"].msg
    odd = found(lambda: build(models.IntegerField(max_length=3)))
    assert "fields.W122" in odd["fields.W224"].msg and "fields.E223" not in odd
    assert found(lambda: build(models.IntegerField())) == {}


def test_indexes_that_mysql_leaves_out_are_named() -> None:
    with apps.isolate() as registry:
        model(
            text=models.TextField(db_index=True),
            raw=models.BinaryField(db_index=True),
            data=models.JSONField(db_index=True),
            endless=models.CharField(db_index=True),
            word=models.CharField(max_length=9, db_index=True),
            meta={
                "indexes": [
                    models.Index(fields=["word", "-text"], name="both"),
                    models.Index(fields=["word"], name="w"),
                ]
            },
        )
        assert told(registry, "mysql://u:p@localhost/x") == [
            ("fields.W162", ""),
            *[("fields.W162", name) for name in ("data", "endless", "raw", "text")],
        ]
        assert told(registry, "postgres://u:p@localhost/x") == []


def test_columns_that_are_computed_on_each_read_need_a_new_postgresql() -> None:
    with apps.isolate() as registry:
        model(
            a=models.IntegerField(),
            kept=models.GeneratedField(expression=models.F("a"), output_field=models.IntegerField(), db_persist=True),
            read=models.GeneratedField(expression=models.F("a"), output_field=models.IntegerField(), db_persist=False),
        )
        assert told(registry, "postgres://u:p@localhost/x") == [("fields.W221", "read")]
        assert told(registry, "sqlite://:memory:") == []


def test_a_field_that_was_not_called_is_named() -> None:
    warning = found(lambda: model(title=models.TextField))["models.W052"]

    assert warning.msg == "'title' is the class TextField itself, and no field."
    assert warning.hint == "Call it: title = models.TextField(…)."


@pytest.mark.parametrize("wrap", [lambda one: (one,), lambda one: [one]], ids=["tuple", "list"])
def test_a_field_with_a_comma_behind_it_is_named(wrap: Callable[[Any], Any]) -> None:
    warning = found(lambda: model(title=wrap(models.TextField())))["models.W054"]

    assert warning.msg == f"'title' is a {type(wrap(1)).__name__} that holds a field, and no field."
    assert "models.W054" not in found(lambda: model(choices=(("a", "A"),), empty=(), pair=(1,)))


@pytest.mark.parametrize("name", ["META", "Config"])
def test_options_under_another_name_than_meta_are_named(name: str) -> None:
    warning = found(lambda: model(**{name: type(name, (), {"ordering": ["pk"]})}))["models.W055"]

    assert warning.msg == f"'class {name}' in the body of the model says nothing."
    assert "models.W055" not in found(lambda: model(meta={"ordering": ["pk"]}, Size=type("Size", (), {})))


def test_a_save_whose_super_nobody_awaits_is_named() -> None:
    class Marked:
        def save(self, *args: Any, **kwargs: Any) -> None:
            super().save(*args, **kwargs)  # type: ignore[misc]

    class Returned:
        def save(self, *args: Any, **kwargs: Any) -> Any:
            return super().save(*args, **kwargs)  # type: ignore[misc]

    class Awaited:
        async def delete(self, *args: Any, **kwargs: Any) -> Any:
            await super().delete(*args, **kwargs)  # type: ignore[misc]

    warning = found(lambda: model("Book", (Marked, models.Model)))["models.W053"]
    assert warning.msg == "Marked.save() calls super().save() and does not await it, so nothing is done."
    for kind in (Returned, Awaited):
        assert "models.W053" not in found(lambda kind=kind: model("Book", (kind, models.Model)))


def test_calls_of_its_own_methods_that_nobody_awaits_are_named() -> None:
    """As of methods taken over from Django: ``self.full_clean()`` in ``save()``, ``self.save()`` in any other."""

    class Marked:
        def save(self, *args: Any, **kwargs: Any) -> Any:
            self.full_clean()  # type: ignore[attr-defined]
            return super().save(*args, **kwargs)  # type: ignore[misc]

    class Published:
        async def publish(self) -> None:
            self.title = "new"
            self.save(update_fields=["title"])  # type: ignore[attr-defined]

    class Fine:
        def other(self, other: Any) -> Any:
            other.save()
            return self.save()  # type: ignore[attr-defined]

        async def both(self) -> None:
            await self.save()  # type: ignore[attr-defined]

    class Plain:
        def full_clean(self) -> None:
            self.title = self.title.strip()  # type: ignore[has-type]

        def tidy(self) -> None:
            self.full_clean()

    for kind, told, hint in (
        (Marked, "Marked.save() calls self.full_clean()", "Write async def save(…) and await self.full_clean(…)."),
        (Published, "Published.publish() calls self.save()", "Write await self.save(…)."),
    ):
        warning = found(lambda kind=kind: model("Book", (kind, models.Model)))["models.W053"]
        assert (warning.msg, warning.hint) == (f"{told} and does not await it, so nothing is done.", hint)
    for kind in (Fine, Plain):
        assert "models.W053" not in found(lambda kind=kind: model("Book", (kind, models.Model)))


def test_a_save_without_source_is_left_alone() -> None:
    scope: dict[str, Any] = {}
    exec("def save(self):\n    super().save()", scope)

    assert "models.W053" not in found(lambda: model(save=scope["save"]))


@pytest.mark.parametrize("kind", [models.ForeignKey, models.OneToOneField])
def test_a_relation_without_on_delete_says_what_there_is(kind: Any) -> None:
    with pytest.raises(TypeError, match=rf"{kind.__name__}\(\) needs on_delete, .*PROTECT refuses"):
        kind("Author")
