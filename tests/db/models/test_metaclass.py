"""How a class body becomes a model: fields, Meta, inheritance, registration, and errors that say what to write."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from covet.apps import Apps, apps
from covet.db import models
from covet.db.models.metaclass import _LateException
from covet.exceptions import FieldDoesNotExist, FieldError, ImproperlyConfigured, ObjectDoesNotExist


@pytest.fixture(autouse=True)
def registry() -> Iterator[Apps]:
    with apps.isolate() as isolated:
        yield isolated


class InShop:
    app_label = "shop"


def names(model: Any) -> list[str]:
    return [field.name for field in model._meta.fields]


def test_plain_fields_leave_the_class_and_are_found_by_the_metaclass() -> None:
    class Article(models.Model):
        title = models.CharField(max_length=9)

        class Meta(InShop):
            pass

    assert "title" not in vars(Article)
    assert Article.title is Article._meta.get_field("title")
    assert names(Article) == ["id", "title"]
    assert isinstance(Article._meta.pk, models.BigAutoField)
    assert Article._meta.auto_field is Article._meta.pk


@pytest.mark.row("inheritance.mixins")
def test_a_field_whose_name_a_base_defines_keeps_a_descriptor() -> None:
    class Mixin:
        @property
        def title(self) -> str:
            return "from the mixin"

        def size(self) -> int:
            return 0

    class Article(Mixin, models.Model):
        title = models.CharField(max_length=9)  # type: ignore[assignment]
        size = models.IntegerField(default=3)  # type: ignore[assignment]

        class Meta(InShop):
            pass

    article = Article(title="mine")
    assert article.title == "mine"
    assert article.size == 3
    article.size = 4
    assert article.size == 4
    assert Article.title is Article._meta.get_field("title")
    del article.size
    with pytest.raises(models.NotLoaded if hasattr(models, "NotLoaded") else Exception, match="size"):
        article.size


def test_the_class_suggests_near_names() -> None:
    class Article(models.Model):
        title = models.CharField(max_length=9)

        class Meta(InShop):
            pass

    with pytest.raises(AttributeError, match="Did you mean 'title'"):
        Article.titel
    with pytest.raises(FieldDoesNotExist, match="Did you mean 'title'"):
        Article._meta.get_field("titel")


@pytest.mark.row("meta.options")
def test_meta_is_read_and_unknown_options_are_refused() -> None:
    class BlogPost(models.Model):
        class Meta(InShop):
            ordering = ("-id",)
            verbose_name = "entry"

    meta = BlogPost._meta
    assert (meta.label, meta.label_lower, meta.db_table) == ("shop.BlogPost", "shop.blogpost", "shop_blogpost")
    assert (meta.verbose_name, meta.verbose_name_plural, meta.ordering) == ("entry", "entrys", ("-id",))
    with pytest.raises(TypeError, match=r"no option 'odering'\. Did you mean 'ordering'"):

        class Wrong(models.Model):
            class Meta(InShop):
                odering = ("id",)


def test_verbose_names_come_from_the_class_and_the_attribute() -> None:
    class BlogPost(models.Model):
        short_title = models.CharField(max_length=9)

        class Meta(InShop):
            pass

    assert BlogPost._meta.verbose_name == "blog post"
    assert BlogPost.short_title.verbose_name == "short title"


def test_lazy_names_are_not_turned_into_text_at_import() -> None:
    class Lazy:
        def __str__(self) -> str:
            raise AssertionError("forced at import")

    lazy: Any = Lazy()

    class Article(models.Model):
        title = models.CharField(lazy, max_length=9, help_text=lazy, choices=[("a", lazy)])

        class Meta(InShop):
            verbose_name = lazy

    assert Article.title.verbose_name is lazy
    assert Article.title.clone().help_text is lazy


def test_a_model_outside_every_app_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"INSTALLED_APPS.*app_label"):

        class Nowhere(models.Model):
            pass


@pytest.mark.row("models.registration")
def test_models_register_with_the_current_apps(registry: Apps) -> None:
    class Article(models.Model):
        class Meta(InShop):
            pass

    assert registry.get_model("shop.Article") is Article
    assert "article" not in apps.all_models.get("shop", {})
    assert Article._meta.apps is registry


def test_historical_models_are_built_by_type_in_another_registry() -> None:
    history = Apps(ready=True)
    meta = type("Meta", (), {"app_label": "shop", "apps": history})
    old = type("Article", (models.Model,), {"title": models.TextField(), "Meta": meta, "__module__": "__fake__"})
    assert history.get_model("shop", "article") is old
    assert old._meta.apps is history
    assert old(title="x").title == "x"  # type: ignore[attr-defined]


def test_two_different_models_of_one_name_clash() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        type("Article", (models.Model,), {"Meta": InShop, "__module__": "one"})
        with pytest.raises(Exception, match="shop"):
            type("Article", (models.Model,), {"Meta": InShop, "__module__": "two"})


@pytest.mark.row("models.registration")
def test_each_model_has_its_own_exceptions() -> None:
    class Place(models.Model):
        class Meta(InShop):
            pass

    class Bar(Place):
        class Meta(InShop):
            pass

    assert issubclass(Place.DoesNotExist, ObjectDoesNotExist)
    assert issubclass(Bar.DoesNotExist, Place.DoesNotExist)
    assert not issubclass(Place.DoesNotExist, Bar.DoesNotExist)
    assert Place.DoesNotExist.__qualname__.endswith("Place.DoesNotExist")


@pytest.mark.row("inheritance.abstract")
def test_abstract_models_give_their_fields_and_their_meta() -> None:
    class Base(models.Model):
        title = models.CharField(max_length=9)
        note = models.TextField()

        class Meta(InShop):
            abstract = True
            ordering = ["title"]

    class One(Base):
        extra = models.IntegerField(default=0)

    class Two(Base):
        title = models.TextField()  # type: ignore[assignment]
        note = None  # type: ignore[assignment]

        class Meta(Base.Meta):
            ordering = ["-title"]

    assert names(One) == ["id", "title", "note", "extra"]
    assert sorted(names(Two)) == ["id", "title"]
    assert One.title is not Base._meta.get_field("title")
    assert isinstance(Two.title, models.TextField)
    assert not One._meta.abstract
    assert One._meta.ordering == ["title"]
    assert Two._meta.ordering == ["-title"]
    with pytest.raises(TypeError, match="abstract"):
        Base()
    with pytest.raises(AttributeError, match="abstract"):
        Base.objects


@pytest.mark.row("inheritance.abstract")
def test_abstract_rules_get_the_names_of_their_class() -> None:
    class Base(models.Model):
        code = models.CharField(max_length=9)

        class Meta(InShop):
            abstract = True
            constraints = [models.UniqueConstraint(fields=["code"], name="%(app_label)s_%(class)s_code")]
            indexes = [models.Index(fields=["code"], name="%(class)s_ix")]

    class One(Base):
        pass

    class Two(Base):
        pass

    assert One._meta.constraints[0].name == "shop_one_code"
    assert Two._meta.constraints[0].name == "shop_two_code"
    assert Two._meta.indexes[0].name == "two_ix"


def test_multi_table_children_link_to_their_parent() -> None:
    class Place(models.Model):
        name = models.CharField(max_length=9)

        class Meta(InShop):
            ordering = ["name"]

    class Bar(Place):
        drinks = models.IntegerField(default=0)

        class Meta(InShop):
            pass

    assert names(Bar) == ["id", "name", "place_ptr", "drinks"]
    assert Bar._meta.pk.name == "place_ptr"
    assert Bar._meta.parents[Place] is Bar._meta.pk
    assert [field.name for field in Bar._meta.local_concrete_fields] == ["place_ptr", "drinks"]
    assert Bar._meta.ordering == ["name"]
    bar = Bar(name="x", drinks=2)
    bar.pk = 7
    assert (bar.id, bar.place_ptr_id, bar.pk) == (7, 7, 7)  # type: ignore[attr-defined]


def test_a_child_cannot_replace_a_field_of_a_parent_with_a_table() -> None:
    class Place(models.Model):
        name = models.CharField(max_length=9)

        class Meta(InShop):
            pass

    with pytest.raises(FieldError, match="'name' of Bar clashes"):

        class Bar(Place):
            name = models.TextField()  # type: ignore[assignment]

            class Meta(InShop):
                pass


def test_a_parent_link_of_ones_own_is_used() -> None:
    class Place(models.Model):
        class Meta(InShop):
            pass

    class Bar(Place):
        where = models.OneToOneField(Place, on_delete=models.CASCADE, parent_link=True, primary_key=True)

        class Meta(InShop):
            pass

    assert Bar._meta.pk.name == "where"
    assert "place_ptr" not in names(Bar)


def test_proxies_share_table_and_identity() -> None:
    class Person(models.Model):
        name = models.CharField(max_length=9)

        class Meta(InShop):
            pass

    class Adult(Person):
        class Meta(InShop):
            proxy = True
            ordering = ["name"]

        def shout(self) -> str:
            return self.name.upper()

    assert Adult._meta.db_table == "shop_person"
    assert Adult._meta.concrete_model is Person
    assert names(Adult) == names(Person)
    one, other = Person(pk=1), Adult(pk=1, name="ann")
    assert one == other
    assert hash(one) == hash(other)
    assert other.shout() == "ANN"
    assert type(other) is Adult


def test_a_proxy_needs_exactly_one_model() -> None:
    class Base(models.Model):
        class Meta(InShop):
            abstract = True

    with pytest.raises(TypeError, match="no model to stand for"):

        class Proxy(Base):
            class Meta(InShop):
                proxy = True


@pytest.mark.row("managers.basic", "managers.copies")
def test_managers_are_inherited_and_the_first_is_the_default() -> None:
    class Drafts(models.Manager[Any]):
        pass

    class Base(models.Model):
        drafts = Drafts()

        class Meta(InShop):
            abstract = True

    class Article(Base):
        pass

    class Other(models.Model):
        class Meta(InShop):
            pass

    assert isinstance(Article.drafts, Drafts)
    assert Article.drafts.model is Article
    assert Article._default_manager is Article.drafts
    assert "objects" not in vars(Article)
    assert Other.objects.model is Other
    assert type(Article._base_manager) is models.Manager
    with pytest.raises(AttributeError, match=r"Other\.objects"):
        Other().objects  # type: ignore[attr-defined]


def test_meta_chooses_the_managers() -> None:
    class Article(models.Model):
        first = models.Manager[Any]()
        second = models.Manager[Any]()

        class Meta(InShop):
            default_manager_name = "second"
            base_manager_name = "first"

    assert Article._default_manager.name == "second"
    assert Article._base_manager.name == "first"

    class Wrong(models.Model):
        class Meta(InShop):
            default_manager_name = "nothing"

    with pytest.raises(ImproperlyConfigured, match="'nothing'"):
        Wrong._default_manager


def test_the_key_follows_the_options() -> None:
    class Named(models.Model):
        name = models.CharField(max_length=9, primary_key=True)

        class Meta(InShop):
            pass

    assert names(Named) == ["name"]
    assert Named._meta.pk is Named.name
    assert Named.name.unique
    with pytest.raises(ImproperlyConfigured, match="two automatic keys"):

        class Twice(models.Model):
            one = models.AutoField(primary_key=True)
            two = models.AutoField()

            class Meta(InShop):
                pass


def test_class_prepared_is_sent_once_for_each_model() -> None:
    seen: list[Any] = []

    def note(sender: Any, **kwargs: Any) -> None:
        seen.append(sender)

    models.signals.class_prepared.connect(note)
    try:

        class Article(models.Model):
            class Meta(InShop):
                pass

    finally:
        models.signals.class_prepared.disconnect(note)
    assert seen == [Article]


def test_unique_together_is_a_tuple_of_rules() -> None:
    class Article(models.Model):
        a = models.IntegerField()
        b = models.IntegerField()

        class Meta(InShop):
            unique_together = ("a", "b")

    assert Article._meta.unique_together == (("a", "b"),)


def test_threads_get_one_class_of_an_exception() -> None:
    """What one of them raises the other catches, though both named it first."""
    inside = threading.Barrier(2)

    class Waits(type):
        @property
        def __doc__(cls) -> str:  # type: ignore[override]  # read while the class is made
            with contextlib.suppress(threading.BrokenBarrierError):
                inside.wait(0.3)
            return "Nothing."

    class Root(Exception, metaclass=Waits): ...

    class Owner:
        Missing = _LateException("Missing", Root)

    with ThreadPoolExecutor(2) as threads:
        found = [one.result() for one in [threads.submit(lambda: Owner.Missing) for _ in range(2)]]

    assert found[0] is found[1] is Owner.Missing
    assert issubclass(found[0], Root)
