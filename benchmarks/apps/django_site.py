"""What the contenders on Django share: settings, the model, and its ten columns as a dict."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings

from benchmarks.data import COLUMNS, database_url


def configure(urlconf: str, *installed: str) -> None:
    """Set Django up, with these apps and the contender's own URLs."""
    parts = urlsplit(database_url())
    settings.configure(
        SECRET_KEY="x" * 50,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=urlconf,
        INSTALLED_APPS=list(installed),
        MIDDLEWARE=[],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path[1:],
                "USER": parts.username,
                "PASSWORD": parts.password,
                "HOST": parts.hostname,
                "PORT": parts.port,
                "OPTIONS": {"pool": {"min_size": 10, "max_size": 10}},
            }
        },
    )
    django.setup()


def make_article() -> Any:
    """The model of ten columns; made when Django is set up."""
    from django.db import models

    class Article(models.Model):
        """An article of ten columns."""

        title = models.CharField(max_length=200)
        body = models.TextField()
        author_id = models.BigIntegerField()
        published_at = models.DateTimeField()
        views = models.IntegerField()
        rating = models.FloatField()
        slug = models.SlugField()
        active = models.BooleanField()
        language = models.CharField(max_length=10)

        class Meta:
            app_label = "bench"
            db_table = "bench_article"

    return Article


def as_dict(row: Any) -> dict[str, Any]:
    """All ten columns of a row."""
    return {name: getattr(row, name) for name in COLUMNS}
