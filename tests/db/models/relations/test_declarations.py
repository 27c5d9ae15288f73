"""How relations are declared: targets by name, names of the reverse side, and what follows from them."""

from __future__ import annotations

from typing import Any

import pytest

from covet.apps import apps
from covet.conf import override
from covet.db import models
from covet.db.models.query.prefetch import accessors
from covet.exceptions import FieldError


@pytest.mark.row("relations.lazy")
def test_a_target_may_be_named_before_it_exists_by_its_own_name_or_with_its_app() -> None:
    with apps.isolate():

        class Linked(models.Model):
            """Its names are looked up in the app of the model that inherits them."""

            near = models.ForeignKey("Target", on_delete=models.CASCADE, related_name="+")
            itself = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="+")

            class Meta:
                abstract = True

        class One(Linked):
            far = models.ForeignKey("lazy_two.Target", on_delete=models.CASCADE, related_name="ones")

            class Meta:
                app_label = "lazy_one"

        class Two(Linked):
            class Meta:
                app_label = "lazy_two"

        near: Any = One._meta.get_field("near")

        def target(app: str) -> Any:
            class Target(models.Model):
                back: Any = models.ForeignKey("One" if app == "lazy_one" else "lazy_one.One", models.CASCADE, null=True)

                class Meta:
                    app_label = app

            return Target

        first, second = target("lazy_one"), target("lazy_two")
        assert near.related_model is first
        assert Two._meta.get_field("near").related_model is second
        assert One._meta.get_field("far").related_model is second
        assert One._meta.get_field("itself").related_model is One
        assert Two._meta.get_field("itself").related_model is Two
        # Each refers to the other.
        assert first._meta.get_field("back").related_model is One
        assert [relation.get_accessor_name() for relation in second._meta.related_objects] == ["ones"]


@pytest.mark.row("relations.lazy", "relations.swappable")
def test_a_setting_names_the_target() -> None:
    from covet.conf import settings

    with apps.isolate(), override(AUTH_USER_MODEL="lazy_people.Person"):

        class Note(models.Model):
            owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)

            class Meta:
                app_label = "lazy_notes"

        class Person(models.Model):
            class Meta:
                app_label = "lazy_people"
                swappable = "AUTH_USER_MODEL"

        field: Any = Note._meta.get_field("owner")
        assert field.related_model is Person
        assert field.deconstruct()[3]["to"].setting_name == "AUTH_USER_MODEL"
        assert Person._meta.swapped is None
    with apps.isolate(), override(AUTH_USER_MODEL="lazy_people.Other"):

        class Swapped(models.Model):
            class Meta:
                app_label = "lazy_people"
                swappable = "AUTH_USER_MODEL"

        assert Swapped._meta.swapped == "lazy_people.Other"
        with pytest.raises(AttributeError, match="swapped"):
            Swapped.objects  # what is read raises


@pytest.mark.row("relations.names")
def test_the_reverse_side_has_the_name_that_was_given_made_or_none() -> None:
    with apps.isolate():

        class Shelf(models.Model):
            class Meta:
                app_label = "naming"

        class Kept(models.Model):
            shelf = models.ForeignKey(
                Shelf, models.CASCADE, related_name="%(app_label)s_%(class)s_set", related_query_name="%(class)s_kept"
            )

            class Meta:
                abstract = True

        class Book(Kept):
            usual = models.ForeignKey(Shelf, on_delete=models.CASCADE)
            hidden = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="+")
            also = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="also+")
            named = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="named")

            class Meta:
                app_label = "naming"

        class Record(Kept):
            many: Any = models.ManyToManyField(Shelf)

            class Meta:
                app_label = "naming"
                default_related_name = "%(model_name)ss"

        assert set(accessors(Shelf._meta)) == {"naming_book_set", "naming_record_set", "book_set", "named", "records"}
        sql = {
            name: str(Shelf.objects.filter(**{f"{name}__pk": 1}).query)
            for name in ("book_kept", "record_kept", "book", "named", "records")
        }
        assert '"shelf_id"' in sql["book_kept"]
        assert '"usual_id"' in sql["book"]
        assert '"named_id"' in sql["named"]
        for name in ("hidden", "also", "naming_book_set", "record"):
            with pytest.raises(FieldError, match=name):
                str(Shelf.objects.filter(**{f"{name}__pk": 1}).query)
        many: Any = Record._meta.get_field("many")
        assert many.remote_field.get_accessor_name() == "records"
