"""A project with the blog's schema, on a database of its own, served by the whole stack in-process."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from covet.apps.lifecycle import setup, started
from covet.conf import override
from covet.db import connections
from covet.handlers.application import Application
from covet.test.live import serve
from tests.handlers.sites import visitor

APPS = ["covet.websocket", "covet.graphql", "tests.graphql.blogapp", "tests.graphql.otherapp"]


class Somebody:
    """A user, as far as permissions look: known when the client says so by a header."""

    def __init__(self, name: str | None) -> None:
        self.pk = name
        self.is_authenticated = name is not None
        self.is_active = True

    def __str__(self) -> str:
        return str(self.pk)

    def __await__(self) -> Any:
        yield from ()
        return self


class HeaderUser:
    """Takes the user from ``X-User``."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    async def __call__(self, request: Any) -> Any:
        request.user = Somebody(request.headers.get("x-user"))
        return await self.get_response(request)

    async def process_websocket(self, ws: Any) -> None:
        ws.user = Somebody(ws.headers.get("x-user"))


@pytest.fixture(scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    path = tmp_path_factory.mktemp("graphql") / "db.sqlite3"
    async with override(
        INSTALLED_APPS=APPS,
        ROOT_URLCONF="covet.graphql.urls",
        MIDDLEWARE=["tests.graphql.conftest.HeaderUser"],
        ALLOWED_HOSTS=["testserver", "127.0.0.1"],
        DATABASES={"default": f"sqlite:///{path}"},
        GRAPHQL_INTROSPECTION=True,
        GRAPHQL_GRAPHIQL=True,
    ):
        apps = setup()
        async with started():
            await create_tables()
            yield Application(apps)
            await connections["default"].close()


async def create_tables(alias: str = "default") -> None:
    """Make the blog's tables."""
    from covet.db.models.table import table_of
    from tests.graphql.blogapp.models import Article, Author, Kind, Profile, Tag

    async with connections[alias].schema_editor() as editor:
        for model in (Author, Profile, Tag, Kind, Article, Article._meta.get_field("tags").remote_field.through):
            await editor.create_table(table_of(model))


@asynccontextmanager
async def filled(*, keys: bool = True) -> AsyncIterator[None]:
    """Two authors, three tags and five articles, gone after the block; the database makes keys unless they are given."""
    from tests.graphql.blogapp.models import Article, Author, Kind, Profile, Tag

    def key(number: int) -> dict[str, int]:
        return {"pk": number} if keys else {}

    ann = await Author.objects.create(**key(1), name="Ann", email="ann@x.org")
    bob = await Author.objects.create(**key(2), name="Bob", email="bob@x.org")
    await Profile.objects.create(**key(1), author=ann, bio="Writes.")
    kind = await Kind.objects.create(**key(7), name="Essay")
    tags = [await Tag.objects.create(**key(number), name=f"tag {number}") for number in (1, 2, 3)]
    for number in range(1, 6):
        article = await Article.objects.create(
            **key(number),
            title=f"Title {number}",
            body=f"Body {number}",
            author=ann if number % 2 else bob,
            kind=kind if number == 1 else None,
            reads=number * 10**10,
        )
        await article.tags.set(tags[: number % 4])
    yield
    await Article.objects.all().delete()
    for model in (Profile, Author, Tag, Kind):
        await model.objects.all().delete()


@pytest.fixture
async def rows(project: Application) -> AsyncIterator[None]:
    """The blog's rows in the project's own database."""
    async with filled():
        yield


Ask = Callable[..., Awaitable[dict[str, Any]]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Send what goes by HTTP both ways; statements are counted in the test's own context, where no server's task runs."""
    if "http" in metafunc.fixturenames:
        is_counted = "record_queries" in inspect.getsource(metafunc.function)
        metafunc.parametrize("http", ["asgi"] if is_counted else ["asgi", "protocol"], indirect=True)


@pytest.fixture
async def http(request: pytest.FixtureRequest, project: Application) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the project: in this process, or over a real server with Covet's protocol class."""
    if request.param == "protocol":
        async with (
            serve(project, log_level="critical") as server,
            visitor(server) as client,
        ):
            yield client
        return
    async with httpx.AsyncClient(transport=httpx.ASGITransport(project), base_url="http://testserver") as client:
        yield client


@pytest.fixture
def ask(http: httpx.AsyncClient) -> Ask:
    """``await ask(query, user=…, **variables)`` gives the decoded answer."""

    async def run(query: str, *, user: str | None = None, **variables: Any) -> dict[str, Any]:
        headers = {} if user is None else {"x-user": user}
        response = await http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        answer: dict[str, Any] = response.json()
        return answer

    return run
