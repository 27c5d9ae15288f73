"""Models that the tests of REST share, on tables of their own."""

from __future__ import annotations

import json
import uuid
from typing import Any

from covet.db import models


def written(schema: Any) -> set[str]:
    """Return the names of what a body writes, without what it may bring because answers show it."""
    properties = schema.model_json_schema()["properties"]
    return {name for name, told in properties.items() if not told.get("readOnly")}


class Author(models.Model):
    name = models.CharField(max_length=100, help_text="As on the cover.")
    email = models.EmailField(unique=True)

    class Meta:
        app_label = "library"
        ordering = ["pk"]

    @property
    def shown(self) -> str:
        return f"{self.name} <{self.email}>"


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)

    class Meta:
        app_label = "library"


class Article(models.Model):
    title = models.CharField(max_length=20)
    body = models.TextField(blank=True)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="articles")
    editor = models.ForeignKey(Author, on_delete=models.SET_NULL, null=True, blank=True, related_name="edited")
    tags: models.ManyToManyField[Tag] = models.ManyToManyField(Tag, related_name="articles", blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    views = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "library"


class Loan(models.Model):
    article = models.ForeignKey(Article, on_delete=models.PROTECT)

    class Meta:
        app_label = "library"


class Thing(models.Model):
    """One field of each kind that JSON spells."""

    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.TextField()
    number = models.BigIntegerField()
    ratio = models.FloatField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    flag = models.BooleanField()
    day = models.DateField(null=True)
    at = models.TimeField(null=True)
    moment = models.DateTimeField(null=True)
    took = models.DurationField(null=True)
    raw = models.BinaryField(null=True)
    data = models.JSONField(null=True)

    class Meta:
        app_label = "library"


class Book(models.Model):
    title = models.CharField(max_length=20)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, null=True)
    tags: models.ManyToManyField[Tag] = models.ManyToManyField(Tag, blank=True)

    class Meta:
        app_label = "library"


class Cover(models.Model):
    book = models.OneToOneField(Book, on_delete=models.CASCADE, related_name="cover")
    color = models.CharField(max_length=10)

    class Meta:
        app_label = "library"


class Chapter(models.Model):
    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="chapters")
    title = models.CharField(max_length=20)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "library"
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["book", "position"], name="chapter_position"),
            models.UniqueConstraint(fields=["book", "title"], name="chapter_title"),
        ]


class Note(models.Model):
    chapter = models.ForeignKey(Chapter, on_delete=models.CASCADE, related_name="notes")
    text = models.CharField(max_length=20)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, null=True)

    class Meta:
        app_label = "library"
        ordering = ["pk"]


class Draft(models.Model):
    slug = models.SlugField(unique=True)
    text = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    version = models.VersionField()

    class Meta:
        app_label = "library"


class Scan(models.Model):
    """A row with files."""

    title = models.CharField(max_length=20)
    page = models.FileField(upload_to="pages", blank=True)
    cover = models.FileField(upload_to="covers", null=True, blank=True)

    class Meta:
        app_label = "library"


class Load:
    """A weight, as a field of a project's own gives it."""

    def __init__(self, kilos: int) -> None:
        self.kilos = kilos


class LoadField(models.IntegerField[Load]):
    """A Load, kept as a whole number."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)

    def from_db_value(self, value: Any, *args: Any) -> Any:
        return None if value is None else Load(value)

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value.kilos if isinstance(value, Load) else value)


class PlaceField(models.JSONField[Any]):
    """A pair of numbers as a complex one, kept as a document, by whatever writes that."""

    def from_db_value(self, value: Any, *args: Any) -> Any:
        return complex(*value) if isinstance(value, list) else value

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value([value.real, value.imag] if isinstance(value, complex) else value)


class Vehicle(models.Model):
    plate = models.CharField(max_length=10, unique=True)

    class Meta:
        app_label = "library"


class Lorry(Vehicle):
    """A child with a table of its own."""

    load = LoadField(default=0)

    class Meta:
        app_label = "library"


class Trailer(Lorry):
    """A child of a child."""

    axles = models.IntegerField(default=2)
    spare = LoadField(null=True)
    place = PlaceField(null=True)
    written = PlaceField(null=True, encoder=json.JSONEncoder)

    class Meta:
        app_label = "library"


class Van(Vehicle):
    """A child that names the link to its parent itself."""

    base = models.OneToOneField(Vehicle, on_delete=models.CASCADE, parent_link=True, primary_key=True)
    seats = models.IntegerField(default=2)

    class Meta:
        app_label = "library"


MODELS = (
    Vehicle,
    Lorry,
    Trailer,
    Van,
    Scan,
    Author,
    Tag,
    Article,
    Article.tags.through,
    Loan,
    Thing,
    Book,
    Book.tags.through,
    Cover,
    Chapter,
    Note,
    Draft,
)
