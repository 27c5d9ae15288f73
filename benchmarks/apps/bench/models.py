"""The benchmark's two tables."""

from __future__ import annotations

from covet.db import models


class Author(models.Model):
    """An author."""

    name = models.CharField(max_length=100)

    class Meta:
        db_table = "bench_author"


class Article(models.Model):
    """An article of ten columns."""

    title = models.CharField(max_length=200)
    body = models.TextField()
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    published_at = models.DateTimeField()
    views = models.IntegerField()
    rating = models.FloatField()
    slug = models.SlugField()
    active = models.BooleanField()
    language = models.CharField(max_length=10)

    class Meta:
        db_table = "bench_article"
