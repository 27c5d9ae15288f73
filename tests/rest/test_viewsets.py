"""A viewset serves a model whole, with filters, search, ordering, permissions and actions."""

from typing import Any

import pytest

from covet.db.models import QuerySet
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.rest import ModelSchema, ModelViewSet, ReadOnlyModelViewSet, Router, action, permissions
from covet.urls import reverse
from tests.rest.conftest import KNOWN
from tests.rest.library import Article, Author, Loan, Tag, Thing

ALL = {"X-User": "library.add_author library.change_author library.delete_author"}


class AuthorViewSet(ModelViewSet, model=Author):
    permissions = [permissions.ModelPermissionsOrReadOnly]
    filters = ["name", "email__icontains", "articles__title"]
    search = ["name", "articles__title"]
    ordering = ["name"]

    @action(detail=True, methods=["post"])
    async def promote(self, request: Request, pk: int) -> Author:
        author = await self.get_object(request, pk)
        author.name += "!"
        await author.save(update_fields=["name"])
        return author  # type: ignore[no-any-return]

    @action(detail=False)
    async def recent(self, request: Request) -> QuerySet[Author]:
        return Author.objects.order_by("-pk")


class ArticleViewSet(ModelViewSet, model=Article):
    permissions = [permissions.AllowAny]


class OwnOnly(permissions.Permission):
    async def has_object_permission(self, connection: Any, target: Any, obj: Any) -> bool:
        return bool(obj.name == "mine")


class TagViewSet(ModelViewSet, model=Tag):
    permissions = [OwnOnly]


def make_api() -> Router:
    api = Router(tags=["library"])
    api.register("authors", AuthorViewSet)
    api.register("articles", ArticleViewSet)
    api.register("tags", TagViewSet)
    return api


async def test_a_row_is_created_read_changed_and_deleted(library: Any) -> None:
    client = await library(make_api())

    created = await client.post("/api/authors/", json={"name": "Ann", "email": "a@example.org"}, headers=ALL)
    pk = created.json()["id"]
    put = await client.put(f"/api/authors/{pk}/", json={"name": "Bob", "email": "b@example.org"}, headers=ALL)
    patched = await client.patch(f"/api/authors/{pk}/", json={"name": "Cid"}, headers=ALL)
    read = await client.get(f"/api/authors/{pk}/")
    deleted = await client.delete(f"/api/authors/{pk}/", headers=ALL)
    gone = await client.get(f"/api/authors/{pk}/")

    assert created.status_code == 201, created.text
    assert created.json() == {"id": pk, "name": "Ann", "email": "a@example.org"}
    assert put.json() == {"id": pk, "name": "Bob", "email": "b@example.org"}
    assert patched.json() == read.json() == {"id": pk, "name": "Cid", "email": "b@example.org"}
    assert (deleted.status_code, gone.status_code) == (204, 404)


