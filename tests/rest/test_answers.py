"""What handlers return becomes the answer that its schema promises."""

import dataclasses
import datetime
import decimal
import uuid
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from covet.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from covet.http.errors import Conflict, NotFound, TooManyRequests
from covet.http.request import Request
from covet.http.response import RedirectResponse, Response
from covet.http.streaming import StreamingResponse
from covet.problems import ProblemError
from covet.rest import Page, Router, Schema, permissions
from covet.rest.render import UNSET, plan_response
from covet.urls import include, path
from tests.rest.library import Article, Author


class Out(Schema):
    name: str
    size: int = 0


class Foreign(BaseModel):
    name: str


@dataclasses.dataclass
class Point:
    x: int
    took: datetime.timedelta


class Typed(TypedDict):
    name: str


class Loose:
    name = "loose"
    size = 3
    secret = "hidden"


async def answer(site: Any, value: Any, **options: Any) -> Any:
    api = Router(permissions=[permissions.AllowAny])
    returns = options.pop("returns", None)
    annotations = {} if returns is None else {"return": returns}

    async def handler() -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    handler.__annotations__ = annotations
    api.get("/", **options)(handler)
    client = await site([path("", include(api))])
    return await client.get("/")


@pytest.mark.parametrize(
    ("value", "returns", "shown"),
    [
        ({"a": 1}, dict[str, int], {"a": 1}),
        ([1, None], list[int | None], [1, None]),
        ("text", str, "text"),
        (None, Out | None, None),
        (True, bool, True),
        (decimal.Decimal("1.10"), decimal.Decimal, "1.10"),
        (uuid.UUID(int=1), uuid.UUID, "00000000-0000-0000-0000-000000000001"),
        (Point(1, datetime.timedelta(hours=1)), Point, {"x": 1, "took": "PT1H"}),
        ({"name": "n"}, Typed, {"name": "n"}),
        (Out(name="n"), Out, {"name": "n", "size": 0}),
        (Foreign(name="n"), Foreign, {"name": "n"}),
        ([Out(name="n")], list[Out], [{"name": "n", "size": 0}]),
        ({"name": "n", "extra": 1}, Out, {"name": "n", "size": 0}),
        (Loose(), Out, {"name": "loose", "size": 3}),
        ([Loose()], Annotated[list[Out], "note"], [{"name": "loose", "size": 3}]),
        ({"when": datetime.date(2026, 1, 31), "raw": b"\xff"}, dict[str, Any], {"when": "2026-01-31", "raw": "/w=="}),
    ],
)
async def test_a_value_is_written_by_its_annotation(site: Any, value: Any, returns: Any, shown: Any) -> None:
    response = await answer(site, value, returns=returns)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == shown


async def test_response_says_more_than_the_annotation(site: Any) -> None:
    response = await answer(site, {"name": "n", "secret": 1}, response={201: Out, 404: None}, status=201, returns=Any)

    assert (response.status_code, response.json()) == (201, {"name": "n", "size": 0})


async def test_a_page_may_be_cut_from_a_list_or_given_whole(site: Any) -> None:
    cut = await answer(site, [{"name": f"n{n}"} for n in range(60)], response=Page[Out])
    whole = Page[Out](items=[Out(name="n")], total=7, page=2, size=1, next=None, previous="?page=1")
    given = await answer(site, whole, returns=Page[Out])

    assert cut.json()["next"] == "/?page=2"
    assert len(cut.json()["items"]) == 50
    assert given.json()["total"] == 7


async def test_nothing_is_204(site: Any) -> None:
    response = await answer(site, None, response=None)

    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (Response(b"raw", 203, media_type="text/plain"), 203),
        (RedirectResponse("/x"), 302),
    ],
)
async def test_a_response_goes_as_it_is(site: Any, value: Response, status: int) -> None:
    assert (await answer(site, value, returns=Out)).status_code == status


async def test_a_stream_goes_as_it_is(site: Any) -> None:
    async def chunks() -> Any:
        yield b"a"
        yield b"b"

    response = await answer(site, StreamingResponse(chunks()), returns=StreamingResponse)

    assert response.content == b"ab"


async def test_a_value_that_does_not_fit_is_the_servers_fault(site: Any) -> None:
    response = await answer(site, {"name": 5, "secret": "s3cr3t"}, returns=Out)

    assert response.status_code == 500
    assert "s3cr3t" not in response.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("x"), 404),
        (Conflict("x", errors=[ProblemError("y", pointer="/a")]), 409),
        (TooManyRequests("x", retry_after_s=3), 429),
        (PermissionDenied("x"), 403),
        (ValidationError({"name": "too short"}), 422),
    ],
)
async def test_errors_are_problems_whoever_asks(site: Any, error: Exception, status: int) -> None:
    response = await answer(site, error, returns=Out)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    if status == 422:
        assert response.json()["errors"] == [{"detail": "too short", "pointer": "/name"}]
    if status == 429:
        assert response.headers["retry-after"] == "3"


async def test_head_has_no_body_and_another_method_is_405(site: Any) -> None:
    api = Router()

    @api.get("/")
    async def read() -> Out:
        return Out(name="n")

    client = await site([path("", include(api))])
    head = await client.head("/")
    post = await client.post("/")

    assert (head.status_code, head.content) == (200, b"")
    assert post.status_code == 405
    assert {"GET", "HEAD"} <= {name.strip() for name in post.headers["allow"].split(",")}


async def test_two_methods_share_a_path_and_a_router_a_prefix(site: Any) -> None:
    inner, outer = Router(permissions=[permissions.AllowAny]), Router()

    @inner.get("/x")
    async def read() -> str:
        return "read"

    @inner.put("/x")
    async def write() -> str:
        return "write"

    outer.include("/inner/", inner)
    client = await site([path("", include(outer))])

    assert (await client.get("/inner/x")).json() == "read"
    assert (await client.put("/inner/x")).json() == "write"


@pytest.mark.parametrize("returns", [Article, list[Article], Article | None])
def test_a_model_without_a_schema_is_an_error_at_start_up(returns: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="response="):
        plan_response(UNSET, returns, "blog.views.read")


async def test_the_decorator_leaves_the_function_as_it_is() -> None:
    api = Router()

    @api.get("/")
    async def read(request: Request, n: int) -> int:
        return n + 1

    assert await read(None, 1) == 2  # type: ignore[arg-type]


async def test_what_a_request_wrote_is_undone_when_its_error_ends_in_the_endpoint(library: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.post("/")
    async def write() -> None:
        await Author.objects.create(name="Ann", email="a@example.org")
        raise Conflict("no")

    client = await library(api, atomic_requests=True)

    assert (await client.post("/api/")).status_code == 409
    assert not await Author.objects.exists()
