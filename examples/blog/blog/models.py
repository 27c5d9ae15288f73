"""Authors, tags and articles."""

from __future__ import annotations

from covet.db import models


class Author(models.Model):
    """Somebody who writes."""

    name = models.CharField(max_length=100)
    email = models.EmailField(unique=True)
    articles: models.Related[Article]

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A word that articles share."""

    name = models.SlugField(max_length=50, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Article(models.Model):
    """One article of the blog."""

    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="articles")
    tags: models.ManyToManyField[Tag] = models.ManyToManyField("Tag", related_name="articles", blank=True)
    published_at = models.DateTimeField(null=True, blank=True, db_index=True)
    views = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-published_at", "pk"]
        constraints = [models.CheckConstraint(condition=models.Q(views__gte=0), name="views_not_negative")]

    def __str__(self) -> str:
        return self.title
