"""Keys that point at nothing, taken values, and what is left of them, wherever the transaction is drawn."""

from typing import Any

import pytest

from covet.db import connections, models, transaction
from covet.db.models.table import table_of
from covet.http.request import Request
from covet.rest import ModelSchema, ModelViewSet, Router, permissions, write
from tests.rest.conftest import KNOWN
from tests.rest.library import Article, Author, Loan, Tag


class ArticleIn(ModelSchema, model=Article, fields=["title", "body", "author", "editor", "tags"]): ...


class PlainIn(ModelSchema, model=Article, fields=["title", "author"]): ...


class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "author", "editor"]): ...


class ArticleViewSet(ModelViewSet, model=Article):
    permissions = [permissions.AllowAny]
    schema = ArticleOut
    input = ArticleIn


class AuthorViewSet(ModelViewSet, model=Author):
    permissions = [permissions.AllowAny]


class TagViewSet(ModelViewSet, model=Tag):
    permissions = [permissions.AllowAny]


def make_api() -> Router:
    api = Router()
    api.register("articles", ArticleViewSet)
    api.register("authors", AuthorViewSet)
    api.register("tags", TagViewSet)

    @api.post("/plain/", status=201, response=ArticleOut)
    async def by_dump(request: Request, data: PlainIn) -> Article:
        return await Article.objects.create(**data.model_dump())

    @api.post("/set/<int:pk>/", response=ArticleOut)
    async def by_setattr(request: Request, pk: int, data: PlainIn) -> Article:
        article = await Article.objects.get(pk=pk)
        for name, value in data.model_dump().items():
            setattr(article, name, value)
        await article.save()
        return article

    @api.post("/block/", status=201, response=ArticleOut)
    async def in_a_block(request: Request, data: PlainIn) -> Article:
        async with transaction.atomic():
            await Tag.objects.create(name=f"before {data.title}")
            return await Article.objects.create(**data.model_dump())

    @api.post("/bulk/", status=204)
    async def in_bulk(request: Request, data: PlainIn) -> None:
        await Tag.objects.create(name=f"bulk {data.title}")
        await Article.objects.bulk_create([Article(**data.model_dump())])

    @api.post("/twice/", status=201, response=ArticleOut)
    async def twice(request: Request, data: ArticleIn) -> Article:
        await write.create(Article, data)
        return await write.create(Article, data)

    return api


