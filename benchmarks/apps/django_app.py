"""The peer Django on ASGI, with its own JsonResponse."""

from __future__ import annotations

import json

from benchmarks.apps.django_site import as_dict, configure, make_article
from benchmarks.apps.payload import OBJECTS

configure(__name__)

from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

Article = make_article()


async def small(request):
    """Answer a small JSON object."""
    return JsonResponse({"message": "Hello, World!"})


async def order(request):
    """Answer the body that came, unchecked: Django has no typed bodies."""
    return JsonResponse(json.loads(request.body))


async def objects(request):
    """Answer a hundred objects, as dicts: Django has no typed answers."""
    return JsonResponse(OBJECTS, safe=False)


async def articles(request):
    """List a hundred rows."""
    return JsonResponse([as_dict(row) async for row in Article.objects.order_by("pk")[:100]], safe=False)


async def article(request, pk):
    """Read one row by its key."""
    return JsonResponse(as_dict(await Article.objects.aget(pk=pk)))


urlpatterns = [
    path("json", small),
    path("order", order),
    path("objects", objects),
    path("articles", articles),
    path("articles/<int:pk>", article),
]
app = get_asgi_application()
