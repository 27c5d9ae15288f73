"""Django: called directly with one task, in threads with more; each thread keeps its connection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from benchmarks.data import COLUMNS, database_url
from benchmarks.peers.bare import Work, article_key, author_key, encode_json


def _configure() -> None:
    import django
    from django.conf import settings

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    parts = urlsplit(database_url())
    settings.configure(
        INSTALLED_APPS=[],
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path[1:],
                "HOST": parts.hostname,
                "PORT": parts.port,
                "USER": parts.username,
                "PASSWORD": parts.password,
                "CONN_MAX_AGE": None,
            }
        },
    )
    django.setup()


async def works(new_article: Callable[[], dict[str, Any]], tasks: int) -> dict[str, Work]:
    """Return the operations."""
    _configure()
    from django.db import models, transaction

    class Author(models.Model):
        id = models.BigAutoField(primary_key=True)
        name = models.CharField(max_length=100)

        class Meta:
            app_label, db_table = "bench", "bench_author"

    class Article(models.Model):
        id = models.BigAutoField(primary_key=True)
        title = models.CharField(max_length=200)
        body = models.TextField()
        author = models.ForeignKey(Author, models.CASCADE)
        published_at = models.DateTimeField()
        views = models.IntegerField()
        rating = models.FloatField()
        slug = models.CharField(max_length=50)
        active = models.BooleanField()
        language = models.CharField(max_length=10)

        class Meta:
            app_label, db_table = "bench", "bench_article"

    def get() -> Any:
        return Article.objects.get(pk=article_key())

    def rows() -> Any:
        return list(Article.objects.order_by("pk")[:100])

    def encode() -> Any:
        return encode_json(list(Article.objects.order_by("pk")[:100].values(*COLUMNS)))

    def create() -> Any:
        return Article.objects.create(**new_article())

    def save() -> Any:
        row = get()
        row.views += 1
        row.save()

    def join() -> Any:
        return list(Article.objects.select_related("author").order_by("pk")[:100])

    def touch() -> Any:
        for row in rows():
            row.author  # noqa: B018  # reading it runs the query

    def block() -> Any:
        with transaction.atomic():
            Author.objects.filter(pk=author_key()).update(name="x")
            Author.objects.get(pk=author_key())

    pool = ThreadPoolExecutor(tasks)

    def awaited(function: Callable[[], Any]) -> Work:
        async def direct() -> Any:
            return function()

        async def threaded() -> Any:
            return await asyncio.get_running_loop().run_in_executor(pool, function)

        return direct if tasks == 1 else threaded

    operations = {
        "get by pk": get,
        "100 rows to instances": rows,
        "100 rows to JSON": encode,
        "insert": create,
        "load, change, save": save,
        "join to author": join,
        "row.author over 100": touch,
        "transaction": block,
    }
    return {name: awaited(function) for name, function in operations.items()}