@pytest.mark.row("transactions.atomic_requests")
@pytest.mark.parametrize("atomic_requests", [False, True], ids=["", "one transaction per request"])
async def test_a_key_that_points_at_nothing_is_422_with_its_pointer_everywhere(
    library: Any, atomic_requests: bool
) -> None:
    """Databases that check keys at the commit answer as those that check at once."""
    client = await library(make_api(), atomic_requests=atomic_requests)
    ann = await Author.objects.create(name="Ann", email="ann@example.org")
    article = await Article.objects.create(title="kept", author=ann)
    gone = {"title": "new", "author": 999}
    full = {**gone, "body": "", "editor": None, "tags": []}

    answers = {
        "dump": await client.post("/api/plain/", json=gone, headers=KNOWN),
        "setattr": await client.post(f"/api/set/{article.pk}/", json=gone, headers=KNOWN),
        "block": await client.post("/api/block/", json=gone, headers=KNOWN),
        "bulk": await client.post("/api/bulk/", json=gone, headers=KNOWN),
        "twice": await client.post("/api/twice/", json=full, headers=KNOWN),
        "create": await client.post("/api/articles/", json=full),
        "update": await client.put(f"/api/articles/{article.pk}/", json=full),
        "patch": await client.patch(f"/api/articles/{article.pk}/", json={"author": 999}),
    }
    editor = await client.patch(f"/api/articles/{article.pk}/", json={"editor": 998})
    tags = await client.patch(f"/api/articles/{article.pk}/", json={"title": "changed", "tags": [997]})

    for name, answer in answers.items():
        assert answer.status_code == 422, (name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        errors = answer.json()["errors"]
        assert [(error["pointer"], error["code"]) for error in errors] == [("/author", "foreign_key")], name
    assert [error["pointer"] for error in editor.json()["errors"]] == ["/editor"]
    assert [error["pointer"] for error in tags.json()["errors"]] == ["/tags/0"]
    assert {answer.status_code for answer in (editor, tags)} == {422}
    assert await Article.objects.values_list("title", "author_id", "editor_id") == [("kept", ann.pk, None)]
    left = set(await Tag.objects.values_list("name", flat=True))
    assert left == (set() if atomic_requests else {"bulk new"})


@pytest.mark.parametrize("atomic_requests", [False, True], ids=["", "one transaction per request"])
async def test_a_taken_value_is_409_and_a_protected_row_stays(library: Any, atomic_requests: bool) -> None:
    client = await library(make_api(), atomic_requests=atomic_requests)
    ann = await Author.objects.create(name="Ann", email="ann@example.org")
    bob = await Author.objects.create(name="Bob", email="bob@example.org")
    article = await Article.objects.create(title="kept", author=ann)
    await Loan.objects.create(article=article)

    answers = [
        await client.post("/api/authors/", json={"name": "x", "email": ann.email}),
        await client.put(f"/api/authors/{bob.pk}/", json={"name": "x", "email": ann.email}),
        await client.patch(f"/api/authors/{bob.pk}/", json={"email": ann.email}),
    ]
    protected = await client.delete(f"/api/articles/{article.pk}/")
    fine = await client.patch(f"/api/authors/{bob.pk}/", json={"email": "other@example.org"})

    for answer in answers:
        assert answer.status_code == 409, answer.text
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/email", "unique")]
    assert protected.status_code == 409
    assert fine.status_code == 200
    assert await Author.objects.order_by("pk").values_list("name", "email") == [
        ("Ann", "ann@example.org"),
        ("Bob", "other@example.org"),
    ]


async def test_a_key_costs_no_query_before_the_write(library: Any) -> None:
    """In Python the key is an instance that knows nothing else."""
    from covet.db.observe import record_queries

    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="ann@example.org")
    # The first one compiles, and looks at the server.
    await client.post("/api/plain/", json={"title": "a", "author": ann.pk}, headers=KNOWN)

    if client.way == "asgi":
        with record_queries() as queries:
            answer = await client.post("/api/plain/", json={"title": "b", "author": ann.pk}, headers=KNOWN)
        assert answer.status_code == 201
        assert [query.sql.split()[0] for query in queries] == ["INSERT"]
    data = PlainIn.model_validate({"title": "c", "author": ann.pk})
    assert isinstance(data.author, Author)
    assert data.author.pk == ann.pk
    assert data.author.get_deferred_fields() == {"name", "email"}


class Keeper(models.Model):
    """Its hooks are plain functions."""

    name = models.CharField(max_length=20)
    is_gone = models.BooleanField(default=False)

    class Meta:
        app_label = "keepers"

    def save(self, **options: Any) -> Any:  # type: ignore[override]  # a hook may be sync or async
        self.name = self.name.title()
        return super().save(**options)

    def delete(self, **options: Any) -> Any:  # type: ignore[override]
        """Keep the row."""
        return None

    def clean(self) -> None:
        raise AssertionError("nobody asked for it")


class KeeperViewSet(ModelViewSet, model=Keeper):
    permissions = [permissions.AllowAny]


async def test_hooks_of_a_model_may_be_plain_functions(library: Any) -> None:
    api = Router()
    api.register("keepers", KeeperViewSet)
    client = await library(api)
    async with connections["default"].schema_editor() as editor:
        await editor.create_table(table_of(Keeper))

    made = await client.post("/api/keepers/", json={"name": "ann lee", "is_gone": False})
    changed = await client.patch(f"/api/keepers/{made.json()['id']}/", json={"name": "bob lee"})
    kept = await client.delete(f"/api/keepers/{made.json()['id']}/")

    assert (made.json()["name"], changed.json()["name"], kept.status_code) == ("Ann Lee", "Bob Lee", 204)
    assert await Keeper.objects.count() == 1