async def test_a_put_wants_all_fields_and_a_patch_none(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")

    put = await client.put(f"/api/authors/{ann.pk}/", json={"name": "Bob"}, headers=ALL)
    nothing = await client.patch(f"/api/authors/{ann.pk}/", json={}, headers=ALL)
    null = await client.patch(f"/api/authors/{ann.pk}/", json={"name": None}, headers=ALL)
    unknown = await client.patch(f"/api/authors/{ann.pk}/", json={"id": 5}, headers=ALL)

    assert [e["pointer"] for e in put.json()["errors"]] == ["/email"]
    assert nothing.status_code == 200
    assert [e["pointer"] for e in null.json()["errors"]] == ["/name"]
    assert [e["pointer"] for e in unknown.json()["errors"]] == ["/id"]


async def test_each_write_asks_for_its_own_permission(library: Any) -> None:
    client = await library(make_api())
    data = {"name": "Ann", "email": "a@example.org"}

    anonymous = await client.post("/api/authors/", json=data)
    known = await client.post("/api/authors/", json=data, headers=KNOWN)
    wrong = await client.post("/api/authors/", json=data, headers={"X-User": "library.change_author"})
    right = await client.post("/api/authors/", json=data, headers={"X-User": "library.add_author"})
    other = await client.delete(f"/api/authors/{right.json()['id']}/", headers={"X-User": "library.add_author"})

    assert [one.status_code for one in (anonymous, known, wrong, right, other)] == [401, 403, 403, 201, 403]


async def test_the_object_permission_is_asked_about_the_row(library: Any) -> None:
    client = await library(make_api())
    mine, yours = await Tag.objects.create(name="mine"), await Tag.objects.create(name="yours")

    assert (await client.get(f"/api/tags/{mine.pk}/", headers=KNOWN)).status_code == 200
    assert (await client.get(f"/api/tags/{yours.pk}/", headers=KNOWN)).status_code == 403
    assert (await client.delete(f"/api/tags/{yours.pk}/", headers=KNOWN)).status_code == 403


@pytest.mark.parametrize("bulk", [True, "each"])
async def test_the_rows_may_be_found_by_an_async_function(library: Any, bulk: Any) -> None:
    """Who may see what is known after ``await request.user`` only."""

    class OwnTags(ModelViewSet, model=Tag):
        permissions = [permissions.AllowAny]

        async def get_queryset(self, request: Request) -> QuerySet[Tag]:
            user = await request.user
            return Tag.objects.filter(name="mine") if user.is_authenticated else Tag.objects.none()

        @action(detail=True)
        async def shout(self, request: Request, pk: int) -> str:
            return str((await self.get_object(request, pk)).name).upper()

    OwnTags.bulk = bulk
    api = Router()
    api.register("own", OwnTags)
    client = await library(api)
    mine, yours = await Tag.objects.create(name="mine"), await Tag.objects.create(name="yours")

    async def asked(method: str, url: str, **options: Any) -> int:
        return int((await client.request(method, f"/api/own/{url}", headers=KNOWN, **options)).status_code)

    listed = await client.get("/api/own/", headers=KNOWN)
    assert [item["name"] for item in listed.json()["items"]] == ["mine"]
    assert (await client.get("/api/own/")).json()["total"] == 0
    assert [await asked("GET", f"{pk}/") for pk in (mine.pk, yours.pk)] == [200, 404]
    assert [await asked("GET", f"{pk}/shout/") for pk in (mine.pk, yours.pk)] == [200, 404]
    assert [await asked("PATCH", f"{pk}/", json={"name": "mine"}) for pk in (mine.pk, yours.pk)] == [200, 404]
    refused = await client.patch("/api/own/bulk/", json=[{"id": yours.pk, "name": "x"}], headers=KNOWN)
    assert "There is no tag with the key" in refused.text
    assert await asked("DELETE", f"bulk/?ids={mine.pk}") == (204 if bulk is True else 207)
    assert [row.name async for row in Tag.objects.all()] == ["yours"]


async def test_filters_search_and_ordering_narrow_the_list(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    await Author.objects.create(name="Bob", email="b@example.com")
    for title in ("On bees", "Of bees"):
        await Article.objects.create(title=title, author=ann)

    async def names(query: str) -> list[str]:
        response = await client.get(f"/api/authors/?{query}")
        assert response.status_code == 200, response.text
        return [one["name"] for one in response.json()["items"]]

    assert await names("name=Bob") == ["Bob"]
    assert await names("email__icontains=EXAMPLE.ORG") == ["Ann"]
    assert await names("search=bees") == ["Ann"]
    assert await names("search=ann+bees") == ["Ann"]
    assert await names("search=bob+bees") == []
    assert await names("ordering=-name") == ["Bob", "Ann"]
    assert await names("ordering=") == ["Ann", "Bob"]  # as a page's form sends it


async def test_actions_stand_beside_the_usual_methods(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")

    promoted = await client.post(f"/api/authors/{ann.pk}/promote/", headers=ALL)
    recent = await client.get("/api/authors/recent/")
    wrong = await client.get(f"/api/authors/{ann.pk}/promote/")

    assert promoted.json()["name"] == "Ann!"
    assert [one["name"] for one in recent.json()["items"]] == ["Ann!"]
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["allow"]


async def test_relations_go_through_a_viewset(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    tag = await Tag.objects.create(name="a")

    created = await client.post("/api/articles/", json={"title": "T", "author": ann.pk, "tags": [tag.pk]})
    pk = created.json()["id"]
    patched = await client.patch(f"/api/articles/{pk}/", json={"tags": []})
    wrong = await client.patch(f"/api/articles/{pk}/", json={"author": 999})

    assert created.json()["tags"] == [tag.pk]
    assert created.json()["author"] == ann.pk
    assert patched.json()["tags"] == []
    assert [e["pointer"] for e in wrong.json()["errors"]] == ["/author"]
    assert wrong.status_code == 422


async def test_a_protected_row_is_409_and_stays(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    article = await Article.objects.create(title="T", author=ann)
    await Loan.objects.create(article=article)

    response = await client.delete(f"/api/articles/{article.pk}/")

    assert response.status_code == 409
    assert "still point" in response.json()["detail"]
    assert await Article.objects.filter(pk=article.pk).exists()


async def test_routes_have_names(library: Any) -> None:
    client = await library(make_api())

    with client.application.apps.use():
        check_names()


def check_names() -> None:
    assert reverse("authors-list") == "/api/authors/"
    assert reverse("authors-detail", kwargs={"pk": 3}) == "/api/authors/3/"
    assert reverse("authors-promote", kwargs={"pk": 3}) == "/api/authors/3/promote/"


async def test_methods_can_be_overridden_with_types_of_their_own(library: Any) -> None:
    class Short(ModelSchema, model=Author, fields=["name"]): ...

    class Named(ModelViewSet, model=Author):
        permissions = [permissions.AllowAny]
        schema = Short

        async def create(self, request: Request, data: Short) -> Author:
            return await Author.objects.create(name=data.name, email=f"{data.name}@example.org")

        async def read(self, request: Request, pk: int) -> Author:
            raise NotFound("Closed today.")

    api = Router()
    api.register("authors", Named)
    client = await library(api)

    created = await client.post("/api/authors/", json={"name": "ann"})

    assert created.json() == {"name": "ann"}
    assert (await Author.objects.get()).email == "ann@example.org"
    assert (await client.get("/api/authors/1/")).json()["detail"] == "Closed today."


async def test_a_read_only_viewset_refuses_writes(library: Any) -> None:
    class Things(ReadOnlyModelViewSet, model=Thing):
        paginated = False

    api = Router(trailing_slash=False)
    api.register("things", Things)
    client = await library(api)

    assert (await client.get("/api/things")).json() == []
    assert (await client.post("/api/things", json={})).status_code == 405


def test_a_password_is_neither_shown_nor_taken_by_default() -> None:
    from covet.db import models
    from covet.rest.default_schemas import default_input, default_output
    from tests.rest.library import written

    class Account(models.Model):
        name = models.CharField(max_length=10)
        password = models.CharField(max_length=128)

        class Meta:
            app_label = "library"

    assert set(default_output(Account).model_fields) == {"id", "name"}
    assert written(default_input(Account)) == {"name"}


async def test_a_relation_that_is_shown_by_its_column_is_written_so(library: Any) -> None:
    class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "author_id"]): ...

    class Articles(ModelViewSet, model=Article):
        schema = ArticleOut
        permissions = [permissions.AllowAny]

    api = Router()
    api.register("articles", Articles)
    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="ann@example.org")
    bob = await Author.objects.create(name="Bob", email="bob@example.org")

    created = await client.post("/api/articles/", json={"title": "First", "author_id": ann.pk})
    assert created.status_code == 201, created.text
    pk = created.json()["id"]
    patched = await client.patch(f"/api/articles/{pk}/", json={"author_id": bob.pk})
    unknown = await client.patch(f"/api/articles/{pk}/", json={"author_id": 10**6})

    assert created.json() == {"id": pk, "title": "First", "author_id": ann.pk}
    assert patched.json() == {"id": pk, "title": "First", "author_id": bob.pk}
    assert unknown.status_code == 422, unknown.text
    assert [error["pointer"] for error in unknown.json()["errors"]] == ["/author_id"]


def test_a_filter_that_the_model_does_not_have_is_an_error_at_start_up() -> None:
    class Wrong(ReadOnlyModelViewSet, model=Author):
        filters = ["nam"]

    with pytest.raises(ImproperlyConfigured, match="Did you mean 'name'"):
        Wrong.filter_set.parameters()


def test_what_is_not_shown_is_not_written_unless_a_row_needs_it() -> None:
    """Who shows a title does not mean that the rest of a row may be sent."""
    from covet.rest.default_schemas import default_input
    from tests.rest.library import Article, written

    class Title(ModelSchema, model=Article, fields=["id", "title"]): ...

    assert written(default_input(Article, Title)) == {"title", "author"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": "post"}, r"is a list: write methods=\['post'\]"),
        ({"methods": ["psot"]}, "has 'psot', which is no HTTP method. Did you mean 'post'?"),
        ({"methods": ["xyz"]}, "There are: get, post, put, patch, delete, head, options"),
        ({"url_path": "/by-day/"}, "has its slashes from the router: write 'by-day'"),
    ],
)
def test_an_action_that_no_request_would_reach_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        action(detail=True, **options)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("request", "Write request, which is an argument of each method"),
        ("kwargs", "Write request.path_params"),
        ("action", "Write request.method, or request.route.name"),
        ("get_serializer", "an argument data is the body, checked"),
        ("filter_queryset", r"Write filters.apply\(queryset\)"),
    ],
)
def test_an_instance_says_where_what_belongs_to_a_request_is(name: str, instead: str) -> None:
    """One serves all requests, so that it cannot hold any of it."""
    viewset = AuthorViewSet()

    with pytest.raises(AttributeError, match=rf"A viewset has no attribute '{name}'. .*{instead}"):
        getattr(viewset, name)
    assert not hasattr(AuthorViewSet, name)


