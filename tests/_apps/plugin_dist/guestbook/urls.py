"""A page and an API."""

from covet.db.models import QuerySet
from covet.http import Request, Response
from covet.rest import ModelSchema, Page, Router
from covet.shortcuts import render
from covet.urls import include, path

from .models import Entry


class GuestbookEntryOut(ModelSchema, model=Entry, fields=["id", "name", "text"]): ...


api = Router(tags=["guestbook"])


@api.get("/entries/", response=Page[GuestbookEntryOut])
async def list_guestbook_entries(request: Request) -> QuerySet[Entry]:
    return Entry.objects.all()


async def guestbook_index(request: Request) -> Response:
    return await render(request, "guestbook/index.html", {"entries": Entry.objects.all()})


urlpatterns = [path("guestbook/", guestbook_index, name="guestbook-index"), path("api/guestbook/", include(api))]
