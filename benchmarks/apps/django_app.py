"""The peer Django on ASGI, with its own JsonResponse."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import django
from django.conf import settings

from benchmarks.data import COLUMNS, database_url

parts = urlsplit(database_url())
settings.configure(
    SECRET_KEY="x" * 50,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[],
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

from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402


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


def as_dict(row):
    """All ten columns."""
    return {name: getattr(row, name) for name in COLUMNS}


async def small(request):
    """Answer a small JSON object."""
    return JsonResponse({"message": "Hello, World!"})


async def order(request):
    """Answer the body that came, unchecked: Django has no typed bodies."""
    return JsonResponse(json.loads(request.body))


async def articles(request):
    """List a hundred rows."""
    return JsonResponse([as_dict(row) async for row in Article.objects.order_by("pk")[:100]], safe=False)


async def article(request, pk):
    """Read one row by its key."""
    return JsonResponse(as_dict(await Article.objects.aget(pk=pk)))


urlpatterns = [
    path("json", small),
    path("order", order),
    path("articles", articles),
    path("articles/<int:pk>", article),
]
app = get_asgi_application()
