"""Where a handler's arguments come from, and what is said when they are wrong; on both ways of a request."""

import asyncio
import datetime
import decimal
import enum
import functools
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from covet.exceptions import ImproperlyConfigured
from covet.http import BackgroundTasks, Conflict
from covet.http.background import running
from covet.http.files import UploadedFile
from covet.http.request import Request
from covet.http.response import Response
from covet.rest import Body, Cookie, Depends, File, Form, Header, Path, Query, Router, Schema, permissions
from covet.test import RequestFactory
from covet.urls import include, path

OPEN = [permissions.AllowAny]


class Colour(enum.Enum):
    RED = "red"


class Size(Schema):
    width: int
    height: int = 1


class Order(Schema):
    title: str
    size: Size
    tags: list[str] = []


async def serve(site: Any, api: Router, **settings: Any) -> Any:
    return await site([path("api/", include(api))], **settings)


def problem(response: Any) -> list[dict[str, Any]]:
    assert response.headers["content-type"] == "application/problem+json"
    found: list[dict[str, Any]] = response.json()["errors"]
    return found


async def test_path_query_header_and_cookie_fill_arguments(site: Any) -> None:
    api = Router()

    @api.get("/things/<int:pk>/<slug:slug>")
    async def thing(
        request: Request,
        pk: int,
        slug: str,
        q: str | None = None,
        n: int = 3,
        x_token: Annotated[str, Header()] = "none",
        theme: Annotated[Colour | None, Cookie()] = None,
    ) -> dict[str, Any]:
        return {"pk": pk, "slug": slug, "q": q, "n": n, "token": x_token, "theme": theme and theme.name}

    client = await serve(site, api)
    client.cookies.set("theme", "red")
    response = await client.get("/api/things/7/a-b?q=%C3%A9&n=4", headers={"X-Token": "t"})

    assert response.status_code == 200
    assert response.json() == {"pk": 7, "slug": "a-b", "q": "é", "n": 4, "token": "t", "theme": "RED"}