def test_a_name_that_is_only_there_to_be_explained_may_be_taken() -> None:
    class Actions(ReadOnlyModelViewSet, model=Author):
        action = "mine"

        @property
        def kwargs(self) -> str:
            return "mine too"

    assert (Actions().action, Actions().kwargs) == ("mine", "mine too")


async def test_a_viewset_that_says_its_rows_by_a_function_is_about_its_schemas_model(library: Any) -> None:
    class TagOut(ModelSchema, model=Tag, fields=["id", "name"]): ...

    class Tags(ModelViewSet):
        schema = TagOut
        permissions = [permissions.AllowAny]

        def get_queryset(self, request: Request) -> QuerySet[Tag]:
            return Tag.objects.exclude(name="hidden")

    api = Router()
    api.register("tags", Tags)
    client = await library(api)
    await Tag.objects.create(name="hidden")

    made = await client.post("/api/tags/", json={"name": "shown"})

    assert made.status_code == 201, made.text
    assert (await client.get("/api/tags/")).json()["items"] == [made.json()]


def test_a_viewset_that_says_no_rows_is_refused_though_its_schema_is_of_a_model() -> None:
    """Else all rows would be served, which nobody asked for."""

    class TagOut(ModelSchema, model=Tag, fields=["id", "name"]): ...

    class Tags(ModelViewSet):
        schema = TagOut

    with pytest.raises(ImproperlyConfigured, match="Tags does not say which rows it is about"):
        Router().register("tags", Tags)
