"""The peer django-bolt, on its own server."""

from __future__ import annotations

from benchmarks.apps.django_site import as_dict, configure, make_article

configure(__name__, "django.contrib.contenttypes", "django_bolt")

import msgspec  # noqa: E402
from django_bolt import BoltAPI  # noqa: E402

from benchmarks.apps import struct_types  # noqa: E402

Article = make_article()
urlpatterns: list[object] = []
api = BoltAPI()


@api.get("/json")
async def small() -> dict[str, str]:
    """Answer a small JSON object."""
    return {"message": "Hello, World!"}


@api.post("/order-struct")
async def order_struct(data: struct_types.Order) -> struct_types.Order:
    """Answer the body that came, as a struct."""
    return data


@api.get("/objects-struct")
async def objects_struct() -> list[struct_types.Order]:
    """Answer a hundred structs."""
    return struct_types.ORDERS


@api.get("/articles")
async def articles() -> list[dict]:
    """List a hundred rows."""
    return [msgspec.to_builtins(as_dict(row)) async for row in Article.objects.order_by("pk")[:100]]


@api.get("/articles/{pk}")
async def article(pk: int) -> dict:
    """Read one row by its key."""
    return msgspec.to_builtins(as_dict(await Article.objects.aget(pk=pk)))


def serve(port: int) -> None:
    """Serve by one process."""
    from django.conf import settings
    from django.core.management import call_command

    settings.BOLT_API = [f"{__name__}:api"]
    call_command("runbolt", host="127.0.0.1", port=port, no_admin=True)