@pytest.mark.parametrize(
    ("annotation", "sent", "shown"),
    [
        (int, "5", 5),
        (float, "1e3", 1000.0),
        (bool, "on", True),
        (decimal.Decimal, "1.10", "1.10"),
        (datetime.date, "2026-01-31", "2026-01-31"),
        (datetime.datetime, "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        (uuid.UUID, "0" * 31 + "1", "00000000-0000-0000-0000-000000000001"),
        (Literal[1, 2], "2", 2),
        (Literal["a"], "a", "a"),
        (Colour, "red", "red"),
        (list[int], "1&v=2", [1, 2]),
        (Annotated[list[int], Query(min_length=2)], "1&v=2", [1, 2]),
    ],
)
async def test_scalars_and_lists_come_from_the_query(site: Any, annotation: Any, sent: str, shown: Any) -> None:
    api = Router()

    async def read(v: Any) -> dict[str, Any]:
        return {"v": v}

    read.__annotations__["v"] = annotation
    api.get("/")(read)
    client = await serve(site, api)

    assert (await client.get(f"/api/?v={sent}")).json() == {"v": shown}


async def test_every_wrong_parameter_is_told_at_once(site: Any) -> None:
    api = Router()

    @api.get("/")
    async def read(
        a: int,
        b: Annotated[int, Query(ge=10)],
        c: bool,
        x_n: Annotated[int, Header()],
        d: Annotated[str, Query(alias="D")],
    ) -> None: ...

    client = await serve(site, api)
    response = await client.get("/api/?a=x&b=3", headers={"X-N": "y"})

    assert response.status_code == 422
    told = {(one.get("parameter") or one.get("header"), one["code"]) for one in problem(response)}
    assert told == {
        ("a", "int_parsing"),
        ("b", "greater_than_equal"),
        ("c", "missing"),
        ("x-n", "int_parsing"),
        ("D", "missing"),
    }


async def test_a_schema_comes_from_the_body(site: Any) -> None:
    api = Router()

    @api.post("/", permissions=OPEN, status=201)
    async def create(data: Order) -> Order:
        return data

    client = await serve(site, api)
    response = await client.post("/api/", json={"title": "T", "size": {"width": 2}})

    assert response.status_code == 201
    assert response.json() == {"title": "T", "size": {"width": 2, "height": 1}, "tags": []}


async def test_wrong_values_of_a_body_have_pointers_and_unknown_fields_suggestions(site: Any) -> None:
    api = Router()

    @api.post("/", permissions=OPEN)
    async def create(data: Order) -> None: ...

    client = await serve(site, api)
    response = await client.post("/api/", json={"titel": "T", "size": {"width": "x", "hight": 2}, "tags": ["a", 1]})

    assert response.status_code == 422
    told = {one["pointer"]: (one["code"], one["detail"]) for one in problem(response)}
    assert told["/title"] == ("missing", "This value is required.")
    assert told["/size/width"][0] == "int_parsing"
    assert told["/tags/1"][0] == "string_type"
    assert told["/titel"] == ("extra_forbidden", "Unknown field 'titel'. Did you mean 'title'?")
    assert told["/size/hight"][1] == "Unknown field 'hight'. Did you mean 'height'?"


@pytest.mark.parametrize(
    ("body", "kind", "status", "word"),
    [
        (b"{", "application/json", 400, "not valid JSON"),
        (b"\xff", "application/json", 400, "not valid JSON"),
        (b'{"title":', "application/json", 400, "not valid JSON"),
        (b'{"title": NaN}', "application/json", 400, "not valid JSON"),
        (b"[" * 5000, "application/json", 400, "not valid JSON"),
        (b"", "application/json", 422, "not valid"),
        (b"[]", "application/json", 422, "not valid"),
        (b"title=T", "application/x-www-form-urlencoded", 415, "application/json"),
    ],
)
async def test_a_body_that_cannot_be_read_has_its_status(
    site: Any, body: bytes, kind: str, status: int, word: str
) -> None:
    api = Router()

    @api.post("/", permissions=OPEN)
    async def create(data: Order) -> None: ...

    client = await serve(site, api)
    response = await client.post("/api/", content=body, headers={"Content-Type": kind})

    assert response.status_code == status
    assert word in response.json()["detail"]


async def test_a_body_may_name_no_type_or_a_json_one_of_its_own(site: Any) -> None:
    api = Router()

    @api.post("/", permissions=OPEN)
    async def create(data: Size) -> Size:
        return data

    client = await serve(site, api)
    own = await client.post("/api/", content=b'{"width":1}', headers={"Content-Type": "application/vnd.a+json; q=1"})
    none = await client.post("/api/", content=b'{"width":1}')

    assert own.status_code == none.status_code == 200


async def test_a_body_over_the_limit_is_413(site: Any) -> None:
    api = Router()

    @api.post("/", permissions=OPEN)
    async def create(data: Order) -> None: ...

    client = await serve(site, api, DATA_UPLOAD_MAX_MEMORY_SIZE=100)
    response = await client.post("/api/", json={"title": "x" * 200})

    assert response.status_code == 413


async def test_several_schemas_share_one_body_by_name(site: Any) -> None:
    api = Router()

    @api.post("/", permissions=OPEN)
    async def create(order: Order, size: Size, note: Annotated[str, Body()] = "-") -> dict[str, Any]:
        return {"title": order.title, "width": size.width, "note": note}

    client = await serve(site, api)
    order = {"title": "T", "size": {"width": 1}}

    good = await client.post("/api/", json={"order": order, "size": {"width": 5}})
    bad = await client.post("/api/", json={"order": order, "sise": {"width": 5}})

    assert good.json() == {"title": "T", "width": 5, "note": "-"}
    assert {one["pointer"] for one in problem(bad)} == {"/size", "/sise"}


async def test_a_schema_may_come_from_the_query(site: Any) -> None:
    class Range(BaseModel):
        low: int = Field(0, ge=0)
        high: int = 9
        tag: list[str] = []

    api = Router()

    @api.get("/")
    async def read(request: Request, span: Annotated[Range, Query()]) -> dict[str, Any]:
        return span.model_dump()

    client = await serve(site, api)

    assert (await client.get("/api/?low=2&tag=a&tag=b")).json() == {"low": 2, "high": 9, "tag": ["a", "b"]}
    wrong = await client.get("/api/?low=-1&high=z")
    assert {one["parameter"] for one in problem(wrong)} == {"low", "high"}


async def test_form_fields_and_files_fill_arguments(site: Any) -> None:
    api = Router()

    @api.post("/", permissions=OPEN)
    async def upload(
        title: Annotated[str, Form(max_length=5)],
        photo: UploadedFile,
        more: Annotated[list[UploadedFile], File()] = [],  # noqa: B006
    ) -> dict[str, Any]:
        sizes = [len(await one.read()) for one in more]
        return {"title": title, "name": photo.name, "size": len(await photo.read()), "more": sizes}

    client = await serve(site, api)
    files = [("photo", ("a.png", b"123", "image/png")), ("more", ("b", b"1")), ("more", ("c", b"12"))]
    good = await client.post("/api/", data={"title": "T"}, files=files)
    bad = await client.post("/api/", data={"title": "too long"})
    other = await client.post("/api/", json={})

    assert good.json() == {"title": "T", "name": "a.png", "size": 3, "more": [1, 2]}
    assert {one["pointer"] for one in problem(bad)} == {"/title", "/photo"}
    assert other.status_code == 415


async def test_a_schema_may_come_from_a_form(site: Any) -> None:
    api = Router()

    @api.post("/", permissions=OPEN)
    async def create(size: Annotated[Size, Form()]) -> Size:
        return size

    client = await serve(site, api)

    assert (await client.post("/api/", data={"width": "3"})).json() == {"width": 3, "height": 1}


async def test_a_default_that_one_request_changes_is_not_the_next_ones(site: Any) -> None:
    api = Router()

    @api.get("/")
    async def read(tag: list[str] = []) -> list[str]:  # noqa: B006  what this test is about
        tag.append("x")
        return tag

    client = await serve(site, api)

    assert [(await client.get("/api/")).json() for _ in range(2)] == [["x"], ["x"]]


async def test_a_sync_handler_runs_in_a_thread(site: Any) -> None:
    import threading

    api = Router()

    @api.get("/")
    def read(n: int) -> dict[str, Any]:
        return {"n": n, "main": threading.current_thread() is threading.main_thread()}

    client = await serve(site, api)

    assert (await client.get("/api/?n=1")).json() == {"n": 1, "main": False}


async def test_dependencies_are_called_once_and_torn_down_in_reverse(site: Any) -> None:
    log: list[str] = []

    def base(n: int) -> int:
        log.append("base")
        return n * 10

    async def first(base: Annotated[int, Depends(base)]) -> AsyncIterator[str]:
        log.append("first in")
        try:
            yield f"first {base}"
        finally:
            log.append("first out")

    def second(base: Annotated[int, Depends(base)], n: int) -> Iterator[str]:
        log.append("second in")
        yield f"second {base + n}"
        log.append("second out")

    api = Router()

    @api.get("/")
    async def read(
        one: Annotated[str, Depends(first)], two: Annotated[str, Depends(second)], again: str = Depends(first)
    ) -> list[str]:
        log.append("handler")
        return [one, two, again]

    client = await serve(site, api)

    assert (await client.get("/api/?n=2")).json() == ["first 20", "second 22", "first 20"]
    assert log == ["base", "first in", "second in", "handler", "second out", "first out"]


async def test_a_dependency_sees_the_handlers_error(site: Any) -> None:
    seen: list[str] = []

    async def guard() -> AsyncIterator[None]:
        try:
            yield
        except LookupError as error:
            seen.append(type(error).__name__)
            raise

    api = Router()

    @api.get("/")
    async def read(guard: Annotated[None, Depends(guard)]) -> None:
        raise LookupError("x")

    client = await serve(site, api)

    assert (await client.get("/api/")).status_code == 500
    assert seen == ["LookupError"]


async def test_a_dependencys_wrong_argument_is_told_with_the_handlers(site: Any) -> None:
    async def page(size: int) -> int:
        return size

    api = Router()

    @api.get("/")
    async def read(n: int, page: Annotated[int, Depends(page)]) -> None: ...

    client = await serve(site, api)

    assert {one["parameter"] for one in problem(await client.get("/api/?n=x&size=y"))} == {"n", "size"}


async def test_a_parameter_of_an_includes_path_fills_an_argument(site: Any) -> None:
    api = Router()

    @api.get("/<int:pk>")
    async def read(tenant: str, pk: int) -> list[Any]:
        return [tenant, pk]

    client = await site([path("<slug:tenant>/", include(api))])

    assert (await client.get("/acme/3")).json() == ["acme", 3]


async def test_a_path_value_is_checked_against_the_handlers_rules(site: Any) -> None:
    api = Router()

    @api.get("/<int:pk>")
    async def read(pk: Annotated[int, Path(le=10)]) -> int:
        return pk

    client = await serve(site, api)

    assert (await client.get("/api/10")).json() == 10
    assert problem(await client.get("/api/11"))[0]["parameter"] == "pk"


def broken(handler: Any, method: str = "get", route: str = "/") -> str:
    from covet.rest.signature import read_signature

    with pytest.raises(ImproperlyConfigured) as error:
        read_signature(handler, method=method.upper(), path_names={"pk"} if "pk" in route else ())
    return str(error.value)


def test_a_handler_that_cannot_be_filled_is_an_error_at_start_up() -> None:
    async def untyped(q) -> None: ...  # type: ignore[no-untyped-def]
    async def body_of_get(data: Order) -> None: ...
    async def stars(*names: str) -> None: ...
    async def no_such_path(pk: Annotated[int, Path()]) -> None: ...
    async def two_bodies(data: Order, name: Annotated[str, Form()]) -> None: ...

    assert "'q' has no annotation" in broken(untyped)
    assert "Annotated[…, Query()]" in broken(body_of_get)
    assert "*names" in broken(stars)
    assert "the path has no 'pk'" in broken(no_such_path)
    assert "a request has one body" in broken(two_bodies, "post")


def test_a_circle_of_dependencies_is_an_error_that_names_it() -> None:
    async def chicken(egg: Any) -> None: ...
    async def egg(chicken: Any) -> None: ...

    chicken.__annotations__["egg"] = Annotated[None, Depends(egg)]
    egg.__annotations__["chicken"] = Annotated[None, Depends(chicken)]

    assert "in a circle" in broken(chicken)
    assert "chicken → " in broken(chicken)


async def test_headers_cookies_and_status_are_set_by_an_argument(site: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    async def marked(response: Response) -> None:
        response.headers["X-Marked"] = "by a dependency"

    @api.get("/set", dependencies=[Depends(marked)])
    async def handler(response: Response) -> dict[str, int]:
        response.status = 203
        response.set_cookie("seen", "yes")
        return {"a": 1}

    @api.get("/own")
    async def own(response: Response) -> Response:
        response.headers["X-Own"] = "1"
        return response

    client = await site([path("api/", include(api))])
    answer = await client.get("/api/set")
    returned = await client.get("/api/own")

    assert (answer.status_code, answer.json()) == (203, {"a": 1})
    assert answer.headers["x-marked"] == "by a dependency"
    assert answer.cookies["seen"] == "yes"
    assert returned.headers["x-own"] == "1"


async def test_an_argument_takes_what_runs_after_the_answer(site: Any) -> None:
    api = Router(permissions=OPEN)
    done: list[str] = []

    async def noted(tasks: BackgroundTasks) -> BackgroundTasks:
        tasks.add(done.append, "dependency")
        return tasks

    @api.post("/orders")
    async def order(tasks: BackgroundTasks, same: Annotated[BackgroundTasks, Depends(noted)]) -> dict[str, bool]:
        tasks.add_task(done.append, "handler")
        return {"same": tasks is same, "waits": done == []}

    @api.post("/refused")
    async def refused(tasks: BackgroundTasks) -> None:
        tasks.add(done.append, "refused")
        raise Conflict("No.")

    client = await serve(site, api)

    assert (await client.post("/api/orders")).json() == {"same": True, "waits": True}
    async with asyncio.timeout(30):
        while len(done) < 2:
            await asyncio.sleep(0.001)
    assert (await client.post("/api/refused")).status_code == 409
    await running.drain()
    assert done == ["dependency", "handler"]


async def test_a_type_that_no_request_brings_is_told(site: Any) -> None:
    class Engine:
        pass

    api = Router(permissions=OPEN)

    @api.post("/engines")
    async def engines(engine: Engine) -> None: ...

    with pytest.raises(
        ImproperlyConfigured,
        match=r"engines: the argument 'engine' is a Engine, .*Annotated\[Engine, Depends\(function\)\]",
    ):
        await serve(site, api)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: Router(prefix="/items"), r"Router\(\) has no option 'prefix': .*include\(api\)"),
        (lambda: Router(tag=["x"]), r"Did you mean 'tags'\?"),
        (
            lambda: Router().get("/items", response_model=dict),
            r"GET '/items' has no option 'response_model': write response=…",
        ),
        (lambda: Router().post("/items", status_code=201), "write status=…"),
        (lambda: Router().put("/items", zzzz=1), "There are: .*tags"),
    ],
    ids=["prefix", "tag", "response_model", "status_code", "zzzz"],
)
def test_options_of_other_frameworks_are_told_by_their_names_here(write: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        write()


async def test_an_endpoint_is_compiled_by_its_first_call_and_goes_on_as_the_same_function() -> None:
    from covet.rest.bind import compile_binding
    from covet.rest.signature import read_signature

    async def handler(count: int = 1) -> int:
        return count

    call = compile_binding(read_signature(handler, method="GET"), name="handler").call
    request = RequestFactory().get("/?count=3")
    before = call.__code__

    assert await asyncio.gather(call(request, {}, []), call(request, {}, [])) == [3, 3]
    assert before is not call.__code__
    assert call.__code__.co_filename == "<endpoint handler>"
    compiled = call.__code__
    assert await call(request, {}, []) == 3
    assert call.__code__ is compiled


async def test_arguments_go_by_place_unless_something_stands_round_the_function(site: Any) -> None:
    """CPython calls a function faster without names; a wrapper may look at them."""
    from covet.rest.bind import compile_binding
    from covet.rest.signature import read_signature

    seen: list[tuple[Any, dict[str, Any]]] = []

    def noting(function: Any) -> Any:
        @functools.wraps(function)
        async def noted(*args: Any, **named: Any) -> Any:
            seen.append((args, named))
            return await function(*args, **named)

        return noted

    async def both(number: int, request: Request, size: int = 3, *, word: str = "w") -> dict[str, Any]:
        return {"number": number, "size": size, "word": word, "path": request.path}

    async def placed(request: Request, number: int, size: int = 3) -> dict[str, Any]:
        return {"number": number, "size": size, "path": request.path}

    for view, written in ((placed, "(request, p0, p1)"), (both, "(number=p0, request=request, size=p1, word=p2)")):
        binding = compile_binding(read_signature(view, method="GET", path_names={"number"}), name="view")
        assert binding.source.rstrip().endswith(written)
    api = Router(permissions=OPEN)
    api.get("/named/<int:number>")(noting(both))
    api.get("/word/<int:number>")(both)
    api.get("/placed/<int:number>")(placed)
    client = await site([path("", include(api))])

    assert (await client.get("/named/1?word=x")).json() == {"number": 1, "size": 3, "word": "x", "path": "/named/1"}
    assert (await client.get("/word/2?size=4")).json() == {"number": 2, "size": 4, "word": "w", "path": "/word/2"}
    assert (await client.get("/placed/5?size=6")).json() == {"number": 5, "size": 6, "path": "/placed/5"}
    ((args, named),) = seen
    assert args == ()
    assert sorted(named) == ["number", "request", "size", "word"]


async def test_what_a_partial_has_been_given_no_client_replaces(site: Any) -> None:
    async def chosen(number: int = 0, *, role: str, size: int = 3) -> list[Any]:
        return [number, role, size]

    async def shown(found: Annotated[list[Any], Depends(functools.partial(chosen, role="guest"))]) -> dict[str, Any]:
        return {"found": found}

    async def below(
        number: int, found: Annotated[list[Any], Depends(functools.partial(chosen, number=1, role="x"))]
    ) -> Any:
        return {"found": found}

    api = Router(permissions=OPEN)
    api.get("/shown")(shown)
    api.get("/below/<int:number>")(below)
    client = await site([path("", include(api))])

    assert (await client.get("/shown?role=admin&number=2&size=4")).json() == {"found": [2, "guest", 4]}
    assert (await client.get("/below/7?role=admin")).json() == {"found": [7, "x", 3]}


class Shade(enum.Enum):
    DARK = "dark"


class Maybe(enum.Enum):
    NOTHING = ""


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (int | None, "None"),
        (Annotated[int, Query(ge=0)] | None, "None"),
        (bool | None, "None"),
        (datetime.date | None, "None"),
        (datetime.datetime | None, "None"),
        (uuid.UUID | None, "None"),
        (decimal.Decimal | None, "None"),
        (Shade | None, "None"),
        (Literal["dark"] | None, "None"),
        # These may be empty.
        (str | None, "''"),
        (Maybe | None, "<Maybe.NOTHING: ''>"),
        (Literal["", "dark"] | None, "''"),
        (int | str | None, "''"),
    ],
)
async def test_an_input_that_was_left_empty_is_not_there_where_it_can_be_no_value(
    site: Any, kind: Any, shown: str
) -> None:
    api = Router(permissions=OPEN)

    @api.post("/")
    async def take(value: Annotated[kind, Form()] = None) -> str:
        return repr(value)

    client = await site([path("", include(api))])

    assert (await client.post("/", data={"value": ""})).json() == shown
    assert (await client.post("/", data={})).json() == "None"


async def test_an_input_that_was_left_empty_is_missing_where_a_value_is_needed(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/")
    async def take(value: Annotated[int, Form()]) -> int:
        return value

    client = await site([path("", include(api))])
    answer = await client.post("/", data={"value": ""})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/value"


@pytest.mark.parametrize("kind", [UploadedFile | None, list[UploadedFile] | None, Annotated[bytes | None, File()]])
async def test_a_text_in_place_of_a_file_is_refused(site: Any, kind: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/")
    async def take(value: kind = None) -> bool:  # type: ignore[valid-type]
        return value is not None

    client = await site([path("", include(api))])
    text = await client.post("/", data={"value": "text"})
    empty = await client.post("/", data={"value": ""})
    file = await client.post("/", files={"value": ("a.txt", b"text")})

    (error,) = text.json()["errors"]
    assert (text.status_code, error["pointer"], error["code"]) == (422, "/value", "file_type")
    assert (empty.json(), file.json()) == (False, True)
