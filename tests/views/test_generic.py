"""ListView, DetailView, and views that are not run for who has their answer."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from covet.conf import override
from covet.db.database import Database
from covet.exceptions import ImproperlyConfigured
from covet.http import Request, Response
from covet.test.client import AsyncClient
from covet.urls import path
from covet.views import DetailView, ListView
from covet.views.decorators import condition, etag, last_modified
from tests._apps.blog.models import Author
from tests.handlers.sites import Site, make_application


@pytest.fixture
async def authors(database: Database) -> AsyncIterator[list[Author]]:
    from covet.db.models.table import table_of

    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Author))
    yield [await Author.objects.create(name=f"author-{number}", age=number) for number in range(7)]


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    (folder / "testblog").mkdir(parents=True)
    (folder / "testblog/author_list.html").write_text(
        "{% for author in author_list %}{{ author.name }} {% endfor %}"
        "{% if is_paginated %}page {{ page_obj.number }} of {{ page_obj.num_pages }}{% endif %} {{ title }}"
    )
    (folder / "testblog/author_detail.html").write_text("{{ object.name }} {{ author.age }}")
    (folder / "other.html").write_text("{{ people|length }} {{ view.__class__.__name__ }}")
    return folder


ClientOf = Callable[[Path], Awaitable[AsyncClient]]


@pytest.fixture
async def client_of(database: Database) -> AsyncIterator[ClientOf]:
    """A client of these routes on the test's own database."""
    async with contextlib.AsyncExitStack() as stack:

        async def build(templates: Path) -> AsyncClient:
            stack.enter_context(
                override(
                    MIDDLEWARE=[], INSTALLED_APPS=[], ALLOWED_HOSTS=["testserver"], TEMPLATES={"DIRS": [templates]}
                )
            )
            return await stack.enter_async_context(AsyncClient(make_application(ROUTES)))

        yield build


class Authors(ListView):
    model = Author
    ordering = "-name"
    extra_context = {"title": "All"}


class Paged(ListView):
    queryset = Author.objects.order_by("name")
    paginate_by = 3


class Nobody(ListView):
    queryset = Author.objects.filter(age__gt=100)
    template_name = "other.html"
    context_object_name = "people"
    allow_empty = False


class Everybody(Nobody):
    queryset = Author.objects.filter(age__gt=100)
    allow_empty = True


class OneAuthor(DetailView):
    model = Author
    slug_field = "name"


class Both(OneAuthor):
    query_pk_and_slug = True


class Lost(ListView):
    template_name = "other.html"


ROUTES = [
    path("authors", Authors.as_view()),
    path("paged", Paged.as_view()),
    path("paged/<int:page>", Paged.as_view()),
    path("nobody", Nobody.as_view()),
    path("everybody", Everybody.as_view()),
    path("author/<int:pk>", OneAuthor.as_view()),
    path("named/<str:slug>", OneAuthor.as_view()),
    path("both/<int:pk>/<str:slug>", Both.as_view()),
    path("lost", Lost.as_view()),
    path("keyless", OneAuthor.as_view()),
]


async def test_a_list_shows_all_rows_in_order(client_of: ClientOf, authors: list[Author], templates: Path) -> None:
    client = await client_of(templates)
    text = (await client.get("/authors")).text
    assert text.split() == [f"author-{number}" for number in reversed(range(7))] + ["All"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/paged", "author-0 author-1 author-2 page 1 of 3"),
        ("/paged?page=2", "author-3 author-4 author-5 page 2 of 3"),
        ("/paged?page=last", "author-6 page 3 of 3"),
        ("/paged/3", "author-6 page 3 of 3"),
    ],
)
async def test_pages_come_from_the_path_or_the_query(
    client_of: ClientOf, authors: list[Author], templates: Path, address: str, shown: str
) -> None:
    client = await client_of(templates)
    assert (await client.get(address)).text.strip() == shown


async def test_a_page_that_is_not_there_and_an_empty_list_are_404(
    client_of: ClientOf, authors: list[Author], templates: Path
) -> None:
    client = await client_of(templates)
    for address in ("/paged?page=4", "/paged?page=x", "/nobody"):
        assert (await client.get(address)).status_code == 404
    assert (await client.get("/everybody")).text == "0 Everybody"


async def test_one_row_is_found_by_key_or_slug(client_of: ClientOf, authors: list[Author], templates: Path) -> None:
    client = await client_of(templates)
    key = authors[3].pk
    assert (await client.get(f"/author/{key}")).text == "author-3 3"
    assert (await client.get("/named/author-4")).text == "author-4 4"
    assert (await client.get(f"/both/{key}/author-3")).text == "author-3 3"
    assert (await client.get(f"/both/{key}/author-4")).status_code == 404
    assert (await client.get("/author/12345")).status_code == 404


async def test_rows_are_read_anew_for_each_request(client_of: ClientOf, authors: list[Author], templates: Path) -> None:
    client = await client_of(templates)
    await client.get("/paged")
    await Author.objects.filter(name="author-0").update(name="writer")
    assert (await client.get("/paged")).text.startswith("author-1")


async def test_what_a_view_lacks_is_named() -> None:
    view = Lost()
    with pytest.raises(ImproperlyConfigured, match="Set model or queryset"):
        view.get_queryset()
    with pytest.raises(ImproperlyConfigured, match="has no template_name"):
        DetailView().get_template_names()
    keyless = OneAuthor()
    keyless.kwargs = {}
    with pytest.raises(ImproperlyConfigured, match="<int:pk> into its path"):
        await keyless.get_object()


NOW = dt.datetime(2026, 3, 14, 12, tzinfo=dt.UTC)
runs: list[str] = []


async def tag_of(request: Request, name: str) -> str | None:
    return None if name == "none" else f"v-{name}"


def changed(request: Request, name: str) -> dt.datetime:
    return NOW


@condition(tag_of, changed)
async def guarded(request: Request, name: str) -> Response:
    runs.append(name)
    return Response(name)


@etag(tag_of)
def tagged(request: Request, name: str) -> Response:
    return Response(name)


@last_modified(changed)
async def dated(request: Request, name: str) -> Response:
    return Response(name)


CONDITIONS = [path("guarded/<str:name>", guarded), path("tagged/<str:name>", tagged), path("dated/<str:name>", dated)]


async def test_the_view_does_not_run_for_who_has_its_answer(site: Site) -> None:
    client = await site(CONDITIONS)
    runs.clear()
    first = await client.get("/guarded/a")
    assert (first.headers["etag"], first.headers["last-modified"]) == ('"v-a"', "Sat, 14 Mar 2026 12:00:00 GMT")
    again = await client.get("/guarded/a", headers={"If-None-Match": '"v-a"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"v-a"')
    refused = await client.put("/guarded/a", headers={"If-Match": '"v-b"'})
    assert refused.status_code == 412
    assert runs == ["a"]
    assert (await client.put("/guarded/a", headers={"If-Match": '"v-a"'})).text == "a"


async def test_one_condition_alone_and_views_in_threads(site: Site) -> None:
    client = await site(CONDITIONS)
    assert (await client.get("/tagged/b", headers={"If-None-Match": '"v-b"'})).status_code == 304
    assert "etag" not in (await client.get("/tagged/none")).headers
    since = {"If-Modified-Since": "Sat, 14 Mar 2026 12:00:00 GMT"}
    assert (await client.get("/dated/c", headers=since)).status_code == 304
    assert "etag" not in (await client.get("/dated/c")).headers
